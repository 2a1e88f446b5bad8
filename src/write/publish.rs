//! Publishes a folder as a whole: readers see the old set of files or the new one, never a mixture.
//!
//! The files are written into a staged folder beside the target, `.report.tmp-4711` for `report`, and synced; then one
//! step swaps the two folders and the old files are removed. On Linux that step is a single exchange. Elsewhere, and on
//! file systems without exchange, the old folder steps aside to `.report.old-4711` before the new one moves in.
//!
//! What a crash can leave: the old set or the new one under the target's name, and a staged or an old folder beside
//! it, which the next publication removes. Between the two renames of the second way a crash leaves no target; the next
//! publication then first moves the old set back, so that not even a failing one loses it.
//!
//! Only files that gatelog itself may have written are ever removed ([`Owned`]). A target that holds anything else is
//! refused before a byte is written; a foreign file that appears later survives in the old folder, and is reported.

use crate::ahead::Ahead;
use crate::disk::exchange;
use std::error::Error;
use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

type Cause = Box<dyn Error + Send + Sync>;

/// Why a folder was not published. The text is one sentence with the path first; the cause is the source.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("{}: {fact}", path.display())]
    Failed {
        path: PathBuf,
        fact: &'static str,
        source: Cause,
    },
    #[error("{}: the folder holds {entry:?}, which gatelog did not write", path.display())]
    Foreign { path: PathBuf, entry: String },
    #[error("{}: is not a folder", path.display())]
    NotAFolder { path: PathBuf },
    #[error("{}: is no name for a folder that is replaced as a whole", path.display())]
    Unnamed { path: PathBuf },
}

impl WriteError {
    pub fn path(&self) -> &Path {
        match self {
            WriteError::Failed { path, .. } | WriteError::Foreign { path, .. } => path,
            WriteError::NotAFolder { path } | WriteError::Unnamed { path } => path,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            WriteError::Failed { .. } => None,
            WriteError::Foreign { .. } => {
                Some("choose a new folder, or move that file away: the folder is replaced as a whole")
            }
            WriteError::NotAFolder { .. } => Some("choose a new folder"),
            WriteError::Unnamed { .. } => Some("name a folder below it, such as ./report"),
        }
    }
}

trait AtPath<T> {
    fn at(self, path: &Path, fact: &'static str) -> Result<T, WriteError>;
}

impl<T, E: Into<Cause>> AtPath<T> for Result<T, E> {
    fn at(self, path: &Path, fact: &'static str) -> Result<T, WriteError> {
        self.map_err(|source| WriteError::Failed {
            path: path.to_path_buf(),
            fact,
            source: source.into(),
        })
    }
}

type Fill<'a> = Box<dyn FnOnce(&mut (dyn Write + Send)) -> Result<(), Cause> + 'a>;

/// A file to be written: its name and what fills it.
pub struct Document<'a> {
    name: String,
    fill: Fill<'a>,
}

impl<'a> Document<'a> {
    pub fn new(name: String, fill: impl FnOnce(&mut (dyn Write + Send)) -> Result<(), Cause> + 'a) -> Self {
        let fill: Fill<'a> = Box::new(fill);
        Document { name, fill }
    }
}

/// The file names that belong to gatelog: each table with each extension, and the two documents of a whole report.
pub struct Owned<'a> {
    tables: &'a [&'a str],
}

impl<'a> Owned<'a> {
    const EXTENSIONS: [&'static str; 5] = ["parquet", "csv", "json", "xlsx", "html"];

    pub fn new(tables: &'a [&'a str]) -> Self {
        Owned { tables }
    }

    pub fn contains(&self, name: &str) -> bool {
        name.rsplit_once('.').is_some_and(|(stem, extension)| {
            (stem == "report" && matches!(extension, "xlsx" | "html"))
                || (self.tables.contains(&stem) && Self::EXTENSIONS.contains(&extension))
        })
    }

