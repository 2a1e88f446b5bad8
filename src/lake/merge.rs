//! Sorted runs of staged rows on the disk, and their merge.
//!
//! A *run* is an Arrow IPC file: rows by partition, then by key, each with its ordinal. It is cut into batches of about
//! [`BATCH_BYTES`], so that a merge holds about that much of each run, however wide rows are. Where the runs of a
//! partition are so many or their rows so wide that the budget would not do, the first ones are merged into one run
//! before the rest; the order of rows does not depend on that.
//!
//! Runs are scratch: nothing is synced, and a crash costs only the run of the program that wrote them.

use super::schema;
use super::sort::key;
use crate::disk::{Disk, Target};
use crate::error::{AtPath, Result};
use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::compute::interleave_record_batch;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use arrow::ipc::CompressionType;
use arrow::ipc::reader::FileReader;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

/// About how much of a run is read at once.
const BATCH_BYTES: usize = 1 << 19;

/// The most rows of a batch, and of what a merge gives at once.
const BATCH_ROWS: usize = 1 << 13;

/// How many files all merges together keep open.
const OPEN_FILES: usize = 512;

/// Staged rows with their ordinal behind them.
static RUN: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields: Vec<_> = schema::STAGED.fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new("ordinal", DataType::Int64, false)));
    Arc::new(Schema::new(fields))
});

/// How many rows of this size make a batch.
pub fn rows_of_batch(row_bytes: usize) -> usize {
    (BATCH_BYTES / row_bytes.max(1)).clamp(1, BATCH_ROWS)
}

pub fn with_ordinals(rows: &RecordBatch, ordinals: Vec<u64>) -> Result<RecordBatch> {
    let ordinals = Int64Array::from_iter_values(ordinals.into_iter().map(|ordinal| ordinal as i64));
    let mut columns = rows.columns().to_vec();
    columns.push(Arc::new(ordinals) as ArrayRef);
    Ok(RecordBatch::try_new(RUN.clone(), columns)?)
}

/// Staged rows and their ordinals.
pub fn without_ordinals(rows: &RecordBatch) -> Result<(RecordBatch, Vec<u64>)> {
    let ordinals = rows.column(rows.num_columns() - 1).as_primitive::<Int64Type>();
    let ordinals = ordinals.values().iter().map(|&ordinal| ordinal as u64).collect();
    let columns = rows.columns()[..rows.num_columns() - 1].to_vec();
    Ok((RecordBatch::try_new(schema::STAGED.clone(), columns)?, ordinals))
}

/// A run being written, partition by partition.
pub struct RunWriter {
    path: PathBuf,
    writer: FileWriter<BufWriter<Target>>,
    batches: usize,
    parts: BTreeMap<u32, Part>,
    partition: u32,
}

/// The rows of one partition in a run.
#[derive(Debug, Clone)]
struct Part {
    batches: Range<usize>,
    /// The size of the largest batch.
    largest_bytes: usize,
}

impl RunWriter {
    pub fn create(disk: &Disk, path: &Path) -> Result<RunWriter> {
        let sink = BufWriter::with_capacity(1 << 20, disk.create(path)?);
        let options = IpcWriteOptions::default()
            .try_with_compression(Some(CompressionType::ZSTD))
            .and_then(|options| options.try_with_compression_level(Some(1)))
            .at_path(path, "cannot be compressed")?;
        Ok(RunWriter {
            path: path.to_owned(),
            writer: FileWriter::try_new_with_options(sink, &RUN, options).at_path(path, "cannot be written")?,
            batches: 0,
            parts: BTreeMap::new(),
            partition: 0,
        })
    }

    /// The rows that come next belong to this partition.
    pub fn begin_part(&mut self, partition: u32) {
        self.partition = partition;
        let part = Part {
            batches: self.batches..self.batches,
            largest_bytes: 0,
        };
        self.parts.insert(partition, part);
    }

