//! The `sessions` report: when each actor was seen, with bounds instead of pretended durations (contract: design §4).
//!
//! With `--evidence all` an actor's changes extend sessions as accesses do, and a column counts them. A change may be
//! made while accesses are not logged: a session that starts or ends with one inside a gap is censored there.

mod columns;

use self::columns::{Columns, Room, Texts};
use super::cut::{self, Cutter};
use super::facts::Facts;
use super::kernel::Session;
use super::limits::Limits;
use super::options::{Evidence, Options};
use super::store::{self, Share, Stored};
use super::table::{Batches, Rows, Table};
use super::values::{Stretch, Stretches, Values};
use crate::columns::{ENVIRONMENT, optional, required, timestamp};
use crate::error::Result;
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use rayon::prelude::*;
use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::vec;

/// The columns; `changes` only where they are evidence.
pub fn schema(evidence: Evidence) -> SchemaRef {
    let changes = required(
        "changes",
        DataType::Int64,
        "Rows of kind `change` in the actor's name within the session; with `--evidence all` only.",
    );
    let mut fields = vec![
        required("environment", DataType::Utf8, ENVIRONMENT),
        required(
            "actor_id",
            DataType::Utf8,
            "Whose session it is: a lower-case GUID, or `name:` and the display name where only that is known.",
        ),
        optional(
            "actor_name",
            DataType::Utf8,
            "The newest name of the actor seen in any export.",
        ),
        required("started_on", timestamp(), "The first access of the session."),
        required(
            "last_seen_on",
            timestamp(),
            "The last access of the session; nobody knows when they left.",
        ),
        required(
            "started_date",
            DataType::Date32,
            "The date of the first access in `--tz`.",
        ),
        required(
            "duration_min_s",
            DataType::Int64,
            "Seconds from the first access to the last: the least the session can have lasted.",
        ),
        optional(
            "duration_max_s",
            DataType::Int64,
            "Seconds to the end of the audit interval after the last access: the most it can have lasted; null when the end is censored.",
        ),
        required("accesses", DataType::Int64, "Logged accesses in the session."),
        required(
            "web_accesses",
            DataType::Int64,
            "Those of a model-driven app in a browser (action 64).",
        ),
        required(
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
        required(
            "client",
            DataType::Utf8,
            "`web`, `web_services`, or `mixed` when both occur.",
        ),
        optional(
            "start_censored",
            DataType::Utf8,
            "Why it may have begun earlier: `audit_gap` when auditing was off just before, `log_start` when the log begins there; else null.",
        ),
        optional(
            "end_censored",
            DataType::Utf8,
            "Why it may have gone on unseen: `audit_gap` when auditing went off right after, `log_end` when the log ends there; else null.",
        ),
        required(
            "audit_gap_s",
            DataType::Int64,
            "Seconds within the session in which auditing was off.",
        ),
    ]
}

/// Sessions of a batch.
const BATCH_SESSIONS: usize = 1 << 14;

/// Sessions turned into columns at a time: so few that they stay in a core's cache from column to column.
const CHUNK_SESSIONS: usize = 1 << 11;

/// Sightings whose sessions one core turns into columns before it takes others: they make a row group, as sessions have
/// two or more on average.
const STRETCH_SIGHTINGS: usize = 480_000;

/// Sightings whose sessions one core turns into arrays, and so many times that are turned into arrays at a time: work for
/// many threads, some 50 MB.
const ARRAY_SIGHTINGS: usize = 1 << 16;
const WAVE: usize = 8;

/// One environment, and what cuts its sessions off.
pub struct Part {
    pub facts: Facts,
    pub limits: Limits,
}

/// The rows of the report: sessions are cut as they are taken.
struct Sessions {
    schema: SchemaRef,
    parts: Vec<(Part, Texts)>,
    stored: Stored,
    /// Where those start that are asked for.
    from: Option<i64>,
    to: Option<i64>,
    /// How many there are of each part, once that was asked.
    counted: OnceLock<Vec<usize>>,
}

/// The table over all environments, in the order of the store.
pub fn table(options: &Options, parts: Vec<Part>, stored: Stored) -> Result<Table> {
    let with_texts = |part: Part| {
        let texts = Texts::of(&part.facts);
        (part, texts)
    };
    let schema = schema(options.evidence);
    let rows = Sessions {
        schema: schema.clone(),
        parts: parts.into_iter().map(with_texts).collect(),
        stored,
        from: options.from,
        to: options.to,
        counted: OnceLock::new(),
    };
    Ok(Table::of("sessions", schema, Arc::new(rows))?)
}

impl Sessions {
    /// Gives the sessions of a share that are asked for, so many at a time, in order.
    fn cut(&self, share: &Share, at_once: usize, room: &mut Cutting, give: impl FnMut(&cut::Sessions)) -> Result<()> {
        let gap_us = self.parts[share.environment].0.facts.intervals.session_gap_us;
        let sightings = self.stored.in_order(share, &mut room.sightings)?;
        let asks = |session: &Session| {
            self.from.is_none_or(|from| from <= session.started_on) && self.to.is_none_or(|to| session.started_on < to)
        };
        let asks_all = self.from.is_none() && self.to.is_none();
        let asks = (!asks_all).then_some(&asks as &dyn Fn(&Session) -> bool);
        room.cutter.cut(&sightings, gap_us, asks, at_once, give);
        Ok(())
    }

    fn columns(&self, share: &Share) -> Columns<'_> {
        let (part, texts) = &self.parts[share.environment];
        Columns {
            schema: &self.schema,
            limits: &part.limits,
            texts,
        }
    }

    fn batches_of(&self, shares: &[Share]) -> Result<Vec<RecordBatch>> {
        let (mut cutting, mut batches) = (Cutting::default(), Vec::new());
        for share in shares {
            let columns = self.columns(share);
            self.cut(share, BATCH_SESSIONS, &mut cutting, |sessions| {
                batches.push(columns.batch(sessions));
            })?;
        }
        batches.into_iter().collect()
    }

    /// By the place of the part.
    fn counts(&self) -> Result<&[usize]> {
        if let Some(counted) = self.counted.get() {
            return Ok(counted);
        }
        let shares = self.stored.stretches(ARRAY_SIGHTINGS).concat();
        let count = |room: &mut Cutting, share: &Share| {
            let mut count = 0;
            self.cut(share, CHUNK_SESSIONS, room, |sessions| count += sessions.len())?;
            Ok((share.environment, count))
        };
        let of_shares = shares.par_iter().map_init(Cutting::default, count);
        let mut counts = vec![0; self.parts.len()];
        for (environment, count) in of_shares.collect::<Result<Vec<_>>>()? {
            counts[environment] += count;
        }
        Ok(self.counted.get_or_init(|| counts))
    }
}

