//! L4 on the program itself: `kill -9` at hundreds of moments of an ingest that spills and one that does not, a
//! compaction and a replay.
//!
//! Moments are spread over the duration of a run that nobody disturbs; every third kill waits until the commit is
//! decided, and strikes within what follows. Now and then the run that recovers is killed as well. `GATELOG_KILLS` says
//! how many kills there are in all, 300 if it does not; what came of them is printed, for the README.

use crate::logs::{self, Chance, Form, HOUR, at};
use crate::older::{spoil, upgrade};
use crate::support::{self, Ended, gatelog};
use arrow::array::AsArray;
use arrow::datatypes::TimestampMicrosecondType;
use gatelog::generate;
use gatelog::lake::Lake;
use gatelog::report::options::Options;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const SCENARIOS: usize = 4;

fn kills() -> usize {
    let asked = std::env::var("GATELOG_KILLS").map(|text| text.parse().expect("GATELOG_KILLS is a number"));
    asked.unwrap_or(300_usize).div_ceil(SCENARIOS)
}

/// What readers see of a lake.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    generation: u64,
    reports: BTreeMap<&'static str, String>,
    rejects: BTreeMap<String, u64>,
}

impl Seen {
    fn of(lake: &Path) -> Seen {
        let opened = Lake::open(lake).expect("the lake opens");
        Seen {
            generation: opened.manifest().generation,
            reports: support::csvs(lake, &Options::default()),
            rejects: opened.reject_counts(None).expect("rejects"),
        }
    }
}

/// The rows that whoever globs finds, each of them once.
fn glob(lake: &Path) -> BTreeSet<(String, i64)> {
    let mut rows = BTreeSet::new();
    for path in support::files(&lake.join("audit")).values() {
        let file = File::open(path).expect("a file");
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("a whole file");
        let both = ProjectionMask::columns(reader.parquet_schema(), ["audit_id", "created_on"]);
        for batch in reader.with_projection(both).build().expect("readable") {
            let batch = batch.expect("rows");
            let column = |name| batch.column_by_name(name).expect("it");
            let ids = column("audit_id").as_string::<i32>();
            let times = column("created_on").as_primitive::<TimestampMicrosecondType>();
            for (id, on) in ids.iter().zip(times.values()) {
                let id = id.expect("every row of these logs has an id");
                assert!(rows.insert((id.to_owned(), *on)), "{id} is seen twice");
            }
        }
    }
    rows
}

/// When a run is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// So long after its start.
    Started(Duration),
    /// So long after its commit was decided.
    Decided(Duration),
}

/// What was found after a kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    /// The old lake; nothing was decided.
    Old,
    /// The old lake, and a commit that is decided.
    Decided,
    /// The new lake.
    New,
    /// The run had ended by itself.
    Ended,
}

/// A lake, a run that changes it, and what it becomes.
struct Scenario {
    home: tempfile::TempDir,
    name: &'static str,
    command: Vec<String>,
    old: PathBuf,
    new: PathBuf,
    /// Of a run that nobody disturbs: until its commit is decided, and from there to its end.
    durations: [Duration; 2],
}

impl Scenario {
    /// `command` turns the lake that lies at `home/old` into another one.
    fn new(home: tempfile::TempDir, name: &'static str, command: &str) -> Scenario {
        let mut scenario = Scenario {
            name,
            command: command.split(' ').map(str::to_owned).collect(),
            old: home.path().join("old"),
            new: home.path().join("new"),
            durations: [Duration::MAX; 2],
            home,
        };
        scenario.measure();
        scenario
    }

    /// Makes the new lake, undisturbed, and takes the time of it: the shorter of two, since the machine may be busy.
    fn measure(&mut self) {
        self.durations = [Duration::MAX; 2];
        for _ in 0..2 {
            let _ = fs::remove_dir_all(&self.new);
            support::copy(&self.old, &self.new);
            let clock = Instant::now();
            let mut program = self.begin(&self.new);
            wait_for_decision(&self.new, &mut program);
            let decided = clock.elapsed();
            assert!(program.wait().expect("ended").success());
            let [before, after] = self.durations;
            self.durations = [before.min(decided), after.min(clock.elapsed() - decided)];
        }
    }

    fn arguments(&self, lake: &Path) -> Vec<String> {
        let lake = ["--lake".to_owned(), lake.to_string_lossy().into_owned()];
        self.command.iter().cloned().chain(lake).collect()
    }

    fn begin(&self, lake: &Path) -> Child {
        let mut program = support::program(self.home.path());
        program.args(self.arguments(lake)).stderr(Stdio::null());
        program.spawn().expect("started")
    }

    fn moment(&self, kill: usize, chance: &mut Chance) -> Moment {
        let [before, after] = self.durations;
        let mut share_of = |duration: Duration| duration.mul_f64(chance.below(1_000) as f64 / 1_000.0);
        match kill % 3 {
            2 => Moment::Decided(share_of(after)),
            _ => Moment::Started(share_of(before + after)),
        }
    }

