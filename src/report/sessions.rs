//! The `sessions` report: when each actor was seen, with bounds instead of pretended durations (contract: design §4).
//!
//! With `--evidence all` an actor's changes extend sessions as accesses do, and a column counts them. A change may be
//! made while accesses are not logged: a session that starts or ends with one inside a gap is censored there.

use super::facts::Facts;
use super::kernel::Session;
use super::limits::{ENDS, Limits, STARTS};
use super::options::{Evidence, Options};
use super::ordered::{Columns, Lot, Ordered};
use super::store::{InOrder, Stored};
use super::table::{Batches, Rows, Table};
use super::values::{NO_TEXT, Run, Stretch, Stretches, Values, push_run};
use crate::columns;
use crate::error::Result;
use crate::instant::MICROS_PER_SECOND;
use arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
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

/// Sessions of a batch. To give some of those of a few actors, all of these are put in order: it must not be too few.
const BATCH_SESSIONS: usize = 1 << 14;

/// Sessions turned into columns at a time: so few that they stay in a core's cache from column to column.
const CHUNK_SESSIONS: usize = 1 << 11;

/// Sessions turned into arrays before the first of them are taken: work for many threads, some 50 MB.
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

/// What the places of texts stand for.
struct Texts {
    environment: StringArray,
    /// By the place of the actor.
    actors: StringArray,
    /// The same; null where there is none.
    names: StringArray,
    clients: StringArray,
    starts: StringArray,
    ends: StringArray,
}

impl Texts {
    fn of(facts: &Facts) -> Texts {
        let texts = |texts: &[&str]| StringArray::from_iter_values(texts);
        Texts {
            environment: texts(&[&facts.environment]),
            actors: StringArray::from_iter_values(&facts.actors),
            names: facts
                .persons
                .names_of(facts.actors.iter().map(String::as_str))
                .collect(),
            clients: texts(&CLIENTS),
            starts: texts(&STARTS),
            ends: texts(&ENDS),
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

impl Sessions {
    fn pieces(&self) -> Pieces<'_> {
        Pieces {
            schema: &self.schema,
            in_order: self.stored.in_order(),
            parts: &self.parts,
        }
    }
}

impl Rows for Sessions {
    fn num_rows(&self) -> usize {
        self.parts.iter().map(|(part, _)| part.sessions).sum()
    }

    fn batches(&self) -> Batches<'_> {
        let made = Made {
            pieces: self.pieces(),
            wave_sessions: BATCH_SESSIONS,
            ready: VecDeque::new(),
        };
        Box::new(made)
    }

    fn stretches(&self) -> Option<Box<dyn Stretches<'_> + '_>> {
        Some(Box::new(self.pieces()))
    }

    fn only_environment(&self) -> Option<String> {
        let mut with_rows = self.parts.iter().filter(|(part, _)| part.sessions > 0);
        let (only, _) = with_rows.next()?;
        with_rows.next().is_none().then(|| only.facts.environment.clone())
    }
}

/// All sessions, in order.
struct Pieces<'a> {
    schema: &'a SchemaRef,
    in_order: InOrder<'a>,
    /// Those that may have more sessions.
    parts: &'a [(Part, Texts)],
}

/// Sessions of one environment.
struct Piece<'a> {
    schema: &'a SchemaRef,
    facts: &'a Facts,
    limits: &'a Limits,
    texts: &'a Texts,
    sessions: Lot<'a>,
}

impl<'a> Pieces<'a> {
    /// The next of them, at most so many; `None` when there are no more.
    fn next_piece(&mut self, count: usize) -> Result<Option<Piece<'a>>> {
        while let Some((part, texts)) = self.parts.first() {
            if let Some(sessions) = self.in_order.next(count, part.facts.actors_end())? {
                return Ok(Some(Piece {
                    schema: self.schema,
                    facts: &part.facts,
                    limits: &part.limits,
                    texts,
                    sessions,
                }));
            }
            self.parts = &self.parts[1..];
        }
        Ok(None)
    }
}

