//! `dim_date`: every day of the years that reports may name, without a hole.
//!
//! Dates are those of `--tz`, but a calendar has every date: also one that clocks left out (Apia, 30 December 2011). The
//! years reach from the Monday of the log's first week, with which the `clients` report may begin, to the log's last day.

use super::super::clock::{LocalDates, month_start, week_start};
use super::super::facts::Facts;
use super::super::table::{Batches, Rows, Table};
use crate::columns;
use crate::error::Result;
use crate::instant::{date_of, day_number};
use arrow::array::{ArrayRef, BooleanArray, Date32Array, Int32Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use chrono::{Datelike, NaiveDate};
use chrono_tz::Tz;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

pub(super) static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        columns::required(
            "date",
            DataType::Date32,
            "The key: every day of whole years, in `--tz`.",
        ),
        columns::required("year", DataType::Int32, "The year."),
        columns::required("quarter", DataType::Int32, "The quarter, 1 to 4."),
        columns::required("month", DataType::Int32, "The month, 1 to 12."),
        columns::required("month_name", DataType::Utf8, "The month in English."),
        columns::required(
            "month_start",
            DataType::Date32,
            "The first of the month, as `period_start` of that grain in `clients`.",
        ),
        columns::required(
            "year_month",
            DataType::Utf8,
            "Year and month like `2026-03`, which sorts as it reads.",
        ),
        columns::required("day", DataType::Int32, "The day of the month."),
        columns::required(
            "iso_year",
            DataType::Int32,
            "The year the ISO week belongs to: that of its Thursday.",
        ),
        columns::required("iso_week", DataType::Int32, "The ISO week, 1 to 53."),
        columns::required(
            "week_start",
            DataType::Date32,
            "The Monday, as `period_start` of that grain in `clients`.",
        ),
        columns::required("weekday", DataType::Int32, "1 is Monday, as in `activity`."),
        columns::required("weekday_name", DataType::Utf8, "The weekday in English."),
        columns::required("is_weekend", DataType::Boolean, "Saturday or Sunday."),
    ]))
});

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const WEEKDAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// Days since 1970-01-01, made a year at a time: whoever has rows of the year 1 has 700,000 days.
struct Calendar(Range<i32>);

/// The table over all logs.
pub fn table(facts: &[Facts], tz: Tz) -> Result<Table> {
    let mut dates = LocalDates::new(tz);
    let logs = facts.iter().filter(|facts| facts.has_log);
    let days: Vec<i32> = logs
        .flat_map(|facts| [week_start(dates.day(facts.log_start)), dates.day(facts.log_end)])
        .collect();
    let years = days.iter().min().zip(days.iter().max());
    let calendar = years.map_or(0..0, |(&first, &last)| new_year(year(first))..new_year(year(last) + 1));
    Ok(Table::of("dim_date", SCHEMA.clone(), Arc::new(Calendar(calendar)))?)
}

fn year(day: i32) -> i32 {
    date_of(day).year()
}

/// The day number of a year's first of January.
fn new_year(year: i32) -> i32 {
    NaiveDate::from_ymd_opt(year, 1, 1).map_or(i32::MAX, |date| day_number(date) as i32)
}

impl Rows for Calendar {
    fn num_rows(&self) -> Result<usize> {
        Ok(self.0.len())
    }

    fn batches(&self) -> Batches<'_> {
        let Range { mut start, end } = self.0;
        Box::new(std::iter::from_fn(move || {
            let days = start..new_year(year(start) + 1).min(end);
            start = days.end;
            (!days.is_empty()).then(|| rows(days))
        }))
    }

    fn only_environment(&self) -> Result<Option<String>> {
        Ok(None)
    }
}

