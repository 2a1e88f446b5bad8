//! Parquet pages turned into numbers, without arrays in between, for the few columns of which reports read every row.
//!
//! In: the pages of a column chunk. Out: one value a row, as a report counts with it: an instant, a number of an actor.
//! What a key of a dictionary stands for is looked up while the keys are unpacked, so no row is touched twice.
//!
//! Read are data pages of version 1 that are PLAIN numbers or keys into a dictionary, as the lake writes them. Of any
//! other page the answer is `None`, and who asked reads the chunk by arrow, which knows all of them.
//!
//! Words: *levels* say which rows have a value, one bit each; levels and keys both come as *runs*, either one value and
//! how often it repeats, or values packed into some bits each, eight together.

mod chunk;

use self::chunk::Pages;
use super::content::Content;
use parquet::basic::{Encoding, EncodingMask, Type};
use parquet::column::page::Page;
use parquet::errors::Result;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::index_reader::{decode_column_index, decode_offset_index};
use parquet::file::page_index::offset_index::PageLocation;
use parquet::file::reader::ChunkReader;
use std::ops::Range;

/// The dictionary of a column chunk, if all its rows are keys into it.
pub(super) fn dictionary(content: &Content, column: &ColumnChunkMetaData) -> Result<Option<Page>> {
    match is_keyed(column) {
        true => first_page(content, column),
        false => Ok(None),
    }
}

/// Whether all rows of a column chunk are keys into its dictionary.
pub(super) fn is_keyed(column: &ColumnChunkMetaData) -> bool {
    let is_keys = |of: &EncodingMask| of.is_only(Encoding::RLE_DICTIONARY) || of.is_only(Encoding::PLAIN_DICTIONARY);
    column.page_encoding_stats_mask().is_some_and(is_keys)
}

/// The dictionary page of a column chunk, if it has one.
fn first_page(content: &Content, column: &ColumnChunkMetaData) -> Result<Option<Page>> {
    let Some(start) = column.dictionary_page_offset() else {
        return Ok(None);
    };
    let (start, end) = (start as u64, column.data_page_offset() as u64);
    let bytes = content.get_bytes(start, end.saturating_sub(start) as usize)?;
    Pages::new(start, bytes, column, 0)?.next().transpose()
}

/// The texts of a dictionary page, by their keys. `None` if they are not PLAIN.
pub(super) fn texts(page: &Page) -> Option<Vec<&[u8]>> {
    let Page::DictionaryPage { buf, num_values, .. } = page else {
        return None;
    };
    let mut rest = buf.as_ref();
    let text = |_| {
        let (length, behind) = rest.split_first_chunk::<4>()?;
        let (text, behind) = behind.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        rest = behind;
        Some(text)
    };
    (0..*num_values).map(text).collect()
}

/// A number as PLAIN writes it.
pub(super) trait Plain: Sized {
    fn all(bytes: &[u8]) -> impl Iterator<Item = Self>;
}

impl Plain for i64 {
    fn all(bytes: &[u8]) -> impl Iterator<Item = i64> {
        bytes.as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes))
    }
}

impl Plain for i32 {
    fn all(bytes: &[u8]) -> impl Iterator<Item = i32> {
        bytes.as_chunks::<4>().0.iter().map(|bytes| i32::from_le_bytes(*bytes))
    }
}

/// Where the pages of a column chunk are, if its file tells.
fn locations(content: &Content, column: &ColumnChunkMetaData) -> Result<Option<Vec<PageLocation>>> {
    let Some(index) = column.offset_index_range() else {
        return Ok(None);
    };
    let bytes = content.get_bytes(index.start, (index.end - index.start) as usize)?;
    Ok(Some(decode_offset_index(&bytes)?.page_locations().clone()))
}

/// A page of instants: which rows of the column chunk it holds, the least and the greatest of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) rows: Range<usize>,
    pub(super) first: i64,
    pub(super) last: i64,
}

