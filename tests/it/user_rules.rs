//! Contract rules of the users report (design §4), end to end: a log and an export of users in, report rows out.

use crate::logs::{self, Event, Form, HOUR, id};
use crate::rules::{Reports, SERVICES, WEB, access, change, columns, control, on, plain, reports_of_texts, within};
use crate::support::ENVIRONMENT;
use gatelog::report::options::Options;
use serde_json::json;

const DAY: i64 = 24 * HOUR;

/// The reports of a log beside an export of users.
fn reports(events: Vec<Event>, users: &[serde_json::Value], options: &Options) -> Reports {
    let users: String = users.iter().map(|user| user.to_string() + "\n").collect();
    let log = Form::Lines.write(&logs::with_ids(events));
    reports_of_texts(&[(ENVIRONMENT, log), (ENVIRONMENT, users)], options)
}

/// Days of silence and the share that must have been audited.
fn inactive_after(days: i64, min_coverage: f64) -> Options {
    Options {
        inactive_after_us: days * DAY,
        min_coverage,
        ..plain()
    }
}

fn statuses(events: Vec<Event>, users: &[serde_json::Value], options: &Options) -> Vec<String> {
    let found = columns(&reports(events, users, options), "users", ["status"]);
    found.into_iter().map(|[status]| status).collect()
}

fn user(number: usize) -> serde_json::Value {
    json!({"systemuserid": id('a', number), "fullname": format!("Sample {number}")})
}

#[test]
fn users_are_all_actors_and_all_known_users_with_what_was_seen_of_them() {
    let events = within(vec![
        access("10 23:30", WEB, 1),
        access("11 01:00", SERVICES, 1),
        access("12 08:00", WEB, 1),
        access("30 18:00", SERVICES, 2),
    ]);
    let names = [
        "actor_id",
        "actor_name",
        "kind",
        "first_access_on",
        "last_access_on",
        "last_web_on",
        "last_web_services_on",
        "accesses",
        "web_accesses",
        "web_services_accesses",
        "sessions",
        "active_days",
        "client_usage",
        "days_since_last_access",
        "coverage_since_last",
    ];
    let found = columns(&reports(events, &[user(1), user(3)], &plain()), "users", names);
    let last = "2026-03-12T08:00:00Z";
    let [one, two, three] = [1, 2, 3].map(|number| id('a', number));
    assert_eq!(
        found,
        [
            [
                &*one,
                "Sample 1",
                "person",
                "2026-03-10T23:30:00Z",
                last,
                last,
                "2026-03-11T01:00:00Z",
                "3",
                "2",
                "1",
                "2",
                "3",
                "both",
                "18",
                "1.0"
            ],
            [
                &*two,
                "",
                "unknown",
                "2026-03-30T18:00:00Z",
                "2026-03-30T18:00:00Z",
                "",
                "2026-03-30T18:00:00Z",
                "1",
                "0",
                "1",
                "1",
                "1",
                "web_services_only",
                "0",
                "1.0"
            ],
            [
                &*three, "Sample 3", "person", "", "", "", "", "0", "0", "0", "0", "0", "", "", ""
            ],
        ]
    );
}

#[test]
fn users_active_days_are_local() {
    let events = within(vec![access("10 22:30", WEB, 1), access("11 01:00", WEB, 1)]);
    for (tz, days) in [
        (chrono_tz::Tz::UTC, "2"),
        (chrono_tz::Europe::Berlin, "2"),
        (chrono_tz::Asia::Kolkata, "1"),
    ] {
        let options = Options { tz, ..plain() };
        assert_eq!(
            columns(&reports(events.clone(), &[], &options), "users", ["active_days"]),
            [[days]]
        );
    }
}

#[test]
fn users_kinds_are_told_by_the_newest_export() {
    let application = "eeeeeeee-0000-4000-8000-000000000001";
    let users = [
        json!({"systemuserid": id('a', 1), "isdisabled": true, "applicationid": application, "accessmode": 4}),
        json!({"systemuserid": id('a', 2), "isdisabled": false, "applicationid": application, "accessmode": 4}),
        json!({"systemuserid": id('a', 3), "isdisabled": false, "accessmode": 4}),
        json!({"systemuserid": id('a', 4), "isdisabled": false, "accessmode": 0}),
    ];
    let events = (1..6).map(|person| access("10 08:00", WEB, person)).collect();
    assert_eq!(
        columns(&reports(within(events), &users, &plain()), "users", ["kind"]),
        [
            ["disabled"],
            ["application"],
            ["non_interactive"],
            ["person"],
            ["unknown"]
        ]
    );
}

