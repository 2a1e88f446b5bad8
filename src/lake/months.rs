//! The files of a month become one: the same rows in the same order, in fewer files and larger row groups.
//!
//! The merged file is staged in a folder of its own, which then takes the place of the month's folder in one step
//! ([`super::commit`]). So a reader who globs sees the month's old files or the new one, and a reader of the manifest
//! finds the old files where the swap has put them ([`Lake::place`](super::Lake)).
//!
//! A run merges what has become many ([`is_due`]), so that the list of files, which each run reads and writes, does not
//! grow with the number of runs. A night adds a file to the current month; the first night after it makes them one. Each
//! row is written once or twice more for that, however long the lake is kept.

use super::commit::{Next, STAGING, Swap};
use super::file;
use super::manifest::{AuditFile, DataFile, partition_folder};
use super::merge::{Batches, Merge};
use super::revise::{Placed, lake_rows};
use super::sort::{Partition, StagedFile};
use super::sorted_file::SortedFile;
use crate::disk::Disk;
use crate::error::{AtPath, Result};
use crate::instant;
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// A file takes at most about so much while it is merged; a small one takes what it holds.
const FILE_BYTES: usize = 24 << 20;

/// Files of a month that are always too many; a month of nights has fewer.
const MANY: usize = 32;

/// Files of a month that is over which are many, if together they are worth writing the largest one anew.
const MANY_OF_THE_PAST: usize = 4;

/// Whether a run should make one of files of so many bytes.
pub fn is_due(bytes: &[u64], is_past: bool) -> bool {
    let largest = bytes.iter().max().copied().unwrap_or(0);
    let others = bytes.iter().sum::<u64>() - largest;
    bytes.len() > MANY || (is_past && bytes.len() > MANY_OF_THE_PAST && others >= largest / 2)
}

/// A partition and its files, in order of their names.
pub struct Month {
    /// Relative to the lake, with `/` at its end.
    pub folder: String,
    pub files: Vec<Placed>,
    /// Whether its environment has rows of a later month.
    pub is_past: bool,
}

impl Month {
    /// All months of these files.
    pub fn all(files: Vec<Placed>) -> Vec<Month> {
        let mut newest: BTreeMap<String, String> = BTreeMap::new();
        let mut folders: BTreeMap<String, Vec<Placed>> = BTreeMap::new();
        for file in files {
            let AuditFile {
                environment,
                kind,
                month,
                ..
            } = &file.entry;
            let newest = newest.entry(environment.clone()).or_default();
            if *newest < *month {
                newest.clone_from(month);
            }
            let folder = partition_folder(environment, *kind, month);
            folders.entry(folder).or_default().push(file);
        }
        let month = |(folder, mut files): (String, Vec<Placed>)| {
            files.sort_by(|a, b| a.entry.file.path.cmp(&b.entry.file.path));
            let entry = &files[0].entry;
            Month {
                is_past: newest
                    .get(&entry.environment)
                    .is_some_and(|newest| entry.month < *newest),
                folder,
                files,
            }
        };
        folders.into_iter().map(month).collect()
    }

    pub fn is_due(&self) -> bool {
        let bytes: Vec<u64> = self.files.iter().map(|file| file.entry.file.bytes).collect();
        is_due(&bytes, self.is_past)
    }

