//! What all columns have in common: nulls, full pages, where they lie, and the chunk's metadata.

use super::hybrid;
use super::{PAGE_BYTES, PAGE_ROWS, ZSTD_LEVEL};
use crate::zstandard::{self, Search};
use bytes::Bytes;
use parquet::basic::{Compression, Encoding, PageType, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, ColumnIndexBuilder, OffsetIndexBuilder, PageEncodingStats};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, SerializedRowGroupWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;
use std::collections::VecDeque;
use std::io::{self, Read};

/// Levels, sizes and places of a chunk's pages.
pub struct Pages {
    column: ColumnDescPtr,
    is_optional: bool,
    /// For each row of the page under way whether it has a value; nothing while all have one.
    levels: Vec<u8>,
    rows: usize,
    nulls: usize,
    /// Data pages as they stand in the file, heads and bodies.
    written: Vec<Bytes>,
    written_bytes: usize,
    places: Vec<WrittenPage>,
    uncompressed_bytes: usize,
    total_rows: usize,
    total_nulls: usize,
    /// The levels of a page as they stand in it.
    encoded_levels: Vec<u8>,
}

/// The values of a page under way. What stands before them in the page has its room there, so that they need not be copied
/// behind it.
pub struct Body(Vec<u8>);

/// The most that the levels of a page take: at most two bytes for eight of them, be they packed or a run, their length,
/// and what is left of the last eight.
const LEVELS_BYTES: usize = PAGE_ROWS / 4 + 16;

/// The room before the values.
const FRONT_BYTES: usize = zstandard::AHEAD_BYTES + LEVELS_BYTES;

impl Default for Body {
    fn default() -> Body {
        Body::with_room(0)
    }
}

impl Body {
    fn with_room(bytes: usize) -> Body {
        let mut body = Vec::with_capacity(FRONT_BYTES + bytes);
        body.resize(FRONT_BYTES, 0);
        Body(body)
    }

    pub fn len(&self) -> usize {
        self.0.len() - FRONT_BYTES
    }

    /// For more values, behind all others.
    pub fn end(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    /// The page: the levels and the values.
    fn behind(&mut self, levels: &[u8]) -> &[u8] {
        let start = FRONT_BYTES - levels.len();
        self.0[start..FRONT_BYTES].copy_from_slice(levels);
        &self.0[start..]
    }

    /// The page stored as it is, in one block and without a copy, if it fits; the values are gone then.
    fn store(&mut self, levels: &[u8]) -> Option<Bytes> {
        let (ahead, end) = zstandard::around_one_block(levels.len() + self.len())?;
        let start = FRONT_BYTES - levels.len();
        self.0[start..FRONT_BYTES].copy_from_slice(levels);
        self.0[start - ahead.len()..start].copy_from_slice(&ahead);
        self.0.extend_from_slice(&end);
        let next = Body::with_room(self.len());
        let stored = Bytes::from(std::mem::replace(self, next).0);
        Some(stored.slice(start - ahead.len()..))
    }

    /// The first bytes of the values, at most so many.
    pub fn first(&self, bytes: usize) -> &[u8] {
        let values = &self.0[FRONT_BYTES..];
        &values[..values.len().min(bytes)]
    }

    fn clear(&mut self) {
        self.0.truncate(FRONT_BYTES);
    }
}

/// How many of a hundred bytes compression has saved.
pub fn percent_saved(bytes: usize, compressed_bytes: usize) -> usize {
    bytes.saturating_sub(compressed_bytes) * 100 / bytes.max(1)
}

/// A data page among those written.
struct WrittenPage {
    offset: u64,
    bytes: usize,
    rows: usize,
    encoding: Encoding,
}

/// A chunk that can go into a row group.
pub struct Finished {
    bytes: Joined,
    close: ColumnCloseResult,
}

impl Finished {
    pub fn append_to<W: io::Write + Send>(self, group: &mut SerializedRowGroupWriter<'_, W>) -> Result<()> {
        group.append_column(&self.bytes, self.close)
    }
}

/// Pages as they follow each other. They are never put together in memory: a chunk is many times larger than a page.
#[derive(Clone, Default)]
struct Joined(VecDeque<Bytes>);

impl Length for Joined {
    fn len(&self) -> u64 {
        self.0.iter().map(|page| page.len() as u64).sum()
    }
}

impl ChunkReader for Joined {
    type T = Joined;