fn rows(days: Range<i32>) -> Result<RecordBatch> {
    let dates: Vec<NaiveDate> = days.clone().map(date_of).collect();
    let day = |of: fn(i32) -> i32| -> ArrayRef { Arc::new(Date32Array::from_iter_values(days.clone().map(of))) };
    let number = |of: fn(&NaiveDate) -> u32| -> ArrayRef {
        Arc::new(Int32Array::from_iter_values(dates.iter().map(|date| of(date) as i32)))
    };
    let year = |of: fn(&NaiveDate) -> i32| -> ArrayRef { Arc::new(Int32Array::from_iter_values(dates.iter().map(of))) };
    let text =
        |of: fn(&NaiveDate) -> String| -> ArrayRef { Arc::new(StringArray::from_iter_values(dates.iter().map(of))) };
    let weekends = dates.iter().map(|date| Some(date.weekday().number_from_monday() > 5));
    let columns: Vec<ArrayRef> = vec![
        day(|day| day),
        year(NaiveDate::year),
        number(|date| date.month0() / 3 + 1),
        number(NaiveDate::month),
        text(|date| MONTHS[date.month0() as usize].to_owned()),
        day(month_start),
        text(|date| date.format("%Y-%m").to_string()),
        number(NaiveDate::day),
        year(|date| date.iso_week().year()),
        number(|date| date.iso_week().week()),
        day(week_start),
        number(|date| date.weekday().number_from_monday()),
        text(|date| WEEKDAYS[date.weekday().num_days_from_monday() as usize].to_owned()),
        Arc::new(weekends.collect::<BooleanArray>()),
    ];
    Ok(RecordBatch::try_new(SCHEMA.clone(), columns)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instant;
    use arrow::array::AsArray;
    use arrow::datatypes::Date32Type;

    fn days(logs: &[(&str, &str)], tz: Tz) -> Vec<NaiveDate> {
        let at = |text: &str| instant::parse(text, Tz::UTC).expect("an instant");
        let facts: Vec<Facts> = logs
            .iter()
            .map(|(start, end)| Facts {
                has_log: true,
                log_start: at(start),
                log_end: at(end),
                ..Facts::default()
            })
            .collect();
        let table = table(&facts, tz).expect("a table");
        let days: Vec<NaiveDate> = table
            .batches()
            .flat_map(|rows| {
                let rows = rows.expect("rows");
                let days = rows.column(0).as_primitive::<Date32Type>().values().to_vec();
                days.into_iter().map(date_of)
            })
            .collect();
        assert_eq!(days.len(), table.num_rows().expect("a calendar"));
        assert!(
            days.windows(2).all(|pair| pair[0].succ_opt() == Some(pair[1])),
            "no hole"
        );
        days
    }

    fn ends(days: &[NaiveDate]) -> (String, String) {
        (days[0].to_string(), days[days.len() - 1].to_string())
    }

    #[test]
    fn dates_are_whole_years_of_all_logs_without_a_hole() {
        let found = days(
            &[
                ("2023-06-01T00:00:00Z", "2023-06-02T00:00:00Z"),
                ("2025-03-01T00:00:00Z", "2025-03-01T00:00:00Z"),
            ],
            Tz::UTC,
        );
        assert_eq!(ends(&found), ("2023-01-01".to_owned(), "2025-12-31".to_owned()));
        assert_eq!(found.len(), 365 + 366 + 365);
    }

    /// Apia had no 30 December 2011; a calendar has it all the same.
    #[test]
    fn dates_have_days_that_clocks_left_out() {
        let found = days(
            &[("2011-12-29T01:00:00Z", "2011-12-31T01:00:00Z")],
            chrono_tz::Pacific::Apia,
        );
        assert!(found.contains(&NaiveDate::from_ymd_opt(2011, 12, 30).expect("a date")));
    }

    #[test]
    fn dates_begin_with_the_year_of_the_first_week_and_end_with_the_year_of_the_last_local_day() {
        let new_year = [("2026-01-01T12:00:00Z", "2026-12-31T23:30:00Z")];
        let utc = ends(&days(&new_year, Tz::UTC));
        assert_eq!(utc, ("2025-01-01".to_owned(), "2026-12-31".to_owned()));
        let berlin = ends(&days(&new_year, chrono_tz::Europe::Berlin));
        assert_eq!(berlin.1, "2027-12-31");
    }

    #[test]
    fn dates_of_no_log_are_none_but_have_their_columns() {
        let table = table(&[], Tz::UTC).expect("a table");
        assert_eq!((table.num_rows().expect("a calendar"), table.batches().count()), (0, 0));
    }
}
