//! L1, L2, L3 and L9 on made-up logs and arbitrary bytes, by the library. Few cases each, since each is a whole lake.

use crate::logs::{self, Chance, Event, Form, HOUR, at};
use crate::support;
use gatelog::error::Kind;
use gatelog::ingest::{self, Outcome, Plan};
use gatelog::report::options::Options;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        max_shrink_iters: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn log(seed: u64) -> Vec<Event> {
    logs::unkind(&mut Chance::new(seed), at("2026-03-28T20:00:00Z"), 4 * HOUR)
}

/// Bytes as files are broken: mostly what has a meaning in some form, now and then anything.
fn junk() -> impl Strategy<Value = Vec<u8>> {
    let telling = prop::sample::select(b"{}[],:;\"\\\n\n\r\t 01aZ\xC3\xA4\x00\xFF".to_vec());
    let pieces = prop_oneof![
        8 => telling.prop_map(|byte| vec![byte]),
        2 => any::<u8>().prop_map(|byte| vec![byte]),
        2 => prop::sample::select(pieces_of_exports()),
    ];
    prop::collection::vec(pieces, 0..60).prop_map(|pieces| pieces.concat())
}

fn pieces_of_exports() -> Vec<Vec<u8>> {
    let events = logs::with_ids(vec![Event::access(at("2026-03-01T08:00:00Z"), 64, Some(1))]);
    let mut pieces: Vec<Vec<u8>> = Form::ALL.iter().map(|form| form.write(&events).into_bytes()).collect();
    let texts = [
        "{\"value\":[",
        "]}",
        "\"createdon\":",
        "\"action\":64",
        "{\"auditid\":\"x\"}",
        "null",
        ",,,,,,,\n",
        "\"\"",
    ];
    pieces.extend(texts.map(|text| text.as_bytes().to_vec()));
    pieces
}

/// The books as printed, as stored, and as counted in the lake.
fn assert_books(lake: &Path, outcome: &Outcome) {
    assert!(outcome.total.balances(), "L1: {:?}", outcome.total);
    let books = support::books(outcome);
    assert!(books.iter().all(|tally| tally.balances()), "L1: {books:?}");
    let sum = |of: fn(&ingest::Tally) -> u64| books.iter().map(of).sum::<u64>();
    assert_eq!(sum(|tally| tally.read), outcome.total.read);
    assert_eq!(
        support::lake_rows(lake, "audit").len() as u64,
        outcome.total.accepted,
        "accepted rows are in the lake"
    );
    assert_eq!(
        support::lake_rows(lake, "rejects").len() as u64,
        outcome.total.rejected,
        "rejects are in the lake"
    );
}

