//! Sessions in the order of the report, one by one and column by column: those that are [held](super::packed), and those
//! that were merged from runs.

use super::kernel::Session;
use super::packed::{self, FEW_ACTORS, Held, Packed};
use std::ops::Range;

/// Sessions of one environment, in order.
pub enum Lot<'s> {
    /// Some of those of a few actors, which who asks for them puts in order: on any thread.
    Held {
        held: &'s [Held],
        few: usize,
        sessions: Range<usize>,
    },
    Merged(Vec<Session>),
}

impl Lot<'_> {
    pub fn len(&self) -> usize {
        match self {
            Lot::Held { sessions, .. } => sessions.len(),
            Lot::Merged(sessions) => sessions.len(),
        }
    }

    /// They themselves; `room` is theirs where they have none.
    pub fn in_order<'r>(&'r self, room: &'r mut Vec<Packed>) -> Ordered<'r> {
        match self {
            Lot::Held { held, few, sessions } => {
                packed::put_in_order(held, *few, room);
                Ordered::Held(held, *few, &room[sessions.clone()])
            }
            Lot::Merged(sessions) => Ordered::Merged(sessions),
        }
    }
}

/// Sessions in order.
#[derive(Clone, Copy)]
pub enum Ordered<'r> {
    Held(&'r [Held], usize, &'r [Packed]),
    Merged(&'r [Session]),
}

impl<'r> Ordered<'r> {
    pub fn len(self) -> usize {
        match self {
            Ordered::Held(_, _, sessions) => sessions.len(),
            Ordered::Merged(sessions) => sessions.len(),
        }
    }

    /// The first of them, at most so many, and the others.
    pub fn split_at(self, count: usize) -> (Ordered<'r>, Ordered<'r>) {
        let count = count.min(self.len());
        match self {
            Ordered::Held(held, few, sessions) => {
                let (first, rest) = sessions.split_at(count);
                (Ordered::Held(held, few, first), Ordered::Held(held, few, rest))
            }
            Ordered::Merged(sessions) => {
                let (first, rest) = sessions.split_at(count);
                (Ordered::Merged(first), Ordered::Merged(rest))
            }
        }
    }

    pub fn at(self, place: usize) -> Session {
        match self {
            Ordered::Held(held, few, sessions) => packed::unpack(held, few, sessions[place]),
            Ordered::Merged(sessions) => sessions[place],
        }
    }

    /// Puts them in place of what was there.
    pub fn fill(self, columns: &mut Columns) {
        match self {
            Ordered::Held(held, few, sessions) => columns.fill_of_held(held, few, sessions),
            Ordered::Merged(sessions) => columns.fill(sessions),
        }
    }
}

/// Sessions, column by column.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Columns {
    pub actor: Vec<u32>,
    pub started_on: Vec<i64>,
    pub last_seen_on: Vec<i64>,
    pub started_date: Vec<i32>,
    pub web: Vec<i64>,
    pub web_services: Vec<i64>,
    pub changes: Vec<i64>,
}

impl Columns {
    /// Puts sessions in place of what was there.
    pub fn fill(&mut self, sessions: &[Session]) {
        put(&mut self.actor, sessions, |session| session.actor);
        put(&mut self.started_on, sessions, |session| session.started_on);
        put(&mut self.last_seen_on, sessions, |session| session.last_seen_on);
        put(&mut self.started_date, sessions, |session| session.started_date);
        put(&mut self.web, sessions, |session| session.web.into());
        put(&mut self.web_services, sessions, |session| session.web_services.into());
        put(&mut self.changes, sessions, |session| session.changes.into());
    }

    /// The same of some that were put in order.
    pub fn fill_of_held(&mut self, all: &[Held], few: usize, sessions: &[Packed]) {
        let first = few as u32 * FEW_ACTORS;
        put(&mut self.actor, sessions, |session| first + session.place() as u32);
        put(&mut self.started_on, sessions, |session| session.started_on());
        put(&mut self.last_seen_on, sessions, |session| {
            session.started_on() + session.length()
        });
        put(&mut self.started_date, sessions, |session| session.started_date());
        put(&mut self.web, sessions, |session| session.web().into());
        put(&mut self.web_services, sessions, |session| {
            session.web_services().into()
        });
        put(&mut self.changes, sessions, |session| session.changes().into());
        for row in (0..sessions.len()).filter(|row| sessions[*row].is_listed()) {
            let session = packed::listed(all, sessions[row]);
            self.started_on[row] = session.started_on;
            self.last_seen_on[row] = session.last_seen_on;
            self.started_date[row] = session.started_date;
            self.web[row] = session.web.into();
            self.web_services[row] = session.web_services.into();
            self.changes[row] = session.changes.into();
        }
    }
}

/// Puts what is said of each session in place of what was there.
fn put<S, T>(column: &mut Vec<T>, sessions: &[S], of: impl Fn(&S) -> T) {
    column.clear();
    column.extend(sessions.iter().map(of));
}
