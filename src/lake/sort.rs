//! Staged rows → sorted Parquet files, one per partition, in bounded memory.
//!
//! Rows are collected until the budget is full, then written as a sorted *run* ([`super::merge`]); at the end the runs
//! are merged, partition by partition, and each row goes where its [`Verdict`] says. When everything fits, there are no
//! runs. Order: (`created_on`, `audit_id`, null first); rows equal in both keep the order in which they came.

use super::claims::{Verdict, Verdicts};
use super::file::{self, ParquetFile, Written};
use super::merge::{self, Merge, RunWriter, StoredRun, with_ordinals, without_ordinals};
use super::schema;
use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::instant;
use crate::record::Kind;
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray};
use arrow::compute::{filter_record_batch, interleave_record_batch, or};
use arrow::datatypes::{Int32Type, TimestampMicrosecondType};
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// However many cores share the budget, a row group is worth its while.
const LEAST_GROUP_BYTES: usize = 8 << 20;

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

/// Collects staged rows; [`Sorter::finish`] gives the files.
pub struct Sorter {
    disk: Disk,
    staging: PathBuf,
    budget_bytes: usize,
    /// With the ordinal of their first row.
    batches: Vec<(RecordBatch, u64)>,
    rows: Vec<Row>,
    held_bytes: usize,
    partitions: Vec<Partition>,
    runs: Vec<StoredRun>,
}

/// What the rows of a run became, in order of partition.
#[derive(Debug, Default)]
pub struct SortedFiles {
    /// Rows the lake did not have.
    pub new: Vec<StagedFile>,
    /// Versions of rows the lake has.
    pub versions: Vec<StagedFile>,
}

impl Sorter {
    /// `budget_bytes` bounds the rows that are held, and those that are held while runs are merged.
    pub fn new(disk: &Disk, staging: PathBuf, budget_bytes: usize) -> Self {
        Sorter {
            disk: disk.clone(),
            staging,
            budget_bytes,
            batches: Vec::new(),
            rows: Vec::new(),
            held_bytes: 0,
            partitions: Vec::new(),
            runs: Vec::new(),
        }
    }

