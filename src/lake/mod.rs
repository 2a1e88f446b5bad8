//! The lake: records ↔ Parquet files (contract: design §3 *Lake*).
//!
//! ```text
//! LAKE/manifest.json                                        what belongs to the lake
//! LAKE/audit/environment=E/kind=K/month=YYYY-MM/*.parquet   rows, each file sorted by (created_on, audit_id)
//! LAKE/index/*.ids                                          the identities of all rows
//! LAKE/names/*.parquet                                      every name an id was seen with
//! LAKE/users/*.parquet, LAKE/organizations/*.parquet        their newest exported state
//! LAKE/rejects/*.parquet                                    records that could not be understood, whole
//! LAKE/ledger/                                              the books of each commit: its run, its inputs
//! ```
//!
//! [`Writer`] is the only way in, [`Lake`] the only way out; readers never wait for a writer.

mod accesses;
pub mod around;
mod claims;
pub mod columnar;
mod commit;
pub mod compact;
mod content;
mod early;
mod entry_per_line;
mod file;
mod guid;
mod held;
pub mod identity;
mod ids;
mod index;
pub mod ledger;
pub mod lock;
pub mod manifest;
mod merge;
mod months;
pub mod names;
pub mod newest;
mod pages;
mod rebuild;
pub mod rejects;
mod revise;
mod row_file;
pub mod rows;
pub mod runs;
mod scan;
pub mod schema;
pub mod side;
mod sightings;
mod sort;
mod sorted_file;
mod spill;
mod spread;
mod stretch;
mod text;
mod timeline;
pub mod verify;
mod waiting;
mod writer;

pub use accesses::{AccessLog, Leg};
pub use scan::Control;
pub use sightings::{Accesses, By, NOBODY, Sieve, Sightings};
pub use timeline::Timeline;
pub use writer::{Settled, Writer};

use crate::error::{AtPath, Error, Result};
use crate::record::Kind;
use arrow::array::RecordBatch;
use ledger::Ledger;
use manifest::{AuditFile, DataFile, Manifest};
use names::Names;
use side::Side;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// How often a lake is read anew because it was changed meanwhile.
const READS: usize = 10;

/// A committed lake, as it was when it was opened.
pub struct Lake {
    root: PathBuf,
    manifest: Manifest,
    /// Files that a commit under way replaces by others of their name → where the old ones are kept.
    kept: BTreeMap<String, String>,
}

impl Lake {
    pub fn open(root: &Path) -> Result<Lake> {
        let manifest = Manifest::read(root)?.ok_or_else(|| {
            Error::failed("there is no lake here")
                .at(root)
                .hint("make one with `gatelog ingest PATH --lake DIR`, or name another with --lake or GATELOG_LAKE")
        })?;
        // One that cannot be read is for writers to tell.
        let intent = commit::Intent::read(root).ok().flatten().unwrap_or_default();
        let is_next = intent.generation == manifest.generation + 1;
        Ok(Lake {
            root: root.to_owned(),
            kept: if is_next { intent.kept } else { BTreeMap::new() },
            manifest,
        })
    }

    /// What `read` makes of the lake. If a writer changes the lake meanwhile so that a file is gone, is no longer where it
    /// was found, or is replaced by another of its name, it is read again as it is then.
    pub fn read<T>(root: &Path, mut read: impl FnMut(&Lake) -> Result<T>) -> Result<T> {
        let mut lake = Lake::open(root)?;
        let mut last = None;
        for _ in 0..READS {
            let found = read(&lake);
            // Asked in this order: a commit that is over by now has changed the manifest.
            let is_changing = !matches!(commit::Intent::read(root), Ok(None));
            let now = Lake::open(root)?;
            let is_steady = now.manifest.generation == lake.manifest.generation && !is_changing;
            match found {
                Ok(found) if !lake.is_revised_by(&now) => return Ok(found),
                Err(error) if is_steady => return Err(error),
                found => last = found.err(),
            }
            lake = now;
        }
        Err(last.unwrap_or_else(|| {
            Error::failed("has changed each time it was read")
                .at(root)
                .hint("try again when no run is writing")
        }))
    }

    /// Whether files may have been read as they were not when this lake was opened.
    fn is_revised_by(&self, now: &Lake) -> bool {
        if self.manifest.generation == now.manifest.generation {
            return self.kept != now.kept;
        }
        let files = |lake: &Lake| -> BTreeSet<(String, String)> {
            let files = lake.manifest.audit.iter().map(|audit| &audit.file);
            files.map(|file| (file.path.clone(), file.hash.clone())).collect()
        };
        !now.kept.is_empty() || !files(self).is_subset(&files(now))
    }

