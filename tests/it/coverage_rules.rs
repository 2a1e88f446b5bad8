//! Contract rules of coverage, activity and control (design §4), end to end: rows in, report rows out.

use crate::logs::{self, Event, Form, at, id};
use crate::rules::{
    Reports, SERVICES, WEB, access, change, columns, control, on, plain, reports, reports_of, reports_of_texts, within,
};
use crate::support::ENVIRONMENT;
use gatelog::report::options::Options;

const COVERAGE: [&str; 6] = ["date", "audited_s", "gap_s", "coverage", "accesses", "actors"];

/// The days' rows as lines.
fn coverage(reports: &Reports) -> Vec<String> {
    let rows = columns(reports, "coverage", COVERAGE);
    rows.iter().map(|row| row.join(" ").trim_end().to_owned()).collect()
}

fn berlin() -> Options {
    Options {
        tz: chrono_tz::Europe::Berlin,
        ..plain()
    }
}

#[test]
fn coverage_counts_23_hours_when_clocks_go_forward_and_25_when_they_go_back() {
    for (from, to, day, seconds) in [
        ("2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z", "2026-03-29", 82_800),
        ("2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z", "2026-10-25", 90_000),
    ] {
        // The gap lies over the change: an hour of UTC, whatever the wall clock says.
        let gap = at(&format!("{day}T00:30:00Z"));
        let events = vec![
            Event::other(at(from), 2, None, None),
            Event::other(gap, 113, None, None),
            Event::other(gap + logs::HOUR, 112, None, None),
            Event::other(at(to), 2, None, None),
        ];
        let found = coverage(&reports(events, &berlin()));
        let covered = f64::from(seconds - 3600) / f64::from(seconds);
        assert_eq!(found[1], format!("{day} {} 3600 {covered:?} 0 0", seconds - 3600));
    }
}

#[test]
fn coverage_of_the_first_and_last_day_is_of_their_part_in_the_log() {
    let events = vec![
        change("02 18:00"),
        control("02 20:00", 113),
        control("02 21:30", 112),
        access("03 08:00", WEB, 1),
        access("03 09:00", SERVICES, 1),
        access("03 10:00", WEB, 2),
        change("04 06:00"),
    ];
    assert_eq!(
        coverage(&reports(events, &plain())),
        [
            "2026-03-02 16200 5400 0.75 0 0",
            "2026-03-03 86400 0 1.0 3 2",
            "2026-03-04 21600 0 1.0 0 0"
        ]
    );
}

#[test]
fn coverage_of_no_time_is_null_and_the_day_stands_there() {
    let once = reports(vec![access("02 08:00", WEB, 1), access("02 08:00", WEB, 2)], &plain());
    assert_eq!(coverage(&once), ["2026-03-02 0 0  2 2"]);
    // The last instant of the log is the first of a day.
    let events = vec![change("02 12:00"), access("03 00:00", WEB, 1)];
    assert_eq!(
        coverage(&reports(events, &plain())),
        ["2026-03-02 43200 0 1.0 0 0", "2026-03-03 0 0  1 1"]
    );
}

#[test]
fn coverage_of_an_open_gap_is_none_up_to_as_of() {
    let events = vec![change("02 00:00"), control("02 12:00", 113), access("02 18:00", WEB, 1)];
    let as_of = Some(on("04 12:00"));
    let found = coverage(&reports(events, &Options { as_of, ..plain() }));
    assert_eq!(
        found,
        [
            "2026-03-02 43200 43200 0.5 1 1",
            "2026-03-03 0 86400 0.0 0 0",
            "2026-03-04 0 43200 0.0 0 0"
        ],
        "an access inside a gap is seen, and the gap stays"
    );
}

#[test]
fn coverage_of_a_log_that_starts_with_stopped_and_of_gaps_that_repeat_or_last_no_time() {
    let of = |events| coverage(&reports(events, &plain()));
    assert_eq!(
        of(vec![
            control("02 08:00", 113),
            control("02 10:00", 112),
            change("02 16:00")
        ]),
        ["2026-03-02 21600 7200 0.75 0 0"]
    );
    let twice = vec![
        change("02 00:00"),
        control("02 08:00", 113),
        control("02 09:00", 113),
        control("02 10:00", 112),
        control("02 11:00", 112),
        change("03 00:00"),
    ];
    // Nothing proves that auditing ran between the two Started rows.
    assert_eq!(of(twice)[0], format!("2026-03-02 75600 10800 {} 0 0", 0.875));
    let at_once = vec![
        change("02 00:00"),
        control("02 08:00", 113),
        control("02 08:00", 112),
        change("02 01:00"),
    ];
    assert_eq!(of(at_once), ["2026-03-02 28800 0 1.0 0 0"]);
}