    /// Only whole chunks are asked for.
    fn get_read(&self, start: u64) -> Result<Joined> {
        match start {
            0 => Ok(self.clone()),
            _ => Err(ParquetError::General("a chunk is read from its start".to_owned())),
        }
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let mut bytes = Vec::with_capacity(length);
        self.get_read(start)?.take(length as u64).read_to_end(&mut bytes)?;
        Ok(bytes.into())
    }
}

impl Read for Joined {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        while self.0.front().is_some_and(Bytes::is_empty) {
            self.0.pop_front();
        }
        let Some(page) = self.0.front_mut() else {
            return Ok(0);
        };
        let part = page.split_to(page.len().min(output.len()));
        output[..part.len()].copy_from_slice(&part);
        Ok(part.len())
    }
}

/// A page as it stands in a file, its header and what follows, and how large it would be without compression.
fn spelled(page: Page, uncompressed_bytes: usize) -> Result<([Bytes; 2], usize)> {
    let head = Head {
        bytes: Vec::with_capacity(HEADER_BYTES),
        body: page.buffer().clone(),
        is_apart: false,
    };
    let mut sink = TrackedWrite::new(head);
    let page = CompressedPage::new(page, uncompressed_bytes);
    let written = SerializedPageWriter::new(&mut sink).write_page(page)?;
    let Head { bytes, body, is_apart } = sink.into_inner()?;
    let body = if is_apart { body } else { Bytes::new() };
    Ok(([bytes.into(), body], written.uncompressed_size))
}

/// What stands before a page's body, if that is written by itself, as one that is large is: nobody needs a copy of it.
struct Head {
    bytes: Vec<u8>,
    body: Bytes,
    is_apart: bool,
}

impl io::Write for Head {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match std::ptr::eq(bytes, &raw const *self.body) {
            true => self.is_apart = true,
            false => self.bytes.extend_from_slice(bytes),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// More than the header of a page without statistics takes.
const HEADER_BYTES: usize = 64;

impl Pages {
    pub fn new(column: ColumnDescPtr) -> Result<Pages> {
        Ok(Pages {
            is_optional: column.max_def_level() > 0,
            column,
            levels: Vec::new(),
            rows: 0,
            nulls: 0,
            written: Vec::new(),
            written_bytes: 0,
            places: Vec::new(),
            uncompressed_bytes: 0,
            total_rows: 0,
            total_nulls: 0,
            encoded_levels: Vec::new(),
        })
    }

    /// Notes a row with a value.
    pub fn value(&mut self) {
        if self.nulls > 0 {
            self.levels.push(1);
        }
        self.rows += 1;
    }

    /// Notes rows with a value each; gives how many.
    pub fn values(&mut self, rows: usize) -> usize {
        self.rows += rows;
        if self.nulls > 0 {
            self.levels.resize(self.rows, 1);
        }
        rows
    }

    /// Notes rows, each of which has a value (1) or none (0); gives how many have one.
    pub fn levels(&mut self, levels: &[u8]) -> usize {
        let nulls = levels.iter().filter(|&&level| level == 0).count();
        if self.nulls == 0 && nulls > 0 {
            self.levels.resize(self.rows, 1);
        }
        if self.nulls + nulls > 0 {
            self.levels.extend_from_slice(levels);
        }
        self.nulls += nulls;
        self.rows += levels.len();
        levels.len() - nulls
    }

    /// How many rows of the page under way have a value.
    pub fn present(&self) -> usize {
        self.rows - self.nulls
    }

    /// How many more rows the page under way takes.
    pub fn room(&self) -> usize {
        PAGE_ROWS - self.rows
    }

    /// Notes a row without a value.
    pub fn null(&mut self) {
        self.no_values(1);
    }

    /// Notes rows without a value.
    pub fn no_values(&mut self, rows: usize) {
        if self.nulls == 0 {
            self.levels.resize(self.rows, 1);
        }
        self.rows += rows;
        self.nulls += rows;
        self.levels.resize(self.rows, 0);
    }

