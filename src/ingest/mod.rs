//! Ingest: exports → lake, in one run (contract: design §3).
//!
//! ```text
//! paths ─discover─▶ inputs ─recognise─▶ blocks ─parse (all cores)─▶ rows + rejects ─drop duplicates─▶ sorted files ─commit
//! ```
//!
//! Every record lands in exactly one counter of its input's [`Tally`] (L1), and neither the order of the paths nor the
//! number of threads changes what is committed (L2).

mod block;
mod columns;
mod csv;
mod discover;
mod fields;
mod head;
mod headless;
mod json;
mod normalize;
mod recognise;
mod reject;
mod run;
mod source;
mod synapse;

use crate::error::{Error, Result};
use chrono_tz::Tz;
use std::path::PathBuf;

/// What to ingest, and how.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Files, folders, or `-` for standard input.
    pub paths: Vec<PathBuf>,
    pub lake: PathBuf,
    pub environment: Option<String>,
    /// The zone of times that carry none.
    pub source_tz: Tz,
    /// Commit nothing if anything is rejected or refused.
    pub strict: bool,
    /// Who writes, for the lock.
    pub owner: String,
    /// About how much is read and parsed at once, per core.
    pub block_bytes: usize,
    /// How much of the rows is held before they are written out.
    pub memory_bytes: usize,
}

impl Plan {
    pub fn new(paths: Vec<PathBuf>, lake: PathBuf) -> Plan {
        Plan {
            paths,
            lake,
            environment: None,
            source_tz: Tz::UTC,
            strict: false,
            owner: "gatelog".to_owned(),
            block_bytes: 4 << 20,
            memory_bytes: 256 << 20,
        }
    }
}

/// The books: every record read is in exactly one of the others (L1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub read: u64,
    pub accepted: u64,
    pub duplicate: u64,
    pub rejected: u64,
}

impl Tally {
    pub fn balances(&self) -> bool {
        self.read == self.accepted + self.duplicate + self.rejected
    }

    fn add(&mut self, other: &Tally) {
        self.read += other.read;
        self.accepted += other.accepted;
        self.duplicate += other.duplicate;
        self.rejected += other.rejected;
    }
}

/// What became of one input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    Ingested {
        form: &'static str,
        environment: String,
        /// First and last `created_on` of its rows, duplicates included.
        window: Option<(i64, i64)>,
        tally: Tally,
        /// What people should know of this export beside its books: a sentence each.
        notes: Vec<String>,
    },
    Empty,
    /// The same bytes were ingested before.
    AlreadyIngested,
    /// Data gatelog cannot honestly read.
    Refused {
        reason: String,
        hint: String,
    },
    /// A file in a folder that is no export.
    PassedOver,
    /// What gatelog knows and has no use for.
    Skipped {
        reason: String,
    },
    /// A folder that its source is still writing to.
    Unfinished,
}

/// One line of the inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub input: String,
    pub fate: Fate,
}

/// How a run ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    pub reports: Vec<Report>,
    pub total: Tally,
    /// The first rejects, in order, for people to see; all of them are in the lake.
    pub rejects: Vec<RejectNote>,
}

/// Where a record was rejected, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectNote {
    pub input: String,
    pub record: u64,
    pub code: &'static str,
    pub sentence: String,
}

impl Outcome {
    pub fn refused(&self) -> usize {
        let is_refused = |report: &&Report| matches!(report.fate, Fate::Refused { .. });
        self.reports.iter().filter(is_refused).count()
    }
}

/// How far a run is, for whoever wants to show it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    pub bytes_read: u64,
    /// Of all inputs whose size is known.
    pub bytes_total: u64,
    pub records_read: u64,
}

/// Ingests everything the plan names, or nothing.
///
/// # Errors
/// `BadInput` when nothing is readable, or anything is wrong under `strict`; `Locked` when another run is writing;
/// `Failed` when a path cannot be read or the lake cannot be written. In each case the lake is as before.
pub fn ingest(plan: &Plan, progress: &(dyn Fn(Progress) + Sync)) -> Result<Outcome> {
    let inputs = discover::discover(&plan.paths, &plan.lake)?;
    if inputs.is_empty() {
        return Err(Error::bad_input("holds no files")
            .at(&plan.paths[0])
            .hint("name a folder with exports, or the files"));
    }
    let mut run = run::Run::open(plan, &inputs, progress)?;
    run.read_all(inputs.into_iter())?;
    run.finish()
}
