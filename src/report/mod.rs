//! Reports: the lake → finished tables (contract: design §4).
//!
//! Access is sampled and nothing is logged while auditing is off: a session's length is a bound, and the absence of
//! rows proves nothing. So every report is computed from the same three things per environment — the accesses in order
//! of time, the sessions cut from them, and the gaps in auditing — and says where its knowledge ends.
//!
//! ```text
//! control rows ──▶ gaps ─┐
//! accesses, once, in order of time ──▶ pass ──▶ counts per day ─▶ clients · evidence ─▶ gaps
//!                                         └──▶ ended sessions ─▶ store (memory, then a file) ─▶ sessions
//! ```
//!
//! Memory does not grow with the log: the pass keeps some bytes per actor and some per day, the store a fixed share of
//! sessions, and the sessions table makes its rows as they are written.

mod clients;
mod clock;
mod columns;
mod daily;
mod evidence;
mod facts;
mod gap_table;
mod gaps;
pub mod kernel;
pub mod options;
mod pass;
pub mod runs;
mod sessions;
pub mod status;
mod store;
pub mod table;

pub use store::Scratch;

use crate::error::Result;
use crate::lake::Lake;
use arrow::array::RecordBatch;
use daily::Daily;
use evidence::Witness;
use facts::Facts;
use gaps::Switched;
use kernel::Running;
use options::{Intervals, Options};
use pass::Pass;
use sessions::{Limits, Part};
use std::collections::HashMap;
use store::Store;
use table::Table;

/// A report by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    Sessions,
    Clients,
    Gaps,
}

impl Report {
    pub const ALL: [Report; 3] = [Report::Sessions, Report::Clients, Report::Gaps];

    pub fn name(self) -> &'static str {
        match self {
            Report::Sessions => "sessions",
            Report::Clients => "clients",
            Report::Gaps => "gaps",
        }
    }
}

/// Computes the reports asked for, in that order. What has no room in memory goes to `scratch`.
pub fn compute(lake: &Lake, reports: &[Report], options: &Options, scratch: &Scratch) -> Result<Vec<Table>> {
    let (names, side) = (lake.names()?, lake.side()?);
    let mut found = Found::new(scratch);
    let asked = |environment: &&str| options.environment.as_deref().is_none_or(|asked| asked == *environment);
    for environment in lake.environments().into_iter().filter(asked) {
        let as_of = options.as_of.unwrap_or(i64::MAX);
        let Some((log_start, last)) = lake.window(environment).filter(|(first, _)| *first <= as_of) else {
            continue;
        };
        let facts = Facts {
            environment: environment.to_owned(),
            log_start,
            log_end: options.as_of.unwrap_or(last),
            actors: Vec::new(),
            first_actor: found.actors_end(),
            intervals: Intervals::of(side.organization(environment), options),
            names: owned(names.newest(environment, &side)),
        };
        found.take_environment(lake, reports, options, facts)?;
    }
    found.tables(reports)
}

/// What the reports are made of, environment by environment.
struct Found {
    clients: Vec<RecordBatch>,
    gaps: Vec<RecordBatch>,
    parts: Vec<Part>,
    store: Store,
}

impl Found {
    fn new(scratch: &Scratch) -> Found {
        Found {
            clients: Vec::new(),
            gaps: Vec::new(),
            parts: Vec::new(),
            store: Store::new(scratch),
        }
    }

    fn actors_end(&self) -> u32 {
        self.parts.last().map_or(0, |part| part.facts.actors_end())
    }

    fn take_environment(&mut self, lake: &Lake, reports: &[Report], options: &Options, mut facts: Facts) -> Result<()> {
        let as_of = options.as_of.unwrap_or(i64::MAX);
        let log = lake.access_log(&facts.environment, as_of)?;
        let switched = Switched {
            log_start: facts.log_start,
            log_end: facts.log_end,
            control: &lake.control_rows(&facts.environment, as_of)?,
        };
        let gaps = gaps::find(&switched, |instants| log.last_up_to(instants))?;
        let chosen = match reports.contains(&Report::Gaps) {
            true => gap_table::chosen(&facts, &gaps, options),
            false => Vec::new(),
        };
        let windows = chosen.iter().map(|gap| gap.window).collect();
        let (intervals, actors, before) = (facts.intervals, log.actors().len(), self.store.len());
        let daily = || Daily::new(actors, (facts.log_start, facts.log_end), options.tz);
        let mut pass = Pass {
            running: Running::new(facts.first_actor, actors, intervals.session_gap_us, options.tz),
            daily: reports.contains(&Report::Clients).then(daily),
            witness: Witness::new(windows, intervals.audit_interval_us),
            store: reports.contains(&Report::Sessions).then_some(&mut self.store),
            options,
            ended: Vec::new(),
        };
        log.read(|accesses| pass.take(accesses))?;
        let (daily, witness) = pass.finish()?;
        facts.actors = log.into_actors();
        if let Some(daily) = daily {
            self.clients.push(clients::rows(&facts, &daily.finish(), options)?);
        }
        if reports.contains(&Report::Gaps) {
            self.gaps
                .push(gap_table::rows(lake, &facts, chosen, witness.evidence())?);
        }
        self.parts.push(Part {
            limits: Limits::new(&facts, &gaps),
            sessions: self.store.len() - before,
            facts,
        });
        Ok(())
    }

    fn tables(self, reports: &[Report]) -> Result<Vec<Table>> {
        let sessions = sessions::table(self.parts, self.store.finish())?;
        let (clients, gaps) = (clients::table(self.clients)?, gap_table::table(self.gaps)?);
        let table = |report: &Report| match report {
            Report::Sessions => sessions.clone(),
            Report::Clients => clients.clone(),
            Report::Gaps => gaps.clone(),
        };
        Ok(reports.iter().map(table).collect())
    }
}

fn owned(names: HashMap<&str, &str>) -> HashMap<String, String> {
    names
        .into_iter()
        .map(|(id, name)| (id.to_owned(), name.to_owned()))
        .collect()
}
