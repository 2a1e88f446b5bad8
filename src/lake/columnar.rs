//! Committed audit rows, column by column: what `query` reads of the lake. Only the columns that are named are decoded,
//! and of those only the rows that are asked for.

use super::Lake;
use super::file::Footer;
use crate::error::{AtPath, Result};
use crate::record::Kind;
use arrow::array::{BooleanArray, RecordBatch};
use rayon::prelude::*;
use std::path::PathBuf;

/// Where a row group of the lake is, and how many rows it has.
#[derive(Debug, Clone)]
pub struct RowGroup {
    path: PathBuf,
    group: usize,
    pub rows: usize,
}

impl Lake {
    /// The files of these kinds, by environment, kind and month, and within a month by their first instant.
    pub fn paths(&self, kinds: &[Kind]) -> Vec<PathBuf> {
        let mut files: Vec<_> = self
            .manifest
            .audit
            .iter()
            .filter(|audit| kinds.contains(&audit.kind))
            .collect();
        files.sort_by_key(|audit| {
            let place = (&audit.environment, audit.kind, &audit.month);
            (place, audit.min_created_on_us, &audit.file.path)
        });
        files.into_iter().map(|audit| self.place(&audit.file.path)).collect()
    }
}

/// The row groups of files that [`Lake::paths`] named, in that order.
pub fn row_groups(paths: &[PathBuf]) -> Result<Vec<RowGroup>> {
    let of_file = |path: &PathBuf| -> Result<Vec<RowGroup>> {
        let footer = Footer::read(path)?;
        let group = |group| RowGroup {
            path: path.clone(),
            group,
            rows: footer.rows(group) as usize,
        };
        Ok((0..footer.row_groups()).map(group).collect())
    };
    let groups: Vec<Vec<RowGroup>> = paths.par_iter().map(of_file).collect::<Result<_>>()?;
    Ok(groups.concat())
}

impl RowGroup {
    /// Its rows, in order, only the named columns, and only those rows of which `keep` is true, if it says so.
    /// The text columns `keyed` come as keys into their values.
    pub fn read(&self, columns: &[&str], keyed: &[&str], keep: Option<&BooleanArray>) -> Result<Vec<RecordBatch>> {
        Footer::read(&self.path)?
            .read_rows(self.group, columns, keyed, keep)?
            .map(|rows| rows.at_path(&self.path, "cannot be read"))
            .collect()
    }
}