    /// Begins the run and kills it; false when it has ended by itself.
    fn kill(&self, lake: &Path, moment: Moment) -> bool {
        let mut program = self.begin(lake);
        match moment {
            Moment::Started(after) => std::thread::sleep(after),
            Moment::Decided(after) => {
                wait_for_decision(lake, &mut program);
                std::thread::sleep(after);
            }
        }
        program.kill().expect("it may have ended, which is fine");
        let status = program.wait().expect("ended");
        assert!(
            status.success() || status.code().is_none(),
            "{}: ended with {status} before it was killed",
            self.name
        );
        !status.success()
    }

    /// Kills runs, and looks at the lake after each kill and after the run that follows it.
    fn try_all(mut self) -> Outcomes {
        let mut chance = Chance::new(self.name.len() as u64);
        let (kills, states) = (kills(), [Seen::of(&self.old), Seen::of(&self.new)]);
        let rows = [glob(&self.old), glob(&self.new)];
        let held = support::held(&self.new);
        let mut outcomes = Outcomes::default();
        for round in 1.. {
            if outcomes.kills() >= kills {
                break;
            }
            if round % 16 == 0 {
                self.measure();
            }
            let lake = self.home.path().join(format!("killed-{round}"));
            support::copy(&self.old, &lake);
            // Every fourth run is followed by one that is killed as well.
            for _ in 0..1 + usize::from(round % 4 == 3) {
                let moment = self.moment(outcomes.kills(), &mut chance);
                let what = format!("{}, round {round}: {moment:?}", self.name);
                let was_killed = self.kill(&lake, moment);
                outcomes.spilled += usize::from(lake.join("staging/run-0000.rows").exists());
                let found = self.look(&lake, &states, &rows, &what);
                let outcome = if was_killed { found } else { Found::Ended };
                *outcomes.found.entry(outcome).or_default() += 1;
            }
            let what = format!("{}, after round {round}", self.name);
            outcomes.notes += usize::from(self.recover(&lake, &what));
            assert!(support::held(&lake) == held, "{what}: not the lake without kills");
            assert!(glob(&lake) == rows[1], "{what}");
            assert!(Seen::of(&lake).reports == states[1].reports, "{what}");
            fs::remove_dir_all(lake).expect("removed");
        }
        outcomes.print(&self);
        outcomes
    }

    /// What a killed run has left: the lake before or after, whole, whoever reads it.
    fn look(&self, lake: &Path, states: &[Seen; 2], rows: &[BTreeSet<(String, i64)>; 2], what: &str) -> Found {
        let seen = Seen::of(lake);
        let is_decided = lake.join("commit.json").exists();
        let is_new = seen.generation > states[0].generation;
        let state = &states[usize::from(is_new)];
        assert!(seen.reports == state.reports, "{what}: neither old nor new");
        assert_eq!(seen.rejects, state.rejects, "{what}");
        let found = glob(lake);
        assert!(rows[0].is_subset(&found), "{what}: a row is lost");
        assert!(found.is_subset(&rows[1]), "{what}: a row from nowhere");
        assert!(!is_new || found == rows[1], "{what}: a row is missing");
        let verified = self.verify(lake, what);
        assert_eq!(verified.stderr.contains("a commit is decided"), is_decided, "{what}");
        match (is_new, is_decided) {
            (true, _) => Found::New,
            (false, true) => Found::Decided,
            (false, false) => Found::Old,
        }
    }

    fn verify(&self, lake: &Path, what: &str) -> Ended {
        let verified = gatelog(self.home.path(), &["verify", "--lake", &lake.to_string_lossy()]);
        assert_eq!(verified.code, 0, "{what}: {verified:?}");
        verified
    }

    /// The next run finishes the work; says whether it met a lock that was left, as it must tell.
    fn recover(&self, lake: &Path, what: &str) -> bool {
        let left = fs::read_to_string(lake.join("lock")).unwrap_or_default();
        let was_decided = lake.join("commit.json").exists();
        let ended = gatelog(self.home.path(), &self.arguments(lake));
        assert_eq!(ended.code, 0, "{what}: {ended:?}");
        let note = format!("note: the last writer, {} (pid ", self.command[0]);
        let outcome = match was_decided {
            true => "its commit was decided, and is finished now",
            false => "what it had begun and not committed is cleared",
        };
        assert_eq!(
            ended.stderr.contains(&note) && ended.stderr.contains(outcome),
            !left.is_empty(),
            "{what}: {left:?} {ended:?}"
        );
        self.verify(lake, what);
        for left in ["staging", "commit.json", "commit.tmp"] {
            assert!(!lake.join(left).exists(), "{what}: {left} is left");
        }
        !left.is_empty()
    }
}

/// Waits until the run has decided its commit, or has ended.
fn wait_for_decision(lake: &Path, program: &mut Child) {
    while !lake.join("commit.json").exists() && program.try_wait().expect("a process").is_none() {
        std::thread::sleep(Duration::from_micros(50));
    }
}

