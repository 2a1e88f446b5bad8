//! Staged rows → sorted Parquet files, one per partition, in bounded memory.
//!
//! Rows are collected until the budget is full. Then the oldest go into files right away where they come in order
//! ([`super::early`]); what does not is written as a sorted *run* ([`super::stretch`]). At the end the runs are merged,
//! partition by partition, and each row goes where its [`Verdict`] says. When everything fits, there is neither.
//! Order: (`created_on`, `audit_id`, null first); rows equal in both keep the order in which they came.

mod part;

use self::part::Part;
use super::claims::{Verdict, Verdicts};
use super::early::Early;
use super::file::{self, Written};
use super::held::{Held, Place, Versions};
use super::revise::Rank;
use super::row_file::RowFile;
use super::rows::{Head, Row, Rows};
use super::stretch::{self, RunWriter, Staged};
use crate::disk::{Disk, Syncing};
use crate::error::Result;
use crate::instant;
use crate::record::Kind;
use rayon::prelude::*;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// However many cores share the budget, a row group is worth its while.
const LEAST_GROUP_BYTES: usize = 8 << 20;

/// The most early files that are open at the same time.
const MOST_EARLY: usize = 32;

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
    /// Until its bytes are on the disk.
    pub syncing: Option<Syncing>,
}

impl StagedFile {
    /// Waits until its bytes are on the disk.
    fn wait(&mut self) -> Result<()> {
        self.syncing.take().map_or(Ok(()), Syncing::wait)
    }
}

/// What becomes of rows of a partition when room is made, each in order.
#[derive(Default)]
struct Split {
    early: Vec<Place>,
    run: Vec<Place>,
}

/// Collects staged rows; [`Sorter::finish`] gives the files.
pub struct Sorter {
    disk: Disk,
    staging: PathBuf,
    budget_bytes: usize,
    held: Held,
    parts: Vec<Part>,
    /// For each partition of the lake, when its last row was created.
    newest: BTreeMap<Partition, i64>,
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
    /// `budget_bytes` bounds the rows that are held; while runs are merged, twice as much is. `newest` says of each
    /// partition of the lake when its last row was created.
    pub fn new(disk: &Disk, staging: PathBuf, budget_bytes: usize, newest: BTreeMap<Partition, i64>) -> Self {
        Sorter {
            disk: disk.clone(),
            staging,
            budget_bytes,
            held: Held::default(),
            parts: Vec::new(),
            newest,
            runs: 0,
        }
    }

    /// Takes rows of a source, the first of which has this ordinal. `see` gets the head of each, its rank and its partition.
    pub fn push(
        &mut self,
        rows: Rows,
        ordinal: u64,
        source: &Arc<str>,
        mut see: impl FnMut(&Head, Option<Rank>, &Partition) -> Result<()>,
    ) -> Result<()> {
        let batch = self.held.next();
        let mut versions = Versions::None;
        for (environment, stretch) in rows.environments() {
            // The rows of an export mostly go on in the month in which the last one of their kind was.
            let mut last: [Option<(usize, Range<i64>)>; Kind::ALL.len()] = Default::default();
            for number in stretch {
                let head = &rows.heads()[number];
                let (on, kind) = (head.created_on, head.kind);
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
                let rank = head.has_rank.then(|| Row::read(rows.row(number)).rank()).flatten();
                see(head, rank, &part.partition)?;
                versions = versions.max(Versions::of(rank));
                let place = Place {
                    created_on: on,
                    id_start: head.id_start,
                    batch,
                    row: number as u32,
                };
                part.take(place, rank.is_some());
            }
        }
        self.held.push(rows, ordinal, source, versions);
        if self.held.bytes() >= self.budget_bytes {
            self.make_room(self.held.end_of_oldest(self.budget_bytes / 8))?;
        }
        Ok(())
    }

