//! Rows of Synapse Link: headerless, ragged, over several lines, in the order of their model.json; and a small writer
//! of containers.

use crate::logs::{self, Chance, Event, HOUR, at};
use crate::support::{self, contents};
use chrono_tz::Tz;
use gatelog::ingest::{Outcome, Plan};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

pub const COLUMNS: [&str; 28] = [
    "Id",
    "SinkCreatedOn",
    "SinkModifiedOn",
    "action",
    "operation",
    "callinguserid",
    "callinguserid_entitytype",
    "objectid",
    "objectid_entitytype",
    "regardingobjectid",
    "regardingobjectid_entitytype",
    "userid",
    "userid_entitytype",
    "additionalinfo",
    "attributemask",
    "auditid",
    "callinguseridname",
    "changedata",
    "createdon",
    "objectidname",
    "objecttypecode",
    "regardingobjectidname",
    "timetoliveinseconds",
    "transactionid",
    "useradditionalinfo",
    "useridname",
    "versionnumber",
    "IsDelete",
];

/// An unkind log over the new year in which every row has an id of its own.
pub fn events(seed: u64) -> Vec<Event> {
    let mut events = logs::unkind(&mut Chance::new(seed), at("2025-12-31T22:00:00Z"), HOUR);
    for (number, event) in events.iter_mut().enumerate() {
        event.id = Some(logs::id('e', number));
    }
    events
}

/// What a change says: text over several lines, with quotes and separators.
fn change_data(event: &Event) -> Option<String> {
    let is_change = matches!(event.action, 1..=3);
    is_change.then(|| "{\"changedAttributes\":[{\"newValue\":\"one\r\ntwo, \"\"\n\n,,\"}]}".to_owned())
}

pub fn lines(events: &[Event]) -> String {
    let line = |event: &Event| {
        let mut row = event.to_json();
        if let Some(text) = change_data(event) {
            row["changedata"] = text.into();
        }
        row.to_string() + "\n"
    };
    events.iter().map(line).collect()
}

fn cell(event: &Event, column: &str) -> String {
    let quoted = |text: Option<&str>| text.map_or(String::new(), |text| format!("\"{}\"", text.replace('"', "\"\"")));
    let plain = |text: &Option<String>| text.clone().unwrap_or_default();
    match column {
        "Id" | "auditid" => plain(&event.id),
        "SinkCreatedOn" | "SinkModifiedOn" => "\"1/2/2026 0:34:35 PM\"".to_owned(),
        "action" => event.action.to_string(),
        "objectid" => plain(&event.object_id),
        "objectid_entitytype" | "objecttypecode" => quoted(event.object_type),
        "objectidname" => quoted(event.object_name.as_deref()),
        "userid" => plain(&event.user_id),
        "userid_entitytype" => quoted(event.user_id.as_ref().map(|_| "systemuser")),
        "useridname" => quoted(event.user_name.as_deref()),
        "changedata" => quoted(change_data(event).as_deref()),
        "createdon" => {
            let text = gatelog::instant::to_text(event.on).replace('Z', "");
            let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
            format!("\"{whole}.{fraction:0<7}+00:00\"")
        }
        _ => String::new(),
    }
}

/// The events as a partition with these columns.
pub fn rows(events: &[Event], columns: &[&str]) -> String {
    let row = |event: &Event| {
        let cells: Vec<String> = columns.iter().map(|column| cell(event, column)).collect();
        cells.join(",") + "\r\n"
    };
    events.iter().map(row).collect()
}

/// A `model.json` whose audit table has these columns.
pub fn model(columns: &[&str]) -> String {
    let attributes = |columns: &[&str]| -> Vec<Value> {
        let attribute = |name: &&str| json!({"name": name, "dataType": "string", "maxLength": -1});
        columns.iter().map(attribute).collect()
    };
    let entity = |name: &str, columns: &[&str]| {
        json!({"$type": "LocalEntity", "name": name, "annotations": [{"name": "Athena:PartitionGranularity", "value": "Year"}],
            "attributes": attributes(columns), "partitions": []})
    };
    json!({"name": "cdm", "description": "cdm", "version": "1.0", "entities": [
        entity("account", &["Id", "SinkCreatedOn", "name"]),
        entity("audit", columns),
        entity("systemuser", &["Id", "SinkCreatedOn", "fullname"]),
    ]})
    .to_string()
}

