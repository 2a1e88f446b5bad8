//! L8: every report equals its `queries/*.sql` on DuckDB, row for row, on lakes of every kind we can think of.
//!
//! `tests/oracle/oracle.py` compares, in a Python that `python.rs` provides.

mod faults; // the comparison itself is tested
mod lacking; // lakes that have no file of something
mod silences; // logs of several weeks, in which silence has rows

use crate::cases::Case;
use crate::logs::{self, Chance, Form, HOUR, at};
use crate::python::python;
use crate::support::{self, TABLES};
use gatelog::generate;
use gatelog::ingest;
use gatelog::instant;
use gatelog::report::options::{Evidence, Options};
use gatelog::write::Format;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Logs of some days have no `silence`.
const OTHERS: &[&str] = TABLES.split_at(TABLES.len() - 1).0;

/// One lake with one set of options, reported into a folder of its own.
struct Compared {
    name: String,
    lake: PathBuf,
    reports: PathBuf,
    options: Options,
}

impl Compared {
    /// Writes the reports of a lake below `home`.
    fn new(home: &Path, name: &str, lake: &Path, options: Options) -> Compared {
        let reports = home.join(format!("reports of {name}"));
        support::publish(lake, &options, &reports, &[Format::Parquet]);
        Compared {
            name: name.to_owned(),
            lake: lake.to_owned(),
            reports,
            options,
        }
    }

    fn to_json(&self) -> Value {
        let options = &self.options;
        let time = |at: Option<i64>| at.map(instant::to_text);
        json!({
            "name": self.name,
            "lake": self.lake,
            "reports": self.reports,
            "params": {
                "environment": options.environment,
                "tz": options.tz.name(),
                "as_of": time(options.as_of),
                "from_on": time(options.from),
                "to_on": time(options.to),
                "audit_interval_us": options.audit_interval_us,
                "session_gap_us": options.session_gap_us,
                "inactive_after_us": options.inactive_after_us,
                "min_coverage": options.min_coverage,
                "worklist": options.worklist,
                "silence_threshold": options.silence_threshold,
                "evidence": options.evidence.name(),
            },
        })
    }
}

fn run_oracle(home: &Path, cases: &[Compared]) -> Output {
    let list: Vec<Value> = cases.iter().map(Compared::to_json).collect();
    let file = support::write(
        &home.join("cases.json"),
        serde_json::to_vec_pretty(&list).expect("JSON"),
    );
    let script = support::repository().join("tests/oracle/oracle.py");
    Command::new(python())
        .arg("-B")
        .arg(script)
        .arg(file)
        .output()
        .expect("Python starts")
}

/// Compares all; says how many rows each report had over all cases, so that a test can see that it compared something.
fn assert_equal(home: &Path, cases: &[Compared]) -> BTreeMap<String, usize> {
    let output = run_oracle(home, cases);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(said.lines().count(), cases.len(), "a line per case:\n{said}");
    let mut rows = BTreeMap::new();
    for counts in said.lines().filter_map(|line| line.rsplit_once(": ")) {
        for (table, count) in counts.1.split(", ").filter_map(|count| count.split_once(' ')) {
            *rows.entry(table.to_owned()).or_default() += count.parse::<usize>().expect("a number of rows");
        }
    }
    rows
}

#[test]
fn l8_sample_cases_equal_their_sql() {
    let home = support::home();
    let mut compared = Vec::new();
    for folder in support::sample_cases() {
        let case = Case::read(&folder);
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        let lake = home.path().join(&name);
        (0..case.runs.len()).for_each(|run| drop(case.ingest(&folder, run, &lake)));
        let reports = home.path().join(format!("reports of {name}"));
        case.report(&lake, &["--out", &reports.to_string_lossy()]);
        let options = case.parsed_options();
        compared.push(Compared {
            name,
            lake,
            reports,
            options,
        });
    }
    let rows = assert_equal(home.path(), &compared);
    assert!(OTHERS.iter().all(|table| rows[*table] > 30), "{rows:?}");
}

/// A generated log: seed, form, host and plan beyond the defaults.
fn generated(home: &Path, name: &str, form: generate::Form, plans: &[generate::Plan]) -> PathBuf {
    let lake = home.join(name);
    for (number, plan) in plans.iter().enumerate() {
        let exports = home.join(format!("exports of {name} {number}"));
        generate::generate(plan, form, &exports).expect("generated");
        support::ingest(&ingest::Plan {
            // The CSV form says no environment.
            environment: (form == generate::Form::Csv).then(|| plan.environment_host.clone()),
            ..ingest::Plan::new(vec![exports], lake.clone())
        });
    }
    lake
}

