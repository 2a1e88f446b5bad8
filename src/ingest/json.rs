//! JSON exports: NDJSON line by line; OData pages, bare arrays, single objects and several of them after each other.
//!
//! In a page a broken record ends where the next one visibly begins: at a `{` with a name behind it and a `,` `[` `}` or
//! line end before it. Inside a proper JSON string that cannot occur, since its quotes would be escaped.

use super::block::{Block, Sink, State, Stop, too_long};
use super::entries::Entries;
use super::entry::Entry;
use super::lines::Lines;
use super::normalize::{Fault, fault};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use std::ops::Range;
use std::sync::Arc;

/// Hands a parsed entry on, as a record or as a reject.
fn deliver(entry: &mut Entry<'_>, environment: &str, span: Range<usize>, sink: &mut Sink<'_>) {
    match entry.undecodable {
        Some(field) => sink.reject_in(
            environment,
            fault("syntax", format!("the value of {field:?} is not valid JSON text")),
            span,
        ),
        None => sink.record(&mut entry.raw, environment, span),
    }
}

/// NDJSON: every line is a JSON text of its own. A line may also be a whole page. Gives how many line ends were passed too.
pub fn parse_lines(block: &Block, sink: &mut Sink<'_>) -> (Stop, u64) {
    let (mut lines, mut entries) = (Lines::new(block), Entries::of_lines(block));
    while lines.pass_too_long(sink) {
        let start = lines.at;
        if let Some(end) = entries.read_line(start..lines.window().len()) {
            lines.pass(end);
            deliver_line(block, start..end, &mut entries.entry, sink);
            continue;
        }
        match lines.next(sink) {
            Some(line) => parse_line(block, line, &mut entries, sink),
            None => break,
        }
    }
    (lines.stop(), lines.ends)
}

fn parse_line<'b>(block: &'b Block, span: Range<usize>, entries: &mut Entries<'b>, sink: &mut Sink<'_>) {
    let Range { start, end } = trimmed(&block.bytes, span.clone());
    let line = &block.bytes[start..end];
    if line.is_empty() {
        return;
    }
    if line[0] == b'[' {
        return page_in_line(block, span, entries, sink);
    }
    let read = entries.read(start..end).and_then(|read| match read == end {
        true => Ok(()),
        // Says what stands behind it.
        false => serde_json::from_slice::<Entry<'_>>(line).map(drop),
    });
    match read {
        Ok(()) if entries.entry.is_page => page_in_line(block, span, entries, sink),
        Ok(()) => deliver_line(block, span, &mut entries.entry, sink),
        Err(cause) => {
            let ends_input = block.last && span.end == block.bytes.len() && !block.bytes.ends_with(b"\n");
            sink.reject(json_fault(&cause, line, ends_input), span);
        }
    }
}

fn deliver_line(block: &Block, span: Range<usize>, entry: &mut Entry<'_>, sink: &mut Sink<'_>) {
    match &entry.context {
        None => deliver(entry, &block.head.environment, span, sink),
        context => {
            let environment = block.head.environment_for(context.as_deref());
            deliver(entry, &environment, span, sink);
        }
    }
}

/// A span without the blanks at its ends.
fn trimmed(bytes: &[u8], span: Range<usize>) -> Range<usize> {
    let text = bytes[span.clone()].trim_ascii_start();
    let start = span.end - text.len();
    start..start + text.trim_ascii_end().len()
}

fn page_in_line<'b>(block: &'b Block, span: Range<usize>, entries: &mut Entries<'b>, sink: &mut Sink<'_>) {
    let mut page = PageParser::new(block, entries, State::Begin, true);
    page.at = span.start;
    page.end = span.end;
    page.run(sink);
}

/// Pages, arrays and objects after each other, with any white space.
pub fn parse_pages(block: &Block, sink: &mut Sink<'_>) -> Stop {
    let mut entries = Entries::of_pages(block);
    let mut page = PageParser::new(block, &mut entries, block.start.clone(), block.last);
    page.run(sink);
    Stop {
        consumed: page.at,
        state: page.state,
    }
}

/// Why one step of the page parser could not be taken.
enum Halt {
    /// The bytes end inside something that may go on in the next block.
    Unfinished,
    /// These bytes are no JSON here.
    Broken(Fault),
}

