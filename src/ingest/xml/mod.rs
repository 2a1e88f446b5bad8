//! XML exports: SOAP EntityCollections and FetchXML results, in any envelope or none, one or several after each other.
//!
//! Between the records nothing needs to be understood but where the next one begins. A broken record ends where the next
//! one visibly begins (`<result>`, `<a:Entity …>`) or, before that, where one visibly ends. In proper XML a tag cannot
//! stand in a text, only in a comment or a CDATA section; these are respected wherever they are closed.

mod recognise;
mod record;
#[cfg(test)]
mod tests;

pub use recognise::recognise;

use super::block::{Block, Sink, State, Stop};
use super::normalize::fault;
use record::{Halt, MAX_SECTION_BYTES, broken, is_section, section_too_long};

/// No audit record comes near this size; what does is broken.
const MAX_RECORD_BYTES: usize = 64 << 20;

/// Which kind of element holds a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Soap,
    Fetch,
}

impl Dialect {
    /// The dialect whose records have this local name.
    fn of(name: &[u8]) -> Option<Dialect> {
        match name {
            b"Entity" => Some(Dialect::Soap),
            b"result" => Some(Dialect::Fetch),
            _ => None,
        }
    }
}

/// What the beginning of an XML export says of all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    pub dialect: Dialect,
    /// Whether the records stand in another element, which must be closed at the end.
    pub is_enveloped: bool,
}

impl Layout {
    pub fn name(self) -> &'static str {
        match self.dialect {
            Dialect::Soap => "soap-xml",
            Dialect::Fetch => "fetch-xml",
        }
    }
}

/// Reads the records of a block.
pub fn parse(block: &Block, layout: Layout, sink: &mut Sink<'_>) -> Stop {
    let mut walk = Walk {
        block,
        at: 0,
        done: 0,
        last_tag: None,
        is_closed: !layout.is_enveloped,
    };
    walk.run(sink);
    Stop {
        consumed: walk.done,
        state: State::Top,
    }
}

/// A tag between the records.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tag {
    Open,
    Closed,
}

struct Walk<'b> {
    block: &'b Block,
    at: usize,
    /// Where the last record or reject ends.
    done: usize,
    /// The last tag since then.
    last_tag: Option<Tag>,
    /// Whether the input may end without a tag since then.
    is_closed: bool,
}

impl<'b> Walk<'b> {
    fn run(&mut self, sink: &mut Sink<'_>) {
        loop {
            let bytes = self.window();
            let found = memchr::memchr(b'<', &bytes[self.at..]);
            let start = found.map_or(bytes.len(), |found| self.at + found);
            let step = match found {
                Some(_) => self.step(start, sink),
                None if self.is_full() => Err(Halt::Unfinished),
                None => return self.end_of_input(sink),
            };
            if let Err(halt) = step
                && !self.recover(halt, start, sink)
            {
                return;
            }
        }
    }

    /// The bytes that the next record and what stands before it may take.
    fn window(&self) -> &'b [u8] {
        &self.block.bytes[..self.block.bytes.len().min(self.done.saturating_add(MAX_RECORD_BYTES))]
    }

    fn is_full(&self) -> bool {
        self.block.bytes.len() - self.done >= MAX_RECORD_BYTES
    }

    /// Reads the record, or passes over the tag, that begins at `start`.
    fn step(&mut self, start: usize, sink: &mut Sink<'_>) -> Result<(), Halt> {
        let bytes = self.window();
        if let Some(dialect) = begins_record(bytes, start) {
            let (raw, length) = record::read(&bytes[start..], dialect)?;
            sink.record(raw, &self.block.head.environment, start..start + length);
            self.finish(start + length);
            return Ok(());
        }
        let end = token_end(bytes, start)?;
        if ends_record(bytes, start).is_some() {
            let fault = fault("syntax", "a record ends here, but none begins before it");
            sink.reject(fault, self.done..end);
            self.finish(end);
            return Ok(());
        }
        self.at = end;
        match &bytes[start..end] {
            [b'<', b'!' | b'?', ..] => {}
            [b'<', b'/', ..] | [.., b'/', b'>'] => self.last_tag = Some(Tag::Closed),
            _ => self.last_tag = Some(Tag::Open),
        }
        Ok(())
    }

    /// Sets aside what cannot be read; `false` when that takes bytes that come with the next block.
    fn recover(&mut self, halt: Halt, start: usize, sink: &mut Sink<'_>) -> bool {
        let bytes = self.window();
        let end = boundary(bytes, start + 1);
        let (is_last, is_full) = (self.block.last, self.is_full());
        let (start, fault) = match halt {
            Halt::Broken(fault) if end.is_some() || is_last || is_full => (start, fault),
            Halt::Unfinished if is_full => {
                let fault = fault("too-long", "no record ends within 64 MiB of this place");
                (self.done, fault)
            }
            Halt::Unfinished if is_last && end.is_some() => {
                let fault = fault(
                    "syntax",
                    "what begins here is not closed before a record ends or begins",
                );
                (start, fault)
            }
            Halt::Unfinished if is_last => (start, fault("truncated", "the input ends inside what begins here")),
            _ => return false,
        };
        sink.reject(fault, start..end.unwrap_or(bytes.len()));
        self.finish(end.unwrap_or(bytes.len()));
        self.is_closed |= end.is_none() && is_last && !is_full;
        true
    }

    /// Goes behind a record or a reject, and the white space after it.
    fn finish(&mut self, end: usize) {
        let rest = &self.block.bytes[end..];
        self.done = end + (rest.len() - rest.trim_ascii_start().len());
        self.at = self.done;
        self.last_tag = None;
    }

    /// An export that stops between two records is still truncated, and says so.
    fn end_of_input(&mut self, sink: &mut Sink<'_>) {
        if !self.block.last {
            return;
        }
        let end = self.block.bytes.len();
        if self.last_tag.map_or(!self.is_closed, |tag| tag == Tag::Open) {
            sink.reject(
                fault("truncated", "the input ends before its list of records is closed"),
                end..end,
            );
        }
        self.done = end;
    }
}

