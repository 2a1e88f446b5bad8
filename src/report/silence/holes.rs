//! Where rows are missing because an input is missing, or broke off.
//!
//! - *Series*: inputs whose names differ in their last number only, counted by one: the number before or after is there.
//!   Between two of them a number is missing, and the accesses of one end before those of the other begin: the hole.
//! - *Broke off*: a reject says `truncated`, `corrupt` or `too-large`, after which nothing of that input could be read, and
//!   the input's first or last access is one between which the silence lies. Other rejects cost one record each, and
//!   cannot make a silence. An input that was refused as a whole is not known to the lake.
//! - An input with accesses before the silence and after it was read right through it, so nothing is missing there.
//!
//! Rows are not asked for their `source`: of a row that several inputs brought it names the first one. What an input holds
//! of accesses stands in the ledger, known ones among them, so the order of ingestion changes nothing (L9). Only the
//! name of an input that came twice, byte by byte, is the first one's.
//!
//! Example: page-6, page-7 and page-9, a silence between 7 and 9. Of 0, 5000 and 15000, or of dates, nobody knows the step.

use crate::error::Result;
use crate::lake::Lake;
use crate::lake::ledger::InputEntry;
use crate::report::kernel::Window;
use std::collections::{BTreeMap, BTreeSet};

/// After a reject with one of these codes nothing more of the input was read.
const BREAKS_OFF: [&str; 3] = ["corrupt", "too-large", "truncated"];

/// The ingest of one environment, as far as it may have left rows out.
pub struct Holes {
    /// First and last access of each input.
    inputs: Vec<Window>,
    /// Of those that broke off.
    broken: Vec<Window>,
    /// From the last access before missing inputs to the first one after them.
    missing: Vec<Window>,
}

impl Holes {
    pub fn of(lake: &Lake, environment: &str) -> Result<Holes> {
        let broken = lake.rejected_sources(&BREAKS_OFF)?;
        let ledger = lake.ledger()?;
        let inputs: Vec<(&str, Option<Window>)> = ledger
            .inputs()
            .map(|input| (input.name.as_str(), accesses(input, environment)))
            .collect();
        let windows = |is_wanted: &dyn Fn(&str) -> bool| {
            let wanted = inputs.iter().filter(|(name, _)| is_wanted(name));
            wanted.filter_map(|(_, window)| *window).collect()
        };
        Ok(Holes {
            inputs: windows(&|_| true),
            broken: windows(&|name| broken.contains(name)),
            missing: missing(&inputs),
        })
    }

    /// Whether a silence may be one of them.
    pub fn explain(&self, silence: Window) -> bool {
        let holds = |hole: &Window| hole.start <= silence.start && silence.end <= hole.end;
        let ends_there = |input: &Window| input.end == silence.start || input.start == silence.end;
        (self.missing.iter().any(holds) || self.broken.iter().any(ends_there)) && !self.inputs.iter().any(holds)
    }
}

fn accesses(input: &InputEntry, environment: &str) -> Option<Window> {
    let window = input.accesses.iter().find(|window| window.environment == environment)?;
    Some(Window {
        start: window.first_on_us,
        end: window.last_on_us,
    })
}

/// The holes of all series; inputs as name and window of accesses.
fn missing(inputs: &[(&str, Option<Window>)]) -> Vec<Window> {
    let mut series: BTreeMap<(&str, &str), BTreeMap<i64, Option<Window>>> = BTreeMap::new();
    for (name, window) in inputs {
        if let Some((before, number, after)) = split(name) {
            let of_number = series.entry((before, after)).or_default().entry(number).or_default();
            *of_number = union(*of_number, *window);
        }
    }
    series.values().flat_map(missing_of).collect()
}

