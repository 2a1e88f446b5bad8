//! What was set aside: how `gatelog rejects` lists it, how many are tolerated, and the list of codes.

use crate::cli::check;
use crate::logs::{self, Event, Form, at};
use crate::older::spoil;
use crate::support::{self, gatelog};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A folder with a lake in which something of each form was set aside.
fn with_rejects() -> tempfile::TempDir {
    let home = support::home();
    let input = support::repository().join("sample-data/broken-lines/input");
    support::copy(&input, &home.path().join("exports"));
    let hostile = b"{\"createdon\":\"2026-08-10T08:00:00Z\",\"action\":64}\n\x1b]0;mine\x07\x1b[31m\xFF\xE2\x80\xAE\n";
    support::write(&home.path().join("exports/d-hostile.ndjson"), hostile);
    let ended = gatelog(home.path(), &["ingest", "exports", "--environment", "sample"]);
    assert_eq!(ended.code, 4, "{}", ended.stderr);
    home
}

#[test]
fn rejects_are_counted_and_listed_for_people() {
    let home = with_rejects();
    check(home.path(), "rejects", &["rejects"], 0);
    check(
        home.path(),
        "rejects-chosen",
        &["rejects", "--code", "syntax", "--source", "lines", "--rows", "1"],
        0,
    );
    check(home.path(), "rejects-none", &["rejects", "--environment", "other"], 0);
    let listed = gatelog(home.path(), &["rejects", "--rows", "0"]).stdout;
    assert!(
        listed.chars().all(|sign| sign == '\n' || !sign.is_control()),
        "{listed:?}"
    );
    assert!(!listed.contains('\u{202e}'));
    assert_eq!(gatelog(home.path(), &["rejects", "--lake", "nowhere"]).code, 1);
}

