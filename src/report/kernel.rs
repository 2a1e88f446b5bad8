//! The ordered work: one pass over sightings in order of time with a small state per actor. Plain slices in, plain rows
//! out; no I/O, no frames. Instants are microseconds, actors are numbers below the count of actors or [`NOBODY`].
//!
//! A sighting is an access or, with `--evidence all`, a change. A change extends a session but makes none: jobs write in
//! the name of people who are not there, so where nobody came, changes alone are no session.

use super::clock::LocalDates;
use crate::lake::{By, NOBODY, Sightings};
use chrono_tz::Tz;

/// Sightings of one actor with no pause longer than the session gap, at least one of them an access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    pub actor: u32,
    /// The local date of the start.
    pub started_date: i32,
    pub started_on: i64,
    pub last_seen_on: i64,
    pub web: u32,
    pub web_services: u32,
    pub changes: u32,
    /// Whether the first, or the last, instant is that of changes alone.
    pub starts_with_change: bool,
    pub ends_with_change: bool,
}

/// No sighting has this instant.
const NEVER: i64 = i64::MIN;

/// The session each actor is in, or was in last.
pub struct Running {
    first_actor: u32,
    gap_us: i64,
    dates: LocalDates,
    /// [`NEVER`] before the first sighting.
    last_seen_on: Vec<i64>,
    begun: Vec<Begun>,
}

#[derive(Clone, Copy)]
struct Begun {
    on: i64,
    /// Of this session, once there was one.
    first_access_on: i64,
    /// Of all sessions; [`NEVER`] before the first.
    last_access_on: i64,
    date: i32,
    /// In the order of [`By`].
    sightings: [u32; 3],
}

impl Begun {
    fn accesses(&self) -> u32 {
        self.sightings[By::Web as usize] + self.sightings[By::WebServices as usize]
    }
}

const NOT_BEGUN: Begun = Begun {
    on: NEVER,
    first_access_on: NEVER,
    last_access_on: NEVER,
    date: 0,
    sightings: [0; 3],
};

impl Running {
    /// Sessions bear the actors' numbers plus `first_actor`, so that actors of several environments stay apart.
    pub fn new(first_actor: u32, actor_count: usize, gap_us: i64, tz: Tz) -> Running {
        Running {
            first_actor,
            gap_us,
            dates: LocalDates::new(tz),
            last_seen_on: vec![NEVER; actor_count],
            begun: vec![NOT_BEGUN; actor_count],
        }
    }

    /// Takes the next sightings; sessions that have ended go to `ended`, those of an actor in order of time.
    ///
    /// A sighting belongs to the actor's running session when it comes **at most** the session gap after the previous
    /// one. With a gap of 6 h, accesses at 08:00, 14:00 and 20:01 make two sessions: 08:00–14:00 and 20:01–20:01. With a
    /// change at 17:00 they make one.
    pub fn take(&mut self, sightings: Sightings<'_>, ended: &mut Vec<Session>) {
        let rows = sightings.created_on.iter().zip(sightings.actor).zip(sightings.by);
        for ((&on, &actor), &by) in rows {
            if actor == NOBODY {
                continue;
            }
            let place = actor as usize;
            let last = std::mem::replace(&mut self.last_seen_on[place], on);
            if on.saturating_sub(last) > self.gap_us {
                ended.extend(self.session(place, last));
                self.begun[place] = Begun {
                    on,
                    date: self.dates.day(on),
                    last_access_on: self.begun[place].last_access_on,
                    ..NOT_BEGUN
                };
            }
            let begun = &mut self.begun[place];
            if by != By::Change {
                if begun.accesses() == 0 {
                    begun.first_access_on = on;
                }
                begun.last_access_on = on;
            }
            begun.sightings[by as usize] += 1;
        }
    }

    /// Ends the sessions that still run.
    pub fn finish(&self, ended: &mut Vec<Session>) {
        let last_seen_on = self.last_seen_on.iter().enumerate();
        ended.extend(last_seen_on.filter_map(|(place, &last)| self.session(place, last)));
    }

    /// How many different actors had an access at `from` or later.
    pub fn seen_since(&self, from: i64) -> i64 {
        let from = from.max(NEVER + 1);
        self.begun.iter().filter(|begun| begun.last_access_on >= from).count() as i64
    }

