//! Every table a statement can name: what a row of it stands for, its columns and their meanings.
//!
//! The lake's own tables are named after what they hold. Two names would be taken twice, since a report bears them too:
//! `users` is the report, and `control` the lake's rows.

use crate::columns::{self, required};
use crate::error::{Error, Result};
use crate::lake::{Lake, schema};
use crate::record::Kind;
use crate::report::table::Table;
use crate::report::{Report, model};
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use std::sync::Arc;

/// A table by name.
pub struct Listed {
    pub name: &'static str,
    /// What a row of it stands for.
    pub meaning: &'static str,
    /// With their meanings.
    pub columns: SchemaRef,
    pub(super) source: Source,
}

#[derive(Clone, Copy)]
pub(super) enum Source {
    Lake(&'static [Kind]),
    Report(Report),
    /// Of the model's tables, the one at this place.
    Dimension(usize),
    Side(Side),
}

/// What the lake keeps beside the log.
#[derive(Clone, Copy)]
pub(super) enum Side {
    Users,
    Organizations,
    Names,
    Rejects,
}

impl Side {
    pub fn batches(self, lake: &Lake) -> Result<Vec<Result<RecordBatch>>> {
        Ok(match self {
            Side::Users => vec![lake.side()?.users_to_batch()],
            Side::Organizations => vec![lake.side()?.organizations_to_batch()],
            Side::Names => vec![lake.names()?.to_batch()],
            Side::Rejects => {
                let kept: Vec<usize> = rejects_columns().map(|(place, _)| place).collect();
                let without_raw = |rows: Result<RecordBatch>| Ok(rows?.project(&kept)?);
                lake.rejects().map(without_raw).collect()
            }
        })
    }
}

/// What the lake's files hold, and what the local clock makes of it.
pub(super) fn audit_columns() -> Vec<Field> {
    let mut fields = schema::audit_columns();
    fields.push(required(
        CREATED_DATE,
        DataType::Date32,
        "The date of `created_on` in `--tz`.",
    ));
    fields.push(required(
        CREATED_HOUR,
        DataType::Int32,
        "The hour of the day of `created_on` in `--tz`, 0 to 23.",
    ));
    fields
}

pub(super) const CREATED_DATE: &str = "created_date";
pub(super) const CREATED_HOUR: &str = "created_hour";

/// All but the bytes, which are no text.
fn rejects_columns() -> impl Iterator<Item = (usize, Field)> {
    let columns = schema::rejects_columns().into_iter().enumerate();
    columns.filter(|(_, field)| *field.data_type() != DataType::Binary)
}

/// The lake's tables, then the reports, then what their keys mean.
pub fn all() -> Vec<Listed> {
    let of_lake = |name, kinds, meaning| Listed {
        name,
        meaning,
        columns: Arc::new(Schema::new(audit_columns())),
        source: Source::Lake(kinds),
    };
    let beside = |name, side, columns: Vec<Field>, meaning| Listed {
        name,
        meaning,
        columns: Arc::new(Schema::new(columns)),
        source: Source::Side(side),
    };
    let mut all = vec![
        of_lake("audit", &Kind::ALL, "One row per audit record of the lake."),
        of_lake(
            "access",
            &[Kind::Access],
            "The audit rows that say somebody came (actions 64 and 65).",
        ),
        of_lake(
            "change",
            &[Kind::Change],
            "The audit rows that say something was done to a record.",
        ),
        of_lake(
            "control",
            &[Kind::Control],
            "The audit rows that say auditing itself was changed (actions 102 to 113).",
        ),
        beside(
            "systemusers",
            Side::Users,
            schema::users_columns(),
            "One row per known user: the newest state exported.",
        ),
        beside(
            "organizations",
            Side::Organizations,
            schema::organizations_columns(),
            "One row per known organization: the newest state exported.",
        ),
        beside(
            "names",
            Side::Names,
            schema::names_columns(),
            "One row per id and name it was seen with.",
        ),
        beside(
            "rejects",
            Side::Rejects,
            rejects_columns().map(|(_, field)| field).collect(),
            "One row per record that ingest set aside; `gatelog rejects --raw` gives its bytes.",
        ),
    ];
    all.extend(Report::ALL.map(|report| Listed {
        name: match report {
            Report::Control => "control_timeline",
            other => other.name(),
        },
        meaning: report.meaning(),
        columns: report.schema(),
        source: Source::Report(report),
    }));
    all.extend(dimensions());
    all
}

fn dimensions() -> impl Iterator<Item = Listed> {
    let dimensions = model::dimensions().into_iter().enumerate();
    dimensions.map(|(place, dimension)| Listed {
        name: dimension.name,
        meaning: dimension.meaning,
        columns: dimension.schema,
        source: Source::Dimension(place),
    })
}

/// The tables of these names, in this order; an error that lists all if there is one that does not exist.
pub fn named(names: &[String]) -> Result<Vec<Listed>> {
    let find = |name: &String| {
        let mut all = all();
        let place = all
            .iter()
            .position(|listed| listed.name == name)
            .ok_or_else(|| unknown(name))?;
        Ok(all.swap_remove(place))
    };
    names.iter().map(find).collect()
}

fn unknown(name: &str) -> Error {
    let all: Vec<&str> = all().iter().map(|listed| listed.name).collect();
    let all_of_them = || format!("the tables are {}", all.join(", "));
    let near = nearest(name, &all);
    let hint = near.map_or_else(all_of_them, |near| format!("did you mean {near}? {}", all_of_them()));
    Error::usage(format!("there is no table {name:?}")).hint(hint)
}

/// The name that somebody who wrote `name` may have meant.
pub(super) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let likeness = |known: &str| strsim::jaro_winkler(&name.to_lowercase(), &known.to_lowercase());
    let best = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) > 0.85).then_some(best)
}

