//! The `coverage` report: how much of each local day of the log was audited, and what was seen on it (contract: design
//! §4).
//!
//! Seconds are floored: those of the day's part inside the log window, and those of the gaps in it; the rest of the part
//! is audited. Example: the log starts at 08:00, auditing was off 10:00–12:00: 14 h audited, 2 h gap, coverage 0.875.

use super::audited::Audited;
use super::clock::{LocalDates, day_parts};
use super::days::Used;
use super::facts::Facts;
use super::options::Options;
use super::table::Table;
use crate::columns;
use crate::error::Result;
use crate::instant::MICROS_PER_SECOND;
use arrow::array::{ArrayRef, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

pub static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        columns::required("environment", DataType::Utf8, columns::ENVIRONMENT),
        columns::required("date", DataType::Date32, "Every date of the log, in `--tz`."),
        columns::required(
            "audited_s",
            DataType::Int64,
            "Seconds of that day inside the log in which accesses were audited.",
        ),
        columns::required(
            "gap_s",
            DataType::Int64,
            "Seconds of that day inside the log within effective gaps.",
        ),
        columns::optional(
            "coverage",
            DataType::Float64,
            "Audited seconds as a share of both, 0 to 1; null when there are none.",
        ),
        columns::required("accesses", DataType::Int64, "Logged accesses of the day."),
        columns::required(
            "actors",
            DataType::Int64,
            "Different actors with an access on that day.",
        ),
    ]))
});

/// The table of batches, one per environment.
pub fn table(batches: Vec<RecordBatch>) -> Result<Table> {
    Ok(Table::new("coverage", SCHEMA.clone(), batches)?)
}

/// A day's part inside the log window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Day {
    us: i64,
    gap_us: i64,
}

impl Day {
    fn gap_s(self) -> i64 {
        self.gap_us / MICROS_PER_SECOND
    }

    fn audited_s(self) -> i64 {
        self.us / MICROS_PER_SECOND - self.gap_s()
    }

    fn coverage(self) -> Option<f64> {
        let sum = self.us / MICROS_PER_SECOND;
        (sum > 0).then(|| self.audited_s() as f64 / sum as f64)
    }
}

/// The rows of one environment.
pub fn rows(facts: &Facts, audited: &Audited, used: &BTreeMap<i32, Used>, options: &Options) -> Result<RecordBatch> {
    let days = days(audited, options);
    let used = |day: &i32| used.get(day).copied().unwrap_or_default();
    let number = |of: &dyn Fn(&i32, &Day) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(
            days.iter().map(|(day, part)| of(day, part)),
        ))
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(days.keys().map(|_| &facts.environment))),
        Arc::new(Date32Array::from_iter_values(days.keys().copied())),
        number(&|_, part| part.audited_s()),
        number(&|_, part| part.gap_s()),
        Arc::new(days.values().map(|part| part.coverage()).collect::<Float64Array>()),
        number(&|day, _| used(day).accesses),
        number(&|day, _| used(day).actors),
    ];
    Ok(RecordBatch::try_new(SCHEMA.clone(), columns)?)
}

/// The days of the log, as far as they are asked for: all dates between the first and the last asked.
fn days(audited: &Audited, options: &Options) -> BTreeMap<i32, Day> {
    let mut days: BTreeMap<i32, Day> = BTreeMap::new();
    for (day, part) in day_parts(audited.log_start, audited.log_end, options.tz) {
        let whole = days.entry(day).or_default();
        whole.us += part.end - part.start;
        whole.gap_us += audited.gap_us(part.start, part.end);
    }
    let mut dates = LocalDates::new(options.tz);
    let from = options.from.map_or(i32::MIN, |from| dates.day(from));
    let to = options.to.map_or(i32::MAX, |to| dates.day(to - 1));
    days.retain(|day, _| from <= *day && *day <= to);
    days
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_floored_and_their_sum_is_the_day_s_part() {
        let day = |us, gap_us| {
            let day = Day { us, gap_us };
            (day.audited_s(), day.gap_s(), day.coverage())
        };
        assert_eq!(day(86_400_000_000, 21_600_000_000), (64_800, 21_600, Some(0.75)));
        assert_eq!(day(10_900_000, 10_900_000), (0, 10, Some(0.0)));
        assert_eq!(day(1_500_000, 600_000), (1, 0, Some(1.0)));
        assert_eq!(day(999_999, 0), (0, 0, None));
        assert_eq!(day(0, 0), (0, 0, None));
    }
}
