//! A lake has no file of what it has nothing of: the prelude of the queries must do without it.

use super::{Compared, OTHERS, assert_equal};
use crate::logs::{self, Event, Form, HOUR, at};
use crate::support;
use gatelog::report::options::Options;
use std::path::{Path, PathBuf};

/// Folders of a lake that have no file.
fn lacking(lake: &Path) -> Vec<&'static str> {
    let all = ["audit", "names", "users", "organizations", "rejects"];
    let has_none = |table: &&str| support::files(&lake.join(table)).is_empty();
    all.into_iter().filter(has_none).collect()
}

/// An ingest of these texts, each as a file of its own.
fn lake(home: &Path, name: &str, inputs: &[&str]) -> PathBuf {
    let lake = home.join(name);
    for (number, text) in inputs.iter().enumerate() {
        let input = support::write(&home.join(format!("{name} {number}.ndjson")), text);
        support::ingest(&support::plan(&lake, &[&input]));
    }
    lake
}

#[test]
fn l8_lakes_without_some_of_the_files_equal_their_sql() {
    let home = support::home();
    let on = |hour: i64| at("2026-03-01T08:00:00Z") + hour * HOUR;
    let events: Vec<Event> = (0..9).map(|hour| Event::access(on(hour), 64, Some(1))).collect();
    let log = Form::Lines.write(&logs::with_ids(events));
    let user = format!(
        "{{\"systemuserid\":\"{}\",\"fullname\":\"Wren Sample\"}}\n",
        logs::id('a', 1)
    );
    let unreadable = "{\"createdon\":\"never\",\"action\":64}\n";
    let lakes: [(&str, &[&str], &[&str]); 5] = [
        ("no reject", &[&log], &["rejects"]),
        ("no row", &[&user], &["audit", "rejects"]),
        ("rejects only", &[unreadable], &["audit"]),
        ("everything", &[&log, &user, unreadable], &[]),
        (
            "nothing",
            &[""],
            &["audit", "names", "users", "organizations", "rejects"],
        ),
    ];
    let compared = lakes.map(|(name, inputs, lacks)| {
        let lake = lake(home.path(), name, inputs);
        assert_eq!(lacking(&lake), lacks, "{name}");
        Compared::new(home.path(), name, &lake, Options::default())
    });
    let rows = assert_equal(home.path(), &compared);
    assert!(rows["sessions"] > 1 && rows["users"] > 2, "{rows:?}");
}

#[test]
fn l8_lakes_of_older_layouts_equal_their_sql() {
    let home = support::home();
    let compared = [1, 2, 3].map(|layout| {
        let lake = support::repository().join(format!("tests/fixtures/lakes/layout-{layout}"));
        Compared::new(home.path(), &format!("layout {layout}"), &lake, Options::default())
    });
    let rows = assert_equal(home.path(), &compared);
    assert!(OTHERS.iter().all(|table| rows[*table] >= 3), "{rows:?}");
}
