//! Typed exports → text that the grammars of [`super::csv`] and [`super::json`] read.
//!
//! Enters: a file that can be read at any place, and which of the kinds it is. Leaves: a [`Head`] and a stream of text:
//!
//! | input | form | text |
//! |---|---|---|
//! | Parquet | `parquet` | NDJSON, a line per row; keys are the column names, every value a JSON string, null left out |
//! | data file of a Delta table | `delta` | the same, with the values of its partition |
//! | workbook | `xlsx` | CSV, a line per sheet row below the header, blank where the sheet's row is |
//!
//! So rejects, duplicates, blocks and the meaning of columns are the same for all forms. The text stands in no file:
//! its rejects have no byte offset, and their number is that of the row. Where a file cannot be read further the text
//! ends with an error of kind `InvalidData`; the rows before stay good.

pub mod delta;
mod parquet;
mod pipe;
mod values;
mod workbook;

use super::csv::Layout;
use super::head::{Form, Head, Known, Refusal, Table};
use super::refuse;
use delta::PartitionValues;
pub use pipe::Pipe;
use std::fs::File;
use std::io::{Read, Seek};
use std::sync::Arc;

/// A typed file, by its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Parquet,
    Workbook,
    /// A spreadsheet that gatelog does not read.
    Other(&'static str),
}

impl Refusal {
    /// `what` with its article: "a damaged {what}".
    fn damaged(what: &str, cause: &dyn std::fmt::Display) -> Refusal {
        Refusal::new(
            format!("is a damaged {what}: {}", innermost(cause)),
            "copy or export it again; if it opens elsewhere, save the rows as CSV",
        )
    }
}

/// What a decoder says, without the names of the layers that it passed on the way.
fn innermost(cause: &dyn std::fmt::Display) -> String {
    let text = cause.to_string();
    let said = text.rsplit_once("error: ").map_or(&*text, |(_, said)| said);
    said.strip_prefix("External: ").unwrap_or(said).to_owned()
}

/// Which typed file this is, if any. Leaves the place of reading anywhere.
pub fn kind_of(file: &File) -> Option<Kind> {
    let mut start = [0; 8];
    let mut file = file;
    file.rewind().ok()?;
    let count = file.by_ref().take(8).read(&mut start).ok()?;
    match &start[..count] {
        [b'P', b'A', b'R', b'1' | b'E', ..] => Some(Kind::Parquet),
        [0xD0, 0xCF, 0x11, 0xE0, ..] => Some(Kind::Other("an old .xls workbook, or one with a password")),
        [b'P', b'K', 3, 4, ..] => workbook::kind_of(file),
        _ => None,
    }
}

/// Opens a typed file: what its rows are, and their text. `partition` is that of a Delta table's data file.
pub fn open(
    kind: Kind,
    file: File,
    known: &Known,
    partition: Option<PartitionValues>,
) -> Result<(Head, Pipe), Refusal> {
    let known = known.clone();
    match kind {
        Kind::Parquet => {
            let form = if partition.is_some() { "delta" } else { "parquet" };
            let (names, text) = pipe::start("Parquet file", || parquet::open(file, partition.unwrap_or_default()))?;
            let layout = layout_of(names);
            let head = Head {
                typed: Some(form),
                table: accept(&layout)?,
                ..Head::new(Form::Lines, &known, (0, 0))
            };
            Ok((head, text))
        }
        Kind::Workbook => {
            let (sheet, text) = pipe::start("workbook", || workbook::open(file))?;
            let table = accept(&sheet.layout)?;
            let notes = [refuse::notes_of(&sheet.layout, table), sheet.notes].concat();
            let head = Head {
                typed: Some("xlsx"),
                table,
                notes,
                ..Head::new(Form::Csv(Arc::new(sheet.layout)), &known, (0, sheet.header_row))
            };
            Ok((head, text))
        }
        Kind::Other(what) => Err(Refusal::new(
            format!("is {what}, which gatelog does not read"),
            "save it as .xlsx without a password, or as CSV",
        )),
    }
}

/// Column names without a header line, as one.
fn layout_of(names: Vec<String>) -> Layout {
    Layout::new(b',', names)
}

/// The table whose rows such columns hold, if they can be read.
fn accept(layout: &Layout) -> Result<Table, Refusal> {
    let table = Table::with_columns(|field| layout.has(field));
    match refuse::by_columns(layout) {
        Some(refused) if table == Table::Audit => Err(refused),
        _ => Ok(table),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_told_without_the_layers_they_passed() {
        for (cause, told) in [
            (
                "Parquet argument error: External: snappy: corrupt input",
                "snappy: corrupt input",
            ),
            (
                "Parquet error: Invalid Parquet file. Corrupt footer",
                "Invalid Parquet file. Corrupt footer",
            ),
            ("its decoder gave up", "its decoder gave up"),
        ] {
            assert_eq!(innermost(&cause), told);
        }
    }
}
