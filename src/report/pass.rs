//! The one pass over an environment's sightings: each row is seen once, by everyone who counts something. Sessions are
//! cut over all of them; whatever else is counted is counted of accesses.

use super::activity::Rhythm;
use super::daily::Daily;
use super::days::Days;
use super::evidence::Witness;
use super::explain::watch::Watch;
use super::kernel::{Running, Session};
use super::options::Options;
use super::people::People;
use super::sessions::is_chosen;
use super::silence::Seen;
use super::store::Store;
use crate::error::Result;
use crate::lake::{Accesses, Sieve, Sightings};

/// Rows that are seen by one after the other while they are near.
const PIECE_ROWS: usize = 1 << 14;

pub struct Pass<'s> {
    pub running: Running,
    pub witness: Witness,
    pub counters: Counters,
    /// Where a report asks for sessions.
    pub store: Option<&'s mut Store>,
    pub options: &'s Options,
    pub ended: Vec<Session>,
    pub sieve: Sieve,
}

/// Who counts, as far as a report asks for it.
#[derive(Default)]
pub struct Counters {
    pub daily: Option<Daily>,
    pub days: Option<Days>,
    pub rhythm: Option<Rhythm>,
    pub people: Option<People>,
    pub seen: Option<Seen>,
    /// Of the one who is explained.
    pub watch: Option<Watch>,
}

impl Counters {
    fn take(&mut self, piece: Accesses<'_>) {
        if let Some(daily) = &mut self.daily {
            daily.take(piece);
        }
        if let Some(days) = &mut self.days {
            days.take(piece);
        }
        if let Some(rhythm) = &mut self.rhythm {
            rhythm.take(piece);
        }
        if let Some(people) = &mut self.people {
            people.take(piece);
        }
        if let Some(seen) = &mut self.seen {
            seen.take(piece);
        }
        if let Some(watch) = &mut self.watch {
            watch.take(piece);
        }
    }

    fn session_ended(&mut self, session: &Session) {
        if let Some(daily) = &mut self.daily {
            daily.session_ended(session);
        }
        if let Some(people) = &mut self.people {
            people.session_ended(session.actor);
        }
        if let Some(watch) = &mut self.watch {
            watch.session_ended(session);
        }
    }
}

impl Pass<'_> {
    /// Takes the next sightings, stopping at each mark of the witness.
    pub fn take(&mut self, mut sightings: Sightings<'_>) -> Result<()> {
        while let Some(&last) = sightings.created_on.last() {
            let mark = self.witness.next_mark().filter(|mark| *mark <= last);
            let rows = mark.map_or(sightings.len(), |mark| {
                sightings.created_on.partition_point(|&on| on < mark)
            });
            let (mut before, rest) = sightings.split_at(rows);
            while !before.is_empty() {
                let (piece, later) = before.split_at(before.len().min(PIECE_ROWS));
                self.see(piece)?;
                before = later;
            }
            if mark.is_some() {
                self.witness.look_around(&self.running);
            }
            sightings = rest;
        }
        Ok(())
    }

    fn see(&mut self, piece: Sightings<'_>) -> Result<()> {
        self.running.take(piece, &mut self.ended);
        let accesses = self.sieve.accesses(piece);
        self.counters.take(accesses);
        self.witness.saw(accesses.len());
        self.tell_ended()
    }

    /// Ends the sessions that still run.
    pub fn finish(mut self) -> Result<(Counters, Witness)> {
        while self.witness.next_mark().is_some() {
            self.witness.look_around(&self.running);
        }
        self.running.finish(&mut self.ended);
        self.tell_ended()?;
        Ok((self.counters, self.witness))
    }

    /// Tells everyone of the sessions that have ended.
    fn tell_ended(&mut self) -> Result<()> {
        for session in self.ended.drain(..) {
            self.witness.session_ended(session.last_seen_on);
            self.counters.session_ended(&session);
            if let Some(store) = &mut self.store
                && is_chosen(&session, self.options)
            {
                store.add(session)?;
            }
        }
        Ok(())
    }
}