#[derive(Default)]
struct Outcomes {
    found: BTreeMap<Found, usize>,
    /// Kills that left rows which were spilled.
    spilled: usize,
    /// Runs that met a lock which was left.
    notes: usize,
}

impl Outcomes {
    /// Runs that were killed; one that has ended before is none.
    fn kills(&self) -> usize {
        [Found::Old, Found::Decided, Found::New]
            .map(|found| self.of(found))
            .iter()
            .sum()
    }

    fn of(&self, found: Found) -> usize {
        self.found.get(&found).copied().unwrap_or_default()
    }

    fn print(&self, scenario: &Scenario) {
        println!(
            "{}: {} kills in runs of {:?}: {} before the decision, {} after it, {} with the new lake in place ({} more \
             came too late); {} left spilled rows, {} runs met a lock that was left; 0 rows lost, 0 doubled",
            scenario.name,
            self.kills(),
            scenario.durations,
            self.of(Found::Old),
            self.of(Found::Decided),
            self.of(Found::New),
            self.of(Found::Ended),
            self.spilled,
            self.notes,
        );
    }

    /// The kills came at all the moments they were meant for.
    fn assert_spread(&self) {
        let kills = self.kills();
        assert!(self.of(Found::Old) * 5 > kills, "{:?}", self.found);
        let decided = self.of(Found::Decided) + self.of(Found::New);
        assert!(decided * 10 > kills, "{:?}", self.found);
        assert!(self.of(Found::Ended) < kills, "{:?}", self.found);
        assert!(self.notes * 5 > kills, "{} locks were left", self.notes);
    }
}

/// A folder with an export of two months: people and services, changes of several kinds, and a line that is broken.
fn export(home: &Path, name: &str, seed: u64, rows: u64) -> PathBuf {
    let plan = generate::Plan {
        seed,
        access_rows: rows,
        change_rows: rows,
        days: 50,
        ..generate::Plan::default()
    };
    let folder = home.join(name);
    generate::generate(&plan, generate::Form::Ndjson, &folder).expect("generated");
    support::write(&folder.join("broken.ndjson"), format!("broken by {name}\n"));
    folder
}

/// An ingest with so many MiB of memory into a lake that has rows; a third of what comes is known.
fn ingest(name: &'static str, memory: &str) -> Scenario {
    let home = support::home();
    let first = export(home.path(), "first", 1, 500);
    let second = export(home.path(), "second", 2, 1_000);
    support::copy(&first, &second.join("again"));
    support::ingest(&support::plan(&home.path().join("old"), &[&first]));
    let command = format!(
        "ingest second --environment {} --max-rejects 9 --memory {memory} --block-bytes 100000",
        support::ENVIRONMENT
    );
    Scenario::new(home, name, &command)
}

#[test]
fn l4_a_killed_ingest_that_spills_leaves_the_old_lake_or_the_new_one() {
    let outcomes = ingest("ingest, spilled", "1").try_all();
    outcomes.assert_spread();
    assert!(
        outcomes.spilled * 10 > outcomes.kills(),
        "{} kills left spilled rows",
        outcomes.spilled
    );
}

#[test]
fn l4_a_killed_ingest_held_in_memory_leaves_the_old_lake_or_the_new_one() {
    let outcomes = ingest("ingest, held", "512").try_all();
    outcomes.assert_spread();
    assert_eq!(outcomes.spilled, 0);
}

#[test]
fn l4_a_killed_compaction_leaves_the_old_lake_or_the_new_one() {
    let home = support::home();
    let old = home.path().join("old");
    // As many as are not merged by themselves.
    for seed in 0..4 {
        let log = export(home.path(), &format!("log-{seed}"), seed, 100);
        support::ingest(&support::plan(&old, &[&log]));
    }
    let scenario = Scenario::new(home, "compact", "compact --memory 1");
    let files = |lake: &Path| support::files(&lake.join("audit")).len();
    assert!(files(&scenario.new) * 3 < files(&scenario.old), "months were merged");
    scenario.try_all().assert_spread();
}

#[test]
fn l4_a_killed_replay_leaves_the_old_lake_or_the_new_one() {
    let home = support::home();
    let old = home.path().join("old");
    let mut events = Vec::new();
    for seed in 0..60 {
        let start = at("2026-02-27T20:00:00Z");
        events.extend(logs::unkind(&mut Chance::new(seed), start, 8 * HOUR));
    }
    events.iter_mut().for_each(|event| event.id = None);
    let log = spoil(&Form::Lines.write(&logs::with_ids(events))) + "broken\n";
    let log = support::write(&home.path().join("log"), log);
    support::ingest(&support::plan(&old, &[&log]));
    upgrade(&old);
    let scenario = Scenario::new(home, "replay", "replay --max-rejects 1");
    let rows = [&scenario.old, &scenario.new].map(|lake| glob(lake).len());
    assert!(rows[1] > rows[0] + 200, "most rejects were understood: {rows:?}");
    scenario.try_all().assert_spread();
}
