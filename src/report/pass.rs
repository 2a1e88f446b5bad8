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
    /// Where somebody needs sessions.
    pub running: Option<Running>,
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

    fn sessions_ended(&mut self, ended: &[Session]) {
        if let Some(daily) = &mut self.daily {
            ended.iter().for_each(|session| daily.session_ended(session));
        }
        if let Some(people) = &mut self.people {
            ended.iter().for_each(|session| people.session_ended(session.actor));
        }
        if let Some(watch) = &mut self.watch {
            ended.iter().for_each(|session| watch.session_ended(session));
        }
    }
}

impl Pass<'_> {
    /// Takes the next sightings, piece by piece while they are near.
    pub fn take(&mut self, mut sightings: Sightings<'_>) -> Result<()> {
        while !sightings.is_empty() {
            let (piece, rest) = sightings.split_at(sightings.len().min(PIECE_ROWS));
            if let Some(running) = &mut self.running {
                running.take(piece, &mut self.ended);
            }
            let accesses = self.sieve.accesses(piece);
            self.counters.take(accesses);
            self.witness.saw(accesses);
            self.tell_ended()?;
            sightings = rest;
        }
        Ok(())
    }

    /// Ends the sessions that still run.
    pub fn finish(mut self) -> Result<(Counters, Witness)> {
        if let Some(running) = &self.running {
            running.finish(&mut self.ended);
        }
        self.tell_ended()?;
        Ok((self.counters, self.witness))
    }

    /// Tells everyone of the sessions that have ended.
    fn tell_ended(&mut self) -> Result<()> {
        self.witness
            .sessions_ended(self.ended.iter().map(|session| session.last_seen_on));
        self.counters.sessions_ended(&self.ended);
        if let Some(store) = &mut self.store {
            let chosen = self.ended.iter().filter(|session| is_chosen(session, self.options));
            chosen.into_iter().try_for_each(|session| store.add(*session))?;
        }
        self.ended.clear();
        Ok(())
    }
}
