//! Typed exports, written by the programs that people use: the same lake and the same reports as the plain text gives.

use crate::logs::{self, Chance, Event, HOUR, at};
use crate::python::python;
use crate::support::{self, gatelog};
use gatelog::ingest::{Fate, Outcome};
use gatelog::report::options::Options;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An unkind log of some hundred rows, to the millisecond, which is all that a workbook holds.
fn rows() -> Vec<Value> {
    let chance = &mut Chance::new(7);
    let start = at("2026-03-27T20:00:00Z");
    let logs = (0..12)
        .flat_map(|_| logs::unkind(chance, start, HOUR))
        .collect::<Vec<Event>>();
    let row = |(number, event): (usize, Event)| {
        let on = event.on / 1000 * 1000;
        let id = event.id.map(|_| logs::id('c', number));
        let mut row = Event { on, id, ..event }.to_json();
        row["operation"] = 4.into();
        row["versionnumber"] = (72_201_545 + number as i64).into();
        row["changedata"] = format!("~{number},\n\"é\"\t").into();
        row
    };
    logs.into_iter().enumerate().map(row).collect()
}

/// The log as NDJSON, and the lake that this gives.
fn plain(home: &Path) -> (PathBuf, PathBuf) {
    let lines: String = rows().iter().map(|row| format!("{row}\n")).collect();
    assert!(lines.lines().count() > 200, "a log of some length");
    let file = support::write(&home.join("plain/rows.ndjson"), lines);
    let lake = home.join("lake of lines");
    support::ingest(&support::plan(&lake, &[&file]));
    (file, lake)
}

