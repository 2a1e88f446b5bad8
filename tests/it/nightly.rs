//! L9 over a year: a log that came in 365 nightly exports, in any order, with re-exports and late rows, gives the reports
//! of one that came at once; and so it does when the small files have been merged.

use crate::logs::Chance;
use crate::support;
use gatelog::generate;
use gatelog::lake::Lake;
use gatelog::lake::compact::{Compact, compact};
use gatelog::lake::verify::verify;
use gatelog::report::options::Options;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The lines of a year's log by their day.
fn year(home: &Path) -> BTreeMap<String, Vec<String>> {
    let plan = generate::Plan {
        seed: 9,
        access_rows: 6_000,
        change_rows: 2_000,
        days: 365,
        gaps: 12,
        ..generate::Plan::default()
    };
    generate::generate(&plan, generate::Form::Ndjson, &home.join("year")).expect("generated");
    let mut days: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in support::files(&home.join("year")).values() {
        for line in fs::read_to_string(path).expect("readable").lines() {
            let at = line.find("\"createdon\":\"").expect("a time") + "\"createdon\":\"".len();
            days.entry(line[at..at + 10].to_owned())
                .or_default()
                .push(line.to_owned());
        }
    }
    days
}

/// A file for each day: 2 % of a day's rows come some days later, and every tenth export holds the day before as well.
fn exports(home: &Path, days: &BTreeMap<String, Vec<String>>, chance: &mut Chance) -> Vec<PathBuf> {
    let mut files: Vec<Vec<String>> = vec![Vec::new(); days.len()];
    for (day, lines) in days.values().enumerate() {
        for line in lines {
            let is_late = chance.in_hundred(2);
            let late = if is_late { 1 + chance.below(60) } else { 0 };
            files[(day + late).min(days.len() - 1)].push(line.clone());
        }
    }
    let of_before: Vec<Vec<String>> = days.values().cloned().collect();
    for day in (1..files.len()).filter(|day| day % 10 == 0) {
        files[day].extend(of_before[day - 1].clone());
    }
    let mut paths = Vec::new();
    for (day, mut lines) in files.into_iter().enumerate() {
        chance.shuffle(&mut lines);
        paths.push(support::write(
            &home.join(format!("exports/day-{day:03}.ndjson")),
            lines.join("\n") + "\n",
        ));
    }
    paths
}

#[test]
fn l9_a_year_of_nightly_exports_in_any_order_is_the_year_at_once() {
    let home = support::home();
    let mut chance = Chance::new(4);
    let days = year(home.path());
    assert!(days.len() > 350, "{} days", days.len());
    let mut paths = exports(home.path(), &days, &mut chance);
    let (at_once, nightly) = (home.path().join("at-once"), home.path().join("nightly"));
    let whole = support::ingest(&support::plan(&at_once, &[&home.path().join("year")]));

    chance.shuffle(&mut paths);
    let mut duplicates = 0;
    for path in &paths {
        duplicates += support::ingest(&support::plan(&nightly, &[path])).total.duplicate;
    }
    let repeated = whole.total.accepted / 20;
    assert!(duplicates > repeated, "{duplicates} rows came twice");

    let reports = support::report_files(&at_once, &Options::default());
    assert_eq!(support::contents(&nightly).len(), support::contents(&at_once).len());
    assert!(
        support::report_files(&nightly, &Options::default()) == reports,
        "L9: byte for byte"
    );
    assert_whole(&nightly, home.path());
    let opened = Lake::open(&nightly).expect("a lake");
    let (files, nights) = (opened.manifest().audit.len(), paths.len());
    assert!(files * 2 < nights, "{files} files of {nights} nights");
    let runs = opened.manifest().index.len();
    assert!(runs <= 7, "{runs} runs of the index");

    let before = support::lake_rows(&nightly, "audit").len();
    let done = compact(&Compact::new(nightly.clone())).expect("compacted");
    assert!(done.files_after * 2 < done.files_before, "{done:?}");
    assert_eq!(support::lake_rows(&nightly, "audit").len(), before);
    assert!(
        support::report_files(&nightly, &Options::default()) == reports,
        "compacted"
    );
    assert_whole(&nightly, home.path());

    // Every export once more, all in one run.
    let again = support::ingest(&support::plan(
        &nightly,
        &[&home.path().join("exports"), &home.path().join("year")],
    ));
    assert_eq!(again.total.accepted, 0, "L3");
}

fn assert_whole(lake: &Path, scratch: &Path) {
    let verified = verify(lake, scratch).expect("verified");
    assert_eq!(verified.findings, [], "{:?}", verified.notes);
}
