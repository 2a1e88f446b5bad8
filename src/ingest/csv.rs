//! CSV and TSV, row by row: with a header line, or without one when the column names are known from elsewhere.
//!
//! The grammar is RFC 4180: a field that begins with `"` ends at the next single `"`, which a separator or a line end
//! must follow; a quote elsewhere is an ordinary character. A row that breaks this is rejected up to its line end, and
//! reading goes on with the next line, so an unclosed quote costs one line and not the rest of the file.

mod layout;

pub use layout::Layout;

use super::block::{Block, Sink, Stop};
use super::checked::Checked;
use super::fields::Field;
use super::lines::{Line, Lines, line_ends};
use super::normalize::{Fault, fault};
use super::raw::Raw;
use super::words::{self, Pieces, equal};
use crate::instant;
use std::borrow::Cow;
use std::ops::{ControlFlow, Range};
use wide::u8x16;

enum Row {
    /// The row ends before this place.
    Complete { end: usize, fields: usize },
    /// The bytes end inside a quoted field.
    Unfinished,
    /// A closing quote is followed by something else.
    Broken,
}

/// Takes the fields of a row, one after the other.
trait Fields {
    /// A field that stands in the row as it is, without the quotes around it.
    fn take(&mut self, column: usize, span: Range<usize>);

    /// Where the next field is put together, since it has doubled quotes.
    fn pieces(&mut self) -> &mut Pieces;

    /// That field.
    fn take_pieces(&mut self, column: usize);
}

/// Fields as texts.
struct Texts<'b> {
    bytes: &'b [u8],
    texts: Vec<String>,
    pieces: Pieces,
}

impl Texts<'_> {
    fn of(bytes: &[u8]) -> Texts<'_> {
        Texts {
            bytes,
            texts: Vec::new(),
            pieces: Pieces::default(),
        }
    }
}

impl Fields for Texts<'_> {
    fn take(&mut self, _: usize, span: Range<usize>) {
        self.texts.push(String::from_utf8_lossy(&self.bytes[span]).into_owned());
    }

    fn pieces(&mut self) -> &mut Pieces {
        self.pieces.clear();
        &mut self.pieces
    }

    fn take_pieces(&mut self, _: usize) {
        self.texts
            .push(String::from_utf8_lossy(self.pieces.bytes()).into_owned());
    }
}

/// Reads the row at `start`; `fields` gets its fields, also those of a row that turns out not to be one.
#[inline(always)]
fn read_row(bytes: &[u8], start: usize, separator: u8, last: bool, fields: &mut impl Fields) -> Row {
    let (mut at, mut column) = (start, 0);
    loop {
        let first = bytes.get(at);
        if first == Some(&separator) {
            fields.take(column, at..at);
            (at, column) = (at + 1, column + 1);
            continue;
        }
        let is_quoted = first == Some(&b'"');
        let (mut span, mut after) = match is_quoted {
            true => {
                let end = words::find(bytes, at + 1, is_quote);
                (at + 1..end, end + 1)
            }
            false => {
                let end = words::find(bytes, at, |word| equal(word, separator) | equal(word, b'\n'));
                (at..end, end)
            }
        };
        // Most fields.
        if bytes.get(after) == Some(&separator) {
            fields.take(column, span);
            (at, column) = (after + 1, column + 1);
            continue;
        }
        let has_quotes = is_quoted && bytes.get(after) == Some(&b'"');
        if has_quotes {
            after = undouble(bytes, at + 1, fields.pieces()) + 1;
        }
        if is_quoted && after > bytes.len() {
            return Row::Unfinished;
        }
        let complete = |end| {
            ControlFlow::Break(Row::Complete {
                end,
                fields: column + 1,
            })
        };
        let next = match bytes.get(after..).unwrap_or_default() {
            [byte, ..] if *byte == separator => ControlFlow::Continue(after + 1),
            [b'\n', ..] => complete(after + 1),
            [b'\r', b'\n', ..] => complete(after + 2),
            [] | [b'\r'] if last => complete(bytes.len()),
            [] | [b'\r'] => ControlFlow::Break(Row::Unfinished),
            _ => ControlFlow::Break(Row::Broken),
        };
        // It takes the `\r` of `\r\n` with it, which is no part of the value.
        if !is_quoted
            && let ControlFlow::Break(Row::Complete { .. }) = next
            && bytes[span.clone()].ends_with(b"\r")
        {
            span.end -= 1;
        }
        match has_quotes {
            true => fields.take_pieces(column),
            false => fields.take(column, span),
        }
        match next {
            ControlFlow::Continue(next) => (at, column) = (next, column + 1),
            ControlFlow::Break(row) => return row,
        }
    }
}

