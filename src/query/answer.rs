//! polars' answer → a table that can be written: only the seven column types that every BI tool imports.
//!
//! Smaller and unsigned integers become the signed ones that hold them, single precision becomes double, and a timestamp
//! without a zone is UTC, as everywhere. What has no honest form is refused with the way out.

use super::frame;
use crate::error::{self, Error};
use crate::report::table::{Batches, Rows, Table};
use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{self as arrow_types, Field, SchemaRef, TimeUnit as ArrowUnit};
use polars::prelude::{Column, DataFrame, DataType, PolarsResult};
use std::sync::Arc;

/// Rows that are turned into arrow's columns at a time.
const BATCH_ROWS: usize = 1 << 16;

/// The answer as a table named `answer`.
pub fn table(found: DataFrame) -> error::Result<Table> {
    if found.width() == 0 {
        return Err(Error::usage("the answer has no columns").hint("name a column, or * for all"));
    }
    if found.columns().iter().any(|column| column.name().is_empty()) {
        return Err(Error::usage("a column of the answer has no name").hint("name it with AS"));
    }
    let columns = found
        .columns()
        .iter()
        .map(writable)
        .collect::<error::Result<Vec<_>>>()?;
    let field = |column: &Column| Field::new(column.name().as_str(), arrow_type(column.dtype()), true);
    let schema: SchemaRef = Arc::new(arrow_types::Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
    let rows = Answer {
        frame: DataFrame::new(found.height(), columns)?,
        schema: schema.clone(),
    };
    Ok(Table::of("answer", schema, Arc::new(rows))?)
}

/// The column as one of the seven types.
fn writable(column: &Column) -> error::Result<Column> {
    let target = match column.dtype() {
        DataType::Boolean | DataType::String | DataType::Int32 | DataType::Int64 => return Ok(column.clone()),
        DataType::Float64 | DataType::Date => return Ok(column.clone()),
        DataType::Int8 | DataType::Int16 | DataType::UInt8 | DataType::UInt16 => DataType::Int32,
        DataType::UInt32 | DataType::UInt64 | DataType::Int128 | DataType::UInt128 => DataType::Int64,
        DataType::Float32 => DataType::Float64,
        DataType::Null => DataType::String,
        DataType::Datetime(_, None) => frame::instants(),
        other => return Err(refused(column.name(), other)),
    };
    column.strict_cast(&target).map_err(|_| {
        Error::usage(format!(
            "column {:?} has a number beyond 64 bits with sign",
            column.name().as_str()
        ))
        .hint("make it smaller, or a text with CAST(… AS VARCHAR)")
    })
}

fn refused(name: &str, found: &DataType) -> Error {
    let (what, hint) = match found {
        DataType::Duration(_) => (
            "a duration",
            "CAST(… AS BIGINT) gives its microseconds; divided by 1000000 they are seconds",
        ),
        DataType::List(_) | DataType::Array(..) => ("a list", "ARRAY_TO_STRING(…, ', ') makes it a text, UNNEST rows"),
        DataType::Struct(_) => ("a struct", "name its fields one by one"),
        DataType::Decimal(..) => ("a decimal number", "CAST(… AS DOUBLE) or AS VARCHAR gives it a form"),
        DataType::Time => ("a time of day", "CAST(… AS VARCHAR) makes it a text"),
        _ => (
            "a value that has no text",
            "choose another column, or CAST(… AS VARCHAR)",
        ),
    };
    Error::usage(format!("column {name:?} is {what}, which no file format here can hold")).hint(hint)
}

fn arrow_type(found: &DataType) -> arrow_types::DataType {
    match found {
        DataType::Boolean => arrow_types::DataType::Boolean,
        DataType::Int32 => arrow_types::DataType::Int32,
        DataType::Int64 => arrow_types::DataType::Int64,
        DataType::Float64 => arrow_types::DataType::Float64,
        DataType::Date => arrow_types::DataType::Date32,
        DataType::Datetime(..) => arrow_types::DataType::Timestamp(ArrowUnit::Microsecond, Some("UTC".into())),
        _ => arrow_types::DataType::Utf8,
    }
}

/// Rows in polars' hands, turned into arrow's as they are taken.
struct Answer {
    frame: DataFrame,
    schema: SchemaRef,
}

impl Answer {
    fn batch(&self, start: usize) -> error::Result<RecordBatch> {
        let rows = self.frame.slice(start as i64, BATCH_ROWS);
        let columns = rows.columns().iter().map(array).collect::<PolarsResult<_>>()?;
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }
}

impl Rows for Answer {
    fn num_rows(&self) -> error::Result<usize> {
        Ok(self.frame.height())
    }

    fn batches(&self) -> Batches<'_> {
        Box::new(
            (0..self.frame.height())
                .step_by(BATCH_ROWS)
                .map(|start| self.batch(start)),
        )
    }

    /// What was asked for is shown, if it is the same in all rows too.
    fn only_environment(&self) -> error::Result<Option<String>> {
        Ok(None)
    }
}

/// The column is one that [`writable`] has made.
fn array(column: &Column) -> PolarsResult<ArrayRef> {
    let physical = column.to_physical_repr();
    Ok(match column.dtype() {
        DataType::String => Arc::new(physical.str()?.iter().collect::<StringArray>()),
        DataType::Boolean => Arc::new(physical.bool()?.iter().collect::<BooleanArray>()),
        DataType::Float64 => Arc::new(physical.f64()?.iter().collect::<Float64Array>()),
        DataType::Int32 => Arc::new(physical.i32()?.iter().collect::<Int32Array>()),
        DataType::Date => Arc::new(physical.i32()?.iter().collect::<Date32Array>()),
        DataType::Datetime(..) => {
            let micros = physical.i64()?.iter().collect::<TimestampMicrosecondArray>();
            Arc::new(micros.with_timezone("UTC"))
        }
        _ => Arc::new(physical.i64()?.iter().collect::<Int64Array>()),
    })
}
