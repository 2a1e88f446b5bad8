//! Whatever is encoded is read back by arrow's reader as it was, page by page and group by group.

use super::*;
use crate::report::table::{NO_TEXT, push_run};
use arrow::array::{Int64Array, RecordBatch};
use arrow::compute::concat;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::ColumnChunkMetaData;
use proptest::prelude::*;
use std::sync::Arc;

/// What a reader finds of a column of which `groups` makes the chunks, and the first chunk's metadata.
fn read(
    like: &ArrayRef,
    is_optional: bool,
    groups: impl FnOnce(&ColumnDescPtr) -> Vec<Finished>,
) -> (ArrayRef, ColumnChunkMetaData) {
    let schema = RecordBatch::try_from_iter_with_nullable([("c", like.clone(), is_optional)])
        .expect("a column")
        .schema();
    let (mut file, _) = ArrowWriter::try_new(Vec::new(), schema, None)
        .expect("a writer")
        .into_serialized_writer()
        .expect("a writer");
    for finished in groups(&file.schema_descr().column(0)) {
        let mut group = file.next_row_group().expect("memory");
        finished.append_to(&mut group).expect("memory");
        group.close().expect("memory");
    }
    let bytes = Bytes::from(file.into_inner().expect("memory"));
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)
        .expect("a file")
        .with_batch_size(1 << 20);
    let metadata = reader.metadata().row_group(0).column(0).clone();
    let batches = reader.build().expect("a file").map(|batch| batch.expect("rows"));
    let batches: Vec<RecordBatch> = batches.collect();
    let columns: Vec<&dyn Array> = batches.iter().map(|batch| batch.column(0).as_ref()).collect();
    // Of no rows there is no batch.
    match columns.is_empty() {
        true => (like.slice(0, 0), metadata),
        false => (concat(&columns).expect("memory"), metadata),
    }
}

/// The same of an array.
fn array_read(array: &ArrayRef, is_optional: bool) -> (ArrayRef, ColumnChunkMetaData) {
    read(array, is_optional, |column| {
        vec![encode(column, array).expect("a type").expect("memory")]
    })
}

/// The same of values, the pieces of each group; and that it is what they say.
fn assert_read(groups: &[Vec<Values<'_>>], is_optional: bool) -> ColumnChunkMetaData {
    let arrays: Vec<ArrayRef> = groups.iter().flatten().map(|values| values.to_array()).collect();
    let arrays: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
    let expected = concat(&arrays).expect("memory");
    let (found, metadata) = read(&expected, is_optional, |column| {
        let mut encoder = Encoder::new(std::slice::from_ref(column)).expect("a type");
        let encode = |pieces: &Vec<Values<'_>>| {
            for values in pieces {
                encoder.take(0, *values).expect("memory");
            }
            encoder.finish().expect("memory").remove(0)
        };
        groups.iter().map(encode).collect()
    });
    assert!(*found == *expected, "{found:?}\n{expected:?}");
    metadata
}

#[test]
fn texts_of_two_lists_become_one_dictionary_of_the_texts_that_occur() {
    let (one, other) = (
        StringArray::from(vec!["x", "y", "b"]),
        StringArray::from(vec!["b", "a"]),
    );
    let one = Values::Texts {
        runs: &[(2, 1), (NO_TEXT, 1), (2, 1)],
        texts: &one,
    };
    let other = Values::Texts {
        runs: &[(0, 1), (1, 20_000)],
        texts: &other,
    };
    let metadata = assert_read(&[vec![one, other], vec![other]], true);
    let statistics = metadata.statistics().expect("some");
    let edges = (statistics.min_bytes_opt(), statistics.max_bytes_opt());
    assert_eq!(
        (edges, statistics.null_count_opt()),
        ((Some(&b"a"[..]), Some(&b"b"[..])), Some(1))
    );
}

#[test]
fn a_column_of_nulls_is_one() {
    let texts = StringArray::from(vec!["x"]);
    let nulls = Values::Texts {
        runs: &[(NO_TEXT, 9)],
        texts: &texts,
    };
    let metadata = assert_read(&[vec![nulls]], true);
    assert_eq!(metadata.statistics().and_then(Statistics::null_count_opt), Some(9));
}