proptest! {
    #![proptest_config(config(150))]

    #[test]
    fn l1_the_books_balance_on_arbitrary_bytes(form in prop::sample::select(Form::ALL.to_vec()), junk in junk(), whole in any::<bool>()) {
        let home = support::home();
        let events = logs::with_ids(vec![Event::access(at("2026-03-01T08:00:00Z"), 64, Some(1)); 3]);
        let good = form.write(&events).into_bytes();
        // After a whole log, or in the middle of one.
        let place = if whole { good.len() } else { good.len() * 2 / 3 };
        let bytes = [&good[..place], &junk, &good[place..]].concat();
        let file = support::write(&home.path().join("log"), &bytes);
        let lake = home.path().join("lake");
        let outcome = support::ingest(&support::plan(&lake, &[&file]));
        assert_books(&lake, &outcome);
        prop_assert!(outcome.total.accepted >= 1, "the first record stands before the junk");
        // A line may also be a whole page, which counts by its records.
        let lines: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).collect();
        let is_page = |line: &[u8]| line.starts_with(b"[") || contains(line, b"\"value\"");
        if form == Form::Lines && !lines.iter().any(|line| is_page(line)) {
            let lines = lines.iter().filter(|line| !line.is_empty()).count();
            prop_assert_eq!(outcome.total.read, lines as u64, "every line that is not blank is read once");
        }
    }

    #[test]
    fn l1_arbitrary_bytes_alone_are_refused_or_counted(junk in junk()) {
        let home = support::home();
        let file = support::write(&home.path().join("log"), &junk);
        let lake = home.path().join("lake");
        match ingest::ingest(&support::plan(&lake, &[&file]), &|_| {}) {
            Ok(outcome) => assert_books(&lake, &outcome),
            Err(error) => {
                prop_assert_eq!(error.kind, Kind::BadInput);
                prop_assert!(!lake.join("manifest.json").exists(), "nothing was committed");
            }
        }
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Reports with times cut by zone and range, so that every column has work to do.
fn options() -> [Options; 2] {
    let berlin = Options {
        tz: chrono_tz::Europe::Berlin,
        as_of: Some(at("2026-03-29T16:00:00Z")),
        session_gap_us: Some(HOUR),
        ..Options::default()
    };
    [Options::default(), berlin]
}

/// All that users and other programs see of a lake.
#[derive(PartialEq)]
struct Seen {
    /// In an order of their own: how many files a month has from a run, only memory and order of the inputs decide.
    rows: Vec<support::Row>,
    rejects: Vec<support::Row>,
    /// Every report file, for each of the options.
    reports: Vec<BTreeMap<String, Vec<u8>>>,
}

fn everything(lake: &Path) -> Seen {
    let mut rows = support::lake_rows(lake, "audit");
    rows.sort();
    Seen {
        rows,
        rejects: support::lake_rows(lake, "rejects"),
        reports: options()
            .iter()
            .map(|options| support::report_files(lake, options))
            .collect(),
    }
}

/// A log cut into files of several forms, some of which share rows.
fn files_of(home: &Path, seed: u64, count: usize) -> Vec<PathBuf> {
    let chance = &mut Chance::new(seed);
    let mut parts = vec![Vec::new(); count];
    for event in log(seed) {
        parts[chance.below(count)].push(event.clone());
        if chance.in_hundred(20) {
            parts[chance.below(count)].push(event);
        }
    }
    let write = |(number, events): (usize, &Vec<Event>)| {
        let form = chance.pick(&Form::ALL);
        // Something to reject in each, so that rejects have an order to keep.
        let broken = match form {
            Form::Page => "{\"auditid\":\"x\"}",
            Form::Soap | Form::Fetch => "<result/>\n",
            Form::Lines | Form::Csv => "broken\n",
        };
        support::write(&home.join(format!("export-{number}")), form.write(events) + broken)
    };
    parts
        .iter()
        .enumerate()
        .filter(|(_, events)| !events.is_empty())
        .map(write)
        .collect()
}

proptest! {
    #![proptest_config(config(24))]

    #[test]
    fn l2_file_order_block_size_memory_and_threads_change_nothing(
        seed in any::<u64>(),
        block_bytes in prop_oneof![1..200usize, 200..5000usize],
        memory_bytes in prop_oneof![Just(1usize), 1..60_000usize],
        threads in 1..5usize,
    ) {
        let home = support::home();
        let files = files_of(home.path(), seed, 3);
        let paths: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
        let plain = home.path().join("plain");
        let expected_outcome = support::ingest(&support::plan(&plain, &paths));
        prop_assert!(expected_outcome.total.rejected >= 1, "{:?}", expected_outcome.total);

        let other = home.path().join("other");
        let backwards: Vec<&Path> = paths.into_iter().rev().collect();
        let plan = Plan { block_bytes, memory_bytes, ..support::plan(&other, &backwards) };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        let (outcome, found) = pool.install(|| (support::ingest(&plan), everything(&other)));
        prop_assert_eq!(outcome, expected_outcome);
        prop_assert!(found == everything(&plain), "L2: block {block_bytes}, memory {memory_bytes}, threads {threads}");
    }

    #[test]
    fn l3_ingesting_again_adds_nothing(seed in any::<u64>()) {
        let home = support::home();
        let files = files_of(home.path(), seed, 2);
        let paths: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
        let lake = home.path().join("lake");
        let first = support::ingest(&support::plan(&lake, &paths));
        let before = everything(&lake);

        let again = support::ingest(&support::plan(&lake, &paths));
        prop_assert_eq!(again.total, ingest::Tally::default(), "known content is not even read");
        prop_assert!(everything(&lake) == before);

        // The same rows as other bytes: read, and every one known.
        for file in &files {
            let text = std::fs::read_to_string(file).expect("written above");
            support::write(file, format!("{text}\n"));
        }
        let reread = support::ingest(&support::plan(&lake, &paths)).total;
        prop_assert_eq!((reread.read, reread.accepted), (first.total.read, 0));
        let after = everything(&lake);
        prop_assert!(after.rows == before.rows && after.reports == before.reports);
    }

    #[test]
    fn l9_increments_in_any_order_report_like_one_ingest(seed in any::<u64>(), count in 2..6usize) {
        assert_increments_report_like_one_ingest(seed, count);
    }
}

/// Here two rows without an id are one but for the name of their person: the first one to come stays.
#[test]
fn l9_increments_with_rows_that_differ_only_in_a_name_report_like_one_ingest() {
    assert_increments_report_like_one_ingest(7188214149078335022, 3);
}

fn assert_increments_report_like_one_ingest(seed: u64, count: usize) {
    let home = support::home();
    let mut files = files_of(home.path(), seed, count);
    let paths: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let whole = home.path().join("whole");
    support::ingest(&support::plan(&whole, &paths));
    Chance::new(seed).shuffle(&mut files);
    let lake = home.path().join("increments");
    for file in &files {
        support::ingest(&support::plan(&lake, &[file]));
    }
    assert_eq!(nameless(&lake), nameless(&whole));
    assert!(
        everything(&lake).reports == everything(&whole).reports,
        "L9: report files differ"
    );
}

/// The rows without the names of people, which are no part of what a row without an id is.
fn nameless(lake: &Path) -> Vec<support::Row> {
    let mut rows = support::contents(lake);
    for row in &mut rows {
        row.retain(|name, _| !name.ends_with("_name"));
    }
    rows.sort();
    rows
}
