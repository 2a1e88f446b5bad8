//! One file against its entry: its bytes, then its layout, then its rows, of which only the columns are read that the
//! entry and the rows' place speak of.
//!
//! A file whose bytes are not those that were committed is looked at no further: whatever else it says is not the lake's.

use super::super::identity::{self, Identity};
use super::super::index::{IndexRun, Key};
use super::super::manifest::{AuditFile, DataFile};
use super::super::schema;
use super::super::spill::Sorted;
use super::{Check, Finding};
use crate::error::{AtPath, Result};
use crate::instant;
use crate::record::Kind;
use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{Int32Type, Schema, TimestampMicrosecondType};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::{Compression, Encoding};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::ops::Range;
use std::path::Path;
use xxhash_rust::xxh3::Xxh3;

/// The columns that say what a row is and where it belongs.
const KEY_COLUMNS: [&str; 6] = ["audit_id", "created_on", "action", "environment", "kind", "month"];

/// Findings of one file.
struct Findings<'a> {
    path: &'a str,
    found: Vec<Finding>,
}

impl Findings<'_> {
    fn of(data: &DataFile) -> Findings<'_> {
        Findings {
            path: &data.path,
            found: Vec::new(),
        }
    }

    fn add(&mut self, check: Check, sentence: String) {
        self.found.push(Finding {
            path: self.path.to_owned(),
            check,
            sentence,
        });
    }
}

/// A file of the log. `take` is given the identities of its rows.
pub fn check_audit(
    lake: &Path,
    audit: &AuditFile,
    mut take: impl FnMut(&[Identity]) -> Result<()>,
) -> Result<Vec<Finding>> {
    let mut findings = Findings::of(&audit.file);
    let Some((file, metadata)) = check_whole(lake, &audit.file, &mut findings) else {
        return Ok(findings.found);
    };
    check_encodings(metadata.metadata(), &mut findings);
    if let Some(difference) = difference(metadata.schema(), &schema::LAKE) {
        findings.add(Check::Columns, difference);
        return Ok(findings.found);
    }
    // Without an id, a row is known by all it says.
    let has_every_id = has_every_id(metadata.metadata());
    let mask = match has_every_id {
        true => ProjectionMask::columns(metadata.parquet_schema(), KEY_COLUMNS),
        false => ProjectionMask::all(),
    };
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
        .with_projection(mask)
        .with_batch_size(if has_every_id { 1 << 15 } else { 1 << 12 })
        .build();
    let path = lake.join(&audit.file.path);
    let mut rows = Rows::new(audit);
    let read = || -> Result<()> {
        for batch in reader.at_path(&path, "cannot be read")? {
            let batch = batch.at_path(&path, "cannot be read")?;
            rows.check(&batch);
            take(&identities(&batch, has_every_id)?)?;
        }
        Ok(())
    };
    match read() {
        Ok(()) => rows.finish(&mut findings),
        Err(error) if error.path.as_deref() == Some(&path) => {
            findings.add(Check::Readable, format!("cannot be read: {}", cause(&error)));
        }
        Err(error) => return Err(error),
    }
    Ok(findings.found)
}

/// A run of the index. `take` is given its keys.
pub fn check_index(lake: &Path, data: &DataFile, mut take: impl FnMut(&[Key]) -> Result<()>) -> Result<Vec<Finding>> {
    let mut findings = Findings::of(data);
    let path = lake.join(&data.path);
    if check_bytes(lake, data, &mut findings).is_none() {
        return Ok(findings.found);
    }
    let mut keys = match IndexRun::open(&path, data.rows).and_then(|run| run.records()) {
        Ok(run) => Sorted::merge(vec![run])?,
        Err(error) => {
            findings.add(Check::Rows, error.fact);
            return Ok(findings.found);
        }
    };
    let (mut some, mut last) = (Vec::new(), None);
    while let Some(key) = keys.next()? {
        if last >= Some(key) {
            findings.add(Check::Order, "its keys do not ascend".to_owned());
            return Ok(findings.found);
        }
        last = Some(key);
        some.push(key);
        if some.len() == 1 << 12 {
            take(&some)?;
            some.clear();
        }
    }
    take(&some)?;
    Ok(findings.found)
}

/// A file of names, users, organizations or rejects.
pub fn check_table(lake: &Path, data: &DataFile) -> Vec<Finding> {
    let mut findings = Findings::of(data);
    check_whole(lake, data, &mut findings);
    findings.found
}

fn cause(error: &crate::error::Error) -> String {
    error
        .source
        .as_ref()
        .map_or(error.fact.clone(), |cause| cause.to_string())
}

