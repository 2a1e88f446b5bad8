//! L4: every fault at every step that changes a file. After each, the lake opens and reports as before or after the run,
//! whoever globs sees each committed row once and no row twice, and the next run finishes the work: nothing is lost.
//!
//! The table that these tests count is in the README (*What was tried to break it*).

use crate::fault_disk::{Fault, FaultyDisk};
use crate::lake::assert_manifest_tells_the_truth;
use crate::support::{self, Row};
use gatelog::disk::Disk;
use gatelog::error::Result;
use gatelog::ingest::{self, Plan, Replay};
use gatelog::lake::Lake;
use gatelog::lake::compact::{Compact, compact};
use gatelog::report::options::Options;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A run on a lake, by a disk.
type Attempt<'s> = dyn Fn(&Path, Disk) -> Result<()> + 's;

/// A lake before and after a run, and the run.
struct Scenario<'s> {
    home: &'s Path,
    name: &'s str,
    old: PathBuf,
    new: PathBuf,
    run: Box<Attempt<'s>>,
}

/// The rows that a reader who globs finds, each at most once.
fn glob(lake: &Path) -> BTreeSet<Row> {
    let rows = support::lake_rows(lake, "audit");
    let ids: BTreeSet<_> = rows.iter().map(|row| row.get("audit_id").cloned()).collect();
    assert_eq!(ids.len(), rows.len(), "a row is seen twice");
    rows.into_iter().collect()
}

fn reports(lake: &Path) -> BTreeMap<&'static str, String> {
    Lake::open(lake).expect("the lake opens");
    support::csvs(lake, &Options::default())
}

fn generation(lake: &Path) -> u64 {
    Lake::open(lake).expect("the lake opens").manifest().generation
}

/// What a lake holds, however its files are cut: rows, rejects and side tables.
fn content(lake: &Path) -> BTreeMap<&'static str, Vec<Row>> {
    let tables = ["audit", "rejects", "names", "users", "organizations"];
    tables
        .into_iter()
        .map(|table| {
            let mut rows = support::lake_rows(lake, table);
            rows.sort();
            (table, rows)
        })
        .collect()
}

impl<'s> Scenario<'s> {
    fn new(
        home: &'s Path,
        name: &'s str,
        before: impl Fn(&Path),
        run: impl Fn(&Path, Disk) -> Result<()> + 's,
    ) -> Scenario<'s> {
        let (old, new) = (home.join(format!("{name}-old")), home.join(format!("{name}-new")));
        before(&old);
        support::copy(&old, &new);
        run(&new, Disk::default()).expect("it runs without faults");
        Scenario {
            home,
            name,
            old,
            new,
            run: Box::new(run),
        }
    }

    fn copy_of_old(&self) -> PathBuf {
        let lake = self.home.join(format!("{}-lake", self.name));
        if lake.exists() {
            std::fs::remove_dir_all(&lake).expect("removed");
        }
        support::copy(&self.old, &lake);
        lake
    }

    fn steps(&self) -> usize {
        let counting = FaultyDisk::new(None);
        (self.run)(&self.copy_of_old(), counting.disk()).expect("it runs without faults");
        counting.steps()
    }

    /// Tries every fault at every step; gives how many lakes were as before, and how many as after.
    fn try_all(&self) -> BTreeMap<Fault, [usize; 2]> {
        let steps = self.steps();
        assert!(steps > 10, "{}: {steps} steps", self.name);
        let states = [&self.old, &self.new].map(|lake| (reports(lake), glob(lake)));
        let generations = [&self.old, &self.new].map(|lake| generation(lake));
        assert_ne!(
            generations[0], generations[1],
            "{}: the run changes something",
            self.name
        );
        let finished = content(&self.new);
        let mut outcomes = BTreeMap::new();
        for fault in Fault::ALL {
            for step in 0..steps {
                let what = format!("{}: {fault:?} at step {step} of {steps}", self.name);
                let lake = self.copy_of_old();
                let faulty = FaultyDisk::new(Some((step, fault)));
                let ended = (self.run)(&lake, faulty.disk());
                let has_come = faulty.settle();
                assert!(has_come, "{what}: the fault has not come");

                let found = (reports(&lake), glob(&lake));
                let state = usize::from(generation(&lake) != generations[0]);
                assert_eq!(generation(&lake), generations[state], "{what}");
                assert_eq!(found.0, states[state].0, "{what}: neither old nor new");
                assert!(
                    found.1.is_superset(&states[0].1) || self.revises(),
                    "{what}: a row is lost"
                );
                assert!(
                    found.1.is_subset(&(&states[0].1 | &states[1].1)),
                    "{what}: a row from nowhere"
                );
                assert!(ended.is_err() || state == 1, "{what}: said to be done, and is not");
                outcomes.entry(fault).or_insert([0, 0])[state] += 1;

                (self.run)(&lake, Disk::default()).unwrap_or_else(|error| panic!("{what}: the next run: {error}"));
                assert_eq!(content(&lake), finished, "{what}: the next run finishes the work");
                assert_eq!(reports(&lake), states[1].0, "{what}");
                assert_manifest_tells_the_truth(&lake);
            }
        }
        println!("{}: {steps} steps, [old, new] by fault: {outcomes:?}", self.name);
        outcomes
    }

    /// Whether the run replaces rows by later versions of them.
    fn revises(&self) -> bool {
        self.name == "versions"
    }
}

