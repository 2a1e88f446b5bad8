//! What the pass keeps of the accesses for `silence`: how many fell into each five minutes of the local clock, and the
//! windows without any.
//!
//! A window of less than five minutes is not kept, so there are at most twelve an hour, as there are bins: memory grows
//! with the length of the log, not with its rows.

use super::super::clock::LocalDates;
use super::super::kernel::Window;
use crate::lake::Accesses;
use chrono_tz::Tz;

/// Width of a bin, and the shortest window that is looked at.
pub const BIN_US: i64 = 300_000_000;

/// So many bins before one and after it say what is usual around it.
const AROUND_BINS: i64 = 6;

/// A window without access. Its ends are accesses, or those of the log or an effective gap, or a deletion of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    pub window: Window,
    /// The same on the local clock.
    pub local: Window,
    pub starts_with_access: bool,
    pub ends_with_access: bool,
    /// Whether no access came before it.
    pub is_first: bool,
}

#[derive(Clone)]
pub struct Seen {
    dates: LocalDates,
    log: Window,
    /// The first and the last one.
    ends: Option<(i64, i64)>,
    /// Bin → accesses; in order, but where clocks are put back.
    bins: Vec<(i64, i64)>,
    windows: Vec<Window>,
}

impl Seen {
    /// `log` is the first and the last instant of the log.
    pub fn new(log: (i64, i64), tz: Tz) -> Seen {
        Seen {
            dates: LocalDates::new(tz),
            log: Window {
                start: log.0,
                end: log.1,
            },
            ends: None,
            bins: Vec::new(),
            windows: Vec::new(),
        }
    }

    pub fn take(&mut self, accesses: Accesses<'_>) {
        for &on in accesses.created_on {
            self.see(on, on);
            let bin = self.dates.local_us(on).div_euclid(BIN_US);
            match self.bins.last_mut() {
                Some((last, count)) if *last == bin => *count += 1,
                _ => self.bins.push((bin, 1)),
            }
        }
    }

    /// What was seen of all, `later` of accesses that came after these.
    pub fn then(mut self, later: Seen) -> Seen {
        if let Some((first, last)) = later.ends {
            self.see(first, last);
            self.windows.extend(later.windows);
            self.bins.extend(later.bins);
        }
        self
    }

    /// The next accesses are those from the first to the last.
    fn see(&mut self, first: i64, last: i64) {
        let (start, before) = self.ends.unwrap_or((first, first));
        self.windows.extend(window(before, first));
        self.ends = Some((start, last));
    }

    /// The counts, and what is left of the windows without `cuts`, in order of time: effective gaps, and deletions of
    /// the log as windows of no length.
    pub fn finish(mut self, cuts: &[Window]) -> (Counts, Vec<Silence>) {
        let (first, last) = self.ends.unwrap_or((i64::MAX, i64::MIN));
        let log = self.log;
        let (before, after) = match self.ends {
            Some((first, last)) => (window(log.start, first), window(last, log.end)),
            None => (window(log.start, log.end), None),
        };
        let windows = before.into_iter().chain(self.windows).chain(after);
        let parts = windows.flat_map(|window| without(window, cuts));
        let dates = &mut self.dates;
        let mut local = |window| local(dates, window);
        let silences = parts
            .map(|(part, whole)| Silence {
                window: part,
                local: local(part),
                starts_with_access: part.start == whole.start && first <= part.start,
                ends_with_access: part.end == whole.end && part.end <= last,
                is_first: part.start < first,
            })
            .collect();
        (Counts::new(self.bins, local(self.log)), silences)
    }
}

/// A window that is worth looking at.
fn window(start: i64, end: i64) -> Option<Window> {
    (end - start >= BIN_US).then_some(Window { start, end })
}

/// A window on the local clock. One in which clocks are put back may have no length there.
pub fn local(dates: &mut LocalDates, window: Window) -> Window {
    let start = dates.local_us(window.start);
    let end = dates.local_us(window.end).max(start);
    Window { start, end }
}

