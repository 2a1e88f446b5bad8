//! The columns of sessions of one environment, made from them a few thousand at a time.

use super::super::cut::Sessions;
use super::super::facts::Facts;
use super::super::limits::{ENDS, Limits, STARTS};
use super::super::values::{NO_TEXT, Run, Values, push_run, put_runs};
use crate::error::Result;
use crate::instant::MICROS_PER_SECOND;
use arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::SchemaRef;

/// What the places of texts stand for.
pub struct Texts {
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
    pub fn of(facts: &Facts) -> Texts {
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

/// What the columns of one environment's sessions are made from.
pub struct Columns<'a> {
    pub schema: &'a SchemaRef,
    pub limits: &'a Limits,
    pub texts: &'a Texts,
}

/// Values of some sessions, column by column; their room is used again and again.
#[derive(Default)]
pub struct Room {
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
    fn fill(&mut self, sessions: &Sessions, limits: &Limits) {
        let spans = || sessions.started_on.iter().zip(&sessions.last_seen_on);
        let counts = || sessions.web.iter().zip(&sessions.web_services);
        self.shortest_s.clear();
        self.shortest_s
            .extend(spans().map(|(started, last_seen)| (last_seen - started) / MICROS_PER_SECOND));
        self.longest_s.clear();
        self.longest_s
            .extend(spans().map(|(started, last_seen)| limits.longest_s(*started, *last_seen)));
        self.accesses.clear();
        self.accesses
            .extend(counts().map(|(web, web_services)| web + web_services));
        put_runs(&mut self.actors, sessions.actor.iter().copied());
        put_runs(
            &mut self.clients,
            counts().map(|(web, web_services)| client(*web, *web_services)),
        );
        self.judge(sessions, limits);
    }

    /// What only the limits know of sessions.
    fn judge(&mut self, sessions: &Sessions, limits: &Limits) {
        self.starts.clear();
        self.ends.clear();
        self.has_longest.clear();
        self.has_longest.resize(sessions.len(), 1);
        self.gaps_s.clear();
        self.gaps_s.resize(sessions.len(), 0);
        let mut judged_rows = 0;
        for row in 0..sessions.len() {
            if limits.is_quiet(sessions.started_on[row], sessions.last_seen_on[row]) {
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

impl Columns<'_> {
    pub fn batch(&self, sessions: &Sessions) -> Result<RecordBatch> {
        let mut columns: Vec<ArrayRef> = Vec::new();
        self.values(sessions, &mut Room::default(), &mut |values| {
            columns = values.iter().map(|values| values.to_array()).collect();
        });
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }

    /// The columns of some of the sessions, as [`schema`](super::schema) names them.
    pub fn values(&self, sessions: &Sessions, room: &mut Room, take: &mut dyn FnMut(&[Values<'_>])) {
        let texts = self.texts;
        room.fill(sessions, self.limits);
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
        let values = [
            Some(text(&all, &texts.environment)),
            Some(text(&room.actors, &texts.actors)),
            Some(text(&names, &texts.names)),
            Some(Values::Instants(&sessions.started_on)),
            Some(Values::Instants(&sessions.last_seen_on)),
            Some(Values::Dates(&sessions.started_date)),
            Some(Values::Longs(&room.shortest_s)),
            Some(longest_s),
            Some(Values::Longs(&room.accesses)),
            Some(Values::Longs(&sessions.web)),
            Some(Values::Longs(&sessions.web_services)),
            has_changes.then_some(Values::Longs(&sessions.changes)),
            Some(text(&room.clients, &texts.clients)),
            Some(text(&room.starts, &texts.starts)),
            Some(text(&room.ends, &texts.ends)),
            Some(Values::Longs(&room.gaps_s)),
        ];
        let values: Vec<Values<'_>> = values.into_iter().flatten().collect();
        take(&values);
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
