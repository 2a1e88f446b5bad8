//! JSON: an array of objects, one row per line, keys in column order, null as null.
//!
//! Instants and dates are the strings of the CSV form, doubles are numbers (one that is not finite is null, since JSON
//! has no word for it), strings are escaped, so that no control character of a name reaches a terminal as itself.

use super::csv::{in_order, push_date, push_instant, push_number};
use crate::report::table::{Column, Table};
use arrow::array::RecordBatch;
use std::io::{self, Write};

/// Writes one table: `[{…},` and so on, a row per line.
pub fn write(table: &Table, mut sink: impl Write) -> io::Result<()> {
    write_array(table, &mut sink)?;
    sink.write_all(b"\n")?;
    sink.flush()
}

/// Writes several tables as one object: `{"sessions":[…],"clients":[…]}`.
pub fn write_tables(tables: &[Table], mut sink: impl Write) -> io::Result<()> {
    for (index, table) in tables.iter().enumerate() {
        sink.write_all(if index == 0 { b"{" } else { b",\n" })?;
        serde_json::to_writer(&mut sink, table.name)?;
        sink.write_all(b":")?;
        write_array(table, &mut sink)?;
    }
    sink.write_all(if tables.is_empty() { b"{}\n" } else { b"}\n" })?;
    sink.flush()
}

fn write_array(table: &Table, sink: &mut impl Write) -> io::Result<()> {
    let keys = table
        .schema
        .fields()
        .iter()
        .map(|field| Ok(format!("{}:", serde_json::to_string(field.name())?)))
        .collect::<io::Result<Vec<String>>>()?;
    sink.write_all(b"[")?;
    let mut sink = Joined { sink, first: true };
    in_order(table, &mut sink, |batch| rows(&keys, batch))?;
    let Joined { sink, first } = sink;
    sink.write_all(if first { b"]" } else { b"\n]" })
}

/// Every row begins with `,` and a line end; this leaves out the first comma of the table.
struct Joined<'a, W: Write> {
    sink: &'a mut W,
    first: bool,
}

impl<W: Write> Write for Joined<'_, W> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        if self.first && !text.is_empty() {
            self.first = false;
            self.sink.write_all(&text[1..])?;
        } else {
            self.sink.write_all(text)?;
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

fn rows(keys: &[String], batch: &RecordBatch) -> io::Result<Vec<u8>> {
    let columns = Column::all(batch);
    let mut out = Vec::new();
    for row in 0..batch.num_rows() {
        for (index, (key, column)) in keys.iter().zip(&columns).enumerate() {
            out.extend_from_slice(if index == 0 { b",\n{" } else { b"," });
            out.extend_from_slice(key.as_bytes());
            push_value(&mut out, column, row)?;
        }
        out.push(b'}');
    }
    Ok(out)
}

fn push_value(out: &mut Vec<u8>, column: &Column<'_>, row: usize) -> io::Result<()> {
    if column.is_null(row) {
        return out.write_all(b"null");
    }
    match column {
        Column::Text(values) => serde_json::to_writer(out, values.value(row))?,
        Column::Long(values) => push_number(out, values.value(row)),
        Column::Int(values) => push_number(out, i64::from(values.value(row))),
        Column::Double(values) => serde_json::to_writer(out, &values.value(row))?,
        Column::Flag(values) => write!(out, "{}", values.value(row))?,
        Column::Date(values) => {
            out.push(b'"');
            push_date(out, i64::from(values.value(row)))?;
            out.push(b'"');
        }
        Column::Instant(values) => {
            out.push(b'"');
            push_instant(out, values.value(row))?;
            out.push(b'"');
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Date32Array, Float64Array, StringArray, TimestampMicrosecondArray};
    use arrow::datatypes::{DataType, Field, Schema};
    use serde_json::{Value, json};
    use std::sync::Arc;

    fn table(name: &'static str, strings: Vec<Option<&str>>) -> Table {
        let values: ArrayRef = Arc::new(StringArray::from(strings));
        let batch = RecordBatch::try_from_iter_with_nullable([("a \"b\"", values, true)]).expect("one column");
        Table::new(name, batch.schema(), vec![batch]).expect("valid")
    }

    fn text(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).expect("memory");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn a_row_is_a_line_and_hostile_strings_come_back_as_they_were() {
        let strings = [
            "\"",
            "two\nlines",
            "\u{1b}[31mred",
            "\u{202e}txt.exe",
            "",
            "\u{0}\u{2028}</script>",
        ];
        let text = text(|out| write(&table("t", strings.into_iter().map(Some).collect()), out));
        assert_eq!(text.lines().count(), strings.len() + 2);
        assert!(!text.contains('\u{1b}'));
        let rows: Vec<Value> = serde_json::from_str(&text).expect("JSON");
        let read: Vec<&Value> = rows.iter().map(|row| &row["a \"b\""]).collect();
        assert_eq!(read, strings);
    }

    #[test]
    fn types_and_key_order() {
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("z", Arc::new(Float64Array::from(vec![Some(1.0), Some(f64::NAN)]))),
            (
                "on",
                Arc::new(TimestampMicrosecondArray::from(vec![Some(0), None]).with_timezone("UTC")),
            ),
            ("a", Arc::new(Date32Array::from(vec![Some(0), None]))),
        ];
        let columns = columns.into_iter().map(|(name, values)| (name, values, true));
        let batch = RecordBatch::try_from_iter_with_nullable(columns).expect("columns");
        let table = Table::new("t", batch.schema(), vec![batch]).expect("valid");
        let expected = "[\n{\"z\":1.0,\"on\":\"1970-01-01T00:00:00Z\",\"a\":\"1970-01-01\"},\n{\"z\":null,\"on\":null,\"a\":null}\n]\n";
        assert_eq!(text(|out| write(&table, out)), expected);
    }

    #[test]
    fn several_tables_are_one_object_and_empty_ones_are_empty_arrays() {
        let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Utf8, true)]));
        let empty = Table::new("gaps", schema, vec![]).expect("valid");
        let tables = [table("sessions", vec![Some("x"), None]), empty];
        let read: Value = serde_json::from_str(&text(|out| write_tables(&tables, out))).expect("JSON");
        assert_eq!(
            read,
            json!({"sessions": [{"a \"b\"": "x"}, {"a \"b\"": null}], "gaps": []})
        );
        assert_eq!(text(|out| write_tables(&[], out)), "{}\n");
    }
}
