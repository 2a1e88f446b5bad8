//! Rows → a Parquet file with the columns of the flattened Web API export, as a typed export has them.
//!
//! Enters: rows as lines of JSON, as the NDJSON form writes them. So the log needs to be composed in one way only.

use super::form::CSV_HEADER;
use super::stream::{Place, Sink};
use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use chrono::DateTime;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde_json::{Map, Value};
use std::fs::File;
use std::io;
use std::sync::Arc;

/// Rows gathered into one batch.
const BATCH_ROWS: usize = 16_384;

pub struct ParquetRows {
    file: Option<File>,
    writer: Option<ArrowWriter<File>>,
    rows: Vec<Map<String, Value>>,
}

impl ParquetRows {
    pub fn into_file(file: File) -> ParquetRows {
        ParquetRows {
            file: Some(file),
            writer: None,
            rows: Vec::new(),
        }
    }

    fn write_out(&mut self) -> io::Result<()> {
        let batch = batch(&self.rows)?;
        self.rows.clear();
        if let Some(file) = self.file.take() {
            let zstd = Compression::ZSTD(ZstdLevel::default());
            let properties = WriterProperties::builder().set_compression(zstd).build();
            self.writer = Some(ArrowWriter::try_new(file, batch.schema(), Some(properties))?);
        }
        match &mut self.writer {
            Some(writer) => writer.write(&batch).map_err(io::Error::from),
            None => Ok(()),
        }
    }

    /// Writes what is left and the file's footer.
    pub fn finish(mut self) -> io::Result<()> {
        self.write_out()?;
        match self.writer {
            Some(writer) => writer.close().map(drop).map_err(io::Error::from),
            None => Ok(()),
        }
    }
}

impl Sink for ParquetRows {
    fn put(&mut self, bytes: &[u8], _: Place) -> io::Result<()> {
        for row in serde_json::Deserializer::from_slice(bytes).into_iter() {
            self.rows.push(row?);
        }
        match self.rows.len() >= BATCH_ROWS {
            true => self.write_out(),
            false => Ok(()),
        }
    }

    fn files(&self) -> u64 {
        1
    }
}

fn batch(rows: &[Map<String, Value>]) -> io::Result<RecordBatch> {
    let text =
        |name: &str| -> ArrayRef { Arc::new(rows.iter().map(|row| row[name].as_str()).collect::<StringArray>()) };
    let number = |name: &str| rows.iter().map(|row| row[name].as_i64()).collect::<Vec<_>>();
    let column = |name: &str| -> ArrayRef {
        match name {
            "createdon" => {
                let on = |row: &Map<String, Value>| {
                    let on = row[name]
                        .as_str()
                        .and_then(|text| DateTime::parse_from_rfc3339(text).ok());
                    on.map(|on| on.timestamp_micros())
                };
                let on: TimestampMicrosecondArray = rows.iter().map(on).collect();
                Arc::new(on.with_timezone("UTC"))
            }
            "versionnumber" => Arc::new(Int64Array::from(number(name))),
            "action" | "operation" => {
                let small = number(name)
                    .into_iter()
                    .map(|number| number.map(|number| number as i32));
                Arc::new(small.collect::<Int32Array>())
            }
            _ => text(name),
        }
    };
    let columns = CSV_HEADER.trim_end().split(',').map(|name| (name, column(name), true));
    RecordBatch::try_from_iter_with_nullable(columns).map_err(io::Error::other)
}
