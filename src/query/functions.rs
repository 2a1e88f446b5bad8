//! Functions that statements need and polars' SQL has not: whole periods, and the local clock.

use super::frame;
use crate::report::clock::LocalDates;
use chrono_tz::Tz;
use polars::error::{PolarsResult, polars_bail, polars_ensure, polars_err};
use polars::prelude::{
    BaseColumnUdf, Column, DataType, Field, Int32Chunked, IntoColumn, IntoSeries, NewChunkedArray,
    PlSmallStr, PolarsTruncate, Schema, StringChunked, UserDefinedFunction,
};
use polars::sql::FunctionRegistry;
use std::sync::Arc;

/// What is known beyond polars' own functions; times of day are those of `tz`.
pub fn registry(tz: Tz) -> Arc<dyn FunctionRegistry> {
    Arc::new(Functions(vec![
        function("date_trunc", date_trunc, |fields| {
            Ok(argument(fields, 1, 2)?.dtype().clone())
        }),
        function(
            "local_date",
            move |columns| local_date(columns, tz),
            |fields| argument(fields, 0, 1).map(|_| DataType::Date),
        ),
        function(
            "local_hour",
            move |columns| local_hour(columns, tz),
            |fields| argument(fields, 0, 1).map(|_| DataType::Int32),
        ),
    ]))
}

struct Functions(Vec<UserDefinedFunction>);

impl FunctionRegistry for Functions {
    fn register(&mut self, name: &str, _: UserDefinedFunction) -> PolarsResult<()> {
        polars_bail!(SQLInterface: "function {name} cannot be added")
    }

    fn get_udf(&self, name: &str) -> PolarsResult<Option<UserDefinedFunction>> {
        Ok(self.0.iter().find(|function| function.name == name).cloned())
    }

    fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|function| function.name == name)
    }
}

fn function(
    name: &'static str,
    of: impl Fn(&[Column]) -> PolarsResult<Column> + Send + Sync + 'static,
    gives: impl Fn(&[Field]) -> PolarsResult<DataType> + Send + Sync + 'static,
) -> UserDefinedFunction {
    let field = move |_: &Schema, fields: &[Field]| {
        let given = fields
            .last()
            .map_or(PlSmallStr::from_static(name), |field| field.name().clone());
        Ok(Field::new(given, gives(fields)?))
    };
    UserDefinedFunction::new(
        name.into(),
        BaseColumnUdf::new(move |columns: &mut [Column]| of(columns), field),
    )
}

/// The argument at a place, a date or a time.
fn argument(fields: &[Field], place: usize, count: usize) -> PolarsResult<&Field> {
    polars_ensure!(fields.len() == count, SQLSyntax: "the function takes {count} arguments, not {}", fields.len());
    let field = &fields[place];
    match field.dtype() {
        DataType::Date | DataType::Datetime(..) => Ok(field),
        other => polars_bail!(SQLSyntax: "the function takes a date or a timestamp, not {other}"),
    }
}

/// `date_trunc('week', x)`: the start of the period that holds a date or a time, in UTC.
fn date_trunc(columns: &[Column]) -> PolarsResult<Column> {
    let [period, value] = columns else {
        polars_bail!(SQLSyntax: "date_trunc takes two arguments");
    };
    let period = period.str()?.get(0).unwrap_or_default().to_lowercase();
    let every = match period.as_str() {
        "hour" => "1h",
        "day" => "1d",
        "week" => "1w",
        "month" => "1mo",
        "quarter" => "1q",
        "year" => "1y",
        _ => polars_bail!(SQLSyntax: "date_trunc knows hour, day, week, month, quarter and year, not {period:?}"),
    };
    let every = StringChunked::from_slice("every".into(), &[every]);
    match value.dtype() {
        DataType::Date => Ok(value.date()?.truncate(None, &every)?.into_series().into_column()),
        _ => Ok(value.datetime()?.truncate(None, &every)?.into_series().into_column()),
    }
}

/// `local_date(x)`: the date of a time in `--tz`.
fn local_date(columns: &[Column], tz: Tz) -> PolarsResult<Column> {
    let mut dates = LocalDates::new(tz);
    let days = of_micros(columns, |on| dates.day(on))?;
    Ok(days.into_series().into_date().into_column())
}

/// `local_hour(x)`: the hour of the day of a time in `--tz`.
fn local_hour(columns: &[Column], tz: Tz) -> PolarsResult<Column> {
    let mut dates = LocalDates::new(tz);
    Ok(of_micros(columns, |on| dates.hour(on).rem_euclid(24) as i32)?.into_column())
}

fn of_micros(columns: &[Column], mut of: impl FnMut(i64) -> i32) -> PolarsResult<Int32Chunked> {
    let times = columns
        .first()
        .ok_or_else(|| polars_err!(SQLSyntax: "the function takes a timestamp"))?;
    let micros = times.cast(&frame::instants())?.cast(&DataType::Int64)?;
    let found = micros.i64()?.iter().map(|on| on.map(&mut of));
    Ok(Int32Chunked::from_iter_options(times.name().clone(), found))
}
