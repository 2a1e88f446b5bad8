//! CSV and TSV, row by row: with a header line, or without one when the column names are known from elsewhere.
//!
//! The grammar is RFC 4180: a field that begins with `"` ends at the next single `"`, which a separator or a line end
//! must follow; a quote elsewhere is an ordinary character. A row that breaks this is rejected up to its line end, and
//! reading goes on with the next line, so an unclosed quote costs one line and not the rest of the file.

use super::block::{Block, Sink, Stop};
use super::fields::{Field, field_of, is_list_of_accesses, tool_field_of};
use super::lines::{Line, Lines};
use super::normalize::{Fault, fault};
use super::raw::Raw;
use super::words::{self, equal};
use crate::instant;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::ops::{ControlFlow, Range};

/// What the header line says, or whoever knows the columns of a file that has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    pub separator: u8,
    /// The meaning of each column; `None` for a column gatelog has no use for.
    pub columns: Vec<Option<Field>>,
    /// The column names as written.
    pub names: Vec<String>,
    /// Set where Synapse Link wrote the rows. They have no header line; columns are appended over the years, so older
    /// rows are shorter than the names; times may be spelled as [`instant::parse_sink`] reads them.
    pub is_headless: bool,
}

/// Separators that exports use, the likeliest first.
const SEPARATORS: [u8; 3] = *b",;\t";

impl Layout {
    /// Reads a header line; `None` when no separator makes it a list of names of which gatelog knows two.
    pub fn of_header(text: &[u8]) -> Option<(Layout, usize)> {
        SEPARATORS
            .iter()
            .filter_map(|&separator| Self::with_separator(text, separator))
            .max_by_key(|(layout, _)| layout.columns.iter().flatten().count())
            .filter(|(layout, _)| layout.columns.iter().flatten().count() >= 2)
    }

    fn with_separator(text: &[u8], separator: u8) -> Option<(Layout, usize)> {
        let mut cells = Vec::new();
        let Row::Complete(end) = read_row(text, 0, separator, true, &mut cells) else {
            return None;
        };
        let name = |cell: &Cell| cell.lossy_text(text).trim().to_owned();
        Some((Layout::new(separator, cells.iter().map(name).collect()), end))
    }

    pub fn new(separator: u8, names: Vec<String>) -> Layout {
        Layout {
            separator,
            columns: fields_of(&names),
            names,
            is_headless: false,
        }
    }

    /// The layout of rows of Synapse Link, whose columns have these names.
    pub fn of_names(names: Vec<String>) -> Layout {
        Layout {
            columns: names.iter().map(|name| field_of(name)).collect(),
            is_headless: true,
            ..Layout::new(b',', names)
        }
    }

    /// All it takes to read a row on its own.
    pub fn to_json(&self) -> String {
        let separator = char::from(self.separator);
        json!({"separator": separator, "columns": self.names, "is_headless": self.is_headless}).to_string()
    }

    /// A header line for rows of this layout.
    pub fn to_line(&self) -> String {
        let quoted = self.names.iter().map(
            |name| match name.contains(['"', '\n', '\r', char::from(self.separator)]) {
                true => format!("\"{}\"", name.replace('"', "\"\"")),
                false => name.clone(),
            },
        );
        quoted.collect::<Vec<_>>().join(&char::from(self.separator).to_string())
    }

    pub fn from_json(text: &str) -> Option<Layout> {
        let header: Value = serde_json::from_str(text).ok()?;
        let separator = header["separator"].as_str()?.as_bytes().first()?;
        let names = header["columns"]
            .as_array()?
            .iter()
            .map(|name| name.as_str().map(str::to_owned));
        let names = names.collect::<Option<_>>()?;
        Some(match header["is_headless"].as_bool() {
            Some(true) => Layout::of_names(names),
            _ => Layout::new(*separator, names),
        })
    }

    /// Whether rows say who by an id.
    pub fn identifies_people(&self) -> bool {
        self.has(Field::UserId) || self.has(Field::ObjectId)
    }

    pub fn has(&self, field: Field) -> bool {
        self.columns.contains(&Some(field))
    }
}

/// What each column means: a table's own columns first; a tool's words only for what these leave open, once each.
fn fields_of(names: &[String]) -> Vec<Option<Field>> {
    let mut fields: Vec<Option<Field>> = names.iter().map(|name| field_of(name)).collect();
    for (place, name) in names.iter().enumerate() {
        if fields[place].is_none() {
            fields[place] = tool_field_of(name).filter(|field| !fields.contains(&Some(*field)));
        }
    }
    if is_list_of_accesses(names) {
        fields
            .iter_mut()
            .filter(|field| **field == Some(Field::UserName))
            .for_each(|field| *field = Some(Field::ObjectName));
    }
    fields
}

/// A field.
struct Cell {
    /// Where it stands, without the quotes around it.
    span: Range<usize>,
    /// What it says, if it has doubled quotes.
    undone: Option<Vec<u8>>,
}

