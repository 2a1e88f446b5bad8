//! A lake is kept for years: each layout that was ever written is opened, checked, reported and continued.
//!
//! The lakes lie in `tests/fixtures/lakes/`, all with the same log; its README tells how they were made. The newest is
//! made here, with a fixed clock: `UPDATE_FIXTURES=1 cargo test --release --test it layouts::` writes it anew.

use crate::lake::assert_manifest_tells_the_truth;
use crate::logs::at;
use crate::support::{self, gatelog};
use gatelog::ingest::{self, Fate, Plan, Replay};
use gatelog::instant::DateOrder;
use gatelog::lake::Lake;
use gatelog::lake::compact::{Compact, compact};
use gatelog::lake::manifest::FORMAT;
use gatelog::report::options::Options;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const CONTOSO: [&str; 3] = ["contoso.ndjson", "users.csv", "organization.json"];
const FABRIKAM: [&str; 3] = ["fabrikam.csv", "fabrikam-link-1.csv", "fabrikam-link-2.csv"];

fn fixtures() -> PathBuf {
    support::repository().join("tests/fixtures/lakes")
}

fn fixture(layout: u32) -> PathBuf {
    fixtures().join(format!("layout-{layout}"))
}

/// A copy of the lake that a layout has left.
fn copy(home: &Path, layout: u32) -> PathBuf {
    let lake = home.join(format!("layout-{layout}"));
    support::copy(&fixture(layout), &lake);
    assert_eq!(Lake::open(&lake).expect("it opens").manifest().format, layout);
    lake
}

fn reports(lake: &Path) -> BTreeMap<&'static str, String> {
    support::csvs(lake, &Options::default())
}

/// What every fixture must report.
fn expected() -> BTreeMap<&'static str, String> {
    let text = |name: &str| fs::read_to_string(fixtures().join(format!("reports/{name}.csv"))).expect("a report");
    support::TABLES.map(|name| (name, text(name))).into_iter().collect()
}

/// An ingest of inputs for an environment. The inputs' own times may not matter.
fn ingest(lake: &Path, environment: &str, inputs: &[PathBuf]) -> ingest::Outcome {
    support::ingest(&Plan {
        environment: Some(environment.to_owned()),
        exported_on: Some(at("2026-04-01T00:00:00Z")),
        clock: || 1_775_001_600_000_000,
        ..Plan::new(inputs.to_vec(), lake.to_owned())
    })
}

/// Inputs of the fixtures. Lakes keep the names of their inputs, which may say nothing of this machine: they begin in the
/// package's folder, in which cargo runs tests.
fn inputs(names: &[&str]) -> Vec<PathBuf> {
    let folder = Path::new("tests/fixtures/lakes/inputs");
    names.iter().map(|name| folder.join(name)).collect()
}

fn replay(lake: &Path) -> ingest::Outcome {
    let plan = Replay {
        date_order: Some(DateOrder::Mdy),
        clock: || 1_775_001_600_000_000,
        ..Replay::new(lake.to_owned())
    };
    ingest::replay(&plan).expect("replayed")
}

fn compacted(lake: &Path) -> u64 {
    let plan = Compact {
        clock: || 1_775_001_600_000_000,
        ..Compact::new(lake.to_owned())
    };
    compact(&plan).expect("compacted").partitions
}

/// The lake as this version writes it. Its history is that of the older fixtures, and a compaction.
fn make(lake: &Path) {
    ingest(lake, "contoso", &inputs(&CONTOSO));
    for (number, name) in FABRIKAM.iter().enumerate() {
        ingest(lake, "fabrikam", &inputs(&[name]));
        if number == 1 {
            assert_eq!(compacted(lake), 1, "a month had two files");
        }
    }
    let replayed = replay(lake);
    assert_eq!((replayed.total.accepted, replayed.total.rejected), (2, 2));
    fs::remove_file(lake.join("lock")).expect("it is free");
}

fn assert_whole(lake: &Path) {
    let home = support::home();
    let lake = lake.to_string_lossy();
    let ended = gatelog(home.path(), &["verify", "--lake", &lake]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let ended = gatelog(home.path(), &["status", "--lake", &lake]);
    assert_eq!(ended.code, 0, "{ended:?}");
    for environment in ["contoso", "fabrikam"] {
        assert!(ended.stdout.contains(environment), "{}", ended.stdout);
    }
}

#[test]
fn every_layout_has_a_lake_and_this_version_makes_the_newest_as_it_is_kept() {
    let home = support::home();
    let made = home.path().join("made");
    make(&made);
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        let _ = fs::remove_dir_all(fixture(FORMAT));
        support::copy(&made, &fixture(FORMAT));
        for (name, text) in reports(&made) {
            support::write(&fixtures().join(format!("reports/{name}.csv")), text);
        }
    }
    assert_eq!(reports(&made), expected());
    for layout in 1..=FORMAT {
        let lake = copy(home.path(), layout);
        assert_eq!(support::contents(&lake), support::contents(&made), "layout {layout}");
    }
    let size: u64 = support::files(&fixtures())
        .values()
        .map(|path| path.metadata().expect("a file").len())
        .sum();
    assert!(size < 450 << 10, "the fixtures have {size} bytes");
}