fn generate_plan(seed: u64, start: &str, host: &str) -> generate::Plan {
    generate::Plan {
        seed,
        environment_host: host.to_owned(),
        start: start.parse().expect("a date"),
        access_rows: 700,
        change_rows: 300,
        gaps: 4 + seed as u32 % 5,
        duplicates: 0.1,
        annotated: !seed.is_multiple_of(3),
        side_tables: seed != 2,
        page_rows: 150,
        ..generate::Plan::default()
    }
}

fn of_interval(audit_interval_us: i64) -> Options {
    Options {
        audit_interval_us: Some(audit_interval_us),
        ..Options::default()
    }
}

const ONE: &str = "contoso.crm4.dynamics.com";

/// Lake, time zone, and an instant in the middle of its log at which something changes.
fn generated_lakes(home: &Path) -> Vec<(PathBuf, &'static str, i64)> {
    let berlin = generate_plan(1, "2026-03-16", ONE);
    let three = [
        berlin.clone(),
        generate_plan(4, "2026-04-01", "fabrikam.crm.dynamics.com"),
        generate_plan(5, "2011-12-20", "samoa.example"),
    ];
    let lake = |name: &str, form, plans: &[generate::Plan]| generated(home, name, form, plans);
    use generate::Form::{Csv, Ndjson, ODataPages};
    vec![
        (
            lake("odata", ODataPages, &[berlin]),
            "Europe/Berlin",
            at("2026-03-29T01:30:00Z"),
        ),
        (
            lake("ndjson", Ndjson, &[generate_plan(2, "2026-08-24", ONE)]),
            "America/Santiago",
            at("2026-09-06T04:00:00Z"),
        ),
        (
            lake("csv", Csv, &[generate_plan(3, "2025-12-15", ONE)]),
            "Asia/Kolkata",
            at("2026-01-01T00:00:00Z"),
        ),
        (
            lake("three environments", ODataPages, &three),
            "Pacific/Apia",
            at("2026-04-14T12:00:00Z"),
        ),
    ]
}

