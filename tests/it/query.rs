//! Questions in SQL: what they answer, compared with DuckDB on all rows, and what is refused.

use crate::logs::{self, Event, Form, at};
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
use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::json;
use std::fs::{self, File};
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

/// One number.
fn number(lake: &Path, sql: &str) -> i64 {
    let table = answer(lake, sql, &Options::default()).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let mut text = Vec::new();
    write::csv::write(&table, &mut text).expect("memory");
    let text = String::from_utf8(text).expect("UTF-8");
    text.lines()
        .nth(1)
        .and_then(|line| line.parse().ok())
        .unwrap_or_else(|| panic!("{sql}: {text}"))
}

/// Overwrites a column's values in every file, so that whoever decodes them fails.
fn spoil(lake: &Path, column: &str) {
    let mut spoiled = 0;
    for path in support::files(&lake.join("audit")).into_values() {
        let reader = SerializedFileReader::new(File::open(&path).expect("a file")).expect("a Parquet file");
        let mut bytes = fs::read(&path).expect("readable");
        for group in reader.metadata().row_groups() {
            let chunks = group.columns().iter();
            for chunk in chunks.filter(|chunk| chunk.column_path().string() == column) {
                let (start, length) = chunk.byte_range();
                bytes[start as usize..(start + length) as usize].fill(0xFF);
                spoiled += 1;
            }
        }
        fs::write(&path, bytes).expect("written");
    }
    assert!(spoiled > 0, "{column} is there");
}

#[test]
fn only_columns_that_are_named_are_read_and_only_where_a_row_passes() {
    let home = support::home();
    let lake = lake(home.path());
    let of_one = "SELECT count(*) AS n FROM change WHERE action = 2";
    let texts = "SELECT count(change_data) AS n FROM audit";
    let (changes, known) = (number(&lake, of_one), number(&lake, texts));
    assert!(changes > 0 && known > 0);
    spoil(&lake, "change_data");
    assert_eq!(number(&lake, of_one), changes, "what is not named is not read");
    assert!(answer(&lake, texts, &Options::default()).is_err(), "what is named is");
    assert!(answer(&lake, "SELECT * FROM change", &Options::default()).is_err());
    let nobody = "SELECT count(change_data) AS n FROM change WHERE user_id = 'nobody'";
    assert_eq!(number(&lake, nobody), 0, "nor where no row passes");
    let first = "SELECT count(change_data) AS n FROM change WHERE created_date = '1999-01-01' AND created_hour = 3";
    assert_eq!(number(&lake, first), 0, "the local clock decides before, too");
}

#[test]
fn rows_are_counted_before_they_are_filtered_where_a_limit_says_so() {
    let home = support::home();
    let lake = lake(home.path());
    let first: Vec<i64> = (0..40)
        .map(|place| number(&lake, &format!("SELECT action FROM access LIMIT 1 OFFSET {place}")))
        .collect();
    let of_web = first.iter().filter(|action| **action == 64).count() as i64;
    assert!(0 < of_web && of_web < 40, "{first:?}");
    let limited = "SELECT count(*) AS n FROM (SELECT action FROM access LIMIT 40) AS first_rows";
    assert_eq!(number(&lake, limited), 40);
    assert_eq!(number(&lake, &format!("{limited} WHERE action = 64")), of_web);
    assert_eq!(
        number(&lake, "SELECT count(*) AS n FROM (SELECT * FROM audit LIMIT 0) AS none"),
        0
    );
}

#[test]
fn l2_answers_without_an_order_are_the_same_every_time() {
    let home = support::home();
    let lake = lake(home.path());
    let questions = [
        "SELECT * FROM audit",
        "SELECT actor_id, client, count(*) AS n FROM sessions GROUP BY actor_id, client",
        "SELECT s.actor_id, u.status, s.started_on FROM sessions AS s JOIN users AS u ON s.actor_id = u.actor_id",
        "SELECT environment, actor_id FROM users UNION SELECT environment, actor_id FROM access",
        "WITH some AS (SELECT object_type, count(*) AS n FROM change GROUP BY object_type) SELECT * FROM some",
        "SELECT DISTINCT client, start_censored FROM sessions",
        "SELECT * FROM access WHERE actor_id IN (SELECT actor_id FROM sessions WHERE client = 'mixed')",
    ];
    let bytes = |sql: &str, threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("threads");
        let table = pool
            .install(|| answer(&lake, sql, &Options::default()))
            .expect("an answer");
        let mut text = Vec::new();
        write::csv::write(&table, &mut text).expect("memory");
        text
    };
    for sql in questions {
        let expected = bytes(sql, 1);
        assert!(expected.iter().filter(|byte| **byte == b'\n').count() > 3, "{sql}");
        for threads in [1, 2, 3, 4] {
            assert!(bytes(sql, threads) == expected, "{sql} on {threads} threads");
        }
    }
    let grouped =
        String::from_utf8(bytes("SELECT action, count(*) AS n FROM audit GROUP BY action", 2)).expect("UTF-8");
    let actions: Vec<i64> = grouped
        .lines()
        .skip(1)
        .filter_map(|line| line.split(',').next()?.parse().ok())
        .collect();
    assert!(
        actions.len() > 5 && actions.is_sorted(),
        "sorted by the columns: {actions:?}"
    );
}

#[test]
fn what_columns_mean_stands_in_no_file() {
    let home = support::home();
    let log = Form::Lines.write(&logs::with_ids(vec![Event::access(
        at("2026-03-01T08:00:00Z"),
        64,
        Some(1),
    )]));
    let file = support::write(&home.path().join("log.ndjson"), log);
    let lake = home.path().join("lake");
    support::ingest(&support::plan(&lake, &[&file]));
    let out = home.path().join("reports");
    support::publish(&lake, &Options::default(), &out, &[Format::Parquet]);
    let table = answer(&lake, "SELECT * FROM sessions", &Options::default()).expect("an answer");
    write::write_file(&out.join("answer.parquet"), &table, Format::Parquet, &[]).expect("written");
    let all = support::files(home.path()).into_values();
    let parquet: Vec<PathBuf> = all
        .filter(|path| path.extension().is_some_and(|end| end == "parquet"))
        .collect();
    assert!(parquet.len() > 8, "{parquet:?}");
    for path in parquet {
        let reader = SerializedFileReader::new(File::open(&path).expect("a file")).expect("a Parquet file");
        let arrow = parquet::arrow::parquet_to_arrow_schema(
            reader.metadata().file_metadata().schema_descr(),
            reader.metadata().file_metadata().key_value_metadata(),
        );
        for field in arrow.expect("a schema").fields() {
            assert!(field.metadata().is_empty(), "{}: {}", path.display(), field.name());
        }
    }
}
