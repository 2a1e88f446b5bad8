//! The one pass over an environment's accesses: each row is seen once, by everyone who counts something.

use super::daily::Daily;
use super::evidence::Witness;
use super::kernel::{Running, Session};
use super::options::Options;
use super::sessions::is_chosen;
use super::store::Store;
use crate::error::Result;
use crate::lake::Accesses;

/// Rows that are seen by one after the other while they are near.
const PIECE_ROWS: usize = 1 << 14;

pub struct Pass<'s> {
    pub running: Running,
    /// Where a report asks for them.
    pub daily: Option<Daily>,
    pub witness: Witness,
    pub store: Option<&'s mut Store>,
    pub options: &'s Options,
    pub ended: Vec<Session>,
}

impl Pass<'_> {
    /// Takes the next accesses, stopping at each mark of the witness.
    pub fn take(&mut self, mut accesses: Accesses<'_>) -> Result<()> {
        while let Some(&last) = accesses.created_on.last() {
            let mark = self.witness.next_mark().filter(|mark| *mark <= last);
            let rows = mark.map_or(accesses.len(), |mark| {
                accesses.created_on.partition_point(|&on| on < mark)
            });
            let (mut before, rest) = accesses.split_at(rows);
            while !before.is_empty() {
                let (piece, later) = before.split_at(before.len().min(PIECE_ROWS));
                self.see(piece)?;
                before = later;
            }
            if mark.is_some() {
                self.witness.look_around(&self.running);
            }
            accesses = rest;
        }
        Ok(())
    }

    fn see(&mut self, piece: Accesses<'_>) -> Result<()> {
        self.running.take(piece, &mut self.ended);
        if let Some(daily) = &mut self.daily {
            daily.take(piece);
        }
        self.witness.saw(piece.len());
        for session in self.ended.drain(..) {
            tell(
                &session,
                &mut self.daily,
                &mut self.witness,
                &mut self.store,
                self.options,
            )?;
        }
        Ok(())
    }

    /// Ends the sessions that still run.
    pub fn finish(self) -> Result<(Option<Daily>, Witness)> {
        let Pass {
            running,
            mut daily,
            mut witness,
            mut store,
            options,
            mut ended,
        } = self;
        while witness.next_mark().is_some() {
            witness.look_around(&running);
        }
        running.finish(&mut ended);
        for session in ended {
            tell(&session, &mut daily, &mut witness, &mut store, options)?;
        }
        Ok((daily, witness))
    }
}

/// Tells everyone of a session that has ended.
fn tell(
    session: &Session,
    daily: &mut Option<Daily>,
    witness: &mut Witness,
    store: &mut Option<&mut Store>,
    options: &Options,
) -> Result<()> {
    witness.session_ended(session.last_seen_on);
    if let Some(daily) = daily {
        daily.session_ended(session);
    }
    match store {
        Some(store) if is_chosen(session, options) => store.add(*session),
        _ => Ok(()),
    }
}
