//! The one writer of a lake: takes staged rows, drops duplicates, and commits all of a run or nothing.
//!
//! 1. Everything new is written and synced under `staging/`.
//! 2. `commit.json` — what goes where, and the next manifest — is put in place. From here on the commit is decided.
//! 3. The files are renamed to their places and `manifest.json` is replaced; what it no longer names is removed; then
//!    `commit.json` goes.
//!
//! A later version of a row that is known ([`super::revise`]) makes its file be written anew, under the same name.
//!
//! A kill before 2 leaves the old lake, and the next writer clears `staging/`. A kill after 2 leaves the old manifest
//! with some new files beside its own; the next writer finishes step 3. A reader of the manifest sees the old lake or
//! the new one; a reader that globs `audit/**/*.parquet` sees each row at most once at any instant (L4).

use super::file::{self, ParquetFile};
use super::identity::{self, Identities, Identity};
use super::lock::{Lock, Owner};
use super::manifest::{AuditFile, DataFile, InputEntry, Manifest, ReplayEntry, partition_folder};
use super::names::Names;
use super::revise::{self, Placed, Rank};
use super::runs::Run;
use super::side::{Side, SideRow};
use super::sort::{Sorter, StagedFile};
use crate::disk;
use crate::error::{AtPath, Error, Result};
use crate::instant;
use arrow::array::RecordBatch;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

const STAGING: &str = "staging";
const INTENT: &str = "commit.json";
const NAMES_FILE: &str = "names.parquet";
const USERS_FILE: &str = "users.parquet";
const ORGANIZATIONS_FILE: &str = "organizations.parquet";
const REJECTS_FILE: &str = "rejects.parquet";

/// Step 2 of a commit.
#[derive(Serialize, Deserialize)]
struct Intent {
    /// Staged file → its place, both relative to the lake.
    moves: Vec<(String, String)>,
    /// Files of the old manifest that the next one no longer names.
    #[serde(default)]
    removes: Vec<String>,
    manifest: Manifest,
}

pub struct Writer {
    root: PathBuf,
    manifest: Manifest,
    /// Identities of all committed and staged rows; loaded when the first row comes.
    known: Option<Identities>,
    sorter: Sorter,
    /// Better versions of rows that are known.
    versions: Sorter,
    /// What is known of rows that have versions: all of the lake's, once the first row comes that may be a version of one.
    ranks: HashMap<Identity, Rank>,
    has_committed_ranks: bool,
    /// The side tables as they will be; loaded when their first row comes.
    side: Option<Side>,
    /// Known rows that the source has deleted.
    deletions: Identities,
    /// The staged rejects, once there is one.
    rejects: Option<ParquetFile>,
    /// Files of rejects that what is staged stands for, with the books of their replay.
    replayed: Option<(Vec<String>, ReplayEntry)>,
    /// Of its own opening, for people.
    note: Option<String>,
    /// Held until the writer goes.
    _lock: Lock,
}

impl Writer {
    /// Opens a lake for writing, creating it if need be, and finishes what a killed run had decided.
    ///
    /// `owner` says who writes, for people who meet the lock. `memory_bytes` bounds the rows held before they are
    /// written out.
    pub fn open(root: &Path, owner: &Owner, memory_bytes: usize) -> Result<Writer> {
        let lock = Lock::take(root, owner)?;
        let was_decided = root.join(INTENT).exists();
        recover(root)?;
        let manifest = Manifest::read(root)?.unwrap_or_else(Manifest::empty);
        Ok(Writer {
            root: root.to_owned(),
            manifest,
            known: None,
            sorter: Sorter::new(root.join(STAGING), memory_bytes),
            // Versions are few; they share the budget by a rule of thumb.
            versions: Sorter::new(root.join(STAGING).join("versions"), memory_bytes / 8),
            ranks: HashMap::new(),
            has_committed_ranks: false,
            deletions: Identities::default(),
            side: None,
            rejects: None,
            replayed: None,
            note: lock.stale.as_deref().map(|writer| recovered(writer, was_decided)),
            _lock: lock,
        })
    }

    /// What the last writer left, if it did not end by itself.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Whether an input of this size was ever ingested. If not, its content need not be hashed to know it is new.
    pub fn knows_size(&self, bytes: u64) -> bool {
        self.manifest.inputs.iter().any(|input| input.bytes == bytes)
    }

    /// Whether this content has nothing new to say, of this environment if one is given, as of the time of its export.
    pub fn knows_content(&self, hash: &str, environment: Option<&str>, exported_on: i64) -> bool {
        let is_same = |input: &InputEntry| input.hash == hash && input.covers(environment, exported_on);
        self.manifest.inputs.iter().any(is_same)
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
        let known = self.known()?;
        let keep: Vec<bool> = identities.iter().map(|identity| known.insert(*identity)).collect();
        let new = keep.iter().filter(|&&keep| keep).count();
        let better = self.better_versions(&rows, identities, &keep)?;
        if better.contains(&true) {
            self.versions.push(rows.clone(), &better)?;
        }
        if new > 0 {
            self.sorter.push(rows, &keep)?;
        }
        Ok(new)
    }

