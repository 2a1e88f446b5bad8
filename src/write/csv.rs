//! CSV: a header line of column names, commas, LF line ends, quotes only where RFC 4180 needs them.
//!
//! Null is an empty field; an empty string is `""`, so that the two stay apart. Instants are `2026-03-01T08:00:00Z`,
//! with six fractional digits only where the micros are not zero; dates `2026-03-01`; doubles the shortest form that
//! reads back, always with a decimal point: `1.0`, `0.25`.
//!
//! Values are written as they are: a name `=HYPERLINK(…)` stays that text. The leading apostrophe with which others
//! disarm it would change the data for every program that reads the file, and a spreadsheet's own text import keeps
//! such cells harmless. Whoever opens the file by double click in a spreadsheet should know where its names come from.
//!
//! Rows are encoded in parallel, a chunk per task, and written in order: memory does not grow with the table.

use crate::report::table::{Column, Table};
use arrow::array::RecordBatch;
use rayon::prelude::*;
use std::io::{self, Write};

/// Rows of one task: about a megabyte of text.
const CHUNK_ROWS: usize = 4 * 1024;

/// Writes one table with its header line.
pub fn write(table: &Table, mut sink: impl Write) -> io::Result<()> {
    let names = table.schema.fields().iter().map(|field| field.name());
    for (index, name) in names.enumerate() {
        sink.write_all(if index == 0 { b"" } else { b"," })?;
        sink.write_all(quoted(name, &mut Vec::new()))?;
    }
    sink.write_all(b"\n")?;
    in_order(table, &mut sink, rows)?;
    sink.flush()
}

/// Encodes the table's chunks in parallel and writes the texts in row order.
pub(super) fn in_order(
    table: &Table,
    sink: &mut impl Write,
    encode: impl Fn(&RecordBatch) -> io::Result<Vec<u8>> + Sync,
) -> io::Result<()> {
    let mut chunks = table.chunks(CHUNK_ROWS);
    loop {
        // Two chunks per thread keep the threads busy to the end of a wave; more would only cost memory.
        let wave = chunks.by_ref().take(2 * rayon::current_num_threads());
        let wave: Vec<Vec<RecordBatch>> = wave.collect::<Result<_, _>>().map_err(io::Error::other)?;
        if wave.is_empty() {
            return Ok(());
        }
        let texts: Vec<_> = wave.par_iter().flatten_iter().map(&encode).collect();
        for text in texts {
            sink.write_all(&text?)?;
        }
    }
}

fn rows(batch: &RecordBatch) -> io::Result<Vec<u8>> {
    let columns = Column::all(batch);
    let mut out = Vec::new();
    let mut scratch = Vec::with_capacity(64);
    for row in 0..batch.num_rows() {
        for (index, column) in columns.iter().enumerate() {
            scratch.clear();
            out.extend_from_slice(if index == 0 { b"" } else { b"," });
            out.extend_from_slice(field(column, row, &mut scratch)?);
        }
        out.push(b'\n');
    }
    Ok(out)
}

/// The bytes of one field; `scratch` is empty and holds them where they are not the column's own.
fn field<'a>(column: &Column<'a>, row: usize, scratch: &'a mut Vec<u8>) -> io::Result<&'a [u8]> {
    if column.is_null(row) {
        return Ok(b"");
    }
    match column {
        Column::Text(values) => return Ok(quoted(values.value(row), scratch)),
        Column::Long(values) => push_number(scratch, values.value(row)),
        Column::Int(values) => push_number(scratch, i64::from(values.value(row))),
        Column::Double(values) => push_double(scratch, values.value(row))?,
        Column::Date(values) => push_date(scratch, i64::from(values.value(row)))?,
        Column::Instant(values) => push_instant(scratch, values.value(row))?,
        Column::Flag(values) => write!(scratch, "{}", values.value(row))?,
    }
    Ok(scratch)
}

