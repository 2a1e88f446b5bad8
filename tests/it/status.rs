//! What `status` says of a lake, number by number; how it reads for people stands in `cli`.

use crate::cases::Case;
use crate::support::{self, ENVIRONMENT};
use gatelog::ingest::Plan;
use gatelog::lake::Lake;
use gatelog::report::status::{Environment, Origin, Status};
use std::collections::BTreeMap;

/// 2027-01-01T00:00:00Z
const NOW: i64 = 1_798_761_600_000_000;

/// The lake of the sample case, in a folder that goes with the test.
fn sample_lake() -> (tempfile::TempDir, Lake) {
    let home = support::home();
    let (folder, path) = (
        support::repository().join("sample-data/users-and-organization"),
        home.path().join("lake"),
    );
    let case = Case::read(&folder);
    (0..case.runs.len()).for_each(|run| drop(case.ingest(&folder, run, &path)));
    let lake = Lake::open(&path).expect("a lake");
    (home, lake)
}

#[test]
fn status_tells_each_number_of_the_sample_case_s_two_environments() {
    let (_home, lake) = sample_lake();
    let status = Status::of(&lake, None, NOW).expect("a status");
    let [contoso, fabrikam] = status.environments.as_slice() else {
        panic!("two environments: {status:?}")
    };
    for environment in [contoso, fabrikam] {
        assert_eq!(environment.first_created_on.as_deref(), Some("2026-12-06T00:00:00Z"));
        assert_eq!(environment.last_created_on.as_deref(), Some("2026-12-09T00:00:00Z"));
        assert_eq!(environment.actors_by_name_only, 0);
    }
    let rows = |of: &Environment| (of.access_rows, of.control_rows, of.change_rows);
    assert_eq!((rows(contoso), rows(fabrikam)), ((5, 2, 2), (2, 0, 2)));
    // Wren and Robin used the system, Heron switched auditing off and on.
    assert_eq!((contoso.actors, fabrikam.actors), (3, 1));

    let users = contoso.users.as_ref().expect("users");
    assert_eq!(
        (users.known, users.disabled, users.deleted, users.never_seen),
        (4, 1, 0, 1)
    );
    assert_eq!(users.exported_on, "2026-12-20T00:00:00Z");
    let organization = contoso.organization.as_ref().expect("an organization");
    assert_eq!(organization.name.as_deref(), Some("Sample Organization"));
    assert_eq!(
        (organization.is_audit_enabled, organization.is_user_access_audit_enabled),
        (Some(true), Some(true))
    );
    assert_eq!(organization.audit_retention_period_days, Some(-1));
    assert_eq!(organization.exported_on, "2026-12-09T12:00:00Z");
    assert_eq!(
        (contoso.audit_interval_s, contoso.audit_interval_is_from),
        (43_200.0, Origin::Organization)
    );

    assert_eq!((&fabrikam.users, &fabrikam.organization), (&None, &None));
    assert_eq!(
        (fabrikam.audit_interval_s, fabrikam.audit_interval_is_from),
        (14_400.0, Origin::Default)
    );
    let only = Status::of(&lake, Some("fabrikam.crm11.dynamics.com"), NOW).expect("a status");
    assert_eq!(only.environments, std::slice::from_ref(fabrikam));
}

#[test]
fn status_tells_rows_by_month_and_how_old_the_last_row_and_run_are() {
    let home = support::home();
    let path = home.path().join("lake");
    for (number, start) in ["2026-02-27T20:00:00Z", "2026-03-31T20:00:00Z"].into_iter().enumerate() {
        let log = support::write(
            &home.path().join(start),
            crate::tampered::log(number as u8, start) + "broken\n",
        );
        support::ingest(&Plan {
            clock: || NOW - 90_500_000,
            ..support::plan(&path, &[&log])
        });
    }
    let lake = Lake::open(&path).expect("a lake");
    let status = Status::of(&lake, None, NOW).expect("a status");
    let environment = &status.environments[0];
    let months: Vec<_> = environment
        .months
        .iter()
        .map(|of| (of.month.as_str(), of.access_rows, of.control_rows, of.change_rows))
        .collect();
    // 28 hours, then 32; 4 hours, then 56; a change every third, control rows in two hours of ten.
    let expected = [
        ("2026-02", 28, 6, 10),
        ("2026-03", 32 + 4, 6 + 2, 10 + 2),
        ("2026-04", 56, 10, 18),
    ];
    assert_eq!(months, expected);
    assert_eq!(
        (
            environment.access_rows,
            environment.control_rows,
            environment.change_rows
        ),
        (120, 24, 40)
    );
    // The last row is of 2026-04-03T07:01, the run began a minute and a half ago.
    assert_eq!(environment.last_created_on.as_deref(), Some("2026-04-03T07:01:00Z"));
    assert_eq!(environment.last_row_age_s, Some(272 * 86_400 + 16 * 3_600 + 59 * 60));
    assert_eq!(status.last_run_age_s, Some(90));
    assert_eq!(
        status
            .last_runs
            .iter()
            .map(|run| run.entry.generation)
            .collect::<Vec<_>>(),
        [2, 1]
    );
    assert_eq!(status.rejects, BTreeMap::from([("syntax".to_owned(), 2)]));
    let of_none = lake.reject_counts(Some("nowhere")).expect("counted");
    assert_eq!(
        (of_none.len(), lake.reject_counts(Some(ENVIRONMENT)).expect("counted")),
        (0, status.rejects)
    );
}

#[test]
fn status_adds_up_the_books_of_inputs_by_table_and_form() {
    let (_home, lake) = sample_lake();
    let status = Status::of(&lake, None, NOW).expect("a status");
    let inputs: Vec<_> = status
        .inputs
        .iter()
        .map(|of| {
            (
                of.table.as_str(),
                of.form.as_str(),
                of.inputs,
                of.books.read,
                of.books.accepted,
                of.books.duplicate,
                of.books.rejected,
            )
        })
        .collect();
    let expected = [
        ("audit", "odata-json", 2, 13, 13, 0, 0),
        ("organization", "odata-json", 1, 1, 1, 0, 0),
        ("systemuser", "csv", 2, 8, 5, 3, 0),
    ];
    assert_eq!(inputs, expected);
    assert!(status.rejects.is_empty());
    assert_eq!(status.generation, 3);
}

#[test]
fn status_of_side_tables_alone_has_an_environment_without_a_log() {
    let home = support::home();
    let row = "{\"organizationid\":\"1\",\"isauditenabled\":true,\"useraccessauditinginterval\":0}\n";
    let file = support::write(&home.path().join("organization.json"), row);
    let path = home.path().join("lake");
    support::ingest(&support::plan(&path, &[&file]));
    let lake = Lake::open(&path).expect("a lake");
    let status = Status::of(&lake, None, NOW).expect("a status");
    let [environment] = status.environments.as_slice() else {
        panic!("one environment: {status:?}")
    };
    assert_eq!(environment.environment, ENVIRONMENT);
    assert_eq!(
        (&environment.first_created_on, &environment.last_created_on),
        (&None, &None)
    );
    assert_eq!((environment.access_rows, environment.actors), (0, 0));
    // An interval of 0 hours is said, not unknown.
    assert_eq!(
        (environment.audit_interval_s, environment.audit_interval_is_from),
        (0.0, Origin::Organization)
    );
}