    /// A file in its folder that the lake does not know: the swap would take it away.
    pub fn stranger(&self, root: &Path) -> Result<Option<PathBuf>> {
        let dir = root.join(&self.folder);
        let known: BTreeSet<PathBuf> = self.files.iter().map(|file| root.join(&file.entry.file.path)).collect();
        let entries = match std::fs::read_dir(&dir) {
            Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
            entries => entries.at_path(&dir, "cannot be listed")?,
        };
        for entry in entries {
            let path = entry.at_path(&dir, "cannot be listed")?.path();
            if !known.contains(&path) {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }
}

/// Makes one file of a month, as part of a commit; gives what then stands for the month.
pub fn merge(next: &mut Next<'_>, month: Month, budget_bytes: usize) -> Result<Placed> {
    let staged = format!("{STAGING}/month-{:05}", next.intent.swaps.len());
    let name = format!("{:08}.parquet", next.manifest.generation);
    let path = next.root.join(&staged).join(&name);
    let first = &month.files[0].entry;
    let merging = Merging {
        disk: next.disk,
        scratch: next.root.join(format!("{staged}-parts")),
        partition: Partition {
            environment: first.environment.as_str().into(),
            kind: first.kind,
            month: instant::month_of(first.min_created_on_us),
        },
        budget_bytes,
    };
    let paths = month.files.iter().map(|file| file.path.clone()).collect();
    let merged = merging.all(paths, &path)?;
    next.disk.sync_dir(&next.root.join(&staged))?;
    next.intent.swaps.push(Swap {
        staged,
        folder: month.folder.trim_end_matches('/').to_owned(),
        file: name.clone(),
    });
    Ok(Placed {
        entry: AuditFile {
            file: DataFile::new(format!("{}{name}", month.folder), merged.written),
            min_created_on_us: merged.min_created_on_us,
            max_created_on_us: merged.max_created_on_us,
            ..first.clone()
        },
        path,
        // Its folder is put in place as a whole.
        is_staged: false,
    })
}

struct Merging<'m> {
    disk: &'m Disk,
    /// For files that are merged again.
    scratch: PathBuf,
    partition: Partition,
    budget_bytes: usize,
}

impl Merging<'_> {
    /// Merges files of one partition, some at a time where all at once would take more than the budget.
    fn all(&self, mut paths: Vec<PathBuf>, target: &Path) -> Result<StagedFile> {
        let mut merged = 0;
        loop {
            let mut groups = self.groups(&paths)?;
            if groups.len() <= 1 {
                let group = groups.pop().unwrap_or_default();
                return self.group(&group, target);
            }
            let is_scratch = merged > 0;
            let mut next = Vec::with_capacity(groups.len());
            for group in &groups {
                let scratch = self.scratch.join(format!("{merged:05}.parquet"));
                next.push(self.group(group, &scratch)?.path);
                merged += 1;
            }
            if is_scratch {
                paths.iter().try_for_each(|path| self.disk.remove_file(path))?;
            }
            paths = next;
        }
    }

    /// Neighbours that fit into the budget together, at least two of them.
    fn groups(&self, paths: &[PathBuf]) -> Result<Vec<Vec<PathBuf>>> {
        let mut groups: Vec<Vec<PathBuf>> = Vec::new();
        let mut held = 0;
        for path in paths {
            let bytes = file::decoded_bytes(path)?.min(FILE_BYTES);
            held += bytes;
            match groups.last_mut() {
                Some(group) if group.len() < 2 || held <= self.budget_bytes => group.push(path.clone()),
                _ => {
                    held = bytes;
                    groups.push(vec![path.clone()]);
                }
            }
        }
        Ok(groups)
    }

    fn group(&self, paths: &[PathBuf], target: &Path) -> Result<StagedFile> {
        let sources: Vec<Batches> = paths.iter().map(|path| lake_rows(path)).collect::<Result<_>>()?;
        let mut rows = Merge::over(sources)?;
        let mut file = SortedFile::create(self.disk, target, file::ROW_GROUP_BYTES)?;
        while let Some(batch) = rows.next()? {
            file.write(&batch)?;
        }
        file.finish(self.partition.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_that_is_over_is_merged_once_its_nights_are_worth_it() {
        let nights = |count| vec![100; count];
        assert!(!is_due(&nights(31), false), "the current month grows");
        assert!(is_due(&nights(31), true));
        assert!(!is_due(&nights(4), true));
        assert!(is_due(&nights(5), true));
        assert!(is_due(&nights(33), false), "hourly runs");
        let late = |count| [vec![3_000], vec![10; count]].concat();
        assert!(!is_due(&late(20), true), "late rows do not pay for a large file");
        assert!(is_due(&late(32), true), "until they are very many");
        assert!(!is_due(&[], true));
    }
}
