//! One Parquet file of the lake: how it is written and read.
//!
//! The writing profile is what the pickiest BI readers load: flat, writer version 1.0, PLAIN and dictionary encodings
//! only, zstd. Ids and times hardly repeat, so a dictionary would only cost time there.

use super::content::Content;
use super::pages;
use super::schema;
use crate::chunk::ZSTD_LEVEL;
use crate::disk::{Disk, Syncing, Target};
use crate::error::{AtPath, Error, Result};
use arrow::array::{AsArray, BooleanArray, RecordBatch, RecordBatchReader};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection,
};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::statistics::Statistics;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;
use std::collections::HashSet;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3;

pub const ROW_GROUP_ROWS: usize = 1 << 20;

/// A row group is held, encoded, until it is full: one of wide rows has fewer of them.
pub const ROW_GROUP_BYTES: usize = 32 << 20;

/// Columns whose values hardly repeat.
const DISTINCT_COLUMNS: [&str; 6] = [
    "audit_id",
    "created_on",
    "transaction_id",
    "change_data",
    "version_number",
    "raw",
];

fn properties(group_bytes: usize) -> Result<WriterProperties> {
    let level = ZstdLevel::try_new(ZSTD_LEVEL).at_path(Path::new("zstd"), "the compression level is unknown")?;
    let mut properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_max_row_group_bytes(Some(group_bytes));
    // Reports read keys of actors many times faster than texts.
    properties = properties.set_column_dictionary_page_size_limit(ColumnPath::from("actor_id"), 16 << 20);
    for column in DISTINCT_COLUMNS {
        properties = properties.set_column_dictionary_enabled(ColumnPath::from(column), false);
    }
    Ok(properties.build())
}

/// Whether a dictionary of the column's values is worth trying.
pub fn has_dictionary(column: &str) -> bool {
    !DISTINCT_COLUMNS.contains(&column)
}

/// A writer of a file of lake rows, for whoever encodes columns.
pub fn lake_writer(disk: &Disk, path: &Path, group_bytes: usize) -> Result<SerializedFileWriter<Hashing>> {
    let sink = Hashing::new(disk.create(path)?);
    ArrowWriter::try_new(sink, schema::LAKE.clone(), Some(properties(group_bytes)?))
        .and_then(ArrowWriter::into_serialized_writer)
        .map(|(writer, _)| writer)
        .at_path(path, "cannot be written")
}

/// What a finished file is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub rows: u64,
    pub bytes: u64,
    /// xxh3-128 of all bytes, in hexadecimal.
    pub hash: String,
}

/// A Parquet file being written; [`ParquetFile::finish`] syncs it.
pub struct ParquetFile {
    path: PathBuf,
    writer: ArrowWriter<Hashing>,
    rows: u64,
}

impl ParquetFile {
    pub fn create(disk: &Disk, path: &Path, schema: SchemaRef) -> Result<Self> {
        ParquetFile::create_within(disk, path, schema, ROW_GROUP_BYTES)
    }