    /// Where a file of the manifest is: where the commit under way keeps it, in its place, or else where a compaction that
    /// is not finished has put it.
    fn place(&self, path: &str) -> PathBuf {
        if let Some(kept) = self.kept.get(path) {
            return self.root.join(kept);
        }
        let place = self.root.join(path);
        if place.exists() {
            return place;
        }
        let intent = commit::Intent::read(&self.root).ok().flatten().unwrap_or_default();
        let aside = intent.swaps.iter().find_map(|swap| {
            let name = path.strip_prefix(&swap.folder)?.strip_prefix('/')?;
            Some(self.root.join(&swap.staged).join(name))
        });
        aside.filter(|aside| aside.exists()).unwrap_or(place)
    }

    /// The environments that have rows, in order.
    pub fn environments(&self) -> BTreeSet<&str> {
        self.manifest
            .audit
            .iter()
            .map(|audit| audit.environment.as_str())
            .collect()
    }

    /// First and last `created_on` over all rows of an environment.
    pub fn window(&self, environment: &str) -> Option<(i64, i64)> {
        let files = || {
            self.manifest
                .audit
                .iter()
                .filter(|audit| audit.environment == environment)
        };
        let first = files().map(|audit| audit.min_created_on_us).min()?;
        let last = files().map(|audit| audit.max_created_on_us).max()?;
        Some((first, last))
    }

    /// What the lake holds.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The books of all commits: every run, with its inputs.
    pub fn ledger(&self) -> Result<Ledger> {
        Ledger::read(&self.root, &self.manifest)
    }

    /// What is known of users and organizations.
    pub fn side(&self) -> Result<Side> {
        read_side(&self.root, &self.manifest)
    }

    /// The same of organizations alone.
    pub fn organizations(&self) -> Result<Side> {
        read_organizations(&self.root, &self.manifest, Side::default())
    }

    pub fn names(&self) -> Result<Names> {
        read_names(&self.root, &self.manifest)
    }

    /// All rejects, in the order in which they were set aside, some MiB at a time; see [`rejects::RejectRow::of`].
    pub fn rejects(&self) -> impl Iterator<Item = Result<RecordBatch>> {
        self.manifest
            .rejects
            .iter()
            .flat_map(|file| rejects::read(&self.root, file))
    }

    /// Code → how many rejects have it, of one environment if one is asked for.
    pub fn reject_counts(&self, only: Option<&str>) -> Result<BTreeMap<String, u64>> {
        let mut counts = BTreeMap::new();
        for file in &self.manifest.rejects {
            rejects::count(&self.root, file, only, &mut counts)?;
        }
        Ok(counts)
    }

    /// Files of one environment and kind, earliest first.
    fn files(&self, environment: &str, kind: Kind) -> Vec<&AuditFile> {
        let of_both = |audit: &&AuditFile| audit.environment == environment && audit.kind == kind;
        let mut files: Vec<&AuditFile> = self.manifest.audit.iter().filter(of_both).collect();
        files.sort_by_key(|audit| (audit.min_created_on_us, &audit.file.path));
        files
    }
}

/// The side tables the lake holds.
fn read_side(root: &Path, manifest: &Manifest) -> Result<Side> {
    let mut side = Side::default();
    for rows in batches(root, manifest.users.as_ref(), &[])? {
        side.take_users(&rows);
    }
    read_organizations(root, manifest, side)
}

fn read_organizations(root: &Path, manifest: &Manifest, mut side: Side) -> Result<Side> {
    for rows in batches(root, manifest.organizations.as_ref(), &[])? {
        side.take_organizations(&rows);
    }
    Ok(side)
}

/// The names the lake holds.
fn read_names(root: &Path, manifest: &Manifest) -> Result<Names> {
    let mut names = Names::default();
    for rows in batches(root, manifest.names.as_ref(), &[])? {
        names.merge(Names::from_batch(&rows));
    }
    Ok(names)
}

/// All rows of a file of the lake, if there is one; only the named columns if any are named.
fn batches(root: &Path, data: Option<&DataFile>, columns: &[&str]) -> Result<Vec<RecordBatch>> {
    let Some(data) = data else { return Ok(Vec::new()) };
    let path = root.join(&data.path);
    file::read(&path, columns, 1 << 14)?
        .map(|rows| rows.at_path(&path, "cannot be read"))
        .collect()
}
