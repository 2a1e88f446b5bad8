//! A lake that is whole, and the tools to tamper with it: files written anew, and the manifest with them.

use crate::logs::{self, Event, Form, HOUR, at};
use crate::support;
use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::{SortColumn, concat_batches, lexsort_to_indices, take_record_batch};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};
use serde_json::Value;
use std::fs::{self, File};
use std::path::PathBuf;

const MINUTE: i64 = HOUR / 60;

pub struct Lake {
    pub home: tempfile::TempDir,
    pub path: PathBuf,
    pub manifest: Value,
    /// Files that a finding may be about.
    pub touched: Vec<String>,
}

/// Sixty hours of all kinds of rows, with ids of its own for each seed.
pub fn log(seed: u8, start: &str) -> String {
    let start = at(start) + i64::from(seed) * MINUTE;
    let events = (0..60).flat_map(|hour| {
        let on = start + hour * HOUR;
        let access = Event::access(on, 64 + hour as i32 % 2, Some(hour as usize % 3));
        let change = (hour % 3 == 0).then(|| Event::other(on, 2, Some(0), Some(1)));
        let control = (hour % 10 < 2).then(|| Event::other(on, 113 - hour as i32 % 10, Some(0), None));
        [Some(access), change, control].into_iter().flatten()
    });
    let letter = char::from(b'a' + seed);
    let named = events.enumerate().map(|(number, event)| Event {
        id: Some(logs::id(letter, number)),
        ..event
    });
    Form::Lines.write(&named.collect::<Vec<_>>())
}

impl Lake {
    /// Two commits of two months, with rejects.
    pub fn new() -> Lake {
        let home = support::home();
        let path = home.path().join("lake");
        for seed in [1, 2] {
            let text = log(seed, "2026-02-27T20:00:00Z") + "broken\n";
            let file = support::write(&home.path().join(format!("log-{seed}")), text);
            support::ingest(&support::plan(&path, &[&file]));
        }
        Lake::at(home, path)
    }

    pub fn at(home: tempfile::TempDir, path: PathBuf) -> Lake {
        let manifest = serde_json::from_slice(&fs::read(path.join("manifest.json")).expect("it")).expect("JSON");
        Lake {
            home,
            path,
            manifest,
            touched: Vec::new(),
        }
    }

    pub fn copy(&self) -> Lake {
        let home = support::home();
        let path = home.path().join("lake");
        support::copy(&self.path, &path);
        Lake::at(home, path)
    }

    pub fn write_manifest(&self) {
        support::write(&self.path.join("manifest.json"), self.manifest.to_string());
    }

    /// Replaces the ledger's lines, and tells the manifest so.
    pub fn books(&mut self, change: impl FnOnce(&mut Vec<Value>)) {
        let path = self.path.join("ledger/commits.jsonl");
        let text = fs::read_to_string(&path).expect("it");
        let mut entries: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        change(&mut entries);
        let lines: Vec<String> = entries.iter().map(|entry| format!("{entry}\n")).collect();
        let chained =
            |hash: String, line: &String| format!("{:032x}", xxhash_rust::xxh3::xxh3_128((hash + line).as_bytes()));
        let said = &mut self.manifest["ledger"];
        said["hash"] = lines.iter().fold(String::new(), chained).into();
        said["bytes"] = lines.concat().len().into();
        fs::write(path, lines.concat()).expect("written");
    }

    /// The number of a file of the log with this kind and month, of this commit.
    pub fn find(&self, kind: &str, month: &str, commit: u64) -> usize {
        let is_it = |audit: &Value| {
            let name = format!("{commit:08}.parquet");
            audit["kind"] == kind
                && audit["month"] == month
                && audit["path"].as_str().is_some_and(|p| p.ends_with(&name))
        };
        let found = self.manifest["audit"]
            .as_array()
            .expect("a list")
            .iter()
            .position(is_it);
        found.unwrap_or_else(|| panic!("{kind} {month} {commit}: {:#}", self.manifest["audit"]))
    }

    pub fn some(&mut self) -> (usize, PathBuf) {
        let number = self.find("access", "2026-02", 1);
        (number, self.touch(number))
    }

    pub fn touch(&mut self, number: usize) -> PathBuf {
        let path = self.manifest["audit"][number]["path"]
            .as_str()
            .expect("a path")
            .to_owned();
        self.touched.push(path.clone());
        self.path.join(path)
    }

    pub fn rows(&self, number: usize) -> RecordBatch {
        let path = self
            .path
            .join(self.manifest["audit"][number]["path"].as_str().expect("a path"));
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).expect("it")).expect("Parquet");
        let batches: Vec<RecordBatch> = reader.build().expect("it").map(|batch| batch.expect("rows")).collect();
        concat_batches(&batches[0].schema(), &batches).expect("of one schema")
    }

    /// Replaces a file's content, and tells the manifest so.
    pub fn put(&mut self, number: usize, bytes: &[u8]) {
        let path = self.touch(number);
        let entry = &mut self.manifest["audit"][number];
        entry["bytes"] = bytes.len().into();
        entry["hash"] = format!("{:032x}", xxhash_rust::xxh3::xxh3_128(bytes)).into();
        fs::write(path, bytes).expect("written");
    }

    pub fn put_rows(&mut self, number: usize, rows: &RecordBatch, how: WriterPropertiesBuilder) {
        let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), Some(how.build())).expect("columns");
        writer.write(rows).expect("memory");
        self.put(number, &writer.into_inner().expect("memory"));
        self.manifest["audit"][number]["rows"] = rows.num_rows().into();
    }
}

/// As gatelog writes.
pub fn plain() -> WriterPropertiesBuilder {
    let zstd = Compression::ZSTD(ZstdLevel::try_new(1).expect("known"));
    WriterProperties::builder().set_compression(zstd)
}

pub fn sorted(rows: &RecordBatch) -> RecordBatch {
    let by = |column: &str| SortColumn {
        values: rows.column_by_name(column).expect("it").clone(),
        options: None,
    };
    let order = lexsort_to_indices(&[by("created_on"), by("audit_id")], None).expect("sortable");
    take_record_batch(rows, &order).expect("in place")
}

pub fn with_column(rows: &RecordBatch, name: &str, column: ArrayRef) -> RecordBatch {
    let mut columns = rows.columns().to_vec();
    columns[rows.schema().index_of(name).expect("it")] = column;
    RecordBatch::try_new(rows.schema(), columns).expect("of the schema")
}