    /// Takes the rows of a staged batch, the first of which has this ordinal. `partition_of` gets each row's partition
    /// as it is found.
    pub fn push(
        &mut self,
        batch: RecordBatch,
        ordinal: u64,
        mut partition_of: impl FnMut(usize, &Partition) -> Result<()>,
    ) -> Result<()> {
        let created_on = batch
            .column(schema::CREATED_ON)
            .as_primitive::<TimestampMicrosecondType>();
        let actions = batch.column(schema::ACTION).as_primitive::<Int32Type>();
        let environments = batch.column(schema::ENVIRONMENT).as_string::<i32>();
        let mut current: Option<(u32, std::ops::Range<i64>)> = None;
        for row in 0..batch.num_rows() {
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
            partition_of(row, &self.partitions[partition as usize])?;
            self.rows.push(Row {
                partition,
                created_on: on,
                batch: self.batches.len() as u32,
                row: row as u32,
            });
        }
        self.held_bytes += batch.get_array_memory_size() + batch.num_rows() * size_of::<Row>();
        self.batches.push((batch, ordinal));
        if self.held_bytes >= self.budget_bytes {
            self.write_run()?;
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

    /// Sorts what is held: by partition, key and ordinal.
    fn sort(&mut self) {
        let ids: Vec<&StringArray> = self
            .batches
            .iter()
            .map(|(batch, _)| batch.column(schema::AUDIT_ID).as_string::<i32>())
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
    }

    /// Writes what is held as a sorted run, and holds nothing.
    fn write_run(&mut self) -> Result<()> {
        self.sort();
        let path = self.staging.join(format!("run-{:04}.arrow", self.runs.len()));
        let average = self.held_bytes / self.rows.len().max(1);
        let mut run = RunWriter::create(&self.disk, &path)?;
        for rows in self.rows.chunk_by(|a, b| a.partition == b.partition) {
            run.begin_part(rows[0].partition);
            let chunks: Vec<&[Row]> = rows.chunks(merge::rows_of_batch(average)).collect();
            // Some batches are gathered side by side, and then written in order.
            for chunks in chunks.chunks(2 * rayon::current_num_threads()) {
                let gathered: Vec<RecordBatch> = chunks
                    .par_iter()
                    .map(|rows| with_ordinals(&self.gather(rows)?, self.ordinals(rows)))
                    .collect::<Result<_>>()?;
                gathered.iter().try_for_each(|batch| run.write(batch))?;
            }
        }
        self.runs.push(run.finish()?);
        self.rows.clear();
        self.batches.clear();
        self.held_bytes = 0;
        Ok(())
    }

    fn gather(&self, rows: &[Row]) -> Result<RecordBatch> {
        let batches: Vec<&RecordBatch> = self.batches.iter().map(|(batch, _)| batch).collect();
        let places: Vec<(usize, usize)> = rows.iter().map(|r| (r.batch as usize, r.row as usize)).collect();
        Ok(interleave_record_batch(&batches, &places)?)
    }

    fn ordinals(&self, rows: &[Row]) -> Vec<u64> {
        rows.iter().map(|row| self.ordinal(row)).collect()
    }

    fn ordinal(&self, row: &Row) -> u64 {
        self.batches[row.batch as usize].1 + u64::from(row.row)
    }

    /// Writes one sorted file per partition and fate; rows that were dropped are gone.
    pub fn finish(mut self, verdicts: &Verdicts) -> Result<SortedFiles> {
        let written = if self.runs.is_empty() {
            self.finish_in_memory(verdicts)?
        } else {
            if !self.rows.is_empty() {
                self.write_run()?;
            }
            self.finish_from_runs(verdicts)?
        };
        let mut files = SortedFiles::default();
        for [new, versions] in written {
            files.new.extend(new);
            files.versions.extend(versions);
        }
        files.new.sort_by(|a, b| a.partition.cmp(&b.partition));
        files.versions.sort_by(|a, b| a.partition.cmp(&b.partition));
        Ok(files)
    }

    fn finish_in_memory(&mut self, verdicts: &Verdicts) -> Result<Vec<[Option<StagedFile>; 2]>> {
        let mut rows = std::mem::take(&mut self.rows);
        rows.retain(|row| verdicts.get(self.ordinal(row)) != Verdict::Drop);
        self.rows = rows;
        self.sort();
        let average = self.held_bytes / self.rows.len().max(1);
        self.rows
            .par_chunk_by(|a, b| a.partition == b.partition)
            .map(|rows| {
                let mut files = self.files(rows[0].partition);
                for rows in rows.chunks(merge::rows_of_batch(average)) {
                    files.write(&self.gather(rows)?, &self.ordinals(rows), verdicts)?;
                }
                files.finish()
            })
            .collect()
    }

    fn finish_from_runs(&self, verdicts: &Verdicts) -> Result<Vec<[Option<StagedFile>; 2]>> {
        (0..self.partitions.len() as u32)
            .into_par_iter()
            .with_max_len(1)
            .map(|partition| {
                let parts = self.runs.iter().filter_map(|run| run.part(partition)).collect();
                let scratch = self.staging.join(format!("merging-{partition:05}"));
                let mut merge = Merge::open(&self.disk, &scratch, parts, self.share())?;
                let mut files = self.files(partition);
                while let Some(batch) = merge.next()? {
                    let (rows, ordinals) = without_ordinals(&batch)?;
                    files.write(&rows, &ordinals, verdicts)?;
                }
                files.finish()
            })
            .collect()
    }

    /// Of the budget, for each partition that is written at the same time.
    fn share(&self) -> usize {
        self.budget_bytes / rayon::current_num_threads()
    }

    fn files(&self, partition: u32) -> Files<'_> {
        Files {
            disk: &self.disk,
            partition: &self.partitions[partition as usize],
            group_bytes: (self.share() / 2).clamp(LEAST_GROUP_BYTES, file::ROW_GROUP_BYTES),
            stem: self.staging.join(format!("{partition:05}")),
            new: None,
            versions: None,
        }
    }
}

/// The files of one partition while they are written.
struct Files<'s> {
    disk: &'s Disk,
    partition: &'s Partition,
    group_bytes: usize,
    stem: PathBuf,
    new: Option<SortedFile>,
    versions: Option<SortedFile>,
}

