//! L4: a crash at any step leaves a readable lake, and the next run ends what was begun.
//!
//! The states a crash can leave are built from the outside, file by file, from a lake before and the same lake after a
//! commit; `kills.rs` kills the program itself.

use crate::lake::assert_manifest_tells_the_truth;
use crate::logs::{self, Chance, Form, HOUR, at};
use crate::support::{self, files};
use gatelog::ingest::{Fate, Plan};
use gatelog::report::options::Options;
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A lake before and after its second commit, and the export that brought the first.
struct Commit {
    home: tempfile::TempDir,
    first: PathBuf,
    old: PathBuf,
    new: PathBuf,
    /// Files that the second commit brought: name in the lake → where they lie.
    brought: Vec<(String, PathBuf)>,
}

impl Commit {
    fn new() -> Commit {
        let home = support::home();
        let (old, new) = (home.path().join("old"), home.path().join("new"));
        let log = |seed, start: &str, broken: &str| {
            let text = Form::Lines.write(&logs::unkind(&mut Chance::new(seed), at(start), 8 * HOUR)) + broken;
            support::write(&home.path().join(format!("log-{seed}")), text)
        };
        let first = log(1, "2026-02-27T20:00:00Z", "broken\n");
        // Another environment: the reports of the first keep their names, whichever names the lake holds.
        let second = log(2, "2026-02-28T20:00:00Z", "broken\n");
        support::ingest(&Plan {
            environment: Some("one".to_owned()),
            ..support::plan(&old, &[&first])
        });
        support::copy(&old, &new);
        support::ingest(&Plan {
            environment: Some("two".to_owned()),
            ..support::plan(&new, &[&second])
        });
        let is_brought = |(name, path): &(String, PathBuf)| {
            !["manifest.json", "lock"].contains(&name.as_str())
                && fs::read(old.join(name)).ok() != Some(fs::read(path).expect("readable"))
        };
        let brought: Vec<_> = files(&new).into_iter().filter(is_brought).collect();
        assert!(
            brought.iter().any(|(name, _)| name.starts_with("names/")),
            "{brought:?}"
        );
        assert!(brought.len() >= 4, "{brought:?}");
        Commit {
            first,
            old,
            new,
            brought,
            home,
        }
    }

    /// The lake after a crash: the commit was decided and its first `moved` files were moved.
    fn decided(&self, moved: usize) -> PathBuf {
        let lake = self.home.path().join(format!("decided-{moved}"));
        support::copy(&self.old, &lake);
        let mut moves = Vec::new();
        for (number, (name, path)) in self.brought.iter().enumerate() {
            let staged = format!("staging/part-{number}.parquet");
            let content = fs::read(path).expect("readable");
            support::write(&lake.join(if number < moved { name } else { &staged }), content);
            moves.push([staged, name.clone()]);
        }
        support::write(
            &lake.join("commit.json"),
            json!({"moves": moves, "removes": self.removed()}).to_string(),
        );
        support::write(
            &lake.join("staging/manifest.json"),
            fs::read(self.new.join("manifest.json")).expect("it"),
        );
        lake
    }

    /// Files that the second commit no longer needs.
    fn removed(&self) -> Vec<String> {
        files(&self.old)
            .into_keys()
            .filter(|name| !self.new.join(name).exists())
            .collect()
    }

    /// A run that has nothing to read: it only opens the lake for writing.
    fn next_run(&self, lake: &Path) {
        let outcome = support::ingest(&support::plan(lake, &[&self.first]));
        assert_eq!(outcome.reports[0].fate, Fate::AlreadyIngested);
    }
}

/// The rows that a reader who globs finds, each at most once.
fn glob(lake: &Path) -> BTreeSet<support::Row> {
    let rows = support::lake_rows(lake, "audit");
    let distinct: BTreeSet<support::Row> = rows.iter().cloned().collect();
    assert_eq!(distinct.len(), rows.len(), "a row is seen twice");
    distinct
}

#[test]
fn l4_a_decided_commit_is_readable_at_each_step_and_finished_by_the_next_run() {
    let commit = Commit::new();
    let reports = |lake: &Path| support::csvs(lake, &Options::default());
    let (old_rows, new_rows) = (glob(&commit.old), glob(&commit.new));
    for moved in 0..=commit.brought.len() {
        let lake = commit.decided(moved);
        assert_eq!(
            reports(&lake),
            reports(&commit.old),
            "{moved} moved: the manifest is still the old one"
        );
        let rows = glob(&lake);
        assert!(old_rows.is_subset(&rows) && rows.is_subset(&new_rows), "{moved} moved");

        commit.next_run(&lake);
        assert!(
            support::held(&lake) == support::held(&commit.new),
            "{moved} moved: the commit was not finished"
        );
        assert_manifest_tells_the_truth(&lake);
        assert_eq!(reports(&lake), reports(&commit.new));
    }
}

#[test]
fn l4_a_commit_that_was_all_but_cleaned_up_is_cleaned_up() {
    let commit = Commit::new();
    let lake = commit.decided(commit.brought.len());
    fs::copy(commit.new.join("manifest.json"), lake.join("manifest.json")).expect("copied");
    commit.next_run(&lake);
    assert!(support::held(&lake) == support::held(&commit.new));
    assert!(!lake.join("staging").exists());
}

#[test]
fn l4_what_an_undecided_commit_staged_is_cleared_by_the_next_run() {
    let commit = Commit::new();
    let lake = commit.home.path().join("undecided");
    support::copy(&commit.old, &lake);
    support::write(&lake.join("staging/run-0000-00000.parquet"), "half a fi");
    support::write(&lake.join("staging/deeper/junk"), "");
    assert_eq!(glob(&lake), glob(&commit.old), "what is staged is not seen");
    commit.next_run(&lake);
    assert!(support::held(&lake) == support::held(&commit.old));
    assert!(!lake.join("staging").exists());
}

#[test]
fn l4_a_half_written_decision_decides_nothing() {
    let commit = Commit::new();
    let lake = commit.decided(0);
    let decision = fs::read(lake.join("commit.json")).expect("built");
    fs::remove_file(lake.join("commit.json")).expect("built");
    support::write(&lake.join("commit.tmp"), &decision[..decision.len() / 2]);
    commit.next_run(&lake);
    assert_eq!(
        support::csvs(&lake, &Options::default()),
        support::csvs(&commit.old, &Options::default())
    );
    // The next commit takes the same way and leaves nothing beside it.
    let second = commit.home.path().join("log-2");
    support::ingest(&Plan {
        environment: Some("two".to_owned()),
        ..support::plan(&lake, &[&second])
    });
    assert_eq!(support::contents(&lake), support::contents(&commit.new));
    assert_manifest_tells_the_truth(&lake);
}

#[test]
fn a_decision_that_cannot_be_read_stops_writers_with_its_path() {
    let commit = Commit::new();
    let lake = commit.decided(0);
    support::write(&lake.join("commit.json"), "{");
    let error = gatelog::ingest::ingest(&support::plan(&lake, &[&commit.first]), &|_| {}).expect_err("broken");
    assert_eq!(error.path, Some(lake.join("commit.json")));
    assert!(lake.join("staging").exists(), "nothing is thrown away");
}
