//! `gatelog query` and `gatelog schema`: the statement is read, the answer goes where it was asked to go.

use crate::cli::{Answered, Asked, QueryArgs, SchemaArgs};
use crate::{console, json, known_environment, print};
use gatelog::columns;
use gatelog::error::{AtPath, Error, Result};
use gatelog::lake::Lake;
use gatelog::query::Statement;
use gatelog::query::tables::{self, Listed};
use gatelog::report::Scratch;
use gatelog::write::{self, Format};
use serde_json::json;
use std::io::{self, Read, Write};
use std::path::Path;
use std::{fs, panic};

pub fn query(args: &QueryArgs, scratch: &Scratch) -> Result<u8> {
    let (target, options) = (args.target()?, args.options()?);
    let sql = text_of(args.asked())?;
    let statement = Statement::parse(&sql)?;
    silence_polars();
    let (table, settings) = Lake::read(&args.lake.lake, |lake| {
        known_environment(lake, options.environment.as_deref())?;
        Ok((statement.answer(lake, &options, scratch)?, options.settings(lake)?))
    })?;
    match target {
        Answered::Terminal { rows } => {
            let text = write::text::render_whole(&table, rows, console::width(), options.tz)?;
            print(|out| writeln!(out, "{text}"))?;
        }
        Answered::Pipe(Format::Csv) => print(|out| write::csv::write(&table, out))?,
        Answered::Pipe(_) => print(|out| write::json::write(&table, out))?,
        Answered::File { path, format } => {
            refuse_within(&args.lake.lake, &path)?;
            let asked = [("gatelog.query".to_owned(), sql)];
            write::write_file(&path, &table, format, &[settings, asked.to_vec()].concat())?;
            let rows = console::counted(table.num_rows()?, "row");
            console::note(&format!("{rows} written to {}", path.display()));
        }
    }
    Ok(0)
}

/// What panics within polars becomes an error that says so, and its advice to its own callers helps nobody here.
fn silence_polars() {
    panic::set_hook(Box::new(|_| {}));
    polars::error::set_warning_function(|_, _| {});
}

/// The text of a statement.
fn text_of(asked: Asked<'_>) -> Result<String> {
    let (name, bytes) = match asked {
        Asked::Here(sql) => return Ok(sql.to_owned()),
        Asked::File(path) => (path, fs::read(path).at_path(path, "cannot be read")?),
        Asked::Input => {
            let (name, mut bytes) = (Path::new("standard input"), Vec::new());
            io::stdin().read_to_end(&mut bytes).at_path(name, "cannot be read")?;
            (name, bytes)
        }
    };
    let text = String::from_utf8(bytes).map_err(|_| {
        Error::usage("the statement is not UTF-8 text")
            .at(name)
            .hint("save it as UTF-8")
    })?;
    Ok(text.trim_start_matches('\u{feff}').to_owned())
}

/// The lake's folder holds only what the lake's own commands put there.
fn refuse_within(lake: &Path, path: &Path) -> Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let is_within = match (fs::canonicalize(lake), fs::canonicalize(folder)) {
        (Ok(lake), Ok(folder)) => folder.starts_with(lake),
        _ => false,
    };
    match is_within {
        true => Err(Error::usage("lies within the lake")
            .at(path)
            .hint("choose a place outside")),
        false => Ok(()),
    }
}

pub fn schema(args: &SchemaArgs) -> Result<u8> {
    let listed = match args.tables.as_slice() {
        [] => tables::all(),
        names => tables::named(names)?,
    };
    print(|out| match args.json {
        true => json(&listed.iter().map(as_json).collect::<Vec<_>>(), out),
        false => show(&listed, out),
    })?;
    Ok(0)
}

fn as_json(listed: &Listed) -> serde_json::Value {
    let column = |field: &arrow::datatypes::FieldRef| {
        json!({
            "name": field.name(), "type": tables::type_name(field.data_type()), "nullable": field.is_nullable(),
            "meaning": columns::meaning(field),
        })
    };
    let of_it: Vec<_> = listed.columns.fields().iter().map(column).collect();
    json!({"table": listed.name, "meaning": listed.meaning, "columns": of_it})
}

/// A line per column; a type that ends in `?` may be null.
fn show(listed: &[Listed], out: &mut dyn Write) -> io::Result<()> {
    for (place, table) in listed.iter().enumerate() {
        if place > 0 {
            writeln!(out)?;
        }
        writeln!(out, "{}: {}", table.name, table.meaning)?;
        if let Some(twin) = tables::twin(listed, place) {
            writeln!(out, "  the columns of {twin}")?;
            continue;
        }
        let row = |field: &arrow::datatypes::FieldRef| {
            [
                field.name().clone(),
                tables::column_type(field),
                columns::meaning(field).to_owned(),
            ]
        };
        let rows: Vec<[String; 3]> = table.columns.fields().iter().map(row).collect();
        crate::grid::show([crate::grid::Side::Left; 3], &rows, out)?;
    }
    Ok(())
}
