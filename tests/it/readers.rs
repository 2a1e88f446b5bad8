//! Readers while a lake is written: DuckDB over the files of `audit/`, and the program's own reports, both in a loop,
//! while ingests and compactions are committed. They never wait, and what they see is what the lake is.
//!
//! DuckDB may see some of a running commit's rows early, file by file, but never a row twice nor half a file; while a
//! month is swapped, a file it has listed may be gone, which it says. A report is one state of the lake,
//! as a whole.

use crate::fault_disk::{Fault, FaultyDisk};
use crate::python::python;
use crate::support::{self, gatelog};
use gatelog::error::Error;
use gatelog::lake::Lake;
use gatelog::lake::compact::{Compact, compact};
use gatelog::report::options::Options;
use serde::Deserialize;
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Nanoseconds since 1970, as Python counts.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("later").as_nanos() as u64
}

/// Rows of one commit in each of its months and kinds, and so in each of its files.
const FILE_ROWS: u64 = 4;

/// A log of two months and three kinds, its rows among those of all other logs; and the sum of its instants.
fn log(path: &Path, number: u64) -> (u64, i64) {
    let (mut text, mut rows, mut sum) = (String::new(), 0, 0);
    for (month, action) in [(2, 64), (2, 112), (2, 1), (3, 65), (3, 113), (3, 2)] {
        for row in 0..FILE_ROWS {
            let id = number * 100 + rows;
            let time = format!(
                "2026-{month:02}-{:02}T{:02}:{:02}:{:02}Z",
                1 + (number * 5 + row * 7) % 28,
                (number + row * 6) % 24,
                number % 60,
                rows
            );
            sum += gatelog::instant::parse(&time, chrono_tz::Tz::UTC).expect("a time");
            text += &format!(
                "{{\"auditid\":\"{id:08}-0000-4000-8000-000000000000\",\"createdon\":\"{time}\",\"action\":{action},\
                 \"_userid_value\":\"{:08}-0000-4000-9000-000000000000\"}}\n",
                id % 9
            );
            rows += 1;
        }
    }
    support::write(path, text);
    (rows, sum)
}

/// What the lake is after a commit.
struct State {
    /// When the commit began and was ended.
    begun: u64,
    ended: u64,
    /// It has made one of several files: a compaction, or a run of a month that is over.
    merges: bool,
    rows: u64,
    /// Of all instants.
    sum: i64,
    sessions: String,
}

/// A lake that grows by one log after the other.
struct Growing<'h> {
    home: &'h Path,
    states: Vec<State>,
}

impl Growing<'_> {
    fn lake(&self) -> std::path::PathBuf {
        self.home.join("lake")
    }

    fn commit(&mut self, commit: impl FnOnce(&Path) -> (u64, i64)) {
        let old = support::files(&self.lake().join("audit"));
        let begun = now();
        let (rows, sum) = commit(&self.lake());
        let ended = now();
        let new = support::files(&self.lake().join("audit"));
        let before = self.states.last().map_or((0, 0), |state| (state.rows, state.sum));
        self.states.push(State {
            begun,
            ended,
            merges: old.keys().any(|name| !new.contains_key(name)),
            rows: before.0 + rows,
            sum: before.1 + sum,
            sessions: support::csvs(&self.lake(), &Options::default())["sessions"].clone(),
        });
    }

    fn ingest(&mut self) {
        let number = self.states.len() as u64;
        let path = self.home.join(format!("log-{number}"));
        let brought = log(&path, number);
        self.commit(|lake| {
            assert_eq!(
                support::ingest(&support::plan(lake, &[&path])).total.accepted,
                brought.0
            );
            brought
        });
    }

    fn compact(&mut self) {
        self.commit(|lake| {
            let done = compact(&Compact::new(lake.to_owned())).expect("compacted");
            // Of the month that is over, runs may have made one file of each kind themselves.
            assert!(done.partitions >= 3 && done.files_after == 6, "{done:?}");
            (0, 0)
        });
    }

    /// The first and the last state that the lake may have been in between two instants.
    fn between(&self, begun: u64, ended: u64) -> RangeInclusive<usize> {
        let first = self
            .states
            .iter()
            .rposition(|state| state.ended <= begun)
            .expect("the first state");
        let last = self
            .states
            .iter()
            .rposition(|state| state.begun <= ended)
            .expect("the first state");
        first..=last
    }

    /// Whether a commit ran at some time between two instants.
    fn meets_commit(&self, begun: u64, ended: u64, is_meant: impl Fn(&State) -> bool) -> bool {
        let meets = |state: &State| state.begun <= ended && begun <= state.ended;
        self.states.iter().any(|state| meets(state) && is_meant(state))
    }
}

