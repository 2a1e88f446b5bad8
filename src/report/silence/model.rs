//! The model behind `silence`, as pure functions over counts. What it says and why stands in [`super`].
//!
//! Sums and medians are of whole numbers, and a probability takes nothing but + − × ÷ of doubles in one order: the same
//! on every machine, and in SQL (L2, L8).

use super::super::kernel::Window;
use super::seen::{BIN_US, Counts, Silence};

const HOUR_US: i64 = 3_600_000_000;
const DAY_US: i64 = 24 * HOUR_US;
const WEEK_US: i64 = 7 * DAY_US;

/// So many weeks before a window and after it are what it is compared with, ...
const WEEKS: i64 = 4;
/// ... and so many of them must lie in the log.
const FEWEST_WEEKS: usize = 4;
/// The counted part begins and ends so much inside: this part of the window, and no more than half an hour.
const MARGIN_PART: i64 = 8;
const LONGEST_MARGIN_US: i64 = HOUR_US / 2;
/// The hours around a window are as many as it has, within these bounds.
const AROUND_US: (i64, i64) = (HOUR_US, 12 * HOUR_US);
/// A level of the hours around counts as if so many accesses more had come as usual.
const LEVEL_PRIOR: f64 = 4.0;
/// The most regular log still varies by a quarter: 1 ÷ √16.
const GREATEST_SHAPE: i64 = 16;
/// Levels are taken over so long, for windows that are at least so long.
const SCALES_US: [(i64, i64); 3] = [(HOUR_US, 0), (6 * HOUR_US, 8 * HOUR_US), (DAY_US, DAY_US)];
/// A date with at most this part of its usual accesses is quiet.
const QUIET_PART: i64 = 4;
/// One date in so many is a day off: ten holidays and some bridging days a year. One in three is followed by another.
const DATES_A_DAY_OFF: f64 = 25.0;
const NEXT_IS_OFF: f64 = 1.0 / 3.0;

/// What is known of an environment's accesses.
pub struct Model {
    counts: Counts,
    /// Of the gamma distribution of levels, for each of the scales: 1 to 16.
    shapes: [i64; SCALES_US.len()],
    /// Accesses of a day off.
    day_off: f64,
    /// Local dates of the log.
    dates: i64,
}

/// A window and how plausible it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    pub silence: Silence,
    /// Accesses of the counted part in the weeks compared: their lower median.
    pub usual: f64,
    pub weeks: i64,
    /// How busy the hours around the window were, compared with the same weeks; at most 1.
    pub level: f64,
    pub expected: f64,
    pub shape: i64,
    /// Working dates of the window that are quiet, and may be days off.
    pub quiet_dates: i64,
    pub probability: f64,
}

impl Model {
    /// `gaps` are the effective ones, on the local clock.
    pub fn new(counts: Counts, gaps: &[Window]) -> Model {
        let log = counts.log;
        let mut model = Model {
            shapes: [GREATEST_SHAPE; SCALES_US.len()],
            day_off: 0.0,
            dates: log.end.div_euclid(DAY_US) - log.start.div_euclid(DAY_US) + 1,
            counts,
        };
        model.day_off = model.find_day_off(gaps);
        model.shapes = SCALES_US.map(|scale| model.find_shape(scale.0, gaps));
        model
    }

