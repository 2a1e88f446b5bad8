//! Committed rows → plain columns, found in parallel by row group, only the columns a report asks for.

use super::manifest::AuditFile;
use super::{Lake, file};
use crate::error::{AtPath, Result};
use crate::record::Kind;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, TimestampMicrosecondType};
use rayon::prelude::*;
use std::collections::{BTreeSet, HashMap};

/// Access rows of one stretch of a file, with actors as numbers into a dictionary of its own.
#[derive(Debug, Default)]
pub struct Accesses {
    pub created_on: Vec<i64>,
    pub action: Vec<i32>,
    /// Index into `actors`; `None` where the row names nobody.
    pub actor: Vec<Option<u32>>,
    pub actors: Vec<String>,
}

/// A row of kind `control`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Control {
    pub created_on: i64,
    pub audit_id: Option<String>,
    pub action: i32,
    pub object_id: Option<String>,
    pub user_id: Option<String>,
}

impl Lake {
    /// All access rows of an environment up to `as_of`, stretch by stretch; within a stretch in order of time.
    pub fn accesses(&self, environment: &str, as_of: i64) -> Result<Vec<Accesses>> {
        self.stretches(environment, Kind::Access, as_of)?
            .into_par_iter()
            .map(|(audit, group)| {
                let path = self.place(&audit.file.path);
                let columns = ["created_on", "action", "actor_id"];
                let mut found = Accesses::default();
                let mut numbers = HashMap::new();
                for rows in file::read_row_group(&path, group, &columns, "actor_id")? {
                    decode_accesses(&rows.at_path(&path, "cannot be read")?, as_of, &mut found, &mut numbers);
                }
                Ok(found)
            })
            .collect()
    }

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
        let kinds = [Kind::Access, Kind::Control, Kind::Change];
        let stretches = kinds.map(|kind| self.stretches(environment, kind, i64::MAX));
        let stretches = stretches.into_iter().collect::<Result<Vec<_>>>()?.concat();
        let found = stretches.into_par_iter().map(|(audit, group)| {
            let path = self.place(&audit.file.path);
            let mut found = BTreeSet::new();
            for rows in file::read_row_group(&path, group, &["actor_id"], "actor_id")? {
                let rows = rows.at_path(&path, "cannot be read")?;
                let ids = rows.column(0).as_dictionary::<Int32Type>().values();
                found.extend(ids.as_string::<i32>().iter().flatten().map(str::to_owned));
            }
            Ok(found)
        });
        Ok(found.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    /// How many change rows lie strictly inside each of the windows `(start, end)`.
    pub fn changes_inside(&self, environment: &str, windows: &[(i64, i64)]) -> Result<Vec<i64>> {
        let per_file: Vec<Vec<i64>> = self
            .files(environment, Kind::Change)
            .into_par_iter()
            .map(|audit| self.count_inside(audit, windows))
            .collect::<Result<_>>()?;
        Ok((0..windows.len())
            .map(|window| per_file.iter().map(|counts| counts[window]).sum())
            .collect())
    }

    fn count_inside(&self, audit: &AuditFile, windows: &[(i64, i64)]) -> Result<Vec<i64>> {
        let (first, last) = (audit.min_created_on_us, audit.max_created_on_us);
        let holds_all = |&(start, end): &(i64, i64)| start < first && last < end;
        let holds_none = |&(start, end): &(i64, i64)| end <= first || last <= start;
        let mut counts: Vec<i64> = windows
            .iter()
            .map(|window| if holds_all(window) { audit.file.rows as i64 } else { 0 })
            .collect();
        if windows.iter().all(|window| holds_all(window) || holds_none(window)) {
            return Ok(counts);
        }
        let path = self.place(&audit.file.path);
        for rows in file::read(&path, &["created_on"], 1 << 16)? {
            let rows = rows.at_path(&path, "cannot be read")?;
            let on = rows.column(0).as_primitive::<TimestampMicrosecondType>().values();
            for (count, window) in counts.iter_mut().zip(windows) {
                if !holds_all(window) {
                    let (start, end) = *window;
                    let inside = on
                        .partition_point(|&on| on < end)
                        .saturating_sub(on.partition_point(|&on| on <= start));
                    *count += inside as i64;
                }
            }
        }
        Ok(counts)
    }

    /// Row groups of the files that can hold rows up to `as_of`.
    fn stretches(&self, environment: &str, kind: Kind, as_of: i64) -> Result<Vec<(&AuditFile, usize)>> {
        let mut stretches = Vec::new();
        for audit in self.files(environment, kind) {
            if audit.min_created_on_us <= as_of {
                let groups = file::row_groups(&self.place(&audit.file.path))?;
                stretches.extend((0..groups).map(|group| (audit, group)));
            }
        }
        Ok(stretches)
    }
}

fn decode_accesses(rows: &RecordBatch, as_of: i64, found: &mut Accesses, numbers: &mut HashMap<String, u32>) {
    let on = rows.column(0).as_primitive::<TimestampMicrosecondType>().values();
    let actions = rows.column(1).as_primitive::<Int32Type>().values();
    let actors = rows.column(2).as_dictionary::<Int32Type>();
    let names = actors.values().as_string::<i32>();
    let dictionary: Vec<u32> = (0..names.len())
        .map(|place| {
            let name = if names.is_valid(place) { names.value(place) } else { "" };
            *numbers.entry(name.to_owned()).or_insert_with(|| {
                found.actors.push(name.to_owned());
                found.actors.len() as u32 - 1
            })
        })
        .collect();
    let count = on.partition_point(|&on| on <= as_of);
    found.created_on.extend_from_slice(&on[..count]);
    found.action.extend_from_slice(&actions[..count]);
    found.actor.extend(
        actors
            .keys()
            .iter()
            .take(count)
            .map(|key| key.map(|key| dictionary[key as usize])),
    );
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