fn is_quote(word: u8x16) -> u8x16 {
    equal(word, b'"')
}

/// Puts together a quoted field that has doubled quotes; gives the place of its closing quote, or the end.
#[inline(never)]
fn undouble(bytes: &[u8], start: usize, said: &mut Pieces) -> usize {
    said.copy(bytes, start, is_quote, |_, behind| (behind == b'"').then_some(b'"'))
}

/// How many bytes are parsed before their line ends are counted, so that they are still near.
const NEAR_BYTES: usize = 1 << 14;

/// Parses the rows of a block; gives how many line ends it has passed, too.
pub fn parse(block: &Block, layout: &Layout, sink: &mut Sink<'_>) -> (Stop, u64) {
    let mut rows = Rows::of(block, layout);
    let mut lines = Lines::new(block);
    let (mut counted, mut ends) = (0, 0);
    while lines.pass_too_long(sink) {
        if lines.at - counted > NEAR_BYTES {
            ends += line_ends(&block.bytes[counted..lines.at]);
            counted = lines.at;
        }
        let (start, window) = (lines.at, lines.window());
        if window[start].is_ascii_whitespace()
            && let Line::Ended(end) = lines.line()
            && window[start..end].trim_ascii().is_empty()
        {
            lines.at = end;
            continue;
        }
        // Where the input breaks off, a row without its line end is no whole row.
        let ends_here = block.last && block.loss.is_none() && !lines.is_full();
        rows.begin(start);
        let fault = match read_row(window, start, layout.separator, ends_here, &mut rows) {
            Row::Complete { end, fields } => {
                rows.deliver(fields, start..end, sink);
                lines.at = end;
                continue;
            }
            Row::Unfinished if !block.last && !lines.is_full() => break,
            Row::Unfinished => fault("syntax", "a quoted field is never closed"),
            Row::Broken => fault("syntax", "a closing quote is not followed by a separator"),
        };
        match lines.line() {
            Line::Ended(end) => {
                sink.reject(fault, start..end);
                lines.at = end;
            }
            Line::TooLong => lines.begin_too_long(sink),
            Line::Unfinished => break,
        }
    }
    (lines.stop(), ends + line_ends(&block.bytes[counted..lines.at]))
}

/// The rows of a block, one after the other.
struct Rows<'b> {
    block: &'b Block,
    layout: &'b Layout,
    columns: &'b [Option<Field>],
    /// The bytes as text: where they are known to be one and without NUL, fields need no look of their own.
    text: Checked<'b>,
    raw: Raw<'b>,
    /// What is wrong with the first field that could not be taken.
    fault: Option<Fault>,
}

impl<'b> Rows<'b> {
    fn of(block: &'b Block, layout: &'b Layout) -> Rows<'b> {
        Rows {
            block,
            layout,
            columns: &layout.columns,
            text: Checked::nothing_of(&block.bytes),
            raw: Raw::default(),
            fault: None,
        }
    }

    /// Forgets the row before, for the one that begins at a place.
    fn begin(&mut self, start: usize) {
        self.raw.clear();
        self.fault = None;
        if self.text.reach(start) && self.text.text().is_some_and(has_nul) {
            self.text.discard();
        }
    }

    #[inline(never)]
    fn take_unusual(&mut self, column: usize, field: Field, is_sink_time: bool, span: Range<usize>) {
        match std::str::from_utf8(&self.block.bytes[span]) {
            Ok(text) if has_nul(text) => self.hold_against(column, "holds a NUL byte"),
            Ok(text) if is_sink_time => self.raw.set(field, canonical_time(text)),
            Ok(text) => self.raw.set_borrowed(field, text),
            Err(_) => self.hold_against(column, "is not valid UTF-8"),
        }
    }

    /// The row is a reject, if it has no earlier fault.
    fn hold_against(&mut self, column: usize, what: &str) {
        let name = &self.layout.names[column];
        let found = || fault("encoding", format!("column {name} {what}"));
        self.fault = self.fault.take().or_else(|| Some(found()));
    }

    /// Hands the row on, as a record or as a reject.
    fn deliver(&mut self, found: usize, span: Range<usize>, sink: &mut Sink<'_>) {
        let expected = self.columns.len();
        let has_too_few = found < expected && !self.layout.is_headless;
        let fault = match found > expected || has_too_few {
            true => {
                let sentence = format!("{found} fields where the header has {expected}");
                Some(fault("field-count", sentence))
            }
            false => self.fault.take(),
        };
        match fault {
            None => sink.record(&mut self.raw, &self.block.head.environment, span),
            Some(fault) => sink.reject(fault, span),
        }
    }
}

