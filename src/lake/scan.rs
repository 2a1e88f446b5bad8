//! Small questions to committed rows: control rows, who occurs, what brought a row. Files are asked in
//! parallel, only for the columns needed; what the manifest or a dictionary page tells is not read at all.

use super::accesses::union;
use super::file::Footer;
use super::{Lake, file, rejects};
use crate::error::{AtPath, Result};
use crate::record::Kind;
use arrow::array::{Array, ArrayAccessor, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{Int32Type, TimestampMicrosecondType};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashSet};

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
        let mut found = Vec::new();
        for audit in self.files(environment, Kind::Control) {
            let path = self.place(&audit.file.path);
            let columns = ["created_on", "audit_id", "action", "object_id", "user_id"];
            for rows in file::read(&path, &columns, 1 << 13)? {
                decode_control(&rows.at_path(&path, "cannot be read")?, &mut found);
            }
        }
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

    /// The inputs that brought the accesses at some instants.
    pub fn access_sources(
        &self,
        environment: &str,
        instants: &BTreeSet<i64>,
    ) -> Result<BTreeMap<i64, BTreeSet<String>>> {
        let mut found: BTreeMap<i64, BTreeSet<String>> = BTreeMap::new();
        for audit in self.files(environment, Kind::Access) {
            let path = self.place(&audit.file.path);
            let footer = Footer::read(&path)?;
            for group in (0..footer.row_groups()).filter(|group| footer.rows(*group) > 0) {
                let (first, last) = footer.range(group, "created_on")?;
                if instants.range(first..=last).next().is_none() {
                    continue;
                }
                for rows in footer.read_group(group, &["created_on", "source"], "source")? {
                    take_sources(&rows.at_path(&path, "cannot be read")?, instants, &mut found);
                }
            }
        }
        Ok(found)
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

fn take_sources(rows: &RecordBatch, instants: &BTreeSet<i64>, found: &mut BTreeMap<i64, BTreeSet<String>>) {
    let (Some(on), Some(source)) = (rows.column_by_name("created_on"), rows.column_by_name("source")) else {
        return;
    };
    let on = on.as_primitive::<TimestampMicrosecondType>().values();
    let source = source.as_dictionary::<Int32Type>().downcast_dict::<StringArray>();
    let Some(source) = source else { return };
    for (row, on) in on.iter().enumerate().filter(|(_, on)| instants.contains(on)) {
        if source.is_valid(row) {
            found.entry(*on).or_default().insert(source.value(row).to_owned());
        }
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
