//! The value of a cell → text, the texts of a row → a CSV line.

use calamine::DataRef;
use chrono::{Days, NaiveDate};
use std::io::{self, Write};

/// What a cell says; nothing for an error value.
pub fn text(value: &DataRef<'_>, is_1904: bool) -> String {
    match value {
        DataRef::Empty | DataRef::Error(_) => String::new(),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => number_text(*number),
        DataRef::Bool(value) => value.to_string(),
        DataRef::DateTime(time) => Some(time.as_f64())
            .filter(|_| time.is_datetime())
            .and_then(|days| time_text(days, is_1904))
            .unwrap_or_else(|| number_text(time.as_f64())),
    }
}

/// Whole numbers without a fraction, up to where a float no longer holds each of them.
fn number_text(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < 9e15 {
        format!("{}", number as i64)
    } else {
        number.to_string()
    }
}

/// The time that Excel shows for a number of days; `None` for one that it does not show, or that never was.
///
/// In the older of its two calendars, day 1 is 1900-01-01 and day 60 a 29 February 1900, which did not exist.
fn time_text(days: f64, is_1904: bool) -> Option<String> {
    const DAY_MS: u64 = 86_400_000;
    const LAST_DAY: f64 = 2_958_466.0;
    if !(0.0..LAST_DAY).contains(&days) {
        return None;
    }
    let ms = (days * DAY_MS as f64).round() as u64;
    let (day, clock) = (ms / DAY_MS, ms % DAY_MS);
    let first = match (is_1904, day) {
        (true, _) => NaiveDate::from_ymd_opt(1904, 1, 1),
        (false, 0..60) => NaiveDate::from_ymd_opt(1899, 12, 31),
        (false, 60) => None,
        (false, _) => NaiveDate::from_ymd_opt(1899, 12, 30),
    };
    let date = first?.checked_add_days(Days::new(day))?;
    let (seconds, ms) = (clock / 1000, clock % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fraction = if ms == 0 { String::new() } else { format!(".{ms:03}") };
    Some(format!("{date}T{hour:02}:{minute:02}:{second:02}{fraction}"))
}

/// A row as a CSV line; one without values as an empty line.
pub fn write_line(line: &mut impl Write, cells: &[String]) -> io::Result<()> {
    if cells.iter().all(String::is_empty) {
        return line.write_all(b"\n");
    }
    for (place, cell) in cells.iter().enumerate() {
        if place > 0 {
            line.write_all(b",")?;
        }
        if memchr::memchr3(b',', b'"', b'\n', cell.as_bytes()).is_none() && !cell.contains('\r') {
            line.write_all(cell.as_bytes())?;
        } else {
            write!(line, "\"{}\"", cell.replace('"', "\"\""))?;
        }
    }
    line.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excel_times_are_rounded_to_the_millisecond_in_both_calendars() {
        let eight = 8.0 / 24.0;
        for (days, is_1904, expected) in [
            (46_082.0 + eight, false, Some("2026-03-01T08:00:00")),
            (46_082.0 + eight - 1e-9, false, Some("2026-03-01T08:00:00")),
            (
                46_082.0 + eight + 0.123 / 86_400.0,
                false,
                Some("2026-03-01T08:00:00.123"),
            ),
            (46_082.999_999_999_9, false, Some("2026-03-02T00:00:00")),
            (46_082.0 - 1462.0 + eight, true, Some("2026-03-01T08:00:00")),
            (0.0, true, Some("1904-01-01T00:00:00")),
            (1.0, false, Some("1900-01-01T00:00:00")),
            (59.0, false, Some("1900-02-28T00:00:00")),
            (60.5, false, None),
            (61.0, false, Some("1900-03-01T00:00:00")),
            (2_958_465.0, false, Some("9999-12-31T00:00:00")),
            (2_958_466.0, false, None),
            (-1.0, false, None),
            (f64::NAN, false, None),
            (f64::INFINITY, true, None),
        ] {
            assert_eq!(time_text(days, is_1904).as_deref(), expected, "{days}");
        }
    }

    #[test]
    fn whole_numbers_are_written_whole() {
        for (number, expected) in [(64.0, "64"), (-1.0, "-1"), (64.5, "64.5"), (72_201_545.0, "72201545")] {
            assert_eq!(number_text(number), expected);
        }
        assert_eq!(number_text(f64::NAN), "NaN");
    }

    #[test]
    fn a_line_quotes_what_would_end_a_field_and_a_row_without_values_is_empty() {
        let line = |cells: &[&str]| {
            let mut line = Vec::new();
            write_line(
                &mut line,
                &cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>(),
            )
            .unwrap();
            String::from_utf8(line).unwrap()
        };
        assert_eq!(line(&["a", "", "b c"]), "a,,b c\n");
        assert_eq!(
            line(&["a,b", "say \"x\"", "1\n2", "1\r2"]),
            "\"a,b\",\"say \"\"x\"\"\",\"1\n2\",\"1\r2\"\n"
        );
        assert_eq!(line(&["", ""]), "\n");
    }
}
