//! A checkpoint of a Delta log (Parquet) → its rows as JSON, as a commit spells the same actions.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use arrow::error::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use serde_json::{Map, Value};
use std::fs::File;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// The columns that say which files are live and how to read them; statistics, the bulk, are left out.
const COLUMNS: [&str; 9] = [
    "add.path",
    "add.partitionValues",
    "add.deletionVector",
    "protocol.minReaderVersion",
    "protocol.readerFeatures",
    "metaData.configuration",
    "sidecar.path",
    "remove.path",
    "remove.deletionVector",
];

/// Gives each row, as an object of its actions, to `take`.
pub fn read(file: File, mut take: impl FnMut(Value) -> Result<(), serde_json::Error>) -> Result<(), AnyError> {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options)?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), COLUMNS);
    for batch in builder.with_projection(mask).build()? {
        let batch = batch?;
        for row in 0..batch.num_rows() {
            let schema = batch.schema();
            let columns = schema.fields().iter().zip(batch.columns());
            let actions: Result<Map<String, Value>, ArrowError> = columns
                .map(|(field, column)| Ok((field.name().clone(), value(column, row)?)))
                .collect();
            take(Value::Object(actions?))?;
        }
    }
    Ok(())
}

fn value(column: &ArrayRef, row: usize) -> Result<Value, ArrowError> {
    if column.is_null(row) {
        return Ok(Value::Null);
    }
    Ok(match column.data_type() {
        DataType::Struct(fields) => {
            let members = fields.iter().zip(column.as_struct().columns());
            let members: Result<Map<String, Value>, ArrowError> = members
                .map(|(field, column)| Ok((field.name().clone(), value(column, row)?)))
                .collect();
            Value::Object(members?)
        }
        DataType::List(_) => {
            let items = column.as_list::<i32>().value(row);
            Value::Array(
                (0..items.len())
                    .map(|item| value(&items, item))
                    .collect::<Result<_, _>>()?,
            )
        }
        DataType::Map(..) => {
            let entries = column.as_map().value(row);
            let (keys, values) = (cast(entries.column(0), &DataType::Utf8)?, entries.column(1));
            let keys = keys.as_string::<i32>();
            let entries: Result<Map<String, Value>, ArrowError> = (0..keys.len())
                .map(|entry| Ok((keys.value(entry).to_owned(), value(values, entry)?)))
                .collect();
            Value::Object(entries?)
        }
        kind if kind.is_integer() => {
            let number = cast(&column.slice(row, 1), &DataType::Int64)?;
            Value::from(number.as_primitive::<Int64Type>().value(0))
        }
        _ => {
            let text = cast(&column.slice(row, 1), &DataType::Utf8)?;
            Value::from(text.as_string::<i32>().value(0))
        }
    })
}
