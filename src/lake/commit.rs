//! How a commit survives a kill.
//!
//! 1. Everything new, the next manifest included, is written and synced under `staging/`; the books are added to the
//!    ledger, behind what the old manifest counts.
//! 2. `commit.json`, which says what goes where, is put in place. From here on the commit is decided.
//! 3. Files are renamed to their places, folders that a compaction has made are swapped in, `manifest.json` is
//!    replaced; what it no longer names is removed; then `commit.json` goes.
//!
//! A later version of a row that is known ([`super::revise`]) makes its file be written anew, under the same name. The
//! old one is kept under another name until the commit is over, for readers of the old manifest.
//!
//! A kill before 2 leaves the old lake, and the next writer clears `staging/`. A kill after 2 leaves the old manifest
//! with some new files beside its own; the next writer finishes step 3, each part of which may be repeated. A reader of
//! the manifest sees the old lake or the new one; a reader that globs `audit/**/*.parquet` sees each row at most once
//! at any instant (L4).

use super::file::{ParquetFile, Written};
use super::index::{self, IndexRun, Key};
use super::ledger::{self, Entry, InputEntry, ReplayEntry};
use super::lock::{Lock, Owner};
use super::manifest::{self, DataFile, Manifest};
use super::names::Names;
use super::revise::Placed;
use super::runs;
use super::side::Side;
use super::spill::Run;
use crate::disk::Disk;
use crate::error::{AtPath, Error, Result};
use arrow::array::RecordBatch;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub const STAGING: &str = "staging";
const INTENT: &str = "commit.json";

/// A writer's hold on a lake: its lock, and what it stages, which goes when the run ends without a decision.
pub struct Hold {
    disk: Disk,
    root: PathBuf,
    /// What the last writer left, if it did not end by itself.
    pub note: Option<String>,
    /// Released at last.
    _lock: Lock,
}

impl Hold {
    /// Takes the lock and finishes what a killed run had decided, or clears what it had not.
    pub fn take(root: &Path, owner: &Owner, disk: &Disk) -> Result<Hold> {
        let lock = Lock::take(root, owner)?;
        let intent = Intent::read(root)?;
        match &intent {
            Some(intent) => carry_out(disk, root, intent)?,
            None => disk.remove_dir(&root.join(STAGING))?,
        }
        Ok(Hold {
            disk: disk.clone(),
            root: root.to_owned(),
            note: lock.stale.as_deref().map(|writer| recovered(writer, intent.is_some())),
            _lock: lock,
        })
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if !self.root.join(INTENT).exists() {
            // What cannot be removed now is removed by the next run.
            let _ = self.disk.remove_dir(&self.root.join(STAGING));
        }
    }
}

/// Step 2 of a commit. Paths are relative to the lake.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Intent {
    /// Staged file → its place.
    pub moves: Vec<(String, String)>,
    /// Folders that are swapped with staged ones.
    #[serde(default)]
    pub swaps: Vec<Swap>,
    /// Files that are replaced by others of their name → where the old ones are kept.
    #[serde(default)]
    pub kept: BTreeMap<String, String>,
    /// The commit's number.
    #[serde(default)]
    pub generation: u64,
    /// Files of the old manifest that the next one no longer names.
    #[serde(default)]
    pub removes: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Swap {
    pub staged: String,
    pub folder: String,
    /// A file that is new: it tells whether the folders were swapped.
    pub file: String,
}

impl Intent {
    /// What a killed run has decided, if it had come so far.
    pub fn read(root: &Path) -> Result<Option<Intent>> {
        let path = root.join(INTENT);
        match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .at_path(&path, "is not a commit gatelog can read")
                .map(Some),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(cause).at_path(&path, "cannot be read"),
        }
    }
}

/// The next manifest while it is put together, and the way of each staged file to its place.
pub struct Next<'l> {
    pub root: &'l Path,
    pub disk: &'l Disk,
    staging: PathBuf,
    pub manifest: Manifest,
    pub intent: Intent,
    /// The books of this commit, and those that an older layout kept in the manifest.
    entry: Entry,
    older: Vec<Entry>,
}

