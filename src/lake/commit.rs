//! The one writer of a lake: takes staged rows, drops duplicates, and commits all of a run or nothing.
//!
//! 1. Everything new is written and synced under `staging/`.
//! 2. `commit.json` — what goes where, and the next manifest — is put in place. From here on the commit is decided.
//! 3. The files are renamed to their places and `manifest.json` is replaced; then `commit.json` goes.
//!
//! A kill before 2 leaves the old lake, and the next writer clears `staging/`. A kill after 2 leaves the old manifest
//! with some new files beside its own; the next writer finishes step 3. A reader of the manifest sees the old lake or
//! the new one; a reader that globs `audit/**/*.parquet` sees each row at most once at any instant (L4).

use super::file::{self, ParquetFile};
use super::identity::{self, Identities, Identity};
use super::manifest::{AuditFile, DataFile, InputEntry, Manifest, partition_folder};
use super::names::Names;
use super::sort::{Sorter, StagedFile};
use crate::disk::{self, Lock};
use crate::error::{AtPath, Error, Result};
use crate::instant;
use arrow::array::RecordBatch;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

const STAGING: &str = "staging";
const INTENT: &str = "commit.json";
const REJECTS_FILE: &str = "rejects.parquet";
pub const NAMES_FILE: &str = "names.parquet";

/// Step 2 of a commit.
#[derive(Serialize, Deserialize)]
struct Intent {
    /// Staged file → its place, both relative to the lake.
    moves: Vec<(String, String)>,
    manifest: Manifest,
}

pub struct Writer {
    root: PathBuf,
    manifest: Manifest,
    /// Identities of all committed and staged rows; loaded when the first row comes.
    known: Option<Identities>,
    sorter: Sorter,
    /// The rejects so far.
    rejects: Option<ParquetFile>,
    /// Held until the writer goes.
    _lock: Lock,
}

impl Writer {
    /// Opens a lake for writing, creating it if need be, and finishes what a killed run had decided.
    ///
    /// `owner` says who writes, for people who meet the lock. `memory_bytes` bounds the rows held before they are
    /// written out.
    pub fn open(root: &Path, owner: &str, memory_bytes: usize) -> Result<Writer> {
        let lock = Lock::take(root, owner)?;
        recover(root)?;
        let manifest = Manifest::read(root)?.unwrap_or_else(Manifest::empty);
        Ok(Writer {
            root: root.to_owned(),
            manifest,
            known: None,
            sorter: Sorter::new(root.join(STAGING), memory_bytes),
            rejects: None,
            _lock: lock,
        })
    }

    /// Whether an input of this size was ever ingested. If not, its content need not be hashed to know it is new.
    pub fn knows_size(&self, bytes: u64) -> bool {
        self.manifest.inputs.iter().any(|input| input.bytes == bytes)
    }

    pub fn knows_content(&self, hash: &str) -> bool {
        self.manifest.inputs.iter().any(|input| input.hash == hash)
    }

    /// The number the next commit will have.
    pub fn next_generation(&self) -> u64 {
        self.manifest.generation + 1
    }

    /// Stages the rows that are new; says how many were.
    pub fn stage(&mut self, rows: RecordBatch, identities: &[Identity]) -> Result<usize> {
        if rows.num_rows() == 0 {
            return Ok(0);
        }
        let known = match &mut self.known {
            Some(known) => known,
            None => self.known.insert(committed_identities(&self.root, &self.manifest)?),
        };
        let keep: Vec<bool> = identities.iter().map(|identity| known.insert(*identity)).collect();
        let new = keep.iter().filter(|&&keep| keep).count();
        if new > 0 {
            self.sorter.push(rows, &keep)?;
        }
        Ok(new)
    }

    /// Where files may stand that go when the run ends.
    pub fn staging(&self) -> PathBuf {
        self.root.join(STAGING)
    }

    /// Stages rejects, in the order given. They are written at once: they may be as large as what was rejected.
    pub fn stage_rejects(&mut self, rejects: &RecordBatch) -> Result<()> {
        if rejects.num_rows() == 0 {
            return Ok(());
        }
        let file = match &mut self.rejects {
            Some(file) => file,
            None => {
                let path = self.root.join(STAGING).join(REJECTS_FILE);
                self.rejects.insert(ParquetFile::create(&path, rejects.schema())?)
            }
        };
        file.write(rejects)?;
        file.end_row_group()
    }

