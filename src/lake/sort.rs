//! Staged rows → sorted Parquet files, one per partition, in bounded memory.
//!
//! Rows are collected until the budget is full, then written as one sorted *run* per partition; at the end the runs of a
//! partition are merged. When everything fits, the only run is the final file. Order: (`created_on`, `audit_id`, null
//! first); rows equal in both keep the order in which they came.

use super::file::{self, ParquetFile, Written};
use super::schema;
use crate::disk;
use crate::error::{AtPath, Error, Result};
use crate::instant;
use crate::record::Kind;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchReader, StringArray};
use arrow::compute::interleave_record_batch;
use arrow::datatypes::{Int32Type, TimestampMicrosecondType};
use rayon::prelude::*;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows gathered into one batch when writing or merging.
const CHUNK_ROWS: usize = 1 << 14;

/// Where a row belongs (L6).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition {
    pub environment: Arc<str>,
    pub kind: Kind,
    /// As [`instant::month_of`] counts.
    pub month: i32,
}

/// A finished file that still lies in the staging folder.
#[derive(Debug)]
pub struct StagedFile {
    pub partition: Partition,
    pub path: PathBuf,
    pub written: Written,
    pub min_created_on_us: i64,
    pub max_created_on_us: i64,
}

/// Points at one row of the collected batches.
#[derive(Clone, Copy)]
struct Row {
    partition: u32,
    created_on: i64,
    batch: u32,
    row: u32,
}

pub struct Sorter {
    staging: PathBuf,
    budget_bytes: usize,
    batches: Vec<RecordBatch>,
    rows: Vec<Row>,
    held_bytes: usize,
    partitions: Vec<Partition>,
    runs: BTreeMap<Partition, Vec<StagedFile>>,
    run_count: usize,
}

impl Sorter {
    pub fn new(staging: PathBuf, budget_bytes: usize) -> Self {
        Sorter {
            staging,
            budget_bytes,
            batches: Vec::new(),
            rows: Vec::new(),
            held_bytes: 0,
            partitions: Vec::new(),
            runs: BTreeMap::new(),
            run_count: 0,
        }
    }

    /// Takes the rows of a staged batch that `keep` marks.
    pub fn push(&mut self, batch: RecordBatch, keep: &[bool]) -> Result<()> {
        let created_on = batch
            .column(schema::CREATED_ON)
            .as_primitive::<TimestampMicrosecondType>();
        let actions = batch.column(schema::ACTION).as_primitive::<Int32Type>();
        let environments = batch.column(schema::ENVIRONMENT).as_string::<i32>();
        let mut current: Option<(u32, std::ops::Range<i64>)> = None;
        for row in (0..batch.num_rows()).filter(|&row| keep[row]) {
            let on = created_on.value(row);
            let kind = Kind::of(actions.value(row));
            let environment = environments.value(row);
            let partition = match &current {
                Some((found, month)) if month.contains(&on) && self.is_of(*found, environment, kind) => *found,
                _ => {
                    let month = instant::month_of(on);
                    let found = self.partition_number(environment, kind, month);
                    current = Some((found, instant::month_bounds(month)));
                    found
                }
            };
            self.rows.push(Row {
                partition,
                created_on: on,
                batch: self.batches.len() as u32,
                row: row as u32,
            });
        }
        self.held_bytes += batch.get_array_memory_size() + batch.num_rows() * size_of::<Row>();
        self.batches.push(batch);
        if self.held_bytes >= self.budget_bytes {
            self.write_runs()?;
        }
        Ok(())
    }

    fn is_of(&self, number: u32, environment: &str, kind: Kind) -> bool {
        let partition = &self.partitions[number as usize];
        partition.kind == kind && &*partition.environment == environment
    }

    fn partition_number(&mut self, environment: &str, kind: Kind, month: i32) -> u32 {
        let wanted = |p: &Partition| p.month == month && p.kind == kind && &*p.environment == environment;
        let number = self.partitions.iter().position(wanted).unwrap_or_else(|| {
            self.partitions.push(Partition {
                environment: environment.into(),
                kind,
                month,
            });
            self.partitions.len() - 1
        });
        number as u32
    }

