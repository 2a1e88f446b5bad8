//! Shorthand for the columns of a report.

use arrow::datatypes::{DataType, Field, TimeUnit};

/// A column that is never null.
pub fn required(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, false)
}

/// A column in which null means unknown.
pub fn optional(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
}

/// Instants: microseconds, UTC.
pub fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}