    /// Fails when a folder holds anything but plain files of ours. No folder, no such entry.
    fn refuse_foreign(&self, dir: &Path) -> Result<(), WriteError> {
        let entries = match fs::read_dir(dir) {
            Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(()),
            entries => entries.at(dir, "cannot be listed")?,
        };
        for entry in entries {
            let entry = entry.at(dir, "cannot be listed")?;
            let is_file = entry.file_type().at(&entry.path(), "cannot be examined")?.is_file();
            let (path, entry) = (dir.to_path_buf(), entry.file_name().to_string_lossy().into_owned());
            if !(is_file && self.contains(&entry)) {
                return Err(WriteError::Foreign { path, entry });
            }
        }
        Ok(())
    }

    /// Removes a folder that holds nothing but our files, name by name: what is not ours keeps it in place.
    fn remove(&self, dir: &Path) -> Result<(), WriteError> {
        self.refuse_foreign(dir)?;
        let Ok(entries) = fs::read_dir(dir) else {
            return Ok(());
        };
        for entry in entries {
            let path = entry.at(dir, "cannot be listed")?.path();
            gone(fs::remove_file(&path)).at(&path, "cannot be removed")?;
        }
        gone(fs::remove_dir(dir)).at(dir, "cannot be removed")
    }
}

/// Removing what another process has just removed is fine.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Makes `dir` hold exactly these documents.
pub fn publish(dir: &Path, owned: &Owned<'_>, documents: Vec<Document<'_>>) -> Result<(), WriteError> {
    let place = Place::find(dir)?;
    place.clean_up(owned)?;
    match fs::metadata(&place.target) {
        Ok(found) if !found.is_dir() => return Err(WriteError::NotAFolder { path: place.target }),
        _ => owned.refuse_foreign(&place.target)?,
    }
    let staged = place.beside("tmp");
    let published = stage(&staged, owned, documents)
        .and_then(|()| owned.refuse_foreign(&place.target))
        .and_then(|()| place.swap_in(&staged));
    if let Err(failure) = published {
        // The failure is what counts; a staged folder that stays is removed by the next publication.
        let _ = owned.remove(&staged);
        return Err(failure);
    }
    for old in [staged, place.beside("old")] {
        owned.remove(&old)?;
    }
    Ok(())
}

/// Writes and syncs the files in a new folder.
fn stage(staged: &Path, owned: &Owned<'_>, documents: Vec<Document<'_>>) -> Result<(), WriteError> {
    fs::create_dir(staged).at(staged, "cannot create the folder")?;
    // Tells other publications that this folder is no leftover. Where folders cannot be locked, nothing is told.
    let held = File::open(staged);
    let _ = held.as_ref().map(File::try_lock);
    for Document { name, fill } in documents {
        let path = staged.join(&name);
        if !owned.contains(&name) {
            return Err(WriteError::Foreign { path, entry: name });
        }
        let file = File::create_new(&path).at(&path, "cannot create the file")?;
        let sink = Sink {
            file,
            ahead: Ahead::default(),
        };
        let mut sink = BufWriter::with_capacity(1 << 20, sink);
        fill(&mut sink).at(&path, "cannot be written")?;
        let sink = sink
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
            .at(&path, "cannot be written")?;
        sink.sync_all().at(&path, "cannot be synced to the disk")?;
    }
    sync_dir(staged)
}

/// A file that is staged.
struct Sink {
    file: File,
    ahead: Ahead,
}

