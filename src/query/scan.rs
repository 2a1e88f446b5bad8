//! The lake as polars reads it: only the columns a statement needs, and of them only the rows that pass its condition.
//!
//! polars hands down which columns it needs and which rows it wants. Of each row group the columns of the condition are
//! decoded first; where no row passes, nothing else is read, and where some do, only their values are decoded. Row
//! groups are read in parallel and put together in order. What is held is the answer of the scan, not the lake.
//!
//! The local date and hour of each row are columns as well, though no file holds them: polars' SQL knows no time zones.
//!
//! Example: `SELECT change_data FROM audit WHERE audit_id = '…'` decodes `audit_id` of every row group, and
//! `change_data` of one row.

use super::frame;
use super::tables::{self, CREATED_DATE, CREATED_HOUR};
use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::lake::columnar::{self, RowGroup};
use crate::record::Kind;
use crate::report::clock::LocalDates;
use arrow::array::BooleanArray;
use arrow::datatypes::{Schema as Columns, SchemaRef as ColumnsRef};
use chrono_tz::Tz;
use polars::prelude::{
    AnonymousScan, AnonymousScanArgs, Column, DataFrame, Expr, Int32Chunked, IntoColumn, IntoLazy, IntoSeries,
    LazyFrame, PolarsError, PolarsResult, ScanArgsAnonymous,
};
use rayon::prelude::*;
use std::any::Any;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex};

/// Text columns whose values hardly repeat; all others come as keys into their values.
const DISTINCT_TEXTS: [&str; 3] = ["audit_id", "transaction_id", "change_data"];

static COLUMNS: LazyLock<ColumnsRef> = LazyLock::new(|| Arc::new(Columns::new(tables::audit_columns())));

/// The first failure of a scan: polars passes on only its text.
#[derive(Debug, Clone, Default)]
pub struct Failure(Arc<Mutex<Option<Error>>>);

impl Failure {
    pub fn take(&self) -> Option<Error> {
        self.0.lock().ok()?.take()
    }

    fn tell(&self, error: Error) -> PolarsError {
        let text = error.to_string();
        if let Ok(mut first) = self.0.lock() {
            first.get_or_insert(error);
        }
        PolarsError::ComputeError(text.into())
    }
}

/// The audit rows of some kinds.
pub struct AuditScan {
    paths: Vec<PathBuf>,
    tz: Tz,
    failure: Failure,
}

impl AuditScan {
    pub fn of(lake: &Lake, kinds: &[Kind], tz: Tz, failure: &Failure) -> Result<LazyFrame> {
        let scan = AuditScan {
            paths: lake.paths(kinds),
            tz,
            failure: failure.clone(),
        };
        let arguments = ScanArgsAnonymous {
            schema: Some(frame::schema(&COLUMNS)?),
            name: "LAKE",
            ..Default::default()
        };
        Ok(LazyFrame::anonymous_scan(Arc::new(scan), arguments)?)
    }

    /// All row groups, or the first rows of the lake: how many of each.
    fn stretches(&self, max_rows: usize) -> Result<Vec<(RowGroup, usize)>> {
        let mut rest = max_rows;
        let mut stretches = Vec::new();
        for group in columnar::row_groups(&self.paths)? {
            let rows = group.rows.min(rest);
            rest -= rows;
            if rows > 0 {
                stretches.push((group, rows));
            }
        }
        Ok(stretches)
    }

    fn read(&self, columns: &[&str], condition: Option<&Expr>, max_rows: usize) -> PolarsResult<DataFrame> {
        let stretches = self.stretches(max_rows).map_err(|error| self.failure.tell(error))?;
        let frames: Vec<DataFrame> = stretches
            .par_iter()
            // Row groups differ in size: no thread may take several at once.
            .with_max_len(1)
            .map(|(group, rows)| {
                let first = || (0..group.rows).map(|row| Some(row < *rows)).collect();
                self.read_group(group, columns, condition, (*rows < group.rows).then(first))
            })
            .collect::<PolarsResult<_>>()?;
        let mut all = frame::empty(&COLUMNS, columns)?;
        for frame in frames {
            all.vstack_mut_owned(frame)?;
        }
        Ok(all)
    }
}

impl AnonymousScan for AuditScan {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn allows_projection_pushdown(&self) -> bool {
        true
    }

    fn allows_predicate_pushdown(&self) -> bool {
        true
    }

