//! L4: a commit of later versions of rows, which replaces files by others of their name, is seen as a whole or not at
//! all: after a kill at any step of it, and by a report that it comes upon.

use crate::fault_disk::{Fault, FaultyDisk};
use crate::lake::assert_manifest_tells_the_truth;
use crate::support;
use gatelog::error::Result;
use gatelog::ingest::{self, Plan};
use gatelog::lake::Lake;
use gatelog::report::options::Options;
use gatelog::report::{self, Report, Scratch};
use gatelog::write::csv;
use std::path::{Path, PathBuf};

const HEADER: &str = "auditid,createdon,action,objectid,objectid_entitytype,versionnumber,SinkModifiedOn,IsDelete\n";

/// Rows of two months, all of this action and version.
fn rows(action: i32, version: u32) -> String {
    let row = |id: u32| {
        format!(
            "row-{id},2026-0{}-{:02}T08:00:00Z,{action},jane,systemuser,{version},2026-04-01T00:00:00Z,\n",
            2 + id % 2,
            1 + id
        )
    };
    HEADER.to_owned() + &(0..20).map(row).collect::<String>()
}

/// The sessions and clients of a lake as it was when it was opened.
fn reports(lake: &Lake) -> Result<Vec<String>> {
    let scratch = Scratch::new(std::env::temp_dir());
    let tables = report::compute(lake, &Report::ALL, &Options::default(), &scratch)?;
    let text = |table| {
        let mut text = Vec::new();
        csv::write(table, &mut text).expect("memory");
        String::from_utf8(text).expect("CSV is UTF-8")
    };
    Ok(tables.iter().map(text).collect())
}

/// A lake, and an export of later versions of its rows.
struct Versions {
    home: tempfile::TempDir,
    /// The reports before and after.
    states: [Vec<String>; 2],
    steps: usize,
}

impl Versions {
    fn new() -> Versions {
        let home = support::home();
        let first = support::write(&home.path().join("first.csv"), rows(64, 100));
        support::write(&home.path().join("second.csv"), rows(65, 200));
        support::ingest(&support::plan(&home.path().join("old"), &[&first]));
        let mut versions = Versions {
            home,
            states: Default::default(),
            steps: 0,
        };
        let lake = versions.copy("new");
        let before = reports(&Lake::open(&lake).expect("it opens")).expect("reports");
        versions.steps = versions.ingest(&lake, None);
        let after = reports(&Lake::open(&lake).expect("it opens")).expect("reports");
        assert_ne!(before, after);
        versions.states = [before, after];
        versions
    }

    fn copy(&self, name: &str) -> PathBuf {
        let lake = self.home.path().join(name);
        support::copy(&self.home.path().join("old"), &lake);
        lake
    }

    /// Ingests the later versions, killed before a step; gives the number of steps.
    fn ingest(&self, lake: &Path, killed_before: Option<usize>) -> usize {
        let faulty = FaultyDisk::new(killed_before.map(|step| (step, Fault::Kill)));
        let plan = Plan {
            disk: faulty.disk(),
            ..support::plan(lake, &[&self.home.path().join("second.csv")])
        };
        // A kill at the very end may go unseen.
        assert!(ingest::ingest(&plan, &|_| {}).is_ok() || killed_before.is_some());
        faulty.steps()
    }
}

#[test]
fn l4_a_killed_commit_of_versions_leaves_the_old_reports_or_the_new_ones() {
    let versions = Versions::new();
    let mut found = [0, 0];
    for step in 0..versions.steps {
        let lake = versions.copy(&format!("killed-{step}"));
        versions.ingest(&lake, Some(step));
        let opened = Lake::open(&lake).expect("it opens");
        let state = opened.manifest().generation as usize - 1;
        let (seen, of) = (reports(&opened).expect("reports"), versions.steps);
        assert_eq!(
            seen,
            versions.states[state],
            "step {step} of {of}, generation {}",
            state + 1
        );
        found[state] += 1;
        versions.ingest(&lake, None);
        assert_eq!(
            reports(&Lake::open(&lake).expect("it opens")).expect("reports"),
            versions.states[1]
        );
        assert_manifest_tells_the_truth(&lake);
    }
    assert!(found.iter().all(|&count| count > 2), "{found:?}");
}

#[test]
fn a_report_that_meets_a_commit_of_versions_is_of_one_state() {
    let versions = Versions::new();
    let mut repeated = 0;
    for step in 0..=versions.steps {
        let lake = versions.copy(&format!("met-{step}"));
        let mut readings = 0;
        let seen = Lake::read(&lake, |opened| {
            readings += 1;
            if readings == 1 {
                versions.ingest(&lake, Some(step).filter(|step| *step < versions.steps));
            }
            reports(opened)
        });
        let state = Lake::open(&lake).expect("it opens").manifest().generation as usize - 1;
        assert_eq!(seen.expect("reports"), versions.states[state], "step {step}");
        repeated += usize::from(readings > 1);
    }
    assert!(repeated > 5 && repeated < versions.steps, "{repeated} were read again");
}
