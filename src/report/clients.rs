//! The `clients` report: accesses, people and sessions by client, per day, ISO week, month and over all (contract:
//! design §4).
//!
//! What the pass over the accesses has counted per day and per period ([`Counts`]) is joined with a calendar of periods
//! and grouped by polars, on frames of some rows per day.

use super::clock::LocalDates;
use super::daily::{ByClient, CLIENTS, Counts, GRAINS, periods};
use super::facts::Facts;
use super::options::Options;
use super::table::Table;
use crate::columns;
use crate::error::{Error, Result};
use arrow::array::{ArrayRef, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use polars::prelude::{DataFrame, IntoLazy, JoinType, SortMultipleOptions, col, df, lit};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

pub static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        columns::required("environment", DataType::Utf8, columns::ENVIRONMENT),
        columns::required(
            "grain",
            DataType::Utf8,
            "How long the period is: `day`, `week` (ISO, from Monday), `month`, or `all` of the log.",
        ),
        columns::required(
            "period_start",
            DataType::Date32,
            "The first date of the period in `--tz`; for `all` the date of the log's start.",
        ),
        columns::required(
            "client",
            DataType::Utf8,
            "`web` (action 64) or `web_services` (action 65).",
        ),
        columns::required(
            "accesses",
            DataType::Int64,
            "Logged accesses by this client in the period.",
        ),
        columns::required(
            "actors",
            DataType::Int64,
            "Different actors with an access by this client in the period.",
        ),
        columns::required(
            "sessions",
            DataType::Int64,
            "Sessions that started in the period and have an access by this client; a mixed session counts under both.",
        ),
        columns::required(
            "share",
            DataType::Float64,
            "Accesses by this client as a share of all accesses of that environment and period, 0 to 1.",
        ),
    ]))
});

/// The table of batches, one per environment.
pub fn table(batches: Vec<RecordBatch>) -> Result<Table> {
    Ok(Table::new("clients", SCHEMA.clone(), batches)?)
}

/// The rows of one environment.
pub fn rows(facts: &Facts, counts: &Counts, options: &Options) -> Result<RecordBatch> {
    let period = [col("grain"), col("period_start")];
    let row = [col("grain"), col("period_start"), col("client")];
    let by_client = by_day(counts)?
        .lazy()
        .join(
            calendar(facts, counts, options)?.lazy(),
            [col("day")],
            [col("day")],
            JoinType::Inner.into(),
        )
        .group_by(row.clone())
        .agg([col("accesses").sum(), col("sessions").sum()])
        .join(actors(counts)?.lazy(), row.clone(), row.clone(), JoinType::Left.into())
        .with_column(col("actors").fill_null(lit(0i64)))
        .collect()?;
    let by_period = by_client
        .clone()
        .lazy()
        .group_by(period.clone())
        .agg([col("accesses").sum().alias("period_accesses")]);
    let table = by_client
        .lazy()
        .join(by_period, period.clone(), period, JoinType::Inner.into())
        .sort_by_exprs(row, SortMultipleOptions::default())
        .collect()?;
    to_batch(&facts.environment, &table)
}

/// Accesses and sessions per day and client, where there are any.
fn by_day(counts: &Counts) -> Result<DataFrame> {
    let occurring: BTreeSet<i32> = counts.accesses.keys().chain(counts.sessions.keys()).copied().collect();
    let (mut days, mut clients, mut accesses, mut sessions) = (vec![], vec![], vec![], vec![]);
    for day in occurring {
        let of_day = |counts: &BTreeMap<i32, ByClient>| counts.get(&day).copied().unwrap_or_default();
        let pairs = of_day(&counts.accesses).into_iter().zip(of_day(&counts.sessions));
        for (client, (of_accesses, of_sessions)) in pairs.enumerate().filter(|(_, pair)| *pair != (0, 0)) {
            days.push(day);
            clients.push(client as i32);
            accesses.push(of_accesses);
            sessions.push(of_sessions);
        }
    }
    Ok(df!("day" => days, "client" => clients, "accesses" => accesses, "sessions" => sessions)?)
}

/// Different actors per period and client.
fn actors(counts: &Counts) -> Result<DataFrame> {
    let (mut grains, mut starts, mut clients, mut actors) = (vec![], vec![], vec![], vec![]);
    for (&(grain, start), by_client) in &counts.actors {
        for (client, &count) in by_client.iter().enumerate() {
            grains.push(grain as i32);
            starts.push(start);
            clients.push(client as i32);
            actors.push(count);
        }
    }
    Ok(df!("grain" => grains, "period_start" => starts, "client" => clients, "actors" => actors)?)
}

/// Each day that occurs with the periods it belongs to, as far as they are asked for.
fn calendar(facts: &Facts, counts: &Counts, options: &Options) -> Result<DataFrame> {
    let mut dates = LocalDates::new(options.tz);
    let whole = (dates.day(facts.log_start), dates.day(facts.log_end));
    let from = options.from.map_or(i32::MIN, |from| dates.day(from));
    let to = options.to.map_or(i32::MAX, |to| dates.day(to - 1));
    let occurring: BTreeSet<i32> = counts.accesses.keys().chain(counts.sessions.keys()).copied().collect();
    let (mut days, mut grains, mut starts) = (Vec::new(), Vec::new(), Vec::new());
    for day in occurring {
        for (grain, (first, last)) in periods(day, whole).into_iter().enumerate() {
            if first.max(from) <= last.min(to) {
                days.push(day);
                grains.push(grain as i32);
                starts.push(first);
            }
        }
    }
    Ok(df!("day" => days, "grain" => grains, "period_start" => starts)?)
}

fn to_batch(environment: &str, frame: &DataFrame) -> Result<RecordBatch> {
    let numbers = |name: &str| -> Result<Vec<i64>> { Ok(frame.column(name)?.i64()?.into_no_null_iter().collect()) };
    let codes = |name: &str| -> Result<Vec<i32>> { Ok(frame.column(name)?.i32()?.into_no_null_iter().collect()) };
    let names = |codes: Vec<i32>, names: &[&'static str]| -> Result<ArrayRef> {
        let name = |code: i32| names.get(code as usize).copied();
        let found: Option<Vec<&str>> = codes.into_iter().map(name).collect();
        let found = found.ok_or_else(|| Error::failed("a frame holds a code without a name"))?;
        Ok(Arc::new(StringArray::from_iter_values(found)))
    };
    let accesses = numbers("accesses")?;
    let shares = accesses
        .iter()
        .zip(numbers("period_accesses")?)
        .map(|(&accesses, all)| accesses as f64 / all as f64);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values((0..frame.height()).map(|_| environment))),
        names(codes("grain")?, &GRAINS)?,
        Arc::new(Date32Array::from(codes("period_start")?)),
        names(codes("client")?, &CLIENTS)?,
        Arc::new(Int64Array::from(accesses.clone())),
        Arc::new(Int64Array::from(numbers("actors")?)),
        Arc::new(Int64Array::from(numbers("sessions")?)),
        Arc::new(Float64Array::from_iter_values(shares)),
    ];
    Ok(RecordBatch::try_new(SCHEMA.clone(), columns)?)
}
