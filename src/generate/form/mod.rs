//! How one row is spelled in each form of export. All forms say the same.

mod csv;
mod json;
mod xml;

pub use csv::{COLUMNS_OF_SYNAPSE, CSV_HEADER};
pub use xml::escaped;

use crate::generate::row::Row;

/// The shape of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One JSON document per page: `audits-00001.json`, …
    ODataPages,
    /// One JSON array: `audits.json`.
    Array,
    /// One record per line: `audits.ndjson`.
    Ndjson,
    /// Web API rows flattened under the usual header: `audits.csv`.
    Csv,
    /// The view of an on-premises database: upper-case GUIDs, integer object types, `NULL`.
    Sql,
    /// The columns of CData's drivers.
    CData,
    /// What an organization service answers, one envelope per page: `audits-00001.xml`, …
    Soap,
    /// A FetchXML result per page.
    Fetch,
    /// A container of Azure Synapse Link: `model.json` and headerless partitions by year.
    Synapse,
    /// One Parquet file: `audits.parquet`.
    Parquet,
}

impl Form {
    pub const ALL: [Form; 10] = [
        Form::ODataPages,
        Form::Array,
        Form::Ndjson,
        Form::Csv,
        Form::Sql,
        Form::CData,
        Form::Soap,
        Form::Fetch,
        Form::Synapse,
        Form::Parquet,
    ];

    /// Whether each page is a document of its own.
    pub fn is_paged(self) -> bool {
        matches!(self, Form::ODataPages | Form::Soap | Form::Fetch)
    }

    /// The ending of its files' names.
    pub fn extension(self) -> &'static str {
        match self {
            Form::ODataPages | Form::Array => "json",
            Form::Ndjson => "ndjson",
            Form::Csv | Form::Sql | Form::CData | Form::Synapse => "csv",
            Form::Soap | Form::Fetch => "xml",
            Form::Parquet => "parquet",
        }
    }
}

/// What stands before the first row of all.
pub fn write_start(form: Form, out: &mut Vec<u8>) {
    out.extend_from_slice(match form {
        Form::Array => b"[\n",
        Form::Csv => CSV_HEADER.as_bytes(),
        Form::Sql => csv::SQL_HEADER.as_bytes(),
        Form::CData => csv::CDATA_HEADER.as_bytes(),
        _ => b"",
    });
}

/// What stands behind the last row of all.
pub fn write_end(form: Form, out: &mut Vec<u8>) {
    if form == Form::Array {
        out.extend_from_slice(b"]\n");
    }
}

/// What a page begins with. `number` counts from 1.
pub fn write_page_head(form: Form, host: &str, number: u64, is_last: bool, out: &mut Vec<u8>) {
    match form {
        Form::ODataPages => json::write_page_head(host, out),
        Form::Soap => xml::write_soap_head(out),
        Form::Fetch => xml::write_fetch_head(number, is_last, out),
        _ => {}
    }
}

/// What a page ends with. `next_page` is the number of the page after this one, if there is one.
pub fn write_page_foot(form: Form, host: &str, next_page: Option<u64>, out: &mut Vec<u8>) {
    match form {
        Form::ODataPages => json::write_page_foot(host, next_page, out),
        Form::Soap => xml::write_soap_foot(next_page.is_some(), out),
        Form::Fetch => out.extend_from_slice(b"</resultset>\n"),
        _ => {}
    }
}

/// One row with its line end. `is_last` says that no other row follows in its list; `is_repeat` that it was written
/// before. `annotated` adds labels and names where the form has a place for them.
pub fn write_row(form: Form, row: &Row, annotated: bool, is_last: bool, is_repeat: bool, out: &mut Vec<u8>) {
    match form {
        Form::ODataPages | Form::Array | Form::Ndjson | Form::Parquet => {
            json::write_json(row, annotated && form != Form::Parquet, out);
            if matches!(form, Form::ODataPages | Form::Array) && !is_last {
                out.push(b',');
            }
            out.push(b'\n');
        }
        Form::Csv => csv::write_csv(row, out),
        Form::Sql => csv::write_sql(row, out),
        Form::CData => csv::write_cdata(row, annotated, out),
        Form::Synapse => csv::write_synapse(row, annotated, is_repeat, out),
        Form::Soap => xml::write_soap(row, annotated, out),
        Form::Fetch => xml::write_fetch(row, annotated, out),
    }
}

/// A text that stands as it would inside a JSON string.
fn unescaped(text: &[u8]) -> String {
    serde_json::from_slice(&[b"\"", text, b"\""].concat()).unwrap_or_default()
}

fn operation_label(operation: u8) -> &'static str {
    match operation {
        1 => "Create",
        2 => "Update",
        3 => "Delete",
        _ => "Access",
    }
}

fn action_label(action: u8) -> &'static str {
    match action {
        1 => "Create",
        2 => "Update",
        3 => "Delete",
        4 => "Activate",
        5 => "Deactivate",
        12 => "Merge",
        13 => "Assign",
        14 => "Share",
        20 => "Resolve",
        21 => "Reopen",
        33 => "Associate Entities",
        34 => "Disassociate Entities",
        41 => "Set State",
        44 => "Win",
        45 => "Lose",
        49 => "Unshare",
        64 => "User Access via Web",
        65 => "User Access via Web Services",
        102 => "Audit Change at Entity Level",
        103 => "Audit Change at Attribute Level",
        104 => "Audit Change at Org Level",
        105 => "Entity Audit Started",
        106 => "Attribute Audit Started",
        107 => "Audit Enabled",
        108 => "Entity Audit Stopped",
        109 => "Attribute Audit Stopped",
        110 => "Audit Disabled",
        111 => "Audit Log Deletion",
        112 => "User Access Audit Started",
        113 => "User Access Audit Stopped",
        _ => "Unknown",
    }
}
