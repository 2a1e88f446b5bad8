//! A year of a generated log in which auditing was off for planted windows: every window is found with its bounds and
//! cause, and nobody who was there in the dark only is called inactive.

use crate::rules::{Reports, columns, reports_of_texts};
use crate::support::{self, ENVIRONMENT};
use gatelog::generate::{self, Form};
use gatelog::instant;
use gatelog::report::options::Options;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

const DAY: i64 = 86_400_000_000;
const DAYS: u32 = 365;

/// An access that truly happened.
struct Visit {
    on: i64,
    who: String,
    row: Value,
}

/// A window in which one of the two scopes was off: start and end in days of the year, and hours beyond.
const WINDOWS: [(&str, f64, f64); 9] = [
    ("user_access", 20.25, 20.5),
    ("organization", 55.0, 58.125),
    ("user_access", 100.5, 100.500_5),
    ("organization", 140.0, 140.25),
    ("user_access", 200.0, 214.0),
    ("organization", 250.375, 251.0),
    ("user_access", 290.0, 295.0),
    ("organization", 310.5, 314.75),
    ("user_access", 340.0, 346.0),
];

fn start() -> i64 {
    instant::parse("2025-01-01T00:00:00Z", chrono_tz::Tz::UTC).expect("an instant")
}

fn instants(window: &(&str, f64, f64)) -> (i64, i64) {
    let at = |day: f64| start() + (day * 86_400.0) as i64 * 1_000_000;
    (at(window.1), at(window.2))
}

/// A year of visits without any gap.
fn visits() -> Vec<Visit> {
    let home = support::home();
    let plan = generate::Plan {
        seed: 11,
        start: "2025-01-01".parse().expect("a date"),
        days: DAYS,
        access_rows: 40_000,
        change_rows: 0,
        gaps: 0,
        annotated: false,
        ..generate::Plan::default()
    };
    generate::generate(&plan, Form::Ndjson, home.path()).expect("generated");
    let log = fs::read_to_string(home.path().join("audits.ndjson")).expect("a log");
    let rows = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let is_access = |row: &Value| [64, 65].contains(&row["action"].as_i64().expect("an action"));
    let visit = |row: Value| Visit {
        on: instant::parse(row["createdon"].as_str().expect("a time"), chrono_tz::Tz::UTC).expect("a time"),
        who: row["_objectid_value"].as_str().expect("an id").to_owned(),
        row,
    };
    rows.filter(is_access).map(visit).collect()
}

fn is_dark(on: i64) -> bool {
    WINDOWS.iter().map(instants).any(|(start, end)| start <= on && on < end)
}

/// What the log says of these visits while auditing is off in the windows, from the year's first to its last instant.
fn log(visits: &[&Visit]) -> String {
    let mut rows: Vec<Value> = visits
        .iter()
        .filter(|visit| !is_dark(visit.on))
        .map(|visit| visit.row.clone())
        .collect();
    let mut number = 0;
    let mut other = |on: i64, action: i32| {
        number += 1;
        let auditid = format!("ffffffff-0000-4000-8000-{number:012}");
        rows.push(json!({"auditid": auditid, "createdon": instant::to_text(on), "action": action}));
    };
    [start(), start() + i64::from(DAYS) * DAY]
        .into_iter()
        .for_each(|on| other(on, 104));
    for window in &WINDOWS {
        let (stopped, started) = if window.0 == "user_access" {
            (113, 112)
        } else {
            (110, 107)
        };
        other(instants(window).0, stopped);
        other(instants(window).1, started);
    }
    rows.iter().map(|row| row.to_string() + "\n").collect()
}

fn reports(visits: &[&Visit], min_coverage: f64) -> Reports {
    let known: BTreeSet<&str> = visits.iter().map(|visit| visit.who.as_str()).collect();
    let users: String = known
        .iter()
        .map(|id| json!({"systemuserid": id}).to_string() + "\n")
        .collect();
    let options = Options {
        min_coverage,
        ..Options::default()
    };
    reports_of_texts(&[(ENVIRONMENT, log(visits)), (ENVIRONMENT, users)], &options)
}