impl Cell {
    fn lossy_text<'a>(&'a self, bytes: &'a [u8]) -> Cow<'a, str> {
        String::from_utf8_lossy(self.undone.as_deref().unwrap_or_else(|| &bytes[self.span.clone()]))
    }
}

enum Row {
    /// The row ends before this place.
    Complete(usize),
    /// The bytes end inside a quoted field.
    Unfinished,
    /// A closing quote is followed by something else.
    Broken,
}

/// Takes the fields of a row, one after the other; a closure would be called for each, since it is used in two places.
trait Fields {
    fn take(&mut self, cell: Cell);
}

impl Fields for Vec<Cell> {
    fn take(&mut self, cell: Cell) {
        self.push(cell);
    }
}

/// Reads the row at `start`; `fields` gets its fields, also those of a row that turns out not to be one.
#[inline(always)]
fn read_row(bytes: &[u8], start: usize, separator: u8, last: bool, fields: &mut impl Fields) -> Row {
    let mut at = start;
    loop {
        let is_quoted = bytes.get(at) == Some(&b'"');
        let (mut cell, after) = match is_quoted {
            true => match quoted(bytes, at + 1) {
                Some(found) => found,
                None => return Row::Unfinished,
            },
            false => {
                let end = words::find(bytes, at, |word| equal(word, separator) | equal(word, b'\n'));
                let (span, undone) = (at..end, None);
                let cell = Cell { span, undone };
                // Most fields.
                if bytes.get(end) == Some(&separator) {
                    fields.take(cell);
                    at = end + 1;
                    continue;
                }
                (cell, end)
            }
        };
        let next = match bytes.get(after..).unwrap_or_default() {
            [byte, ..] if *byte == separator => ControlFlow::Continue(after + 1),
            [b'\n', ..] => ControlFlow::Break(Row::Complete(after + 1)),
            [b'\r', b'\n', ..] => ControlFlow::Break(Row::Complete(after + 2)),
            [] | [b'\r'] if last => ControlFlow::Break(Row::Complete(bytes.len())),
            [] | [b'\r'] => ControlFlow::Break(Row::Unfinished),
            _ => ControlFlow::Break(Row::Broken),
        };
        // It takes the `\r` of `\r\n` with it, which is no part of the value.
        if !is_quoted
            && let ControlFlow::Break(Row::Complete(_)) = next
            && bytes[cell.span.clone()].ends_with(b"\r")
        {
            cell.span.end -= 1;
        }
        fields.take(cell);
        match next {
            ControlFlow::Continue(next) => at = next,
            ControlFlow::Break(row) => return row,
        }
    }
}

/// The rest of a quoted field, and the place behind its closing quote.
fn quoted(bytes: &[u8], start: usize) -> Option<(Cell, usize)> {
    let is_quote = |word| equal(word, b'"');
    let mut end = words::find(bytes, start, is_quote);
    let mut undone = None;
    while bytes.get(end + 1) == Some(&b'"') {
        let text = undone.get_or_insert_with(|| {
            // What has quotes is mostly change data, of some hundred bytes.
            let mut text = Vec::with_capacity(end - start + 1000);
            text.extend_from_slice(&bytes[start..end]);
            text
        });
        end = words::copy(bytes, end + 1, text, is_quote);
    }
    let span = start..end;
    (end < bytes.len()).then_some((Cell { span, undone }, end + 1))
}