/// Existence, bytes and hash; `None` when there is no point in looking further.
fn check_bytes(lake: &Path, data: &DataFile, findings: &mut Findings<'_>) -> Option<File> {
    let mut file = match File::open(lake.join(&data.path)) {
        Ok(file) => file,
        Err(cause) if cause.kind() == ErrorKind::NotFound => {
            findings.add(Check::Existence, "is not there".to_owned());
            return None;
        }
        Err(cause) => {
            findings.add(Check::Readable, format!("cannot be opened: {cause}"));
            return None;
        }
    };
    let (bytes, hash) = match digest(&mut file) {
        Ok(digest) => digest,
        Err(cause) => {
            findings.add(Check::Readable, format!("cannot be read: {cause}"));
            return None;
        }
    };
    let unread = "its rows were not looked at";
    if bytes != data.bytes {
        findings.add(
            Check::Bytes,
            format!("has {bytes} bytes, and {} were committed; {unread}", data.bytes),
        );
        return None;
    }
    if hash != data.hash {
        findings.add(
            Check::Hash,
            format!("holds other bytes than those that were committed; {unread}"),
        );
        return None;
    }
    Some(file)
}

/// The bytes, the footer and the number of rows; `None` when there is no point in looking further.
fn check_whole(lake: &Path, data: &DataFile, findings: &mut Findings<'_>) -> Option<(File, ArrowReaderMetadata)> {
    let file = check_bytes(lake, data, findings)?;
    let metadata = match ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()) {
        Ok(metadata) => metadata,
        Err(cause) => {
            findings.add(Check::Readable, format!("is no Parquet file gatelog can read: {cause}"));
            return None;
        }
    };
    let rows = metadata.metadata().file_metadata().num_rows();
    if rows != data.rows as i64 {
        findings.add(
            Check::Rows,
            format!("holds {}, and {} are on record", super::rows(rows as u64), data.rows),
        );
    }
    Some((file, metadata))
}

/// Number and xxh3-128 of all bytes.
fn digest(file: &mut File) -> std::io::Result<(u64, String)> {
    let (mut hasher, mut bytes) = (Xxh3::new(), 0);
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((bytes, format!("{:032x}", hasher.digest128()))),
            read => {
                hasher.update(&buffer[..read]);
                bytes += read as u64;
            }
        }
    }
}

/// The first way in which columns are not those of the lake.
fn difference(found: &Schema, expected: &Schema) -> Option<String> {
    let (found, expected) = (found.fields(), expected.fields());
    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
        let is_same = found.name() == expected.name()
            && found.data_type() == expected.data_type()
            && found.is_nullable() == expected.is_nullable();
        if !is_same {
            return Some(format!("has {found} as column {}, where {expected} belongs", place + 1));
        }
    }
    (found.len() != expected.len()).then(|| format!("has {} columns, where {} belong", found.len(), expected.len()))
}

/// Only what the pickiest reader knows: PLAIN and dictionaries, zstd. RLE and BIT_PACKED code levels and places in
/// dictionaries, never values.
fn check_encodings(metadata: &ParquetMetaData, findings: &mut Findings<'_>) {
    let foreign: BTreeSet<String> = metadata
        .row_groups()
        .iter()
        .flat_map(|group| group.columns())
        .flat_map(foreign_encodings)
        .collect();
    if !foreign.is_empty() {
        let foreign: Vec<String> = foreign.into_iter().collect();
        let only = "only PLAIN and dictionary encodings with zstd belong in the lake";
        findings.add(Check::Encoding, format!("has {}; {only}", foreign.join(", ")));
    }
}

fn foreign_encodings(column: &ColumnChunkMetaData) -> Vec<String> {
    let is_of_values = |encoding: Encoding| {
        matches!(
            encoding,
            Encoding::PLAIN | Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY
        )
    };
    #[expect(deprecated, reason = "readers still meet it")]
    let is_of_levels = |encoding: Encoding| matches!(encoding, Encoding::RLE | Encoding::BIT_PACKED);
    let of_all = column
        .encodings()
        .filter(|&encoding| !is_of_values(encoding) && !is_of_levels(encoding));
    // Where the footer tells those of the values apart, levels are no excuse.
    let of_values = column
        .page_encoding_stats_mask()
        .into_iter()
        .flat_map(|mask| mask.encodings());
    let foreign: BTreeSet<String> = of_all
        .chain(of_values.filter(|&encoding| !is_of_values(encoding)))
        .map(|encoding| format!("{} in {encoding}", column.column_path()))
        .collect();
    let is_zstd = matches!(column.compression(), Compression::ZSTD(_));
    let compression = (!is_zstd).then(|| format!("{} in {}", column.column_path(), column.compression()));
    foreign.into_iter().chain(compression).collect()
}

