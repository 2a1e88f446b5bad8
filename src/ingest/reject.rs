//! A record that could not be understood: kept whole, with its place and the reason. Bad data is a value, not an error.

use crate::error::Result;
use crate::lake::schema;
use arrow::array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray};
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// The input's name as given.
    pub source: Arc<str>,
    /// Line of a line-oriented input, else position of the record; both count from 1.
    pub record: u64,
    /// `None` where the text that was read stands in no file.
    pub byte_offset: Option<u64>,
    /// Stable; see the README.
    pub code: &'static str,
    pub sentence: String,
    pub raw: Vec<u8>,
}

/// Rejects as columns, in the order given.
pub fn to_batch(rejects: &[Reject]) -> Result<RecordBatch> {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(rejects.iter().map(|r| &r.source))),
        Arc::new(Int64Array::from_iter_values(rejects.iter().map(|r| r.record as i64))),
        Arc::new(Int64Array::from_iter(
            rejects.iter().map(|r| r.byte_offset.map(|offset| offset as i64)),
        )),
        Arc::new(StringArray::from_iter_values(rejects.iter().map(|r| r.code))),
        Arc::new(StringArray::from_iter_values(rejects.iter().map(|r| &r.sentence))),
        Arc::new(BinaryArray::from_iter_values(rejects.iter().map(|r| &r.raw))),
    ];
    Ok(RecordBatch::try_new(schema::REJECTS.clone(), columns)?)
}
