//! A finished report table: what `report/` hands to `write/`.
//!
//! Rows stand in their final order, strings are text, instants are microseconds in UTC, unknown is null. A table has
//! only the seven column types that every BI tool imports (design §4, Output); [`Table::new`] refuses anything else,
//! so that the writers need no fallback for a type that never comes.
//!
//! Words: a *chunk* is a run of rows, cut without copying, in which the work of a writer is shared out.

use arrow::array::{
    Array, AsArray, BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{
    DataType, Date32Type, Float64Type, Int32Type, Int64Type, SchemaRef, TimeUnit, TimestampMicrosecondType,
};
use arrow::error::ArrowError;

/// One report, finished.
#[derive(Debug, Clone)]
pub struct Table {
    pub name: &'static str,
    pub schema: SchemaRef,
    pub batches: Vec<RecordBatch>,
    /// Only [`Table::new`] makes tables, so their types are known to be writable.
    _checked: Checked,
}

#[derive(Debug, Clone)]
struct Checked;

impl Table {
    /// Checks that every batch has the columns of the schema, and that each column's type can be written.
    pub fn new(name: &'static str, schema: SchemaRef, batches: Vec<RecordBatch>) -> Result<Self, ArrowError> {
        for field in schema.fields() {
            if !is_writable(field.data_type()) {
                let (column, found) = (field.name(), field.data_type());
                return Err(ArrowError::SchemaError(format!(
                    "table {name}: column {column} has the type {found}"
                )));
            }
        }
        let batches = batches
            .into_iter()
            .map(|batch| under_schema(name, &schema, batch))
            .collect::<Result<_, _>>()?;
        Ok(Table {
            name,
            schema,
            batches,
            _checked: Checked,
        })
    }

    pub fn num_rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// Cuts the rows into chunks of `rows` rows (the last may be shorter), in order and without copying.
    pub fn chunks(&self, rows: usize) -> Vec<Vec<RecordBatch>> {
        let (mut chunks, mut chunk, mut room) = (Vec::new(), Vec::new(), rows.max(1));
        for batch in &self.batches {
            let mut taken = 0;
            while taken < batch.num_rows() {
                let length = room.min(batch.num_rows() - taken);
                chunk.push(batch.slice(taken, length));
                taken += length;
                room -= length;
                if room == 0 {
                    chunks.push(std::mem::take(&mut chunk));
                    room = rows.max(1);
                }
            }
        }
        if !chunk.is_empty() {
            chunks.push(chunk);
        }
        chunks
    }
}

/// A column of a batch, by its type.
#[derive(Debug, Clone, Copy)]
pub enum Column<'a> {
    Text(&'a StringArray),
    Long(&'a Int64Array),
    Int(&'a Int32Array),
    Double(&'a Float64Array),
    Date(&'a Date32Array),
    Instant(&'a TimestampMicrosecondArray),
    Flag(&'a BooleanArray),
}

impl<'a> Column<'a> {
    /// The columns of a batch that belongs to a [`Table`].
    pub fn all(batch: &'a RecordBatch) -> Vec<Column<'a>> {
        batch.columns().iter().map(|array| Column::of(array)).collect()
    }

    fn of(array: &'a dyn Array) -> Column<'a> {
        match array.data_type() {
            DataType::Int64 => Column::Long(array.as_primitive::<Int64Type>()),
            DataType::Int32 => Column::Int(array.as_primitive::<Int32Type>()),
            DataType::Float64 => Column::Double(array.as_primitive::<Float64Type>()),
            DataType::Date32 => Column::Date(array.as_primitive::<Date32Type>()),
            DataType::Timestamp(..) => Column::Instant(array.as_primitive::<TimestampMicrosecondType>()),
            DataType::Boolean => Column::Flag(array.as_boolean()),
            _ => Column::Text(
                array
                    .as_string_opt::<i32>()
                    .expect("Table::new admits only the seven types"),
            ),
        }
    }

    pub fn is_null(&self, row: usize) -> bool {
        match self {
            Column::Text(values) => values.is_null(row),
            Column::Long(values) => values.is_null(row),
            Column::Int(values) => values.is_null(row),
            Column::Double(values) => values.is_null(row),
            Column::Date(values) => values.is_null(row),
            Column::Instant(values) => values.is_null(row),
            Column::Flag(values) => values.is_null(row),
        }
    }
}

/// Every instant says UTC: without the zone, BI tools would shift it by their own.
fn is_writable(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::Int64 | DataType::Int32 => true,
        DataType::Float64 | DataType::Date32 | DataType::Boolean => true,
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) => zone.as_ref() == "UTC",
        _ => false,
    }
}

/// The batch with exactly the table's schema: same names in the same order, same types, no null where none may be.
fn under_schema(name: &str, schema: &SchemaRef, batch: RecordBatch) -> Result<RecordBatch, ArrowError> {
    let found = batch.schema();
    let names =
        |schema: &SchemaRef| -> Vec<String> { schema.fields().iter().map(|field| field.name().clone()).collect() };
    if names(schema) != names(&found) {
        let found = names(&found).join(", ");
        return Err(ArrowError::SchemaError(format!(
            "table {name}: a batch has the columns {found}"
        )));
    }
    RecordBatch::try_new(schema.clone(), batch.columns().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, UInt32Array};
    use arrow::datatypes::{Field, Schema};
    use std::sync::Arc;

    fn numbers(values: std::ops::Range<i64>) -> RecordBatch {
        let values: ArrayRef = Arc::new(Int64Array::from_iter_values(values));
        RecordBatch::try_from_iter_with_nullable([("n", values, true)]).expect("one column")
    }

    #[test]
    fn chunks_cut_across_batches_and_keep_every_row_in_order() {
        let batches = vec![numbers(0..5), numbers(5..5), numbers(5..7), numbers(7..20)];
        let table = Table::new("t", batches[0].schema(), batches).expect("valid");
        let chunks = table.chunks(6);
        let sizes: Vec<usize> = chunks
            .iter()
            .map(|chunk| chunk.iter().map(RecordBatch::num_rows).sum())
            .collect();
        assert_eq!(sizes, [6, 6, 6, 2]);
        let rows: Vec<i64> = chunks
            .iter()
            .flatten()
            .flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec())
            .collect();
        assert_eq!(rows, (0..20).collect::<Vec<_>>());
    }

    #[test]
    fn a_type_that_bi_tools_do_not_import_is_refused() {
        let unsigned: ArrayRef = Arc::new(UInt32Array::from(vec![1]));
        let batch = RecordBatch::try_from_iter([("n", unsigned)]).expect("one column");
        let refused = Table::new("t", batch.schema(), vec![batch]).expect_err("unsigned");
        assert!(
            refused.to_string().contains("table t: column n has the type UInt32"),
            "{refused}"
        );
    }

    #[test]
    fn a_batch_of_other_columns_or_with_a_forbidden_null_is_refused() {
        let batch = numbers(0..3);
        let renamed = Arc::new(Schema::new(vec![Field::new("m", DataType::Int64, true)]));
        assert!(Table::new("t", renamed, vec![batch.clone()]).is_err());
        let required = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
        assert!(Table::new("t", required.clone(), vec![batch]).is_ok());
        let null: ArrayRef = Arc::new(Int64Array::from(vec![None]));
        let null = RecordBatch::try_from_iter([("n", null)]).expect("one column");
        assert!(Table::new("t", required, vec![null]).is_err());
    }
}
