//! The headers that tools write: every family of them means the same rows, and what cannot be read says why.

use crate::header_families::{Family, families};
use crate::logs::at;
use crate::support::{self, Row};
use gatelog::error::Kind;
use gatelog::ingest::{Fate, Outcome, Plan};
use gatelog::instant::{DateOrder, to_text};
use std::collections::BTreeMap;
use std::path::Path;

const MORNING: &str = "2026-02-06T11:55:00Z";

fn ingest(home: &Path, text: &str, change: impl FnOnce(Plan) -> Plan) -> Outcome {
    let file = support::write(&home.join("export"), text);
    support::ingest(&change(support::plan(&home.join("lake"), &[&file])))
}

fn rows(home: &Path) -> Vec<Row> {
    support::lake_rows(&home.join("lake"), "audit")
}

fn notes(outcome: &Outcome) -> Vec<String> {
    match &outcome.reports[0].fate {
        Fate::Ingested { notes, .. } => notes.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_family_of_headers_is_read_and_says_what_it_cannot() {
    for Family { name, text, row, note } in families() {
        let home = support::home();
        let outcome = ingest(home.path(), &text, |plan| plan);
        let found = rows(home.path());
        assert_eq!(
            (found.len(), outcome.total.rejected),
            (1, 0),
            "{name}: {:?}",
            outcome.rejects
        );
        assert_eq!(found[0]["created_on"], MORNING, "{name}");
        // Where it lies and whence it came is not the header's to say.
        let elsewhere = [
            "created_on",
            "environment",
            "month",
            "kind",
            "source",
            "deleted_in_source",
        ];
        let told: BTreeMap<&str, &str> = found[0]
            .iter()
            .map(|(column, value)| (column.as_str(), value.as_str()))
            .filter(|(column, _)| !elsewhere.contains(column))
            .collect();
        let expected = row.iter().map(|(column, value)| (column.as_str(), value.as_str()));
        assert_eq!(told, expected.collect(), "{name}");
        let notes = notes(&outcome);
        match note {
            Some(note) => assert!(notes.iter().any(|text| text.contains(note)), "{name}: {notes:?}"),
            None => assert!(notes.is_empty(), "{name}: {notes:?}"),
        }
    }
}

#[test]
fn separators_boms_quotes_and_line_ends_change_nothing() {
    let rows_of = |text: &str| {
        let home = support::home();
        ingest(home.path(), text, |plan| plan);
        support::contents(&home.path().join("lake"))
    };
    for Family { name, text, .. } in families()
        .into_iter()
        .filter(|family| !family.text.contains(['"', ';', '\t']))
    {
        let plain = rows_of(&text);
        let table: Vec<Vec<&str>> = text
            .trim_start_matches('\u{FEFF}')
            .lines()
            .map(|line| line.split(',').collect())
            .collect();
        for separator in [",", ";", "\t"] {
            for (quote, end, bom) in [
                ("", "\n", ""),
                ("\"", "\r\n", "\u{FEFF}"),
                ("\"", "\n", ""),
                ("", "\r\n", "\u{FEFF}"),
            ] {
                let line = |cells: &Vec<&str>| {
                    let cells: Vec<String> = cells.iter().map(|cell| format!("{quote}{cell}{quote}")).collect();
                    cells.join(separator) + end
                };
                let written = bom.to_owned() + &table.iter().map(line).collect::<String>();
                assert_eq!(rows_of(&written), plain, "{name}: {written}");
            }
        }
    }
}

#[test]
fn a_record_of_several_changed_fields_is_one_row() {
    let home = support::home();
    let text = families()
        .into_iter()
        .find(|family| family.name == "Audit History Extractor")
        .expect("it")
        .text;
    let total = ingest(home.path(), &text, |plan| plan).total;
    assert_eq!((total.read, total.accepted, total.duplicate), (2, 1, 1));
}

#[test]
fn dates_spelled_for_people_need_their_order_stated() {
    let of = |date: &str| {
        format!(
            "Action,User,Operation,Related Object,Object Type,Date\nUserAccessviaWeb,SYSTEM,Access,Wren Sample,User,{date}\n"
        )
    };
    let home = support::home();
    let file = support::write(&home.path().join("export"), of("2/6/2026 5:25:00 PM"));
    let plan = support::plan(&home.path().join("lake"), &[&file]);
    let error = gatelog::ingest::ingest(&plan, &|_| {}).expect_err("refused");
    assert_eq!(error.kind, Kind::BadInput);
    assert!(error.fact.contains("2/6/2026 5:25:00 PM"), "{error}");
    assert!(error.hint.expect("a way out").contains("--date-order"));

    for (date, order) in [
        ("2/6/2026 5:25:00 PM", DateOrder::Mdy),
        ("06.02.2026 17:25", DateOrder::Dmy),
        ("2026/02/06 17:25:00", DateOrder::Ymd),
    ] {
        let home = support::home();
        ingest(home.path(), &of(date), |plan| Plan {
            date_order: Some(order),
            source_tz: chrono_tz::Asia::Kolkata,
            ..plan
        });
        assert_eq!(rows(home.path())[0]["created_on"], to_text(at(MORNING)), "{date}");
    }
}

#[test]
fn people_known_by_name_only_have_sessions_and_gaps_of_their_own() {
    let home = support::home();
    let text = "Date/Time,Operation,Action,User\n\
                2026-02-06T11:55:00Z,Access,User Access via Web,Wren Sample\n\
                2026-02-06T12:55:00Z,Access,User Access via Web Services,Wren Sample\n\
                2026-02-06T11:55:00Z,Access,User Access via Web,Robin Sample\n\
                2026-02-07T00:00:00Z,Access,User Access Audit Stopped,Contoso\n";
    ingest(home.path(), text, |plan| plan);
    let who_switched = "Action,User,Operation,Related Object,Object Type,Date\n\
                        UserAccessAuditStopped,Heron Sample,Access,,,2026-02-08 00:00:00\n";
    let file = support::write(&home.path().join("other"), who_switched);
    support::ingest(&Plan {
        environment: Some("other".to_owned()),
        ..support::plan(&home.path().join("lake"), &[&file])
    });
    let reports = support::csvs(&home.path().join("lake"), &Default::default());
    let actors: Vec<&str> = reports["sessions"]
        .lines()
        .skip(1)
        .map(|line| line.split(',').nth(1).expect("an actor"))
        .collect();
    assert_eq!(actors, ["name:Robin Sample", "name:Wren Sample"]);
    let gaps = &reports["gaps"];
    assert!(gaps.contains("name:Heron Sample,Heron Sample"), "{gaps}");
    assert!(
        gaps.contains("sample,user_access") && !gaps.contains("Contoso"),
        "{gaps}"
    );
}

#[test]
fn headers_that_cannot_be_read_say_why_and_what_to_do() {
    for (header, says) in [
        ("CreationDate,UserIds,Operations,AuditData", "Purview"),
        (
            "RecordId,CreationDate,RecordType,Operation,UserId,AuditData,AssociatedAdminUnits",
            "Purview",
        ),
        (
            "RecordType,CreationDate,UserIds,Operations,AuditData,ResultIndex",
            "Purview",
        ),
        ("auditid,action,userid", "createdon"),
        ("auditid,createdon,userid", "action"),
        (
            "auditid,action,createdon@OData.Community.Display.V1.FormattedValue",
            "formatted local time",
        ),
        ("colour,size", "colour,size"),
    ] {
        let home = support::home();
        let cells = header.split(',').map(|_| "x").collect::<Vec<_>>().join(",");
        let file = support::write(&home.path().join("export"), format!("{header}\n{cells}\n"));
        let error =
            gatelog::ingest::ingest(&support::plan(&home.path().join("lake"), &[&file]), &|_| {}).expect_err("refused");
        assert!(error.fact.contains(says), "{header}: {error}");
        assert!(error.hint.is_some(), "{header}");
    }
}

/// Names of the table's own columns mean the same as keys of JSON.
#[test]
fn headers_of_the_table_and_of_drivers_mean_the_same_as_keys_of_json() {
    let own = [
        "Web API, flattened",
        "SQL, AuditBase",
        "SQL, view Audit",
        "archive",
        "CData",
        "CData, both ids",
        "FetchXML with a linked table",
    ];
    for Family { name, text, row, .. } in families() {
        if !own.contains(&name) {
            continue;
        }
        let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let names = lines.next().expect("a header");
        let cells = lines.next().expect("a row");
        let object: serde_json::Map<_, _> = names
            .iter()
            .zip(&cells)
            .map(|(name, cell)| ((*name).to_owned(), (*cell).into()))
            .collect();
        let home = support::home();
        let total = ingest(home.path(), &format!("{}\n", serde_json::Value::from(object)), |plan| {
            plan
        })
        .total;
        let found = rows(home.path());
        assert_eq!((found.len(), total.rejected), (1, 0), "{name}");
        for (column, value) in row {
            assert_eq!(found[0].get(&column), Some(&value), "{name}: {column}");
        }
    }
}
