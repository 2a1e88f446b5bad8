//! Column chunks of Parquet made straight from plain values ([`Values`]), for the columns that make up millions of rows:
//! texts that come as runs, whole numbers, dates and instants.
//!
//! The place of a text already says which it is, and most numbers are small, so a value finds its place in the dictionary
//! by an index; nothing is hashed but a few. Instants hardly repeat and stay PLAIN, as do numbers of too many values.
//! What one row group needed of memory is used again for the next.
//!
//! Words: a *code* is a value's place in the dictionary of its chunk, in order of first occurrence. Values that come one
//! at a time, and texts that come as bytes, are for [`crate::chunk`].

use crate::chunk::{Body, Finished, PAGE_ROWS, Pages, USUAL, percent_saved, put_codes, put_runs};
use crate::report::table::{Run, Values};
use crate::zstandard::{self, Search};
use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray, StringArray};
use arrow::datatypes::{
    ArrowNativeType, ArrowPrimitiveType, DataType, Date32Type, Int32Type, Int64Type, TimestampMicrosecondType,
    ToByteSlice,
};
use parquet::basic::{Encoding, LogicalType, Type};
use parquet::data_type::ByteArray;
use parquet::errors::{ParquetError, Result};
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnDescPtr;
use std::collections::HashMap;

/// Numbers of which the least is so near find their code by an index.
const NEAR: usize = 1 << 17;

/// A dictionary of more numbers would be ballast.
const MOST_NUMBERS: usize = 1 << 16;

/// Numbers hardly repeat where more than so many of a hundred in the first page are different ones.
const MOST_DIFFERENT_PERCENT: usize = 75;

/// Pages of numbers are compressed as long as that makes them smaller by so much.
const LEAST_GAIN_PERCENT: usize = 30;

/// So much of the first page, if it is larger, tells whether compressing it does.
const SAMPLE_BYTES: usize = 1 << 13;

const NO_CODE: u32 = u32::MAX;

/// Encodes the columns of one row group after the other.
pub struct Encoder {
    columns: Vec<Column>,
}

enum Column {
    Texts(Texts),
    Numbers(Numbers),
}

impl Encoder {
    /// For columns of texts, whole numbers, dates and instants.
    pub fn new(columns: &[ColumnDescPtr]) -> Result<Encoder> {
        let column = |column: &ColumnDescPtr| match column.physical_type() {
            Type::BYTE_ARRAY => Ok(Column::Texts(Texts::new(column)?)),
            Type::INT32 | Type::INT64 => Ok(Column::Numbers(Numbers::new(column)?)),
            other => Err(ParquetError::General(format!("{other} is not made of plain values"))),
        };
        Ok(Encoder {
            columns: columns.iter().map(column).collect::<Result<_>>()?,
        })
    }

    /// Takes the values of the next rows of a column.
    pub fn take(&mut self, column: usize, values: Values<'_>) -> Result<()> {
        match (&mut self.columns[column], values) {
            (Column::Texts(column), Values::Texts { runs, texts }) => column.take(runs, texts),
            (Column::Numbers(column), Values::Instants(values)) => column.take(values, None),
            (Column::Numbers(column), Values::Dates(values)) => column.take(values, None),
            (Column::Numbers(column), Values::Longs(values)) => column.take(values, None),
            (Column::Numbers(column), Values::SomeLongs { values, has_value }) => column.take(values, Some(has_value)),
            _ => Err(ParquetError::General(
                "values of another type than their column".to_owned(),
            )),
        }
    }

    /// The row group of all rows taken since the last one.
    pub fn finish(&mut self) -> Result<Vec<Finished>> {
        let columns = self.columns.iter_mut();
        let finished = columns.map(|column| match column {
            Column::Texts(column) => column.finish(),
            Column::Numbers(column) => column.finish(),
        });
        finished.collect()
    }
}

/// The column chunk of an array, if it is of a type that is encoded here.
pub fn encode(column: &ColumnDescPtr, array: &ArrayRef) -> Option<Result<Finished>> {
    match array.data_type() {
        DataType::Int64 => Some(numbers::<Int64Type>(column, array)),
        DataType::Int32 => Some(numbers::<Int32Type>(column, array)),
        DataType::Date32 => Some(numbers::<Date32Type>(column, array)),
        DataType::Timestamp(..) => Some(numbers::<TimestampMicrosecondType>(column, array)),
        _ => None,
    }
}