fn options_about(middle: i64) -> [(&'static str, Options); 11] {
    let plain = Options::default();
    let as_of = |on: i64| Options {
        as_of: Some(on),
        ..plain.clone()
    };
    let range = |from, to, interval| Options {
        from,
        to,
        ..of_interval(interval)
    };
    let of_one = Options {
        environment: Some(ONE.to_owned()),
        ..range(None, Some(middle), 24 * HOUR)
    };
    let all = Options {
        evidence: Evidence::All,
        ..plain.clone()
    };
    let soon = Options {
        inactive_after_us: 50 * HOUR,
        min_coverage: 0.6,
        worklist: true,
        ..plain.clone()
    };
    [
        ("plain", plain.clone()),
        ("soon inactive", soon),
        ("all evidence", all.clone()),
        (
            "all evidence, short sessions",
            Options {
                session_gap_us: Some(HOUR),
                ..all
            },
        ),
        ("as of its middle", as_of(middle)),
        ("as of long after", as_of(middle + 9_999 * HOUR + 1)),
        ("as of long before", as_of(at("1999-01-01T00:00:00Z"))),
        ("from", range(Some(middle), None, HOUR)),
        ("from and to", range(Some(middle - 99 * HOUR), Some(middle), 2 * HOUR)),
        ("to, of one environment", of_one),
        (
            "short sessions",
            Options {
                session_gap_us: Some(HOUR / 2),
                ..of_interval(12 * HOUR)
            },
        ),
    ]
}

#[test]
fn l8_generated_logs_equal_their_sql() {
    let home = support::home();
    let mut compared = Vec::new();
    for (lake, tz, middle) in generated_lakes(home.path()) {
        let tz = tz.parse().expect("a zone");
        for (what, options) in options_about(middle) {
            let name = format!("{} {what}", lake.file_name().expect("a name").to_string_lossy());
            compared.push(Compared::new(home.path(), &name, &lake, Options { tz, ..options }));
        }
    }
    let rows = assert_equal(home.path(), &compared);
    assert!(OTHERS.iter().all(|table| rows[*table] > 200), "{rows:?}");
}

const UNKIND_LAKES: u64 = 120;

/// Hours, as an organization may say them.
const INTERVALS: [&str; 6] = ["null", "0", "1", "4", "12", "2147483647"];

/// Organizations of one environment, alike in the first columns by which the newest is told and unlike in the rest.
fn organizations(chance: &mut Chance) -> String {
    let columns: [(&str, &[&str]); 6] = [
        ("versionnumber", &["null", "0", "7"]),
        ("modifiedon", &["null", "\"2026-01-01T00:00:00Z\""]),
        ("name", &["null", "\"Größe\"", "\"Z\""]),
        ("isauditenabled", &["null", "false", "true"]),
        ("isuseraccessauditenabled", &["null", "false", "true"]),
        ("useraccessauditinginterval", &INTERVALS),
    ];
    let alike = chance.below(columns.len());
    let row = |id: usize| {
        let mut row = format!("{{\"organizationid\":\"{id}\"");
        for (place, (name, values)) in columns.iter().enumerate() {
            let value = if place < alike { values[0] } else { chance.pick(values) };
            row += &format!(",\"{name}\":{value}");
        }
        row + "}\n"
    };
    (0..3).map(row).collect()
}

/// Of users, and of people known by nothing else.
const NAMES: [&str; 3] = ["Wren Sample", "Robin Sample", "wren sample"];

/// Some of those who occur in the log and some who do not.
fn users(chance: &mut Chance) -> String {
    let columns: [(&str, &[&str]); 4] = [
        ("fullname", &["null", "\"Wren Sample\"", "\"Robin Sample\""]),
        ("isdisabled", &["null", "false", "false", "true"]),
        ("accessmode", &["null", "0", "4"]),
        (
            "applicationid",
            &["null", "null", "\"eeeeeeee-0000-4000-8000-000000000000\""],
        ),
    ];
    let row = |number: usize| {
        let mut row = format!("{{\"systemuserid\":\"{}\"", logs::id('a', number));
        for (name, values) in columns {
            row += &format!(",\"{name}\":{}", chance.pick(values));
        }
        row + "}\n"
    };
    (0..4).map(row).collect()
}

/// One unkind lake of one or two environments, and options that meet its limits.
fn unkind(home: &Path, seed: u64) -> Compared {
    let chance = &mut Chance::new(seed);
    // A clock change of Berlin, one of Santiago, the day that Apia left out, the end of an ISO year.
    let starts = [
        "2026-03-28T20:00:00Z",
        "2026-09-05T20:00:00Z",
        "2011-12-29T01:00:00Z",
        "2025-12-30T23:00:00Z",
    ];
    let start = at(chance.pick(&starts));
    let unit = chance.pick(&[4 * HOUR, HOUR, HOUR / 60, 1_000_000, 0]);
    let environments = &["contoso.crm4.dynamics.com", "Größe & Co/1"][..1 + chance.below(2)];
    let lake = home.join(format!("lake {seed}"));
    let mut times = vec![start];
    for environment in environments {
        let mut events = logs::unkind(chance, start, unit.max(1));
        times.extend(events.iter().map(|event| event.on));
        let form = chance.pick(&Form::ALL);
        // Some tools know people by name only.
        let unnamed = events
            .iter_mut()
            .filter(|event| event.object_type == Some("systemuser") && event.object_id.is_none());
        for event in unnamed.filter(|_| !matches!(form, Form::Soap | Form::Fetch)) {
            event.object_name = chance.in_hundred(60).then(|| chance.pick(&NAMES).to_owned());
        }
        let file = support::write(&home.join(format!("log {seed}")), form.write(&events));
        let environment = Some((*environment).to_owned());
        let mut exports = vec![file];
        if chance.in_hundred(60) {
            let rows = organizations(chance);
            exports.push(support::write(&home.join(format!("organization {seed}")), rows));
        }
        if chance.in_hundred(60) {
            exports.push(support::write(&home.join(format!("users {seed}")), users(chance)));
        }
        support::ingest(&ingest::Plan {
            environment,
            ..ingest::Plan::new(exports, lake.clone())
        });
    }
    let zones = "UTC Europe/Berlin America/Santiago Asia/Kolkata Pacific/Apia America/New_York";
    let zones: Vec<&str> = zones.split(' ').collect();
    let mut time = |share: usize| {
        let beside = chance.pick(&[0, 0, 0, 1, -1, 5 * HOUR]);
        let time = chance.pick(&times) + beside;
        chance.in_hundred(share).then_some(time)
    };
    let (as_of, from, to) = (time(35), time(35), time(35));
    let options = Options {
        environment: chance.in_hundred(20).then(|| environments[0].to_owned()),
        from,
        // The command line refuses a range that ends before it begins.
        to: to.filter(|to| from.is_none_or(|from| from < *to)),
        tz: chance.pick(&zones).parse().expect("a zone"),
        as_of,
        audit_interval_us: chance.in_hundred(50).then_some(unit),
        session_gap_us: chance.pick(&[None, Some(unit), Some(unit / 2), Some(0)]),
        inactive_after_us: chance.pick(&[unit, unit / 2 + 1, 6 * unit + 1, 90 * 24 * HOUR]),
        min_coverage: chance.pick(&[0.0, 0.5, 0.9, 1.0]),
        worklist: chance.in_hundred(30),
        evidence: chance.pick(&[Evidence::Access, Evidence::All]),
        ..Options::default()
    };
    Compared::new(home, &seed.to_string(), &lake, options)
}

#[test]
fn l8_unkind_logs_equal_their_sql() {
    let home = support::home();
    let compared = support::side_by_side(1..=UNKIND_LAKES, |seed| unkind(home.path(), seed));
    let rows = assert_equal(home.path(), &compared);
    assert!(OTHERS.iter().all(|table| rows[*table] > 150), "{rows:?}");
}
