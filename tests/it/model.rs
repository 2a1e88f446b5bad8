//! The tables beside the reports that make a model for BI: keys that join, a calendar without a hole, and when they come.
//!
//! `tests/oracle/model.py` joins them in DuckDB.

use crate::cases::Case;
use crate::logs::{self, Chance, Event, Form, at};
use crate::python::python;
use crate::support::{self, TABLES, gatelog};
use gatelog::report::model;
use gatelog::report::options::{Evidence, Options};
use gatelog::write::Format;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn run_check(folders: &[PathBuf]) -> Output {
    let script = support::repository().join("tests/oracle/model.py");
    let checked = Command::new(python()).arg("-B").arg(script).args(folders).output();
    checked.expect("Python starts")
}

/// How many keys joined, by dimension.
fn assert_joined(folders: &[PathBuf]) -> BTreeMap<String, usize> {
    let output = run_check(folders);
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{errors}");
    assert_eq!(said.lines().count(), folders.len(), "a line per folder:\n{said}");
    let mut joined = BTreeMap::new();
    for (dimension, rows) in said
        .lines()
        .flat_map(|line| line.split(", "))
        .filter_map(|part| part.split_once(' '))
    {
        *joined.entry(dimension.to_owned()).or_default() += rows.parse::<usize>().expect("a number of rows");
    }
    joined
}

fn publish(home: &Path, name: &str, lake: &Path, options: &Options) -> PathBuf {
    let out = home.join(format!("model of {name}"));
    support::publish(lake, options, &out, &[Format::Parquet]);
    out
}

#[test]
fn keys_of_the_sample_cases_join_in_duckdb() {
    let home = support::home();
    let mut folders = Vec::new();
    for folder in support::sample_cases() {
        let case = Case::read(&folder);
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        let lake = home.path().join(&name);
        (0..case.runs.len()).for_each(|run| drop(case.ingest(&folder, run, &lake)));
        folders.push(publish(home.path(), &name, &lake, &case.parsed_options()));
    }
    let joined = assert_joined(&folders);
    assert!(model::names().iter().all(|name| joined[*name] > 10), "{joined:?}");
}

/// Over clock changes, a left-out day and the turn of ISO years; of people without ids; as of long after.
#[test]
fn keys_of_unkind_logs_join_in_duckdb() {
    let home = support::home();
    let starts = [
        ("2026-03-28T20:00:00Z", "Europe/Berlin"),
        ("2011-12-29T01:00:00Z", "Pacific/Apia"),
        ("2025-12-30T23:00:00Z", "America/Santiago"),
        ("2024-02-28T12:00:00Z", "Asia/Kolkata"),
    ];
    let mut folders = Vec::new();
    for (seed, (start, tz)) in starts.into_iter().cycle().take(12).enumerate() {
        let chance = &mut Chance::new(seed as u64);
        let mut events = logs::unkind(chance, at(start), 4 * logs::HOUR);
        events.iter_mut().step_by(5).for_each(|event| {
            event.object_id = None;
            event.object_name = Some("Wren Sample".to_owned());
        });
        let lake = home.path().join(format!("lake {seed}"));
        let file = support::write(&home.path().join("log"), Form::Lines.write(&events));
        support::ingest(&support::plan(&lake, &[&file]));
        let options = Options {
            tz: tz.parse().expect("a zone"),
            evidence: if seed % 2 == 0 { Evidence::All } else { Evidence::Access },
            as_of: (seed % 3 == 0).then(|| at(start) + 400 * 24 * logs::HOUR),
            ..Options::default()
        };
        folders.push(publish(home.path(), &seed.to_string(), &lake, &options));
    }
    assert_joined(&folders);
}

#[test]
fn the_check_finds_a_missing_row_of_a_dimension() {
    let home = support::home();
    let lake = home.path().join("lake");
    let log = support::repository().join("sample-data/gap-cut/input");
    support::ingest(&support::plan(&lake, &[&log]));
    let whole = publish(home.path(), "whole", &lake, &Options::default());
    let other = home.path().join("other");
    let stranger = Event::access(at("2019-01-01T08:00:00Z"), 64, Some(77));
    let log = support::write(&home.path().join("log"), Form::Lines.write(&[stranger]));
    support::ingest(&support::plan(&other, &[&log]));
    let foreign = publish(home.path(), "other", &other, &Options::default());
    for (dimension, is_found) in [("dim_user", true), ("dim_date", true), ("dim_client", false)] {
        let broken = home.path().join(format!("without {dimension}"));
        support::copy(&whole, &broken);
        let file = format!("{dimension}.parquet");
        std::fs::copy(foreign.join(&file), broken.join(&file)).expect("copied");
        let said = run_check(&[broken]);
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        assert_eq!(text.contains(&format!("have no {dimension}")), is_found, "{text}");
    }
}

#[test]
fn an_empty_lake_has_every_table_with_its_columns() {
    let home = support::home();
    let lake = home.path().join("lake");
    let users = support::write(&home.path().join("users.csv"), "systemuserid,fullname\n");
    support::ingest(&support::plan(&lake, &[&users]));
    let folder = publish(home.path(), "nothing", &lake, &Options::default());
    assert_eq!(support::files(&folder).len(), TABLES.len() + model::names().len());
    assert_joined(&[folder]);
}

/// Only Parquet of all reports is a model.
#[test]
fn the_model_comes_with_parquet_of_all_reports_and_goes_with_them() {
    let home = support::home();
    let log = support::repository().join("sample-data/minimal/input/page.json");
    support::ingest(&support::plan(&home.path().join("lake"), &[&log]));
    let dimensions = |arguments: &[&str]| {
        let ended = gatelog(home.path(), &[&["report", "--out", "reports"], arguments].concat());
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        let files = support::files(&home.path().join("reports")).into_keys();
        files.filter(|name| name.starts_with("dim_")).collect::<Vec<_>>()
    };
    let mut all: Vec<String> = model::names().iter().map(|name| format!("{name}.parquet")).collect();
    all.sort();
    assert_eq!(dimensions(&[]), all);
    assert_eq!(dimensions(&["sessions"]), Vec::<String>::new());
    assert_eq!(dimensions(&["--format", "csv,parquet"]), all);
    assert_eq!(dimensions(&["--format", "csv"]), Vec::<String>::new());
}
