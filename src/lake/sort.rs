//! Staged rows → sorted Parquet files, one per partition, in bounded memory.
//!
//! Rows are collected until the budget is full, then written as a sorted *run* ([`super::stretch`]); at the end the runs
//! are merged, partition by partition, and each row goes where its [`Verdict`] says. When everything fits, there are no
//! runs. Order: (`created_on`, `audit_id`, null first); rows equal in both keep the order in which they came.

use super::claims::{Verdict, Verdicts};
use super::file::{self, ParquetFile, Written};
use super::row_file::RowFile;
use super::rows::{self, Rows};
use super::schema;
use super::stretch::{self, RunWriter, Staged, Stretch};
use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::instant;
use crate::record::Kind;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use rayon::prelude::*;
use std::cmp::Reverse;
use std::ops::Range;
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
struct Place {
    created_on: i64,
    batch: u32,
    row: u32,
}

/// Rows that came together.
struct Batch {
    rows: Rows,
    /// The ordinal of the first one.
    ordinal: u64,
    source: u32,
}

/// What is held of a partition, and what was written.
struct Part {
    partition: Partition,
    held: Vec<Place>,
    stretches: Vec<Stretch>,
}

impl Part {
    fn bytes(&self) -> usize {
        self.stretches.iter().map(Stretch::bytes).sum()
    }
}

/// Collects staged rows; [`Sorter::finish`] gives the files.
pub struct Sorter {
    disk: Disk,
    staging: PathBuf,
    budget_bytes: usize,
    batches: Vec<Batch>,
    held_bytes: usize,
    parts: Vec<Part>,
    sources: Vec<Arc<str>>,
    runs: usize,
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
            held_bytes: 0,
            parts: Vec::new(),
            sources: Vec::new(),
            runs: 0,
        }
    }

    /// Takes rows of a source, the first of which has this ordinal. `see` gets each row's number and its partition.
    pub fn push(
        &mut self,
        mut rows: Rows,
        ordinal: u64,
        source: &Arc<str>,
        mut see: impl FnMut(&Rows, usize, &Partition) -> Result<()>,
    ) -> Result<()> {
        let batch = self.batches.len() as u32;
        for (environment, stretch) in rows.environments() {
            // The rows of an export mostly go on in the month in which the last one of their kind was.
            let mut last: [Option<(usize, Range<i64>)>; Kind::ALL.len()] = Default::default();
            for row in stretch {
                let bytes = rows.row(row);
                let (on, kind) = (rows::created_on(bytes), Kind::of(rows::action(bytes)));
                let part = match &last[kind as usize] {
                    Some((part, month)) if month.contains(&on) => *part,
                    _ => {
                        let month = instant::month_of(on);
                        let part = self.part_of(environment, kind, month);
                        last[kind as usize] = Some((part, instant::month_bounds(month)));
                        part
                    }
                };
                let part = &mut self.parts[part];
                see(&rows, row, &part.partition)?;
                part.held.push(Place {
                    created_on: on,
                    batch,
                    row: row as u32,
                });
            }
        }
        rows.settle();
        self.held_bytes += rows.held_bytes() + rows.len() * size_of::<Place>();
        let source = self.source(source);
        self.batches.push(Batch { rows, ordinal, source });
        if self.held_bytes >= self.budget_bytes {
            self.write_run()?;
        }
        Ok(())
    }

    fn part_of(&mut self, environment: &Arc<str>, kind: Kind, month: i32) -> usize {
        let wanted = |p: &Partition| p.month == month && p.kind == kind && p.environment == *environment;
        let found = self.parts.iter().position(|part| wanted(&part.partition));
        found.unwrap_or_else(|| {
            self.parts.push(Part {
                partition: Partition {
                    environment: environment.clone(),
                    kind,
                    month,
                },
                held: Vec::new(),
                stretches: Vec::new(),
            });
            self.parts.len() - 1
        })
    }

    /// The number of a source. Its rows come together.
    fn source(&mut self, source: &Arc<str>) -> u32 {
        if self.sources.last() != Some(source) {
            self.sources.push(source.clone());
        }
        self.sources.len() as u32 - 1
    }

    fn bytes(&self, place: &Place) -> &[u8] {
        self.batches[place.batch as usize].rows.row(place.row as usize)
    }

    fn staged(&self, place: &Place) -> Staged<'_> {
        let batch = &self.batches[place.batch as usize];
        Staged {
            ordinal: batch.ordinal + u64::from(place.row),
            source: batch.source,
            bytes: batch.rows.row(place.row as usize),
        }
    }

    /// Sorts what is held of each partition. Exports are mostly in order already, which a merging sort makes use of.
    fn sort(&mut self) {
        let mut held: Vec<Vec<Place>> = self
            .parts
            .iter_mut()
            .map(|part| std::mem::take(&mut part.held))
            .collect();
        held.par_iter_mut().for_each(|held| {
            held.sort_by(|a, b| {
                let by_time = a.created_on.cmp(&b.created_on);
                by_time.then_with(|| stretch::compare(self.bytes(a), self.bytes(b)))
            });
        });
        self.parts
            .iter_mut()
            .zip(held)
            .for_each(|(part, held)| part.held = held);
    }

    /// Writes what is held as a sorted run, and holds nothing.
    fn write_run(&mut self) -> Result<()> {
        self.sort();
        let path = self.staging.join(format!("run-{:04}.rows", self.runs));
        self.runs += 1;
        let mut run = RunWriter::create(&self.disk, &path)?;
        for number in 0..self.parts.len() {
            let held = std::mem::take(&mut self.parts[number].held);
            if held.is_empty() {
                continue;
            }
            let mut stretch = run.begin();
            let blocks: Vec<&[Place]> = self.blocks(&held);
            // Some blocks are packed side by side, and then written in order.
            for blocks in blocks.chunks(4 * rayon::current_num_threads()) {
                let packed: Vec<stretch::Packed> = blocks
                    .par_iter()
                    .map(|places| self.pack(places))
                    .collect::<Result<_>>()?;
                packed.iter().try_for_each(|packed| run.write(&mut stretch, packed))?;
            }
            self.parts[number].stretches.push(stretch);
        }
        self.batches = Vec::new();
        self.held_bytes = 0;
        Ok(())
    }

    /// The rows of each block.
    fn blocks<'p>(&self, mut places: &'p [Place]) -> Vec<&'p [Place]> {
        let mut blocks = Vec::new();
        while !places.is_empty() {
            let mut bytes = 0;
            let fits = |place: &&Place| {
                let is_full = bytes >= stretch::BLOCK_BYTES;
                bytes += self.bytes(place).len();
                !is_full
            };
            let (block, rest) = places.split_at(places.iter().take_while(fits).count());
            blocks.push(block);
            places = rest;
        }
        blocks
    }

    fn pack(&self, places: &[Place]) -> Result<stretch::Packed> {
        let mut block = Vec::with_capacity(stretch::BLOCK_BYTES + (stretch::BLOCK_BYTES >> 2));
        places.iter().for_each(|place| self.staged(place).put(&mut block));
        stretch::pack(&block)
    }

    /// No more rows come.
    pub fn end(&mut self) -> Result<()> {
        match self.runs {
            0 => self.sort(),
            _ => self.write_run()?,
        }
        Ok(())
    }

    /// Writes one sorted file per partition and fate, once all rows are in; rows that were dropped are gone.
    pub fn finish(self, verdicts: &Verdicts) -> Result<SortedFiles> {
        let was_spilled = self.runs > 0;
        // The largest first: the last one to be begun is small, so no core waits long.
        let size = |part: &Part| (part.bytes(), part.held.len());
        let mut order: Vec<usize> = (0..self.parts.len()).collect();
        order.sort_by_key(|&number| Reverse(size(&self.parts[number])));
        let write = |number: usize| match was_spilled {
            true => self.write_merged(number, verdicts),
            false => self.write_held(number, verdicts),
        };
        let written: Vec<[Option<StagedFile>; 2]> = order
            .into_par_iter()
            .with_max_len(1)
            .map(write)
            .collect::<Result<_>>()?;
        let mut files = SortedFiles::default();
        for [new, versions] in written {
            files.new.extend(new);
            files.versions.extend(versions);
        }
        files.new.sort_by(|a, b| a.partition.cmp(&b.partition));
        files.versions.sort_by(|a, b| a.partition.cmp(&b.partition));
        Ok(files)
    }

    fn write_held(&self, number: usize, verdicts: &Verdicts) -> Result<[Option<StagedFile>; 2]> {
        let mut files = self.files(number);
        for place in &self.parts[number].held {
            files.take(self.staged(place), verdicts)?;
        }
        files.finish()
    }

    fn write_merged(&self, number: usize, verdicts: &Verdicts) -> Result<[Option<StagedFile>; 2]> {
        let mut files = self.files(number);
        let stretches = self.parts[number].stretches.clone();
        let scratch = self.staging.join(format!("merging-{number:05}"));
        stretch::merge(&self.disk, &scratch, stretches, self.share(), |row| {
            files.take(row, verdicts)
        })?;
        files.finish()
    }

    /// Of the budget, for each partition that is written at the same time.
    fn share(&self) -> usize {
        self.budget_bytes / rayon::current_num_threads()
    }

    fn files(&self, number: usize) -> Files<'_> {
        Files {
            sorter: self,
            partition: &self.parts[number].partition,
            group_bytes: (self.share() / 2).clamp(LEAST_GROUP_BYTES, file::ROW_GROUP_BYTES),
            stem: self.staging.join(format!("{number:05}")),
            new: None,
            versions: None,
        }
    }
}

