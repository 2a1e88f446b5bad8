//! What `gatelog query` and `gatelog schema` print, word for word, and what they refuse.

use crate::cli::{check, with_lake};
use crate::query::answer;
use crate::support::{self, Ended, gatelog};
use gatelog::query::tables;
use gatelog::report::options::Options;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

/// The table's rows as CSV.
fn csv(lake: &Path, sql: &str) -> String {
    let table = answer(lake, sql, &Options::default()).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let mut text = Vec::new();
    gatelog::write::csv::write(&table, &mut text).expect("memory");
    String::from_utf8(text).expect("UTF-8")
}

#[test]
fn answers_for_people_pipes_and_files() {
    let home = with_lake();
    let sessions = "SELECT actor_name, started_on, duration_min_s, end_censored FROM sessions";
    check(home.path(), "query", &["query", sessions], 0);
    check(home.path(), "query-csv", &["query", sessions, "--format", "csv"], 0);
    let counted = "SELECT kind, count(*) AS total, max(calling_user_id) AS caller FROM audit GROUP BY kind";
    check(home.path(), "query-json", &["query", counted, "--format", "json"], 0);
    check(
        home.path(),
        "query-rows",
        &["query", "SELECT * FROM coverage", "--rows", "1"],
        0,
    );
    check(
        home.path(),
        "query-none",
        &["query", "SELECT * FROM gaps WHERE 1 = 0"],
        0,
    );
    check(home.path(), "query-tables", &["query", "SHOW TABLES"], 0);
    let zone = [
        "query",
        "SELECT created_on, created_date, created_hour FROM access LIMIT 2",
        "--tz",
        "asia/kolkata",
    ];
    check(home.path(), "query-zone", &zone, 0);
    check(
        home.path(),
        "query-out",
        &["query", sessions, "--out", "answer.parquet"],
        0,
    );
    let rows = support::parquet_rows(&home.path().join("answer.parquet"));
    assert_eq!(
        rows.len(),
        gatelog(home.path(), &["query", sessions, "--format", "csv"])
            .stdout
            .lines()
            .count()
            - 1
    );
    // The file's name says the format, and an older answer is replaced as a whole.
    check(
        home.path(),
        "query-out-csv",
        &["query", "SELECT 1 AS one", "--out", "answer.csv"],
        0,
    );
    check(
        home.path(),
        "query-out-csv",
        &["query", "SELECT 1 AS one", "--out", "answer.csv"],
        0,
    );
    assert_eq!(
        fs::read_to_string(home.path().join("answer.csv")).expect("written"),
        "one\n1\n"
    );
    assert!(support::files(home.path()).keys().all(|name| !name.ends_with(".tmp")));
}

