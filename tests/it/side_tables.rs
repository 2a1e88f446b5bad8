//! The tables beside the log: `systemuser` and `organization` exports in every form, newest state wins, and what they
//! change in reports (design §3.1, §4).

use crate::logs::{self, Event, Form, at};
use crate::support::{self, ENVIRONMENT, Row};
use gatelog::ingest::{Fate, Outcome, Plan, Tally};
use gatelog::report::options::Options;
use std::fs;
use std::path::Path;

const WREN: &str = "aaaaaaaa-0000-4000-8000-000000000001";
const ROBIN: &str = "aaaaaaaa-0000-4000-8000-000000000002";

/// The same two users in every form.
fn user_exports() -> Vec<(&'static str, String)> {
    let row = |id: &str, name: &str, disabled: bool, mode: u8, application: &str| {
        format!(
            "{{\"systemuserid\":\"{id}\",\"fullname\":\"{name}\",\"domainname\":\"{name}@example.com\",\"isdisabled\":{disabled},\
             \"accessmode@OData.Community.Display.V1.FormattedValue\":\"x\",\"accessmode\":{mode},\"applicationid\":{application},\
             \"islicensed\":true,\"createdon\":\"2020-01-01T00:00:00Z\",\"modifiedon\":\"2026-02-01T00:00:00Z\",\
             \"versionnumber\":7{mode},\"organizationid\":\"0\"}}"
        )
    };
    let wren = row(WREN, "Wren Sample", false, 0, "null");
    let robin = row(
        ROBIN,
        "Robin Sample",
        true,
        4,
        "\"BBBBBBBB-0000-4000-8000-000000000009\"",
    );
    let csv = |header: &str, separator: &str, truth: [&str; 2], modes: [&str; 2]| {
        let line = |cells: [&str; 10]| cells.join(separator) + "\n";
        let braced = format!("{{{}}}", ROBIN.to_uppercase());
        header.to_owned()
            + &line([
                WREN,
                "Wren Sample",
                "Wren Sample@example.com",
                truth[0],
                modes[0],
                "NULL",
                truth[1],
                "2020-01-01T00:00:00Z",
                "2026-02-01T00:00:00Z",
                "70",
            ])
            + &line([
                &braced,
                "Robin Sample",
                "Robin Sample@example.com",
                truth[1],
                modes[1],
                "bbbbbbbb-0000-4000-8000-000000000009",
                truth[1],
                "2020-01-01 00:00:00.000",
                "2026-02-01 00:00:00.000",
                "74",
            ])
    };
    let names = "systemuserid,fullname,domainname,isdisabled,accessmode,applicationid,islicensed,createdon,modifiedon,versionnumber\n";
    let pascal = "SystemUserId;FullName;DomainName;IsDisabled;AccessMode;ApplicationId;IsLicensed;CreatedOn;ModifiedOn;VersionNumber\n";
    vec![
        (
            "page",
            format!(
                "{{\"@odata.context\":\"https://x/api/data/v9.2/$metadata#systemusers\",\"value\":[{wren},\n{robin}]}}"
            ),
        ),
        ("array", format!("[{wren},{robin}]")),
        ("lines", format!("{wren}\n{robin}\n")),
        ("csv", csv(names, ",", ["False", "True"], ["0.0", "4.0"])),
        ("sql", csv(pascal, ";", ["0", "1"], ["Read-Write", "Non-interactive"])),
    ]
}

fn organization(hours: &str) -> String {
    format!(
        "organizationid,name,isauditenabled,isuseraccessauditenabled,useraccessauditinginterval,auditretentionperiodv2\n{WREN},Sample,true,1,{hours},-1\n"
    )
}

fn ingest_at(home: &Path, exported_on: &str, name: &str, text: &str) -> Outcome {
    let file = support::write(&home.join(name), text);
    let plan = Plan {
        exported_on: Some(at(exported_on)),
        ..support::plan(&home.join("lake"), &[&file])
    };
    support::ingest(&plan)
}

fn users(home: &Path) -> Vec<Row> {
    support::lake_rows(&home.join("lake"), "users")
}