/// The spans of all pages of a column of instants, if its file tells them.
pub(super) fn spans(content: &Content, column: &ColumnChunkMetaData) -> Result<Option<Vec<Span>>> {
    let (Some(index), Some(locations)) = (column.column_index_range(), locations(content, column)?) else {
        return Ok(None);
    };
    let bytes = content.get_bytes(index.start, (index.end - index.start) as usize)?;
    let ColumnIndexMetaData::INT64(index) = decode_column_index(&bytes, column.column_type())? else {
        return Ok(None);
    };
    let rows = locations
        .iter()
        .enumerate()
        .map(|(page, _)| rows_of(&locations, page..page + 1, column));
    let edges = index.min_values_iter().zip(index.max_values_iter());
    let spans = rows.zip(edges).map(|(rows, (first, last))| {
        let (first, last) = (*first?, *last?);
        Some(Span { rows, first, last })
    });
    let spans: Option<Vec<Span>> = spans.collect();
    Ok(spans.filter(|spans| spans.len() == locations.len()))
}

/// The rows of some pages.
fn rows_of(locations: &[PageLocation], pages: Range<usize>, column: &ColumnChunkMetaData) -> Range<usize> {
    let first_row = |page: usize| {
        locations
            .get(page)
            .map_or(column.num_values(), |page| page.first_row_index)
    };
    first_row(pages.start) as usize..first_row(pages.end) as usize
}

/// A column of a row group, or some rows of it.
pub(super) struct Column {
    dictionary: Option<Page>,
    pages: Pages,
    /// Whether rows may be without a value.
    is_optional: bool,
    /// How many rows the pages hold, and which of them are asked for.
    rows: usize,
    asked: Range<usize>,
}

impl Column {
    /// Some rows of a column chunk; of its pages only those that hold them, if the file tells which these are. They are
    /// read at once. Texts come without their dictionary: they are asked for by their keys.
    pub(super) fn of(content: &Content, column: &ColumnChunkMetaData, asked: &Range<usize>) -> Result<Column> {
        let rows = column.num_values() as usize;
        let is_optional = column.column_descr().max_def_level() > 0;
        let locations = match *asked == (0..rows) {
            true => None,
            false => locations(content, column)?.filter(|locations| !locations.is_empty()),
        };
        let Some(locations) = locations else {
            let (start, length) = column.byte_range();
            let bytes = content.get_bytes(start, length as usize)?;
            return Ok(Column {
                dictionary: None,
                pages: Pages::new(start, bytes, column, rows)?,
                is_optional,
                rows,
                asked: asked.clone(),
            });
        };
        let begins_up_to = |row: usize| locations.partition_point(|page| page.first_row_index as usize <= row);
        let pages = begins_up_to(asked.start).saturating_sub(1)..begins_up_to(asked.end.saturating_sub(1)).max(1);
        let held = rows_of(&locations, pages.clone(), column);
        let last = &locations[pages.end - 1];
        let start = locations[pages.start].offset;
        let length = last.offset + i64::from(last.compressed_page_size) - start;
        let bytes = content.get_bytes(start as u64, length as usize)?;
        let part = column.clone().into_builder().set_dictionary_page_offset(None);
        let part = part
            .set_data_page_offset(start)
            .set_total_compressed_size(length)
            .build()?;
        let start = start as u64;
        Ok(Column {
            dictionary: match column.column_type() {
                Type::BYTE_ARRAY => None,
                _ => first_page(content, column)?,
            },
            pages: Pages::new(start, bytes, &part, held.len())?,
            is_optional,
            rows: held.len(),
            asked: asked.start - held.start..asked.end - held.start,
        })
    }

