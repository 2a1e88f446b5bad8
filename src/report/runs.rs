//! The runs that made a lake, newest first, each with what it brought.

use crate::instant;
use crate::lake::Lake;
use crate::lake::manifest::{InputEntry, ReplayEntry};
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
pub fn last(lake: &Lake, count: usize) -> Vec<Run> {
    lake.manifest().runs.iter().rev().take(count).map(Run::of).collect()
}

/// The last runs, with what they brought.
pub fn list(lake: &Lake, count: usize) -> Vec<Listed> {
    let manifest = lake.manifest();
    let listed = |run: Run| {
        let generation = run.entry.generation;
        // Both lists are in order of their commits.
        let first = manifest.inputs.partition_point(|input| input.generation < generation);
        let inputs = manifest.inputs[first..].iter();
        Listed {
            inputs: inputs
                .take_while(|input| input.generation == generation)
                .cloned()
                .collect(),
            replay: manifest
                .replays
                .iter()
                .find(|replay| replay.generation == generation)
                .cloned(),
            run,
        }
    };
    last(lake, count).into_iter().map(listed).collect()
}

/// How many commits were made by versions that kept no record of runs.
pub fn unrecorded(lake: &Lake) -> u64 {
    lake.manifest()
        .generation
        .saturating_sub(lake.manifest().runs.len() as u64)
}
