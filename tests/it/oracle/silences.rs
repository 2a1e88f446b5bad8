//! `silence` needs weeks: logs with a rhythm, and with holes, gaps, deletions, bursts, missing pages and pages that break
//! off, about clock changes of several zones. The threshold lets all windows through in which something is expected.

use super::{Compared, assert_equal};
use crate::logs::{Chance, Event, Form, HOUR, at, with_ids};
use crate::support;
use gatelog::ingest::Plan;
use gatelog::report::options::Options;
use std::path::Path;

const DAY: i64 = 24 * HOUR;
const LAKES: u64 = 12;

/// Some weeks with busy and quiet hours, weekdays and dates.
fn rhythm(chance: &mut Chance, start: i64) -> Vec<Event> {
    let days = 30 + chance.below(60) as i64;
    let share = chance.pick(&[3, 15, 40, 90]);
    let mut events = Vec::new();
    for day in 0..days {
        let is_free = day % 7 > 4 || chance.in_hundred(8);
        for hour in 0..24 {
            let is_busy = (8..17).contains(&hour) && !is_free;
            let share = if is_busy { share } else { share / 10 };
            let burst = chance.in_hundred(1);
            for _ in 0..if burst { 30 } else { 3 } {
                if burst || chance.in_hundred(share) {
                    let beside = if burst {
                        chance.below(9) as i64
                    } else {
                        chance.below(3600) as i64
                    };
                    let on = start + day * DAY + hour * HOUR + beside * 1_000_000 + chance.pick(&[0, 1, 999_999]);
                    events.push(Event::access(on, chance.pick(&[64, 65]), Some(chance.below(3))));
                }
            }
            if chance.in_hundred(4) {
                events.push(Event::other(start + day * DAY + hour * HOUR, 2, Some(0), Some(1)));
            }
        }
    }
    events
}

/// Stops and starts, deletions, some of them at the instant of an access, and holes; the ends of the log lie anywhere.
fn disturb(chance: &mut Chance, events: &mut Vec<Event>, start: i64) {
    for _ in 0..chance.below(4) {
        let from = start + chance.below(80 * 24) as i64 * HOUR;
        let hours = chance.pick(&[1, 5, 30, 60, 200, 600]);
        events.retain(|event| !(from..from + hours * HOUR).contains(&event.on));
    }
    for _ in 0..chance.below(6) {
        let on = start + chance.below(60 * 24 * 4) as i64 * HOUR / 4;
        let on = if chance.in_hundred(40) && !events.is_empty() {
            events[chance.below(events.len())].on
        } else {
            on
        };
        let action = chance.pick(&[113, 112, 110, 107, 111, 111]);
        events.push(Event::other(on, action, Some(0), None));
        if action == 113 && chance.in_hundred(80) {
            let after = chance.pick(&[0, 1, HOUR, 30 * HOUR]);
            events.push(Event::other(on + after, 112, Some(0), None));
        }
    }
    events.sort_by_key(|event| event.on);
}

/// As pages of a series, oldest or newest first; some are missing, some break off, some begin with rows of the one before.
/// Another export may hold a part of the log again.
fn pages(chance: &mut Chance, events: Vec<Event>, folder: &Path) {
    let events = with_ids(events);
    let rows = chance.pick(&[40, 150, 1000]);
    let (step, is_newest_first) = (chance.pick(&[1, 1, 1, 10]), chance.in_hundred(30));
    for (number, begin) in (0..events.len()).step_by(rows).enumerate() {
        let again = if chance.in_hundred(20) { begin.min(rows / 3) } else { 0 };
        let mut text = Form::Page.write(&events[begin - again..events.len().min(begin + rows)]);
        if chance.in_hundred(6) {
            text.truncate(text.len() / 2);
        }
        if !chance.in_hundred(8) || number == 0 {
            let number = if is_newest_first {
                7_000 - number * step
            } else {
                7 + number * step
            };
            support::write(&folder.join(format!("page-{number}.json")), text);
        }
    }
    if chance.in_hundred(40) {
        let (one, other) = (chance.below(events.len()), chance.below(events.len()));
        let part = &events[one.min(other)..=one.max(other)];
        let name = chance.pick(&["again.json", "zagain.json"]);
        support::write(&folder.join(name), Form::Page.write(part));
    }
}

fn lake(home: &Path, seed: u64) -> Vec<Compared> {
    let chance = &mut Chance::new(seed);
    let starts = [
        "2026-03-01T00:00:00Z",
        "2026-08-20T00:00:00Z",
        "2011-12-01T00:00:00Z",
        "1969-12-10T00:00:00Z",
    ];
    let start = at(chance.pick(&starts));
    let lake = home.join(format!("silent lake {seed}"));
    for environment in &["one", "two"][..1 + chance.below(2)] {
        let mut events = rhythm(chance, start);
        disturb(chance, &mut events, start);
        let folder = home.join(format!("pages {seed} {environment}"));
        pages(chance, events, &folder);
        support::ingest(&Plan {
            environment: Some((*environment).to_owned()),
            ..Plan::new(vec![folder], lake.clone())
        });
    }
    let zones = [
        "UTC",
        "Europe/Berlin",
        "America/Santiago",
        "Asia/Kolkata",
        "Pacific/Apia",
        "Australia/Lord_Howe",
    ];
    // Most of the log is left over: a silence needs weeks to be compared with.
    let mut time = |share: usize, days: std::ops::Range<usize>| {
        let hours = days.start * 24 + chance.below(days.len() * 24);
        chance.in_hundred(share).then_some(start + hours as i64 * HOUR)
    };
    let (as_of, from, to) = (time(30, 35..80), time(20, 0..30), time(20, 30..80));
    let options = Options {
        as_of,
        from,
        to,
        tz: chance.pick(&zones).parse().expect("a zone"),
        silence_threshold: 1e12,
        ..Options::default()
    };
    let plausible = Options {
        silence_threshold: 0.5,
        ..options.clone()
    };
    [("all", options), ("implausible", plausible)]
        .map(|(what, options)| Compared::new(home, &format!("silence {seed} {what}"), &lake, options))
        .into()
}

/// How many rows of all have this in `explained_by`.
fn explained(compared: &[Compared], by: &str) -> usize {
    let rows = compared
        .iter()
        .flat_map(|compared| support::parquet_rows(&compared.reports.join("silence.parquet")));
    rows.filter(|row| row.get("explained_by").is_some_and(|cause| cause == by))
        .count()
}

#[test]
fn l8_silences_equal_their_sql() {
    let home = support::home();
    let compared = support::side_by_side(1..=LAKES, |seed| lake(home.path(), seed));
    let compared: Vec<Compared> = compared.into_iter().flatten().collect();
    let rows = assert_equal(home.path(), &compared);
    // Of 5,200 windows of five minutes or more, not half have a row, whatever the threshold: in logs as thin as these the
    // lower median of the weeks compared is often zero, and where nothing is usual, there is no silence.
    assert!(rows["silence"] > 2000, "{rows:?}");
    let causes = ["ingest_hole", "log_deleted"].map(|by| explained(&compared, by));
    assert!(causes[0] > 10 && causes[1] > 0, "{causes:?}");
}