impl<'l> Next<'l> {
    pub fn after(manifest: &Manifest, root: &'l Path, disk: &'l Disk) -> Next<'l> {
        let mut manifest = Manifest {
            format: manifest::FORMAT,
            generation: manifest.generation + 1,
            ..manifest.clone()
        };
        Next {
            root,
            disk,
            staging: root.join(STAGING),
            older: manifest.take_entries_of_older_layouts(),
            entry: Entry::empty(manifest.generation),
            manifest,
            intent: Intent::default(),
        }
    }

    pub fn put_inputs(&mut self, inputs: Vec<InputEntry>) {
        self.entry.inputs = inputs;
    }

    pub fn put_audit(&mut self, files: Vec<Placed>) -> Result<()> {
        let known: BTreeSet<&str> = self
            .manifest
            .audit
            .iter()
            .map(|audit| audit.file.path.as_str())
            .collect();
        for file in files.iter().filter(|file| file.is_staged) {
            let (staged, place) = (staged_name(&file.path)?, &file.entry.file.path);
            if known.contains(place.as_str()) {
                let kept = format!("{STAGING}/kept-{:05}.parquet", self.intent.kept.len());
                self.disk.keep(&self.root.join(place), &self.root.join(&kept))?;
                self.intent.kept.insert(place.clone(), kept);
            }
            self.intent.moves.push((staged, place.clone()));
        }
        self.manifest.audit = files.into_iter().map(|file| file.entry).collect();
        self.manifest.audit.sort_by(|a, b| a.file.path.cmp(&b.file.path));
        Ok(())
    }

    /// Adds a staged run of the index, merged with those of its size.
    pub fn put_index(&mut self, staged: Written) -> Result<()> {
        if staged.rows == 0 {
            return Ok(());
        }
        let sizes: Vec<u64> = self.manifest.index.iter().map(|run| run.rows).collect();
        let old = self.manifest.index.split_off(index::merged_from(&sizes, staged.rows));
        let (mut name, mut run) = (index::STAGED, staged);
        if !old.is_empty() {
            let mut runs = self.records_of(&old)?;
            runs.push(IndexRun::open(&self.staging.join(name), run.rows)?.records()?);
            name = "merged.ids";
            run = index::merge(self.disk, &self.staging.join(name), runs)?;
            self.intent.removes.extend(old.into_iter().map(|data| data.path));
        }
        let target = format!("index/{:08}.ids", self.manifest.generation);
        self.intent.moves.push((format!("{STAGING}/{name}"), target.clone()));
        self.manifest.index.push(DataFile::new(target, run));
        Ok(())
    }

    fn records_of(&self, runs: &[DataFile]) -> Result<Vec<Run<Key>>> {
        let open = |data: &DataFile| IndexRun::open(&self.root.join(&data.path), data.rows)?.records();
        runs.iter().map(open).collect()
    }

    /// Makes one run of the whole index.
    pub fn merge_index(&mut self) -> Result<()> {
        if self.manifest.index.len() < 2 {
            return Ok(());
        }
        let old = std::mem::take(&mut self.manifest.index);
        let runs = self.records_of(&old)?;
        let merged = index::merge(self.disk, &self.staging.join(index::STAGED), runs)?;
        self.intent.removes.extend(old.into_iter().map(|data| data.path));
        self.put_index(merged)
    }

    pub fn put_rejects(
        &mut self,
        staged: Option<ParquetFile>,
        replayed: Option<(Vec<String>, ReplayEntry)>,
    ) -> Result<()> {
        if let Some((paths, books)) = replayed {
            self.manifest.rejects.retain(|file| !paths.contains(&file.path));
            self.entry.replay = Some(books);
            self.intent.removes.extend(paths);
        }
        if let Some(file) = staged {
            let target = format!("rejects/{:08}.parquet", self.manifest.generation);
            let staged = staged_name(file.path())?;
            self.manifest
                .rejects
                .push(DataFile::new(target.clone(), file.finish()?));
            self.intent.moves.push((staged, target));
        }
        Ok(())
    }

    pub fn put_names(&mut self, names: &Names) -> Result<()> {
        let old = self.manifest.names.take();
        self.manifest.names = Some(self.put_table("names", old, &names.to_batch()?)?);
        Ok(())
    }

    /// Both, even if they are empty: who reads the lake need not ask whether they are there.
    pub fn put_side(&mut self, side: &Side) -> Result<()> {
        let old = self.manifest.users.take();
        self.manifest.users = Some(self.put_table("users", old, &side.users_to_batch()?)?);
        let old = self.manifest.organizations.take();
        self.manifest.organizations = Some(self.put_table("organizations", old, &side.organizations_to_batch()?)?);
        Ok(())
    }

    /// Stages a small table that takes the place of an older one. It has a name of its own, so that whoever reads the
    /// old manifest finds the old table.
    fn put_table(&mut self, folder: &str, old: Option<DataFile>, rows: &RecordBatch) -> Result<DataFile> {
        let staged = format!("{folder}.parquet");
        let mut file = ParquetFile::create(self.disk, &self.staging.join(&staged), rows.schema())?;
        file.write(rows)?;
        let target = format!("{folder}/{:08}.parquet", self.manifest.generation);
        self.intent.moves.push((format!("{STAGING}/{staged}"), target.clone()));
        self.intent.removes.extend(old.map(|old| old.path));
        Ok(DataFile::new(target, file.finish()?))
    }

    /// Decides, and carries out.
    pub fn commit(mut self, before: &Manifest, run: runs::Run) -> Result<()> {
        self.entry.run = Some(run.end(self.manifest.generation));
        before.check_next(&self.manifest, &self.entry).map_err(|broken| {
            Error::failed(format!(
                "nothing was committed, since the next manifest would be wrong: {broken}"
            ))
            .at(self.root)
        })?;
        let entries = [self.older, vec![self.entry]].concat();
        self.manifest.ledger = ledger::append(self.disk, self.root, &self.manifest.ledger, &entries)?;
        self.disk.create_dir(&self.staging)?;
        let manifest = self.staging.join(manifest::FILE_NAME);
        self.disk.write(&manifest, &self.manifest.to_json()?)?;
        self.disk.sync_dir(&self.staging)?;
        self.intent.generation = self.manifest.generation;
        let text = serde_json::to_vec(&self.intent).at_path(self.root, "the commit cannot be written as JSON")?;
        self.disk.replace(&self.root.join(INTENT), &text)?;
        carry_out(self.disk, self.root, &self.intent)
    }
}