/// The holes of one series.
fn missing_of(series: &BTreeMap<i64, Option<Window>>) -> Vec<Window> {
    let numbers: BTreeSet<i64> = series.keys().copied().collect();
    let with_accesses: Vec<(i64, Window)> = series
        .iter()
        .filter_map(|(number, window)| Some((*number, (*window)?)))
        .collect();
    let hole = |pair: &[(i64, Window)]| {
        let [(first, one), (last, other)] = pair else {
            return None;
        };
        let counts_by_one = numbers.contains(&(first - 1)) || numbers.contains(&(last + 1));
        let lacks_one = (numbers.range(first..=last).count() as i64) < last - first + 1;
        (counts_by_one && lacks_one).then(|| between(*one, *other))?
    };
    with_accesses.windows(2).filter_map(hole).collect()
}

/// What lies between two windows, whichever comes first; none if they overlap.
fn between(one: Window, other: Window) -> Option<Window> {
    let from = |start: i64, end: i64| (start <= end).then_some(Window { start, end });
    from(one.end, other.start).or(from(other.end, one.start))
}

fn union(one: Option<Window>, other: Option<Window>) -> Option<Window> {
    match (one, other) {
        (Some(one), Some(other)) => Some(Window {
            start: one.start.min(other.start),
            end: one.end.max(other.end),
        }),
        _ => one.or(other),
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

    fn window(start: i64, end: i64) -> Window {
        Window { start, end }
    }

    #[test]
    fn a_name_is_split_about_its_last_number() {
        assert_eq!(split("exports/2026-03-07.json"), Some(("exports/2026-03-", 7, ".json")));
        assert_eq!(split("page 12"), Some(("page ", 12, "")));
        assert_eq!(split("page.json"), None);
        assert_eq!(split("audit-20260331.json"), None, "a date");
    }

    #[test]
    fn a_hole_lies_between_two_inputs_of_a_series_that_lacks_one_between_them() {
        let holes = |inputs: &[(&str, i64, i64)]| {
            let inputs = inputs
                .iter()
                .map(|(name, start, end)| (*name, Some(window(*start, *end))));
            missing(&inputs.collect::<Vec<_>>())
        };
        let series = [("p-6.json", 0, 10), ("p-07.json", 10, 20), ("p-9.json", 30, 40)];
        assert_eq!(holes(&series), [window(20, 30)]);
        let newest_first = [("p-6", 50, 60), ("p-7", 40, 50), ("p-9", 20, 30), ("q-8", 30, 40)];
        assert_eq!(holes(&newest_first), [window(30, 40)], "8 is of another series");
        assert_eq!(holes(&series[..2]), []);
        assert_eq!(holes(&[("p-7", 10, 20), ("p-9", 30, 40)]), [], "the step is not known");
        assert_eq!(
            holes(&[("p-6", 0, 9), ("p-7", 10, 35), ("p-9", 30, 40)]),
            [],
            "they overlap"
        );
    }

    #[test]
    fn a_page_without_accesses_is_there_but_holds_nothing() {
        let inputs = [
            ("p-7", Some(window(0, 9))),
            ("p-8", None),
            ("p-10", Some(window(20, 30))),
        ];
        assert_eq!(missing(&inputs), [], "the step is not known");
        let counted = [&inputs[..], &[("p-6", None)]].concat();
        assert_eq!(missing(&counted), [window(9, 20)]);
    }

    #[test]
    fn an_input_that_reaches_over_a_silence_was_read_through_it() {
        let holes = |inputs: &[Window]| Holes {
            inputs: inputs.to_vec(),
            broken: vec![window(40, 50)],
            missing: vec![window(10, 20)],
        };
        let pages = holes(&[window(0, 10), window(20, 30), window(40, 50)]);
        assert!(pages.explain(window(10, 20)));
        assert!(pages.explain(window(12, 20)), "the end of a gap, say");
        assert!(!pages.explain(window(20, 30)));
        assert!(pages.explain(window(50, 60)), "it broke off");
        assert!(pages.explain(window(30, 40)), "it broke off, newest first");
        let with_all = holes(&[window(0, 100)]);
        assert!(!with_all.explain(window(10, 20)));
        assert!(!with_all.explain(window(50, 60)));
    }
}
