//! The lake: records ↔ Parquet files (contract: design §3 *Lake*).
//!
//! ```text
//! LAKE/manifest.json                                        what belongs to the lake
//! LAKE/audit/environment=E/kind=K/month=YYYY-MM/*.parquet   rows, each file sorted by (created_on, audit_id)
//! LAKE/names.parquet                                        every name an id was seen with
//! LAKE/rejects/*.parquet                                    records that could not be understood, whole
//! ```
//!
//! [`Writer`] is the only way in, [`Lake`] the only way out; readers never wait for a writer.

mod accesses;
mod commit;
mod file;
pub mod identity;
pub mod manifest;
mod merge;
pub mod names;
pub mod rejects;
mod revise;
mod scan;
pub mod schema;
pub mod side;
mod sort;

pub use accesses::{AccessLog, Accesses, NOBODY};
pub use commit::Writer;
pub use scan::Control;

use crate::error::{Error, Result};
use crate::record::Kind;
use arrow::array::RecordBatch;
use manifest::{AuditFile, Manifest};
use names::Names;
use side::Side;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A committed lake, as it was when it was opened.
pub struct Lake {
    root: PathBuf,
    manifest: Manifest,
}

impl Lake {
    pub fn open(root: &Path) -> Result<Lake> {
        let manifest = Manifest::read(root)?.ok_or_else(|| {
            Error::failed("there is no lake here")
                .at(root)
                .hint("make one with `gatelog ingest PATH --lake DIR`, or name another with --lake or GATELOG_LAKE")
        })?;
        Ok(Lake {
            root: root.to_owned(),
            manifest,
        })
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

    /// What the lake holds, and how it came there.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What is known of users and organizations.
    pub fn side(&self) -> Result<Side> {
        commit::read_side(&self.root, &self.manifest)
    }

    pub fn names(&self) -> Result<Names> {
        commit::read_names(&self.root, &self.manifest)
    }

    /// All rejects, in the order in which they were set aside, some MiB at a time; see [`rejects::RejectRow::of`].
    pub fn rejects(&self) -> impl Iterator<Item = Result<RecordBatch>> {
        self.manifest
            .rejects
            .iter()
            .flat_map(|file| rejects::read(&self.root, file))
    }

    /// Files of one environment and kind, earliest first.
    fn files(&self, environment: &str, kind: Kind) -> Vec<&AuditFile> {
        let of_both = |audit: &&AuditFile| audit.environment == environment && audit.kind == kind;
        let mut files: Vec<&AuditFile> = self.manifest.audit.iter().filter(of_both).collect();
        files.sort_by_key(|audit| (audit.min_created_on_us, &audit.file.path));
        files
    }
}