#[test]
fn every_planted_window_is_found_with_its_bounds_and_cause_and_on_its_days() {
    let visits = visits();
    let found = reports(&visits.iter().collect::<Vec<_>>(), 0.9);
    let planted: Vec<[String; 4]> = WINDOWS
        .iter()
        .map(|window| {
            let (start, end) = instants(window);
            [
                "closed".to_owned(),
                instant::to_text(start),
                instant::to_text(end),
                window.0.to_owned(),
            ]
        })
        .collect();
    let gaps = columns(
        &found,
        "gaps",
        ["scope", "state", "started_on", "ended_on", "causes", "accesses_inside"],
    );
    let effective: Vec<[String; 4]> = gaps
        .iter()
        .filter(|row| row[0] == "effective")
        .map(|[_, state, started, ended, causes, _]| [state, started, ended, causes].map(Clone::clone))
        .collect();
    assert_eq!(effective, planted);
    assert!(gaps.iter().all(|row| row[5] == "0"));

    let days = columns(&found, "coverage", ["audited_s", "gap_s"]);
    assert_eq!(days.len(), DAYS as usize + 1);
    for (number, [audited_s, gap_s]) in days.iter().enumerate().take(DAYS as usize) {
        let (from, to) = (start() + number as i64 * DAY, start() + (number as i64 + 1) * DAY);
        let dark = WINDOWS
            .iter()
            .map(instants)
            .map(|(start, end)| (end.min(to) - start.max(from)).max(0));
        let dark_s = dark.sum::<i64>() / 1_000_000;
        assert_eq!(
            [audited_s, gap_s],
            [&(86_400 - dark_s).to_string(), &dark_s.to_string()],
            "day {number}"
        );
    }
}

/// In the last 90 days auditing was off for 15.25: 83 % were audited.
#[test]
fn nobody_who_was_there_in_the_dark_only_is_called_inactive() {
    let visits = visits();
    let recent_from = start() + i64::from(DAYS) * DAY - 90 * DAY;
    // Of every second person, only the visits in the dark are left of the last 90 days.
    let people: BTreeSet<&str> = visits.iter().map(|visit| visit.who.as_str()).collect();
    let secretive: BTreeSet<&str> = people.iter().step_by(2).copied().collect();
    let happened =
        |visit: &&Visit| visit.on < recent_from || !secretive.contains(visit.who.as_str()) || is_dark(visit.on);
    let visits: Vec<&Visit> = visits.iter().filter(happened).collect();
    let there: BTreeSet<&str> = visits
        .iter()
        .filter(|visit| visit.on >= recent_from)
        .map(|visit| visit.who.as_str())
        .collect();
    let in_the_dark = there.intersection(&secretive).count();
    assert!(in_the_dark > 20, "{in_the_dark} people were there in the dark only");

    let by_default = statuses(&reports(&visits, 0.9));
    assert!(
        there
            .iter()
            .all(|who| ["active", "unknown"].contains(&by_default[*who].as_str()))
    );
    let unknown = |statuses: &BTreeMap<String, String>| statuses.values().filter(|status| *status == "unknown").count();
    assert!(unknown(&by_default) >= in_the_dark);
    assert_eq!(
        statuses(&reports(&visits, 1.0)),
        by_default,
        "all the more where all of it must be audited"
    );
    // Whoever asks for less coverage than there was gets a verdict: the threshold is what protects them.
    assert_eq!(unknown(&statuses(&reports(&visits, 0.83))), 0);
}

fn statuses(found: &Reports) -> BTreeMap<String, String> {
    let rows = columns(found, "users", ["actor_id", "status"]);
    rows.into_iter().map(|[id, status]| (id, status)).collect()
}
