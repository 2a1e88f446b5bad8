//! The only door through which gatelog changes files.
//!
//! A file under its final name is always whole: it is written beside its target, synced, renamed, and the folder is
//! synced after it. A crash can leave a temporary file behind, never half a target. Everything that creates, writes,
//! renames or removes goes through a [`Disk`], so that one place can be tested against failing disks: [`Faults`] sees
//! each step before it happens and may let it fail, or let a write come to an end too early.

use crate::ahead::Ahead;
use crate::error::{AtPath, Result};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

/// What is about to happen to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'p> {
    CreateDir,
    Create,
    /// A file is cut where what follows does not count.
    Truncate,
    /// So many bytes at the end of a file.
    Write(usize),
    Sync,
    SyncDir,
    /// From there.
    Rename(&'p Path),
    /// With this folder.
    Exchange(&'p Path),
    Remove,
}

/// Stands between gatelog and the disk.
pub trait Faults: Send + Sync {
    /// An error is what the step ends with, and nothing has happened. Of a [`Step::Write`] the number says how many
    /// bytes reach the file.
    fn before(&self, step: Step<'_>, path: &Path) -> io::Result<usize>;
}

/// The disk, as it is or with faults.
#[derive(Clone, Default)]
pub struct Disk {
    faults: Option<Arc<dyn Faults>>,
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = if self.faults.is_some() {
            "Disk (with faults)"
        } else {
            "Disk"
        };
        f.write_str(name)
    }
}

impl Disk {
    pub fn with_faults(faults: Arc<dyn Faults>) -> Disk {
        Disk { faults: Some(faults) }
    }

    fn before(&self, step: Step<'_>, path: &Path) -> io::Result<usize> {
        match (&self.faults, step) {
            (Some(faults), _) => faults.before(step, path),
            (None, Step::Write(bytes)) => Ok(bytes),
            (None, _) => Ok(0),
        }
    }

    fn step<T>(&self, step: Step<'_>, path: &Path, happen: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.before(step, path)?;
        happen()
    }

    /// Creates a folder and its parents.
    pub fn create_dir(&self, dir: &Path) -> Result<()> {
        if dir.is_dir() {
            return Ok(());
        }
        self.step(Step::CreateDir, dir, || fs::create_dir_all(dir))
            .at_path(dir, "cannot create the folder")
    }

    /// Creates a file for writing; the caller finishes it with [`Target::sync`].
    pub fn create(&self, path: &Path) -> Result<Target> {
        if let Some(dir) = path.parent() {
            self.create_dir(dir)?;
        }
        let file = self
            .step(Step::Create, path, || File::create(path))
            .at_path(path, "cannot create the file")?;
        Ok(Target {
            disk: self.clone(),
            path: path.to_owned(),
            file,
            ahead: None,
        })
    }

    /// Opens a file for writing behind its first `at` bytes, creating it if need be; what stood there goes.
    pub fn append(&self, path: &Path, at: u64) -> Result<Target> {
        if !path.exists() {
            return self.create(path);
        }
        let open = || {
            let mut file = File::options().write(true).open(path)?;
            file.set_len(at)?;
            file.seek(SeekFrom::Start(at))?;
            Ok(file)
        };
        let file = self
            .step(Step::Truncate, path, open)
            .at_path(path, "cannot be opened for writing")?;
        Ok(Target {
            disk: self.clone(),
            path: path.to_owned(),
            file,
            ahead: None,
        })
    }

    /// Waits until a folder's entries are on the disk.
    pub fn sync_dir(&self, dir: &Path) -> Result<()> {
        // Windows cannot open a folder as a file; its renames are durable through the journal.
        if cfg!(windows) {
            return Ok(());
        }
        self.step(Step::SyncDir, dir, || File::open(dir)?.sync_all())
            .at_path(dir, "the folder cannot be synced to the disk")
    }

    /// Moves a finished file or folder to its final name. Replaces a file that stands there, in one step.
    pub fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.step(Step::Rename(from), to, || fs::rename(from, to))
            .at_path(to, "cannot be put in place")
    }

    /// Gives a finished file a second name, or copies it where a file has only one.
    pub fn keep(&self, from: &Path, to: &Path) -> Result<()> {
        let copy = || fs::copy(from, to).and_then(|_| File::open(to)?.sync_all());
        self.step(Step::Create, to, || fs::hard_link(from, to).or_else(|_| copy()))
            .at_path(to, "cannot be created")
    }

    /// Swaps two folders: in one step where system and file system can, else with an instant at which neither is there.
    pub fn exchange(&self, staged: &Path, target: &Path) -> Result<()> {
        self.step(Step::Exchange(staged), target, || match exchange(staged, target)? {
            true => Ok(()),
            false => {
                // May be repeated after a crash between the steps: then the target has stepped aside already.
                let aside = staged.with_extension("old");
                if target.exists() {
                    fs::rename(target, &aside)?;
                }
                fs::rename(staged, target)?;
                fs::rename(&aside, staged)
            }
        })
        .at_path(target, "cannot be replaced")
    }

    /// Replaces a small file as a whole: readers see the old text or the new one.
    pub fn replace(&self, path: &Path, text: &[u8]) -> Result<()> {
        let beside = path.with_extension("tmp");
        self.write(&beside, text)?;
        self.rename(&beside, path)?;
        self.sync_dir(path.parent().unwrap_or(Path::new(".")))
    }

    /// Writes and syncs a small file.
    pub fn write(&self, path: &Path, text: &[u8]) -> Result<()> {
        let mut file = self.create(path)?;
        file.write_all(text).at_path(path, "cannot be written")?;
        file.sync()
    }

    /// Removes a file; one that is already gone is fine.
    pub fn remove_file(&self, path: &Path) -> Result<()> {
        gone(self.step(Step::Remove, path, || fs::remove_file(path))).at_path(path, "cannot be removed")
    }

    /// Removes a folder with all it holds; one that is already gone is fine.
    pub fn remove_dir(&self, dir: &Path) -> Result<()> {
        gone(self.step(Step::Remove, dir, || fs::remove_dir_all(dir))).at_path(dir, "cannot be removed")
    }
}