fn write_typed(kind: &str, rows: &Path, folder: &Path) {
    let script = support::repository().join("tests/oracle/typed.py");
    let output = Command::new(python())
        .arg("-B")
        .arg(script)
        .arg(kind)
        .arg(rows)
        .arg(folder)
        .output();
    let output = output.expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Ingests a path by itself, and again, and beside the plain text: always the lake and the reports of the plain text.
fn assert_same(home: &Path, path: &Path, form: &str, plain: &(PathBuf, PathBuf)) -> Outcome {
    let name = path.file_name().expect("a name").to_string_lossy();
    let lake = home.join(format!("lake of {name}"));
    let outcome = support::ingest(&support::plan(&lake, &[path]));
    for report in &outcome.reports {
        match &report.fate {
            Fate::Ingested { form: found, tally, .. } => {
                assert_eq!(
                    (*found, tally.rejected),
                    (form, 0),
                    "{}: {:?}",
                    report.input,
                    outcome.rejects
                );
            }
            fate => panic!("{}: {fate:?}", report.input),
        }
    }
    assert_eq!(support::contents(&lake), support::contents(&plain.1), "{name}");
    let options = Options::default();
    assert_eq!(
        support::report_files(&lake, &options),
        support::report_files(&plain.1, &options),
        "{name}"
    );

    let again = support::ingest(&support::plan(&lake, &[path]));
    assert!(
        again.reports.iter().all(|report| report.fate == Fate::AlreadyIngested),
        "{again:?}"
    );
    let beside = support::ingest(&support::plan(&lake, &[&plain.0]));
    assert_eq!(beside.total.accepted, 0, "{name}");
    outcome
}

#[test]
fn parquet_by_duckdb_gives_the_lake_and_reports_of_the_same_ndjson() {
    let home = support::home();
    let plain = plain(home.path());
    let folder = home.path().join("typed");
    write_typed("parquet", &plain.0, &folder);
    let mut files = support::files(&folder);
    let unread = files
        .remove("unread.parquet")
        .expect("a file with a codec gatelog lacks");
    assert_eq!(files.len(), 5, "{files:?}");
    for path in files.values() {
        assert_same(home.path(), path, "parquet", &plain);
    }
    let plan = support::plan(&home.path().join("none"), &[&unread]);
    let error = gatelog::ingest::ingest(&plan, &|_| {}).expect_err("refused");
    assert!(error.fact.contains("Brotli"), "{error}");
}

#[test]
fn a_time_without_zone_in_parquet_is_that_of_the_source_and_an_instant_is_not() {
    let home = support::home();
    let plain = plain(home.path());
    let folder = home.path().join("typed");
    write_typed("parquet", &plain.0, &folder);
    let first_on = |file: &str, zone: &str| {
        let lake = home
            .path()
            .join(format!("lake of {file} in {}", zone.replace('/', "-")));
        let path = folder.join(file);
        let mut plan = support::plan(&lake, &[&path]);
        plan.source_tz = zone.parse().expect("a zone");
        support::ingest(&plan);
        let rows = support::contents(&lake);
        at(rows.iter().map(|row| &row["created_on"]).min().expect("rows"))
    };
    let (utc, kolkata) = ("UTC", "Asia/Kolkata");
    assert_eq!(
        first_on("times.parquet", kolkata),
        first_on("times.parquet", utc) - 11 * HOUR / 2
    );
    assert_eq!(first_on("instants.parquet", kolkata), first_on("instants.parquet", utc));
}

#[test]
fn workbooks_by_openpyxl_give_the_lake_and_reports_of_the_same_ndjson() {
    let home = support::home();
    let plain = plain(home.path());
    let folder = home.path().join("typed");
    write_typed("workbook", &plain.0, &folder);
    for calendar in ["windows", "mac"] {
        let outcome = assert_same(home.path(), &folder.join(format!("{calendar}.xlsx")), "xlsx", &plain);
        let Fate::Ingested { notes, .. } = &outcome.reports[0].fate else {
            unreachable!("it was ingested")
        };
        assert!(
            notes[0].contains("\"Audit, all\"") && notes[0].contains("\"Audit 2\""),
            "{notes:?}"
        );
        assert!(notes[1].contains("\"Cover\""), "{notes:?}");
    }
}

#[test]
fn a_delta_table_gives_the_lake_and_reports_of_its_live_rows() {
    let home = support::home();
    let plain = plain(home.path());
    let folder = home.path().join("typed");
    write_typed("delta", &plain.0, &folder);
    let table = folder.join("audit_partitioned");
    let files = support::files(&table);
    let data = files.keys().filter(|name| name.starts_with("PartitionId")).count();
    let outcome = assert_same(home.path(), &table, "delta", &plain);
    assert!(
        outcome.reports.len() < data,
        "superseded files are there, and not read: {files:?}"
    );

    // The checkpoint alone, as its two parts (which may say the same twice), and without the commits before it.
    let log = table.join("_delta_log");
    let checkpoint = files
        .keys()
        .find(|name| name.ends_with(".checkpoint.parquet"))
        .expect("a checkpoint");
    let checkpoint = table.join(checkpoint);
    let version = &checkpoint.file_name().expect("a name").to_string_lossy()[..20];
    for part in 1..=2 {
        let name = format!("{version}.checkpoint.{part:010}.{:010}.parquet", 2);
        fs::copy(&checkpoint, log.join(name)).expect("copied");
    }
    fs::remove_file(&checkpoint).expect("removed");
    for entry in fs::read_dir(&log).expect("the log") {
        let path = entry.expect("an entry").path();
        if path
            .file_name()
            .is_some_and(|name| *name.to_string_lossy() <= *format!("{version}.json"))
        {
            let is_commit = path.extension().is_some_and(|end| end == "json");
            is_commit.then(|| fs::remove_file(&path).expect("removed"));
        }
    }
    let lake = home.path().join("lake of the checkpoint");
    support::ingest(&support::plan(&lake, &[&folder]));
    assert_eq!(support::contents(&lake), support::contents(&plain.1));
}

#[test]
fn the_lakes_own_files_are_read_again_as_the_lake() {
    let home = support::home();
    let plain = plain(home.path());
    let again = home.path().join("again");
    support::ingest(&support::plan(&again, &[&plain.1.join("audit")]));
    assert_eq!(support::contents(&again), support::contents(&plain.1));
    let options = Options::default();
    assert_eq!(
        support::report_files(&again, &options),
        support::report_files(&plain.1, &options)
    );
}

#[test]
fn a_reject_of_a_typed_export_has_the_number_of_its_row_and_no_byte_offset() {
    let home = support::home();
    let script = "import openpyxl, sys, duckdb\n\
        book = openpyxl.Workbook()\n\
        for row in [['My log'], [], ['auditid', 'createdon', 'action', 'changedata'], \
            ['a', '2026-03-01T08:00:00Z', 64, 'one\\ntwo\\nthree'], [], ['b', 'yesterday', 64, 'x\\ny'], \
            ['c', '2026-03-01T09:00:00Z', None, None]]: book.active.append(row)\n\
        book.save('rows.xlsx')\n\
        duckdb.sql(\"COPY (SELECT * FROM (VALUES (TIMESTAMP '2026-03-01 08:00:00', 64), \
            (NULL, 65)) AS t(createdon, action)) TO 'rows.parquet'\")\n";
    let made = Command::new(python())
        .current_dir(home.path())
        .args(["-c", script])
        .output();
    let made = made.expect("Python starts");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let ended = gatelog(home.path(), &["ingest", "--lake", "lake", "rows.xlsx", "rows.parquet"]);
    assert_eq!(ended.code, 4, "{}", ended.stderr);
    let rejects = support::lake_rows(&home.path().join("lake"), "rejects");
    let shown: Vec<_> = rejects
        .iter()
        .map(|row| (&*row["source"], &*row["record"], &*row["code"]))
        .collect();
    assert_eq!(
        shown,
        [
            ("rows.parquet", "2", "created-on-missing"),
            ("rows.xlsx", "6", "created-on-invalid"),
            ("rows.xlsx", "7", "action-missing"),
        ]
    );
    assert!(
        rejects.iter().all(|row| !row.contains_key("byte_offset")),
        "{rejects:?}"
    );
    assert_eq!(rejects[0]["raw"], hex("{\"action\":\"65\"}"));
    assert_eq!(rejects[1]["raw"], hex("b,yesterday,64,\"x\ny\""));
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}
