//! Contract rules of the reports (design §4) that the unit tests of `src/report` do not show, each end to end on a log
//! of a few rows: rows in, report rows out. Limits of a rule are met exactly and missed by a microsecond.

use crate::logs::{self, Event, Form, at};
use crate::support;
use gatelog::ingest::Plan;
use gatelog::report::options::Options;
use std::collections::BTreeMap;

pub const WEB: i32 = 64;
pub const SERVICES: i32 = 65;

pub type Reports = BTreeMap<&'static str, Vec<BTreeMap<String, String>>>;

/// The reports of logs by environment.
pub fn reports_of(logs: &[(&'static str, Vec<Event>)], options: &Options) -> Reports {
    let log = |(environment, events): &(&'static str, Vec<Event>)| {
        (*environment, Form::Lines.write(&logs::with_ids(events.clone())))
    };
    reports_of_texts(&logs.iter().map(log).collect::<Vec<_>>(), options)
}

/// The reports of exports by environment.
pub fn reports_of_texts(exports: &[(&str, String)], options: &Options) -> Reports {
    let home = support::home();
    let lake = home.path().join("lake");
    for (number, (environment, text)) in exports.iter().enumerate() {
        let export = support::write(&home.path().join(number.to_string()), text);
        let environment = Some((*environment).to_owned());
        support::ingest(&Plan {
            environment,
            ..Plan::new(vec![export], lake.clone())
        });
    }
    let rows = |text: &str| {
        csv::Reader::from_reader(text.as_bytes())
            .deserialize()
            .map(|row| row.expect("a row"))
            .collect()
    };
    support::csvs(&lake, options)
        .into_iter()
        .map(|(table, text)| (table, rows(&text)))
        .collect()
}

pub fn reports(events: Vec<Event>, options: &Options) -> Reports {
    reports_of(&[(support::ENVIRONMENT, events)], options)
}

/// A time of the month in which these logs lie: `on("02 08:00")`.
pub fn on(day_and_time: &str) -> i64 {
    let (day, time) = day_and_time.split_once(' ').expect("day and time");
    at(&format!("2026-03-{day}T{time}:00Z"))
}

pub fn access(when: &str, action: i32, person: usize) -> Event {
    Event::access(on(when), action, Some(person))
}

pub fn control(when: &str, action: i32) -> Event {
    Event::other(on(when), action, Some(9), None)
}

/// Rows that open and close the log, a change each, so that nothing else is censored by its ends.
pub fn within(mut events: Vec<Event>) -> Vec<Event> {
    events.extend([change("01 00:00"), change("31 00:00")]);
    events
}

pub fn change(when: &str) -> Event {
    Event::other(on(when), 2, Some(9), Some(0))
}

/// Some columns of a table's rows.
pub fn columns<const N: usize>(reports: &Reports, table: &str, names: [&str; N]) -> Vec<[String; N]> {
    let cell =
        |row: &BTreeMap<String, String>, name: &str| row.get(name).unwrap_or_else(|| panic!("no {name}")).clone();
    reports[table]
        .iter()
        .map(|row| names.map(|name| cell(row, name)))
        .collect()
}

pub fn plain() -> Options {
    Options::default()
}

#[test]
fn sessions_are_not_split_at_midnight_and_started_date_is_local() {
    let events = within(vec![access("09 22:30", WEB, 1), access("10 01:30", WEB, 1)]);
    let names = ["started_date", "accesses", "duration_min_s", "duration_max_s"];
    let berlin = Options {
        tz: chrono_tz::Europe::Berlin,
        ..plain()
    };
    let kolkata = Options {
        tz: chrono_tz::Asia::Kolkata,
        ..plain()
    };
    for (options, date) in [(plain(), "2026-03-09"), (berlin, "2026-03-09"), (kolkata, "2026-03-10")] {
        let found = columns(&reports(events.clone(), &options), "sessions", names);
        assert_eq!(found, [[date, "2", "10800", "25200"]], "{}", options.tz);
    }
}

#[test]
fn sessions_seconds_are_floored_from_microseconds() {
    let mut late = access("09 08:00", WEB, 1);
    late.on += 1_999_999;
    let events = within(vec![access("09 08:00", WEB, 1), late]);
    let found = columns(
        &reports(events, &plain()),
        "sessions",
        ["duration_min_s", "duration_max_s", "last_seen_on"],
    );
    assert_eq!(found, [["1", "14401", "2026-03-09T08:00:01.999999Z"]]);
}

#[test]
fn sessions_take_the_newest_name_from_any_row_even_after_as_of() {
    let mut events = within(vec![access("09 08:00", WEB, 1), access("09 09:00", WEB, 1)]);
    events[0].object_name = Some("Older Sample".to_owned());
    let mut change = Event::other(on("20 08:00"), 2, Some(1), Some(0));
    change.user_name = Some("Newer Sample".to_owned());
    events.push(change);
    for as_of in [None, Some(on("10 00:00"))] {
        let options = Options { as_of, ..plain() };
        assert_eq!(
            columns(&reports(events.clone(), &options), "sessions", ["actor_name"]),
            [["Newer Sample"]]
        );
    }
}

#[test]
fn sessions_start_censored_audit_gap_comes_before_log_start() {
    // The log begins, auditing is stopped and started, and somebody is seen, all within a session gap.
    let events = vec![
        control("02 08:00", 113),
        control("02 09:00", 112),
        access("02 10:00", WEB, 1),
    ];
    let found = columns(
        &reports(events, &plain()),
        "sessions",
        ["start_censored", "end_censored"],
    );
    assert_eq!(found, [["audit_gap", "log_end"]]);
}

#[test]
fn sessions_end_censored_audit_gap_comes_before_log_end_and_leaves_duration_max_null() {
    let events = vec![access("02 10:00", WEB, 1), control("02 13:59", 113)];
    let found = columns(
        &reports(events, &plain()),
        "sessions",
        ["end_censored", "duration_max_s", "duration_min_s"],
    );
    assert_eq!(found, [["audit_gap", "", "0"]]);
}

#[test]
fn sessions_an_open_gap_ends_no_session_start() {
    // Stopped for good: what is seen later is evidence against the gap, but nothing has ended before it.
    let events = within(vec![control("02 08:00", 113), access("02 10:00", WEB, 1)]);
    let found = columns(
        &reports(events, &plain()),
        "sessions",
        ["start_censored", "end_censored", "audit_gap_s"],
    );
    assert_eq!(found, [["", "", "0"]]);
}

#[test]
fn sessions_audit_gap_s_is_the_effective_gap_inside() {
    let events = within(vec![
        access("09 08:00", WEB, 1),
        control("09 09:00", 113),
        control("09 09:30", 110),
        control("09 10:00", 112),
        control("09 10:30", 107),
        access("09 12:00", WEB, 1),
    ]);
    assert_eq!(
        columns(&reports(events, &plain()), "sessions", ["audit_gap_s", "accesses"]),
        [["5400", "2"]]
    );
}

#[test]
fn sessions_table_and_column_gaps_cut_nothing() {
    let mut table = [
        control("09 07:00", 108),
        control("09 07:59", 105),
        control("09 12:01", 109),
    ];
    table.iter_mut().for_each(|row| row.object_id = Some(logs::id('d', 1)));
    let events = within(
        [access("09 08:00", WEB, 1), access("09 12:00", WEB, 1)]
            .into_iter()
            .chain(table)
            .collect(),
    );
    let found = reports(events, &plain());
    let names = ["start_censored", "end_censored", "audit_gap_s"];
    assert_eq!(columns(&found, "sessions", names), [["", "", "0"]]);
    assert_eq!(
        columns(&found, "gaps", ["scope"]),
        [["column"], ["table"]],
        "no effective gap"
    );
}

#[test]
fn sessions_client_is_mixed_when_both_were_used() {
    let of = |(person, first, second)| [access("09 08:00", first, person), access("09 09:00", second, person)];
    let people = [(1, WEB, WEB), (2, SERVICES, SERVICES), (3, WEB, SERVICES)];
    let found = reports(within(people.into_iter().flat_map(of).collect()), &plain());
    let names = ["client", "web_accesses", "web_services_accesses"];
    assert_eq!(
        columns(&found, "sessions", names),
        [["web", "2", "0"], ["web_services", "0", "2"], ["mixed", "1", "1"]]
    );
}

#[test]
fn as_of_leaves_out_later_rows_and_ends_every_log() {
    let logs = [
        ("early", vec![access("02 08:00", WEB, 1), access("20 08:00", WEB, 1)]),
        ("late", vec![access("21 08:00", WEB, 1)]),
    ];
    let found = |as_of: i64| {
        let found = reports_of(
            &logs,
            &Options {
                as_of: Some(as_of),
                ..plain()
            },
        );
        columns(&found, "sessions", ["environment", "started_on", "end_censored"])
    };
    let first = |end| ["early", "2026-03-02T08:00:00Z", end].map(str::to_owned);
    assert_eq!(
        found(on("02 08:00")),
        [first("log_end")],
        "a row at that very instant stays; the other environment is not"
    );
    assert_eq!(found(on("02 11:59")), [first("log_end")]);
    assert_eq!(
        found(on("02 12:00")),
        [first("")],
        "the log ends at as-of, past its last row"
    );
    assert_eq!(found(on("01 00:00")).len(), 0);
    let last_end = |as_of| found(as_of).pop().expect("three sessions")[2].clone();
    assert_eq!(
        (found(on("31 00:00")).len(), last_end(on("31 00:00"))),
        (3, String::new()),
        "past the last of all rows"
    );
    assert_eq!(last_end(on("21 11:59")), "log_end");
}

#[test]
fn from_and_to_choose_rows_and_never_change_a_value() {
    let events = vec![
        access("02 08:00", WEB, 1),
        control("02 10:00", 113),
        control("02 12:00", 112),
        access("03 08:00", SERVICES, 2),
        access("10 08:00", WEB, 1),
        control("12 08:00", 113),
    ];
    let all = reports(events.clone(), &plain());
    let range = Options {
        from: Some(on("03 08:00")),
        to: Some(on("10 08:00")),
        ..plain()
    };
    let chosen = reports(events, &range);
    assert_eq!(
        columns(&chosen, "sessions", ["started_on"]),
        [["2026-03-03T08:00:00Z"]],
        "[from, to) on the start"
    );
    assert_eq!(chosen["gaps"].len(), 0, "one gap ended before, one starts after");
    let periods = [
        ["all", "2026-03-02"],
        ["all", "2026-03-02"],
        ["day", "2026-03-03"],
        ["day", "2026-03-10"],
    ];
    let months_and_weeks = [
        ["month", "2026-03-01"],
        ["month", "2026-03-01"],
        ["week", "2026-03-02"],
        ["week", "2026-03-02"],
    ];
    let found = columns(&chosen, "clients", ["grain", "period_start"]);
    // The 10th has an instant before 08:00, so its day and week are asked for.
    assert_eq!(
        found,
        [&periods[..], &months_and_weeks, &[["week", "2026-03-09"]]].concat()
    );
    for table in support::TABLES {
        assert!(chosen[table].iter().all(|row| all[table].contains(row)), "{table}");
    }
}

#[test]
fn clients_periods_are_local_days_iso_weeks_and_months() {
    // Sunday evening in UTC is Monday, the first of June, in Kolkata.
    let mut row = access("02 08:00", WEB, 1);
    row.on = at("2026-05-31T20:00:00Z");
    let found = |tz| {
        let found = reports(vec![row.clone()], &Options { tz, ..plain() });
        columns(&found, "clients", ["grain", "period_start"]).concat().join(" ")
    };
    assert_eq!(
        found(chrono_tz::UTC),
        "all 2026-05-31 day 2026-05-31 month 2026-05-01 week 2026-05-25"
    );
    assert_eq!(
        found(chrono_tz::Asia::Kolkata),
        "all 2026-06-01 day 2026-06-01 month 2026-06-01 week 2026-06-01"
    );
}

#[test]
fn clients_the_period_all_begins_with_the_log_and_not_with_the_first_access() {
    let found = reports(within(vec![access("09 08:00", WEB, 1)]), &plain());
    assert_eq!(
        columns(&found, "clients", ["grain", "period_start"])[0],
        ["all", "2026-03-01"]
    );
}

#[test]
fn clients_count_sessions_where_they_start_and_a_row_stands_for_accesses_or_sessions() {
    let events = vec![access("09 22:00", WEB, 1), access("10 02:00", SERVICES, 1)];
    let found = reports(events, &plain());
    let names = [
        "grain",
        "period_start",
        "client",
        "accesses",
        "actors",
        "sessions",
        "share",
    ];
    let days: Vec<_> = columns(&found, "clients", names)
        .into_iter()
        .filter(|row| row[0] == "day")
        .collect();
    let expected = [
        ["day", "2026-03-09", "web", "1", "1", "1", "1.0"],
        // The session began on this day and used web services, though only on the next day.
        ["day", "2026-03-09", "web_services", "0", "0", "1", "0.0"],
        ["day", "2026-03-10", "web_services", "1", "1", "0", "1.0"],
    ];
    assert_eq!(days, expected);
}

#[test]
fn clients_share_is_within_environment_and_period_and_nobody_counts_as_access_but_not_as_actor() {
    let one = vec![
        access("09 08:00", WEB, 1),
        access("09 08:01", WEB, 1),
        Event::access(on("09 08:02"), SERVICES, None),
    ];
    let two = vec![access("09 08:00", SERVICES, 1)];
    let found = reports_of(&[("one", one), ("two", two)], &plain());
    let names = ["environment", "client", "accesses", "actors", "sessions", "share"];
    let days: Vec<_> = found["clients"]
        .iter()
        .filter(|row| row["grain"] == "day")
        .map(|row| names.map(|n| row[n].as_str()))
        .collect();
    let expected = [
        ["one", "web", "2", "1", "1", "0.6666666666666666"],
        ["one", "web_services", "1", "0", "0", "0.3333333333333333"],
        ["two", "web_services", "1", "1", "1", "1.0"],
    ];
    assert_eq!(days, expected);
}