    /// Sorts what is held and writes it, a file per partition.
    fn write_runs(&mut self) -> Result<()> {
        let ids: Vec<&StringArray> = self
            .batches
            .iter()
            .map(|batch| batch.column(schema::AUDIT_ID).as_string::<i32>())
            .collect();
        let id = |row: &Row| {
            let column = ids[row.batch as usize];
            column
                .is_valid(row.row as usize)
                .then(|| column.value(row.row as usize))
        };
        self.rows.par_sort_unstable_by(|a, b| {
            (a.partition, a.created_on)
                .cmp(&(b.partition, b.created_on))
                .then_with(|| id(a).cmp(&id(b)))
                .then_with(|| (a.batch, a.row).cmp(&(b.batch, b.row)))
        });
        let run = self.run_count;
        let written: Vec<StagedFile> = self
            .rows
            .par_chunk_by(|a, b| a.partition == b.partition)
            .map(|rows| self.write_run(run, rows))
            .collect::<Result<_>>()?;
        for file in written {
            self.runs.entry(file.partition.clone()).or_default().push(file);
        }
        self.run_count += 1;
        self.rows.clear();
        self.batches.clear();
        self.held_bytes = 0;
        Ok(())
    }

    fn write_run(&self, run: usize, rows: &[Row]) -> Result<StagedFile> {
        let number = rows[0].partition;
        let partition = self.partitions[number as usize].clone();
        let path = self.staging.join(format!("run-{run:04}-{number:05}.parquet"));
        let mut file = ParquetFile::create(&path, schema::LAKE.clone())?;
        let batches: Vec<&RecordBatch> = self.batches.iter().collect();
        for chunk in rows.chunks(CHUNK_ROWS) {
            let places: Vec<(usize, usize)> = chunk.iter().map(|r| (r.batch as usize, r.row as usize)).collect();
            let gathered = interleave_record_batch(&batches, &places)?;
            file.write(&with_partition(&gathered, &partition)?)?;
        }
        Ok(StagedFile {
            partition,
            path,
            written: file.finish()?,
            min_created_on_us: rows[0].created_on,
            max_created_on_us: rows[rows.len() - 1].created_on,
        })
    }

    /// Writes what is still held and merges the runs: one sorted file per partition, partitions in order.
    pub fn finish(&mut self) -> Result<Vec<StagedFile>> {
        if !self.rows.is_empty() {
            self.write_runs()?;
        }
        let staging = &self.staging;
        std::mem::take(&mut self.runs)
            .into_values()
            .enumerate()
            .collect::<Vec<_>>()
            .into_par_iter()
            .map(|(number, mut runs)| match runs.len() {
                1 => Ok(runs.remove(0)),
                _ => merge(&staging.join(format!("merged-{number:05}.parquet")), runs),
            })
            .collect()
    }
}

/// Adds the partition values that a staged row does not carry yet.
fn with_partition(rows: &RecordBatch, partition: &Partition) -> Result<RecordBatch> {
    let constant = |value: &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(std::iter::repeat_n(
            value,
            rows.num_rows(),
        )))
    };
    let mut columns = rows.columns()[..=schema::ENVIRONMENT].to_vec();
    columns.push(constant(partition.kind.name()));
    columns.push(constant(&instant::month_name(partition.month)));
    Ok(RecordBatch::try_new(schema::LAKE.clone(), columns)?)
}

/// What rows are sorted by.
pub fn key(rows: &RecordBatch, row: usize) -> (i64, Option<&str>) {
    let on = rows
        .column(schema::CREATED_ON)
        .as_primitive::<TimestampMicrosecondType>();
    let ids = rows.column(schema::AUDIT_ID).as_string::<i32>();
    (on.value(row), ids.is_valid(row).then(|| ids.value(row)))
}

/// A place in a sorted file that is read from its first row to its last.
pub struct Cursor {
    path: PathBuf,
    reader: Box<dyn RecordBatchReader + Send>,
    pub batch: RecordBatch,
    pub row: usize,
}