fn has_every_id(metadata: &ParquetMetaData) -> bool {
    let nulls = |column: &ColumnChunkMetaData| column.statistics().and_then(|statistics| statistics.null_count_opt());
    metadata
        .row_groups()
        .iter()
        .all(|group| nulls(group.column(schema::AUDIT_ID)) == Some(0))
}

fn identities(rows: &RecordBatch, has_every_id: bool) -> Result<Vec<Identity>> {
    if !has_every_id {
        return identity::of_rows(rows);
    }
    let (ids, environments) = (text(rows, 0), text(rows, 3));
    Ok((0..rows.num_rows())
        .map(|row| identity::of_id(environments.value(row), ids.value(row)))
        .collect())
}

/// A column of [`KEY_COLUMNS`].
fn text(rows: &RecordBatch, column: usize) -> &StringArray {
    key_column(rows, column).as_string::<i32>()
}

fn key_column(rows: &RecordBatch, column: usize) -> &dyn Array {
    rows.column_by_name(KEY_COLUMNS[column])
        .expect("the columns are those of the lake")
}

/// How many rows do not hold, and the first of them, counted from 1.
#[derive(Default)]
struct Faults {
    count: u64,
    first: u64,
}

impl Faults {
    fn add(&mut self, row: u64) {
        if self.count == 0 {
            self.first = row;
        }
        self.count += 1;
    }
}

/// What is known of the rows of a file so far.
struct Rows<'a> {
    entry: &'a AuditFile,
    seen: u64,
    range: Option<(i64, i64)>,
    last: Option<(i64, Option<String>)>,
    /// The month of the last row, and whether it is that of the file.
    month: (Range<i64>, bool),
    unsorted: Faults,
    misplaced: Faults,
}

impl Rows<'_> {
    fn new(entry: &AuditFile) -> Rows<'_> {
        Rows {
            entry,
            seen: 0,
            range: None,
            last: None,
            month: (0..0, false),
            unsorted: Faults::default(),
            misplaced: Faults::default(),
        }
    }

    fn check(&mut self, rows: &RecordBatch) {
        let ids = text(rows, 0);
        let created_on = key_column(rows, 1).as_primitive::<TimestampMicrosecondType>();
        let actions = key_column(rows, 2).as_primitive::<Int32Type>();
        let (environments, kinds, months) = (text(rows, 3), text(rows, 4), text(rows, 5));
        let key = |row: usize| (created_on.value(row), ids.is_valid(row).then(|| ids.value(row)));
        for row in 0..rows.num_rows() {
            self.seen += 1;
            let before = match row.checked_sub(1) {
                Some(before) => Some(key(before)),
                None => self.last.as_ref().map(|(on, id)| (*on, id.as_deref())),
            };
            if before.is_some_and(|before| before > key(row)) {
                self.unsorted.add(self.seen);
            }
            let is_here = environments.value(row) == self.entry.environment
                && kinds.value(row) == self.entry.kind.name()
                && months.value(row) == self.entry.month
                && Kind::of(actions.value(row)) == self.entry.kind
                && self.is_of_month(created_on.value(row));
            if !is_here {
                self.misplaced.add(self.seen);
            }
        }
        let times = created_on.values().iter().copied();
        if let (Some(first), Some(last)) = (times.clone().min(), times.max()) {
            let (min, max) = self.range.unwrap_or((first, last));
            self.range = Some((min.min(first), max.max(last)));
        }
        self.last = rows.num_rows().checked_sub(1).map(|row| {
            let (on, id) = key(row);
            (on, id.map(str::to_owned))
        });
    }

    fn is_of_month(&mut self, on: i64) -> bool {
        if !self.month.0.contains(&on) {
            let month = instant::month_of(on);
            self.month = (
                instant::month_bounds(month),
                instant::month_name(month) == self.entry.month,
            );
        }
        self.month.1
    }

    fn finish(self, findings: &mut Findings<'_>) {
        let Rows {
            entry,
            unsorted,
            misplaced,
            ..
        } = &self;
        if let Some((min, max)) = self.range
            && (min, max) != (entry.min_created_on_us, entry.max_created_on_us)
        {
            let [min, max, said_min, said_max] =
                [min, max, entry.min_created_on_us, entry.max_created_on_us].map(instant::to_text);
            findings.add(
                Check::Range,
                format!("spans {min} to {max}, and {said_min} to {said_max} is on record"),
            );
        }
        if unsorted.count > 0 {
            let (rows, first) = (super::rows(unsorted.count), unsorted.first);
            findings.add(
                Check::Order,
                format!("is not sorted by (created_on, audit_id): {rows} too late, the first is row {first}"),
            );
        }
        if misplaced.count > 0 {
            let (rows, first) = (super::rows(misplaced.count), misplaced.first);
            findings.add(
                Check::Partition,
                format!("holds {rows} of another environment, kind or month, the first is row {first} (L6)"),
            );
        }
    }
}
