//! The ordered kernels on a month of a large organisation: one million accesses of ten thousand people.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gatelog::lake::{By, Sightings};
use gatelog::report::kernel::{Running, Window, overlap_us};
use std::hint::black_box;

const ROWS: usize = 1_000_000;
const ACTORS: u32 = 10_000;
const HOUR_US: i64 = 3_600_000_000;

/// Accesses in order of time, spread evenly over 30 days; actors in a fixed pseudo-random order.
fn accesses() -> (Vec<i64>, Vec<u32>, Vec<By>) {
    let step_us = 30 * 24 * HOUR_US / ROWS as i64;
    let created_on = (0..ROWS as i64).map(|row| row * step_us).collect();
    let mixed = |row: usize| (row as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    let actor = (0..ROWS).map(|row| mixed(row) as u32 % ACTORS).collect();
    let by = |row: usize| if mixed(row) % 3 != 0 { By::Web } else { By::WebServices };
    (created_on, actor, (0..ROWS).map(by).collect())
}

fn bench_sessions(c: &mut Criterion) {
    let (created_on, actor, by) = accesses();
    let mut group = c.benchmark_group("sessions");
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("1 M accesses", |b| {
        b.iter(|| {
            let mut running = Running::new(0, ACTORS as usize, 6 * HOUR_US, chrono_tz::Tz::UTC);
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
    group.finish();
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

criterion_group!(kernels, bench_sessions, bench_overlap);
criterion_main!(kernels);