    fn part_of(&mut self, environment: &Arc<str>, kind: Kind, month: i32) -> usize {
        let wanted = |p: &Partition| p.month == month && p.kind == kind && p.environment == *environment;
        let found = self.parts.iter().position(|part| wanted(&part.partition));
        found.unwrap_or_else(|| {
            let partition = Partition {
                environment: environment.clone(),
                kind,
                month,
            };
            let newest = self.newest.get(&partition).copied();
            self.parts.push(Part::new(partition, newest));
            self.parts.len() - 1
        })
    }

    /// Sorts what is held of each partition.
    fn sort(&mut self) {
        let held = &self.held;
        self.parts.par_iter_mut().for_each(|part| part.sort(held));
    }

    /// No rows, with room for some: that of rows which are no longer held.
    pub fn room(&mut self) -> Rows {
        self.held.room()
    }

    /// Lets go of rows. If they come in order, then of those that were created before a time: they go into early files,
    /// and the few among them that do not come in order become a run. Else all that is held becomes a run, since few
    /// large ones are better than many.
    fn make_room(&mut self, before: i64) -> Result<()> {
        self.sort();
        let mut largest: Vec<usize> = (0..self.parts.len()).collect();
        largest.sort_by_key(|&number| Reverse(self.parts[number].held().len()));
        largest.truncate(MOST_EARLY);
        let takes_versions = !self.do_versions_come_late();
        let split = |(number, part): (usize, &Part)| match largest.contains(&number) {
            true => self.split(part, before, takes_versions),
            false => Split {
                run: part.before(before).to_vec(),
                ..Split::default()
            },
        };
        let splits: Vec<Split> = self.parts.par_iter().enumerate().map(split).collect();
        let count = |of: fn(&Split) -> &Vec<Place>| splits.iter().map(|split| of(split).len()).sum::<usize>();
        let (early_rows, run_rows) = (count(|split| &split.early), count(|split| &split.run));
        let held_rows: usize = self.parts.iter().map(|part| part.held().len()).sum();
        // Where most rows are older than the oldest batches, others come in another order.
        let are_old = before == i64::MAX || early_rows + run_rows < held_rows / 2;
        let are_in_order = are_old && early_rows > run_rows;
        let leaving = splits.iter().flat_map(|split| split.early.iter().chain(&split.run));
        if !are_in_order || self.held.freed_by(leaving) < self.held.bytes() / 16 {
            let parts = self.parts.iter_mut();
            let all: Vec<Vec<Place>> = parts.map(Part::take_all).collect();
            self.write_run(&all)?;
            self.held.free(all.iter().flatten());
            return Ok(());
        }
        let (early, run): (Vec<Vec<Place>>, Vec<Vec<Place>>) =
            splits.into_iter().map(|split| (split.early, split.run)).unzip();
        for (part, (early, run)) in self.parts.iter_mut().zip(early.iter().zip(&run)) {
            part.drop_first(early.len() + run.len());
        }
        self.write_early(&early)?;
        if run.iter().any(|places| !places.is_empty()) {
            self.write_run(&run)?;
        }
        self.held.free(early.iter().chain(&run).flatten());
        Ok(())
    }

    /// Whether so many early files are to be written again for late versions that it would have been cheaper to let their
    /// rows wait: writing one again costs more than it saves if half of them are.
    fn do_versions_come_late(&self) -> bool {
        let early = self.parts.iter().filter(|part| part.early.is_some()).count();
        let late = self.parts.iter().filter(|part| part.has_late_version).count();
        late > 0 && 2 * late >= early
    }

    /// Splits the rows of a partition that were created before a time.
    fn split(&self, part: &Part, before: i64, takes_versions: bool) -> Split {
        let (mut split, mut last) = (Split::default(), None);
        // Versions of a row stand side by side, and so do rows that came twice.
        for same in part.before(before).chunk_by(|a, b| a.key() == b.key()) {
            let key = same[0].key().filter(|key| last < Some(*key) && part.takes_early(*key));
            let early = key.and_then(|_| self.held.best(same, takes_versions));
            last = early.and(key).or(last);
            for (number, place) in same.iter().enumerate() {
                match early == Some(number) {
                    true => split.early.push(*place),
                    false => split.run.push(*place),
                }
            }
        }
        split
    }