    /// Whether the page under way is full, its values taking so many bytes.
    pub fn is_full(&self, value_bytes: usize) -> bool {
        self.rows >= PAGE_ROWS || value_bytes >= PAGE_BYTES
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn nulls(&self) -> usize {
        self.nulls
    }

    /// Rows of the chunk with a value, finished pages only.
    pub fn total_values(&self) -> usize {
        self.total_rows - self.total_nulls
    }

    /// Whether the page under way is the first.
    pub fn is_first(&self) -> bool {
        self.places.is_empty()
    }

    /// How large the finished pages are.
    pub fn written_bytes(&self) -> usize {
        self.written_bytes
    }

    /// Ends the page under way, of these values, which are gone then; gives how many of a hundred bytes compression has
    /// saved.
    pub fn end_page(&mut self, encoding: Encoding, search: Search, values: &mut Body) -> Result<usize> {
        if self.rows == 0 {
            values.clear();
            return Ok(0);
        }
        let mut levels = std::mem::take(&mut self.encoded_levels);
        levels.clear();
        if self.is_optional {
            self.put_levels(&mut levels);
        }
        let length = levels.len() + values.len();
        let stored = match search {
            Search::Nothing => values.store(&levels),
            _ => None,
        };
        let compressed = match stored {
            Some(stored) => stored,
            None => zstandard::compress(values.behind(&levels), search)?.into(),
        };
        let saved = percent_saved(length, compressed.len());
        let page = Page::DataPage {
            buf: compressed,
            num_values: self.rows as u32,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let (page, uncompressed_bytes) = spelled(page, length)?;
        let bytes = page.iter().map(Bytes::len).sum();
        self.places.push(WrittenPage {
            offset: self.written_bytes as u64,
            bytes,
            rows: self.rows,
            encoding,
        });
        self.written_bytes += bytes;
        self.written.extend(page);
        self.uncompressed_bytes += uncompressed_bytes;
        self.total_rows += self.rows;
        self.total_nulls += self.nulls;
        self.levels.clear();
        values.clear();
        (self.rows, self.nulls, self.encoded_levels) = (0, 0, levels);
        Ok(saved)
    }

    fn put_levels(&self, body: &mut Vec<u8>) {
        let start = body.len();
        body.extend_from_slice(&[0; 4]);
        if self.nulls == 0 {
            hybrid::encode_run(1, self.rows, 1, body);
        } else {
            hybrid::encode(&self.levels, 1, body);
        }
        let length = (body.len() - start - 4) as u32;
        body[start..start + 4].copy_from_slice(&length.to_le_bytes());
    }

    /// Ends the chunk, all pages of which have been ended; the dictionary is PLAIN, with its number of values and how it
    /// is compressed. It is written where a page has codes, be it without values.
    pub fn finish(
        mut self,
        (values, count, search): (&[u8], usize, Search),
        statistics: impl FnOnce(u64) -> Statistics,
        column_index: Option<ColumnIndexBuilder>,
    ) -> Result<Finished> {
        let encodings = self.encodings();
        let has_dictionary = encodings
            .iter()
            .any(|stats| stats.page_type == PageType::DICTIONARY_PAGE);
        let mut bytes = Joined(self.written.into());
        let mut data_offset = 0;
        if has_dictionary {
            let page = Page::DictionaryPage {
                buf: zstandard::compress(values, search)?.into(),
                num_values: count as u32,
                encoding: Encoding::PLAIN,
                is_sorted: false,
            };
            let ([head, body], uncompressed_bytes) = spelled(page, values.len())?;
            self.uncompressed_bytes += uncompressed_bytes;
            data_offset = (head.len() + body.len()) as u64;
            bytes.0.push_front(body);
            bytes.0.push_front(head);
        }
        let mut offsets = OffsetIndexBuilder::new();
        for page in &self.places {
            offsets.append_offset_and_size((data_offset + page.offset) as i64, page.bytes as i32);
            offsets.append_row_count(page.rows as i64);
        }
        let used = encodings.iter().map(|stats| stats.encoding).chain([Encoding::RLE]);
        let metadata = ColumnChunkMetaData::builder(self.column)
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
            .set_encodings(used.collect())
            .set_page_encoding_stats(encodings)
            .set_total_compressed_size(bytes.len() as i64)
            .set_total_uncompressed_size(self.uncompressed_bytes as i64)
            .set_num_values(self.total_rows as i64)
            .set_data_page_offset(data_offset as i64)
            .set_dictionary_page_offset(has_dictionary.then_some(0))
            .set_statistics(statistics(self.total_nulls as u64))
            .build()?;
        let close = ColumnCloseResult {
            bytes_written: bytes.len(),
            rows_written: self.total_rows as u64,
            metadata,
            bloom_filter: None,
            column_index: column_index.map(ColumnIndexBuilder::build).transpose()?,
            offset_index: Some(offsets.build()),
        };
        Ok(Finished { bytes, close })
    }

    /// How many pages there are of each encoding, as they follow each other; a dictionary is PLAIN.
    fn encodings(&self) -> Vec<PageEncodingStats> {
        let is_coded = |page: &WrittenPage| page.encoding == Encoding::RLE_DICTIONARY;
        let dictionary = PageEncodingStats {
            page_type: PageType::DICTIONARY_PAGE,
            encoding: Encoding::PLAIN,
            count: 1,
        };
        let mut encodings: Vec<_> = self
            .places
            .iter()
            .any(is_coded)
            .then_some(dictionary)
            .into_iter()
            .collect();
        for pages in self.places.chunk_by(|a, b| a.encoding == b.encoding) {
            encodings.push(PageEncodingStats {
                page_type: PageType::DATA_PAGE,
                encoding: pages[0].encoding,
                count: pages.len() as i32,
            });
        }
        encodings
    }
}