impl Fields for Rows<'_> {
    #[inline(always)]
    fn take(&mut self, column: usize, span: Range<usize>) {
        // A null hides no value: a field may have several columns.
        if let Some(&Some(field)) = self.columns.get(column)
            && !span.is_empty()
        {
            let is_sink_time = self.layout.is_headless && matches!(field, Field::CreatedOn | Field::ModifiedOn);
            let is_usual = |text: &&str| !is_sink_time || is_canonical(text);
            match self.text.get(&span).filter(is_usual) {
                Some(text) => self.raw.set_borrowed(field, text),
                None => self.take_unusual(column, field, is_sink_time, span),
            }
        }
    }

    fn pieces(&mut self) -> &mut Pieces {
        self.raw.pieces()
    }

    /// What has quotes is no time.
    fn take_pieces(&mut self, column: usize) {
        if let Some(&Some(field)) = self.columns.get(column) {
            let is_text = self.raw.set_pieces(field);
            if !is_text {
                self.hold_against(column, "is not valid UTF-8");
            } else if self.raw.get(field).is_some_and(has_nul) {
                self.hold_against(column, "holds a NUL byte");
            }
        }
    }
}

fn has_nul(text: &str) -> bool {
    memchr::memchr(0, text.as_bytes()).is_some()
}

/// A time in the older spelling of Synapse Link, spelled as every other export does; what is no time stays as it is.
fn canonical_time(text: &str) -> Cow<'_, str> {
    match is_canonical(text) {
        true => text.into(),
        false => instant::parse_sink(text).map_or(text.into(), |on| Cow::Owned(instant::to_text(on))),
    }
}

/// Whether a time begins with its year.
fn is_canonical(time: &str) -> bool {
    time.as_bytes().get(4) == Some(&b'-')
}

/// The fields of the row that a text begins with, which may end with it; and where that row ends.
fn first_row(text: &[u8], separator: u8) -> Option<(Vec<String>, usize)> {
    let mut fields = Texts::of(text);
    match read_row(text, 0, separator, true, &mut fields) {
        Row::Complete { end, .. } => Some((fields.texts, end)),
        Row::Unfinished | Row::Broken => None,
    }
}

/// The fields of the first rows of a text, as far as they can be read, to tell what wrote them. A row that the text
/// ends in is given only if it is the first.
pub fn first_rows(text: &[u8], limit: usize) -> Vec<Vec<String>> {
    let (mut rows, mut at) = (Vec::new(), 0);
    while at < text.len() && rows.len() < limit {
        let mut texts = Texts::of(text);
        match read_row(text, at, b',', false, &mut texts) {
            Row::Complete { end, .. } => {
                rows.push(texts.texts);
                at = end;
            }
            Row::Broken => at += memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |length| length + 1),
            Row::Unfinished => {
                if rows.is_empty() {
                    rows.push(texts.texts);
                }
                break;
            }
        }
    }
    rows
}

/// Where a block may be cut: behind the last line if that alone is a row of all columns, else behind a line end that no
/// quoted field spans, if quotes are balanced.
pub fn last_row_end(bytes: &[u8], layout: &Layout) -> Option<usize> {
    let end = memchr::memrchr(b'\n', bytes)? + 1;
    let start = memchr::memrchr(b'\n', &bytes[..end - 1]).map_or(0, |before| before + 1);
    let row = first_row(&bytes[start..end], layout.separator);
    match row.is_some_and(|(fields, length)| fields.len() == layout.columns.len() && length == end - start) {
        true => Some(end),
        false => last_line_end_outside_quotes(bytes),
    }
}

fn last_line_end_outside_quotes(bytes: &[u8]) -> Option<usize> {
    let mut open = memchr::memchr_iter(b'"', bytes).count() % 2 == 1;
    let mut end = bytes.len();
    while let Some(line_end) = memchr::memrchr(b'\n', &bytes[..end]) {
        open ^= memchr::memchr_iter(b'"', &bytes[line_end..end]).count() % 2 == 1;
        if !open {
            return Some(line_end + 1);
        }
        end = line_end;
    }
    None
}