struct PageParser<'b, 'e> {
    block: &'b Block,
    entries: &'e mut Entries<'b>,
    state: State,
    at: usize,
    end: usize,
    last: bool,
    /// Whether a record was found that the input cuts off.
    cut_off: bool,
}

impl<'b, 'e> PageParser<'b, 'e> {
    fn new(block: &'b Block, entries: &'e mut Entries<'b>, state: State, last: bool) -> Self {
        PageParser {
            block,
            entries,
            state,
            at: 0,
            end: block.bytes.len(),
            last,
            cut_off: false,
        }
    }

    fn run(&mut self, sink: &mut Sink<'_>) {
        loop {
            if let State::TooLong { environment } = &self.state
                && self.at < self.end
            {
                if !self.pass_too_long(environment.clone(), sink) {
                    return;
                }
                continue;
            }
            self.skip_blanks_and_commas();
            let start = self.at;
            let Some(&byte) = self.block.bytes[..self.end].get(self.at) else {
                return self.end_of_input(sink);
            };
            let step = match (byte, &self.state) {
                (b'{', State::Array { .. }) => self.row(None, sink),
                (b'{', _) => self.object(sink),
                (b']', State::Array { .. }) => self.close_array(),
                // The end of a list that pages stood in.
                (b']', State::Top) => {
                    self.at += 1;
                    Ok(())
                }
                (b'[', State::Begin | State::Top) => {
                    self.at += 1;
                    self.enter_array(self.block.head.environment.clone())
                }
                _ => Err(Halt::Broken(fault("syntax", "expected a JSON object"))),
            };
            let halt = match step {
                Ok(()) => continue,
                Err(halt) => halt,
            };
            self.at = start;
            let next = self.next_row();
            let fault = match halt {
                _ if self.is_full() && next.is_none() => {
                    self.state = self.state.too_long();
                    self.at = start + self.limit();
                    sink.reject(too_long(self.limit(), true), start..self.at);
                    continue;
                }
                Halt::Broken(fault) if self.last || next.is_some() => fault,
                Halt::Unfinished if self.is_full() => too_long(self.limit(), true),
                Halt::Unfinished if self.last => {
                    self.cut_off = next.is_none();
                    fault("truncated", "the input ends inside this record")
                }
                _ => return,
            };
            self.at = next.unwrap_or(self.end);
            sink.reject_in(&self.environment(), fault, start..self.without_separator(start));
        }
    }

    /// Whose rows come here.
    fn environment(&self) -> Arc<str> {
        match &self.state {
            State::Array { environment }
            | State::TooLong {
                environment: Some(environment),
            } => environment.clone(),
            State::Begin | State::Top | State::TooLong { environment: None } => self.block.head.environment.clone(),
        }
    }

    fn limit(&self) -> usize {
        self.block.head.record_bytes
    }