/// What cutting needs of memory, used again and again.
#[derive(Default)]
struct Cutting {
    sightings: store::Room,
    cutter: Cutter,
}

impl Rows for Sessions {
    fn num_rows(&self) -> Result<usize> {
        Ok(self.counts()?.iter().sum())
    }

    fn batches(&self) -> Batches<'_> {
        let made = Made {
            sessions: self,
            left: self.stored.stretches(ARRAY_SIGHTINGS).into_iter(),
            wave: 1,
            ready: VecDeque::new(),
        };
        Box::new(made)
    }

    fn stretches(&self) -> Option<Box<dyn Stretches<'_> + '_>> {
        Some(Box::new(Left {
            sessions: self,
            stretches: self.stored.stretches(STRETCH_SIGHTINGS).into_iter(),
        }))
    }

    fn only_environment(&self) -> Result<Option<String>> {
        let parts = self.parts.iter().zip(self.counts()?);
        let mut with_rows = parts.filter(|(_, count)| **count > 0);
        let only = with_rows.next().filter(|_| with_rows.next().is_none());
        Ok(only.map(|((part, _), _)| part.facts.environment.clone()))
    }
}

/// What is left of all sessions.
struct Left<'a> {
    sessions: &'a Sessions,
    stretches: vec::IntoIter<Vec<Share>>,
}

impl<'a> Stretches<'a> for Left<'a> {
    fn next(&mut self) -> Option<Box<dyn Stretch + 'a>> {
        let sessions = self.sessions;
        let next = self.stretches.next().map(|shares| Chosen { sessions, shares });
        next.map(|next| Box::new(next) as Box<dyn Stretch + 'a>)
    }
}

/// Some of the sessions.
struct Chosen<'a> {
    sessions: &'a Sessions,
    shares: Vec<Share>,
}

impl Stretch for Chosen<'_> {
    fn values(&self, take: &mut dyn FnMut(usize, &[Values<'_>])) -> Result<()> {
        let (mut cutting, mut room) = (Cutting::default(), Room::default());
        for share in &self.shares {
            let columns = self.sessions.columns(share);
            self.sessions.cut(share, CHUNK_SESSIONS, &mut cutting, |sessions| {
                columns.values(sessions, &mut room, &mut |values| take(sessions.len(), values));
            })?;
        }
        Ok(())
    }
}

/// Batches of one environment each, in order.
struct Made<'a> {
    sessions: &'a Sessions,
    left: vec::IntoIter<Vec<Share>>,
    /// Who looks at the first rows only does not wait for many.
    wave: usize,
    ready: VecDeque<RecordBatch>,
}

impl Iterator for Made<'_> {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() && self.left.len() > 0 {
            if let Err(error) = self.make_wave() {
                self.left = Vec::new().into_iter();
                return Some(Err(error));
            }
        }
        self.ready.pop_front().map(Ok)
    }
}

impl Made<'_> {
    fn make_wave(&mut self) -> Result<()> {
        let stretches: Vec<Vec<Share>> = self.left.by_ref().take(self.wave).collect();
        self.wave = (4 * self.wave).min(WAVE);
        let made = stretches.par_iter().with_max_len(1);
        let made = made.map(|shares| self.sessions.batches_of(shares));
        self.ready = made.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
        Ok(())
    }
}

/// Rows of one environment, as they are shown.
pub fn rows(schema: &SchemaRef, facts: &Facts, sessions: &[Session], limits: &Limits) -> Result<RecordBatch> {
    let columns = Columns {
        schema,
        limits,
        texts: &Texts::of(facts),
    };
    columns.batch(&sessions.iter().copied().collect())
}
