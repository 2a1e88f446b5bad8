//! Result sets of FetchXML, as the older `Fetch` returns them: a `resultset` a page.
//!
//! GUIDs stand in braces and upper case, a time is local with its offset, a label stands in `name` beside its code.
//! What is null is no element at all.

use super::labels::{action_label, operation_label};
use crate::generate::bytes::*;
use crate::generate::draw::Guid;
use crate::generate::log::Log;
use crate::generate::row::{Reference, Row, USER_CODE};
use crate::generate::side::{Table, Value};

/// The cookie names the first and the last row of the page.
pub fn open_page(log: &Log, page: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"<resultset morerecords=\"");
    out.push(if log.paging.is_last(page) { b'0' } else { b'1' });
    if let Some((first, last)) = log.ends_of_page(page) {
        out.extend_from_slice(b"\" paging-cookie=\"&lt;cookie page=&quot;");
        push_number(out, page + 1);
        out.extend_from_slice(b"&quot;&gt;&lt;auditid last=&quot;");
        push_braced(out, &last);
        out.extend_from_slice(b"&quot; first=&quot;");
        push_braced(out, &first);
        out.extend_from_slice(b"&quot; /&gt;&lt;/cookie&gt;");
    }
    out.extend_from_slice(b"\">\n");
}

pub fn open_side(out: &mut Vec<u8>) {
    out.extend_from_slice(b"<resultset morerecords=\"0\">\n");
}

/// One row, without a line end.
pub fn write(row: &Row, annotated: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(b"<result>");
    push_element("auditid", &[], out, |out| push_braced(out, &row.audit_id));
    push_time("createdon", row.unix_s, out);
    let label = |label: &'static str| annotated.then_some(label);
    push_choice("action", u64::from(row.action), label(action_label(row.action)), out);
    push_choice(
        "operation",
        u64::from(row.operation),
        label(operation_label(row.operation)),
        out,
    );
    let code = u64::from(row.object_type_code);
    push_choice("objecttypecode", code, label(row.object_type_label), out);
    push_lookup("objectid", &row.object, row.object_type_code, annotated, out);
    push_lookup("userid", &row.user, USER_CODE, annotated, out);
    if let Some(caller) = &row.calling_user {
        push_lookup("callinguserid", caller, USER_CODE, annotated, out);
    }
    push_element("transactionid", &[], out, |out| push_braced(out, &row.transaction_id));
    for (name, text) in [("attributemask", &row.attribute_mask), ("changedata", &row.change_data)] {
        if !text.is_empty() {
            push_element(name, &[], out, |out| push_xml_text(out, text));
        }
    }
    push_element("versionnumber", &[], out, |out| push_number(out, row.version));
    out.extend_from_slice(b"</result>");
}

/// One row of a side table, without a line end.
pub fn write_side(table: &Table, values: &[Value], annotated: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(b"<result>");
    for (column, value) in table.columns.iter().zip(values) {
        let (name, label) = (column.name, value.label().filter(|_| annotated));
        match value {
            Value::Null => {}
            Value::Guid(id) => push_element(name, &[], out, |out| push_braced(out, id)),
            Value::Text(text) => push_element(name, &[], out, |out| push_xml_text(out, text.as_bytes())),
            Value::Flag(is_set, _) => {
                let named = label.map(|label| ("name", label.as_bytes()));
                push_element(name, named.as_slice(), out, |out| push_number(out, u64::from(*is_set)));
            }
            Value::Choice(code, _) => push_choice(name, u64::from(*code), label, out),
            Value::Whole(number) => {
                push_element(name, &[], out, |out| {
                    out.extend_from_slice(number.to_string().as_bytes())
                });
            }
            Value::Instant(unix_s) => push_time(name, *unix_s, out),
        }
    }
    out.extend_from_slice(b"</result>");
}

fn push_element(name: &str, attributes: &[(&str, &[u8])], out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'<');
    out.extend_from_slice(name.as_bytes());
    for (attribute, text) in attributes {
        out.push(b' ');
        out.extend_from_slice(attribute.as_bytes());
        out.extend_from_slice(b"=\"");
        push_xml_text(out, text);
        out.push(b'"');
    }
    out.push(b'>');
    fill(out);
    out.extend_from_slice(b"</");
    out.extend_from_slice(name.as_bytes());
    out.push(b'>');
}

fn push_braced(out: &mut Vec<u8>, id: &Guid) {
    out.push(b'{');
    push_upper_guid(out, id);
    out.push(b'}');
}

/// `<createdon date="6/28/2021" time="9:30 AM">2021-06-28T09:30:11-07:00</createdon>`.
fn push_time(name: &str, unix_s: i64, out: &mut Vec<u8>) {
    let mut local = Vec::with_capacity(20);
    push_local_instant(&mut local, unix_s);
    let space = local.iter().position(|byte| *byte == b' ').unwrap_or(local.len());
    let (date, time) = (&local[..space], local[space..].trim_ascii_start());
    push_element(name, &[("date", date), ("time", time)], out, |out| {
        push_offset_instant(out, unix_s)
    });
}

fn push_choice(name: &str, code: u64, label: Option<&str>, out: &mut Vec<u8>) {
    let mut number = Vec::with_capacity(4);
    push_number(&mut number, code);
    let formatted: (&str, &[u8]) = ("formattedvalue", &number);
    match label {
        Some(label) => push_element(name, &[("name", label.as_bytes()), formatted], out, |out| {
            push_number(out, code)
        }),
        None => push_element(name, &[formatted], out, |out| push_number(out, code)),
    }
}

fn push_lookup(name: &str, to: &Reference, code: u16, annotated: bool, out: &mut Vec<u8>) {
    let mut number = Vec::with_capacity(5);
    push_number(&mut number, u64::from(code));
    let kind: (&str, &[u8]) = ("type", &number);
    match annotated {
        true => push_element(name, &[("name", &to.name), kind], out, |out| push_braced(out, &to.id)),
        false => push_element(name, &[kind], out, |out| push_braced(out, &to.id)),
    }
}
