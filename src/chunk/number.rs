//! Columns of whole numbers: 32 or 64 bits, dates and instants too.

use super::by_number::{ByNumber, bytes_of};
use super::hybrid;
use super::pages::{Body, Finished, Pages};
use super::{CODES, USUAL, is_worthwhile};
use crate::zstandard::Search;
use parquet::basic::{BoundaryOrder, Encoding, Type};
use parquet::errors::Result;
use parquet::file::metadata::ColumnIndexBuilder;
use parquet::file::statistics::{Statistics, ValueStatistics};
use parquet::schema::types::ColumnDescPtr;

/// How many values are remembered with their codes.
const RECENT: usize = 8;

/// A column chunk of whole numbers.
pub struct NumberChunk {
    pages: Pages,
    is_long: bool,
    /// Codes of the page under way.
    codes: Vec<u32>,
    /// What the page under way will hold.
    body: Body,
    /// The codes of values while values become codes.
    codes_of: Option<ByNumber<i64>>,
    /// The dictionary's values in PLAIN encoding.
    dictionary: Vec<u8>,
    /// Of values met last, by their last bits: most columns have few.
    recent: [Option<(i64, u32)>; RECENT],
    /// For PLAIN pages.
    search: Search,
    page_range: Option<(i64, i64)>,
    range: Option<(i64, i64)>,
    index: ColumnIndexBuilder,
    is_ascending: bool,
}

impl NumberChunk {
    /// With a dictionary unless values hardly repeat.
    pub fn new(column: ColumnDescPtr, has_dictionary: bool) -> Result<NumberChunk> {
        let kind = column.physical_type();
        Ok(NumberChunk {
            is_long: kind == Type::INT64,
            pages: Pages::new(column)?,
            codes: Vec::new(),
            body: Body::default(),
            codes_of: has_dictionary.then(ByNumber::default),
            dictionary: Vec::new(),
            recent: [None; RECENT],
            search: USUAL,
            page_range: None,
            range: None,
            index: ColumnIndexBuilder::new(kind),
            is_ascending: true,
        })
    }

    /// With PLAIN pages stored as they are, for values that most reports read all of: decompressing them took up to a
    /// third of a report's time.
    pub fn stored(self) -> NumberChunk {
        NumberChunk {
            search: Search::Nothing,
            ..self
        }
    }

    pub fn push(&mut self, value: Option<i64>) -> Result<()> {
        let Some(value) = value else {
            self.pages.null();
            return self.end_full_page();
        };
        self.pages.value();
        self.page_range = widened(self.page_range, value);
        match self.code_of(value) {
            Some(code) => self.codes.push(code),
            None => put(value, self.is_long, self.body.end()),
        }
        self.end_full_page()
    }

    /// Takes rows that all have a value.
    pub fn push_all(&mut self, mut values: impl ExactSizeIterator<Item = i64> + Clone) -> Result<()> {
        if values.len() > self.pages.room() {
            return values.try_for_each(|value| self.push(Some(value)));
        }
        self.pages.values(values.len());
        self.page_range = values.clone().fold(self.page_range, widened);
        match self.codes_of {
            Some(_) => values.for_each(|value| {
                let code = self.code_of(value);
                self.codes.extend(code);
            }),
            None => {
                let plain = self.body.end();
                values.for_each(|value| put(value, self.is_long, plain));
            }
        }
        self.end_full_page()
    }

    /// Takes rows without a value.
    pub fn push_nulls(&mut self, mut rows: usize) -> Result<()> {
        while rows > 0 {
            let now = rows.min(self.pages.room());
            self.pages.no_values(now);
            rows -= now;
            self.end_full_page()?;
        }
        Ok(())
    }

    fn code_of(&mut self, value: i64) -> Option<u32> {
        let codes = self.codes_of.as_mut()?;
        let recent = &mut self.recent[value as usize % RECENT];
        if let Some((known, code)) = *recent
            && known == value
        {
            return Some(code);
        }
        let next = codes.len() as u32;
        let code = *codes.entry(value).or_insert_with(|| {
            put(value, self.is_long, &mut self.dictionary);
            next
        });
        *recent = Some((value, code));
        Some(code)
    }