#[test]
fn rejects_for_pipes_lose_nothing() {
    let home = with_rejects();
    check(
        home.path(),
        "rejects-json",
        &["rejects", "--format", "json", "--source", "b-rows", "--rows", "2"],
        0,
    );
    check(
        home.path(),
        "rejects-csv",
        &["rejects", "--format", "csv", "--source", "hostile"],
        0,
    );
    let kept = support::lake_rows(&home.path().join("lake"), "rejects");
    let listed = gatelog(home.path(), &["rejects", "--format", "json"]).stdout;
    let listed: Vec<Value> = listed
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(listed.len(), kept.len());
    for (listed, kept) in listed.iter().zip(&kept) {
        let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
        let raw = match (&listed["raw"], &listed["raw_hex"]) {
            (Value::String(text), Value::Null) => hex(text),
            (Value::Null, Value::String(hex)) => hex.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(raw, kept["raw"]);
        for column in [
            "source",
            "code",
            "sentence",
            "environment",
            "form",
            "table",
            "source_tz",
        ] {
            assert_eq!(listed[column], *kept[column], "{column}");
        }
    }
    let csv = gatelog(home.path(), &["rejects", "--format", "csv"]).stdout;
    let rows = csv::Reader::from_reader(csv.as_bytes()).into_records().count();
    assert_eq!(rows, kept.len());
}

#[test]
fn raw_rejects_mended_in_an_editor_are_an_export_again() {
    for form in Form::ALL {
        let home = support::home();
        let events: Vec<Event> = (0..9)
            .map(|row| Event::access(at("2026-03-01T08:00:00Z") + row, 64, Some(1)))
            .collect();
        let log = form.write(&logs::with_ids(events));
        support::write(&home.path().join("log"), spoil(&log));
        gatelog(home.path(), &["ingest", "log", "--environment", "sample"]);
        let ended = gatelog(home.path(), &["rejects", "--raw"]);
        assert_eq!(ended.code, 0);
        assert_eq!(ended.stderr, "note: ingest them with --environment sample\n");
        support::write(&home.path().join("mended"), ended.stdout.replace('~', ""));
        let ended = gatelog(home.path(), &["ingest", "mended", "--environment", "sample"]);
        assert_eq!(
            ended.line("total: "),
            "3 read = 3 accepted + 0 duplicate + 0 rejected",
            "{form:?}"
        );
    }
    let home = with_rejects();
    check(home.path(), "rejects-raw-mixed", &["rejects", "--raw"], 2);
    check(
        home.path(),
        "rejects-raw",
        &["rejects", "--raw", "--source", "b-rows"],
        0,
    );
    let raw = support::program(home.path())
        .args(["rejects", "--raw", "--source", "hostile"])
        .output()
        .expect("it runs");
    assert_eq!(
        raw.stdout, b"\x1b]0;mine\x07\x1b[31m\xFF\xE2\x80\xAE\n",
        "bytes as they were"
    );
}

#[test]
fn replay_says_what_became_of_each_input_as_ingest_does() {
    let home = with_rejects();
    check(home.path(), "replay", &["replay"], 4);
    let ended = gatelog(home.path(), &["replay", "--json", "--max-rejects", "100%"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let outcome: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(outcome["total"]["rejected"], outcome["total"]["read"]);
    assert_eq!(gatelog(home.path(), &["replay", "--lake", "nowhere"]).code, 1);
    assert!(!home.path().join("nowhere").exists(), "a replay makes no lake");
}

#[test]
fn max_rejects_may_be_a_share_of_what_was_read() {
    // Two of eight are broken.
    for (limit, code) in [
        ("25%", 0),
        ("24.999999%", 4),
        ("25.000001%", 0),
        ("100%", 0),
        ("0%", 4),
        ("2", 0),
        ("1", 4),
    ] {
        let home = support::home();
        let events = vec![Event::access(at("2026-03-01T08:00:00Z"), 64, Some(1)); 6];
        support::write(
            &home.path().join("log"),
            Form::Lines.write(&logs::with_ids(events)) + "one\ntwo\n",
        );
        let ended = gatelog(home.path(), &["ingest", "--max-rejects", limit, "log"]);
        assert_eq!(ended.code, code, "{limit}: {}", ended.stderr);
    }
    let home = support::home();
    check(
        home.path(),
        "bad-max-rejects",
        &["ingest", "log", "--max-rejects", "0,5%"],
        2,
    );
    for limit in ["101%", "-1", "many", "1.5", "%"] {
        let ended = gatelog(home.path(), &["replay", &format!("--max-rejects={limit}")]);
        assert_eq!(ended.code, 2, "{limit}");
        assert!(ended.stderr.contains("a share like 1%"), "{}", ended.stderr);
    }
}

#[test]
fn large_rejects_are_row_groups_of_their_own_and_strict_leaves_nothing() {
    let home = support::home();
    let good = Form::Lines.write(&[Event::access(at("2026-03-01T08:00:00Z"), 64, Some(1))]);
    let big = "x".repeat(5 << 20) + "\n";
    support::write(&home.path().join("log"), good + &big.repeat(5));
    assert_eq!(gatelog(home.path(), &["ingest", "log", "--strict"]).code, 3);
    assert!(
        !home.path().join("lake/staging").exists(),
        "what was written out is cleared"
    );
    assert!(!home.path().join("lake/manifest.json").exists());
    assert_eq!(gatelog(home.path(), &["ingest", "log"]).code, 4);
    let (_, path) = support::files(&home.path().join("lake/rejects"))
        .pop_first()
        .expect("a file");
    let file = fs::File::open(path).expect("readable");
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet");
    let rows: Vec<i64> = reader
        .metadata()
        .row_groups()
        .iter()
        .map(|group| group.num_rows())
        .collect();
    assert_eq!(rows, [2, 2, 1], "some MiB each");
    let listed = gatelog(home.path(), &["rejects"]).stdout;
    assert!(
        listed.lines().all(|line| line.chars().count() < 300),
        "excerpts are short"
    );
}

/// The codes that the sources of `ingest/` give.
fn codes_in_sources(folder: &Path) -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    for (_, path) in support::files(folder) {
        let text = fs::read_to_string(path).expect("UTF-8");
        let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default();
        for before in ["fault(", "code: ", "lose(", "TOO_LONG: &str = "] {
            for rest in code.split(before).skip(1) {
                let literal = rest
                    .trim_start()
                    .strip_prefix('"')
                    .and_then(|rest| rest.split('"').next());
                codes.extend(literal.map(str::to_owned));
            }
        }
    }
    codes
}

#[test]
fn the_readme_lists_every_code_of_a_reject_and_no_other() {
    let readme = fs::read_to_string(support::repository().join("README.md")).expect("a README");
    let section = readme
        .split("\n## Rejects\n")
        .nth(1)
        .expect("a section")
        .split("\n## ")
        .next()
        .expect("text");
    let cells = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split(" |").next());
    let listed: BTreeSet<String> = cells
        .flat_map(|cell| cell.split(", ").map(|code| code.trim_matches('`').to_owned()))
        .collect();
    let used = codes_in_sources(&support::repository().join("src/ingest"));
    assert!(used.len() >= 10, "the codes were found: {used:?}");
    assert_eq!(used, listed, "in src/ingest, and in the README");
}
