//! The merge of files of the lake: rows that are sorted each become rows in order.

use super::schema;
use super::sorted_file::key;
use crate::error::Result;
use arrow::array::RecordBatch;
use arrow::compute::interleave_record_batch;
use std::cmp::Ordering;

/// The most rows of a batch, and of what a merge gives at once.
const BATCH_ROWS: usize = 1 << 13;

/// Rows in order, batch by batch.
pub type Batches = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

/// A place in sorted rows that are read from first to last.
pub struct Cursor {
    batches: Batches,
    pub batch: RecordBatch,
    pub row: usize,
}

impl Cursor {
    /// At the first row; `None` when there is none.
    pub fn open(batches: Batches) -> Result<Option<Cursor>> {
        let mut cursor = Cursor {
            batches,
            batch: RecordBatch::new_empty(schema::LAKE.clone()),
            row: 0,
        };
        Ok(cursor.next_batch()?.then_some(cursor))
    }

    /// Moves to the first row of the next batch; false behind the last.
    fn next_batch(&mut self) -> Result<bool> {
        self.row = 0;
        for batch in &mut self.batches {
            self.batch = batch?;
            if self.batch.num_rows() > 0 {
                return Ok(true);
            }
        }
        self.batch = self.batch.slice(0, 0);
        Ok(false)
    }

    /// Moves to the next row.
    pub fn advance(&mut self) -> Result<()> {
        self.row += 1;
        if self.row >= self.batch.num_rows() {
            self.next_batch()?;
        }
        Ok(())
    }

    /// The key of the row it stands at; `None` behind the last.
    pub fn key(&self) -> Option<(i64, Option<&str>)> {
        (self.row < self.batch.num_rows()).then(|| key(&self.batch, self.row))
    }

    fn last_key(&self) -> Option<(i64, Option<&str>)> {
        let last = self.batch.num_rows().checked_sub(1)?;
        Some(key(&self.batch, last))
    }
}

/// Several sorted sources in order; rows equal in key keep the order of the sources.
pub struct Merge {
    /// Each stands at a row.
    cursors: Vec<Cursor>,
    /// The cursors by the key they stand at.
    order: Vec<usize>,
}

impl Merge {
    /// Of rows that are sorted each.
    pub fn over(sources: Vec<Batches>) -> Result<Merge> {
        let mut cursors = Vec::new();
        for source in sources {
            cursors.extend(Cursor::open(source)?);
        }
        let mut merge = Merge {
            order: (0..cursors.len()).collect(),
            cursors,
        };
        let mut order = std::mem::take(&mut merge.order);
        order.sort_by(|&a, &b| merge.compare(a, b));
        merge.order = order;
        Ok(merge)
    }

    fn compare(&self, a: usize, b: usize) -> Ordering {
        self.cursors[a].key().cmp(&self.cursors[b].key()).then(a.cmp(&b))
    }

    /// The next rows; `None` behind the last.
    pub fn next(&mut self) -> Result<Option<RecordBatch>> {
        let Some(&first) = self.order.first() else {
            return Ok(None);
        };
        // Runs rarely interleave: often the rest of a batch comes before all other runs.
        let is_alone = self.order.get(1).is_none_or(|&next| {
            self.cursors[first]
                .last_key()
                .cmp(&self.cursors[next].key())
                .then(first.cmp(&next))
                == Ordering::Less
        });
        if is_alone {
            let cursor = &self.cursors[first];
            let rows = cursor.batch.slice(cursor.row, cursor.batch.num_rows() - cursor.row);
            self.refill()?;
            return Ok(Some(rows));
        }
        let mut places = Vec::new();
        let mut is_used_up = false;
        while !is_used_up && places.len() < BATCH_ROWS {
            let first = self.order[0];
            let cursor = &mut self.cursors[first];
            places.push((first, cursor.row));
            cursor.row += 1;
            is_used_up = cursor.row == cursor.batch.num_rows();
            if !is_used_up {
                self.sink_first();
            }
        }
        let batches: Vec<&RecordBatch> = self.cursors.iter().map(|cursor| &cursor.batch).collect();
        let rows = interleave_record_batch(&batches, &places)?;
        if is_used_up {
            self.refill()?;
        }
        Ok(Some(rows))
    }

    /// Reads on where the first cursor has used up its batch.
    fn refill(&mut self) -> Result<()> {
        match self.cursors[self.order[0]].next_batch()? {
            true => self.sink_first(),
            false => drop(self.order.remove(0)),
        }
        Ok(())
    }

    /// Moves the first cursor to where its key belongs.
    fn sink_first(&mut self) {
        let first = self.order[0];
        let sinks = self.order[1..].partition_point(|&other| self.compare(other, first) == Ordering::Less);
        self.order[..=sinks].rotate_left(1);
    }
}
