//! Rows on their way into a file, and those that wait until they are enough.

use crate::lake::rows::Row;
use std::sync::Arc;

/// A row with what goes with it.
pub struct Taken<'a> {
    pub row: Row<'a>,
    /// What a deletion says of it.
    pub is_deleted: bool,
    pub source: &'a Arc<str>,
}

/// Rows of which the bytes would be gone otherwise.
#[derive(Default)]
pub struct Waiting {
    bytes: Vec<u8>,
    /// Where the bytes of each row end, its deletion, and its place among the sources.
    rows: Vec<(usize, bool, usize)>,
    sources: Vec<Arc<str>>,
}

impl Waiting {
    pub fn push(&mut self, row: &[u8], is_deleted: bool, source: &Arc<str>) {
        if !self.sources.last().is_some_and(|last| Arc::ptr_eq(last, source)) {
            self.sources.push(source.clone());
        }
        self.bytes.extend_from_slice(row);
        self.rows.push((self.bytes.len(), is_deleted, self.sources.len() - 1));
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn taken(&self) -> Vec<Taken<'_>> {
        let mut start = 0;
        let taken = |&(end, is_deleted, source): &(usize, bool, usize)| Taken {
            row: Row::read(&self.bytes[std::mem::replace(&mut start, end)..end]),
            is_deleted,
            source: &self.sources[source],
        };
        self.rows.iter().map(taken).collect()
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
        self.rows.clear();
        self.sources.clear();
    }
}