    /// With row groups of at most so many bytes, encoded.
    pub fn create_within(disk: &Disk, path: &Path, schema: SchemaRef, group_bytes: usize) -> Result<Self> {
        let file = disk.create(path)?;
        let writer = ArrowWriter::try_new(Hashing::new(file), schema, Some(properties(group_bytes)?))
            .at_path(path, "cannot be written")?;
        Ok(ParquetFile {
            path: path.to_owned(),
            writer,
            rows: 0,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        self.rows += rows.num_rows() as u64;
        self.writer.write(rows).at_path(&self.path, "cannot be written")
    }

    /// Writes rows as a row group of their own, so that a reader may hold them alone.
    pub fn write_group(&mut self, rows: &RecordBatch) -> Result<()> {
        self.write(rows)?;
        self.writer.flush().at_path(&self.path, "cannot be written")
    }

    pub fn finish(self) -> Result<Written> {
        let sink = self.writer.into_inner().at_path(&self.path, "cannot be written")?;
        sink.finish(self.rows)
    }
}

/// Bytes that go to the disk together: few enough to be still near from when they were hashed.
const WRITE_BYTES: usize = 1 << 17;

/// Hashes what passes, so that a file need not be read again to be known.
pub struct Hashing {
    file: BufWriter<Target>,
    hasher: Xxh3,
    bytes: u64,
}

impl Hashing {
    pub fn new(file: Target) -> Self {
        Hashing {
            file: BufWriter::with_capacity(WRITE_BYTES, file.ahead()),
            hasher: Xxh3::new(),
            bytes: 0,
        }
    }

    pub fn path(&self) -> &Path {
        self.file.get_ref().path()
    }

    /// Syncs the file; `rows` is what it holds.
    pub fn finish(self, rows: u64) -> Result<Written> {
        let (file, written) = self.end(rows)?;
        file.sync()?;
        Ok(written)
    }

    /// The same, without waiting for the disk.
    pub fn finish_meanwhile(self, rows: u64) -> Result<(Written, Syncing)> {
        let (file, written) = self.end(rows)?;
        Ok((written, file.sync_meanwhile()?))
    }

    fn end(self, rows: u64) -> Result<(Target, Written)> {
        let path = self.path().to_owned();
        let hash = format!("{:032x}", self.hasher.digest128());
        let file = self
            .file
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
            .at_path(&path, "cannot be written")?;
        let bytes = self.bytes;
        Ok((file, Written { rows, bytes, hash }))
    }
}

impl Write for Hashing {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.file.write(buffer)?;
        self.hasher.update(&buffer[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

const UNREADABLE: &str = "is not a Parquet file gatelog can read";

/// A file whose footer has been read. Only one thread may read from it at a time.
pub struct Footer {
    path: PathBuf,
    content: Content,
    metadata: ArrowReaderMetadata,
}

impl Footer {
    pub fn read(path: &Path) -> Result<Footer> {
        let content = Content::open(path)?;
        let metadata = ArrowReaderMetadata::load(&content, ArrowReaderOptions::new()).at_path(path, UNREADABLE)?;
        Ok(Footer {
            path: path.to_owned(),
            content,
            metadata,
        })
    }

    /// How much the rows take when they are decoded, about.
    pub fn decoded_bytes(&self) -> usize {
        let groups = self.metadata.metadata().row_groups().iter();
        groups.map(|group| group.total_byte_size()).sum::<i64>() as usize
    }

    /// Reads all rows in order, only the named columns if any are named, `batch_rows` at a time.
    fn read_all(self, columns: &[&str], batch_rows: usize) -> Result<impl RecordBatchReader + use<>> {
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(self.content, self.metadata);
        let mask = if columns.is_empty() {
            ProjectionMask::all()
        } else {
            ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied())
        };
        builder
            .with_projection(mask)
            .with_batch_size(batch_rows)
            .build()
            .at_path(&self.path, UNREADABLE)
    }

    pub fn row_groups(&self) -> usize {
        self.metadata.metadata().num_row_groups()
    }

    pub fn rows(&self, group: usize) -> u64 {
        self.metadata.metadata().row_group(group).num_rows() as u64
    }

    pub(super) fn column(&self, group: usize, name: &str) -> Option<&ColumnChunkMetaData> {
        let columns = self.metadata.metadata().row_group(group).columns().iter();
        columns.into_iter().find(|column| column.column_descr().name() == name)
    }

    /// Least and greatest value of a column of 64-bit numbers in a row group, as its statistics say.
    pub fn range(&self, group: usize, name: &str) -> Result<(i64, i64)> {
        let range = match self.column(group, name).and_then(ColumnChunkMetaData::statistics) {
            Some(Statistics::Int64(values)) => values.min_opt().copied().zip(values.max_opt().copied()),
            _ => None,
        };
        range.ok_or_else(|| Error::failed(format!("has a row group without statistics of {name}")).at(&self.path))
    }

    /// Every value of a text column of a row group, each at least once.
    ///
    /// Where all its pages point into a dictionary, that one page says it all: some KiB instead of a column.
    pub fn distinct(&self, group: usize, name: &str) -> Result<Vec<String>> {
        if let Some(found) = self.dictionary(group, name)? {
            return Ok(found);
        }
        let mut found = HashSet::new();
        for rows in self.read_group(group, &[name], name)? {
            let rows = rows.at_path(&self.path, "cannot be read")?;
            let values = rows.column(0).as_dictionary::<Int32Type>().values().as_string::<i32>();
            for value in values
                .iter()
                .flatten()
                .filter(|value| !found.contains(*value))
                .collect::<Vec<_>>()
            {
                found.insert(value.to_owned());
            }
        }
        Ok(found.into_iter().collect())
    }

    /// The dictionary of a text column, if it holds all of the row group's values.
    pub(super) fn dictionary(&self, group: usize, name: &str) -> Result<Option<Vec<String>>> {
        let Some(column) = self.column(group, name) else {
            return Ok(None);
        };
        let Some(page) = pages::dictionary(&self.content, column).at_path(&self.path, UNREADABLE)? else {
            return Ok(None);
        };
        let owned = |text: &[u8]| std::str::from_utf8(text).ok().map(str::to_owned);
        let found = pages::texts(&page).and_then(|texts| texts.into_iter().map(owned).collect());
        found.map(Some).ok_or_else(|| Error::failed(UNREADABLE).at(&self.path))
    }

    /// Reads one row group, only the named columns, with the text column `dictionary` as keys into its values.
    pub fn read_group(
        &self,
        group: usize,
        columns: &[&str],
        dictionary: &str,
    ) -> Result<impl RecordBatchReader + use<>> {
        self.read_rows(group, columns, &[dictionary], None)
    }

    /// Reads rows of one row group, all of them or those of which `keep` is true: only the named columns, with the text
    /// columns `keyed` as keys into their values.
    pub fn read_rows(
        &self,
        group: usize,
        columns: &[&str],
        keyed: &[&str],
        keep: Option<&BooleanArray>,
    ) -> Result<impl RecordBatchReader + use<>> {
        let fields: Vec<Field> = self
            .metadata
            .schema()
            .fields()
            .iter()
            .map(|field| match keyed.contains(&field.name().as_str()) {
                true => {
                    let keyed = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
                    field.as_ref().clone().with_data_type(keyed)
                }
                false => field.as_ref().clone(),
            })
            .collect();
        let options = ArrowReaderOptions::new().with_schema(Arc::new(Schema::new(fields)));
        let metadata =
            ArrowReaderMetadata::try_new(self.metadata.metadata().clone(), options).at_path(&self.path, UNREADABLE)?;
        let content = self.content.try_clone().at_path(&self.path, "cannot be opened")?;
        let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(content, metadata);
        if let Some(keep) = keep {
            builder = builder.with_row_selection(RowSelection::from_filters(std::slice::from_ref(keep)));
        }
        let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
        builder
            .with_projection(mask)
            .with_row_groups(vec![group])
            .with_batch_size(1 << 16)
            .build()
            .at_path(&self.path, UNREADABLE)
    }
}

/// How many row groups a file has.
pub fn row_groups(path: &Path) -> Result<usize> {
    Ok(Footer::read(path)?.row_groups())
}

/// Reads one row group, only the named columns, with the text column `dictionary` as keys into its values.
pub fn read_row_group(
    path: &Path,
    group: usize,
    columns: &[&str],
    dictionary: &str,
) -> Result<impl RecordBatchReader + use<>> {
    Footer::read(path)?.read_group(group, columns, dictionary)
}

/// Reads a file's rows, only the named columns if any are named, in order, `batch_rows` at a time.
pub fn read(path: &Path, columns: &[&str], batch_rows: usize) -> Result<impl RecordBatchReader + use<>> {
    Footer::read(path)?.read_all(columns, batch_rows)
}

/// About how much is read at once where rows may be wide.
const BATCH_BYTES: i64 = 2 << 20;

/// How much a file's rows take when they are decoded, about.
pub fn decoded_bytes(path: &Path) -> Result<usize> {
    Ok(Footer::read(path)?.decoded_bytes())
}

/// Reads a file's rows in order, so many at a time that their usual size bounds what is held.
pub fn read_bounded(path: &Path) -> Result<impl RecordBatchReader + use<>> {
    let footer = Footer::read(path)?;
    let groups = footer.metadata.metadata().row_groups().iter();
    let row_bytes = groups
        .map(|group| group.total_byte_size() / group.num_rows().max(1))
        .max();
    let rows = BATCH_BYTES / row_bytes.unwrap_or_default().max(1);
    footer.read_all(&[], rows.clamp(1, 1 << 13) as usize)
}
