//! Answers of the Organization Service to `RetrieveMultiple` (the contract of 2011): an `EntityCollection` a page.
//!
//! What is null is no attribute at all. Labels stand in `FormattedValues`, apart from the values.

use super::labels::{action_label, operation_label};
use crate::generate::bytes::*;
use crate::generate::draw::Guid;
use crate::generate::row::{Reference, Row};
use crate::generate::side::{Table, Value};

const XSD: &[u8] = b"http://www.w3.org/2001/XMLSchema";
const SERIALIZATION: &[u8] = b"http://schemas.microsoft.com/2003/10/Serialization/";

pub fn open(out: &mut Vec<u8>) {
    out.extend_from_slice(
        b"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
          <s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>\
          <RetrieveMultipleResponse xmlns=\"http://schemas.microsoft.com/xrm/2011/Contracts/Services\">\
          <RetrieveMultipleResult xmlns:b=\"http://schemas.microsoft.com/xrm/2011/Contracts\" \
          xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\"><b:Entities>\n",
    );
}

/// `next_page` is the number of the page after this one, if there is one.
pub fn close(table: &str, next_page: Option<u64>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"</b:Entities><b:EntityName>");
    out.extend_from_slice(table.as_bytes());
    out.extend_from_slice(b"</b:EntityName><b:MinActiveRowVersion>-1</b:MinActiveRowVersion>");
    match next_page {
        None => out.extend_from_slice(b"<b:MoreRecords>false</b:MoreRecords><b:PagingCookie i:nil=\"true\"/>"),
        Some(page) => {
            out.extend_from_slice(b"<b:MoreRecords>true</b:MoreRecords><b:PagingCookie>&lt;cookie pagenumber=\"");
            push_number(out, page);
            out.extend_from_slice(b"\" istracking=\"False\" /&gt;</b:PagingCookie>");
        }
    }
    out.extend_from_slice(
        b"<b:TotalRecordCount>-1</b:TotalRecordCount>\
          <b:TotalRecordCountLimitExceeded>false</b:TotalRecordCountLimitExceeded>\
          </RetrieveMultipleResult></RetrieveMultipleResponse></s:Body></s:Envelope>\n",
    );
}

/// One entity, without a line end.
pub fn write(row: &Row, annotated: bool, out: &mut Vec<u8>) {
    open_entity(out);
    push_attribute("auditid", out, |out| push_id(&row.audit_id, out));
    push_attribute("createdon", out, |out| push_time(row.unix_s, out));
    push_attribute("action", out, |out| push_choice(row.action, out));
    push_attribute("operation", out, |out| push_choice(row.operation, out));
    push_attribute("objecttypecode", out, |out| push_text(row.object_type.as_bytes(), out));
    push_attribute("objectid", out, |out| {
        push_lookup(&row.object, row.object_type, annotated, out)
    });
    push_attribute("userid", out, |out| {
        push_lookup(&row.user, "systemuser", annotated, out)
    });
    if let Some(caller) = &row.calling_user {
        push_attribute("callinguserid", out, |out| {
            push_lookup(caller, "systemuser", annotated, out)
        });
    }
    push_attribute("transactionid", out, |out| push_id(&row.transaction_id, out));
    for (name, text) in [("attributemask", &row.attribute_mask), ("changedata", &row.change_data)] {
        if !text.is_empty() {
            push_attribute(name, out, |out| push_text(text, out));
        }
    }
    push_attribute("versionnumber", out, |out| push_whole("long", row.version as i64, out));
    open_labels(out);
    if annotated {
        push_label("createdon", out, |out| push_local_instant(out, row.unix_s));
        push_label("action", out, |out| {
            push_xml_text(out, action_label(row.action).as_bytes())
        });
        push_label("operation", out, |out| {
            push_xml_text(out, operation_label(row.operation).as_bytes())
        });
        push_label("objecttypecode", out, |out| {
            push_xml_text(out, row.object_type_label.as_bytes())
        });
        push_label("objectid", out, |out| push_xml_text(out, &row.object.name));
        push_label("userid", out, |out| push_xml_text(out, &row.user.name));
        if let Some(caller) = &row.calling_user {
            push_label("callinguserid", out, |out| push_xml_text(out, &caller.name));
        }
        push_label("versionnumber", out, |out| push_grouped(out, row.version));
    }
    close_entity("audit", &row.audit_id, row.version, out);
}

