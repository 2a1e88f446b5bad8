//! Rows that show that somebody was there, in pieces of columns: accesses, and changes where they are asked for.
//!
//! An access says that somebody came. A change says that something was written in somebody's name, which a job may have
//! done: so only who asks for changes sees them, and everything that counts accesses sees a piece through a [`Sieve`].

use crate::record::{ACTION_WEB, ACTION_WEB_SERVICES};

/// The number of an actor that is not known.
pub const NOBODY: u32 = u32::MAX;

/// By what somebody was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    Web,
    WebServices,
    Change,
}

impl By {
    pub(super) fn of(action: i32) -> By {
        match action {
            ACTION_WEB => By::Web,
            ACTION_WEB_SERVICES => By::WebServices,
            _ => By::Change,
        }
    }
}

/// A piece of the log, in order of time: instants in microseconds, actors as places in the list of the log's actors.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sightings<'a> {
    pub created_on: &'a [i64],
    pub actor: &'a [u32],
    pub by: &'a [By],
}

impl<'a> Sightings<'a> {
    pub fn len(&self) -> usize {
        self.created_on.len()
    }

    pub fn is_empty(&self) -> bool {
        self.created_on.is_empty()
    }

    pub fn split_at(self, rows: usize) -> (Sightings<'a>, Sightings<'a>) {
        let (created_on, actor, by) = (
            self.created_on.split_at(rows),
            self.actor.split_at(rows),
            self.by.split_at(rows),
        );
        let side = |created_on, actor, by| Sightings { created_on, actor, by };
        (side(created_on.0, actor.0, by.0), side(created_on.1, actor.1, by.1))
    }
}

/// The accesses of a piece of the log: no [`By`] is that of a change.
#[derive(Debug, Clone, Copy, Default)]
pub struct Accesses<'a> {
    pub created_on: &'a [i64],
    pub actor: &'a [u32],
    pub by: &'a [By],
}

impl<'a> Accesses<'a> {
    pub fn len(&self) -> usize {
        self.created_on.len()
    }

    pub fn is_empty(&self) -> bool {
        self.created_on.is_empty()
    }

    pub fn split_at(self, rows: usize) -> (Accesses<'a>, Accesses<'a>) {
        let Accesses { created_on, actor, by } = self;
        let (first, second) = Sightings { created_on, actor, by }.split_at(rows);
        let accesses = |of: Sightings<'a>| Accesses {
            created_on: of.created_on,
            actor: of.actor,
            by: of.by,
        };
        (accesses(first), accesses(second))
    }
}

/// Tells the accesses from all sightings; holds what it had to copy.
#[derive(Default)]
pub struct Sieve {
    created_on: Vec<i64>,
    actor: Vec<u32>,
    by: Vec<By>,
}

impl Sieve {
    pub fn accesses<'a>(&'a mut self, piece: Sightings<'a>) -> Accesses<'a> {
        // Looks at all of them: so eight or more are looked at at once.
        if !piece.by.iter().fold(false, |any, by| any | (*by == By::Change)) {
            let Sightings { created_on, actor, by } = piece;
            return Accesses { created_on, actor, by };
        }
        self.created_on.clear();
        self.actor.clear();
        self.by.clear();
        let rows = piece.created_on.iter().zip(piece.actor).zip(piece.by);
        for ((on, actor), by) in rows.filter(|(_, by)| **by != By::Change) {
            self.created_on.push(*on);
            self.actor.push(*actor);
            self.by.push(*by);
        }
        Accesses {
            created_on: &self.created_on,
            actor: &self.actor,
            by: &self.by,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sieve_lets_accesses_pass_and_no_change_and_nothing_of_the_piece_before() {
        let mut sieve = Sieve::default();
        let mut sift = |by: &[By]| {
            let created_on: Vec<i64> = (0..by.len() as i64).collect();
            let actor: Vec<u32> = (0..by.len() as u32).map(|row| row * 10).collect();
            let found = sieve.accesses(Sightings {
                created_on: &created_on,
                actor: &actor,
                by,
            });
            let rows = found.created_on.iter().zip(found.actor).zip(found.by);
            rows.map(|((on, actor), by)| (*on, *actor, *by)).collect::<Vec<_>>()
        };
        use By::{Change, Web, WebServices};
        assert_eq!(sift(&[Web, Change, WebServices]), [(0, 0, Web), (2, 20, WebServices)]);
        assert_eq!(sift(&[WebServices, Web]), [(0, 0, WebServices), (1, 10, Web)]);
        assert_eq!(sift(&[Change, Change]), []);
        assert_eq!(sift(&[]), []);
    }
}
