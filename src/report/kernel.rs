//! The ordered work: what a session is. Sightings are cut into sessions as they come in order of time, with a small state
//! per actor ([`Running`]), or actor by actor ([`cut`]). Plain slices in, plain rows out; no I/O, no frames. Instants are
//! microseconds, actors are numbers below the count of actors or [`NOBODY`](crate::lake::NOBODY).
//!
//! A sighting is an access or, with `--evidence all`, a change. A change extends a session but makes none: jobs write in
//! the name of people who are not there, so where nobody came, changes alone are no session.

use super::bits::Bits;
use super::clock::LocalDates;
use crate::lake::{By, Sightings};
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

/// Sightings that are taken at a time: so few that the sessions they meet stay in a core's nearest cache.
const BATCH_ROWS: usize = 1 << 7;

impl Session {
    /// Before anything is seen of an actor.
    pub(super) fn none(actor: u32) -> Session {
        Session {
            actor,
            started_date: 0,
            started_on: NEVER,
            last_seen_on: NEVER,
            web: 0,
            web_services: 0,
            changes: 0,
            starts_with_change: true,
            ends_with_change: true,
        }
    }

    /// Before the sighting with which it begins.
    fn begun(actor: u32, on: i64, date: i32) -> Session {
        Session {
            started_on: on,
            started_date: date,
            ..Session::none(actor)
        }
    }

    /// Whether a sighting of the same actor belongs to it: one that comes **at most** the session gap after the last.
    fn lasts_to(&self, on: i64, gap_us: i64) -> bool {
        on.saturating_sub(self.last_seen_on) <= gap_us
    }

    fn see(&mut self, on: i64, by: By) {
        self.web += u32::from(by == By::Web);
        self.web_services += u32::from(by == By::WebServices);
        if by == By::Change {
            self.changes += 1;
            self.ends_with_change |= on > self.last_seen_on;
        } else {
            self.starts_with_change &= on > self.started_on;
            self.ends_with_change = false;
        }
        self.last_seen_on = on;
    }

    /// Changes alone are no session.
    fn has_access(&self) -> bool {
        self.web > 0 || self.web_services > 0
    }

    /// Takes over what was seen in a later session that goes on with this one.
    fn join(&mut self, later: &Session) {
        self.web += later.web;
        self.web_services += later.web_services;
        self.changes += later.changes;
        self.starts_with_change &= later.starts_with_change || later.started_on > self.started_on;
        self.ends_with_change =
            later.ends_with_change && (self.ends_with_change || later.last_seen_on > self.last_seen_on);
        self.last_seen_on = later.last_seen_on;
    }
}

/// Somebody was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    pub actor: u32,
    pub on: i64,
    /// The local date.
    pub date: i32,
    pub by: By,
}

/// Cuts sightings into sessions: those of one actor after those of another, each in order of time.
pub fn cut(sightings: impl Iterator<Item = Sighting>, gap_us: i64) -> impl Iterator<Item = Session> {
    let mut sightings = sightings.peekable();
    let next = move || {
        let first = sightings.next()?;
        let mut session = Session::begun(first.actor, first.on, first.date);
        session.see(first.on, first.by);
        let goes_on =
            |session: &Session, next: &Sighting| next.actor == session.actor && session.lasts_to(next.on, gap_us);
        while let Some(next) = sightings.next_if(|next| goes_on(&session, next)) {
            session.see(next.on, next.by);
        }
        Some(session)
    };
    std::iter::from_fn(next).filter(Session::has_access)
}

/// The session each actor is in, or was in last.
#[derive(Clone)]
pub struct Running {
    gap_us: i64,
    dates: LocalDates,
    sessions: Vec<Session>,
    /// For each row of a batch, whether it may begin a session.
    may_begin: Vec<bool>,
    /// Where earlier sightings are taken elsewhere: the actors whose first session, which may go on with one of those,
    /// has ended, and these sessions.
    begun: Option<(Bits, Vec<Session>)>,
}

impl Running {
    pub fn new(actor_count: usize, gap_us: i64, tz: Tz) -> Running {
        Running {
            gap_us,
            dates: LocalDates::new(tz),
            sessions: (0..actor_count as u32).map(Session::none).collect(),
            may_begin: Vec::new(),
            begun: None,
        }
    }

    /// Of sightings that come after others, which are taken elsewhere: see [`Running::then`].
    pub fn following(self) -> Running {
        let begun = Some((Bits::new(self.sessions.len()), Vec::new()));
        Running { begun, ..self }
    }

    /// Takes the next sightings; sessions that have ended go to `ended`, those of an actor in order of time.
    ///
    /// A sighting belongs to the actor's running session when it comes **at most** the session gap after the previous
    /// one. With a gap of 6 h, accesses at 08:00, 14:00 and 20:01 make two sessions: 08:00–14:00 and 20:01–20:01. With a
    /// change at 17:00 they make one.
    pub fn take(&mut self, mut sightings: Sightings<'_>, ended: &mut Vec<Session>) {
        while !sightings.is_empty() {
            let (batch, later) = sightings.split_at(sightings.len().min(BATCH_ROWS));
            self.take_batch(batch, ended);
            sightings = later;
        }
    }

