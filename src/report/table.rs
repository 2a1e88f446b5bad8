//! A finished report table: what `report/` hands to `write/`.
//!
//! Rows stand in their final order, strings are text, instants are microseconds in UTC, unknown is null. A table has
//! only the seven column types that every BI tool imports (design §4, Output); [`Table::of`] refuses anything else,
//! so that the writers need no fallback for a type that never comes.
//!
//! Small tables are held; one that may be larger than memory makes its rows, batch by batch, each time it is written
//! ([`Rows`]).
//!
//! Words: a *chunk* is a run of rows, cut without copying, in which the work of a writer is shared out.

#[cfg(test)]
pub use super::values::{NO_TEXT, Stretch, push_run};
pub use super::values::{Run, Stretches, Values};
use crate::error;
use arrow::array::{
    Array, AsArray, BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{
    DataType, Date32Type, Float64Type, Int32Type, Int64Type, SchemaRef, TimeUnit, TimestampMicrosecondType,
};
use arrow::error::ArrowError;
use std::fmt;
use std::sync::Arc;

/// Batches of rows, in order.
pub type Batches<'a> = Box<dyn Iterator<Item = error::Result<RecordBatch>> + Send + 'a>;

/// Where the rows of a table come from. They can be taken as often as needed, and are the same every time.
pub trait Rows: Send + Sync {
    /// How many there are. Those that are made as they are taken may have to be made to be counted.
    fn num_rows(&self) -> error::Result<usize>;

    fn batches(&self) -> Batches<'_>;

    /// The same rows as plain values, where they are not held as arrays.
    fn stretches(&self) -> Option<Box<dyn Stretches<'_> + '_>> {
        None
    }

    /// The environment of all rows, if there is just one.
    fn only_environment(&self) -> error::Result<Option<String>>;
}

/// One report, finished.
#[derive(Clone)]
pub struct Table {
    pub name: &'static str,
    pub schema: SchemaRef,
    /// Whether it only says what keys of reports mean, and so belongs to a model for BI.
    pub is_dimension: bool,
    rows: Arc<dyn Rows>,
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Table {
    /// A small table, held in memory. Checks that every batch has the columns of the schema, and that each column's
    /// type can be written.
    pub fn new(name: &'static str, schema: SchemaRef, batches: Vec<RecordBatch>) -> Result<Self, ArrowError> {
        let batches = batches
            .into_iter()
            .map(|batch| under_schema(name, &schema, batch))
            .collect::<Result<_, _>>()?;
        Table::of(name, schema, Arc::new(Held(batches)))
    }

    /// A table whose rows are made when they are taken, in batches of this schema.
    pub fn of(name: &'static str, schema: SchemaRef, rows: Arc<dyn Rows>) -> Result<Self, ArrowError> {
        for field in schema.fields() {
            if !is_writable(field.data_type()) {
                let (column, found) = (field.name(), field.data_type());
                return Err(ArrowError::SchemaError(format!(
                    "table {name}: column {column} has the type {found}"
                )));
            }
        }
        Ok(Table {
            name,
            schema,
            is_dimension: false,
            rows,
        })
    }

    pub fn as_dimension(self) -> Table {
        Table {
            is_dimension: true,
            ..self
        }
    }

    /// How many rows it has.
    pub fn num_rows(&self) -> error::Result<usize> {
        self.rows.num_rows()
    }

    /// The environment of all rows, if there is just one.
    pub fn only_environment(&self) -> error::Result<Option<String>> {
        self.rows.only_environment()
    }

    /// All rows, in order.
    pub fn batches(&self) -> impl Iterator<Item = error::Result<RecordBatch>> + Send {
        let checked = |batch: error::Result<RecordBatch>| Ok(under_schema(self.name, &self.schema, batch?)?);
        self.rows.batches().map(checked)
    }

    /// Cuts the rows into chunks of `rows` rows (the last may be shorter), in order and without copying.
    pub fn chunks(&self, rows: usize) -> impl Iterator<Item = error::Result<Vec<RecordBatch>>> + Send {
        Chunks {
            batches: self.batches(),
            rest: None,
            rows: rows.max(1),
        }
    }

    /// The same rows as plain values, where they are not held as arrays.
    pub fn stretches(&self) -> Option<Box<dyn Stretches<'_> + '_>> {
        self.rows.stretches()
    }
}

struct Held(Vec<RecordBatch>);

impl Rows for Held {
    fn num_rows(&self) -> error::Result<usize> {
        Ok(self.0.iter().map(RecordBatch::num_rows).sum())
    }

    fn batches(&self) -> Batches<'_> {
        Box::new(self.0.iter().cloned().map(Ok))
    }

    fn only_environment(&self) -> error::Result<Option<String>> {
        let columns = self.0.iter().filter_map(|batch| batch.column_by_name("environment"));
        let texts = columns.filter_map(|column| column.as_string_opt::<i32>());
        let mut values = texts.flat_map(|texts| texts.iter());
        let only = values.next().flatten();
        let is_only = values.all(|value| value == only);
        Ok(only.filter(|_| is_only).map(str::to_owned))
    }
}

struct Chunks<B> {
    batches: B,
    /// What the last chunk left of its last batch.
    rest: Option<RecordBatch>,
    rows: usize,
}

impl<B: Iterator<Item = error::Result<RecordBatch>>> Iterator for Chunks<B> {
    type Item = error::Result<Vec<RecordBatch>>;

    fn next(&mut self) -> Option<Self::Item> {
        let (mut chunk, mut room) = (Vec::new(), self.rows);
        while room > 0 {
            let batch = match self.rest.take().map(Ok).or_else(|| self.batches.next()) {
                Some(Ok(batch)) => batch,
                Some(Err(error)) => return Some(Err(error)),
                None => break,
            };
            let rows = batch.num_rows();
            let taken = rows.min(room);
            room -= taken;
            if taken < rows {
                self.rest = Some(batch.slice(taken, rows - taken));
            }
            if taken > 0 {
                chunk.push(batch.slice(0, taken));
            }
        }
        (!chunk.is_empty()).then_some(Ok(chunk))
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
                    .expect("Table::of admits only the seven types"),
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
    use arrow::array::ArrayRef;
    use arrow::array::UInt32Array;
    use arrow::datatypes::{Field, Schema};

    fn numbers(values: std::ops::Range<i64>) -> RecordBatch {
        let values: ArrayRef = Arc::new(Int64Array::from_iter_values(values));
        RecordBatch::try_from_iter_with_nullable([("n", values, true)]).expect("one column")
    }

    #[test]
    fn chunks_cut_across_batches_and_keep_every_row_in_order() {
        let batches = vec![numbers(0..5), numbers(5..5), numbers(5..7), numbers(7..20)];
        let table = Table::new("t", batches[0].schema(), batches).expect("valid");
        let chunks: Vec<Vec<RecordBatch>> = table.chunks(6).collect::<error::Result<_>>().expect("memory");
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
    fn the_only_environment_is_that_of_all_rows() {
        let only = |environments: &[&[Option<&str>]]| {
            let batch = |environments: &&[Option<&str>]| {
                let values: ArrayRef = Arc::new(StringArray::from(environments.to_vec()));
                RecordBatch::try_from_iter_with_nullable([("environment", values, true)]).expect("one column")
            };
            let batches: Vec<RecordBatch> = environments.iter().map(batch).collect();
            let table = Table::new("t", batches[0].schema(), batches).expect("valid");
            table.only_environment().expect("held rows")
        };
        assert_eq!(
            only(&[&[Some("a"), Some("a")], &[], &[Some("a")]]).as_deref(),
            Some("a")
        );
        assert_eq!(only(&[&[Some("a")], &[Some("b")]]), None);
        assert_eq!(only(&[&[Some("a"), None]]), None);
        assert_eq!(only(&[&[]]), None);
        let table = Table::new("t", numbers(0..2).schema(), vec![numbers(0..2)]).expect("valid");
        assert_eq!(table.only_environment().expect("held rows"), None);
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
