//! Later versions of rows that are known: what Synapse Link writes when a row is retried, changed or deleted.
//!
//! Enters: *versions*, whole rows sorted like any others, which may be better than what the lake has of their id
//! ([`Rank`]), and *deletions*, the keys of rows the source has deleted. Leaves: files in which a version stands in the
//! place of its row, and deleted rows say so. No row is added or moved, so a file is replaced by one with as many rows,
//! under its own name, in one step.
//!
//! A deletion only marks a row, since its own columns may be empty: the access did happen (contract: design §3.6).
//!
//! Example: the lake has row 7 with version 100. Version 120 takes its place; an `IsDelete` row of the same id then
//! leaves version 120, `deleted_in_source`.

use super::file::{self, ParquetFile};
use super::identity::{self, Identity};
use super::index::Key;
use super::manifest::{AuditFile, DataFile, Manifest, partition_folder};
use super::merge::{Batches, Cursor};
use super::schema;
use super::sort::StagedFile;
use super::sorted_file::key;
use super::spill::{Sorted, array};
use crate::disk::Disk;
use crate::error::{AtPath, Result};
use crate::instant;
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::{interleave_record_batch, or};
use arrow::datatypes::Int64Type;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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

    /// Of a staged row.
    pub fn new(is_live: bool, version_number: Option<i64>, written_on: i64) -> Rank {
        Rank {
            is_live,
            version_number,
            written_on: Some(written_on),
        }
    }

    /// Of a lake row; the lake does not keep when a row was written.
    pub fn of(rows: &RecordBatch, row: usize) -> Rank {
        let (number, deleted) = (
            rows.column(schema::VERSION_NUMBER),
            rows.column(schema::DELETED_IN_SOURCE),
        );
        Rank::from_columns(number, deleted, row)
    }

    fn from_columns(version_number: &ArrayRef, deleted: &ArrayRef, row: usize) -> Rank {
        let number = version_number.as_primitive::<Int64Type>();
        Rank {
            is_live: !deleted.as_boolean().value(row),
            version_number: number.is_valid(row).then(|| number.value(row)),
            written_on: None,
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

impl Rank {
    /// How many bytes a rank takes.
    pub const BYTES: usize = 17;

    pub fn to_bytes(self) -> [u8; Rank::BYTES] {
        let flags = [self.is_live, self.version_number.is_some(), self.written_on.is_some()];
        let numbers = [self.version_number, self.written_on].map(|number| number.unwrap_or_default().to_le_bytes());
        let mut bytes = [0; Rank::BYTES];
        bytes[0] = flags.iter().rev().fold(0, |byte, &flag| byte << 1 | u8::from(flag));
        bytes[1..9].copy_from_slice(&numbers[0]);
        bytes[9..].copy_from_slice(&numbers[1]);
        bytes
    }

    /// Reads what [`Rank::to_bytes`] gives.
    pub fn of_bytes(bytes: &[u8; Rank::BYTES]) -> Rank {
        let number = |flag: u8, at: usize| (bytes[0] & flag != 0).then(|| i64::from_le_bytes(array(&bytes[at..])));
        Rank {
            is_live: bytes[0] & 1 != 0,
            version_number: number(2, 1),
            written_on: number(4, 9),
        }
    }
}

/// A file of the next lake: where its bytes are now, and whether they still have to be put in place.
#[derive(Debug, Clone)]
pub struct Placed {
    pub entry: AuditFile,
    pub path: PathBuf,
    pub is_staged: bool,
}

/// Puts versions in the places of their rows where they are better, and marks deletions, in new files below `staging`.
///
/// `deletions` are keys, by location.
pub fn apply(
    files: &mut [Placed],
    versions: &[StagedFile],
    deletions: Sorted<u128>,
    disk: &Disk,
    staging: &Path,
) -> Result<()> {
    let mut made = Made {
        disk,
        staging,
        count: 0,
    };
    for version in versions {
        for file in files.iter_mut().filter(|file| file.may_hold(version)) {
            made.with_versions(file, version)?;
        }
    }
    made.mark_all(files, deletions)
}

impl Placed {
    /// The files of a lake as it is.
    pub fn committed(root: &Path, manifest: &Manifest) -> Vec<Placed> {
        let place = |entry: &AuditFile| Placed {
            entry: entry.clone(),
            path: root.join(&entry.file.path),
            is_staged: false,
        };
        manifest.audit.iter().map(place).collect()
    }

    /// Files that a commit brings, in order of partition: mostly one of each.
    pub fn staged(files: &[StagedFile], generation: u64) -> Vec<Placed> {
        let of_partition = files.chunk_by(|a, b| a.partition == b.partition);
        let numbered = of_partition.flat_map(|files| files.iter().enumerate());
        let place = |(number, file): (usize, &StagedFile)| {
            let (partition, month) = (&file.partition, instant::month_name(file.partition.month));
            let folder = partition_folder(&partition.environment, partition.kind, &month);
            let name = match number {
                0 => format!("{generation:08}.parquet"),
                _ => format!("{generation:08}-{}.parquet", number + 1),
            };
            Placed {
                entry: AuditFile {
                    file: DataFile::new(folder + &name, file.written.clone()),
                    environment: partition.environment.to_string(),
                    kind: partition.kind,
                    month,
                    min_created_on_us: file.min_created_on_us,
                    max_created_on_us: file.max_created_on_us,
                },
                path: file.path.clone(),
                is_staged: true,
            }
        };
        numbered.map(place).collect()
    }

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
    disk: &'s Disk,
    staging: &'s Path,
    count: usize,
}

impl Made<'_> {
    /// Writes `file` anew with every batch changed.
    fn rewrite(&mut self, file: &mut Placed, mut change: impl FnMut(RecordBatch) -> Result<RecordBatch>) -> Result<()> {
        let path = self.staging.join(format!("revised-{:05}.parquet", self.count));
        self.count += 1;
        let mut target = ParquetFile::create(self.disk, &path, schema::LAKE.clone())?;
        for rows in file::read_bounded(&file.path)? {
            target.write(&change(rows.at_path(&file.path, "cannot be read")?)?)?;
        }
        let before = std::mem::replace(&mut file.path, path);
        if std::mem::replace(&mut file.is_staged, true) {
            self.disk.remove_file(&before)?;
        }
        file.entry.file = DataFile::new(file.entry.file.path.clone(), target.finish()?);
        Ok(())
    }

    fn with_versions(&mut self, file: &mut Placed, versions: &StagedFile) -> Result<()> {
        if !holds_a_worse_version(&file.path, &versions.path)? {
            return Ok(());
        }
        let mut cursor = Cursor::open(lake_rows(&versions.path)?)?;
        self.rewrite(file, |rows| {
            let mut sources = vec![rows.clone()];
            let mut places = Vec::with_capacity(rows.num_rows());
            for row in 0..rows.num_rows() {
                let version = match &mut cursor {
                    Some(versions) => better_version(versions, &rows, row, &mut sources)?,
                    None => None,
                };
                places.push(version.unwrap_or((0, row)));
            }
            let sources: Vec<&RecordBatch> = sources.iter().collect();
            // A row that the source has deleted stays one, whatever its version says.
            let deleted = rows.column(schema::DELETED_IN_SOURCE).as_boolean();
            marked(interleave_record_batch(&sources, &places)?, deleted)
        })
    }

    /// Marks deletions, partition by partition.
    fn mark_all(&mut self, files: &mut [Placed], mut deletions: Sorted<u128>) -> Result<()> {
        while let Some(&first) = deletions.peek() {
            let place = Key::from_location_first(first).location();
            let mut identities = HashSet::new();
            while let Some(&next) = deletions
                .peek()
                .filter(|&&next| Key::from_location_first(next).location() == place)
            {
                identities.insert(Key::from_location_first(next).identity());
                deletions.next()?;
            }
            let month = instant::month_name(place.1);
            for file in files
                .iter_mut()
                .filter(|file| (file.entry.kind, &file.entry.month) == (place.0, &month))
            {
                self.mark(file, &identities)?;
            }
        }
        Ok(())
    }

    fn mark(&mut self, file: &mut Placed, identities: &HashSet<u128>) -> Result<()> {
        let is_gone = |identity: &Identity| identities.contains(&Key(*identity).identity());
        let mut is_changed = false;
        for rows in file::read_bounded(&file.path)? {
            let rows = rows.at_path(&file.path, "cannot be read")?;
            let deleted = rows.column(schema::DELETED_IN_SOURCE).as_boolean();
            let found = identity::of_rows(&rows)?;
            if found
                .iter()
                .zip(deleted.values())
                .any(|(identity, known)| !known && is_gone(identity))
            {
                is_changed = true;
                break;
            }
        }
        if !is_changed {
            return Ok(());
        }
        self.rewrite(file, |rows| {
            let gone: BooleanArray = identity::of_rows(&rows)?
                .iter()
                .map(|identity| Some(is_gone(identity)))
                .collect();
            marked(rows, &gone)
        })
    }
}

/// The rows, with those that `deleted` names marked.
pub fn marked(rows: RecordBatch, deleted: &BooleanArray) -> Result<RecordBatch> {
    let mut columns = rows.columns().to_vec();
    columns[schema::DELETED_IN_SOURCE] =
        Arc::new(or(columns[schema::DELETED_IN_SOURCE].as_boolean(), deleted)?) as ArrayRef;
    Ok(RecordBatch::try_new(rows.schema(), columns)?)
}

/// All rows of a file of the lake.
pub fn lake_rows(path: &Path) -> Result<Batches> {
    let at = path.to_owned();
    let rows = file::read_bounded(path)?;
    Ok(Box::new(rows.map(move |rows| rows.at_path(&at, "cannot be read"))))
}

/// What decides between versions, of rows without the rest.
fn lean_rows(path: &Path) -> Result<Batches> {
    let columns = ["audit_id", "created_on", "version_number", "deleted_in_source"];
    let at = path.to_owned();
    let rows = file::read(path, &columns, 1 << 13)?;
    Ok(Box::new(rows.map(move |rows| rows.at_path(&at, "cannot be read"))))
}

/// Whether a row of the file is not as good as its version. Both are sorted.
fn holds_a_worse_version(path: &Path, versions: &Path) -> Result<bool> {
    let Some(mut versions) = Cursor::open(lean_rows(versions)?)? else {
        return Ok(false);
    };
    let rank = |rows: &RecordBatch, row: usize| Rank::from_columns(rows.column(2), rows.column(3), row);
    for rows in lean_rows(path)? {
        let rows = rows?;
        for row in 0..rows.num_rows() {
            let wanted = key(&rows, row);
            while let Some(found) = versions.key().filter(|found| *found <= wanted) {
                if found == wanted && rank(&rows, row).is_below(&rank(&versions.batch, versions.row)) {
                    return Ok(true);
                }
                versions.advance()?;
            }
        }
    }
    Ok(false)
}

/// The best of the versions of this row that are better than it, as a place in `sources`; versions of earlier rows are
/// passed by.
fn better_version(
    versions: &mut Cursor,
    rows: &RecordBatch,
    row: usize,
    sources: &mut Vec<RecordBatch>,
) -> Result<Option<(usize, usize)>> {
    let wanted = key(rows, row);
    let mut best = (Rank::of(rows, row), None);
    while let Some(found) = versions.key().filter(|found| *found <= wanted) {
        let rank = Rank::of(&versions.batch, versions.row);
        if found == wanted && best.0.is_below(&rank) {
            sources.push(versions.batch.slice(versions.row, 1));
            best = (rank, Some((sources.len() - 1, 0)));
        }
        versions.advance()?;
    }
    Ok(best.1)
}
