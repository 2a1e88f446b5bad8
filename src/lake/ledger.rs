//! The books of all commits: which run made each, and from which inputs (L1).
//!
//! ```text
//! ledger/commits.jsonl   a line for each commit
//! ledger/inputs.ids      hash and size of each input, 24 bytes: what is known, without reading the books
//! ```
//!
//! Both are only ever added to, before the commit is decided, so a run costs what it brings, however many runs there
//! were. What stands beyond the ends that the manifest knows ([`Extent`]) was never committed; the next commit writes over
//! it, and readers do not see it (L4).

use super::manifest::Manifest;
use super::runs::{Books, RunEntry};
use super::spill::array;
use crate::disk::Disk;
use crate::error::{AtPath, Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

pub const COMMITS: &str = "ledger/commits.jsonl";
pub const INPUTS: &str = "ledger/inputs.ids";

const ID_BYTES: u64 = 24;

/// How far the ledger counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// Lines of the books.
    pub commits: u64,
    /// Of these lines.
    pub bytes: u64,
    /// Inputs in all of them.
    pub inputs: u64,
    /// xxh3-128 of the last line after the hash of all lines before it, so that adding a line needs no other.
    pub hash: String,
}

/// What one commit brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub generation: u64,
    /// Versions that wrote layout 1 kept none.
    pub run: Option<RunEntry>,
    pub inputs: Vec<InputEntry>,
    pub replay: Option<ReplayEntry>,
}

/// An input that was ingested, with its books (L1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputEntry {
    /// As given.
    pub name: String,
    pub bytes: u64,
    /// xxh3-128 of the input's bytes: the same content is never read twice.
    pub hash: String,
    pub form: String,
    /// Which table's rows it holds.
    #[serde(default = "audit")]
    pub table: String,
    /// Whose rows they are, unless a row says otherwise.
    #[serde(default)]
    pub environment: Option<String>,
    /// When a side table was exported: of an export of later, the same content says that it still held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exported_on_us: Option<i64>,
    /// Of its accesses, those that were known already among them. Older versions did not tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accesses: Vec<AccessWindow>,
    /// The commit that brought it.
    pub generation: u64,
    #[serde(flatten)]
    pub books: Books,
}

/// From when to when an input has accesses of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessWindow {
    pub environment: String,
    pub first_on_us: i64,
    pub last_on_us: i64,
}

/// What inputs held before there were side tables.
fn audit() -> String {
    "audit".to_owned()
}

/// A replay of rejects, with its books (L1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayEntry {
    /// The commit that brought it.
    pub generation: u64,
    /// Rejects that were read again.
    pub replayed: u64,
    /// Of the records found in them: a reject may turn out to hold several.
    #[serde(flatten)]
    pub books: Books,
    /// Of the accepted, rows of side tables; layout 1 did not tell.
    #[serde(default)]
    pub accepted_beside: Option<u64>,
}

impl InputEntry {
    /// Whether the same content has nothing new to say. Rows of the log are what they are, but a side table tells the
    /// state of an environment at a time.
    fn covers(&self, environment: Option<&str>, exported_on: i64) -> bool {
        self.exported_on_us.is_none_or(|known| {
            known >= exported_on && (environment.is_none() || environment == self.environment.as_deref())
        })
    }
}

impl Entry {
    /// Of a commit that has brought nothing yet.
    pub fn empty(generation: u64) -> Entry {
        Entry {
            generation,
            run: None,
            inputs: Vec::new(),
            replay: None,
        }
    }

    /// What its inputs and its replay brought, together.
    pub fn brought(&self) -> Books {
        let inputs = self.inputs.iter().map(|input| input.books);
        inputs.chain(self.replay.iter().map(|replay| replay.books)).sum()
    }

    /// What is wrong with its books (L1). Pure.
    pub fn faults(&self) -> Vec<String> {
        let unbalanced = |what: String| format!("the books of {what} do not balance (L1)");
        let inputs = self.inputs.iter().filter(|input| !input.books.balance());
        let replay = self.replay.iter().filter(|replay| !replay.books.balance());
        let has_brought = !self.inputs.is_empty() || self.replay.is_some();
        let brought = has_brought.then(|| self.brought());
        let run = self
            .run
            .iter()
            .filter_map(|run| run.fault(self.generation, brought.as_ref()));
        inputs
            .map(|input| unbalanced(format!("{:?}, commit {}", input.name, input.generation)))
            .chain(replay.map(|replay| unbalanced(format!("the replay of commit {}", replay.generation))))
            .chain(run)
            .collect()
    }
}