/// Removing what is already gone is fine.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Swaps two folders in one step; `false` where system or file system cannot.
#[cfg(target_os = "linux")]
pub fn exchange(staged: &Path, target: &Path) -> io::Result<bool> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, staged, CWD, target, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(true),
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Ok(false),
        Err(cause) => Err(cause.into()),
    }
}

#[cfg(not(target_os = "linux"))]
pub fn exchange(_staged: &Path, _target: &Path) -> io::Result<bool> {
    Ok(false)
}

const UNSYNCED: &str = "cannot be synced to the disk";

/// A file being written.
pub struct Target {
    disk: Disk,
    path: PathBuf,
    file: File,
    /// Of a large file that will be synced.
    ahead: Option<Ahead>,
}

impl Target {
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lets the file's bytes go to the disk while more of them are made.
    pub fn ahead(self) -> Target {
        Target {
            ahead: Some(Ahead::default()),
            ..self
        }
    }

    /// Waits until the file's bytes are on the disk.
    pub fn sync(self) -> Result<()> {
        let mut ahead = self.ahead.unwrap_or_default();
        self.disk
            .step(Step::Sync, &self.path, || ahead.sync_all(&self.file))
            .at_path(&self.path, UNSYNCED)
    }

    /// Lets the file's bytes go to the disk while something else is done.
    pub fn sync_meanwhile(self) -> Result<Syncing> {
        self.disk.before(Step::Sync, &self.path).at_path(&self.path, UNSYNCED)?;
        let Target { path, file, ahead, .. } = self;
        let mut ahead = ahead.unwrap_or_default();
        let synced = thread::Builder::new().spawn(move || ahead.sync_all(&file));
        let synced = synced.at_path(&path, UNSYNCED)?;
        Ok(Syncing { path, synced })
    }
}

/// A file of which the bytes are on their way to the disk.
#[derive(Debug)]
#[must_use = "what is not waited for may be lost"]
pub struct Syncing {
    path: PathBuf,
    synced: JoinHandle<io::Result<()>>,
}

impl Syncing {
    /// Waits until they are there.
    pub fn wait(self) -> Result<()> {
        let ended_early = |_| Err(io::Error::other("syncing ended early"));
        let synced = self.synced.join().unwrap_or_else(ended_early);
        synced.at_path(&self.path, UNSYNCED)
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let reach = self.disk.before(Step::Write(bytes.len()), &self.path)?;
        let written = self.file.write(&bytes[..reach])?;
        if let Some(ahead) = &mut self.ahead {
            ahead.wrote(written, &self.file)?;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Creates a file without a name, for reading and writing, that goes when it is closed. It is no part of any lake.
pub fn unnamed(dir: &Path) -> Result<File> {
    fs::create_dir_all(dir).at_path(dir, "cannot create the folder")?;
    tempfile::tempfile_in(dir).at_path(dir, "cannot create a file")
}

/// Opens a file for writing as it is, creating it if need be. For locks, which are no content.
pub fn open_or_create(path: &Path) -> Result<File> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).at_path(dir, "cannot create the folder")?;
    }
    let mut how = File::options();
    how.create(true).truncate(false).write(true);
    how.open(path).at_path(path, "cannot be opened for writing")
}
