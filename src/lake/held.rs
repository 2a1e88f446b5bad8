//! Staged rows that are held in memory, batch by batch; the oldest batches go first.

use super::revise::Rank;
use super::rows::{Head, Row, Rows};
use super::stretch::{self, Staged};
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::num::NonZero;
use std::sync::Arc;

/// What rows are sorted by, as far as it tells two apart without a look at them: `created_on`, and the first half of a
/// GUID.
pub type Key = (i64, NonZero<u64>);

/// Points at a held row.
#[derive(Clone, Copy)]
pub struct Place {
    pub created_on: i64,
    /// See [`Row::id_start`](super::rows::Row::id_start).
    pub id_start: Option<NonZero<u64>>,
    /// Counts all batches that ever were held.
    pub batch: u32,
    pub row: u32,
}

impl Place {
    pub fn key(&self) -> Option<Key> {
        Some((self.created_on, self.id_start?))
    }
}

/// Whether some of several rows may be one of several versions, and whether one of those says that it is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Versions {
    None,
    Live,
    Deleted,
}

impl Versions {
    pub fn of(rank: Option<Rank>) -> Versions {
        match rank {
            None => Versions::None,
            Some(rank) if rank.is_live => Versions::Live,
            Some(_) => Versions::Deleted,
        }
    }
}

/// Rows that came together.
struct Batch {
    rows: Rows,
    versions: Versions,
    /// The ordinal of the first one.
    ordinal: u64,
    source: u32,
    /// With the places of its rows.
    bytes: usize,
    /// How many of its rows are held.
    left: usize,
}

#[derive(Default)]
pub struct Held {
    batches: VecDeque<Batch>,
    /// How many batches were held before these.
    gone: u32,
    bytes: usize,
    sources: Vec<Arc<str>>,
    /// Batches that are done with, and heads, as room for others.
    spare: Vec<Rows>,
    spare_heads: Vec<Vec<Head>>,
}

impl Held {
    /// How much memory the rows take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The number of the next batch.
    pub fn next(&self) -> u32 {
        self.gone + self.batches.len() as u32
    }

    /// Takes rows of a source, the first of which has this ordinal.
    pub fn push(&mut self, mut rows: Rows, ordinal: u64, source: &Arc<str>, versions: Versions) {
        self.spare_heads.push(rows.settle());
        let bytes = rows.held_bytes() + rows.len() * size_of::<Place>();
        self.bytes += bytes;
        // The rows of a source come together.
        if self.sources.last() != Some(source) {
            self.sources.push(source.clone());
        }
        self.batches.push_back(Batch {
            left: rows.len(),
            rows,
            versions,
            ordinal,
            source: self.sources.len() as u32 - 1,
            bytes,
        });
    }

    /// About when the oldest batches end that take so many bytes, if rows come in order.
    pub fn end_of_oldest(&self, bytes: usize) -> i64 {
        let (mut end, mut before) = (i64::MIN, 0);
        for batch in &self.batches {
            // It begins where those before it end. A straggler in it makes it begin too early, but not those.
            end = end.max(batch.rows.window().map_or(end, |(first, _)| first));
            if before >= bytes {
                break;
            }
            before += batch.bytes;
        }
        end
    }

    /// How many bytes are free once these rows are no longer held.
    pub fn freed_by<'p>(&self, places: impl Iterator<Item = &'p Place>) -> usize {
        let mut left: Vec<usize> = self.batches.iter().map(|batch| batch.left).collect();
        places.for_each(|place| left[(place.batch - self.gone) as usize] -= 1);
        let batches = self.batches.iter().zip(left);
        batches
            .filter(|(_, left)| *left == 0)
            .map(|(batch, _)| batch.bytes)
            .sum()
    }

    /// These rows are no longer held.
    pub fn free<'p>(&mut self, places: impl Iterator<Item = &'p Place>) {
        for place in places {
            let batch = &mut self.batches[(place.batch - self.gone) as usize];
            batch.left -= 1;
            if batch.left == 0 {
                self.bytes -= std::mem::take(&mut batch.bytes);
                self.spare.push(std::mem::take(&mut batch.rows));
            }
        }
        while self.batches.front().is_some_and(|oldest| oldest.left == 0) {
            self.batches.pop_front();
            self.gone += 1;
        }
    }

    /// No rows, with room for some. Whoever pushes asks for it each time: room that is given back is kept for that.
    pub fn room(&mut self) -> Rows {
        let heads = self.spare_heads.pop().unwrap_or_default();
        self.spare.pop().unwrap_or_default().emptied(heads)
    }

    fn batch(&self, place: &Place) -> &Batch {
        &self.batches[(place.batch - self.gone) as usize]
    }

    /// Which of several rows of the same key stays, as far as they tell ([`Rank`]); `None` if one may be deleted, or may be
    /// a version where those are not taken.
    pub fn best(&self, same: &[Place], takes_versions: bool) -> Option<usize> {
        match same.iter().map(|place| self.batch(place).versions).max()? {
            Versions::Deleted => return None,
            Versions::Live if !takes_versions => return None,
            Versions::Live if same.len() > 1 => {}
            Versions::Live | Versions::None => return Some(0),
        }
        let mut ranks = same.iter().map(|place| Row::read(self.row(place)).rank()).enumerate();
        let first = ranks.next()?.1.unwrap_or(Rank::OTHER_ROUTE);
        let better = |best: (usize, Rank), (number, rank): (usize, Option<Rank>)| match rank {
            Some(rank) if best.1.is_below(&rank) => (number, rank),
            _ => best,
        };
        Some(ranks.fold((0, first), better).0)
    }

    /// The order of rows in a file, as [`stretch::compare`] says.
    pub fn compare(&self, a: &Place, b: &Place) -> Ordering {
        let by_id = || match (a.id_start, b.id_start) {
            (Some(a), Some(b)) if a != b => a.cmp(&b),
            _ => stretch::compare(self.row(a), self.row(b)),
        };
        a.created_on.cmp(&b.created_on).then_with(by_id)
    }

    pub fn row(&self, place: &Place) -> &[u8] {
        self.batch(place).rows.row(place.row as usize)
    }

    pub fn staged(&self, place: &Place) -> Staged<'_> {
        let batch = self.batch(place);
        Staged {
            ordinal: batch.ordinal + u64::from(place.row),
            source: batch.source,
            bytes: batch.rows.row(place.row as usize),
        }
    }

    /// The name of a source.
    pub fn source(&self, number: u32) -> &Arc<str> {
        &self.sources[number as usize]
    }
}