/// What DuckDB has found.
#[derive(Debug, Deserialize)]
struct Reading {
    begun: u64,
    ended: u64,
    rows: Option<u64>,
    ids: Option<u64>,
    sum: Option<i64>,
    /// The error, when a file was gone.
    gone: Option<String>,
}

fn begin_duckdb(lake: &Path) -> Child {
    let script = support::repository().join("tests/oracle/readers.py");
    let mut command = Command::new(python());
    command.arg("-B").arg(script).arg(lake);
    let pipes = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    pipes.spawn().expect("Python starts")
}

fn readings(duckdb: Child) -> Vec<Reading> {
    // Waiting closes standard input, which ends it.
    let ended = duckdb.wait_with_output().expect("Python ends");
    let (text, errors) = (
        String::from_utf8_lossy(&ended.stdout),
        String::from_utf8_lossy(&ended.stderr),
    );
    assert!(ended.status.success(), "{errors}");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a reading"))
        .collect()
}

/// What the program has answered: a report, or a status.
struct Answer {
    begun: u64,
    ended: u64,
    report: Option<String>,
    status: Option<serde_json::Value>,
}

/// Asks the program, in turn, for a report and the status.
fn ask_until(is_over: &AtomicBool, home: &Path) -> Vec<Answer> {
    let mut answers = Vec::new();
    let asked = |arguments: &[&str]| {
        let ended = gatelog(home, arguments);
        assert_eq!(ended.code, 0, "{arguments:?}: {}", ended.stderr);
        ended.stdout
    };
    while !is_over.load(Ordering::Relaxed) {
        let begun = now();
        let is_status = answers.len() % 3 == 2;
        let (report, status) = match is_status {
            true => {
                let json = asked(&["status", "--json"]);
                (None, Some(serde_json::from_str(&json).expect("JSON")))
            }
            false => (Some(asked(&["report", "sessions", "--format", "csv"])), None),
        };
        answers.push(Answer {
            begun,
            ended: now(),
            report,
            status,
        });
    }
    answers
}

#[test]
fn readers_see_whole_files_and_whole_states_while_a_lake_is_written() {
    let home = support::home();
    let mut growing = Growing {
        home: home.path(),
        states: Vec::new(),
    };
    growing.ingest();
    let (is_over, duckdb) = (AtomicBool::new(false), begin_duckdb(&growing.lake()));
    let answers = std::thread::scope(|scope| {
        let answers = scope.spawn(|| ask_until(&is_over, home.path()));
        // Python needs a moment to begin.
        std::thread::sleep(Duration::from_millis(700));
        (0..60).for_each(|_| growing.ingest());
        for _ in 0..12 {
            growing.compact();
            (0..2).for_each(|_| growing.ingest());
        }
        is_over.store(true, Ordering::Relaxed);
        answers.join().expect("no answer was an error")
    });
    assert_readings(&growing, &readings(duckdb));
    assert_answers(&growing, &answers);
}

fn assert_readings(growing: &Growing<'_>, readings: &[Reading]) {
    let (mut during_ingests, mut during_merges, mut early, mut gone) = (0, 0, 0, 0);
    for reading in readings {
        let (begun, ended) = (reading.begun, reading.ended);
        let meets_merge = growing.meets_commit(begun, ended, |state| state.merges);
        let meets_ingest = growing.meets_commit(begun, ended, |state| !state.merges);
        let states = growing.between(begun, ended);
        let [first, last] = [*states.start(), *states.end()].map(|number| &growing.states[number]);
        if let Some(error) = &reading.gone {
            assert!(meets_merge, "no file was to go: {error}");
            gone += 1;
            continue;
        }
        let found = |number: Option<u64>| number.expect("a number");
        let (rows, ids) = (found(reading.rows), found(reading.ids));
        assert_eq!(rows, ids, "a row is seen twice: {reading:?}");
        assert!((first.rows..=last.rows).contains(&rows), "{reading:?}: {states:?}");
        assert_eq!((rows - first.rows) % FILE_ROWS, 0, "half a file: {reading:?}");
        let sum = reading.sum.expect("a sum");
        assert!((first.sum..=last.sum).contains(&sum), "other rows: {reading:?}");
        during_ingests += usize::from(meets_ingest && !meets_merge);
        during_merges += usize::from(meets_merge);
        early += usize::from(growing.states.iter().all(|state| state.rows != rows));
    }
    println!(
        "DuckDB: {} readings, {during_ingests} while ingests ran, {during_merges} while files were merged, {early} \
         saw some of a commit's rows early, {gone} met a file that was gone",
        readings.len()
    );
    assert!(during_ingests >= 30, "{during_ingests} readings while ingests ran");
    assert!(during_merges >= 3, "{during_merges} readings while files were merged");
}

