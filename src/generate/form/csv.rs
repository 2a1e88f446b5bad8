//! Rows as lines of CSV: as people flatten Web API answers, as SQL and CData's drivers give them, as Synapse Link writes.

use super::unescaped;
use crate::generate::bytes::*;
use crate::generate::draw::Guid;
use crate::generate::row::{Reference, Row};

pub const CSV_HEADER: &str = "_objectid_value,_userid_value,versionnumber,operation,createdon,\
    auditid,changedata,attributemask,action,objecttypecode,transactionid,_regardingobjectid_value,\
    useradditionalinfo,_callinguserid_value\n";

pub const SQL_HEADER: &str = "AuditId,CreatedOn,Action,Operation,ObjectTypeCode,ObjectId,UserId,CallingUserId,\
    TransactionId,AttributeMask,ChangeData,VersionNumber\n";

pub const CDATA_HEADER: &str = "Id,Action,AuditId,CallingUserId_Id,CallingUserId_LogicalName,CallingUserId_Name,CreatedOn,\
    ObjectId_Id,ObjectId_LogicalName,ObjectId_Name,UserId_Id,UserId_LogicalName,UserId_Name,Operation,ObjectTypeCode,\
    TransactionId,AttributeMask,ChangeData,VersionNumber\n";

/// The columns of Synapse Link's audit table and their types, in order.
pub const COLUMNS_OF_SYNAPSE: [(&str, &str); 28] = [
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

/// How long after the event Synapse Link writes a row, and a repeat of it.
const SINK_DELAY_S: i64 = 600;
const RETRY_DELAY_S: i64 = 4_200;

/// One line under [`CSV_HEADER`]; null is empty.
pub fn write_csv(row: &Row, out: &mut Vec<u8>) {
    push_guid(out, &row.object.id);
    out.push(b',');
    push_guid(out, &row.user.id);
    out.push(b',');
    push_number(out, row.version);
    out.push(b',');
    push_number(out, u64::from(row.operation));
    out.push(b',');
    push_instant(out, row.unix_s);
    out.push(b',');
    push_guid(out, &row.audit_id);
    out.push(b',');
    push_quoted(&row.change_data, out);
    out.push(b',');
    push_quoted(&row.attribute_mask, out);
    out.push(b',');
    push_number(out, u64::from(row.action));
    out.push(b',');
    out.extend_from_slice(row.object_type.as_bytes());
    out.push(b',');
    push_guid(out, &row.transaction_id);
    out.extend_from_slice(b",,,");
    if let Some(caller) = &row.calling_user {
        push_guid(out, &caller.id);
    }
    out.push(b'\n');
}

fn push_quoted(text: &[u8], out: &mut Vec<u8>) {
    if !text.is_empty() {
        out.push(b'"');
        push_csv_text(out, text);
        out.push(b'"');
    }
}

/// One line under [`SQL_HEADER`].
pub fn write_sql(row: &Row, out: &mut Vec<u8>) {
    push_upper(&row.audit_id, out);
    out.push(b',');
    push_instant(out, row.unix_s);
    // `2026-03-01T08:00:00Z` as a database shows it.
    out.pop();
    let between = out.len() - "T08:00:00".len();
    out[between] = b' ';
    out.extend_from_slice(b".000,");
    push_number(out, u64::from(row.action));
    out.push(b',');
    push_number(out, u64::from(row.operation));
    out.push(b',');
    push_number(out, object_type_code(row.object_type));
    out.push(b',');
    push_upper(&row.object.id, out);
    out.push(b',');
    push_upper(&row.user.id, out);
    out.push(b',');
    match &row.calling_user {
        Some(caller) => push_upper(&caller.id, out),
        None => out.extend_from_slice(b"NULL"),
    }
    out.push(b',');
    push_upper(&row.transaction_id, out);
    out.push(b',');
    push_quoted_or_null(&row.attribute_mask, out);
    out.push(b',');
    push_quoted_or_null(&row.change_data, out);
    out.push(b',');
    push_number(out, row.version);
    out.push(b'\n');
}

/// The integer by which on-premises organizations know a table; custom ones count from 10,000.
fn object_type_code(table: &str) -> u64 {
    match table {
        "systemuser" => 8,
        "account" => 1,
        "contact" => 2,
        "opportunity" => 3,
        "lead" => 4,
        "incident" => 112,
        "organization" => 1019,
        "entity" => 9800,
        "attribute" => 9808,
        "task" => 4212,
        other => 10_000 + other.bytes().map(u64::from).sum::<u64>(),
    }
}

fn push_upper(id: &Guid, out: &mut Vec<u8>) {
    let start = out.len();
    push_guid(out, id);
    out[start..].make_ascii_uppercase();
}

fn push_quoted_or_null(text: &[u8], out: &mut Vec<u8>) {
    match text.is_empty() {
        true => out.extend_from_slice(b"NULL"),
        false => push_quoted(text, out),
    }
}

/// One line under [`CDATA_HEADER`].
pub fn write_cdata(row: &Row, annotated: bool, out: &mut Vec<u8>) {
    push_guid(out, &row.audit_id);
    out.push(b',');
    push_number(out, u64::from(row.action));
    out.push(b',');
    push_guid(out, &row.audit_id);
    out.push(b',');
    match &row.calling_user {
        Some(caller) => push_lookup(caller, "systemuser", annotated, out),
        None => out.extend_from_slice(b",,"),
    }
    out.push(b',');
    push_instant(out, row.unix_s);
    out.push(b',');
    push_lookup(&row.object, row.object_type, annotated, out);
    out.push(b',');
    push_lookup(&row.user, "systemuser", annotated, out);
    out.push(b',');
    push_number(out, u64::from(row.operation));
    out.push(b',');
    out.extend_from_slice(row.object_type.as_bytes());
    out.push(b',');
    push_guid(out, &row.transaction_id);
    out.push(b',');
    push_quoted(&row.attribute_mask, out);
    out.push(b',');
    push_quoted(&row.change_data, out);
    out.push(b',');
    push_number(out, row.version);
    out.push(b'\n');
}

fn push_lookup(to: &Reference, table: &str, annotated: bool, out: &mut Vec<u8>) {
    push_guid(out, &to.id);
    out.push(b',');
    out.extend_from_slice(table.as_bytes());
    out.push(b',');
    if annotated {
        push_quoted(unescaped(&to.name).as_bytes(), out);
    }
}

/// One line of a partition, under [`COLUMNS_OF_SYNAPSE`]: texts and dates quoted, all else bare.
pub fn write_synapse(row: &Row, annotated: bool, is_repeat: bool, out: &mut Vec<u8>) {
    let name = |to: &Reference, out: &mut Vec<u8>| {
        if annotated {
            push_quoted(unescaped(&to.name).as_bytes(), out);
        }
        out.push(b',');
    };
    push_guid(out, &row.audit_id);
    out.push(b',');
    push_sink_time(row.unix_s + SINK_DELAY_S, out);
    out.push(b',');
    push_sink_time(row.unix_s + if is_repeat { RETRY_DELAY_S } else { SINK_DELAY_S }, out);
    out.push(b',');
    push_number(out, u64::from(row.action));
    out.push(b',');
    push_number(out, u64::from(row.operation));
    out.push(b',');
    match &row.calling_user {
        Some(caller) => push_typed(&caller.id, "systemuser", out),
        None => out.extend_from_slice(b",,"),
    }
    push_typed(&row.object.id, row.object_type, out);
    out.extend_from_slice(b",,");
    push_typed(&row.user.id, "systemuser", out);
    out.push(b',');
    push_quoted(&row.attribute_mask, out);
    out.push(b',');
    push_guid(out, &row.audit_id);
    out.push(b',');
    match &row.calling_user {
        Some(caller) => name(caller, out),
        None => out.push(b','),
    }
    push_quoted(&row.change_data, out);
    out.extend_from_slice(b",\"");
    push_instant(out, row.unix_s);
    out.pop();
    out.extend_from_slice(b".0000000+00:00\",");
    name(&row.object, out);
    push_quoted(row.object_type.as_bytes(), out);
    out.extend_from_slice(b",,,");
    push_guid(out, &row.transaction_id);
    out.extend_from_slice(b",,");
    name(&row.user, out);
    push_number(out, row.version);
    out.extend_from_slice(b",\n");
}

fn push_typed(id: &Guid, table: &str, out: &mut Vec<u8>) {
    push_guid(out, id);
    out.extend_from_slice(b",\"");
    out.extend_from_slice(table.as_bytes());
    out.extend_from_slice(b"\",");
}

/// `"6/28/2021 4:34:35 PM"`
fn push_sink_time(unix_s: i64, out: &mut Vec<u8>) {
    let on = chrono::DateTime::from_timestamp(unix_s, 0).unwrap_or_default();
    out.extend_from_slice(on.format("\"%-m/%-d/%Y %-I:%M:%S %p\"").to_string().as_bytes());
}
