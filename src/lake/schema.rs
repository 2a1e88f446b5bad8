//! The columns of the lake (contract: design §3). Rows carry the partition's values too, so that a reader who opens one
//! file alone still knows environment, kind and month.

use crate::columns::{self, optional, required, timestamp};
use arrow::datatypes::{DataType, Field, SchemaRef};
use std::sync::LazyLock;

/// Positions of columns that code refers to.
pub const AUDIT_ID: usize = 0;
pub const CREATED_ON: usize = 1;
pub const ACTION: usize = 2;
pub const OBJECT_ID: usize = 5;
pub const USER_ID: usize = 7;
pub const VERSION_NUMBER: usize = 20;
pub const DELETED_IN_SOURCE: usize = 22;
pub const SOURCE: usize = 23;
pub const ENVIRONMENT: usize = 24;

/// How many columns say what happened; the rest say what the source did with the row later, and how it got here.
pub const CONTENT: usize = 22;

/// Whether a column is the display name of the id in the column before it.
pub fn names_an_id(column: usize) -> bool {
    LAKE.field(column).name().ends_with("_name")
}

/// Rows as they stand in `audit/environment=…/kind=…/month=…/*.parquet`.
pub static LAKE: LazyLock<SchemaRef> = LazyLock::new(|| columns::plain(audit_columns()));

/// `LAKE/names/*.parquet`: every name an id was seen with, and when last.
pub static NAMES: LazyLock<SchemaRef> = LazyLock::new(|| columns::plain(names_columns()));

/// `LAKE/users/*.parquet`: the newest exported state of each user.
pub static USERS: LazyLock<SchemaRef> = LazyLock::new(|| columns::plain(users_columns()));

/// `LAKE/organizations/*.parquet`: the newest exported state of each organization.
pub static ORGANIZATIONS: LazyLock<SchemaRef> = LazyLock::new(|| columns::plain(organizations_columns()));

/// `LAKE/rejects/*.parquet`: what could not be understood, whole, where it stood, and how to read it again.
pub static REJECTS: LazyLock<SchemaRef> = LazyLock::new(|| columns::plain(rejects_columns()));

/// The columns of [`LAKE`] with their meanings.
pub fn audit_columns() -> Vec<Field> {
    let mut fields = told_columns();
    fields.extend([
        optional(
            "version_number",
            DataType::Int64,
            "The version of the row in the source.",
        ),
        optional(
            "time_to_live_s",
            DataType::Int32,
            "Seconds after which the source deletes the row; -1 is never.",
        ),
        required(
            "deleted_in_source",
            DataType::Boolean,
            "Whether the source has deleted the row since; it did happen.",
        ),
        required(
            "source",
            DataType::Utf8,
            "The file the row was read from, as it was named.",
        ),
        required("environment", DataType::Utf8, columns::ENVIRONMENT),
        required(
            "kind",
            DataType::Utf8,
            "`access` (64, 65), `control` (102 to 113) or `change` (all other actions).",
        ),
        required(
            "month",
            DataType::Utf8,
            "The month of `created_on` in UTC, like `2026-03`.",
        ),
    ]);
    fields
}

/// The columns of [`NAMES`] with their meanings.
pub fn names_columns() -> Vec<Field> {
    vec![
        required("environment", DataType::Utf8, columns::ENVIRONMENT),
        required("id", DataType::Utf8, "The id of somebody."),
        required(
            "name",
            DataType::Utf8,
            "A name the id was seen with, in whatever export.",
        ),
        required("seen_on", timestamp(), "When it was last seen with that name."),
    ]
}

/// The columns of [`USERS`] with their meanings.
pub fn users_columns() -> Vec<Field> {
    vec![
        required("environment", DataType::Utf8, columns::ENVIRONMENT),
        required("user_id", DataType::Utf8, "The user's id (`systemuserid`)."),
        optional("full_name", DataType::Utf8, "The user's display name."),
        optional("domain_name", DataType::Utf8, "The name the user signs in with."),
        optional("is_disabled", DataType::Boolean, "Whether the user is disabled."),
        optional(
            "access_mode",
            DataType::Int32,
            "How the user may come: 0 read-write, 4 non-interactive, and so on.",
        ),
        optional(
            "application_id",
            DataType::Utf8,
            "The application the user stands for, of application users only.",
        ),
        optional("is_licensed", DataType::Boolean, "Whether a licence is assigned."),
        optional("created_on", timestamp(), "When the user was created."),
        optional("modified_on", timestamp(), "When the user was last changed."),
        optional(
            "version_number",
            DataType::Int64,
            "The version of the row in the source.",
        ),
        required(
            "deleted_in_source",
            DataType::Boolean,
            "Whether an export said that the user is gone.",
        ),
        required(
            "exported_on",
            timestamp(),
            "When this state was exported; the newest one stands here.",
        ),
    ]
}

