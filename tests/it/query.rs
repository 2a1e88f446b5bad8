//! Questions in SQL: what they answer, compared with DuckDB on all rows, and what is refused.

use crate::python::python;
use crate::support;
use gatelog::generate;
use gatelog::ingest;
use gatelog::lake::Lake;
use gatelog::query::Statement;
use gatelog::report::Scratch;
use gatelog::report::options::Options;
use gatelog::report::table::Table;
use gatelog::write::{self, Format};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a lake answers.
pub fn answer(lake: &Path, sql: &str, options: &Options) -> gatelog::error::Result<Table> {
    let lake = Lake::open(lake)?;
    Statement::parse(sql)?.answer(&lake, options, &Scratch::new(std::env::temp_dir()))
}

/// Two environments, in runs of which each has files of its own.
fn lake(home: &Path) -> PathBuf {
    let lake = home.join("lake");
    for (seed, start, host) in [
        (1, "2026-03-16", "contoso.crm4.dynamics.com"),
        (2, "2026-04-02", "contoso.crm4.dynamics.com"),
        (3, "2026-03-20", "fabrikam.crm.dynamics.com"),
    ] {
        let exports = home.join(format!("exports {seed}"));
        let plan = generate::Plan {
            seed,
            environment_host: host.to_owned(),
            start: start.parse().expect("a date"),
            access_rows: 900,
            change_rows: 600,
            gaps: 6,
            duplicates: 0.1,
            side_tables: true,
            page_rows: 150,
            ..generate::Plan::default()
        };
        generate::generate(&plan, generate::Form::ODataPages, &exports).expect("generated");
        support::ingest(&ingest::Plan::new(vec![exports], lake.clone()));
    }
    lake
}

/// The statements of a file, by their names.
fn questions(text: &str) -> Vec<(&str, &str)> {
    let parts = text.split("\n-- ? ").skip(1);
    parts
        .map(|part| part.split_once('\n').expect("a statement"))
        .map(|(name, sql)| (name, sql.trim()))
        .collect()
}

#[test]
fn typical_questions_are_answered_as_duckdb_answers_them() {
    let home = support::home();
    let lake = lake(home.path());
    let options = Options {
        tz: chrono_tz::Europe::Berlin,
        ..Options::default()
    };
    let reports = home.path().join("reports");
    support::publish(&lake, &options, &reports, &[Format::Parquet]);
    let file = support::repository().join("tests/oracle/questions.sql");
    let text = std::fs::read_to_string(&file).expect("questions");
    let questions = questions(&text);
    let answers = home.path().join("answers");
    let mut unanswered = Vec::new();
    for (place, (name, sql)) in questions.iter().enumerate() {
        match answer(&lake, sql, &options) {
            Ok(table) => {
                let path = answers.join(format!("{place}.parquet"));
                write::write_file(&path, &table, Format::Parquet, &[]).expect("written");
            }
            Err(error) => unanswered.push(format!("{name}: {error}")),
        }
    }
    let cases = json!([{
        "name": "generated", "lake": lake, "reports": reports, "tz": options.tz.name(), "questions": file,
        "answers": answers,
    }]);
    let list = support::write(&home.path().join("cases.json"), cases.to_string());
    let output = Command::new(python())
        .arg("-B")
        .arg(support::repository().join("tests/oracle/questions.py"))
        .arg(list)
        .output()
        .expect("Python starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && unanswered.is_empty(),
        "{}\n{said}{}",
        unanswered.join("\n"),
        String::from_utf8_lossy(&output.stderr)
    );
    let with_rows = said.lines().filter(|line| !line.ends_with(": 0")).count();
    assert!(questions.len() > 45 && with_rows > 40, "{said}");
}
