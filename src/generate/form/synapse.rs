//! The container of Azure Synapse Link for Dataverse:
//!
//! ```text
//! dataverse-contoso-sim-unq1a2b3c4d/
//!   model.json            the columns of each table, in order, and its partitions
//!   audit/2026-01.csv     headerless rows, by month of `createdon`
//!   systemuser/2025.csv   with side tables: by year of `createdon`
//!   organization/2026.csv
//! ```
//!
//! Texts and times are quoted, ids and numbers are not, null is nothing. A row that the log says twice is a commit that
//! was tried again: the same `versionnumber` under a later `SinkModifiedOn`. In a month rows stand in the log's order.

use super::Files;
use super::csv::push_quoted;
use crate::generate::bytes::*;
use crate::generate::draw::Guid;
use crate::generate::form::{Form, Text};
use crate::generate::log::Log;
use crate::generate::row::{Reference, Row};
use crate::generate::side::{self, Kind, ORGANIZATIONS, Table, USERS, Value};
use crate::generate::sink::{Folder, Written, at, create};
use crate::generate::stream::Printer;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// How late a row is there after it was made, and how late a commit is tried again.
const SINK_LAG_S: i64 = 263;
const RETRY_S: i64 = 900;

/// The columns of `audit` with their types, in the order that exports have.
const AUDIT: [(&str, &str); 28] = [
    ("Id", "guid"),
    ("SinkCreatedOn", "dateTime"),
    ("SinkModifiedOn", "dateTime"),
    ("action", "int64"),
    ("operation", "int64"),
    ("callinguserid", "guid"),
    ("callinguserid_entitytype", "string"),
    ("objectid", "guid"),
    ("objectid_entitytype", "string"),
    ("regardingobjectid", "guid"),
    ("regardingobjectid_entitytype", "string"),
    ("userid", "guid"),
    ("userid_entitytype", "string"),
    ("additionalinfo", "string"),
    ("attributemask", "string"),
    ("auditid", "guid"),
    ("callinguseridname", "string"),
    ("changedata", "string"),
    ("createdon", "dateTimeOffset"),
    ("objectidname", "string"),
    ("objecttypecode", "string"),
    ("regardingobjectidname", "string"),
    ("timetoliveinseconds", "int64"),
    ("transactionid", "guid"),
    ("useradditionalinfo", "string"),
    ("useridname", "string"),
    ("versionnumber", "int64"),
    ("IsDelete", "boolean"),
];

/// Writes the whole container.
pub fn write_container(log: &Log, out: &Path) -> io::Result<Written> {
    let org = &log.organization_id()[..4];
    let org: String = org.iter().map(|byte| format!("{byte:02x}")).collect();
    let name = format!("dataverse-{}-unq{org}", log.host_label());
    let dir = out.join(&name);
    let folder = |dir: &Path| fs::create_dir(dir).map_err(|cause| at(dir, &cause));
    folder(&dir)?;
    folder(&dir.join("audit"))?;
    let mut rows = Folder::new(&dir.join("audit"), Files::Months);
    let shape = Text {
        form: Form::Synapse,
        log,
    };
    Printer { log, shape }.print(&mut rows)?;
    let mut written = rows.written();
    let months: Vec<String> = rows.made.iter().map(|month| Files::Months.name(*month)).collect();
    let mut entities = vec![entity(&name, "audit", "Month", &AUDIT, &months)];
    if log.plan.side_tables {
        for table in [&USERS, &ORGANIZATIONS] {
            folder(&dir.join(table.name))?;
            let (years, more) = write_years(log, table, &dir.join(table.name))?;
            entities.push(entity(&name, table.name, "Year", &columns(table), &years));
            written += more;
        }
    }
    let model = json!({"name": "cdm", "version": "1.0", "entities": entities});
    let model = serde_json::to_vec_pretty(&model)?;
    create(&dir.join("model.json"))?.write_all(&model)?;
    written += Written {
        bytes: model.len() as u64,
        files: 1,
    };
    Ok(written)
}

fn entity(container: &str, name: &str, granularity: &str, columns: &[(&str, &str)], files: &[String]) -> Json {
    let attribute = |(name, data_type): &(&str, &str)| match *data_type {
        "string" => json!({"name": name, "dataType": "string", "maxLength": 4000}),
        _ => json!({"name": name, "dataType": data_type}),
    };
    let partition = |file: &String| {
        let location = format!("https://contososim.dfs.core.windows.net/{container}/{name}/{file}");
        json!({"name": file.trim_end_matches(".csv"), "location": location})
    };
    json!({
        "$type": "LocalEntity",
        "name": name,
        "annotations": [{"name": "Athena:PartitionGranularity", "value": granularity}],
        "attributes": columns.iter().map(attribute).collect::<Vec<_>>(),
        "partitions": files.iter().map(partition).collect::<Vec<_>>(),
    })
}