/// The columns of [`ORGANIZATIONS`] with their meanings.
pub fn organizations_columns() -> Vec<Field> {
    vec![
        required("environment", DataType::Utf8, columns::ENVIRONMENT),
        required("organization_id", DataType::Utf8, "The organization's id."),
        optional("name", DataType::Utf8, "The organization's name."),
        optional("is_audit_enabled", DataType::Boolean, "Whether auditing was on."),
        optional(
            "is_user_access_audit_enabled",
            DataType::Boolean,
            "Whether accesses were audited.",
        ),
        optional(
            "user_access_auditing_interval_h",
            DataType::Int32,
            "The audit interval, in hours.",
        ),
        optional(
            "audit_retention_period_days",
            DataType::Int32,
            "Days after which audit rows are deleted; -1 is never.",
        ),
        optional("modified_on", timestamp(), "When the organization was last changed."),
        optional(
            "version_number",
            DataType::Int64,
            "The version of the row in the source.",
        ),
        required(
            "exported_on",
            timestamp(),
            "When this state was exported; the newest one stands here.",
        ),
    ]
}

/// The columns of [`REJECTS`] with their meanings.
pub fn rejects_columns() -> Vec<Field> {
    vec![
        required("source", DataType::Utf8, "The input's name as given."),
        required(
            "record",
            DataType::Int64,
            "The line, else the position of the record in the input, from 1.",
        ),
        optional(
            "byte_offset",
            DataType::Int64,
            "Where it begins in the decoded text; null where a typed export has no text.",
        ),
        required(
            "code",
            DataType::Utf8,
            "Why it was set aside: one of the stable codes of the README.",
        ),
        required("sentence", DataType::Utf8, "The same in a sentence, about this record."),
        optional(
            "table",
            DataType::Utf8,
            "Whose rows the input holds: `audit`, `systemuser` or `organization`.",
        ),
        optional("environment", DataType::Utf8, columns::ENVIRONMENT),
        optional(
            "environment_is_given",
            DataType::Boolean,
            "Whether `--environment` decided it.",
        ),
        optional(
            "source_tz",
            DataType::Utf8,
            "The zone that times without one were read in.",
        ),
        optional("form", DataType::Utf8, "The form of the input, like `odata-json`."),
        optional(
            "header",
            DataType::Utf8,
            "What the form needs beside its name, as JSON: the columns of a CSV and their separator.",
        ),
        required("raw", DataType::Binary, "The record's bytes, whole."),
        optional(
            "date_order",
            DataType::Utf8,
            "The order of dates as people spell them, if one was given.",
        ),
        optional(
            "exported_on",
            DataType::Int64,
            "When the input was exported, in microseconds since 1970.",
        ),
    ]
}

/// What an export tells of a row, and who it is about.
fn told_columns() -> Vec<Field> {
    let text = |name, meaning| optional(name, DataType::Utf8, meaning);
    vec![
        text(
            "audit_id",
            "The row's own id (`auditid`); null where the export had none.",
        ),
        required("created_on", timestamp(), "When it happened."),
        required(
            "action",
            DataType::Int32,
            "What happened, as Dataverse's code: 64 and 65 are accesses, 102 to 113 changes of auditing itself.",
        ),
        optional(
            "operation",
            DataType::Int32,
            "The kind of operation, as Dataverse's code: 1 create, 2 update, 3 delete, 4 access, and so on.",
        ),
        text(
            "object_type",
            "The table of the record it happened to, by its logical name; `systemuser` on accesses.",
        ),
        text("object_id", "The record it happened to; on accesses the person."),
        text(
            "object_name",
            "The name of that record, as this row's export spelled it.",
        ),
        text("user_id", "Who caused it; on accesses often SYSTEM."),
        text(
            "user_name",
            "The name of who caused it, as this row's export spelled it.",
        ),
        text(
            "actor_id",
            "Whom the row is about: on accesses the object if it is a user, else the user.",
        ),
        text(
            "actor_name",
            "The name of the actor, as this row's export spelled it; reports show the newest instead.",
        ),
        text("calling_user_id", "Who really called, when somebody was impersonated."),
        text("calling_user_name", "The name of who really called."),
        text(
            "transaction_id",
            "The same for all rows of one transaction; often all zeros.",
        ),
        text("attribute_mask", "Numbers of the changed columns."),
        text(
            "change_data",
            "The change itself, as the export had it: JSON online, `~`-separated on premises.",
        ),
        text("additional_info", "What else the source says of the row."),
        text("user_additional_info", "What else the source says of the user."),
        text("regarding_object_id", "The record it was about, if another one."),
        text("regarding_object_name", "The name of that record."),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn column_positions_are_those_of_the_schema() {
        for (position, name) in [
            (AUDIT_ID, "audit_id"),
            (CREATED_ON, "created_on"),
            (ACTION, "action"),
            (OBJECT_ID, "object_id"),
            (OBJECT_ID + 1, "object_name"),
            (USER_ID, "user_id"),
            (USER_ID + 1, "user_name"),
            (VERSION_NUMBER, "version_number"),
            (DELETED_IN_SOURCE, "deleted_in_source"),
            (SOURCE, "source"),
            (ENVIRONMENT, "environment"),
        ] {
            assert_eq!(LAKE.field(position).name(), name);
        }
    }
}
