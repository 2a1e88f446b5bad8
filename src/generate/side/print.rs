//! The side tables as files beside a log, in the same family of form: `systemusers.json`, `organizations.json`, ….

use super::{ORGANIZATIONS, Table, USERS, Value, rows};
use crate::generate::form::{Form, cdata, csv, fetchxml, json, parquet, soap, sql};
use crate::generate::log::Log;
use crate::generate::sink::{Stream, Written, create};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Synapse Link has its tables in the log's own container, so nothing is to be done here for it.
pub fn write(log: &Log, form: Form, dir: &Path) -> io::Result<Written> {
    let mut written = Written::default();
    let Some(ending) = ending(form) else {
        return Ok(written);
    };
    for table in [&USERS, &ORGANIZATIONS] {
        let file = create(&dir.join(format!("{}.{ending}", table.set)))?;
        written += match form {
            Form::Parquet => parquet::write_side(log, table, file)?,
            _ => print(log, form, table, Stream::new(BufWriter::new(file)))?,
        };
    }
    Ok(written)
}

fn ending(form: Form) -> Option<&'static str> {
    Some(match form {
        Form::ODataPages | Form::Ndjson | Form::Array => "json",
        Form::Csv | Form::Sql | Form::CData => "csv",
        Form::Soap | Form::FetchXml => "xml",
        Form::Parquet => "parquet",
        Form::Synapse => return None,
    })
}

fn print(log: &Log, form: Form, table: &Table, mut out: Stream<impl Write>) -> io::Result<Written> {
    let mut text = Vec::new();
    open(log, form, table, &mut text);
    let mut rows = rows(log, table).peekable();
    while let Some(values) = rows.next() {
        write_row(log, form, table, &values, rows.peek().is_none(), &mut text);
        out.write_all(&text)?;
        text.clear();
    }
    close(log, form, table, &mut text);
    out.write_all(&text)?;
    out.flush()?;
    Ok(Written {
        bytes: out.bytes,
        files: 1,
    })
}

fn open(log: &Log, form: Form, table: &Table, out: &mut Vec<u8>) {
    match form {
        Form::ODataPages | Form::Ndjson | Form::Array => {
            json::open_page(&log.plan.environment_host, table.set, out);
        }
        Form::Csv => csv::side_header(table, out),
        Form::Sql => sql::side_header(table, out),
        Form::CData => cdata::side_header(table, out),
        Form::Soap => soap::open(out),
        Form::FetchXml => fetchxml::open_side(out),
        Form::Synapse | Form::Parquet => {}
    }
}

fn write_row(log: &Log, form: Form, table: &Table, values: &[Value], is_last: bool, out: &mut Vec<u8>) {
    let annotated = log.plan.annotated;
    match form {
        Form::ODataPages | Form::Ndjson | Form::Array => {
            json::write_side(table, values, annotated, out);
            out.extend_from_slice(if is_last { b"\n" } else { b",\n" });
        }
        Form::Csv => csv::write_side(values, out),
        Form::Sql => sql::write_side(values, out),
        Form::CData => cdata::write_side(values, out),
        Form::Soap => {
            soap::write_side(table, values, annotated, out);
            out.push(b'\n');
        }
        Form::FetchXml => {
            fetchxml::write_side(table, values, annotated, out);
            out.push(b'\n');
        }
        Form::Synapse | Form::Parquet => {}
    }
}

fn close(log: &Log, form: Form, table: &Table, out: &mut Vec<u8>) {
    match form {
        Form::ODataPages | Form::Ndjson | Form::Array => json::close_page(&log.plan.environment_host, None, out),
        Form::Soap => soap::close(table.name, None, out),
        Form::FetchXml => out.extend_from_slice(b"</resultset>\n"),
        Form::Csv | Form::Sql | Form::CData | Form::Synapse | Form::Parquet => {}
    }
}
