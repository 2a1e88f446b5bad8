//! L5, L6, L1: whatever the manifest says, `verify` finds out when it is not so, and says nothing when it is.
//!
//! Each sabotage changes a lake that is whole, and the manifest too where that would hide it from the hash.

use crate::cases::Case;
use crate::older::{replay, spoil, upgrade};
use crate::sabotage::{self, TABLE};
use crate::support::{self, gatelog};
use crate::tampered::{Lake, log};
use gatelog::lake::verify::{Check, Verified, verify};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

fn look(lake: &Path) -> Verified {
    verify(lake, &std::env::temp_dir()).unwrap_or_else(|error| panic!("{error}"))
}

fn assert_whole(lake: &Path, what: &str) -> Verified {
    let verified = look(lake);
    assert_eq!(verified.findings, [], "{what}");
    assert_eq!(verified.notes, [""; 0], "{what}");
    verified
}

#[test]
fn each_sabotage_is_found_and_nothing_else() {
    let whole = Lake::new();
    let verified = assert_whole(&whole.path, "nothing was done to it");
    assert!(verified.checked.rows > 20 && verified.checked.files > 8, "{verified:?}");
    for (what, expected, sabotage) in TABLE {
        let mut lake = whole.copy();
        sabotage(&mut lake);
        lake.write_manifest();
        let verified = look(&lake.path);
        let mut found: Vec<Check> = verified.findings.iter().map(|finding| finding.check).collect();
        found.sort();
        found.dedup();
        assert_eq!(found, *expected, "{what}: {:#?}", verified.findings);
        for finding in &verified.findings {
            let is_named = lake.touched.contains(&finding.path) || finding.path == "manifest.json";
            assert!(is_named, "{what}: {finding:?}");
        }
        assert_eq!(verified.notes, [""; 0], "{what}");
    }
}

#[test]
fn lakes_of_all_sample_cases_are_whole_and_verify_changes_nothing() {
    for folder in support::sample_cases() {
        let home = support::home();
        let lake = home.path().join("lake");
        let case = Case::read(&folder);
        (0..case.runs.len()).for_each(|run| drop(case.ingest(&folder, run, &lake)));
        let state = || -> BTreeMap<String, Vec<u8>> {
            let files = support::files(&lake).into_iter();
            files
                .map(|(name, path)| (name, fs::read(path).expect("readable")))
                .collect()
        };
        let before = state();
        let verified = assert_whole(&lake, &folder.to_string_lossy());
        assert_eq!(verified.checked.generation, case.runs.len() as u64);
        let ended = gatelog(home.path(), &["verify"]);
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{}", ended.stdout);
        assert!(state() == before, "{}", folder.display());
    }
}

#[test]
fn a_lake_with_replays_or_without_records_of_runs_is_whole() {
    let lake = Lake::new();
    let spoilt = spoil(&log(3, "2026-04-01T00:00:00Z"));
    let spoilt = support::write(&lake.home.path().join("spoilt"), spoilt);
    support::ingest(&support::plan(&lake.path, &[&spoilt]));
    assert_eq!(replay(&lake.path).total.accepted, 0, "a replay that changes nothing");
    assert_whole(&lake.path, "replayed in vain");
    let mut old = lake.copy();
    old.books(|entries| entries.iter_mut().for_each(|entry| entry["run"] = json!(null)));
    old.write_manifest();
    let verified = assert_whole(&old.path, "as layout 1 leaves it");
    assert_eq!(verified.checked.runs, 0);
    let runs = gatelog(old.home.path(), &["runs", "--lake", &old.path.to_string_lossy()]);
    assert_eq!(
        (runs.code, runs.stderr.as_str()),
        (0, "note: 4 commits of older versions left no record of a run\n")
    );
}