/// The tables themselves as a table, for SHOW TABLES.
pub(super) fn list() -> Result<Table> {
    let column =
        |of: fn(&Listed) -> &'static str| -> ArrayRef { Arc::new(StringArray::from_iter_values(all().iter().map(of))) };
    let rows = [
        ("name", column(|listed| listed.name)),
        ("meaning", column(|listed| listed.meaning)),
    ];
    let rows = RecordBatch::try_from_iter(rows)?;
    Ok(Table::new("tables", rows.schema(), vec![rows])?)
}

/// A type in plain words.
pub fn type_name(found: &DataType) -> String {
    match found {
        DataType::Utf8 => "string",
        DataType::Int32 => "int32",
        DataType::Int64 => "int64",
        DataType::Float64 => "double",
        DataType::Boolean => "boolean",
        DataType::Date32 => "date",
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => "timestamp",
        other => return other.to_string(),
    }
    .to_owned()
}

/// A column's type; one that may be null ends in `?`.
pub fn column_type(field: &Field) -> String {
    let may_be_null = if field.is_nullable() { "?" } else { "" };
    format!("{}{may_be_null}", type_name(field.data_type()))
}

/// The table before it in the list that has the same columns.
pub fn twin(listed: &[Listed], place: usize) -> Option<&str> {
    let columns = &listed[place].columns;
    listed[..place]
        .iter()
        .find(|other| other.columns == *columns)
        .map(|twin| twin.name)
}

/// Every table with its columns, types and meanings, as Markdown.
pub fn markdown() -> String {
    let mut text = String::new();
    let all = all();
    for (place, listed) in all.iter().enumerate() {
        text += &format!("\n## {}\n\n{}\n\n", listed.name, listed.meaning);
        if let Some(twin) = twin(&all, place) {
            text += &format!("Its columns are those of `{twin}`.\n");
            continue;
        }
        text += "| column | type | meaning |\n| - | - | - |\n";
        for field in listed.columns.fields() {
            let meaning = columns::meaning(field);
            text += &format!("| `{}` | {} | {meaning} |\n", field.name(), column_type(field));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_table_and_every_column_says_in_a_sentence_what_it_means() {
        let is_sentence = |text: &str| text.len() > 8 && text.ends_with('.') && !text.contains(['\n', '|']);
        let mut names = HashSet::new();
        for listed in all() {
            assert!(names.insert(listed.name), "{} is there once", listed.name);
            assert!(is_sentence(listed.meaning), "{}: {}", listed.name, listed.meaning);
            for field in listed.columns.fields() {
                let meaning = columns::meaning(field);
                assert!(is_sentence(meaning), "{}.{}: {meaning:?}", listed.name, field.name());
                assert!(!column_type(field).contains('('), "{}.{}", listed.name, field.name());
            }
        }
    }

    #[test]
    fn what_was_meant_is_near_and_what_was_not_is_not() {
        let known = ["sessions", "gaps", "audit"];
        assert_eq!(nearest("Sesions", &known), Some("sessions"));
        assert_eq!(nearest("AUDIT", &known), Some("audit"));
        assert_eq!(nearest("orders", &known), None);
    }
}
