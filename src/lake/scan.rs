//! Small questions to committed rows: control rows, who occurs, what brought a row. Files are asked in
//! parallel, only for the columns needed; what the manifest or a dictionary page tells is not read at all.

use super::accesses::union;
use super::file::Footer;
use super::{Lake, file, rejects};
use crate::error::{AtPath, Result};
use crate::record::Kind;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, TimestampMicrosecondType};
use rayon::prelude::*;
use std::collections::{BTreeSet, HashSet};

/// A row of kind `control`. Rows without an id at one instant are told apart by what they do, then by who did it: that is
/// the order in which gaps are paired.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Control {
    pub created_on: i64,
    pub audit_id: Option<String>,
    pub action: i32,
    pub user_id: Option<String>,
    pub object_id: Option<String>,
}

impl Lake {
    /// The control rows of an environment up to `as_of`, in (created_on, audit_id) order, null ids first.
    pub fn control_rows(&self, environment: &str, as_of: i64) -> Result<Vec<Control>> {
        let files = self.files(environment, Kind::Control).into_par_iter();
        let read = files.map(|audit| -> Result<Vec<Control>> {
            let mut found = Vec::new();
            let path = self.place(&audit.file.path);
            let columns = ["created_on", "audit_id", "action", "object_id", "user_id"];
            for rows in file::read(&path, &columns, 1 << 13)? {
                decode_control(&rows.at_path(&path, "cannot be read")?, &mut found);
            }
            Ok(found)
        });
        let mut found = read.collect::<Result<Vec<_>>>()?.concat();
        found.retain(|row| row.created_on <= as_of);
        found.sort();
        Ok(found)
    }

    /// The ids of all actors of an environment.
    pub fn actors(&self, environment: &str) -> Result<BTreeSet<String>> {
        let found = Kind::ALL
            .map(|kind| self.files(environment, kind))
            .concat()
            .into_par_iter()
            .map(|audit| -> Result<HashSet<String>> {
                let footer = Footer::read(&self.place(&audit.file.path))?;
                let mut found = HashSet::new();
                for group in 0..footer.row_groups() {
                    found.extend(footer.distinct(group, "actor_id")?);
                }
                Ok(found)
            })
            .try_reduce(HashSet::new, |left, right| Ok(union(left, right)))?;
        Ok(found.into_iter().collect())
    }

    /// The inputs of which records were set aside with one of these codes.
    pub fn rejected_sources(&self, codes: &[&str]) -> Result<BTreeSet<String>> {
        let mut found = BTreeSet::new();
        for file in &self.manifest.rejects {
            rejects::sources(&self.root, file, codes, &mut found)?;
        }
        Ok(found)
    }
}

fn decode_control(rows: &RecordBatch, found: &mut Vec<Control>) {
    let column = |name: &str| rows.column_by_name(name).map(|column| column.as_string::<i32>());
    let text = |name: &str, row: usize| {
        column(name)
            .filter(|column| column.is_valid(row))
            .map(|column| column.value(row).to_owned())
    };
    let numbers = (rows.column_by_name("created_on"), rows.column_by_name("action"));
    if let (Some(on), Some(action)) = numbers {
        let on = on.as_primitive::<TimestampMicrosecondType>();
        let action = action.as_primitive::<Int32Type>();
        found.extend((0..rows.num_rows()).map(|row| Control {
            created_on: on.value(row),
            audit_id: text("audit_id", row),
            action: action.value(row),
            object_id: text("object_id", row),
            user_id: text("user_id", row),
        }));
    }
}
