//! The `silence` report: windows without any access that the log's own rhythm makes implausible, and that no gap explains.
//!
//! A window lies between two accesses, or ends with the log, an effective gap or a deletion (111), and lasts 5 min or more.
//!
//! - *Usual*: accesses in the same stretch of the local clock in the 4 weeks before and the 4 after, their lower median:
//!   growth, holidays, another hole do not move it. Its edges (1/8, 30 min at most) are not counted, since nobody is
//!   punctual, and a burst counts as few. Four weeks must lie in the log. A window of more than a week is judged by its first.
//! - *Level*: accesses in the hours before the window or after it against their usual, the lower, at most 1: on a quiet day
//!   silence is no wonder. Expected = usual × level.
//! - *Chance of none*: the true level is gamma distributed with mean 1, so (shape ÷ (shape + expected))^shape. The shape, 1
//!   to 16, follows from how hours (for windows below 8 h), quarters of days (below 24 h) and days differ from their usual.
//! - *Probability*: how many such windows chance makes in a log of this size, accesses × chance of none; and where working
//!   dates of the window have hardly any access, how many such days off: dates ÷ 25 × (1/3)^(working dates − 1) × chance of
//!   none on days like the quietest weekday, and at work before noon of the day before and after noon of the day after.
//!
//! Example: 29 accesses are usual, 29 expected, the shape is 16, the log has 811 accesses: 811 × (16 ÷ 45)^16 = 0.00005.
//!
//! Nothing here enters `gaps`: that auditing was off is known, that rows are missing is a guess. What may have caused it:
//! [`cause`]. A hole that looks like days off is not found where nobody comes on weekends, nor what nobody would have noticed.

mod cause;
mod holes;
mod model;
mod seen;

pub use seen::Seen;

use super::clock::LocalDates;
use super::facts::Facts;
use super::gap_table;
use super::gaps::{Gap, Scope};
use super::kernel::Window;
use super::options::Options;
use super::table::Table;
use crate::columns;
use crate::error::Result;
use crate::instant::MICROS_PER_SECOND;
use crate::lake::{Control, Lake};
use crate::record::{ACTION_LOG_DELETION, Kind};
use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use cause::Cause;
use model::{Judged, Model};
use std::sync::{Arc, LazyLock};

pub static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        columns::required("environment", DataType::Utf8, columns::ENVIRONMENT),
        columns::required(
            "started_on",
            columns::timestamp(),
            "The access before the silence, or the instant at which the log, the end of a gap or a deletion of logs begins it.",
        ),
        columns::required(
            "ended_on",
            columns::timestamp(),
            "The access after the silence, or the instant at which the log, a gap or a deletion of logs ends it.",
        ),
        columns::required(
            "duration_s",
            DataType::Int64,
            "Whole seconds from `started_on` to `ended_on`.",
        ),
        columns::required(
            "usual_accesses",
            DataType::Float64,
            "Accesses in the same stretch, without its edges, of the weeks compared: their lower median, bursts counted as few.",
        ),
        columns::required(
            "weeks_compared",
            DataType::Int64,
            "How many of the four weeks before and the four after lie in the log; at least 4.",
        ),
        columns::required(
            "level",
            DataType::Float64,
            "How busy the hours before or after the silence were against their usual, the lower of both, at most 1.",
        ),
        columns::required(
            "expected_accesses",
            DataType::Float64,
            "How many accesses were to be expected: usual accesses times level, and for more than a week times its weeks.",
        ),
        columns::required(
            "shape",
            DataType::Int64,
            "How regular the log is over so long a time: the shape of the gamma distribution of levels, from 1 (wild) to 16.",
        ),
        columns::required(
            "quiet_dates",
            DataType::Int64,
            "Working dates of the silence, in `--tz`, that have hardly any access and may be days off.",
        ),
        columns::required(
            "probability",
            DataType::Float64,
            "How many silences like this chance would make in the whole log; at most `--silence-threshold`.",
        ),
        columns::required(
            "changes_inside",
            DataType::Int64,
            "Data changes strictly inside: proof that the system was in use and that not all rows are missing.",
        ),
        columns::optional(
            "deleted_on",
            columns::timestamp(),
            "The first deletion of logs (action 111) at or after the end; only such a one can have removed rows of the silence.",
        ),
        columns::optional(
            "explained_by",
            DataType::Utf8,
            "`ingest_hole` (an input is missing or broke off just there, and none reaches over it) or `log_deleted`; else null.",
        ),
    ]))
});

