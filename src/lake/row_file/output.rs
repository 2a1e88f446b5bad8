//! Where row groups go: into a file, one after the other, by a thread of its own while the next one is made.

use crate::chunk::Finished;
use crate::lake::file::Hashing;
use parquet::errors::{ParquetError, Result};
use parquet::file::writer::SerializedFileWriter;
use std::thread::{self, JoinHandle};

type File = SerializedFileWriter<Hashing>;

/// A file, or whoever writes into it. Neither once something has failed.
pub struct Output {
    file: Option<File>,
    writing: Option<JoinHandle<Result<File>>>,
}

impl Output {
    pub fn new(file: File) -> Output {
        Output {
            file: Some(file),
            writing: None,
        }
    }

    /// Writes the columns of a row group while the caller goes on.
    ///
    /// # Errors
    /// That of the row group before; its own comes with what is asked for next.
    pub fn append_meanwhile(&mut self, columns: Vec<Finished>) -> Result<()> {
        let file = self.take()?;
        self.writing = Some(thread::Builder::new().spawn(move || append(file, columns))?);
        Ok(())
    }

    /// Writes the columns of a row group.
    ///
    /// # Errors
    /// Also that of the row group before.
    pub fn append(&mut self, columns: Vec<Finished>) -> Result<()> {
        self.file = Some(append(self.take()?, columns)?);
        Ok(())
    }

    /// The file with all its row groups.
    ///
    /// # Errors
    /// That of the last row group.
    pub fn take(&mut self) -> Result<File> {
        let ended_early = || ParquetError::General("writing ended early".to_owned());
        match self.writing.take() {
            Some(writing) => writing.join().map_err(|_| ended_early())?,
            None => self.file.take().ok_or_else(ended_early),
        }
    }
}

impl Drop for Output {
    /// Nothing is written any more when whoever has failed clears up.
    fn drop(&mut self) {
        if let Some(writing) = self.writing.take() {
            let _ = writing.join();
        }
    }
}

fn append(mut file: File, columns: Vec<Finished>) -> Result<File> {
    let mut group = file.next_row_group()?;
    for column in columns {
        column.append_to(&mut group)?;
    }
    group.close()?;
    Ok(file)
}
