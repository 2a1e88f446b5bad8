//! As the CData driver flattens the table: three columns for each lookup, times in UTC that do not say so, and neither
//! the mask nor the data of changes.

use super::csv::push_field;
use crate::generate::bytes::*;
use crate::generate::row::{Reference, Row};
use crate::generate::side::{Table, Value};

pub const HEADER: &str = "Id,Action,AuditId,CallingUserId_Id,CallingUserId_LogicalName,CallingUserId_Name,CreatedOn,\
    ObjectId_Id,ObjectId_LogicalName,ObjectId_Name,ObjectTypeCode,Operation,RegardingObjectId_Id,\
    RegardingObjectId_LogicalName,RegardingObjectId_Name,TransactionId,UserAdditionalInfo,UserId_Id,\
    UserId_LogicalName,UserId_Name\n";

/// One line under [`HEADER`], without a line end.
pub fn write(row: &Row, annotated: bool, out: &mut Vec<u8>) {
    push_guid(out, &row.audit_id);
    out.push(b',');
    push_number(out, u64::from(row.action));
    out.push(b',');
    push_guid(out, &row.audit_id);
    out.push(b',');
    push_lookup(row.calling_user.as_ref(), "systemuser", annotated, out);
    out.push(b',');
    push_plain_instant(out, row.unix_s);
    out.push(b',');
    push_lookup(Some(&row.object), row.object_type, annotated, out);
    out.push(b',');
    out.extend_from_slice(row.object_type.as_bytes());
    out.push(b',');
    push_number(out, u64::from(row.operation));
    out.extend_from_slice(b",,,,");
    push_guid(out, &row.transaction_id);
    out.extend_from_slice(b",,");
    push_lookup(Some(&row.user), "systemuser", annotated, out);
}

fn push_lookup(to: Option<&Reference>, table: &str, annotated: bool, out: &mut Vec<u8>) {
    let Some(to) = to else {
        return out.extend_from_slice(b",,");
    };
    push_guid(out, &to.id);
    out.push(b',');
    out.extend_from_slice(table.as_bytes());
    out.push(b',');
    if annotated {
        push_field(&to.name, out);
    }
}

/// The driver's `Id` is the key of every table.
pub fn side_header(table: &Table, out: &mut Vec<u8>) {
    out.extend_from_slice(b"Id");
    for column in table.columns {
        out.push(b',');
        out.extend_from_slice(column.schema_name.as_bytes());
    }
    out.push(b'\n');
}

pub fn write_side(values: &[Value], out: &mut Vec<u8>) {
    for (index, value) in values.iter().take(1).chain(values).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        match value {
            Value::Null => {}
            Value::Guid(id) => push_guid(out, id),
            Value::Text(text) => push_field(text.as_bytes(), out),
            Value::Flag(is_set, _) => out.extend_from_slice(is_set.to_string().as_bytes()),
            Value::Choice(code, _) => push_number(out, u64::from(*code)),
            Value::Whole(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Value::Instant(unix_s) => push_plain_instant(out, *unix_s),
        }
    }
    out.push(b'\n');
}
