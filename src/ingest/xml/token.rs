//! Where tags, comments and sections end, found in one pass however broken the text is.
//!
//! In proper XML no `<` stands inside a tag, so a tag that meets one is broken there and then. A comment or a CDATA
//! section may hold anything; what would close the next one is looked for once and remembered.

use super::Dialect;
use crate::ingest::normalize::{Fault, fault};
use memchr::memmem;

/// No comment or CDATA section is longer: it bounds how far one that is not closed can reach. Dataverse's longest text
/// has as many characters.
pub const MAX_SECTION_BYTES: usize = 1 << 20;

/// Why something could not be read.
#[derive(Debug, PartialEq, Eq)]
pub enum Halt {
    /// The bytes end inside something that may go on in the next block.
    Unfinished,
    /// These bytes are no XML here.
    Broken(Fault),
}

pub fn broken(sentence: impl Into<String>) -> Halt {
    Halt::Broken(fault("syntax", sentence))
}

/// Finds where tokens of a text end.
pub struct Tokens<'b> {
    bytes: &'b [u8],
    comments: Close,
    sections: Close,
}

impl<'b> Tokens<'b> {
    pub fn of(bytes: &'b [u8]) -> Tokens<'b> {
        Tokens {
            bytes,
            comments: Close::new("<!--", "-->"),
            sections: Close::new("<![CDATA[", "]]>"),
        }
    }

    /// Where the tag, comment, section or instruction that begins at the `<` at `start` ends, at most at `limit`.
    pub fn end(&mut self, start: usize, limit: usize) -> Result<usize, Halt> {
        let rest = &self.bytes[start..limit];
        for close in [&mut self.comments, &mut self.sections] {
            if rest.starts_with(close.open) {
                return close.end(self.bytes, start, limit);
            }
            if close.open.starts_with(rest) {
                return Err(Halt::Unfinished);
            }
        }
        tag_length(rest).map(|length| start + length)
    }
}

/// What closes a comment or a section.
struct Close {
    open: &'static [u8],
    close: &'static [u8],
    /// The first close at or behind a place; `None` when there is none.
    seen: Option<(usize, Option<usize>)>,
}

impl Close {
    fn new(open: &'static str, close: &'static str) -> Close {
        Close {
            open: open.as_bytes(),
            close: close.as_bytes(),
            seen: None,
        }
    }

    fn end(&mut self, bytes: &[u8], start: usize, limit: usize) -> Result<usize, Halt> {
        let from = start + self.open.len();
        let found = match self.seen {
            Some((place, found)) if place <= from && found.is_none_or(|found| from <= found) => found,
            _ => memmem::find(&bytes[from..], self.close).map(|found| from + found),
        };
        self.seen = Some((from, found));
        let longest = start + MAX_SECTION_BYTES;
        match found.map(|found| found + self.close.len()) {
            Some(end) if end <= longest.min(limit) => Ok(end),
            _ if longest <= limit => Err(broken("a comment or CDATA section does not end within 1 MiB")),
            _ => Err(Halt::Unfinished),
        }
    }
}

/// How long the tag or instruction is that these bytes begin with.
fn tag_length(bytes: &[u8]) -> Result<usize, Halt> {
    let is_instruction = bytes.starts_with(b"<?");
    let mut quote = None;
    for (place, &byte) in bytes.iter().enumerate().skip(1) {
        match (byte, quote) {
            (b'<', _) => return Err(broken("a tag is not closed before the next one begins")),
            (b'>', None) if !is_instruction || (place > 2 && bytes[place - 1] == b'?') => return Ok(place + 1),
            (b'"' | b'\'', None) if !is_instruction => quote = Some(byte),
            (_, Some(open)) if byte == open => quote = None,
            _ => {}
        }
    }
    Err(Halt::Unfinished)
}

/// The qualified name that a tag begins with, if it is seen to end; `tag` goes on behind `<` or `</`.
fn qualified_name(tag: &[u8]) -> Option<&[u8]> {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(byte) || *byte >= 0x80;
    let length = tag.iter().position(|byte| !is_name(byte))?;
    let (name, rest) = tag.split_at(length);
    (rest[0] == b'>' || rest[0].is_ascii_whitespace() || rest.starts_with(b"/>")).then_some(name)
}

/// A tag's name without its prefix; `tag` goes on behind `<` or `</`.
pub fn local_name(tag: &[u8]) -> &[u8] {
    let name = qualified_name(tag).unwrap_or_default();
    let prefix = memchr::memrchr(b':', name).map_or(0, |colon| colon + 1);
    &name[prefix..]
}

/// Which kind of record visibly begins at the `<` at `at`.
pub fn begins_record(bytes: &[u8], at: usize) -> Option<Dialect> {
    Dialect::of(local_name(&bytes[at + 1..]))
}

/// Where the end of a record that visibly stands at the `<` at `at` is over.
pub fn ends_record(bytes: &[u8], at: usize) -> Option<usize> {
    let tag = bytes[at + 1..].strip_prefix(b"/")?;
    Dialect::of(local_name(tag))?;
    let length = memchr::memchr2(b'<', b'>', tag).filter(|&end| tag[end] == b'>')?;
    Some(at + 2 + length + 1)
}

/// Where what is broken ends: before the next record, or behind the end of one.
pub fn boundary(bytes: &[u8], from: usize) -> Option<usize> {
    memchr::memchr_iter(b'<', &bytes[from..])
        .map(|found| from + found)
        .find_map(|at| match begins_record(bytes, at) {
            Some(_) => Some(at),
            None => ends_record(bytes, at),
        })
}