fn numbers<T: ArrowPrimitiveType>(column: &ColumnDescPtr, array: &ArrayRef) -> Result<Finished>
where
    T::Native: Into<i64>,
{
    let mut numbers = Numbers::new(column)?;
    let array: &PrimitiveArray<T> = array.as_primitive();
    for start in (0..array.len()).step_by(PAGE_ROWS) {
        let rows = array.slice(start, PAGE_ROWS.min(array.len() - start));
        match rows.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => numbers.take(rows.values(), None)?,
            Some(nulls) => {
                let has_value: Vec<u8> = nulls.iter().map(u8::from).collect();
                let values: Vec<T::Native> = rows.iter().flatten().collect();
                numbers.take(&values, Some(&has_value))?;
            }
        }
    }
    numbers.finish()
}

fn is_of_instants(column: &ColumnDescPtr) -> bool {
    matches!(column.logical_type_ref(), Some(LogicalType::Timestamp { .. }))
}

/// A column of whole numbers, dates or instants.
struct Numbers {
    column: ColumnDescPtr,
    pages: Pages,
    /// Whether values become codes.
    is_coding: bool,
    /// Codes of the page under way.
    codes: Vec<u32>,
    /// What the page under way will hold.
    body: Body,
    /// The values of the dictionary, and how many there were before the page under way.
    different: Vec<i64>,
    different_before: usize,
    /// Codes by the distance from the first of these numbers, and of all others.
    near: Vec<u32>,
    near_from: i64,
    far: HashMap<i64, u32>,
    /// Where compressing gains little, pages are stored as they are.
    search: Search,
    /// Of values in PLAIN pages.
    range: Option<(i64, i64)>,
}

impl Numbers {
    fn new(column: &ColumnDescPtr) -> Result<Numbers> {
        Ok(Numbers {
            pages: Pages::new(column.clone())?,
            column: column.clone(),
            is_coding: !is_of_instants(column),
            codes: Vec::new(),
            body: Body::default(),
            different: Vec::new(),
            different_before: 0,
            near: Vec::new(),
            near_from: 0,
            far: HashMap::new(),
            search: Search::Frequent,
            range: None,
        })
    }

    /// Takes the next rows: the values of those that have one, and which these are.
    fn take<T: ArrowNativeType + Into<i64>>(&mut self, values: &[T], has_value: Option<&[u8]>) -> Result<()> {
        let rows = has_value.map_or(values.len(), <[u8]>::len);
        let (mut from, mut given) = (0, 0);
        while from < rows {
            let to = rows.min(from + PAGE_ROWS - self.pages.rows());
            let present = match has_value {
                None => self.pages.values(to - from),
                Some(has_value) => self.pages.levels(&has_value[from..to]),
            };
            let values = &values[given..given + present];
            match self.is_coding {
                true => self.code(values),
                false => self.put_plain(values),
            }
            if self.pages.rows() == PAGE_ROWS {
                self.end_page()?;
            }
            (from, given) = (to, given + present);
        }
        Ok(())
    }

    fn code<T: Copy + Into<i64>>(&mut self, values: &[T]) {
        if self.near.is_empty() && !values.is_empty() {
            let least = values.iter().map(|value| (*value).into()).min().unwrap_or(0);
            self.near = vec![NO_CODE; NEAR];
            // Most numbers are small.
            self.near_from = if (0..NEAR as i64).contains(&least) { 0 } else { least };
        }
        let (near, near_from) = (self.near.as_mut_slice(), self.near_from);
        let (far, different) = (&mut self.far, &mut self.different);
        let from = self.codes.len();
        self.codes.resize(from + values.len(), NO_CODE);
        for (code, value) in self.codes[from..].iter_mut().zip(values) {
            let value = (*value).into();
            let known = match near.get_mut(value.wrapping_sub(near_from) as u64 as usize) {
                Some(code) => code,
                None => far.entry(value).or_insert(NO_CODE),
            };
            if *known == NO_CODE {
                *known = different.len() as u32;
                different.push(value);
            }
            *code = *known;
        }
    }

