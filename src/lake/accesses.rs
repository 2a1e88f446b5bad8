//! The sightings of an environment as one stream in order of time, in bounded memory: its accesses and, where they are
//! asked for, its changes. Several cores read it at once, each a *leg*, a stretch of time, of it.
//!
//! ```text
//! parts of row groups, by their first instant ──of a leg, decode a wave ahead──▶ waiting ──merge──▶ pieces in order of time
//! ```
//!
//! Opening a log reads only footers and dictionary pages: where each row group lies in time, and who occurs at all, so
//! that actors are numbers in byte order from the first row on. Then parts of row groups are decoded in waves, in
//! parallel, the next wave while the reader works on the last. What lies up to the first instant of the next wave is
//! given away; where parts overlap (files of several runs), they are merged. Only as much waits as overlaps.
//!
//! Example: parts [08:00, 12:00], [11:00, 15:00] and, in the next wave, [14:00, 18:00]: rows up to 11:00 come
//! from the first alone, those up to 12:00 from both in turn, then the second's up to 14:00; the rest of it waits.
//!
//! Where a part reaches beyond a leg, only the pages are decoded that lie in it, and of these rows those that do.
//!
//! Among rows of one instant no order is promised: sessions and counts are the same in any.

use super::content::Content;
use super::file;
use super::pages::Column;
use super::sightings::{By, NOBODY, Sightings};
use super::timeline::{Group, Keys, Timeline};
use super::waiting::Waiting;
use crate::error::{AtPath, Result};
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, TimestampMicrosecondType};
use parquet::file::metadata::ColumnChunkMetaData;
use rayon::prelude::*;
use std::collections::HashSet;
use std::ops::Range;

/// Rows that are decoded at a time by one core, 13 bytes each: so few that no core waits long for the others at the end.
const PIECE_ROWS: usize = 320_000;

/// Fewer are no work for another core.
const LEAST_ROWS: usize = 1 << 14;

/// The most rows that are decoded ahead, however many cores there are.
const WAVE_ROWS: u64 = 4 << 20;

/// An environment's sightings up to an instant, ready to be read.
pub struct AccessLog {
    as_of: i64,
    parts: Vec<Part>,
    rows: u64,
    /// Ids in byte order.
    actors: Vec<String>,
    least_rows: u64,
    wave_rows: u64,
}

/// A stretch of time of the log, which one core reads while others read theirs.
pub struct Leg<'l> {
    parts: Vec<Part>,
    actors: &'l [String],
    /// Both included.
    from: i64,
    to: i64,
    wave_rows: u64,
}

/// Rows of a row group, and the actors that the keys of its dictionary stand for, if it has one of all.
#[derive(Clone)]
struct Part {
    group: Group,
    keys: Option<Keys>,
}

impl Timeline {
    /// The rows, as far as they name an actor.
    pub fn log(self) -> Result<AccessLog> {
        let rows: usize = self.groups.iter().map(|group| group.rows.len()).sum();
        let piece_rows = (rows / rayon::current_num_threads()).clamp(LEAST_ROWS, PIECE_ROWS);
        let timeline = self.in_pieces(piece_rows)?;
        let (actors, keys) = timeline.actors()?;
        let parts = timeline.groups.into_iter().zip(keys);
        Ok(AccessLog {
            as_of: timeline.as_of,
            parts: parts.map(|(group, keys)| Part { group, keys }).collect(),
            rows: rows as u64,
            actors,
            least_rows: LEAST_ROWS as u64,
            wave_rows: WAVE_ROWS.min((rayon::current_num_threads() * PIECE_ROWS) as u64),
        })
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

    /// At most so many legs, at least one, of about as many rows each, in order of time. Each but the first begins where
    /// `cut` allows it: it is asked for an instant at or after another, and may know none.
    pub fn legs(&self, most: usize, cut: impl Fn(i64) -> Option<i64>) -> Result<Vec<Leg<'_>>> {
        let most = (most as u64).min(self.rows / self.least_rows).max(1);
        let mut cuts: Vec<i64> = Vec::new();
        let mut before = 0;
        for part in &self.parts {
            if before >= (cuts.len() as u64 + 1) * self.rows / most
                && let Some(at) = cut(part.group.first)
                && cuts.last().is_none_or(|last| *last < at)
                && at <= self.as_of
            {
                cuts.push(at);
            }
            before += part.group.rows.len() as u64;
        }
        let starts = [i64::MIN].into_iter().chain(cuts.iter().copied());
        let ends = cuts.iter().map(|cut| cut - 1).chain([self.as_of]);
        let wave_rows = self.wave_rows.div_ceil(cuts.len() as u64 + 1);
        starts
            .zip(ends)
            .map(|(from, to)| {
                Ok(Leg {
                    parts: self.parts_within(from, to)?,
                    actors: &self.actors,
                    from,
                    to,
                    wave_rows,
                })
            })
            .collect()
    }

