//! The entries of a block: the usual ones are read by the [`Scanner`], all others by serde_json, which also says what is
//! wrong with one that is none.

use super::block::Block;
use super::checked::Checked;
use super::entry::{Entry, EntrySeed};
use super::scanner::Scanner;
use serde::de::{DeserializeSeed, IgnoredAny};
use std::ops::Range;

/// Reads the entries of a block, one after the other.
pub struct Entries<'b> {
    bytes: &'b [u8],
    /// The bytes as text: where they are known to be one, values need no look of their own.
    text: Checked<'b>,
    scanner: Scanner,
    /// The last entry that was read.
    pub entry: Entry<'b>,
}

impl<'b> Entries<'b> {
    /// Of lines.
    pub fn of_lines(block: &'b Block) -> Entries<'b> {
        Entries::of(block, Scanner::of_lines(), Checked::nothing_of(&block.bytes))
    }

    /// Of whatever stands in pages.
    pub fn of_pages(block: &'b Block) -> Entries<'b> {
        Entries::of(block, Scanner::new(), Checked::all_of(&block.bytes))
    }

    fn of(block: &'b Block, scanner: Scanner, text: Checked<'b>) -> Entries<'b> {
        Entries {
            bytes: &block.bytes,
            text,
            scanner,
            entry: Entry::default(),
        }
    }

    /// Reads the line of the usual kind that begins at a span's first byte, and says where it ends; `None` of any other.
    pub fn read_line(&mut self, span: Range<usize>) -> Option<usize> {
        self.text.reach(span.start);
        let (text, start) = self.text.up_to(&(span.start..span.end.min(self.text.end())))?;
        self.entry.clear();
        let end = self.scanner.read(text, start, &mut self.entry)?;
        let line_end = match text.as_bytes()[end..] {
            [b'\n', ..] => end + 1,
            [b'\r', b'\n', ..] => end + 2,
            _ => return None,
        };
        (!self.entry.is_page).then_some(span.start + line_end - start)
    }

    /// Reads the entry that begins at a span's first byte, and says where it ends.
    pub fn read(&mut self, span: Range<usize>) -> serde_json::Result<usize> {
        self.entry.clear();
        let text = self.text.up_to(&span);
        if let Some((text, start)) = text
            && let Some(end) = self.scanner.read(text, start, &mut self.entry)
        {
            return Ok(span.start + end - start);
        }
        self.entry.clear();
        let begin = span.start;
        let length = match text.and_then(|(text, start)| text.get(start..)) {
            Some(text) => self.read_with(serde_json::Deserializer::from_str(text)),
            None => self.read_with(serde_json::Deserializer::from_slice(&self.bytes[span])),
        }?;
        Ok(begin + length)
    }

    fn read_with<R: serde_json::de::Read<'b>>(
        &mut self,
        mut json: serde_json::Deserializer<R>,
    ) -> serde_json::Result<usize> {
        EntrySeed(&mut self.entry).deserialize(&mut json)?;
        Ok(json.into_iter::<IgnoredAny>().byte_offset())
    }
}
