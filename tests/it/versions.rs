//! Versions of one audit row, as Synapse Link appends them: the highest versionnumber stands in the lake, then the one
//! written last, and a deletion only marks the row (design §3.6). In one run and over several, in any order.

use crate::lake::assert_manifest_tells_the_truth;
use crate::support::{self, Row};
use gatelog::ingest::{Outcome, Plan};
use gatelog::lake::Lake;
use gatelog::report::options::Options;
use serde_json::json;
use std::fs;
use std::path::Path;

const HEADER: &str =
    "auditid,createdon,action,objectid,objectid_entitytype,objectidname,versionnumber,SinkModifiedOn,IsDelete\n";

const MORNING: &str = "2026-03-01T08:00:00Z";

/// A row of access `id`; the name tells the versions apart.
fn version(id: usize, name: &str, number: &str, written: &str, is_delete: &str) -> String {
    format!("access-{id},{MORNING},64,jane,systemuser,{name},{number},2026-04-{written}T00:00:00Z,{is_delete}\n")
}

/// A deletion that says nothing but whom it is about.
fn bare_deletion(id: usize) -> String {
    format!("access-{id},,,,,,,2026-05-01T00:00:00Z,True\n")
}

fn ingest(home: &Path, name: &str, rows: &[String]) -> Outcome {
    let file = support::write(&home.join(name), HEADER.to_owned() + &rows.concat());
    ingest_into(&home.join("lake"), &file)
}

fn ingest_into(lake: &Path, file: &Path) -> Outcome {
    let outcome = support::ingest(&support::plan(lake, &[file]));
    assert!(outcome.total.balances(), "L1");
    assert_manifest_tells_the_truth(lake);
    outcome
}

/// Name and deletion mark of each row.
fn seen(home: &Path) -> Vec<(String, bool)> {
    let mark = |row: &Row| (row["object_name"].clone(), row["deleted_in_source"] == "true");
    support::lake_rows(&home.join("lake"), "audit")
        .iter()
        .map(mark)
        .collect()
}

/// Every order of the rows, in one run and in a run each, ends in the same lake.
fn check_in_any_order(rows: &[String], expected: &[(&str, bool)]) {
    let expected: Vec<(String, bool)> = expected
        .iter()
        .map(|(name, mark)| ((*name).to_owned(), *mark))
        .collect();
    for order in orders(rows.len()) {
        let ordered: Vec<String> = order.iter().map(|&place| rows[place].clone()).collect();
        let home = support::home();
        let outcome = ingest(home.path(), "whole", &ordered);
        assert_eq!(seen(home.path()), expected, "in one run: {order:?}");
        assert_eq!(outcome.total.accepted as usize, expected.len());

        let home = support::home();
        for (run, row) in ordered.iter().enumerate() {
            ingest(home.path(), &format!("run-{run}"), std::slice::from_ref(row));
        }
        assert_eq!(seen(home.path()), expected, "in a run each: {order:?}");
    }
}

fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![vec![]];
    }
    let longer = |order: Vec<usize>| {
        (0..count).map(move |place| {
            let mut order = order.clone();
            order.insert(place, count - 1);
            order
        })
    };
    orders(count - 1).into_iter().flat_map(longer).collect()
}

#[test]
fn the_highest_version_number_stands_in_any_order() {
    let rows = [
        version(1, "old", "100", "01", ""),
        version(1, "newest", "120", "02", ""),
        version(1, "newer", "110", "03", ""),
    ];
    check_in_any_order(&rows, &[("newest", false)]);
}

#[test]
fn of_equal_version_numbers_in_one_run_the_one_written_last_stands() {
    for rows in [["03", "02"], ["02", "03"]] {
        let home = support::home();
        let rows = rows.map(|written| version(1, &format!("written {written}"), "100", written, ""));
        let outcome = ingest(home.path(), "retried", &rows);
        assert_eq!(seen(home.path()), [("written 03".to_owned(), false)]);
        assert_eq!((outcome.total.accepted, outcome.total.duplicate), (1, 1));
    }
}

#[test]
fn a_deletion_marks_its_row_and_takes_nothing_from_it() {
    let rows = [
        version(1, "live", "100", "01", "False"),
        version(1, "", "130", "05", "True").replace("jane", ""),
    ];
    check_in_any_order(&rows, &[("live", true)]);
    let rows = [version(1, "live", "100", "01", "0"), version(1, "live", "", "05", "1")];
    check_in_any_order(&rows, &[("live", true)]);
}

#[test]
fn a_deletion_without_a_time_marks_a_known_row_and_is_set_aside_otherwise() {
    let home = support::home();
    let live = [version(1, "one", "100", "01", ""), version(2, "two", "101", "01", "")];
    let outcome = ingest(home.path(), "same-run", &[&live[..], &[bare_deletion(2)]].concat());
    assert_eq!((outcome.total.accepted, outcome.total.duplicate), (2, 1));
    assert_eq!(seen(home.path()), [("one".to_owned(), false), ("two".to_owned(), true)]);

    let outcome = ingest(home.path(), "later-run", &[bare_deletion(1), bare_deletion(3)]);
    assert_eq!((outcome.total.duplicate, outcome.total.rejected), (1, 1));
    assert_eq!(seen(home.path()), [("one".to_owned(), true), ("two".to_owned(), true)]);
    let rejects = support::lake_rows(&home.path().join("lake"), "rejects");
    assert_eq!(
        (rejects[0]["code"].as_str(), rejects[0]["record"].as_str()),
        ("created-on-missing", "3")
    );
}

