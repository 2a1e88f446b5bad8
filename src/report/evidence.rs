//! What the log says about windows in which it may have been silent, counted while the accesses pass.
//!
//! Words: a *mark* is an instant at which the pass stops to look around, when all earlier rows have been seen and no
//! other: at a window's start, who came within the audit interval before it; at its two edges, how many rows there were.
//! A session's end is counted into the stretch between two *bounds* in which it lies, whenever the session ends.
//!
//! Example: a window [10:00, 12:00) and an interval of 4 h. At 10:00 three actors were seen since 06:00; 500 rows came
//! up to 10:00 and 502 before 12:00, so two lie strictly inside; sessions last seen in (06:00, 10:00] were cut.

use super::kernel::{Running, Window};

/// What is known of one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence {
    /// Accesses strictly inside.
    pub accesses_inside: i64,
    /// Different actors with an access in [start − interval, start).
    pub actors_before: i64,
    /// Sessions last seen in (start − interval, start].
    pub sessions_cut: i64,
}

pub struct Witness {
    interval_us: i64,
    windows: Vec<Window>,
    /// Different instants, in order.
    marks: Vec<Mark>,
    passed: usize,
    rows: i64,
    ends: Ends,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    on: i64,
    is_start: bool,
    rows_before: i64,
    actors_before: i64,
}

impl Witness {
    pub fn new(windows: Vec<Window>, interval_us: i64) -> Witness {
        let starts = || windows.iter().map(|window| window.start);
        let edges = windows.iter().flat_map(|window| [after(window.start), window.end]);
        let mut instants: Vec<(i64, bool)> = starts()
            .map(|on| (on, true))
            .chain(edges.map(|on| (on, false)))
            .collect();
        // Of one instant, what is a start comes first and stays.
        instants.sort_unstable_by_key(|&(on, is_start)| (on, !is_start));
        instants.dedup_by_key(|(on, _)| *on);
        let mark = |(on, is_start)| Mark {
            on,
            is_start,
            rows_before: 0,
            actors_before: 0,
        };
        Witness {
            interval_us,
            marks: instants.into_iter().map(mark).collect(),
            passed: 0,
            rows: 0,
            ends: Ends::new(starts().flat_map(|start| [start.saturating_sub(interval_us), start])),
            windows,
        }
    }

    /// The instant before which the pass has to stop next.
    pub fn next_mark(&self) -> Option<i64> {
        self.marks.get(self.passed).map(|mark| mark.on)
    }

    /// The pass has reached the next mark: `running` has seen all rows before it and no other.
    pub fn look_around(&mut self, running: &Running) {
        if let Some(mark) = self.marks.get_mut(self.passed) {
            mark.rows_before = self.rows;
            if mark.is_start {
                mark.actors_before = running.seen_since(mark.on.saturating_sub(self.interval_us));
            }
            self.passed += 1;
        }
    }

    pub fn saw(&mut self, rows: usize) {
        self.rows += rows as i64;
    }

    pub fn session_ended(&mut self, last_seen_on: i64) {
        self.ends.count(last_seen_on);
    }

    /// The evidence for each window, in their order.
    pub fn evidence(&self) -> Vec<Evidence> {
        let mark = |on: i64| {
            let place = self.marks.partition_point(|mark| mark.on < on);
            self.marks.get(place).copied()
        };
        let rows = |on: i64| mark(on).map_or(self.rows, |mark| mark.rows_before);
        let up_to = self.ends.up_to_each_bound();
        let cut = |start: i64| up_to(start) - up_to(start.saturating_sub(self.interval_us));
        self.windows
            .iter()
            .map(|window| Evidence {
                accesses_inside: (rows(window.end) - rows(after(window.start))).max(0),
                actors_before: mark(window.start).map_or(0, |mark| mark.actors_before),
                sessions_cut: cut(window.start),
            })
            .collect()
    }
}

/// Rows before this instant are those up to `on`.
fn after(on: i64) -> i64 {
    on.saturating_add(1)
}

/// Ends of sessions, counted between bounds.
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
    use super::*;
    use crate::lake::{By, NOBODY, Sightings};
    use chrono_tz::Tz;
    use proptest::prelude::*;

    /// The evidence for windows from rows (instant, actor), all of which are seen before or after each mark.
    fn evidence(rows: &[(i64, u32)], windows: &[Window], interval_us: i64, gap_us: i64) -> Vec<Evidence> {
        let mut running = Running::new(0, 3, gap_us, Tz::UTC);
        let mut witness = Witness::new(windows.to_vec(), interval_us);
        let mut ended = Vec::new();
        for &(on, actor) in rows {
            while witness.next_mark().is_some_and(|mark| mark <= on) {
                witness.look_around(&running);
            }
            let access = Sightings {
                created_on: &[on],
                actor: &[actor],
                by: &[By::Web],
            };
            running.take(access, &mut ended);
            witness.saw(1);
        }
        while witness.next_mark().is_some() {
            witness.look_around(&running);
        }
        running.finish(&mut ended);
        ended
            .iter()
            .for_each(|session| witness.session_ended(session.last_seen_on));
        witness.evidence()
    }

    fn inside(on: &[i64], start: i64, end: i64) -> i64 {
        let rows: Vec<(i64, u32)> = on.iter().map(|&on| (on, 0)).collect();
        evidence(&rows, &[Window { start, end }], 5, 5)[0].accesses_inside
    }

    #[test]
    fn inside_means_strictly_inside() {
        assert_eq!(inside(&[10, 11, 19, 20], 10, 20), 2);
        assert_eq!(inside(&[10, 10], 10, 10), 0);
        assert_eq!(inside(&[11, 30, 40], 10, 50), 3);
    }

    #[test]
    fn actors_before_are_distinct_and_half_open() {
        let before = |rows: &[(i64, u32)], start| {
            let window = Window { start, end: start + 9 };
            evidence(rows, &[window], 2, 5)[0].actors_before
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
            evidence(&[(last, 0)], &[window], 4, 5)[0].sessions_cut
        };
        assert_eq!([16, 17, 20, 21].map(cut), [0, 1, 1, 0]);
    }

    /// The rules, word by word.
    fn plainly(rows: &[(i64, u32)], window: Window, interval: i64, gap: i64) -> Evidence {
        let Window { start, end } = window;
        let actors = 0..3u32;
        let of = |actor: u32| rows.iter().filter(move |row| row.1 == actor).map(|row| row.0);
        // A session is last seen where no further access of its actor follows within the gap.
        let last_seen = actors.clone().flat_map(|actor| {
            let on: Vec<i64> = of(actor).collect();
            let ends = (0..on.len()).filter(|&row| on.get(row + 1).is_none_or(|next| next - on[row] > gap));
            ends.map(|row| on[row]).collect::<Vec<_>>()
        });
        Evidence {
            accesses_inside: rows.iter().filter(|(on, _)| start < *on && *on < end).count() as i64,
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
        ) {
            rows.sort_unstable();
            let windows: Vec<Window> = windows
                .into_iter()
                .map(|(start, length)| Window { start, end: start + length })
                .collect();
            let expected: Vec<Evidence> =
                windows.iter().map(|window| plainly(&rows, *window, interval, gap)).collect();
            prop_assert_eq!(evidence(&rows, &windows, interval, gap), expected);
        }
    }
}
