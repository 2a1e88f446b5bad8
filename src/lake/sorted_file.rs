//! A file of the lake made of rows that are sorted already, in columns: what merges files or writes one anew needs.

use super::file::ParquetFile;
use super::schema;
use super::sort::{Partition, StagedFile};
use crate::disk::Disk;
use crate::error::{Error, Result};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use std::path::{Path, PathBuf};

/// A file of sorted lake rows while it is written.
pub struct SortedFile {
    path: PathBuf,
    file: ParquetFile,
    range: Option<(i64, i64)>,
}

impl SortedFile {
    /// With row groups of at most so many bytes, encoded.
    pub fn create(disk: &Disk, path: &Path, group_bytes: usize) -> Result<SortedFile> {
        Ok(SortedFile {
            path: path.to_owned(),
            file: ParquetFile::create_within(disk, path, schema::LAKE.clone(), group_bytes)?,
            range: None,
        })
    }

    /// Takes rows that come after all rows before.
    pub fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        if let Some(last) = rows.num_rows().checked_sub(1) {
            let (first, last) = (key(rows, 0).0, key(rows, last).0);
            self.range = Some((self.range.map_or(first, |range| range.0), last));
        }
        self.file.write(rows)
    }

    pub fn finish(self, partition: Partition) -> Result<StagedFile> {
        let (min_created_on_us, max_created_on_us) = self
            .range
            .ok_or_else(|| Error::failed("a file of the lake has no rows").at(&self.path))?;
        Ok(StagedFile {
            partition,
            written: self.file.finish()?,
            path: self.path,
            min_created_on_us,
            max_created_on_us,
            syncing: None,
        })
    }
}

/// What rows are sorted by.
pub fn key(rows: &RecordBatch, row: usize) -> (i64, Option<&str>) {
    let on = rows
        .column(schema::CREATED_ON)
        .as_primitive::<TimestampMicrosecondType>();
    let ids = rows.column(schema::AUDIT_ID).as_string::<i32>();
    (on.value(row), ids.is_valid(row).then(|| ids.value(row)))
}
