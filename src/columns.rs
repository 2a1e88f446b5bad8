//! A column: what it is called, what it holds, and what that means. This is the one place from which `gatelog schema`,
//! `docs/tables.md` and the hints of `gatelog query` know it.
//!
//! The meaning stands in the field's metadata, beside its type. It never reaches a file: reports are written without
//! arrow's own schema, and the lake's schemas are made [`plain`].

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use std::collections::HashMap;
use std::sync::Arc;

const MEANING: &str = "meaning";

/// What the first column of nearly every table means.
pub const ENVIRONMENT: &str =
    "The environment: one Dataverse organization, by its host or by the name it was ingested under.";

/// A column that is never null.
pub fn required(name: &str, data_type: DataType, meaning: &str) -> Field {
    described(Field::new(name, data_type, false), meaning)
}

/// A column in which null means unknown.
pub fn optional(name: &str, data_type: DataType, meaning: &str) -> Field {
    described(Field::new(name, data_type, true), meaning)
}

fn described(field: Field, meaning: &str) -> Field {
    field.with_metadata(HashMap::from([(MEANING.to_owned(), meaning.to_owned())]))
}

/// What a column means, in one sentence; empty where nobody has said it.
pub fn meaning(field: &Field) -> &str {
    field.metadata().get(MEANING).map_or("", String::as_str)
}

/// The columns without their meanings, as they are written into files.
pub fn plain(fields: Vec<Field>) -> SchemaRef {
    let fields = fields.into_iter().map(|field| field.with_metadata(HashMap::new()));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Instants: microseconds, UTC.
pub fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}