/// Writes a container with these partitions; gives its folder.
pub fn container(folder: &Path, columns: &[&str], partitions: &[(&str, &[Event])]) -> PathBuf {
    support::write(&folder.join("model.json"), model(columns));
    for (name, events) in partitions {
        support::write(&folder.join(name), rows(events, columns));
    }
    folder.to_owned()
}

/// Ingests paths into the lake of a folder, for the environment that they themselves name.
pub fn ingest(home: &Path, paths: &[&Path]) -> Outcome {
    let paths = paths.iter().map(|path| path.to_path_buf()).collect();
    support::ingest(&Plan::new(paths, home.join("lake")))
}

/// What a lake holds after ingesting these events as NDJSON for an environment.
pub fn expected(events: &[Event], environment: &str) -> Vec<support::Row> {
    let home = support::home();
    let file = support::write(&home.path().join("log.ndjson"), lines(events));
    support::ingest(&Plan {
        environment: Some(environment.to_owned()),
        ..Plan::new(vec![file], home.path().join("lake"))
    });
    let rows = contents(&home.path().join("lake"));
    assert_eq!(rows.len(), events.len(), "every event is a row of its own");
    rows
}

#[test]
fn l2_a_partition_equals_the_ndjson_of_its_events_whatever_the_size_of_blocks_and_the_order_of_columns() {
    for seed in 0..4 {
        let events = events(seed);
        let mut columns = COLUMNS.to_vec();
        if seed > 0 {
            Chance::new(seed).shuffle(&mut columns);
        }
        for block_bytes in [7, 300, 4 << 20] {
            let home = support::home();
            let folder = container(&home.path().join("c"), &columns, &[("audit/2026.csv", &events)]);
            let lake = home.path().join("lake");
            let outcome = support::ingest(&Plan {
                block_bytes,
                ..support::plan(&lake, &[&folder])
            });
            assert_eq!(contents(&lake), expected(&events, support::ENVIRONMENT), "seed {seed}");
            let count = events.len() as u64;
            assert_eq!((outcome.total.read, outcome.total.accepted), (count, count));
        }
    }
    let has_lines = |seed| events(seed).iter().any(|event| change_data(event).is_some());
    assert!((0..4).any(has_lines), "some rows span lines");
}

fn one(id: usize) -> Event {
    let mut event = Event::access(at("2026-03-01T08:00:00Z") + id as i64, 64, Some(1));
    event.id = Some(logs::id('e', id));
    event
}

/// Ingests one partition of these rows; gives the outcome and the rows of the lake by part.
fn ingest_rows(columns: &[&str], text: &str) -> (Outcome, Vec<support::Row>, Vec<support::Row>) {
    let home = support::home();
    let folder = container(&home.path().join("dataverse-contoso-unq1"), columns, &[]);
    support::write(&folder.join("audit/2026.csv"), text);
    let lake = home.path().join("lake");
    let plan = Plan {
        source_tz: Tz::Europe__Berlin,
        ..Plan::new(vec![folder], lake.clone())
    };
    let outcome = support::ingest(&plan);
    (
        outcome,
        support::lake_rows(&lake, "audit"),
        support::lake_rows(&lake, "rejects"),
    )
}

#[test]
fn a_row_shorter_than_the_model_has_nulls_at_its_end_and_a_longer_one_is_a_reject() {
    let old = &COLUMNS[..26];
    let longer = rows(&[one(3)], &[&COLUMNS[..], &["x"]].concat());
    let text = [rows(&[one(1)], old), longer.clone(), rows(&[one(2)], &COLUMNS)].concat();
    let (outcome, audit, rejects) = ingest_rows(&COLUMNS, &text);
    let total = outcome.total;
    assert_eq!(
        (total.read, total.accepted, total.duplicate, total.rejected),
        (3, 2, 0, 1)
    );
    assert_eq!(audit.len(), 2);
    let reject = &rejects[0];
    assert_eq!(
        (reject["code"].as_str(), reject["record"].as_str()),
        ("field-count", "2")
    );
    assert!(
        reject["sentence"].contains("29 fields") && reject["sentence"].contains("28"),
        "{reject:?}"
    );
    assert_eq!(outcome.rejects[0].code, "field-count");
}

