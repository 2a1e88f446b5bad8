//! The `gaps` report: every gap with its evidence (contract: design §4).

use super::evidence::Evidence;
use super::facts::Facts;
use super::gaps::Gap;
use super::kernel::Window;
use super::options::Options;
use super::table::Table;
use crate::columns;
use crate::error::Result;
use crate::instant::MICROS_PER_SECOND;
use crate::lake::Lake;
use crate::record::Kind;
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use std::sync::{Arc, LazyLock};

pub static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        columns::required("environment", DataType::Utf8, columns::ENVIRONMENT),
        columns::required(
            "scope",
            DataType::Utf8,
            "What was not audited: `user_access`, `organization`, `table`, `column`, or `effective`, the union of the first two.",
        ),
        columns::optional(
            "object_id",
            DataType::Utf8,
            "The table or column by its id; null for the other scopes.",
        ),
        columns::required(
            "state",
            DataType::Utf8,
            "`closed`, `open` (no Started row yet), or `start_unknown` (a Started row without a Stopped one).",
        ),
        columns::optional(
            "started_on",
            columns::timestamp(),
            "When auditing was stopped; null when that is unknown.",
        ),
        columns::optional(
            "not_before",
            columns::timestamp(),
            "Where the start is unknown, the latest proof that auditing still ran; else null.",
        ),
        columns::optional(
            "ended_on",
            columns::timestamp(),
            "When auditing was started again; null when it was not.",
        ),
        columns::optional(
            "duration_s",
            DataType::Int64,
            "Seconds from start to end; null unless both are known.",
        ),
        columns::required(
            "observed_s",
            DataType::Int64,
            "Seconds of the gap's window, from `started_on` or `not_before` to `ended_on` or the log's end.",
        ),
        columns::optional("stopped_by_id", DataType::Utf8, "Who stopped auditing, by id."),
        columns::optional("stopped_by_name", DataType::Utf8, "The newest name of who stopped it."),
        columns::optional("started_by_id", DataType::Utf8, "Who started auditing again, by id."),
        columns::optional(
            "started_by_name",
            DataType::Utf8,
            "The newest name of who started it again.",
        ),
        columns::required(
            "causes",
            DataType::Utf8,
            "The scope; for `effective` which of `user_access` and `organization` were off.",
        ),
        columns::optional(
            "repeated_stops",
            DataType::Int64,
            "Further Stopped rows within the gap; null for `effective`.",
        ),
        columns::required(
            "accesses_inside",
            DataType::Int64,
            "Accesses strictly inside the window: evidence against the gap.",
        ),
        columns::required(
            "changes_inside",
            DataType::Int64,
            "Data changes strictly inside the window: evidence against a gap of the organization.",
        ),
        columns::required(
            "actors_before",
            DataType::Int64,
            "Different actors with an access within one audit interval before the window.",
        ),
        columns::required(
            "sessions_cut",
            DataType::Int64,
            "Sessions whose last access lies within one audit interval before the window.",
        ),
    ]))
});

/// One row of the table.
struct Row<'a> {
    gap: &'a Gap,
    evidence: Evidence,
    inside: Inside,
}

/// The gaps that are asked for, in the order of rows.
pub fn chosen(gaps: &[Gap], options: &Options) -> Vec<Gap> {
    let chosen = gaps.iter().filter(|gap| is_chosen(gap.window, options));
    let mut chosen: Vec<Gap> = chosen.cloned().collect();
    chosen.sort_by(|a, b| order(a).cmp(&order(b)));
    chosen
}

/// How many rows lie strictly inside a gap's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inside {
    accesses: i64,
    changes: i64,
}

/// What lies inside each of the gaps.
pub fn inside(lake: &Lake, environment: &str, gaps: &[Gap]) -> Result<Vec<Inside>> {
    let windows: Vec<(i64, i64)> = gaps.iter().map(|gap| (gap.window.start, gap.window.end)).collect();
    let inside = |kind: Kind| lake.rows_inside(environment, kind, &windows);
    let (accesses, changes) = rayon::join(|| inside(Kind::Access), || inside(Kind::Change));
    let both = accesses?.into_iter().zip(changes?);
    Ok(both.map(|(accesses, changes)| Inside { accesses, changes }).collect())
}

