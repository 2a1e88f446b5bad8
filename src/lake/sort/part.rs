//! What a run has of a partition so far: rows that are held, and files.

use super::Partition;
use crate::lake::early::Early;
use crate::lake::held::{Held, Key, Place};
use crate::lake::stretch::Stretch;

/// What is held of a partition, and what was written.
pub(super) struct Part {
    pub(super) partition: Partition,
    /// Rows that are held, behind some that no longer are.
    places: Vec<Place>,
    gone: usize,
    /// How many of the first of all these are in order.
    sorted: usize,
    pub(super) stretches: Vec<Stretch>,
    /// When the last row was created that the lake had of it before.
    pub(super) newest: Option<i64>,
    pub(super) early: Option<Early>,
    /// Whether a row came that may be another version of an early one.
    pub(super) has_late_version: bool,
}

impl Part {
    pub(super) fn new(partition: Partition, newest: Option<i64>) -> Part {
        Part {
            partition,
            places: Vec::new(),
            gone: 0,
            sorted: 0,
            stretches: Vec::new(),
            newest,
            early: None,
            has_late_version: false,
        }
    }

    /// The rows that are held.
    pub(super) fn held(&self) -> &[Place] {
        &self.places[self.gone..]
    }

    /// Holds a row.
    pub(super) fn take(&mut self, place: Place, may_be_version: bool) {
        if let (true, Some(key), Some(early)) = (may_be_version, place.key(), &self.early) {
            self.has_late_version |= Some(key) <= early.last();
        }
        self.places.push(place);
    }

    /// What is held, in order, of rows that were created before a time.
    pub(super) fn before(&self, time: i64) -> &[Place] {
        let held = self.held();
        &held[..held.partition_point(|place| place.created_on < time)]
    }

    /// How large the runs are that were written.
    pub(super) fn bytes(&self) -> usize {
        self.stretches.iter().map(Stretch::bytes).sum()
    }

    /// Sorts what is held. Exports mostly are in order of time: so only rows of equal time are sorted, and the few that come
    /// behind a later one; then all of it is a few stretches in order, which a stable sort merges.
    pub(super) fn sort(&mut self, held: &Held) {
        let new = self.places.split_off(self.sorted);
        let Some(first) = new.iter().map(|place| place.created_on).min() else {
            return;
        };
        let mut latest = i64::MIN;
        let (mut in_order, mut strays): (Vec<Place>, Vec<Place>) = new.into_iter().partition(|place| {
            let is_in_order = latest <= place.created_on;
            latest = latest.max(place.created_on);
            is_in_order
        });
        let compare = |a: &Place, b: &Place| held.compare(a, b);
        let of_equal_time = in_order.chunk_by_mut(|a, b| a.created_on == b.created_on);
        of_equal_time.for_each(|places| places.sort_by(compare));
        // Of equal rows those in order came first: a stray has come behind a later row, and behind that one none in order is
        // as early.
        strays.sort_by(compare);
        let from = self.gone + self.before(first).len();
        self.places.append(&mut in_order);
        self.places.append(&mut strays);
        self.places[from..].sort_by(compare);
        self.sorted = self.places.len();
    }

    /// No longer holds the first rows, which are in order. Their places go when most are of such rows, so that few are moved;
    /// and when there are no others, as at the end of a month, their room does too.
    pub(super) fn drop_first(&mut self, rows: usize) {
        self.gone += rows;
        if self.gone > self.places.len() / 2 {
            self.places.drain(..self.gone);
            self.sorted -= self.gone;
            self.gone = 0;
        }
        if self.places.is_empty() {
            self.places = Vec::new();
        }
    }

    /// Gives all that is held.
    pub(super) fn take_all(&mut self) -> Vec<Place> {
        self.sorted = 0;
        let mut all = std::mem::take(&mut self.places);
        all.drain(..std::mem::take(&mut self.gone));
        all
    }

    /// Whether a row would be an early one, as far as the rows before it tell. Where the first rows did not come in order,
    /// later ones need not be tried.
    pub(super) fn takes_early(&self, key: Key) -> bool {
        let is_newer = self.newest.is_none_or(|newest| newest < key.0);
        let is_in_order = match &self.early {
            Some(early) => early.takes(key),
            None => self.stretches.is_empty(),
        };
        is_newer && is_in_order
    }
}