#[test]
fn retries_of_a_row_are_counted_once() {
    let text = rows(&[one(1), one(2), one(1), one(1)], &COLUMNS);
    let (outcome, audit, _) = ingest_rows(&COLUMNS, &text);
    let total = outcome.total;
    assert_eq!(
        (total.read, total.accepted, total.duplicate, total.rejected),
        (4, 2, 2, 0)
    );
    assert_eq!(audit.len(), 2);
}

#[test]
fn createdon_in_the_older_spelling_is_utc_too_and_id_stands_in_for_an_empty_auditid() {
    let id = logs::id('e', 1);
    let columns = ["auditid", "createdon", "action", "Id"];
    for (on, same) in [
        ("\"6/28/2021 4:34:35 PM\"", "2021-06-28T16:34:35Z"),
        ("\"6/28/2021 0:34:35 PM\"", "2021-06-28T12:34:35Z"),
        ("6/28/2021 16:34:35 PM", "2021-06-28T16:34:35Z"),
        ("\"2021-06-28T16:34:35.0000000+00:00\"", "2021-06-28T16:34:35Z"),
        ("\"2021-06-28T16:34:35\"", "2021-06-28T16:34:35Z"),
    ] {
        let (_, audit, _) = ingest_rows(&columns, &format!(",{on},64,{id}\n"));
        assert_eq!(
            (audit[0]["created_on"].as_str(), &audit[0]["audit_id"]),
            (same, &id),
            "{on}"
        );
    }
    let own = logs::id('e', 2);
    let (_, audit, _) = ingest_rows(&columns, &format!("{own},2021-06-28T16:34:35Z,64,{id}\n"));
    assert_eq!(audit[0]["audit_id"], own);
    // Elsewhere a date of which nobody says whether day or month comes first is not understood.
    let home = support::home();
    let file = support::write(
        &home.path().join("x.csv"),
        format!("auditid,createdon,action\n{id},6/28/2021 4:34:35 PM,64\n{own},2021-06-28T16:34:35Z,64\n"),
    );
    let outcome = ingest(home.path(), &[&file]);
    assert_eq!((outcome.total.accepted, outcome.total.rejected), (1, 1));
}

#[test]
fn a_deletion_is_kept_as_deleted_in_source_and_one_that_says_nothing_else_is_set_aside() {
    let columns = ["Id", "createdon", "action", "IsDelete"];
    let row =
        |number, on: &str, action: &str, delete: &str| format!("{},{on},{action},{delete}\n", logs::id('e', number));
    let on = "2021-06-28T16:30:11Z";
    let text = [
        row(1, on, "64", "True"),
        row(2, on, "64", "1"),
        row(3, on, "64", ""),
        row(4, on, "64", "False"),
        row(5, "", "", "True"),
    ]
    .concat();
    let (outcome, audit, rejects) = ingest_rows(&columns, &text);
    let deleted: Vec<&str> = audit.iter().map(|row| row["deleted_in_source"].as_str()).collect();
    assert_eq!(deleted, ["true", "true", "false", "false"]);
    assert_eq!(
        (outcome.total.read, rejects[0]["code"].as_str()),
        (5, "created-on-missing")
    );
}

#[test]
fn without_a_model_the_usual_order_is_read_with_a_note_and_anything_else_is_refused_with_the_way_out() {
    let events = events(1);
    let home = support::home();
    let file = support::write(&home.path().join("2026.csv"), rows(&events, &COLUMNS));
    let ended = support::gatelog(home.path(), &["ingest", "--lake", "lake", "2026.csv"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(
        ended.line("2026.csv: ").starts_with("synapse-csv, default, "),
        "{}",
        ended.stderr
    );
    assert!(ended.line("note: ").contains("usual column order"), "{}", ended.stderr);
    assert_eq!(contents(&home.path().join("lake")), expected(&events, "default"));

    support::write(&file, rows(&events, &COLUMNS[..20]));
    let ended = support::gatelog(home.path(), &["ingest", "--lake", "other", "2026.csv"]);
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    assert!(
        ended.line("error: 2026.csv: ").contains("20 fields"),
        "{}",
        ended.stderr
    );
    assert!(ended.line("hint: ").contains("model.json"), "{}", ended.stderr);
}