/// The books of a lake, oldest commit first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    pub entries: Vec<Entry>,
}

impl Ledger {
    /// Reads what the manifest counts.
    ///
    /// # Errors
    /// `Failed` when it is not there, or not what was written.
    pub fn read(root: &Path, manifest: &Manifest) -> Result<Ledger> {
        let mut entries = manifest.entries_of_older_layouts();
        entries.append(&mut read_entries(root, &manifest.ledger)?);
        Ok(Ledger { entries })
    }

    pub fn inputs(&self) -> impl Iterator<Item = &InputEntry> {
        self.entries.iter().flat_map(|entry| &entry.inputs)
    }

    pub fn replays(&self) -> impl Iterator<Item = &ReplayEntry> {
        self.entries.iter().filter_map(|entry| entry.replay.as_ref())
    }

    pub fn runs(&self) -> impl DoubleEndedIterator<Item = &RunEntry> {
        self.entries.iter().filter_map(|entry| entry.run.as_ref())
    }
}

fn read_entries(root: &Path, extent: &Extent) -> Result<Vec<Entry>> {
    let (path, text) = (root.join(COMMITS), lines(root, extent)?);
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let entry = |line| serde_json::from_slice(line).at_path(&path, "has a line gatelog cannot read");
    lines.map(entry).collect()
}

/// The lines that the manifest counts, as they are.
pub fn lines(root: &Path, extent: &Extent) -> Result<Vec<u8>> {
    let path = root.join(COMMITS);
    let text = start_of(&path, extent.bytes)?;
    match text.len() as u64 {
        found if found < extent.bytes => Err(Error::failed(format!(
            "has {found} bytes, of which the manifest counts {}",
            extent.bytes
        ))
        .at(&path)
        .hint("bring the lake's folder back from a backup, as a whole")),
        _ => Ok(text),
    }
}

/// The ids of all inputs that the manifest counts, as they are; `None` when there are fewer.
pub fn stored_ids(root: &Path, extent: &Extent) -> Result<Option<Vec<u8>>> {
    let bytes = extent.inputs * ID_BYTES;
    let ids = start_of(&root.join(INPUTS), bytes)?;
    Ok((ids.len() as u64 == bytes).then_some(ids))
}

/// The first bytes of a file, fewer if it has not so many; none if it is not there.
fn start_of(path: &Path, bytes: u64) -> Result<Vec<u8>> {
    let mut start = Vec::new();
    match File::open(path) {
        Err(cause) if cause.kind() == ErrorKind::NotFound => {}
        opened => {
            let mut file = opened.at_path(path, "cannot be opened")?.take(bytes);
            file.read_to_end(&mut start).at_path(path, "cannot be read")?;
        }
    }
    Ok(start)
}

/// The ids that stand for these entries.
pub fn ids(entries: &[Entry]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for input in entries.iter().flat_map(|entry| &entry.inputs) {
        bytes.extend_from_slice(&id(&input.hash, input.bytes)?);
    }
    Ok(bytes)
}

fn id(hash: &str, bytes: u64) -> Result<[u8; ID_BYTES as usize]> {
    let hash = u128::from_str_radix(hash, 16).at_path(Path::new(COMMITS), "an input has no hash gatelog can read")?;
    let mut id = [0; ID_BYTES as usize];
    id[..16].copy_from_slice(&hash.to_le_bytes());
    id[16..].copy_from_slice(&bytes.to_le_bytes());
    Ok(id)
}

/// The hash of a ledger with one more line.
pub fn chained(hash: &str, line: &[u8]) -> String {
    let text = [hash.as_bytes(), line].concat();
    format!("{:032x}", xxhash_rust::xxh3::xxh3_128(&text))
}

