//! What the log says about windows in which it may have been silent, counted while the accesses pass.
//!
//! Words: a *start* is that of a window; who came within the audit interval before it is a set while the pass is there.
//! A session's end is counted into the stretch between two *bounds* in which it lies, whenever the session ends.
//!
//! So little more than what lies [`near`](Witness::near) the starts need pass: an access within the session gap after a
//! start tells that a session goes on, and what comes later changes nothing.
//!
//! Example: a window [10:00, 12:00), an interval of 4 h, a session gap of 6 h. At 10:00 three actors were seen since
//! 06:00; of sessions last seen in (06:00, 10:00], which were cut, all that comes until 16:00 must be known.

use super::bits::Bits;
use super::kernel::Window;
use crate::lake::Accesses;
use std::collections::VecDeque;

/// What is known of one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence {
    /// Different actors with an access in [start − interval, start).
    pub actors_before: i64,
    /// Sessions last seen in (start − interval, start].
    pub sessions_cut: i64,
}

#[derive(Clone)]
pub struct Witness {
    interval_us: i64,
    windows: Vec<Window>,
    actor_count: usize,
    /// Different instants, in order.
    starts: Vec<i64>,
    /// By start, up to those that are open or yet to come.
    actors_before: Vec<i64>,
    /// The next starts: who was seen in the interval before each.
    open: VecDeque<Bits>,
    ends: Ends,
}

impl Witness {
    pub fn new(windows: Vec<Window>, interval_us: i64) -> Witness {
        let mut starts: Vec<i64> = windows.iter().map(|window| window.start).collect();
        starts.sort_unstable();
        starts.dedup();
        let bounds = starts
            .iter()
            .flat_map(|start| [start.saturating_sub(interval_us), *start]);
        Witness {
            ends: Ends::new(bounds),
            interval_us,
            windows,
            actor_count: 0,
            starts,
            actors_before: Vec::new(),
            open: VecDeque::new(),
        }
    }

    /// Of how many actors the pass will tell.
    pub fn of_actors(self, actor_count: usize) -> Witness {
        Witness { actor_count, ..self }
    }

    /// Stretches of time, both ends included, in order: what lies outside of them need not pass.
    pub fn near(&self, session_gap_us: i64) -> Vec<(i64, i64)> {
        let near = |start: &i64| {
            (
                start.saturating_sub(self.interval_us),
                start.saturating_add(session_gap_us),
            )
        };
        self.starts.iter().map(near).collect()
    }

    /// Whether none of the intervals before starts has an instant on both sides of the cut: before it, and from it on.
    pub fn may_be_cut(&self, cut: i64) -> bool {
        let next = self.starts.partition_point(|start| *start <= cut);
        self.starts[next..]
            .first()
            .is_none_or(|start| cut <= start.saturating_sub(self.interval_us))
    }

    /// What all tell, `later` of what came after a [cut](Witness::may_be_cut).
    pub fn then(mut self, mut later: Witness) -> Witness {
        self.close_up_to(i64::MAX);
        later.close_up_to(i64::MAX);
        let counts = self.actors_before.iter_mut().zip(later.actors_before);
        counts
            .chain(self.ends.counts.iter_mut().zip(later.ends.counts))
            .for_each(|(count, more)| *count += more);
        self
    }

    /// Takes the next accesses, in order of time.
    pub fn saw(&mut self, accesses: Accesses<'_>) {
        let (Some(first), Some(last)) = (accesses.created_on.first(), accesses.created_on.last()) else {
            return;
        };
        self.close_up_to(*first);
        let next = self.actors_before.len();
        for (place, start) in self.starts[next..].iter().enumerate() {
            let from = start.saturating_sub(self.interval_us);
            if from > *last {
                break;
            }
            if place == self.open.len() {
                self.open.push_back(Bits::new(self.actor_count));
            }
            let count = |before: i64| accesses.created_on.partition_point(|&on| on < before);
            let (from, to) = (count(from), count(*start));
            for &actor in &accesses.actor[from.min(to)..to] {
                self.open[place].insert(actor);
            }
        }
    }

    /// No access before this instant is still to come.
    fn close_up_to(&mut self, on: i64) {
        while self
            .starts
            .get(self.actors_before.len())
            .is_some_and(|start| *start <= on)
        {
            let seen = self.open.pop_front();
            self.actors_before.push(seen.map_or(0, |seen| seen.len() as i64));
        }
    }

    pub fn sessions_ended(&mut self, last_seen_on: impl Iterator<Item = i64>) {
        if !self.starts.is_empty() {
            last_seen_on.for_each(|on| self.ends.count(on));
        }
    }

    /// The evidence for each window, in their order, when all has passed.
    pub fn evidence(mut self) -> Vec<Evidence> {
        self.close_up_to(i64::MAX);
        let up_to = self.ends.up_to_each_bound();
        let actors_before = |start: i64| self.actors_before[self.starts.partition_point(|known| *known < start)];
        let of_window = |Window { start, .. }: &Window| Evidence {
            actors_before: actors_before(*start),
            sessions_cut: up_to(*start) - up_to(start.saturating_sub(self.interval_us)),
        };
        self.windows.iter().map(of_window).collect()
    }
}

/// Ends of sessions, counted between bounds.
#[derive(Clone)]
struct Ends {
    /// Different instants, in order.
    bounds: Vec<i64>,
    /// Ends after the bound before and up to the bound at the same place; at last those after all bounds.
    counts: Vec<i64>,
    /// Where the last end fell: the next one most often falls there too.
    place: usize,
}

