//! Contract rules of the gaps report (design §4) that the unit tests of `src/report` do not show, end to end.

use crate::logs::{Event, HOUR, id};
use crate::rules::{SERVICES, WEB, access, change, columns, control, on, plain, reports, within};
use crate::support;
use gatelog::report::options::Options;

/// A control row for a table or column.
fn control_of(when: &str, action: i32, object: Option<usize>) -> Event {
    Event::other(on(when), action, Some(9), object)
}

/// A control row by somebody else.
fn control_by(when: &str, action: i32, user: usize) -> Event {
    Event::other(on(when), action, Some(user), None)
}

#[test]
fn gaps_each_scope_has_its_own_pair_of_actions() {
    for (scope, stopped, started) in [
        ("user_access", 113, 112),
        ("organization", 110, 107),
        ("table", 108, 105),
        ("column", 109, 106),
    ] {
        let events = within(vec![
            control_of("09 08:00", stopped, Some(1)),
            control_of("09 10:00", started, Some(1)),
        ]);
        let found = columns(
            &reports(events, &plain()),
            "gaps",
            ["scope", "state", "duration_s", "observed_s", "object_id"],
        );
        let has_object = matches!(scope, "table" | "column");
        let object = if has_object { id('d', 1) } else { String::new() };
        let own = [scope, "closed", "7200", "7200", &object].map(str::to_owned);
        let effective = ["effective", "closed", "7200", "7200", ""].map(str::to_owned);
        let expected = if has_object { vec![own] } else { vec![effective, own] };
        assert_eq!(found, expected);
        for other in (102..=113).filter(|action| ![stopped, started].contains(action)) {
            let events = within(vec![
                control_of("09 08:00", stopped, Some(1)),
                control_of("09 10:00", other, Some(1)),
            ]);
            let found = reports(events, &plain());
            let states: Vec<_> = found["gaps"]
                .iter()
                .filter(|row| row["scope"] == scope)
                .map(|row| row["state"].clone())
                .collect();
            assert_eq!(states, ["open"], "{other} does not close a gap of {scope}");
        }
    }
}

#[test]
fn gaps_a_missing_object_is_an_object_of_its_own() {
    let events = within(vec![
        control_of("09 08:00", 108, None),
        control_of("09 09:00", 108, Some(1)),
        control_of("09 10:00", 105, None),
    ]);
    let found = columns(&reports(events, &plain()), "gaps", ["object_id", "state", "observed_s"]);
    let open = (on("31 00:00") - on("09 09:00")) / 1_000_000;
    assert_eq!(
        found,
        [
            [id('d', 1), "open".into(), open.to_string()],
            ["".into(), "closed".into(), "7200".into()]
        ]
    );
}

#[test]
fn gaps_say_who_stopped_and_started_by_the_rows_that_opened_and_closed() {
    let mut stop = control_by("09 08:00", 113, 1);
    stop.user_name = Some("Heron Sample".to_owned());
    let events = within(vec![
        stop,
        control_by("09 09:00", 113, 2),
        control_by("09 10:00", 112, 3),
        control_by("20 10:00", 112, 4),
    ]);
    let names = [
        "scope",
        "state",
        "stopped_by_id",
        "stopped_by_name",
        "started_by_id",
        "started_by_name",
        "repeated_stops",
    ];
    let found = columns(&reports(events, &plain()), "gaps", names);
    let (one, three, four) = (id('a', 1), id('a', 3), id('a', 4));
    let expected = [
        ["effective", "closed", "", "", "", "", ""],
        // No second effective row: the second gap reaches back to the first one's end, so they touch.
        ["user_access", "closed", &one, "Heron Sample", &three, "", "1"],
        ["user_access", "start_unknown", "", "", &four, "", "0"],
    ];
    assert_eq!(found, expected);
}

#[test]
fn gaps_duration_is_null_unless_both_ends_are_known() {
    let events = within(vec![control("09 10:00", 112), control("30 00:00", 110)]);
    let names = [
        "scope",
        "started_on",
        "not_before",
        "ended_on",
        "duration_s",
        "observed_s",
    ];
    let found = columns(&reports(events, &plain()), "gaps", names);
    let (first, ended, stopped) = ("2026-03-01T00:00:00Z", "2026-03-09T10:00:00Z", "2026-03-30T00:00:00Z");
    let unknown = [first, ended, "", &(8 * 86_400 + 36_000).to_string()].map(str::to_owned);
    let row = |scope: &str, started: &str| {
        let mut row = [scope, started, &unknown[0], &unknown[1], &unknown[2], &unknown[3]].map(str::to_owned);
        if !started.is_empty() {
            row = [scope, started, "", "", "", "86400"].map(str::to_owned);
        }
        row
    };
    assert_eq!(
        found,
        [
            row("effective", stopped),
            row("effective", ""),
            row("organization", stopped),
            row("user_access", "")
        ]
    );
}

#[test]
fn gaps_start_unknown_an_access_is_proof_for_user_access_and_organization_only() {
    let started = |action| {
        within(vec![
            access("09 08:00", WEB, 1),
            control_of("09 10:00", action, Some(1)),
        ])
    };
    for (action, not_before) in [
        (112, "2026-03-09T08:00:00Z"),
        (107, "2026-03-09T08:00:00Z"),
        (105, "2026-03-01T00:00:00Z"),
        (106, "2026-03-01T00:00:00Z"),
    ] {
        let found = columns(&reports(started(action), &plain()), "gaps", ["not_before"]);
        assert!(
            !found.is_empty() && found.iter().all(|row| row[0] == not_before),
            "{action}: {found:?}"
        );
    }
    // An access of nobody is proof too, and one at the very instant leaves no gap.
    let nobody = vec![Event::access(on("09 09:00"), SERVICES, None), control("09 10:00", 112)];
    assert_eq!(
        columns(&reports(within(nobody), &plain()), "gaps", ["observed_s"]),
        [["3600"], ["3600"]]
    );
    let at_once = vec![Event::access(on("09 10:00"), SERVICES, None), control("09 10:00", 112)];
    assert_eq!(reports(within(at_once), &plain())["gaps"].len(), 0);
}