#[test]
fn versions_and_deletions_find_their_rows_among_many_with_little_memory_l2() {
    let live: Vec<String> = (0..400).map(|id| version(id, "live", "100", "01", "")).collect();
    let later: Vec<String> = (0..400)
        .step_by(3)
        .map(|id| version(id, "later", "200", "02", ""))
        .chain((0..400).step_by(7).map(bare_deletion))
        .collect();
    let mut lakes = Vec::new();
    for memory_bytes in [1, 20_000, 256 << 20] {
        for together in [true, false] {
            let home = support::home();
            let files = [("a", &live), ("b", &later)]
                .map(|(name, rows)| support::write(&home.path().join(name), HEADER.to_owned() + &rows.concat()));
            let lake = home.path().join("lake");
            let plan = |paths: &[&Path]| Plan {
                memory_bytes,
                block_bytes: 3000,
                ..support::plan(&lake, paths)
            };
            if together {
                support::ingest(&plan(&[&files[0], &files[1]]));
            } else {
                files.iter().for_each(|file| drop(support::ingest(&plan(&[file]))));
            }
            assert_manifest_tells_the_truth(&lake);
            lakes.push((support::contents(&lake), support::csvs(&lake, &Options::default())));
        }
    }
    let rows = &lakes[0].0;
    let count = |wanted: &dyn Fn(&Row) -> bool| rows.iter().filter(|row| wanted(row)).count();
    assert_eq!(count(&|row| row["object_name"] == "later"), 134);
    assert_eq!(count(&|row| row["deleted_in_source"] == "true"), 58);
    assert_eq!(rows.len(), 400);
    assert!(lakes.iter().all(|lake| *lake == lakes[0]), "L2");
}

#[test]
fn ingesting_versions_again_changes_no_file_l3() {
    let home = support::home();
    let rows = [
        version(1, "old", "100", "01", ""),
        version(1, "new", "110", "02", ""),
        bare_deletion(1),
    ];
    ingest(home.path(), "first", &rows);
    let before = support::contents(&home.path().join("lake"));
    ingest(home.path(), "again", &[&rows[..], &["\n".to_owned()]].concat());
    assert_eq!(support::contents(&home.path().join("lake")), before);
}

/// A crash between the decision and its end: the file with the later version is in its place or not yet, and whoever
/// globs sees each row once.
#[test]
fn l4_a_version_takes_the_place_of_its_row_in_one_step() {
    let home = support::home();
    let (old, new) = (home.path().join("old"), home.path().join("lake"));
    ingest(
        home.path(),
        "first",
        &[version(1, "old", "100", "01", ""), version(2, "two", "101", "01", "")],
    );
    support::copy(&new, &old);
    ingest(
        home.path(),
        "second",
        &[version(1, "new", "110", "02", ""), bare_deletion(2)],
    );
    let read = |lake: &Path, name: &str| fs::read(lake.join(name)).expect("readable");
    let is_revised = |name: &String| name.starts_with("audit/") && read(&old, name) != read(&new, name);
    let revised: Vec<String> = support::files(&new).into_keys().filter(is_revised).collect();
    assert_eq!(revised.len(), 1, "one file holds both rows, under its old name");
    for is_moved in [false, true] {
        let crashed = home.path().join(format!("crashed-{is_moved}"));
        support::copy(&old, &crashed);
        let staged = "staging/revised-00000.parquet";
        support::write(
            &crashed.join(if is_moved { &revised[0] } else { staged }),
            read(&new, &revised[0]),
        );
        let removed = ["names/00000001.parquet", "index/00000001.ids"];
        support::write(&crashed.join("staging/manifest.json"), read(&new, "manifest.json"));
        for books in ["ledger/commits.jsonl", "ledger/inputs.ids"] {
            support::write(&crashed.join(books), read(&new, books));
        }
        let names = ("staging/names.parquet", "names/00000002.parquet");
        support::write(&crashed.join(names.0), read(&new, names.1));
        let decided = json!({"moves": [[staged, revised[0]], [names.0, names.1]], "removes": removed});
        support::write(&crashed.join("commit.json"), decided.to_string());
        assert_eq!(
            support::lake_rows(&crashed, "audit").len(),
            2,
            "while it is not finished"
        );
        Lake::open(&crashed).expect("readable");

        // The next run finishes it, whatever it came for.
        ingest_into(&crashed, &home.path().join("first"));
        assert_eq!(support::contents(&crashed), support::contents(&new));
        assert_manifest_tells_the_truth(&crashed);
    }
}
