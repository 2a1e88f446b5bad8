//! The `sessions` report: when each actor was seen, with bounds instead of pretended durations (contract: design §4).
//!
//! With `--evidence all` an actor's changes extend sessions as accesses do, and a column counts them. A change may be
//! made while accesses are not logged: a session that starts or ends with one inside a gap is censored there.

use super::facts::Facts;
use super::kernel::Session;
use super::limits::{ENDS, Judged, Limits, STARTS};
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
