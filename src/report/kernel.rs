//! The ordered work: one pass over accesses in order of time with a small state per actor. Plain slices in, plain rows
//! out; no I/O, no frames. Instants are microseconds, actors are numbers below the count of actors or [`NOBODY`].

use super::clock::LocalDates;
use crate::lake::{Accesses, NOBODY};
use chrono_tz::Tz;

/// Accesses of one actor with no pause longer than the session gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    pub actor: u32,
    /// The local date of the start.
    pub started_date: i32,
    pub started_on: i64,
    pub last_seen_on: i64,
    pub web: u32,
    pub web_services: u32,
}

/// No access has this instant.
const NEVER: i64 = i64::MIN;

/// The session each actor is in, or was in last.
pub struct Running {
    first_actor: u32,
    gap_us: i64,
    dates: LocalDates,
    /// [`NEVER`] before the first access.
    last_seen_on: Vec<i64>,
    begun: Vec<Begun>,
}

#[derive(Clone, Copy, Default)]
struct Begun {
    on: i64,
    date: i32,
    web: u32,
    web_services: u32,
}

impl Running {
    /// Sessions bear the actors' numbers plus `first_actor`, so that actors of several environments stay apart.
    pub fn new(first_actor: u32, actor_count: usize, gap_us: i64, tz: Tz) -> Running {
        Running {
            first_actor,
            gap_us,
            dates: LocalDates::new(tz),
            last_seen_on: vec![NEVER; actor_count],
            begun: vec![Begun::default(); actor_count],
        }
    }

    /// Takes the next accesses; sessions that have ended go to `ended`, those of an actor in order of time.
    ///
    /// An access belongs to the actor's running session when it comes **at most** the session gap after the previous
    /// one. With a gap of 6 h, accesses at 08:00, 14:00 and 20:01 make two sessions: 08:00–14:00 and 20:01–20:01.
    pub fn take(&mut self, accesses: Accesses<'_>, ended: &mut Vec<Session>) {
        let rows = accesses.created_on.iter().zip(accesses.actor).zip(accesses.is_web);
        for ((&on, &actor), &web) in rows {
            if actor == NOBODY {
                continue;
            }
            let place = actor as usize;
            let last = std::mem::replace(&mut self.last_seen_on[place], on);
            if on.saturating_sub(last) > self.gap_us {
                if last != NEVER {
                    ended.push(self.session(place, last));
                }
                self.begun[place] = Begun {
                    on,
                    date: self.dates.day(on),
                    web: 0,
                    web_services: 0,
                };
            }
            let begun = &mut self.begun[place];
            begun.web += u32::from(web);
            begun.web_services += u32::from(!web);
        }
    }

    /// Ends the sessions that still run.
    pub fn finish(&self, ended: &mut Vec<Session>) {
        let seen = self.last_seen_on.iter().enumerate().filter(|(_, last)| **last != NEVER);
        ended.extend(seen.map(|(place, &last)| self.session(place, last)));
    }

    /// How many different actors had an access at `from` or later.
    pub fn seen_since(&self, from: i64) -> i64 {
        let from = from.max(NEVER + 1);
        self.last_seen_on.iter().filter(|last| **last >= from).count() as i64
    }

    fn session(&self, place: usize, last_seen_on: i64) -> Session {
        let begun = self.begun[place];
        Session {
            actor: self.first_actor + place as u32,
            started_date: begun.date,
            started_on: begun.on,
            last_seen_on,
            web: begun.web,
            web_services: begun.web_services,
        }
    }
}

/// A stretch of time `[start, end)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window {
    pub start: i64,
    pub end: i64,
}

