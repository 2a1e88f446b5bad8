//! What each run leaves behind: when it ran, by which version, with which settings, and its books (L1).
//!
//! Every run that ends leaves a record, one that found nothing new too: that nothing came is known only by it. Lakes of
//! layout 1 kept none, so a lake may count more commits than it has runs.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::iter::Sum;

/// Every record read is in exactly one of the others (L1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Books {
    pub read: u64,
    pub accepted: u64,
    pub duplicate: u64,
    pub rejected: u64,
}

impl Books {
    pub fn balance(&self) -> bool {
        self.read == self.accepted + self.duplicate + self.rejected
    }
}

impl Sum for Books {
    fn sum<I: Iterator<Item = Books>>(books: I) -> Books {
        books.fold(Books::default(), |sum, books| Books {
            read: sum.read + books.read,
            accepted: sum.accepted + books.accepted,
            duplicate: sum.duplicate + books.duplicate,
            rejected: sum.rejected + books.rejected,
        })
    }
}

/// What became of the inputs of a run; those ingested stand in the ledger.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputCounts {
    pub inputs_ingested: u64,
    /// Known already, empty, or no export.
    pub inputs_skipped: u64,
    pub inputs_refused: u64,
}

/// A run that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEntry {
    /// The commit that holds what it brought, and this record.
    pub generation: u64,
    pub command: String,
    /// Micros since 1970.
    pub started_on_us: i64,
    pub duration_ms: u64,
    /// Of gatelog.
    pub version: String,
    /// Option → value, of those that decide what is read and how.
    pub settings: BTreeMap<String, String>,
    #[serde(flatten)]
    pub inputs: InputCounts,
    #[serde(flatten)]
    pub books: Books,
}

/// A run until its commit.
#[derive(Debug, Clone)]
pub struct Run {
    command: &'static str,
    clock: fn() -> i64,
    started_on_us: i64,
    settings: BTreeMap<String, String>,
    pub inputs: InputCounts,
    pub books: Books,
}

impl Run {
    /// It begins now. `clock` tells micros since 1970.
    pub fn begin(command: &'static str, clock: fn() -> i64, settings: BTreeMap<String, String>) -> Run {
        Run {
            command,
            clock,
            started_on_us: clock(),
            settings,
            inputs: InputCounts::default(),
            books: Books::default(),
        }
    }

    /// It ends now, as this commit.
    pub fn end(self, generation: u64) -> RunEntry {
        RunEntry {
            generation,
            command: self.command.to_owned(),
            started_on_us: self.started_on_us,
            // A clock that was set back has measured nothing.
            duration_ms: u64::try_from((self.clock)() - self.started_on_us).unwrap_or(0) / 1000,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            settings: self.settings,
            inputs: self.inputs,
            books: self.books,
        }
    }
}

impl RunEntry {
    /// What is wrong with its books, beside what its commit `brought` (L1). Pure.
    pub fn fault(&self, generation: u64, brought: Option<&Books>) -> Option<String> {
        if self.generation != generation {
            return Some(format!("run {} cannot be commit {generation}", self.generation));
        }
        let Books {
            read,
            accepted,
            duplicate,
            rejected,
        } = self.books;
        let run = format!("the books of run {}", self.generation);
        if !self.books.balance() {
            return Some(format!(
                "{run} do not balance: {read} read, but {accepted} accepted + {duplicate} duplicate + {rejected} rejected (L1)"
            ));
        }
        match brought {
            Some(brought) if *brought != self.books => Some(format!(
                "{run} say {read} read and {accepted} accepted, but those of its inputs {} and {} (L1)",
                brought.read, brought.accepted
            )),
            // A replay that changed nothing reads what was rejected, and rejects it again.
            None if accepted + duplicate > 0 => Some(format!("{run} accept records of no input (L1)")),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn books(read: u64, accepted: u64, duplicate: u64, rejected: u64) -> Books {
        Books {
            read,
            accepted,
            duplicate,
            rejected,
        }
    }

    fn run(generation: u64, books: Books) -> RunEntry {
        let run = Run {
            books,
            ..Run::begin("ingest", || 7_000_000, BTreeMap::new())
        };
        run.end(generation)
    }

    #[test]
    fn the_books_of_a_run_are_those_of_what_it_brought_l1() {
        let some = books(4, 1, 2, 1);
        assert_eq!(run(1, some).fault(1, Some(&some)), None);
        assert!(run(1, books(5, 1, 2, 1)).fault(1, Some(&some)).is_some(), "unbalanced");
        assert!(run(1, books(4, 2, 1, 1)).fault(1, Some(&some)).is_some(), "other books");
        assert_eq!(
            run(1, books(2, 0, 0, 2)).fault(1, None),
            None,
            "a replay that changed nothing"
        );
        assert!(
            run(1, books(1, 1, 0, 0)).fault(1, None).is_some(),
            "accepted from nowhere"
        );
    }

    #[test]
    fn a_clock_that_is_set_back_measures_nothing() {
        let begun = Run {
            started_on_us: 8_000_000,
            ..Run::begin("ingest", || 7_000_000, BTreeMap::new())
        };
        assert_eq!(begun.end(1).duration_ms, 0);
        let begun = Run {
            started_on_us: 5_500_999,
            ..Run::begin("ingest", || 7_000_000, BTreeMap::new())
        };
        assert_eq!(begun.end(1).duration_ms, 1_499);
    }
}