    pub fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        let bytes = rows.get_array_memory_size();
        if bytes > 4 * BATCH_BYTES && rows.num_rows() > 1 {
            // Rows of very different size: a batch of the usual number of rows would be too large.
            let half = rows.num_rows() / 2;
            self.write(&copied(rows, 0..half)?)?;
            return self.write(&copied(rows, half..rows.num_rows())?);
        }
        self.writer.write(rows).at_path(&self.path, "cannot be written")?;
        self.batches += 1;
        if let Some(part) = self.parts.get_mut(&self.partition) {
            part.batches.end = self.batches;
            part.largest_bytes = part.largest_bytes.max(bytes);
        }
        Ok(())
    }

    pub fn finish(mut self) -> Result<StoredRun> {
        self.writer.finish().at_path(&self.path, "cannot be written")?;
        Ok(StoredRun {
            path: self.path,
            parts: self.parts,
        })
    }
}

/// Rows with columns of their own, not slices of larger ones.
fn copied(rows: &RecordBatch, range: Range<usize>) -> Result<RecordBatch> {
    let places: Vec<(usize, usize)> = range.map(|row| (0, row)).collect();
    Ok(interleave_record_batch(&[rows], &places)?)
}

/// A finished run.
pub struct StoredRun {
    path: PathBuf,
    parts: BTreeMap<u32, Part>,
}

impl StoredRun {
    /// What the run holds of a partition.
    pub fn part(&self, partition: u32) -> Option<StoredPart> {
        self.parts.get(&partition).map(|part| StoredPart {
            path: self.path.clone(),
            part: part.clone(),
            is_scratch: false,
        })
    }
}

/// The rows of one partition in a finished run.
pub struct StoredPart {
    path: PathBuf,
    part: Part,
    /// Whether nobody else needs the run.
    is_scratch: bool,
}

/// Neighbours that can be merged at once, at least two of them: more would hold more than the budget or open too many files.
fn groups(parts: Vec<StoredPart>, budget_bytes: usize) -> Vec<Vec<StoredPart>> {
    let most = (OPEN_FILES / rayon::current_num_threads()).max(8);
    let mut groups: Vec<Vec<StoredPart>> = Vec::new();
    let mut held = 0;
    for part in parts {
        held += part.part.largest_bytes;
        match groups.last_mut() {
            Some(group) if group.len() < 2 || (group.len() < most && held <= budget_bytes) => group.push(part),
            _ => {
                held = part.part.largest_bytes;
                groups.push(vec![part]);
            }
        }
    }
    groups
}

impl StoredPart {
    fn batches(&self) -> Result<Batches> {
        let unreadable = "cannot be read back";
        let file = File::open(&self.path).at_path(&self.path, unreadable)?;
        let mut reader = FileReader::try_new(file, None).at_path(&self.path, unreadable)?;
        reader
            .set_index(self.part.batches.start)
            .at_path(&self.path, unreadable)?;
        let path = self.path.clone();
        let batches = reader.take(self.part.batches.len());
        Ok(Box::new(batches.map(move |batch| batch.at_path(&path, unreadable))))
    }
}

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
            batch: RecordBatch::new_empty(RUN.clone()),
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
    /// `scratch` is the name of files that are needed where `budget_bytes` does not do for all parts at once.
    pub fn open(disk: &Disk, scratch: &Path, mut parts: Vec<StoredPart>, budget_bytes: usize) -> Result<Merge> {
        let mut merged = 0;
        loop {
            let mut groups = groups(parts, budget_bytes);
            if groups.len() <= 1 {
                return Merge::of(&groups.pop().unwrap_or_default());
            }
            parts = Vec::with_capacity(groups.len());
            for group in groups {
                let path = scratch.with_extension(format!("{merged}.arrow"));
                parts.push(Merge::of(&group)?.into_run(disk, &path)?);
                for part in group.iter().filter(|part| part.is_scratch) {
                    disk.remove_file(&part.path)?;
                }
                merged += 1;
            }
        }
    }

    fn of(parts: &[StoredPart]) -> Result<Merge> {
        Merge::over(parts.iter().map(StoredPart::batches).collect::<Result<_>>()?)
    }

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

    fn into_run(mut self, disk: &Disk, path: &Path) -> Result<StoredPart> {
        let mut run = RunWriter::create(disk, path)?;
        run.begin_part(0);
        while let Some(rows) = self.next()? {
            run.write(&rows)?;
        }
        let run = run.finish()?;
        let part = run.parts.into_values().next();
        Ok(StoredPart {
            path: run.path,
            part: part.unwrap_or(Part {
                batches: 0..0,
                largest_bytes: 0,
            }),
            is_scratch: true,
        })
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
