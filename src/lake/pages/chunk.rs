//! The pages of a column chunk of which the bytes have been read.

use crate::zstandard;
use bytes::{Buf, Bytes};
use parquet::basic::Compression;
use parquet::column::page::Page;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;
use std::sync::Arc;

/// Pages one after the other, decompressed.
pub struct Pages {
    reader: SerializedPageReader<Chunk>,
    /// Whether they are decompressed here: the reader would set up a decompressor, and a compressor, of its own.
    is_zstd: bool,
}

impl Pages {
    /// The pages in `bytes`, which stand at `start` of the file; they hold so many rows.
    pub fn new(start: u64, bytes: Bytes, column: &ColumnChunkMetaData, rows: usize) -> Result<Pages> {
        let is_zstd = matches!(column.compression(), Compression::ZSTD(_));
        let as_they_are = match is_zstd {
            true => &column
                .clone()
                .into_builder()
                .set_compression(Compression::UNCOMPRESSED)
                .build()?,
            false => column,
        };
        Ok(Pages {
            reader: SerializedPageReader::new(Arc::new(Chunk { start, bytes }), as_they_are, rows, None)?,
            is_zstd,
        })
    }
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Result<Page>> {
        let page = self.reader.next()?;
        Some(match self.is_zstd {
            true => page.and_then(decompressed),
            false => page,
        })
    }
}

/// A page that zstd has compressed as a whole; one of version 2 stays as it is.
fn decompressed(mut page: Page) -> Result<Page> {
    // Of a page without values, some writers compress nothing.
    if let Page::DataPage { buf, .. } | Page::DictionaryPage { buf, .. } = &mut page
        && !buf.is_empty()
    {
        *buf = zstandard::decompress(buf)?;
    }
    Ok(page)
}

/// Bytes of a file from a place on, to be asked for by their place in the file.
struct Chunk {
    start: u64,
    bytes: Bytes,
}

impl Chunk {
    fn from(&self, start: u64) -> Result<Bytes> {
        let skipped = start.checked_sub(self.start).map(|skipped| skipped as usize);
        let inside = skipped.filter(|skipped| *skipped <= self.bytes.len());
        let inside = inside.ok_or_else(|| ParquetError::EOF("a page lies outside of its column".to_owned()))?;
        Ok(self.bytes.slice(inside..))
    }
}

impl Length for Chunk {
    fn len(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl ChunkReader for Chunk {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(self.from(start)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let rest = self.from(start)?;
        if rest.len() < length {
            return Err(ParquetError::EOF("a page is longer than its column".to_owned()));
        }
        Ok(rest.slice(..length))
    }
}