    fn end_full_page(&mut self) -> Result<()> {
        match self.pages.is_full(self.body.len()) {
            true => self.end_page(),
            false => Ok(()),
        }
    }

    fn end_page(&mut self) -> Result<()> {
        if self.pages.rows() == 0 {
            return Ok(());
        }
        self.note_range();
        let Some(codes_of) = &self.codes_of else {
            self.pages.end_page(Encoding::PLAIN, self.search, &mut self.body)?;
            return Ok(());
        };
        let count = codes_of.len();
        put_codes(&self.codes, count, self.body.end());
        self.pages.end_page(Encoding::RLE_DICTIONARY, CODES, &mut self.body)?;
        self.codes.clear();
        if !is_worthwhile(self.dictionary.len(), count, self.pages.total_values()) {
            self.codes_of = None;
        }
        Ok(())
    }

    /// What a page holds, for readers that skip pages.
    fn note_range(&mut self) {
        let nulls = self.pages.nulls() as i64;
        let Some((least, most)) = self.page_range.take() else {
            return self.index.append(true, Vec::new(), Vec::new(), nulls, None);
        };
        let bytes = |value| {
            let mut bytes = Vec::with_capacity(8);
            put(value, self.is_long, &mut bytes);
            bytes
        };
        self.index.append(false, bytes(least), bytes(most), nulls, None);
        self.is_ascending &= self.range.is_none_or(|(_, before)| before <= least);
        self.range = Some(
            self.range
                .map_or((least, most), |range| (range.0.min(least), range.1.max(most))),
        );
    }

    /// How much memory the chunk takes, but for the page under way.
    pub fn held_bytes(&self) -> usize {
        let codes = self.codes_of.as_ref().map_or(0, bytes_of);
        self.pages.written_bytes() + self.dictionary.len() + codes
    }

    pub fn finish(mut self) -> Result<Finished> {
        self.end_page()?;
        let NumberChunk { range, is_long, .. } = self;
        if self.is_ascending {
            self.index.set_boundary_order(BoundaryOrder::ASCENDING);
        }
        let width = if is_long { 8 } else { 4 };
        let values = self.dictionary.as_slice();
        let dictionary = (values, values.len() / width, USUAL);
        self.pages
            .finish(dictionary, |nulls| statistics(range, is_long, nulls), Some(self.index))
    }
}

fn statistics(range: Option<(i64, i64)>, is_long: bool, nulls: u64) -> Statistics {
    let (least, most) = range.unzip();
    match is_long {
        true => ValueStatistics::new(least, most, None, Some(nulls), false)
            .with_backwards_compatible_min_max(true)
            .into(),
        false => {
            let short = |value: i64| value as i32;
            ValueStatistics::new(least.map(short), most.map(short), None, Some(nulls), false)
                .with_backwards_compatible_min_max(true)
                .into()
        }
    }
}

/// A range that holds a value too.
fn widened(range: Option<(i64, i64)>, value: i64) -> Option<(i64, i64)> {
    Some(range.map_or((value, value), |(least, most)| (least.min(value), most.max(value))))
}

/// A value in PLAIN encoding; a column of 32 bits holds only values that fit.
fn put(value: i64, is_long: bool, bytes: &mut Vec<u8>) {
    match is_long {
        true => bytes.extend_from_slice(&value.to_le_bytes()),
        false => bytes.extend_from_slice(&(value as i32).to_le_bytes()),
    }
}

/// Codes into a dictionary of so many values, behind their width.
pub fn put_codes(codes: &[u32], count: usize, body: &mut Vec<u8>) {
    let width = hybrid::width_of(count.saturating_sub(1) as u32);
    body.push(width as u8);
    hybrid::encode(codes, width, body);
}

/// The same of codes that come as runs.
pub fn put_runs(runs: &[(u32, u32)], count: usize, body: &mut Vec<u8>) {
    let width = hybrid::width_of(count.saturating_sub(1) as u32);
    body.push(width as u8);
    hybrid::encode_runs(runs, width, body);
}