    /// Which rows are known, but not as good. Only rows of Synapse Link have versions.
    fn better_versions(&mut self, rows: &RecordBatch, identities: &[Identity], is_new: &[bool]) -> Result<Vec<bool>> {
        let mut better = vec![false; rows.num_rows()];
        for (row, identity) in identities.iter().enumerate() {
            if revise::written_on(rows, row).is_none() {
                continue;
            }
            let rank = Rank::of(rows, row);
            if !is_new[row] && !self.ranks.contains_key(identity) && !self.has_committed_ranks {
                let paths = self.manifest.audit.iter().map(|audit| self.root.join(&audit.file.path));
                for (identity, rank) in revise::ranks(paths)? {
                    self.ranks.entry(identity).or_insert(rank);
                }
                self.has_committed_ranks = true;
            }
            if is_new[row] {
                self.ranks.insert(*identity, rank);
                continue;
            }
            let best = self.ranks.entry(*identity).or_insert(Rank::OTHER_ROUTE);
            better[row] = best.is_below(&rank);
            if !(best.is_live && rank.is_live) {
                self.deletions.insert(*identity);
            }
            *best = if better[row] { rank } else { *best };
        }
        Ok(better)
    }

    /// Takes a row of a side table; false when it says nothing new.
    pub fn take_side(&mut self, row: SideRow) -> Result<bool> {
        let side = match &mut self.side {
            Some(side) => side,
            None => self.side.insert(read_side(&self.root, &self.manifest)?),
        };
        Ok(side.take(row))
    }

    /// Notes that the source has deleted a row of which it says nothing but the id; false when no such row is known.
    pub fn delete(&mut self, identity: Identity) -> Result<bool> {
        let is_known = self.known()?.contains(&identity);
        if is_known {
            self.deletions.insert(identity);
        }
        Ok(is_known)
    }

    /// Identities of all committed and staged rows.
    fn known(&mut self) -> Result<&mut Identities> {
        if self.known.is_none() {
            self.known = Some(committed_identities(&self.root, &self.manifest)?);
        }
        self.known
            .as_mut()
            .ok_or_else(|| Error::failed("the identities of the lake are not there").at(&self.root))
    }

    /// Where files may stand that go when the run ends.
    pub fn staging(&self) -> PathBuf {
        self.root.join(STAGING)
    }

    /// Stages rejects, a row group each time.
    pub fn reject(&mut self, rows: &RecordBatch) -> Result<()> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let file = match &mut self.rejects {
            Some(file) => file,
            None => {
                let path = self.root.join(STAGING).join(REJECTS_FILE);
                self.rejects.insert(ParquetFile::create(&path, rows.schema())?)
            }
        };
        file.write_group(rows)
    }

    /// The files of rejects, oldest first.
    pub fn reject_files(&self) -> &[DataFile] {
        &self.manifest.rejects
    }

    /// Says that the staged rows and rejects stand for all that these files of rejects hold.
    pub fn replace_rejects(&mut self, paths: Vec<String>, books: ReplayEntry) {
        self.replayed = Some((paths, books));
    }

    /// Commits everything staged, the names, the books of the inputs and the record of the run.
    pub fn commit(mut self, names: Names, inputs: Vec<InputEntry>, run: Run) -> Result<()> {
        disk::create_dir(&self.staging())?;
        let mut next = Next::after(&self.manifest, self.staging());
        let mut files = committed_files(&self.root, &self.manifest);
        files.extend(self.sorter.finish()?.iter().map(|staged| Placed {
            entry: place_audit_file(staged, next.manifest.generation),
            path: staged.path.clone(),
            is_staged: true,
        }));
        revise::apply(&mut files, &self.versions.finish()?, &self.deletions, &next.staging)?;
        next.put_audit(files)?;
        next.put_rejects(self.rejects.take(), self.replayed.take())?;
        let old_names = read_names(&self.root, &self.manifest)?;
        let mut all_names = old_names.clone();
        all_names.merge(names);
        if all_names != old_names || self.manifest.names.is_none() {
            next.manifest.names = Some(next.put_table(NAMES_FILE, &all_names.to_batch()?)?);
        }
        let has_side_tables = self.manifest.users.is_some() && self.manifest.organizations.is_some();
        if self.side.is_some() || !has_side_tables {
            next.put_side(&self.side.take().unwrap_or_default())?;
        }
        next.manifest.inputs.extend(inputs);
        next.manifest.runs.push(run.end(next.manifest.generation));
        self.check(&next.manifest)?;
        let intent = next.decide(&self.root)?;
        carry_out(&self.root, &intent)
    }

    /// Commits that there was a run which found nothing new: the manifest alone.
    pub fn commit_run(mut self, run: Run) -> Result<()> {
        drop(self.rejects.take());
        disk::remove_dir(&self.staging())?;
        let mut next = Next::after(&self.manifest, self.staging()).manifest;
        next.runs.push(run.end(next.generation));
        self.check(&next)?;
        disk::replace(&self.root.join(super::manifest::FILE_NAME), &next.to_json()?)
    }

    fn check(&self, next: &Manifest) -> Result<()> {
        self.manifest.check_next(next).map_err(|broken| {
            Error::failed(format!(
                "nothing was committed, since the next manifest would be wrong: {broken}"
            ))
            .at(&self.root)
        })
    }

    /// Gives up everything staged; the lake stays as it was.
    pub fn abandon(self) -> Result<()> {
        drop(self.rejects);
        disk::remove_dir(&self.root.join(STAGING))
    }
}

