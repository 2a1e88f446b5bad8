//! Parquet → NDJSON, a batch at a time.
//!
//! Only what the file itself says of its columns counts: the Arrow schema that some writers add is about their memory.
//! INT96 times are instants, as Spark, and with it Synapse Link, writes them. Nested columns other than an option set
//! are left out.

use super::delta::PartitionValues;
use super::pipe::{PipeWriter, Rows, corrupt};
use super::values;
use crate::ingest::head::Refusal;
use arrow::array::{Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Schema, TimeUnit};
use arrow::error::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::{Compression, Type as PhysicalType};
use parquet::errors::ParquetError;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::Arc;

/// Few enough that rows with large values stay small together.
const BATCH_ROWS: usize = 1024;

/// Opens a file: the names of its columns, and its rows. The values of a partition stand in every row whose file lacks
/// the column.
pub fn open(file: File, partition: PartitionValues) -> Result<(Vec<String>, Rows), Refusal> {
    if is_encrypted(&file) {
        return Err(Refusal::new(
            "is an encrypted Parquet file",
            "decrypt it, or export the rows without encryption",
        ));
    }
    let metadata = metadata(&file).map_err(refuse)?;
    if let Some(codec) = unread_codec(&metadata) {
        return Err(Refusal::new(
            format!("is a Parquet file compressed with {codec}, which gatelog does not read"),
            "write it with zstd, snappy, gzip or lz4",
        ));
    }
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

/// A codec of the file that this build has no decoder for.
fn unread_codec(metadata: &ArrowReaderMetadata) -> Option<&'static str> {
    let chunks = metadata
        .metadata()
        .row_groups()
        .iter()
        .flat_map(|group| group.columns());
    chunks.into_iter().find_map(|chunk| match chunk.compression() {
        Compression::BROTLI(_) => Some("Brotli"),
        Compression::LZO => Some("LZO"),
        _ => None,
    })
}

