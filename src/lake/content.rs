//! The bytes of a Parquet file as its reader asks for them.
//!
//! A reader takes each column of a row group for itself, and some KiB beyond what it needs. In a small file the columns
//! lie so near to each other that this reads the file many times over, so it is read once, whole.

use crate::error::{AtPath, Result};
use bytes::{Buf, Bytes};
use parquet::errors::Result as ParquetResult;
use parquet::file::reader::{ChunkReader, Length};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Files up to this size are held whole.
const SMALL_BYTES: u64 = 512 << 10;

pub enum Content {
    /// Only one thread may read from it at a time: clones share their place.
    Large(File),
    Small(Bytes),
}

impl Content {
    pub fn open(path: &Path) -> Result<Content> {
        let mut file = File::open(path).at_path(path, "cannot be opened")?;
        let length = file.metadata().at_path(path, "cannot be examined")?.len();
        if length > SMALL_BYTES {
            return Ok(Content::Large(file));
        }
        let mut bytes = Vec::with_capacity(length as usize);
        file.read_to_end(&mut bytes).at_path(path, "cannot be read")?;
        Ok(Content::Small(bytes.into()))
    }

    pub fn try_clone(&self) -> std::io::Result<Content> {
        Ok(match self {
            Content::Large(file) => Content::Large(file.try_clone()?),
            Content::Small(bytes) => Content::Small(bytes.clone()),
        })
    }
}

impl Length for Content {
    fn len(&self) -> u64 {
        match self {
            Content::Large(file) => Length::len(file),
            Content::Small(bytes) => bytes.len() as u64,
        }
    }
}

impl ChunkReader for Content {
    type T = Box<dyn Read>;

    fn get_read(&self, start: u64) -> ParquetResult<Box<dyn Read>> {
        Ok(match self {
            Content::Large(file) => Box::new(file.get_read(start)?),
            Content::Small(bytes) => Box::new(
                bytes
                    .get_bytes(start, bytes.len().saturating_sub(start as usize))?
                    .reader(),
            ),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        match self {
            Content::Large(file) => Ok(read_at(file, start, length)?.into()),
            Content::Small(bytes) => bytes.get_bytes(start, length),
        }
    }
}

/// So many bytes from a place on, without a second handle of the file.
fn read_at(mut file: &File, start: u64, length: usize) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::with_capacity(length);
    match file.take(length as u64).read_to_end(&mut bytes)? == length {
        true => Ok(bytes),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