/// The table of batches, one per environment.
pub fn table(batches: Vec<RecordBatch>) -> Result<Table> {
    Ok(Table::new("silence", SCHEMA.clone(), batches)?)
}

/// The rows of one environment, in order of time.
pub fn rows(
    lake: &Lake,
    facts: &Facts,
    seen: Seen,
    (gaps, control): (&[Gap], &[Control]),
    options: &Options,
) -> Result<RecordBatch> {
    let effective = gaps.iter().filter(|gap| gap.scope == Scope::Effective);
    let gaps: Vec<Window> = effective.map(|gap| gap.window).collect();
    let deletions = control.iter().filter(|row| row.action == ACTION_LOG_DELETION);
    let deletions: Vec<i64> = deletions.map(|row| row.created_on).collect();
    let mut cuts = gaps.clone();
    cuts.extend(deletions.iter().map(|&on| Window { start: on, end: on }));
    cuts.sort_unstable();
    let (counts, silences) = seen.finish(&cuts);
    let mut dates = LocalDates::new(options.tz);
    let local_gaps: Vec<Window> = gaps.iter().map(|gap| seen::local(&mut dates, *gap)).collect();
    let model = Model::new(counts, &local_gaps);
    let chosen = silences.iter().filter(|of| gap_table::is_chosen(of.window, options));
    let judged: Vec<Judged> = chosen
        .filter_map(|silence| model.judge(silence, options.silence_threshold))
        .collect();
    let windows: Vec<Window> = judged.iter().map(|row| row.silence.window).collect();
    let pairs: Vec<(i64, i64)> = windows.iter().map(|window| (window.start, window.end)).collect();
    let changes = lake.rows_inside(&facts.environment, Kind::Change, &pairs)?;
    let causes = cause::of(lake, &facts.environment, &judged, &deletions)?;
    to_batch(facts, &judged, (changes, causes))
}

fn to_batch(facts: &Facts, rows: &[Judged], (changes, causes): (Vec<i64>, Vec<Cause>)) -> Result<RecordBatch> {
    let instant = |of: &dyn Fn(&Judged) -> i64| -> ArrayRef {
        let instants = TimestampMicrosecondArray::from_iter_values(rows.iter().map(of));
        Arc::new(instants.with_timezone("UTC"))
    };
    let number =
        |of: &dyn Fn(&Judged) -> i64| -> ArrayRef { Arc::new(Int64Array::from_iter_values(rows.iter().map(of))) };
    let double =
        |of: &dyn Fn(&Judged) -> f64| -> ArrayRef { Arc::new(Float64Array::from_iter_values(rows.iter().map(of))) };
    let window = |row: &Judged| row.silence.window;
    let deleted_on = causes.iter().map(|cause| cause.deleted_on);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(rows.iter().map(|_| &facts.environment))),
        instant(&|row| window(row).start),
        instant(&|row| window(row).end),
        number(&|row| (window(row).end - window(row).start) / MICROS_PER_SECOND),
        double(&|row| row.usual),
        number(&|row| row.weeks),
        double(&|row| row.level),
        double(&|row| row.expected),
        number(&|row| row.shape),
        number(&|row| row.quiet_dates),
        double(&|row| row.probability),
        Arc::new(Int64Array::from(changes)),
        Arc::new(deleted_on.collect::<TimestampMicrosecondArray>().with_timezone("UTC")),
        Arc::new(causes.iter().map(|cause| cause.explained_by).collect::<StringArray>()),
    ];
    Ok(RecordBatch::try_new(SCHEMA.clone(), columns)?)
}
