//! How `gatelog runs` reads for people: a line for each run, the newest first.

use crate::grid::{self, Side};
use gatelog::instant;
use gatelog::report::runs::{Listed, Run};
use indicatif::HumanCount;
use std::io::{self, Write};

const HEADS: [&str; 10] = [
    "run",
    "command",
    "started",
    "took",
    "inputs",
    "read",
    "accepted",
    "duplicate",
    "rejected",
    "version",
];

/// Shows all of it.
pub fn show(runs: &[Listed], out: &mut dyn Write) -> io::Result<()> {
    show_lines(runs.iter().map(|listed| &listed.run), out)
}

pub fn show_lines<'r>(runs: impl Iterator<Item = &'r Run>, out: &mut dyn Write) -> io::Result<()> {
    let mut rows = vec![HEADS.map(str::to_owned)];
    rows.extend(runs.map(cells));
    let sides = std::array::from_fn(|column| match column {
        1 | 2 | 4 | 9 => Side::Left,
        _ => Side::Right,
    });
    grid::show(sides, &rows, out)
}

fn cells(run: &Run) -> [String; 10] {
    let entry = &run.entry;
    let count = |count: u64| HumanCount(count).to_string();
    [
        entry.generation.to_string(),
        entry.command.clone(),
        // A fraction of a second tells people nothing.
        instant::to_text(entry.started_on_us / instant::MICROS_PER_SECOND * instant::MICROS_PER_SECOND),
        took(entry.duration_ms),
        inputs(run),
        count(entry.books.read),
        count(entry.books.accepted),
        count(entry.books.duplicate),
        count(entry.books.rejected),
        entry.version.clone(),
    ]
}

fn inputs(run: &Run) -> String {
    let of = run.entry.inputs;
    let counts = [
        (of.inputs_ingested, "read"),
        (of.inputs_skipped, "skipped"),
        (of.inputs_refused, "refused"),
    ];
    let some: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, fate)| format!("{} {fate}", HumanCount(*count)))
        .collect();
    match some.is_empty() {
        true => "none".to_owned(),
        false => some.join(", "),
    }
}

fn took(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        _ => format!("{} min {:02} s", HumanCount(ms / 60_000), ms / 1_000 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_told_as_closely_as_it_matters() {
        let told = [(0, "0 ms"), (999, "999 ms"), (1_000, "1.0 s"), (59_999, "59.9 s")];
        let longer = [(60_000, "1 min 00 s"), (3_725_000, "62 min 05 s")];
        for (ms, text) in told.into_iter().chain(longer) {
            assert_eq!(took(ms), text);
        }
    }
}
