//! What the program says, word for word: golden texts of standard output, standard error and exit code.
//!
//! They live in `golden/`. `UPDATE_GOLDEN=1 cargo test --release --test it cli` writes them anew; read the difference.

use crate::encoded;
use crate::logs::{self, Event, Form, at};
use crate::support::{self, Ended, gatelog};
use gatelog::disk::Disk;
use gatelog::ingest::Plan;
use gatelog::lake::Writer;
use gatelog::lake::lock::Owner;
use std::fs;
use std::path::Path;

pub const COMMANDS: [&str; 13] = [
    "ingest", "status", "runs", "verify", "compact", "rejects", "replay", "report", "explain", "query", "schema",
    "generate", "demo",
];

/// Compares an outcome with `golden/NAME.txt`, where HOME stands for the folder the program ran in.
fn golden(home: &Path, name: &str, command: &[&str], ended: &Ended) {
    let path = support::repository().join(format!("tests/it/golden/{name}.txt"));
    let Ended { code, stdout, stderr } = ended;
    let text = format!(
        "$ gatelog {}\n--- exit code\n{code}\n--- stdout\n{stdout}--- stderr\n{stderr}",
        command.join(" ")
    );
    let resolved = home.canonicalize().expect("a folder");
    let text = text
        .replace(&*resolved.to_string_lossy(), "HOME")
        .replace(&*home.to_string_lossy(), "HOME");
    let text = support::masked(&text);
    // The program's name has an ending on some systems.
    let text = text.replace("gatelog.exe", "gatelog").replace("\r\n", "\n");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        support::write(&path, text);
        return;
    }
    let expected =
        fs::read_to_string(&path).unwrap_or_else(|_| panic!("{name}.txt is missing: run with UPDATE_GOLDEN=1"));
    assert!(
        expected.replace("\r\n", "\n") == text,
        "{name}.txt has changed; expected\n{expected}\nfound\n{text}"
    );
}

pub fn check(home: &Path, name: &str, command: &[&str], code: i32) {
    let ended = gatelog(home, command);
    assert_eq!(ended.code, code, "{command:?}: {}", ended.stderr);
    assert!(
        code == 0 || ended.stdout.is_empty(),
        "{command:?}: errors go to standard error"
    );
    golden(home, name, command, &ended);
}

/// A folder with a lake of a few rows.
pub fn with_lake() -> tempfile::TempDir {
    let home = support::home();
    let input = support::repository().join("sample-data/minimal/input/page.json");
    let lake = home.path().join("lake");
    support::ingest(&Plan {
        clock: || 1_772_524_800_000_000,
        ..Plan::new(vec![input], lake)
    });
    home
}

#[test]
fn help_is_what_a_newcomer_needs() {
    let home = support::home();
    check(home.path(), "alone", &[], 2);
    check(home.path(), "help", &["--help"], 0);
    check(home.path(), "version", &["--version"], 0);
    for command in COMMANDS {
        check(home.path(), &format!("help-{command}"), &[command, "--help"], 0);
    }
}

#[test]
fn a_misspelled_report_gets_the_right_name_suggested() {
    let home = support::home();
    check(home.path(), "misspelled-report", &["report", "sesions"], 2);
    let ended = gatelog(home.path(), &["report", "sesions"]);
    assert!(ended.stderr.contains("sessions"), "{}", ended.stderr);
}

#[test]
fn a_lake_that_does_not_exist_says_how_to_make_one() {
    check(support::home().path(), "no-lake", &["report", "--lake", "nowhere"], 1);
}

#[test]
fn options_that_contradict_each_other_or_mean_nothing_are_usage() {
    let home = with_lake();
    let cases: [(&str, &[&str]); 11] = [
        ("several-reports-as-csv", &["report", "--format", "csv"]),
        ("parquet-to-stdout", &["report", "sessions", "--format", "parquet"]),
        ("several-formats-to-stdout", &["report", "--format", "csv,json"]),
        ("unknown-format", &["report", "--format", "xls"]),
        ("bad-tz", &["report", "--tz", "Middle-earth"]),
        ("bad-from", &["report", "--from", "yesterday"]),
        (
            "from-after-to",
            &["report", "--from", "2026-03-02", "--to", "2026-03-01"],
        ),
        ("bad-interval", &["report", "--audit-interval", "4 hours"]),
        ("bad-inactive-after", &["report", "--inactive-after", "0d"]),
        ("bad-min-coverage", &["report", "--min-coverage", "90"]),
        ("unknown-environment", &["report", "--environment", "contso"]),
    ];
    for (name, command) in cases {
        check(home.path(), name, command, 2);
    }
}

