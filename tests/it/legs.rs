//! L2: a log that several cores read at once, each a leg of it, reports like one that is read in one go.

use crate::logs::{HOUR, at};
use crate::support;
use gatelog::generate::{self, Form};
use gatelog::lake::{Lake, Timeline};
use gatelog::record::Kind;
use gatelog::report::explain::{self, Asked, Explanation};
use gatelog::report::options::{Evidence, Options};
use gatelog::report::{self, Report, Scratch};
use gatelog::write;
use std::path::Path;

/// Every report as CSV, on so many threads, with room for so many bytes of sessions.
fn reports(lake: &Path, options: &Options, threads: usize, memory_bytes: usize) -> Vec<String> {
    let scratch = Scratch {
        memory_bytes,
        ..Scratch::new(std::env::temp_dir())
    };
    let compute = || report::compute(&Lake::open(lake)?, &Report::ALL, options, &scratch);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let text = |table| {
        let mut text = Vec::new();
        write::csv::write(table, &mut text).expect("memory");
        String::from_utf8(text).expect("CSV is UTF-8")
    };
    let tables = pool.expect("threads").install(compute).expect("reports");
    tables.iter().map(text).collect()
}

/// What stands behind somebody's sessions, as a whole and at some instants, on so many threads.
fn explanations(lake: &Path, actor: &str, threads: usize) -> Vec<Explanation> {
    let explain = || {
        let lake = Lake::open(lake)?;
        let days = [None, Some(3), Some(17), Some(39)].into_iter();
        let noon = |day: i64| at("2026-01-05T12:00:00Z") + day * 24 * HOUR;
        let asked = days.map(|day| Asked {
            actor: actor.to_owned(),
            at: day.map(noon),
        });
        let explained = asked.map(|asked| explain::explain(&lake, &asked, &Options::default()));
        explained.collect::<gatelog::error::Result<_>>()
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.expect("threads").install(explain).expect("explained")
}

#[test]
fn l2_a_log_in_legs_reports_like_one_in_one_go() {
    let home = support::home();
    let plan = generate::Plan {
        days: 40,
        access_rows: 100_000,
        change_rows: 20_000,
        gaps: 9,
        ..generate::Plan::default()
    };
    let exports = home.path().join("exports");
    generate::generate(&plan, Form::Parquet, &exports).expect("a log");
    let lake = home.path().join("lake");
    support::ingest(&support::plan(&lake, &[&exports]));
    let opened = Lake::open(&lake).expect("a lake");
    let timeline = opened.timeline(support::ENVIRONMENT, &[Kind::Access], i64::MAX);
    let log = timeline.and_then(Timeline::log).expect("a log");
    assert_eq!(log.legs(2, Some).expect("legs").len(), 2);
    for actor in log.actors().iter().step_by(40) {
        assert_eq!(explanations(&lake, actor, 3), explanations(&lake, actor, 1), "{actor}");
    }
    let abroad = Options {
        tz: chrono_tz::America::New_York,
        evidence: Evidence::All,
        ..Options::default()
    };
    for options in [Options::default(), abroad] {
        let expected = reports(&lake, &options, 1, 256 << 20);
        assert!(expected[0].lines().count() > 10_000, "there are sessions");
        for (threads, memory_bytes) in [(2, 256 << 20), (3, 100_000), (5, 256 << 20)] {
            let found = reports(&lake, &options, threads, memory_bytes);
            for (report, (found, expected)) in Report::ALL.iter().zip(found.iter().zip(&expected)) {
                assert!(found == expected, "{} on {threads} threads", report.name());
            }
        }
    }
}