#[test]
fn every_form_of_a_users_export_says_the_same() {
    let mut seen = Vec::new();
    for (form, text) in user_exports() {
        let home = support::home();
        let outcome = ingest_at(home.path(), "2026-03-01T00:00:00Z", "users", &text);
        let expected = Tally {
            read: 2,
            accepted: 2,
            ..Tally::default()
        };
        assert_eq!(outcome.total, expected, "{form}: {:?}", outcome.rejects);
        seen.push((form, users(home.path())));
    }
    let wren = [
        ("environment", ENVIRONMENT),
        ("user_id", WREN),
        ("full_name", "Wren Sample"),
        ("domain_name", "Wren Sample@example.com"),
        ("is_disabled", "false"),
        ("access_mode", "0"),
        ("is_licensed", "true"),
        ("created_on", "2020-01-01T00:00:00Z"),
        ("modified_on", "2026-02-01T00:00:00Z"),
        ("version_number", "70"),
        ("deleted_in_source", "false"),
        ("exported_on", "2026-03-01T00:00:00Z"),
    ];
    let wren: Row = wren
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    assert_eq!(seen[0].1[0], wren);
    assert_eq!(seen[0].1[1]["application_id"], "bbbbbbbb-0000-4000-8000-000000000009");
    for (form, rows) in &seen {
        assert_eq!(*rows, seen[0].1, "{form}");
    }
}

#[test]
fn the_newest_export_wins_in_any_order_and_again_adds_nothing_l3_l9() {
    let states = [
        ("2026-03-01T00:00:00Z", "Wren Older Sample", "false"),
        ("2026-03-03T00:00:00Z", "Wren Newest Sample", "true"),
        ("2026-03-02T00:00:00Z", "Wren Newer Sample", "false"),
    ];
    let text = |name: &str, disabled: &str| format!("systemuserid,fullname,isdisabled\n{WREN},{name},{disabled}\n");
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [1, 0, 2]] {
        let home = support::home();
        for place in order {
            let (on, name, disabled) = states[place];
            ingest_at(home.path(), on, &format!("users-{place}"), &text(name, disabled));
        }
        let rows = users(home.path());
        assert_eq!(rows.len(), 1);
        assert_eq!(
            (rows[0]["full_name"].as_str(), rows[0]["is_disabled"].as_str()),
            ("Wren Newest Sample", "true"),
            "{order:?}"
        );

        let again = ingest_at(home.path(), states[1].0, "again", &(text(states[1].1, "true") + "\n"));
        assert_eq!((again.total.accepted, again.total.duplicate), (0, 1));
        assert_eq!(users(home.path()), rows);
    }
}

/// One access of Wren at 08:00 and one at 14:30: apart by default, together where access is logged every 12 h.
fn log() -> String {
    let access = |on: &str| Event::access(at(on), 64, Some(1));
    let change = |on: &str| Event::other(at(on), 2, Some(3), None);
    Form::Lines.write(&logs::with_ids(vec![
        access("2026-02-10T08:00:00Z"),
        access("2026-02-10T14:30:00Z"),
        change("2026-02-01T00:00:00Z"),
        change("2026-02-28T00:00:00Z"),
    ]))
}

fn sessions(home: &Path, options: &Options) -> Vec<String> {
    support::csvs(&home.join("lake"), options)["sessions"]
        .lines()
        .skip(1)
        .map(str::to_owned)
        .collect()
}

#[test]
fn reports_take_the_audit_interval_of_the_environment_s_organization_unless_one_is_given() {
    let home = support::home();
    support::ingest(&support::plan(
        &home.path().join("lake"),
        &[&support::write(&home.path().join("log"), log())],
    ));
    assert_eq!(sessions(home.path(), &Options::default()).len(), 2);
    ingest_at(home.path(), "2026-03-01T00:00:00Z", "organization", &organization("12"));
    let found = sessions(home.path(), &Options::default());
    assert_eq!(found.len(), 1);
    // From 08:00 to 14:30, and at most 12 h longer.
    assert!(found[0].contains(",23400,66600,2,"), "{found:?}");
    let given = Options {
        audit_interval_us: Some(4 * logs::HOUR),
        ..Options::default()
    };
    assert_eq!(sessions(home.path(), &given).len(), 2);

    // Another environment keeps the default.
    let other = Plan {
        environment: Some("other".to_owned()),
        ..Plan::new(vec![home.path().join("log")], home.path().join("lake2"))
    };
    support::ingest(&other);
    let both = Plan {
        environment: Some(ENVIRONMENT.to_owned()),
        ..Plan::new(vec![home.path().join("organization")], home.path().join("lake2"))
    };
    support::ingest(&both);
    assert_eq!(
        support::csvs(&home.path().join("lake2"), &Options::default())["sessions"]
            .lines()
            .count(),
        3
    );
}

#[test]
fn reports_name_people_as_the_newest_of_log_and_users_export_does() {
    for (exported_on, expected) in [
        ("2026-03-01T00:00:00Z", "Wren of Users"),
        ("2026-01-01T00:00:00Z", "Wren of Log"),
    ] {
        let home = support::home();
        let mut event = Event::access(at("2026-02-10T08:00:00Z"), 64, Some(1));
        event.object_name = Some("Wren of Log".to_owned());
        let log = support::write(
            &home.path().join("log"),
            Form::Lines.write(&logs::with_ids(vec![event])),
        );
        support::ingest(&support::plan(&home.path().join("lake"), &[&log]));
        ingest_at(
            home.path(),
            exported_on,
            "users",
            &format!("systemuserid,fullname\n{WREN},Wren of Users\n"),
        );
        assert!(
            sessions(home.path(), &Options::default())[0].contains(expected),
            "{exported_on}"
        );
    }
}

