//! What the reports' own pass over the log shows of one actor, in memory that does not grow with the log.

use super::super::kernel::Session;
use crate::lake::Accesses;
use std::collections::VecDeque;

/// How many of the last sessions are kept.
const LAST: usize = 5;

#[derive(Clone)]
pub struct Watch {
    /// The actor's place in the log's list of actors.
    place: u32,
    recent_from: i64,
    at: Option<i64>,
    pub recent_accesses: i64,
    /// How many.
    pub sessions: i64,
    /// The last ones, in order of time.
    pub last: VecDeque<Session>,
    /// The last session that starts at or before the instant asked about.
    pub near: Option<Session>,
    /// How many sessions there are up to that one.
    pub near_number: i64,
}

impl Watch {
    /// Accesses at `recent_from` or later are counted.
    pub fn new(place: u32, recent_from: i64, at: Option<i64>) -> Watch {
        Watch {
            place,
            recent_from,
            at,
            recent_accesses: 0,
            sessions: 0,
            last: VecDeque::new(),
            near: None,
            near_number: 0,
        }
    }

    pub fn take(&mut self, accesses: Accesses<'_>) {
        let rows = accesses.created_on.iter().zip(accesses.actor);
        let recent = rows.filter(|(on, actor)| **actor == self.place && **on >= self.recent_from);
        self.recent_accesses += recent.count() as i64;
    }

    /// What was seen of all, `later` of accesses that came after these and of sessions that ended then.
    pub fn then(mut self, later: Watch) -> Watch {
        self.recent_accesses += later.recent_accesses;
        if later.near.is_some() {
            self.near = later.near;
            self.near_number = self.sessions + later.near_number;
        }
        self.sessions += later.sessions;
        self.last.extend(later.last);
        self.last.drain(..self.last.len().saturating_sub(LAST));
        self
    }

    /// Those of an actor end in order of time.
    pub fn session_ended(&mut self, session: &Session) {
        if session.actor != self.place {
            return;
        }
        self.sessions += 1;
        if self.at.is_some_and(|at| session.started_on <= at) {
            self.near = Some(*session);
            self.near_number = self.sessions;
        }
        if self.last.len() == LAST {
            self.last.pop_front();
        }
        self.last.push_back(*session);
    }
}
