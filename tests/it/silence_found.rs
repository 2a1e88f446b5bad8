//! A year of generated logs, made uneven as no model assumes: how many planted holes are found, and what is told besides.
//!
//! Days and hours are of every level, six days have hardly any access, for two weeks half of the people are away. The
//! greater measurement with its figures is `benches/silence.py`; see `benches/runs/`.

use crate::logs::Chance;
use crate::rules::{columns, reports_of_texts};
use crate::support::{self, ENVIRONMENT};
use gatelog::generate::{self, Form};
use gatelog::instant;
use gatelog::report::options::Options;
use serde_json::Value;
use std::fs;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
const DAYS: usize = 365;

/// A row: seconds since the start, whether it is an access, and as it stands in the export.
type Row = (i64, bool, String);

fn start() -> i64 {
    instant::parse("2025-01-06T00:00:00Z", chrono_tz::Tz::UTC).expect("an instant")
}

fn generated(seed: u64) -> Vec<Row> {
    let home = support::home();
    let plan = generate::Plan {
        seed,
        start: "2025-01-06".parse().expect("a date"),
        days: DAYS as u32,
        access_rows: 60_000,
        change_rows: 0,
        gaps: 0,
        annotated: false,
        ..generate::Plan::default()
    };
    generate::generate(&plan, Form::Ndjson, home.path()).expect("generated");
    let log = fs::read_to_string(home.path().join("audits.ndjson")).expect("a log");
    let row = |line: &str| {
        let row: Value = serde_json::from_str(line).expect("JSON");
        let on = instant::parse(row["createdon"].as_str().expect("a time"), chrono_tz::Tz::UTC).expect("a time");
        let is_access = [64, 65].contains(&row["action"].as_i64().expect("an action"));
        ((on - start()) / 1_000_000, is_access, line.to_owned() + "\n")
    };
    // Deletions of logs that removed nothing would only cut holes in two.
    log.lines().map(row).filter(|row| row.1).collect()
}

fn uneven(rows: Vec<Row>, chance: &mut Chance) -> Vec<Row> {
    let mut days: Vec<usize> = (0..=DAYS).map(|_| chance.pick(&[45, 55, 60, 65, 70, 80, 90])).collect();
    let hours: Vec<usize> = (0..=DAYS * 24)
        .map(|_| chance.pick(&[55, 80, 90, 100, 100, 110]))
        .collect();
    for week in [3, 9, 17, 21, 38, 46] {
        days[week * 7 + chance.below(5)] = 3;
    }
    days[200..214].iter_mut().for_each(|day| *day /= 2);
    let mut stays = |row: &Row| {
        let share = days[(row.0 / DAY) as usize] * hours[(row.0 / HOUR) as usize];
        chance.below(10_000) < share
    };
    rows.into_iter().filter(|row| stays(row)).collect()
}

/// Silences as seconds since the start.
fn silences(rows: &[Row], holes: &[(i64, i64)], threshold: f64) -> Vec<(i64, i64)> {
    let is_there = |row: &&Row| !holes.iter().any(|hole| (hole.0..hole.1).contains(&row.0));
    let text: String = rows.iter().filter(is_there).map(|row| row.2.as_str()).collect();
    let options = Options {
        silence_threshold: threshold,
        ..Options::default()
    };
    let found = reports_of_texts(&[(ENVIRONMENT, text)], &options);
    let seconds = |text: &String| {
        let on = instant::parse(text, chrono_tz::Tz::UTC).expect("a time");
        (on - start()) / 1_000_000
    };
    columns(&found, "silence", ["started_on", "ended_on"])
        .iter()
        .map(|[from, to]| (seconds(from), seconds(to)))
        .collect()
}

fn overlap(one: (i64, i64), other: (i64, i64)) -> i64 {
    one.1.min(other.1) - one.0.max(other.0)
}

/// Day of the week, hour, and hours of a hole: at work, over night, a date, three days, ten.
const HOLES: [(i64, i64, i64); 6] = [
    (1, 9, 6),
    (2, 10, 24),
    (3, 0, 24),
    (0, 13, 48),
    (1, 10, 72),
    (0, 0, 240),
];

#[test]
fn silence_finds_most_holes_that_took_eighty_accesses_and_nothing_else() {
    let (mut planted, mut found, mut besides) = (0, 0, Vec::new());
    for seed in 1..=3 {
        let chance = &mut Chance::new(seed);
        let rows = uneven(generated(seed), chance);
        besides.extend(silences(&rows, &[], 0.01).iter().map(|of| (seed, *of)));
        let holes: Vec<(i64, i64)> = (5..)
            .step_by(8)
            .zip(HOLES)
            .map(|(week, (day, hour, hours))| {
                let from = (week * 7 + day) * DAY + hour * HOUR + chance.below(1800) as i64;
                (from, from + hours * HOUR)
            })
            .collect();
        let told = silences(&rows, &holes, 0.01);
        for &hole in &holes {
            let lost = rows.iter().filter(|row| (hole.0..hole.1).contains(&row.0)).count();
            if lost >= 80 {
                planted += 1;
                found += usize::from(told.iter().any(|of| overlap(*of, hole) * 2 >= hole.1 - hole.0));
            }
        }
        let is_other = |of: &&(i64, i64)| holes.iter().all(|hole| overlap(**of, *hole) <= 0);
        besides.extend(told.iter().filter(is_other).map(|of| (seed, *of)));
    }
    assert!(planted >= 15, "{planted} holes took so many");
    assert!(found * 5 >= planted * 4, "{found} of {planted} were found");
    assert_eq!(besides, [], "in six years");
}