/// Micros of `[from, to)` that lie inside windows; these are disjoint and ordered.
pub fn overlap_us(windows: &[Window], from: i64, to: i64) -> i64 {
    let first = windows.partition_point(|window| window.end <= from);
    windows[first..]
        .iter()
        .take_while(|window| window.start < to)
        .map(|window| (window.end.min(to) - window.start.max(from)).max(0))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All sessions, by actor and start, of accesses that come in pieces of at most `rows`.
    fn sessions(on: &[i64], actor: &[u32], is_web: &[bool], gap_us: i64, rows: usize) -> Vec<Session> {
        let mut running = Running::new(0, 3, gap_us, Tz::UTC);
        let mut ended = Vec::new();
        for ((created_on, actor), is_web) in on.chunks(rows).zip(actor.chunks(rows)).zip(is_web.chunks(rows)) {
            let accesses = Accesses {
                created_on,
                actor,
                is_web,
            };
            running.take(accesses, &mut ended);
        }
        running.finish(&mut ended);
        ended.sort_by_key(|session| session.actor);
        ended
    }

    fn spans(created_on: &[i64], actor: &[u32], gap_us: i64) -> Vec<(u32, i64, i64)> {
        let is_web = vec![true; created_on.len()];
        sessions(created_on, actor, &is_web, gap_us, 2)
            .into_iter()
            .map(|s| (s.actor, s.started_on, s.last_seen_on))
            .collect()
    }

    #[test]
    fn sessions_join_at_exactly_the_gap_and_split_above_it() {
        assert_eq!(spans(&[0, 10, 21], &[0, 0, 0], 10), [(0, 0, 10), (0, 21, 21)]);
    }

    #[test]
    fn sessions_a_late_row_bridges_two() {
        assert_eq!(spans(&[10, 12, 20], &[0, 0, 0], 5), [(0, 10, 12), (0, 20, 20)]);
        assert_eq!(spans(&[10, 12, 16, 20], &[0, 0, 0, 0], 5), [(0, 10, 20)]);
    }

    #[test]
    fn sessions_of_actors_never_mix_and_nobody_has_none() {
        assert_eq!(spans(&[0, 1, 2, 3], &[2, 0, 2, NOBODY], 5), [(0, 1, 1), (2, 0, 2)]);
    }

    #[test]
    fn sessions_equal_timestamps_are_one_session_even_with_gap_zero() {
        assert_eq!(spans(&[5, 5, 6], &[1, 1, 1], 0), [(1, 5, 5), (1, 6, 6)]);
    }

    #[test]
    fn sessions_count_accesses_by_client() {
        let found = sessions(&[0, 1, 2], &[0, 0, 0], &[true, false, true], 10, 2);
        assert_eq!((found[0].web, found[0].web_services), (2, 1));
    }

    #[test]
    fn sessions_before_1970_are_sessions_and_dated() {
        let day = 86_400_000_000;
        let found = sessions(&[-3 * day, -1], &[0, 0], &[true, true], day, 2);
        assert_eq!(found.iter().map(|s| s.started_date).collect::<Vec<_>>(), [-3, -1]);
    }

    #[test]
    fn overlap_counts_only_what_is_inside() {
        let windows = [Window { start: 0, end: 10 }, Window { start: 20, end: 30 }];
        assert_eq!(overlap_us(&windows, 5, 25), 10);
        assert_eq!(overlap_us(&windows, 10, 20), 0);
        assert_eq!(overlap_us(&windows, 22, 22), 0);
        assert_eq!(overlap_us(&windows, -5, 50), 20);
    }

    #[test]
    fn seen_since_counts_actors_once_and_never_nobody_or_who_has_not_come() {
        let mut running = Running::new(0, 3, 5, Tz::UTC);
        let accesses = Accesses {
            created_on: &[0, 1, 1, 1],
            actor: &[0, 1, 1, NOBODY],
            is_web: &[true; 4],
        };
        running.take(accesses, &mut Vec::new());
        assert_eq!([i64::MIN, 0, 1, 2].map(|from| running.seen_since(from)), [2, 2, 1, 0]);
    }

    /// The rule, word by word, for one actor at a time.
    fn plainly(rows: &[(i64, u32)], gap_us: i64) -> Vec<(u32, i64, i64)> {
        let mut found: Vec<(u32, i64, i64)> = Vec::new();
        for actor in 0..3 {
            for &(on, _) in rows.iter().filter(|row| row.1 == actor) {
                match found.last_mut() {
                    Some(last) if last.0 == actor && on - last.2 <= gap_us => last.2 = on,
                    _ => found.push((actor, on, on)),
                }
            }
        }
        found
    }

    proptest! {
        #[test]
        fn sessions_equal_the_rule_word_by_word(
            mut rows in prop::collection::vec((0i64..200, 0u32..3), 0..80), gap_us in 0i64..30,
        ) {
            rows.sort_unstable();
            let (on, actor): (Vec<i64>, Vec<u32>) = rows.iter().copied().unzip();
            prop_assert_eq!(spans(&on, &actor, gap_us), plainly(&rows, gap_us));
        }
    }
}
