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
use arrow::array::{
    Array, ArrayRef, Date32Array, DictionaryArray, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::compute::cast;
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
    parts: Vec<(Part, Texts)>,
    stored: Stored,
}

/// What the keys of text columns stand for.
struct Texts {
    environment: ArrayRef,
    /// By the place of the actor.
    actors: ArrayRef,
    /// The same; empty where there is none.
    names: ArrayRef,
    has_name: Vec<bool>,
    clients: ArrayRef,
    starts: ArrayRef,
    ends: ArrayRef,
}

impl Texts {
    fn of(facts: &Facts) -> Texts {
        fn texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> ArrayRef {
            Arc::new(StringArray::from_iter_values(texts))
        }
        let names: Vec<Option<&str>> = facts.actors.iter().map(|id| facts.name_of(id)).collect();
        Texts {
            environment: texts([facts.environment.as_str()]),
            actors: texts(facts.actors.iter().map(String::as_str)),
            has_name: names.iter().map(Option::is_some).collect(),
            names: texts(names.into_iter().map(Option::unwrap_or_default)),
            clients: texts(CLIENTS),
            starts: texts(STARTS),
            ends: texts(ENDS),
        }
    }
}

/// What may be said in these columns.
const CLIENTS: [&str; 3] = ["web", "web_services", "mixed"];
const STARTS: [&str; 2] = ["audit_gap", "log_start"];
const ENDS: [&str; 2] = ["audit_gap", "log_end"];

/// The table over all environments, in the order of their actors' numbers.
pub fn table(evidence: Evidence, parts: Vec<Part>, stored: Stored) -> Result<Table> {
    let with_texts = |part: Part| {
        let texts = Texts::of(&part.facts);
        (part, texts)
    };
    let schema = schema(evidence);
    let rows = Sessions {
        schema: schema.clone(),
        parts: parts.into_iter().map(with_texts).collect(),
        stored,
    };
    Ok(Table::of("sessions", schema, Arc::new(rows))?)
}

impl Rows for Sessions {
    fn num_rows(&self) -> usize {
        self.parts.iter().map(|(part, _)| part.sessions).sum()
    }

    fn batches(&self) -> Batches<'_> {
        Box::new(self.keyed().map(|rows| plain(&self.schema, &rows?)))
    }

    fn keyed(&self) -> Batches<'_> {
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
        let mut with_rows = self.parts.iter().filter(|(part, _)| part.sessions > 0);
        let (only, _) = with_rows.next()?;
        with_rows.next().is_none().then(|| only.facts.environment.clone())
    }
}

/// Batches of one environment each, in order.
struct Made<'a> {
    schema: &'a SchemaRef,
    in_order: InOrder<'a>,
    /// Those that may have more sessions.
    parts: &'a [(Part, Texts)],
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
        let mut chunks: Vec<(&(Part, Texts), Vec<Session>)> = Vec::new();
        while let Some(part) = self.parts.first()
            && chunks.len() * CHUNK_SESSIONS < self.wave_sessions
        {
            let sessions = self.in_order.next(CHUNK_SESSIONS, part.0.facts.actors_end())?;
            if sessions.is_empty() {
                self.parts = &self.parts[1..];
            } else {
                chunks.push((part, sessions));
            }
        }
        self.wave_sessions = (4 * self.wave_sessions).min(WAVE_SESSIONS);
        let chunks = chunks.par_iter().with_max_len(1);
        let made =
            chunks.map(|((part, texts), sessions)| keyed_rows(self.schema, &part.facts, texts, sessions, &part.limits));
        self.ready = made.collect::<Result<_>>()?;
        Ok(())
    }
}

/// Rows of one environment, as they are shown.
pub fn rows(schema: &SchemaRef, facts: &Facts, sessions: &[Session], limits: &Limits) -> Result<RecordBatch> {
    plain(schema, &keyed_rows(schema, facts, &Texts::of(facts), sessions, limits)?)
}

/// The rows with their texts in place of keys.
fn plain(schema: &SchemaRef, rows: &RecordBatch) -> Result<RecordBatch> {
    let columns = rows.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| cast(column, field.data_type()));
    Ok(RecordBatch::try_new(
        schema.clone(),
        columns.collect::<std::result::Result<_, _>>()?,
    )?)
}