/// The parts of a window beside the cuts that are long enough, each with the window.
fn without(window: Window, cuts: &[Window]) -> Vec<(Window, Window)> {
    let first = cuts.partition_point(|cut| cut.start < window.start);
    let mut start = window.start;
    // The last gap that begins before the window may reach into it: gaps are apart.
    if let Some(before) = cuts[..first].iter().rev().find(|cut| cut.start < cut.end) {
        start = start.max(before.end);
    }
    let mut parts = Vec::new();
    for cut in cuts[first..].iter().take_while(|cut| cut.start < window.end) {
        parts.push(Window { start, end: cut.start });
        start = start.max(cut.end);
    }
    parts.push(Window { start, end: window.end });
    parts.retain(|part| part.end - part.start >= BIN_US);
    parts.into_iter().map(|part| (part, window)).collect()
}

/// Accesses by time on the local clock, inside a bin spread evenly.
///
/// A burst is no rhythm: the forty services of a nightly job are one event that may be missing, not forty. So a bin
/// counts one, and beyond that as many as two of the bins in the half hour before it and after it have, on average.
pub struct Counts {
    /// As counted.
    pub accesses: i64,
    /// The log on the local clock.
    pub log: Window,
    /// Bin, accesses before it, accesses in it; in order.
    bins: Vec<(i64, i64, i64)>,
}

impl Counts {
    fn new(mut bins: Vec<(i64, i64)>, log: Window) -> Counts {
        bins.sort_by_key(|bin| bin.0);
        bins.dedup_by(|later, first| {
            let is_same = later.0 == first.0;
            first.1 += if is_same { later.1 } else { 0 };
            is_same
        });
        let (mut first, mut end, mut around, mut before) = (0, 0, 0, 0);
        let mut counted = Vec::with_capacity(bins.len());
        for &(bin, count) in &bins {
            while end < bins.len() && bins[end].0 <= bin + AROUND_BINS {
                around += bins[end].1;
                end += 1;
            }
            while bins[first].0 < bin - AROUND_BINS {
                around -= bins[first].1;
                first += 1;
            }
            let count = count.min(1 + (around - count) / AROUND_BINS);
            counted.push((bin, before, count));
            before += count;
        }
        Counts {
            accesses: before,
            log,
            bins: counted,
        }
    }

    /// Accesses in a stretch of the local clock, times [`BIN_US`].
    pub fn within(&self, stretch: Window) -> i64 {
        self.before(stretch.end) - self.before(stretch.start)
    }

    fn before(&self, at: i64) -> i64 {
        let bin = at.div_euclid(BIN_US);
        let place = self.bins.partition_point(|of| of.0 < bin);
        match self.bins.get(place).or(self.bins.last()) {
            Some(&(of, before, count)) if of == bin => before * BIN_US + count * at.rem_euclid(BIN_US),
            Some(&(of, before, _)) if of > bin => before * BIN_US,
            Some(_) => self.accesses * BIN_US,
            None => 0,
        }
    }