impl Cursor {
    /// At the first row; `None` when there is none.
    pub fn open(path: &Path, batch_rows: usize) -> Result<Option<Cursor>> {
        let mut cursor = Cursor {
            path: path.to_owned(),
            reader: Box::new(file::read(path, &[], batch_rows)?),
            batch: RecordBatch::new_empty(schema::LAKE.clone()),
            row: 0,
        };
        Ok(cursor.next_batch()?.then_some(cursor))
    }

    /// Moves to the next row; false at the end of the batch.
    fn step(&mut self) -> bool {
        self.row += 1;
        self.row < self.batch.num_rows()
    }

    /// Reads on; false at the end of the file.
    fn next_batch(&mut self) -> Result<bool> {
        self.row = 0;
        match self.reader.next() {
            Some(batch) => {
                self.batch = batch.at_path(&self.path, "cannot be read back")?;
                Ok(true)
            }
            None => {
                self.batch = self.batch.slice(0, 0);
                Ok(false)
            }
        }
    }

    /// Moves to the next row, reading on where need be.
    pub fn advance(&mut self) -> Result<()> {
        if !self.step() {
            self.next_batch()?;
        }
        Ok(())
    }

    /// The key of the row it stands at; `None` behind the last.
    pub fn key(&self) -> Option<(i64, Option<&str>)> {
        (self.row < self.batch.num_rows()).then(|| key(&self.batch, self.row))
    }
}

/// Merges sorted runs of one partition; rows equal in key keep the order of the runs.
fn merge(path: &Path, runs: Vec<StagedFile>) -> Result<StagedFile> {
    let mut cursors = Vec::new();
    for run in &runs {
        cursors.extend(Cursor::open(&run.path, CHUNK_ROWS / 2)?);
    }
    let mut file = ParquetFile::create(path, schema::LAKE.clone())?;
    while !cursors.is_empty() {
        let exhausted = merge_until_a_batch_ends(&mut cursors, &mut file)?;
        if !cursors[exhausted].next_batch()? {
            cursors.remove(exhausted);
        }
    }
    let written = file.finish()?;
    for run in &runs {
        disk::remove_file(&run.path)?;
    }
    let bounds = |pick: fn(&StagedFile) -> i64| runs.iter().map(pick);
    match (
        bounds(|run| run.min_created_on_us).min(),
        bounds(|run| run.max_created_on_us).max(),
    ) {
        (Some(min_created_on_us), Some(max_created_on_us)) => Ok(StagedFile {
            partition: runs[0].partition.clone(),
            path: path.to_owned(),
            written,
            min_created_on_us,
            max_created_on_us,
        }),
        _ => Err(Error::failed("a partition without runs cannot be merged")),
    }
}

/// Writes rows in order until one cursor has used up its batch; says which.
fn merge_until_a_batch_ends(cursors: &mut [Cursor], file: &mut ParquetFile) -> Result<usize> {
    let mut places = Vec::new();
    let mut order: Vec<usize> = (0..cursors.len()).collect();
    let compare = |cursors: &[Cursor], a: usize, b: usize| -> Ordering {
        cursors[a].key().cmp(&cursors[b].key()).then(a.cmp(&b))
    };
    order.sort_by(|&a, &b| compare(cursors, a, b));
    let exhausted = loop {
        let first = order[0];
        places.push((first, cursors[first].row));
        if !cursors[first].step() {
            break first;
        }
        // The moved cursor sinks to its place; runs rarely interleave, so it mostly stays.
        let sinks = order[1..].partition_point(|&other| compare(cursors, other, first) == Ordering::Less);
        order[..=sinks].rotate_left(1);
    };
    let batches: Vec<&RecordBatch> = cursors.iter().map(|cursor| &cursor.batch).collect();
    for chunk in places.chunks(CHUNK_ROWS) {
        file.write(&interleave_record_batch(&batches, chunk)?)?;
    }
    Ok(exhausted)
}