/// Parses the rows of a block.
pub fn parse(block: &Block, layout: &Layout, sink: &mut Sink<'_>) -> Stop {
    let mut rows = Rows::of(block, layout);
    let mut lines = Lines::new(block);
    while lines.pass_too_long(sink) {
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
        rows.begin();
        let fault = match read_row(window, start, layout.separator, ends_here, &mut rows) {
            Row::Complete(end) => {
                rows.deliver(start..end, sink);
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
    lines.stop()
}

/// The rows of a block, one after the other.
struct Rows<'b> {
    block: &'b Block,
    layout: &'b Layout,
    /// The bytes as text: known to be one and without NUL, they need no look at each field.
    text: Option<&'b str>,
    raw: Raw<'b>,
    /// How many fields the row has so far.
    found: usize,
    /// What is wrong with the first of them that could not be taken.
    fault: Option<Fault>,
}

impl<'b> Rows<'b> {
    fn of(block: &'b Block, layout: &'b Layout) -> Rows<'b> {
        let text = simdutf8::basic::from_utf8(&block.bytes).ok();
        Rows {
            block,
            layout,
            text: text.filter(|text| memchr::memchr(0, text.as_bytes()).is_none()),
            raw: Raw::default(),
            found: 0,
            fault: None,
        }
    }

    /// Forgets the row before.
    fn begin(&mut self) {
        self.raw.clear();
        (self.found, self.fault) = (0, None);
    }

    #[inline(never)]
    fn take_unusual(&mut self, column: usize, field: Field, is_sink_time: bool, cell: Cell) {
        match text_of(&self.block.bytes, cell, &self.layout.names[column]) {
            Ok(text) if is_sink_time => self.raw.set(field, canonical_time(text)),
            Ok(text) => self.raw.set(field, text),
            Err(fault) => self.fault = self.fault.take().or(Some(fault)),
        }
    }

    /// Hands the row on, as a record or as a reject.
    fn deliver(&mut self, span: Range<usize>, sink: &mut Sink<'_>) {
        let (found, expected) = (self.found, self.layout.columns.len());
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
    fn take(&mut self, cell: Cell) {
        let column = self.found;
        self.found += 1;
        // A null hides no value: a field may have several columns.
        if let Some(&Some(field)) = self.layout.columns.get(column)
            && !cell.span.is_empty()
        {
            let is_sink_time = self.layout.is_headless && matches!(field, Field::CreatedOn | Field::ModifiedOn);
            let is_usual = |text: &&str| cell.undone.is_none() && (!is_sink_time || is_canonical(text));
            match self.text.and_then(|text| text.get(cell.span.clone())).filter(is_usual) {
                Some(text) => self.raw.set_borrowed(field, text),
                None => self.take_unusual(column, field, is_sink_time, cell),
            }
        }
    }
}

fn text_of<'a>(bytes: &'a [u8], cell: Cell, name: &str) -> Result<Cow<'a, str>, Fault> {
    let text = match cell.undone {
        None => std::str::from_utf8(&bytes[cell.span]).map(Cow::Borrowed).ok(),
        Some(text) => String::from_utf8(text).map(Cow::Owned).ok(),
    };
    let text = text.ok_or_else(|| fault("encoding", format!("column {name} is not valid UTF-8")))?;
    match memchr::memchr(0, text.as_bytes()).is_some() {
        true => Err(fault("encoding", format!("column {name} holds a NUL byte"))),
        false => Ok(text),
    }
}

/// A time in the older spelling of Synapse Link, spelled as every other export does; what is no time stays as it is.
fn canonical_time(text: Cow<'_, str>) -> Cow<'_, str> {
    match is_canonical(&text) {
        true => text,
        false => instant::parse_sink(&text).map_or(text, |on| Cow::Owned(instant::to_text(on))),
    }
}

/// Whether a time begins with its year.
fn is_canonical(time: &str) -> bool {
    time.as_bytes().get(4) == Some(&b'-')
}

/// The fields of the first rows of a text, as far as they can be read, to tell what wrote them. A row that the text
/// ends in is given only if it is the first.
pub fn first_rows(text: &[u8], limit: usize) -> Vec<Vec<String>> {
    let (mut rows, mut at) = (Vec::new(), 0);
    while at < text.len() && rows.len() < limit {
        let mut cells = Vec::new();
        let row = read_row(text, at, b',', false, &mut cells);
        let texts = cells.iter().map(|cell| cell.lossy_text(text).into_owned()).collect();
        match row {
            Row::Complete(end) => {
                rows.push(texts);
                at = end;
            }
            Row::Broken => at += memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |length| length + 1),
            Row::Unfinished => {
                if rows.is_empty() {
                    rows.push(texts);
                }
                break;
            }
        }
    }
    rows
}

/// Where a block may be cut: behind a line end that no quoted field spans, if quotes are balanced.
pub fn last_row_end(bytes: &[u8]) -> Option<usize> {
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
            let mut cells = Vec::new();
            let row = read_row(bytes, at, b',', true, &mut cells);
            let texts = cells.iter().map(|cell| cell.lossy_text(bytes).into_owned()).collect();
            match row {
                Row::Complete(end) => {
                    rows.push(Ok(texts));
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
            ("\"a\"b,c\n", vec![Err("broken")]),
            ("\"a,c\n", vec![Err("unfinished")]),
            ("a,\"b", vec![Err("unfinished")]),
        ] {
            assert_eq!(rows(text), expected, "{text:?}");
        }
    }

    #[test]
    fn the_separator_is_the_one_that_makes_most_columns_known() {
        for (header, separator) in [
            ("auditid,createdon,action\n", b','),
            ("auditid;createdon;action\r\n", b';'),
            ("auditid\tcreatedon\taction", b'\t'),
        ] {
            let (layout, _) = Layout::of_header(header.as_bytes()).unwrap();
            assert_eq!((layout.separator, layout.columns.len()), (separator, 3), "{header:?}");
        }
        assert_eq!(Layout::of_header(b"hello, world\n"), None);
    }

    #[test]
    fn rows_of_well_formed_text_end_outside_quotes() {
        for (text, expected) in [("", 0), ("a,b\n", 1), ("a\n\nb", 2), ("\"a\nb\",\"c\"\"\n\"\n\n", 2)] {
            assert_eq!(super::rows(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn a_cut_never_falls_into_a_quoted_line_end() {
        assert_eq!(last_row_end(b"a\n\"b\nc"), Some(2));
        assert_eq!(last_row_end(b"a\n\"b\nc\"\nd"), Some(8));
        assert_eq!(last_row_end(b"\"b\nc"), None);
    }
}