#[test]
fn a_lake_of_any_layout_reports_what_it_always_did_and_is_not_changed_by_readers() {
    let home = support::home();
    for layout in 1..=FORMAT {
        let lake = copy(home.path(), layout);
        let before = support::files(&lake).into_keys().collect::<Vec<_>>();
        assert_eq!(reports(&lake), expected(), "layout {layout}");
        assert_whole(&lake);
        let home = support::home();
        for (command, code) in [("rejects", 0), ("runs", 0)] {
            let ended = gatelog(home.path(), &[command, "--lake", &lake.to_string_lossy()]);
            assert_eq!(ended.code, code, "layout {layout}: {ended:?}");
        }
        assert!(support::files(&lake).into_keys().eq(before), "layout {layout}");
        for (name, path) in support::files(&lake) {
            assert!(
                fs::read(path).expect("it") == fs::read(fixture(layout).join(&name)).expect("it"),
                "{name}"
            );
        }
    }
}

#[test]
fn l3_a_lake_of_any_layout_takes_exactly_what_is_new() {
    let home = support::home();
    for layout in 1..=FORMAT {
        let lake = copy(home.path(), layout);
        let before = support::contents(&lake);
        let more = ingest(&lake, "contoso", &inputs(&["more.ndjson"])).total;
        assert_eq!((more.read, more.accepted, more.duplicate), (7, 4, 3), "layout {layout}");
        assert_whole(&lake);
        let opened = Lake::open(&lake).expect("it opens");
        assert_eq!(
            opened.manifest().format,
            FORMAT,
            "written in the layout of this version"
        );
        let after = support::contents(&lake);
        assert_eq!(after.len(), before.len() + 4);
        assert!(
            before.iter().all(|row| after.binary_search(row).is_ok()),
            "layout {layout}"
        );

        // All that came before, as it was, and grown by a line that says nothing.
        for outcome in [
            ingest(&lake, "contoso", &inputs(&CONTOSO)),
            ingest(&lake, "fabrikam", &inputs(&FABRIKAM)),
        ] {
            let mut fates = outcome.reports.iter().map(|report| &report.fate);
            assert!(
                fates.all(|fate| *fate == Fate::AlreadyIngested),
                "layout {layout}: {outcome:?}"
            );
        }
        for (environment, name) in CONTOSO
            .map(|name| ("contoso", name))
            .into_iter()
            .chain(FABRIKAM.map(|name| ("fabrikam", name)))
        {
            let mut text = fs::read(fixtures().join("inputs").join(name)).expect("an input");
            text.push(b'\n');
            let grown = support::write(&home.path().join(format!("grown-{layout}-{name}")), text);
            let total = ingest(&lake, environment, &[grown]).total;
            assert_eq!(total.accepted, 0, "layout {layout}: {name}: {total:?}");
        }
        assert!(support::contents(&lake) == after);
        assert_manifest_tells_the_truth(&lake);
    }
}

#[test]
fn a_lake_of_any_layout_is_compacted_and_replayed() {
    let home = support::home();
    for layout in 1..=FORMAT {
        let lake = copy(home.path(), layout);
        let rows = support::contents(&lake);
        assert!(compacted(&lake) > 0, "layout {layout}: a month has several files");
        assert_eq!(reports(&lake), expected(), "layout {layout}");
        assert!(support::contents(&lake) == rows, "layout {layout}");
        assert_whole(&lake);
        let replayed = replay(&lake).total;
        assert_eq!(
            (replayed.accepted, replayed.rejected),
            (0, 2),
            "layout {layout}: not understood yet"
        );
        assert_eq!(reports(&lake), expected(), "layout {layout}");
        let more = ingest(&lake, "contoso", &inputs(&["more.ndjson"])).total;
        assert_eq!((more.accepted, more.duplicate), (4, 3), "layout {layout}");
        assert_whole(&lake);
        assert_manifest_tells_the_truth(&lake);
    }
}
