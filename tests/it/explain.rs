//! `gatelog explain`: golden texts over the sample cases, and that every number is that of the reports.

use crate::cases::Case;
use crate::cli::check;
use crate::support::{self, gatelog};
use gatelog::instant;
use gatelog::lake::Lake;
use gatelog::report::explain::{Asked, Explanation, Record, explain};
use gatelog::report::options::Options;
use serde_json::Value;
use std::path::Path;
use tempfile::TempDir;

/// A folder with the lake of a sample case, ingested from `exports` in it.
fn with_case(name: &str) -> TempDir {
    let home = support::home();
    let folder = support::repository().join("sample-data").join(name);
    support::copy(&folder.join("input"), &home.path().join("input"));
    let case = Case::read(&folder);
    (0..case.runs.len()).for_each(|run| drop(case.ingest_from(home.path(), run)));
    home
}

#[test]
fn somebody_is_explained_with_their_status_sessions_and_gaps() {
    let home = with_case("gap-cut");
    check(home.path(), "explain", &["explain", "wren sample"], 0);
    let home = with_case("silence");
    let of = |who: &'static str, environment: &'static str| ["explain", who, "--environment", environment];
    let (contoso, fabrikam) = ("contoso.crm4.dynamics.com", "fabrikam.crm11.dynamics.com");
    check(home.path(), "explain-never-seen", &of("Lark Sample", contoso), 0);
    check(home.path(), "explain-unknown", &of("Lark Sample", fabrikam), 0);
    check(home.path(), "explain-inactive", &of("Robin Sample", contoso), 0);
    let heron = "aaaaaaaa-0000-4000-8000-000000000008";
    check(home.path(), "explain-no-access", &of(heron, contoso), 0);
}

#[test]
fn a_session_is_explained_by_its_rows_its_ends_and_its_lengths() {
    let home = with_case("gap-cut");
    let at = |name: &str, who: &str, at: &str| check(home.path(), name, &["explain", who, "--at", at], 0);
    at("explain-session", "Finch Sample", "2026-05-05T13:00:00Z");
    at("explain-after-session", "Wren Sample", "2026-05-06T12:00:00Z");
    let home = with_case("midnight-dst");
    let berlin = [
        "explain",
        "Wren Sample",
        "--tz",
        "Europe/Berlin",
        "--at",
        "2026-10-25T02:30:00",
    ];
    check(home.path(), "explain-dst", &berlin, 0);
    let home = with_case("changes-too");
    let swift = "aaaaaaaa-0000-4000-8000-000000000005";
    let changes = ["explain", swift, "--evidence", "all", "--at", "2026-06-02T15:00:00Z"];
    check(home.path(), "explain-changes", &changes, 0);
    let robin = "aaaaaaaa-0000-4000-8000-000000000002";
    let alone = ["explain", robin, "--evidence", "all", "--at", "2026-06-02T15:30:00Z"];
    check(home.path(), "explain-change-alone", &alone, 0);
}

#[test]
fn silence_is_explained_by_what_was_logged_then() {
    let home = with_case("gap-cut");
    let at = |name: &str, who: &str, at: &str| check(home.path(), name, &["explain", who, "--at", at], 0);
    at("explain-start-unknown", "Wren Sample", "2026-05-05T07:00:00Z");
    at("explain-open-gap", "Lark Sample", "2026-05-06T12:45:00Z");
    at("explain-audited", "Lark Sample", "2026-05-06T08:00:00Z");
    at("explain-outside", "Lark Sample", "2026-05-07");
    let json = ["explain", "Lark Sample", "--at", "2026-05-06T12:45:00Z", "--json"];
    check(home.path(), "explain-json", &json, 0);
}

#[test]
fn who_is_nobody_or_more_than_one_is_usage() {
    let home = with_case("silence");
    check(
        home.path(),
        "explain-nobody",
        &["explain", "Lrak Sampel", "--environment", "contoso.crm4.dynamics.com"],
        2,
    );
    check(home.path(), "explain-two", &["explain", "Lark Sample"], 2);
    let strange = gatelog(home.path(), &["explain", "Lark Sample", "--environment", "nowhere"]);
    assert_eq!((strange.code, strange.stdout.as_str()), (2, ""));
}

/// By way of text, as the reports' rows come: what is read from it may differ in the last digit of a double.
fn json(record: &Record) -> Value {
    let text = serde_json::to_string(record).expect("JSON");
    serde_json::from_str(&text).expect("JSON")
}

fn ask(lake: &Lake, row: &Value, at: Option<&str>, options: &Options) -> Explanation {
    let asked = Asked {
        actor: row["actor_id"].as_str().expect("an id").to_owned(),
        at: at.map(|at| instant::parse(at, chrono_tz::Tz::UTC).expect("an instant")),
    };
    let of_one = Options {
        environment: row["environment"].as_str().map(str::to_owned),
        ..options.clone()
    };
    explain(lake, &asked, &of_one).expect("an explanation")
}

/// The rows of a report, as its JSON says them.
fn rows(case: &Case, lake: &Path, report: &str) -> Vec<Value> {
    let text = case.report(lake, &[report, "--format", "json"]).stdout;
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn every_session_and_every_user_of_the_sample_cases_is_explained_with_the_numbers_of_the_reports() {
    let (mut sessions, mut users) = (0, 0);
    for folder in support::sample_cases() {
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        let case = Case::read(&folder);
        let home = support::home();
        let path = home.path().join("lake");
        (0..case.runs.len()).for_each(|run| drop(case.ingest(&folder, run, &path)));
        let (lake, options) = (Lake::open(&path).expect("a lake"), case.parsed_options());
        for row in rows(&case, &path, "sessions") {
            for at in ["started_on", "last_seen_on"] {
                let found = ask(&lake, &row, row[at].as_str(), &options);
                let told = found.moment.expect("a moment").session.expect("a session");
                assert_eq!(json(&told.row), row, "{name}");
                let changes = row.get("changes").and_then(Value::as_u64).unwrap_or(0);
                let expected = row["accesses"].as_u64().expect("a count") + changes;
                assert_eq!((told.rows.len() + told.rows_left_out) as u64, expected, "{name}: {row}");
            }
            sessions += 1;
        }
        for row in rows(&case, &path, "users") {
            let found = ask(&lake, &row, None, &options);
            let user = found.standing.expect("a standing").user.expect("a row");
            assert_eq!(json(&user), row, "{name}");
            assert_eq!(
                Some(found.sessions.expect("sessions").count),
                row["sessions"].as_i64(),
                "{name}"
            );
            users += 1;
        }
    }
    assert!(sessions > 60 && users > 40, "{sessions} sessions, {users} users");
}