    fn put_plain<T: ArrowNativeType + Into<i64>>(&mut self, values: &[T]) {
        let numbers = || values.iter().map(|value| (*value).into());
        let (least, most) = numbers().fold((i64::MAX, i64::MIN), |(least, most), n| (least.min(n), most.max(n)));
        if !values.is_empty() {
            let known = self.range.unwrap_or((least, most));
            self.range = Some((known.0.min(least), known.1.max(most)));
        }
        match self.width() {
            width if width == size_of::<T>() && cfg!(target_endian = "little") => {
                self.body.end().extend_from_slice(values.to_byte_slice());
            }
            4 => put_all(self.body.end(), numbers().map(|number| (number as i32).to_le_bytes())),
            _ => put_all(self.body.end(), numbers().map(i64::to_le_bytes)),
        }
    }

    fn width(&self) -> usize {
        if self.column.physical_type() == Type::INT32 {
            4
        } else {
            8
        }
    }

    fn end_page(&mut self) -> Result<()> {
        if self.is_coding && !self.is_worthwhile() {
            self.stop_coding();
        }
        let encoding = match self.is_coding {
            true => {
                put_codes(&self.codes, self.different.len(), self.body.end());
                Encoding::RLE_DICTIONARY
            }
            false => Encoding::PLAIN,
        };
        if self.pages.is_first() && self.body.len() > SAMPLE_BYTES {
            let sample = self.body.first(SAMPLE_BYTES);
            let compressed = zstandard::compress(sample, self.search)?;
            if percent_saved(sample.len(), compressed.len()) < LEAST_GAIN_PERCENT {
                self.search = Search::Nothing;
            }
        }
        let saved = self.pages.end_page(encoding, self.search, &mut self.body)?;
        if saved < LEAST_GAIN_PERCENT {
            self.search = Search::Nothing;
        }
        self.codes.clear();
        self.different_before = self.different.len();
        Ok(())
    }

    /// Whether the dictionary is, with the values of the page under way.
    fn is_worthwhile(&self) -> bool {
        let is_first_of_many = self.different_before == 0 && self.pages.rows() >= PAGE_ROWS;
        let hardly_repeats = self.different.len() * 100 > self.pages.present() * MOST_DIFFERENT_PERCENT;
        self.different.len() <= MOST_NUMBERS && !(is_first_of_many && hardly_repeats)
    }

    /// Makes the page under way PLAIN, as those will be that follow it.
    fn stop_coding(&mut self) {
        let values: Vec<i64> = self.codes.iter().map(|code| self.different[*code as usize]).collect();
        self.is_coding = false;
        self.put_plain(&values);
        self.forget(self.different_before);
    }

    /// Takes values out of the dictionary, all but the first.
    fn forget(&mut self, first: usize) {
        for value in self.different.drain(first..) {
            if let Some(code) = self.near.get_mut(value.wrapping_sub(self.near_from) as u64 as usize) {
                *code = NO_CODE;
            }
        }
        self.far.retain(|_, code| (*code as usize) < first);
    }

    fn finish(&mut self) -> Result<Finished> {
        self.end_page()?;
        let pages = std::mem::replace(&mut self.pages, Pages::new(self.column.clone())?);
        let mut dictionary = Vec::new();
        let width = self.width();
        for value in &self.different {
            dictionary.extend_from_slice(&value.to_le_bytes()[..width]);
        }
        let edges = self
            .different
            .iter()
            .min()
            .copied()
            .zip(self.different.iter().max().copied());
        let edges = edges.into_iter().chain(self.range.take());
        let (least, most) = edges
            .reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)))
            .unzip();
        let statistics = |nulls| match width {
            4 => Statistics::int32(
                least.map(|n| n as i32),
                most.map(|n| n as i32),
                None,
                Some(nulls),
                false,
            ),
            _ => Statistics::int64(least, most, None, Some(nulls), false),
        };
        let finished = pages.finish((&dictionary, self.different.len(), USUAL), statistics, None);
        self.forget(0);
        self.search = Search::Frequent;
        (self.is_coding, self.different_before) = (!is_of_instants(&self.column), 0);
        finished
    }
}