#[test]
fn users_are_active_from_an_access_exactly_inactive_after_before_the_log_s_end() {
    let mut just_missed = access("21 00:00", WEB, 2);
    just_missed.on -= 1;
    let events = within(vec![
        access("21 00:00", WEB, 1),
        just_missed,
        access("31 00:00", WEB, 3),
    ]);
    let options = inactive_after(10, 0.9);
    assert_eq!(
        statuses(events.clone(), &[user(4)], &options),
        ["active", "inactive", "active", "never_seen"]
    );
    let found = columns(
        &reports(events, &[], &options),
        "users",
        ["days_since_last_access", "coverage_since_last"],
    );
    assert_eq!(
        found,
        [["10", "1.0"], ["10", "1.0"], ["0", ""]],
        "no time has passed since the last"
    );
}

#[test]
fn users_are_judged_when_exactly_min_coverage_was_audited_and_not_by_a_microsecond_less() {
    let events = |off_by: i64| {
        let mut started = control("23 00:00", 112);
        started.on += off_by;
        within(vec![access("05 08:00", WEB, 1), control("22 00:00", 113), started])
    };
    let of = |off_by| statuses(events(off_by), &[user(2)], &inactive_after(10, 0.9));
    assert_eq!(of(0), ["inactive", "never_seen"]);
    assert_eq!(of(-1), ["inactive", "never_seen"]);
    assert_eq!(of(1), ["unknown", "unknown"]);
}

#[test]
fn users_silence_before_the_log_began_proves_nothing() {
    let events = within(vec![access("02 08:00", WEB, 1)]);
    let of = |days, min_coverage| statuses(events.clone(), &[user(2)], &inactive_after(days, min_coverage));
    assert_eq!(of(25, 1.0), ["inactive", "never_seen"]);
    // 30 days of log, of 40.
    assert_eq!(of(40, 0.75), ["active", "never_seen"]);
    assert_eq!(of(40, 0.76), ["active", "unknown"]);
    assert_eq!(
        statuses(events.clone(), &[user(2)], &plain()),
        ["active", "unknown"],
        "30 of 90 days"
    );
}

#[test]
fn users_of_a_log_that_ended_in_an_open_gap_are_unknown_as_of_later() {
    let events = vec![change("01 00:00"), access("02 08:00", WEB, 1), control("10 00:00", 110)];
    let later = |days| Options {
        as_of: Some(on("10 00:00") + days * DAY),
        ..inactive_after(5, 0.9)
    };
    assert_eq!(
        statuses(events.clone(), &[user(2)], &later(0)),
        ["inactive", "never_seen"]
    );
    assert_eq!(statuses(events.clone(), &[user(2)], &later(1)), ["unknown", "unknown"]);
    let found = columns(
        &reports(events, &[], &later(8)),
        "users",
        ["days_since_last_access", "coverage_since_last"],
    );
    let audited = (7.0 * 24.0 + 16.0) / (15.0 * 24.0 + 16.0);
    assert_eq!(found, [["15".to_owned(), format!("{audited:?}")]]);
}

#[test]
fn users_are_those_up_to_as_of() {
    let events = within(vec![
        access("02 08:00", WEB, 1),
        access("20 08:00", WEB, 1),
        access("20 08:00", WEB, 2),
    ]);
    let options = Options {
        as_of: Some(on("10 00:00")),
        ..plain()
    };
    let found = columns(
        &reports(events, &[], &options),
        "users",
        ["actor_id", "accesses", "last_access_on"],
    );
    assert_eq!(found, [[&*id('a', 1), "1", "2026-03-02T08:00:00Z"]]);
}

#[test]
fn users_are_of_the_whole_log_whatever_range_is_asked_for() {
    let events = within(vec![access("02 08:00", WEB, 1), access("20 08:00", WEB, 1)]);
    let ranged = Options {
        from: Some(on("10 00:00")),
        to: Some(on("11 00:00")),
        ..plain()
    };
    let of = |options: &Options| reports(events.clone(), &[user(2)], options)["users"].clone();
    assert_eq!(of(&ranged), of(&plain()));
}

