//! What a run has of a partition so far: rows that are held, and files.

use super::Partition;
use crate::lake::early::Early;
use crate::lake::held::{Held, Key, Place};
use crate::lake::stretch::Stretch;

/// What is held of a partition, and what was written.
pub(super) struct Part {
    pub(super) partition: Partition,
    pub(super) held: Vec<Place>,
    /// How many of the first of them are in order.
    pub(super) sorted: usize,
    pub(super) stretches: Vec<Stretch>,
    /// When the last row was created that the lake had of it before.
    pub(super) newest: Option<i64>,
    pub(super) early: Option<Early>,
    /// Whether a row came that may be another version of an early one.
    pub(super) has_late_version: bool,
}

impl Part {
    /// Holds a row.
    pub(super) fn take(&mut self, place: Place, may_be_version: bool) {
        if let (true, Some(key), Some(early)) = (may_be_version, place.key(), &self.early) {
            self.has_late_version |= Some(key) <= early.last();
        }
        self.held.push(place);
    }

    /// What is held, in order, of rows that were created before a time.
    pub(super) fn before(&self, time: i64) -> &[Place] {
        &self.held[..self.held.partition_point(|place| place.created_on < time)]
    }

    /// How large the runs are that were written.
    pub(super) fn bytes(&self) -> usize {
        self.stretches.iter().map(Stretch::bytes).sum()
    }

    /// Sorts what is held. Exports mostly are in order of time: so only rows of equal time are sorted, and the few that come
    /// behind a later one; then all of it is a few stretches in order, which a stable sort merges.
    pub(super) fn sort(&mut self, held: &Held) {
        let new = self.held.split_off(self.sorted);
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
        let from = self.held.partition_point(|place| place.created_on < first);
        self.held.append(&mut in_order);
        self.held.append(&mut strays);
        self.held[from..].sort_by(compare);
        self.sorted = self.held.len();
    }

    /// No longer holds the first rows, which are in order.
    pub(super) fn drop_first(&mut self, rows: usize) {
        self.held.drain(..rows);
        self.sorted -= rows;
    }

    /// Gives all that is held.
    pub(super) fn take_all(&mut self) -> Vec<Place> {
        self.sorted = 0;
        std::mem::take(&mut self.held)
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