/// The files of one partition while they are written.
struct Files<'s> {
    sorter: &'s Sorter,
    partition: &'s Partition,
    group_bytes: usize,
    stem: PathBuf,
    new: Option<RowFile>,
    versions: Option<RowFile>,
}

impl Files<'_> {
    /// Writes the next row where its verdict says.
    fn take(&mut self, row: Staged<'_>, verdicts: &Verdicts) -> Result<()> {
        let verdict = verdicts.get(row.ordinal);
        let (file, name) = match verdict {
            Verdict::Drop => return Ok(()),
            Verdict::Keep | Verdict::KeepDeleted => (&mut self.new, "parquet"),
            Verdict::Challenge => (&mut self.versions, "versions.parquet"),
        };
        let file = match file {
            Some(file) => file,
            None => {
                let path = self.stem.with_extension(name);
                file.insert(RowFile::create(
                    &self.sorter.disk,
                    &path,
                    self.partition,
                    self.group_bytes,
                )?)
            }
        };
        let source = &self.sorter.sources[row.source as usize];
        file.take(row.bytes, verdict == Verdict::KeepDeleted, source)
    }

    fn finish(self) -> Result<[Option<StagedFile>; 2]> {
        let finish = |file: Option<RowFile>| file.map(RowFile::finish).transpose();
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

/// What rows are sorted by.
pub fn key(rows: &RecordBatch, row: usize) -> (i64, Option<&str>) {
    let on = rows
        .column(schema::CREATED_ON)
        .as_primitive::<TimestampMicrosecondType>();
    let ids = rows.column(schema::AUDIT_ID).as_string::<i32>();
    (on.value(row), ids.is_valid(row).then(|| ids.value(row)))
}
