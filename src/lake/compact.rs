//! Compact: each month's files become one ([`super::months`]), and the runs of the index as well.
//!
//! A run merges by itself what has become many; this merges all there is. Only months with more than one file are touched.
//! A month that holds a file the manifest does not name is refused.

use super::commit::{Hold, Next};
use super::lock::Owner;
use super::manifest::Manifest;
use super::months::{self, Month};
use super::rebuild;
use super::revise::Placed;
use super::runs::Run;
use crate::disk::Disk;
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::path::PathBuf;

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
    let mut files = Vec::new();
    for month in Month::all(Placed::committed(&plan.lake, &manifest)) {
        if month.files.len() < 2 {
            files.extend(month.files);
            continue;
        }
        if let Some(stranger) = month.stranger(&plan.lake)? {
            return Err(Error::failed("lies in the lake, which does not know it")
                .at(stranger)
                .hint("move it away; `gatelog verify` lists all such files"));
        }
        files.push(months::merge(&mut next, month, share)?);
        done.partitions += 1;
    }
    next.put_audit(files)?;
    next.merge_index()?;
    done.files_after = next.manifest.audit.len() as u64;
    done.bytes_after = bytes(&next.manifest);
    next.commit(&manifest, record)?;
    Ok(done)
}

fn bytes(manifest: &Manifest) -> u64 {
    manifest.audit.iter().map(|audit| audit.file.bytes).sum()
}
