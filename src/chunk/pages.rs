//! What all columns have in common: nulls, full pages, where they lie, and the chunk's metadata.

use super::hybrid;
use super::{PAGE_BYTES, PAGE_ROWS, USUAL, ZSTD_LEVEL};
use crate::zstandard::{self, Search};
use bytes::Bytes;
use parquet::basic::{Compression, Encoding, PageType, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::Result;
use parquet::file::metadata::{ColumnChunkMetaData, ColumnIndexBuilder, OffsetIndexBuilder, PageEncodingStats};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, SerializedRowGroupWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;
use std::io::Write;

/// Levels, sizes and places of a chunk's pages.
pub struct Pages {
    column: ColumnDescPtr,
    is_optional: bool,
    /// For each row of the page under way whether it has a value; nothing while all have one.
    levels: Vec<u8>,
    rows: usize,
    nulls: usize,
    /// Data pages.
    written: TrackedWrite<Vec<u8>>,
    places: Vec<WrittenPage>,
    uncompressed_bytes: usize,
    total_rows: usize,
    total_nulls: usize,
    body: Vec<u8>,
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
    bytes: Bytes,
    close: ColumnCloseResult,
}

impl Finished {
    pub fn append_to<W: Write + Send>(self, group: &mut SerializedRowGroupWriter<'_, W>) -> Result<()> {
        group.append_column(&self.bytes, self.close)
    }
}

impl Pages {
    pub fn new(column: ColumnDescPtr) -> Result<Pages> {
        Ok(Pages {
            is_optional: column.max_def_level() > 0,
            column,
            levels: Vec::new(),
            rows: 0,
            nulls: 0,
            written: TrackedWrite::new(Vec::new()),
            places: Vec::new(),
            uncompressed_bytes: 0,
            total_rows: 0,
            total_nulls: 0,
            body: Vec::new(),
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

    /// How large the finished pages are.
    pub fn written_bytes(&self) -> usize {
        self.written.bytes_written()
    }

    /// Ends the page under way, the values of which `put` appends in this encoding; gives how many of a hundred bytes
    /// compression has saved.
    pub fn end_page(&mut self, encoding: Encoding, search: Search, put: impl FnOnce(&mut Vec<u8>)) -> Result<usize> {
        if self.rows == 0 {
            return Ok(0);
        }
        let mut body = std::mem::take(&mut self.body);
        body.clear();
        if self.is_optional {
            self.put_levels(&mut body);
        }
        put(&mut body);
        let compressed = zstandard::compress(&body, search)?;
        let saved = body.len().saturating_sub(compressed.len()) * 100 / body.len().max(1);
        let page = Page::DataPage {
            buf: compressed.into(),
            num_values: self.rows as u32,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let page = CompressedPage::new(page, body.len());
        let written = SerializedPageWriter::new(&mut self.written).write_page(page)?;
        self.places.push(WrittenPage {
            offset: written.offset,
            bytes: written.compressed_size,
            rows: self.rows,
            encoding,
        });
        self.uncompressed_bytes += written.uncompressed_size;
        self.total_rows += self.rows;
        self.total_nulls += self.nulls;
        self.levels.clear();
        (self.rows, self.nulls, self.body) = (0, 0, body);
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

    /// Ends the chunk, all pages of which have been ended; `dictionary` is PLAIN, with its number of values. It is
    /// written where a page has codes, be it without values.
    pub fn finish(
        mut self,
        (values, count): (&[u8], usize),
        statistics: impl FnOnce(u64) -> Statistics,
        column_index: Option<ColumnIndexBuilder>,
    ) -> Result<Finished> {
        let encodings = self.encodings();
        let has_dictionary = encodings
            .iter()
            .any(|stats| stats.page_type == PageType::DICTIONARY_PAGE);
        let pages = self.written.into_inner()?;
        let (bytes, data_offset) = match has_dictionary {
            false => (pages, 0),
            true => {
                let page = Page::DictionaryPage {
                    buf: zstandard::compress(values, USUAL)?.into(),
                    num_values: count as u32,
                    encoding: Encoding::PLAIN,
                    is_sorted: false,
                };
                let page = CompressedPage::new(page, values.len());
                let mut sink = TrackedWrite::new(Vec::with_capacity(pages.len() + values.len()));
                let written = SerializedPageWriter::new(&mut sink).write_page(page)?;
                self.uncompressed_bytes += written.uncompressed_size;
                let data_offset = sink.bytes_written() as u64;
                sink.write_all(&pages)?;
                (sink.into_inner()?, data_offset)
            }
        };
        let mut offsets = OffsetIndexBuilder::new();
        for page in &self.places {
            offsets.append_offset_and_size((data_offset + page.offset) as i64, page.bytes as i32);
            offsets.append_row_count(page.rows as i64);
        }
        let used = encodings.iter().map(|stats| stats.encoding).chain([Encoding::RLE]);
        let bytes = Bytes::from(bytes);
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
            bytes_written: bytes.len() as u64,
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
