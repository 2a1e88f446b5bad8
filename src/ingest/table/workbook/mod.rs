//! Workbook (`.xlsx`) → CSV, a sheet row at a time.
//!
//! Read is the first sheet among whose first rows one is a header gatelog knows; title rows before it are passed over.
//! The text has one line per sheet row after the header, empty where the row is, so that lines count as Excel counts
//! them. A date is stored as a number of days and becomes `2026-03-01T08:00:00.123`, rounded to the millisecond and
//! without a zone, since Excel knows none; a whole number is written whole; an error value is empty.
//!
//! Memory: the shared texts of a workbook are held whole, at most [`check::MAX_SHARED_BYTES`] of XML; its rows are streamed.

mod cells;
mod check;
/// Whether rows under these columns are of a table that gatelog reads.
fn is_readable(layout: &Layout) -> bool {
    Table::with_columns(|field| layout.has(field)) != Table::Audit || refuse::by_columns(layout).is_none()
}

#[cfg(test)]
mod tests;

use super::Kind;
use super::pipe::{PipeWriter, Rows, corrupt};
use crate::ingest::csv::Layout;
use crate::ingest::head::Refusal;
use crate::ingest::head::Table;
use crate::ingest::refuse;
use calamine::{Reader, SheetType, Xlsx, XlsxError};
use cells::{text, write_line};
use check::check_parts;
use std::fs::File;
use std::io::{self, BufReader};
use zip::ZipArchive;

/// Excel's own limit.
const MAX_ROWS: u32 = 1 << 20;

/// How many rows with values may come before the header.
const HEADER_AMONG_ROWS: usize = 32;

type Book = Xlsx<BufReader<File>>;

/// The sheet that is read.
pub struct Sheet {
    pub layout: Layout,
    /// The number of its header row, counted from 1 as Excel does.
    pub header_row: u64,
    pub notes: Vec<String>,
}

/// Where the header of a sheet stands.
struct Header {
    layout: Layout,
    row: u32,
    first_column: u32,
}

/// Which kind of workbook a ZIP archive is, if it is one.
pub fn kind_of(file: &File) -> Option<Kind> {
    let archive = ZipArchive::new(BufReader::new(file)).ok()?;
    let has = |name| archive.index_for_name(name).is_some();
    if has("xl/workbook.xml") {
        Some(Kind::Workbook)
    } else if has("xl/workbook.bin") {
        Some(Kind::Other("an .xlsb workbook"))
    } else if has("mimetype") && has("content.xml") {
        Some(Kind::Other("an OpenDocument file"))
    } else {
        None
    }
}

/// Opens a workbook: which sheet is read, and its rows.
pub fn open(file: File) -> Result<(Sheet, Rows), Refusal> {
    check_parts(&file)?;
    let damaged = |cause: XlsxError| Refusal::damaged("workbook", &cause);
    let mut book = Book::new(BufReader::new(file)).map_err(damaged)?;
    let sheets = book.sheets_metadata().iter();
    let names: Vec<String> = sheets
        .filter(|sheet| sheet.typ == SheetType::WorkSheet)
        .map(|sheet| sheet.name.clone())
        .collect();
    let (mut found, mut incomplete) = (None, None);
    let (mut further, mut others) = (Vec::new(), Vec::new());
    for name in names {
        match header(&mut book, &name).map_err(damaged)? {
            Some(header) if !is_readable(&header.layout) => {
                incomplete = incomplete.or(Some((name.clone(), header)));
                others.push(name);
            }
            Some(header) if found.is_none() => found = Some((name, header)),
            Some(_) => further.push(name),
            None => others.push(name),
        }
    }
    // A header that lacks columns is refused by whoever asked, in the words used for any header.
    let Some((name, header)) = found.or(incomplete) else {
        return Err(refuse_sheets(&others));
    };
    let sheet = Sheet {
        layout: header.layout.clone(),
        header_row: u64::from(header.row) + 1,
        notes: notes(&name, &further, &others),
    };
    Ok((sheet, Box::new(move |pipe| write_rows(book, &name, &header, pipe))))
}

fn refuse_sheets(names: &[String]) -> Refusal {
    Refusal::new(
        format!(
            "is a workbook in which no sheet has a header gatelog knows; its sheets: {}",
            list(names)
        ),
        refuse::NAME_THE_COLUMNS,
    )
}

