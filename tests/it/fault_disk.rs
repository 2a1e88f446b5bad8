//! A disk that fails at one step, in one of several ways, and then does what such a failure does to what was written.
//!
//! A *crash* stops every later step as well: the program is dead. After a loss of power, what was never synced is gone:
//! bytes of files, and entries of folders (files that were created, renamed or removed there).

use gatelog::disk::{Disk, Faults, Step};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The step fails once.
    Error,
    /// The disk is full from here on: nothing can be created or written, but all else goes on.
    Full,
    /// A write ends in the middle, and the next one fails.
    ShortWrite,
    /// The program is killed before the step.
    Kill,
    /// Power is lost before the step, and with it everything that was not synced.
    PowerLoss,
    /// Power is lost before the step; the folders survive as they were, the bytes that were not synced do not.
    BytesLost,
}

impl Fault {
    pub const ALL: [Fault; 6] = [
        Fault::Error,
        Fault::Full,
        Fault::ShortWrite,
        Fault::Kill,
        Fault::PowerLoss,
        Fault::BytesLost,
    ];

    fn is_crash(self) -> bool {
        matches!(self, Fault::Kill | Fault::PowerLoss | Fault::BytesLost)
    }
}

/// What was done and is not synced, so that it can be undone.
enum Undo {
    Created(PathBuf),
    Renamed {
        from: PathBuf,
        to: PathBuf,
        replaced: Option<Vec<u8>>,
    },
    Exchanged(PathBuf, PathBuf),
    Removed(BTreeMap<PathBuf, Vec<u8>>, PathBuf),
}

impl Undo {
    /// The folder whose sync makes it last.
    fn folder(&self) -> Option<&Path> {
        match self {
            Undo::Created(path) | Undo::Removed(_, path) => path.parent(),
            Undo::Renamed { to, .. } => to.parent(),
            Undo::Exchanged(_, folder) => folder.parent(),
        }
    }

    fn undo(self) {
        match self {
            Undo::Created(path) => drop(fs::remove_file(path)),
            Undo::Renamed { from, to, replaced } => {
                fs::create_dir_all(from.parent().expect("a folder")).expect("undone");
                if to.exists() {
                    fs::rename(&to, &from).expect("undone");
                }
                if let Some(bytes) = replaced {
                    fs::write(to, bytes).expect("undone");
                }
            }
            Undo::Exchanged(a, b) => {
                assert!(gatelog::disk::exchange(&a, &b).expect("undone"));
            }
            Undo::Removed(files, _) => {
                for (path, bytes) in files {
                    fs::create_dir_all(path.parent().expect("a folder")).expect("undone");
                    fs::write(path, bytes).expect("undone");
                }
            }
        }
    }
}

#[derive(Default)]
struct State {
    steps: usize,
    /// Whether the fault has come.
    is_broken: bool,
    undo: Vec<Undo>,
    /// Files with bytes that are not synced → how many are.
    unsynced: BTreeMap<PathBuf, u64>,
}

struct Faulty {
    /// The step at which it fails, and how.
    fault: Option<(usize, Fault)>,
    state: Mutex<State>,
}

fn failed(kind: io::ErrorKind) -> io::Error {
    io::Error::new(kind, "a fault of the test")
}

impl Faults for Faulty {
    fn before(&self, step: Step<'_>, path: &Path) -> io::Result<usize> {
        let state = &mut *self.state.lock().expect("no test panics here");
        let number = state.steps;
        state.steps += 1;
        let bytes = if let Step::Write(bytes) = step { bytes } else { 0 };
        let Some((at, fault)) = self.fault.filter(|(at, _)| *at <= number) else {
            state.note(step, path);
            return Ok(bytes);
        };
        let is_first = at == number;
        state.is_broken = true;
        match (fault, step) {
            (Fault::Error, _) if is_first => Err(failed(io::ErrorKind::Other)),
            (Fault::Full, Step::Write(_) | Step::Create | Step::CreateDir) => Err(failed(io::ErrorKind::StorageFull)),
            (Fault::ShortWrite, Step::Write(bytes)) if is_first && bytes > 1 => {
                state.note(step, path);
                Ok(bytes / 2)
            }
            (Fault::ShortWrite, Step::Write(_)) if number == at + 1 => Err(failed(io::ErrorKind::Other)),
            (fault, _) if fault.is_crash() => Err(failed(io::ErrorKind::Other)),
            _ => {
                state.note(step, path);
                Ok(bytes)
            }
        }
    }
}

impl State {
    /// Remembers what is about to be done.
    fn note(&mut self, step: Step<'_>, path: &Path) {
        let is_scratch = path.extension().is_some_and(|extension| extension == "rows");
        match step {
            _ if is_scratch => {}
            // What is cut off was never committed: whether it comes back does not matter.
            Step::CreateDir | Step::Truncate => {}
            Step::Create => self.undo.push(Undo::Created(path.to_owned())),
            Step::Write(_) => {
                let synced = path.metadata().map_or(0, |file| file.len());
                self.unsynced.entry(path.to_owned()).or_insert(synced);
            }
            Step::Sync => {
                self.unsynced.remove(path);
            }
            Step::SyncDir => self.undo.retain(|undo| undo.folder() != Some(path)),
            Step::Rename(from) => {
                if let Some(synced) = self.unsynced.remove(from) {
                    self.unsynced.insert(path.to_owned(), synced);
                }
                self.undo.push(Undo::Renamed {
                    from: from.to_owned(),
                    to: path.to_owned(),
                    replaced: fs::read(path).ok(),
                });
            }
            Step::Exchange(staged) => self.undo.push(Undo::Exchanged(staged.to_owned(), path.to_owned())),
            Step::Remove => {
                let files = walkdir::WalkDir::new(path).into_iter().flatten();
                let files = files.filter(|entry| entry.file_type().is_file());
                let content = files.map(|entry| {
                    let bytes = fs::read(entry.path()).expect("readable");
                    (entry.into_path(), bytes)
                });
                self.undo.push(Undo::Removed(content.collect(), path.to_owned()));
            }
        }
    }
}

/// A disk with a fault; [`FaultyDisk::settle`] makes of the lake what the fault leaves.
pub struct FaultyDisk(Arc<Faulty>);

impl FaultyDisk {
    pub fn new(fault: Option<(usize, Fault)>) -> FaultyDisk {
        FaultyDisk(Arc::new(Faulty {
            fault,
            state: Mutex::default(),
        }))
    }

    pub fn disk(&self) -> Disk {
        Disk::with_faults(self.0.clone())
    }

    /// How many steps were taken.
    pub fn steps(&self) -> usize {
        self.0.state.lock().expect("no test panics here").steps
    }

    /// Takes away what the fault takes; false when it has not come.
    pub fn settle(&self) -> bool {
        let state = &mut *self.0.state.lock().expect("no test panics here");
        let lost = self.0.fault.map(|(_, fault)| fault).filter(|_| state.is_broken);
        if matches!(lost, Some(Fault::PowerLoss | Fault::BytesLost)) {
            for (path, synced) in state.unsynced.iter().filter(|(path, _)| path.exists()) {
                let file = fs::File::options().write(true).open(path).expect("there");
                file.set_len(*synced).expect("truncated");
            }
        }
        if lost == Some(Fault::PowerLoss) {
            std::mem::take(&mut state.undo).into_iter().rev().for_each(Undo::undo);
        }
        state.is_broken
    }
}
