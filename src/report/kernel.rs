//! The ordered work: one pass over time-sorted accesses with a small state per actor. Plain slices in, plain rows out;
//! no I/O, no frames. Instants are microseconds, actors are numbers below `actor_count` or [`NOBODY`].

use super::facts::NOBODY;

/// Accesses of one actor with no pause longer than the session gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    pub actor: u32,
    pub started_on: i64,
    pub last_seen_on: i64,
    pub web: u32,
    pub web_services: u32,
}

/// Cuts accesses into sessions, ordered by (actor, start).
///
/// An access belongs to the actor's running session when it comes **at most** `gap_us` after the previous one. With a
/// gap of 6 h, accesses at 08:00, 14:00 and 20:01 make two sessions: 08:00–14:00 and 20:01–20:01.
pub fn sessions(created_on: &[i64], actor: &[u32], is_web: &[bool], actor_count: usize, gap_us: i64) -> Vec<Session> {
    let mut running: Vec<Option<Session>> = vec![None; actor_count];
    let mut closed = Vec::new();
    for ((&on, &actor), &web) in created_on.iter().zip(actor).zip(is_web) {
        if actor == NOBODY {
            continue;
        }
        let slot = &mut running[actor as usize];
        let session = match slot {
            Some(session) if on - session.last_seen_on <= gap_us => session,
            _ => {
                closed.extend(slot.take());
                slot.insert(Session {
                    actor,
                    started_on: on,
                    last_seen_on: on,
                    web: 0,
                    web_services: 0,
                })
            }
        };
        session.last_seen_on = on;
        session.web += u32::from(web);
        session.web_services += u32::from(!web);
    }
    closed.extend(running.into_iter().flatten());
    by_actor(closed, actor_count)
}

/// Orders by actor and keeps the order within each actor: a counting sort, linear in rows.
fn by_actor(sessions: Vec<Session>, actor_count: usize) -> Vec<Session> {
    let mut next = vec![0usize; actor_count + 1];
    for session in &sessions {
        next[session.actor as usize + 1] += 1;
    }
    for actor in 0..actor_count {
        next[actor + 1] += next[actor];
    }
    let mut ordered = sessions.clone();
    for session in sessions {
        let place = &mut next[session.actor as usize];
        ordered[*place] = session;
        *place += 1;
    }
    ordered
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

/// How many of the ordered instants lie strictly inside a window.
pub fn count_inside(ordered: &[i64], window: Window) -> i64 {
    let after_start = ordered.partition_point(|&on| on <= window.start);
    let before_end = ordered.partition_point(|&on| on < window.end);
    before_end.saturating_sub(after_start) as i64
}

/// How many different actors have a row at the ordered instants in `[from, to)`.
pub fn distinct_actors(created_on: &[i64], actor: &[u32], from: i64, to: i64) -> i64 {
    let rows = created_on.partition_point(|&on| on < from)..created_on.partition_point(|&on| on < to);
    let mut seen: Vec<u32> = actor[rows].iter().copied().filter(|&actor| actor != NOBODY).collect();
    seen.sort_unstable();
    seen.dedup();
    seen.len() as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spans(created_on: &[i64], actor: &[u32], gap_us: i64) -> Vec<(u32, i64, i64)> {
        let is_web = vec![true; created_on.len()];
        sessions(created_on, actor, &is_web, 3, gap_us)
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
        let found = sessions(&[0, 1, 2], &[0, 0, 0], &[true, false, true], 1, 10);
        assert_eq!((found[0].web, found[0].web_services), (2, 1));
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
    fn inside_means_strictly_inside() {
        let window = Window { start: 10, end: 20 };
        assert_eq!(count_inside(&[10, 11, 19, 20], window), 2);
        assert_eq!(count_inside(&[10, 10], Window { start: 10, end: 10 }), 0);
    }

    #[test]
    fn distinct_actors_half_open() {
        assert_eq!(distinct_actors(&[0, 1, 1, 2], &[0, 1, 1, 2], 0, 2), 2);
        assert_eq!(distinct_actors(&[0, 1], &[NOBODY, 1], 0, 1), 0);
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