/// How many rows end in well-formed text: line ends outside quotes.
pub fn rows(bytes: &[u8]) -> u64 {
    let mut is_quoted = false;
    let mut rows = 0;
    for place in memchr::memchr2_iter(b'"', b'\n', bytes) {
        match bytes[place] {
            b'"' => is_quoted = !is_quoted,
            _ => rows += u64::from(!is_quoted),
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<Result<Vec<String>, &'static str>> {
        let bytes = text.as_bytes();
        let (mut at, mut rows) = (0, Vec::new());
        while at < bytes.len() {
            let mut texts = Texts::of(bytes);
            match read_row(bytes, at, b',', true, &mut texts) {
                Row::Complete { end, .. } => {
                    rows.push(Ok(texts.texts));
                    at = end;
                    continue;
                }
                Row::Unfinished => rows.push(Err("unfinished")),
                Row::Broken => rows.push(Err("broken")),
            }
            break;
        }
        rows
    }

    #[test]
    fn edge_cases_of_csv() {
        let ok = |fields: &[&str]| Ok(fields.iter().map(|f| f.to_string()).collect::<Vec<_>>());
        for (text, expected) in [
            ("a,b\n", vec![ok(&["a", "b"])]),
            ("a,b", vec![ok(&["a", "b"])]),
            ("a,b\r\nc,d\r\n", vec![ok(&["a", "b"]), ok(&["c", "d"])]),
            ("a,\n", vec![ok(&["a", ""])]),
            (",\n", vec![ok(&["", ""])]),
            ("\"a,b\",c\n", vec![ok(&["a,b", "c"])]),
            ("\"a\nb\",c\n", vec![ok(&["a\nb", "c"])]),
            ("\"a\"\"b\",c\n", vec![ok(&["a\"b", "c"])]),
            ("\"\"\"\"\"\",c\n", vec![ok(&["\"\"", "c"])]),
            ("\"\",c\n", vec![ok(&["", "c"])]),
            ("5\" pipe,c\n", vec![ok(&["5\" pipe", "c"])]),
            ("\"a\r\"\n", vec![ok(&["a\r"])]),
            ("\"a\"\r\n\"b\"", vec![ok(&["a"]), ok(&["b"])]),
            (",,\"\",\n", vec![ok(&["", "", "", ""])]),
            ("\"a\"\"b\"", vec![ok(&["a\"b"])]),
            ("\"a\"\"\"\r\n", vec![ok(&["a\""])]),
            ("\"a\"b,c\n", vec![Err("broken")]),
            ("\"a\"\"b\"c,d\n", vec![Err("broken")]),
            ("\"a\"\"b,c\n", vec![Err("unfinished")]),
            ("\"a\"\"", vec![Err("unfinished")]),
            ("\"a,c\n", vec![Err("unfinished")]),
            ("a,\"b", vec![Err("unfinished")]),
        ] {
            assert_eq!(rows(text), expected, "{text:?}");
        }
    }

    #[test]
    fn rows_of_well_formed_text_end_outside_quotes() {
        for (text, expected) in [("", 0), ("a,b\n", 1), ("a\n\nb", 2), ("\"a\nb\",\"c\"\"\n\"\n\n", 2)] {
            assert_eq!(super::rows(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn a_cut_never_falls_into_a_quoted_line_end() {
        assert_eq!(last_line_end_outside_quotes(b"a\n\"b\nc"), Some(2));
        assert_eq!(last_line_end_outside_quotes(b"a\n\"b\nc\"\nd"), Some(8));
        assert_eq!(last_line_end_outside_quotes(b"\"b\nc"), None);
    }

    #[test]
    fn a_cut_falls_behind_the_last_line_if_that_is_a_whole_row() {
        let layout = Layout::new(b',', ["createdon", "action", "useridname"].map(str::to_owned).into());
        for (text, expected) in [
            ("a,b,c\nd,e,f\ng", Some(12)),
            ("a,b,c\n", Some(6)),
            // No row of three fields: quotes tell.
            ("a,b,\"c\nd,e\"\nf", Some(12)),
            ("a,b,\"c\nd\ne", None),
            ("a,b,c\nd,\"e\nf\n", Some(6)),
            // It looks like a row and is none: the grammar finds out.
            ("a,b,\"c\nd,e,f\n", Some(13)),
            ("no line end", None),
        ] {
            assert_eq!(last_row_end(text.as_bytes(), &layout), expected, "{text:?}");
        }
    }
}