    /// The bins that have accesses, in order.
    pub fn bins(&self) -> impl Iterator<Item = i64> {
        self.bins.iter().map(|bin| bin.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::By;

    const MINUTE: i64 = 60_000_000;

    /// One after the other, each in a leg of its own.
    fn seen(on: &[i64], log: (i64, i64), tz: Tz) -> Seen {
        let one = |on: &i64| {
            let mut seen = Seen::new(log, tz);
            seen.take(Accesses {
                created_on: &[*on],
                actor: &[0],
                by: &[By::Web],
            });
            seen
        };
        on.iter().map(one).fold(Seen::new(log, tz), Seen::then)
    }

    fn silences(on: &[i64], log: (i64, i64), cuts: &[(i64, i64)]) -> Vec<(i64, i64, bool, bool)> {
        let minutes = |all: &[i64]| all.iter().map(|on| on * MINUTE).collect::<Vec<_>>();
        let cuts: Vec<Window> = cuts
            .iter()
            .map(|&(start, end)| Window {
                start: start * MINUTE,
                end: end * MINUTE,
            })
            .collect();
        let (_, silences) = seen(&minutes(on), (log.0 * MINUTE, log.1 * MINUTE), Tz::UTC).finish(&cuts);
        silences
            .iter()
            .map(|of| {
                let (start, end) = (of.window.start / MINUTE, of.window.end / MINUTE);
                (start, end, of.starts_with_access, of.ends_with_access)
            })
            .collect()
    }

    #[test]
    fn windows_lie_between_accesses_and_the_ends_of_the_log_and_last_five_minutes() {
        assert_eq!(
            silences(&[10, 14, 19, 30], (0, 40), &[]),
            [
                (0, 10, false, true),
                (14, 19, true, true),
                (19, 30, true, true),
                (30, 40, true, false)
            ]
        );
        assert_eq!(silences(&[], (0, 40), &[]), [(0, 40, false, false)]);
        assert_eq!(silences(&[0, 40], (0, 40), &[]), [(0, 40, true, true)]);
    }

    #[test]
    fn what_gaps_and_deletions_leave_of_a_window_is_looked_at_by_itself() {
        let of = |cuts: &[(i64, i64)]| silences(&[0, 100], (0, 100), cuts);
        assert_eq!(of(&[(40, 60)]), [(0, 40, true, false), (60, 100, false, true)]);
        assert_eq!(of(&[(50, 50)]), [(0, 50, true, false), (50, 100, false, true)]);
        assert_eq!(of(&[(0, 40), (20, 20), (98, 100)]), [(40, 98, false, false)]);
        assert_eq!(of(&[(-10, 20), (80, 130)]), [(20, 80, false, false)]);
        assert_eq!(of(&[(0, 0), (100, 100)]), [(0, 100, true, true)]);
        assert_eq!(of(&[(-10, 130)]), []);
        assert_eq!(of(&[(200, 300)]), [(0, 100, true, true)]);
    }

    #[test]
    fn counts_are_those_of_the_local_clock_spread_evenly_inside_five_minutes() {
        let hour = 60 * MINUTE;
        // The hour from 02:00 comes twice in Berlin on 25 October 2026; 00:00Z is its first beginning.
        let twice = crate::instant::parse("2026-10-25T00:00:00Z", Tz::UTC).expect("an instant");
        let on = [twice, twice + 2 * MINUTE, twice + hour + 1, twice + hour + 10 * MINUTE];
        let (counts, _) = seen(&on, (twice, twice + hour), chrono_tz::Europe::Berlin).finish(&[]);
        let local = twice + 2 * hour;
        let within = |from: i64, to: i64| {
            let stretch = Window {
                start: local + from * MINUTE,
                end: local + to * MINUTE,
            };
            counts.within(stretch) as f64 / BIN_US as f64
        };
        // Three in five minutes, and one in the half hour around them, count as one.
        assert_eq!(
            [within(0, 5), within(0, 1), within(5, 10), within(10, 15)],
            [1.0, 0.2, 0.0, 1.0]
        );
        assert_eq!([within(-9, 99), within(-9, 0), within(20, 99)], [2.0, 0.0, 0.0]);
        assert_eq!(counts.accesses, 2);
    }

    #[test]
    fn a_burst_counts_one_and_twice_what_is_usual_around_it() {
        let counted = |bins: &[(i64, i64)]| {
            let log = Window { start: 0, end: 0 };
            let counts = Counts::new(bins.to_vec(), log);
            counts.bins.iter().map(|bin| bin.2).collect::<Vec<_>>()
        };
        assert_eq!(counted(&[(0, 40)]), [1]);
        assert_eq!(counted(&[(-7, 90), (0, 40), (7, 90)]), [1, 1, 1], "beyond half an hour");
        assert_eq!(counted(&[(-6, 3), (0, 40), (6, 3)]), [3, 2, 3]);
        let even: Vec<(i64, i64)> = (0..13).map(|bin| (bin, 10)).collect();
        assert_eq!(counted(&even), [10; 13], "what comes evenly counts whole");
    }
}