#[test]
fn a_statement_comes_from_the_line_a_file_or_standard_input() {
    let home = with_lake();
    support::write(
        &home.path().join("q.sql"),
        "\u{feff}-- how many\nSELECT count(*) AS n\nFROM audit;\n",
    );
    let direct = gatelog(
        home.path(),
        &["query", "SELECT count(*) AS n FROM audit", "--format", "csv"],
    );
    let by_file = gatelog(home.path(), &["query", "-f", "q.sql", "--format", "csv"]);
    assert_eq!((direct.code, &direct.stdout), (0, &by_file.stdout));
    for way in [["query", "-"].as_slice(), &["query", "-f", "-"]] {
        let mut program = support::program(home.path());
        let mut child = program
            .args(way)
            .args(["--format", "csv"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(b"SELECT count(*) AS n FROM audit").expect("written");
        drop(stdin);
        let output = child.wait_with_output().expect("ended");
        assert_eq!(String::from_utf8_lossy(&output.stdout), direct.stdout);
    }
    support::write(&home.path().join("latin.sql"), b"SELECT 'Gr\xF6\xDFe' AS word");
    check(home.path(), "query-latin", &["query", "-f", "latin.sql"], 2);
    let missing = gatelog(home.path(), &["query", "-f", "nowhere.sql"]);
    assert!(missing.code == 1 && missing.stderr.starts_with("error: nowhere.sql: cannot be read"));
}

#[test]
fn what_cannot_be_answered_is_refused_in_a_sentence_with_a_hint() {
    let home = with_lake();
    let refused = [
        ("empty", ""),
        ("two", "SELECT 1; SELECT 2"),
        ("syntax", "SELECT FROM sessions WHERE"),
        ("unclosed", "SELECT 'x"),
        ("table", "SELECT * FROM sesions"),
        ("schema", "SELECT * FROM lake.audit"),
        ("file", "SELECT * FROM read_csv('/etc/hosts')"),
        ("column", "SELECT actor FROM sessions"),
        (
            "ambiguous",
            "SELECT actor_id FROM sessions AS s JOIN users AS u ON s.actor_id = u.actor_id",
        ),
        ("twice", "SELECT client, client FROM sessions"),
        ("unnamed", "SELECT client AS \"\" FROM sessions"),
        ("function", "SELECT now()"),
        ("types", "SELECT actor_name + 1 FROM sessions"),
        ("duration", "SELECT last_seen_on - started_on AS length FROM sessions"),
        ("list", "SELECT array_agg(client) AS clients FROM sessions"),
        (
            "beyond",
            "SELECT CAST(9223372036854775807 AS UINT64) + CAST(9 AS UINT64) AS large",
        ),
        ("drop", "-- all of it\nDROP TABLE sessions"),
        ("delete", "DELETE FROM audit"),
        ("create", "CREATE TABLE mine AS SELECT 1"),
        (
            "shadow",
            "WITH gaps AS (SELECT * FROM gaps WHERE state = 'open') SELECT * FROM gaps",
        ),
        (
            "alias",
            "SELECT gaps.client FROM sessions AS gaps JOIN gaps AS g ON gaps.environment = g.environment",
        ),
        ("exists", "SELECT * FROM sessions WHERE EXISTS (SELECT 1)"),
        ("time", "SELECT * FROM access WHERE created_on > 'yesterday'"),
    ];
    for (name, sql) in refused {
        check(home.path(), &format!("query-refused-{name}"), &["query", sql], 2);
    }
    // polars panics here; that is told like any failure.
    check(
        home.path(),
        "query-panic",
        &["query", "SELECT created_on + INTERVAL '1 fortnight' AS x FROM access"],
        1,
    );
    let arguments: [(&str, &[&str]); 5] = [
        ("query-parquet-printed", &["query", "SELECT 1", "--format", "parquet"]),
        (
            "query-table-file",
            &["query", "SELECT 1", "--format", "table", "--out", "x.csv"],
        ),
        ("query-unknown-file", &["query", "SELECT 1", "--out", "x.txt"]),
        (
            "query-into-lake",
            &["query", "SELECT 1 AS one", "--out", "lake/manifest.json"],
        ),
        ("schema-unknown", &["schema", "session"]),
    ];
    for (name, arguments) in arguments {
        check(home.path(), name, arguments, 2);
    }
}

#[test]
fn long_and_deep_statements_end_in_an_answer_or_a_sentence() {
    let home = with_lake();
    let run = |sql: String| -> Ended {
        support::write(&home.path().join("q.sql"), sql);
        gatelog(home.path(), &["query", "-f", "q.sql", "--format", "csv"])
    };
    let list: Vec<String> = (0..100_000).map(|number| format!("'{number}'")).collect();
    let ended = run(format!(
        "SELECT count(*) AS n FROM access WHERE actor_id NOT IN ({})",
        list.join(",")
    ));
    let all = run("SELECT count(*) AS n FROM access".to_owned());
    assert_eq!((ended.code, &ended.stdout), (0, &all.stdout), "{}", ended.stderr);
    let chain = |count: usize| {
        let any: Vec<String> = (0..count).map(|number| format!("action = {number}")).collect();
        run(format!("SELECT count(*) AS n FROM access WHERE {}", any.join(" OR ")))
    };
    assert_eq!((chain(900).code, &chain(900).stdout), (0, &all.stdout));
    assert!(chain(50_000).stderr.contains("IN ("), "{}", chain(50_000).stderr);
    let nested = run(format!("SELECT {}1{}", "(".repeat(5_000), ")".repeat(5_000)));
    assert!(
        nested.code == 2 && nested.stderr.contains("nested too deeply"),
        "{}",
        nested.stderr
    );
}

#[test]
fn a_lake_without_rows_has_all_tables_and_no_rows() {
    let home = support::home();
    support::write(&home.path().join("empty.csv"), "");
    let lake = home.path().join("lake");
    support::ingest(&support::plan(&lake, &[&home.path().join("empty.csv")]));
    for listed in tables::all() {
        let names: Vec<&str> = listed
            .columns
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        assert_eq!(
            csv(&lake, &format!("SELECT * FROM {}", listed.name)),
            format!("{}\n", names.join(","))
        );
    }
    assert_eq!(
        csv(&lake, "SELECT count(*) AS n, max(created_on) AS last_on FROM audit"),
        "n,last_on\n0,\n"
    );
    assert_eq!(csv(&lake, "SELECT sum(accesses) AS total FROM sessions"), "total\n\n");
}

#[test]
fn names_and_texts_with_signs_of_sql_come_back_as_they_are() {
    let home = with_lake();
    let lake = home.path().join("lake");
    let sql = "SELECT 'it''s' AS \"order\", 'a,\"b\"' AS \"Größe von x\", NULL AS nothing, '' AS empty";
    assert_eq!(
        csv(&lake, sql),
        "order,Größe von x,nothing,empty\nit's,\"a,\"\"b\"\"\",,\"\"\n"
    );
    assert_eq!(
        csv(&lake, "SELECT \"environment\" FROM \"audit\" LIMIT 0"),
        "environment\n"
    );
}

#[test]
fn a_damaged_file_is_named_and_ends_the_question() {
    let home = with_lake();
    let files = support::files(&home.path().join("lake/audit"));
    let file = files.values().next().expect("a file");
    fs::write(file, b"PAR1 no longer").expect("written");
    let ended = gatelog(home.path(), &["query", "SELECT count(*) FROM audit"]);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let name = file.file_name().expect("a name").to_string_lossy();
    assert!(
        ended.stderr.contains(&*name) && ended.stderr.contains("not a Parquet file"),
        "{}",
        ended.stderr
    );
    assert_eq!(
        gatelog(home.path(), &["query", "SELECT 1 AS one"]).code,
        0,
        "what it does not name is not read"
    );
}

#[test]
fn schema_tells_every_table_and_the_documentation_is_what_it_tells() {
    let home = support::home();
    check(home.path(), "schema-gaps", &["schema", "gaps", "names"], 0);
    check(home.path(), "schema-json", &["schema", "names", "--json"], 0);
    let all = gatelog(home.path(), &["schema"]).stdout;
    let path = support::repository().join("docs/tables.md");
    let document = fs::read_to_string(&path).expect("docs/tables.md").replace("\r\n", "\n");
    let head = document
        .split("\n## ")
        .next()
        .expect("what stands above the tables")
        .trim_end();
    let expected = format!("{head}\n{}", tables::markdown());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        support::write(&path, &expected);
        return;
    }
    assert!(
        document == expected,
        "docs/tables.md is not what the code says: run with UPDATE_GOLDEN=1"
    );
    for listed in tables::all() {
        assert!(
            all.contains(&format!("{}: {}", listed.name, listed.meaning)),
            "{}",
            listed.name
        );
    }
}
