//! The command line of questions in SQL.

use super::{LakeArg, ReportOptions};
use clap::{Args, ValueEnum};
use gatelog::error::{Error, Result};
use gatelog::report::options::Options;
use gatelog::write::Format;
use std::path::{Path, PathBuf};

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct QueryArgs {
    /// The statement, or - to read it from standard input.
    #[arg(value_name = "SQL", required_unless_present = "file", conflicts_with = "file")]
    sql: Option<String>,
    /// Read the statement from this file; - is standard input.
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    pub lake: LakeArg,
    #[command(flatten)]
    options: ReportOptions,
    /// How to give the answer [default: a table; with --out as the file's name ends].
    #[arg(long, value_name = "table|csv|json|parquet")]
    format: Option<Shown>,
    /// Write the answer into this file instead of printing it.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Rows of a table to print for people; 0 for all.
    #[arg(long, value_name = "N", default_value_t = 40)]
    rows: usize,
}

const EXAMPLES: &str = "\
Examples:
  gatelog query \"SELECT actor_name, last_access_on FROM users WHERE status = 'inactive'\"
  gatelog query \"SELECT created_date, count(DISTINCT actor_id) AS people FROM access GROUP BY created_date\"
  gatelog query -f question.sql --tz Europe/Berlin --out answer.parquet

`gatelog schema` lists all tables. Options of reports hold for report tables; of the lake's own tables (audit, access,
change, control, …) only --tz changes something: created_date and created_hour.";

#[derive(Args)]
pub struct SchemaArgs {
    /// Only these tables.
    #[arg(value_name = "TABLE")]
    pub tables: Vec<String>,
    /// Print it as JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Shown {
    Table,
    Csv,
    Json,
    Parquet,
}

/// Where an answer goes.
pub enum Answered {
    /// A table for people, of so many rows.
    Terminal {
        rows: usize,
    },
    Pipe(Format),
    File {
        path: PathBuf,
        format: Format,
    },
}

/// Where a statement stands.
pub enum Asked<'a> {
    Here(&'a str),
    File(&'a Path),
    Input,
}

impl QueryArgs {
    pub fn asked(&self) -> Asked<'_> {
        match (&self.file, &self.sql) {
            (Some(file), _) if file.as_os_str() == "-" => Asked::Input,
            (Some(file), _) => Asked::File(file),
            (None, Some(sql)) if sql == "-" => Asked::Input,
            (None, sql) => Asked::Here(sql.as_deref().unwrap_or_default()),
        }
    }

    pub fn options(&self) -> Result<Options> {
        self.options.resolve()
    }

    pub fn target(&self) -> Result<Answered> {
        let format = |shown: Shown| match shown {
            Shown::Table => None,
            Shown::Csv => Some(Format::Csv),
            Shown::Json => Some(Format::Json),
            Shown::Parquet => Some(Format::Parquet),
        };
        let Some(path) = &self.out else {
            return match self.format.and_then(format) {
                Some(Format::Parquet) => {
                    Err(Error::usage("parquet cannot be printed").hint("write it into a file with --out FILE"))
                }
                Some(format) => Ok(Answered::Pipe(format)),
                None => Ok(Answered::Terminal {
                    rows: if self.rows == 0 { usize::MAX } else { self.rows },
                }),
            };
        };
        let by_name = || path.extension()?.to_str()?.to_lowercase().parse().ok();
        let format = match self.format {
            Some(shown) => format(shown),
            None => by_name(),
        };
        let format = format.ok_or_else(|| {
            Error::usage("a file is written as parquet, csv or json")
                .at(path)
                .hint("let its name end so, or add --format")
        })?;
        if path.is_dir() {
            return Err(Error::usage("is a folder").at(path).hint("name a file in it"));
        }
        Ok(Answered::File {
            path: path.clone(),
            format,
        })
    }
}
