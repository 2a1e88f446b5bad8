//! The `sessions` report: when each actor was seen, with bounds instead of pretended durations (contract: design §4).
//!
//! With `--evidence all` an actor's changes extend sessions as accesses do, and a column counts them. A change may be
//! made while accesses are not logged: a session that starts or ends with one inside a gap is censored there.

use super::facts::Facts;
use super::gaps::{Gap, Scope};
use super::kernel::{self, Session, Window};
use super::options::{Evidence, Options};
use super::store::{InOrder, Stored};
use super::table::{Batches, Rows, Table};
use crate::columns;
use crate::error::Result;
use crate::instant::MICROS_PER_SECOND;
use arrow::array::{ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use rayon::prelude::*;
use std::collections::VecDeque;
use std::sync::Arc;

/// The columns; `changes` only where they are evidence.
pub fn schema(evidence: Evidence) -> SchemaRef {
    let changes = columns::required(
        "changes",
        DataType::Int64,
        "Rows of kind `change` in the actor's name within the session; with `--evidence all` only.",
    );
    let mut fields = vec![
        columns::required("environment", DataType::Utf8, columns::ENVIRONMENT),
        columns::required(
            "actor_id",
            DataType::Utf8,
            "Whose session it is: a lower-case GUID, or `name:` and the display name where only that is known.",
        ),
        columns::optional(
            "actor_name",
            DataType::Utf8,
            "The newest name of the actor seen in any export.",
        ),
        columns::required("started_on", columns::timestamp(), "The first access of the session."),
        columns::required(
            "last_seen_on",
            columns::timestamp(),
            "The last access of the session; nobody knows when they left.",
        ),
        columns::required(
            "started_date",
            DataType::Date32,
            "The date of the first access in `--tz`.",
        ),
        columns::required(
            "duration_min_s",
            DataType::Int64,
            "Seconds from the first access to the last: the least the session can have lasted.",
        ),
        columns::optional(
            "duration_max_s",
            DataType::Int64,
            "Seconds to the end of the audit interval after the last access: the most it can have lasted; null when the end is censored.",
        ),
        columns::required("accesses", DataType::Int64, "Logged accesses in the session."),
        columns::required(
            "web_accesses",
            DataType::Int64,
            "Those of a model-driven app in a browser (action 64).",
        ),
        columns::required(
            "web_services_accesses",
            DataType::Int64,
            "Those of any other client (action 65).",
        ),
    ];
    fields.extend((evidence == Evidence::All).then_some(changes));
    fields.extend(how_it_ends());
    Arc::new(Schema::new(fields))
}

/// The columns behind the counts.
fn how_it_ends() -> [Field; 4] {
    [
        columns::required(
            "client",
            DataType::Utf8,
            "`web`, `web_services`, or `mixed` when both occur.",
        ),
        columns::optional(
            "start_censored",
            DataType::Utf8,
            "Why it may have begun earlier: `audit_gap` when auditing was off just before, `log_start` when the log begins there; else null.",
        ),
        columns::optional(
            "end_censored",
            DataType::Utf8,
            "Why it may have gone on unseen: `audit_gap` when auditing went off right after, `log_end` when the log ends there; else null.",
        ),
        columns::required(
            "audit_gap_s",
            DataType::Int64,
            "Seconds within the session in which auditing was off.",
        ),
    ]
}

/// Sessions turned into columns at a time, by one thread.
const CHUNK_SESSIONS: usize = 1 << 14;

/// Sessions turned into columns before the first of them are taken: work for many threads, some 50 MB.
const WAVE_SESSIONS: usize = 1 << 18;

/// Whether a session is asked for.
pub fn is_chosen(session: &Session, options: &Options) -> bool {
    options.from.is_none_or(|from| from <= session.started_on) && options.to.is_none_or(|to| session.started_on < to)
}

/// One environment, what cuts its sessions off, and how many there are.
pub struct Part {
    pub facts: Facts,
    pub limits: Limits,
    pub sessions: usize,
}

/// The rows of the report, made as they are taken.
struct Sessions {
    schema: SchemaRef,
    parts: Vec<Part>,
    stored: Stored,
}

/// The table over all environments, in the order of their actors' numbers.
pub fn table(evidence: Evidence, parts: Vec<Part>, stored: Stored) -> Result<Table> {
    let schema = schema(evidence);
    let rows = Sessions {
        schema: schema.clone(),
        parts,
        stored,
    };
    Ok(Table::of("sessions", schema, Arc::new(rows))?)
}

impl Rows for Sessions {
    fn num_rows(&self) -> usize {
        self.parts.iter().map(|part| part.sessions).sum()
    }

    fn batches(&self) -> Batches<'_> {
        let made = Made {
            schema: &self.schema,
            in_order: self.stored.in_order(),
            parts: &self.parts,
            wave_sessions: CHUNK_SESSIONS,
            ready: VecDeque::new(),
        };
        Box::new(made)
    }

    fn only_environment(&self) -> Option<String> {
        let mut with_rows = self.parts.iter().filter(|part| part.sessions > 0);
        let only = with_rows.next()?;
        with_rows.next().is_none().then(|| only.facts.environment.clone())
    }
}