#[test]
fn gaps_effective_is_the_union_with_its_causes_and_an_open_part_keeps_it_open() {
    let events = within(vec![
        control("09 08:00", 113),
        control("09 10:00", 110),
        control("09 10:00", 112),
        control("09 11:00", 107),
        control("20 08:00", 110),
        control("20 09:00", 113),
        control("20 10:00", 107),
    ]);
    let found = reports(events, &plain());
    let names = [
        "state",
        "started_on",
        "ended_on",
        "causes",
        "repeated_stops",
        "stopped_by_id",
        "object_id",
    ];
    let effective: Vec<_> = columns(&found, "gaps", names).into_iter().take(2).collect();
    let both = "organization+user_access";
    let expected = [
        [
            "closed",
            "2026-03-09T08:00:00Z",
            "2026-03-09T11:00:00Z",
            both,
            "",
            "",
            "",
        ],
        ["open", "2026-03-20T08:00:00Z", "", both, "", "", ""],
    ];
    assert_eq!(effective, expected);
    let causes = columns(&found, "gaps", ["scope", "causes"]);
    assert!(causes[2..].iter().all(|[scope, causes]| scope == causes), "{causes:?}");
}

#[test]
fn gaps_evidence_is_strictly_inside_the_window() {
    let microsecond = |mut event: Event, beside: i64| {
        event.on += beside;
        event
    };
    let events = within(vec![
        control("09 08:00", 113),
        access("09 08:00", WEB, 1),
        microsecond(access("09 08:00", WEB, 1), 1),
        change("09 09:00"),
        control("09 09:00", 104),
        microsecond(change("09 10:00"), -1),
        change("09 10:00"),
        control("09 10:00", 112),
    ]);
    let found = columns(
        &reports(events, &plain()),
        "gaps",
        ["scope", "accesses_inside", "changes_inside"],
    );
    assert_eq!(found, [["effective", "1", "2"], ["user_access", "1", "2"]]);
}

#[test]
fn gaps_actors_before_and_sessions_cut_look_back_one_audit_interval() {
    // Stopped at 12:00, interval 4 h: [08:00, 12:00) for actors, (08:00, 12:00] for sessions.
    let events = within(vec![
        access("09 08:00", WEB, 1),
        access("09 11:59", WEB, 2),
        access("09 11:59", SERVICES, 2),
        Event::access(on("09 11:00"), WEB, None),
        access("09 12:00", WEB, 3),
        control("09 12:00", 113),
        access("09 11:00", WEB, 4),
        access("09 13:00", WEB, 4),
    ]);
    let found = columns(
        &reports(events.clone(), &plain()),
        "gaps",
        ["actors_before", "sessions_cut"],
    );
    assert_eq!(found, [["3", "2"], ["3", "2"]], "actors 1, 2, 4; last seen of 2 and 3");
    let options = Options {
        audit_interval_us: Some(on("09 12:00") - on("09 11:30")),
        session_gap_us: Some(6 * HOUR),
        ..plain()
    };
    let found = columns(&reports(events, &options), "gaps", ["actors_before", "sessions_cut"]);
    assert_eq!(found, [["1", "2"], ["1", "2"]], "only actor 2; last seen of 2 and 3");
}

#[test]
fn gaps_environments_do_not_close_each_other() {
    let logs = [
        ("one", within(vec![control("09 08:00", 113)])),
        ("two", within(vec![control("09 10:00", 112)])),
    ];
    let found = columns(
        &crate::rules::reports_of(&logs, &plain()),
        "gaps",
        ["environment", "scope", "state"],
    );
    let expected = [
        ["one", "effective", "open"],
        ["one", "user_access", "open"],
        ["two", "effective", "start_unknown"],
        ["two", "user_access", "start_unknown"],
    ];
    assert_eq!(found, expected);
}

#[test]
fn the_session_gap_follows_the_audit_interval_unless_it_is_given() {
    let home = support::home();
    let events = within(vec![
        access("09 08:00", WEB, 1),
        access("09 10:30", WEB, 1),
        access("09 13:31", WEB, 1),
    ]);
    let log = crate::logs::Form::Lines.write(&crate::logs::with_ids(events));
    support::write(&home.path().join("log"), log);
    assert_eq!(support::gatelog(home.path(), &["ingest", "log"]).code, 0);
    for (options, sessions) in [
        (&[][..], 1),
        (&["--audit-interval", "2h"], 2),
        (&["--audit-interval", "1h40m"], 2),
        (&["--audit-interval", "99m"], 3),
        (&["--audit-interval", "2h", "--session-gap", "2h"], 3),
        (&["--session-gap", "3h1m"], 1),
    ] {
        let ended = support::gatelog(
            home.path(),
            &[&["report", "sessions", "--format", "csv"], options].concat(),
        );
        assert_eq!(
            ended.stdout.lines().count() - 1,
            sessions,
            "{options:?}: {}",
            ended.stdout
        );
    }
}