impl<'a> Stretches<'a> for Pieces<'a> {
    fn next(&mut self, rows: usize) -> Result<Option<Box<dyn Stretch + 'a>>> {
        let (mut pieces, mut room) = (Vec::new(), rows);
        while room > 0
            && let Some(piece) = self.next_piece(room)?
        {
            room -= piece.sessions.len();
            pieces.push(piece);
        }
        Ok((!pieces.is_empty()).then(|| Box::new(pieces) as Box<dyn Stretch + 'a>))
    }
}

impl Stretch for Vec<Piece<'_>> {
    fn values(&self, take: &mut dyn FnMut(usize, Values<'_>)) {
        let (mut room, mut ordered) = (Room::default(), Vec::new());
        for piece in self {
            let mut rest = piece.sessions.in_order(&mut ordered);
            while rest.len() > 0 {
                let (sessions, others) = rest.split_at(CHUNK_SESSIONS);
                piece.values(sessions, &mut room, take);
                rest = others;
            }
        }
    }
}

/// Batches of one environment each, in order.
struct Made<'a> {
    pieces: Pieces<'a>,
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
            self.pieces.parts = &[];
            return Some(Err(error));
        }
        self.ready.pop_front().map(Ok)
    }
}

impl Made<'_> {
    fn make_wave(&mut self) -> Result<()> {
        let mut pieces = Vec::new();
        while pieces.len() * BATCH_SESSIONS < self.wave_sessions
            && let Some(piece) = self.pieces.next_piece(BATCH_SESSIONS)?
        {
            pieces.push(piece);
        }
        self.wave_sessions = (4 * self.wave_sessions).min(WAVE_SESSIONS);
        let made = pieces.par_iter().with_max_len(1).map(Piece::batch);
        self.ready = made.collect::<Result<_>>()?;
        Ok(())
    }
}

/// Rows of one environment, as they are shown.
pub fn rows(schema: &SchemaRef, facts: &Facts, sessions: &[Session], limits: &Limits) -> Result<RecordBatch> {
    let piece = Piece {
        schema,
        facts,
        limits,
        texts: &Texts::of(facts),
        sessions: Lot::Merged(sessions.to_vec()),
    };
    piece.batch()
}

/// Values of some sessions, column by column; their room is used again and again.
#[derive(Default)]
struct Room {
    columns: Columns,
    actors: Vec<Run>,
    shortest_s: Vec<i64>,
    /// Of those that have one.
    longest_s: Vec<i64>,
    has_longest: Vec<u8>,
    accesses: Vec<i64>,
    clients: Vec<Run>,
    starts: Vec<Run>,
    ends: Vec<Run>,
    gaps_s: Vec<i64>,
}

impl Room {
    /// Puts what is said of each session in place of what was there.
    fn fill(&mut self, sessions: Ordered<'_>, first_actor: u32, limits: &Limits) {
        sessions.fill(&mut self.columns);
        let columns = &self.columns;
        let spans = columns.started_on.iter().zip(&columns.last_seen_on);
        let counts = columns.web.iter().zip(&columns.web_services);
        self.shortest_s.clear();
        self.shortest_s.extend(
            spans
                .clone()
                .map(|(started, last_seen)| (last_seen - started) / MICROS_PER_SECOND),
        );
        self.longest_s.clear();
        self.longest_s
            .extend(spans.map(|(started, last_seen)| limits.longest_s(*started, *last_seen)));
        self.accesses.clear();
        self.accesses
            .extend(counts.clone().map(|(web, web_services)| web + web_services));
        self.actors.clear();
        for actor in &columns.actor {
            push_run(&mut self.actors, (actor - first_actor, 1));
        }
        self.clients.clear();
        for (web, web_services) in counts {
            push_run(&mut self.clients, (client(*web, *web_services), 1));
        }
        self.judge(sessions, limits);
    }