impl Sink {
    fn sync_all(mut self) -> io::Result<()> {
        self.ahead.sync_all(&self.file)
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.ahead.wrote(written, &self.file)?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The target, resolved, and the folder it stands in.
struct Place {
    target: PathBuf,
    parent: PathBuf,
    name: String,
}

impl Place {
    /// A link is followed, so that it stays a link to the folder that is replaced. `.` and `/` cannot be swapped, and a
    /// folder that a shell stands in should not be swapped away under it.
    fn find(dir: &Path) -> Result<Place, WriteError> {
        let unnamed = || WriteError::Unnamed {
            path: dir.to_path_buf(),
        };
        dir.file_name().ok_or_else(unnamed)?;
        let target = match fs::canonicalize(dir) {
            Ok(found) => found,
            Err(cause) if cause.kind() == ErrorKind::NotFound => dir.to_path_buf(),
            Err(cause) => return Err(cause).at(dir, "cannot be examined"),
        };
        let name = target
            .file_name()
            .and_then(OsStr::to_str)
            .ok_or_else(unnamed)?
            .to_owned();
        let parent = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
            _ => PathBuf::from("."),
        };
        fs::create_dir_all(&parent).at(&parent, "cannot create the folder")?;
        Ok(Place { target, parent, name })
    }

    fn beside(&self, role: &str) -> PathBuf {
        self.parent
            .join(format!(".{}.{role}-{}", self.name, std::process::id()))
    }

    /// Ends what a killed publication began: a missing target gets its old set back, the rest is removed.
    fn clean_up(&self, owned: &Owned<'_>) -> Result<(), WriteError> {
        let roles = ["old", "tmp"].map(|role| format!(".{}.{role}-", self.name));
        let is_leftover = |name: &str| {
            let process = roles.iter().find_map(|role| name.strip_prefix(role.as_str()));
            process.is_some_and(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()))
        };
        let mut leftovers = Vec::new();
        for entry in fs::read_dir(&self.parent).at(&self.parent, "cannot be listed")? {
            let path = entry.at(&self.parent, "cannot be listed")?.path();
            if path.file_name().and_then(OsStr::to_str).is_some_and(is_leftover) {
                leftovers.push(path);
            }
        }
        // `old` sorts before `tmp`: the old set is brought back before anything is removed.
        leftovers.sort();
        for leftover in leftovers.into_iter().filter(|leftover| !is_held(leftover)) {
            let name = leftover.file_name().and_then(OsStr::to_str);
            let is_old = name.is_some_and(|name| name.starts_with(&roles[0]));
            if is_old && !self.target.exists() {
                fs::rename(&leftover, &self.target).at(&self.target, "cannot be put in place")?;
                sync_dir(&self.parent)?;
            } else {
                owned.remove(&leftover)?;
            }
        }
        Ok(())
    }

    /// Puts the staged folder in the target's place; afterwards the old set stands beside it, under either name.
    fn swap_in(&self, staged: &Path) -> Result<(), WriteError> {
        match fs::metadata(&self.target) {
            Ok(old) => {
                // Who may read the folder stays as it was.
                fs::set_permissions(staged, old.permissions()).at(staged, "cannot get the folder's permissions")?;
                if !exchange(staged, &self.target).at(&self.target, "cannot be replaced")? {
                    self.swap_in_two_steps(staged)?;
                }
            }
            Err(_) => fs::rename(staged, &self.target).at(&self.target, "cannot be put in place")?,
        }
        sync_dir(&self.parent)
    }

    fn swap_in_two_steps(&self, staged: &Path) -> Result<(), WriteError> {
        let old = self.beside("old");
        fs::rename(&self.target, &old).at(&self.target, "cannot be moved aside")?;
        fs::rename(staged, &self.target).or_else(|cause| {
            // Without this the target would be missing until the next publication.
            let _ = fs::rename(&old, &self.target);
            Err(cause).at(&self.target, "cannot be put in place")
        })
    }
}

/// Whether a running publication fills this folder. The lock ends with its process, however that ends.
fn is_held(staged: &Path) -> bool {
    File::open(staged).is_ok_and(|folder| matches!(folder.try_lock(), Err(TryLockError::WouldBlock)))
}