impl Ends {
    fn new(bounds: impl Iterator<Item = i64>) -> Ends {
        let mut bounds: Vec<i64> = bounds.collect();
        bounds.sort_unstable();
        bounds.dedup();
        Ends {
            counts: vec![0; bounds.len() + 1],
            place: 0,
            bounds,
        }
    }

    fn count(&mut self, on: i64) {
        let is_after = self.place == 0 || self.bounds[self.place - 1] < on;
        if !(is_after && self.bounds.get(self.place).is_none_or(|bound| on <= *bound)) {
            self.place = self.bounds.partition_point(|bound| *bound < on);
        }
        self.counts[self.place] += 1;
    }

    /// How many ends lie at or before a bound.
    fn up_to_each_bound(&self) -> impl Fn(i64) -> i64 {
        let mut sum = 0;
        let sums: Vec<i64> = self
            .counts
            .iter()
            .map(|count| {
                sum += count;
                sum
            })
            .collect();
        move |bound| sums[self.bounds.partition_point(|known| *known < bound)]
    }
}

#[cfg(test)]
mod tests {
    use super::super::kernel::Running;
    use super::*;
    use crate::lake::{By, NOBODY, Sightings};
    use chrono_tz::Tz;
    use proptest::prelude::*;

    /// The evidence for windows from rows (instant, actor) that pass so many at a time.
    fn evidence(
        rows: &[(i64, u32)],
        windows: &[Window],
        (interval_us, gap_us): (i64, i64),
        at_a_time: usize,
    ) -> Vec<Evidence> {
        let mut running = Running::new(3, gap_us, Tz::UTC);
        let new = Witness::new(windows.to_vec(), interval_us).of_actors(3);
        let (mut before, mut witness) = (new.clone(), new.clone());
        let mut ended = Vec::new();
        let mut last = i64::MIN;
        for rows in rows.chunks(at_a_time) {
            // Wherever it may be cut, it is; what comes at one instant stays together.
            let before_this = std::mem::replace(&mut last, rows[rows.len() - 1].0);
            if before_this < rows[0].0 && witness.may_be_cut(rows[0].0) {
                before = before.then(std::mem::replace(&mut witness, new.clone()));
            }
            let (created_on, actor): (Vec<i64>, Vec<u32>) = rows.iter().copied().unzip();
            let by = vec![By::Web; rows.len()];
            let (created_on, actor, by) = (&created_on, &actor, &by);
            running.take(Sightings { created_on, actor, by }, &mut ended);
            witness.saw(Accesses { created_on, actor, by });
        }
        running.finish(&mut ended);
        witness.sessions_ended(ended.iter().map(|session| session.last_seen_on));
        before.then(witness).evidence()
    }

    #[test]
    fn actors_before_are_distinct_and_half_open() {
        let before = |rows: &[(i64, u32)], start| {
            let window = Window { start, end: start + 9 };
            evidence(rows, &[window], (2, 5), 1)[0].actors_before
        };
        assert_eq!(before(&[(0, 0), (1, 1), (1, 1), (2, 2)], 2), 2);
        assert_eq!(before(&[(0, 0), (1, 1)], 3), 1);
        assert_eq!(before(&[(0, NOBODY), (0, 1)], 1), 1);
        assert_eq!(before(&[(9, 1)], 10), 1, "the window starts after the last row");
    }

    #[test]
    fn sessions_are_cut_when_last_seen_after_start_minus_interval_and_up_to_the_start() {
        let cut = |last| {
            let window = Window { start: 20, end: 30 };
            evidence(&[(last, 0)], &[window], (4, 5), 1)[0].sessions_cut
        };
        assert_eq!([16, 17, 20, 21].map(cut), [0, 1, 1, 0]);
    }

    /// The rules, word by word.
    fn plainly(rows: &[(i64, u32)], window: Window, interval: i64, gap: i64) -> Evidence {
        let start = window.start;
        let actors = 0..3u32;
        let of = |actor: u32| rows.iter().filter(move |row| row.1 == actor).map(|row| row.0);
        // A session is last seen where no further access of its actor follows within the gap.
        let last_seen = actors.clone().flat_map(|actor| {
            let on: Vec<i64> = of(actor).collect();
            let ends = (0..on.len()).filter(|&row| on.get(row + 1).is_none_or(|next| next - on[row] > gap));
            ends.map(|row| on[row]).collect::<Vec<_>>()
        });
        Evidence {
            actors_before: actors
                .filter(|&actor| of(actor).any(|on| start - interval <= on && on < start))
                .count() as i64,
            sessions_cut: last_seen.filter(|on| start - interval < *on && *on <= start).count() as i64,
        }
    }

    proptest! {
        #[test]
        fn evidence_equals_the_rules_word_by_word(
            mut rows in prop::collection::vec((0i64..100, prop::sample::select(vec![0u32, 1, 2, NOBODY])), 0..60),
            windows in prop::collection::vec((0i64..100, 0i64..40), 0..6),
            interval in 0i64..30,
            gap in 0i64..30,
            at_a_time in 1usize..20,
        ) {
            rows.sort_unstable();
            let windows: Vec<Window> = windows
                .into_iter()
                .map(|(start, length)| Window { start, end: start + length })
                .collect();
            let expected: Vec<Evidence> =
                windows.iter().map(|window| plainly(&rows, *window, interval, gap)).collect();
            prop_assert_eq!(evidence(&rows, &windows, (interval, gap), at_a_time), &*expected);
            let near = Witness::new(windows.clone(), interval).near(gap);
            rows.retain(|(on, _)| near.iter().any(|(from, to)| from <= on && on <= to));
            prop_assert_eq!(evidence(&rows, &windows, (interval, gap), at_a_time), expected, "of what is near");
        }
    }
}