#[test]
fn side_tables_alone_make_a_lake_with_empty_reports() {
    let home = support::home();
    ingest_at(home.path(), "2026-03-01T00:00:00Z", "organization", &organization("4"));
    let rows = support::lake_rows(&home.path().join("lake"), "organizations");
    assert_eq!(
        (
            rows[0]["user_access_auditing_interval_h"].as_str(),
            rows[0]["audit_retention_period_days"].as_str()
        ),
        ("4", "-1")
    );
    assert!(sessions(home.path(), &Options::default()).is_empty());
}

#[test]
fn a_row_without_its_id_or_with_a_value_that_is_none_is_set_aside() {
    let home = support::home();
    let text = format!(
        "systemuserid,fullname,isdisabled,accessmode\n,Jane,true,0\n{WREN},Wren,perhaps,0\n{WREN},Wren,true,often\n{ROBIN},Robin,true,4\n"
    );
    let outcome = ingest_at(home.path(), "2026-03-01T00:00:00Z", "users", &text);
    assert_eq!(
        (outcome.total.read, outcome.total.accepted, outcome.total.rejected),
        (4, 1, 3)
    );
    let codes: Vec<String> = support::lake_rows(&home.path().join("lake"), "rejects")
        .iter()
        .map(|row| row["code"].clone())
        .collect();
    assert_eq!(codes, ["id-missing", "flag-invalid", "number-invalid"]);
}

#[test]
fn an_audit_export_that_mentions_users_is_still_an_audit_export() {
    let home = support::home();
    let text = format!(
        "auditid,createdon,action,systemuserid,organizationid,isauditenabled\nx,2026-03-01T08:00:00Z,64,{WREN},{WREN},true\n"
    );
    ingest_at(home.path(), "2026-03-01T00:00:00Z", "log", &text);
    assert_eq!(support::lake_rows(&home.path().join("lake"), "audit").len(), 1);
}

/// The time of a file decides when nothing else is said; the same content of a later time says that it still held.
#[test]
fn the_same_export_of_a_later_time_or_another_environment_is_read_again() {
    let home = support::home();
    let text = |name: &str| format!("systemuserid,fullname\n{WREN},{name}\n");
    let states = [
        ("2026-03-01T00:00:00Z", "Wren Sample"),
        ("2026-03-02T00:00:00Z", "Wren Finch"),
        ("2026-03-03T00:00:00Z", "Wren Sample"),
    ];
    for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0], [0, 2, 1]] {
        let home = support::home();
        for place in order {
            let (on, name) = states[place];
            ingest_at(home.path(), on, &format!("users-{place}"), &text(name));
        }
        let found = users(home.path());
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0]["full_name"].as_str(), found[0]["exported_on"].as_str()),
            ("Wren Sample", states[2].0),
            "{order:?}"
        );
    }
    let [first, .., last] = states.map(|state| state.0);
    ingest_at(home.path(), last, "users", &text("Wren Sample"));
    for on in [last, first] {
        let again = ingest_at(home.path(), on, "users", &text("Wren Sample"));
        assert_eq!(again.reports[0].fate, Fate::AlreadyIngested, "{on}");
    }
    let file = home.path().join("users");
    let elsewhere = Plan {
        environment: Some("contoso".to_owned()),
        exported_on: Some(at(first)),
        ..support::plan(&home.path().join("lake"), &[&file])
    };
    assert_eq!(support::ingest(&elsewhere).total.accepted, 1);
    assert_eq!(support::ingest(&elsewhere).reports[0].fate, Fate::AlreadyIngested);
    assert_eq!(users(home.path()).len(), 2);
}

#[test]
fn without_a_time_given_that_of_the_file_is_when_it_was_exported() {
    use std::time::{Duration, UNIX_EPOCH};
    let home = support::home();
    let text = format!("systemuserid,fullname\n{WREN},Wren\n");
    let file = support::write(&home.path().join("users"), text);
    let open = fs::File::options().write(true).open(&file).expect("it is there");
    open.set_modified(UNIX_EPOCH + Duration::from_secs(1_770_000_000))
        .expect("a time");
    support::ingest(&support::plan(&home.path().join("lake"), &[&file]));
    assert_eq!(at(&users(home.path())[0]["exported_on"]), 1_770_000_000 * 1_000_000);
}