    /// The bytes up to where the record beginning at the current place must end.
    fn window(&self) -> &'b [u8] {
        &self.block.bytes[..self.end.min(self.at.saturating_add(self.limit()))]
    }

    /// Goes on through a record that is too long, to the next row or for another piece; `false` when the block ends
    /// before either.
    fn pass_too_long(&mut self, environment: Option<Arc<str>>, sink: &mut Sink<'_>) -> bool {
        let start = self.at;
        self.at = match self.next_row() {
            Some(next) => {
                self.state = State::behind_too_long(environment);
                next
            }
            None if self.is_full() => start + self.limit(),
            None if self.last => self.end,
            None => return false,
        };
        sink.reject(too_long(self.limit(), false), start..self.at);
        true
    }

    /// Whether all bytes that a record at the current place may take are there.
    fn is_full(&self) -> bool {
        self.end - self.at >= self.limit()
    }

    /// A page that stops between two records is still truncated, and says so.
    fn end_of_input(&mut self, sink: &mut Sink<'_>) {
        if self.last && !self.cut_off && matches!(self.state, State::Array { .. }) {
            sink.reject_in(
                &self.environment(),
                fault("truncated", "the input ends before its list of records is closed"),
                self.end..self.end,
            );
        }
    }

    /// A row of the list, or one of its own, whose environment then is given.
    fn row(&mut self, environment: Option<&str>, sink: &mut Sink<'_>) -> Result<(), Halt> {
        let start = self.at;
        let window = self.window();
        let end = match self.entries.read(start..window.len()) {
            Ok(end) => end,
            Err(cause) if cause.is_eof() => return Err(Halt::Unfinished),
            Err(cause) => return Err(Halt::Broken(json_fault(&cause, &window[start..], false))),
        };
        self.at = end;
        let entry = &mut self.entries.entry;
        if entry.is_page {
            self.at = start;
            return self.object(sink);
        }
        let environment = match (environment, &self.state) {
            (Some(environment), _) => environment,
            (None, State::Array { environment }) => environment,
            _ => &self.block.head.environment,
        };
        deliver(entry, environment, start..end, sink);
        Ok(())
    }

    /// An object of the outermost level: a page, whose rows are entered, or a row of its own.
    fn object(&mut self, sink: &mut Sink<'_>) -> Result<(), Halt> {
        let bytes = self.window();
        let mut environment = self.block.head.environment.clone();
        let mut at = self.at + 1;
        let mut bodies = 0;
        loop {
            match next_token(bytes, &mut at)? {
                b'}' if bodies > 0 => {
                    (at, bodies) = (at + 1, bodies - 1);
                    continue;
                }
                b'}' => return self.row(Some(&environment), sink),
                b',' => at += 1,
                _ => {}
            }
            let name: String = read_owned(bytes, &mut at)?;
            if next_token(bytes, &mut at)? != b':' {
                return Err(Halt::Broken(fault("syntax", "expected `:` after a member name")));
            }
            at += 1;
            let opens = next_token(bytes, &mut at)?;
            if name == "value" && opens == b'[' {
                self.at = at + 1;
                return self.enter_array(environment);
            }
            // A flow's output holds the page in its `body`; what stands around it says nothing of the rows.
            if name == "body" && opens == b'{' {
                (at, bodies) = (at + 1, bodies + 1);
                continue;
            }
            if name == "@odata.context" {
                let context: Option<String> = read_owned(bytes, &mut at)?;
                environment = self.block.head.environment_for(context.as_deref());
            } else {
                read_owned::<IgnoredAny>(bytes, &mut at)?;
            }
        }
    }

    fn enter_array(&mut self, environment: Arc<str>) -> Result<(), Halt> {
        self.state = State::Array { environment };
        Ok(())
    }

    /// Leaves a list of rows, the page around it and what stands around the page, with all their other members.
    fn close_array(&mut self) -> Result<(), Halt> {
        let bytes = self.window();
        let mut at = self.at + 1;
        let mut closed = at;
        loop {
            match next_token(bytes, &mut at) {
                Ok(b',') if !self.begins_next_page(at + 1)? => {
                    at += 1;
                    read_owned::<String>(bytes, &mut at)?;
                    if next_token(bytes, &mut at)? != b':' {
                        return Err(Halt::Broken(fault("syntax", "expected `:` after a member name")));
                    }
                    at += 1;
                    read_owned::<IgnoredAny>(bytes, &mut at)?;
                }
                Ok(b'}') => at += 1,
                Ok(_) => break,
                Err(_) if self.last => break,
                Err(halt) => return Err(halt),
            }
            closed = at;
        }
        self.at = closed;
        self.state = State::Top;
        Ok(())
    }

    /// Whether what follows a comma is another page, and not another member of this one.
    fn begins_next_page(&self, mut at: usize) -> Result<bool, Halt> {
        match next_token(self.window(), &mut at) {
            Ok(byte) => Ok(byte != b'"'),
            Err(_) if self.last => Ok(true),
            Err(halt) => Err(halt),
        }
    }

    fn skip_blanks_and_commas(&mut self) {
        while self.at < self.end && matches!(self.block.bytes[self.at], b' ' | b'\t' | b'\r' | b'\n' | b',') {
            self.at += 1;
        }
    }

    /// Where the next row behind the current place visibly begins. Only bytes within the limit are looked at, so that
    /// the answer does not depend on where the block ends.
    fn next_row(&self) -> Option<usize> {
        let window = &self.window()[self.at..];
        memchr::memchr_iter(b'{', window)
            .skip_while(|&brace| brace == 0)
            .find(|&brace| begins_row(window, brace))
            .map(|brace| self.at + brace)
    }

    /// The end of a broken stretch, without the comma that parts it from the next row.
    fn without_separator(&self, start: usize) -> usize {
        let stretch = self.block.bytes[start..self.at].trim_ascii_end();
        start + stretch.strip_suffix(b",").unwrap_or(stretch).len()
    }
}

