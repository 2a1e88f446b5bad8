//! L4: a kill of a replay at any step loses no reject and doubles no row.
//!
//! The states are built from the outside, from a lake before a replay and the same lake after it; `kills.rs` kills the
//! program itself.

use crate::lake::assert_manifest_tells_the_truth;
use crate::logs::{self, Chance, Form, HOUR, at};
use crate::older::{replay, spoil, upgrade};
use crate::support::{self, files};
use gatelog::report::options::Options;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

struct Replayed {
    home: tempfile::TempDir,
    old: PathBuf,
    new: PathBuf,
    brought: Vec<String>,
    removed: Vec<String>,
}

/// A lake whose rejects are understood now but for one, and what it becomes.
fn replayed() -> Replayed {
    let home = support::home();
    let (old, new) = (home.path().join("old"), home.path().join("new"));
    let mut events = logs::unkind(&mut Chance::new(0), at("2026-02-27T20:00:00Z"), 8 * HOUR);
    events.iter_mut().for_each(|event| event.id = None);
    let log = spoil(&Form::Lines.write(&logs::with_ids(events))) + "broken\n";
    let log = support::write(&home.path().join("log"), log);
    support::ingest(&support::plan(&old, &[&log]));
    upgrade(&old);
    support::copy(&old, &new);
    let outcome = replay(&new);
    assert!(outcome.total.accepted > 3 && outcome.total.rejected == 1, "{outcome:?}");
    let is_new = |name: &String| fs::read(old.join(name)).ok() != fs::read(new.join(name)).ok();
    let names = |lake: &Path| {
        files(lake)
            .into_keys()
            .filter(|name| !["manifest.json", "lock"].contains(&name.as_str()))
    };
    let brought: Vec<String> = names(&new).filter(is_new).collect();
    let removed: Vec<String> = names(&old).filter(|name| !new.join(name).exists()).collect();
    assert!(
        brought.iter().any(|name| name.starts_with("rejects/")) && brought.len() >= 3,
        "{brought:?}"
    );
    assert!(
        removed.iter().filter(|name| name.starts_with("rejects/")).count() == 1,
        "{removed:?}"
    );
    Replayed {
        home,
        old,
        new,
        brought,
        removed,
    }
}

impl Replayed {
    /// The lake after a crash: the commit was decided and its first `steps` steps were taken. They are the moves, the
    /// manifest, the removals.
    fn decided(&self, steps: usize) -> PathBuf {
        let lake = self.home.path().join(format!("decided-{steps}"));
        support::copy(&self.old, &lake);
        let mut moves = Vec::new();
        for (number, name) in self.brought.iter().enumerate() {
            let staged = format!("staging/part-{number}.parquet");
            let place = if number < steps { name } else { &staged };
            support::write(&lake.join(place), fs::read(self.new.join(name)).expect("readable"));
            moves.push([staged, name.clone()]);
        }
        let next = fs::read(self.new.join("manifest.json")).expect("it");
        if steps > self.brought.len() {
            support::write(&lake.join("manifest.json"), &next);
        } else {
            support::write(&lake.join("staging/manifest.json"), &next);
        }
        for name in self.removed.iter().take(steps.saturating_sub(self.brought.len() + 1)) {
            fs::remove_file(lake.join(name)).expect("there");
        }
        let intent = json!({"moves": moves, "removes": self.removed});
        support::write(&lake.join("commit.json"), intent.to_string());
        lake
    }
}

#[test]
fn l4_a_decided_replay_is_readable_at_each_step_and_finished_by_the_next_run() {
    let states = replayed();
    let reports = |lake: &Path| support::csvs(lake, &Options::default());
    assert_ne!(reports(&states.old), reports(&states.new));
    let manifest = states.brought.len() + 1;
    for steps in 0..=manifest + states.removed.len() {
        let lake = states.decided(steps);
        let expected = if steps < manifest { &states.old } else { &states.new };
        assert_eq!(reports(&lake), reports(expected), "{steps} steps");
        let listed = support::gatelog(
            &states.home.path().join("."),
            &["rejects", "--format", "json", "--lake", &lake.to_string_lossy()],
        );
        let known = support::gatelog(
            &states.home.path().join("."),
            &["rejects", "--format", "json", "--lake", &expected.to_string_lossy()],
        );
        assert_eq!((listed.code, listed.stdout), (0, known.stdout), "{steps} steps");

        // The next run replays again, which finds nothing more.
        assert_eq!(replay(&lake).total.accepted, 0, "{steps} steps");
        assert!(support::held(&lake) == support::held(&states.new), "{steps} steps");
        assert_manifest_tells_the_truth(&lake);
    }
}

#[test]
fn l4_what_an_undecided_replay_staged_is_cleared_by_the_next_run() {
    let states = replayed();
    let lake = states.home.path().join("undecided");
    support::copy(&states.old, &lake);
    support::write(&lake.join("staging/rejects.parquet"), "half a fi");
    support::write(&lake.join("staging/run-0000-00000.parquet"), "half a fi");
    assert!(replay(&lake).total.accepted > 0);
    assert!(support::held(&lake) == support::held(&states.new));
}
