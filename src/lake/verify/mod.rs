//! Verify: every statement of the manifest, checked against the files (L5), and what must hold over all of them.
//!
//! ```text
//! manifest ─▶ listing, ledger ─▶ books                                  (`books`)
//!          ─▶ each file, in parallel: bytes, hash, layout, rows         (`file`)
//!          ─▶ identities of all rows, sorted outside of memory: no two,
//!             and the index of identities has just these             (`twice`)
//! folders  ─▶ files that no one names
//! ```
//!
//! A lie is a value, a [`Finding`]; only what keeps verify from looking is an error. It only reads, so it may run beside
//! a writer: what a decided commit is about to change is left out, and if a commit ends meanwhile, verify starts again.

mod books;
mod file;
mod twice;

use super::commit::Intent;
use super::identity::Identity;
use super::index::Key;
use super::ledger::Ledger;
use super::manifest::{self, DataFile, Manifest};
use crate::error::{AtPath, Error, Result};
use crate::instant;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// How often a lake may change while it is looked at.
const ATTEMPTS: usize = 3;

/// Findings of one check that are kept whole; the rest is counted.
const KEPT: usize = 100;

/// What was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// The manifest lists a file twice, where it cannot be, or with a range that cannot be (L6).
    Listing,
    /// Read = accepted + duplicate + rejected, and what was accepted is there (L1).
    Books,
    Existence,
    Bytes,
    Hash,
    Readable,
    Columns,
    Encoding,
    Rows,
    Range,
    Order,
    /// A row lies where its values say (L6).
    Partition,
    /// A row is there once.
    Duplicates,
    /// The index knows the identities of just the rows that are there (L3).
    Index,
    /// A file that readers would find, and the manifest does not name.
    Unnamed,
}

impl Check {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Check::Listing => "the list of files",
            Check::Books => "the books",
            Check::Existence => "missing files",
            Check::Bytes => "numbers of bytes",
            Check::Hash => "hashes",
            Check::Readable => "files that cannot be read",
            Check::Columns => "columns",
            Check::Encoding => "encodings",
            Check::Rows => "numbers of rows",
            Check::Range => "ranges of time",
            Check::Order => "orders of rows",
            Check::Partition => "rows in the wrong place",
            Check::Duplicates => "rows that are there twice",
            Check::Index => "the index of identities",
            Check::Unnamed => "files that no one names",
        }
    }
}

/// A statement that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Relative to the lake.
    pub path: String,
    pub check: Check,
    pub sentence: String,
}

/// How much was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    pub generation: u64,
    pub files: u64,
    pub bytes: u64,
    /// Of the log.
    pub rows: u64,
    pub inputs: u64,
    pub runs: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    pub findings: Vec<Finding>,
    /// How many more there are of checks with very many.
    pub more: BTreeMap<Check, u64>,
    pub notes: Vec<String>,
    pub checked: Checked,
}

impl Verified {
    pub fn count(&self) -> u64 {
        self.findings.len() as u64 + self.more.values().sum::<u64>()
    }

    fn add(&mut self, findings: impl IntoIterator<Item = Finding>) {
        for finding in findings {
            let is_same = |other: &&Finding| other.check == finding.check;
            match self.findings.iter().filter(is_same).count() < KEPT {
                true => self.findings.push(finding),
                false => *self.more.entry(finding.check).or_default() += 1,
            }
        }
    }
}

/// Checks a lake. `scratch` is a folder for what does not fit into memory: about 40 bytes for each row beyond some
/// millions.
///
/// # Errors
/// `Failed` when there is no lake, its manifest cannot be read, or it changes faster than it can be looked at.
pub fn verify(lake: &Path, scratch: &Path) -> Result<Verified> {
    let changed = || {
        Error::failed("has changed each time it was verified")
            .at(lake)
            .hint("verify it when no run is writing")
    };
    let open = || Ok(super::Lake::open(lake)?.manifest);
    while_steady(open, |manifest| look(lake, manifest, scratch))?.ok_or_else(changed)
}

