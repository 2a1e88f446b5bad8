//! Later versions of rows that are known: what Synapse Link writes when a row is retried, changed or deleted.
//!
//! Enters: *versions*, whole rows sorted like any others, each better than what was known of its id ([`Rank`]), and
//! *deletions*, the identities of rows the source has deleted. Leaves: files in which a version stands in the place of
//! its row, and deleted rows say so. No row is added or moved, so a file is replaced by one with as many rows, under
//! its own name, in one step.
//!
//! A deletion only marks a row, since its own columns may be empty: the access did happen (contract: design §3.6).
//!
//! Example: the lake has row 7 with version 100. Version 120 takes its place; an `IsDelete` row of the same id then
//! leaves version 120, `deleted_in_source`.

use super::file::{self, ParquetFile};
use super::identity::{self, Identities, Identity};
use super::manifest::{AuditFile, DataFile};
use super::schema;
use super::sort::{self, Cursor, StagedFile};
use crate::disk;
use crate::error::{AtPath, Result};
use crate::instant;
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::interleave_record_batch;
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const BATCH_ROWS: usize = 1 << 13;

/// Which version of a row says most of it: a live one, then the highest version number, then the one written last.
/// Null is lowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    pub is_live: bool,
    version_number: Option<i64>,
    written_on: Option<i64>,
}

impl Rank {
    /// Of a row that came in this run by a route without versions: only a deletion says more.
    pub const OTHER_ROUTE: Rank = Rank {
        is_live: true,
        version_number: Some(i64::MAX),
        written_on: None,
    };

    /// The rank of a staged or lake row; the lake does not keep when a row was written.
    pub fn of(rows: &RecordBatch, row: usize) -> Rank {
        let number = rows.column(schema::VERSION_NUMBER).as_primitive::<Int64Type>();
        Rank {
            is_live: !rows.column(schema::DELETED_IN_SOURCE).as_boolean().value(row),
            version_number: number.is_valid(row).then(|| number.value(row)),
            written_on: written_on(rows, row),
        }
    }

    /// Whether a row of this rank gives way to one of the other. The time decides only between rows of one run, since
    /// that of committed rows is not known.
    pub fn is_below(&self, other: &Rank) -> bool {
        match (self.written_on, other.written_on) {
            (Some(_), Some(_)) => self < other,
            _ => (self.is_live, self.version_number) < (other.is_live, other.version_number),
        }
    }
}

/// When Synapse Link wrote a staged row; `None` for rows of other exports, which have no versions.
pub fn written_on(rows: &RecordBatch, row: usize) -> Option<i64> {
    let on = rows.column_by_name("sink_modified_on")?;
    let on = on.as_primitive::<TimestampMicrosecondType>();
    on.is_valid(row).then(|| on.value(row))
}

/// The ranks of all rows of some files.
pub fn ranks(paths: impl Iterator<Item = PathBuf>) -> Result<HashMap<Identity, Rank>> {
    let mut ranks = HashMap::new();
    for path in paths {
        for rows in file::read(&path, &[], BATCH_ROWS)? {
            let rows = rows.at_path(&path, "cannot be read")?;
            let identities = identity::of_rows(&rows)?;
            ranks.extend(
                identities
                    .into_iter()
                    .enumerate()
                    .map(|(row, identity)| (identity, Rank::of(&rows, row))),
            );
        }
    }
    Ok(ranks)
}

/// A file of the next lake: where its bytes are now, and whether they still have to be put in place.
#[derive(Debug, Clone)]
pub struct Placed {
    pub entry: AuditFile,
    pub path: PathBuf,
    pub is_staged: bool,
}

/// Puts versions in the places of their rows and marks deletions, in new files below `staging`.
pub fn apply(files: &mut [Placed], versions: &[StagedFile], deletions: &Identities, staging: &Path) -> Result<()> {
    let mut made = Made { staging, count: 0 };
    for version in versions {
        for file in files.iter_mut().filter(|file| file.may_hold(version)) {
            made.with_versions(file, version)?;
        }
    }
    if !deletions.is_empty() {
        for file in files {
            made.with_deletions(file, deletions)?;
        }
    }
    Ok(())
}

