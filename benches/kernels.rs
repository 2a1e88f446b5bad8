//! The kernels of ingest and reports, each alone on a log of 200,000 accesses of 10,000 people.
//!
//! `cargo bench` measures; `cargo test --bench kernels` runs each once on a small log, so that they cannot rot. Parsing
//! normalizes as it goes, on one core, as a block is parsed; an ingest does so on all cores, and what it takes beyond is
//! sorting and writing. Against other programs, and at the sizes that matter: `benches/compare.py`, `benches/scaling.py`.

use criterion::{
    BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use gatelog::generate::{self, Form, generate};
use gatelog::ingest::probe::{Probe, count_rows};
use gatelog::ingest::{self, Plan};
use gatelog::instant;
use gatelog::lake::{By, Lake, Sightings, Timeline};
use gatelog::record::Kind;
use gatelog::report::kernel::{Running, Window, overlap_us};
use gatelog::report::options::Options;
use gatelog::report::{self, Report, Scratch};
use gatelog::write::parquet;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const ACTORS: u32 = 10_000;
const HOUR_US: i64 = 3_600_000_000;
const ENVIRONMENT: &str = "bench";

/// Criterion measures only when cargo says `--bench`.
fn rows() -> usize {
    let is_measured = std::env::args().any(|word| word == "--bench") && std::env::args().all(|word| word != "--test");
    if is_measured { 200_000 } else { 2_000 }
}

fn group<'c>(c: &'c mut Criterion, name: &str) -> BenchmarkGroup<'c, WallTime> {
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Elements(rows() as u64)).sample_size(10);
    group
}

/// A generated log, and a place for lakes.
fn log(form: Form) -> (TempDir, PathBuf) {
    let home = tempfile::tempdir().expect("a temporary folder");
    let plan = generate::Plan {
        seed: 11,
        access_rows: rows() as u64,
        change_rows: 0,
        ..generate::Plan::default()
    };
    let exports = home.path().join("exports");
    generate(&plan, form, &exports).expect("generated");
    (home, exports)
}

fn ingest(exports: &Path, lake: &Path) {
    let plan = Plan {
        environment: Some(ENVIRONMENT.to_owned()),
        ..Plan::new(vec![exports.to_owned()], lake.to_owned())
    };
    ingest::ingest(&plan, &|_| {}).expect("ingested");
}

fn bench_ingest(c: &mut Criterion) {
    for (name, form) in [("NDJSON", Form::Ndjson), ("CSV", Form::Csv)] {
        let (home, exports) = log(form);
        let how = Probe {
            block_bytes: 2 << 20,
            record_bytes: 64 << 20,
            folder: home.path().to_owned(),
        };
        let mut group = group(c, name);
        group.bench_function("parse and normalize, one core", |b| {
            b.iter(|| count_rows(black_box(&exports), &how).expect("read"));
        });
        group.bench_function("parse, sort, write and commit", |b| {
            let fresh = || tempfile::tempdir_in(home.path()).expect("a folder");
            b.iter_batched(
                fresh,
                |folder| {
                    ingest(&exports, &folder.path().join("lake"));
                    folder
                },
                BatchSize::PerIteration,
            );
        });
    }
}

/// Times are what normalizing a row costs most.
fn bench_times(c: &mut Criterion) {
    let spellings = [
        "2026-03-01T08:15:30Z",
        "2021-06-28T16:30:11.0000000+00:00",
        "6/28/2021 4:34:35 PM",
    ];
    let mut group = c.benchmark_group("normalize");
    group.throughput(Throughput::Elements(spellings.len() as u64));
    group.bench_function("times", |b| {
        b.iter(|| spellings.map(|text| instant::parse(black_box(text), chrono_tz::Tz::UTC)));
    });
}

fn bench_reports(c: &mut Criterion) {
    let (home, exports) = log(Form::Ndjson);
    let folder = home.path().join("lake");
    ingest(&exports, &folder);
    let lake = Lake::open(&folder).expect("a lake");
    let mut group = group(c, "reports");
    group.bench_function("decode accesses in order of time", |b| {
        b.iter(|| {
            let timeline = lake.timeline(ENVIRONMENT, &[Kind::Access], i64::MAX);
            let log = timeline.and_then(Timeline::log).expect("a log");
            let mut seen = 0;
            for leg in log.legs(1, Some).expect("legs") {
                let read = leg.read(|accesses| {
                    seen += accesses.len();
                    Ok(())
                });
                read.expect("read");
            }
            seen
        });
    });
    let (options, scratch) = (Options::default(), Scratch::new(home.path()));
    let sessions = || report::compute(&lake, &[Report::Sessions], &options, &scratch).expect("reports");
    group.bench_function("decode accesses and hold them by actor", |b| b.iter(sessions));
    let found = sessions();
    group.bench_function("cut sessions and write them as Parquet", |b| {
        b.iter(|| parquet::write(&found[0], &[], std::io::sink()).expect("written"));
    });
}

/// Accesses in order of time, spread evenly over 30 days; actors in a fixed pseudo-random order.
fn accesses() -> (Vec<i64>, Vec<u32>, Vec<By>) {
    let rows = rows();
    let step_us = 30 * 24 * HOUR_US / rows as i64;
    let created_on = (0..rows as i64).map(|row| row * step_us).collect();
    let mixed = |row: usize| (row as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    let actor = (0..rows).map(|row| mixed(row) as u32 % ACTORS).collect();
    let by = |row: usize| if mixed(row) % 3 != 0 { By::Web } else { By::WebServices };
    (created_on, actor, (0..rows).map(by).collect())
}

fn bench_sessions(c: &mut Criterion) {
    let (created_on, actor, by) = accesses();
    group(c, "sessions").bench_function("pass over accesses", |b| {
        b.iter(|| {
            let mut running = Running::new(ACTORS as usize, 6 * HOUR_US, chrono_tz::Tz::UTC);
            let mut ended = Vec::new();
            let accesses = Sightings {
                created_on: black_box(&created_on),
                actor: &actor,
                by: &by,
            };
            running.take(accesses, &mut ended);
            running.finish(&mut ended);
            ended
        });
    });
}

fn bench_overlap(c: &mut Criterion) {
    let window = |day: i64| Window {
        start: day * 24 * HOUR_US,
        end: (day * 24 + 1) * HOUR_US,
    };
    let windows: Vec<Window> = (0..365).map(window).collect();
    c.bench_function("gap inside a session, 365 gaps", |b| {
        b.iter(|| overlap_us(black_box(&windows), 100 * 24 * HOUR_US, 103 * 24 * HOUR_US));
    });
}

criterion_group!(
    kernels,
    bench_ingest,
    bench_times,
    bench_reports,
    bench_sessions,
    bench_overlap
);
criterion_main!(kernels);
