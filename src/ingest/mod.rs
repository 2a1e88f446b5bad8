//! Ingest: exports → lake, in one run (contract: design §3).
//!
//! ```text
//! paths ─discover─▶ inputs ─recognise─▶ blocks ─parse (all cores)─▶ rows + rejects ─drop duplicates─▶ sorted files ─commit
//! ```
//!
//! Every record lands in exactly one counter of its input's [`Tally`] (L1), and neither the order of the paths nor the
//! number of threads changes what is committed (L2).

mod accesses;
mod archive;
mod block;
mod checked;
mod csv;
mod decode;
mod discover;
mod entries;
mod entry;
mod expand;
mod feed;
mod fields;
mod head;
mod headless;
mod join;
mod json;
mod lines;
mod normalize;
mod people;
#[doc(hidden)]
pub mod probe;
mod raw;
mod recognise;
mod refuse;
mod reject;
mod replay;
mod run;
mod scanner;
mod side;
mod source;
mod synapse;
mod table;
mod words;
mod xml;

use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::instant::{self, DateOrder};
use crate::lake::lock::Owner;
use crate::lake::runs::{Books, InputCounts};
use chrono_tz::Tz;
use std::collections::BTreeMap;
use std::path::PathBuf;

pub use head::DEFAULT_ENVIRONMENT;
pub use reject::{MaxRejects, RejectNote, header_line};
pub use replay::{Replay, replay};

/// How large blocks are unless asked otherwise. Larger ones take memory and no less time: with 4 MiB, 2 M rows in pages of
/// 6 MB took 530 MiB at their peak, with 2 MiB 490.
pub const BLOCK_BYTES: usize = 2 << 20;

/// Smaller blocks would cost more to hand out than to parse.
const LEAST_BLOCK_BYTES: usize = 1 << 16;

/// What to ingest, and how.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Files, folders, or `-` for standard input.
    pub paths: Vec<PathBuf>,
    pub lake: PathBuf,
    pub environment: Option<String>,
    /// The zone of times that carry none.
    pub source_tz: Tz,
    /// The order of dates as people spell them, like 2/6/2026; without it they are not understood.
    pub date_order: Option<DateOrder>,
    /// When the inputs were exported, micros since 1970; each file's own time of modification when `None`.
    pub exported_on: Option<i64>,
    /// Tells micros since 1970: for the record of the run, and when standard input counts as exported.
    pub clock: fn() -> i64,
    /// Commit nothing if anything is rejected or refused.
    pub strict: bool,
    /// Who writes, for the lock.
    pub owner: Owner,
    /// About how much is read and parsed at once, per core.
    pub block_bytes: usize,
    /// About how much memory the run may take, whatever the size of its inputs.
    pub memory_bytes: usize,
    /// No audit record comes near this size; what does is broken. It bounds how far a missing quote can reach.
    pub record_bytes: usize,
    pub disk: Disk,
}

impl Plan {
    pub fn new(paths: Vec<PathBuf>, lake: PathBuf) -> Plan {
        Plan {
            paths,
            lake,
            environment: None,
            source_tz: Tz::UTC,
            date_order: None,
            exported_on: None,
            clock: || 0,
            strict: false,
            owner: Owner::unnamed(),
            block_bytes: BLOCK_BYTES,
            memory_bytes: 512 << 20,
            record_bytes: 64 << 20,
            disk: Disk::default(),
        }
    }

    /// How large each of so many blocks may be that are read at once: with many cores, an eighth of the memory decides.
    fn block_bytes_for(&self, blocks: usize) -> usize {
        self.block_bytes
            .min((self.memory_bytes / 8 / blocks).max(LEAST_BLOCK_BYTES))
    }

    /// Option → value, for the record of the run.
    fn settings(&self) -> BTreeMap<String, String> {
        settings([
            ("environment", self.environment.clone()),
            ("source_tz", Some(self.source_tz.name().to_owned())),
            ("date_order", self.date_order.map(|order| order.name().to_owned())),
            ("exported_on", self.exported_on.map(instant::to_text)),
            ("strict", self.strict.then(|| "true".to_owned())),
            ("memory", Some(mib(self.memory_bytes))),
        ])
    }
}

/// Those that were given, by name.
fn settings<const N: usize>(all: [(&str, Option<String>); N]) -> BTreeMap<String, String> {
    let given = all.into_iter().filter_map(|(name, value)| Some((name, value?)));
    given.map(|(name, value)| (name.to_owned(), value)).collect()
}

fn mib(bytes: usize) -> String {
    format!("{} MiB", bytes >> 20)
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

    fn of_accepted(accepted: u64) -> Tally {
        Tally {
            read: accepted,
            accepted,
            ..Tally::default()
        }
    }

    fn of_duplicate(duplicate: u64) -> Tally {
        Tally {
            read: duplicate,
            duplicate,
            ..Tally::default()
        }
    }

    fn of_rejected(rejected: u64) -> Tally {
        Tally {
            read: rejected,
            rejected,
            ..Tally::default()
        }
    }

    fn books(&self) -> Books {
        Books {
            read: self.read,
            accepted: self.accepted,
            duplicate: self.duplicate,
            rejected: self.rejected,
        }
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
        /// The logical name of the table whose rows it holds.
        table: &'static str,
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
    pub rejected_by_code: BTreeMap<String, u64>,
    /// What people should know beside the inputs: a sentence each.
    pub notes: Vec<String>,
}

impl Outcome {
    pub fn refused(&self) -> usize {
        let is_refused = |report: &&Report| matches!(report.fate, Fate::Refused { .. });
        self.reports.iter().filter(is_refused).count()
    }

    /// What became of the inputs, counted.
    fn input_counts(&self) -> InputCounts {
        let is_ingested = |report: &&Report| matches!(report.fate, Fate::Ingested { .. });
        let (ingested, refused) = (self.reports.iter().filter(is_ingested).count(), self.refused());
        InputCounts {
            inputs_ingested: ingested as u64,
            inputs_skipped: (self.reports.len() - ingested - refused) as u64,
            inputs_refused: refused as u64,
        }
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
