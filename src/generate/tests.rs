//! The promises of the module header, checked on what is written.

use super::*;
use serde_json::Value;
use std::collections::BTreeSet;

fn plan() -> Plan {
    Plan {
        duplicates: 0.02,
        gaps: 6,
        page_rows: 700,
        ..Plan::default()
    }
}

fn text(plan: &Plan, form: Form) -> (String, Summary) {
    let mut out = Vec::new();
    let summary = generate_to(plan, form, &mut out).expect("a log");
    assert_eq!(summary.bytes, out.len() as u64);
    (String::from_utf8(out).expect("UTF-8"), summary)
}

fn rows(plan: &Plan) -> (Vec<Value>, Summary) {
    let (text, summary) = text(plan, Form::Ndjson);
    let rows = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    (rows, summary)
}

fn string<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or("")
}

#[test]
fn rows_are_met_to_the_row_and_repeats_are_exact() {
    let (rows, summary) = rows(&plan());
    let mut first_time = BTreeSet::new();
    let mut exact = BTreeSet::new();
    let (mut accesses, mut controls, mut changes, mut repeats) = (0, 0, 0, 0);
    for row in &rows {
        if !first_time.insert(string(row, "auditid")) {
            assert!(exact.contains(&row.to_string()), "a repeat differs");
            repeats += 1;
            continue;
        }
        exact.insert(row.to_string());
        match row["action"].as_u64() {
            Some(64 | 65) => accesses += 1,
            Some(102..=113) => controls += 1,
            _ => changes += 1,
        }
    }
    assert_eq!((accesses, changes), (2_000, 1_000));
    assert_eq!((summary.access_rows, summary.change_rows), (accesses, changes));
    assert_eq!((summary.control_rows, summary.duplicates), (controls, repeats));
    assert_eq!(summary.rows, rows.len() as u64);
    assert_eq!(repeats, ((3_000 + controls) as f64 * 0.02).round() as u64);
}

#[test]
fn planted_gaps_are_silent_and_have_their_rows() {
    for seed in 0..10 {
        let (rows, summary) = rows(&Plan {
            seed,
            gaps: 8,
            ..Plan::default()
        });
        for gap in &summary.gaps {
            let second = |on: DateTime<Utc>| on.naive_utc().format("%Y-%m-%dT%H:%M:%SZ").to_string();
            let (start, end) = (second(gap.started_on), gap.ended_on.map(second));
            let has = |action: u64, on: &str| rows.iter().any(|row| row["action"] == action && row["createdon"] == on);
            let (stop, begin) = match gap.scope {
                Scope::UserAccess => (113, 112),
                Scope::Organization => (110, 107),
                Scope::Table => (108, 105),
                Scope::Column => (109, 106),
            };
            assert!(has(stop, &start), "seed {seed}: {gap:?}");
            assert!(end.as_deref().is_none_or(|end| has(begin, end)));
            let inside = |row: &&Value| {
                let on = string(row, "createdon");
                start.as_str() <= on && end.as_deref().is_none_or(|end| on < end)
            };
            let silent = |row: &Value| match (gap.scope, row["action"].as_u64()) {
                (Scope::UserAccess, Some(64 | 65)) => false,
                (Scope::Organization, action) => matches!(action, Some(102..=113)),
                _ => true,
            };
            assert!(rows.iter().filter(inside).all(silent), "seed {seed}: {gap:?}");
        }
    }
}

#[test]
fn access_rows_name_the_person_in_the_object() {
    let (rows, _) = rows(&plan());
    let is_access = |row: &&Value| matches!(row["action"].as_u64(), Some(64 | 65));
    let accesses: Vec<&Value> = rows.iter().filter(is_access).collect();
    let by_system = |row: &&&Value| row["_userid_value@OData.Community.Display.V1.FormattedValue"] == "SYSTEM";
    for row in &accesses {
        assert_eq!(string(row, "objecttypecode"), "systemuser");
        assert_eq!(row["operation"], 4);
        assert!(by_system(&row) || row["_userid_value"] == row["_objectid_value"]);
    }
    let share = accesses.iter().filter(by_system).count() as f64 / accesses.len() as f64;
    assert!((0.28..0.39).contains(&share), "{share}");
}

