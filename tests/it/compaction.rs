//! `gatelog compact`: fewer files, the same rows in the same order, the same reports.

use crate::support::{self, gatelog};
use gatelog::lake::Lake;
use gatelog::lake::compact::{Compact, Compacted, compact};
use gatelog::report::options::Options;
use std::path::Path;

fn line(id: u32, day: u32, text: &str) -> String {
    let action = [64, 2, 113, 112][id as usize % 4];
    format!(
        "{{\"auditid\":\"{id:08}-0000-4000-8000-000000000000\",\"createdon\":\"2026-{:02}-{:02}T08:00:00Z\",\
         \"action\":{action},\"_userid_value\":\"{:08}-0000-4000-9000-000000000000\",\"changedata\":\"{text}\"}}\n",
        1 + day / 28,
        1 + day % 28,
        id % 5
    )
}

/// A lake of `runs` runs whose rows lie among each other.
fn lake(home: &Path, runs: u32, text: &str) -> std::path::PathBuf {
    let lake = home.join("lake");
    for run in 0..runs {
        let rows: String = (0..40)
            .map(|row| line(row * runs + run, (row * 7 + run) % 50, text))
            .collect();
        let log = support::write(&home.join(format!("log-{run}")), rows);
        support::ingest(&support::plan(&lake, &[&log]));
    }
    lake
}

fn done(lake: &Path, memory_bytes: usize) -> Compacted {
    let plan = Compact {
        memory_bytes,
        ..Compact::new(lake.to_owned())
    };
    compact(&plan).expect("compacted")
}

#[test]
fn rows_and_reports_stay_and_each_month_is_one_sorted_file_whatever_fits_into_memory() {
    let home = support::home();
    let old = lake(home.path(), 3, "");
    let (rows, reports) = (
        support::contents(&old),
        support::report_files(&old, &Options::default()),
    );
    for memory_bytes in [1, 64 << 20] {
        let new = home.path().join(format!("compacted-{memory_bytes}"));
        support::copy(&old, &new);
        let done = done(&new, memory_bytes);
        assert_eq!(
            (done.partitions, done.files_after),
            (6, 6),
            "two months of three kinds: {done:?}"
        );
        assert_eq!(done.files_before, 18, "{done:?}");
        assert_eq!(support::files(&new.join("audit")).len(), 6);
        assert_eq!(support::contents(&new), rows);
        assert!(support::report_files(&new, &Options::default()) == reports);
        crate::lake::assert_manifest_tells_the_truth(&new);
        for path in support::files(&new.join("audit")).values() {
            let keys: Vec<_> = support::parquet_rows(path)
                .iter()
                .map(|row| (row["created_on"].clone(), row["audit_id"].clone()))
                .collect();
            assert!(keys.is_sorted(), "{}", path.display());
        }
        assert_eq!(Lake::open(&new).expect("a lake").manifest().index.len(), 1);
    }
}

#[test]
fn a_compacted_lake_needs_nothing_and_takes_the_next_run() {
    let home = support::home();
    let lake = lake(home.path(), 3, "");
    done(&lake, 64 << 20);
    let files = support::files(&lake.join("audit"));
    let again = done(&lake, 64 << 20);
    assert_eq!((again.partitions, again.files_before, again.files_after), (0, 6, 6));
    assert_eq!(support::files(&lake.join("audit")), files);
    let more = support::write(&home.path().join("more"), line(7, 3, "") + &line(4_000_000, 3, ""));
    let outcome = support::ingest(&support::plan(&lake, &[&more]));
    assert_eq!((outcome.total.accepted, outcome.total.duplicate), (1, 1), "L3");
    assert_eq!(done(&lake, 64 << 20).partitions, 1);
    crate::lake::assert_manifest_tells_the_truth(&lake);
}

fn ingest_a_night(home: &Path, lake: &Path, day: u32) {
    let rows: String = (0..40).map(|row| line(day * 40 + row, day, "")).collect();
    let log = support::write(&home.join(format!("night-{day}")), rows);
    assert_eq!(support::ingest(&support::plan(lake, &[&log])).total.accepted, 40);
}

