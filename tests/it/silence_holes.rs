//! What `silence` says of inputs that are missing or broke off: told of the same hourly log as its rules, in pages. Rows
//! that several inputs bring have the name of the first one, so each answer is asked for in every order of ingestion (L9).

use crate::logs::{self, Event, Form, at};
use crate::rules::plain;
use crate::silence_rules::{ENDED, HOLE, STARTED, hourly, start};
use crate::support;

const BEFORE: &str = "2026-01-12T00:00:00Z";
const FIRST: &str = "2026-01-14T00:00:00Z";
const WITHIN: &str = "2026-01-22T00:00:00Z";
const SOON: &str = "2026-02-01T00:00:00Z";
const LAST: &str = "2027-01-01T00:00:00Z";

/// Name, and from when to when it holds the log; `broken` ones lack their last 20 bytes.
type Input<'a> = (&'a str, &'a str, &'a str);

/// Input after input in every order → `explained_by` of each silence; all reports are the same bytes each time.
fn explained(inputs: &[Input]) -> Vec<String> {
    let home = support::home();
    let events = logs::with_ids(hourly(63, &[HOLE]));
    let paths: Vec<_> = inputs
        .iter()
        .map(|(name, from, to)| {
            let is_inside = |event: &&Event| at(from) <= event.on && event.on < at(to);
            let rows: Vec<Event> = events.iter().filter(is_inside).cloned().collect();
            let mut text = Form::Page.write(&rows);
            if name.contains("broken") {
                text.truncate(text.len() - 20);
            }
            support::write(&home.path().join("export").join(name), text)
        })
        .collect();
    let mut reports = Vec::new();
    for (number, order) in orders(paths.len()).iter().enumerate() {
        let lake = home.path().join(format!("lake {number}"));
        for input in order {
            support::ingest(&support::plan(&lake, &[&paths[*input]]));
        }
        reports.push((support::report_files(&lake, &plain()), support::csvs(&lake, &plain())));
    }
    let (files, texts) = &reports[0];
    assert!(reports.iter().all(|(others, _)| others == files), "L9: {inputs:?}");
    let rows = texts["silence"].lines().skip(1);
    rows.map(|row| row.rsplit(',').next().unwrap_or_default().to_owned())
        .collect()
}

fn orders(inputs: usize) -> Vec<Vec<usize>> {
    if inputs == 0 {
        return vec![Vec::new()];
    }
    let shorter = orders(inputs - 1);
    let with_last = |order: &Vec<usize>| {
        (0..inputs)
            .map(|place| [&order[..place], &[inputs - 1], &order[place..]].concat())
            .collect::<Vec<_>>()
    };
    shorter.iter().flat_map(with_last).collect()
}

fn begin() -> String {
    gatelog::instant::to_text(start())
}

#[test]
fn silence_between_two_pages_of_a_series_that_lacks_one_is_an_ingest_hole() {
    let begin = begin();
    let of = |names: [&str; 3]| {
        explained(&[
            (names[0], &begin, FIRST),
            (names[1], FIRST, WITHIN),
            (names[2], WITHIN, LAST),
        ])
    };
    assert_eq!(of(["p-1.json", "p-2.json", "p-4.json"]), ["ingest_hole"]);
    assert_eq!(
        of(["p-9.json", "p-8.json", "p-6.json"]),
        ["ingest_hole"],
        "newest first"
    );
    assert_eq!(of(["p-1.json", "p-2.json", "p-3.json"]), [""]);
    assert_eq!(of(["p-0.json", "p-5000.json", "p-15000.json"]), [""]);
    assert_eq!(of(["p-1.json", "p-2.broken.json", "p-3.json"]), ["ingest_hole"]);
}

#[test]
fn an_ingest_hole_does_not_depend_on_which_of_two_overlapping_inputs_came_first_l9() {
    let begin = begin();
    let pages = [
        ("p-1.json", &*begin, FIRST),
        ("p-2.json", FIRST, WITHIN),
        ("p-4.json", WITHIN, LAST),
    ];
    let with = |input: Input| explained(&[&pages[..], &[input]].concat());
    assert_eq!(with(("more.json", FIRST, STARTED)), ["ingest_hole"]);
    assert_eq!(
        with(("more.json", BEFORE, WITHIN)),
        ["ingest_hole"],
        "it brings the access before, too"
    );
    assert_eq!(
        with(("more.json", WITHIN, SOON)),
        ["ingest_hole"],
        "it brings the access after, too"
    );
    assert_eq!(
        with(("more.json", FIRST, LAST)),
        [""],
        "it was read right through the silence"
    );
    let broken = [("log.broken.json", &*begin, WITHIN), ("rest.json", ENDED, LAST)];
    assert_eq!(explained(&broken), ["ingest_hole"]);
    let again = [broken[0], broken[1], ("more.json", FIRST, STARTED)];
    assert_eq!(explained(&again), ["ingest_hole"]);
    let whole = [broken[0], broken[1], ("more.json", FIRST, LAST)];
    assert_eq!(explained(&whole), [""]);
}
