//! What `gatelog rejects` shows: counts and the first few for people, everything for pipes, raw bytes for an editor.
//!
//! Raw bytes come from outside. For people they are one line in which every sign that could act on a terminal is
//! escaped; for pipes they are text where they are UTF-8, else hexadecimal, so that nothing is lost.

use crate::cli::{Listing, Shape};
use crate::console::one_line;
use gatelog::error::{Error, Result};
use gatelog::ingest::header_line;
use gatelog::lake::Lake;
use gatelog::lake::rejects::RejectRow;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{self, Write};

/// Inputs that are counted by name for people.
const SHOWN_SOURCES: usize = 20;

/// How much of raw bytes people see.
const EXCERPT_CHARS: usize = 120;

/// What the chosen rejects are, before any is shown.
#[derive(Default)]
pub struct Found {
    by_code: BTreeMap<String, u64>,
    by_source: BTreeMap<String, u64>,
    environments: BTreeSet<Option<String>>,
    zones: BTreeSet<Option<String>>,
    /// The headers that raw bytes would need above them, and forms that mix with no other.
    shapes: BTreeSet<(Option<String>, Option<String>)>,
}

/// Calls `see` with each chosen reject until it says stop.
fn each(lake: &Lake, listing: &Listing, mut see: impl FnMut(&RejectRow<'_>) -> bool) -> Result<()> {
    for batch in lake.rejects() {
        let batch = batch?;
        for row in 0..batch.num_rows() {
            let row = RejectRow::of(&batch, row);
            if listing.chooses(&row) && !see(&row) {
                return Ok(());
            }
        }
    }
    Ok(())
}

impl Found {
    pub fn count(lake: &Lake, listing: &Listing) -> Result<Found> {
        let mut found = Found::default();
        let mut last: Option<[Option<String>; 4]> = None;
        each(lake, listing, |row| {
            count(&mut found.by_code, row.code);
            count(&mut found.by_source, row.source);
            let now = [row.form, row.header, row.environment, row.source_tz];
            let is_new = last
                .as_ref()
                .is_none_or(|last| last.each_ref().map(Option::as_deref) != now);
            if is_new {
                last = Some(now.map(|text| text.map(str::to_owned)));
                found.environments.insert(row.environment.map(str::to_owned));
                found.zones.insert(row.source_tz.map(str::to_owned));
                let header = row.form.and_then(|form| header_line(form, row.header));
                let is_json = row.form.is_none_or(|form| form.ends_with("json"));
                let alone = row.form.filter(|_| !is_json && header.is_none());
                found.shapes.insert((header, alone.map(str::to_owned)));
            }
            true
        })?;
        Ok(found)
    }

    fn total(&self) -> u64 {
        self.by_code.values().sum()
    }

    /// What to know when ingesting raw bytes again; an error when they fit no single file.
    pub fn raw_notes(&self) -> Result<Vec<String>> {
        if self.shapes.len() > 1 {
            return Err(
                Error::usage("the chosen rejects are of several shapes, which fit no single file")
                    .hint("choose those of one export with --source TEXT"),
            );
        }
        let only = |set: &BTreeSet<Option<String>>| match set.iter().collect::<Vec<_>>()[..] {
            [Some(one)] => Some(one.clone()),
            _ => None,
        };
        let mut notes = Vec::new();
        match only(&self.environments) {
            Some(environment) => notes.push(format!("ingest them with --environment {environment}")),
            None if self.environments.len() > 1 => {
                notes.push("they belong to several environments: take each apart with --environment NAME".to_owned());
            }
            None => {}
        }
        if let Some(zone) = only(&self.zones).filter(|zone| zone != "UTC") {
            notes.push(format!("times without zone were read with --source-tz {zone}"));
        }
        Ok(notes.into_iter().map(|note| format!("note: {note}")).collect())
    }
}

fn count(counts: &mut BTreeMap<String, u64>, name: &str) {
    match counts.get_mut(name) {
        Some(count) => *count += 1,
        None => drop(counts.insert(name.to_owned(), 1)),
    }
}

/// Shows the chosen rejects. The outer result is the lake's, the inner one that of `out`.
pub fn list(lake: &Lake, listing: &Listing, found: &Found, out: &mut dyn Write) -> Result<io::Result<()>> {
    let mut shown = 0;
    let mut done = match listing.shape {
        Shape::People => write!(out, "{}", counts(found)),
        Shape::Raw => header(found, out),
        Shape::Csv => write_csv_header(out),
        Shape::Json => Ok(()),
    };
    each(lake, listing, |row| {
        if done.is_err() || shown == listing.rows {
            return false;
        }
        shown += 1;
        done = match listing.shape {
            Shape::People => write!(out, "{}", for_people(row)),
            Shape::Raw => out.write_all(row.raw).and_then(|()| out.write_all(b"\n")),
            Shape::Csv => write_csv(row, out),
            Shape::Json => serde_json::to_writer(&mut *out, &Whole::of(row))
                .map_err(io::Error::from)
                .and_then(|()| out.write_all(b"\n")),
        };
        true
    })?;
    let more = found.total().saturating_sub(shown as u64);
    if listing.shape == Shape::People && more > 0 {
        done = done.and_then(|()| {
            writeln!(
                out,
                "… and {more} more: --rows N lists more, --code and --source choose, --format json gives all"
            )
        });
    }
    Ok(done)
}

fn header(found: &Found, out: &mut dyn Write) -> io::Result<()> {
    match found.shapes.first() {
        Some((Some(line), _)) => writeln!(out, "{line}"),
        _ => Ok(()),
    }
}

fn counts(found: &Found) -> String {
    let noun = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    if found.by_code.is_empty() {
        return "0 rejects\n".to_owned();
    }
    let mut text = format!(
        "{} in {}\n",
        noun(found.total() as usize, "reject"),
        noun(found.by_source.len(), "input")
    );
    let width = found.total().to_string().len() + 2;
    for (counts, limit) in [(&found.by_code, usize::MAX), (&found.by_source, SHOWN_SOURCES)] {
        let mut most: Vec<(&String, &u64)> = counts.iter().collect();
        most.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        text.push('\n');
        for (name, count) in most.iter().take(limit) {
            // Writing into memory does not fail.
            let _ = writeln!(text, "{count:>width$}  {}", one_line(name));
        }
        if most.len() > limit {
            let _ = writeln!(text, "{:>width$}  and {} more", "…", noun(most.len() - limit, "input"));
        }
    }
    text.push('\n');
    text
}

fn for_people(row: &RejectRow<'_>) -> String {
    let place = row
        .byte_offset
        .map_or(String::new(), |offset| format!(", byte {offset}"));
    format!(
        "{} record {}{place}: {} ({})\n    {}\n",
        one_line(row.source),
        row.record,
        one_line(row.sentence),
        row.code,
        excerpt(row.raw)
    )
}

/// The beginning of raw bytes, on one line.
fn excerpt(raw: &[u8]) -> String {
    let head = &raw[..raw.len().min(4 * EXCERPT_CHARS)];
    let mut text = String::new();
    for part in head.utf8_chunks() {
        text += &one_line(part.valid());
        for byte in part.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    let is_cut = head.len() < raw.len() || text.chars().count() > EXCERPT_CHARS;
    let shown: String = text.chars().take(EXCERPT_CHARS).collect();
    match (is_cut, raw.len()) {
        (_, 0) => "(no bytes)".to_owned(),
        (true, bytes) => format!("{shown}… ({bytes} bytes)"),
        (false, _) => shown,
    }
}

/// All that is known of a reject.
#[derive(Serialize)]
struct Whole<'a> {
    source: &'a str,
    record: i64,
    byte_offset: Option<i64>,
    code: &'a str,
    sentence: &'a str,
    table: Option<&'a str>,
    environment: Option<&'a str>,
    environment_is_given: Option<bool>,
    source_tz: Option<&'a str>,
    form: Option<&'a str>,
    header: Option<&'a str>,
    date_order: Option<&'a str>,
    /// Micros since 1970.
    exported_on: Option<i64>,
    /// Exactly one of the two is set.
    raw: Option<&'a str>,
    raw_hex: Option<String>,
}

const COLUMNS: [&str; 15] = [
    "source",
    "record",
    "byte_offset",
    "code",
    "sentence",
    "table",
    "environment",
    "environment_is_given",
    "source_tz",
    "form",
    "header",
    "date_order",
    "exported_on",
    "raw",
    "raw_hex",
];

impl<'a> Whole<'a> {
    fn of(row: &RejectRow<'a>) -> Whole<'a> {
        let raw = std::str::from_utf8(row.raw).ok();
        let hex = |raw: &[u8]| {
            raw.iter().fold(String::with_capacity(2 * raw.len()), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            })
        };
        Whole {
            source: row.source,
            record: row.record,
            byte_offset: row.byte_offset,
            code: row.code,
            sentence: row.sentence,
            table: row.table,
            environment: row.environment,
            environment_is_given: row.environment_is_given,
            source_tz: row.source_tz,
            form: row.form,
            header: row.header,
            date_order: row.date_order,
            exported_on: row.exported_on,
            raw,
            raw_hex: raw.is_none().then(|| hex(row.raw)),
        }
    }
}

fn write_csv_header(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", COLUMNS.join(","))
}

fn write_csv(row: &RejectRow<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(out);
    writer.serialize(Whole::of(row)).map_err(io::Error::from)?;
    writer.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_one_line_without_signs_that_act() {
        for (raw, expected) in [
            (&b"plain \"text\" 'x' \\ "[..], "plain \"text\" 'x' \\ "),
            (b"two\nlines\r\tx", "two\\nlines\\r\\tx"),
            (b"\x1b[31mred\x07", "\\u{1b}[31mred\\u{7}"),
            (
                "\u{9b}31m \u{202e}txt \u{2028}".as_bytes(),
                "\\u{9b}31m \\u{202e}txt \\u{2028}",
            ),
            (b"a\xFF\xC3", "a\\xff\\xc3"),
            (b"\0", "\\0"),
            (b"", "(no bytes)"),
            ("Łódź".as_bytes(), "Łódź"),
        ] {
            assert_eq!(excerpt(raw), expected);
        }
        let long = excerpt(&[b'x'; 1000]);
        assert_eq!(long, format!("{}… (1000 bytes)", "x".repeat(EXCERPT_CHARS)));
    }

    #[test]
    fn csv_columns_are_those_of_json() {
        let row = RejectRow {
            source: "a",
            record: 1,
            byte_offset: None,
            code: "c",
            sentence: "s",
            table: None,
            environment: None,
            environment_is_given: None,
            source_tz: None,
            form: None,
            header: None,
            date_order: None,
            exported_on: None,
            raw: b"\xFF\x00",
        };
        let json = serde_json::to_string(&Whole::of(&row)).unwrap();
        let mut at = 0;
        for column in COLUMNS {
            let name = format!("\"{column}\":");
            at = json[at..].find(&name).map(|found| at + found + name.len()).unwrap();
        }
        assert!(json.ends_with("\"raw\":null,\"raw_hex\":\"ff00\"}"));
        let mut csv = Vec::new();
        write_csv(&row, &mut csv).unwrap();
        assert_eq!(csv, b"a,1,,c,s,,,,,,,,,,ff00\n");
    }
}