    /// The window, if it is compared with enough weeks and no more probable than `threshold`.
    pub fn judge(&self, silence: &Silence, threshold: f64) -> Option<Judged> {
        let local = silence.local;
        let length = local.end - local.start;
        let judged = length.min(WEEK_US);
        // Weeks after a window of more than a week are those after its end.
        let beyond = (length - 1).div_euclid(WEEK_US).max(0);
        let margin = (judged / MARGIN_PART).min(LONGEST_MARGIN_US);
        let counted = Window {
            start: local.start + margin,
            end: local.start + judged - margin,
        };
        let (usual, weeks) = self.usual(counted, beyond).filter(|(usual, _)| *usual > 0.0)?;
        let times = if length > WEEK_US {
            length as f64 / WEEK_US as f64
        } else {
            1.0
        };
        let accesses = self.counts.accesses as f64;
        let scale = SCALES_US
            .iter()
            .rposition(|scale| scale.1 <= judged)
            .unwrap_or_default();
        let shape = self.shapes[scale];
        // The level only lowers what is expected.
        if accesses * none(usual * times, shape) > threshold {
            return None;
        }
        let level = self.level(silence, judged);
        let expected = usual * level * times;
        let (quiet_dates, off) = self.days_off(local, counted, level);
        let by_days_off = match quiet_dates {
            0 => 0.0,
            dates => self.dates as f64 / DATES_A_DAY_OFF * power(NEXT_IS_OFF, dates - 1) * none(off, shape),
        };
        let probability = accesses * none(expected, shape) + by_days_off;
        (probability <= threshold).then_some(Judged {
            silence: *silence,
            usual,
            weeks,
            level,
            expected,
            shape,
            quiet_dates,
            probability,
        })
    }

    /// Accesses in the same stretch of the weeks before and after: the lower median, and how many weeks there are.
    fn usual(&self, stretch: Window, beyond: i64) -> Option<(f64, i64)> {
        let (median, weeks) = self.median(stretch, beyond)?;
        Some((median as f64 / BIN_US as f64, weeks))
    }

    fn median(&self, stretch: Window, beyond: i64) -> Option<(i64, i64)> {
        let log = self.counts.log;
        let shifted = (1..=WEEKS).flat_map(|week| [-week, week + beyond]).map(|weeks| Window {
            start: stretch.start + weeks * WEEK_US,
            end: stretch.end + weeks * WEEK_US,
        });
        let mut counts: Vec<i64> = shifted
            .filter(|stretch| log.start <= stretch.start && stretch.end <= log.end)
            .map(|stretch| self.counts.within(stretch))
            .collect();
        counts.sort_unstable();
        let weeks = counts.len();
        (weeks >= FEWEST_WEEKS).then(|| (counts[(weeks - 1) / 2], weeks as i64))
    }

    /// The lower of the levels before and after. A side that begins with the log or a gap says nothing.
    fn level(&self, silence: &Silence, judged: i64) -> f64 {
        let (local, log) = (silence.local, self.counts.log);
        let around = judged.clamp(AROUND_US.0, AROUND_US.1);
        let before = silence.starts_with_access.then(|| Window {
            start: (local.start - around).max(log.start).min(local.start),
            end: local.start,
        });
        let ends_soon = silence.ends_with_access && local.end - local.start <= WEEK_US;
        let after = ends_soon.then(|| Window {
            start: local.end,
            end: (local.end + around).min(log.end).max(local.end),
        });
        let of = |side: Window| {
            let (usual, _) = self.usual(side, 0)?;
            let found = self.counts.within(side) as f64 / BIN_US as f64;
            Some((LEVEL_PRIOR + found) / (LEVEL_PRIOR + usual))
        };
        [before, after].into_iter().flatten().filter_map(of).fold(1.0, f64::min)
    }

    /// How many working dates of the window are quiet, and what is expected if they were days off, from noon before them
    /// to noon after.
    fn days_off(&self, local: Window, counted: Window, level: f64) -> (i64, f64) {
        let (mut first, mut last) = (local.start.div_euclid(DAY_US), (local.end - 1).div_euclid(DAY_US));
        // Those in between have no access at all.
        first += i64::from(!self.is_quiet(first));
        last -= i64::from(last >= first && !self.is_quiet(last));
        let is_working = |date: &i64| {
            let usual = self.usual(a_day(*date), 0);
            usual.is_some_and(|(usual, _)| usual > 2.0 * self.day_off)
        };
        let working = (first..=last).filter(is_working).count() as i64;
        if working == 0 {
            return (0, 0.0);
        }
        let (start, end) = (first * DAY_US, (last + 1) * DAY_US);
        let head = Window {
            start: counted.start,
            end: start - DAY_US / 2,
        };
        let tail = Window {
            start: end + DAY_US / 2,
            end: counted.end,
        };
        let usual = |part: Window| match part.start < part.end {
            true => self.usual(part, 0).map_or(0.0, |(usual, _)| usual),
            false => 0.0,
        };
        let at_work = (usual(head) + usual(tail)) * level;
        let off_us = end.min(local.end) - start.max(local.start);
        (working, at_work + self.day_off * (off_us as f64 / DAY_US as f64))
    }

