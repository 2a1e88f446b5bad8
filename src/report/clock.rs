//! Local dates and hours of many instants, and the days of a stretch of time, fast and exact.

use crate::instant::date_of;
use chrono::{DateTime, Datelike, TimeZone};
use chrono_tz::Tz;
use std::ops::Range;

/// Local midnights since 1972 fall on whole quarter hours of UTC, and all but a few clock changes too.
const QUARTER_US: i64 = 15 * MINUTE_US;
const MINUTE_US: i64 = 60 * 1_000_000;
const HOUR_US: i64 = 60 * MINUTE_US;

/// Gives local dates and hours of instants; remembers the last quarter hour, so that runs of near instants cost nothing.
#[derive(Debug, Clone)]
pub struct LocalDates {
    tz: Tz,
    /// Where the quarter hour begins.
    start: i64,
    hour: i64,
    day: i32,
    /// What the local clock is ahead of UTC, if it is that throughout the quarter hour.
    ahead_us: Option<i64>,
    /// Whether the quarter hour ends in the hour in which it begins: where clocks are put back at 00:01, it may not.
    is_one_hour: bool,
}

impl LocalDates {
    pub fn new(tz: Tz) -> Self {
        LocalDates {
            tz,
            start: i64::MIN,
            hour: 0,
            day: 0,
            ahead_us: None,
            is_one_hour: false,
        }
    }

    /// Days since 1970-01-01 of the local date at an instant in micros.
    pub fn day(&mut self, on: i64) -> i32 {
        self.turn_to(on);
        if self.is_one_hour {
            self.day
        } else {
            local_day(on, self.tz)
        }
    }

    /// Hours on the local clock since its 1970-01-01T00:00.
    pub fn hour(&mut self, on: i64) -> i64 {
        self.turn_to(on);
        if self.is_one_hour {
            self.hour
        } else {
            local_hour(on, self.tz)
        }
    }

    /// Micros on the local clock since its 1970-01-01T00:00.
    pub fn local_us(&mut self, on: i64) -> i64 {
        self.turn_to(on);
        self.ahead_us.map_or_else(|| local_us(on, self.tz), |ahead| on + ahead)
    }

    /// How many of the first instants, which are in order, surely share local date and hour: at least one.
    pub fn run(&mut self, ordered: &[i64]) -> usize {
        let Some(&first) = ordered.first() else { return 0 };
        self.turn_to(first);
        if !self.is_one_hour {
            return 1;
        }
        let end = self.start.saturating_add(QUARTER_US);
        let is_within = |on: &i64| *on < end;
        // Steps that grow: runs of one are as usual as runs of hundreds.
        let mut most = 1;
        while ordered.get(most).is_some_and(is_within) {
            most *= 2;
        }
        let least = most / 2;
        let most = most.min(ordered.len());
        least + ordered[least..most].partition_point(is_within)
    }

    fn turn_to(&mut self, on: i64) {
        let since = on.wrapping_sub(self.start);
        if !(0..QUARTER_US).contains(&since) {
            self.turn_to_quarter(on.div_euclid(QUARTER_US).saturating_mul(QUARTER_US));
        }
    }

    #[cold]
    fn turn_to_quarter(&mut self, start: i64) {
        let (first, last) = (
            local_us(start, self.tz),
            local_us(start.saturating_add(QUARTER_US - 1), self.tz),
        );
        self.start = start;
        self.hour = hour_of(first);
        self.day = day_of(self.hour);
        self.ahead_us = (last - first == QUARTER_US - 1).then_some(first - start);
        self.is_one_hour = self.hour == hour_of(last);
    }
}

fn local_us(on: i64, tz: Tz) -> i64 {
    let instant = DateTime::from_timestamp_micros(on).unwrap_or_default();
    let local = tz.from_utc_datetime(&instant.naive_utc()).naive_local();
    local.and_utc().timestamp_micros()
}

fn hour_of(local_us: i64) -> i64 {
    local_us.div_euclid(HOUR_US)
}

fn local_hour(on: i64, tz: Tz) -> i64 {
    hour_of(local_us(on, tz))
}

fn local_day(on: i64, tz: Tz) -> i32 {
    day_of(local_hour(on, tz))
}

fn day_of(hour: i64) -> i32 {
    hour.div_euclid(24) as i32
}

/// The time from one instant to another, cut where the local date changes: each part with its day, in order. The last
/// instant belongs to it, so that a part which begins there is empty.
///
/// A day has no, one or two midnights, and 23 to 25 hours; it may even come twice. So no midnight is computed: the date
/// is looked up from quarter hour to quarter hour, and by the minute in those that hold two dates.
pub fn day_parts(from: i64, to: i64, tz: Tz) -> Vec<(i32, Range<i64>)> {
    let mut parts: Vec<(i32, Range<i64>)> = Vec::new();
    let mut at = from;
    loop {
        let day = local_day(at, tz);
        let next = same_day_until(at, day, tz).min(to);
        match parts.last_mut() {
            Some((last, part)) if *last == day => part.end = next,
            _ => parts.push((day, at..next)),
        }
        if at >= to {
            return parts;
        }
        at = next;
    }
}