impl Files<'_> {
    /// Writes each of the sorted rows where its verdict says.
    fn write(&mut self, rows: &RecordBatch, ordinals: &[u64], verdicts: &Verdicts) -> Result<()> {
        let verdicts: Vec<Verdict> = ordinals.iter().map(|&ordinal| verdicts.get(ordinal)).collect();
        let is_new = |verdict: &Verdict| matches!(verdict, Verdict::Keep | Verdict::KeepDeleted);
        let deleted: BooleanArray = verdicts
            .iter()
            .map(|verdict| Some(*verdict == Verdict::KeepDeleted))
            .collect();
        let rows = &with_partition(rows, self.partition, &deleted)?;
        if verdicts.iter().all(is_new) {
            return self.file(false)?.write(rows);
        }
        let new: BooleanArray = verdicts.iter().map(|verdict| Some(is_new(verdict))).collect();
        if new.true_count() > 0 {
            self.file(false)?.write(&filter_record_batch(rows, &new)?)?;
        }
        let versions: BooleanArray = verdicts
            .iter()
            .map(|verdict| Some(*verdict == Verdict::Challenge))
            .collect();
        if versions.true_count() > 0 {
            self.file(true)?.write(&filter_record_batch(rows, &versions)?)?;
        }
        Ok(())
    }

    fn file(&mut self, of_versions: bool) -> Result<&mut SortedFile> {
        let (file, name) = match of_versions {
            true => (&mut self.versions, "versions.parquet"),
            false => (&mut self.new, "parquet"),
        };
        match file {
            Some(file) => Ok(file),
            None => Ok(file.insert(SortedFile::create(
                self.disk,
                &self.stem.with_extension(name),
                self.group_bytes,
            )?)),
        }
    }

    fn finish(self) -> Result<[Option<StagedFile>; 2]> {
        let partition = self.partition;
        let finish = |file: Option<SortedFile>| file.map(|file| file.finish(partition.clone())).transpose();
        Ok([finish(self.new)?, finish(self.versions)?])
    }
}

/// A file of sorted lake rows while it is written.
pub struct SortedFile {
    path: PathBuf,
    file: ParquetFile,
    range: Option<(i64, i64)>,
}

impl SortedFile {
    /// With row groups of at most so many bytes, encoded.
    pub fn create(disk: &Disk, path: &Path, group_bytes: usize) -> Result<SortedFile> {
        Ok(SortedFile {
            path: path.to_owned(),
            file: ParquetFile::create_within(disk, path, schema::LAKE.clone(), group_bytes)?,
            range: None,
        })
    }

    /// Takes rows that come after all rows before.
    pub fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        if let Some(last) = rows.num_rows().checked_sub(1) {
            let (first, last) = (key(rows, 0).0, key(rows, last).0);
            self.range = Some((self.range.map_or(first, |range| range.0), last));
        }
        self.file.write(rows)
    }

    pub fn finish(self, partition: Partition) -> Result<StagedFile> {
        let (min_created_on_us, max_created_on_us) = self
            .range
            .ok_or_else(|| Error::failed("a file of the lake has no rows").at(&self.path))?;
        Ok(StagedFile {
            partition,
            written: self.file.finish()?,
            path: self.path,
            min_created_on_us,
            max_created_on_us,
        })
    }
}

/// Adds the partition values that a staged row does not carry yet, and marks what the source has deleted.
fn with_partition(rows: &RecordBatch, partition: &Partition, deleted: &BooleanArray) -> Result<RecordBatch> {
    let constant = |value: &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(std::iter::repeat_n(
            value,
            rows.num_rows(),
        )))
    };
    let mut columns = rows.columns()[..=schema::ENVIRONMENT].to_vec();
    if deleted.true_count() > 0 {
        let marked = or(columns[schema::DELETED_IN_SOURCE].as_boolean(), deleted)?;
        columns[schema::DELETED_IN_SOURCE] = Arc::new(marked);
    }
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
