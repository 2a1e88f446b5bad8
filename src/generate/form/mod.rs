//! The forms in which a log can be written. All say the same rows in the same order; partitions of Synapse Link by month.
//!
//! A form of text is a function per row, and what stands before, between and after rows; [`Text`] leads to the form's
//! own file. Parquet is columns, in [`parquet`]. What real exports are known to look like, the forms look like, traps
//! included: formatted times are local and American, SQL times name no zone, Synapse Link says a repeated row again.

pub mod cdata;
pub mod csv;
pub mod fetchxml;
pub mod json;
mod labels;
pub mod parquet;
pub mod soap;
pub mod sql;
pub mod synapse;

use super::bytes::month_of;
use super::log::Log;
use super::row::Row;
use super::stream::{Piece, Shape};

/// The shape of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One JSON document of the Web API per page: `audits-00001.json`, …
    ODataPages,
    /// One record of the Web API per line: `audits.ndjson`.
    Ndjson,
    /// All records of the Web API in one list: `audits.json`.
    Array,
    /// Web API rows flattened under the usual header: `audits.csv`.
    Csv,
    /// The view `Audit` of an on-premises database, as a SQL client saves it: `audits.csv`.
    Sql,
    /// As the CData driver flattens the table: `audits.csv`.
    CData,
    /// The container of Azure Synapse Link: `model.json` and headerless CSV, a file per month.
    Synapse,
    /// An answer of the Organization Service per page: `audits-00001.xml`, …
    Soap,
    /// A result set of FetchXML per page: `audits-00001.xml`, …
    FetchXml,
    /// Web API rows as typed columns: `audits.parquet`.
    Parquet,
}

/// How a form divides a log into files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    /// One of this name.
    One(&'static str),
    /// One per page, with this ending.
    Pages(&'static str),
    Months,
}

impl Files {
    /// The number of the file in which a row stands.
    pub fn number(self, page: u64, unix_s: i64) -> u64 {
        match self {
            Files::One(_) => 0,
            Files::Pages(_) => page,
            Files::Months => {
                let (year, month) = month_of(unix_s);
                u64::from(year) * 12 + u64::from(month) - 1
            }
        }
    }

    /// The name of the file with this number.
    pub fn name(self, number: u64) -> String {
        match self {
            Files::One(name) => name.to_owned(),
            // Pages count from 1 for people.
            Files::Pages(ending) => format!("audits-{:05}.{ending}", number + 1),
            Files::Months => format!("{:04}-{:02}.csv", number / 12, number % 12 + 1),
        }
    }
}

impl Form {
    pub const ALL: [Form; 10] = [
        Form::ODataPages,
        Form::Ndjson,
        Form::Array,
        Form::Csv,
        Form::Sql,
        Form::CData,
        Form::Synapse,
        Form::Soap,
        Form::FetchXml,
        Form::Parquet,
    ];

    /// The form as people call it.
    pub fn name(self) -> &'static str {
        match self {
            Form::ODataPages => "odata",
            Form::Ndjson => "ndjson",
            Form::Array => "array",
            Form::Csv => "csv",
            Form::Sql => "sql",
            Form::CData => "cdata",
            Form::Synapse => "synapse",
            Form::Soap => "soap",
            Form::FetchXml => "fetchxml",
            Form::Parquet => "parquet",
        }
    }

    pub fn files(self) -> Files {
        match self {
            Form::ODataPages => Files::Pages("json"),
            Form::Ndjson => Files::One("audits.ndjson"),
            Form::Array => Files::One("audits.json"),
            Form::Csv | Form::Sql | Form::CData => Files::One("audits.csv"),
            Form::Synapse => Files::Months,
            Form::Soap | Form::FetchXml => Files::Pages("xml"),
            Form::Parquet => Files::One("audits.parquet"),
        }
    }

    /// Whether a log in this form can follow itself in one stream. Documents of JSON can; those of XML cannot.
    pub fn is_stream(self) -> bool {
        !matches!(self, Form::Synapse | Form::Soap | Form::FetchXml | Form::Parquet)
    }
}

/// The forms that are text.
#[derive(Debug)]
pub struct Text<'a> {
    pub form: Form,
    pub log: &'a Log<'a>,
}

const ROWS_PER_PIECE: usize = 256;

impl Text<'_> {
    /// The number of the page after this one, counted from 1, if there is one.
    fn next_page(&self, page: u64) -> Option<u64> {
        (!self.log.paging.is_last(page)).then_some(page + 2)
    }
}

impl Shape for Text<'_> {
    type Made = Vec<u8>;

    fn files(&self) -> Files {
        self.form.files()
    }

    fn rows_per_piece(&self) -> usize {
        ROWS_PER_PIECE
    }

    fn begin(&self, piece: &Piece, out: &mut Vec<u8>) {
        out.clear();
        if !piece.opens {
            return;
        }
        match self.form {
            Form::ODataPages => json::open_page(&self.log.plan.environment_host, "audits", out),
            Form::Array => out.extend_from_slice(b"[\n"),
            Form::Csv => out.extend_from_slice(csv::HEADER.as_bytes()),
            Form::Sql => out.extend_from_slice(sql::HEADER.as_bytes()),
            Form::CData => out.extend_from_slice(cdata::HEADER.as_bytes()),
            Form::Soap => soap::open(out),
            Form::FetchXml => fetchxml::open_page(self.log, piece.page, out),
            Form::Ndjson | Form::Synapse | Form::Parquet => {}
        }
    }

    fn row(&self, row: &Row, again: u32, closes: bool, out: &mut Vec<u8>) {
        let annotated = self.log.plan.annotated;
        match self.form {
            Form::ODataPages | Form::Ndjson | Form::Array => json::write(row, annotated, out),
            Form::Csv => csv::write(row, out),
            Form::Sql => sql::write(row, annotated, out),
            Form::CData => cdata::write(row, annotated, out),
            Form::Synapse => synapse::write(row, annotated, again, out),
            Form::Soap => soap::write(row, annotated, out),
            Form::FetchXml => fetchxml::write(row, annotated, out),
            Form::Parquet => {}
        }
        if matches!(self.form, Form::ODataPages | Form::Array) && !closes {
            out.push(b',');
        }
        out.push(b'\n');
    }

    fn end(&self, piece: &Piece, out: &mut Vec<u8>) {
        if !piece.closes {
            return;
        }
        let host = &self.log.plan.environment_host;
        match self.form {
            Form::ODataPages => json::close_page(host, self.next_page(piece.page), out),
            Form::Array => out.extend_from_slice(b"]\n"),
            Form::Soap => soap::close("audit", self.next_page(piece.page), out),
            Form::FetchXml => out.extend_from_slice(b"</resultset>\n"),
            Form::Ndjson | Form::Csv | Form::Sql | Form::CData | Form::Synapse | Form::Parquet => {}
        }
    }
}