#[test]
fn l1_what_a_replay_brings_into_side_tables_is_no_row_of_the_log() {
    let home = support::home();
    let lake = home.path().join("lake");
    let users = "systemuserid,fullname,createdon\n{a},Wren,~2026-03-01T08:00:00Z\n";
    let users = users.replace("{a}", &crate::logs::id('a', 1));
    support::ingest(&support::plan(
        &lake,
        &[&support::write(&home.path().join("users.csv"), users)],
    ));
    upgrade(&lake);
    assert_eq!(replay(&lake).total.accepted, 1);
    assert_whole(&lake, "a user came by replay");
    let mut lake = Lake::at(home, lake);
    lake.books(|entries| {
        let beside = &mut entries[1]["replay"]["accepted_beside"];
        assert_eq!(std::mem::replace(beside, json!(null)), json!(1));
    });
    lake.write_manifest();
    assert_whole(&lake.path, "and layout 1 did not tell");
}

#[test]
fn l4_a_decided_commit_is_a_note_and_what_it_changes_is_left_out() {
    let (whole, home) = (Lake::new(), support::home());
    let (old, new) = (whole.path.as_path(), home.path().join("new"));
    support::copy(old, &new);
    let more = support::write(&home.path().join("more"), log(4, "2026-02-28T12:00:00Z"));
    support::ingest(&support::plan(&new, &[&more]));
    let (before, after) = (support::files(old), support::files(&new));
    let differs =
        |name: &&String| before.get(*name).map(|path| fs::read(path).ok()) != Some(fs::read(&after[*name]).ok());
    let brought: Vec<&String> = after
        .keys()
        .filter(differs)
        .filter(|name| name.ends_with(".parquet"))
        .collect();
    assert!(brought.len() > 2, "{brought:?}");
    let manifest: Value = serde_json::from_slice(&fs::read(new.join("manifest.json")).expect("it")).expect("JSON");
    let moves: Vec<[&str; 2]> = brought.iter().map(|name| ["staging/moved", name.as_str()]).collect();
    let decision = json!({"moves": moves, "manifest": manifest}).to_string();
    for moved in 0..=brought.len() {
        let crashed = home.path().join(format!("crashed-{moved}"));
        support::copy(old, &crashed);
        for name in &brought[..moved] {
            support::write(&crashed.join(name), fs::read(new.join(name)).expect("readable"));
        }
        support::write(&crashed.join("commit.json"), &decision);
        let verified = look(&crashed);
        assert_eq!(verified.findings, [], "{moved} moved");
        assert!(
            verified.notes[0].starts_with("a commit is decided; the next run finishes it."),
            "{verified:?}"
        );
    }
}

#[test]
fn files_that_are_no_parquet_are_a_note() {
    let lake = Lake::new();
    support::write(&lake.path.join("audit/.DS_Store"), "");
    let verified = look(&lake.path);
    assert_eq!(verified.findings, []);
    assert_eq!(verified.notes.len(), 1, "{verified:?}");
}

#[test]
fn a_fault_is_exit_6_with_each_finding_on_standard_output() {
    let mut lake = Lake::new();
    sabotage::remove(&mut lake);
    let path = lake.touched[0].clone();
    let home = lake.home.path();
    let ended = gatelog(home, &["verify"]);
    assert_eq!(ended.code, 6, "{}", ended.stderr);
    assert!(
        ended.stdout.starts_with(&format!("{path}: is not there\nchecked: ")),
        "{}",
        ended.stdout
    );
    assert!(ended.stdout.ends_with(": 1 fault\n"), "{}", ended.stdout);
    assert_eq!(ended.line("error: "), "lake: 1 statement about it does not hold");
    ended.line("hint: ");

    let ended = gatelog(home, &["verify", "--json"]);
    assert_eq!(ended.code, 6, "{}", ended.stderr);
    let found: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(
        found["findings"],
        json!([{"path": path, "check": "existence", "sentence": "is not there"}])
    );
    assert_eq!((&found["notes"], &found["more"]), (&json!([]), &json!({})));
    assert_eq!(found["checked"]["runs"], json!(2));
    assert_eq!(gatelog(home, &["verify", "--lake", "nowhere"]).code, 1);
}

#[test]
fn verify_does_not_wait_for_a_writer() {
    let lake = Lake::new();
    let owner = gatelog::lake::lock::Owner::unnamed();
    let writer =
        gatelog::lake::Writer::open(&lake.path, &owner, 1 << 20, &gatelog::disk::Disk::default(), || 0).expect("free");
    assert_whole(&lake.path, "a writer is at work");
    drop(writer);
}
