//! What stands behind a session, a status or a number of one actor: its rows, gaps, rule and thresholds, in sentences.
//!
//! Nothing is computed a second time: the reports' own pass runs over the environment, and an explanation holds their
//! rows ([`Record`]) beside the sentences that say why. Only rows of the log are looked up in addition.
//!
//! ```text
//! actor ──who──▶ environment, id ──case──▶ pass of the reports ─┬─▶ verdict: status and why
//!                                                               └─▶ moment: what is known of one instant
//! ```

mod case;
mod moment;
mod record;
mod say;
mod verdict;
pub(super) mod watch;
mod who;

pub use moment::{Moment, Row, Told};
pub use record::Record;
pub use verdict::Standing;
pub use who::{Name, Who};

use super::options::Options;
use super::status;
use crate::error::Result;
use crate::instant::{MICROS_PER_SECOND, to_text};
use crate::lake::Lake;
use crate::lake::side::Side;
use case::Case;
use serde::Serialize;

/// Who, and of which instant, is to be explained. Instants in micros.
#[derive(Debug, Clone)]
pub struct Asked {
    /// An id, or a name.
    pub actor: String,
    pub at: Option<i64>,
}

/// An explanation: of somebody, or of one instant of theirs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    pub environment: String,
    pub who: Who,
    pub settings: Settings,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standing: Option<Standing>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<Sessions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moment: Option<Moment>,
    /// Gaps that matter for what is explained, as rows of the report `gaps`.
    pub gaps: Vec<Record>,
    /// How many earlier ones are not given.
    pub gaps_left_out: usize,
}

/// What everything was computed with.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Settings {
    pub tz: String,
    pub log_started_on: Option<String>,
    pub log_ended_on: Option<String>,
    pub audit_interval_s: i64,
    /// `option`, `organization` or `default`.
    pub audit_interval_is_from: &'static str,
    pub session_gap_s: i64,
    pub evidence: &'static str,
    pub inactive_after_s: i64,
    pub min_coverage: f64,
}

/// An actor's sessions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sessions {
    pub count: i64,
    /// The last ones, as rows of the report `sessions`.
    pub last: Vec<Record>,
    pub because: Vec<String>,
}

/// Explains somebody, or, with an instant, what is known of them then.
///
/// # Errors
/// Of usage, when nobody or more than one is meant: the hint says who might be.
pub fn explain(lake: &Lake, asked: &Asked, options: &Options) -> Result<Explanation> {
    let (names, side) = (lake.names()?, lake.side()?);
    let environments = status::environments(lake, &side).into_iter();
    let environments = environments.filter(|environment| options.asks(environment));
    let all = who::everybody(lake, &names, &side, &environments.collect::<Vec<_>>())?;
    let (environment, id) = who::find(&all, &asked.actor)?;
    let case = Case::of(lake, &environment, &id, asked.at, &side, options)?;
    let moment = asked.at.map(|at| moment::tell(&case, at)).transpose()?;
    let (gaps, gaps_left_out) = match (&moment, asked.at) {
        (Some(moment), Some(at)) => case.gaps_near(at, moment.session.as_ref().and(case.watch.near)),
        _ => case.gaps_of_standing(),
    };
    let is_whole = moment.is_none();
    Ok(Explanation {
        who: Who::of(&case.facts, &id, &names, &side, case.clock),
        settings: settings(&case, &side),
        standing: is_whole.then(|| verdict::tell(&case)),
        sessions: is_whole.then(|| sessions(&case)).transpose()?,
        moment,
        gaps,
        gaps_left_out,
        environment,
    })
}

fn settings(case: &Case<'_>, side: &Side) -> Settings {
    let (facts, options) = (&case.facts, case.options);
    let instant = |on: i64| facts.has_log.then(|| to_text(on));
    Settings {
        tz: options.tz.name().to_owned(),
        log_started_on: instant(facts.log_start),
        log_ended_on: instant(facts.log_end),
        audit_interval_s: facts.intervals.audit_interval_us / MICROS_PER_SECOND,
        audit_interval_is_from: options.origin_of_audit_interval(side.organization(&facts.environment)),
        session_gap_s: facts.intervals.session_gap_us / MICROS_PER_SECOND,
        evidence: options.evidence.name(),
        inactive_after_s: options.inactive_after_us / MICROS_PER_SECOND,
        min_coverage: options.min_coverage,
    }
}

fn sessions(case: &Case<'_>) -> Result<Sessions> {
    let last: Vec<_> = case.watch.last.iter().copied().collect();
    let gap = say::duration(case.facts.intervals.session_gap_us);
    let sightings = case.sightings();
    Ok(Sessions {
        count: case.watch.sessions,
        last: case.records(&last)?,
        because: vec![format!(
            "A session goes on as long as the next of the actor's {sightings} comes at most {gap} (the session gap) \
             after the one before."
        )],
    })
}
