//! Bytes go to the disk while more of them are made: those of a large file would be waited for at its end.

use std::fs::File;
use std::io;
use std::thread::{self, JoinHandle};

/// So many bytes are worth telling the disk.
const AHEAD_BYTES: usize = 8 << 20;

/// How far the bytes of a file that is written are on their way.
#[derive(Debug, Default)]
pub struct Ahead {
    /// Bytes written since the disk was last told.
    unsynced: usize,
    syncing: Option<JoinHandle<io::Result<()>>>,
}

impl Ahead {
    /// So many bytes more were written. The disk is told now and then, unless it is still at work.
    ///
    /// # Errors
    /// That of what it was told before: a failure is told but once, so it is never passed over.
    pub fn wrote(&mut self, bytes: usize, file: &File) -> io::Result<()> {
        self.unsynced += bytes;
        if self.unsynced >= AHEAD_BYTES && self.syncing.as_ref().is_none_or(JoinHandle::is_finished) {
            self.wait()?;
            let file = file.try_clone()?;
            self.syncing = Some(thread::Builder::new().spawn(move || file.sync_data())?);
            self.unsynced = 0;
        }
        Ok(())
    }

    /// Waits until all bytes of the file are on the disk.
    ///
    /// # Errors
    /// Those of the disk, also of what it was told before.
    pub fn sync_all(&mut self, file: &File) -> io::Result<()> {
        self.wait()?;
        file.sync_all()
    }

    fn wait(&mut self) -> io::Result<()> {
        let synced = self.syncing.take().map(JoinHandle::join);
        synced.map_or(Ok(()), |joined| {
            joined.unwrap_or_else(|_| Err(io::Error::other("syncing ended early")))
        })
    }
}
