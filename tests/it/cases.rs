//! Runs every case of sample-data/ as its README says. The expected tables were worked out by hand and outside gatelog.

use crate::support::{self, Ended, TABLES, gatelog};
use gatelog::lake::Lake;
use gatelog::report::options::{Evidence, Options, parse_duration};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// `case.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub runs: Vec<Vec<String>>,
    #[serde(default)]
    pub orders: Vec<Vec<usize>>,
    #[serde(default)]
    ingest_options: BTreeMap<String, String>,
    #[serde(default)]
    run_options: Vec<BTreeMap<String, String>>,
    #[serde(default)]
    not_read: BTreeSet<String>,
    pub options: BTreeMap<String, String>,
    books: Vec<Books>,
    rejects: Vec<Reject>,
    exit: Vec<i32>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Books {
    read: u64,
    accepted: u64,
    duplicate: u64,
    rejected: u64,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Reject {
    source: String,
    record: u64,
    code: String,
}

impl Case {
    pub fn read(folder: &Path) -> Case {
        let text = fs::read(folder.join("case.json")).expect("every case has a case.json");
        serde_json::from_slice(&text).unwrap_or_else(|cause| panic!("{}: {cause}", folder.display()))
    }

    /// One ingest run by the program of a copy of the case, into the lake beside it: its rows name inputs as the case does.
    pub fn ingest_from(&self, home: &Path, run: usize) -> Ended {
        self.ingest(Path::new(""), run, &home.join("lake"))
    }

    /// One ingest run by the program.
    pub fn ingest(&self, folder: &Path, run: usize, lake: &Path) -> Ended {
        let mut arguments = vec![
            "ingest".into(),
            "--json".into(),
            "--lake".into(),
            lake.to_string_lossy().into_owned(),
        ];
        arguments.extend(options(&self.ingest_options));
        arguments.extend(self.run_options.get(run).into_iter().flat_map(options));
        arguments.extend(
            self.runs[run]
                .iter()
                .map(|path| folder.join(path).to_string_lossy().into_owned()),
        );
        gatelog(lake.parent().expect("a lake in a folder"), &arguments)
    }

    /// The files of `input/` that are read by some run.
    pub fn inputs_read(&self, folder: &Path) -> BTreeSet<PathBuf> {
        let not_read: BTreeSet<PathBuf> = self.not_read.iter().map(|path| folder.join(path)).collect();
        let inputs: BTreeSet<PathBuf> = support::files(&folder.join("input")).into_values().collect();
        assert!(
            not_read.is_subset(&inputs),
            "{}: not_read names files",
            folder.display()
        );
        inputs.difference(&not_read).cloned().collect()
    }

    /// The reports with the case's options; `extra` says in which form.
    pub fn report(&self, lake: &Path, extra: &[&str]) -> Ended {
        let mut arguments = vec!["report".into(), "--lake".into(), lake.to_string_lossy().into_owned()];
        arguments.extend(options(&self.options));
        arguments.extend(extra.iter().map(|&text| text.to_owned()));
        let ended = gatelog(lake.parent().expect("a lake in a folder"), &arguments);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        ended
    }

    /// The report options as the library takes them.
    pub fn parsed_options(&self) -> Options {
        let mut parsed = Options::default();
        for (name, value) in &self.options {
            match name.as_str() {
                "tz" => parsed.tz = value.parse().expect("a zone"),
                "audit_interval" => {
                    parsed.audit_interval_us = Some(parse_duration(value).expect("a duration"));
                }
                "evidence" => {
                    assert_eq!(value, "all");
                    parsed.evidence = Evidence::All;
                }
                _ => panic!("teach this test the option {name}"),
            }
        }
        parsed
    }

    fn compare_tables(&self, folder: &Path, lake: &Path, when: &str) {
        for table in TABLES {
            let expected = fs::read_to_string(folder.join(format!("expected/{table}.csv"))).expect("expected table");
            let found = self.report(lake, &[table, "--format", "csv"]).stdout;
            assert!(
                found == expected,
                "{} {when}, {table}:\n{}",
                folder.display(),
                difference(&expected, &found)
            );
        }
    }
}

fn options(given: &BTreeMap<String, String>) -> impl Iterator<Item = String> {
    given
        .iter()
        .map(|(name, value)| format!("--{}={value}", name.replace('_', "-")))
}

fn difference(expected: &str, found: &str) -> String {
    let only = |these: &str, those: &str, sign: &str| {
        let lines = these.lines().filter(|line| !those.lines().any(|other| other == *line));
        lines.map(|line| format!("{sign} {line}\n")).collect::<String>()
    };
    only(expected, found, "-") + &only(found, expected, "+")
}

fn total(ended: &Ended) -> Books {
    let outcome: Value = serde_json::from_str(&ended.stdout).expect("--json prints one JSON text");
    serde_json::from_value(outcome["total"].clone()).expect("the books")
}

fn rejects(lake: &Path) -> Vec<Reject> {
    let file_name = |path: &str| {
        Path::new(path)
            .file_name()
            .expect("a file")
            .to_string_lossy()
            .into_owned()
    };
    let mut rejects: Vec<Reject> = support::lake_rows(lake, "rejects")
        .iter()
        .map(|row| Reject {
            source: file_name(&row["source"]),
            record: row["record"].parse().expect("a number"),
            code: row["code"].clone(),
        })
        .collect();
    rejects.sort();
    rejects
}

/// The names of all inputs of a lake.
fn inputs_of(lake: &Path) -> Vec<String> {
    let lake = Lake::open(lake).expect("a lake");
    let ledger = lake.ledger().expect("readable");
    ledger.inputs().map(|input| input.name.clone()).collect()
}

/// A file, or all files below a folder.
fn files_at(path: PathBuf) -> Vec<PathBuf> {
    match path.is_dir() {
        true => support::files(&path).into_values().collect(),
        false => vec![path],
    }
}

fn each_case(check: impl Fn(&Path, &Case, &Path)) {
    for folder in support::sample_cases() {
        let home = support::home();
        check(&folder, &Case::read(&folder), &home.path().join("lake"));
    }
}

#[test]
fn l1_books_rejects_and_tables_are_those_of_the_case_and_l3_ingesting_again_adds_nothing() {
    each_case(|folder, case, lake| {
        let name = folder.display();
        assert_eq!(
            (case.books.len(), case.exit.len()),
            (case.runs.len(), case.runs.len()),
            "{name}: a value per run"
        );
        assert!(
            [0, case.runs.len()].contains(&case.run_options.len()),
            "{name}: options for each run or none"
        );
        for run in 0..case.runs.len() {
            let ended = case.ingest(folder, run, lake);
            assert_eq!(total(&ended), case.books[run], "{name}, run {run}");
            assert_eq!(ended.code, case.exit[run], "{name}, run {run}:\n{}", ended.stderr);
        }
        let mut expected: Vec<&Reject> = case.rejects.iter().collect();
        expected.sort();
        assert_eq!(rejects(lake).iter().collect::<Vec<_>>(), expected, "{name}");
        case.compare_tables(folder, lake, "as written");
        let read: BTreeSet<PathBuf> = inputs_of(lake).into_iter().map(PathBuf::from).collect();
        assert_eq!(
            read,
            case.inputs_read(folder),
            "{name}: what was read, and nothing else"
        );

        let held = support::held(lake);
        for run in 0..case.runs.len() {
            let ended = case.ingest(folder, run, lake);
            assert_eq!(
                (total(&ended).accepted, ended.code),
                (0, 0),
                "{name}, run {run} again:\n{}",
                ended.stderr
            );
        }
        assert!(held == support::held(lake), "{name}: L3");
        case.compare_tables(folder, lake, "ingested again");
    });
}

#[test]
fn l9_other_orders_of_the_runs_end_in_the_same_tables() {
    let mut orders = 0;
    each_case(|folder, case, lake| {
        for (number, order) in case.orders.iter().enumerate() {
            let lake = lake.with_extension(number.to_string());
            order.iter().for_each(|&run| drop(case.ingest(folder, run, &lake)));
            case.compare_tables(folder, &lake, &format!("in the order {order:?}"));
        }
    });
    for folder in support::sample_cases() {
        orders += Case::read(&folder).orders.len();
    }
    assert!(orders > 0, "some case has another order");
}

#[test]
fn every_case_says_what_it_shows_and_is_listed() {
    let list = fs::read_to_string(support::repository().join("sample-data/README.md")).expect("the list of cases");
    for folder in support::sample_cases() {
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(
            list.contains(&format!("[{name}]({name})")),
            "sample-data/README.md does not list {name}"
        );
        let case = Case::read(&folder);
        let inputs: Vec<PathBuf> = support::files(&folder.join("input")).into_values().collect();
        let named = case.runs.iter().flatten().map(|path| folder.join(path));
        let mut used: Vec<PathBuf> = named.flat_map(files_at).collect();
        used.sort();
        assert_eq!(inputs, used, "{name}: every input is ingested, once");
        let text = fs::read_to_string(folder.join("README.md")).expect("every case has a README.md");
        for path in &case.not_read {
            // Below the folder in `input/` that is ingested as a whole.
            let below = path.splitn(3, '/').nth(2).expect("a file in a folder of input/");
            assert!(
                text.contains(&format!("`{below}`")),
                "{name}: README.md says why {below} is not read"
            );
        }
    }
}