/// Waits until a folder's entries are on the disk.
fn sync_dir(dir: &Path) -> Result<(), WriteError> {
    // Windows cannot open a folder as a file; its renames are durable through the journal.
    if cfg!(windows) {
        return Ok(());
    }
    File::open(dir)
        .and_then(|folder| folder.sync_all())
        .at(dir, "cannot be synced to the disk")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNED: Owned<'static> = Owned {
        tables: &["sessions", "gaps"],
    };

    fn file(name: &str, text: &'static str) -> Document<'static> {
        Document::new(name.to_owned(), move |sink| Ok(sink.write_all(text.as_bytes())?))
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).expect("a folder").flatten();
        let mut names: Vec<String> = entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn the_set_is_replaced_as_a_whole_and_nothing_is_left_beside_it() {
        let home = tempfile::tempdir().expect("a folder");
        let dir = home.path().join("deep/report");
        publish(&dir, &OWNED, vec![file("sessions.csv", "1"), file("gaps.csv", "1")]).expect("first");
        publish(&dir, &OWNED, vec![file("sessions.csv", "2")]).expect("second");
        assert_eq!(names(&dir), ["sessions.csv"]);
        assert_eq!(fs::read_to_string(dir.join("sessions.csv")).expect("file"), "2");
        assert_eq!(names(&home.path().join("deep")), ["report"]);
    }

    #[test]
    fn a_folder_with_a_foreign_entry_is_refused_and_untouched() {
        let home = tempfile::tempdir().expect("a folder");
        for foreign in ["thesis.docx", "sessions.csv.bak", "sessions", "users.csv"] {
            let dir = home.path().join("report");
            fs::create_dir_all(&dir).expect("created");
            fs::write(dir.join(foreign), "mine").expect("written");
            let refused = publish(&dir, &OWNED, vec![file("gaps.csv", "")]).expect_err("foreign");
            assert!(
                matches!(&refused, WriteError::Foreign { entry, .. } if entry == foreign),
                "{refused}"
            );
            assert_eq!(names(&dir), [foreign]);
            fs::remove_dir_all(&dir).expect("removed");
        }
        fs::write(home.path().join("plain"), "").expect("written");
        let refused = publish(&home.path().join("plain"), &OWNED, vec![]).expect_err("a file");
        assert!(matches!(refused, WriteError::NotAFolder { .. }));
        let refused = publish(Path::new("."), &OWNED, vec![]).expect_err("no name");
        assert!(matches!(refused, WriteError::Unnamed { .. }));
    }

    #[test]
    fn l4_a_failing_document_leaves_the_old_set() {
        let home = tempfile::tempdir().expect("a folder");
        let dir = home.path().join("report");
        publish(&dir, &OWNED, vec![file("sessions.csv", "old")]).expect("first");
        let broken = Document::new("gaps.csv".to_owned(), |_| Err("disk full".into()));
        let failure = publish(&dir, &OWNED, vec![file("sessions.csv", "new"), broken]).expect_err("broken");
        assert!(failure.path().ends_with("gaps.csv"), "{failure}");
        assert_eq!(fs::read_to_string(dir.join("sessions.csv")).expect("file"), "old");
        assert_eq!(names(home.path()), ["report"]);
    }

    #[test]
    fn l4_leftovers_of_a_kill_are_ended_by_the_next_publication() {
        let home = tempfile::tempdir().expect("a folder");
        let at = |name: &str| home.path().join(name);
        for (folder, text) in [
            (".report.tmp-1", "half"),
            (".report.old-1", "old"),
            (".report.tmp-x", "other"),
        ] {
            fs::create_dir(at(folder)).expect("created");
            fs::write(at(folder).join("sessions.csv"), text).expect("written");
        }
        let broken = Document::new("gaps.csv".to_owned(), |_| Err("disk full".into()));
        publish(&at("report"), &OWNED, vec![broken]).expect_err("broken");
        assert_eq!(fs::read_to_string(at("report/sessions.csv")).expect("file"), "old");
        assert_eq!(names(home.path()), [".report.tmp-x", "report"]);
    }

    #[test]
    fn readers_always_find_the_target() {
        let home = tempfile::tempdir().expect("a folder");
        let dir = home.path().join("report");
        let place = Place::find(&dir).expect("a place");
        publish(&dir, &OWNED, vec![file("sessions.csv", "")]).expect("first");
        let seen = dir.join("sessions.csv");
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                (0..30).for_each(|_| publish(&dir, &OWNED, vec![file("sessions.csv", "")]).expect("published"));
            });
            while cfg!(target_os = "linux") && !writer.is_finished() {
                assert!(seen.exists());
            }
        });
        // The way of other systems, too, ends with the new set in place and the old one beside it.
        stage(&place.beside("tmp"), &OWNED, vec![file("gaps.csv", "")]).expect("staged");
        place.swap_in_two_steps(&place.beside("tmp")).expect("swapped");
        assert_eq!(
            (names(&dir), names(&place.beside("old"))),
            (vec!["gaps.csv".into()], vec!["sessions.csv".into()])
        );
    }
}
