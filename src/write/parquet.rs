//! Parquet as every BI tool reads it: flat, signed integers, UTF-8, UTC instants in micros, dates, and no encoding but
//! PLAIN and dictionary (RLE stands only in levels and dictionary indices). A table without rows is a file with the
//! schema. The settings of the run stand in the file's key-value metadata, in the order given.
//!
//! Writing millions of session rows is the main cost of a report, so all columns of a row group are encoded in
//! parallel, and the next group is encoded while the last one goes to the sink. Figures for 3 million sessions of 15
//! columns (900 MB in memory), both cores of a busy machine, median of five: FIGURES.
//!
//! - Statistics per row group, not per page: the small tables have one page anyway, and BI tools skip no pages.
//! - `ARROW:schema`, which arrow adds to files, is left out: Parquet's own types say all that these tables hold, the
//!   file reads back with the same schema, and a second statement of the schema is one that readers can get wrong.
//! - The writer's name (`created_by`) is arrow's default: readers look there for the known faults of writers.

use crate::report::table::Table;
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field};
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, ArrowWriter, ArrowWriterOptions, compute_leaves,
};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::Result;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;
use rayon::prelude::*;
use std::io::Write;

const ROWS_PER_GROUP: usize = 1024 * 1024;
const ZSTD_LEVEL: i32 = 3;

/// Writes one table as a whole file.
pub fn write(table: &Table, settings: &[(String, String)], sink: impl Write + Send) -> Result<()> {
    let options = ArrowWriterOptions::new()
        .with_properties(properties(table, settings)?)
        .with_skip_arrow_metadata(true);
    let writer = ArrowWriter::try_new_with_options(sink, table.schema.clone(), options)?;
    let (mut file, columns) = writer.into_serialized_writer()?;
    let mut encoded = Vec::new();
    for (index, group) in table.chunks(ROWS_PER_GROUP).iter().enumerate() {
        let last = std::mem::take(&mut encoded);
        let (next, appended) = rayon::join(
            || encode(table, &columns, index, group),
            || append(&mut file, last),
        );
        appended?;
        encoded = next?;
    }
    append(&mut file, encoded)?;
    file.close()?;
    Ok(())
}

/// Encodes a row group, one task per column.
fn encode(
    table: &Table,
    columns: &ArrowRowGroupWriterFactory,
    index: usize,
    group: &[RecordBatch],
) -> Result<Vec<ArrowColumnChunk>> {
    columns
        .create_column_writers(index)?
        .into_par_iter()
        .enumerate()
        // Columns differ widely in cost: no thread may take several at once.
        .with_max_len(1)
        .map(|(column, writer)| encode_column(writer, table.schema.field(column), column, group))
        .collect()
}

fn encode_column(
    mut writer: ArrowColumnWriter,
    field: &Field,
    column: usize,
    group: &[RecordBatch],
) -> Result<ArrowColumnChunk> {
    for batch in group {
        // A flat column has exactly one leaf: itself.
        for leaf in compute_leaves(field, batch.column(column))? {
            writer.write(&leaf)?;
        }
    }
    writer.close()
}

/// Appends an encoded row group; none has been encoded yet when it has no columns.
fn append<W: Write + Send>(file: &mut SerializedFileWriter<W>, chunks: Vec<ArrowColumnChunk>) -> Result<()> {
    if chunks.is_empty() {
        return Ok(());
    }
    let mut group = file.next_row_group()?;
    for chunk in chunks {
        chunk.append_to_row_group(&mut group)?;
    }
    group.close()?;
    Ok(())
}

fn properties(table: &Table, settings: &[(String, String)]) -> Result<WriterProperties> {
    let metadata = settings
        .iter()
        .map(|(key, value)| KeyValue::new(key.clone(), value.clone()))
        .collect();
    let builder = WriterProperties::builder()
        // Version 2 would write booleans as RLE and strings as deltas, which Power BI does not read.
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_max_row_group_row_count(Some(ROWS_PER_GROUP))
        .set_key_value_metadata(Some(metadata));
    let fields = table.schema.fields().iter();
    let builder = fields.fold(builder, |builder, field| {
        let path = ColumnPath::from(field.name().clone());
        builder.set_column_dictionary_enabled(path, repeats(field.data_type()))
    });
    Ok(builder.build())
}

/// Whether a dictionary pays. Names, counts and dates repeat. Instants hardly do: their dictionary overflows after
/// 131,072 values of a row group and is then only ballast (measured: DICTIONARY).
fn repeats(data_type: &DataType) -> bool {
    !matches!(data_type, DataType::Timestamp(..))
}
