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

/// The accesses of a piece of the log.
#[derive(Debug, Clone, Copy, Default)]
pub struct Accesses<'a> {
    pub created_on: &'a [i64],
    pub actor: &'a [u32],
    pub is_web: &'a [bool],
}

impl Accesses<'_> {
    pub fn len(&self) -> usize {
        self.created_on.len()
    }

    pub fn is_empty(&self) -> bool {
        self.created_on.is_empty()
    }
}

/// Tells the accesses from all sightings; holds what it had to copy.
#[derive(Default)]
pub struct Sieve {
    created_on: Vec<i64>,
    actor: Vec<u32>,
    is_web: Vec<bool>,
}

impl Sieve {
    pub fn accesses<'a>(&'a mut self, piece: Sightings<'a>) -> Accesses<'a> {
        let is_access = |by: &By| *by != By::Change;
        self.is_web.clear();
        let web = piece.by.iter().map(|by| *by == By::Web);
        if piece.by.iter().all(is_access) {
            self.is_web.extend(web);
            return Accesses {
                created_on: piece.created_on,
                actor: piece.actor,
                is_web: &self.is_web,
            };
        }
        self.created_on.clear();
        self.actor.clear();
        let rows = piece.created_on.iter().zip(piece.actor).zip(piece.by);
        for ((on, actor), by) in rows.filter(|(_, by)| is_access(by)) {
            self.created_on.push(*on);
            self.actor.push(*actor);
            self.is_web.push(*by == By::Web);
        }
        Accesses {
            created_on: &self.created_on,
            actor: &self.actor,
            is_web: &self.is_web,
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
            let rows = found.created_on.iter().zip(found.actor).zip(found.is_web);
            rows.map(|((on, actor), web)| (*on, *actor, *web)).collect::<Vec<_>>()
        };
        use By::{Change, Web, WebServices};
        assert_eq!(sift(&[Web, Change, WebServices]), [(0, 0, true), (2, 20, false)]);
        assert_eq!(sift(&[WebServices, Web]), [(0, 0, false), (1, 10, true)]);
        assert_eq!(sift(&[Change, Change]), []);
        assert_eq!(sift(&[]), []);
    }
}