impl Placed {
    /// Whether a row of `versions` can stand in this file.
    fn may_hold(&self, versions: &StagedFile) -> bool {
        let (entry, partition) = (&self.entry, &versions.partition);
        entry.kind == partition.kind
            && *entry.environment == *partition.environment
            && entry.month == instant::month_name(partition.month)
            && entry.min_created_on_us <= versions.max_created_on_us
            && versions.min_created_on_us <= entry.max_created_on_us
    }
}

/// Makes the files that take the place of others.
struct Made<'s> {
    staging: &'s Path,
    count: usize,
}

impl Made<'_> {
    /// Writes `file` anew with every batch changed by `change`, which says whether it changed anything; a file in which
    /// nothing changed stays.
    fn rewrite(
        &mut self,
        file: &mut Placed,
        mut change: impl FnMut(RecordBatch) -> Result<(RecordBatch, bool)>,
    ) -> Result<()> {
        let path = self.staging.join(format!("revised-{:05}.parquet", self.count));
        let mut target = ParquetFile::create(&path, schema::LAKE.clone())?;
        let mut is_changed = false;
        for rows in file::read(&file.path, &[], BATCH_ROWS)? {
            let (rows, changed) = change(rows.at_path(&file.path, "cannot be read")?)?;
            is_changed |= changed;
            target.write(&rows)?;
        }
        let written = target.finish()?;
        if !is_changed {
            return disk::remove_file(&path);
        }
        self.count += 1;
        let before = std::mem::replace(&mut file.path, path);
        if std::mem::replace(&mut file.is_staged, true) {
            disk::remove_file(&before)?;
        }
        file.entry.file = DataFile::new(file.entry.file.path.clone(), written);
        Ok(())
    }

    fn with_versions(&mut self, file: &mut Placed, versions: &StagedFile) -> Result<()> {
        let mut cursor = Cursor::open(&versions.path, BATCH_ROWS)?;
        self.rewrite(file, |rows| {
            let mut sources = vec![rows.clone()];
            let mut places = Vec::with_capacity(rows.num_rows());
            for row in 0..rows.num_rows() {
                let version = match &mut cursor {
                    Some(versions) => newest_version(versions, &rows, row, &mut sources)?,
                    None => None,
                };
                places.push(version.unwrap_or((0, row)));
            }
            if sources.len() == 1 {
                return Ok((rows, false));
            }
            let sources: Vec<&RecordBatch> = sources.iter().collect();
            Ok((interleave_record_batch(&sources, &places)?, true))
        })
    }

    fn with_deletions(&mut self, file: &mut Placed, deletions: &Identities) -> Result<()> {
        if !holds_one_of(&file.path, deletions)? {
            return Ok(());
        }
        self.rewrite(file, |rows| {
            let before = rows.column(schema::DELETED_IN_SOURCE).as_boolean();
            let identities = identity::of_rows(&rows)?;
            let after: BooleanArray = identities
                .iter()
                .zip(before.values())
                .map(|(identity, before)| Some(before || deletions.contains(identity)))
                .collect();
            if after == *before {
                return Ok((rows, false));
            }
            let mut columns = rows.columns().to_vec();
            columns[schema::DELETED_IN_SOURCE] = Arc::new(after) as ArrayRef;
            Ok((RecordBatch::try_new(rows.schema(), columns)?, true))
        })
    }
}

/// Whether a row of the file, by its id, is among these.
fn holds_one_of(path: &Path, identities: &Identities) -> Result<bool> {
    for rows in file::read(path, &["audit_id", "environment"], BATCH_ROWS)? {
        let rows = rows.at_path(path, "cannot be read")?;
        let (ids, environments) = (rows.column(0).as_string::<i32>(), rows.column(1).as_string::<i32>());
        let mut found = ids
            .iter()
            .zip(environments)
            .filter_map(|(id, environment)| id.zip(environment));
        if found.any(|(id, environment)| identities.contains(&identity::of_id(environment, id))) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The last of the versions of this row, as a place in `sources`; versions of earlier rows are passed by.
fn newest_version(
    versions: &mut Cursor,
    rows: &RecordBatch,
    row: usize,
    sources: &mut Vec<RecordBatch>,
) -> Result<Option<(usize, usize)>> {
    let wanted = sort::key(rows, row);
    let mut newest = None;
    while let Some(found) = versions.key().filter(|found| *found <= wanted) {
        if found == wanted {
            sources.push(versions.batch.slice(versions.row, 1));
            newest = Some((sources.len() - 1, 0));
        }
        versions.advance()?;
    }
    Ok(newest)
}
