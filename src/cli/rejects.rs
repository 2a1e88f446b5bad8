//! The command line of what was set aside: `rejects` lists it, `replay` reads it again.

use super::{LakeArg, WaitArg, date_order, max_rejects, time_zone};
use chrono_tz::Tz;
use clap::{Args, ValueEnum};
use gatelog::ingest::{MaxRejects, Replay};
use gatelog::instant::DateOrder;
use gatelog::lake::lock::Owner;
use std::path::PathBuf;

#[derive(Clone, Copy, ValueEnum)]
enum FormatName {
    Csv,
    Json,
}

/// Which rejects are meant.
#[derive(Args, Clone)]
struct Choice {
    /// Only rejects with this code.
    #[arg(long, value_name = "CODE")]
    code: Option<String>,
    /// Only rejects of inputs whose names hold this text.
    #[arg(long, value_name = "TEXT")]
    source: Option<String>,
}

#[derive(Args)]
pub struct RejectsArgs {
    #[command(flatten)]
    lake: LakeArg,
    #[command(flatten)]
    choice: Choice,
    /// Only rejects of this environment.
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
    /// How many to list, the first ones; 0 for all [default: 10 for people, else all].
    #[arg(long, value_name = "N")]
    rows: Option<usize>,
    /// All that is known of each, raw bytes included: csv, or json with one object a line.
    #[arg(long, value_name = "FORMAT")]
    format: Option<FormatName>,
    /// Only the raw bytes, one reject after another, to be mended in an editor and ingested.
    #[arg(long, conflicts_with = "format")]
    raw: bool,
}

/// How rejects are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    People,
    Csv,
    Json,
    Raw,
}

/// Which rejects to show, how many, and how.
pub struct Listing {
    pub lake: PathBuf,
    choice: Choice,
    environment: Option<String>,
    pub rows: usize,
    pub shape: Shape,
}

impl RejectsArgs {
    pub fn listing(&self) -> Listing {
        let shape = match (self.raw, self.format) {
            (true, _) => Shape::Raw,
            (false, Some(FormatName::Csv)) => Shape::Csv,
            (false, Some(FormatName::Json)) => Shape::Json,
            (false, None) => Shape::People,
        };
        let rows = match (self.rows, shape) {
            (None, Shape::People) => 10,
            (None | Some(0), _) => usize::MAX,
            (Some(rows), _) => rows,
        };
        Listing {
            lake: self.lake.lake.clone(),
            choice: self.choice.clone(),
            environment: self.environment.clone(),
            rows,
            shape,
        }
    }
}

impl Listing {
    pub fn chooses(&self, row: &gatelog::lake::rejects::RejectRow<'_>) -> bool {
        let Choice { code, source } = &self.choice;
        code.as_deref().is_none_or(|code| row.code == code)
            && source.as_deref().is_none_or(|part| row.source.contains(part))
            && (self.environment.is_none() || row.environment == self.environment.as_deref())
    }
}

#[derive(Args)]
pub struct ReplayArgs {
    #[command(flatten)]
    lake: LakeArg,
    #[command(flatten)]
    choice: Choice,
    /// The environment they belong to [default: the one they were set aside with].
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
    /// Zone of times that carry none, an IANA name [default: the one they were set aside with].
    #[arg(long, value_name = "ZONE", value_parser = time_zone)]
    source_tz: Option<Tz>,
    /// Order of dates that a tool has spelled for people, like 2/6/2026 11:55 AM.
    #[arg(long, value_name = "mdy|dmy|ymd", value_parser = date_order)]
    date_order: Option<DateOrder>,
    /// Rejects that may remain before the exit code is 4: a number, or a share of those read again like 1%.
    #[arg(long, value_name = "N|P%", default_value = "0", value_parser = max_rejects)]
    pub max_rejects: MaxRejects,
    #[command(flatten)]
    pub wait: WaitArg,
    /// Print the outcome as JSON.
    #[arg(long)]
    pub json: bool,
}

impl ReplayArgs {
    /// `owner` names the process for the lake's lock, `clock` tells micros since 1970.
    pub fn plan(&self, owner: Owner, clock: fn() -> i64) -> Replay {
        Replay {
            code: self.choice.code.clone(),
            source: self.choice.source.clone(),
            environment: self.environment.clone(),
            source_tz: self.source_tz,
            date_order: self.date_order,
            owner,
            clock,
            ..Replay::new(self.lake.lake.clone())
        }
    }
}
