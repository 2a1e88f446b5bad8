//! Parquet → NDJSON, a batch at a time.
//!
//! Only what the file itself says of its columns counts: the Arrow schema that some writers add is about their memory.
//! INT96 times are instants, as Spark, and with it Synapse Link, writes them. Nested columns other than an option set
//! are left out.

use super::Refusal;
use super::delta::Partition;
use super::pipe::{PipeWriter, Rows, corrupt};
use super::values;
use arrow::array::{Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Schema, TimeUnit};
use arrow::error::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::Type as PhysicalType;
use parquet::errors::ParquetError;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::Arc;

/// Few enough that rows with large values stay small together.
const BATCH_ROWS: usize = 1024;

/// Opens a file: the names of its columns, and its rows. The values of a partition stand in every row whose file lacks
/// the column.
pub fn open(file: File, partition: Partition) -> Result<(Vec<String>, Rows), Refusal> {
    if is_encrypted(&file) {
        return Err(Refusal::new(
            "is an encrypted Parquet file",
            "decrypt it, or export the rows without encryption",
        ));
    }
    let metadata = metadata(&file).map_err(refuse)?;
    let named: Vec<(usize, String)> = metadata
        .schema()
        .fields()
        .iter()
        .enumerate()
        .filter(|(_, field)| values::has_text(field.data_type()))
        .map(|(place, field)| (place, field.name().clone()))
        .collect();
    let mask = ProjectionMask::roots(metadata.parquet_schema(), named.iter().map(|(place, _)| *place));
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
        .with_projection(mask)
        .with_batch_size(BATCH_ROWS)
        .build()
        .map_err(refuse)?;
    let mut names: Vec<String> = named.into_iter().map(|(_, name)| name).collect();
    let keys = names.iter().map(|name| key(name)).collect();
    let constants: Vec<(String, String)> = partition
        .into_iter()
        .filter(|(name, _)| !names.contains(name))
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
    let suffix = constants.iter().map(|(name, value)| key(name) + &quoted(value));
    let suffix = suffix.collect::<Vec<_>>().join(",");
    names.extend(constants.into_iter().map(|(name, _)| name));
    Ok((names, Box::new(move |pipe| write_rows(reader, keys, &suffix, pipe))))
}

fn refuse(cause: ParquetError) -> Refusal {
    let text = cause.to_string();
    if text.contains("encrypt") {
        return Refusal::new(
            "is a Parquet file with encrypted columns",
            "decrypt it, or export the rows without encryption",
        );
    }
    Refusal::damaged("Parquet file", &text)
}

/// Files whose very footer is encrypted end in a mark of their own.
fn is_encrypted(mut file: &File) -> bool {
    let mut mark = [0; 4];
    file.seek(SeekFrom::End(-4)).is_ok() && file.read_exact(&mut mark).is_ok() && mark == *b"PARE"
}

fn metadata(file: &File) -> Result<ArrowReaderMetadata, ParquetError> {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let metadata = ArrowReaderMetadata::load(file, options.clone())?;
    let types = metadata.parquet_schema().root_schema().get_fields();
    let is_int96 = |place: usize| {
        let kind = &types[place];
        kind.is_primitive() && kind.get_physical_type() == PhysicalType::INT96
    };
    if !(0..types.len()).any(is_int96) {
        return Ok(metadata);
    }
    // In microseconds these times reach every year, in the default nanoseconds only from 1677 to 2262.
    let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let fields = metadata.schema().fields().iter().enumerate();
    let fields: Vec<_> = fields
        .map(|(place, field)| match is_int96(place) {
            true => Arc::new(field.as_ref().clone().with_data_type(instant.clone())),
            false => field.clone(),
        })
        .collect();
    let options = options.with_schema(Arc::new(Schema::new(fields)));
    ArrowReaderMetadata::try_new(metadata.metadata().clone(), options)
}

fn write_rows(
    reader: ParquetRecordBatchReader,
    keys: Vec<String>,
    suffix: &str,
    pipe: &mut PipeWriter,
) -> io::Result<()> {
    let mut line = Vec::new();
    for batch in reader {
        let columns = batch.and_then(|batch| all_texts(&batch)).map_err(corrupt)?;
        let rows = columns.first().map_or(0, |column| column.len());
        for row in 0..rows {
            line.clear();
            line.push(b'{');
            for (key, column) in keys.iter().zip(&columns) {
                if column.is_valid(row) {
                    separate(&mut line);
                    line.extend_from_slice(key.as_bytes());
                    serde_json::to_writer(&mut line, column.value(row)).map_err(corrupt)?;
                }
            }
            if !suffix.is_empty() {
                separate(&mut line);
                line.extend_from_slice(suffix.as_bytes());
            }
            line.extend_from_slice(b"}\n");
            pipe.write_all(&line)?;
        }
    }
    Ok(())
}

fn all_texts(batch: &RecordBatch) -> Result<Vec<StringArray>, ArrowError> {
    batch.columns().iter().map(values::texts).collect()
}

fn separate(line: &mut Vec<u8>) {
    if line.len() > 1 {
        line.push(b',');
    }
}

fn key(name: &str) -> String {
    quoted(name) + ":"
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
