//! Pages read here against the same pages read by arrow, as its writer makes them under many settings.

use super::*;
use arrow::array::{Array, ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{Int32Type, Int64Type};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion};
use proptest::prelude::*;
use std::sync::Arc;

const NOTHING: &str = "nothing";

fn profile() -> WriterPropertiesBuilder {
    let level = ZstdLevel::try_new(1).expect("a level");
    let profile = WriterProperties::builder().set_writer_version(WriterVersion::PARQUET_1_0);
    profile
        .set_compression(Compression::ZSTD(level))
        .set_write_batch_size(16)
}

struct File {
    bytes: Bytes,
    metadata: Arc<ParquetMetaData>,
}

impl File {
    fn of(column: ArrayRef, profile: WriterPropertiesBuilder) -> File {
        let is_optional = column.null_count() > 0;
        let rows = RecordBatch::try_from_iter_with_nullable([("c", column, is_optional)]).expect("one column");
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, rows.schema(), Some(profile.build())).expect("a writer");
        writer.write(&rows).expect("memory");
        writer.close().expect("memory");
        let bytes = Bytes::from(bytes);
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes.clone()).expect("a file");
        File {
            metadata: reader.metadata().clone(),
            bytes,
        }
    }

    fn content(&self) -> Content {
        Content::Small(self.bytes.clone())
    }

    fn column(&self) -> Column {
        self.part(&(0..self.chunk().num_values() as usize))
    }

    fn part(&self, rows: &Range<usize>) -> Column {
        Column::of(&self.content(), self.chunk(), rows).expect("a column")
    }

    fn chunk(&self) -> &ColumnChunkMetaData {
        self.metadata.row_group(0).column(0)
    }

    fn by_arrow(&self) -> ArrayRef {
        let reader = ParquetRecordBatchReaderBuilder::try_new(self.bytes.clone()).expect("a file");
        let batches: Vec<RecordBatch> = reader
            .build()
            .expect("a file")
            .map(|rows| rows.expect("rows"))
            .collect();
        let schema = batches[0].schema();
        arrow::compute::concat_batches(&schema, &batches)
            .expect("one schema")
            .column(0)
            .clone()
    }

    /// The texts of all rows, if they are all in one dictionary.
    fn texts(&self) -> Option<Vec<String>> {
        let page = dictionary(&self.content(), self.chunk()).expect("a file")?;
        let texts = texts(&page).expect("texts");
        let texts: Vec<&str> = texts
            .iter()
            .map(|text| std::str::from_utf8(text).expect("UTF-8"))
            .collect();
        let found = self.column().keyed(&texts, NOTHING).expect("pages");
        Some(found?.into_iter().map(str::to_owned).collect())
    }

    fn texts_by_arrow(&self) -> Vec<String> {
        let column = self.by_arrow();
        let texts = column.as_string::<i32>().iter();
        texts.map(|text| text.unwrap_or(NOTHING).to_owned()).collect()
    }

    fn longs(&self) -> Option<Vec<i64>> {
        self.column().numbers(|long: i64| long).expect("pages")
    }
}

fn texts_of(values: Vec<Option<String>>, profile: WriterPropertiesBuilder) -> File {
    File::of(Arc::new(StringArray::from(values)), profile)
}

fn name(number: usize) -> Option<String> {
    Some(format!("{number:036}"))
}

#[test]
fn a_column_of_one_value_takes_no_bits_and_one_of_many_takes_more_than_sixteen() {
    for (rows, distinct) in [(1, 1), (70_000, 1), (70_000, 2), (200_000, 70_000)] {
        let profile = profile().set_dictionary_page_size_limit(16 << 20);
        let file = texts_of((0..rows).map(|row| name(row * 31 % distinct)).collect(), profile);
        assert_eq!(file.texts().expect("a dictionary"), file.texts_by_arrow(), "{distinct}");
    }
}

#[test]
fn nulls_are_in_their_rows_and_a_column_of_nothing_else_is_read() {
    let some: Vec<Option<String>> = (0..50_000)
        .map(|row| (row % 7 > 2).then(|| name(row % 900)).flatten())
        .collect();
    let file = texts_of(some, profile().set_data_page_row_count_limit(1000));
    assert_eq!(file.texts().expect("a dictionary"), file.texts_by_arrow());
    let file = texts_of(vec![None; 3000], profile().set_data_page_row_count_limit(1000));
    assert_eq!(
        file.texts().unwrap_or(vec![NOTHING.to_owned(); 3000]),
        file.texts_by_arrow()
    );
}

#[test]
fn a_dictionary_that_overflows_and_pages_of_version_2_are_left_to_arrow() {
    let many = || (0..5000).map(name).collect();
    assert_eq!(
        texts_of(many(), profile().set_dictionary_page_size_limit(1000)).texts(),
        None
    );
    let second = profile().set_writer_version(WriterVersion::PARQUET_2_0);
    let file = texts_of(many(), second);
    let known = vec![NOTHING; 5000];
    assert_eq!(file.column().keyed(&known, NOTHING).expect("pages"), None);
}