/// The rows of one environment, with the evidence for each gap.
pub fn rows(facts: &Facts, gaps: &[Gap], evidence: Vec<Evidence>, inside: Vec<Inside>) -> Result<RecordBatch> {
    let known = gaps.iter().zip(evidence).zip(inside);
    let rows: Vec<Row<'_>> = known
        .map(|((gap, evidence), inside)| Row { gap, evidence, inside })
        .collect();
    to_batch(facts, &rows)
}

pub fn table(batches: Vec<RecordBatch>) -> Result<Table> {
    Ok(Table::new("gaps", SCHEMA.clone(), batches)?)
}

/// A gap is chosen when its window overlaps `[from, to)`; an empty window counts as its one instant.
pub fn is_chosen(window: Window, options: &Options) -> bool {
    let from = options.from.unwrap_or(i64::MIN);
    let starts_before_to = options.to.is_none_or(|to| window.start < to);
    starts_before_to && (window.end > from || window.start >= from)
}

/// The order of rows: by the columns as shown, null last. A name follows from its id.
fn order(gap: &Gap) -> impl Ord + use<'_> {
    fn last<T>(value: Option<T>) -> (bool, Option<T>) {
        (value.is_none(), value)
    }
    (
        (gap.scope, last(gap.object_id.as_deref()), gap.state()),
        (last(gap.started_on), last(gap.not_before), last(gap.ended_on)),
        (last(gap.stopped_by.as_deref()), last(gap.started_by.as_deref())),
        gap.repeated_stops,
    )
}

fn to_batch(facts: &Facts, rows: &[Row<'_>]) -> Result<RecordBatch> {
    let text = |of: &dyn Fn(&Row<'_>) -> Option<String>| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<StringArray>())
    };
    let number =
        |of: &dyn Fn(&Row<'_>) -> Option<i64>| -> ArrayRef { Arc::new(rows.iter().map(of).collect::<Int64Array>()) };
    let instant = |of: &dyn Fn(&Row<'_>) -> Option<i64>| -> ArrayRef {
        Arc::new(
            rows.iter()
                .map(of)
                .collect::<TimestampMicrosecondArray>()
                .with_timezone("UTC"),
        )
    };
    let name = |id: &Option<String>| id.as_deref().and_then(|id| facts.name_of(id)).map(str::to_owned);
    let duration_s = |gap: &Gap| Some((gap.ended_on? - gap.started_on?) / MICROS_PER_SECOND);
    let columns: Vec<ArrayRef> = vec![
        text(&|_| Some(facts.environment.clone())),
        text(&|row| Some(row.gap.scope.name().to_owned())),
        text(&|row| row.gap.object_id.clone()),
        text(&|row| Some(row.gap.state().to_owned())),
        instant(&|row| row.gap.started_on),
        instant(&|row| row.gap.not_before),
        instant(&|row| row.gap.ended_on),
        number(&|row| duration_s(row.gap)),
        number(&|row| Some((row.gap.window.end - row.gap.window.start) / MICROS_PER_SECOND)),
        text(&|row| row.gap.stopped_by.clone()),
        text(&|row| name(&row.gap.stopped_by)),
        text(&|row| row.gap.started_by.clone()),
        text(&|row| name(&row.gap.started_by)),
        text(&|row| Some(row.gap.causes.clone())),
        number(&|row| row.gap.repeated_stops),
        number(&|row| Some(row.inside.accesses)),
        number(&|row| Some(row.inside.changes)),
        number(&|row| Some(row.evidence.actors_before)),
        number(&|row| Some(row.evidence.sessions_cut)),
    ];
    Ok(RecordBatch::try_new(SCHEMA.clone(), columns)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_chosen_by_overlap_half_open() {
        let chosen = |start, end, from, to| {
            let options = Options {
                from,
                to,
                ..Options::default()
            };
            is_chosen(Window { start, end }, &options)
        };
        assert!(chosen(10, 20, Some(19), None));
        assert!(!chosen(10, 20, Some(20), None));
        assert!(chosen(10, 20, None, Some(11)));
        assert!(!chosen(10, 20, None, Some(10)));
        assert!(chosen(10, 10, Some(10), Some(11)));
        assert!(!chosen(10, 10, Some(11), None));
    }
}