#[test]
fn users_as_a_worklist_begin_with_the_never_seen_and_the_longest_inactive() {
    let events = within(vec![
        access("05 08:00", WEB, 1),
        access("30 08:00", WEB, 2),
        access("02 08:00", WEB, 3),
    ]);
    let worklist = Options {
        worklist: true,
        ..inactive_after(10, 0.9)
    };
    let found = reports(events, &[user(1), user(4)], &worklist);
    let [one, two, three, four] = [1, 2, 3, 4].map(|number| id('a', number));
    assert_eq!(
        columns(&found, "users", ["actor_id", "status"]),
        [
            [&*four, "never_seen"],
            [&*three, "inactive"],
            [&*one, "inactive"],
            [&*two, "active"]
        ]
    );
}

#[test]
fn users_of_one_id_in_two_environments_are_two() {
    let log = |events| Form::Lines.write(&logs::with_ids(within(events)));
    let users = user(1).to_string();
    let exports = [
        ("one", log(vec![access("02 08:00", WEB, 1)])),
        ("two", log(vec![access("30 08:00", SERVICES, 1)])),
        ("one", users),
    ];
    let found = reports_of_texts(&exports, &inactive_after(10, 0.9));
    let names = ["environment", "actor_name", "kind", "client_usage", "status"];
    assert_eq!(
        columns(&found, "users", names),
        [
            ["one", "Sample 1", "person", "web_only", "inactive"],
            ["two", "", "unknown", "web_services_only", "active"]
        ]
    );
}

/// Some tools write names without ids. Their "Sample 1" may be any Sample 1.
#[test]
fn users_who_may_be_somebody_known_by_name_only_are_not_judged_by_silence() {
    let by_name = |when: &str, name: &str| Event {
        object_name: Some(name.to_owned()),
        ..access(when, WEB, 0)
    };
    let by_name = |when: &str, name: &str| Event {
        object_id: None,
        ..by_name(when, name)
    };
    let events = within(vec![
        by_name("30 08:00", "Sample 1"),
        by_name("02 08:00", "Sample 2"),
        access("02 08:00", WEB, 3),
    ]);
    let found = reports(events, &[user(1), user(2), user(3), user(4)], &inactive_after(10, 0.9));
    let [one, two, three, four] = [1, 2, 3, 4].map(|number| id('a', number));
    assert_eq!(
        columns(&found, "users", ["actor_id", "accesses", "status"]),
        [
            [&*one, "0", "unknown"],
            [&*two, "0", "unknown"],
            [&*three, "1", "inactive"],
            [&*four, "0", "never_seen"],
            ["name:Sample 1", "1", "active"],
            ["name:Sample 2", "1", "inactive"]
        ]
    );
    // And the other way round: who is silent under a name may have come under an id.
    let events = within(vec![by_name("02 08:00", "Sample 1"), access("30 08:00", WEB, 1)]);
    let found = reports(events, &[user(1)], &inactive_after(10, 0.9));
    assert_eq!(columns(&found, "users", ["status"]), [["active"], ["unknown"]]);
}

#[test]
fn users_deleted_in_the_source_are_listed_as_disabled() {
    let deleted = json!({"systemuserid": id('a', 1), "fullname": "Sample 1", "isdisabled": false, "IsDelete": true});
    let found = reports(within(vec![access("30 08:00", WEB, 1)]), &[deleted], &plain());
    assert_eq!(
        columns(&found, "users", ["actor_name", "kind", "status"]),
        [["Sample 1", "disabled", "active"]]
    );
}

#[test]
fn users_of_environments_with_and_without_a_log_stand_in_order_of_their_environment() {
    let log = |person| Form::Lines.write(&logs::with_ids(within(vec![access("30 08:00", WEB, person)])));
    let known = |number| user(number).to_string();
    let exports = [
        ("d", log(1)),
        ("b", log(2)),
        ("c", known(3)),
        ("a", known(4)),
        ("d", known(1)),
    ];
    let found = reports_of_texts(&exports, &plain());
    let names = ["environment", "actor_id", "actor_name", "status"];
    let [one, two, three, four] = [1, 2, 3, 4].map(|number| id('a', number));
    assert_eq!(
        columns(&found, "users", names),
        [
            ["a", &*four, "Sample 4", "unknown"],
            ["b", &*two, "", "active"],
            ["c", &*three, "Sample 3", "unknown"],
            ["d", &*one, "Sample 1", "active"]
        ]
    );
    // One that is asked for alone has the same rows.
    let only = Options {
        environment: Some("c".to_owned()),
        ..plain()
    };
    assert_eq!(
        columns(&reports_of_texts(&exports, &only), "users", names),
        [["c", &*three, "Sample 3", "unknown"]]
    );
}
