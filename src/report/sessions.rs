//! The `sessions` report: when each actor was seen, with bounds instead of pretended durations (contract: design §4).

use super::clock::LocalDates;
use super::columns;
use super::facts::Facts;
use super::gaps::{Gap, Scope};
use super::kernel::{self, Session, Window};
use super::options::Options;
use super::table::Table;
use crate::error::Result;
use crate::instant::MICROS_PER_SECOND;
use arrow::array::{ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use rayon::prelude::*;
use std::sync::{Arc, LazyLock};

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        columns::required("environment", DataType::Utf8),
        columns::required("actor_id", DataType::Utf8),
        columns::optional("actor_name", DataType::Utf8),
        columns::required("started_on", columns::timestamp()),
        columns::required("last_seen_on", columns::timestamp()),
        columns::required("started_date", DataType::Date32),
        columns::required("duration_min_s", DataType::Int64),
        columns::optional("duration_max_s", DataType::Int64),
        columns::required("accesses", DataType::Int64),
        columns::required("web_accesses", DataType::Int64),
        columns::required("web_services_accesses", DataType::Int64),
        columns::required("client", DataType::Utf8),
        columns::optional("start_censored", DataType::Utf8),
        columns::optional("end_censored", DataType::Utf8),
        columns::required("audit_gap_s", DataType::Int64),
    ]))
});

/// Sessions turned into columns at a time.
const CHUNK_SESSIONS: usize = 1 << 16;

/// One environment's sessions with what is needed to judge them.
pub struct Judged<'a> {
    pub facts: &'a Facts,
    pub sessions: &'a [Session],
    pub gaps: &'a [Gap],
}

/// The table over all environments, in their order.
pub fn table(environments: &[Judged<'_>], options: &Options) -> Result<Table> {
    let mut batches = Vec::new();
    for judged in environments {
        let limits = Limits::new(judged.facts, judged.gaps);
        let chunks: Vec<RecordBatch> = judged
            .sessions
            .par_chunks(CHUNK_SESSIONS)
            .map(|sessions| rows(judged.facts, sessions, &limits, options))
            .collect::<Result<_>>()?;
        batches.extend(chunks.into_iter().filter(|batch| batch.num_rows() > 0));
    }
    Ok(Table::new("sessions", SCHEMA.clone(), batches)?)
}

fn is_chosen(session: &Session, options: &Options) -> bool {
    options.from.is_none_or(|from| from <= session.started_on) && options.to.is_none_or(|to| session.started_on < to)
}

fn rows(facts: &Facts, sessions: &[Session], limits: &Limits, options: &Options) -> Result<RecordBatch> {
    let chosen: Vec<&Session> = sessions.iter().filter(|session| is_chosen(session, options)).collect();
    let mut dates = LocalDates::new(options.tz);
    let actor = |session: &&Session| facts.actors[session.actor as usize].as_str();
    let text = |of: &dyn Fn(&&Session) -> Option<&'static str>| -> ArrayRef {
        Arc::new(chosen.iter().map(of).collect::<StringArray>())
    };
    let number =
        |of: &dyn Fn(&&Session) -> Option<i64>| -> ArrayRef { Arc::new(chosen.iter().map(of).collect::<Int64Array>()) };
    let instant = |of: fn(&&Session) -> i64| -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from_iter_values(chosen.iter().map(of)).with_timezone("UTC"))
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(chosen.iter().map(|_| &facts.environment))),
        Arc::new(StringArray::from_iter_values(chosen.iter().map(actor))),
        Arc::new(
            chosen
                .iter()
                .map(|session| facts.name_of(actor(session)))
                .collect::<StringArray>(),
        ),
        instant(|session| session.started_on),
        instant(|session| session.last_seen_on),
        Arc::new(Date32Array::from_iter_values(
            chosen.iter().map(|session| dates.day(session.started_on)),
        )),
        number(&|session| Some((session.last_seen_on - session.started_on) / MICROS_PER_SECOND)),
        number(&|session| limits.duration_max_s(session)),
        number(&|session| Some(i64::from(session.web) + i64::from(session.web_services))),
        number(&|session| Some(i64::from(session.web))),
        number(&|session| Some(i64::from(session.web_services))),
        text(&|session| Some(client(session))),
        text(&|session| limits.start_censored(session)),
        text(&|session| limits.end_censored(session)),
        number(&|session| Some(limits.audit_gap_s(session))),
    ];
    Ok(RecordBatch::try_new(SCHEMA.clone(), columns)?)
}

fn client(session: &Session) -> &'static str {
    match (session.web, session.web_services) {
        (_, 0) => "web",
        (0, _) => "web_services",
        _ => "mixed",
    }
}