/// Whether the `{` at `brace` begins a row: a name follows, and what precedes can end a row or begin a list.
pub fn begins_row(bytes: &[u8], brace: usize) -> bool {
    let mut after = bytes[brace + 1..].iter().filter(|b| !b.is_ascii_whitespace());
    let named = after.next() == Some(&b'"')
        && after
            .next()
            .is_some_and(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b'@'));
    if !named {
        return false;
    }
    let before = bytes[..brace].trim_ascii_end();
    let own_line = before.len() < brace && bytes[before.len()..brace].contains(&b'\n');
    own_line || matches!(before.last(), Some(b',' | b'[' | b'}') | None)
}

fn next_token(bytes: &[u8], at: &mut usize) -> Result<u8, Halt> {
    while let Some(byte) = bytes.get(*at) {
        if !byte.is_ascii_whitespace() {
            return Ok(*byte);
        }
        *at += 1;
    }
    Err(Halt::Unfinished)
}

fn read_owned<T: DeserializeOwned>(bytes: &[u8], at: &mut usize) -> Result<T, Halt> {
    read(bytes, at)
}

/// Reads one JSON value at `at` and moves behind it.
fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8], at: &mut usize) -> Result<T, Halt> {
    let rest = &bytes[*at..];
    let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<T>();
    match values.next() {
        Some(Ok(value)) => {
            *at += values.byte_offset();
            Ok(value)
        }
        Some(Err(cause)) if cause.is_eof() => Err(Halt::Unfinished),
        Some(Err(cause)) => Err(Halt::Broken(json_fault(&cause, rest, false))),
        None => Err(Halt::Unfinished),
    }
}

fn json_fault(cause: &serde_json::Error, text: &[u8], ends_input: bool) -> Fault {
    if cause.is_eof() && ends_input {
        fault("truncated", "the input ends inside this record")
    } else if cause.to_string().starts_with("invalid unicode") && std::str::from_utf8(text).is_err() {
        fault("encoding", format!("not valid UTF-8: {cause}"))
    } else {
        fault("syntax", format!("not valid JSON: {cause}"))
    }
}

/// Whether a text is one JSON object with audit columns, and not a page around such objects.
pub fn is_row(text: &[u8]) -> bool {
    serde_json::from_slice::<Entry<'_>>(text).is_ok_and(|entry| entry.known > 0 && !entry.is_page)
}

/// Whether a text is a list of rows, or an object around one.
pub fn is_page(text: &[u8]) -> bool {
    text.starts_with(b"[") || serde_json::from_slice::<Entry<'_>>(text).is_ok_and(|entry| entry.is_page)
}

/// The first `@odata.context` of a text.
pub fn first_context(text: &[u8]) -> Option<String> {
    const NAME: &[u8] = b"\"@odata.context\"";
    let mut at = memchr::memmem::find(text, NAME)? + NAME.len();
    let is_colon = matches!(next_token(text, &mut at), Ok(b':'));
    at += 1;
    read_owned(text, &mut at).ok().filter(|_| is_colon)
}

/// Where a block may be cut: before a row, and what state the next block then begins in.
pub fn last_row_start(bytes: &[u8], environment: &Arc<str>) -> Option<(usize, State)> {
    let mut end = bytes.len();
    while let Some(brace) = memchr::memrchr(b'{', &bytes[..end]) {
        if brace > 0 && begins_row(bytes, brace) {
            let before = bytes[..brace].trim_ascii_end();
            let state = match before.split_last() {
                Some((b',', rest)) if rest.trim_ascii_end().ends_with(b"}") => Some(State::Array {
                    environment: environment.clone(),
                }),
                Some((b'}', _)) => Some(State::Top),
                _ => None,
            };
            if let Some(state) = state {
                return Some((brace, state));
            }
        }
        end = brace;
    }
    None
}
