//! Every run leaves a record: what it was asked, what it read, what became of it, and when.

use crate::older::{replay, spoil, upgrade};
use crate::support::{self, gatelog};
use crate::tampered::log;
use gatelog::ingest::{self, Plan, Replay};
use gatelog::instant::DateOrder;
use gatelog::lake::Lake;
use gatelog::lake::runs::{Books, InputCounts, RunEntry};
use serde_json::{Value, json};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

thread_local! {
    static CLOCK: Cell<i64> = const { Cell::new(0) };
}

/// A second more each time it is asked.
fn clock() -> i64 {
    CLOCK.set(CLOCK.get() + 1_000_000);
    CLOCK.get()
}

fn runs(lake: &Path) -> Vec<RunEntry> {
    let ledger = Lake::open(lake).expect("a lake").ledger().expect("readable");
    ledger.runs().cloned().collect()
}

fn last(lake: &Path) -> RunEntry {
    runs(lake).pop().expect("a run")
}

fn settings(of: &[(&str, &str)]) -> BTreeMap<String, String> {
    of.iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn a_run_leaves_its_time_version_settings_inputs_and_books() {
    let home = support::home();
    let lake = home.path().join("lake");
    let folder = home.path().join("in");
    support::write(&folder.join("a.ndjson"), log(1, "2026-02-27T20:00:00Z") + "broken\n");
    support::write(&folder.join("b.ndjson"), "");
    support::write(&folder.join("c.txt"), "no export\n");
    support::write(
        &folder.join("d.json"),
        "{\"CreationTime\":\"2026-03-01T08:00:00\",\"Workload\":\"CRM\",\"AuditData\":{}}",
    );
    let plan = Plan {
        date_order: Some(DateOrder::Dmy),
        exported_on: Some(crate::logs::at("2026-03-04T00:00:00Z")),
        clock,
        ..support::plan(&lake, &[&folder])
    };
    let outcome = support::ingest(&plan);
    let run = last(&lake);
    let expected = RunEntry {
        generation: 1,
        command: "ingest".to_owned(),
        started_on_us: 1_000_000,
        duration_ms: 1_000,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        settings: settings(&[
            ("date_order", "dmy"),
            ("environment", support::ENVIRONMENT),
            ("exported_on", "2026-03-04T00:00:00Z"),
            ("memory", "512 MiB"),
            ("source_tz", "UTC"),
        ]),
        inputs: InputCounts {
            inputs_ingested: 1,
            inputs_skipped: 3 - outcome.refused() as u64,
            inputs_refused: outcome.refused() as u64,
        },
        books: Books {
            read: 93,
            accepted: 92,
            duplicate: 0,
            rejected: 1,
        },
    };
    assert_eq!(run, expected);
}

#[test]
fn l3_a_run_that_finds_nothing_new_leaves_its_record_and_nothing_else() {
    let home = support::home();
    let lake = home.path().join("lake");
    let file = support::write(&home.path().join("log"), log(1, "2026-02-27T20:00:00Z") + "broken\n");
    support::ingest(&support::plan(&lake, &[&file]));
    let before = support::held(&lake);
    support::ingest(&support::plan(&lake, &[&file]));
    let run = last(&lake);
    assert_eq!(
        (run.generation, run.inputs.inputs_skipped, run.books),
        (2, 1, Books::default())
    );
    // A replay that understands nothing more reads what was rejected, and rejects it again.
    replay(&lake);
    let run = last(&lake);
    let again = Books {
        read: 1,
        rejected: 1,
        ..Books::default()
    };
    assert_eq!((run.generation, run.command.as_str(), run.books), (3, "replay", again));
    assert!(before == support::held(&lake));
    assert!(!lake.join("staging").exists());
    crate::lake::assert_manifest_tells_the_truth(&lake);
}

#[test]
fn a_replay_leaves_what_it_was_asked_and_what_it_brought() {
    let home = support::home();
    let lake = home.path().join("lake");
    let spoilt = support::write(&home.path().join("log"), spoil(&log(1, "2026-02-27T20:00:00Z")));
    let rejected = support::ingest(&support::plan(&lake, &[&spoilt])).total.rejected;
    upgrade(&lake);
    let plan = Replay {
        source: Some("log".to_owned()),
        clock,
        ..Replay::new(lake.clone())
    };
    ingest::replay(&plan).expect("replayed");
    let run = last(&lake);
    assert_eq!(run.settings, settings(&[("memory", "512 MiB"), ("source", "log")]));
    assert_eq!(
        (run.duration_ms, run.books.accepted, run.books.rejected),
        (1_000, rejected, 0)
    );
    let shown = gatelog(home.path(), &["runs", "--json", "--last", "1"]);
    let shown: Value = serde_json::from_str(&shown.stdout).expect("JSON");
    assert_eq!(shown.as_array().map(Vec::len), Some(1));
    assert_eq!(shown[0]["replay"]["replayed"], json!(rejected));
}

#[test]
fn a_run_that_fails_leaves_no_record() {
    let home = support::home();
    let lake = home.path().join("lake");
    let good = support::write(&home.path().join("good"), log(1, "2026-02-27T20:00:00Z"));
    let bad = support::write(&home.path().join("bad"), log(2, "2026-02-27T20:00:00Z") + "broken\n");
    support::ingest(&support::plan(&lake, &[&good]));
    let strict = Plan {
        strict: true,
        ..support::plan(&lake, &[&bad])
    };
    ingest::ingest(&strict, &|_| {}).expect_err("a bad record");
    assert_eq!(runs(&lake).len(), 1);
    let only_strict = |run: &RunEntry| run.settings.get("strict").cloned();
    support::ingest(&Plan {
        strict: true,
        ..support::plan(&lake, &[&good])
    });
    assert_eq!(
        runs(&lake).iter().map(only_strict).collect::<Vec<_>>(),
        [None, Some("true".to_owned())]
    );
}

#[test]
fn runs_are_listed_newest_first_with_the_inputs_and_hashes_of_each() {
    let home = support::home();
    let lake = home.path().join("lake");
    let mut hashes = Vec::new();
    for seed in 1..4 {
        let text = log(seed, "2026-02-27T20:00:00Z");
        hashes.push(format!("{:032x}", xxhash_rust::xxh3::xxh3_128(text.as_bytes())));
        let file = support::write(&home.path().join(format!("log-{seed}")), text);
        support::ingest(&support::plan(&lake, &[&file]));
    }
    let shown = gatelog(home.path(), &["runs", "--json"]);
    let shown: Value = serde_json::from_str(&shown.stdout).expect("JSON");
    for (place, seed) in [(0, 3), (1, 2), (2, 1)] {
        let run = &shown[place];
        assert_eq!(
            (&run["generation"], &run["started_on"]),
            (&json!(seed), &json!("1970-01-01T00:00:00Z"))
        );
        assert_eq!(run["inputs"].as_array().map(Vec::len), Some(1));
        assert_eq!(run["inputs"][0]["hash"], json!(hashes[seed - 1]));
        assert_eq!(
            (&run["replay"], &run["read"], &run["accepted"]),
            (&Value::Null, &json!(92), &json!(92))
        );
    }
    let lines = |arguments: &[&str]| gatelog(home.path(), arguments).stdout.lines().count();
    assert_eq!(
        (
            lines(&["runs"]),
            lines(&["runs", "--last", "2"]),
            lines(&["runs", "--last", "0"])
        ),
        (4, 3, 1)
    );
}

#[test]
fn a_lake_of_layout_1_is_read_and_written_on() {
    let home = support::home();
    let lake = home.path().join("lake");
    let old = support::write(&home.path().join("old"), log(1, "2026-02-27T20:00:00Z"));
    support::ingest(&support::plan(&lake, &[&old]));
    // As layout 1 was written: the books of inputs in the manifest, none of runs.
    let path = lake.join("manifest.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).expect("it")).expect("JSON");
    let line = fs::read_to_string(lake.join("ledger/commits.jsonl")).expect("it");
    let entry: Value = serde_json::from_str(&line).expect("one commit");
    manifest["format"] = json!(1);
    manifest["inputs"] = entry["inputs"].clone();
    manifest.as_object_mut().expect("an object").remove("ledger");
    fs::remove_dir_all(lake.join("ledger")).expect("removed");
    support::write(&path, serde_json::to_vec_pretty(&manifest).expect("JSON"));
    assert_eq!(gatelog(home.path(), &["status"]).code, 0);

    let new = support::write(&home.path().join("new"), log(2, "2026-02-27T20:00:00Z"));
    support::ingest(&support::plan(&lake, &[&new]));
    let manifest = Lake::open(&lake).expect("a lake").manifest().clone();
    assert_eq!((manifest.format, manifest.generation), (3, 2));
    assert_eq!(runs(&lake).iter().map(|run| run.generation).collect::<Vec<_>>(), [2]);
    let shown = gatelog(home.path(), &["runs"]);
    assert_eq!(
        shown.stderr,
        "note: 1 commit of older versions left no record of a run\n"
    );
    assert_eq!(gatelog(home.path(), &["verify"]).code, 0);
}