/// What cuts sessions off: the log's ends and the effective gaps.
struct Limits {
    log_start: i64,
    log_end: i64,
    audit_interval_us: i64,
    session_gap_us: i64,
    /// Disjoint and in order.
    gaps: Vec<Window>,
    /// Ends of the gaps that have ended, in order.
    gap_ends: Vec<i64>,
}

impl Limits {
    fn new(facts: &Facts, gaps: &[Gap]) -> Limits {
        let effective = || gaps.iter().filter(|gap| gap.scope == Scope::Effective);
        Limits {
            log_start: facts.log_start,
            log_end: facts.log_end,
            audit_interval_us: facts.intervals.audit_interval_us,
            session_gap_us: facts.intervals.session_gap_us,
            gaps: effective().map(|gap| gap.window).collect(),
            gap_ends: effective().filter_map(|gap| gap.ended_on).collect(),
        }
    }

    /// Why the session may have begun earlier: a gap ends in (start − session gap, start], or the log begins there.
    fn start_censored(&self, session: &Session) -> Option<&'static str> {
        let from = session.started_on.saturating_sub(self.session_gap_us);
        let ended = self.gap_ends.partition_point(|&end| end <= session.started_on);
        if self.gap_ends[..ended].last().is_some_and(|&end| from < end) {
            Some("audit_gap")
        } else {
            (self.log_start > from).then_some("log_start")
        }
    }

    /// Why the session may have gone on: a gap starts in [last seen, last seen + audit interval), or the log ends there.
    fn end_censored(&self, session: &Session) -> Option<&'static str> {
        let to = session.last_seen_on.saturating_add(self.audit_interval_us);
        let before = self.gaps.partition_point(|gap| gap.start < session.last_seen_on);
        if self.gaps.get(before).is_some_and(|gap| gap.start < to) {
            Some("audit_gap")
        } else {
            (self.log_end < to).then_some("log_end")
        }
    }

    fn duration_max_s(&self, session: &Session) -> Option<i64> {
        let longest = session.last_seen_on.saturating_add(self.audit_interval_us) - session.started_on;
        self.end_censored(session)
            .is_none()
            .then_some(longest / MICROS_PER_SECOND)
    }

    fn audit_gap_s(&self, session: &Session) -> i64 {
        kernel::overlap_us(&self.gaps, session.started_on, session.last_seen_on) / MICROS_PER_SECOND
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log of [0, 1000] with one effective gap [100, 200), audit interval 40, session gap 60.
    fn limits() -> Limits {
        Limits {
            log_start: 0,
            log_end: 1000,
            audit_interval_us: 40,
            session_gap_us: 60,
            gaps: vec![Window { start: 100, end: 200 }],
            gap_ends: vec![200],
        }
    }

    fn session(started_on: i64, last_seen_on: i64) -> Session {
        Session {
            actor: 0,
            started_on,
            last_seen_on,
            web: 1,
            web_services: 0,
        }
    }

    #[test]
    fn start_censored_by_a_gap_that_ends_in_start_minus_session_gap_to_start() {
        let found = |start| limits().start_censored(&session(start, start));
        assert_eq!(found(199), None);
        assert_eq!(found(200), Some("audit_gap"));
        assert_eq!(found(259), Some("audit_gap"));
        assert_eq!(found(260), None);
    }

    #[test]
    fn start_censored_by_the_log_start_after_start_minus_session_gap() {
        let found = |start| limits().start_censored(&session(start, start));
        assert_eq!(found(59), Some("log_start"));
        assert_eq!(found(60), None);
    }

    #[test]
    fn end_censored_by_a_gap_that_starts_in_last_seen_to_last_seen_plus_interval() {
        let found = |last| limits().end_censored(&session(0, last));
        assert_eq!(found(60), None);
        assert_eq!(found(61), Some("audit_gap"));
        assert_eq!(found(100), Some("audit_gap"));
        assert_eq!(found(101), None);
    }

    #[test]
    fn end_censored_by_a_log_that_ends_before_last_seen_plus_interval() {
        let found = |last| limits().end_censored(&session(900, last));
        assert_eq!(found(960), None);
        assert_eq!(found(961), Some("log_end"));
    }

    #[test]
    fn duration_max_is_null_when_the_end_is_censored() {
        let seconds = |s: i64| s * MICROS_PER_SECOND;
        let limits = Limits {
            log_end: seconds(1000),
            audit_interval_us: seconds(40),
            gaps: vec![],
            ..limits()
        };
        assert_eq!(limits.duration_max_s(&session(seconds(10), seconds(20))), Some(50));
        assert_eq!(limits.duration_max_s(&session(seconds(10), seconds(961))), None);
    }
}
