//! The rows of one actor in a stretch of time, and those next to it, for whoever wants to see what a report is made of.
//!
//! Row groups are asked from the stretch outwards: the nearest row before it is found in the groups that end last before
//! it, and so on, so that little is read of a long log. Groups that do not name the actor are not read at all.

use super::file::Footer;
use super::manifest::AuditFile;
use super::{Lake, file};
use crate::error::{AtPath, Result};
use crate::record::Kind;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, TimestampMicrosecondType};
use rayon::prelude::*;
use std::path::PathBuf;

/// Whose rows, and from when to when; both ends belong to the stretch.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub environment: &'a str,
    pub kinds: &'a [Kind],
    pub actor: &'a str,
    pub as_of: i64,
    pub from: i64,
    pub to: i64,
    /// How many rows to give at most: of more, the first and the last.
    pub most: usize,
}

/// A row that an export brought.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuditRow {
    pub created_on: i64,
    pub audit_id: Option<String>,
    pub action: i32,
    /// The input's name, as it was given.
    pub source: String,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Around {
    /// The last row before the stretch, and the first after it.
    pub before: Option<AuditRow>,
    pub after: Option<AuditRow>,
    /// In the order of the log.
    pub rows: Vec<AuditRow>,
    /// How many rows between the first and the last are not given.
    pub left_out: usize,
}

/// A row group that names the actor, and where it lies in time.
struct Group {
    path: PathBuf,
    group: usize,
    first: i64,
    last: i64,
}

impl Lake {
    pub fn around(&self, asked: &Asked<'_>) -> Result<Around> {
        let files: Vec<&AuditFile> = asked
            .kinds
            .iter()
            .flat_map(|kind| self.files(asked.environment, *kind))
            .collect();
        let groups = files.into_par_iter().map(|audit| self.groups_of(audit, asked));
        let groups: Vec<Group> = groups.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
        let mut found = Around::default();
        for group in groups
            .iter()
            .filter(|group| group.last >= asked.from && group.first <= asked.to)
        {
            found.take(group, asked)?;
        }
        let mut earlier: Vec<&Group> = groups.iter().filter(|group| group.last < asked.from).collect();
        earlier.sort_by_key(|group| std::cmp::Reverse(group.last));
        for group in earlier {
            if found
                .before
                .as_ref()
                .is_none_or(|before| before.created_on <= group.last)
            {
                found.take(group, asked)?;
            }
        }
        let mut later: Vec<&Group> = groups.iter().filter(|group| group.first > asked.to).collect();
        later.sort_by_key(|group| group.first);
        for group in later {
            if found.after.as_ref().is_none_or(|after| after.created_on >= group.first) {
                found.take(group, asked)?;
            }
        }
        found.cut_to(asked.most);
        Ok(found)
    }

    fn groups_of(&self, audit: &AuditFile, asked: &Asked<'_>) -> Result<Vec<Group>> {
        if audit.min_created_on_us > asked.as_of {
            return Ok(Vec::new());
        }
        let path = self.place(&audit.file.path);
        let footer = Footer::read(&path)?;
        let mut groups = Vec::new();
        for group in (0..footer.row_groups()).filter(|group| footer.rows(*group) > 0) {
            let (first, last) = footer.range(group, "created_on")?;
            let names_actor =
                || Ok::<_, crate::error::Error>(footer.distinct(group, "actor_id")?.iter().any(|id| id == asked.actor));
            if first <= asked.as_of && names_actor()? {
                groups.push(Group {
                    path: path.clone(),
                    group,
                    first,
                    last,
                });
            }
        }
        Ok(groups)
    }
}

impl Around {
    fn take(&mut self, group: &Group, asked: &Asked<'_>) -> Result<()> {
        let columns = ["created_on", "audit_id", "action", "actor_id", "source"];
        for rows in file::read_row_group(&group.path, group.group, &columns, "")? {
            self.take_rows(&rows.at_path(&group.path, "cannot be read")?, asked);
            if self.rows.len() > 4 * asked.most {
                self.cut_to(asked.most);
            }
        }
        Ok(())
    }

    fn take_rows(&mut self, rows: &RecordBatch, asked: &Asked<'_>) {
        let text = |name: &str| rows.column_by_name(name).map(|column| column.as_string::<i32>());
        let (Some(on), Some(action), Some(actors)) = (
            rows.column_by_name("created_on"),
            rows.column_by_name("action"),
            text("actor_id"),
        ) else {
            return;
        };
        let on = on.as_primitive::<TimestampMicrosecondType>();
        let action = action.as_primitive::<Int32Type>();
        let value = |name: &str, row: usize| {
            let column = text(name).filter(|column| column.is_valid(row));
            column.map(|column| column.value(row).to_owned())
        };
        let is_asked =
            |row: &usize| actors.is_valid(*row) && actors.value(*row) == asked.actor && on.value(*row) <= asked.as_of;
        for row in (0..rows.num_rows()).filter(is_asked) {
            let found = || AuditRow {
                created_on: on.value(row),
                audit_id: value("audit_id", row),
                action: action.value(row),
                source: value("source", row).unwrap_or_default(),
            };
            match on.value(row) {
                at if at < asked.from => {
                    if self.before.as_ref().is_none_or(|before| *before < found()) {
                        self.before = Some(found());
                    }
                }
                at if at > asked.to => {
                    if self.after.as_ref().is_none_or(|after| found() < *after) {
                        self.after = Some(found());
                    }
                }
                _ => self.rows.push(found()),
            }
        }
    }

    /// Sorts the rows and keeps the first and the last; what lies between them can never be one of those.
    fn cut_to(&mut self, most: usize) {
        self.rows.sort();
        if self.rows.len() > most {
            let (first, last) = (most.div_ceil(2), self.rows.len() - most / 2);
            self.left_out += last - first;
            self.rows.drain(first..last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_and_the_last_rows_stay_however_often_the_middle_is_cut(
            on in prop::collection::vec(0i64..50, 0..60), most in 0usize..7,
        ) {
            let row = |on: &i64| AuditRow { created_on: *on, audit_id: None, action: 64, source: String::new() };
            let mut found = Around::default();
            for piece in on.chunks(9) {
                found.rows.extend(piece.iter().map(row));
                found.cut_to(most);
            }
            let mut sorted: Vec<i64> = on.clone();
            sorted.sort_unstable();
            let left_out = sorted.len().saturating_sub(most);
            if left_out > 0 {
                sorted.drain(most.div_ceil(2)..most.div_ceil(2) + left_out);
            }
            prop_assert_eq!(found.rows.iter().map(|row| row.created_on).collect::<Vec<_>>(), sorted);
            prop_assert_eq!(found.left_out, left_out);
        }
    }
}
