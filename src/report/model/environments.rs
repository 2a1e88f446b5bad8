//! `dim_environment`: each environment of which anything is known, and what its reports rest on.

use super::super::facts::Facts;
use super::super::options::Options;
use super::super::table::Table;
use crate::columns;
use crate::error::Result;
use crate::instant::MICROS_PER_SECOND;
use crate::lake::side::{Organization, Side};
use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use std::sync::{Arc, LazyLock};

pub(super) static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        columns::required("environment", DataType::Utf8, columns::ENVIRONMENT),
        columns::optional(
            "organization_name",
            DataType::Utf8,
            "The organization's name in its newest export; null without one.",
        ),
        columns::optional(
            "is_audit_enabled",
            DataType::Boolean,
            "Whether auditing was on at that export; null without one.",
        ),
        columns::optional(
            "is_user_access_audit_enabled",
            DataType::Boolean,
            "Whether accesses were logged at that export; null without one.",
        ),
        columns::optional(
            "log_started_on",
            columns::timestamp(),
            "The first row of the log; null without rows.",
        ),
        columns::optional(
            "log_ended_on",
            columns::timestamp(),
            "The last row of the log, or `--as-of`; null without rows.",
        ),
        columns::required(
            "audit_interval_s",
            DataType::Int64,
            "Seconds within which a user's accesses are logged once.",
        ),
        columns::required(
            "audit_interval_is_from",
            DataType::Utf8,
            "Where the interval is from: `option`, `organization` or `default`.",
        ),
        columns::required(
            "session_gap_s",
            DataType::Int64,
            "The longest pause within a session, in seconds.",
        ),
    ]))
});

/// The table, in order of environment.
pub fn table(facts: &[Facts], side: &Side, options: &Options) -> Result<Table> {
    let organization = |facts: &Facts| side.organization(&facts.environment);
    let flag = |of: fn(&Organization) -> Option<bool>| -> ArrayRef {
        let flags = facts.iter().map(|facts| of(organization(facts)?));
        Arc::new(flags.collect::<BooleanArray>())
    };
    let instant = |of: fn(&Facts) -> i64| -> ArrayRef {
        let instants = facts.iter().map(|facts| facts.has_log.then(|| of(facts)));
        Arc::new(instants.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
    };
    let seconds = |of: fn(&Facts) -> i64| -> ArrayRef {
        let seconds = facts.iter().map(|facts| of(facts) / MICROS_PER_SECOND);
        Arc::new(Int64Array::from_iter_values(seconds))
    };
    let names = facts.iter().map(|facts| organization(facts)?.name.as_deref());
    let origins = facts
        .iter()
        .map(|facts| options.origin_of_audit_interval(organization(facts)));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(
            facts.iter().map(|facts| &facts.environment),
        )),
        Arc::new(names.collect::<StringArray>()),
        flag(|organization| organization.is_audit_enabled),
        flag(|organization| organization.is_user_access_audit_enabled),
        instant(|facts| facts.log_start),
        instant(|facts| facts.log_end),
        seconds(|facts| facts.intervals.audit_interval_us),
        Arc::new(StringArray::from_iter_values(origins)),
        seconds(|facts| facts.intervals.session_gap_us),
    ];
    let rows = RecordBatch::try_new(SCHEMA.clone(), columns)?;
    Ok(Table::new("dim_environment", SCHEMA.clone(), vec![rows])?)
}
