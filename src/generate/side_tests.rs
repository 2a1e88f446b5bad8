//! The side tables: everybody stands in them, named as in the log, and every form says the same of them.

use super::read_back_tests::{Record, Tables, written};
use super::*;
use std::collections::{BTreeMap, BTreeSet};

fn plan() -> Plan {
    Plan {
        access_rows: 20_000,
        change_rows: 500,
        side_tables: true,
        ..Plan::default()
    }
}

fn users(tables: &Tables) -> BTreeMap<&str, &Record> {
    let users = tables["systemuser"].iter();
    users.map(|user| (user["systemuserid"].as_str(), user)).collect()
}

#[test]
fn every_form_says_the_same_of_users_and_organization() {
    for annotated in [true, false] {
        let plan = Plan {
            annotated,
            access_rows: 3_000,
            ..plan()
        };
        let (expected, summary) = written(&plan, Form::ODataPages);
        assert_eq!(expected["systemuser"].len(), summary.people as usize + 1);
        for form in Form::ALL {
            let (mut found, _) = written(&plan, form);
            for table in ["systemuser", "organization"] {
                let mut expected = expected[table].clone();
                let found = found.get_mut(table).expect("written");
                if form == Form::Synapse {
                    // Partitions by year; within one the order is the same.
                    expected.sort_by_key(|row| row.get("createdon").map(|on| on[..4].to_owned()));
                }
                for row in found.iter_mut() {
                    row.retain(|column, _| !column.starts_with("sink") && column != "id");
                }
                assert_eq!(*found, expected, "{form:?}");
            }
        }
    }
}

#[test]
fn everybody_in_the_log_is_a_user_of_the_same_name() {
    let (tables, _) = written(&plan(), Form::Ndjson);
    let users = users(&tables);
    let mut seen = BTreeSet::new();
    for row in &tables["audit"] {
        let mut named = vec!["userid", "callinguserid"];
        if row["objecttypecode"] == "systemuser" {
            named.push("objectid");
        }
        for column in named.into_iter().filter(|column| row.contains_key(*column)) {
            let user = users[row[column].as_str()];
            assert_eq!(user["fullname"], row[&format!("{column}name")]);
            assert!(
                user["createdon"] <= row["createdon"],
                "{user:?} was there before it was made"
            );
            seen.insert(row[column].as_str());
        }
    }
    assert!(seen.len() > 300, "{}", seen.len());
    let accesses = tables["audit"]
        .iter()
        .filter(|row| row["objecttypecode"] == "systemuser");
    let at_work: BTreeSet<&str> = accesses.map(|row| row["objectid"].as_str()).collect();
    let never_seen: Vec<_> = users.keys().filter(|id| !at_work.contains(*id)).collect();
    assert!(never_seen.len() > 10, "some never sign in: {}", never_seen.len());
}

#[test]
fn users_are_people_applications_and_those_who_left() {
    let (tables, summary) = written(&plan(), Form::Array);
    let users = users(&tables);
    assert_eq!(users.len(), summary.people as usize + 1);
    let system: Vec<_> = users.values().filter(|user| user["fullname"] == "SYSTEM").collect();
    assert_eq!(system.len(), 1);
    let count = |is: &dyn Fn(&Record) -> bool| users.values().filter(|user| is(user)).count();
    let service = |user: &Record| user["fullname"].starts_with("# ");
    let application = |user: &Record| user.contains_key("applicationid");
    let mode = |user: &Record, mode: &str| user["accessmode"] == mode;
    assert!(count(&|user| service(user) && application(user)) > 0);
    assert!(count(&|user| service(user) && !application(user)) > 0);
    assert_eq!(
        count(&|user| service(user) && !application(user) && !mode(user, "4")),
        0
    );
    assert_eq!(
        count(&|user| !service(user) && (application(user) || mode(user, "4"))),
        0
    );
    let disabled = count(&|user| user["isdisabled"] == "true");
    assert!(disabled > 10 && disabled < users.len() / 5, "{disabled}");
    assert_eq!(
        count(&|user| user["isdisabled"] == "true" && user["islicensed"] == "true"),
        0
    );
    // The log's end, whatever the form.
    assert!(users.values().all(|user| user["modifiedon"] == "2026-02-02T00:00:00Z"));
    let versions: BTreeSet<_> = users.values().map(|user| &user["versionnumber"]).collect();
    assert_eq!(versions.len(), users.len());
    let accounts: BTreeSet<_> = users.values().filter_map(|user| user.get("domainname")).collect();
    assert_eq!(accounts.len(), count(&|user| user.contains_key("domainname")));
}

#[test]
fn the_organization_is_as_the_log_leaves_it() {
    let mut states = BTreeSet::new();
    for seed in 0..24 {
        let plan = Plan {
            seed,
            gaps: 4 + seed as u32 % 6,
            access_rows: 100,
            change_rows: 0,
            ..plan()
        };
        let (tables, summary) = written(&plan, Form::Csv);
        let [organization] = tables["organization"].as_slice() else {
            panic!("one organization");
        };
        let open = |scope| {
            summary
                .gaps
                .iter()
                .any(|gap| gap.scope == scope && gap.ended_on.is_none())
        };
        let is = |column: &str| organization[column] == "true";
        assert_eq!(is("isauditenabled"), !open(Scope::Organization), "seed {seed}");
        assert_eq!(is("isuseraccessauditenabled"), !open(Scope::UserAccess), "seed {seed}");
        assert_eq!(organization["useraccessauditinginterval"], "4");
        assert_eq!(organization["auditretentionperiodv2"], "-1");
        assert_eq!(organization["modifiedon"], "2026-02-02T00:00:00Z");
        states.insert((is("isauditenabled"), is("isuseraccessauditenabled")));
    }
    assert_eq!(states.len(), 3, "either is off at the end of some: {states:?}");
}

#[test]
fn pages_of_side_tables_name_the_host_and_their_table() {
    let home = tempfile::tempdir().expect("a folder");
    generate(&plan(), Form::Ndjson, home.path()).expect("a log");
    for set in ["systemusers", "organizations"] {
        let page = std::fs::read(home.path().join(format!("{set}.json"))).expect("a page");
        let page: serde_json::Value = serde_json::from_slice(&page).expect("JSON");
        assert_eq!(
            page["@odata.context"],
            format!("https://contoso-sim.crm4.dynamics.com/api/data/v9.2/$metadata#{set}")
        );
    }
}

#[test]
fn a_log_in_the_first_or_the_last_year_has_users_of_a_year_that_exists() {
    for (start, days) in [("0001-01-01", 5), ("9999-12-01", 30)] {
        let plan = Plan {
            start: start.parse().expect("a date"),
            days,
            access_rows: 200,
            ..plan()
        };
        for form in [Form::Csv, Form::Synapse, Form::Parquet] {
            let (tables, _) = written(&plan, form);
            for user in &tables["systemuser"] {
                assert!(user["createdon"].as_str() >= "0001-01-01T00:00:00Z", "{user:?}");
                assert!(
                    user["createdon"] < user["modifiedon"] && user["modifiedon"].len() == 20,
                    "{user:?}"
                );
            }
        }
    }
}