fn assert_answers(growing: &Growing<'_>, answers: &[Answer]) {
    let (mut during_commits, mut during_merges, mut statuses) = (0, 0, 0);
    for Answer {
        begun,
        ended,
        report,
        status,
    } in answers
    {
        let states = growing.between(*begun, *ended);
        let mut of_then = growing.states[states.clone()].iter();
        if let Some(report) = report {
            assert!(
                of_then.any(|state| state.sessions == *report),
                "no state of {states:?}: {report}"
            );
        }
        if let Some(status) = status {
            let generation = status["generation"].as_u64().expect("a number") as usize;
            assert!(states.contains(&(generation - 1)), "{states:?}: {status}");
            let of = |name: &str| status["environments"][0][name].as_u64().expect("a number");
            let rows = of("access_rows") + of("control_rows") + of("change_rows");
            assert_eq!(rows, growing.states[generation - 1].rows, "{status}");
            statuses += 1;
        }
        during_commits += usize::from(growing.meets_commit(*begun, *ended, |_| true));
        during_merges += usize::from(growing.meets_commit(*begun, *ended, |state| state.merges));
    }
    println!(
        "gatelog: {} answers ({statuses} of status), {during_commits} while commits ran, {during_merges} of them \
         while files were merged; 0 errors",
        answers.len()
    );
    assert!(during_commits >= 30, "{during_commits} answers while commits ran");
    assert!(during_merges >= 3, "{during_merges} answers while files were merged");
}

#[test]
fn a_reader_whose_files_are_swapped_away_reads_again_whichever_step_the_compaction_has_reached() {
    let home = support::home();
    let mut growing = Growing {
        home: home.path(),
        states: Vec::new(),
    };
    (0..2).for_each(|_| growing.ingest());
    let compact_until = |lake: &Path, step: Option<usize>| {
        let disk = FaultyDisk::new(step.map(|step| (step, Fault::Kill)));
        let plan = Compact {
            disk: disk.disk(),
            ..Compact::new(lake.to_owned())
        };
        let _ = compact(&plan);
        disk.steps()
    };
    let whole = home.path().join("whole");
    support::copy(&growing.lake(), &whole);
    let steps = compact_until(&whole, None);
    let (mut repeated, mut pending) = (0, None);
    for step in 0..=steps {
        let lake = home.path().join(format!("lake-{step}"));
        support::copy(&growing.lake(), &lake);
        let mut readings = 0;
        let read = Lake::read(&lake, |_| {
            readings += 1;
            if readings > 1 {
                return Ok(support::csvs(&lake, &Options::default())["sessions"].clone());
            }
            // Between finding a file and opening it.
            compact_until(&lake, Some(step));
            Err(Error::failed("the file is gone"))
        });
        let has_changed = lake.join("commit.json").exists() || Lake::open(&lake).expect("it").manifest().generation > 2;
        match read {
            Ok(sessions) => assert_eq!(sessions, growing.states[1].sessions, "step {step} of {steps}"),
            Err(_) => assert!(!has_changed, "step {step} of {steps}: nobody may be told of it"),
        }
        assert_eq!(readings > 1, has_changed, "step {step} of {steps}");
        repeated += usize::from(has_changed);
        pending = Some(lake).filter(|lake| lake.join("commit.json").exists()).or(pending);
    }
    assert!(
        repeated > 10 && repeated < steps,
        "{repeated} of {steps} steps changed something"
    );

    // What is broken is told, even while a commit waits to be finished.
    let mut readings = 0;
    let error = Lake::read(&pending.expect("a lake with a decided commit"), |_| {
        readings += 1;
        Err::<(), _>(Error::failed("broken"))
    });
    assert_eq!(error.expect_err("broken").fact, "broken");
    assert!(readings < 20, "{readings} readings");
}
