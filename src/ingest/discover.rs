//! Finding inputs: paths as given → everything to read, and what is left out knowingly, in an order of their own (L2).
//!
//! A folder is walked to any depth. Where it holds a container of Synapse Link, its place says what a file is: see
//! [`synapse`]. The walk ends at a Delta table, at the lake, and at links to folders, so that it always ends. Of a path
//! that names only a part of a container, the folders above say the rest.

use super::Fate;
use super::archive::{self, Member};
use super::synapse::{self, Broken, Container, Partition, Role};
use super::table::delta::{self, PartitionValues};
use crate::error::{AtPath, Result};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Somewhere to read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// As given, or as found below a folder that was given.
    pub path: PathBuf,
    /// The member meant, when the path is an archive's.
    pub member: Option<Member>,
    /// Whether the user named it, rather than a folder that holds it.
    pub is_named: bool,
    pub place: Place,
}

/// What is known of an input before its first byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Nothing: its content shows what it is.
    Plain,
    /// It lies in a container.
    Synapse(Arc<Partition>),
    /// It is a live data file of a Delta table, whose rows have these values too.
    Delta(PartitionValues),
    /// Everything: nothing of it is to be read.
    Settled(Fate),
}

impl Input {
    pub fn is_stdin(&self) -> bool {
        self.path == Path::new("-")
    }

    pub fn name(&self) -> String {
        let path = printable(self.path.as_os_str());
        match &self.member {
            Some(member) => format!("{path}/{}", printable(OsStr::new(&member.name))),
            None => path,
        }
    }
}

/// A name with everything that does not print escaped: control characters, and bytes that are no text.
fn printable(name: &OsStr) -> String {
    let mut text = String::new();
    for chunk in name.as_encoded_bytes().utf8_chunks() {
        for char in chunk.valid().chars() {
            match char.is_control() {
                true => text.extend(char.escape_default()),
                false => text.push(char),
            }
        }
        chunk
            .invalid()
            .iter()
            .for_each(|byte| text += &format!("\\x{byte:02X}"));
    }
    text
}

/// An archive as its members. One without any stays what it is: recognising it says why.
fn members_of(input: Input) -> Vec<Input> {
    let members = match input.place {
        Place::Plain if !input.is_stdin() => archive::members(&input.path),
        _ => Vec::new(),
    };
    if members.is_empty() {
        return vec![input];
    }
    let of_archive = |member| Input {
        path: input.path.clone(),
        member: Some(member),
        is_named: false,
        place: Place::Plain,
    };
    members.into_iter().map(of_archive).collect()
}

/// All inputs below the paths, in the order of their names whatever the order of the paths (L2), each once.
/// A lake inside a folder is not an input.
pub fn discover(paths: &[PathBuf], lake: &Path) -> Result<Vec<Input>> {
    let mut walk = Walk {
        lake: lake.canonicalize().ok(),
        inputs: Vec::new(),
        skipped: BTreeMap::new(),
    };
    for path in paths {
        walk.given(path)?;
    }
    let mut inputs = walk.finish();
    inputs.sort_by(|a, b| (&a.path, a.is_named).cmp(&(&b.path, b.is_named)));
    inputs.dedup();
    let mut seen = HashSet::new();
    let mut is_first = |path: &Path| seen.insert(path.canonicalize().unwrap_or_else(|_| path.to_owned()));
    inputs.retain(|input| matches!(input.place, Place::Settled(_)) || is_first(&input.path));
    Ok(inputs.into_iter().flat_map(members_of).collect())
}

/// Folders above a path that may tell what it is: of `container/2023-05-01T10.15.00Z/audit/Snapshot/x.csv`, all four.
const LEVELS_ABOVE: usize = 4;

struct Walk {
    lake: Option<PathBuf>,
    inputs: Vec<Input>,
    /// For each container, what of it is left out.
    skipped: BTreeMap<PathBuf, Skipped>,
}

#[derive(Default)]
struct Skipped {
    tables: BTreeSet<String>,
    folders: BTreeSet<String>,
}

/// Where the walk is.
#[derive(Clone, Default)]
struct Within {
    container: Option<Arc<Container>>,
    table: Option<&'static str>,
}

const ANOTHER_TABLE: &str = "name the container, or the folder audit in it";
const MEND_MODEL: &str = "restore the model.json that Synapse Link wrote beside the folders of the tables";

fn refused(reason: &str, hint: &str) -> Fate {
    Fate::Refused {
        reason: reason.to_owned(),
        hint: hint.to_owned(),
    }
}

/// What a folder turns out to be on entering it.
enum Entered {
    Folder(Within),
    Unfinished,
    Snapshot,
    Service,
    OtherTable,
    DeltaTable,
    Broken(Broken),
}