#[test]
fn time_and_versions_never_run_backwards() {
    let (rows, _) = rows(&Plan {
        duplicates: 0.0,
        ..plan()
    });
    assert!(rows.is_sorted_by_key(|row| string(row, "createdon")));
    assert!(rows.is_sorted_by_key(|row| row["versionnumber"].as_u64()));
}

#[test]
fn change_data_is_json_inside_a_string() {
    let (rows, _) = rows(&plan());
    let mut seen = String::new();
    for row in rows.iter().filter(|row| matches!(row["action"].as_u64(), Some(1..=3))) {
        let data: Value = serde_json::from_str(string(row, "changedata")).expect("JSON");
        let changed = data["changedAttributes"].as_array().expect("attributes");
        assert_eq!(changed.len(), string(row, "attributemask").split(',').count());
        seen.push_str(string(row, "changedata"));
    }
    assert!(seen.contains("🍐") && seen.contains("\\\"") && seen.contains("\\n"));
}

#[test]
fn pages_are_linked_and_never_overwritten() {
    let dir = std::env::temp_dir().join(format!("gatelog-pages-{}", std::process::id()));
    let summary = generate(&plan(), Form::ODataPages, &dir).expect("pages");
    let mut names: Vec<_> = std::fs::read_dir(&dir)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    names.sort();
    let again = generate(&plan(), Form::ODataPages, &dir);
    let pages: Vec<Value> = names
        .iter()
        .map(|path| serde_json::from_slice(&std::fs::read(path).expect("a page")).expect("JSON"))
        .collect();
    std::fs::remove_dir_all(&dir).expect("the folder goes");

    assert_eq!(again.expect_err("refused").kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(summary.files, pages.len() as u64);
    assert!(names[0].ends_with("audits-00001.json"));
    let (last, others) = pages.split_last().expect("pages");
    assert!(last["@odata.nextLink"].is_null());
    for page in others {
        assert_eq!(page["value"].as_array().expect("rows").len(), 700);
        assert!(string(page, "@odata.nextLink").contains("pagenumber"));
        assert_eq!(
            string(page, "@odata.context"),
            "https://contoso-sim.crm4.dynamics.com/api/data/v9.2/$metadata#audits"
        );
    }
}

#[test]
fn an_empty_log_is_still_valid() {
    let nothing = Plan {
        access_rows: 0,
        change_rows: 0,
        gaps: 0,
        days: 1,
        ..Plan::default()
    };
    let (page, _) = text(&nothing, Form::ODataPages);
    let page: Value = serde_json::from_str(&page).expect("JSON");
    assert_eq!(page["value"].as_array().map(Vec::len), Some(0));
    assert_eq!(text(&nothing, Form::Ndjson).0, "");
    assert_eq!(text(&nothing, Form::Csv).0.lines().count(), 1);
}

#[test]
fn plans_that_cannot_be_are_refused() {
    let refused = |plan: Plan| generate_to(&plan, Form::Csv, io::sink()).is_err();
    assert!(refused(Plan { days: 0, ..plan() }));
    assert!(refused(Plan {
        duplicates: f64::NAN,
        ..plan()
    }));
    assert!(refused(Plan { page_rows: 0, ..plan() }));
    assert!(refused(Plan { gaps: 10_000, ..plan() }));
    assert!(refused(Plan {
        environment_host: "a\"b".to_owned(),
        ..plan()
    }));
    assert!(refused(Plan {
        start: NaiveDate::MAX,
        ..plan()
    }));
    assert!(refused(Plan {
        access_rows: 900_000_000_000,
        days: 1,
        ..plan()
    }));
}
