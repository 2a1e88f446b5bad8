//! The sightings of an environment as one stream in order of time, in bounded memory: its accesses and, where they are
//! asked for, its changes.
//!
//! ```text
//! row groups, by their first instant ──decode a wave ahead──▶ waiting stretches ──merge──▶ pieces in order of time
//! ```
//!
//! Opening a log reads only footers and dictionary pages: where each row group lies in time, and who occurs at all, so
//! that actors are numbers in byte order from the first row on. Then row groups are decoded in waves, in parallel, the
//! next wave while the reader works on the last. What lies up to the first instant of the next wave is given away;
//! where row groups overlap (files of several runs), they are merged. Only as much waits as overlaps.
//!
//! Example: row groups [08:00, 12:00], [11:00, 15:00] and, in the next wave, [14:00, 18:00]: rows up to 11:00 come
//! from the first alone, those up to 12:00 from both in turn, then the second's up to 14:00; the rest of it waits.
//!
//! Among rows of one instant no order is promised: sessions and counts are the same in any.

use super::file::Footer;
use super::manifest::AuditFile;
use super::sightings::{By, NOBODY, Sightings};
use super::waiting::Waiting;
use super::{Lake, file};
use crate::error::{AtPath, Result};
use crate::record::Kind;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, TimestampMicrosecondType};
use rayon::prelude::*;
use std::collections::HashSet;
use std::path::PathBuf;

/// Rows that are decoded ahead, 13 bytes each: enough to keep many cores busy, little enough for any machine.
const WAVE_ROWS: u64 = 4 << 20;

/// An environment's sightings up to an instant, ready to be read.
pub struct AccessLog {
    /// Ids in byte order.
    actors: Vec<String>,
    as_of: i64,
    /// By their first instant.
    groups: Vec<Group>,
    wave_rows: u64,
}

/// A row group and where it lies in time.
#[derive(Debug, Clone)]
struct Group {
    path: PathBuf,
    group: usize,
    rows: u64,
    first: i64,
    last: i64,
    is_access: bool,
}

impl Lake {
    /// The accesses of an environment up to `as_of`.
    pub fn access_log(&self, environment: &str, as_of: i64) -> Result<AccessLog> {
        self.sightings(environment, &[Kind::Access], as_of)
    }

    /// The rows of some kinds of an environment up to `as_of`, as far as they name an actor.
    pub fn sightings(&self, environment: &str, kinds: &[Kind], as_of: i64) -> Result<AccessLog> {
        let files: Vec<&AuditFile> = kinds.iter().flat_map(|kind| self.files(environment, *kind)).collect();
        let surveyed = files
            .into_par_iter()
            .filter(|audit| audit.min_created_on_us <= as_of)
            .map(|audit| self.survey(audit, as_of));
        let (mut groups, actors) = surveyed.try_reduce(Default::default, |mut left, mut right| {
            left.0.append(&mut right.0);
            Ok((left.0, union(left.1, right.1)))
        })?;
        groups.sort_by(|a, b| (a.first, &a.path, a.group).cmp(&(b.first, &b.path, b.group)));
        let mut actors: Vec<String> = actors.into_iter().collect();
        actors.par_sort_unstable();
        Ok(AccessLog {
            actors,
            as_of,
            groups,
            wave_rows: WAVE_ROWS,
        })
    }

    fn survey(&self, audit: &AuditFile, as_of: i64) -> Result<(Vec<Group>, HashSet<String>)> {
        let path = self.place(&audit.file.path);
        let footer = Footer::read(&path)?;
        let (mut groups, mut actors) = (Vec::new(), HashSet::new());
        for group in (0..footer.row_groups()).filter(|group| footer.rows(*group) > 0) {
            let (first, last) = footer.range(group, "created_on")?;
            if first <= as_of {
                actors.extend(footer.distinct(group, "actor_id")?);
                groups.push(Group {
                    path: path.clone(),
                    group,
                    rows: footer.rows(group),
                    first,
                    last,
                    is_access: audit.kind == Kind::Access,
                });
            }
        }
        Ok((groups, actors))
    }
}

/// The smaller set goes into the larger.
pub(super) fn union(left: HashSet<String>, right: HashSet<String>) -> HashSet<String> {
    let (mut large, small) = if left.len() < right.len() {
        (right, left)
    } else {
        (left, right)
    };
    large.extend(small);
    large
}

impl AccessLog {
    /// Ids of all who may occur in the log, in byte order.
    pub fn actors(&self) -> &[String] {
        &self.actors
    }

    pub fn into_actors(self) -> Vec<String> {
        self.actors
    }

    /// The last access at or before each of the instants, if there is one.
    ///
    /// Where a row group lies tells it, but for the few that an instant falls into.
    pub fn last_up_to(&self, instants: &[i64]) -> Result<Vec<Option<i64>>> {
        let of_group = |group: &Group| {
            let falls_into = |&at: &i64| group.first <= at && at < group.last;
            if instants.iter().any(falls_into) {
                return group.last_up_to(instants);
            }
            Ok(instants
                .iter()
                .map(|&at| (group.last <= at).then_some(group.last))
                .collect())
        };
        let none = || vec![None; instants.len()];
        let latest = |left: Vec<Option<i64>>, right: Vec<Option<i64>>| {
            Ok(left
                .into_iter()
                .zip(right)
                .map(|(left, right)| left.max(right))
                .collect())
        };
        let of_accesses = self.groups.par_iter().filter(|group| group.is_access);
        of_accesses.map(of_group).try_reduce(none, latest)
    }

