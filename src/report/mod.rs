//! Reports: the lake → finished tables (contract: design §4).
//!
//! Access is sampled and nothing is logged while auditing is off: a session's length is a bound, and the absence of
//! rows proves nothing. So every report is computed from the same three things per environment — the accesses in order
//! of time, the sessions cut from them, and the gaps in auditing — and says where its knowledge ends.
//!
//! ```text
//! control rows ──▶ gaps ─┬──▶ control                    ┌─▶ counts per day ─▶ clients · coverage
//!                        ▼                               ├─▶ counts per hour of the week ─▶ activity
//! accesses, once, in order of time ──▶ pass ──────────────┼─▶ counts per actor ─▶ users
//!                                                        ├─▶ evidence ─▶ gaps
//!                                                        ├─▶ windows, counts per five minutes ─▶ silence
//!                                                        └─▶ store (memory, then a file) ─▶ by actor ─▶ cut ─▶ sessions
//! ```
//!
//! What stands behind a row is told by [`explain`](mod@explain). Beside the reports stand the tables of a model for BI ([`model`]), which say what the reports' keys mean.
//!
//! Memory does not grow with the log: the pass keeps some bytes per actor and some per day, the store a fixed number
//! of sightings, and the sessions table makes its rows as they are written.

mod activity;
mod audited;
mod bits;
mod clients;
pub mod clock;
mod control;
mod coverage;
mod cut;
mod daily;
mod days;
mod evidence;
pub mod explain;
mod facts;
mod found;
mod gap_table;
mod gaps;
pub mod kernel;
mod limits;
pub mod model;
pub mod options;
mod packed;
mod pass;
mod people;
pub mod runs;
mod sessions;
mod silence;
pub mod status;
mod store;
pub mod table;
mod users;
mod values;

pub use store::Scratch;

use crate::error::Result;
use crate::lake::Lake;
use arrow::datatypes::SchemaRef;
use found::{Found, Known};
use options::{Evidence, Options};
use table::Table;

/// A report by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Report {
    Sessions,
    Clients,
    Gaps,
    Coverage,
    Users,
    Activity,
    Control,
    Silence,
}

impl Report {
    pub const ALL: [Report; 8] = [
        Report::Sessions,
        Report::Clients,
        Report::Gaps,
        Report::Coverage,
        Report::Users,
        Report::Activity,
        Report::Control,
        Report::Silence,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Report::Sessions => "sessions",
            Report::Clients => "clients",
            Report::Gaps => "gaps",
            Report::Coverage => "coverage",
            Report::Users => "users",
            Report::Activity => "activity",
            Report::Control => "control",
            Report::Silence => "silence",
        }
    }

    /// What a row of it stands for.
    pub fn meaning(self) -> &'static str {
        match self {
            Report::Sessions => "One row per session: a run of one actor's accesses without a longer pause.",
            Report::Clients => "One row per environment, period and client that was used.",
            Report::Gaps => {
                "One row per stretch of time in which auditing was off, with the evidence for and against it."
            }
            Report::Coverage => "One row per environment and day of the log: how much of it was audited.",
            Report::Users => "One row per person seen and per known user, the never-seen included.",
            Report::Activity => "One row per environment, hour of the week and client that was used.",
            Report::Control => "One row per change of auditing itself, as a readable timeline.",
            Report::Silence => {
                "One row per stretch of time without any access that the log's own rhythm makes implausible."
            }
        }
    }

    /// Its columns, with their meanings.
    pub fn schema(self) -> SchemaRef {
        match self {
            Report::Sessions => sessions::schema(Evidence::All),
            Report::Clients => clients::SCHEMA.clone(),
            Report::Gaps => gap_table::SCHEMA.clone(),
            Report::Coverage => coverage::SCHEMA.clone(),
            Report::Users => users::SCHEMA.clone(),
            Report::Activity => activity::SCHEMA.clone(),
            Report::Control => control::SCHEMA.clone(),
            Report::Silence => silence::SCHEMA.clone(),
        }
    }
}

/// Computes the reports asked for, in that order. What has no room in memory goes to `scratch`.
pub fn compute(lake: &Lake, reports: &[Report], options: &Options, scratch: &Scratch) -> Result<Vec<Table>> {
    let known = Known::of(lake, reports, options)?;
    let mut found = Found::new(lake, reports, options, scratch);
    found.take_all(&known)?;
    found.tables()
}
