//! One row of a report, with the names and values that the report gives it: what an explanation explains.

use super::super::table::Column;
use crate::instant::{date_of, to_text};
use arrow::array::RecordBatch;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

/// Column → value, in the order of the report.
#[derive(Debug, Clone, PartialEq)]
pub struct Record(Vec<(String, Value)>);

impl Record {
    /// The rows of a batch of a report.
    pub fn all(batch: &RecordBatch) -> Vec<Record> {
        let columns = Column::all(batch);
        let names: Vec<String> = batch
            .schema()
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        let row = |row: usize| {
            let values = columns.iter().map(|column| value(column, row));
            Record(names.iter().cloned().zip(values).collect())
        };
        (0..batch.num_rows()).map(row).collect()
    }

    fn get(&self, column: &str) -> Option<&Value> {
        self.0.iter().find(|(name, _)| name == column).map(|(_, value)| value)
    }

    /// A text, or an instant or date as text; `None` where it is null.
    pub fn text(&self, column: &str) -> Option<&str> {
        self.get(column).and_then(Value::as_str)
    }

    pub fn number(&self, column: &str) -> Option<i64> {
        self.get(column).and_then(Value::as_i64)
    }
}

fn value(column: &Column<'_>, row: usize) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    match column {
        Column::Text(values) => values.value(row).into(),
        Column::Long(values) => values.value(row).into(),
        Column::Int(values) => values.value(row).into(),
        Column::Double(values) => values.value(row).into(),
        Column::Date(values) => date_of(values.value(row)).to_string().into(),
        Column::Instant(values) => to_text(values.value(row)).into(),
        Column::Flag(values) => values.value(row).into(),
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