    /// Gives all rows to `take`, in order of time, decoding the next of them meanwhile.
    pub fn read(&self, mut take: impl FnMut(Sightings<'_>) -> Result<()> + Send) -> Result<()> {
        let mut rest = self.groups.as_slice();
        let mut waiting = Waiting::default();
        let mut decoded = self.decode(self.next_wave(&mut rest));
        loop {
            waiting.add(decoded?);
            let Some(until) = rest.first().map(|group| group.first) else {
                return waiting.give(i64::MAX, &mut take);
            };
            let wave = self.next_wave(&mut rest);
            let (given, ahead) = rayon::join(|| waiting.give(until, &mut take), || self.decode(wave));
            given?;
            decoded = ahead;
        }
    }

    /// As many row groups as there is room for, at least one.
    fn next_wave<'g>(&self, rest: &mut &'g [Group]) -> &'g [Group] {
        let mut rows = 0;
        let fits = |group: &&Group| {
            rows += group.rows;
            rows <= self.wave_rows
        };
        let count = rest.iter().take_while(fits).count().max(1).min(rest.len());
        let (wave, later) = rest.split_at(count);
        *rest = later;
        wave
    }

    fn decode(&self, wave: &[Group]) -> Result<Vec<Columns>> {
        let decode = |group: &Group| {
            let mut found = Columns::with_capacity(group.rows as usize);
            let mut numbers = Numbers::default();
            for rows in file::read_row_group(
                &group.path,
                group.group,
                &["created_on", "action", "actor_id"],
                "actor_id",
            )? {
                let rows = rows.at_path(&group.path, "cannot be read")?;
                found.take(&rows, numbers.of(&self.actors, &rows), self.as_of);
            }
            Ok(found.in_order())
        };
        // Row groups differ in size: no thread may take several at once.
        wave.par_iter().with_max_len(1).map(decode).collect()
    }
}

impl Group {
    fn last_up_to(&self, instants: &[i64]) -> Result<Vec<Option<i64>>> {
        let mut found = vec![None; instants.len()];
        for rows in file::read_row_group(&self.path, self.group, &["created_on"], "")? {
            let rows = rows.at_path(&self.path, "cannot be read")?;
            let on = rows.column(0).as_primitive::<TimestampMicrosecondType>().values();
            for (&at, found) in instants.iter().zip(&mut found) {
                let count = on.partition_point(|&on| on <= at);
                *found = on[..count].last().copied().max(*found);
            }
        }
        Ok(found)
    }
}

/// The numbers of a dictionary's actors. A row group's batches share one dictionary, so they are found once.
#[derive(Default)]
struct Numbers {
    dictionary: Option<ArrayRef>,
    numbers: Vec<u32>,
}

impl Numbers {
    fn of(&mut self, actors: &[String], rows: &RecordBatch) -> &[u32] {
        let values = rows.column(2).as_dictionary::<Int32Type>().values();
        let is_same = |known: &ArrayRef| known.to_data().ptr_eq(&values.to_data());
        if !self.dictionary.as_ref().is_some_and(is_same) {
            let place = |id: &str| actors.binary_search_by(|actor| actor.as_str().cmp(id)).ok();
            let number = |id: Option<&str>| id.and_then(place).map_or(NOBODY, |place| place as u32);
            self.numbers = values.as_string::<i32>().iter().map(number).collect();
            self.dictionary = Some(values.clone());
        }
        &self.numbers
    }
}

/// Decoded rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Columns {
    pub(super) created_on: Vec<i64>,
    pub(super) actor: Vec<u32>,
    pub(super) by: Vec<By>,
}

impl Columns {
    fn with_capacity(rows: usize) -> Columns {
        Columns {
            created_on: Vec::with_capacity(rows),
            actor: Vec::with_capacity(rows),
            by: Vec::with_capacity(rows),
        }
    }

    fn take(&mut self, rows: &RecordBatch, numbers: &[u32], as_of: i64) {
        let on = rows.column(0).as_primitive::<TimestampMicrosecondType>().values();
        let actions = rows.column(1).as_primitive::<Int32Type>().values();
        let actors = rows.column(2).as_dictionary::<Int32Type>().keys();
        let count = on.partition_point(|&on| on <= as_of);
        self.created_on.extend_from_slice(&on[..count]);
        self.by.extend(actions[..count].iter().map(|&action| By::of(action)));
        let number = |key: Option<i32>| key.map_or(NOBODY, |key| numbers[key as usize]);
        self.actor.extend(actors.iter().take(count).map(number));
    }

    pub(super) fn push(&mut self, piece: Sightings<'_>) {
        self.created_on.extend_from_slice(piece.created_on);
        self.actor.extend_from_slice(piece.actor);
        self.by.extend_from_slice(piece.by);
    }

    pub(super) fn clear(&mut self) {
        self.created_on.clear();
        self.actor.clear();
        self.by.clear();
    }

    pub(super) fn all(&self) -> Sightings<'_> {
        Sightings {
            created_on: &self.created_on,
            actor: &self.actor,
            by: &self.by,
        }
    }

    /// The lake's files are sorted; should one not be, its row groups are.
    fn in_order(self) -> Columns {
        if self.created_on.is_sorted() {
            return self;
        }
        let mut order: Vec<usize> = (0..self.created_on.len()).collect();
        order.sort_by_key(|&row| self.created_on[row]);
        Columns {
            created_on: order.iter().map(|&row| self.created_on[row]).collect(),
            actor: order.iter().map(|&row| self.actor[row]).collect(),
            by: order.iter().map(|&row| self.by[row]).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
