//! The lake as polars reads it: only the columns a statement needs, and of the rest only the rows that pass its filter.
//!
//! polars hands down which columns it needs and which rows it wants. Of each row group the columns of the condition are
//! decoded first; where no row passes, nothing else is, and where some do, only their values. Row groups are read in
//! parallel and put together in order. What is held is the answer of the scan, not the lake.
//!
//! Example: `SELECT change_data FROM audit WHERE audit_id = '…'` decodes `audit_id` of every row group, and
//! `change_data` of one row.

use super::frame;
use crate::error::{Error, Result};
use crate::lake::columnar::{self, RowGroup};
use crate::lake::{Lake, schema};
use crate::record::Kind;
use arrow::array::BooleanArray;
use polars::prelude::{
    AnonymousScan, AnonymousScanArgs, DataFrame, Expr, IntoLazy, LazyFrame, PolarsError, PolarsResult,
    ScanArgsAnonymous,
};
use rayon::prelude::*;
use std::any::Any;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// Text columns whose values hardly repeat; all others are held as keys into their values.
const DISTINCT_TEXTS: [&str; 3] = ["audit_id", "transaction_id", "change_data"];

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
    failure: Failure,
}

impl AuditScan {
    pub fn of(lake: &Lake, kinds: &[Kind], failure: &Failure) -> Result<LazyFrame> {
        let scan = AuditScan {
            paths: lake.paths(kinds),
            failure: failure.clone(),
        };
        let arguments = ScanArgsAnonymous {
            schema: Some(frame::schema(&schema::LAKE)?),
            name: "LAKE",
            ..Default::default()
        };
        Ok(LazyFrame::anonymous_scan(Arc::new(scan), arguments)?)
    }

    fn read(&self, columns: &[&str], condition: Option<&Expr>, max_rows: Option<usize>) -> Result<DataFrame> {
        let mut groups = columnar::row_groups(&self.paths)?;
        if let Some(max_rows) = max_rows {
            let mut before = 0;
            groups.retain(|group| {
                let is_needed = before < max_rows;
                before += group.rows;
                is_needed
            });
        }
        let frames: Vec<DataFrame> = groups
            .par_iter()
            // Row groups differ in size: no thread may take several at once.
            .with_max_len(1)
            .map(|group| read_group(group, columns, condition))
            .collect::<Result<_>>()?;
        let mut all = frame::empty(&schema::LAKE, columns)?;
        for frame in frames {
            all.vstack_mut_owned(frame)?;
        }
        Ok(match max_rows {
            Some(max_rows) => all.head(Some(max_rows)),
            None => all,
        })
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
        // Rows are counted before they are filtered.
        let condition = asked.predicate.as_ref().filter(|_| asked.n_rows.is_none());
        let rows = self
            .read(&columns, condition, asked.n_rows)
            .map_err(|error| self.failure.tell(error))?;
        match asked.predicate {
            Some(late) if asked.n_rows.is_some() => rows.lazy().filter(late).collect(),
            _ => Ok(rows),
        }
    }
}

/// The rows of a row group that pass the condition.
fn read_group(group: &RowGroup, columns: &[&str], condition: Option<&Expr>) -> Result<DataFrame> {
    let Some(condition) = condition else {
        return decode(group, columns, None);
    };
    let deciding = condition.clone().meta().root_names();
    let deciding: Vec<&str> = deciding.iter().map(|name| name.as_str()).collect();
    let decided = decode(group, &deciding, None)?
        .lazy()
        .select([condition.clone().alias("keep")])
        .collect()?;
    let decided = decided.column("keep")?.bool()?;
    // A condition that names no column has one value for all rows.
    let keep: BooleanArray = match decided.len() {
        1 if group.rows > 1 => std::iter::repeat_n(decided.get(0), group.rows).collect(),
        _ => decided.iter().collect(),
    };
    let keep: BooleanArray = keep.iter().map(|keep| Some(keep == Some(true))).collect();
    match keep.true_count() {
        0 => Ok(frame::empty(&schema::LAKE, columns)?),
        _ => decode(group, columns, Some(&keep)),
    }
}

fn decode(group: &RowGroup, columns: &[&str], keep: Option<&BooleanArray>) -> Result<DataFrame> {
    let rows = keep.map_or(group.rows, BooleanArray::true_count);
    let is_keyed = |name: &&&str| {
        let is_text = schema::LAKE
            .field_with_name(name)
            .is_ok_and(|field| field.data_type().is_string());
        is_text && !DISTINCT_TEXTS.contains(*name)
    };
    let keyed: Vec<&str> = columns.iter().filter(is_keyed).copied().collect();
    let batches = match columns {
        [] => Vec::new(),
        _ => group.read(columns, &keyed, keep)?,
    };
    Ok(frame::of_columns(columns, &batches, rows)?)
}
