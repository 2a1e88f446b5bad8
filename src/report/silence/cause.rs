//! What the lake knows that may explain a silence. It says so and leaves the row: an explanation is no excuse.
//!
//! - A deletion of logs (111) removes rows older than itself, never younger ones. One that deletes up to a date leaves no
//!   older access, so it explains a silence with which the accesses begin. Otherwise only one at which the silence ends
//!   does: no access came between. A later one, with accesses before the silence and after it, would have had to choose
//!   just these rows; it is told (`deleted_on`), but explains nothing.
//! - A hole of the ingest: the accesses at the ends of the silence came from inputs of one series (names that differ in
//!   their last number only, counted by one: the number before or after is there) between which a number is missing; or
//!   from one that broke off: a reject says `truncated`, `corrupt` or `too-large`, after which nothing of that input
//!   could be read. Other rejects cost one record each, and cannot make a silence. An input that was refused as a whole
//!   is not known to the lake.
//!
//! Example: page-6, page-7 and page-9, a silence between 7 and 9. Of 0, 5000 and 15000, or of dates, nobody knows the step.
//! Of a row that several inputs brought, the lake keeps the first one's name.

use super::model::Judged;
use crate::error::Result;
use crate::lake::Lake;
use std::collections::{BTreeMap, BTreeSet};

/// What is known beside the counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause {
    pub deleted_on: Option<i64>,
    pub explained_by: Option<&'static str>,
}

/// After a reject with one of these codes nothing more of the input was read.
const BREAKS_OFF: [&str; 3] = ["corrupt", "too-large", "truncated"];

/// The cause of each silence; `deletions` are the instants of the log's deletions, in order.
pub fn of(lake: &Lake, environment: &str, judged: &[Judged], deletions: &[i64]) -> Result<Vec<Cause>> {
    if judged.is_empty() {
        return Ok(Vec::new());
    }
    let windows = || judged.iter().map(|row| row.silence.window);
    let instants: BTreeSet<i64> = windows().flat_map(|window| [window.start, window.end]).collect();
    let sources = lake.access_sources(environment, &instants)?;
    let broken = lake.rejected_sources(&BREAKS_OFF)?;
    let ledger = lake.ledger()?;
    let series = Series::new(ledger.inputs().map(|input| input.name.as_str()));
    let none = BTreeSet::new();
    let at = |on: i64| sources.get(&on).unwrap_or(&none);
    let is_hole = |start: i64, end: i64| {
        let (before, after) = (at(start), at(end));
        before.union(after).any(|source| broken.contains(source))
            || before
                .iter()
                .any(|one| after.iter().any(|other| series.lack_between(one, other)))
    };
    let cause = |row: &Judged| {
        let window = row.silence.window;
        let later = deletions.partition_point(|on| *on < window.end);
        let deleted_on = deletions.get(later).copied();
        let is_first = row.silence.is_first;
        let is_deleted = deleted_on.is_some_and(|on| is_first || on == window.end);
        let explained_by = if is_hole(window.start, window.end) {
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

/// Inputs whose names differ in their last number only: the text before it and after it → the numbers.
struct Series(BTreeMap<(String, String), BTreeSet<i64>>);

impl Series {
    fn new<'a>(names: impl Iterator<Item = &'a str>) -> Series {
        let mut numbers: BTreeMap<(String, String), BTreeSet<i64>> = BTreeMap::new();
        for (before, number, after) in names.filter_map(split) {
            numbers
                .entry((before.to_owned(), after.to_owned()))
                .or_default()
                .insert(number);
        }
        Series(numbers)
    }

    /// Whether two inputs are of one series, which counts by one, and a number between theirs is missing.
    fn lack_between(&self, one: &str, other: &str) -> bool {
        let (Some(one), Some(other)) = (split(one), split(other)) else {
            return false;
        };
        if (one.0, one.2) != (other.0, other.2) {
            return false;
        }
        let (first, last) = (one.1.min(other.1), one.1.max(other.1));
        let Some(numbers) = self.0.get(&(one.0.to_owned(), one.2.to_owned())) else {
            return false;
        };
        let counts_by_one = numbers.contains(&(first - 1)) || numbers.contains(&(last + 1));
        counts_by_one && (numbers.range(first..=last).count() as i64) < last - first + 1
    }
}

/// Longer ones are dates and times.
const LONGEST_NUMBER: usize = 6;

/// A name about its last number.
fn split(name: &str) -> Option<(&str, i64, &str)> {
    let end = name.rfind(|sign: char| sign.is_ascii_digit())? + 1;
    let start = name[..end].trim_end_matches(|sign: char| sign.is_ascii_digit()).len();
    let number = name[start..end]
        .parse()
        .ok()
        .filter(|_| end - start <= LONGEST_NUMBER)?;
    Some((&name[..start], number, &name[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_split_about_its_last_number() {
        assert_eq!(split("exports/2026-03-07.json"), Some(("exports/2026-03-", 7, ".json")));
        assert_eq!(split("page 12"), Some(("page ", 12, "")));
        assert_eq!(split("page.json"), None);
        assert_eq!(split("audit-20260331.json"), None, "a date");
    }

    #[test]
    fn a_series_lacks_a_number_between_two_of_its_inputs() {
        let series = Series::new(
            [
                "p-6.json",
                "p-07.json",
                "p-9.json",
                "p-10.json",
                "p-12.json",
                "p-13.json",
                "q-11.json",
            ]
            .into_iter(),
        );
        assert!(series.lack_between("p-07.json", "p-9.json"));
        assert!(series.lack_between("p-9.json", "p-07.json"), "newest first");
        assert!(!series.lack_between("p-9.json", "p-10.json"));
        assert!(series.lack_between("p-10.json", "p-12.json"), "11 is of another series");
        assert!(!series.lack_between("p-9.json", "p-9.json"));
        assert!(!series.lack_between("p-9.json", "q-11.json"));
        assert!(!series.lack_between("log.json", "p-9.json"));
        let offsets = Series::new(["p-0", "p-5000", "p-15000"].into_iter());
        assert!(!offsets.lack_between("p-5000", "p-15000"), "the step is not known");
    }
}
