//! Workbook (`.xlsx`) → CSV, a sheet row at a time.
//!
//! Read is the first sheet among whose first rows one is a header gatelog knows; title rows before it are passed over.
//! The text has one line per sheet row after the header, empty where the row is, so that lines count as Excel counts
//! them. A date is stored as a number of days and becomes `2026-03-01T08:00:00.123`, rounded to the millisecond and
//! without a zone, since Excel knows none; a whole number is written whole; an error value is empty.
//!
//! Memory: the shared texts of a workbook are held whole, at most [`MAX_SHARED_BYTES`] of XML; its rows are streamed.

use super::pipe::{PipeWriter, Rows, corrupt};
use super::{Kind, Refusal};
use crate::ingest::csv::Layout;
use crate::ingest::recognise::refuse_by_columns;
use calamine::{DataRef, Reader, SheetType, Xlsx, XlsxError};
use chrono::{Days, NaiveDate};
use memchr::memmem;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use zip::ZipArchive;

/// How much XML the parts that are held whole may have together.
const MAX_SHARED_BYTES: u64 = 512 << 20;

/// Excel allows 32,767 characters in a cell; this is far more, and far less than memory.
const MAX_TEXT_BYTES: usize = 16 << 20;

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
    let archive = ZipArchive::new(file).ok()?;
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
            Some(header) if refuse_by_columns(&header.layout).is_some() => {
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
        "a header must name at least createdon and action, as the Web API or SQL spell them",
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

/// Checks what calamine takes on trust: how much there is to hold, and how many texts are announced.
fn check_parts(file: &File) -> Result<(), Refusal> {
    let damaged = |cause: &dyn std::fmt::Display| Refusal::damaged("workbook", cause);
    let mut archive = ZipArchive::new(file).map_err(|cause| damaged(&cause))?;
    let mut held = 0;
    for place in 0..archive.len() {
        let part = archive.by_index(place).map_err(|cause| damaged(&cause))?;
        let name = part.name().map_err(|cause| damaged(&cause))?.to_ascii_lowercase();
        if !name.ends_with(".xml") && !name.ends_with(".rels") {
            continue;
        }
        let is_sheet = name.starts_with("xl/worksheets/");
        // What Excel itself keeps apart from the cells, and calamine never opens.
        if ["xl/pivotcache/", "xl/drawings/", "xl/charts/", "customxml/"]
            .iter()
            .any(|folder| name.starts_with(folder))
        {
            continue;
        }
        let limit = if is_sheet { u64::MAX } else { MAX_SHARED_BYTES - held };
        let measured = measure(part, limit).map_err(|cause| damaged(&cause))?;
        if !is_sheet {
            held += measured.bytes;
        }
        if held >= MAX_SHARED_BYTES || measured.longest_text > MAX_TEXT_BYTES {
            return Err(Refusal::new(
                "is a workbook whose texts are larger than Excel writes them",
                "save the sheet as CSV",
            ));
        }
        if measured.announced > measured.bytes {
            return Err(damaged(&"it announces more texts than it has"));
        }
    }
    Ok(())
}

struct Measured {
    bytes: u64,
    /// The longest stretch without a tag.
    longest_text: usize,
    /// The largest `uniqueCount`, for which memory is set aside before anything is read.
    announced: u64,
}

fn measure(part: impl Read, limit: u64) -> io::Result<Measured> {
    const ANNOUNCED: &[u8] = b"uniqueCount";
    const OVERLAP: usize = 64;
    let mut measured = Measured {
        bytes: 0,
        longest_text: 0,
        announced: 0,
    };
    let mut part = part.take(limit);
    let mut window = Vec::new();
    let mut text = 0;
    loop {
        let kept = window.len();
        let count = part.by_ref().take(1 << 18).read_to_end(&mut window)?;
        if count == 0 {
            return Ok(measured);
        }
        measured.bytes += count as u64;
        let mut start = 0;
        for tag in memchr::memchr_iter(b'<', &window[kept..]) {
            measured.longest_text = measured.longest_text.max(text + tag - start);
            (text, start) = (0, tag);
        }
        text += count - start;
        measured.longest_text = measured.longest_text.max(text);
        for found in memmem::find_iter(&window, ANNOUNCED) {
            let digits = window[found + ANNOUNCED.len()..]
                .iter()
                .skip_while(|byte| !byte.is_ascii_digit())
                .take_while(|byte| byte.is_ascii_digit());
            let number = digits.fold(0u64, |number, digit| {
                number.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
            });
            measured.announced = measured.announced.max(number);
        }
        window.drain(..window.len().saturating_sub(OVERLAP));
    }
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

fn text(value: &DataRef<'_>, is_1904: bool) -> String {
    match value {
        DataRef::Empty | DataRef::Error(_) => String::new(),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => number_text(*number),
        DataRef::Bool(value) => value.to_string(),
        DataRef::DateTime(time) => Some(time.as_f64())
            .filter(|_| time.is_datetime())
            .and_then(|days| time_text(days, is_1904))
            .unwrap_or_else(|| number_text(time.as_f64())),
    }
}

/// Whole numbers without a fraction, up to where a float no longer holds each of them.
fn number_text(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < 9e15 {
        format!("{}", number as i64)
    } else {
        number.to_string()
    }
}

/// The time that Excel shows for a number of days; `None` for one that it does not show, or that never was.
///
/// In the older of its two calendars, day 1 is 1900-01-01 and day 60 a 29 February 1900, which did not exist.
fn time_text(days: f64, is_1904: bool) -> Option<String> {
    const DAY_MS: u64 = 86_400_000;
    const LAST_DAY: f64 = 2_958_466.0;
    if !(0.0..LAST_DAY).contains(&days) {
        return None;
    }
    let ms = (days * DAY_MS as f64).round() as u64;
    let (day, clock) = (ms / DAY_MS, ms % DAY_MS);
    let first = match (is_1904, day) {
        (true, _) => NaiveDate::from_ymd_opt(1904, 1, 1),
        (false, 0..60) => NaiveDate::from_ymd_opt(1899, 12, 31),
        (false, 60) => None,
        (false, _) => NaiveDate::from_ymd_opt(1899, 12, 30),
    };
    let date = first?.checked_add_days(Days::new(day))?;
    let (seconds, ms) = (clock / 1000, clock % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fraction = if ms == 0 { String::new() } else { format!(".{ms:03}") };
    Some(format!("{date}T{hour:02}:{minute:02}:{second:02}{fraction}"))
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

/// A row as a CSV line; one without values as an empty line.
fn write_line(line: &mut impl Write, cells: &[String]) -> io::Result<()> {
    if cells.iter().all(String::is_empty) {
        return line.write_all(b"\n");
    }
    for (place, cell) in cells.iter().enumerate() {
        if place > 0 {
            line.write_all(b",")?;
        }
        if memchr::memchr3(b',', b'"', b'\n', cell.as_bytes()).is_none() && !cell.contains('\r') {
            line.write_all(cell.as_bytes())?;
        } else {
            write!(line, "\"{}\"", cell.replace('"', "\"\""))?;
        }
    }
    line.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excel_times_are_rounded_to_the_millisecond_in_both_calendars() {
        let eight = 8.0 / 24.0;
        for (days, is_1904, expected) in [
            (46_082.0 + eight, false, Some("2026-03-01T08:00:00")),
            (46_082.0 + eight - 1e-9, false, Some("2026-03-01T08:00:00")),
            (
                46_082.0 + eight + 0.123 / 86_400.0,
                false,
                Some("2026-03-01T08:00:00.123"),
            ),
            (46_082.999_999_999_9, false, Some("2026-03-02T00:00:00")),
            (46_082.0 - 1462.0 + eight, true, Some("2026-03-01T08:00:00")),
            (0.0, true, Some("1904-01-01T00:00:00")),
            (1.0, false, Some("1900-01-01T00:00:00")),
            (59.0, false, Some("1900-02-28T00:00:00")),
            (60.5, false, None),
            (61.0, false, Some("1900-03-01T00:00:00")),
            (2_958_465.0, false, Some("9999-12-31T00:00:00")),
            (2_958_466.0, false, None),
            (-1.0, false, None),
            (f64::NAN, false, None),
            (f64::INFINITY, true, None),
        ] {
            assert_eq!(time_text(days, is_1904).as_deref(), expected, "{days}");
        }
    }

    #[test]
    fn whole_numbers_are_written_whole() {
        for (number, expected) in [(64.0, "64"), (-1.0, "-1"), (64.5, "64.5"), (72_201_545.0, "72201545")] {
            assert_eq!(number_text(number), expected);
        }
        assert_eq!(number_text(f64::NAN), "NaN");
    }

    #[test]
    fn a_line_quotes_what_would_end_a_field_and_a_row_without_values_is_empty() {
        let line = |cells: &[&str]| {
            let mut line = Vec::new();
            write_line(
                &mut line,
                &cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>(),
            )
            .unwrap();
            String::from_utf8(line).unwrap()
        };
        assert_eq!(line(&["a", "", "b c"]), "a,,b c\n");
        assert_eq!(
            line(&["a,b", "say \"x\"", "1\n2", "1\r2"]),
            "\"a,b\",\"say \"\"x\"\"\",\"1\n2\",\"1\r2\"\n"
        );
        assert_eq!(line(&["", ""]), "\n");
    }

    #[test]
    fn a_part_is_measured_whatever_its_pieces() {
        let long = "x".repeat(300_000);
        let part = format!("<sst uniqueCount=\"7\">{long}<si/>{}<t/>", "y".repeat(299_999));
        let measured = measure(part.as_bytes(), u64::MAX).unwrap();
        assert_eq!(measured.bytes, part.len() as u64);
        assert_eq!(measured.longest_text, "<sst uniqueCount=\"7\">".len() + long.len());
        assert_eq!(measured.announced, 7);
        let split = format!("{}uniqueCount='99999999999999999999'", " ".repeat((1 << 18) - 4));
        assert_eq!(measure(split.as_bytes(), u64::MAX).unwrap().announced, u64::MAX);
        assert_eq!(measure(part.as_bytes(), 100).unwrap().bytes, 100);
    }
}
