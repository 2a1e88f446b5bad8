//! What is counted of each actor while the accesses pass: when first and last seen, how often, by which client, in how
//! many sessions.

use crate::lake::Accesses;

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
    seen: Vec<Counted>,
    sessions: Vec<i64>,
}

/// What is touched by every access; [`NEVER`] before the first.
#[derive(Clone, Copy)]
struct Counted {
    first_on: i64,
    /// By client.
    last_on: [i64; 2],
    accesses: [i64; 2],
}

/// No access has this instant.
const NEVER: i64 = i64::MIN;

impl People {
    /// Sessions bear the actors' numbers plus `first_actor`.
    pub fn new(first_actor: u32, actor_count: usize) -> People {
        let nothing = Counted {
            first_on: NEVER,
            last_on: [NEVER; 2],
            accesses: [0; 2],
        };
        People {
            first_actor,
            seen: vec![nothing; actor_count],
            sessions: vec![0; actor_count],
        }
    }

    pub fn take(&mut self, accesses: Accesses<'_>) {
        let rows = accesses.created_on.iter().zip(accesses.actor).zip(accesses.by);
        for ((&on, &actor), &by) in rows {
            // Nobody has no place.
            let Some(seen) = self.seen.get_mut(actor as usize) else {
                continue;
            };
            if seen.first_on == NEVER {
                seen.first_on = on;
            }
            seen.last_on[by as usize] = on;
            seen.accesses[by as usize] += 1;
        }
    }

    pub fn session_ended(&mut self, actor: u32) {
        self.sessions[(actor - self.first_actor) as usize] += 1;
    }

    /// By the place of the actor.
    pub fn finish(self) -> Vec<Seen> {
        let ever = |on: i64| (on != NEVER).then_some(on);
        let seen = |(seen, sessions): (Counted, i64)| Seen {
            first_on: ever(seen.first_on),
            last_on: seen.last_on.map(ever),
            accesses: seen.accesses,
            sessions,
        };
        self.seen.into_iter().zip(self.sessions).map(seen).collect()
    }
}