#[test]
fn numbers_that_may_be_null_are_read_while_none_is() {
    let longs = |values: Vec<Option<i64>>| File::of(Arc::new(Int64Array::from(values)), profile());
    assert_eq!(longs(vec![Some(3), Some(-1)]).longs(), Some(vec![3, -1]));
    assert_eq!(longs(vec![Some(3), None]).longs(), None);
}

#[test]
fn a_key_that_stands_for_nothing_is_no_value() {
    let file = texts_of((0..100).map(|row| name(row % 10)).collect(), profile());
    let keyed = |known: usize| file.column().keyed(&vec![7; known], 0).expect("pages");
    assert_eq!(keyed(9), None);
    assert_eq!(keyed(10), Some(vec![7; 100]));
}

#[test]
fn bytes_that_are_no_runs_have_no_end_before_their_count_and_never_one_behind() {
    let found = |bytes: &[u8], width, count| {
        let mut to = Vec::new();
        let known: Vec<u32> = (0..256).collect();
        Runs::new(bytes, width, count).look_up(&known, &mut to).map(|()| to)
    };
    assert_eq!(found(&[0b11, 0b1000_1000], 1, 8), Some(vec![0, 0, 0, 1, 0, 0, 0, 1]));
    assert_eq!(found(&[6, 9], 8, 3), Some(vec![9; 3]));
    assert_eq!(
        found(&[6, 9], 8, 2),
        Some(vec![9; 2]),
        "a run may be longer than its page"
    );
    assert_eq!(found(&[6, 9], 8, 4), None);
    assert_eq!(found(&[0b11], 1, 8), None);
    assert_eq!(found(&[0xff; 9], 1, 8), None);
    assert_eq!(found(&[], 0, 0), Some(vec![]));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn texts_equal_those_of_arrow(
        rows in prop::collection::vec((0usize..40, 1usize..60), 1..60), scale in 1usize..500, page in 1usize..300,
        nulls in any::<bool>(), from in 0usize..3600, length in 0usize..900,
    ) {
        let text = |value: usize| if nulls && value.is_multiple_of(3) { None } else { name(value * scale) };
        let values = rows.iter().flat_map(|(value, times)| std::iter::repeat_n(text(*value), *times));
        let file = texts_of(values.collect(), profile().set_data_page_row_count_limit(page));
        let expected = file.texts_by_arrow();
        let Some(page) = dictionary(&file.content(), file.chunk()).expect("a file") else {
            return Ok(());
        };
        let known = texts(&page).expect("texts");
        let known: Vec<&str> = known.iter().map(|text| std::str::from_utf8(text).expect("UTF-8")).collect();
        let to = expected.len().min(from + length);
        for rows in [0..expected.len(), from.min(to)..to] {
            let found = file.part(&rows).keyed(&known, NOTHING).expect("pages").expect("keys");
            prop_assert_eq!(&found, &expected[rows]);
        }
    }

    #[test]
    fn numbers_equal_those_of_arrow(
        values in prop::collection::vec(-3i64..3, 1..900), scale in prop::sample::select(vec![1i64, 1 << 20, 1 << 60]),
        page in 1usize..300, with_dictionary in any::<bool>(), from in 0usize..900, length in 0usize..400,
    ) {
        let profile = || profile().set_data_page_row_count_limit(page).set_dictionary_enabled(with_dictionary);
        let longs = File::of(Arc::new(values.iter().map(|value| Some(value * scale)).collect::<Int64Array>()), profile());
        let expected = longs.by_arrow();
        let expected = expected.as_primitive::<Int64Type>().values();
        let found = longs.longs();
        prop_assert_eq!(found.as_deref(), Some(&expected[..]));
        let spans = spans(&longs.content(), longs.chunk()).expect("a file").expect("an index");
        prop_assert_eq!(spans.iter().flat_map(|span| span.rows.clone()).collect::<Vec<_>>(), (0..values.len()).collect::<Vec<_>>());
        for Span { rows, first, last } in spans {
            let values = &expected[rows];
            prop_assert_eq!((values.iter().min(), values.iter().max()), (Some(&first), Some(&last)));
        }
        let ints = File::of(Arc::new(values.iter().map(|value| Some(*value as i32)).collect::<Int32Array>()), profile());
        let expected = ints.by_arrow();
        let expected = expected.as_primitive::<Int32Type>().values();
        let to = values.len().min(from + length);
        for rows in [0..values.len(), from.min(to)..to] {
            let found = ints.part(&rows).numbers(|int: i32| int).expect("pages");
            prop_assert_eq!(found.as_deref(), Some(&expected[rows]));
        }
    }
}