fn notes(name: &str, further: &[String], others: &[String]) -> Vec<String> {
    let mut notes = Vec::new();
    if !further.is_empty() {
        notes.push(format!(
            "only the sheet {} was read; further sheets with audit columns, to be saved as workbooks of their own: {}",
            list(&[name.to_owned()]),
            list(further)
        ));
    }
    if !others.is_empty() {
        notes.push(format!(
            "sheets without audit columns were passed over: {}",
            list(others)
        ));
    }
    notes
}

fn list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    quoted.join(", ")
}

/// Looks for a header among the first rows of a sheet.
fn header(book: &mut Book, sheet: &str) -> Result<Option<Header>, XlsxError> {
    let epoch = book.has_1904_epoch();
    let mut cells = book.worksheet_cells_reader(sheet)?;
    let mut row = SheetRow::default();
    let mut seen = 0;
    loop {
        let cell = next_cell(&mut cells, epoch)?;
        if cell.as_ref().is_none_or(|cell| cell.row != row.number) {
            if let Some(header) = row.as_header() {
                return Ok(Some(header));
            }
            seen += usize::from(!row.cells.is_empty());
            row.cells.clear();
        }
        let Some(cell) = cell.filter(|_| seen < HEADER_AMONG_ROWS) else {
            return Ok(None);
        };
        row.number = cell.row;
        if !cell.text.is_empty() {
            row.cells.push((cell.column, cell.text));
        }
    }
}

/// The cells of a row that hold a text, with their columns.
#[derive(Default)]
struct SheetRow {
    number: u32,
    cells: Vec<(u32, String)>,
}

impl SheetRow {
    fn as_header(&self) -> Option<Header> {
        let first_column = self.cells.iter().map(|(column, _)| *column).min()?;
        let last_column = self.cells.iter().map(|(column, _)| *column).max()?;
        let mut names = vec![String::new(); (last_column - first_column + 1) as usize];
        for (column, text) in &self.cells {
            names[(column - first_column) as usize].clone_from(text);
        }
        let mut line = Vec::new();
        write_line(&mut line, &names).ok()?;
        let (layout, _) = Layout::of_header(&line)?;
        Some(Header {
            layout,
            row: self.number,
            first_column,
        })
    }
}

struct Cell {
    row: u32,
    column: u32,
    text: String,
}

fn next_cell(
    cells: &mut calamine::XlsxCellReader<'_, BufReader<File>>,
    is_1904: bool,
) -> Result<Option<Cell>, XlsxError> {
    loop {
        let cell = match cells.next_cell() {
            Ok(Some(cell)) => cell,
            Ok(None) => return Ok(None),
            // An error value that came to Excel later, such as #SPILL!, is empty like the others.
            Err(XlsxError::CellError(_)) => continue,
            Err(cause) => return Err(cause),
        };
        let (row, column) = cell.get_position();
        if row >= MAX_ROWS {
            return Err(XlsxError::RowNumberOverflow);
        }
        let text = text(cell.get_value(), is_1904);
        return Ok(Some(Cell { row, column, text }));
    }
}

/// Writes every sheet row below the header as a line.
fn write_rows(mut book: Book, sheet: &str, header: &Header, pipe: &mut PipeWriter) -> io::Result<()> {
    let is_1904 = book.has_1904_epoch();
    let mut reader = book.worksheet_cells_reader(sheet).map_err(corrupt)?;
    let width = header.layout.names.len();
    let mut cells = vec![String::new(); width];
    let mut row = header.row + 1;
    loop {
        let cell = next_cell(&mut reader, is_1904).map_err(corrupt)?;
        let next = cell.as_ref().map_or(row + 1, |cell| cell.row);
        if cell.is_some() && next <= header.row {
            continue;
        }
        if next < row {
            return Err(corrupt("its rows are out of order"));
        }
        while row < next {
            write_line(pipe, &cells)?;
            cells.iter_mut().for_each(String::clear);
            row += 1;
        }
        let Some(cell) = cell else { return Ok(()) };
        let place = cell.column.checked_sub(header.first_column);
        if let Some(place) = place.and_then(|place| cells.get_mut(place as usize)) {
            *place = cell.text;
        }
    }
}