fn files_of(lake: &Path, month: &str) -> usize {
    let files = support::files(&lake.join("audit")).into_keys();
    files.filter(|name| name.contains(month)).count()
}

/// Days are numbered from 0; each month of these logs has 28.
#[test]
fn the_nights_of_a_month_become_one_file_of_each_kind_when_it_is_over() {
    let home = support::home();
    let lake = home.path().join("lake");
    (0..28).for_each(|day| ingest_a_night(home.path(), &lake, day));
    assert_eq!(files_of(&lake, "2026-01"), 28 * 3);
    let (rows, globbed) = (support::contents(&lake).len(), support::lake_rows(&lake, "audit").len());
    assert_eq!((rows, globbed), (28 * 40, 28 * 40));
    ingest_a_night(home.path(), &lake, 28);
    assert_eq!((files_of(&lake, "2026-01"), files_of(&lake, "2026-02")), (3, 3));
    assert_eq!(support::lake_rows(&lake, "audit").len(), 29 * 40, "once each");
    crate::lake::assert_manifest_tells_the_truth(&lake);

    // Late rows lie beside, and are merged once they are worth it.
    let late: Vec<_> = (0..5)
        .map(|number| {
            support::write(
                &home.path().join(format!("late-{number}")),
                line(4_000_000 + 4 * number, 3, ""),
            )
        })
        .collect();
    let counts: Vec<usize> = late
        .iter()
        .map(|late| {
            support::ingest(&support::plan(&lake, &[late]));
            files_of(&lake, "2026-01")
        })
        .collect();
    assert_eq!(counts, [4, 5, 6, 3, 4]);
    assert_eq!(gatelog(home.path(), &["verify"]).code, 0);
}

#[test]
fn a_month_with_a_file_that_the_lake_does_not_know_is_left_as_it_is() {
    let home = support::home();
    let lake = home.path().join("lake");
    (0..28).for_each(|day| ingest_a_night(home.path(), &lake, day));
    let first = lake.join("audit/environment=sample/kind=change/month=2026-01");
    let mine = support::write(&first.join("mine.txt"), "mine");
    ingest_a_night(home.path(), &lake, 28);
    assert_eq!(files_of(&lake, "kind=change/month=2026-01"), 28 + 1);
    assert_eq!(files_of(&lake, "kind=access/month=2026-01"), 1);
    assert!(mine.exists());
}

#[test]
fn a_file_that_the_lake_does_not_know_is_not_swapped_away() {
    let home = support::home();
    let lake = lake(home.path(), 3, "");
    let first = lake.join("audit/environment=sample/kind=change/month=2026-01");
    assert!(support::files(&first).len() > 1, "a month of several files");
    let stranger = support::write(&first.join("mine.parquet"), "mine");
    let before = support::held(&lake);
    let error = compact(&Compact::new(lake.clone())).expect_err("a stranger");
    assert_eq!(error.path.as_deref(), Some(stranger.as_path()));
    assert!(
        support::held(&lake) == before,
        "nothing is changed but what a next run clears"
    );
}

#[test]
fn the_program_says_what_it_has_done() {
    let home = support::home();
    lake(home.path(), 3, "");
    let ended = gatelog(home.path(), &["compact", "--json"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stderr.starts_with("6 months merged: "), "{}", ended.stderr);
    let json: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!((&json["partitions"], &json["files_after"]), (&6.into(), &6.into()));
    let ended = gatelog(home.path(), &["compact"]);
    assert_eq!(ended.stderr, "nothing to merge: 6 files in the lake\n");
    assert_eq!(gatelog(home.path(), &["compact", "--lake", "nowhere"]).code, 1);
    let runs = gatelog(home.path(), &["runs", "--json"]);
    assert!(runs.stdout.contains("\"command\":\"compact\""), "{}", runs.stdout);
}
