//! The command line: what may be typed, and what it means once everything has been checked against everything else.

mod explain;
mod operate;
mod query;
mod rejects;
mod rules;

use chrono::NaiveDate;
use chrono_tz::Tz;
use clap::{Args, Parser, Subcommand, ValueEnum};
use gatelog::error::{Error, Result};
use gatelog::ingest::MaxRejects;
use gatelog::instant::DateOrder;
use gatelog::lake::lock::Owner;
use gatelog::report::Report;
use gatelog::report::options::{self, Options};
use gatelog::write::Format;
use gatelog::{generate, ingest};
use std::path::PathBuf;

pub use explain::ExplainArgs;
pub use operate::{CompactArgs, RunsArgs, StatusArgs, VerifyArgs, WaitArg};
pub use query::{Answered, Asked, QueryArgs, SchemaArgs};
pub use rejects::{Listing, RejectsArgs, ReplayArgs, Shape};
use rules::RuleOptions;

/// Who used Dynamics 365 / Dataverse, through which client, for how long, and when auditing was off.
///
/// gatelog reads exported Audit records into a lake of Parquet files and computes reports from it, offline.
#[derive(Parser)]
#[command(version, arg_required_else_help = true, propagate_version = true, max_term_width = 110, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Start with:
  gatelog demo                                 see it work on sample data
  gatelog ingest exports/ --lake lake          read a folder of exports
  gatelog status --lake lake                   what the lake knows, and what it does not
  gatelog report --lake lake                   print all reports
  gatelog report sessions --format csv         one report, for a pipe
  gatelog report --out reports                 Parquet files for BI tools
  gatelog query 'SELECT * FROM sessions'       your own question, in SQL; `gatelog schema` says what there is
  gatelog verify --lake lake                   check the lake against its manifest

Exit codes: 0 done · 1 failed · 2 usage · 3 bad input, nothing committed · 4 committed, with more rejects than allowed
            5 lake locked · 6 verify found a fault";

#[derive(Subcommand)]
pub enum Command {
    /// Read exports (JSON, CSV, Synapse Link, Delta, XML, Parquet, xlsx) into the lake.
    Ingest(IngestArgs),
    /// Compute reports from the lake; all of them when none is named.
    Report(ReportArgs),
    /// What stands behind a session, a status or a number of somebody: rows, gaps, rule and thresholds, in plain language.
    Explain(ExplainArgs),
    /// Answer a question in SQL about the lake and the report tables.
    Query(QueryArgs),
    /// The tables a question can name, with their columns, types and meanings.
    Schema(SchemaArgs),
    /// What the lake knows of each environment, and what it does not.
    Status(StatusArgs),
    /// The runs that made the lake, newest first, with their inputs and books.
    Runs(RunsArgs),
    /// Check every file of the lake against what the manifest says of it, without changing anything.
    Verify(VerifyArgs),
    /// List what ingest set aside, counted by code and by file.
    Rejects(RejectsArgs),
    /// Read what was set aside again, with the rules of this version.
    Replay(ReplayArgs),
    /// Merge the small files of each month into one.
    Compact(CompactArgs),
    /// Make a realistic log of an invented organisation, of any size.
    Generate(GenerateArgs),
    /// Sample data → lake → reports, in one command.
    Demo(DemoArgs),
}

#[derive(Args)]
pub struct LakeArg {
    /// The lake's folder.
    #[arg(long, value_name = "DIR", env = "GATELOG_LAKE", default_value = "lake")]
    pub lake: PathBuf,
}

#[derive(Args)]
pub struct IngestArgs {
    /// Files, folders (with all they hold), or - for standard input.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    lake: LakeArg,
    /// The environment all rows belong to [default: the host in @odata.context, else the Synapse Link container, else "default"].
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
    /// Zone of times that carry none, an IANA name.
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = time_zone)]
    source_tz: Tz,
    /// Order of dates that a tool has spelled for people, like 2/6/2026 11:55 AM; they are never guessed.
    #[arg(long, value_name = "mdy|dmy|ymd", value_parser = date_order)]
    date_order: Option<DateOrder>,
    /// When users and organizations were exported, which decides whose state is the newest [default: each file's time].
    #[arg(long, value_name = "TIME")]
    exported_on: Option<String>,
    /// Commit nothing if any record is rejected or any file refused.
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    pub wait: WaitArg,
    /// Rejects to tolerate before the exit code is 4: a number, or a share of the records read like 1%.
    #[arg(long, value_name = "N|P%", default_value = "0", value_parser = max_rejects)]
    pub max_rejects: MaxRejects,
    /// Print the outcome as JSON.
    #[arg(long)]
    pub json: bool,
    /// About how much memory to take, in MiB, whatever the size of the inputs.
    #[arg(long, value_name = "MIB", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..))]
    memory: u32,
    /// Bytes read at once; only speed depends on it.
    #[arg(long, value_name = "BYTES", default_value_t = ingest::BLOCK_BYTES as u32, hide = true, value_parser = clap::value_parser!(u32).range(1..))]
    block_bytes: u32,
    /// The longest a record may be; what is longer is rejected.
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 20, hide = true, value_parser = clap::value_parser!(u32).range(16..))]
    record_bytes: u32,
}

