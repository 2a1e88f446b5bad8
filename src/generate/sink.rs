//! Where the text of a log goes: one stream, or files of a folder. A file that exists is never written over.

use super::form::Files;
use super::stream::{Piece, Sink};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::ops::AddAssign;
use std::path::{Path, PathBuf};

/// What was written, and into how many files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    pub bytes: u64,
    pub files: u64,
}

impl AddAssign for Written {
    fn add_assign(&mut self, more: Written) {
        self.bytes += more.bytes;
        self.files += more.files;
    }
}

/// Refuses to write over a file: pages of two logs must not mix.
pub fn create(path: &Path) -> io::Result<File> {
    File::create_new(path).map_err(|cause| at(path, &cause))
}

pub fn at(path: &Path, cause: &io::Error) -> io::Error {
    io::Error::new(cause.kind(), format!("{}: {cause}", path.display()))
}

/// Everything into one stream, whose bytes are counted.
#[derive(Debug)]
pub struct Stream<W> {
    to: W,
    pub bytes: u64,
}

impl<W> Stream<W> {
    pub fn new(to: W) -> Stream<W> {
        Stream { to, bytes: 0 }
    }
}

impl<W: Write> Write for Stream<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl<W: Write + Send> Sink<Vec<u8>> for Stream<W> {
    fn put(&mut self, _: &Piece, text: &Vec<u8>) -> io::Result<()> {
        self.write_all(text)
    }
}

/// Each file of a log into a file of its own. Months may take turns where one ends, since repeats come late: a file
/// that is gone back to goes on at its end, and only one is open at a time.
#[derive(Debug)]
pub struct Folder {
    dir: PathBuf,
    names: Files,
    current: Option<(u64, File)>,
    /// Numbers of the files made so far.
    pub made: BTreeSet<u64>,
    pub bytes: u64,
}

impl Folder {
    pub fn new(dir: &Path, names: Files) -> Folder {
        Folder {
            dir: dir.to_owned(),
            names,
            current: None,
            made: BTreeSet::new(),
            bytes: 0,
        }
    }

    pub fn written(&self) -> Written {
        Written {
            bytes: self.bytes,
            files: self.made.len() as u64,
        }
    }

    fn open(&mut self, number: u64) -> io::Result<File> {
        let path = self.dir.join(self.names.name(number));
        match self.made.insert(number) {
            true => create(&path),
            false => File::options()
                .append(true)
                .open(&path)
                .map_err(|cause| at(&path, &cause)),
        }
    }
}

impl Sink<Vec<u8>> for Folder {
    fn put(&mut self, piece: &Piece, text: &Vec<u8>) -> io::Result<()> {
        // A month is known by its rows; other files stand for themselves, empty ones too.
        if text.is_empty() && self.names == Files::Months {
            return Ok(());
        }
        self.bytes += text.len() as u64;
        let mut file = match self.current.take() {
            Some((number, file)) if number == piece.file => file,
            _ => self.open(piece.file)?,
        };
        file.write_all(text)?;
        self.current = Some((piece.file, file));
        Ok(())
    }
}