/// Rows whose texts are keys.
fn keyed_rows(
    schema: &SchemaRef,
    facts: &Facts,
    texts: &Texts,
    sessions: &[Session],
    limits: &Limits,
) -> Result<RecordBatch> {
    fn number<'a>(sessions: &'a [Session], of: impl Fn(&'a Session) -> i64) -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(sessions.iter().map(of)))
    }
    fn instant(sessions: &[Session], of: impl Fn(&Session) -> i64) -> ArrayRef {
        let instants = TimestampMicrosecondArray::from_iter_values(sessions.iter().map(of));
        Arc::new(instants.with_timezone("UTC"))
    }
    fn keyed(keys: impl Iterator<Item = i32>, of: &ArrayRef) -> ArrayRef {
        Arc::new(DictionaryArray::new(Int32Array::from_iter_values(keys), of.clone()))
    }
    fn keyed_if(keys: impl Iterator<Item = Option<i32>>, of: &ArrayRef) -> ArrayRef {
        Arc::new(DictionaryArray::new(keys.collect::<Int32Array>(), of.clone()))
    }
    let place = |session: &Session| (session.actor - facts.first_actor) as usize;
    let name = |session: &Session| texts.has_name[place(session)].then_some(place(session) as i32);
    let judged: Vec<Judged> = sessions.iter().map(|session| limits.judge(session)).collect();
    let date = Date32Array::from_iter_values(sessions.iter().map(|session| session.started_date));
    let longest = sessions.iter().zip(&judged);
    let longest = longest.map(|(session, judged)| judged.end.is_none().then(|| limits.longest_s(session)));
    let mut columns: Vec<ArrayRef> = vec![
        keyed(sessions.iter().map(|_| 0), &texts.environment),
        keyed(sessions.iter().map(|session| place(session) as i32), &texts.actors),
        keyed_if(sessions.iter().map(name), &texts.names),
        instant(sessions, |session| session.started_on),
        instant(sessions, |session| session.last_seen_on),
        Arc::new(date),
        number(sessions, |session| {
            (session.last_seen_on - session.started_on) / MICROS_PER_SECOND
        }),
        Arc::new(longest.collect::<Int64Array>()),
        number(sessions, |session| {
            i64::from(session.web) + i64::from(session.web_services)
        }),
        number(sessions, |session| i64::from(session.web)),
        number(sessions, |session| i64::from(session.web_services)),
    ];
    if schema.column_with_name("changes").is_some() {
        columns.push(number(sessions, |session| i64::from(session.changes)));
    }
    columns.extend([
        keyed(sessions.iter().map(client), &texts.clients),
        keyed_if(judged.iter().map(|judged| judged.start), &texts.starts),
        keyed_if(judged.iter().map(|judged| judged.end), &texts.ends),
        Arc::new(Int64Array::from_iter_values(
            judged.iter().map(|judged| judged.audit_gap_s),
        )) as ArrayRef,
    ]);
    let fields = schema.fields().iter().zip(&columns);
    let fields = fields.map(|(field, column)| field.as_ref().clone().with_data_type(column.data_type().clone()));
    Ok(RecordBatch::try_new(
        Arc::new(Schema::new(fields.collect::<Vec<_>>())),
        columns,
    )?)
}

/// The place among [`CLIENTS`].
fn client(session: &Session) -> i32 {
    match (session.web, session.web_services) {
        (_, 0) => 0,
        (0, _) => 1,
        _ => 2,
    }
}

/// What limits say of a session: places among [`STARTS`] and [`ENDS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Judged {
    start: Option<i32>,
    end: Option<i32>,
    audit_gap_s: i64,
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
    /// For each day from the log's start on, the first gap that has not ended before.
    next_gaps: Vec<usize>,
}

const DAY_US: i64 = 86_400 * MICROS_PER_SECOND;

impl Limits {
    pub fn new(facts: &Facts, gaps: &[Gap]) -> Limits {
        let effective = || gaps.iter().filter(|gap| gap.scope == Scope::Effective);
        let windows: Vec<Window> = effective().map(|gap| gap.window).collect();
        let days = (facts.log_start..=facts.log_end).step_by(DAY_US as usize);
        let next_gap = |day: i64| windows.partition_point(|gap| gap.end < day);
        Limits {
            next_gaps: days.map(next_gap).collect(),
            log_start: facts.log_start,
            log_end: facts.log_end,
            audit_interval_us: facts.intervals.audit_interval_us,
            session_gap_us: facts.intervals.session_gap_us,
            gaps: windows,
            gap_ends: effective().filter_map(|gap| gap.ended_on).collect(),
        }
    }

    /// Why the session may have begun earlier: a gap, or the log begins after start − session gap.
    pub fn start_censored(&self, session: &Session) -> Option<&'static str> {
        self.judge(session).start.map(|start| STARTS[start as usize])
    }

    /// Why the session may have gone on: a gap, or the log ends before last seen + audit interval.
    pub fn end_censored(&self, session: &Session) -> Option<&'static str> {
        self.judge(session).end.map(|end| ENDS[end as usize])
    }

    fn judge(&self, session: &Session) -> Judged {
        let (start, end, audit_gap_s) = match self.is_far_from_gaps(session) {
            true => (None, None, 0),
            false => (
                self.gap_at_start(session).map(|_| 0),
                self.gap_at_end(session).map(|_| 0),
                kernel::overlap_us(&self.gaps, session.started_on, session.last_seen_on) / MICROS_PER_SECOND,
            ),
        };
        Judged {
            start: start.or_else(|| (self.log_start > self.unseen_until(session)).then_some(1)),
            end: end.or_else(|| (self.log_end < self.unseen_from(session)).then_some(1)),
            audit_gap_s,
        }
    }

    /// Whether surely no gap touches what is known of the session or is not seen of it: most are far from any.
    fn is_far_from_gaps(&self, session: &Session) -> bool {
        let day = (self.unseen_until(session) - self.log_start) / DAY_US;
        let day = (day.max(0) as usize).min(self.next_gaps.len().saturating_sub(1));
        let next = self.next_gaps.get(day).and_then(|next| self.gaps.get(*next));
        next.is_none_or(|gap| gap.start > self.unseen_from(session))
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

    /// Seconds to when an access would be logged again.
    fn longest_s(&self, session: &Session) -> i64 {
        (self.unseen_from(session) - session.started_on) / MICROS_PER_SECOND
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
            next_gaps: vec![0],
        }
    }

    impl Limits {
        fn duration_max_s(&self, session: &Session) -> Option<i64> {
            self.judge(session).end.is_none().then(|| self.longest_s(session))
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
