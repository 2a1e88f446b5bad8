//! The one pass over an environment's sightings: each row is seen once, by everyone who counts something. Sessions are
//! cut over all of them; whatever else is counted is counted of accesses.
//!
//! ```text
//! log ──cut where days begin──▶ legs ──a pass each, side by side──▶ one pass then the next ──▶ what was counted
//! ```
//!
//! Example: of two legs, somebody's last session in the first and first session in the second are one if no longer pause
//! than the session gap lies between; who was seen in both counts once in their month.

use super::activity::Rhythm;
use super::clock::next_midnight;
use super::daily::Daily;
use super::days::Days;
use super::evidence::Witness;
use super::explain::watch::Watch;
use super::kernel::{Running, Session};
use super::people::People;
use super::silence::Seen;
use super::store::Store;
use crate::error::{Error, Result};
use crate::lake::{AccessLog, Accesses, Leg, Sieve, Sightings};
use chrono_tz::Tz;
use rayon::prelude::*;
use std::iter;

/// Rows that are seen by one after the other while they are near.
const PIECE_ROWS: usize = 1 << 14;

/// Where none of so many midnights will do, the log is not cut.
const MOST_MIDNIGHTS: usize = 50;

/// Who sees the log.
#[derive(Clone)]
pub struct Audience {
    /// Where somebody needs to be told of sessions.
    pub running: Option<Running>,
    pub witness: Witness,
    pub counters: Counters,
}

/// A pass over a leg of the log, or over legs that follow each other.
struct Pass<'s> {
    audience: Audience,
    /// Where a report asks for sessions, which are cut when it is written.
    store: Option<&'s mut Store>,
    ended: Vec<Session>,
    sieve: Sieve,
}

/// Who counts, as far as a report asks for it.
#[derive(Clone, Default)]
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

    /// What all have counted, `later` on later days.
    fn then(self, later: Counters) -> Counters {
        fn both<T>(one: Option<T>, later: Option<T>, then: impl Fn(T, T) -> T) -> Option<T> {
            one.zip(later).map(|(one, later)| then(one, later))
        }
        Counters {
            daily: both(self.daily, later.daily, Daily::then),
            days: both(self.days, later.days, Days::then),
            rhythm: both(self.rhythm, later.rhythm, Rhythm::then),
            people: both(self.people, later.people, People::then),
            seen: both(self.seen, later.seen, Seen::then),
            watch: both(self.watch, later.watch, Watch::then),
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

/// Where the log may be cut into legs, at or after an instant: where a day begins, for days then are whole.
fn cut(on: i64, witness: &Witness, tz: Tz) -> Option<i64> {
    let midnights = iter::successors(next_midnight(on, tz), |on| next_midnight(*on, tz));
    midnights.take(MOST_MIDNIGHTS).find(|on| witness.may_be_cut(*on))
}

/// Lets the audience see the whole log, a leg on each core, and ends the sessions that still run. All sightings go to the
/// stores, if there are any: one for each core.
pub fn over(log: &AccessLog, audience: Audience, tz: Tz, stores: &mut [Store]) -> Result<(Counters, Witness)> {
    let legs = log.legs(rayon::current_num_threads(), |on| cut(on, &audience.witness, tz))?;
    let audiences = vec![audience; legs.len()];
    let stores = stores.iter_mut().map(Some).chain(iter::repeat_with(|| None));
    let passes = legs.into_iter().zip(audiences).zip(stores).enumerate();
    let passes = passes.map(|(place, ((leg, mut audience), store))| {
        if place > 0 {
            audience.running = audience.running.map(Running::following);
        }
        let pass = Pass {
            audience,
            store,
            ended: Vec::new(),
            sieve: Sieve::default(),
        };
        (leg, pass)
    });
    let passes: Vec<(Leg<'_>, Pass<'_>)> = passes.collect();
    let taken = passes.into_par_iter().with_max_len(1).map(|(leg, mut pass)| {
        leg.read(|sightings| pass.take(sightings))?;
        Ok(pass)
    });
    let taken: Vec<Pass<'_>> = taken.collect::<Result<_>>()?;
    let all = taken.into_iter().reduce(Pass::then);
    all.map(Pass::finish).ok_or_else(|| Error::failed("a log has no leg"))
}

impl<'s> Pass<'s> {
    /// Takes the next sightings, piece by piece while they are near.
    fn take(&mut self, mut sightings: Sightings<'_>) -> Result<()> {
        while !sightings.is_empty() {
            let (piece, rest) = sightings.split_at(sightings.len().min(PIECE_ROWS));
            if let Some(store) = &mut self.store {
                store.take(piece)?;
            }
            if let Some(running) = &mut self.audience.running {
                running.take(piece, &mut self.ended);
            }
            let accesses = self.sieve.accesses(piece);
            self.audience.counters.take(accesses);
            self.audience.witness.saw(accesses);
            self.tell_ended();
            sightings = rest;
        }
        Ok(())
    }

    /// The same over both legs, `later` over one that comes after this.
    fn then(mut self, later: Pass<'s>) -> Pass<'s> {
        let running = self.audience.running.take().zip(later.audience.running);
        let running = running.map(|(running, later)| running.then(later, &mut self.ended));
        self.tell_ended();
        Pass {
            audience: Audience {
                running,
                witness: self.audience.witness.then(later.audience.witness),
                counters: self.audience.counters.then(later.audience.counters),
            },
            ..self
        }
    }

    /// Ends the sessions that still run.
    fn finish(mut self) -> (Counters, Witness) {
        if let Some(running) = &self.audience.running {
            running.finish(&mut self.ended);
        }
        self.tell_ended();
        (self.audience.counters, self.audience.witness)
    }

    /// Tells everyone of the sessions that have ended.
    fn tell_ended(&mut self) {
        let last_seen_on = self.ended.iter().map(|session| session.last_seen_on);
        self.audience.witness.sessions_ended(last_seen_on);
        self.audience.counters.sessions_ended(&self.ended);
        self.ended.clear();
    }
}