/// The text, in quotes if it needs them.
fn quoted<'a>(text: &'a str, scratch: &'a mut Vec<u8>) -> &'a [u8] {
    let bytes = text.as_bytes();
    let needs_quotes = |byte: &u8| matches!(byte, b',' | b'"' | b'\n' | b'\r');
    if !bytes.is_empty() && !bytes.iter().any(needs_quotes) {
        return bytes;
    }
    scratch.push(b'"');
    for &byte in bytes {
        if byte == b'"' {
            scratch.push(b'"');
        }
        scratch.push(byte);
    }
    scratch.push(b'"');
    scratch
}

/// The digits of a number, without the costs of formatting in every cell.
pub(super) fn push_number(out: &mut Vec<u8>, number: i64) {
    if number < 0 {
        out.push(b'-');
    }
    let (start, mut rest) = (out.len(), number.unsigned_abs());
    loop {
        out.push(b'0' + (rest % 10) as u8);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out[start..].reverse();
}

/// Rust's own shortest form, with a point where its exponent form has none: `1e-7` is written `1.0e-7`.
fn push_double(out: &mut Vec<u8>, value: f64) -> io::Result<()> {
    let text = format!("{value:?}");
    match text.split_once('e') {
        Some((digits, exponent)) if !digits.contains('.') => write!(out, "{digits}.0e{exponent}"),
        _ => out.write_all(text.as_bytes()),
    }
}

/// `2026-03-01T08:00:00Z`, with micros only where they are not zero.
pub(super) fn push_instant(out: &mut Vec<u8>, micros: i64) -> io::Result<()> {
    let (seconds, fraction) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    push_date(out, seconds.div_euclid(86_400))?;
    out.push(b'T');
    push_clock(out, seconds.rem_euclid(86_400));
    if fraction != 0 {
        write!(out, ".{fraction:06}")?;
    }
    out.push(b'Z');
    Ok(())
}

/// `08:00:00` for a second of the day.
pub(super) fn push_clock(out: &mut Vec<u8>, second: i64) {
    push_two(out, second / 3600);
    out.push(b':');
    push_two(out, second / 60 % 60);
    out.push(b':');
    push_two(out, second % 60);
}

/// `2026-03-01` for a number of days since 1970-01-01.
///
/// Counts in eras of 400 years that begin on 1 March, so that a leap day ends its year (Hinnant's `civil_from_days`).
/// Unlike a calendar library it has an answer for every number, and it costs a few nanoseconds in every row.
pub(super) fn push_date(out: &mut Vec<u8>, day: i64) -> io::Result<()> {
    let day = day + 719_468;
    let (era, day_of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    if (0..10_000).contains(&year) {
        push_two(out, year / 100);
        push_two(out, year % 100);
    } else {
        write!(out, "{year}")?;
    }
    out.push(b'-');
    push_two(out, month);
    out.push(b'-');
    push_two(out, day_of_month);
    Ok(())
}

fn push_two(out: &mut Vec<u8>, number: i64) {
    out.push(b'0' + (number / 10 % 10) as u8);
    out.push(b'0' + (number % 10) as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray};
    use arrow::datatypes::{Field, Schema};
    use proptest::prelude::*;
    use std::sync::Arc;

    fn table(columns: Vec<(&str, ArrayRef)>) -> Table {
        let columns = columns.into_iter().map(|(name, values)| (name, values, true));
        let batch = RecordBatch::try_from_iter_with_nullable(columns).expect("columns of one length");
        Table::new("t", batch.schema(), vec![batch]).expect("valid")
    }

    fn text(table: &Table) -> String {
        let mut out = Vec::new();
        write(table, &mut out).expect("memory");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn every_type_has_its_form_and_null_is_an_empty_field() {
        let table = table(vec![
            ("name", Arc::new(StringArray::from(vec![Some("Ann"), None]))),
            ("n", Arc::new(Int64Array::from(vec![Some(i64::MIN), None]))),
            ("share", Arc::new(Float64Array::from(vec![Some(1.0), None]))),
            (
                "on",
                Arc::new(TimestampMicrosecondArray::from(vec![Some(1_772_352_000_123_456), None]).with_timezone("UTC")),
            ),
            ("flag", Arc::new(BooleanArray::from(vec![Some(true), None]))),
            ("day", Arc::new(arrow::array::Date32Array::from(vec![Some(-1), None]))),
        ]);
        let expected = "name,n,share,on,flag,day\nAnn,-9223372036854775808,1.0,2026-03-01T08:00:00.123456Z,true,1969-12-31\n,,,,,\n";
        assert_eq!(text(&table), expected);
    }

    #[test]
    fn quotes_stand_only_where_they_must_and_an_empty_string_is_not_null() {
        let values = vec![
            Some("a,b"),
            Some("say \"hi\""),
            Some("two\r\nlines"),
            Some(""),
            None,
            Some(" =1+1"),
        ];
        let table = table(vec![
            ("odd,name", Arc::new(StringArray::from(values))),
            ("n", Arc::new(Int64Array::from_iter_values(0..6))),
        ]);
        let expected = "\"odd,name\",n\n\"a,b\",0\n\"say \"\"hi\"\"\",1\n\"two\r\nlines\",2\n\"\",3\n,4\n =1+1,5\n";
        assert_eq!(text(&table), expected);
    }

    #[test]
    fn null_is_an_empty_line_where_it_is_the_only_field() {
        let values = StringArray::from(vec![Some("a"), None, Some("")]);
        assert_eq!(text(&table(vec![("a", Arc::new(values))])), "a\na\n\n\"\"\n");
    }

    #[test]
    fn a_table_without_rows_is_its_header() {
        let schema = Arc::new(Schema::new(vec![Field::new(
            "a",
            arrow::datatypes::DataType::Utf8,
            true,
        )]));
        assert_eq!(text(&Table::new("t", schema, vec![]).expect("valid")), "a\n");
    }

    #[test]
    fn doubles_are_short_and_always_have_a_point() {
        let form = |value| {
            let mut out = Vec::new();
            push_double(&mut out, value).expect("memory");
            String::from_utf8(out).expect("ASCII")
        };
        let forms = [0.25, 1.0, 0.1 + 0.2, 1e-7, 1e300, 0.0].map(form);
        assert_eq!(
            forms,
            ["0.25", "1.0", "0.30000000000000004", "1.0e-7", "1.0e300", "0.0"]
        );
    }

    proptest! {
        #[test]
        fn any_strings_read_back(values in proptest::collection::vec("[\\PC\\n\\r\",\u{1b}\u{202e}]{0,8}", 1..20)) {
            let strings: ArrayRef = Arc::new(StringArray::from_iter_values(&values));
            let text = text(&table(vec![("a", strings.clone()), ("b", strings)]));
            let mut reader = ::csv::Reader::from_reader(text.as_bytes());
            let read: Vec<String> = reader.records().map(|row| row.expect("a row")[1].to_owned()).collect();
            prop_assert_eq!(read, values);
        }

        #[test]
        fn instants_are_those_of_the_calendar(micros in -62_135_596_800_000_000i64..=253_402_300_799_999_999) {
            let mut out = Vec::new();
            push_instant(&mut out, micros).expect("memory");
            let instant = chrono::DateTime::from_timestamp_micros(micros).expect("in range");
            let fraction = if micros.rem_euclid(1_000_000) == 0 { "" } else { "%.6f" };
            let expected = instant.format(&format!("%Y-%m-%dT%H:%M:%S{fraction}Z")).to_string();
            prop_assert_eq!(String::from_utf8(out).expect("ASCII"), expected);
        }

        #[test]
        fn numbers_are_those_of_the_library(number: i64) {
            let mut out = Vec::new();
            push_number(&mut out, number);
            prop_assert_eq!(String::from_utf8(out).expect("ASCII"), number.to_string());
        }
    }
}
