//! Rows as the Web API returns them: in pages, one per line, or all in one list.
//!
//! `createdon` is written in UTC; its annotation is a local time in American spelling, as in real exports, which is a
//! trap for readers that believe it.

use super::labels::{action_label, operation_label};
use crate::generate::bytes::*;
use crate::generate::draw::Guid;
use crate::generate::row::{Reference, Row};
use crate::generate::side::{Table, Value};

const FORMATTED: &[u8] = b"@OData.Community.Display.V1.FormattedValue\":\"";
const LOGICAL_NAME: &[u8] = b"@Microsoft.Dynamics.CRM.lookuplogicalname\":\"";

/// `set` is what the host calls all rows of the table.
pub fn open_page(host: &str, set: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"@odata.context\":\"https://");
    out.extend_from_slice(host.as_bytes());
    out.extend_from_slice(b"/api/data/v9.2/$metadata#");
    out.extend_from_slice(set.as_bytes());
    out.extend_from_slice(b"\",\n");
    out.extend_from_slice(b"\"@Microsoft.Dynamics.CRM.totalrecordcount\":-1,");
    out.extend_from_slice(b"\"@Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded\":false,\n");
    out.extend_from_slice(b"\"value\":[\n");
}

/// `next_page` is the number of the page after this one, if there is one.
pub fn close_page(host: &str, next_page: Option<u64>, out: &mut Vec<u8>) {
    out.push(b']');
    if let Some(next_page) = next_page {
        out.extend_from_slice(b",\n\"@odata.nextLink\":\"https://");
        out.extend_from_slice(host.as_bytes());
        out.extend_from_slice(b"/api/data/v9.2/audits?$skiptoken=%3Ccookie%20pagenumber=%22");
        push_number(out, next_page);
        out.extend_from_slice(b"%22%20istracking=%22False%22%20/%3E\"");
    }
    out.extend_from_slice(b"}\n");
}

/// One record as a JSON object, without a line end. `annotated` adds labels and names, as servers do when asked to.
pub fn write(row: &Row, annotated: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"@odata.etag\":\"W/\\\"");
    push_number(out, row.version);
    out.extend_from_slice(b"\\\"\",");
    if annotated {
        annotate_reference(b"\"_objectid_value", row.object_type, &row.object, out);
    }
    push_id(b"\"_objectid_value\":\"", &row.object.id, out);
    if annotated {
        annotate_reference(b"\"_userid_value", "systemuser", &row.user, out);
    }
    push_id(b"\"_userid_value\":\"", &row.user.id, out);
    if annotated {
        push_label(b"\"objecttypecode", row.object_type_label, out);
    }
    out.extend_from_slice(b"\"objecttypecode\":\"");
    out.extend_from_slice(row.object_type.as_bytes());
    out.extend_from_slice(b"\",");
    if annotated {
        push_label(b"\"operation", operation_label(row.operation), out);
    }
    push_integer(b"\"operation\":", u64::from(row.operation), out);
    if annotated {
        push_label(b"\"action", action_label(row.action), out);
    }
    push_integer(b"\"action\":", u64::from(row.action), out);
    if annotated {
        out.extend_from_slice(b"\"createdon");
        out.extend_from_slice(FORMATTED);
        push_local_instant(out, row.unix_s);
        out.extend_from_slice(b"\",");
    }
    out.extend_from_slice(b"\"createdon\":\"");
    push_instant(out, row.unix_s);
    out.extend_from_slice(b"\",");
    push_id(b"\"auditid\":\"", &row.audit_id, out);
    if annotated {
        out.extend_from_slice(b"\"versionnumber");
        out.extend_from_slice(FORMATTED);
        push_grouped(out, row.version);
        out.extend_from_slice(b"\",");
    }
    push_integer(b"\"versionnumber\":", row.version, out);
    push_text_or_null(b"\"attributemask\":", &row.attribute_mask, out);
    push_text_or_null(b"\"changedata\":", &row.change_data, out);
    push_id(b"\"transactionid\":\"", &row.transaction_id, out);
    push_calling_user(row.calling_user.as_ref(), annotated, out);
    out.extend_from_slice(b"\"_regardingobjectid_value\":null,\"useradditionalinfo\":null}");
}

fn annotate_reference(key: &[u8], logical_name: &str, to: &Reference, out: &mut Vec<u8>) {
    out.extend_from_slice(key);
    out.extend_from_slice(FORMATTED);
    out.extend_from_slice(&to.name);
    out.extend_from_slice(b"\",");
    out.extend_from_slice(key);
    out.extend_from_slice(LOGICAL_NAME);
    out.extend_from_slice(logical_name.as_bytes());
    out.extend_from_slice(b"\",");
}

fn push_calling_user(caller: Option<&Reference>, annotated: bool, out: &mut Vec<u8>) {
    let Some(caller) = caller else {
        out.extend_from_slice(b"\"_callinguserid_value\":null,");
        return;
    };
    if annotated {
        annotate_reference(b"\"_callinguserid_value", "systemuser", caller, out);
    }
    push_id(b"\"_callinguserid_value\":\"", &caller.id, out);
}

fn push_id(key: &[u8], id: &Guid, out: &mut Vec<u8>) {
    out.extend_from_slice(key);
    push_guid(out, id);
    out.extend_from_slice(b"\",");
}

fn push_label(key: &[u8], label: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(key);
    out.extend_from_slice(FORMATTED);
    out.extend_from_slice(label.as_bytes());
    out.extend_from_slice(b"\",");
}

fn push_integer(key: &[u8], number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(key);
    push_number(out, number);
    out.push(b',');
}

fn push_text_or_null(key: &[u8], text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(key);
    if text.is_empty() {
        out.extend_from_slice(b"null,");
    } else {
        out.push(b'"');
        push_json_text(out, text);
        out.extend_from_slice(b"\",");
    }
}

/// One row of a side table, whose last column is its version, as a JSON object, without a line end.
pub fn write_side(table: &Table, values: &[Value], annotated: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"@odata.etag\":\"W/\\\"");
    if let Some(Value::Whole(version)) = values.last() {
        push_number(out, *version as u64);
    }
    out.extend_from_slice(b"\\\"\"");
    for (column, value) in table.columns.iter().zip(values) {
        out.push(b',');
        let key = format!("\"{}", column.name);
        match (value, value.label()) {
            _ if !annotated => {}
            (_, Some(label)) => push_label(key.as_bytes(), label, out),
            (Value::Instant(unix_s), _) => {
                out.extend_from_slice(key.as_bytes());
                out.extend_from_slice(FORMATTED);
                push_local_instant(out, *unix_s);
                out.extend_from_slice(b"\",");
            }
            _ => {}
        }
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(b"\":");
        match value {
            Value::Null => out.extend_from_slice(b"null"),
            Value::Guid(id) => push_quoted(out, |out| push_guid(out, id)),
            Value::Text(text) => push_quoted(out, |out| push_json_text(out, text.as_bytes())),
            Value::Flag(is_set, _) => out.extend_from_slice(is_set.to_string().as_bytes()),
            Value::Choice(code, _) => push_number(out, u64::from(*code)),
            Value::Whole(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Value::Instant(unix_s) => push_quoted(out, |out| push_instant(out, *unix_s)),
        }
    }
    out.push(b'}');
}

fn push_quoted(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    fill(out);
    out.push(b'"');
}
