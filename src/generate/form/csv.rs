//! Web API rows flattened under the usual header; null is empty, and there are no names.

use crate::generate::bytes::*;
use crate::generate::row::Row;
use crate::generate::side::{Table, Value};

pub const HEADER: &str = "_objectid_value,_userid_value,versionnumber,operation,createdon,\
    auditid,changedata,attributemask,action,objecttypecode,transactionid,_regardingobjectid_value,\
    useradditionalinfo,_callinguserid_value\n";

/// One line under [`HEADER`]; null is empty.
pub fn write(row: &Row, out: &mut Vec<u8>) {
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
}

/// A field in quotes; nothing where the text is empty.
pub fn push_quoted(text: &[u8], out: &mut Vec<u8>) {
    if !text.is_empty() {
        out.push(b'"');
        push_csv_text(out, text);
        out.push(b'"');
    }
}

/// A field in quotes where it needs them.
pub fn push_field(text: &[u8], out: &mut Vec<u8>) {
    match text.iter().any(|byte| b",\"\r\n".contains(byte)) {
        true => push_quoted(text, out),
        false => out.extend_from_slice(text),
    }
}

pub fn side_header(table: &Table, out: &mut Vec<u8>) {
    let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
    out.extend_from_slice(names.join(",").as_bytes());
    out.push(b'\n');
}

pub fn write_side(values: &[Value], out: &mut Vec<u8>) {
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        match value {
            Value::Null => {}
            Value::Guid(id) => push_guid(out, id),
            Value::Text(text) => push_field(text.as_bytes(), out),
            // As scripts flatten them.
            Value::Flag(is_set, _) => out.extend_from_slice(if *is_set { b"True" } else { b"False" }),
            Value::Choice(code, _) => push_number(out, u64::from(*code)),
            Value::Whole(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Value::Instant(unix_s) => push_instant(out, *unix_s),
        }
    }
    out.push(b'\n');
}
