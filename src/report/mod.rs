//! Reports: the lake → finished tables (contract: design §4).
//!
//! Access is sampled and nothing is logged while auditing is off: a session's length is a bound, and the absence of
//! rows proves nothing. So every report is computed from the same three things per environment — the accesses in order
//! of time, the sessions cut from them, and the gaps in auditing — and says where its knowledge ends.

mod clients;
mod clock;
mod columns;
mod facts;
mod gap_table;
mod gaps;
pub mod kernel;
pub mod options;
pub mod runs;
mod sessions;
pub mod status;
pub mod table;

use crate::error::Result;
use crate::lake::Lake;
use facts::Facts;
use gaps::Gap;
use kernel::Session;
use options::Options;
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

/// One environment, read and worked out once for all reports.
struct Environment {
    facts: Facts,
    sessions: Vec<Session>,
    gaps: Vec<Gap>,
}

/// Computes the reports asked for, in that order.
pub fn compute(lake: &Lake, reports: &[Report], options: &Options) -> Result<Vec<Table>> {
    let environments = environments(lake, options)?;
    reports
        .iter()
        .map(|report| match report {
            Report::Sessions => {
                let judged: Vec<sessions::Judged<'_>> = environments.iter().map(Environment::judged).collect();
                sessions::table(&judged, options)
            }
            Report::Clients => {
                let counted: Vec<_> = environments.iter().map(|e| (&e.facts, e.sessions.as_slice())).collect();
                clients::table(&counted, options)
            }
            Report::Gaps => {
                let rows = environments
                    .iter()
                    .map(|e| gap_table::rows(lake, &e.facts, &e.sessions, &e.gaps, options));
                gap_table::table(rows.collect::<Result<_>>()?)
            }
        })
        .collect()
}

fn environments(lake: &Lake, options: &Options) -> Result<Vec<Environment>> {
    let (names, side) = (lake.names()?, lake.side()?);
    let asked = |environment: &&str| options.environment.as_deref().is_none_or(|asked| asked == *environment);
    let mut environments = Vec::new();
    for environment in lake.environments().into_iter().filter(asked) {
        let Some(facts) = Facts::load(lake, &names, &side, environment, options)? else {
            continue;
        };
        let sessions = kernel::sessions(
            &facts.created_on,
            &facts.actor,
            &facts.is_web,
            facts.actors.len(),
            facts.intervals.session_gap_us,
        );
        let gaps = gaps::find(&facts);
        environments.push(Environment { facts, sessions, gaps });
    }
    Ok(environments)
}

impl Environment {
    fn judged(&self) -> sessions::Judged<'_> {
        sessions::Judged {
            facts: &self.facts,
            sessions: &self.sessions,
            gaps: &self.gaps,
        }
    }
}
