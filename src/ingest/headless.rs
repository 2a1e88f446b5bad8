//! Rows without a header line: whose columns they are, told by their place in a container and borne out by what they hold.
//!
//! In a partition the container's `model.json` names the columns, and one row that fits is enough, since the others may
//! be broken. Elsewhere most rows must fit; without any `model.json` the order every container seen so far has is tried,
//! on rows of its length. What does not fit is refused: a wrong column would be a wrong fact.

use super::csv::{self, Layout};
use super::fields::{Field, field_of, tool_field_of};
use super::head::{Form, Found, Head, Known, Table};
use crate::instant;
use chrono_tz::Tz;
use std::sync::Arc;

/// The order of the audit table's columns in every container seen so far; `PartitionId` only in Delta tables.
const AUDIT_ORDER: &str = "Id,SinkCreatedOn,SinkModifiedOn,action,operation,callinguserid,callinguserid_entitytype,\
    objectid,objectid_entitytype,regardingobjectid,regardingobjectid_entitytype,userid,userid_entitytype,\
    additionalinfo,attributemask,auditid,callinguseridname,changedata,createdon,objectidname,objecttypecode,\
    regardingobjectidname,timetoliveinseconds,transactionid,useradditionalinfo,useridname,versionnumber,IsDelete,\
    PartitionId";

/// How many fields a row in that order may have: the last two columns came later.
const AUDIT_FIELDS: std::ops::RangeInclusive<usize> = 27..=29;

/// How many rows are looked at to recognise a file.
const SAMPLE_ROWS: usize = 64;

/// Recognises rows without a header line, by their place and by what they hold; `None` when they are something else.
/// The text begins `start` bytes into the file.
pub fn recognise(text: &[u8], start: usize, known: &Known) -> Option<Found> {
    let rows = csv::first_rows(text, SAMPLE_ROWS);
    if is_header(rows.first()?) {
        return None;
    }
    let partition = known.partition.as_deref();
    let table = partition.and_then(|partition| partition.table);
    let table = table.and_then(Table::of);
    let declared = partition.and_then(|partition| partition.columns.clone());
    let is_side_table = table.is_some_and(|table| table != Table::Audit);
    if is_side_table && declared.is_none() {
        return Some(refused(rows[0].len(), false));
    }
    let columns = declared
        .clone()
        .unwrap_or_else(|| AUDIT_ORDER.split(',').map(str::to_owned).collect());
    let shape = Shape::of(&columns, is_side_table);
    let has_right_length = |row: &Vec<String>| declared.is_some() || AUDIT_FIELDS.contains(&row.len());
    let fitting = rows
        .iter()
        .filter(|row| has_right_length(row) && shape.fits(row))
        .count();
    let enough = if declared.is_some() && table.is_some() {
        1
    } else {
        rows.len() / 2 + 1
    };
    if fitting < enough {
        let is_headless = rows
            .iter()
            .any(|row| row.len() > 1 && row.first().is_some_and(|id| is_guid(id)));
        return is_headless.then(|| refused(rows[0].len(), declared.is_some()));
    }
    let mut head = Head {
        table: table.unwrap_or(Table::Audit),
        // Synapse Link writes UTC, whatever the zone of other exports is.
        zone: Tz::UTC,
        ..Head::new(
            Form::Csv(Arc::new(Layout::of_names(columns.to_vec()))),
            known,
            (start, 0),
        )
    };
    if let (false, Some(environment)) = (head.environment_is_given, partition.and_then(|p| p.environment.clone())) {
        head.environment = environment;
    }
    if declared.is_none() {
        let note = "read in the usual column order of Synapse Link's audit table, since no model.json says another";
        head.notes.push(note.to_owned());
    }
    Some(Found::Export(head))
}

fn means_something(name: &str) -> bool {
    field_of(name.trim()).or_else(|| tool_field_of(name.trim())).is_some()
}

/// A row of names and without an id is a header line.
fn is_header(row: &[String]) -> bool {
    let names = row.iter().filter(|cell| means_something(cell)).count();
    names >= 2 && !row.iter().any(|cell| is_guid(cell))
}

/// Where a row says what every row of the audit table does.
struct Shape {
    id: Option<usize>,
    created_on: Option<usize>,
    action: Option<usize>,
    /// Of a side table only the id is in every row.
    is_side_table: bool,
}

impl Shape {
    fn of(columns: &[String], is_side_table: bool) -> Shape {
        let place = |field: Field| columns.iter().position(|name| field_of(name) == Some(field));
        let id = columns.iter().position(|name| name.eq_ignore_ascii_case("id"));
        Shape {
            id: id.or_else(|| place(Field::AuditId)),
            created_on: place(Field::CreatedOn),
            action: place(Field::Action),
            is_side_table,
        }
    }

