//! What the lake knows that may explain a silence. It says so and leaves the row: an explanation is no excuse.
//!
//! - A deletion of logs (111) removes rows older than itself, never younger ones. One that deletes up to a date leaves no
//!   older access, so it explains a silence with which the accesses begin. Otherwise only one at which the silence ends
//!   does: no access came between. A later one, with accesses before the silence and after it, would have had to choose
//!   just these rows; it is told (`deleted_on`), but explains nothing.
//! - A hole of the ingest ([`super::holes`]): an input is missing, or broke off, just there.

use super::holes::Holes;
use super::model::Judged;
use crate::error::Result;
use crate::lake::Lake;

/// What is known beside the counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause {
    pub deleted_on: Option<i64>,
    pub explained_by: Option<&'static str>,
}

/// The cause of each silence; `deletions` are the instants of the log's deletions, in order.
pub fn of(lake: &Lake, environment: &str, judged: &[Judged], deletions: &[i64]) -> Result<Vec<Cause>> {
    if judged.is_empty() {
        return Ok(Vec::new());
    }
    let holes = Holes::of(lake, environment)?;
    let cause = |row: &Judged| {
        let window = row.silence.window;
        let later = deletions.partition_point(|on| *on < window.end);
        let deleted_on = deletions.get(later).copied();
        let is_first = row.silence.is_first;
        let is_deleted = deleted_on.is_some_and(|on| is_first || on == window.end);
        let explained_by = if holes.explain(window) {
            Some("ingest_hole")
        } else {
            is_deleted.then_some("log_deleted")
        };
        Cause {
            deleted_on,
            explained_by,
        }
    };
    Ok(judged.iter().map(cause).collect())
}
