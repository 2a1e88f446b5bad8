//! The columns of the lake (contract: design §3), in two widths.
//!
//! *Staged* rows carry what the export said, where it was read and the environment; *lake* rows carry the other
//! partition values too, so that a reader who opens one file alone still knows environment, kind and month.

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use std::sync::{Arc, LazyLock};

/// Positions of the staged columns that code refers to.
pub const AUDIT_ID: usize = 0;
pub const CREATED_ON: usize = 1;
pub const ACTION: usize = 2;
pub const VERSION_NUMBER: usize = 20;
pub const DELETED_IN_SOURCE: usize = 22;
pub const SOURCE: usize = 23;
pub const ENVIRONMENT: usize = 24;

/// How many columns say what happened; the rest say what the source did with the row later, and how it got here.
pub const CONTENT: usize = 22;

/// Whether a column is the display name of the id in the column before it.
pub fn names_an_id(column: usize) -> bool {
    STAGED.field(column).name().ends_with("_name")
}

pub fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// Rows on their way into the lake.
///
/// The last column says which of two versions of a row is the later one; the lake does not keep it.
pub static STAGED: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields = lasting_fields();
    fields.push(Field::new("sink_modified_on", timestamp(), true));
    Arc::new(Schema::new(fields))
});

/// Rows as they stand in `audit/environment=…/kind=…/month=…/*.parquet`.
pub static LAKE: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields = lasting_fields();
    for name in ["kind", "month"] {
        fields.push(Field::new(name, DataType::Utf8, false));
    }
    Arc::new(Schema::new(fields))
});

/// `LAKE/names/*.parquet`: every name an id was seen with, and when last.
pub static NAMES: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("environment", DataType::Utf8, false),
        Field::new("id", DataType::Utf8, false),
        Field::new("name", DataType::Utf8, false),
        Field::new("seen_on", timestamp(), false),
    ]))
});

/// `LAKE/users/*.parquet`: the newest exported state of each user.
pub static USERS: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("environment", DataType::Utf8, false),
        Field::new("user_id", DataType::Utf8, false),
        Field::new("full_name", DataType::Utf8, true),
        Field::new("domain_name", DataType::Utf8, true),
        Field::new("is_disabled", DataType::Boolean, true),
        Field::new("access_mode", DataType::Int32, true),
        Field::new("application_id", DataType::Utf8, true),
        Field::new("is_licensed", DataType::Boolean, true),
        Field::new("created_on", timestamp(), true),
        Field::new("modified_on", timestamp(), true),
        Field::new("version_number", DataType::Int64, true),
        Field::new("deleted_in_source", DataType::Boolean, false),
        Field::new("exported_on", timestamp(), false),
    ]))
});

/// `LAKE/organizations/*.parquet`: the newest exported state of each organization.
pub static ORGANIZATIONS: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("environment", DataType::Utf8, false),
        Field::new("organization_id", DataType::Utf8, false),
        Field::new("name", DataType::Utf8, true),
        Field::new("is_audit_enabled", DataType::Boolean, true),
        Field::new("is_user_access_audit_enabled", DataType::Boolean, true),
        Field::new("user_access_auditing_interval_h", DataType::Int32, true),
        Field::new("audit_retention_period_days", DataType::Int32, true),
        Field::new("modified_on", timestamp(), true),
        Field::new("version_number", DataType::Int64, true),
        Field::new("exported_on", timestamp(), false),
    ]))
});

/// `LAKE/rejects/*.parquet`: what could not be understood, whole, where it stood, and how to read it again.
pub static REJECTS: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("source", DataType::Utf8, false),
        Field::new("record", DataType::Int64, false),
        Field::new("byte_offset", DataType::Int64, true),
        Field::new("code", DataType::Utf8, false),
        Field::new("sentence", DataType::Utf8, false),
        Field::new("table", DataType::Utf8, true),
        Field::new("environment", DataType::Utf8, true),
        Field::new("environment_is_given", DataType::Boolean, true),
        Field::new("source_tz", DataType::Utf8, true),
        Field::new("form", DataType::Utf8, true),
        Field::new("header", DataType::Utf8, true),
        Field::new("raw", DataType::Binary, false),
        Field::new("date_order", DataType::Utf8, true),
        Field::new("exported_on", DataType::Int64, true),
    ]))
});

fn lasting_fields() -> Vec<Field> {
    let text = |name| Field::new(name, DataType::Utf8, true);
    vec![
        text("audit_id"),
        Field::new("created_on", timestamp(), false),
        Field::new("action", DataType::Int32, false),
        Field::new("operation", DataType::Int32, true),
        text("object_type"),
        text("object_id"),
        text("object_name"),
        text("user_id"),
        text("user_name"),
        text("actor_id"),
        text("actor_name"),
        text("calling_user_id"),
        text("calling_user_name"),
        text("transaction_id"),
        text("attribute_mask"),
        text("change_data"),
        text("additional_info"),
        text("user_additional_info"),
        text("regarding_object_id"),
        text("regarding_object_name"),
        Field::new("version_number", DataType::Int64, true),
        Field::new("time_to_live_s", DataType::Int32, true),
        Field::new("deleted_in_source", DataType::Boolean, false),
        Field::new("source", DataType::Utf8, false),
        Field::new("environment", DataType::Utf8, false),
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
            (VERSION_NUMBER, "version_number"),
            (DELETED_IN_SOURCE, "deleted_in_source"),
            (SOURCE, "source"),
            (ENVIRONMENT, "environment"),
        ] {
            assert_eq!(STAGED.field(position).name(), name);
            assert_eq!(LAKE.field(position).name(), name);
        }
        assert_eq!(STAGED.field(ENVIRONMENT + 1).name(), "sink_modified_on");
        assert!(LAKE.field_with_name("sink_modified_on").is_err());
    }
}