/// Appends numbers, as many bytes each.
fn put_all<const BYTES: usize>(out: &mut Vec<u8>, numbers: impl ExactSizeIterator<Item = [u8; BYTES]>) {
    let from = out.len();
    out.resize(from + numbers.len() * BYTES, 0);
    let places = out[from..].as_chunks_mut::<BYTES>().0;
    places
        .iter_mut()
        .zip(numbers)
        .for_each(|(place, number)| *place = number);
}

/// A column of texts that come as runs.
struct Texts {
    column: ColumnDescPtr,
    pages: Pages,
    /// Codes of the page under way.
    runs: Vec<Run>,
    body: Body,
    /// PLAIN.
    dictionary: Vec<u8>,
    codes: HashMap<Box<str>, u32>,
    /// The list of the texts that came last, and the codes of those met.
    met_of: Option<StringArray>,
    met: Vec<u32>,
}

impl Texts {
    fn new(column: &ColumnDescPtr) -> Result<Texts> {
        Ok(Texts {
            pages: Pages::new(column.clone())?,
            column: column.clone(),
            runs: Vec::new(),
            body: Body::default(),
            dictionary: Vec::new(),
            codes: HashMap::new(),
            met_of: None,
            met: Vec::new(),
        })
    }

    fn take(&mut self, runs: &[Run], texts: &StringArray) -> Result<()> {
        let is_known =
            |known: &StringArray| known.len() == texts.len() && known.values().as_ptr() == texts.values().as_ptr();
        if !self.met_of.as_ref().is_some_and(is_known) {
            self.met_of = Some(texts.clone());
            self.met.clear();
            self.met.resize(texts.len(), NO_CODE);
        }
        for &(text, rows) in runs {
            let code = match self.met.get(text as usize) {
                // No text.
                None => NO_CODE,
                Some(&NO_CODE) => self.code_of(texts.value(text as usize), text),
                Some(code) => *code,
            };
            let mut left = rows;
            while left > 0 {
                let rows = left.min((PAGE_ROWS - self.pages.rows()) as u32);
                left -= rows;
                match (code, self.runs.last_mut()) {
                    (NO_CODE, _) => self.pages.no_values(rows as usize),
                    (code, Some((last, times))) if *last == code => *times += rows,
                    (code, _) => self.runs.push((code, rows)),
                }
                if code != NO_CODE {
                    self.pages.values(rows as usize);
                }
                if self.pages.rows() == PAGE_ROWS {
                    self.end_page()?;
                }
            }
        }
        Ok(())
    }

    /// The code of a text at this place of its list.
    fn code_of(&mut self, text: &str, place: u32) -> u32 {
        let next = self.codes.len() as u32;
        let code = match self.codes.get(text) {
            Some(code) => *code,
            None => {
                self.dictionary.extend_from_slice(&(text.len() as u32).to_le_bytes());
                self.dictionary.extend_from_slice(text.as_bytes());
                *self.codes.entry(text.into()).or_insert(next)
            }
        };
        self.met[place as usize] = code;
        code
    }

    fn end_page(&mut self) -> Result<()> {
        put_runs(&self.runs, self.codes.len(), self.body.end());
        self.pages.end_page(Encoding::RLE_DICTIONARY, USUAL, &mut self.body)?;
        self.runs.clear();
        Ok(())
    }

    fn finish(&mut self) -> Result<Finished> {
        self.end_page()?;
        let pages = std::mem::replace(&mut self.pages, Pages::new(self.column.clone())?);
        let edge = |text: Option<&Box<str>>| text.map(|text| ByteArray::from(text.as_ref()));
        let (least, most) = (edge(self.codes.keys().min()), edge(self.codes.keys().max()));
        let statistics = |nulls| Statistics::byte_array(least, most, None, Some(nulls), false);
        let finished = pages.finish((&self.dictionary, self.codes.len(), USUAL), statistics, None);
        self.codes.clear();
        self.dictionary.clear();
        self.met_of = None;
        finished
    }
}

#[cfg(test)]
mod tests;
