//! Columns of booleans, which are never null.

use super::USUAL;
use super::pages::{Body, Finished, Pages};
use parquet::basic::Encoding;
use parquet::errors::Result;
use parquet::file::statistics::ValueStatistics;
use parquet::schema::types::ColumnDescPtr;

/// A column chunk of booleans.
pub struct BitChunk {
    pages: Pages,
    /// Of the page under way.
    values: Vec<bool>,
    /// The same, eight to a byte.
    bits: Body,
    range: Option<(bool, bool)>,
}

impl BitChunk {
    pub fn new(column: ColumnDescPtr) -> Result<BitChunk> {
        Ok(BitChunk {
            pages: Pages::new(column)?,
            values: Vec::new(),
            bits: Body::default(),
            range: None,
        })
    }

    /// Takes the next rows.
    pub fn push_all(&mut self, mut values: impl ExactSizeIterator<Item = bool>) -> Result<()> {
        while values.len() > 0 {
            let now = values.len().min(self.pages.room());
            self.values.extend(values.by_ref().take(now));
            self.pages.values(now);
            if self.pages.is_full(0) {
                self.end_page()?;
            }
        }
        Ok(())
    }

    fn end_page(&mut self) -> Result<()> {
        let byte = |eight: &[bool]| eight.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
        self.bits.end().extend(self.values.chunks(8).map(byte));
        for value in self.values.drain(..) {
            let (least, most) = self.range.unwrap_or((value, value));
            self.range = Some((least & value, most | value));
        }
        self.pages.end_page(Encoding::PLAIN, USUAL, &mut self.bits)?;
        Ok(())
    }

    pub fn finish(mut self) -> Result<Finished> {
        self.end_page()?;
        let (least, most) = self.range.unzip();
        let statistics = |nulls| ValueStatistics::new(least, most, None, Some(nulls), false).into();
        self.pages.finish((&[], 0, USUAL), statistics, None)
    }
}
