//! When two rows are the same row: (environment, `audit_id`); without an id, equal content (contract: design §3.6).
//!
//! Both are 128-bit xxh3 hashes. At a billion rows the chance that any two different ids collide is below 10⁻²⁰.

use super::schema;
use crate::error::{Error, Result};
use crate::record::Record;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int32Type, Int64Type, TimestampMicrosecondType};
use xxhash_rust::xxh3::{Xxh3, xxh3_64, xxh3_128_with_seed};

pub type Identity = u128;

/// The identity of each row of a staged or lake batch.
pub fn of_rows(rows: &RecordBatch) -> Result<Vec<Identity>> {
    let ids = rows.column(schema::AUDIT_ID).as_string::<i32>();
    let environments = rows.column(schema::ENVIRONMENT).as_string::<i32>();
    let mut seed = (String::new(), xxh3_64(b""));
    (0..rows.num_rows())
        .map(|row| {
            let environment = environments.value(row);
            if seed.0 != environment {
                seed = (environment.to_owned(), xxh3_64(environment.as_bytes()));
            }
            if ids.is_valid(row) {
                Ok(xxh3_128_with_seed(ids.value(row).as_bytes(), seed.1))
            } else {
                of_content(rows, row, seed.1)
            }
        })
        .collect()
}

/// The identity of the row with this id.
pub fn of_id(environment: &str, audit_id: &str) -> Identity {
    xxh3_128_with_seed(audit_id.as_bytes(), xxh3_64(environment.as_bytes()))
}

/// What an environment adds to identities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed(u64);

impl Default for Seed {
    fn default() -> Seed {
        Seed::of("")
    }
}

impl Seed {
    pub fn of(environment: &str) -> Seed {
        Seed(xxh3_64(environment.as_bytes()))
    }
}

/// The identity of a record on its way: that of its row.
pub fn of_record(record: &Record<'_>, seed: Seed) -> Identity {
    match record.audit_id {
        Some(id) => xxh3_128_with_seed(id.as_bytes(), seed.0),
        None => of_record_content(record, seed),
    }
}

/// [`of_content`], before the record became columns.
fn of_record_content(record: &Record<'_>, seed: Seed) -> Identity {
    let mut hasher = Xxh3::with_seed(seed.0);
    let hasher = &mut hasher;
    let (actor_id, actor_name) = record.actor();
    hash_text(None, hasher);
    hash_bytes(Some(&record.created_on.to_le_bytes()), hasher);
    hash_bytes(Some(&record.action.to_le_bytes()), hasher);
    hash_bytes(record.operation.map(i32::to_le_bytes).as_ref(), hasher);
    hash_text(record.object_type, hasher);
    hash_person(record.object_id, record.object_name, hasher);
    hash_person(record.user_id, record.user_name, hasher);
    hash_person(actor_id, actor_name, hasher);
    hash_person(record.calling_user_id, record.calling_user_name, hasher);
    for text in [
        record.transaction_id,
        record.attribute_mask,
        record.change_data,
        record.additional_info,
        record.user_additional_info,
    ] {
        hash_text(text, hasher);
    }
    let regarding = (record.regarding_object_id, record.regarding_object_name);
    hash_person(regarding.0, regarding.1, hasher);
    hash_bytes(record.version_number.map(i64::to_le_bytes).as_ref(), hasher);
    hash_bytes(record.time_to_live_s.map(i32::to_le_bytes).as_ref(), hasher);
    hasher.digest128()
}

/// A name says no more than its id, and not every route carries it.
fn hash_person(id: Option<&str>, name: Option<&str>, hasher: &mut Xxh3) {
    hash_text(id, hasher);
    if id.is_none() {
        hash_text(name, hasher);
    }
}

fn hash_text(text: Option<&str>, hasher: &mut Xxh3) {
    hasher.update(&[u8::from(text.is_some())]);
    if let Some(text) = text {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
}

fn hash_bytes<const N: usize>(bytes: Option<&[u8; N]>, hasher: &mut Xxh3) {
    hasher.update(&[u8::from(bytes.is_some())]);
    if let Some(bytes) = bytes {
        hasher.update(bytes);
    }
}

fn of_content(rows: &RecordBatch, row: usize, seed: u64) -> Result<Identity> {
    let mut hasher = Xxh3::with_seed(seed);
    for (position, column) in rows.columns()[..schema::CONTENT].iter().enumerate() {
        // A name says no more than its id, and not every route carries it.
        let redundant = schema::names_an_id(position) && rows.column(position - 1).is_valid(row);
        if !redundant {
            hash_value(column, row, &mut hasher)?;
        }
    }
    Ok(hasher.digest128())
}

/// Null and value, and values of different length, never hash alike by accident of concatenation.
fn hash_value(column: &ArrayRef, row: usize, hasher: &mut Xxh3) -> Result<()> {
    if column.is_null(row) {
        hasher.update(&[0]);
        return Ok(());
    }
    hasher.update(&[1]);
    match column.data_type() {
        DataType::Utf8 => {
            let text = column.as_string::<i32>().value(row);
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        DataType::Int32 => hasher.update(&column.as_primitive::<Int32Type>().value(row).to_le_bytes()),
        DataType::Int64 => hasher.update(&column.as_primitive::<Int64Type>().value(row).to_le_bytes()),
        DataType::Timestamp(..) => {
            hasher.update(
                &column
                    .as_primitive::<TimestampMicrosecondType>()
                    .value(row)
                    .to_le_bytes(),
            );
        }
        DataType::Boolean => hasher.update(&[u8::from(column.as_boolean().value(row))]),
        other => {
            return Err(Error::failed(format!(
                "no identity is defined over a column of type {other}"
            )));
        }
    }
    Ok(())
}