/// An instant after `at` up to which the day surely lasts.
fn same_day_until(at: i64, day: i32, tz: Tz) -> i64 {
    let after = |unit: i64| (at.div_euclid(unit) + 1).saturating_mul(unit);
    if local_day(after(QUARTER_US) - 1, tz) != day {
        after(MINUTE_US)
    } else if local_day(at.saturating_add(20 * HOUR_US), tz) == day {
        // Two hours before the day's end nothing has happened yet.
        at.saturating_add(18 * HOUR_US)
    } else {
        after(QUARTER_US)
    }
}

/// The first instant after `on` at which a day begins and from which on no earlier day comes: not where midnight is left
/// out, or comes twice. `None` in the next year there is no such.
pub fn next_midnight(on: i64, tz: Tz) -> Option<i64> {
    let day = local_day(on, tz);
    let midnights = (day.checked_add(1)?..).map_while(|day| date_of(day).and_hms_opt(0, 0, 0));
    let only = |midnight| tz.from_local_datetime(&midnight).single();
    midnights.take(365).find_map(only).map(|at| at.timestamp_micros())
}

/// The Monday of a day's ISO week.
pub fn week_start(day: i32) -> i32 {
    day - date_of(day).weekday().num_days_from_monday() as i32
}

/// The first of a day's month.
pub fn month_start(day: i32) -> i32 {
    day - date_of(day).day0() as i32
}

