//! XML exports: SOAP EntityCollections and FetchXML results, in any envelope or none, one or several after each other.
//!
//! Between the records nothing needs to be understood but where the next one begins. A broken record ends where the next
//! one visibly begins (`<result>`, `<a:Entity …>`) or, before that, where one visibly ends. In proper XML a tag cannot
//! stand in a text, only in a comment or a CDATA section; these are respected wherever they are closed.

mod recognise;
mod record;
#[cfg(test)]
mod scrambled_tests;
#[cfg(test)]
mod tests;
mod token;

pub use recognise::recognise;

use super::block::{Block, Sink, State, Stop, too_long};
use super::normalize::fault;
use token::{Halt, Tokens, begins_record, boundary, ends_record};

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

    /// That of a record on its own, in a form of this name.
    pub fn of_record(name: &str) -> Option<Layout> {
        let layout = |dialect| Layout {
            dialect,
            is_enveloped: false,
        };
        [Dialect::Soap, Dialect::Fetch]
            .map(layout)
            .into_iter()
            .find(|layout| layout.name() == name)
    }
}

/// Reads the records of a block.
pub fn parse(block: &Block, layout: Layout, sink: &mut Sink<'_>) -> Stop {
    let mut walk = Walk {
        block,
        tokens: Tokens::of(&block.bytes),
        at: 0,
        done: 0,
        last_tag: None,
        is_closed: !layout.is_enveloped,
    };
    walk.finish(0);
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

/// What cannot be read: where it begins, how far it is proper XML, and why not further.
struct Stuck {
    begin: usize,
    at: usize,
    halt: Halt,
}

struct Walk<'b> {
    block: &'b Block,
    tokens: Tokens<'b>,
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
            let step = match memchr::memchr(b'<', &bytes[self.at..]) {
                Some(found) => self.step(self.at + found, sink),
                None if self.is_full() => Err(Stuck {
                    begin: self.done,
                    at: bytes.len(),
                    halt: Halt::Unfinished,
                }),
                None => return self.end_of_input(sink),
            };
            if let Err(stuck) = step
                && !self.recover(stuck, sink)
            {
                return;
            }
        }
    }

    fn limit(&self) -> usize {
        self.block.head.record_bytes
    }

    /// The bytes that the next record and what stands before it may take.
    fn window(&self) -> &'b [u8] {
        &self.block.bytes[..self.block.bytes.len().min(self.done.saturating_add(self.limit()))]
    }

    fn is_full(&self) -> bool {
        self.block.bytes.len() - self.done >= self.limit()
    }

    /// Reads the record, or passes over the tag, that begins at `begin`.
    fn step(&mut self, begin: usize, sink: &mut Sink<'_>) -> Result<(), Stuck> {
        let bytes = self.window();
        if let Some(dialect) = begins_record(bytes, begin) {
            let (mut raw, end) = record::read(&self.block.bytes, begin, bytes.len(), dialect, &mut self.tokens)
                .map_err(|(at, halt)| Stuck { begin, at, halt })?;
            sink.record(&mut raw, &self.block.head.environment, begin..end);
            self.finish(end);
            return Ok(());
        }
        let end = self
            .tokens
            .end(begin, bytes.len())
            .map_err(|halt| Stuck { begin, at: begin, halt })?;
        if ends_record(bytes, begin).is_some() {
            let fault = fault("syntax", "a record ends here, but none begins before it");
            sink.reject(fault, self.done..end);
            self.finish(end);
            return Ok(());
        }
        self.at = end;
        match &bytes[begin..end] {
            [b'<', b'!' | b'?', ..] => {}
            [b'<', b'/', ..] | [.., b'/', b'>'] => self.last_tag = Some(Tag::Closed),
            _ => self.last_tag = Some(Tag::Open),
        }
        Ok(())
    }

    /// Sets aside what cannot be read; `false` when that takes bytes that come with the next block.
    fn recover(&mut self, stuck: Stuck, sink: &mut Sink<'_>) -> bool {
        let bytes = self.window();
        let Stuck { begin, at, halt } = stuck;
        // What looks like a record before `at` stands in a comment or a section that is closed.
        let end = boundary(bytes, at.max(begin + 1).min(bytes.len()));
        let (is_last, is_full) = (self.block.last, self.is_full());
        let fault = match halt {
            Halt::Broken(fault) if end.is_some() || is_last || is_full => fault,
            Halt::Unfinished if is_full => too_long(self.limit(), true),
            Halt::Unfinished if is_last && end.is_some() => fault(
                "syntax",
                "what begins here is not closed before a record ends or begins",
            ),
            Halt::Unfinished if is_last => fault("truncated", "the input ends inside what begins here"),
            _ => return false,
        };
        sink.reject(fault, begin..end.unwrap_or(bytes.len()));
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

/// Where a block may be cut: before a record.
pub fn last_record_start(bytes: &[u8]) -> Option<usize> {
    memchr::memrchr_iter(b'<', bytes).find(|&at| at > 0 && begins_record(bytes, at).is_some())
}
