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
    /// Of the page under way, eight to a byte.
    bits: Body,
    range: Option<(bool, bool)>,
}

impl BitChunk {
    pub fn new(column: ColumnDescPtr) -> Result<BitChunk> {
        Ok(BitChunk {
            pages: Pages::new(column)?,
            bits: Body::default(),
            range: None,
        })
    }

    pub fn push(&mut self, value: bool) -> Result<()> {
        let place = self.pages.rows() % 8;
        if place == 0 {
            self.bits.end().push(0);
        }
        if let Some(byte) = self.bits.end().last_mut() {
            *byte |= u8::from(value) << place;
        }
        self.range = Some(
            self.range
                .map_or((value, value), |(least, most)| (least & value, most | value)),
        );
        self.pages.value();
        match self.pages.is_full(self.bits.len()) {
            true => self.end_page(),
            false => Ok(()),
        }
    }

    fn end_page(&mut self) -> Result<()> {
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