    /// What its numbers are by `of`, row by row. `None`, too, if one of them is null.
    pub(super) fn numbers<N: Plain, T: Copy>(self, of: impl Fn(N) -> T) -> Result<Option<Vec<T>>> {
        let mut dictionary: Vec<T> = Vec::new();
        self.read(|page, data, found| match data {
            None => {
                if let Page::DictionaryPage { buf, .. } = page {
                    dictionary.extend(N::all(buf).map(&of));
                }
                Some(())
            }
            Some(data) if !data.has_no_null() => None,
            Some(data) if data.encoding == Encoding::PLAIN => {
                found.extend(N::all(data.values).take(data.rows).map(&of));
                (data.values.len() / size_of::<N>() >= data.rows).then_some(())
            }
            Some(data) => data.keys(data.rows)?.look_up(&dictionary, found),
        })
    }

    /// What its keys stand for, row by row; `null` where a row has no value.
    pub(super) fn keyed<T: Copy>(self, dictionary: &[T], null: T) -> Result<Option<Vec<T>>> {
        let (mut defined, mut values) = (Vec::new(), Vec::new());
        self.read(|_, data, found| {
            let Some(data) = data else { return Some(()) };
            if data.has_no_null() {
                return data.keys(data.rows)?.look_up(dictionary, found);
            }
            defined.clear();
            values.clear();
            data.levels.clone()?.look_up(&[false, true], &mut defined)?;
            let count = defined.iter().filter(|is| **is).count();
            data.keys(count)?.look_up(dictionary, &mut values)?;
            let mut values = values.iter().copied();
            let value = |is: &bool| is.then(|| values.next()).flatten().unwrap_or(null);
            found.extend(defined.iter().map(value));
            Some(())
        })
    }

    /// Lets `take` have each page, and what it holds if it is one of data. `None` if a page cannot be understood, or
    /// there are not as many values as rows.
    fn read<T: Copy>(
        self,
        mut take: impl FnMut(&Page, Option<DataPage<'_>>, &mut Vec<T>) -> Option<()>,
    ) -> Result<Option<Vec<T>>> {
        let mut found = Vec::with_capacity(self.rows);
        for page in self.dictionary.map(Ok).into_iter().chain(self.pages) {
            let page = page?;
            let data = DataPage::of(&page, self.is_optional);
            let is_known = data.is_some() || matches!(page, Page::DictionaryPage { .. });
            let has_room = data.as_ref().is_none_or(|data| data.rows <= self.rows - found.len());
            if !is_known || !has_room || take(&page, data, &mut found).is_none() {
                return Ok(None);
            }
        }
        if found.len() != self.rows {
            return Ok(None);
        }
        found.truncate(self.asked.end);
        found.drain(..self.asked.start);
        Ok(Some(found))
    }
}

/// A data page of version 1.
struct DataPage<'a> {
    rows: usize,
    /// Of a column that may be null.
    levels: Option<Runs<'a>>,
    encoding: Encoding,
    values: &'a [u8],
}

impl<'a> DataPage<'a> {
    fn of(page: &'a Page, is_optional: bool) -> Option<DataPage<'a>> {
        let Page::DataPage {
            buf,
            num_values,
            encoding,
            def_level_encoding,
            ..
        } = page
        else {
            return None;
        };
        let rows = *num_values as usize;
        let mut data = DataPage {
            rows,
            levels: None,
            encoding: *encoding,
            values: buf,
        };
        if is_optional {
            let (length, behind) = buf.split_first_chunk::<4>()?;
            let (levels, values) = behind.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            data.levels = Some(Runs::new(levels, 1, rows)).filter(|_| *def_level_encoding == Encoding::RLE);
            data.levels.as_ref()?;
            data.values = values;
        }
        Some(data)
    }

    /// Whether the levels are one run of rows that have a value; longer ones are looked at row by row.
    fn has_no_null(&self) -> bool {
        self.levels.as_ref().is_none_or(
            |levels| matches!(levels.clone().next(), Some(Run::Repeated { value: 1, count }) if count == self.rows),
        )
    }

    /// The keys of so many values.
    fn keys(&self, count: usize) -> Option<Runs<'a>> {
        if !matches!(self.encoding, Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY) {
            return None;
        }
        if count == 0 {
            return Some(Runs::new(&[], 0, 0));
        }
        let (width, keys) = self.values.split_first()?;
        (*width <= 32).then(|| Runs::new(keys, *width as usize, count))
    }
}