#[test]
fn coverage_counts_what_two_scopes_silence_once_whichever_lies_inside() {
    for (outer, inner) in [((113, 112), (110, 107)), ((110, 107), (113, 112))] {
        let events = vec![
            change("02 00:00"),
            control("02 06:00", outer.0),
            control("02 08:00", inner.0),
            control("02 10:00", inner.1),
            control("02 18:00", outer.1),
            change("03 00:00"),
        ];
        let found = coverage(&reports(events, &plain()));
        assert_eq!(found[0], "2026-03-02 43200 43200 0.5 0 0");
    }
    let table = within(vec![control("02 06:00", 108), control("02 08:00", 109)]);
    let found = columns(&reports(table, &plain()), "coverage", ["gap_s"]);
    assert!(
        found.iter().all(|row| row[0] == "0"),
        "tables and columns silence no access"
    );
}

#[test]
fn coverage_days_are_chosen_by_from_and_to_and_keep_their_values() {
    let events = within(vec![
        access("09 08:00", WEB, 1),
        control("10 06:00", 113),
        control("10 12:00", 112),
    ]);
    let whole = coverage(&reports(events.clone(), &plain()));
    assert_eq!(whole.len(), 31);
    let of = |from, to| {
        let options = Options { from, to, ..plain() };
        coverage(&reports(events.clone(), &options))
    };
    assert_eq!(of(Some(on("09 12:00")), Some(on("10 10:00"))), whole[8..10]);
    assert_eq!(of(Some(on("09 12:00")), Some(on("10 00:00"))), whole[8..9]);
    assert_eq!(of(Some(on("31 12:00")), None), whole[30..]);
}

#[test]
fn activity_is_by_local_weekday_and_hour_and_counts_an_actor_once_a_cell() {
    // 6 and 13 March 2026 are Fridays; 23:30Z is Saturday half past midnight in Berlin.
    let events = within(vec![
        access("06 23:30", WEB, 1),
        access("13 23:10", WEB, 1),
        access("13 23:20", WEB, 2),
        access("13 23:59", SERVICES, 1),
        access("15 22:00", WEB, 3),
    ]);
    let names = ["weekday", "hour", "client", "accesses", "actors"];
    let of = |options: &Options| -> Vec<String> {
        let rows = columns(&reports(events.clone(), options), "activity", names);
        rows.iter().map(|row| row.join(" ")).collect()
    };
    assert_eq!(of(&plain()), ["5 23 web 3 2", "5 23 web_services 1 1", "7 22 web 1 1"]);
    let found = of(&berlin());
    assert_eq!(found, ["6 0 web 3 2", "6 0 web_services 1 1", "7 23 web 1 1"]);
    let ranged = Options {
        from: Some(on("14 00:00")),
        ..plain()
    };
    assert_eq!(of(&ranged), of(&plain()), "a range chooses no accesses");
    let as_of = Options {
        as_of: Some(on("12 00:00")),
        ..plain()
    };
    assert_eq!(of(&as_of), ["5 23 web 1 1"]);
}

#[test]
fn activity_counts_the_hour_that_comes_twice_twice() {
    let events = ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"].map(|time| Event::access(at(time), WEB, Some(1)));
    let found = columns(
        &reports(events.to_vec(), &berlin()),
        "activity",
        ["weekday", "hour", "accesses", "actors"],
    );
    assert_eq!(found, [["7", "2", "2", "1"]]);
}

