//! Lakes in which an older version set aside what this one understands.
//!
//! A log whose every third time has a `~` before it stands for what an older version did not understand; taking the
//! `~` out of the rejects of a lake stands for the newer version.

use crate::logs::{self, Chance, Event, HOUR, at};
use arrow::array::RecordBatch;
use gatelog::ingest::{self, Outcome, Replay};
use gatelog::lake::Lake;
use gatelog::lake::rejects::{RejectRow, RejectRows};
use parquet::arrow::ArrowWriter;
use std::fs;
use std::path::Path;

/// The log with a `~` before every third time.
pub fn spoil(log: &str) -> String {
    let mut parts = log.split("2026-").enumerate();
    let first = parts.next().expect("a part").1.to_owned();
    parts.fold(first, |text, (number, part)| {
        let sign = if number % 3 == 0 { "~" } else { "" };
        format!("{text}{sign}2026-{part}")
    })
}

/// Events that every form can write, in number enough.
pub fn events(seed: u64) -> Vec<Event> {
    let start = |part: i64| at("2026-03-01T08:00:00Z") + part * 100 * HOUR;
    let parts = (0..4).flat_map(|part| logs::unkind(&mut Chance::new(seed + part as u64), start(part), 8 * HOUR));
    let is_plain = |name: &String| !name.contains('"');
    let plain = |event: Event| Event {
        object_name: event.object_name.filter(is_plain),
        user_name: event.user_name.filter(is_plain),
        id: None,
        ..event
    };
    let mut events: Vec<Event> = parts.map(plain).collect();
    // Some have no id, and some come twice.
    let named = events.len() * 2 / 3;
    // Of equal rows without an id the first one stays, with the names it carries.
    for event in &mut events[named..] {
        (event.object_name, event.user_name) = (None, None);
    }
    let ids = logs::with_ids(events[..named].to_vec());
    events[..named].clone_from_slice(&ids);
    events.extend_from_slice(&ids[..3]);
    events
}

pub fn spoilt(log: &str) -> u64 {
    spoil(log).matches('~').count() as u64
}

/// Writes the rejects of a lake anew, each with other raw bytes, and with only these columns.
pub fn rewrite(lake: &Path, raw: impl Fn(&RejectRow<'_>) -> Vec<u8>, columns: Option<&[&str]>) {
    let batches: Vec<RecordBatch> = Lake::open(lake)
        .expect("a lake")
        .rejects()
        .map(|batch| batch.expect("readable"))
        .collect();
    let mut rows = RejectRows::default();
    for batch in &batches {
        for row in 0..batch.num_rows() {
            let row = RejectRow::of(batch, row);
            rows.push(&RejectRow { raw: &raw(&row), ..row });
        }
    }
    let mut batch = rows.take().expect("rows");
    if let Some(columns) = columns {
        let positions: Vec<usize> = columns
            .iter()
            .map(|name| batch.schema().index_of(name).expect("it"))
            .collect();
        batch = batch.project(&positions).expect("columns");
    }
    let path = lake.join("manifest.json");
    let mut manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(&path).expect("readable")).expect("a manifest");
    let files = manifest["rejects"].as_array_mut().expect("a list");
    assert_eq!(files.len(), 1, "one run has set something aside");
    let file = lake.join(files[0]["path"].as_str().expect("a path"));
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).expect("columns");
    writer.write(&batch).expect("memory");
    let bytes = writer.into_inner().expect("memory");
    files[0]["bytes"] = bytes.len().into();
    files[0]["hash"] = format!("{:032x}", xxhash_rust::xxh3::xxh3_128(&bytes)).into();
    fs::write(file, bytes).expect("written");
    fs::write(path, manifest.to_string()).expect("written");
}

/// From now on the lake's rejects are understood.
pub fn upgrade(lake: &Path) {
    let without_sign = |row: &RejectRow<'_>| row.raw.iter().copied().filter(|byte| *byte != b'~').collect();
    rewrite(lake, without_sign, None);
}

pub fn replay(lake: &Path) -> Outcome {
    ingest::replay(&Replay::new(lake.to_owned())).unwrap_or_else(|error| panic!("{error}"))
}
