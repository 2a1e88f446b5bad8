//! Local dates of many instants, fast and exact.

use crate::instant::{date_of, day_number};
use chrono::{DateTime, Datelike, TimeZone};
use chrono_tz::Tz;

/// Local midnights since 1972 fall on whole quarter hours of UTC, and all but a few clock changes too.
const QUARTER_US: i64 = 15 * 60 * 1_000_000;

/// Gives the local date of instants; remembers the last quarter hour, so that runs of near instants cost nothing.
#[derive(Debug, Clone)]
pub struct LocalDates {
    tz: Tz,
    quarter: i64,
    day: i32,
    /// Whether the quarter hour ends on the day on which it begins: where clocks are put back at 00:01, it may not.
    is_one_day: bool,
}

impl LocalDates {
    pub fn new(tz: Tz) -> Self {
        LocalDates {
            tz,
            quarter: i64::MIN,
            day: 0,
            is_one_day: false,
        }
    }

    /// Days since 1970-01-01 of the local date at an instant in micros.
    pub fn day(&mut self, on: i64) -> i32 {
        let quarter = on.div_euclid(QUARTER_US);
        if quarter != self.quarter {
            self.quarter = quarter;
            let start = quarter.saturating_mul(QUARTER_US);
            self.day = local_day(start, self.tz);
            self.is_one_day = self.day == local_day(start.saturating_add(QUARTER_US - 1), self.tz);
        }
        if self.is_one_day {
            self.day
        } else {
            local_day(on, self.tz)
        }
    }
}

fn local_day(on: i64, tz: Tz) -> i32 {
    let instant = DateTime::from_timestamp_micros(on).unwrap_or_default();
    let date = tz.from_utc_datetime(&instant.naive_utc()).date_naive();
    day_number(date) as i32
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

    proptest! {
        #[test]
        fn local_dates_are_exact_in_every_zone(zone in 0..chrono_tz::TZ_VARIANTS.len(), start in 100_000_000i64..2_500_000_000) {
            let tz = chrono_tz::TZ_VARIANTS[zone];
            let mut dates = LocalDates::new(tz);
            for step in 0..200 {
                let on = (start + step * 1_000) * 1_000_000;
                prop_assert_eq!(dates.day(on), local_day(on, tz), "{}", tz);
            }
        }
    }
}
