//! The ordered kernels on a month of a large organisation: one million accesses of ten thousand people; and the parsing of
//! exports, on one core and without a lake.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gatelog::ingest::probe::{Probe, count_rows};
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

/// A row as the Web API writes it with all annotations, and as a data frame does.
fn exported(row: usize) -> [String; 2] {
    let (person, second) = (row * 7919 % ACTORS as usize, row % 60);
    let id = format!("{person:08x}-5f93-4558-b3b3-fd6947d6e9d7");
    let on = format!(
        "2026-01-{:02}T{:02}:{:02}:{second:02}Z",
        1 + row / 2000,
        row / 100 % 20,
        row % 60
    );
    let lookup = |name: &str| {
        format!(
            "\"{name}@OData.Community.Display.V1.FormattedValue\":\"Wren Sample {person}\",\
             \"{name}@Microsoft.Dynamics.CRM.lookuplogicalname\":\"systemuser\",\"{name}\":\"{id}\""
        )
    };
    let json = format!(
        "{{\"@odata.etag\":\"W/\\\"{row}\\\"\",{},{},\"objecttypecode\":\"systemuser\",\"operation\":4,\"action\":65,\
         \"createdon@OData.Community.Display.V1.FormattedValue\":\"1/4/2026 5:01 PM\",\"createdon\":\"{on}\",\
         \"auditid\":\"{row:08x}-50cf-4d63-a513-c9729af0c0b8\",\"versionnumber\":{row},\"attributemask\":null,\
         \"changedata\":null,\"transactionid\":\"00000000-0000-0000-0000-000000000000\",\"_callinguserid_value\":null}}\n",
        lookup("_objectid_value"),
        lookup("_userid_value"),
    );
    let csv = format!("{id},{id},{row},4,{on},{row:08x}-50cf-4d63-a513-c9729af0c0b8,,,65,systemuser,,\n");
    [json, csv]
}

fn bench_parsing(c: &mut Criterion) {
    const EXPORTED: usize = 50_000;
    let folder = tempfile::tempdir().expect("a folder");
    let header = "_objectid_value,_userid_value,versionnumber,operation,createdon,auditid,changedata,attributemask,action,\
                  objecttypecode,transactionid,_callinguserid_value\n";
    let (mut json, mut csv) = (String::new(), header.to_owned());
    for row in 0..EXPORTED {
        let [object, line] = exported(row);
        json += &object;
        csv += &line;
    }
    let how = Probe {
        block_bytes: 4 << 20,
        record_bytes: 64 << 20,
        folder: folder.path().to_owned(),
    };
    let mut group = c.benchmark_group("parsing");
    for (form, text) in [("NDJSON", json), ("CSV", csv)] {
        let path = folder.path().join(form);
        std::fs::write(&path, &text).expect("written");
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(form, |b| {
            b.iter(|| assert_eq!(count_rows(black_box(&path), &how).expect("readable"), EXPORTED));
        });
    }
    group.finish();
}

criterion_group!(kernels, bench_sessions, bench_overlap, bench_parsing);
criterion_main!(kernels);