    /// Whether a date has hardly any of its usual accesses.
    fn is_quiet(&self, date: i64) -> bool {
        let usual = self.median(a_day(date), 0);
        usual.is_some_and(|(usual, _)| self.counts.within(a_day(date)) * QUIET_PART <= usual)
    }

    /// A day off is like the quietest weekday: the median of its dates that lie in the log and in no gap.
    fn find_day_off(&self, gaps: &[Window]) -> f64 {
        let log = self.counts.log;
        let (first, end) = (-(-log.start).div_euclid(DAY_US), log.end.div_euclid(DAY_US));
        let mut weekdays: [Vec<i64>; 7] = Default::default();
        for date in first..end {
            if !is_touched(gaps, a_day(date)) {
                weekdays[date.rem_euclid(7) as usize].push(self.counts.within(a_day(date)) / BIN_US);
            }
        }
        let medians = weekdays.iter_mut().map(|counts| {
            counts.sort_unstable();
            counts.get((counts.len().max(1) - 1) / 2).copied().unwrap_or_default()
        });
        medians.min().unwrap_or_default() as f64
    }

    /// How much stretches of this length differ from what was usual beyond what chance explains, as the greatest shape
    /// that allows for it. Quiet dates are left out.
    ///
    /// What comes beyond twice the usual is no silence and counts as twice. The variance of chance is that of the stretch
    /// and a quarter more, for the median of a few weeks varies too.
    fn find_shape(&self, scale_us: i64, gaps: &[Window]) -> i64 {
        let log = self.counts.log;
        let a_week = WEEK_US / scale_us;
        let mut places: Vec<i64> = Vec::new();
        for bin in self.counts.bins() {
            let place = (bin * BIN_US).div_euclid(scale_us);
            places.extend(
                (-WEEKS..=WEEKS)
                    .filter(|week| *week != 0)
                    .map(|week| place + week * a_week),
            );
        }
        places.sort_unstable();
        places.dedup();
        let (mut squares, mut usual, mut usual_squares) = (0i128, 0i128, 0i128);
        for place in places {
            let stretch = Window {
                start: place * scale_us,
                end: (place + 1) * scale_us,
            };
            let is_in_log = log.start <= stretch.start && stretch.end <= log.end;
            if !is_in_log || is_touched(gaps, stretch) || self.is_quiet(stretch.start.div_euclid(DAY_US)) {
                continue;
            }
            let median = i128::from(self.median(stretch, 0).map_or(0, |(median, _)| median / BIN_US));
            let found = i128::from(self.counts.within(stretch) / BIN_US).min(2 * median);
            squares += (found - median) * (found - median);
            usual += median;
            usual_squares += median * median;
        }
        let beyond = 4 * squares - 5 * usual;
        let greatest = i128::from(GREATEST_SHAPE);
        let shape = if beyond > 0 {
            4 * usual_squares / beyond
        } else {
            greatest
        };
        shape.clamp(1, greatest) as i64
    }
}

/// The chance of no access where so many are expected and the level is gamma distributed: (shape ÷ (shape + expected))
/// to the power of the shape.
fn none(expected: f64, shape: i64) -> f64 {
    power(shape as f64 / (shape as f64 + expected), shape)
}

/// A power by squaring, bit by bit of the exponent, which is cut at 31.
fn power(of: f64, exponent: i64) -> f64 {
    let exponent = exponent.min(31);
    let (mut square, mut power) = (of, 1.0);
    for bit in 0..5 {
        if exponent >> bit & 1 == 1 {
            power *= square;
        }
        square *= square;
    }
    power
}

fn a_day(date: i64) -> Window {
    Window {
        start: date * DAY_US,
        end: (date + 1) * DAY_US,
    }
}

/// Whether a gap reaches into a stretch.
fn is_touched(gaps: &[Window], stretch: Window) -> bool {
    gaps.iter()
        .any(|gap| gap.start < stretch.end && gap.end > stretch.start)
}