#[test]
fn a_folder_with_foreign_files_is_never_replaced() {
    let home = with_lake();
    let mine = support::write(&home.path().join("reports/thesis.docx"), "mine");
    check(home.path(), "foreign-file-in-out", &["report", "--out", "reports"], 2);
    assert_eq!(fs::read_to_string(mine).expect("still there"), "mine");
}

#[test]
fn ingest_tells_what_became_of_each_input() {
    let home = support::home();
    let input = support::repository().join("sample-data/broken-lines/input");
    support::copy(&input, &home.path().join("exports"));
    support::write(
        &home.path().join("exports/purview.json"),
        "{\"CreationTime\":\"x\",\"AuditData\":\"{}\"}",
    );
    support::write(&home.path().join("exports/bird.jpg"), b"\xFF\xD8\xFF\xE0");
    support::write(&home.path().join("exports/nothing.csv"), "");
    check(
        home.path(),
        "ingest",
        &["ingest", "exports", "--environment", "sample"],
        4,
    );
    check(
        home.path(),
        "ingest-again",
        &["ingest", "exports", "--environment", "sample"],
        4,
    );
    check(
        home.path(),
        "ingest-json",
        &[
            "ingest",
            "--lake",
            "other",
            "exports/b-rows.csv",
            "--json",
            "--max-rejects=9",
        ],
        0,
    );
}

#[test]
fn ingest_of_a_mixed_folder_says_of_each_input_what_it_is_and_whose() {
    let home = support::home();
    let exports = home.path().join("exports");
    for case in ["users-and-organization", "synapse-link"] {
        support::copy(
            &support::repository().join(format!("sample-data/{case}/input")),
            &exports,
        );
    }
    for (name, text) in [
        ("f-contacts.csv", "contactid,fullname\n1,Wren Sample\n"),
        (
            "g-tool.csv",
            "Date/Time,Operation,Action,User\n2026-03-02 08:00:00,Access,User Access via Web,Wren Sample\n",
        ),
        ("h-page.xml", "<feed><entry/></feed>"),
        ("i-notes.txt", "call Wren\n"),
    ] {
        support::write(&exports.join(name), text);
    }
    let page = fs::read(exports.join("c-fabrikam.json")).expect("a page");
    support::write(&exports.join("j-page.json.gz"), encoded::gzip(&page));
    let members: [(&str, &[u8]); 2] = [("page.json", &page), ("read me.txt", b"call Wren\n")];
    support::write(&exports.join("k-pages.zip"), encoded::zip(&members));
    check(home.path(), "ingest-mixed", &["ingest", "exports"], 4);

    // All of one environment: nothing stands apart.
    let users = ["ingest", "--lake", "other", "exports/d-users.csv"];
    assert!(!gatelog(home.path(), &users).stderr.contains("environment"));
    let named = [
        "ingest",
        "--lake",
        "third",
        "--environment=one",
        "exports/d-users.csv",
        "exports/a-contoso.json",
    ];
    assert!(!gatelog(home.path(), &named).stderr.contains("environment"));
}

#[test]
fn reports_for_people_and_pipes() {
    let home = with_lake();
    check(home.path(), "report", &["report"], 0);
    check(
        home.path(),
        "report-json",
        &["report", "sessions", "gaps", "--format", "json"],
        0,
    );
    check(
        home.path(),
        "report-one-row",
        &["report", "clients", "--rows", "1", "--tz", "europe/berlin"],
        0,
    );
    check(
        home.path(),
        "report-out",
        &["report", "--out", "reports", "--format", "csv,json,parquet"],
        0,
    );
    assert_eq!(support::files(&home.path().join("reports")).len(), 29);
}

/// Wren by id, Robin by name, users and an organization whose names would act on a terminal, and a row without a time.
#[test]
fn status_says_what_is_known_and_what_is_not() {
    let home = with_lake();
    check(home.path(), "status", &["status"], 0);

    let (wren, lark) = (logs::id('a', 1), logs::id('a', 2));
    let write = |name: &str, text: &str| support::write(&home.path().join("in").join(name), text);
    write(
        "names.csv",
        "Created On,Action,Operation,User,Entity\n2026-03-01 08:00:00,User Access via Web,Access,Robin Sample,User\n\
         2026-03-02 08:00:00,User Access via Web,Access,Robin Sample,User\nnever,User Access via Web,Access,Robin Sample,User\n",
    );
    write(
        "ids.csv",
        &format!("createdon,action,objectid\n2026-03-03T08:00:00Z,64,{wren}\n"),
    );
    write(
        "users.csv",
        &format!("systemuserid,fullname,isdisabled\n{wren},Wren Sample,0\n{lark},Lark\u{202E} Sample,1\n"),
    );
    write(
        "organization.csv",
        &format!(
            "organizationid,name,isauditenabled,isuseraccessauditenabled,useraccessauditinginterval,auditretentionperiodv2\n\
             {lark},Sample\u{1B}[31m,true,0,12,-1\n"
        ),
    );
    support::ingest(&Plan {
        environment: Some("mixed".to_owned()),
        exported_on: Some(at("2026-03-04T00:00:00Z")),
        clock: || 1_772_611_200_000_000,
        ..Plan::new(vec![home.path().join("in")], home.path().join("lake"))
    });
    check(home.path(), "status-of-all", &["status"], 0);
    check(
        home.path(),
        "status-json",
        &["status", "--environment", "mixed", "--json"],
        0,
    );
    check(
        home.path(),
        "status-unknown-environment",
        &["status", "--environment", "mixt"],
        2,
    );
    check(home.path(), "runs", &["runs"], 0);
    check(home.path(), "verify", &["verify"], 0);
    check(home.path(), "status-no-lake", &["status", "--lake", "nowhere"], 1);
}

