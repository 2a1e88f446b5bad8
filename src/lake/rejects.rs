//! `LAKE/rejects/*.parquet`: records that could not be understood, whole, with all it takes to read them again.
//!
//! Rows are written in batches of some MiB, a row group each, so that neither writer nor reader ever holds more than
//! one batch, however many rejects there are. A file of an older layout is read with null for what it lacks.

use super::file;
use super::manifest::DataFile;
use super::schema::REJECTS;
use crate::error::{AtPath, Result};
use arrow::array::{
    Array, ArrayRef, AsArray, BinaryBuilder, BooleanBuilder, Int64Builder, RecordBatch, StringBuilder, new_null_array,
};
use arrow::datatypes::Int64Type;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// How much is collected before it is written. One record more may be as large as a record can be.
const BATCH_BYTES: usize = 8 << 20;

/// One reject. What is `None` was not kept by the version that wrote it, or does not apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RejectRow<'a> {
    /// The input's name as given.
    pub source: &'a str,
    /// Line of a line-oriented input, else position of the record; both count from 1.
    pub record: i64,
    /// Inputs with typed columns have no bytes to point at.
    pub byte_offset: Option<i64>,
    /// Stable; see the README.
    pub code: &'a str,
    pub sentence: &'a str,
    /// Whose rows the input holds.
    pub table: Option<&'a str>,
    pub environment: Option<&'a str>,
    /// Whether `--environment` decided it, so that nothing in the record can.
    pub environment_is_given: Option<bool>,
    /// The zone of times that carry none.
    pub source_tz: Option<&'a str>,
    pub form: Option<&'a str>,
    /// What the form needs beside its name; for CSV the columns and their separator, as JSON.
    pub header: Option<&'a str>,
    /// The order of dates as people spell them, if one was given.
    pub date_order: Option<&'a str>,
    /// When the input was exported, micros since 1970: rows of side tables need it.
    pub exported_on: Option<i64>,
    pub raw: &'a [u8],
}

impl<'a> RejectRow<'a> {
    /// A row of a batch that [`read`] gave.
    pub fn of(batch: &'a RecordBatch, row: usize) -> RejectRow<'a> {
        let text = |column: usize| {
            let column = batch.column(column).as_string::<i32>();
            column.is_valid(row).then(|| column.value(row))
        };
        let number = |column: usize| {
            let column = batch.column(column).as_primitive::<Int64Type>();
            column.is_valid(row).then(|| column.value(row))
        };
        let given = batch.column(7).as_boolean();
        RejectRow {
            source: text(0).unwrap_or_default(),
            record: number(1).unwrap_or_default(),
            byte_offset: number(2),
            code: text(3).unwrap_or_default(),
            sentence: text(4).unwrap_or_default(),
            table: text(5),
            environment: text(6),
            environment_is_given: given.is_valid(row).then(|| given.value(row)),
            source_tz: text(8),
            form: text(9),
            header: text(10),
            date_order: text(12),
            exported_on: number(13),
            raw: batch.column(11).as_binary::<i32>().value(row),
        }
    }

    fn bytes(&self) -> usize {
        let texts = [
            Some(self.source),
            Some(self.code),
            Some(self.sentence),
            self.environment,
            self.header,
        ];
        self.raw.len() + texts.into_iter().flatten().map(str::len).sum::<usize>() + 64
    }
}

/// What stages rejects: a run in either half.
pub trait RejectSink {
    /// Takes rejects, a row group each time.
    fn reject(&mut self, rows: &RecordBatch) -> Result<()>;
}

/// Collects rejects column by column.
#[derive(Default)]
pub struct RejectRows {
    source: StringBuilder,
    record: Int64Builder,
    byte_offset: Int64Builder,
    code: StringBuilder,
    sentence: StringBuilder,
    table: StringBuilder,
    environment: StringBuilder,
    environment_is_given: BooleanBuilder,
    source_tz: StringBuilder,
    form: StringBuilder,
    header: StringBuilder,
    raw: BinaryBuilder,
    date_order: StringBuilder,
    exported_on: Int64Builder,
    held_bytes: usize,
}

impl RejectRows {
    pub fn push(&mut self, row: &RejectRow<'_>) {
        self.source.append_value(row.source);
        self.record.append_value(row.record);
        self.byte_offset.append_option(row.byte_offset);
        self.code.append_value(row.code);
        self.sentence.append_value(row.sentence);
        self.table.append_option(row.table);
        self.environment.append_option(row.environment);
        self.environment_is_given.append_option(row.environment_is_given);
        self.source_tz.append_option(row.source_tz);
        self.form.append_option(row.form);
        self.header.append_option(row.header);
        self.raw.append_value(row.raw);
        self.date_order.append_option(row.date_order);
        self.exported_on.append_option(row.exported_on);
        self.held_bytes += row.bytes();
    }

    pub fn is_full(&self) -> bool {
        self.held_bytes >= BATCH_BYTES
    }

    /// What was collected since the last time.
    pub fn take(&mut self) -> Result<RecordBatch> {
        self.held_bytes = 0;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.source.finish()),
            Arc::new(self.record.finish()),
            Arc::new(self.byte_offset.finish()),
            Arc::new(self.code.finish()),
            Arc::new(self.sentence.finish()),
            Arc::new(self.table.finish()),
            Arc::new(self.environment.finish()),
            Arc::new(self.environment_is_given.finish()),
            Arc::new(self.source_tz.finish()),
            Arc::new(self.form.finish()),
            Arc::new(self.header.finish()),
            Arc::new(self.raw.finish()),
            Arc::new(self.date_order.finish()),
            Arc::new(self.exported_on.finish()),
        ];
        Ok(RecordBatch::try_new(REJECTS.clone(), columns)?)
    }
}

