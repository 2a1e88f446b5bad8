//! Many small files become one per month: the same rows in the same order, in fewer files and larger row groups.
//!
//! The merged file of a month is staged in a folder of its own, which then takes the place of the month's folder in one
//! step ([`super::commit`]). So a reader who globs sees the month's old files or the new one, and a reader of the
//! manifest finds the old files where the swap has put them ([`Lake::place`](super::Lake)). The runs of the index become
//! one as well.
//!
//! Only months with more than one file are touched. A month that holds a file the manifest does not name is refused,
//! since the swap would take that file away.

use super::commit::{Hold, Next, STAGING, Swap};
use super::lock::Owner;
use super::manifest::{AuditFile, DataFile, Manifest, partition_folder};
use super::merge::{Batches, Merge};
use super::revise::lake_rows;
use super::runs::Run;
use super::sort::{Partition, SortedFile, StagedFile};
use super::{file, rebuild};
use crate::disk::Disk;
use crate::error::{AtPath, Error, Result};
use crate::instant;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A file takes at most about so much while it is merged; a small one takes what it holds.
const FILE_BYTES: usize = 24 << 20;

/// Which lake to compact, and how.
#[derive(Debug, Clone)]
pub struct Compact {
    pub lake: PathBuf,
    /// Who writes, for the lock.
    pub owner: Owner,
    /// Tells micros since 1970, for the record of the run.
    pub clock: fn() -> i64,
    pub memory_bytes: usize,
    pub disk: Disk,
}

