//! L2: what a report says does not depend on how much memory it has, on lakes of several environments and many runs.

use crate::logs::{self, Chance, Form, HOUR, at};
use crate::support::{self, TABLES};
use gatelog::ingest::Plan;
use gatelog::lake::{Lake, Sightings, Timeline};
use gatelog::report::options::{Evidence, Options};
use gatelog::report::{self, Report, Scratch};
use gatelog::write::{self, Format};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A log of each of two environments, in three runs that overlap in time.
fn lake(home: &Path, seed: u64) -> std::path::PathBuf {
    let lake = home.join("lake");
    for (place, environment) in ["alpha", "beta"].into_iter().enumerate() {
        let chance = &mut Chance::new(seed + place as u64);
        let events = logs::unkind(chance, at("2026-03-28T20:00:00Z"), 4 * HOUR);
        let mut parts = vec![Vec::new(); 3];
        events.into_iter().for_each(|event| parts[chance.below(3)].push(event));
        for (number, part) in parts.iter().enumerate().filter(|(_, part)| !part.is_empty()) {
            let file = support::write(&home.join(format!("{environment}-{number}")), Form::Lines.write(part));
            support::ingest(&Plan {
                environment: Some(environment.to_owned()),
                ..support::plan(&lake, &[&file])
            });
        }
    }
    lake
}

/// All report files in all formats, and how many sightings sessions are cut from.
fn reports(home: &Path, lake: &Path, options: &Options, scratch: &Scratch) -> (BTreeMap<String, Vec<u8>>, usize) {
    let lake = Lake::open(lake).expect("a lake");
    let mut sightings = 0;
    for environment in lake.environments() {
        let timeline = lake.timeline(environment, options.evidence.kinds(), i64::MAX);
        let log = timeline.and_then(Timeline::log).expect("a log");
        let mut count = |rows: Sightings<'_>| {
            sightings += rows.len();
            Ok(())
        };
        for leg in log.legs(1, Some).expect("legs") {
            leg.read(&mut count).expect("read");
        }
    }
    // One thread, which has all the memory.
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .expect("a thread");
    let compute = || report::compute(&lake, &Report::ALL, options, scratch);
    let tables = pool.install(compute).expect("reports");
    let out = home.join("reports");
    write::write_all(&out, &tables, &TABLES, &Format::ALL, &[]).expect("published");
    let files = support::files(&out).into_iter();
    let bytes = files
        .map(|(name, path)| (name, fs::read(path).expect("readable")))
        .collect();
    (bytes, sightings)
}

#[test]
fn l2_sessions_in_a_temporary_file_report_like_sessions_in_memory() {
    let mut most = 0;
    for seed in 1..=12 {
        let home = support::home();
        let lake = lake(home.path(), seed);
        let ranged = Options {
            from: Some(at("2026-03-28T22:00:00Z")),
            tz: chrono_tz::Europe::Berlin,
            ..Options::default()
        };
        let all = Options {
            evidence: Evidence::All,
            ..Options::default()
        };
        for (place, options) in [Options::default(), ranged, all].into_iter().enumerate() {
            let scratch = Scratch::new(home.path().join("unused"));
            let (expected, sightings) = reports(home.path(), &lake, &options, &scratch);
            assert!(!scratch.dir.exists(), "there is room in memory");
            most = most.max(sightings);
            for held in [0, 1, 2, 5] {
                let scratch = Scratch {
                    dir: home.path().join(format!("scratch-{place}-{held}")),
                    memory_bytes: held * 8,
                };
                let (found, _) = reports(home.path(), &lake, &options, &scratch);
                assert!(found == expected, "seed {seed}, {held} sightings in memory");
                assert_eq!(scratch.dir.exists(), sightings > held.max(1), "{sightings} sightings");
                assert!(support::files(&scratch.dir).is_empty(), "the file has no name");
            }
        }
    }
    assert!(most > 10, "there are sightings to write: {most}");
}

#[test]
fn rows_of_several_environments_stay_apart_and_in_order() {
    let home = support::home();
    let lake = lake(home.path(), 3);
    let csv = |environment: Option<&str>| {
        let options = Options {
            environment: environment.map(str::to_owned),
            ..Options::default()
        };
        support::csvs(&lake, &options)
    };
    let (all, alpha, beta) = (csv(None), csv(Some("alpha")), csv(Some("beta")));
    for table in TABLES {
        let rows = beta[table].split_once('\n').expect("a header").1;
        // Nothing is implausible in these logs.
        assert!(rows.contains("beta") || table == "silence", "{table} has rows");
        assert_eq!(all[table], format!("{}{rows}", alpha[table]), "{table}");
    }
}
