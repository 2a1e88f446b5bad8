//! The books beside the manifest: what is known of earlier inputs, and what a lost or longer file does to it.

use crate::lake::assert_manifest_tells_the_truth;
use crate::support::{self, gatelog};
use crate::tampered::log;
use gatelog::ingest::{self, Fate, Outcome};
use gatelog::lake::Lake;
use std::fs;
use std::path::{Path, PathBuf};

const COMMITS: &str = "ledger/commits.jsonl";
const INPUTS: &str = "ledger/inputs.ids";

/// A lake of two runs, and their inputs.
fn lake(home: &Path) -> (PathBuf, [PathBuf; 2]) {
    let lake = home.join("lake");
    let logs = [1, 2].map(|seed| {
        let path = support::write(&home.join(format!("log-{seed}")), log(seed, "2026-02-27T20:00:00Z"));
        support::ingest(&support::plan(&lake, &[&path]));
        path
    });
    (lake, logs)
}

fn again(lake: &Path, logs: &[PathBuf; 2]) -> Outcome {
    support::ingest(&support::plan(lake, &[&logs[0], &logs[1]]))
}

fn assert_known(outcome: &Outcome) {
    let mut fates = outcome.reports.iter().map(|report| &report.fate);
    assert!(fates.all(|fate| *fate == Fate::AlreadyIngested), "{outcome:?}");
}

#[test]
fn l3_the_ids_of_inputs_are_made_anew_where_they_were_lost() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 2] = [
        ("gone", |path| fs::remove_file(path).expect("it was there")),
        ("cut", |path| fs::write(path, "cut").expect("written")),
    ];
    for (what, damage) in damages {
        let home = support::home();
        let (lake, logs) = lake(home.path());
        let ids = fs::read(lake.join(INPUTS)).expect("it");
        assert_eq!(ids.len(), 2 * 24);
        damage(&lake.join(INPUTS));
        assert_known(&again(&lake, &logs));
        let third = support::write(&home.path().join("log-3"), log(3, "2026-02-27T20:00:00Z"));
        assert!(support::ingest(&support::plan(&lake, &[&third])).total.accepted > 0);
        let made = fs::read(lake.join(INPUTS)).expect("it");
        assert!(made.starts_with(&ids) && made.len() == 3 * 24, "{what}");
        assert_manifest_tells_the_truth(&lake);
        assert_eq!(gatelog(home.path(), &["verify"]).code, 0, "{what}");
    }
}

#[test]
fn l4_what_stands_behind_the_ends_of_the_ledger_does_not_count() {
    let home = support::home();
    let (lake, logs) = lake(home.path());
    let before = gatelog(home.path(), &["runs"]).stdout;
    for path in [COMMITS, INPUTS].map(|path| lake.join(path)) {
        let mut bytes = fs::read(&path).expect("it");
        // More than the next commit writes.
        bytes.extend(b"{\"half a line of a run that was killed".repeat(100));
        fs::write(&path, bytes).expect("written");
    }
    assert_eq!(gatelog(home.path(), &["verify"]).code, 0);
    assert_eq!(gatelog(home.path(), &["runs"]).stdout, before);
    assert_known(&again(&lake, &logs));
    let text = fs::read_to_string(lake.join(COMMITS)).expect("whole lines");
    assert_eq!(text.lines().count(), 3, "the next commit has written over it");
    assert_eq!(gatelog(home.path(), &["verify"]).code, 0);
}

#[test]
fn a_ledger_that_is_gone_is_said_with_its_path_and_a_way_on() {
    let home = support::home();
    let (lake, logs) = lake(home.path());
    fs::remove_file(lake.join(COMMITS)).expect("it was there");
    let error = ingest::ingest(&support::plan(&lake, &[&logs[0]]), &|_| {}).expect_err("no books");
    assert_eq!(error.path, Some(lake.join(COMMITS)));
    assert!(error.hint.is_some_and(|hint| hint.contains("backup")));
    for command in ["runs", "status"] {
        assert_eq!(gatelog(home.path(), &[command]).code, 1, "{command}");
    }
    assert_eq!(gatelog(home.path(), &["report"]).code, 0, "reports need no books");
    assert_eq!(gatelog(home.path(), &["verify"]).code, 6);
}

/// Bytes of the manifest, which every run reads and writes, in a lake of so many runs.
fn manifest_after(home: &Path, runs: u32) -> usize {
    let lake = home.join(format!("lake-{runs}"));
    for run in 0..runs {
        let empty = support::write(
            &home.join(format!("name-{run}.csv")),
            format!("systemuserid,fullname\n{run},Invented {run}\n"),
        );
        support::ingest(&support::plan(&lake, &[&empty]));
    }
    assert_eq!(
        Lake::open(&lake).expect("a lake").ledger().expect("it").runs().count() as u32,
        runs
    );
    fs::read(lake.join("manifest.json")).expect("it").len()
}

#[test]
fn the_manifest_does_not_grow_with_runs_and_inputs() {
    let home = support::home();
    let (few, many) = (manifest_after(home.path(), 3), manifest_after(home.path(), 40));
    assert!(many < few + 20, "{few} bytes after 3 runs, {many} after 40");
}
