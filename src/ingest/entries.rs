//! The entries of a block: the usual ones are read by the [`Scanner`], all others by serde_json, which also says what is
//! wrong with one that is none.

use super::block::Block;
use super::entry::{Entry, EntrySeed};
use super::scanner::Scanner;
use serde::de::{DeserializeSeed, IgnoredAny};
use std::ops::Range;

/// Reads the entries of a block, one after the other.
pub struct Entries<'b> {
    bytes: &'b [u8],
    /// The bytes as text: known to be one, they need no look at each value.
    text: Option<&'b str>,
    scanner: Scanner,
    /// The last entry that was read.
    pub entry: Entry<'b>,
}

impl<'b> Entries<'b> {
    pub fn of(block: &'b Block, scanner: Scanner) -> Entries<'b> {
        Entries {
            bytes: &block.bytes,
            text: simdutf8::basic::from_utf8(&block.bytes).ok(),
            scanner,
            entry: Entry::default(),
        }
    }

    /// Reads the line of the usual kind that begins at a span's first byte, and says where it ends; `None` of any other.
    pub fn read_line(&mut self, span: Range<usize>) -> Option<usize> {
        let text = self.text?.get(..span.end)?;
        self.entry.clear();
        let end = self.scanner.read(text, span.start, &mut self.entry)?;
        let line_end = match text.as_bytes()[end..] {
            [b'\n', ..] => end + 1,
            [b'\r', b'\n', ..] => end + 2,
            _ => return None,
        };
        (!self.entry.is_page).then_some(line_end)
    }

    /// Reads the entry that begins at a span's first byte, and says where it ends.
    pub fn read(&mut self, span: Range<usize>) -> serde_json::Result<usize> {
        self.entry.clear();
        let text = self.text.and_then(|text| text.get(..span.end));
        if let Some(end) = text.and_then(|text| self.scanner.read(text, span.start, &mut self.entry)) {
            return Ok(end);
        }
        self.entry.clear();
        let start = span.start;
        let length = match text.and_then(|text| text.get(start..)) {
            Some(text) => self.read_with(serde_json::Deserializer::from_str(text)),
            None => self.read_with(serde_json::Deserializer::from_slice(&self.bytes[span])),
        }?;
        Ok(start + length)
    }

    fn read_with<R: serde_json::de::Read<'b>>(
        &mut self,
        mut json: serde_json::Deserializer<R>,
    ) -> serde_json::Result<usize> {
        EntrySeed(&mut self.entry).deserialize(&mut json)?;
        Ok(json.into_iter::<IgnoredAny>().byte_offset())
    }
}