#[test]
fn a_report_asked_for_twice_is_given_once() {
    let home = with_lake();
    let once = gatelog(home.path(), &["report", "gaps", "--format", "csv"]);
    let twice = gatelog(home.path(), &["report", "gaps", "gaps", "--format", "csv"]);
    assert_eq!((twice.code, twice.stdout), (0, once.stdout));
}

#[test]
fn the_demo_runs_and_runs_again() {
    let home = support::home();
    check(home.path(), "demo", &["demo"], 0);
    let reports = support::files(&home.path().join("gatelog-demo/reports"));
    assert_eq!(reports.len(), 21);
    for table in support::TABLES {
        let expected = support::repository().join(format!("sample-data/three-routes/expected/{table}.csv"));
        let found = &reports[&format!("{table}.csv")];
        assert_eq!(
            fs::read_to_string(found).expect("written"),
            fs::read_to_string(expected).expect("expected"),
            "{table}"
        );
    }
    check(home.path(), "demo-again", &["demo"], 0);
}

#[test]
fn a_second_writer_meets_the_lock_and_readers_never_wait() {
    let home = with_lake();
    let log = Form::Lines.write(&[Event::access(at("2026-03-01T08:00:00Z"), 64, Some(1))]);
    support::write(&home.path().join("more.ndjson"), log);
    let owner = Owner {
        pid: 7,
        host: "birdhouse".to_owned(),
        started_on: "2026-03-01T12:00:00Z".to_owned(),
        command: "ingest".to_owned(),
        patience: std::time::Duration::ZERO,
    };
    let writer = Writer::open(&home.path().join("lake"), &owner, 1 << 20, &Disk::default(), || 0).expect("free");
    check(home.path(), "locked", &["ingest", "more.ndjson"], 5);
    assert_eq!(gatelog(home.path(), &["report"]).code, 0);
    drop(writer);
    assert_eq!(
        gatelog(home.path(), &["ingest", "more.ndjson"]).code,
        0,
        "the lock is free again"
    );
}

#[test]
fn the_lake_is_found_by_option_variable_and_default_in_this_order() {
    let home = with_lake();
    fs::rename(home.path().join("lake"), home.path().join("mine")).expect("renamed");
    let run = |arguments: &[&str], variable: Option<&str>| {
        let mut program = support::program(home.path());
        program.args(arguments);
        variable.map(|value| program.env("GATELOG_LAKE", value));
        program.output().expect("the program starts").status.code()
    };
    assert_eq!(run(&["report"], None), Some(1), "./lake is not there");
    assert_eq!(run(&["report"], Some("mine")), Some(0));
    assert_eq!(run(&["report", "--lake", "mine"], Some("nowhere")), Some(0));
}

#[test]
fn standard_input_is_an_export_and_a_closed_pipe_is_no_error() {
    use std::io::{Read, Write};
    use std::process::Stdio;
    let home = support::home();
    let events: Vec<Event> = (0..9)
        .map(|row| Event::access(at("2026-03-01T08:00:00Z") + row, 64, Some(row as usize)))
        .collect();
    let mut program = support::program(home.path());
    let mut child = program
        .args(["ingest", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    let mut stdin = child.stdin.take().expect("piped");
    stdin
        .write_all(Form::Page.write(&logs::with_ids(events)).as_bytes())
        .expect("written");
    drop(stdin);
    assert_eq!(child.wait().expect("ended").code(), Some(0));
    assert_eq!(support::lake_rows(&home.path().join("lake"), "audit").len(), 9);

    let mut program = support::program(home.path());
    let mut child = program
        .args(["report"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    drop(child.stdout.take());
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .expect("piped")
        .read_to_string(&mut stderr)
        .expect("text");
    assert_eq!((child.wait().expect("ended").code(), stderr.as_str()), (Some(0), ""));
}