#[test]
fn control_is_a_timeline_in_plain_language_that_marks_log_deletions() {
    let mut deletion = Event::other(on("09 10:00"), 111, Some(3), Some(4));
    deletion.user_name = Some("Heron Sample".to_owned());
    let events = within(vec![
        Event::other(on("09 10:00"), 113, None, None),
        deletion,
        control("09 08:00", 105),
        access("09 09:00", WEB, 1),
    ]);
    let names = [
        "created_on",
        "action_name",
        "is_log_deletion",
        "user_id",
        "user_name",
        "object_id",
    ];
    let found = columns(&reports(events.clone(), &plain()), "control", names);
    let (heron, object) = (id('a', 3), id('d', 4));
    let nine = id('a', 9);
    assert_eq!(
        found,
        [
            ["2026-03-09T08:00:00Z", "Entity Audit Started", "false", &nine, "", ""],
            [
                "2026-03-09T10:00:00Z",
                "Audit Log Deletion",
                "true",
                &heron,
                "Heron Sample",
                &object
            ],
            ["2026-03-09T10:00:00Z", "User Access Audit Stopped", "false", "", "", ""],
        ]
    );
    let meanings = columns(&reports(events.clone(), &plain()), "control", ["meaning"]);
    assert!(meanings[1][0].starts_with("Audit logs were deleted"), "{meanings:?}");
    let ranged = Options {
        from: Some(on("09 08:00")),
        to: Some(on("09 10:00")),
        ..plain()
    };
    assert_eq!(reports(events, &ranged)["control"].len(), 1, "[from, to)");
}

#[test]
fn reports_of_several_environments_never_mix() {
    let one = vec![
        change("02 00:00"),
        control("02 06:00", 113),
        access("02 08:00", WEB, 1),
        change("03 00:00"),
    ];
    let two = vec![change("02 00:00"), access("02 09:00", WEB, 1), change("02 12:00")];
    let found = reports_of(&[("one", one), ("two", two)], &plain());
    let names = ["environment", "date", "gap_s", "accesses", "actors"];
    assert_eq!(
        columns(&found, "coverage", names),
        [
            ["one", "2026-03-02", "64800", "1", "1"],
            ["one", "2026-03-03", "0", "0", "0"],
            ["two", "2026-03-02", "0", "1", "1"]
        ]
    );
    assert_eq!(
        columns(&found, "activity", ["environment", "hour", "actors"]),
        [["one", "8", "1"], ["two", "9", "1"]]
    );
    assert_eq!(
        columns(&found, "users", ["environment", "actor_id", "accesses"]),
        [["one", &*id('a', 1), "1"], ["two", &*id('a', 1), "1"]]
    );
    assert_eq!(columns(&found, "control", ["environment"]), [["one"]]);
}

#[test]
fn lakes_with_rows_of_one_kind_only_and_empty_ones_have_every_report() {
    let sizes = |found: &Reports| {
        [
            "sessions", "clients", "gaps", "coverage", "users", "activity", "control", "silence",
        ]
        .map(|table| found[table].len())
    };
    let users = || "{\"systemuserid\":\"u1\",\"fullname\":\"Wren Sample\"}\n".to_owned();
    let log = |events: Vec<Event>| Form::Lines.write(&logs::with_ids(events));
    let of = |exports: &[(&'static str, String)]| reports_of_texts(exports, &plain());
    let control_only = of(&[(
        ENVIRONMENT,
        log(vec![control("02 00:00", 113), control("03 00:00", 112)]),
    )]);
    assert_eq!(sizes(&control_only), [0, 0, 2, 2, 0, 0, 2, 0]);
    assert_eq!(
        coverage(&control_only),
        ["2026-03-02 0 86400 0.0 0 0", "2026-03-03 0 0  0 0"]
    );
    let change_only = of(&[(ENVIRONMENT, log(vec![change("02 00:00"), change("02 12:00")]))]);
    assert_eq!(sizes(&change_only), [0, 0, 0, 1, 0, 0, 0, 0]);
    let side_only = of(&[(ENVIRONMENT, users())]);
    assert_eq!(sizes(&side_only), [0, 0, 0, 0, 1, 0, 0, 0]);
    assert_eq!(
        columns(&side_only, "users", ["actor_name", "kind", "accesses", "status"]),
        [["Wren Sample", "person", "0", "unknown"]],
        "there is no log in which to be seen"
    );
    let before = Options {
        as_of: Some(on("01 00:00")),
        ..plain()
    };
    let both = [
        (ENVIRONMENT, log(vec![access("02 00:00", WEB, 1)])),
        (ENVIRONMENT, users()),
    ];
    assert_eq!(
        sizes(&reports_of_texts(&both, &before)),
        [0, 0, 0, 0, 1, 0, 0, 0],
        "nothing was logged yet"
    );
    assert_eq!(sizes(&of(&[(ENVIRONMENT, String::new())])), [0; 8]);
}