    /// Writes rows of each partition into its early file.
    fn write_early(&mut self, places: &[Vec<Place>]) -> Result<()> {
        self.open_early(places)?;
        let held = &self.held;
        let parts = self.parts.par_iter_mut().zip(places).with_max_len(1);
        parts.try_for_each(|(part, places)| match &mut part.early {
            Some(early) if !places.is_empty() => early.take(places, held),
            _ => Ok(()),
        })?;
        self.bound_early(places)
    }

    /// Lets all early files together hold no more than two row groups; those that got no rows give way first.
    fn bound_early(&mut self, places: &[Vec<Place>]) -> Result<()> {
        let most_bytes = 2 * self.group_bytes();
        let parts = self.parts.iter_mut().zip(places);
        let mut early: Vec<(bool, usize, &mut Early)> = parts
            .filter_map(|(part, places)| {
                part.early
                    .as_mut()
                    .map(|early| (places.is_empty(), early.held_bytes(), early))
            })
            .collect();
        early.sort_by_key(|(is_idle, bytes, _)| Reverse((*is_idle, *bytes)));
        let mut held: usize = early.iter().map(|(_, bytes, _)| bytes).sum();
        let too_many = early.into_iter().map_while(|(_, bytes, early)| {
            let is_too_much = held > most_bytes;
            held -= bytes;
            is_too_much.then_some(early)
        });
        let too_many: Vec<&mut Early> = too_many.collect();
        too_many.into_par_iter().with_max_len(1).try_for_each(Early::end_group)
    }

    /// Opens early files for rows, of at most [`MOST_EARLY`] partitions. Others are closed if their month is over, and if
    /// they are too many, the oldest first.
    fn open_early(&mut self, places: &[Vec<Place>]) -> Result<()> {
        let (idle, wanted): (Vec<_>, Vec<_>) = self
            .parts
            .iter_mut()
            .zip(places)
            .partition(|(_, places)| places.is_empty());
        let first_month = wanted.iter().map(|(part, _)| part.partition.month).min();
        let idle = idle.into_iter().filter_map(|(part, _)| {
            let goes_on = Some(part.partition.month) >= first_month;
            Some((goes_on, part.early.as_mut().filter(|early| early.is_open())?))
        });
        let mut idle: Vec<(bool, &mut Early)> = idle.collect();
        idle.sort_by_key(|(goes_on, early)| (*goes_on, early.last()));
        let over = idle.iter().filter(|(goes_on, _)| !goes_on).count();
        let too_many = (idle.len() + wanted.len()).saturating_sub(MOST_EARLY);
        let closing: Vec<&mut Early> = idle
            .into_iter()
            .take(over.max(too_many))
            .map(|(_, early)| early)
            .collect();
        closing.into_par_iter().with_max_len(1).try_for_each(Early::close)?;
        let group_bytes = self.group_bytes();
        for (number, part) in self.parts.iter_mut().enumerate() {
            if part.early.is_none() && places.get(number).is_some_and(|places| !places.is_empty()) {
                let path = self.staging.join(format!("{number:05}-early.parquet"));
                part.early = Some(Early::create(&self.disk, path, &part.partition, group_bytes)?);
            }
        }
        Ok(())
    }