fn staged_name(path: &Path) -> Result<String> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.map(|name| format!("{STAGING}/{name}"))
        .ok_or_else(|| Error::failed("a staged file has no name").at(path))
}

/// What to say of a writer that did not end by itself.
fn recovered(writer: &str, was_decided: bool) -> String {
    let done = match was_decided {
        true => "its commit was decided, and is finished now",
        false => "what it had begun and not committed is cleared",
    };
    format!("the last writer, {writer}, did not finish; {done}")
}

/// Step 3. May be repeated: a file that is no longer staged is in its place already, one that is gone was removed.
fn carry_out(disk: &Disk, root: &Path, intent: &Intent) -> Result<()> {
    let mut folders = BTreeSet::from([root.to_owned()]);
    for (from, to) in &intent.moves {
        let (from, to) = (root.join(from), root.join(to));
        if let Some(folder) = to.parent() {
            disk.create_dir(folder)?;
            // A new folder is an entry of its parents, which must reach the disk too.
            let above = folder.ancestors().take_while(|dir| dir.starts_with(root));
            folders.extend(above.map(Path::to_owned));
        }
        if from.exists() {
            disk.rename(&from, &to)?;
        }
    }
    for swap in &intent.swaps {
        let (staged, folder) = (root.join(&swap.staged), root.join(&swap.folder));
        if !folder.join(&swap.file).exists() {
            disk.exchange(&staged, &folder)?;
        }
        folders.extend(folder.parent().map(Path::to_owned));
    }
    for folder in &folders {
        disk.sync_dir(folder)?;
    }
    let manifest = root.join(STAGING).join(manifest::FILE_NAME);
    if manifest.exists() {
        disk.rename(&manifest, &root.join(manifest::FILE_NAME))?;
        disk.sync_dir(root)?;
    }
    for path in &intent.removes {
        disk.remove_file(&root.join(path))?;
    }
    disk.remove_file(&root.join(INTENT))?;
    disk.remove_dir(&root.join(STAGING))
}
