//! What is counted of each actor while the accesses pass: when first and last seen, how often, by which client, in how
//! many sessions.
//!
//! Sessions are told of by who cuts them. Where nobody needs them but who counts them, and only accesses make them, a
//! comparison tells as much: one begins wherever the actor's last access is longer ago than the session gap.

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

#[derive(Clone)]
pub struct People {
    /// After so long a pause an access begins a session; [`i64::MAX`] where others tell of sessions.
    session_gap_us: i64,
    seen: Vec<Counted>,
    first_on: Vec<i64>,
}

/// What is touched by every access, so small that all of it stays near: 32 bits count an access each 7 ms for a year.
/// Instants are [`NEVER`] before the first.
#[derive(Clone, Copy)]
struct Counted {
    /// By client.
    last_on: [i64; 2],
    accesses: [u32; 2],
    sessions: u32,
}

/// No access has this instant.
const NEVER: i64 = i64::MIN;

impl People {
    /// Who is told of sessions.
    pub fn new(actor_count: usize) -> People {
        let nothing = Counted {
            last_on: [NEVER; 2],
            accesses: [0; 2],
            sessions: 0,
        };
        People {
            session_gap_us: i64::MAX,
            seen: vec![nothing; actor_count],
            first_on: vec![NEVER; actor_count],
        }
    }

    /// Who is told of accesses alone.
    pub fn counting_sessions(self, session_gap_us: i64) -> People {
        People { session_gap_us, ..self }
    }

    pub fn take(&mut self, accesses: Accesses<'_>) {
        let rows = accesses.created_on.iter().zip(accesses.actor).zip(accesses.by);
        for ((&on, &actor), &by) in rows {
            // Nobody has no place.
            let Some(seen) = self.seen.get_mut(actor as usize) else {
                continue;
            };
            let last_on = seen.last_on[0].max(seen.last_on[1]);
            if last_on == NEVER {
                self.first_on[actor as usize] = on;
            }
            seen.sessions += u32::from(on.saturating_sub(last_on) > self.session_gap_us);
            seen.last_on[by as usize] = on;
            seen.accesses[by as usize] += 1;
        }
    }

    pub fn session_ended(&mut self, actor: u32) {
        self.seen[actor as usize].sessions += 1;
    }

    /// What was counted of all, `later` of accesses that came after these.
    pub fn then(mut self, later: People) -> People {
        let others = later.seen.into_iter().zip(later.first_on);
        for ((seen, first_on), (next, next_on)) in self.seen.iter_mut().zip(&mut self.first_on).zip(others) {
            if next_on == NEVER {
                continue;
            }
            let begins_after = |last_on: i64| u32::from(next_on.saturating_sub(last_on) > self.session_gap_us);
            seen.sessions += next.sessions + begins_after(seen.last_on[0].max(seen.last_on[1])) - begins_after(NEVER);
            for client in 0..2 {
                seen.last_on[client] = seen.last_on[client].max(next.last_on[client]);
                seen.accesses[client] += next.accesses[client];
            }
            if *first_on == NEVER {
                *first_on = next_on;
            }
        }
        self
    }

    /// By the place of the actor.
    pub fn finish(self) -> Vec<Seen> {
        let ever = |on: i64| (on != NEVER).then_some(on);
        let seen = |(seen, first_on): (Counted, i64)| Seen {
            first_on: ever(first_on),
            last_on: seen.last_on.map(ever),
            accesses: seen.accesses.map(i64::from),
            sessions: i64::from(seen.sessions),
        };
        self.seen.into_iter().zip(self.first_on).map(seen).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::kernel::Running;
    use super::*;
    use crate::lake::{By, NOBODY, Sightings};
    use chrono_tz::Tz;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sessions_counted_here_are_those_that_are_cut(
            mut rows in prop::collection::vec((0i64..200, prop::sample::select(vec![0u32, 1, NOBODY]), any::<bool>()), 0..80),
            gap_us in 0i64..30,
            cut in 0usize..80,
        ) {
            rows.sort_unstable();
            let created_on: Vec<i64> = rows.iter().map(|row| row.0).collect();
            let actor: Vec<u32> = rows.iter().map(|row| row.1).collect();
            let by: Vec<By> = rows.iter().map(|row| if row.2 { By::Web } else { By::WebServices }).collect();
            let (created_on, actor, by) = (&*created_on, &*actor, &*by);
            let mut ended = Vec::new();
            let mut running = Running::new(2, gap_us, Tz::UTC);
            running.take(Sightings { created_on, actor, by }, &mut ended);
            running.finish(&mut ended);
            let mut told = People::new(2);
            let mut counting = People::new(2).counting_sessions(gap_us);
            let all = Accesses { created_on, actor, by };
            for people in [&mut told, &mut counting] {
                people.take(all);
            }
            ended.iter().for_each(|session| told.session_ended(session.actor));
            let counted = counting.finish();
            prop_assert_eq!(&counted, &told.finish());
            let (before, after) = all.split_at(cut.min(all.len()));
            for gap_us in [gap_us, i64::MAX] {
                let of = |accesses| {
                    let mut people = People::new(2).counting_sessions(gap_us);
                    people.take(accesses);
                    people
                };
                prop_assert_eq!(of(before).then(of(after)).finish(), of(all).finish());
            }
        }
    }
}
