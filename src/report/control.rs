//! The `control` report: who changed auditing itself, when and how, as a timeline in plain language (contract: design §4).
//!
//! The object stands there by its id alone: exports spell its type and name differently, and which of them brought a row
//! must not matter (L2).

use super::facts::Facts;
use super::options::Options;
use super::table::Table;
use crate::columns;
use crate::error::Result;
use crate::lake::Control;
use crate::record::{ACTION_LOG_DELETION, action_label, control_meaning};
use arrow::array::{ArrayRef, BooleanArray, Int32Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use std::sync::{Arc, LazyLock};

pub static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        columns::required("environment", DataType::Utf8, columns::ENVIRONMENT),
        columns::required("created_on", columns::timestamp(), "When auditing was changed."),
        columns::required("action", DataType::Int32, "The action's code, 102 to 113."),
        columns::optional(
            "action_name",
            DataType::Utf8,
            "Dataverse's English label of the action.",
        ),
        columns::optional(
            "meaning",
            DataType::Utf8,
            "What the row says of the rows around it, in one sentence.",
        ),
        columns::required(
            "is_log_deletion",
            DataType::Boolean,
            "Whether audit logs were deleted (action 111): absence of earlier rows then proves nothing.",
        ),
        columns::optional("user_id", DataType::Utf8, "Who did it, by id."),
        columns::optional("user_name", DataType::Utf8, "The newest name of who did it."),
        columns::optional("object_id", DataType::Utf8, "What it was done to, by id."),
    ]))
});

/// The table of batches, one per environment.
pub fn table(batches: Vec<RecordBatch>) -> Result<Table> {
    Ok(Table::new("control", SCHEMA.clone(), batches)?)
}

/// The rows of one environment, in the order of their columns, null last.
pub fn rows(facts: &Facts, control: &[Control], options: &Options) -> Result<RecordBatch> {
    let is_chosen = |row: &&Control| {
        options.from.is_none_or(|from| from <= row.created_on) && options.to.is_none_or(|to| row.created_on < to)
    };
    let mut rows: Vec<&Control> = control.iter().filter(is_chosen).collect();
    rows.sort_by(|a, b| order(a).cmp(&order(b)));
    let text = |of: &dyn for<'r> Fn(&'r Control) -> Option<&'r str>| -> ArrayRef {
        Arc::new(rows.iter().map(|row| of(row)).collect::<StringArray>())
    };
    let created_on = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.created_on));
    let deletions = rows.iter().map(|row| Some(row.action == ACTION_LOG_DELETION));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(rows.iter().map(|_| &facts.environment))),
        Arc::new(created_on.with_timezone("UTC")),
        Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.action))),
        text(&|row| action_label(row.action)),
        text(&|row| control_meaning(row.action)),
        Arc::new(deletions.collect::<BooleanArray>()),
        text(&|row| row.user_id.as_deref()),
        Arc::new(
            rows.iter()
                .map(|row| facts.name_of(row.user_id.as_deref()?))
                .collect::<StringArray>(),
        ),
        text(&|row| row.object_id.as_deref()),
    ];
    Ok(RecordBatch::try_new(SCHEMA.clone(), columns)?)
}

/// A name follows from its id.
fn order(row: &Control) -> impl Ord + use<'_> {
    fn last(text: &Option<String>) -> (bool, Option<&str>) {
        (text.is_none(), text.as_deref())
    }
    (row.created_on, row.action, last(&row.user_id), last(&row.object_id))
}