    /// Whether a row may be one of the audit table, as far as it goes: of a long one only the beginning may be known.
    fn fits(&self, row: &[String]) -> bool {
        let cell = |place: Option<usize>| place.and_then(|place| row.get(place)).map(String::as_str);
        let (on, action) = (cell(self.created_on), cell(self.action));
        let is_deletion = on == Some("") && action == Some("");
        let is_row = on.is_none_or(|on| instant::parse_sink(on).is_some())
            && action.is_none_or(|action| action.parse::<i32>().is_ok());
        cell(self.id).is_some_and(is_guid) && (self.is_side_table || is_row || is_deletion)
    }
}

fn is_guid(text: &str) -> bool {
    let bytes = text.trim_matches(['{', '}']).as_bytes();
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn refused(fields: usize, is_declared: bool) -> Found {
    let reason = match is_declared {
        true => "has rows that are not those of the audit table in its container's model.json".to_owned(),
        false => {
            format!("has no header line, and its rows of {fields} fields are not those of Synapse Link's audit table")
        }
    };
    Found::Refused {
        reason,
        hint: "keep the file in its container, below the model.json that names its columns, or give it a header line"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::synapse::{AUDIT, Partition};
    use super::*;

    fn found(text: &str, partition: Option<Partition>) -> Option<Found> {
        let known = Known {
            source: "x.csv".into(),
            environment: None,
            zone: chrono_tz::Europe::Berlin,
            date_order: None,
            exported_on: 0,
            record_bytes: 1 << 20,
            partition: partition.map(Arc::new),
        };
        recognise(text.as_bytes(), 0, &known)
    }

    /// A row in the usual order with this many fields.
    fn row(fields: usize) -> String {
        let id = "cccccccc-0000-4000-8000-000000000001";
        let cell = |name: &str| match name {
            "Id" | "auditid" => id.to_owned(),
            "SinkCreatedOn" | "SinkModifiedOn" => "\"6/28/2021 4:34:35 PM\"".to_owned(),
            "action" => "64".to_owned(),
            "createdon" => "\"2021-06-28T16:30:11.0000000+00:00\"".to_owned(),
            _ => String::new(),
        };
        let cells: Vec<String> = AUDIT_ORDER.split(',').take(fields).map(cell).collect();
        cells.join(",") + &",".repeat(fields - cells.len()) + "\n"
    }

    #[test]
    fn without_a_model_only_rows_in_the_usual_order_and_length_are_read() {
        for fields in 27..=29 {
            let Some(Found::Export(head)) = found(&row(fields).repeat(3), None) else {
                panic!("{fields} fields");
            };
            assert_eq!(
                (head.form.name(), head.zone, head.notes.len()),
                ("synapse-csv", Tz::UTC, 1)
            );
        }
        for text in [
            row(26),
            row(30),
            row(28).replace(",64,", ",web,"),
            row(28).replace("2021-06-28T", "x"),
        ] {
            assert!(matches!(found(&text, None), Some(Found::Refused { .. })), "{text}");
        }
        for text in [
            "colour,size\nred,3\n",
            "call the auditors back\n",
            "auditid,createdon,action\n",
        ] {
            assert!(found(text, None).is_none(), "{text}");
        }
    }

    #[test]
    fn a_partition_is_read_for_one_row_that_fits_and_what_has_a_header_is_not_headless() {
        let columns: Arc<[String]> = ["Id", "action", "createdon"].map(str::to_owned).into();
        let partition = |table| {
            Some(Partition {
                table,
                columns: Some(columns.clone()),
                environment: Some("dataverse-a-b".into()),
            })
        };
        let good = "cccccccc-0000-4000-8000-000000000001,64,2021-06-28T16:30:11Z\n";
        let bad = "\"broken\"x\nq,q,q\nr,r,r\n";
        let Some(Found::Export(head)) = found(&[bad, good].concat(), partition(Some(AUDIT))) else {
            panic!("one row fits");
        };
        assert_eq!(&*head.environment, "dataverse-a-b");
        assert!(
            !matches!(found(&[bad, good].concat(), partition(None)), Some(Found::Export(_))),
            "a stray file"
        );
        assert!(found(&["auditid,action,createdon\n", good].concat(), partition(Some(AUDIT))).is_none());
        let Some(Found::Export(head)) = found(good, partition(Some("systemuser"))) else {
            panic!("a side table");
        };
        assert_eq!(head.table, Table::SystemUser);
        // Of a row longer than the sample only the beginning is known.
        let long = "cccccccc-0000-4000-8000-000000000001,64,\"2021-06-28";
        assert!(matches!(found(long, partition(Some(AUDIT))), Some(Found::Export(_))));
    }
}
