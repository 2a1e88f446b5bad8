//! The program: parse, call, print, exit. All work is the library's; all printing is here and in `console`.

#![deny(unsafe_code)]

mod ask;
mod cli;
mod console;
mod demo;
mod explain;
mod grid;
mod memory;
mod rejects;
mod runs;
mod status;
mod verify;

use clap::Parser;
use cli::{
    Cli, Command, CompactArgs, ExplainArgs, GenerateArgs, IngestArgs, RejectsArgs, ReplayArgs, ReportArgs, RunsArgs,
    Shape, StatusArgs, Target, VerifyArgs,
};
use gatelog::error::{AtPath, Error, Result};
use gatelog::lake::compact::compact;
use gatelog::lake::{self, Lake};
use gatelog::report::status::Status;
use gatelog::report::{self, Report, Scratch};
use gatelog::{generate, ingest, write};
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

/// Committed, but more records were set aside than allowed.
const COMMITTED_WITH_REJECTS: u8 = 4;

fn main() -> ExitCode {
    let command = Cli::parse().command;
    if !matches!(command, Command::Report(_)) {
        memory::share_arenas();
    }
    let done = match command {
        Command::Ingest(args) => run_ingest(&args),
        Command::Report(args) => run_report(&args),
        Command::Explain(args) => run_explain(&args),
        Command::Query(args) => ask::query(&args, &Scratch::new(std::env::temp_dir())),
        Command::Schema(args) => ask::schema(&args),
        Command::Status(args) => run_status(&args),
        Command::Runs(args) => run_runs(&args),
        Command::Verify(args) => run_verify(&args),
        Command::Rejects(args) => run_rejects(&args),
        Command::Replay(args) => run_replay(&args),
        Command::Compact(args) => run_compact(&args),
        Command::Generate(args) => run_generate(&args),
        Command::Demo(args) => demo::run(&args.dir),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            console::error(&error);
            ExitCode::from(error.kind.exit_code())
        }
    }
}

fn run_ingest(args: &IngestArgs) -> Result<u8> {
    let (bar, holes) = (console::Bar::new(), memory::Holes::new());
    let outcome = ingest::ingest(
        &args.plan(console::owner("ingest", args.wait.patience()), console::now)?,
        &|progress| {
            holes.give_back(progress.records_read);
            bar.show(progress);
        },
    );
    bar.clear();
    let outcome = outcome?;
    console::inventory(&outcome);
    console::unnamed_environment(&outcome);
    if args.json {
        print(|out| writeln!(out, "{}", console::outcome_json(&outcome)))?;
    }
    let is_incomplete = !args.max_rejects.tolerates(&outcome.total) || outcome.refused() > 0;
    Ok(if is_incomplete { COMMITTED_WITH_REJECTS } else { 0 })
}

fn run_rejects(args: &RejectsArgs) -> Result<u8> {
    let listing = args.listing();
    let lake = Lake::open(&listing.lake)?;
    let found = rejects::Found::count(&lake, &listing)?;
    if listing.shape == Shape::Raw {
        found.raw_notes()?.iter().for_each(|note| console::note(note));
    }
    print_all(|out| rejects::list(&lake, &listing, &found, out))?;
    Ok(0)
}

fn run_replay(args: &ReplayArgs) -> Result<u8> {
    let outcome = ingest::replay(&args.plan(console::owner("replay", args.wait.patience()), console::now))?;
    console::inventory(&outcome);
    if args.json {
        print(|out| writeln!(out, "{}", console::outcome_json(&outcome)))?;
    }
    let is_incomplete = !args.max_rejects.tolerates(&outcome.total);
    Ok(if is_incomplete { COMMITTED_WITH_REJECTS } else { 0 })
}

fn run_report(args: &ReportArgs) -> Result<u8> {
    memory::keep_freed();
    let (target, options) = (args.target()?, args.options()?);
    // All that is read of the lake is read here: a writer may change it while the tables are written.
    let (tables, settings) = Lake::read(&args.lake.lake, |lake| {
        known_environment(lake, options.environment.as_deref())?;
        let mut tables = report::compute(lake, &args.reports(), &options, &scratch(&target))?;
        if args.asks_for_model() {
            tables.extend(report::model::tables(lake, &options)?);
        }
        Ok((tables, options.settings(lake)?))
    })?;
    match target {
        Target::Terminal { rows } => {
            let width = console::width();
            for table in &tables {
                let text = write::text::render(table, rows, width, options.tz)?;
                print(|out| writeln!(out, "{text}"))?;
            }
        }
        Target::Pipe(format) => print(|out| match (format, tables.as_slice()) {
            (write::Format::Csv, [table]) => write::csv::write(table, out),
            (_, [table]) => write::json::write(table, out),
            _ => write::json::write_tables(&tables, out),
        })?,
        Target::Folder { dir, formats } => {
            publish(&dir, &tables, &formats, &settings)?;
            let dimensions = tables.iter().filter(|table| table.is_dimension).count();
            let reports = console::counted(tables.len() - dimensions, "report");
            let beside = match dimensions {
                0 => String::new(),
                count => format!(" and {}", console::counted(count, "dimension")),
            };
            console::note(&format!("{reports}{beside} written to {}", dir.display()));
        }
    }
    Ok(0)
}

