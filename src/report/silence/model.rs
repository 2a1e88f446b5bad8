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
/// One day in so many is a day off: ten holidays and some bridging days a year.
const DAYS_A_DAY_OFF: f64 = 25.0;
/// One day in so many has fewer accesses than a quiet one.
const DAYS_A_QUIET_DAY: usize = 20;

/// What is known of an environment's accesses.
pub struct Model {
    counts: Counts,
    /// Of the gamma distribution of levels: 1, 2, 4, 8 or 16.
    pub shape: i64,
    /// Accesses of a quiet day.
    quiet_day: f64,
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
    /// Local dates that lie in the window as a whole.
    pub whole_days: i64,
    pub probability: f64,
}

impl Model {
    /// `gaps` are the effective ones, on the local clock.
    pub fn new(counts: Counts, gaps: &[Window]) -> Model {
        let log = counts.log;
        let mut model = Model {
            shape: GREATEST_SHAPE,
            quiet_day: 0.0,
            dates: log.end.div_euclid(DAY_US) - log.start.div_euclid(DAY_US) + 1,
            counts,
        };
        model.quiet_day = model.find_quiet_day(gaps);
        model.shape = model.find_shape(gaps);
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
        // The level only lowers what is expected.
        if accesses * self.none(usual * times) > threshold {
            return None;
        }
        let level = self.level(silence, judged);
        let expected = usual * level * times;
        let (whole_days, quiet) = self.days_off(silence, counted, level);
        let by_days_off = match whole_days {
            0 => 0.0,
            days => self.dates as f64 / DAYS_A_DAY_OFF * 0.5f64.powi((days - 1).min(1000) as i32) * self.none(quiet),
        };
        let probability = accesses * self.none(expected) + by_days_off;
        (probability <= threshold).then_some(Judged {
            silence: *silence,
            usual,
            weeks,
            level,
            expected,
            whole_days,
            probability,
        })
    }

    /// The chance of no access where so many are expected and the level is gamma distributed: (shape ÷ (shape +
    /// expected)) to the power of shape, by squaring.
    fn none(&self, expected: f64) -> f64 {
        let shape = self.shape as f64;
        let mut power = shape / (shape + expected);
        for _ in 0..self.shape.trailing_zeros() {
            power *= power;
        }
        power
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
            start: (local.start - around).max(log.start),
            end: local.start,
        });
        let ends_soon = silence.ends_with_access && local.end - local.start <= WEEK_US;
        let after = ends_soon.then(|| Window {
            start: local.end,
            end: (local.end + around).min(log.end),
        });
        let of = |side: Window| {
            let (usual, _) = self.usual(side, 0)?;
            let found = self.counts.within(side) as f64 / BIN_US as f64;
            Some((LEVEL_PRIOR + found) / (LEVEL_PRIOR + usual))
        };
        [before, after].into_iter().flatten().filter_map(of).fold(1.0, f64::min)
    }

    /// How many whole dates the window holds, and what is expected if they were days off: quiet days, from noon before
    /// them to noon after.
    fn days_off(&self, silence: &Silence, counted: Window, level: f64) -> (i64, f64) {
        let local = silence.local;
        let first = -(-local.start).div_euclid(DAY_US) * DAY_US;
        let last = local.end.div_euclid(DAY_US) * DAY_US;
        let days = ((last - first) / DAY_US).max(0);
        let head = Window {
            start: counted.start,
            end: first - DAY_US / 2,
        };
        let tail = Window {
            start: last + DAY_US / 2,
            end: counted.end,
        };
        let is_tail = local.end - local.start <= WEEK_US;
        let usual = |part: Window, is_looked_at: bool| match is_looked_at && part.start < part.end {
            true => self.usual(part, 0).map_or(0.0, |(usual, _)| usual),
            false => 0.0,
        };
        let at_work = (usual(head, true) + usual(tail, is_tail)) * level;
        (days, at_work + self.quiet_day * days as f64)
    }

    /// Of all dates that lie in the log and in no gap, the accesses of the quietest twentieth part's busiest.
    fn find_quiet_day(&self, gaps: &[Window]) -> f64 {
        let log = self.counts.log;
        let (first, end) = (-(-log.start).div_euclid(DAY_US), log.end.div_euclid(DAY_US));
        let dates = (first..end).map(|date| Window {
            start: date * DAY_US,
            end: (date + 1) * DAY_US,
        });
        let mut counts: Vec<i64> = dates
            .filter(|date| !is_touched(gaps, *date))
            .map(|date| self.counts.within(date) / BIN_US)
            .collect();
        counts.sort_unstable();
        let place = counts.len().div_ceil(DAYS_A_QUIET_DAY);
        counts.get(place.wrapping_sub(1)).map_or(0.0, |count| *count as f64)
    }

    /// How much hours differ from what was usual beyond what chance explains, as the greatest shape that allows for it.
    ///
    /// What comes beyond twice the usual is no silence and counts as twice. The variance of chance is that of the hour
    /// and a quarter more, for the median of a few weeks varies too.
    fn find_shape(&self, gaps: &[Window]) -> i64 {
        let log = self.counts.log;
        let mut hours: Vec<i64> = Vec::new();
        for bin in self.counts.bins() {
            let hour = (bin * BIN_US).div_euclid(HOUR_US);
            hours.extend((-WEEKS..=WEEKS).filter(|week| *week != 0).map(|week| hour + week * 168));
        }
        hours.sort_unstable();
        hours.dedup();
        let (mut squares, mut usual, mut usual_squares) = (0i128, 0i128, 0i128);
        for hour in hours {
            let stretch = Window {
                start: hour * HOUR_US,
                end: (hour + 1) * HOUR_US,
            };
            let is_in_log = log.start <= stretch.start && stretch.end <= log.end;
            let Some((median, _)) = self
                .median(stretch, 0)
                .filter(|_| is_in_log && !is_touched(gaps, stretch))
            else {
                continue;
            };
            let median = i128::from(median / BIN_US);
            let found = i128::from(self.counts.within(stretch) / BIN_US).min(2 * median);
            squares += (found - median) * (found - median);
            usual += median;
            usual_squares += median * median;
        }
        let mut shape = GREATEST_SHAPE;
        while shape > 1 && i128::from(shape) * (4 * squares - 5 * usual) > 4 * usual_squares {
            shape /= 2;
        }
        shape
    }
}

fn is_touched(gaps: &[Window], stretch: Window) -> bool {
    gaps.iter()
        .any(|gap| gap.start < stretch.end && gap.end > stretch.start)
}