fn line(id: u32, day: u32, action: i32) -> String {
    format!(
        "{{\"auditid\":\"{id:08}-0000-4000-8000-000000000000\",\"createdon\":\"2026-{:02}-{:02}T08:00:00Z\",\
         \"action\":{action},\"objectid\":\"{:08}-0000-4000-9000-000000000000\",\"objecttypecode\":\"systemuser\",\
         \"_objectid_value@OData.Community.Display.V1.FormattedValue\":\"Invented Person {}\"}}\n",
        1 + day / 28,
        1 + day % 28,
        id % 7,
        id % 7
    )
}

fn lines(ids: std::ops::Range<u32>) -> String {
    let action = |id: u32| [64, 65, 2][id as usize % 3];
    ids.map(|id| line(id, id % 60, action(id))).collect()
}

fn ingest(lake: &Path, paths: &[&Path], memory_bytes: usize, disk: Disk) -> Result<()> {
    let plan = Plan {
        memory_bytes,
        block_bytes: 2_000,
        disk,
        ..support::plan(lake, paths)
    };
    ingest::ingest(&plan, &|_| {}).map(drop)
}

/// Nothing fits into memory, or everything does.
const BUDGETS: [(&str, usize); 2] = [("spilled", 60_000), ("held", 64 << 20)];

#[test]
fn l4_an_ingest_survives_every_fault_at_every_step() {
    let home = support::home();
    let first = support::write(&home.path().join("first"), lines(0..40) + "broken\n");
    let second = support::write(&home.path().join("second"), lines(30..90) + "broken too\n");
    let users = support::write(
        &home.path().join("users.csv"),
        "systemuserid,fullname,isdisabled\n00000001-0000-4000-9000-000000000000,Invented Person One,0\n",
    );
    for (name, memory_bytes) in BUDGETS {
        let before = |lake: &Path| ingest(lake, &[&first], 64 << 20, Disk::default()).expect("it");
        let run = |lake: &Path, disk: Disk| ingest(lake, &[&second, &users], memory_bytes, disk);
        let outcomes = Scenario::new(home.path(), name, before, run).try_all();
        for fault in [Fault::Error, Fault::Kill, Fault::PowerLoss] {
            let [old, new] = outcomes[&fault];
            assert!(
                old > 0 && new > 0,
                "{fault:?} comes before and after the decision: {outcomes:?}"
            );
        }
    }
}

#[test]
fn l4_a_first_ingest_survives_every_fault_at_every_step() {
    let home = support::home();
    let log = support::write(&home.path().join("log"), lines(0..40));
    let empty = support::write(&home.path().join("empty"), "");
    // A lake without rows is there, since one that is not there cannot be opened.
    let before = |lake: &Path| {
        let side = support::write(
            &home.path().join("users.csv"),
            "systemuserid,fullname\n1,Invented Person\n",
        );
        ingest(lake, &[&side, &empty], 1 << 20, Disk::default()).expect("it");
    };
    let run = |lake: &Path, disk: Disk| ingest(lake, &[&log], 60_000, disk);
    Scenario::new(home.path(), "first", before, run).try_all();
}

