//! JSON with a line for each field of the whole and a line for each entry of its lists: short enough for thousands of
//! entries, and still a text that a person can read and `diff` can compare.

use serde::Serialize;
use serde_json::ser::Formatter;
use std::io::{self, Write};

pub fn to_json<T: Serialize>(value: &T) -> serde_json::Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, EntryPerLine::default());
    value.serialize(&mut serializer)?;
    text.push(b'\n');
    Ok(text)
}

/// How deep the fields of the whole lie, and how deep the entries of its lists.
const FIELDS: usize = 1;
const ENTRIES: usize = 2;

#[derive(Default)]
struct EntryPerLine {
    depth: usize,
    is_empty: bool,
}

impl EntryPerLine {
    fn next<W: Write + ?Sized>(&mut self, out: &mut W, is_first: bool, line_depth: usize) -> io::Result<()> {
        self.is_empty = false;
        out.write_all(match (is_first, self.depth == line_depth) {
            (true, true) => b"\n",
            (true, false) => b"",
            (false, true) => b",\n",
            (false, false) => b",",
        })
    }

    fn open<W: Write + ?Sized>(&mut self, out: &mut W, sign: &[u8]) -> io::Result<()> {
        self.depth += 1;
        self.is_empty = true;
        out.write_all(sign)
    }

    fn close<W: Write + ?Sized>(&mut self, out: &mut W, sign: &[u8], line_depth: usize) -> io::Result<()> {
        if self.depth == line_depth && !self.is_empty {
            out.write_all(b"\n")?;
        }
        self.depth -= 1;
        self.is_empty = false;
        out.write_all(sign)
    }
}

impl Formatter for EntryPerLine {
    fn begin_object<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.open(out, b"{")
    }

    fn end_object<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.close(out, b"}", FIELDS)
    }

    fn begin_object_key<W: Write + ?Sized>(&mut self, out: &mut W, is_first: bool) -> io::Result<()> {
        self.next(out, is_first, FIELDS)
    }

    fn begin_array<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.open(out, b"[")
    }

    fn end_array<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.close(out, b"]", ENTRIES)
    }

    fn begin_array_value<W: Write + ?Sized>(&mut self, out: &mut W, is_first: bool) -> io::Result<()> {
        self.next(out, is_first, ENTRIES)
    }
}
