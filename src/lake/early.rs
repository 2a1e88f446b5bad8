//! Files that are written before their rows are judged.
//!
//! Exports mostly come in order, and most of their rows are new. A row that comes behind all rows of its partition, those
//! of the lake included, is almost surely both: it goes straight into a file, and never waits on the disk to be merged.
//! It must have a GUID, so that it is told from others of its time. Of versions that came close together the best one is
//! early; where one of them may be deleted, none.
//! The ordinals of a file's rows are kept beside it. Once all rows are judged, a file of which one row was not simply new
//! is written again as the verdicts say; so an early row is a matter of speed alone.

use super::claims::{Verdict, Verdicts};
use super::held::{Held, Key, Place};
use super::revise;
use super::row_file::{BATCH_ROWS, RowFile, Taken};
use super::rows::Row;
use super::sort::{Partition, StagedFile};
use super::sorted_file::SortedFile;
use super::spill::{Fixed, Records};
use crate::disk::{Disk, Target};
use crate::error::{AtPath, Error, Result};
use arrow::array::BooleanArray;
use arrow::compute::filter_record_batch;
use std::io::{BufWriter, IntoInnerError, Write};
use std::path::{Path, PathBuf};

/// The early rows of a partition.
pub struct Early {
    disk: Disk,
    path: PathBuf,
    group_bytes: usize,
    /// That of the last row.
    last: Option<Key>,
    /// Until it is closed.
    open: Option<Open>,
    closed: Option<StagedFile>,
}

struct Open {
    file: RowFile,
    ordinals: BufWriter<Target>,
}

impl Early {
    /// With row groups of at most so many bytes, encoded.
    pub fn create(disk: &Disk, path: PathBuf, partition: &Partition, group_bytes: usize) -> Result<Early> {
        let open = Open {
            file: RowFile::create(disk, &path, partition, group_bytes)?,
            ordinals: BufWriter::new(disk.create(&beside(&path))?),
        };
        Ok(Early {
            disk: disk.clone(),
            path,
            group_bytes,
            last: None,
            open: Some(open),
            closed: None,
        })
    }

    /// Whether a row comes behind all rows that were taken, and more are taken at all.
    pub fn takes(&self, key: Key) -> bool {
        self.open.is_some() && self.last.is_none_or(|last| last < key)
    }

    /// Takes rows, each of which comes behind the one before.
    pub fn take(&mut self, places: &[Place], held: &Held) -> Result<()> {
        let Some(open) = &mut self.open else {
            return Err(Error::failed("is closed").at(&self.path));
        };
        for places in places.chunks(BATCH_ROWS) {
            let mut rows = Vec::with_capacity(BATCH_ROWS);
            for place in places {
                let staged = held.staged(place);
                let noted = open.ordinals.write_all(&staged.ordinal.to_le_bytes());
                noted.at_path(&self.path, "cannot be written")?;
                rows.push(Taken {
                    row: Row::read(staged.bytes),
                    is_deleted: false,
                    source: held.source(staged.source),
                });
            }
            open.file.take_all(&rows)?;
        }
        self.last = places.last().and_then(Place::key).or(self.last);
        Ok(())
    }

    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// That of the last row.
    pub fn last(&self) -> Option<Key> {
        self.last
    }

    /// How much memory it takes, about.
    pub fn held_bytes(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.file.held_bytes())
    }

    /// Writes out what is held.
    pub fn end_group(&mut self) -> Result<()> {
        self.open.as_mut().map_or(Ok(()), |open| open.file.end_group())
    }

    /// Takes no more rows.
    pub fn close(&mut self) -> Result<()> {
        if let Some(open) = self.open.take() {
            let ordinals = open.ordinals.into_inner().map_err(IntoInnerError::into_error);
            drop(ordinals.at_path(&self.path, "cannot be written")?);
            self.closed = Some(open.file.finish()?);
        }
        Ok(())
    }

    /// The file as the verdicts say, and versions of rows the lake has; `None` if there are none.
    pub fn finish(mut self, verdicts: &Verdicts) -> Result<[Option<StagedFile>; 2]> {
        self.close()?;
        let Some(staged) = self.closed else {
            return Ok([None, None]);
        };
        let bytes = staged.written.rows * u64::BYTES as u64;
        let judged = || {
            let ordinals = Records::<u64>::open(&beside(&self.path), 0, bytes)?;
            Ok::<_, Error>(ordinals.map(|ordinal| ordinal.map(|ordinal| verdicts.get(ordinal))))
        };
        let mut is_as_said = true;
        for verdict in judged()? {
            is_as_said &= verdict? == Verdict::Keep;
        }
        let files = match is_as_said {
            true => [Some(staged), None],
            false => {
                let again = write_again(&self.disk, staged, self.group_bytes, judged()?)?;
                self.disk.remove_file(&self.path)?;
                again
            }
        };
        self.disk.remove_file(&beside(&self.path))?;
        Ok(files)
    }
}

/// The rows of a file that the verdicts leave, as two other files: the new ones, and versions.
fn write_again(
    disk: &Disk,
    staged: StagedFile,
    group_bytes: usize,
    mut verdicts: impl Iterator<Item = Result<Verdict>>,
) -> Result<[Option<StagedFile>; 2]> {
    let mut files: [Option<SortedFile>; 2] = [None, None];
    for rows in revise::lake_rows(&staged.path)? {
        let rows = rows?;
        let verdicts: Vec<Verdict> = verdicts.by_ref().take(rows.num_rows()).collect::<Result<_>>()?;
        let are = |is: fn(Verdict) -> bool| verdicts.iter().map(|verdict| Some(is(*verdict))).collect();
        let deleted: BooleanArray = are(|verdict| verdict == Verdict::KeepDeleted);
        let kept: BooleanArray = are(|verdict| matches!(verdict, Verdict::Keep | Verdict::KeepDeleted));
        let versions: BooleanArray = are(|verdict| verdict == Verdict::Challenge);
        let rows = revise::marked(rows, &deleted)?;
        for ((file, chosen), name) in files.iter_mut().zip([kept, versions]).zip(["judged", "versions"]) {
            let chosen = filter_record_batch(&rows, &chosen)?;
            if chosen.num_rows() == 0 {
                continue;
            }
            let file = match file {
                Some(file) => file,
                None => {
                    let path = staged.path.with_extension(name).with_added_extension("parquet");
                    file.insert(SortedFile::create(disk, &path, group_bytes)?)
                }
            };
            file.write(&chosen)?;
        }
    }
    let finish = |file: Option<SortedFile>| file.map(|file| file.finish(staged.partition.clone())).transpose();
    let [new, versions] = files;
    Ok([finish(new)?, finish(versions)?])
}

/// Where the ordinals of a file's rows stand.
fn beside(path: &Path) -> PathBuf {
    path.with_extension("ordinals")
}
