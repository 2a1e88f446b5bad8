//! What is counted of each actor while the accesses pass: when first and last seen, how often, by which client, in how
//! many sessions.

use crate::lake::{Accesses, NOBODY};

/// What was seen of one actor; `None` is never.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    pub first_on: Option<i64>,
    /// By client: web, web services.
    pub last_on: [Option<i64>; 2],
    pub accesses: [i64; 2],
    pub sessions: i64,
}

impl Seen {
    pub fn last_access_on(&self) -> Option<i64> {
        self.last_on[0].max(self.last_on[1])
    }

    pub fn all_accesses(&self) -> i64 {
        self.accesses.iter().sum()
    }
}

pub struct People {
    first_actor: u32,
    seen: Vec<Seen>,
}

impl People {
    /// Sessions bear the actors' numbers plus `first_actor`.
    pub fn new(first_actor: u32, actor_count: usize) -> People {
        People {
            first_actor,
            seen: vec![Seen::default(); actor_count],
        }
    }

    pub fn take(&mut self, accesses: Accesses<'_>) {
        let rows = accesses.created_on.iter().zip(accesses.actor).zip(accesses.is_web);
        for ((&on, &actor), &web) in rows {
            if actor != NOBODY {
                let client = usize::from(!web);
                let seen = &mut self.seen[actor as usize];
                seen.first_on.get_or_insert(on);
                seen.last_on[client] = Some(on);
                seen.accesses[client] += 1;
            }
        }
    }

    pub fn session_ended(&mut self, actor: u32) {
        self.seen[(actor - self.first_actor) as usize].sessions += 1;
    }

    /// By the place of the actor.
    pub fn finish(self) -> Vec<Seen> {
        self.seen
    }
}