impl Within {
    fn enter(&self, folder: &Path) -> Entered {
        let name = synapse::name_of(folder);
        if synapse::is_snapshot(folder) {
            return Entered::Snapshot;
        }
        if folder.join("_delta_log").is_dir() {
            let table = name.strip_suffix("_partitioned");
            let is_other = table.is_some_and(|table| synapse::known_table(table).is_none());
            return if is_other {
                Entered::OtherTable
            } else {
                Entered::DeltaTable
            };
        }
        let role = match &self.container {
            Some(container) if self.table.is_none() => container.role(name),
            _ => Role::Unknown,
        };
        match role {
            Role::Service => return Entered::Service,
            Role::OtherTable => return Entered::OtherTable,
            Role::Table(_) | Role::Unknown => {}
        }
        match Container::at(folder, self.container.as_deref()) {
            Err(broken) => Entered::Broken(broken),
            Ok(Some(container)) if container.is_unfinished => Entered::Unfinished,
            Ok(Some(container)) => Entered::Folder(Within {
                container: Some(Arc::new(container)),
                table: None,
            }),
            Ok(None) => Entered::Folder(Within {
                container: self.container.clone(),
                table: match role {
                    Role::Table(table) => Some(table),
                    _ => self.table,
                },
            }),
        }
    }

    /// The same place, a container at `real` being called as the user calls it.
    fn spelled(self, real: &Path, given: &Path) -> Within {
        let container = self.container.map(|container| match container.root == real {
            true => Arc::new(container.called(given)),
            false => container,
        });
        Within { container, ..self }
    }

    /// What the folders above a path say of it; `Err` when they say that it is not to be read.
    fn of(path: &Path) -> std::result::Result<Within, Entered> {
        let Ok(path) = path.canonicalize() else {
            return Ok(Within::default());
        };
        let above: Vec<&Path> = path.ancestors().skip(1).take(LEVELS_ABOVE).collect();
        above
            .iter()
            .rev()
            .try_fold(Within::default(), |within, folder| match within.enter(folder) {
                Entered::Folder(within) => Ok(within),
                // Named by its path, a copy is what the user wants; and a file beside options is what it is.
                Entered::Snapshot | Entered::Service | Entered::DeltaTable => Ok(within),
                other => Err(other),
            })
    }
}

impl Walk {
    fn given(&mut self, path: &Path) -> Result<()> {
        if path == Path::new("-") {
            self.push(path, true, Place::Plain);
            return Ok(());
        }
        let is_folder = std::fs::metadata(path).at_path(path, "cannot be read")?.is_dir();
        match Within::of(path) {
            Ok(within) if is_folder => self.given_folder(path, &within),
            Ok(within) => {
                self.file(path, true, &within);
                Ok(())
            }
            Err(entered) => self.entered_by_name(path, entered, &Within::default()),
        }
    }

    fn given_folder(&mut self, path: &Path, outer: &Within) -> Result<()> {
        let real = path.canonicalize().at_path(path, "cannot be read")?;
        let entered = match outer.enter(&real) {
            Entered::Folder(within) => Entered::Folder(within.spelled(&real, path)),
            Entered::Broken(Broken { reason, .. }) => Entered::Broken(Broken {
                path: path.join(synapse::MODEL),
                reason,
            }),
            other => other,
        };
        self.entered_by_name(path, entered, outer)
    }

    /// What the user named is not left out quietly.
    fn entered_by_name(&mut self, path: &Path, entered: Entered, outer: &Within) -> Result<()> {
        match entered {
            Entered::Snapshot => self.folder(path, outer)?,
            Entered::OtherTable => self.settle(path, refused("holds another table than audit", ANOTHER_TABLE)),
            Entered::Service => self.settle(path, refused("holds no rows of a table", ANOTHER_TABLE)),
            entered => self.entered(path, entered, outer)?,
        }
        Ok(())
    }

    fn entered(&mut self, path: &Path, entered: Entered, outer: &Within) -> Result<()> {
        match entered {
            Entered::Folder(within) => self.folder(path, &within)?,
            Entered::Unfinished => self.settle(path, Fate::Unfinished),
            Entered::Snapshot | Entered::Service => self.skip(path, outer, |skipped| &mut skipped.folders),
            Entered::OtherTable => self.skip(path, outer, |skipped| &mut skipped.tables),
            Entered::DeltaTable => self.delta_table(path)?,
            Entered::Broken(broken) => self.broken(path, broken)?,
        }
        Ok(())
    }