/// The rejects of one file, a row group at a time, under today's schema.
pub fn read(root: &Path, data: &DataFile) -> impl Iterator<Item = Result<RecordBatch>> + use<> {
    let path = root.join(&data.path);
    let (groups, error) = match file::row_groups(&path) {
        Ok(groups) => (groups, None),
        Err(error) => (0, Some(Err(error))),
    };
    let batches = (0..groups).flat_map(move |group| read_group(&path, group));
    error.into_iter().chain(batches)
}

/// Counts the rejects of one file by code, without reading what they hold.
pub fn count(root: &Path, data: &DataFile, only: Option<&str>, counts: &mut BTreeMap<String, u64>) -> Result<()> {
    let path = root.join(&data.path);
    for batch in file::read(&path, &["code", "environment"], 1 << 14)? {
        let batch = batch.at_path(&path, "cannot be read")?;
        let column = |name: &str| batch.column_by_name(name).map(|column| column.as_string::<i32>());
        let text = |name: &str, row: usize| {
            let column = column(name).filter(|column| column.is_valid(row));
            column.map(|column| column.value(row))
        };
        for row in 0..batch.num_rows() {
            if only.is_none() || text("environment", row) == only {
                let code = text("code", row).unwrap_or_default();
                *counts.entry(code.to_owned()).or_default() += 1;
            }
        }
    }
    Ok(())
}

/// The inputs of one file's rejects with one of these codes, without reading what they hold.
pub fn sources(root: &Path, data: &DataFile, codes: &[&str], found: &mut BTreeSet<String>) -> Result<()> {
    let path = root.join(&data.path);
    for batch in file::read(&path, &["source", "code"], 1 << 14)? {
        let batch = batch.at_path(&path, "cannot be read")?;
        let (source, code) = (batch.column(0).as_string::<i32>(), batch.column(1).as_string::<i32>());
        let rows = source.iter().flatten().zip(code.iter().flatten());
        found.extend(rows.filter(|row| codes.contains(&row.1)).map(|row| row.0.to_owned()));
    }
    Ok(())
}

fn read_group(path: &Path, group: usize) -> Box<dyn Iterator<Item = Result<RecordBatch>>> {
    let columns: Vec<&str> = REJECTS.fields().iter().map(|field| field.name().as_str()).collect();
    // No column has this name: texts are wanted as texts.
    match file::read_row_group(path, group, &columns, "") {
        Ok(batches) => {
            let path = path.to_owned();
            Box::new(batches.map(move |batch| under_schema(&batch.at_path(&path, "cannot be read")?)))
        }
        Err(error) => Box::new(std::iter::once(Err(error))),
    }
}

/// A batch of any past layout with today's columns in today's order.
fn under_schema(batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = REJECTS
        .fields()
        .iter()
        .map(|field| match batch.column_by_name(field.name()) {
            Some(column) => column.clone(),
            None => new_null_array(field.data_type(), batch.num_rows()),
        });
    Ok(RecordBatch::try_new(REJECTS.clone(), columns.collect())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{BinaryArray, Int64Array, StringArray};

    fn row(raw: &[u8]) -> RejectRow<'_> {
        RejectRow {
            source: "a.csv",
            record: 7,
            byte_offset: None,
            code: "syntax",
            sentence: "a sentence",
            table: Some("audit"),
            environment: Some("contoso"),
            environment_is_given: Some(false),
            source_tz: Some("Europe/Berlin"),
            form: Some("csv"),
            header: Some("{}"),
            date_order: None,
            exported_on: None,
            raw,
        }
    }

    #[test]
    fn a_row_survives_its_table() {
        let mut rows = RejectRows::default();
        rows.push(&row(b"\xFF\0"));
        let nothing_but_the_old = RejectRow {
            byte_offset: Some(3),
            table: None,
            environment: None,
            environment_is_given: None,
            source_tz: None,
            form: None,
            header: None,
            date_order: None,
            exported_on: None,
            ..row(b"")
        };
        rows.push(&nothing_but_the_old);
        let batch = rows.take().unwrap();
        assert_eq!(RejectRow::of(&batch, 0), row(b"\xFF\0"));
        assert_eq!(RejectRow::of(&batch, 1), nothing_but_the_old);
        assert_eq!(rows.take().unwrap().num_rows(), 0);
    }

    #[test]
    fn what_is_held_is_bounded_by_its_bytes() {
        let mut rows = RejectRows::default();
        rows.push(&row(&vec![b'x'; BATCH_BYTES / 2]));
        assert!(!rows.is_full());
        rows.push(&row(&vec![b'x'; BATCH_BYTES / 2]));
        assert!(rows.is_full());
        rows.take().unwrap();
        assert!(!rows.is_full());
    }

    #[test]
    fn a_file_of_the_first_layout_is_read_with_null_for_what_it_lacks() {
        let columns: [(&str, ArrayRef); 6] = [
            ("source", Arc::new(StringArray::from(vec!["a"]))),
            ("record", Arc::new(Int64Array::from(vec![1]))),
            ("byte_offset", Arc::new(Int64Array::from(vec![0]))),
            ("code", Arc::new(StringArray::from(vec!["syntax"]))),
            ("sentence", Arc::new(StringArray::from(vec!["s"]))),
            ("raw", Arc::new(BinaryArray::from(vec![&b"raw"[..]]))),
        ];
        let old = RecordBatch::try_from_iter(columns).unwrap();
        let batch = under_schema(&old).unwrap();
        let row = RejectRow::of(&batch, 0);
        assert_eq!((row.source, row.byte_offset, row.raw), ("a", Some(0), &b"raw"[..]));
        assert_eq!(
            (row.form, row.header, row.environment, row.table),
            (None, None, None, None)
        );
    }
}