/// Batches of one environment each, in order.
struct Made<'a> {
    schema: &'a SchemaRef,
    in_order: InOrder<'a>,
    /// Those that may have more sessions.
    parts: &'a [Part],
    /// Who looks at the first rows only does not wait for many.
    wave_sessions: usize,
    ready: VecDeque<RecordBatch>,
}

impl Iterator for Made<'_> {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.is_empty()
            && let Err(error) = self.make_wave()
        {
            self.parts = &[];
            return Some(Err(error));
        }
        self.ready.pop_front().map(Ok)
    }
}

impl Made<'_> {
    fn make_wave(&mut self) -> Result<()> {
        let mut chunks: Vec<(&Part, Vec<Session>)> = Vec::new();
        while let Some(part) = self.parts.first()
            && chunks.len() * CHUNK_SESSIONS < self.wave_sessions
        {
            let sessions = self.in_order.next(CHUNK_SESSIONS, part.facts.actors_end())?;
            if sessions.is_empty() {
                self.parts = &self.parts[1..];
            } else {
                chunks.push((part, sessions));
            }
        }
        self.wave_sessions = (4 * self.wave_sessions).min(WAVE_SESSIONS);
        let made = chunks
            .par_iter()
            .map(|(part, sessions)| rows(self.schema, &part.facts, sessions, &part.limits));
        self.ready = made.collect::<Result<_>>()?;
        Ok(())
    }
}

pub fn rows(schema: &SchemaRef, facts: &Facts, sessions: &[Session], limits: &Limits) -> Result<RecordBatch> {
    let actor = |session: &Session| facts.actor(session.actor);
    let text = |of: &dyn Fn(&Session) -> Option<&'static str>| -> ArrayRef {
        Arc::new(sessions.iter().map(of).collect::<StringArray>())
    };
    let number = |of: &dyn Fn(&Session) -> Option<i64>| -> ArrayRef {
        Arc::new(sessions.iter().map(of).collect::<Int64Array>())
    };
    let instant = |of: fn(&Session) -> i64| -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from_iter_values(sessions.iter().map(of)).with_timezone("UTC"))
    };
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(
            sessions.iter().map(|_| &facts.environment),
        )),
        Arc::new(StringArray::from_iter_values(sessions.iter().map(actor))),
        Arc::new(
            sessions
                .iter()
                .map(|session| facts.name_of(actor(session)))
                .collect::<StringArray>(),
        ),
        instant(|session| session.started_on),
        instant(|session| session.last_seen_on),
        Arc::new(Date32Array::from_iter_values(
            sessions.iter().map(|session| session.started_date),
        )),
        number(&|session| Some((session.last_seen_on - session.started_on) / MICROS_PER_SECOND)),
        number(&|session| limits.duration_max_s(session)),
        number(&|session| Some(i64::from(session.web) + i64::from(session.web_services))),
        number(&|session| Some(i64::from(session.web))),
        number(&|session| Some(i64::from(session.web_services))),
    ];
    if schema.column_with_name("changes").is_some() {
        columns.push(number(&|session| Some(i64::from(session.changes))));
    }
    columns.extend([
        text(&|session| Some(client(session))),
        text(&|session| limits.start_censored(session)),
        text(&|session| limits.end_censored(session)),
        number(&|session| Some(limits.audit_gap_s(session))),
    ]);
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}