#[test]
fn l4_versions_and_deletions_survive_every_fault_at_every_step() {
    let home = support::home();
    let header =
        "auditid,createdon,action,objectid,objectid_entitytype,objectidname,versionnumber,SinkModifiedOn,IsDelete\n";
    let rows = |ids: std::ops::Range<u32>, version: u32| -> String {
        ids.map(|id| {
            format!("row-{id},2026-03-{:02}T08:00:00Z,64,jane,systemuser,version {version},{version},2026-04-01T00:00:00Z,\n", 1 + id % 28)
        })
        .collect()
    };
    let first = support::write(&home.path().join("first.csv"), header.to_owned() + &rows(0..20, 100));
    let gone = "row-3,,,,,,,2026-05-01T00:00:00Z,True\nrow-99,,,,,,,2026-05-01T00:00:00Z,True\n";
    let second = support::write(
        &home.path().join("second.csv"),
        header.to_owned() + &rows(10..30, 200) + gone,
    );
    let before = |lake: &Path| ingest(lake, &[&first], 1 << 20, Disk::default()).expect("it");
    let run = |lake: &Path, disk: Disk| ingest(lake, &[&second], 60_000, disk);
    Scenario::new(home.path(), "versions", before, run).try_all();
}

#[test]
fn l4_a_night_that_merges_the_month_before_survives_every_fault_at_every_step() {
    let home = support::home();
    let night = |name: &str, ids: std::ops::Range<u32>| support::write(&home.path().join(name), lines(ids));
    // Days 0 to 27 are January.
    let nights: Vec<PathBuf> = (0..5)
        .map(|number| night(&format!("night-{number}"), number * 6..number * 6 + 6))
        .collect();
    // Late rows of January and those of the new month.
    let last = night("last", 26..36);
    let before = |lake: &Path| {
        nights[..4]
            .iter()
            .for_each(|log| ingest(lake, &[log], 64 << 20, Disk::default()).expect("it"));
    };
    let run = |lake: &Path, disk: Disk| ingest(lake, &[&nights[4], &last], 1 << 20, disk);
    let scenario = Scenario::new(home.path(), "month", before, run);
    let files = |lake: &Path| {
        let files = support::files(&lake.join("audit")).into_keys();
        files.filter(|name| name.contains("2026-01")).count()
    };
    assert_eq!((files(&scenario.old), files(&scenario.new)), (8, 2), "two kinds");
    let outcomes = scenario.try_all();
    assert!(outcomes[&Fault::Kill].iter().all(|&count| count > 0), "{outcomes:?}");
}

#[test]
fn l4_a_replay_survives_every_fault_at_every_step() {
    let home = support::home();
    let spelled = "auditid,createdon,action,objectid,objecttypecode\n\
                   x1,2026-03-01T08:00:00Z,64,jane,systemuser\n\
                   x2,2026-03-02T08:00:00Z,access of a kind,jane,systemuser\n\
                   x3,2/6/2026 11:55 AM,64,jane,systemuser\n";
    let log = support::write(&home.path().join("log.csv"), spelled);
    let before = |lake: &Path| ingest(lake, &[&log], 1 << 20, Disk::default()).expect("it");
    let run = |lake: &Path, disk: Disk| {
        let plan = Replay {
            date_order: Some(gatelog::instant::DateOrder::Mdy),
            disk,
            ..Replay::new(lake.to_owned())
        };
        ingest::replay(&plan).map(drop)
    };
    Scenario::new(home.path(), "replay", before, run).try_all();
}

#[test]
fn l4_a_compaction_survives_every_fault_at_every_step() {
    let home = support::home();
    let logs: Vec<PathBuf> = (0..4)
        .map(|day| support::write(&home.path().join(format!("log-{day}")), lines(day * 12..day * 12 + 24)))
        .collect();
    let before = |lake: &Path| {
        logs.iter()
            .for_each(|log| ingest(lake, &[log], 64 << 20, Disk::default()).expect("it"));
    };
    let run = |lake: &Path, disk: Disk| {
        let plan = Compact {
            disk,
            memory_bytes: 1 << 20,
            ..Compact::new(lake.to_owned())
        };
        compact(&plan).map(drop)
    };
    let scenario = Scenario::new(home.path(), "compact", before, run);
    let (files, rows) = (support::files(&scenario.old.join("audit")).len(), glob(&scenario.old));
    assert!(support::files(&scenario.new.join("audit")).len() < files);
    assert_eq!(glob(&scenario.new), rows);
    assert_eq!(reports(&scenario.new), reports(&scenario.old));
    let outcomes = scenario.try_all();
    assert!(outcomes[&Fault::Kill].iter().all(|&count| count > 0), "{outcomes:?}");
}