/// Adds entries behind those that count, and syncs them; gives how far the ledger counts with them.
pub fn append(disk: &Disk, root: &Path, before: &Extent, entries: &[Entry]) -> Result<Extent> {
    let (mut after, mut text) = (before.clone(), Vec::new());
    for entry in entries {
        let mut line = serde_json::to_vec(entry).at_path(root, "its books cannot be written as JSON")?;
        line.push(b'\n');
        after.commits += 1;
        after.inputs += entry.inputs.len() as u64;
        after.hash = chained(&after.hash, &line);
        text.append(&mut line);
    }
    after.bytes += text.len() as u64;
    add(disk, &root.join(COMMITS), before.bytes, &text)?;
    let new = ids(entries)?;
    match std::fs::metadata(root.join(INPUTS)).map_or(0, |file| file.len()) >= before.inputs * ID_BYTES {
        true => add(disk, &root.join(INPUTS), before.inputs * ID_BYTES, &new)?,
        // It was lost, and is made anew.
        false => {
            let old = ids(&read_entries(root, before)?)?;
            add(disk, &root.join(INPUTS), 0, &[old, new].concat())?;
        }
    }
    Ok(after)
}

/// Puts bytes behind the first `at` bytes of a file, and syncs them.
fn add(disk: &Disk, path: &Path, at: u64, bytes: &[u8]) -> Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    let is_new = !path.exists();
    let mut file = disk.append(path, at)?;
    file.write_all(bytes).at_path(path, "cannot be written")?;
    file.sync()?;
    // The folder may be new as well.
    let mut folders = path.ancestors().skip(1).take(if is_new { 2 } else { 0 });
    folders.try_for_each(|folder| disk.sync_dir(folder))
}

/// What those who read inputs ask of the ledger: was this ingested before?
pub struct KnownInputs {
    root: PathBuf,
    /// The books of the lake: in the manifest, and in the ledger.
    older: Vec<Entry>,
    extent: Extent,
    ids: HashSet<[u8; ID_BYTES as usize]>,
    sizes: HashSet<u64>,
    /// By hash; read once one of them is met again.
    inputs: Option<HashMap<String, Vec<InputEntry>>>,
}

impl KnownInputs {
    pub fn read(root: &Path, manifest: &Manifest) -> Result<KnownInputs> {
        let older = manifest.entries_of_older_layouts();
        let mut bytes = ids(&older)?;
        bytes.append(&mut match stored_ids(root, &manifest.ledger)? {
            Some(ids) => ids,
            None => ids(&read_entries(root, &manifest.ledger)?)?,
        });
        let ids: HashSet<_> = bytes.chunks_exact(ID_BYTES as usize).map(array).collect();
        Ok(KnownInputs {
            root: root.to_owned(),
            older,
            extent: manifest.ledger.clone(),
            sizes: ids.iter().map(|id| u64::from_le_bytes(array(&id[16..]))).collect(),
            ids,
            inputs: None,
        })
    }

    /// Whether an input of this size was ever ingested. If not, its content need not be hashed to know it is new.
    pub fn has_size(&self, bytes: u64) -> bool {
        self.sizes.contains(&bytes)
    }

    /// Whether the content of this hash and size has nothing new to say, of this environment if one is given, as of the
    /// time of its export.
    pub fn covers(
        &mut self,
        (hash, bytes): (&str, u64),
        (environment, exported_on): (Option<&str>, i64),
    ) -> Result<bool> {
        if !self.ids.contains(&id(hash, bytes)?) {
            return Ok(false);
        }
        let inputs = match &mut self.inputs {
            Some(inputs) => inputs,
            None => {
                let mut by_hash: HashMap<String, Vec<InputEntry>> = HashMap::new();
                let entries = read_entries(&self.root, &self.extent)?;
                let entries = std::mem::take(&mut self.older).into_iter().chain(entries);
                for input in entries.flat_map(|entry| entry.inputs) {
                    by_hash.entry(input.hash.clone()).or_default().push(input);
                }
                self.inputs.insert(by_hash)
            }
        };
        let same = inputs.get(hash).into_iter().flatten();
        Ok(same.into_iter().any(|input| input.covers(environment, exported_on)))
    }
}