fn client(session: &Session) -> &'static str {
    match (session.web, session.web_services) {
        (_, 0) => "web",
        (0, _) => "web_services",
        _ => "mixed",
    }
}

/// What cuts sessions off: the log's ends and the effective gaps.
pub struct Limits {
    log_start: i64,
    log_end: i64,
    audit_interval_us: i64,
    session_gap_us: i64,
    /// Disjoint and in order.
    gaps: Vec<Window>,
    /// Ends of the gaps that have ended, in order; only the last gap may be without.
    gap_ends: Vec<i64>,
}

impl Limits {
    pub fn new(facts: &Facts, gaps: &[Gap]) -> Limits {
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

    /// Why the session may have begun earlier: a gap, or the log begins after start − session gap.
    pub fn start_censored(&self, session: &Session) -> Option<&'static str> {
        match self.gap_at_start(session) {
            Some(_) => Some("audit_gap"),
            None => (self.log_start > self.unseen_until(session)).then_some("log_start"),
        }
    }

    /// Why the session may have gone on: a gap, or the log ends before last seen + audit interval.
    pub fn end_censored(&self, session: &Session) -> Option<&'static str> {
        match self.gap_at_end(session) {
            Some(_) => Some("audit_gap"),
            None => (self.log_end < self.unseen_from(session)).then_some("log_end"),
        }
    }

    /// The gap that ends in (start − session gap, start], or that holds the change which is the start.
    pub fn gap_at_start(&self, session: &Session) -> Option<Window> {
        let ended = self.gap_ends.partition_point(|&end| end <= session.started_on);
        let last = self.gap_ends[..ended]
            .last()
            .filter(|end| self.unseen_until(session) < **end);
        match last {
            Some(_) => self.gaps.get(ended - 1).copied(),
            None => self.gap_of_change(session.starts_with_change, session.started_on),
        }
    }

    /// The gap that starts in [last seen, last seen + audit interval), or that holds the change which was seen last.
    pub fn gap_at_end(&self, session: &Session) -> Option<Window> {
        let before = self.gaps.partition_point(|gap| gap.start < session.last_seen_on);
        let next = self
            .gaps
            .get(before)
            .filter(|gap| gap.start < self.unseen_from(session));
        next.copied()
            .or_else(|| self.gap_of_change(session.ends_with_change, session.last_seen_on))
    }

    /// An access from this instant on would belong to the session.
    pub fn unseen_until(&self, session: &Session) -> i64 {
        session.started_on.saturating_sub(self.session_gap_us)
    }

    /// From this instant on, an access would be logged again.
    pub fn unseen_from(&self, session: &Session) -> i64 {
        session.last_seen_on.saturating_add(self.audit_interval_us)
    }

    /// The gap that strictly holds a change.
    fn gap_of_change(&self, is_change: bool, on: i64) -> Option<Window> {
        if !is_change {
            return None;
        }
        let before = self.gaps.partition_point(|gap| gap.start < on);
        self.gaps[..before].last().filter(|gap| on < gap.end).copied()
    }

    fn duration_max_s(&self, session: &Session) -> Option<i64> {
        let longest = self.unseen_from(session) - session.started_on;
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
            started_date: 0,
            started_on,
            last_seen_on,
            web: 1,
            web_services: 0,
            changes: 0,
            starts_with_change: false,
            ends_with_change: false,
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
    fn censored_by_the_gap_that_strictly_holds_the_change_it_starts_or_ends_with() {
        let found = |on, changes| {
            let session = Session {
                starts_with_change: changes,
                ends_with_change: changes,
                ..session(on, on)
            };
            let limits = Limits {
                audit_interval_us: 1,
                ..limits()
            };
            (limits.start_censored(&session), limits.end_censored(&session))
        };
        let gap = Some("audit_gap");
        assert_eq!(found(101, true), (gap, gap));
        assert_eq!(found(199, true), (gap, gap));
        // At a gap's edges the rules of all sessions hold.
        assert_eq!(found(100, true), (None, gap));
        assert_eq!(found(200, true), (gap, None));
        // Accesses inside a gap contradict it.
        assert_eq!(found(150, false), (None, None));
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