    /// By their first instant; of those that reach beyond the bounds the pages that do not lie outside of them.
    fn parts_within(&self, from: i64, to: i64) -> Result<Vec<Part>> {
        let is_near = |first: i64, last: i64| from <= last && first <= to;
        let mut found = Vec::new();
        for part in self
            .parts
            .iter()
            .filter(|part| is_near(part.group.first, part.group.last))
        {
            let groups = match from <= part.group.first && part.group.last <= to {
                true => vec![part.group.clone()],
                false => part.group.parts(is_near)?,
            };
            found.extend(groups.into_iter().map(|group| Part {
                group,
                keys: part.keys.clone(),
            }));
        }
        found.sort_by_key(|part| part.group.first);
        Ok(found)
    }
}

impl Leg<'_> {
    /// Gives all rows to `take`, in order of time, decoding the next of them meanwhile.
    pub fn read(&self, mut take: impl FnMut(Sightings<'_>) -> Result<()> + Send) -> Result<()> {
        let mut waiting = Waiting::default();
        let mut wave = self.wave(0);
        let mut decoded = self.decode(wave.clone());
        loop {
            waiting.add(decoded?);
            let Some(until) = self.parts.get(wave.end).map(|part| part.group.first) else {
                return waiting.give(i64::MAX, &mut take);
            };
            wave = self.wave(wave.end);
            let (given, ahead) = rayon::join(|| waiting.give(until, &mut take), || self.decode(wave.clone()));
            given?;
            decoded = ahead;
        }
    }

    /// As many parts from `start` on as there is room for, at least one.
    fn wave(&self, start: usize) -> Range<usize> {
        let mut rows = 0;
        let fits = |part: &&Part| {
            rows += part.group.rows.len() as u64;
            rows <= self.wave_rows
        };
        let rest = &self.parts[start..];
        let count = rest.iter().take_while(fits).count().max(1).min(rest.len());
        start..start + count
    }

    fn decode(&self, wave: Range<usize>) -> Result<Vec<Columns>> {
        let decode = |part: &Part| Ok(part.decode(self.actors)?.in_order().within(self.from, self.to));
        // Parts differ in size: no thread may take several at once.
        self.parts[wave].par_iter().with_max_len(1).map(decode).collect()
    }
}

impl Part {
    fn decode(&self, actors: &[String]) -> Result<Columns> {
        if let Some(keys) = &self.keys
            && let Some(columns) = self.group.decode(keys)?
        {
            return Ok(columns);
        }
        self.group.decode_by_arrow(actors)
    }
}

impl Group {
    /// Its rows, straight from pages, if they are of the forms that the lake writes.
    fn decode(&self, keys: &[u32]) -> Result<Option<Columns>> {
        let content = Content::open(&self.path)?;
        let read = || -> parquet::errors::Result<_> {
            let column = |chunk: &ColumnChunkMetaData| Column::of(&content, chunk, &self.rows);
            let (on, action, actor) = (column(&self.created_on)?, column(&self.action)?, column(&self.actor)?);
            // Instants are half of the work.
            let (created_on, (by, actor)) = rayon::join(
                || on.numbers(|on: i64| on),
                || (action.numbers(By::of), actor.keyed(keys, NOBODY)),
            );
            let columns = created_on?.zip(by?).zip(actor?);
            Ok(columns.map(|((created_on, by), actor)| Columns { created_on, actor, by }))
        };
        read().at_path(&self.path, "cannot be read")
    }

    /// Its rows, whatever the forms of its pages.
    fn decode_by_arrow(&self, actors: &[String]) -> Result<Columns> {
        let mut found = Columns::default();
        let mut numbers = Numbers::default();
        let columns = ["created_on", "action", "actor_id"];
        for rows in file::read_row_group(&self.path, self.group, &columns, "actor_id")? {
            let rows = rows.at_path(&self.path, "cannot be read")?;
            found.take(&rows, numbers.of(actors, &rows));
        }
        found.keep(self.rows.clone());
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
    fn take(&mut self, rows: &RecordBatch, numbers: &[u32]) {
        let on = rows.column(0).as_primitive::<TimestampMicrosecondType>().values();
        let actions = rows.column(1).as_primitive::<Int32Type>().values();
        let actors = rows.column(2).as_dictionary::<Int32Type>().keys();
        self.created_on.extend_from_slice(on);
        self.by.extend(actions.iter().map(|&action| By::of(action)));
        let number = |key: Option<i32>| key.map_or(NOBODY, |key| numbers[key as usize]);
        self.actor.extend(actors.iter().map(number));
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

    /// Both bounds included.
    fn within(mut self, from: i64, to: i64) -> Columns {
        let rows_before = |is_before: &dyn Fn(i64) -> bool| self.created_on.partition_point(|&on| is_before(on));
        let rows = rows_before(&|on| on < from)..rows_before(&|on| on <= to);
        self.keep(rows);
        self
    }

    fn keep(&mut self, rows: Range<usize>) {
        fn keep<T>(values: &mut Vec<T>, rows: &Range<usize>) {
            values.truncate(rows.end);
            values.drain(..rows.start.min(values.len()));
        }
        keep(&mut self.created_on, &rows);
        keep(&mut self.actor, &rows);
        keep(&mut self.by, &rows);
    }
}

#[cfg(test)]
mod tests;