/// What `look` says of a lake that is the same before and after; `None` when it never is.
fn while_steady<T>(
    open: impl Fn() -> Result<Manifest>,
    mut look: impl FnMut(&Manifest) -> Result<T>,
) -> Result<Option<T>> {
    let mut manifest = open()?;
    for _ in 0..ATTEMPTS {
        let found = look(&manifest);
        let now = open()?;
        if now.generation == manifest.generation {
            return found.map(Some);
        }
        manifest = now;
    }
    Ok(None)
}

fn look(lake: &Path, manifest: &Manifest, scratch: &Path) -> Result<Verified> {
    let (ledger, faults) = books::check(lake, manifest);
    let mut verified = Verified {
        checked: checked(manifest, &ledger),
        ..Verified::default()
    };
    verified.add(faults);
    let twice = twice::Twice::new(verified.checked.rows, scratch);
    let of_audit = manifest.audit.par_iter().enumerate();
    let of_audit: Vec<Vec<Finding>> = of_audit
        .map(|(number, audit)| {
            let month = instant::month_of(audit.min_created_on_us);
            file::check_audit(lake, audit, |identities| {
                let key = |identity: &Identity| Key::new(*identity, audit.kind, month);
                twice.add(number as u32, identities.iter().map(key))
            })
        })
        .collect::<Result<_>>()?;
    let of_index: Vec<Vec<Finding>> = manifest
        .index
        .iter()
        .map(|run| file::check_index(lake, run, |keys| twice.add(twice::INDEX, keys.iter().copied())))
        .collect::<Result<_>>()?;
    let others: Vec<&DataFile> = other_files(manifest).collect();
    let of_others: Vec<Vec<Finding>> = others.par_iter().map(|data| file::check_table(lake, data)).collect();
    let mut found: Vec<Finding> = of_audit
        .into_iter()
        .chain(of_index)
        .chain(of_others)
        .flatten()
        .collect();
    let (doubled, unknown) = twice.finish(|number| &manifest.audit[number as usize].file.path)?;
    found.extend(doubled);
    // Where rows are not as they should be, the index cannot agree; a lake of layout 1 has none.
    if found.is_empty() && verified.findings.is_empty() && manifest.format > 1 {
        found.extend(unknown);
    }
    let (mut unnamed, strangers) = unnamed(lake, manifest)?;
    // Read after the folders: what a commit has moved there by then, it still names.
    let pending = Intent::read(lake)?;
    let changes: Vec<&str> = pending.iter().flat_map(changed).collect();
    let is_changed = |path: &str| {
        changes
            .iter()
            .any(|change| path == *change || path.strip_prefix(change).is_some_and(|inner| inner.starts_with('/')))
    };
    unnamed.retain(|finding| !is_changed(&finding.path));
    verified.add(found.into_iter().filter(|finding| !is_changed(&finding.path)));
    verified.add(unnamed);
    if pending.is_some() {
        verified.notes.push(format!(
            "a commit is decided; the next run finishes it. The files it changes, {} of them, were left out",
            changes.len()
        ));
    }
    if strangers > 0 {
        verified.notes.push(format!(
            "{strangers} files beside those of the lake are no Parquet; readers pass them over"
        ));
    }
    Ok(verified)
}

fn checked(manifest: &Manifest, ledger: &Ledger) -> Checked {
    let audit = manifest.audit.iter().map(|audit| &audit.file);
    let files: Vec<&DataFile> = audit
        .clone()
        .chain(other_files(manifest))
        .chain(&manifest.index)
        .collect();
    Checked {
        generation: manifest.generation,
        files: files.len() as u64,
        bytes: files.iter().map(|file| file.bytes).sum(),
        rows: audit.map(|file| file.rows).sum(),
        inputs: ledger.inputs().count() as u64,
        runs: ledger.runs().count() as u64,
    }
}

