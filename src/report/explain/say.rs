//! How instants, durations and shares read in a sentence.

use crate::instant::MICROS_PER_SECOND;
use chrono::{DateTime, TimeZone};
use chrono_tz::Tz;

/// Spells instants in one zone, with the offset from UTC that held then: in the hour that comes twice it tells which.
#[derive(Debug, Clone, Copy)]
pub struct Clock(pub Tz);

impl Clock {
    pub fn at(self, on: i64) -> String {
        let instant = DateTime::from_timestamp_micros(on).unwrap_or_default();
        let fraction = if on.rem_euclid(MICROS_PER_SECOND) == 0 {
            ""
        } else {
            "%.6f"
        };
        let zone = if self.0 == Tz::UTC { "UTC" } else { "%:z" };
        let local = self.0.from_utc_datetime(&instant.naive_utc());
        local.format(&format!("%Y-%m-%d %H:%M:%S{fraction} {zone}")).to_string()
    }
}

/// `1:30:00`; from two days on, `3 d 1:30:00`.
pub fn duration(us: i64) -> String {
    const DAY_US: i64 = 86_400 * MICROS_PER_SECOND;
    let (days, rest) = if us < 2 * DAY_US {
        (0, us)
    } else {
        (us / DAY_US, us % DAY_US)
    };
    let (seconds, fraction) = (rest / MICROS_PER_SECOND, rest % MICROS_PER_SECOND);
    let mut clock = format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction != 0 {
        clock += &format!(".{fraction:06}");
    }
    match (days, rest) {
        (0, _) => clock,
        (days, 0) => format!("{days} d"),
        (days, _) => format!("{days} d {clock}"),
    }
}

/// `1 access`, `2 accesses`.
pub fn counted(count: i64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// A share with three digits that count, and more where it would read like the threshold, or like all, and is not.
pub fn share(share: f64, threshold: f64) -> String {
    let rounded = |digits: usize| format!("{share:.0$e}", digits - 1).parse::<f64>().ok();
    let is_told = |rounded: &f64| {
        [threshold, 1.0]
            .iter()
            .all(|of| rounded.partial_cmp(of) == share.partial_cmp(of))
    };
    let shortest = (3..=17).filter_map(rounded).find(is_told);
    shortest.unwrap_or(share).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_say_which_of_two_equal_hours_they_are_in() {
        let berlin = Clock(chrono_tz::Europe::Berlin);
        let change = crate::instant::parse("2026-10-25T01:00:00Z", Tz::UTC).expect("an instant");
        assert_eq!(berlin.at(change - 1_800_000_000), "2026-10-25 02:30:00 +02:00");
        assert_eq!(berlin.at(change + 1_800_000_000), "2026-10-25 02:30:00 +01:00");
        assert_eq!(Clock(Tz::UTC).at(change + 1), "2026-10-25 01:00:00.000001 UTC");
    }

    #[test]
    fn durations_read_as_hours_and_from_two_days_on_as_days() {
        let hour = 3_600_000_000;
        let spelled = [0, 3 * hour / 2, 47 * hour, 48 * hour, 50 * hour + 1].map(duration);
        assert_eq!(spelled, ["0:00:00", "1:30:00", "47:00:00", "2 d", "2 d 2:00:00.000001"]);
    }

    #[test]
    fn shares_have_three_digits_or_as_many_as_tell_them_from_the_threshold() {
        let of = |of: f64| share(of, 0.9);
        assert_eq!(of(0.019_444_444_444_444_445), "0.0194");
        assert_eq!([0.0, 0.5, 0.9, 1.0].map(of), ["0", "0.5", "0.9", "1"]);
        assert_eq!(of(0.899_8), "0.8998");
        assert_eq!(of(0.899_999_96), "0.89999996");
        assert_eq!(of(0.900_000_000_000_1), "0.9000000000001");
        assert_eq!(of(0.999_95), "0.99995", "not all of it");
        assert_eq!(of(1.0 / 3_000_000.0), "0.000000333");
        assert_eq!(share(0.123_456, 0.123_4), "0.1235");
        assert_eq!(share(0.123_456, 0.123), "0.1235");
    }
}
