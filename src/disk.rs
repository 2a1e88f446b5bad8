//! The only door through which gatelog changes files.
//!
//! A file under its final name is always whole: it is written beside its target, synced, renamed, and the folder is
//! synced after it. A crash can leave a temporary file behind, never half a target. Everything that creates, renames
//! or removes goes through here, so that one place can be tested against failing disks.

use crate::error::{AtPath, Result};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

/// Creates a folder and its parents.
pub fn create_dir(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).at_path(dir, "cannot create the folder")
}

/// Creates a file for writing; the caller finishes it with [`sync`].
pub fn create(path: &Path) -> Result<File> {
    if let Some(dir) = path.parent() {
        create_dir(dir)?;
    }
    File::create(path).at_path(path, "cannot create the file")
}

/// Opens a file for writing as it is, creating it if need be.
pub fn open_or_create(path: &Path) -> Result<File> {
    if let Some(dir) = path.parent() {
        create_dir(dir)?;
    }
    let mut how = File::options();
    how.create(true).truncate(false).write(true);
    how.open(path).at_path(path, "cannot be opened for writing")
}

/// Creates a file without a name, for reading and writing, that goes when it is closed.
pub fn unnamed(dir: &Path) -> Result<File> {
    create_dir(dir)?;
    tempfile::tempfile_in(dir).at_path(dir, "cannot create a file")
}

/// Waits until a file's bytes are on the disk.
pub fn sync(file: &File, path: &Path) -> Result<()> {
    file.sync_all().at_path(path, "cannot be synced to the disk")
}

/// Waits until a folder's entries are on the disk.
pub fn sync_dir(dir: &Path) -> Result<()> {
    // Windows cannot open a folder as a file; its renames are durable through the journal.
    if cfg!(windows) {
        return Ok(());
    }
    File::open(dir)
        .and_then(|folder| folder.sync_all())
        .at_path(dir, "the folder cannot be synced to the disk")
}

/// Moves a finished file to its final name. Replaces what stands there, in one step.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).at_path(to, "cannot be put in place")
}

/// Replaces a small file as a whole: readers see the old text or the new one.
pub fn replace(path: &Path, text: &[u8]) -> Result<()> {
    let beside = path.with_extension("tmp");
    let mut file = create(&beside)?;
    file.write_all(text).at_path(&beside, "cannot be written")?;
    sync(&file, &beside)?;
    rename(&beside, path)?;
    sync_dir(path.parent().unwrap_or(Path::new(".")))
}

/// Removes a file; one that is already gone is fine.
pub fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => Err(cause).at_path(path, "cannot be removed"),
        _ => Ok(()),
    }
}

/// Removes a folder with all it holds; one that is already gone is fine.
pub fn remove_dir(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => Err(cause).at_path(dir, "cannot be removed"),
        _ => Ok(()),
    }
}