#[test]
fn numbers_of_too_many_values_are_plain() {
    let values: ArrayRef = Arc::new(Int64Array::from_iter_values((0..200_000).map(|row| row * row)));
    let (found, metadata) = array_read(&values, false);
    assert_eq!((&found, metadata.dictionary_page_offset()), (&values, None));
    let values: ArrayRef = Arc::new(Int64Array::from_iter_values(
        (0..200_000).map(|row| row % 9_000 * 1_000_000),
    ));
    let (found, metadata) = array_read(&values, false);
    assert!(found == values && metadata.dictionary_page_offset().is_some());
}

#[test]
fn numbers_that_repeat_at_first_and_no_longer_then_are_codes_and_plain() {
    let numbers: Vec<i64> = (0..200_000)
        .map(|row| if row < 30_000 { row % 7 } else { row - 99_999 })
        .collect();
    let metadata = assert_read(
        &[vec![Values::Longs(&numbers)], vec![Values::Longs(&numbers[..40_000])]],
        false,
    );
    assert!(metadata.dictionary_page_offset().is_some());
    assert!(metadata.encodings().any(|encoding| encoding == Encoding::PLAIN));
    let statistics = metadata.statistics().expect("some");
    let edge = |bytes: Option<&[u8]>| bytes.and_then(|bytes| bytes.try_into().ok()).map(i64::from_le_bytes);
    let edges = (edge(statistics.min_bytes_opt()), edge(statistics.max_bytes_opt()));
    assert_eq!(edges, (Some(-69_999), Some(100_000)));
}

#[test]
fn values_of_another_type_than_their_column_are_refused() {
    let long: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    read(&long, false, |column| {
        let mut encoder = Encoder::new(std::slice::from_ref(column)).expect("a type");
        let texts = StringArray::from(vec!["x"]);
        let refused = encoder.take(
            0,
            Values::Texts {
                runs: &[(0, 1)],
                texts: &texts,
            },
        );
        assert!(refused.is_err());
        vec![encode(column, &long).expect("a type").expect("memory")]
    });
}

/// Numbers, for each row whether it has one, and runs of texts.
type Part = (Vec<i64>, Vec<u8>, Vec<Run>);

type ToValues = for<'v> fn(&'v Part, &'v StringArray) -> Values<'v>;

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn values_are_read_as_they_were(
        runs in prop::collection::vec((prop::option::of(-20i64..400), 1usize..400), 1..200),
        scale in prop::sample::select(vec![1i64, 1 << 14, 1 << 50]),
        cut in 0usize..40_000,
    ) {
        let rows = runs.iter().flat_map(|(value, times)| std::iter::repeat_n(*value, *times));
        let rows: Vec<Option<i64>> = rows.collect();
        let (first, second) = rows.split_at(cut.min(rows.len()));
        let texts: Vec<String> = (0..420).map(|number| format!("text {}", number % 300)).collect();
        let texts = StringArray::from(texts);
        let parts = [first, second].map(|rows| {
            let numbers: Vec<i64> = rows.iter().flatten().map(|value| value * scale).collect();
            let has_value: Vec<u8> = rows.iter().map(|value| value.is_some().into()).collect();
            let mut runs = Vec::new();
            rows.iter().for_each(|value| {
                push_run(&mut runs, (value.map_or(NO_TEXT, |value| (value + 20) as u32), 1));
            });
            (numbers, has_value, runs)
        });
        let of = |to_values: ToValues| {
            parts.iter().map(|part| to_values(part, &texts)).collect::<Vec<_>>()
        };
        let some = of(|(values, has_value, _), _| Values::SomeLongs { values, has_value });
        assert_read(&[some.clone(), some.clone()], true);
        let all = of(|(values, ..), _| Values::Longs(values));
        assert_read(&[all.clone(), all], false);
        let instants = of(|(values, ..), _| Values::Instants(values));
        assert_read(std::slice::from_ref(&instants), false);
        let spelled = of(|(_, _, runs), texts| Values::Texts { runs, texts });
        assert_read(&[spelled.clone(), spelled], true);
        let array: ArrayRef = Arc::new(Int64Array::from(rows.iter().map(|v| v.map(|v| v * scale)).collect::<Vec<_>>()));
        prop_assert_eq!(&array_read(&array, true).0, &array);
    }
}
