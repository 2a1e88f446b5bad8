//! `gatelog demo`: a hand-made log → lake → reports, in one folder.
//!
//! The log is the sample case `three-routes`: the same days exported as OData page, as NDJSON and as CSV. So the books
//! show duplicates, and the reports show each event once. What they must say is written beside the case.

use crate::{console, print, publish};
use gatelog::error::{AtPath, Result};
use gatelog::ingest;
use gatelog::lake::Lake;
use gatelog::report::options::Options;
use gatelog::report::{self, Report, Scratch};
use gatelog::write::{Format, text};
use std::path::Path;
use std::time::Duration;

const EXPORTS: [(&str, &str); 3] = [
    (
        "a-page.json",
        include_str!("../sample-data/three-routes/input/a-page.json"),
    ),
    (
        "b-lines.ndjson",
        include_str!("../sample-data/three-routes/input/b-lines.ndjson"),
    ),
    (
        "c-flat.csv",
        include_str!("../sample-data/three-routes/input/c-flat.csv"),
    ),
];

/// The environment of the routes that name none.
const ENVIRONMENT: &str = "contoso.crm4.dynamics.com";

pub fn run(dir: &Path) -> Result<u8> {
    let (input, lake, reports) = (dir.join("input"), dir.join("lake"), dir.join("reports"));
    std::fs::create_dir_all(&input).at_path(&input, "cannot create the folder")?;
    for (name, content) in EXPORTS {
        let path = input.join(name);
        std::fs::write(&path, content).at_path(&path, "cannot be written")?;
    }
    let plan = ingest::Plan {
        environment: Some(ENVIRONMENT.to_owned()),
        owner: console::owner("demo", Duration::ZERO),
        clock: console::now,
        ..ingest::Plan::new(vec![input.clone()], lake.clone())
    };
    console::inventory(&ingest::ingest(&plan, &|_| {})?);
    let options = Options::default();
    let opened = Lake::open(&lake)?;
    let tables = report::compute(&opened, &Report::ALL, &options, &Scratch::new(dir))?;
    for table in &tables {
        let text = text::render(table, usize::MAX, console::width(), options.tz)?;
        print(|out| writeln!(out, "\n{}", text.trim_end()))?;
    }
    let model = report::model::tables(&opened, &options)?;
    publish(
        &reports,
        &[tables, model].concat(),
        &[Format::Parquet, Format::Csv],
        &options.settings(&opened)?,
    )?;
    print(|out| {
        writeln!(out, "\nexports  {}", input.display())?;
        writeln!(out, "lake     {}", lake.display())?;
        writeln!(out, "reports  {}   (Parquet and CSV)", reports.display())
    })?;
    Ok(0)
}