/// The last day of a day's month.
pub fn month_end(day: i32) -> i32 {
    month_start(month_start(day) + 31) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instant;
    use chrono::NaiveDate;
    use proptest::prelude::*;

    fn day(text: &str) -> i32 {
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").unwrap();
        instant::day_number(date) as i32
    }

    #[test]
    fn weeks_begin_on_monday_and_months_on_the_first() {
        assert_eq!(week_start(day("2026-03-01")), day("2026-02-23"));
        assert_eq!(week_start(day("2026-03-02")), day("2026-03-02"));
        assert_eq!(month_start(day("2026-03-31")), day("2026-03-01"));
        assert_eq!(month_end(day("2026-02-10")), day("2026-02-28"));
        assert_eq!(month_end(day("2026-12-31")), day("2026-12-31"));
    }

    /// In 2010 the clock went from 00:01 on 7 November back to 23:01 on the 6th.
    #[test]
    fn a_clock_that_is_put_back_over_midnight_within_a_quarter_hour_steps_a_day_back() {
        let at = |text: &str| instant::parse(text, Tz::UTC).unwrap();
        let mut dates = LocalDates::new(chrono_tz::America::St_Johns);
        let found = ["02:29:59", "02:30:00", "02:30:59", "02:31:00", "02:44:59", "03:30:00"]
            .map(|clock| dates.day(at(&format!("2010-11-07T{clock}Z"))));
        let (sixth, seventh) = (day("2010-11-06"), day("2010-11-07"));
        assert_eq!(found, [sixth, seventh, seventh, sixth, sixth, seventh]);
    }

    #[test]
    fn a_midnight_that_comes_twice_or_never_is_left_out() {
        let at = |text: &str| instant::parse(text, Tz::UTC).unwrap();
        let next = |text: &str, tz| next_midnight(at(text), tz);
        let utc = Tz::UTC;
        assert_eq!(next("2026-03-01T00:00:00Z", utc), Some(at("2026-03-02T00:00:00Z")));
        assert_eq!(next("2026-03-01T23:59:59Z", utc), Some(at("2026-03-02T00:00:00Z")));
        // Back from 00:01 on the 7th; back from 01:00 to 00:00; from 24:00 to 01:00; and the 30th, which Samoa left out.
        for (from, tz, expected) in [
            (
                "2010-11-06T12:00:00Z",
                chrono_tz::America::St_Johns,
                "2010-11-08T03:30:00Z",
            ),
            (
                "2026-10-31T12:00:00Z",
                chrono_tz::America::Havana,
                "2026-11-02T05:00:00Z",
            ),
            (
                "2026-09-05T12:00:00Z",
                chrono_tz::America::Santiago,
                "2026-09-07T03:00:00Z",
            ),
            ("2011-12-29T12:00:00Z", chrono_tz::Pacific::Apia, "2011-12-30T10:00:00Z"),
        ] {
            assert_eq!(next(from, tz), Some(at(expected)), "{tz}");
        }
    }

    fn hours(from: &str, to: &str, tz: Tz) -> Vec<i64> {
        let at = |text| instant::parse(text, Tz::UTC).unwrap();
        let parts = day_parts(at(from), at(to), tz);
        parts
            .iter()
            .map(|(_, part)| (part.end - part.start) / HOUR_US)
            .collect()
    }

    #[test]
    fn days_have_23_24_or_25_hours_and_the_first_and_last_are_cut() {
        let berlin = chrono_tz::Europe::Berlin;
        assert_eq!(
            hours("2026-03-28T22:00:00Z", "2026-03-30T03:00:00Z", berlin),
            [1, 23, 5]
        );
        assert_eq!(hours("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", berlin), [25, 0]);
        // Clocks go from 01:00 back to 00:00, so midnight comes twice.
        assert_eq!(
            hours(
                "2026-11-01T03:00:00Z",
                "2026-11-02T07:00:00Z",
                chrono_tz::America::Havana
            ),
            [1, 25, 2]
        );
        // 24:00 is 01:00 of the next day, which has no midnight.
        assert_eq!(
            hours(
                "2026-09-05T04:00:00Z",
                "2026-09-07T03:00:00Z",
                chrono_tz::America::Santiago
            ),
            [24, 23, 0]
        );
        assert_eq!(hours("2026-03-28T22:00:00Z", "2026-03-28T22:00:00Z", berlin), [0]);
    }

    #[test]
    fn a_day_that_a_zone_left_out_has_no_part_and_one_that_comes_twice_has_two() {
        let at = |text: &str| instant::parse(text, Tz::UTC).unwrap();
        let days = |from, to, tz| -> Vec<i32> { day_parts(at(from), at(to), tz).iter().map(|part| part.0).collect() };
        let apia = days("2011-12-29T12:00:00Z", "2012-01-01T12:00:00Z", chrono_tz::Pacific::Apia);
        assert_eq!(apia, ["2011-12-29", "2011-12-31", "2012-01-01", "2012-01-02"].map(day));
        let st_johns = chrono_tz::America::St_Johns;
        let (sixth, seventh) = (day("2010-11-06"), day("2010-11-07"));
        for from in ["2010-11-06T03:00:00Z", "2010-11-06T06:45:00Z", "2010-11-07T02:29:59Z"] {
            let parts = day_parts(at(from), at("2010-11-07T12:00:00Z"), st_johns);
            let lengths: Vec<(i32, i64)> = parts
                .iter()
                .skip(1)
                .map(|(day, part)| (*day, part.end - part.start))
                .collect();
            assert_eq!(parts[0].0, sixth);
            assert_eq!(lengths[..2], [(seventh, MINUTE_US), (sixth, 59 * MINUTE_US)], "{from}");
        }
    }

    proptest! {
        #[test]
        fn local_dates_are_exact_in_every_zone(zone in 0..chrono_tz::TZ_VARIANTS.len(), start in 100_000_000i64..2_500_000_000) {
            let tz = chrono_tz::TZ_VARIANTS[zone];
            let mut dates = LocalDates::new(tz);
            for step in 0..200 {
                let on = (start + step * 1_000) * 1_000_000;
                prop_assert_eq!(dates.day(on), local_day(on, tz), "{}", tz);
                prop_assert_eq!(dates.hour(on), local_hour(on, tz), "{}", tz);
                prop_assert_eq!(dates.local_us(on + 1), local_us(on + 1, tz), "{}", tz);
            }
            let ordered: Vec<i64> = (0..2_000).map(|step| (start + step * 17) * 1_000_000).collect();
            let mut rest = ordered.as_slice();
            while !rest.is_empty() {
                let (run, later) = rest.split_at(dates.run(rest));
                let day_and_hour = |on: &i64| (local_day(*on, tz), local_hour(*on, tz));
                prop_assert!(run.iter().all(|on| day_and_hour(on) == day_and_hour(&run[0])), "{}", tz);
                rest = later;
            }
        }

        #[test]
        fn days_before_a_midnight_are_earlier_than_those_from_it_on(
            zone in 0..chrono_tz::TZ_VARIANTS.len(), start in 100_000_000i64..2_500_000_000,
        ) {
            let (tz, from) = (chrono_tz::TZ_VARIANTS[zone], start * 1_000_000);
            let midnight = next_midnight(from, tz).expect("a midnight");
            prop_assert!(from < midnight);
            let day = local_day(midnight, tz);
            for minutes in 0..3 * 24 * 60 {
                let on = |minutes: i64| midnight + minutes * MINUTE_US;
                prop_assert!(day <= local_day(on(minutes), tz), "{}", tz);
                prop_assert!(local_day(on(-minutes) - 1, tz) < day, "{}", tz);
            }
        }

        /// Whatever the zone: parts follow each other without hole, and every minute of one lies in its day.
        #[test]
        fn days_cover_every_minute_in_every_zone(zone in 0..chrono_tz::TZ_VARIANTS.len(), start in 100_000_000i64..2_500_000_000) {
            let tz = chrono_tz::TZ_VARIANTS[zone];
            let (from, to) = (start * 1_000_000, (start + 5 * 86_400) * 1_000_000);
            let parts = day_parts(from, to, tz);
            prop_assert_eq!((parts[0].1.start, parts[parts.len() - 1].1.end), (from, to));
            prop_assert!(parts.windows(2).all(|pair| pair[0].1.end == pair[1].1.start && pair[0].0 != pair[1].0));
            for (day, part) in parts {
                for on in part.step_by(MINUTE_US as usize) {
                    prop_assert_eq!(local_day(on, tz), day, "{}", tz);
                }
            }
        }
    }
}