impl Compact {
    pub fn new(lake: PathBuf) -> Compact {
        Compact {
            lake,
            owner: Owner::unnamed(),
            clock: || 0,
            memory_bytes: 512 << 20,
            disk: Disk::default(),
        }
    }
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Compacted {
    /// Months of an environment and kind whose files were merged.
    pub partitions: u64,
    pub files_before: u64,
    pub files_after: u64,
    pub bytes_before: u64,
    pub bytes_after: u64,
    /// What people should know beside that: a sentence each.
    pub notes: Vec<String>,
}

/// Merges the files of each month, and commits; a lake that needs nothing keeps only the record of the run.
///
/// # Errors
/// `Failed` when there is no lake, or it cannot be read or written, or holds what it does not name; `Locked` when
/// another run is writing. In each case the lake is as before.
pub fn compact(plan: &Compact) -> Result<Compacted> {
    super::Lake::open(&plan.lake)?;
    let hold = Hold::take(&plan.lake, &plan.owner, &plan.disk)?;
    let manifest = Manifest::read(&plan.lake)?.unwrap_or_else(Manifest::empty);
    let share = plan.memory_bytes / 4;
    let manifest = rebuild::index_where_missing(&plan.disk, &plan.lake, manifest, share, plan.clock)?;
    let record = Run::begin("compact", plan.clock, BTreeMap::new());
    let mut next = Next::after(&manifest, &plan.lake, &plan.disk);
    let mut done = Compacted {
        files_before: manifest.audit.len() as u64,
        bytes_before: bytes(&manifest),
        notes: hold.note.iter().cloned().collect(),
        ..Compacted::default()
    };
    for (folder, files) in by_folder(&manifest).into_iter().filter(|(_, files)| files.len() > 1) {
        refuse_strangers(&plan.lake, &folder, &files)?;
        let number = done.partitions;
        done.partitions += 1;
        let scratch = plan.lake.join(STAGING).join(format!("compacted-{number:05}"));
        let target = format!("{:08}.parquet", next.manifest.generation);
        let merged = merge(plan, &files, &scratch.join(&target), share)?;
        plan.disk.sync_dir(&scratch)?;
        next.intent.swaps.push(Swap {
            staged: format!("{STAGING}/compacted-{number:05}"),
            folder: folder.trim_end_matches('/').to_owned(),
            file: target.clone(),
        });
        let is_merged = |audit: &AuditFile| audit.file.path.starts_with(&folder);
        next.manifest.audit.retain(|audit| !is_merged(audit));
        next.manifest.audit.push(AuditFile {
            file: DataFile::new(format!("{folder}{target}"), merged.written),
            min_created_on_us: merged.min_created_on_us,
            max_created_on_us: merged.max_created_on_us,
            ..files[0].clone()
        });
    }
    next.manifest.audit.sort_by(|a, b| a.file.path.cmp(&b.file.path));
    next.merge_index()?;
    done.files_after = next.manifest.audit.len() as u64;
    done.bytes_after = bytes(&next.manifest);
    next.commit(&manifest, record)?;
    Ok(done)
}

fn bytes(manifest: &Manifest) -> u64 {
    manifest.audit.iter().map(|audit| audit.file.bytes).sum()
}

/// The files of each partition, earliest first.
fn by_folder(manifest: &Manifest) -> BTreeMap<String, Vec<AuditFile>> {
    let mut folders: BTreeMap<String, Vec<AuditFile>> = BTreeMap::new();
    for audit in &manifest.audit {
        let folder = partition_folder(&audit.environment, audit.kind, &audit.month);
        folders.entry(folder).or_default().push(audit.clone());
    }
    for files in folders.values_mut() {
        files.sort_by(|a, b| a.file.path.cmp(&b.file.path));
    }
    folders
}

fn refuse_strangers(lake: &Path, folder: &str, files: &[AuditFile]) -> Result<()> {
    let dir = lake.join(folder);
    let known: BTreeSet<PathBuf> = files.iter().map(|audit| lake.join(&audit.file.path)).collect();
    for entry in std::fs::read_dir(&dir).at_path(&dir, "cannot be listed")? {
        let path = entry.at_path(&dir, "cannot be listed")?.path();
        if !known.contains(&path) {
            return Err(Error::failed("lies in the lake, which does not know it")
                .at(&path)
                .hint("move it away; `gatelog verify` lists all such files"));
        }
    }
    Ok(())
}

/// Merges files of one partition, some at a time where all at once would take more than the budget.
fn merge(plan: &Compact, files: &[AuditFile], target: &Path, budget_bytes: usize) -> Result<StagedFile> {
    let partition = Partition {
        environment: files[0].environment.as_str().into(),
        kind: files[0].kind,
        month: instant::month_of(files[0].min_created_on_us),
    };
    let mut paths: Vec<PathBuf> = files.iter().map(|audit| plan.lake.join(&audit.file.path)).collect();
    let mut merged = 0;
    loop {
        let mut groups = groups(&paths, budget_bytes)?;
        if groups.len() <= 1 {
            let group = groups.pop().unwrap_or_default();
            return merge_group(plan, &group, target, &partition);
        }
        let is_scratch = merged > 0;
        let mut next = Vec::with_capacity(groups.len());
        for group in &groups {
            let scratch = plan.lake.join(STAGING).join(format!("merging-{merged:05}.parquet"));
            next.push(merge_group(plan, group, &scratch, &partition)?.path);
            merged += 1;
        }
        if is_scratch {
            paths.iter().try_for_each(|path| plan.disk.remove_file(path))?;
        }
        paths = next;
    }
}

/// Neighbours that fit into the budget together, at least two of them.
fn groups(paths: &[PathBuf], budget_bytes: usize) -> Result<Vec<Vec<PathBuf>>> {
    let mut groups: Vec<Vec<PathBuf>> = Vec::new();
    let mut held = 0;
    for path in paths {
        let bytes = file::decoded_bytes(path)?.min(FILE_BYTES);
        held += bytes;
        match groups.last_mut() {
            Some(group) if group.len() < 2 || held <= budget_bytes => group.push(path.clone()),
            _ => {
                held = bytes;
                groups.push(vec![path.clone()]);
            }
        }
    }
    Ok(groups)
}

fn merge_group(plan: &Compact, paths: &[PathBuf], target: &Path, partition: &Partition) -> Result<StagedFile> {
    let sources: Vec<Batches> = paths.iter().map(|path| lake_rows(path)).collect::<Result<_>>()?;
    let mut rows = Merge::over(sources)?;
    let mut file = SortedFile::create(&plan.disk, target, file::ROW_GROUP_BYTES)?;
    while let Some(batch) = rows.next()? {
        file.write(&batch)?;
    }
    file.finish(partition.clone())
}