/// The next manifest while it is put together, and the way of each staged file to its place.
struct Next {
    staging: PathBuf,
    manifest: Manifest,
    moves: Vec<(String, String)>,
    removes: Vec<String>,
}

impl Next {
    fn after(manifest: &Manifest, staging: PathBuf) -> Next {
        Next {
            staging,
            manifest: Manifest {
                format: super::manifest::FORMAT,
                generation: manifest.generation + 1,
                ..manifest.clone()
            },
            moves: Vec::new(),
            removes: Vec::new(),
        }
    }

    fn put_audit(&mut self, files: Vec<Placed>) -> Result<()> {
        for file in files.iter().filter(|file| file.is_staged) {
            self.moves
                .push((staged_name(&file.path)?, file.entry.file.path.clone()));
        }
        self.manifest.audit = files.into_iter().map(|file| file.entry).collect();
        self.manifest.audit.sort_by(|a, b| a.file.path.cmp(&b.file.path));
        Ok(())
    }

    fn put_rejects(&mut self, staged: Option<ParquetFile>, replayed: Option<(Vec<String>, ReplayEntry)>) -> Result<()> {
        if let Some((paths, books)) = replayed {
            self.manifest.rejects.retain(|file| !paths.contains(&file.path));
            self.manifest.replays.push(books);
            self.removes.extend(paths);
        }
        if let Some(file) = staged {
            let target = format!("rejects/{:08}.parquet", self.manifest.generation);
            self.manifest
                .rejects
                .push(DataFile::new(target.clone(), file.finish()?));
            self.moves.push((format!("{STAGING}/{REJECTS_FILE}"), target));
        }
        Ok(())
    }

    /// Both, even if they are empty: who reads the lake need not ask whether they are there.
    fn put_side(&mut self, side: &Side) -> Result<()> {
        self.manifest.users = Some(self.put_table(USERS_FILE, &side.users_to_batch()?)?);
        self.manifest.organizations = Some(self.put_table(ORGANIZATIONS_FILE, &side.organizations_to_batch()?)?);
        Ok(())
    }

    /// Stages a small table that stands in the lake under this name.
    fn put_table(&mut self, name: &str, rows: &RecordBatch) -> Result<DataFile> {
        let mut file = ParquetFile::create(&self.staging.join(name), rows.schema())?;
        file.write(rows)?;
        self.moves.push((format!("{STAGING}/{name}"), name.to_owned()));
        Ok(DataFile::new(name.to_owned(), file.finish()?))
    }

    /// Step 2: from here on the commit is decided.
    fn decide(self, root: &Path) -> Result<Intent> {
        disk::sync_dir(&self.staging)?;
        let intent = Intent {
            moves: self.moves,
            removes: self.removes,
            manifest: self.manifest,
        };
        let text = serde_json::to_vec(&intent).at_path(root, "the commit cannot be written as JSON")?;
        disk::replace(&root.join(INTENT), &text)?;
        Ok(intent)
    }
}

fn committed_files(root: &Path, manifest: &Manifest) -> Vec<Placed> {
    let place = |entry: &AuditFile| Placed {
        entry: entry.clone(),
        path: root.join(&entry.file.path),
        is_staged: false,
    };
    manifest.audit.iter().map(place).collect()
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

fn recovered(writer: &str, was_decided: bool) -> String {
    let done = match was_decided {
        true => "its commit was decided, and is finished now",
        false => "what it had begun and not committed is cleared",
    };
    format!("the last writer, {writer}, did not finish; {done}")
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

/// Step 3. May be repeated: a file that is no longer staged is in its place already, one that is gone was removed.
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
    for path in &intent.removes {
        disk::remove_file(&root.join(path))?;
    }
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

/// The side tables the lake holds.
pub fn read_side(root: &Path, manifest: &Manifest) -> Result<Side> {
    let mut side = Side::default();
    for rows in batches(root, manifest.users.as_ref())? {
        side.take_users(&rows);
    }
    for rows in batches(root, manifest.organizations.as_ref())? {
        side.take_organizations(&rows);
    }
    Ok(side)
}

/// The names the lake holds.
pub fn read_names(root: &Path, manifest: &Manifest) -> Result<Names> {
    let mut names = Names::default();
    for rows in batches(root, manifest.names.as_ref())? {
        names.merge(Names::from_batch(&rows));
    }
    Ok(names)
}

/// All rows of a file of the lake, if there is one.
fn batches(root: &Path, data: Option<&DataFile>) -> Result<Vec<RecordBatch>> {
    let Some(data) = data else { return Ok(Vec::new()) };
    let path = root.join(&data.path);
    file::read(&path, &[], 1 << 14)?
        .map(|rows| rows.at_path(&path, "cannot be read"))
        .collect()
}