/// One line, without a line end.
pub fn write(row: &Row, annotated: bool, again: u32, out: &mut Vec<u8>) {
    push_guid(out, &row.audit_id);
    let sunk_s = row.unix_s + SINK_LAG_S;
    for unix_s in [sunk_s, sunk_s + i64::from(again) * RETRY_S] {
        out.push(b',');
        push_in_quotes(out, |out| push_sink_instant(out, unix_s));
    }
    for code in [row.action, row.operation] {
        out.push(b',');
        push_number(out, u64::from(code));
    }
    push_lookup(row.calling_user.as_ref(), "systemuser", out);
    push_lookup(Some(&row.object), row.object_type, out);
    push_lookup(None, "", out);
    push_lookup(Some(&row.user), "systemuser", out);
    out.extend_from_slice(b",,");
    push_quoted(&row.attribute_mask, out);
    out.push(b',');
    push_guid(out, &row.audit_id);
    let name = |of: Option<&Reference>, out: &mut Vec<u8>| {
        out.push(b',');
        push_quoted(of.filter(|_| annotated).map_or(b"", |to| &to.name), out);
    };
    name(row.calling_user.as_ref(), out);
    out.push(b',');
    push_quoted(&row.change_data, out);
    out.push(b',');
    push_in_quotes(out, |out| push_long_instant(out, row.unix_s));
    name(Some(&row.object), out);
    out.push(b',');
    push_quoted(row.object_type.as_bytes(), out);
    out.extend_from_slice(b",,,");
    push_guid(out, &row.transaction_id);
    out.push(b',');
    name(Some(&row.user), out);
    out.push(b',');
    push_number(out, row.version);
    out.push(b',');
}

fn push_lookup(to: Option<&Reference>, table: &str, out: &mut Vec<u8>) {
    out.push(b',');
    if let Some(to) = to {
        push_guid(out, &to.id);
    }
    out.push(b',');
    if to.is_some() {
        push_quoted(table.as_bytes(), out);
    }
}

fn push_in_quotes(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    fill(out);
    out.push(b'"');
}

/// The columns of a side table: what the sink adds, choices, then the rest by name.
fn columns(table: &Table) -> Vec<(&'static str, &'static str)> {
    let data_type = |kind| match kind {
        Kind::Guid => "guid",
        Kind::Text => "string",
        Kind::Flag => "boolean",
        Kind::Choice | Kind::Int | Kind::Long => "int64",
        Kind::Instant => "dateTimeOffset",
    };
    let mut own: Vec<_> = table
        .columns
        .iter()
        .map(|column| (column.kind, column.name, data_type(column.kind)))
        .collect();
    own.sort_by_key(|(kind, name, _)| (!matches!(kind, Kind::Choice | Kind::Flag), *name));
    let mut columns = vec![
        ("Id", "guid"),
        ("SinkCreatedOn", "dateTime"),
        ("SinkModifiedOn", "dateTime"),
    ];
    columns.extend(own.into_iter().map(|(_, name, data_type)| (name, data_type)));
    columns.push(("IsDelete", "boolean"));
    columns
}

/// The names of the files, and what was written.
fn write_years(log: &Log, table: &Table, dir: &Path) -> io::Result<(Vec<String>, Written)> {
    let columns = columns(table);
    let place = |name: &str| table.columns.iter().position(|column| column.name == name);
    let places: Vec<Option<usize>> = columns.iter().map(|(name, _)| place(name)).collect();
    let dated = place("createdon").or(place("modifiedon")).unwrap_or_default();
    let mut files: BTreeMap<u32, BufWriter<File>> = BTreeMap::new();
    let (mut line, mut bytes) = (Vec::new(), 0);
    for values in side::rows(log, table) {
        line.clear();
        for ((name, _), place) in columns.iter().zip(&places) {
            if !line.is_empty() {
                line.push(b',');
            }
            match (*name, place) {
                ("Id", _) => push_value(&values[0], &mut line),
                ("SinkCreatedOn" | "SinkModifiedOn", _) => {
                    push_in_quotes(&mut line, |line| push_sink_instant(line, log.end_unix_s()));
                }
                (_, Some(place)) => push_value(&values[*place], &mut line),
                (_, None) => {}
            }
        }
        line.push(b'\n');
        let year = match &values[dated] {
            Value::Instant(unix_s) => month_of(*unix_s).0,
            _ => 0,
        };
        let file = match files.entry(year) {
            std::collections::btree_map::Entry::Occupied(file) => file.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(BufWriter::new(create(&dir.join(year_name(year)))?))
            }
        };
        file.write_all(&line)?;
        bytes += line.len() as u64;
    }
    for file in files.values_mut() {
        file.flush()?;
    }
    let names: Vec<String> = files.into_keys().map(year_name).collect();
    let files = names.len() as u64;
    Ok((names, Written { bytes, files }))
}

fn year_name(year: u32) -> String {
    format!("{year:04}.csv")
}

fn push_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => {}
        Value::Guid(id) => push_guid(out, id as &Guid),
        Value::Text(text) => push_quoted(text.as_bytes(), out),
        Value::Flag(is_set, _) => out.extend_from_slice(if *is_set { b"True" } else { b"False" }),
        Value::Choice(code, _) => push_number(out, u64::from(*code)),
        Value::Whole(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::Instant(unix_s) => push_in_quotes(out, |out| push_long_instant(out, *unix_s)),
    }
}