    /// What has begun at an actor's place and was last seen then; changes alone are no session.
    fn session(&self, place: usize, last_seen_on: i64) -> Option<Session> {
        let begun = self.begun[place];
        let [web, web_services, changes] = begun.sightings;
        (begun.accesses() > 0).then(|| Session {
            actor: self.first_actor + place as u32,
            started_date: begun.date,
            started_on: begun.on,
            last_seen_on,
            web,
            web_services,
            changes,
            starts_with_change: begun.first_access_on != begun.on,
            ends_with_change: begun.last_access_on != last_seen_on,
        })
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
    fn sessions(on: &[i64], actor: &[u32], by: &[By], gap_us: i64, rows: usize) -> Vec<Session> {
        let mut running = Running::new(0, 3, gap_us, Tz::UTC);
        let mut ended = Vec::new();
        for ((created_on, actor), by) in on.chunks(rows).zip(actor.chunks(rows)).zip(by.chunks(rows)) {
            running.take(Sightings { created_on, actor, by }, &mut ended);
        }
        running.finish(&mut ended);
        ended.sort_by_key(|session| session.actor);
        ended
    }

    fn spans(created_on: &[i64], actor: &[u32], gap_us: i64) -> Vec<(u32, i64, i64)> {
        let by = vec![By::Web; created_on.len()];
        sessions(created_on, actor, &by, gap_us, 2)
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
    fn sessions_count_sightings_by_client() {
        let by = [By::Web, By::WebServices, By::Change, By::Web];
        let found = sessions(&[0, 1, 2, 3], &[0; 4], &by, 10, 2);
        assert_eq!((found[0].web, found[0].web_services, found[0].changes), (2, 1, 1));
    }

    /// Accesses `a` and changes `c` of one actor, with a gap of 10: (first, last, starts and ends with a change).
    fn of_both(rows: &[(i64, char)]) -> Vec<(i64, i64, bool, bool)> {
        let on: Vec<i64> = rows.iter().map(|row| row.0).collect();
        let by = rows.iter().map(|row| if row.1 == 'a' { By::Web } else { By::Change });
        let found = sessions(&on, &vec![0; on.len()], &by.collect::<Vec<_>>(), 10, 2);
        let shown = |s: &Session| (s.started_on, s.last_seen_on, s.starts_with_change, s.ends_with_change);
        found.iter().map(shown).collect()
    }

    #[test]
    fn changes_extend_a_session_on_both_sides_and_bridge_two() {
        assert_eq!(of_both(&[(0, 'c'), (10, 'a'), (20, 'c')]), [(0, 20, true, true)]);
        assert_eq!(of_both(&[(0, 'a'), (9, 'c'), (18, 'a')]), [(0, 18, false, false)]);
        assert_eq!(
            of_both(&[(0, 'a'), (11, 'c'), (22, 'a')]),
            [(0, 0, false, false), (22, 22, false, false)]
        );
    }

    #[test]
    fn changes_alone_are_no_session() {
        assert_eq!(of_both(&[(0, 'c'), (5, 'c')]), []);
        assert_eq!(
            of_both(&[(0, 'c'), (5, 'c'), (16, 'a'), (27, 'c')]),
            [(16, 16, false, false)]
        );
    }

    #[test]
    fn an_access_at_the_instant_of_a_change_is_what_a_session_starts_or_ends_with() {
        for rows in [[(0, 'a'), (0, 'c')], [(0, 'c'), (0, 'a')]] {
            assert_eq!(of_both(&rows), [(0, 0, false, false)]);
        }
    }

    #[test]
    fn sessions_before_1970_are_sessions_and_dated() {
        let day = 86_400_000_000;
        let found = sessions(&[-3 * day, -1], &[0, 0], &[By::Web; 2], day, 2);
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
        let mut running = Running::new(0, 4, 5, Tz::UTC);
        let sightings = Sightings {
            created_on: &[0, 1, 1, 1, 1, 9],
            actor: &[0, 1, 1, NOBODY, 2, 0],
            by: &[By::Web, By::Web, By::WebServices, By::Web, By::Change, By::Change],
        };
        running.take(sightings, &mut Vec::new());
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