    fn take_batch(&mut self, batch: Sightings<'_>, ended: &mut Vec<Session>) {
        let rows = batch.created_on.iter().zip(batch.actor);
        // Looked up for all rows beforehand, so that no row waits for the session of the one before. A session is at
        // most newer than it is here.
        let may_begin = rows.map(|(&on, &actor)| {
            let session = self.sessions.get(actor as usize);
            session.is_some_and(|session| !session.lasts_to(on, self.gap_us))
        });
        self.may_begin.clear();
        self.may_begin.extend(may_begin);
        let rows = batch
            .created_on
            .iter()
            .zip(batch.actor)
            .zip(batch.by)
            .zip(&self.may_begin);
        for (((&on, &actor), &by), &may_begin) in rows {
            // Nobody has no place.
            let Some(session) = self.sessions.get_mut(actor as usize) else {
                continue;
            };
            if may_begin && !session.lasts_to(on, self.gap_us) {
                if let Some((actors, first)) = &mut self.begun
                    && session.last_seen_on != NEVER
                    && actors.insert(actor)
                {
                    first.push(*session);
                } else if session.has_access() {
                    ended.push(*session);
                }
                *session = Session::begun(session.actor, on, self.dates.day(on));
            }
            session.see(on, by);
        }
    }

    /// What was seen, and then what was seen [following](Running::following) it. Sessions that have ended by that go to
    /// `ended`: of an actor, they come after those that ended before and before those of the later sightings.
    pub fn then(mut self, later: Running, ended: &mut Vec<Session>) -> Running {
        let mut first: Vec<Option<Session>> = vec![None; later.sessions.len()];
        for session in later.begun.map(|(_, first)| first).unwrap_or_default() {
            first[session.actor as usize] = Some(session);
        }
        let mut end = |running: &mut Session, next: Session| {
            let ended_one = std::mem::replace(running, next);
            ended.extend(ended_one.has_access().then_some(ended_one));
        };
        for ((running, last), first) in self.sessions.iter_mut().zip(later.sessions).zip(first) {
            let next = first.unwrap_or(last);
            if next.started_on == NEVER {
                continue;
            }
            match next.started_on.saturating_sub(running.last_seen_on) > self.gap_us {
                true => end(running, next),
                false => running.join(&next),
            }
            if first.is_some() {
                end(running, last);
            }
        }
        self
    }

    /// Ends the sessions that still run.
    pub fn finish(&self, ended: &mut Vec<Session>) {
        ended.extend(self.sessions.iter().filter(|session| session.has_access()));
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
    use crate::lake::NOBODY;
    use proptest::prelude::*;

    /// All sessions, by actor and start, of accesses that come in pieces of at most `rows`.
    fn sessions(on: &[i64], actor: &[u32], by: &[By], gap_us: i64, rows: usize) -> Vec<Session> {
        let mut running = Running::new(3, gap_us, Tz::UTC);
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
        /// Also where one instant lies on both sides of a cut, and where an actor is not seen between two.
        #[test]
        fn sessions_of_legs_one_after_the_other_are_those_of_all(
            mut rows in prop::collection::vec((0i64..200, 0u32..3, 0usize..3), 0..80),
            gap_us in 0i64..60,
            cuts in prop::collection::vec(0usize..80, 0..4),
        ) {
            rows.sort_by_key(|row| row.0);
            let on: Vec<i64> = rows.iter().map(|row| row.0).collect();
            let actor: Vec<u32> = rows.iter().map(|row| row.1).collect();
            let by: Vec<By> = rows.iter().map(|row| [By::Web, By::WebServices, By::Change][row.2]).collect();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(rows.len())).collect();
            cuts.extend([0, rows.len()]);
            cuts.sort_unstable();
            let (mut all, mut found) = (Running::new(3, gap_us, Tz::UTC), Vec::new());
            for (leg, cut) in cuts.windows(2).enumerate() {
                let rows = cut[0]..cut[1];
                let sightings = Sightings { created_on: &on[rows.clone()], actor: &actor[rows.clone()], by: &by[rows] };
                let new = Running::new(3, gap_us, Tz::UTC);
                let (mut running, mut ended) = (if leg == 0 { new } else { new.following() }, Vec::new());
                running.take(sightings, &mut ended);
                all = if leg == 0 { running } else { all.then(running, &mut found) };
                found.extend(ended);
            }
            all.finish(&mut found);
            found.sort_by_key(|session| session.actor);
            prop_assert_eq!(found, sessions(&on, &actor, &by, gap_us, 80));
        }

        /// Of sightings by actor, they are those that end while sightings pass in order of time.
        #[test]
        fn sessions_cut_actor_by_actor_are_those_cut_as_time_passes(
            mut rows in prop::collection::vec((0i64..200, 0u32..3, 0usize..3), 0..80), gap_us in 0i64..60,
        ) {
            rows.sort_by_key(|row| row.0);
            let sighting = |&(on, actor, by): &(i64, u32, usize)| Sighting {
                actor, on, date: 0, by: [By::Web, By::WebServices, By::Change][by],
            };
            let sightings: Vec<Sighting> = rows.iter().map(sighting).collect();
            let on: Vec<i64> = sightings.iter().map(|sighting| sighting.on).collect();
            let actor: Vec<u32> = sightings.iter().map(|sighting| sighting.actor).collect();
            let by: Vec<By> = sightings.iter().map(|sighting| sighting.by).collect();
            let mut by_actor = sightings;
            by_actor.sort_by_key(|sighting| sighting.actor);
            let found: Vec<Session> = cut(by_actor.into_iter(), gap_us).collect();
            prop_assert_eq!(found, sessions(&on, &actor, &by, gap_us, 80));
        }

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