enum Run<'a> {
    Repeated { value: u32, count: usize },
    Packed { bytes: &'a [u8], count: usize },
}

/// Runs of values of `width` bits, at most 32; ends early where the bytes are not runs.
#[derive(Clone)]
struct Runs<'a> {
    rest: &'a [u8],
    width: usize,
    /// How many values are still to come.
    left: usize,
}

impl<'a> Iterator for Runs<'a> {
    type Item = Run<'a>;

    fn next(&mut self) -> Option<Run<'a>> {
        if self.left == 0 {
            return None;
        }
        let header = self.header()?;
        let (is_packed, length) = (header & 1 == 1, header as usize >> 1);
        let bytes = if is_packed {
            length.checked_mul(self.width)?
        } else {
            self.width.div_ceil(8)
        };
        let (bytes, rest) = self.rest.split_at_checked(bytes)?;
        self.rest = rest;
        let count = self.left.min(if is_packed { length.saturating_mul(8) } else { length });
        self.left -= count;
        if is_packed {
            return Some(Run::Packed { bytes, count });
        }
        let mut value = [0; 4];
        value[..bytes.len()].copy_from_slice(bytes);
        let value = u32::from_le_bytes(value);
        Some(Run::Repeated { value, count })
    }
}

impl<'a> Runs<'a> {
    fn new(rest: &'a [u8], width: usize, left: usize) -> Runs<'a> {
        Runs { rest, width, left }
    }

    /// A number of seven bits a byte, the lowest first.
    fn header(&mut self) -> Option<u32> {
        let mut header = 0;
        for shift in (0..32).step_by(7) {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            header |= u32::from(byte & 0x7f) << shift;
            if *byte < 0x80 {
                return Some(header);
            }
        }
        None
    }

    /// Appends what the values stand for. `None` if there are fewer than promised, or one stands for nothing.
    fn look_up<T: Copy>(mut self, dictionary: &[T], to: &mut Vec<T>) -> Option<()> {
        // The last group may be filled up.
        to.reserve(self.left + 7);
        while let Some(run) = self.next() {
            match run {
                Run::Repeated { value, count } => {
                    let value = *dictionary.get(value as usize)?;
                    to.resize(to.len() + count, value);
                }
                Run::Packed { bytes, count } => unpack(bytes, self.width, count, dictionary, to)?,
            }
        }
        (self.left == 0).then_some(())
    }
}

/// Bytes in which eight values of up to 32 bits lie, and eight more, so that any value can be read as a whole word.
const ROOM: usize = 40;

/// Appends what packed values stand for.
fn unpack<T: Copy>(bytes: &[u8], width: usize, count: usize, dictionary: &[T], to: &mut Vec<T>) -> Option<()> {
    let first = *dictionary.first()?;
    let mask = (1u64 << width) - 1;
    let before = to.len();
    for group in 0..count.div_ceil(8) {
        let packed = bytes.get(group * width..)?;
        let mut room = [0; ROOM];
        let packed = match packed.first_chunk::<ROOM>() {
            Some(packed) => packed,
            None => {
                let length = packed.len().min(ROOM);
                room[..length].copy_from_slice(&packed[..length]);
                &room
            }
        };
        let mut values = [first; 8];
        for (place, value) in values.iter_mut().enumerate() {
            let bit = place * width;
            let word = packed[bit / 8..].first_chunk::<8>()?;
            let key = (u64::from_le_bytes(*word) >> (bit % 8)) & mask;
            // The last group is filled up with keys that may stand for nothing.
            match dictionary.get(key as usize) {
                Some(known) => *value = *known,
                None if group * 8 + place < count => return None,
                None => {}
            }
        }
        // A copy of so many that the compiler knows.
        to.extend_from_slice(&values);
    }
    to.truncate(before + count);
    Some(())
}

#[cfg(test)]
mod tests;