/// All Parquet files beside those of the log.
fn other_files(manifest: &Manifest) -> impl Iterator<Item = &DataFile> {
    let tables = [&manifest.names, &manifest.users, &manifest.organizations];
    manifest.rejects.iter().chain(tables.into_iter().flatten())
}

/// Parquet files that a reader of the folders would find and the manifest does not name, and how many files are no
/// Parquet.
fn unnamed(lake: &Path, manifest: &Manifest) -> Result<(Vec<Finding>, u64)> {
    let audit = manifest.audit.iter().map(|audit| &audit.file);
    let named = audit.chain(other_files(manifest)).chain(&manifest.index);
    let named: BTreeSet<&str> = named.map(|file| file.path.as_str()).collect();
    let (mut findings, mut strangers) = (Vec::new(), 0);
    let folders = ["audit", "rejects", "names", "users", "organizations"].map(|folder| lake.join(folder));
    for folder in folders.iter().filter(|folder| folder.exists()) {
        for entry in walkdir::WalkDir::new(folder).sort_by_file_name() {
            let entry = entry.at_path(folder, "the folder cannot be read")?;
            let inner = entry.path().strip_prefix(lake).unwrap_or(entry.path());
            let path = inner.to_string_lossy().replace('\\', "/");
            let is_parquet = inner
                .extension()
                .is_some_and(|ending| ending.eq_ignore_ascii_case("parquet"));
            if entry.file_type().is_dir() || named.contains(path.as_str()) {
                continue;
            }
            strangers += u64::from(!is_parquet);
            if is_parquet {
                let sentence =
                    "is not named by the manifest; a reader of the folder takes its rows for rows of the lake";
                findings.push(Finding {
                    path,
                    check: Check::Unnamed,
                    sentence: sentence.to_owned(),
                });
            }
        }
    }
    Ok((findings, strangers))
}

/// The files and folders that a decided commit changes.
fn changed(intent: &Intent) -> impl Iterator<Item = &str> {
    let moved = intent.moves.iter().map(|(_, to)| to);
    let swapped = intent.swaps.iter().map(|swap| &swap.folder);
    moved.chain(swapped).chain(&intent.removes).map(String::as_str)
}

/// `1 row`, `2 rows`.
fn rows(count: u64) -> String {
    format!("{count} row{}", if count == 1 { "" } else { "s" })
}

/// A finding about what the manifest says of no single file.
fn of_manifest(check: Check, sentence: String) -> Finding {
    Finding {
        path: manifest::FILE_NAME.to_owned(),
        check,
        sentence,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn a_lake_that_changes_meanwhile_is_looked_at_again_three_times_at_most() {
        // How many commits end while it is looked at → what is seen, after how many looks.
        for (commits, expected, looks) in [(0, Some(0), 1), (1, Some(1), 2), (2, Some(2), 3), (9, None, 3)] {
            let (generation, looked) = (Cell::new(0), Cell::new(0));
            let open = || {
                Ok(Manifest {
                    generation: generation.get(),
                    ..Manifest::empty()
                })
            };
            let seen = while_steady(open, |manifest| {
                looked.set(looked.get() + 1);
                generation.set((generation.get() + 1).min(commits));
                Ok(manifest.generation)
            });
            assert_eq!((seen.unwrap(), looked.get()), (expected, looks), "{commits}");
        }
    }

    #[test]
    fn of_very_many_findings_of_a_check_the_rest_is_counted() {
        let mut verified = Verified::default();
        let findings = |check, count| (0..count).map(move |number| of_manifest(check, number.to_string()));
        verified.add(findings(Check::Hash, KEPT as u64 + 7));
        verified.add(findings(Check::Rows, 3));
        assert_eq!(verified.findings.len(), KEPT + 3);
        assert_eq!(verified.more, BTreeMap::from([(Check::Hash, 7)]));
        assert_eq!(verified.count(), KEPT as u64 + 10);
    }
}