    /// Commits everything staged, the names and the books of the inputs.
    pub fn commit(self, names: Names, inputs: Vec<InputEntry>) -> Result<()> {
        let Writer {
            root,
            manifest,
            sorter,
            rejects,
            ..
        } = self;
        let generation = manifest.generation + 1;
        let staging = root.join(STAGING);
        disk::create_dir(&staging)?;
        let mut next = Manifest {
            generation,
            ..manifest.clone()
        };
        let mut moves = Vec::new();
        for staged in sorter.finish()? {
            let file = place_audit_file(&staged, generation);
            moves.push((staged_name(&staged.path)?, file.file.path.clone()));
            next.audit.push(file);
        }
        next.audit.sort_by(|a, b| a.file.path.cmp(&b.file.path));
        if let Some(file) = rejects {
            let target = format!("rejects/{generation:08}.parquet");
            next.rejects.push(DataFile::new(target.clone(), file.finish()?));
            moves.push((format!("{STAGING}/{REJECTS_FILE}"), target));
        }
        let old_names = read_names(&root, &manifest)?;
        let mut all_names = old_names.clone();
        all_names.merge(names);
        if all_names != old_names || manifest.names.is_none() {
            next.names = Some(stage_file(&staging, NAMES_FILE, NAMES_FILE, &all_names.to_batch()?)?);
            moves.push((format!("{STAGING}/{NAMES_FILE}"), NAMES_FILE.to_owned()));
        }
        next.inputs.extend(inputs);
        manifest.check_next(&next).map_err(|broken| {
            Error::failed(format!(
                "nothing was committed, since the next manifest would be wrong: {broken}"
            ))
            .at(&root)
        })?;
        disk::sync_dir(&staging)?;
        let intent = Intent { moves, manifest: next };
        let text = serde_json::to_vec(&intent).at_path(&root, "the commit cannot be written as JSON")?;
        disk::replace(&root.join(INTENT), &text)?;
        carry_out(&root, &intent)
    }

    /// Gives up everything staged; the lake stays as it was.
    pub fn abandon(self) -> Result<()> {
        disk::remove_dir(&self.root.join(STAGING))
    }
}

fn staged_name(path: &Path) -> Result<String> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.map(|name| format!("{STAGING}/{name}"))
        .ok_or_else(|| Error::failed("a staged file has no name").at(path))
}

fn place_audit_file(staged: &StagedFile, generation: u64) -> AuditFile {
    let partition = &staged.partition;
    let month = instant::month_name(partition.month);
    let folder = partition_folder(&partition.environment, partition.kind, &month);
    AuditFile {
        file: DataFile::new(format!("{folder}{generation:08}.parquet"), staged.written.clone()),
        environment: partition.environment.to_string(),
        kind: partition.kind,
        month,
        min_created_on_us: staged.min_created_on_us,
        max_created_on_us: staged.max_created_on_us,
    }
}

fn stage_file(staging: &Path, name: &str, target: &str, rows: &RecordBatch) -> Result<DataFile> {
    let mut file = ParquetFile::create(&staging.join(name), rows.schema())?;
    file.write(rows)?;
    Ok(DataFile::new(target.to_owned(), file.finish()?))
}

/// Finishes a decided commit, or clears what an undecided one left.
fn recover(root: &Path) -> Result<()> {
    let path = root.join(INTENT);
    match std::fs::read(&path) {
        Ok(text) => {
            let intent: Intent = serde_json::from_slice(&text).at_path(&path, "is not a commit gatelog can read")?;
            carry_out(root, &intent)
        }
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => disk::remove_dir(&root.join(STAGING)),
        Err(cause) => Err(cause).at_path(&path, "cannot be read"),
    }
}

/// Step 3. May be repeated: a file that is no longer staged is in its place already.
fn carry_out(root: &Path, intent: &Intent) -> Result<()> {
    let mut folders = std::collections::BTreeSet::new();
    for (from, to) in &intent.moves {
        let (from, to) = (root.join(from), root.join(to));
        if let Some(folder) = to.parent() {
            disk::create_dir(folder)?;
            // A new folder is an entry of its parents, which must reach the disk too.
            folders.extend(
                folder
                    .ancestors()
                    .take_while(|dir| dir.starts_with(root))
                    .map(Path::to_owned),
            );
        }
        if from.exists() {
            disk::rename(&from, &to)?;
        }
    }
    for folder in &folders {
        disk::sync_dir(folder)?;
    }
    disk::replace(&root.join(super::manifest::FILE_NAME), &intent.manifest.to_json()?)?;
    disk::remove_file(&root.join(INTENT))?;
    disk::remove_dir(&root.join(STAGING))
}

/// The identities of every committed row.
fn committed_identities(root: &Path, manifest: &Manifest) -> Result<Identities> {
    let per_file: Vec<Vec<Identity>> = manifest
        .audit
        .par_iter()
        .map(|audit| {
            let path = root.join(&audit.file.path);
            let mut identities = Vec::with_capacity(audit.file.rows as usize);
            for rows in file::read(&path, &[], 1 << 14)? {
                identities.extend(identity::of_rows(&rows.at_path(&path, "cannot be read")?)?);
            }
            Ok(identities)
        })
        .collect::<Result<_>>()?;
    Ok(per_file.into_iter().flatten().collect())
}

/// The names the lake holds.
pub fn read_names(root: &Path, manifest: &Manifest) -> Result<Names> {
    let mut names = Names::default();
    if let Some(data) = &manifest.names {
        let path = root.join(&data.path);
        for rows in file::read(&path, &[], 1 << 14)? {
            names.merge(Names::from_batch(&rows.at_path(&path, "cannot be read")?));
        }
    }
    Ok(names)
}
