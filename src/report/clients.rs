//! The `clients` report: accesses, people and sessions by client, per day, ISO week, month and over all (contract:
//! design §4).
//!
//! One pass over the time-sorted accesses counts them per (day, client, actor); from there on everything is relational
//! — join with a calendar of periods, group, count distinct — and polars does it on a frame far smaller than the log.

use super::clock::{LocalDates, month_end, month_start, week_start};
use super::columns;
use super::facts::{Facts, NOBODY};
use super::kernel::Session;
use super::options::Options;
use super::table::Table;
use crate::error::{Error, Result};
use arrow::array::{ArrayRef, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use polars::prelude::{DataFrame, IntoLazy, JoinType, SortMultipleOptions, col, df, lit};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        columns::required("environment", DataType::Utf8),
        columns::required("grain", DataType::Utf8),
        columns::required("period_start", DataType::Date32),
        columns::required("client", DataType::Utf8),
        columns::required("accesses", DataType::Int64),
        columns::required("actors", DataType::Int64),
        columns::required("sessions", DataType::Int64),
        columns::required("share", DataType::Float64),
    ]))
});

/// Grains and clients in byte order, as their numbers in frames; so the order of numbers is the order of rows.
const GRAINS: [&str; 4] = ["all", "day", "month", "week"];
const CLIENTS: [&str; 2] = ["web", "web_services"];

/// The table over all environments, in their order.
pub fn table(environments: &[(&Facts, &[Session])], options: &Options) -> Result<Table> {
    let batches: Vec<RecordBatch> = environments
        .iter()
        .map(|(facts, sessions)| rows(facts, sessions, options))
        .collect::<Result<_>>()?;
    Ok(Table::new("clients", SCHEMA.clone(), batches)?)
}

fn rows(facts: &Facts, sessions: &[Session], options: &Options) -> Result<RecordBatch> {
    let counts = daily_counts(facts, sessions, options)?;
    let calendar = calendar(facts, &counts, options)?;
    let period = [col("grain"), col("period_start")];
    let row = [col("grain"), col("period_start"), col("client")];
    let by_client = counts
        .lazy()
        .join(calendar.lazy(), [col("day")], [col("day")], JoinType::Inner.into())
        .group_by(row.clone())
        .agg([
            col("accesses").sum(),
            col("sessions").sum(),
            col("actor")
                .filter(col("actor").neq(lit(NOBODY)))
                .n_unique()
                .alias("actors"),
        ])
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

/// Columns of a frame that counts per (day, client, actor).
#[derive(Default)]
struct Counts {
    days: Vec<i32>,
    clients: Vec<i32>,
    actors: Vec<u32>,
    accesses: Vec<i64>,
    sessions: Vec<i64>,
}

impl Counts {
    fn push(&mut self, day: i32, client: usize, actor: u32, accesses: i64, sessions: i64) {
        self.days.push(day);
        self.clients.push(client as i32);
        self.actors.push(actor);
        self.accesses.push(accesses);
        self.sessions.push(sessions);
    }
}

fn daily_counts(facts: &Facts, sessions: &[Session], options: &Options) -> Result<DataFrame> {
    let mut counts = Counts::default();
    count_accesses(facts, options, &mut counts);
    count_starts(sessions, options, &mut counts);
    Ok(df!(
        "day" => counts.days,
        "client" => counts.clients,
        "actor" => counts.actors,
        "accesses" => counts.accesses,
        "sessions" => counts.sessions,
    )?)
}

/// Accesses per (day, client, actor).
///
/// Rows come in order of time, so the place of an actor's running day can be remembered per client: no hash per row.
fn count_accesses(facts: &Facts, options: &Options, counts: &mut Counts) {
    let mut dates = LocalDates::new(options.tz);
    let mut places = vec![[usize::MAX; CLIENTS.len()]; facts.actors.len() + 1];
    for ((&on, &actor), &web) in facts.created_on.iter().zip(&facts.actor).zip(&facts.is_web) {
        let day = dates.day(on);
        let client = usize::from(!web);
        let place = &mut places[(actor as usize).min(facts.actors.len())][client];
        if counts.days.get(*place) == Some(&day) {
            counts.accesses[*place] += 1;
        } else {
            *place = counts.days.len();
            counts.push(day, client, actor, 1, 0);
        }
    }
}

/// Sessions per (day of their start, client): a mixed session counts under both clients, and for no actor, since
/// `actors` is about accesses.
fn count_starts(sessions: &[Session], options: &Options, counts: &mut Counts) {
    let mut dates = LocalDates::new(options.tz);
    let mut starts: BTreeMap<(i32, usize), i64> = BTreeMap::new();
    for session in sessions {
        let day = dates.day(session.started_on);
        for (client, accesses) in [session.web, session.web_services].into_iter().enumerate() {
            if accesses > 0 {
                *starts.entry((day, client)).or_default() += 1;
            }
        }
    }
    for ((day, client), sessions) in starts {
        counts.push(day, client, NOBODY, 0, sessions);
    }
}

/// Each day that occurs with the periods it belongs to, as far as they are asked for.
fn calendar(facts: &Facts, counts: &DataFrame, options: &Options) -> Result<DataFrame> {
    let mut dates = LocalDates::new(options.tz);
    let log = (dates.day(facts.log_start), dates.day(facts.log_end));
    let from = options.from.map_or(i32::MIN, |from| dates.day(from));
    let to = options.to.map_or(i32::MAX, |to| dates.day(to - 1));
    let occurring: BTreeSet<i32> = counts.column("day")?.i32()?.into_no_null_iter().collect();
    let (mut days, mut grains, mut starts) = (Vec::new(), Vec::new(), Vec::new());
    for day in occurring {
        let week = week_start(day);
        let periods = [log, (day, day), (month_start(day), month_end(day)), (week, week + 6)];
        for (grain, (first, last)) in periods.into_iter().enumerate() {
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
    let counts = |name: &str| -> Result<Vec<i64>> {
        Ok(frame.column(name)?.u32()?.into_no_null_iter().map(i64::from).collect())
    };
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
        Arc::new(Int64Array::from(counts("actors")?)),
        Arc::new(Int64Array::from(numbers("sessions")?)),
        Arc::new(Float64Array::from_iter_values(shares)),
    ];
    Ok(RecordBatch::try_new(SCHEMA.clone(), columns)?)
}