/// What has no room in memory goes beside the reports, where there must be room anyway.
fn scratch(target: &Target) -> Scratch {
    match target {
        Target::Folder { dir, .. } => {
            let beside = dir.parent().filter(|dir| !dir.as_os_str().is_empty());
            Scratch::new(beside.unwrap_or(Path::new(".")))
        }
        _ => Scratch::new(std::env::temp_dir()),
    }
}

fn publish(
    dir: &Path,
    tables: &[report::table::Table],
    formats: &[write::Format],
    settings: &[(String, String)],
) -> Result<()> {
    let reports = Report::ALL.iter().map(|report| report.name());
    let names: Vec<&str> = reports.chain(report::model::names()).collect();
    Ok(write::write_all(dir, tables, &names, formats, settings)?)
}

fn known_environment(lake: &Lake, asked: Option<&str>) -> Result<()> {
    let Some(asked) = asked else { return Ok(()) };
    let known = report::status::environments(lake, &lake.side()?);
    if known.contains(asked) {
        return Ok(());
    }
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let known = if known.is_empty() {
        "none".to_owned()
    } else {
        known.join(", ")
    };
    Err(Error::usage(format!("the lake has no environment {asked:?}")).hint(format!("it has: {known}")))
}

fn run_explain(args: &ExplainArgs) -> Result<u8> {
    let (asked, options) = args.plan()?;
    let found = Lake::read(&args.lake.lake, |lake| {
        known_environment(lake, options.environment.as_deref())?;
        report::explain::explain(lake, &asked, &options)
    })?;
    print(|out| match args.json {
        true => json(&found, out),
        false => explain::show(&found, out),
    })?;
    Ok(0)
}

fn run_status(args: &StatusArgs) -> Result<u8> {
    let only = args.environment.as_deref();
    let found = Lake::read(&args.lake.lake, |lake| {
        known_environment(lake, only)?;
        Status::of(lake, only, console::now())
    })?;
    print(|out| match args.json {
        true => json(&found, out),
        false => status::show(&found, out),
    })?;
    Ok(0)
}

fn run_compact(args: &CompactArgs) -> Result<u8> {
    let plan = args.plan(console::owner("compact", args.wait.patience()), console::now);
    let done = compact(&plan)?;
    console::compacted(&done);
    if args.json {
        print(|out| json(&done, out))?;
    }
    Ok(0)
}

fn run_runs(args: &RunsArgs) -> Result<u8> {
    let lake = Lake::open(&args.lake.lake)?;
    let ledger = lake.ledger()?;
    let found = report::runs::list(&ledger, args.last.unwrap_or(usize::MAX));
    print(|out| match args.json {
        true => json(&found, out),
        false => runs::show(&found, out),
    })?;
    let unrecorded = lake.manifest().generation.saturating_sub(ledger.runs().count() as u64);
    if unrecorded > 0 {
        let commits = console::counted(unrecorded as usize, "commit");
        console::note(&format!("note: {commits} of older versions left no record of a run"));
    }
    Ok(0)
}

fn run_verify(args: &VerifyArgs) -> Result<u8> {
    let lake = &args.lake.lake;
    let found = lake::verify::verify(lake, &std::env::temp_dir())?;
    print(|out| match args.json {
        true => json(&found, out),
        false => verify::show(&found, out),
    })?;
    if !args.json {
        found
            .notes
            .iter()
            .for_each(|note| console::note(&format!("note: {note}")));
    }
    verify::judge(lake, &found)
}

fn json(value: &impl serde::Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)
}

fn run_generate(args: &GenerateArgs) -> Result<u8> {
    let (plan, form) = args.plan();
    let made = if args.out == Path::new("-") {
        generate::generate_to(&plan, form, io::stdout())
    } else {
        generate::generate(&plan, form, &args.out)
    };
    let summary = match made {
        Err(cause) if cause.kind() == io::ErrorKind::InvalidInput => return Err(Error::usage(cause.to_string())),
        other => other.at_path(&args.out, "the log cannot be written")?,
    };
    console::generated(&summary, &args.out);
    Ok(0)
}

/// Prints what may fail for another reason than standard output.
fn print_all(fill: impl FnOnce(&mut dyn Write) -> Result<io::Result<()>>) -> Result<()> {
    let mut failure = None;
    print(|out| {
        fill(out).unwrap_or_else(|error| {
            failure = Some(error);
            Ok(())
        })
    })?;
    failure.map_or(Ok(()), Err)
}

/// Writes to standard output. A reader that has seen enough, like `head`, is no error.
fn print(fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let stdout = io::stdout();
    let mut out = io::BufWriter::with_capacity(if stdout.is_terminal() { 1 << 12 } else { 1 << 18 }, stdout.lock());
    match fill(&mut out).and_then(|()| out.flush()) {
        Err(cause) if cause.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.at_path(Path::new("standard output"), "cannot be written"),
    }
}
