//! The last stage: finished report tables become documents.
//!
//! Tables enter ([`Table`](crate::report::table::Table)); what leaves is text for people ([`text`]), text for pipes
//! ([`csv`], [`json`]) or a folder of files ([`write_all`]), which is published whole: readers see the old set of
//! files or the new one ([`publish`]). Nothing here knows how a table came about, and nothing here prints.
//!
//! Example: `write_all(dir, &tables, names, &[Format::Parquet, Format::Csv], &settings)` makes `dir` hold exactly
//! `sessions.parquet`, `sessions.csv`, `clients.parquet` and so on.

pub mod csv;
mod encode;
pub mod json;
mod layout;
pub mod parquet;
pub mod publish;
mod spell;
pub mod text;

use crate::disk::Disk;
use crate::error::{self, AtPath};
use crate::report::table::Table;
use publish::{Document, Owned, WriteError};
use std::ffi::OsString;
use std::io::{BufWriter, IntoInnerError};
use std::path::Path;
use std::str::FromStr;

/// What a file can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    Parquet,
    Csv,
    Json,
}

impl Format {
    pub const ALL: [Format; 3] = [Format::Parquet, Format::Csv, Format::Json];

    /// Its name on the command line, which is also the file's extension.
    pub fn name(self) -> &'static str {
        match self {
            Format::Parquet => "parquet",
            Format::Csv => "csv",
            Format::Json => "json",
        }
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Format::ALL
            .into_iter()
            .find(|format| format.name() == text)
            .ok_or_else(|| format!("{text:?} is no format: choose parquet, csv or json"))
    }
}

/// Publishes every table in every format as `dir`; afterwards `dir` holds these files and no others. Dimensions come as
/// Parquet only: they are for BI tools.
///
/// `table_names` are the names of all tables that gatelog can write, now or in an earlier run with other options:
/// only files that bear one of them are ever replaced. `settings` say how the reports were made; they stand in each
/// Parquet file.
pub fn write_all(
    dir: &Path,
    tables: &[Table],
    table_names: &[&str],
    formats: &[Format],
    settings: &[(String, String)],
) -> Result<(), WriteError> {
    let mut documents: Vec<Document<'_>> = Vec::new();
    for (index, &format) in formats.iter().enumerate() {
        // A format that is asked for twice is written once.
        if formats[..index].contains(&format) {
            continue;
        }
        let belongs = |table: &&Table| format == Format::Parquet || !table.is_dimension;
        let tables = tables.iter().filter(belongs);
        documents.extend(tables.map(|table| document(table, format, settings)));
    }
    publish::publish(dir, &Owned::new(table_names), documents)
}

/// Writes one table as one file, which is put in place as a whole.
pub fn write_file(path: &Path, table: &Table, format: Format, settings: &[(String, String)]) -> error::Result<()> {
    let disk = Disk::default();
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".tmp");
    let beside = path.with_file_name(name);
    let mut sink = BufWriter::with_capacity(1 << 20, disk.create(&beside)?);
    let filled = match format {
        Format::Parquet => parquet::write(table, settings, &mut sink).at_path(path, "cannot be written"),
        Format::Csv => csv::write(table, &mut sink).at_path(path, "cannot be written"),
        Format::Json => json::write(table, &mut sink).at_path(path, "cannot be written"),
    };
    let whole = filled
        .and_then(|()| {
            sink.into_inner()
                .map_err(IntoInnerError::into_error)
                .at_path(path, "cannot be written")
        })
        .and_then(|file| file.sync())
        .and_then(|()| disk.rename(&beside, path));
    if whole.is_err() {
        // The failure is what counts.
        let _ = disk.remove_file(&beside);
    }
    whole
}

fn document<'a>(table: &'a Table, format: Format, settings: &'a [(String, String)]) -> Document<'a> {
    Document::new(format!("{}.{}", table.name, format.name()), move |sink| {
        match format {
            Format::Parquet => parquet::write(table, settings, sink)?,
            Format::Csv => csv::write(table, sink)?,
            Format::Json => json::write(table, sink)?,
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, RecordBatch, StringArray};
    use std::fs;
    use std::sync::Arc;

    fn table(name: &'static str) -> Table {
        let values: ArrayRef = Arc::new(StringArray::from(vec!["contoso"]));
        let batch = RecordBatch::try_from_iter([("environment", values)]).expect("one column");
        Table::new(name, batch.schema(), vec![batch]).expect("valid")
    }

    #[test]
    fn a_folder_holds_every_table_in_every_format_and_what_is_no_longer_asked_for_is_gone() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let dir = home.path().join("report");
        let names = ["sessions", "clients"];
        let tables = [table("sessions"), table("clients")];
        write_all(&dir, &tables, &names, &Format::ALL, &[]).expect("first");
        assert_eq!(fs::read_dir(&dir).expect("published").count(), 6);
        assert_eq!(
            fs::read_to_string(dir.join("clients.csv")).expect("csv"),
            "environment\ncontoso\n"
        );
        assert_eq!(
            fs::read_to_string(dir.join("clients.json")).expect("json"),
            "[\n{\"environment\":\"contoso\"}\n]\n"
        );

        write_all(&dir, &tables[..1], &names, &[Format::Csv, Format::Csv], &[]).expect("second");
        let left: Vec<_> = fs::read_dir(&dir)
            .expect("published")
            .flatten()
            .map(|file| file.file_name())
            .collect();
        assert_eq!(left, ["sessions.csv"]);
    }

    #[test]
    fn formats_are_known_by_their_names() {
        for format in Format::ALL {
            assert_eq!(format.name().parse(), Ok(format));
        }
        let refused = Format::from_str("xls").expect_err("no format");
        assert_eq!(refused, "\"xls\" is no format: choose parquet, csv or json");
    }
}
