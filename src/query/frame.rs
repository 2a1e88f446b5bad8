//! Arrow's columns → polars' columns. Both have the same layout in memory, but only unsafe code could share it, so values
//! are copied; a text column that came as keys into its values is copied value by value and then pointed into.

use crate::error;
use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray, RecordBatch};
use arrow::compute::concat;
use arrow::datatypes::{
    self as arrow_types, ArrowPrimitiveType, Date32Type, Float64Type, Int32Type, Int64Type, TimeUnit as ArrowUnit,
    TimestampMicrosecondType,
};
use polars::prelude::{
    BooleanChunked, ChunkTake, ChunkedArray, Column, DataFrame, DataType, Float64Chunked, IdxCa, Int32Chunked,
    Int64Chunked, IntoColumn, IntoLazy, IntoSeries, LazyFrame, NewChunkedArray, PlSmallStr, PolarsNumericType,
    PolarsResult, Schema, SchemaRef, StringChunked, TimeUnit, polars_err,
};
use std::sync::Arc;

/// polars' types for columns of arrow's.
pub fn schema(columns: &arrow_types::SchemaRef) -> PolarsResult<SchemaRef> {
    let mut schema = Schema::default();
    for field in columns.fields() {
        schema.insert(field.name().as_str().into(), data_type(field.data_type())?);
    }
    Ok(Arc::new(schema))
}

fn data_type(found: &arrow_types::DataType) -> PolarsResult<DataType> {
    Ok(match found {
        arrow_types::DataType::Utf8 => DataType::String,
        arrow_types::DataType::Int32 => DataType::Int32,
        arrow_types::DataType::Int64 => DataType::Int64,
        arrow_types::DataType::Float64 => DataType::Float64,
        arrow_types::DataType::Boolean => DataType::Boolean,
        arrow_types::DataType::Date32 => DataType::Date,
        arrow_types::DataType::Timestamp(ArrowUnit::Microsecond, Some(_)) => instants(),
        other => return Err(polars_err!(SchemaMismatch: "a column has the type {other}")),
    })
}

/// Microseconds since 1970, UTC. For polars they are without a zone, so that they compare with SQL's own timestamps.
pub fn instants() -> DataType {
    DataType::Datetime(TimeUnit::Microseconds, None)
}

/// No rows of some of these columns.
pub fn empty(columns: &arrow_types::SchemaRef, names: &[&str]) -> PolarsResult<DataFrame> {
    let schema = schema(columns)?;
    let column = |name: &&str| {
        let found = schema.get(name).ok_or_else(|| polars_err!(ColumnNotFound: "{name}"))?;
        Ok(Column::new_empty((*name).into(), found))
    };
    DataFrame::new(0, names.iter().map(column).collect::<PolarsResult<_>>()?)
}

/// A whole table.
pub fn of_batches(
    columns: &arrow_types::SchemaRef,
    batches: impl Iterator<Item = error::Result<RecordBatch>>,
) -> error::Result<LazyFrame> {
    let names: Vec<&str> = columns.fields().iter().map(|field| field.name().as_str()).collect();
    let mut all = empty(columns, &names)?;
    for batch in batches {
        let batch = batch?;
        all.vstack_mut_owned(of_columns(&names, std::slice::from_ref(&batch), batch.num_rows())?)?;
    }
    Ok(all.lazy())
}

/// The named columns of consecutive batches, `rows` in all.
pub fn of_columns(names: &[&str], batches: &[RecordBatch], rows: usize) -> PolarsResult<DataFrame> {
    let column = |name: &&str| {
        let missing = || polars_err!(ColumnNotFound: "{name}");
        let parts: Vec<&ArrayRef> = batches
            .iter()
            .map(|batch| batch.column_by_name(name).ok_or_else(missing))
            .collect::<PolarsResult<_>>()?;
        let parts: Vec<&dyn Array> = parts.into_iter().map(|part| &**part).collect();
        let whole = concat(&parts).map_err(|cause| polars_err!(ComputeError: "{cause}"))?;
        values((*name).into(), &whole)
    };
    DataFrame::new(rows, names.iter().map(column).collect::<PolarsResult<_>>()?)
}

fn values(name: PlSmallStr, array: &ArrayRef) -> PolarsResult<Column> {
    Ok(match array.data_type() {
        arrow_types::DataType::Utf8 => {
            StringChunked::from_iter_options(name, array.as_string::<i32>().iter()).into_column()
        }
        arrow_types::DataType::Dictionary(..) => {
            let keyed = array.as_dictionary::<Int32Type>();
            let all = keyed.values().as_string::<i32>();
            if keyed.len() <= all.len() {
                // Few rows do not keep all values in memory.
                let of_rows = keyed.keys().iter().map(|key| key.map(|key| all.value(key as usize)));
                return Ok(StringChunked::from_iter_options(name, of_rows).into_column());
            }
            let texts = StringChunked::from_iter_options(name, all.iter());
            let keys = keyed.keys().iter().map(|key| key.map(|key| key as u32));
            texts.take(&IdxCa::from_iter_options("".into(), keys))?.into_column()
        }
        arrow_types::DataType::Int32 => {
            let found: Int32Chunked = numbers(name, array.as_primitive::<Int32Type>());
            found.into_column()
        }
        arrow_types::DataType::Int64 => {
            let found: Int64Chunked = numbers(name, array.as_primitive::<Int64Type>());
            found.into_column()
        }
        arrow_types::DataType::Float64 => {
            let found: Float64Chunked = numbers(name, array.as_primitive::<Float64Type>());
            found.into_column()
        }
        arrow_types::DataType::Boolean => {
            BooleanChunked::from_iter_options(name, array.as_boolean().iter()).into_column()
        }
        arrow_types::DataType::Date32 => {
            let found: Int32Chunked = numbers(name, array.as_primitive::<Date32Type>());
            found.into_series().into_date().into_column()
        }
        arrow_types::DataType::Timestamp(..) => {
            let found: Int64Chunked = numbers(name, array.as_primitive::<TimestampMicrosecondType>());
            let found = found.into_series();
            found.into_datetime(TimeUnit::Microseconds, None).into_column()
        }
        other => return Err(polars_err!(SchemaMismatch: "column {name} has the type {other}")),
    })
}

fn numbers<A, P>(name: PlSmallStr, array: &PrimitiveArray<A>) -> ChunkedArray<P>
where
    A: ArrowPrimitiveType,
    P: PolarsNumericType<Native = A::Native>,
    ChunkedArray<P>: NewChunkedArray<P, A::Native>,
{
    match array.null_count() {
        0 => ChunkedArray::from_slice(name, array.values()),
        _ => ChunkedArray::from_iter_options(name, array.iter()),
    }
}
