//! Web API rows as typed columns of a Parquet file, written batch by batch: codes INT32, versions INT64, times in micros
//! UTC, zstd. Where the log is annotated, names stand in columns of their own.

use super::{Files, Form};
use crate::generate::bytes::push_guid;
use crate::generate::draw::Guid;
use crate::generate::log::Log;
use crate::generate::row::Row;
use crate::generate::side::{self, Kind, Table, Value};
use crate::generate::sink::{Stream, Written};
use crate::generate::stream::{Piece, Printer, Shape, Sink};
use arrow::array::{
    ArrayRef, BooleanBuilder, Int32Builder, Int64Builder, RecordBatch, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use std::io::{self, Write};
use std::sync::Arc;

/// Bounds the memory of a row group that is being encoded.
const ROWS_PER_GROUP: usize = 1 << 17;
const ROWS_PER_BATCH: usize = 4096;
const ZSTD_LEVEL: i32 = 1;

/// The columns of the flattened Web API, in its order.
const AUDIT: [(&str, Kind); 14] = [
    ("_objectid_value", Kind::Guid),
    ("_userid_value", Kind::Guid),
    ("versionnumber", Kind::Long),
    ("operation", Kind::Choice),
    ("createdon", Kind::Instant),
    ("auditid", Kind::Guid),
    ("changedata", Kind::Text),
    ("attributemask", Kind::Text),
    ("action", Kind::Choice),
    ("objecttypecode", Kind::Text),
    ("transactionid", Kind::Guid),
    ("_regardingobjectid_value", Kind::Guid),
    ("useradditionalinfo", Kind::Text),
    ("_callinguserid_value", Kind::Guid),
];

const NAMES: [(&str, Kind); 3] = [
    ("objectidname", Kind::Text),
    ("useridname", Kind::Text),
    ("callinguseridname", Kind::Text),
];

fn schema(columns: &[(&str, Kind)]) -> SchemaRef {
    let data_type = |kind| match kind {
        Kind::Guid | Kind::Text => DataType::Utf8,
        Kind::Flag => DataType::Boolean,
        Kind::Choice | Kind::Int => DataType::Int32,
        Kind::Long => DataType::Int64,
        Kind::Instant => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
    };
    let fields = columns
        .iter()
        .map(|(name, kind)| Field::new(*name, data_type(*kind), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// A value on its way into a column.
#[derive(Debug, Clone, Copy)]
enum Cell<'a> {
    Null,
    Guid(&'a Guid),
    Text(&'a [u8]),
    Flag(bool),
    Number(i64),
}

#[derive(Debug)]
enum Column {
    Text(StringBuilder),
    Flag(BooleanBuilder),
    Int(Int32Builder),
    Long(Int64Builder),
    Micros(TimestampMicrosecondBuilder),
}

impl Column {
    fn new(kind: Kind) -> Column {
        match kind {
            Kind::Guid | Kind::Text => Column::Text(StringBuilder::new()),
            Kind::Flag => Column::Flag(BooleanBuilder::new()),
            Kind::Choice | Kind::Int => Column::Int(Int32Builder::new()),
            Kind::Long => Column::Long(Int64Builder::new()),
            Kind::Instant => Column::Micros(TimestampMicrosecondBuilder::new().with_timezone("UTC")),
        }
    }

    /// Empty text is null.
    fn push(&mut self, cell: Cell<'_>) {
        match (self, cell) {
            (Column::Text(column), Cell::Guid(id)) => {
                let mut text = Vec::with_capacity(36);
                push_guid(&mut text, id);
                column.append_value(String::from_utf8_lossy(&text));
            }
            (Column::Text(column), Cell::Text(text)) if !text.is_empty() => {
                column.append_value(String::from_utf8_lossy(text));
            }
            (Column::Text(column), _) => column.append_null(),
            (Column::Flag(column), Cell::Flag(is_set)) => column.append_value(is_set),
            (Column::Flag(column), _) => column.append_null(),
            (Column::Int(column), Cell::Number(number)) => column.append_value(number as i32),
            (Column::Int(column), _) => column.append_null(),
            (Column::Long(column), Cell::Number(number)) => column.append_value(number),
            (Column::Long(column), _) => column.append_null(),
            (Column::Micros(column), Cell::Number(unix_s)) => column.append_value(unix_s * 1_000_000),
            (Column::Micros(column), _) => column.append_null(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Column::Text(column) => Arc::new(column.finish()),
            Column::Flag(column) => Arc::new(column.finish()),
            Column::Int(column) => Arc::new(column.finish()),
            Column::Long(column) => Arc::new(column.finish()),
            Column::Micros(column) => Arc::new(column.finish()),
        }
    }
}

/// Rows on their way into a batch. Finishing one empties the columns for the next.
#[derive(Debug, Default)]
pub struct Batch {
    columns: Vec<Column>,
    made: Option<RecordBatch>,
}

impl Batch {
    fn begin(&mut self, columns: &[(&str, Kind)]) {
        self.made = None;
        if self.columns.is_empty() {
            self.columns = columns.iter().map(|(_, kind)| Column::new(*kind)).collect();
        }
    }

    fn push<'a>(&mut self, cells: impl IntoIterator<Item = Cell<'a>>) {
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            column.push(cell);
        }
    }

    fn finish(&mut self, schema: &SchemaRef) {
        let columns = self.columns.iter_mut().map(Column::finish).collect();
        // Nothing but a fault of ours makes columns differ from their schema; the sink then says that a batch is missing.
        self.made = RecordBatch::try_new(schema.clone(), columns).ok();
    }
}

/// A Parquet file being written.
struct ParquetFile<W: Write + Send>(ArrowWriter<Stream<W>>);

impl<W: Write + Send> ParquetFile<W> {
    fn new(to: W, schema: SchemaRef) -> io::Result<ParquetFile<W>> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
            .set_max_row_group_row_count(Some(ROWS_PER_GROUP))
            .build();
        Ok(ParquetFile(ArrowWriter::try_new(
            Stream::new(to),
            schema,
            Some(properties),
        )?))
    }

    fn write(&mut self, batch: &Batch) -> io::Result<()> {
        let missing = || io::Error::other("rows do not fit their columns");
        Ok(self.0.write(batch.made.as_ref().ok_or_else(missing)?)?)
    }

    fn finish(mut self) -> io::Result<Written> {
        self.0.finish()?;
        let bytes = self.0.inner().bytes;
        Ok(Written { bytes, files: 1 })
    }
}

impl<W: Write + Send> Sink<Batch> for ParquetFile<W> {
    fn put(&mut self, _: &Piece, batch: &Batch) -> io::Result<()> {
        self.write(batch)
    }
}

struct Columns {
    columns: Vec<(&'static str, Kind)>,
    schema: SchemaRef,
}

impl Shape for Columns {
    type Made = Batch;

    fn files(&self) -> Files {
        Form::Parquet.files()
    }

    fn rows_per_piece(&self) -> usize {
        ROWS_PER_BATCH
    }

    fn begin(&self, _: &Piece, batch: &mut Batch) {
        batch.begin(&self.columns);
    }

    fn row(&self, row: &Row, _: u32, _: bool, batch: &mut Batch) {
        let caller = row.calling_user.as_ref();
        batch.push([
            Cell::Guid(&row.object.id),
            Cell::Guid(&row.user.id),
            Cell::Number(row.version as i64),
            Cell::Number(i64::from(row.operation)),
            Cell::Number(row.unix_s),
            Cell::Guid(&row.audit_id),
            Cell::Text(&row.change_data),
            Cell::Text(&row.attribute_mask),
            Cell::Number(i64::from(row.action)),
            Cell::Text(row.object_type.as_bytes()),
            Cell::Guid(&row.transaction_id),
            Cell::Null,
            Cell::Null,
            caller.map_or(Cell::Null, |caller| Cell::Guid(&caller.id)),
            // Bare logs have no column for these.
            Cell::Text(&row.object.name),
            Cell::Text(&row.user.name),
            caller.map_or(Cell::Null, |caller| Cell::Text(&caller.name)),
        ]);
    }

    fn end(&self, _: &Piece, batch: &mut Batch) {
        batch.finish(&self.schema);
    }
}

/// Writes the log.
pub fn write(log: &Log, to: impl Write + Send) -> io::Result<Written> {
    let names: &[_] = if log.plan.annotated { &NAMES } else { &[] };
    let columns = [&AUDIT, names].concat();
    let schema = schema(&columns);
    let mut file = ParquetFile::new(to, schema.clone())?;
    let shape = Columns { columns, schema };
    Printer { log, shape }.print(&mut file)?;
    file.finish()
}

/// Writes a side table.
pub fn write_side(log: &Log, table: &Table, to: impl Write + Send) -> io::Result<Written> {
    let columns: Vec<_> = table.columns.iter().map(|column| (column.name, column.kind)).collect();
    let schema = schema(&columns);
    let mut file = ParquetFile::new(to, schema.clone())?;
    let mut batch = Batch::default();
    let mut rows = side::rows(log, table).peekable();
    while rows.peek().is_some() {
        batch.begin(&columns);
        for values in rows.by_ref().take(ROWS_PER_BATCH) {
            batch.push(values.iter().map(cell));
        }
        batch.finish(&schema);
        file.write(&batch)?;
    }
    file.finish()
}

fn cell(value: &Value) -> Cell<'_> {
    match value {
        Value::Null => Cell::Null,
        Value::Guid(id) => Cell::Guid(id),
        Value::Text(text) => Cell::Text(text.as_bytes()),
        Value::Flag(is_set, _) => Cell::Flag(*is_set),
        Value::Choice(code, _) => Cell::Number(i64::from(*code)),
        Value::Whole(number) | Value::Instant(number) => Cell::Number(*number),
    }
}