    fn scan(&self, asked: AnonymousScanArgs) -> PolarsResult<DataFrame> {
        let columns: Vec<&str> = match &asked.with_columns {
            Some(names) => names.iter().map(|name| name.as_str()).collect(),
            None => asked.schema.iter_names().map(|name| name.as_str()).collect(),
        };
        match (asked.n_rows, asked.predicate) {
            // Rows are counted before they are filtered.
            (Some(rows), Some(condition)) => self.read(&columns, None, rows)?.lazy().filter(condition).collect(),
            (rows, condition) => self.read(&columns, condition.as_ref(), rows.unwrap_or(usize::MAX)),
        }
    }
}

impl AuditScan {
    /// The rows of a row group that pass the condition; without one, those of `rows`, or all.
    fn read_group(
        &self,
        group: &RowGroup,
        columns: &[&str],
        condition: Option<&Expr>,
        rows: Option<BooleanArray>,
    ) -> PolarsResult<DataFrame> {
        let keep = match condition {
            Some(condition) => Some(self.passing(group, condition)?),
            None => rows,
        };
        match keep.as_ref().map(BooleanArray::true_count) {
            Some(0) => frame::empty(&COLUMNS, columns),
            _ => self.decode(group, columns, keep.as_ref()),
        }
    }

    /// Of which rows the condition is true.
    fn passing(&self, group: &RowGroup, condition: &Expr) -> PolarsResult<BooleanArray> {
        let names: BTreeSet<_> = condition.clone().meta().root_names().into_iter().collect();
        let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
        let rows = self.decode(group, &names, None)?;
        let found = rows.lazy().select([condition.clone().alias("passes")]).collect()?;
        let found = found.column("passes")?.bool()?;
        let is_true = |row: usize| found.get(row) == Some(true);
        Ok(match found.len() {
            // A condition that names no column has one value for all rows.
            1 => (0..group.rows).map(|_| Some(is_true(0))).collect(),
            rows => (0..rows).map(|row| Some(is_true(row))).collect(),
        })
    }

    fn decode(&self, group: &RowGroup, columns: &[&str], keep: Option<&BooleanArray>) -> PolarsResult<DataFrame> {
        let count = keep.map_or(group.rows, BooleanArray::true_count);
        let is_local = |name: &&str| *name == CREATED_DATE || *name == CREATED_HOUR;
        let mut stored: Vec<&str> = columns.iter().filter(|name| !is_local(name)).copied().collect();
        if columns.iter().any(is_local) && !stored.contains(&"created_on") {
            stored.push("created_on");
        }
        let is_keyed = |name: &&&str| {
            let is_text = COLUMNS
                .field_with_name(name)
                .is_ok_and(|field| field.data_type().is_string());
            is_text && !DISTINCT_TEXTS.contains(*name)
        };
        let keyed: Vec<&str> = stored.iter().filter(is_keyed).copied().collect();
        let batches = match stored.is_empty() {
            true => Vec::new(),
            false => group
                .read(&stored, &keyed, keep)
                .map_err(|error| self.failure.tell(error))?,
        };
        let rows = frame::of_columns(&stored, &batches, count)?;
        let column = |name: &&str| match *name {
            CREATED_DATE => local_dates(rows.column("created_on")?, self.tz),
            CREATED_HOUR => local_hours(rows.column("created_on")?, self.tz),
            stored => rows.column(stored).cloned(),
        };
        DataFrame::new(count, columns.iter().map(column).collect::<PolarsResult<_>>()?)
    }
}

fn local_dates(created_on: &Column, tz: Tz) -> PolarsResult<Column> {
    let mut dates = LocalDates::new(tz);
    let days = of_micros(CREATED_DATE, created_on, |on| dates.day(on))?;
    Ok(days.into_series().into_date().into_column())
}

fn local_hours(created_on: &Column, tz: Tz) -> PolarsResult<Column> {
    let mut dates = LocalDates::new(tz);
    Ok(of_micros(CREATED_HOUR, created_on, |on| dates.hour(on).rem_euclid(24) as i32)?.into_column())
}

fn of_micros(name: &str, created_on: &Column, mut of: impl FnMut(i64) -> i32) -> PolarsResult<Int32Chunked> {
    let micros = created_on.to_physical_repr();
    let found = micros.i64()?.iter().map(|on| on.map(&mut of));
    Ok(found.collect::<Int32Chunked>().with_name(name.into()))
}
