//! The view `Audit` of an on-premises database, as a SQL client saves the grid: `NULL` for null, upper-case GUIDs,
//! object type codes, times without a zone.
//!
//! There `AttributeMask` begins and ends with a comma, and `ChangeData` is the old values alone, joined by `~`.
//! `ObjectIdName` is a column of one letter that nobody fills.

use super::csv::push_field;
use crate::generate::bytes::*;
use crate::generate::row::{Reference, Row};
use crate::generate::side::{Table, Value};
use serde::Deserialize;
use std::borrow::Cow;

pub const HEADER: &str = "AuditId,CreatedOn,Action,Operation,ObjectTypeCode,ObjectId,ObjectIdName,UserId,UserIdName,\
    CallingUserId,CallingUserIdName,TransactionId,AttributeMask,ChangeData,RegardingObjectId,RegardingObjectIdName,\
    UserAdditionalInfo\r\n";

/// One line under [`HEADER`], without its line feed.
pub fn write(row: &Row, annotated: bool, out: &mut Vec<u8>) {
    push_upper_guid(out, &row.audit_id);
    out.push(b',');
    push_sql_instant(out, row.unix_s);
    for number in [u16::from(row.action), u16::from(row.operation), row.object_type_code] {
        out.push(b',');
        push_number(out, u64::from(number));
    }
    out.push(b',');
    push_upper_guid(out, &row.object.id);
    out.extend_from_slice(b",NULL,");
    push_user(Some(&row.user), annotated, out);
    out.push(b',');
    push_user(row.calling_user.as_ref(), annotated, out);
    out.push(b',');
    push_upper_guid(out, &row.transaction_id);
    out.push(b',');
    if row.attribute_mask.is_empty() {
        out.extend_from_slice(b"NULL");
    } else {
        out.extend_from_slice(b"\",");
        out.extend_from_slice(&row.attribute_mask);
        out.extend_from_slice(b",\"");
    }
    out.push(b',');
    push_text_or_null(&old_values(&row.change_data), out);
    out.extend_from_slice(b",NULL,NULL,NULL\r");
}

/// `datetime` knows three hundredths of a second.
fn push_sql_instant(out: &mut Vec<u8>, unix_s: i64) {
    push_plain_instant(out, unix_s);
    out.extend_from_slice(b".000");
}

fn push_user(user: Option<&Reference>, annotated: bool, out: &mut Vec<u8>) {
    let Some(user) = user else {
        return out.extend_from_slice(b"NULL,NULL");
    };
    push_upper_guid(out, &user.id);
    out.push(b',');
    push_text_or_null(if annotated { &user.name } else { b"" }, out);
}

fn push_text_or_null(text: &[u8], out: &mut Vec<u8>) {
    push_field(if text.is_empty() { b"NULL" } else { text }, out);
}

#[derive(Deserialize)]
struct Changes<'a> {
    #[serde(borrow, rename = "changedAttributes")]
    changed: Vec<Change<'a>>,
}

#[derive(Deserialize)]
struct Change<'a> {
    #[serde(borrow, rename = "oldValue")]
    old: Option<Cow<'a, str>>,
}

/// What `changedata` of the cloud says, as the database has it. What is no list of changes is the same in both.
fn old_values(change_data: &[u8]) -> Cow<'_, [u8]> {
    match serde_json::from_slice::<Changes>(change_data) {
        Err(_) => Cow::Borrowed(change_data),
        Ok(changes) => {
            let old: Vec<&str> = changes
                .changed
                .iter()
                .map(|change| change.old.as_deref().unwrap_or_default())
                .collect();
            Cow::Owned(old.join("~").into_bytes())
        }
    }
}

pub fn side_header(table: &Table, out: &mut Vec<u8>) {
    let names: Vec<&str> = table.columns.iter().map(|column| column.schema_name).collect();
    out.extend_from_slice(names.join(",").as_bytes());
    out.extend_from_slice(b"\r\n");
}

pub fn write_side(values: &[Value], out: &mut Vec<u8>) {
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        match value {
            Value::Null => out.extend_from_slice(b"NULL"),
            Value::Guid(id) => push_upper_guid(out, id),
            Value::Text(text) => push_field(text.as_bytes(), out),
            Value::Flag(is_set, _) => push_number(out, u64::from(*is_set)),
            Value::Choice(code, _) => push_number(out, u64::from(*code)),
            Value::Whole(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Value::Instant(unix_s) => push_sql_instant(out, *unix_s),
        }
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_keeps_old_values_only() {
        let changes = br#"{"changedAttributes":[{"logicalName":"a","oldValue":"x \"y\"\n","newValue":"1"},
            {"logicalName":"b","oldValue":null,"newValue":"2"},{"logicalName":"c","oldValue":"account,1","newValue":null}]}"#;
        assert_eq!(&*old_values(changes), b"x \"y\"\n~~account,1");
        assert_eq!(
            &*old_values(b"sim_account_contacts~contact,1"),
            b"sim_account_contacts~contact,1"
        );
        assert_eq!(&*old_values(b""), b"");
    }
}