/// The qualified name that a tag begins with, if it is seen to end; `tag` goes on behind `<` or `</`.
fn tag_name(tag: &[u8]) -> Option<&[u8]> {
    let is_name =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':') || *byte >= 0x80;
    let length = tag.iter().position(|byte| !is_name(byte))?;
    let (name, rest) = tag.split_at(length);
    (rest[0] == b'>' || rest[0].is_ascii_whitespace() || rest.starts_with(b"/>")).then_some(name)
}

/// A tag's name without its prefix; `tag` goes on behind `<`.
fn local_name(tag: &[u8]) -> &[u8] {
    let name = tag_name(tag).unwrap_or_default();
    let prefix = memchr::memrchr(b':', name).map_or(0, |colon| colon + 1);
    &name[prefix..]
}

/// Which kind of record visibly begins at the `<` at `at`.
fn begins_record(bytes: &[u8], at: usize) -> Option<Dialect> {
    Dialect::of(local_name(&bytes[at + 1..]))
}

/// Where the record's end that visibly stands at the `<` at `at` is over.
fn ends_record(bytes: &[u8], at: usize) -> Option<usize> {
    let tag = bytes[at + 1..].strip_prefix(b"/")?;
    Dialect::of(local_name(tag))?;
    memchr::memchr(b'>', tag).map(|length| at + 2 + length + 1)
}

/// Where what is broken ends: before the next record, or behind the end of one.
fn boundary(bytes: &[u8], from: usize) -> Option<usize> {
    memchr::memchr_iter(b'<', &bytes[from.min(bytes.len())..])
        .map(|found| from + found)
        .find_map(|at| match begins_record(bytes, at) {
            Some(_) => Some(at),
            None => ends_record(bytes, at),
        })
}

/// Where the tag, comment, section or instruction that begins at the `<` at `start` ends.
fn token_end(bytes: &[u8], start: usize) -> Result<usize, Halt> {
    let rest = &bytes[start..];
    if is_section(rest) {
        let part = &rest[..rest.len().min(MAX_SECTION_BYTES)];
        let (open, close) = if part.starts_with(b"<!--") {
            (4, "-->")
        } else {
            (9, "]]>")
        };
        let found = memchr::memmem::find(part.get(open..).unwrap_or_default(), close.as_bytes());
        return match found {
            Some(found) => Ok(start + open + found + close.len()),
            None if rest.len() > MAX_SECTION_BYTES => Err(section_too_long()),
            None => Err(Halt::Unfinished),
        };
    }
    let is_instruction = rest.starts_with(b"<?");
    let mut quote = None;
    for (place, &byte) in rest.iter().enumerate().skip(1) {
        match (byte, quote) {
            (b'<', _) => return Err(broken("a tag is not closed before the next one begins")),
            (b'>', None) if !is_instruction || rest[place - 1] == b'?' => return Ok(start + place + 1),
            (b'"' | b'\'', None) if !is_instruction => quote = Some(byte),
            (_, Some(open)) if byte == open => quote = None,
            _ => {}
        }
    }
    Err(Halt::Unfinished)
}

/// Where a block may be cut: before a record.
pub fn last_record_start(bytes: &[u8]) -> Option<usize> {
    memchr::memrchr_iter(b'<', bytes).find(|&at| at > 0 && begins_record(bytes, at).is_some())
}