    fn folder(&mut self, folder: &Path, within: &Within) -> Result<()> {
        if self.lake.is_some() && folder.canonicalize().ok() == self.lake {
            return Ok(());
        }
        let before = self.inputs.len();
        for (path, kind) in entries(folder)? {
            match kind {
                Entry::Folder => self.entered(&path, within.enter(&path), within)?,
                Entry::File => self.file(&path, false, within),
                Entry::Unfollowed(reason) => self.settle(&path, Fate::Skipped { reason }),
            }
        }
        let is_container = within.table.is_none() && within.container.is_some() && folder.join(synapse::MODEL).exists();
        if is_container && self.inputs.len() == before {
            self.settle(folder, Fate::Empty);
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, is_named: bool, within: &Within) {
        let Some(container) = &within.container else {
            return self.push(path, is_named, Place::Plain);
        };
        if within.table.is_none() && synapse::name_of(path) == synapse::MODEL && !is_named {
            return;
        }
        self.push(
            path,
            is_named,
            Place::Synapse(Arc::new(container.partition(within.table))),
        );
    }

    /// The live files of a Delta table, those that its `_delta_log` names. Its other files are superseded, so none is
    /// ever taken for a file of its own.
    fn delta_table(&mut self, folder: &Path) -> Result<()> {
        match delta::live_files(folder)? {
            Ok(files) => {
                for file in files {
                    self.push(&file.path, false, Place::Delta(file.partition));
                }
            }
            Err(refusal) => self.settle(folder, refusal.into()),
        }
        Ok(())
    }

    /// Without its columns a container's tables cannot be read; what stands beside them can, and an incremental folder
    /// has a model of its own.
    fn broken(&mut self, path: &Path, broken: Broken) -> Result<()> {
        if !path.is_dir() && !broken.holds(path) {
            self.push(path, true, Place::Plain);
            return Ok(());
        }
        self.settle(&broken.path, refused(&broken.reason, MEND_MODEL));
        let inside = if path.is_dir() { entries(path)? } else { Vec::new() };
        for (path, kind) in inside {
            match kind {
                Entry::File if synapse::name_of(&path) != synapse::MODEL && !broken.holds(&path) => {
                    self.push(&path, false, Place::Plain);
                }
                Entry::Folder if path.join(synapse::MODEL).exists() => {
                    self.entered(&path, Within::default().enter(&path), &Within::default())?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn push(&mut self, path: &Path, is_named: bool, place: Place) {
        self.inputs.push(Input {
            path: path.to_owned(),
            member: None,
            is_named,
            place,
        });
    }

    fn settle(&mut self, path: &Path, fate: Fate) {
        self.push(path, false, Place::Settled(fate));
    }

    fn skip(&mut self, path: &Path, within: &Within, kind: fn(&mut Skipped) -> &mut BTreeSet<String>) {
        let parent = path.parent().unwrap_or(path);
        let root = within.container.as_ref().map_or(parent, |container| &container.root);
        let name = match synapse::is_snapshot(path) {
            true => format!("{}/{}", synapse::name_of(parent), synapse::name_of(path)),
            false => synapse::name_of(path).to_owned(),
        };
        kind(self.skipped.entry(root.to_owned()).or_default()).insert(name);
    }

    /// All inputs, and a line for each container of which something is left out.
    fn finish(mut self) -> Vec<Input> {
        for (root, skipped) in std::mem::take(&mut self.skipped) {
            let reason = skipped.to_string();
            self.settle(&root, Fate::Skipped { reason });
        }
        self.inputs
    }
}

/// Names in a line that people are to read.
const SHOWN_NAMES: usize = 8;

impl std::fmt::Display for Skipped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |names: &BTreeSet<String>| {
            let shown: Vec<&str> = names.iter().take(SHOWN_NAMES).map(String::as_str).collect();
            match names.len() - shown.len() {
                0 => shown.join(", "),
                more => format!("{} and {more} more", shown.join(", ")),
            }
        };
        let (tables, folders) = (list(&self.tables), list(&self.folders));
        match (tables.is_empty(), folders.is_empty()) {
            (true, _) => write!(f, "only folders without rows of their own ({folders})"),
            (_, true) => write!(f, "only other tables ({tables})"),
            _ => write!(
                f,
                "only other tables ({tables}) and folders without rows of their own ({folders})"
            ),
        }
    }
}

enum Entry {
    File,
    Folder,
    /// A link that is not followed, and why.
    Unfollowed(String),
}

/// What a folder holds, in order of name; sockets and the like are nothing.
fn entries(folder: &Path) -> Result<Vec<(PathBuf, Entry)>> {
    let unreadable = "the folder cannot be read";
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).at_path(folder, unreadable)? {
        let entry = entry.at_path(folder, unreadable)?;
        let path = entry.path();
        let kind = entry.file_type().at_path(&path, "cannot be read")?;
        let is_link = kind.is_symlink();
        let kind = if is_link {
            std::fs::metadata(&path).map(|target| target.file_type())
        } else {
            Ok(kind)
        };
        match kind {
            Ok(kind) if kind.is_file() => found.push((path, Entry::File)),
            Ok(kind) if kind.is_dir() && !is_link => found.push((path, Entry::Folder)),
            Ok(kind) if kind.is_dir() => {
                let reason = "a link to a folder, which is read only if it is named itself".to_owned();
                found.push((path, Entry::Unfollowed(reason)));
            }
            Ok(_) => {}
            Err(cause) => found.push((path, Entry::Unfollowed(format!("a link that leads nowhere: {cause}")))),
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}
