//! The runs that made a lake, newest first, each with what it brought.

use crate::instant;
use crate::lake::ledger::{Entry, InputEntry, Ledger, ReplayEntry};
use crate::lake::runs::RunEntry;
use serde::Serialize;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Run {
    /// As text, in UTC.
    pub started_on: String,
    #[serde(flatten)]
    pub entry: RunEntry,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    #[serde(flatten)]
    pub run: Run,
    /// The inputs that it read, with their hashes and books.
    pub inputs: Vec<InputEntry>,
    pub replay: Option<ReplayEntry>,
}

impl Run {
    fn of(entry: &RunEntry) -> Run {
        Run {
            started_on: instant::to_text(entry.started_on_us),
            entry: entry.clone(),
        }
    }
}

/// The last runs, newest first.
pub fn last(ledger: &Ledger, count: usize) -> Vec<Run> {
    ledger.runs().rev().take(count).map(Run::of).collect()
}

/// The last runs, with what they brought.
pub fn list(ledger: &Ledger, count: usize) -> Vec<Listed> {
    let listed = |entry: &Entry| {
        Some(Listed {
            run: Run::of(entry.run.as_ref()?),
            inputs: entry.inputs.clone(),
            replay: entry.replay.clone(),
        })
    };
    ledger.entries.iter().rev().filter_map(listed).take(count).collect()
}