fn refuse(cause: ParquetError) -> Refusal {
    let text = cause.to_string();
    if text.to_ascii_lowercase().contains("encrypt") {
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

#[cfg(test)]
mod tests {
    use super::super::pipe;
    use super::*;
    use arrow::array::{ArrayRef, DictionaryArray, Int32Array, Int64Array, LargeStringArray, ListArray, StringArray};
    use arrow::datatypes::Int32Type;
    use parquet::arrow::ArrowWriter;
    use parquet::data_type::{Int96, Int96Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    /// The lines of a file, and how they end.
    fn lines(bytes: &[u8], partition: PartitionValues) -> Result<(Vec<String>, Option<String>), Refusal> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let (_, mut text) = pipe::start("Parquet file", move || open(file, partition))?;
        let mut read = Vec::new();
        let ended = text.read_to_end(&mut read);
        let lines = String::from_utf8(read).unwrap().lines().map(str::to_owned).collect();
        Ok((lines, ended.err().map(|error| error.to_string())))
    }

    fn written(columns: Vec<(&str, ArrayRef)>, group_rows: usize) -> Vec<u8> {
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let properties = WriterProperties::builder()
            .set_max_row_group_row_count(Some(group_rows))
            .set_compression(parquet::basic::Compression::SNAPPY)
            .build();
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        bytes
    }

    fn refusal(bytes: &[u8]) -> String {
        lines(bytes, Vec::new()).unwrap_err().reason
    }

    #[test]
    fn every_row_is_a_line_with_its_names_and_without_its_nulls() {
        let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1)]), None, None]);
        let bytes = written(
            vec![
                (
                    "a \"b\"",
                    Arc::new(LargeStringArray::from(vec![Some("x\n\"é\""), None, None])),
                ),
                ("list", Arc::new(list)),
                ("action", Arc::new(Int32Array::from(vec![Some(64), Some(65), None]))),
                (
                    "kind",
                    Arc::new(
                        vec![Some("k"), None, None]
                            .into_iter()
                            .collect::<DictionaryArray<Int32Type>>(),
                    ),
                ),
            ],
            100,
        );
        let expected = [
            r#"{"a \"b\"":"x\n\"é\"","action":"64","kind":"k"}"#,
            r#"{"action":"65"}"#,
            "{}",
        ];
        assert_eq!(
            lines(&bytes, Vec::new()).unwrap(),
            (expected.map(str::to_owned).to_vec(), None)
        );
    }

    #[test]
    fn values_of_the_partition_stand_in_every_row_whose_file_lacks_them() {
        let bytes = written(vec![("action", Arc::new(Int32Array::from(vec![Some(64), None])))], 100);
        let value = |name: &str, value: Option<&str>| (name.to_owned(), value.map(str::to_owned));
        let partition = vec![
            value("PartitionId", Some("20\"26")),
            value("none", None),
            value("action", Some("1")),
        ];
        let expected = [
            r#"{"action":"64","PartitionId":"20\"26"}"#,
            r#"{"PartitionId":"20\"26"}"#,
        ];
        assert_eq!(lines(&bytes, partition).unwrap().0, expected);
    }

    #[test]
    fn int96_times_are_instants_of_any_year() {
        let schema = parse_message_type("message rows { optional int96 createdon; }").unwrap();
        let mut bytes = Vec::new();
        let mut writer = SerializedFileWriter::new(&mut bytes, Arc::new(schema), Arc::default()).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        // Nanoseconds of the day, and the Julian day, of which 1970-01-01 is 2440588.
        let time = |nanos: u64, day: u32| {
            let mut value = Int96::new();
            value.set_data(nanos as u32, (nanos >> 32) as u32, day);
            value
        };
        let values = [
            time(28_800_123_456_789, 2_461_101),
            time(0, 2_440_588),
            time(0, 5_373_484),
        ];
        column
            .typed::<Int96Type>()
            .write_batch(&values, Some(&[1, 0, 1, 1]), None)
            .unwrap();
        column.close().unwrap();
        group.close().unwrap();
        writer.close().unwrap();
        let expected = [
            r#"{"createdon":"2026-03-01T08:00:00.123456Z"}"#,
            "{}",
            r#"{"createdon":"1970-01-01T00:00:00Z"}"#,
            r#"{"createdon":"9999-12-31T00:00:00Z"}"#,
        ];
        assert_eq!(lines(&bytes, Vec::new()).unwrap().0, expected);
    }

    #[test]
    fn a_file_that_is_damaged_in_the_middle_gives_what_comes_before() {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..10_000));
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values(
            (0..10_000).map(|row| format!("row {row}")),
        ));
        let mut bytes = written(vec![("versionnumber", numbers), ("changedata", texts)], 4096);
        let whole = lines(&bytes, Vec::new()).unwrap();
        assert_eq!((whole.0.len(), whole.1), (10_000, None));
        // Somewhere in the second of three row groups.
        let middle = bytes.len() / 2;
        bytes[middle - 2000..middle + 2000].fill(0xFF);
        let (read, ended) = lines(&bytes, Vec::new()).unwrap();
        assert!(read.len() >= 4096 && read.len() < 10_000, "{}", read.len());
        assert_eq!(read[..4096], whole.0[..4096]);
        assert!(ended.unwrap().starts_with("the file cannot be read further: "));
    }

    #[test]
    fn a_file_that_cannot_be_read_at_all_is_refused_with_the_reason() {
        let bytes = written(vec![("action", Arc::new(Int32Array::from(vec![64])))], 100);
        assert!(refusal(&bytes[..bytes.len() - 1]).starts_with("is a damaged Parquet file: "));
        assert!(refusal(b"PAR1").starts_with("is a damaged Parquet file: "));
        assert_eq!(refusal(b"PARE....PARE"), "is an encrypted Parquet file");
        for length in 0..bytes.len() {
            assert!(lines(&bytes[..length], Vec::new()).is_err(), "cut at {length}");
        }
        // No single wrong byte is worse than a refusal or an early end.
        for place in 0..bytes.len() {
            for mask in [0x01, 0x55, 0x80, 0xFF] {
                let mut bytes = bytes.clone();
                bytes[place] ^= mask;
                drop(lines(&bytes, Vec::new()));
            }
        }
    }
}
