//! One log in every form that carries ids: the same lake, the same reports to the byte; each after the first adds nothing.

use crate::encoded::{gzip, zip, zstd};
use crate::python::python;
use crate::support;
use gatelog::generate::{self, Form};
use gatelog::ingest::{Outcome, Plan};
use gatelog::report::options::Options;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const HOST: &str = "contoso-sim.crm4.dynamics.com";

fn plan() -> generate::Plan {
    generate::Plan {
        environment_host: HOST.to_owned(),
        access_rows: 900,
        change_rows: 400,
        gaps: 7,
        duplicates: 0.05,
        page_rows: 300,
        // Over a turn of the year, so that a container has two partitions.
        start: "2025-12-15".parse().expect("a date"),
        side_tables: true,
        ..generate::Plan::default()
    }
}

/// A folder for each form, with the log and its side tables.
fn exports(home: &Path) -> Vec<(String, PathBuf)> {
    let mut exports = Vec::new();
    for form in Form::ALL {
        let folder = home.join(format!("{form:?}"));
        generate::generate(&plan(), form, &folder).expect("generated");
        exports.push((format!("{form:?}"), folder));
    }
    let wrapped = |name: &str, of: &Path, wrap: &dyn Fn(&str, &[u8]) -> Vec<u8>| {
        let folder = home.join(name);
        for (file, path) in support::files(of) {
            let bytes = wrap(&file, &fs::read(path).expect("readable"));
            support::write(&folder.join(format!("{file}.{name}")), bytes);
        }
        (name.to_owned(), folder)
    };
    let (pages, csv, soap, parquet) = (
        home.join("ODataPages"),
        home.join("Csv"),
        home.join("Soap"),
        home.join("Parquet"),
    );
    exports.push(wrapped("pages.gz", &pages, &|_, bytes| gzip(bytes)));
    exports.push(wrapped("csv.zst", &csv, &|_, bytes| zstd(bytes)));
    exports.push(wrapped("soap.zip", &soap, &|name, bytes| zip(&[(name, bytes)])));
    exports.push(wrapped("parquet.zip", &parquet, &|name, bytes| zip(&[(name, bytes)])));
    exports.push(wrapped("csv.utf16", &csv, &|_, bytes| utf16(bytes)));
    let typed = home.join("typed");
    write_typed(&csv, &typed);
    for form in ["xlsx", "delta"] {
        exports.push((form.to_owned(), typed.join(form)));
    }
    exports
}

/// Workbooks and Delta tables of the rows of a CSV export, by the programs that people use.
fn write_typed(csv: &Path, out: &Path) {
    let script = support::repository().join("tests/oracle/exports.py");
    let output = Command::new(python()).arg("-B").arg(script).arg(csv).arg(out).output();
    let output = output.expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn utf16(bytes: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(bytes).expect("UTF-8");
    let units = std::iter::once(0xFEFF).chain(text.encode_utf16());
    units.flat_map(u16::to_le_bytes).collect()
}

fn ingest(lake: &Path, folder: &Path) -> Outcome {
    support::ingest(&Plan {
        environment: Some(HOST.to_owned()),
        // The time at which all of them were exported, as the side tables need it.
        exported_on: Some(crate::logs::at("2026-02-01T00:00:00Z")),
        ..Plan::new(vec![folder.to_owned()], lake.to_owned())
    })
}

/// Some columns of a row.
type Said = [Option<String>; 7];

/// What every form says of each row, and every report to the byte. Databases and drivers have no versions, and neither
/// have they the data of changes as the cloud spells it.
fn seen(lake: &Path) -> (Vec<Said>, BTreeMap<String, Vec<u8>>) {
    let columns = [
        "audit_id",
        "created_on",
        "action",
        "operation",
        "object_id",
        "user_id",
        "actor_id",
    ];
    let contents = support::contents(lake).into_iter();
    let mut rows: Vec<_> = contents
        .map(|row| columns.map(|column| row.get(column).cloned()))
        .collect();
    rows.sort();
    (rows, support::report_files(lake, &Options::default()))
}

#[test]
fn one_log_in_every_form_gives_the_same_reports_and_each_form_after_the_first_adds_nothing() {
    let home = support::home();
    let exports = exports(home.path());
    let together = home.path().join("together");
    let mut expected = None;
    for (form, folder) in &exports {
        let lake = home.path().join(format!("lake of {form}"));
        let alone = ingest(&lake, folder);
        assert_eq!(
            (alone.total.rejected, alone.refused()),
            (0, 0),
            "{form}: {:?} {:?}",
            alone.rejects,
            alone.reports
        );
        let found = seen(&lake);
        assert!(found.0.len() > 1300, "{form}");
        let expected = expected.get_or_insert_with(|| found.clone());
        assert!(found.0 == expected.0, "{form}: other rows than {}", exports[0].0);
        assert!(found.1 == expected.1, "{form}: other reports than {}", exports[0].0);

        let again = ingest(&together, folder);
        let first = form == &exports[0].0;
        assert_eq!(
            again.total.accepted > 0,
            first,
            "{form} after the others: {:?}",
            again.total
        );
        assert!(seen(&together) == *expected, "{form} after the others");
    }
}