    /// Writes rows of each partition, in order, as a run.
    fn write_run(&mut self, places: &[Vec<Place>]) -> Result<()> {
        let path = self.staging.join(format!("run-{:04}.rows", self.runs));
        self.runs += 1;
        let mut run = RunWriter::create(&self.disk, &path)?;
        for (number, places) in places.iter().enumerate().filter(|(_, places)| !places.is_empty()) {
            let mut stretch = run.begin();
            let blocks: Vec<&[Place]> = self.blocks(places);
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
        Ok(())
    }

    /// The rows of each block.
    fn blocks<'p>(&self, mut places: &'p [Place]) -> Vec<&'p [Place]> {
        let mut blocks = Vec::new();
        while !places.is_empty() {
            let mut bytes = 0;
            let fits = |place: &&Place| {
                let is_full = bytes >= stretch::BLOCK_BYTES;
                bytes += self.held.row(place).len();
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
        places.iter().for_each(|place| self.held.staged(place).put(&mut block));
        stretch::pack(&block)
    }

    /// No more rows come. Where all of them fit into memory, they wait there for their verdicts.
    pub fn end(&mut self) -> Result<()> {
        let fits = self.runs == 0 && self.parts.iter().all(|part| part.early.is_none());
        match fits {
            true => self.sort(),
            false => self.make_room(i64::MAX)?,
        }
        Ok(())
    }

    /// Writes sorted files of each partition, once all rows are in; rows that were dropped are gone. All are synced.
    pub fn finish(mut self, verdicts: &Verdicts) -> Result<SortedFiles> {
        // The largest first: the last one to be begun is small, so no core waits long.
        let size = |part: &Part| (part.bytes(), part.held().len());
        let mut order: Vec<usize> = (0..self.parts.len()).collect();
        order.sort_by_key(|&number| Reverse(size(&self.parts[number])));
        let early: Vec<Option<Early>> = self.parts.iter_mut().map(|part| part.early.take()).collect();
        let mut files = SortedFiles::default();
        let finish = |early: Early| early.finish(verdicts);
        let mut all: Vec<[Option<StagedFile>; 2]> =
            early.into_par_iter().flatten().map(finish).collect::<Result<_>>()?;
        let written: Vec<[Option<StagedFile>; 2]> = order
            .into_par_iter()
            .with_max_len(1)
            .map(|number| self.write(number, verdicts))
            .collect::<Result<_>>()?;
        all.extend(written);
        for [new, versions] in all {
            files.new.extend(new);
            files.versions.extend(versions);
        }
        files
            .new
            .iter_mut()
            .chain(&mut files.versions)
            .try_for_each(StagedFile::wait)?;
        files.new.sort_by(|a, b| a.partition.cmp(&b.partition));
        files.versions.sort_by(|a, b| a.partition.cmp(&b.partition));
        Ok(files)
    }

    /// What is held of a partition, or what was written of it in runs.
    fn write(&self, number: usize, verdicts: &Verdicts) -> Result<[Option<StagedFile>; 2]> {
        let mut files = self.files(number);
        for place in self.parts[number].held() {
            files.take(self.held.staged(place), verdicts)?;
        }
        let stretches = self.parts[number].stretches.clone();
        let scratch = self.staging.join(format!("merging-{number:05}"));
        stretch::merge(&self.disk, &scratch, stretches, self.share(), |row| {
            files.take(row, verdicts)
        })?;
        files.finish()
    }

    /// What each partition that is written at the same time may hold: while runs are merged, no other rows are held.
    fn share(&self) -> usize {
        2 * self.budget_bytes / rayon::current_num_threads()
    }

    fn group_bytes(&self) -> usize {
        (self.share() / 2).clamp(LEAST_GROUP_BYTES, file::ROW_GROUP_BYTES)
    }

    fn files(&self, number: usize) -> Files<'_> {
        Files {
            sorter: self,
            partition: &self.parts[number].partition,
            group_bytes: self.group_bytes(),
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
        let source = self.sorter.held.source(row.source);
        file.take(row.bytes, verdict == Verdict::KeepDeleted, source)
    }

    fn finish(self) -> Result<[Option<StagedFile>; 2]> {
        let finish = |file: Option<RowFile>| file.map(RowFile::finish).transpose();
        Ok([finish(self.new)?, finish(self.versions)?])
    }
}

#[cfg(test)]
mod tests;