impl IngestArgs {
    /// `owner` names the process for the lake's lock, `clock` tells micros since 1970.
    pub fn plan(&self, owner: Owner, clock: fn() -> i64) -> Result<ingest::Plan> {
        let exported_on = self
            .exported_on
            .as_deref()
            .map(|text| options::parse_instant(text, self.source_tz));
        Ok(ingest::Plan {
            exported_on: exported_on.transpose()?,
            clock,
            environment: self.environment.clone(),
            source_tz: self.source_tz,
            date_order: self.date_order,
            strict: self.strict,
            owner,
            block_bytes: self.block_bytes as usize,
            memory_bytes: (self.memory as usize) << 20,
            record_bytes: self.record_bytes as usize,
            ..ingest::Plan::new(self.paths.clone(), self.lake.lake.clone())
        })
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum ReportName {
    Sessions,
    Clients,
    Gaps,
    Coverage,
    Users,
    Activity,
    Control,
    Silence,
}

#[derive(Args)]
pub struct ReportArgs {
    /// sessions, clients, gaps, coverage, users, activity, control, silence.
    #[arg(value_name = "NAME", hide_possible_values = true)]
    names: Vec<ReportName>,
    #[command(flatten)]
    pub lake: LakeArg,
    #[command(flatten)]
    options: ReportOptions,
    /// Write files into this folder, replacing it as a whole, instead of printing; Parquet of all reports comes as a model for
    /// BI, with dim_date, dim_user, dim_client, dim_action and dim_environment.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// csv or json on standard output; with --out a list of parquet, csv, json [default: a table; parquet with --out].
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    format: Vec<Format>,
    /// Rows of each table to print for people; 0 for all.
    #[arg(long, value_name = "N", default_value_t = 40)]
    rows: usize,
}

#[derive(Args)]
struct ReportOptions {
    #[command(flatten)]
    rules: RuleOptions,
    /// Only sessions that start, switches of auditing that happen, periods, days, gaps and silences that reach, at or
    /// after this time; users and activity are of the whole log.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// … before this time.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Users in the order of a licence worklist: never seen, then longest inactive, unknown, active.
    #[arg(long)]
    worklist: bool,
    /// Only silences of which chance makes so many, or fewer, in the whole log.
    #[arg(long, value_name = "NUMBER", default_value = "0.01", value_parser = rules::share)]
    silence_threshold: f64,
}

/// Where a report goes.
pub enum Target {
    /// A table for people, of so many rows.
    Terminal {
        rows: usize,
    },
    Pipe(Format),
    Folder {
        dir: PathBuf,
        formats: Vec<Format>,
    },
}

impl ReportArgs {
    pub fn reports(&self) -> Vec<Report> {
        if self.names.is_empty() {
            return Report::ALL.to_vec();
        }
        let mut reports: Vec<Report> = self
            .names
            .iter()
            .map(|name| match name {
                ReportName::Sessions => Report::Sessions,
                ReportName::Clients => Report::Clients,
                ReportName::Gaps => Report::Gaps,
                ReportName::Coverage => Report::Coverage,
                ReportName::Users => Report::Users,
                ReportName::Activity => Report::Activity,
                ReportName::Control => Report::Control,
                ReportName::Silence => Report::Silence,
            })
            .collect();
        let mut seen = Vec::new();
        reports.retain(|report| {
            !seen.contains(report) && {
                seen.push(*report);
                true
            }
        });
        reports
    }

    /// Parquet of all reports comes as a model for BI: with the tables that say what their keys mean.
    pub fn asks_for_model(&self) -> bool {
        let is_parquet = self.format.is_empty() || self.format.contains(&Format::Parquet);
        self.out.is_some() && self.names.is_empty() && is_parquet
    }

    pub fn target(&self) -> Result<Target> {
        match (&self.out, self.format.as_slice()) {
            (Some(dir), []) => Ok(Target::Folder {
                dir: dir.clone(),
                formats: vec![Format::Parquet],
            }),
            (Some(dir), formats) => Ok(Target::Folder {
                dir: dir.clone(),
                formats: formats.to_vec(),
            }),
            (None, []) => Ok(Target::Terminal {
                rows: if self.rows == 0 { usize::MAX } else { self.rows },
            }),
            (None, [Format::Parquet]) => {
                Err(Error::usage("parquet cannot be printed").hint("write it into a folder with --out DIR"))
            }
            (None, [Format::Csv]) if self.reports().len() > 1 => {
                Err(Error::usage("several reports do not fit one CSV")
                    .hint("name one report, choose --format json, or write files with --out DIR"))
            }
            (None, [format]) => Ok(Target::Pipe(*format)),
            (None, _) => Err(Error::usage("several formats need a folder").hint("add --out DIR")),
        }
    }

    pub fn options(&self) -> Result<Options> {
        self.options.resolve()
    }
}

impl ReportOptions {
    pub fn resolve(&self) -> Result<Options> {
        let given = self;
        let (from, to) = (given.rules.instant(&given.from)?, given.rules.instant(&given.to)?);
        if let (Some(from), Some(to)) = (from, to)
            && from >= to
        {
            return Err(
                Error::usage("--from must be before --to").hint("the range is [from, to): --to itself is not in it")
            );
        }
        Ok(Options {
            from,
            to,
            worklist: given.worklist,
            silence_threshold: given.silence_threshold,
            ..given.rules.options()?
        })
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum FormName {
    Odata,
    Array,
    Ndjson,
    Csv,
    Sql,
    Cdata,
    Soap,
    Fetchxml,
    Synapse,
    Parquet,
}

#[derive(Args)]
pub struct GenerateArgs {
    /// The folder to write into, or - for standard output.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The form of the export.
    #[arg(long, value_enum, default_value = "odata")]
    format: FormName,
    /// The same seed gives the same log.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Rows of accesses; they decide how many people there are.
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    access_rows: u64,
    /// Rows of data changes.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    change_rows: u64,
    /// The first day.
    #[arg(long, value_name = "DATE", default_value = "2026-01-05")]
    start: NaiveDate,
    /// How many days the log covers.
    #[arg(long, value_name = "N", default_value_t = 28)]
    days: u32,
    /// Windows in which auditing was off.
    #[arg(long, value_name = "N", default_value_t = 4)]
    gaps: u32,
    /// Share of rows that occur twice, 0 to 0.5.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    duplicates: f64,
    /// The organization's host.
    #[arg(long, value_name = "HOST", default_value = "contoso-sim.crm4.dynamics.com")]
    environment: String,
    /// Leave out display names and labels.
    #[arg(long)]
    bare: bool,
    /// Write the users and the organization beside the log.
    #[arg(long)]
    side_tables: bool,
}

impl GenerateArgs {
    pub fn plan(&self) -> (generate::Plan, generate::Form) {
        let form = match self.format {
            FormName::Odata => generate::Form::ODataPages,
            FormName::Array => generate::Form::Array,
            FormName::Ndjson => generate::Form::Ndjson,
            FormName::Csv => generate::Form::Csv,
            FormName::Sql => generate::Form::Sql,
            FormName::Cdata => generate::Form::CData,
            FormName::Soap => generate::Form::Soap,
            FormName::Fetchxml => generate::Form::FetchXml,
            FormName::Synapse => generate::Form::Synapse,
            FormName::Parquet => generate::Form::Parquet,
        };
        let plan = generate::Plan {
            seed: self.seed,
            environment_host: self.environment.clone(),
            start: self.start,
            days: self.days,
            access_rows: self.access_rows,
            change_rows: self.change_rows,
            duplicates: self.duplicates,
            gaps: self.gaps,
            annotated: !self.bare,
            side_tables: self.side_tables,
            ..generate::Plan::default()
        };
        (plan, form)
    }
}

#[derive(Args)]
pub struct DemoArgs {
    /// The folder for the demo's input, lake and reports.
    #[arg(long, value_name = "DIR", default_value = "gatelog-demo")]
    pub dir: PathBuf,
}

fn max_rejects(text: &str) -> std::result::Result<MaxRejects, String> {
    MaxRejects::parse(text).ok_or_else(|| "write a number like 10, or a share like 1% or 0.5%".to_owned())
}

fn time_zone(name: &str) -> std::result::Result<Tz, String> {
    let known = chrono_tz::TZ_VARIANTS
        .iter()
        .find(|tz| tz.name().eq_ignore_ascii_case(name));
    known
        .copied()
        .ok_or_else(|| "it is no IANA time zone; write it like Europe/Berlin or UTC".to_owned())
}

fn date_order(name: &str) -> std::result::Result<DateOrder, String> {
    DateOrder::of(name).ok_or_else(|| "write mdy, dmy or ymd".to_owned())
}
