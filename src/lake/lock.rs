//! One writer at a time: `LAKE/lock`, held by the system for as long as the process lives, with its owner as text.
//!
//! The system's lock decides; the text only tells people who it is. A writer empties the file when it ends, however its
//! run ended. So a lock that is free but not empty was left by one that could not: it was killed, or the machine went
//! down. The next writer takes it, cleans up and says so. Readers never ask for it.

use crate::disk;
use crate::error::{AtPath, Error, Kind, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

pub const FILE_NAME: &str = "lock";

/// How long a writer that waits sleeps before it asks again.
const POLL: Duration = Duration::from_millis(100);

/// Who writes, and how long they wait for another one to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    pub pid: u32,
    pub host: String,
    /// An instant as text.
    pub started_on: String,
    pub command: String,
    #[serde(skip)]
    pub patience: Duration,
}

impl Owner {
    /// Somebody unnamed, who does not wait.
    pub fn unnamed() -> Owner {
        Owner {
            pid: 0,
            host: "a machine without a name".to_owned(),
            started_on: "a time unknown".to_owned(),
            command: "a program".to_owned(),
            patience: Duration::ZERO,
        }
    }

    /// What the file says; `None` when that is not understood, or nothing.
    fn read(path: &Path) -> Option<Owner> {
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }
}

/// `ingest (pid 4711 on host x, since 2026-03-01T08:00:00Z)`
impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Owner {
            pid,
            host,
            started_on,
            command,
            ..
        } = self;
        write!(f, "{command} (pid {pid} on {host}, since {started_on})")
    }
}

fn name_of(owner: Option<Owner>) -> String {
    owner.map_or_else(
        || "a process that left no readable name".to_owned(),
        |owner| owner.to_string(),
    )
}

/// A writer's exclusive hold on a lake. The system releases it when the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    file: File,
    /// The last writer, when it did not end by itself.
    pub stale: Option<String>,
}

impl Lock {
    /// Takes the lock of a lake, waiting as long as the owner is patient, or says who holds it.
    pub fn take(lake: &Path, owner: &Owner) -> Result<Lock> {
        let path = lake.join(FILE_NAME);
        let mut file = disk::open_or_create(&path)?;
        let polls = owner.patience.as_millis().div_ceil(POLL.as_millis());
        for poll in 0..=polls {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if poll < polls => std::thread::sleep(POLL),
                Err(TryLockError::WouldBlock) => return Err(held(lake, &path, owner.patience)),
                Err(TryLockError::Error(cause)) => return Err(cause).at_path(&path, "cannot be locked"),
            }
        }
        let is_left = file.metadata().at_path(&path, "cannot be read")?.len() > 0;
        let stale = is_left.then(|| name_of(Owner::read(&path)));
        let line = serde_json::to_string(owner).at_path(&path, "the owner cannot be written as JSON")? + "\n";
        file.set_len(0).at_path(&path, "cannot be written")?;
        file.write_all(line.as_bytes()).at_path(&path, "cannot be written")?;
        Ok(Lock { file, stale })
    }
}

fn held(lake: &Path, lock: &Path, waited: Duration) -> Error {
    let holder = name_of(Owner::read(lock));
    let (fact, hint) = match waited.is_zero() {
        true => (
            format!("is being written by {holder}"),
            "try again when that has ended, or wait for it with --wait",
        ),
        false => (
            format!("is still being written by {holder}, after {waited:?} of waiting"),
            "wait longer, like --wait 30m, or try again when that has ended",
        ),
    };
    Error::new(Kind::Locked, fact).at(lake).hint(hint)
}

impl Drop for Lock {
    /// Closing the file is not enough: a process that is being started elsewhere in this one may hold a copy of it.
    fn drop(&mut self) {
        // A run that panics did not end by itself.
        if !std::thread::panicking() {
            // If this fails, the next writer calls the lock stale, and cleans up where nothing is to be cleaned.
            let _ = self.file.set_len(0);
        }
        // What cannot be unlocked is unlocked by the system when the last copy is closed.
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(command: &str) -> Owner {
        Owner {
            pid: 4711,
            host: "birdhouse".to_owned(),
            started_on: "2026-03-01T08:00:00Z".to_owned(),
            command: command.to_owned(),
            patience: Duration::ZERO,
        }
    }

    #[test]
    fn a_lock_that_was_given_up_is_free_though_a_copy_of_its_file_lives_on() {
        let home = tempfile::tempdir().unwrap();
        let lock = Lock::take(home.path(), &owner("one")).unwrap();
        assert_eq!(Lock::take(home.path(), &owner("two")).unwrap_err().kind, Kind::Locked);
        // What a child process holds between its fork and its start.
        let copy = lock.file.try_clone().unwrap();
        drop(lock);
        assert_eq!(Lock::take(home.path(), &owner("two")).unwrap().stale, None);
        drop(copy);
    }

    #[test]
    fn a_lock_names_its_holder_and_is_empty_when_it_is_free() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(FILE_NAME);
        let lock = Lock::take(home.path(), &owner("ingest")).unwrap();
        let line =
            "{\"pid\":4711,\"host\":\"birdhouse\",\"started_on\":\"2026-03-01T08:00:00Z\",\"command\":\"ingest\"}\n";
        assert_eq!(fs::read_to_string(&path).unwrap(), line);
        let error = Lock::take(home.path(), &owner("replay")).unwrap_err();
        assert_eq!(
            error.fact,
            "is being written by ingest (pid 4711 on birdhouse, since 2026-03-01T08:00:00Z)"
        );
        drop(lock);
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
    }

    #[test]
    fn a_free_lock_with_a_text_is_stale_whatever_the_text_is() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(FILE_NAME);
        let line = serde_json::to_string(&owner("ingest")).unwrap();
        let unreadable = "a process that left no readable name";
        for (left, name) in [
            (
                line.as_str(),
                "ingest (pid 4711 on birdhouse, since 2026-03-01T08:00:00Z)",
            ),
            ("process 7 on birdhouse since noon", unreadable),
            ("\u{0}\u{FFFD}", unreadable),
            ("{\"pid\":4711}", unreadable),
            (" ", unreadable),
        ] {
            fs::write(&path, left).unwrap();
            let lock = Lock::take(home.path(), &owner("replay")).unwrap();
            assert_eq!(lock.stale.as_deref(), Some(name), "{left:?}");
        }
        assert_eq!(Lock::take(home.path(), &owner("replay")).unwrap().stale, None);
    }

    #[test]
    fn a_run_that_panics_leaves_its_name() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().to_owned();
        let panicked = std::thread::spawn(move || {
            let _lock = Lock::take(&path, &owner("ingest")).unwrap();
            std::panic::resume_unwind(Box::new(()));
        });
        assert!(panicked.join().is_err());
        assert!(Lock::take(home.path(), &owner("replay")).unwrap().stale.is_some());
    }

    #[test]
    fn who_waits_gets_the_lock_when_it_is_free_and_gives_up_when_it_is_not() {
        let home = tempfile::tempdir().unwrap();
        let lock = Lock::take(home.path(), &owner("one")).unwrap();
        let patient = |patience| Owner {
            patience,
            ..owner("two")
        };
        let error = Lock::take(home.path(), &patient(Duration::from_millis(150))).unwrap_err();
        assert_eq!(error.kind, Kind::Locked);
        assert!(error.fact.contains("after 150ms of waiting"), "{}", error.fact);
        let release = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(250));
            drop(lock);
        });
        Lock::take(home.path(), &patient(Duration::from_secs(600))).unwrap();
        release.join().unwrap();
    }
}
