//! Rows as the Web API returns them, in OData pages, arrays and NDJSON.
//!
//! `createdon` is written in UTC; its annotation is a local time in American spelling, as in real exports, which is a
//! trap for readers that believe it.

use super::{action_label, operation_label};
use crate::generate::bytes::*;
use crate::generate::draw::Guid;
use crate::generate::row::{Reference, Row};

const FORMATTED: &[u8] = b"@OData.Community.Display.V1.FormattedValue\":\"";
const LOGICAL_NAME: &[u8] = b"@Microsoft.Dynamics.CRM.lookuplogicalname\":\"";

pub fn write_page_head(host: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"@odata.context\":\"https://");
    out.extend_from_slice(host.as_bytes());
    out.extend_from_slice(b"/api/data/v9.2/$metadata#audits\",\n");
    out.extend_from_slice(b"\"@Microsoft.Dynamics.CRM.totalrecordcount\":-1,");
    out.extend_from_slice(b"\"@Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded\":false,\n");
    out.extend_from_slice(b"\"value\":[\n");
}

/// `next_page` is the number of the page after this one, if there is one.
pub fn write_page_foot(host: &str, next_page: Option<u64>, out: &mut Vec<u8>) {
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
pub fn write_json(row: &Row, annotated: bool, out: &mut Vec<u8>) {
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