/// One entity of a side table, without a line end.
pub fn write_side(table: &Table, values: &[Value], annotated: bool, out: &mut Vec<u8>) {
    let columns = || table.columns.iter().map(|column| column.name).zip(values);
    open_entity(out);
    let (mut id, mut version) = (&[0; 16], 0);
    for (name, value) in columns() {
        match value {
            Value::Null => {}
            Value::Guid(guid) => {
                push_attribute(name, out, |out| push_id(guid, out));
                id = if name == table.key() { guid } else { id };
            }
            Value::Text(text) => push_attribute(name, out, |out| push_text(text.as_bytes(), out)),
            Value::Flag(is_set, _) => {
                let text: &[u8] = if *is_set { b"true" } else { b"false" };
                push_attribute(name, out, |out| {
                    push_value(b"boolean", XSD, out, |out| out.extend_from_slice(text))
                });
            }
            Value::Choice(code, _) => push_attribute(name, out, |out| push_choice(*code, out)),
            Value::Whole(number) if name == "versionnumber" => {
                version = *number as u64;
                push_attribute(name, out, |out| push_whole("long", *number, out));
            }
            Value::Whole(number) => push_attribute(name, out, |out| push_whole("int", *number, out)),
            Value::Instant(unix_s) => push_attribute(name, out, |out| push_time(*unix_s, out)),
        }
    }
    open_labels(out);
    for (name, value) in columns().filter(|_| annotated) {
        if let Some(label) = value.label() {
            push_label(name, out, |out| push_xml_text(out, label.as_bytes()));
        }
    }
    close_entity(table.name, id, version, out);
}

fn open_entity(out: &mut Vec<u8>) {
    out.extend_from_slice(
        b"<b:Entity><b:Attributes xmlns:c=\"http://schemas.datacontract.org/2004/07/System.Collections.Generic\">",
    );
}

fn open_labels(out: &mut Vec<u8>) {
    out.extend_from_slice(
        b"</b:Attributes><b:EntityState i:nil=\"true\"/><b:FormattedValues \
          xmlns:c=\"http://schemas.datacontract.org/2004/07/System.Collections.Generic\">",
    );
}

fn close_entity(table: &str, id: &Guid, version: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"</b:FormattedValues><b:Id>");
    push_guid(out, id);
    out.extend_from_slice(b"</b:Id><b:LogicalName>");
    out.extend_from_slice(table.as_bytes());
    out.extend_from_slice(
        b"</b:LogicalName><b:RelatedEntities \
          xmlns:c=\"http://schemas.datacontract.org/2004/07/System.Collections.Generic\"/><b:RowVersion>",
    );
    push_number(out, version);
    out.extend_from_slice(b"</b:RowVersion></b:Entity>");
}

fn push_attribute(name: &str, out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(b"<b:KeyValuePairOfstringanyType><c:key>");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"</c:key><c:value i:");
    fill(out);
    out.extend_from_slice(b"</c:value></b:KeyValuePairOfstringanyType>");
}

fn push_label(name: &str, out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(b"<b:KeyValuePairOfstringstring><c:key>");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"</c:key><c:value>");
    fill(out);
    out.extend_from_slice(b"</c:value></b:KeyValuePairOfstringstring>");
}

/// The rest of a value's tag, from its type on, and its text.
fn push_value(kind: &[u8], namespace: &[u8], out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(b"type=\"d:");
    out.extend_from_slice(kind);
    out.extend_from_slice(b"\" xmlns:d=\"");
    out.extend_from_slice(namespace);
    out.extend_from_slice(b"\">");
    fill(out);
}

fn push_id(id: &Guid, out: &mut Vec<u8>) {
    push_value(b"guid", SERIALIZATION, out, |out| push_guid(out, id));
}

fn push_time(unix_s: i64, out: &mut Vec<u8>) {
    push_value(b"dateTime", XSD, out, |out| push_instant(out, unix_s));
}

fn push_text(text: &[u8], out: &mut Vec<u8>) {
    push_value(b"string", XSD, out, |out| push_xml_text(out, text));
}

fn push_whole(kind: &str, number: i64, out: &mut Vec<u8>) {
    push_value(kind.as_bytes(), XSD, out, |out| {
        out.extend_from_slice(number.to_string().as_bytes())
    });
}

fn push_choice(code: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(b"type=\"b:OptionSetValue\"><b:Value>");
    push_number(out, u64::from(code));
    out.extend_from_slice(b"</b:Value>");
}

fn push_lookup(to: &Reference, table: &str, annotated: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(b"type=\"b:EntityReference\"><b:Id>");
    push_guid(out, &to.id);
    out.extend_from_slice(b"</b:Id><b:LogicalName>");
    out.extend_from_slice(table.as_bytes());
    if annotated {
        out.extend_from_slice(b"</b:LogicalName><b:Name>");
        push_xml_text(out, &to.name);
        out.extend_from_slice(b"</b:Name>");
    } else {
        out.extend_from_slice(b"</b:LogicalName><b:Name i:nil=\"true\"/>");
    }
}