    /// What only the limits know of sessions.
    fn judge(&mut self, sessions: Ordered<'_>, limits: &Limits) {
        self.starts.clear();
        self.ends.clear();
        self.has_longest.clear();
        self.has_longest.resize(sessions.len(), 1);
        self.gaps_s.clear();
        self.gaps_s.resize(sessions.len(), 0);
        let mut judged_rows = 0;
        for row in 0..sessions.len() {
            if limits.is_quiet(self.columns.started_on[row], self.columns.last_seen_on[row]) {
                continue;
            }
            let judged = limits.judge(&sessions.at(row));
            let quiet_rows = (row - judged_rows) as u32;
            for (runs, why) in [(&mut self.starts, judged.start), (&mut self.ends, judged.end)] {
                push_run(runs, (NO_TEXT, quiet_rows));
                push_run(runs, (why.unwrap_or(NO_TEXT), 1));
            }
            self.has_longest[row] = judged.end.is_none().into();
            self.gaps_s[row] = judged.audit_gap_s;
            judged_rows = row + 1;
        }
        let quiet_rows = (sessions.len() - judged_rows) as u32;
        push_run(&mut self.starts, (NO_TEXT, quiet_rows));
        push_run(&mut self.ends, (NO_TEXT, quiet_rows));
        if self.has_longest.contains(&0) {
            let mut has_longest = self.has_longest.iter();
            self.longest_s.retain(|_| has_longest.next() == Some(&1));
        }
    }
}

impl Piece<'_> {
    fn batch(&self) -> Result<RecordBatch> {
        let mut columns: Vec<ArrayRef> = Vec::new();
        let mut ordered = Vec::new();
        let sessions = self.sessions.in_order(&mut ordered);
        self.values(sessions, &mut Room::default(), &mut |_, values| {
            columns.push(values.to_array())
        });
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }

    /// The columns of some of the sessions, as [`schema`] names them.
    fn values(&self, sessions: Ordered<'_>, room: &mut Room, take: &mut dyn FnMut(usize, Values<'_>)) {
        let texts = self.texts;
        room.fill(sessions, self.facts.first_actor, self.limits);
        let all = [(0, sessions.len() as u32)];
        let is_nameless = |actor: u32| texts.names.is_null(actor as usize);
        let name = |&(actor, rows): &Run| (if is_nameless(actor) { NO_TEXT } else { actor }, rows);
        let names: Vec<Run> = room.actors.iter().map(name).collect();
        let text = |runs, texts| Values::Texts { runs, texts };
        let longest_s = Values::SomeLongs {
            values: &room.longest_s,
            has_value: &room.has_longest,
        };
        let has_changes = self.schema.column_with_name("changes").is_some();
        let columns = &room.columns;
        let values = [
            Some(text(&all, &texts.environment)),
            Some(text(&room.actors, &texts.actors)),
            Some(text(&names, &texts.names)),
            Some(Values::Instants(&columns.started_on)),
            Some(Values::Instants(&columns.last_seen_on)),
            Some(Values::Dates(&columns.started_date)),
            Some(Values::Longs(&room.shortest_s)),
            Some(longest_s),
            Some(Values::Longs(&room.accesses)),
            Some(Values::Longs(&columns.web)),
            Some(Values::Longs(&columns.web_services)),
            has_changes.then_some(Values::Longs(&columns.changes)),
            Some(text(&room.clients, &texts.clients)),
            Some(text(&room.starts, &texts.starts)),
            Some(text(&room.ends, &texts.ends)),
            Some(Values::Longs(&room.gaps_s)),
        ];
        let values = values.into_iter().flatten().enumerate();
        values.for_each(|(column, values)| take(column, values));
    }
}

/// The place among [`CLIENTS`].
fn client(web: i64, web_services: i64) -> u32 {
    match (web, web_services) {
        (_, 0) => 0,
        (0, _) => 1,
        _ => 2,
    }
}
