//! One writer at a time: who holds the lock, who waits for it, and what is said of a writer that was killed.
//!
//! The holder is the program itself, reading a standard input that never ends.

use crate::logs::{Event, Form, at};
use crate::support::{self, Ended, gatelog};
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const LOG: &str = "log.ndjson";

/// A folder with a log of one row.
fn with_log() -> tempfile::TempDir {
    let home = support::home();
    let log = Form::Lines.write(&[Event::access(at("2026-03-01T08:00:00Z"), 64, Some(1))]);
    support::write(&home.path().join(LOG), log);
    home
}

fn lock(home: &Path) -> String {
    fs::read_to_string(home.join("lake/lock")).unwrap_or_default()
}

/// A process that holds the lock until its standard input is closed.
fn holder(home: &Path) -> Child {
    let mut program = support::program(home);
    program.args(["ingest", "-", "--lake", "lake"]).stdin(Stdio::piped());
    let child = program.stderr(Stdio::null()).spawn().expect("started");
    let begun = Instant::now();
    while !lock(home).contains(&format!("\"pid\":{},", child.id())) {
        assert!(begun.elapsed() < Duration::from_secs(60), "the lock is taken");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

fn release(mut holder: Child) {
    drop(holder.stdin.take());
    assert!(holder.wait().expect("ended").success());
}

fn ingest(home: &Path, options: &[&str]) -> Ended {
    gatelog(home, &[&["ingest", LOG][..], options].concat())
}

#[test]
fn a_held_lock_is_exit_5_and_names_its_holder_and_the_way_to_wait() {
    let home = with_log();
    let holder = holder(home.path());
    for options in [&[][..], &["--wait", "0s"]] {
        let ended = ingest(home.path(), options);
        assert_eq!(ended.code, 5, "{}", ended.stderr);
        let named = format!("lake: is being written by ingest (pid {} on ", holder.id());
        let error = ended.line("error: ");
        assert!(error.starts_with(&named) && error.contains(", since 20"), "{error}");
        assert!(ended.line("hint: ").contains("--wait"), "{}", ended.stderr);
    }
    release(holder);
    assert_eq!(ingest(home.path(), &[]).code, 0);
    assert_eq!(lock(home.path()), "", "a lock that was given up is empty");
}

#[test]
fn a_holder_that_left_no_readable_name_holds_the_lock_all_the_same() {
    let home = with_log();
    let holder = holder(home.path());
    support::write(&home.path().join("lake/lock"), "process 7 since noon");
    let ended = ingest(home.path(), &[]);
    assert_eq!(ended.code, 5, "{}", ended.stderr);
    assert!(
        ended
            .line("error: ")
            .contains("by a process that left no readable name"),
        "{}",
        ended.stderr
    );
    release(holder);
}

#[test]
fn who_waits_writes_when_the_holder_has_ended() {
    let home = with_log();
    let holder = holder(home.path());
    let waiting = |command: &[&str]| {
        let mut program = support::program(home.path());
        program.args(command).stderr(Stdio::piped()).spawn().expect("started")
    };
    let waiters = [
        waiting(&["ingest", LOG, "--wait"]),
        waiting(&["ingest", "--wait=1m", LOG]),
    ];
    std::thread::sleep(Duration::from_millis(300));
    release(holder);
    for waiter in waiters {
        let ended = waiter.wait_with_output().expect("ended");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{said}");
        assert!(!said.contains("did not finish"), "{said}");
    }
    assert_eq!(support::lake_rows(&home.path().join("lake"), "audit").len(), 1);
    let replay = gatelog(home.path(), &["replay", "--wait", "1s"]);
    assert_eq!(replay.code, 0, "{}", replay.stderr);
}

#[test]
fn who_has_waited_in_vain_ends_with_exit_5() {
    let home = with_log();
    let holder = holder(home.path());
    let begun = Instant::now();
    let ended = ingest(home.path(), &["--wait", "1s"]);
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(ended.code, 5, "{}", ended.stderr);
    assert!(
        ended.line("error: ").ends_with(", after 1s of waiting"),
        "{}",
        ended.stderr
    );
    ended.line("hint: ");
    release(holder);
}

#[test]
fn l4_a_killed_writer_is_named_by_the_next_one_which_succeeds() {
    let home = with_log();
    let mut holder = holder(home.path());
    let pid = holder.id();
    holder.kill().expect("killed");
    holder.wait().expect("ended");
    assert!(lock(home.path()).contains(&pid.to_string()), "its name is left");
    let ended = ingest(home.path(), &["--json"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let note = ended.line("note: ");
    let begins = format!("the last writer, ingest (pid {pid} on ");
    let ends = ", did not finish; what it had begun and not committed is cleared";
    assert!(note.starts_with(&begins) && note.ends_with(ends), "{note}");
    let outcome: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(outcome["notes"], serde_json::json!([note]));
    let ended = ingest(home.path(), &[]);
    assert!(!ended.stderr.contains("did not finish"), "it is said once");
}

#[test]
fn l4_the_next_writer_says_that_it_has_finished_a_decided_commit() {
    let home = with_log();
    assert_eq!(ingest(home.path(), &[]).code, 0);
    let manifest = fs::read_to_string(home.path().join("lake/manifest.json")).expect("a manifest");
    let next = manifest.replace("\"generation\":1,\n\"audit\"", "\"generation\":2,\n\"audit\"");
    assert_ne!(next, manifest);
    let decision = format!("{{\"moves\":[],\"manifest\":{next}}}");
    support::write(&home.path().join("lake/commit.json"), decision);
    support::write(&home.path().join("lake/lock"), "?");
    let ended = ingest(home.path(), &[]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(
        ended
            .line("note: ")
            .ends_with("; its commit was decided, and is finished now"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_path_behind_wait_is_no_duration_and_the_way_out_is_said() {
    let home = with_log();
    let ended = gatelog(home.path(), &["ingest", "--wait", LOG]);
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("--wait=10m"), "{}", ended.stderr);
}
