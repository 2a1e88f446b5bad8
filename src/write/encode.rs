//! Column chunks of Parquet made straight from arrays, for the columns that make up millions of rows: texts that come as
//! keys, whole numbers, dates and instants.
//!
//! A key already says which text it is, and most numbers are small, so a value finds its place in the dictionary by an
//! index; nothing is hashed but a few. Instants hardly repeat and stay PLAIN, as do numbers of too many values.
//!
//! Words: a *code* is a value's place in the dictionary of its chunk, in order of first occurrence. Values that come one
//! at a time, and texts that are no keys, are for [`crate::chunk`].

use crate::chunk::{Finished, Pages, put_codes};
use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Date32Type, Int32Type, Int64Type, TimestampMicrosecondType};
use parquet::basic::Encoding;
use parquet::data_type::ByteArray;
use parquet::errors::Result;
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnDescPtr;
use std::collections::HashMap;

/// Rows of a data page.
const PAGE_ROWS: usize = 1 << 16;

/// Numbers of which the least is so near find their code by an index.
const NEAR: usize = 1 << 17;

/// A dictionary of more numbers would be ballast.
const MOST_NUMBERS: usize = 1 << 16;

/// The column chunk of arrays of one type, if it is one that is encoded here.
pub fn encode(column: &ColumnDescPtr, arrays: &[ArrayRef]) -> Option<Result<Finished>> {
    let values = match arrays.first()?.data_type() {
        DataType::Dictionary(..) => texts(arrays)?,
        DataType::Int64 => numbers::<Int64Type>(arrays, |least, most, nulls| {
            Statistics::int64(least, most, None, Some(nulls), false)
        }),
        DataType::Int32 => numbers::<Int32Type>(arrays, of_32_bits),
        DataType::Date32 => numbers::<Date32Type>(arrays, of_32_bits),
        DataType::Timestamp(..) => instants(arrays),
        _ => return None,
    };
    Some(chunk(column, &Levels::of(arrays), &values))
}

fn of_32_bits(least: Option<i32>, most: Option<i32>, nulls: u64) -> Statistics {
    Statistics::int32(least, most, None, Some(nulls), false)
}

/// Values that are not null, in order.
enum Values {
    Coded { codes: Vec<u32>, dictionary: Dictionary },
    Plain { bytes: Vec<u8>, width: usize },
}

/// Different values as PLAIN writes them.
struct Dictionary {
    bytes: Vec<u8>,
    count: usize,
}

/// What a chunk is made of.
struct Content {
    values: Values,
    statistics: Statistics,
}

/// Which rows have a value.
struct Levels {
    rows: usize,
    /// One or zero a row, where one row has none.
    defined: Option<Vec<u8>>,
}

impl Levels {
    fn of(arrays: &[ArrayRef]) -> Levels {
        let nulls: usize = arrays.iter().map(|array| array.null_count()).sum();
        let defined = || {
            let mut defined = Vec::new();
            for array in arrays {
                match array.nulls() {
                    Some(nulls) => defined.extend(nulls.iter().map(u8::from)),
                    None => defined.resize(defined.len() + array.len(), 1),
                }
            }
            defined
        };
        Levels {
            rows: arrays.iter().map(|array| array.len()).sum(),
            defined: (nulls > 0).then(defined),
        }
    }
}

/// Texts that come as keys. Which text a key stands for may change from array to array.
fn texts(arrays: &[ArrayRef]) -> Option<Content> {
    const UNMET: u32 = u32::MAX;
    let mut codes = Vec::with_capacity(arrays.iter().map(|array| array.len()).sum());
    let mut code_of: HashMap<&str, u32> = HashMap::new();
    let mut different: Vec<&str> = Vec::new();
    let (mut met, mut met_of): (Vec<u32>, Option<&ArrayRef>) = (Vec::new(), None);
    for array in arrays {
        let keyed = array.as_dictionary_opt::<Int32Type>()?;
        let texts = keyed.values().as_string_opt::<i32>()?;
        if met_of.is_none_or(|values| !values.to_data().ptr_eq(&keyed.values().to_data())) {
            met = vec![UNMET; texts.len()];
            met_of = Some(keyed.values());
        }
        let mut code = |key: i32| {
            let known = &mut met[key as usize];
            if *known == UNMET {
                let text = texts.value(key as usize);
                *known = *code_of.entry(text).or_insert_with(|| {
                    different.push(text);
                    different.len() as u32 - 1
                });
            }
            *known
        };
        match keyed.keys().null_count() {
            0 => codes.extend(keyed.keys().values().iter().map(|key| code(*key))),
            _ => codes.extend(keyed.keys().iter().flatten().map(code)),
        }
    }
    let mut bytes = Vec::new();
    for text in &different {
        bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    let edge = |text: Option<&&str>| text.map(|text| ByteArray::from(*text));
    let nulls = nulls(arrays);
    let (least, most) = (edge(different.iter().min()), edge(different.iter().max()));
    Some(Content {
        values: Values::Coded {
            dictionary: Dictionary {
                count: different.len(),
                bytes,
            },
            codes,
        },
        statistics: Statistics::byte_array(least, most, None, Some(nulls), false),
    })
}

fn nulls(arrays: &[ArrayRef]) -> u64 {
    arrays.iter().map(|array| array.null_count() as u64).sum()
}

/// All values that are not null, in order.
fn present<T: ArrowPrimitiveType>(arrays: &[ArrayRef]) -> Vec<T::Native> {
    let mut found = Vec::with_capacity(arrays.iter().map(|array| array.len()).sum());
    let typed = arrays.iter().filter_map(|array| array.as_primitive_opt::<T>());
    typed.for_each(|array: &PrimitiveArray<T>| match array.null_count() {
        0 => found.extend_from_slice(array.values()),
        _ => found.extend(array.iter().flatten()),
    });
    found
}

fn plain<T: Copy + Into<i64>>(values: &[T]) -> Vec<u8> {
    let width = size_of::<T>();
    let mut bytes = Vec::with_capacity(size_of_val(values));
    for value in values {
        bytes.extend_from_slice(&Into::<i64>::into(*value).to_le_bytes()[..width]);
    }
    bytes
}

fn instants(arrays: &[ArrayRef]) -> Content {
    let values = present::<TimestampMicrosecondType>(arrays);
    let (least, most) = (values.iter().min().copied(), values.iter().max().copied());
    Content {
        statistics: Statistics::int64(least, most, None, Some(nulls(arrays)), false),
        values: Values::Plain {
            bytes: plain(&values),
            width: 8,
        },
    }
}

fn numbers<T: ArrowPrimitiveType>(
    arrays: &[ArrayRef],
    statistics: impl Fn(Option<T::Native>, Option<T::Native>, u64) -> Statistics,
) -> Content
where
    T::Native: Copy + Ord + Into<i64>,
{
    let values = present::<T>(arrays);
    let (least, most) = (values.iter().min().copied(), values.iter().max().copied());
    let width = size_of::<T::Native>();
    let coded = least
        .zip(most)
        .and_then(|(least, most)| coded(&values, least.into(), most.into()));
    Content {
        values: match coded {
            Some((codes, different)) => Values::Coded {
                codes,
                dictionary: Dictionary {
                    bytes: plain(&different),
                    count: different.len(),
                },
            },
            None => Values::Plain {
                bytes: plain(&values),
                width,
            },
        },
        statistics: statistics(least, most, nulls(arrays)),
    }
}

/// The codes of numbers, and what they stand for; `None` if there are too many different ones.
fn coded<T: Copy + Into<i64>>(values: &[T], least: i64, most: i64) -> Option<(Vec<u32>, Vec<T>)> {
    const UNMET: u32 = u32::MAX;
    let range = most.checked_sub(least)?.saturating_add(1) as usize;
    let mut near = vec![UNMET; range.min(NEAR)];
    let mut far: HashMap<i64, u32> = HashMap::new();
    let (mut codes, mut different) = (Vec::with_capacity(values.len()), Vec::new());
    for &value in values {
        let distance = value.into() - least;
        let code = match near.get_mut(distance as usize) {
            Some(code) => code,
            None => far.entry(distance).or_insert(UNMET),
        };
        if *code == UNMET {
            if different.len() == MOST_NUMBERS {
                return None;
            }
            *code = different.len() as u32;
            different.push(value);
        }
        codes.push(*code);
    }
    Some((codes, different))
}

fn chunk(column: &ColumnDescPtr, levels: &Levels, content: &Content) -> Result<Finished> {
    let mut pages = Pages::new(column.clone())?;
    let mut given = 0;
    for start in (0..levels.rows).step_by(PAGE_ROWS) {
        let rows = start..levels.rows.min(start + PAGE_ROWS);
        match &levels.defined {
            None => pages.values(rows.len()),
            Some(defined) => pages.levels(&defined[rows]),
        }
        let values = given..given + pages.present();
        given = values.end;
        match &content.values {
            Values::Plain { bytes, width } => {
                let bytes = &bytes[values.start * width..values.end * width];
                pages.end_page(Encoding::PLAIN, |body| body.extend_from_slice(bytes))?;
            }
            Values::Coded { codes, dictionary } => {
                pages.end_page(Encoding::RLE_DICTIONARY, |body| {
                    put_codes(&codes[values], dictionary.count, body)
                })?;
            }
        }
    }
    let dictionary = match &content.values {
        Values::Coded { dictionary, .. } => (dictionary.bytes.as_slice(), dictionary.count),
        Values::Plain { .. } => (&[][..], 0),
    };
    pages.finish(dictionary, |_| content.statistics.clone(), None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{DictionaryArray, Int32Array, Int64Array, RecordBatch, StringArray};
    use bytes::Bytes;
    use parquet::arrow::ArrowWriter;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use parquet::file::metadata::ColumnChunkMetaData;
    use proptest::prelude::*;
    use std::sync::Arc;

    /// What a reader finds of a column of these arrays, and its chunk's metadata.
    fn written(arrays: &[ArrayRef], plain_type: DataType, is_optional: bool) -> (ArrayRef, ColumnChunkMetaData) {
        let plain: Vec<ArrayRef> = arrays
            .iter()
            .map(|array| arrow::compute::cast(array, &plain_type).expect("a cast"))
            .collect();
        let schema = RecordBatch::try_from_iter_with_nullable([("c", plain[0].clone(), is_optional)])
            .expect("a column")
            .schema();
        let (mut file, _) = ArrowWriter::try_new(Vec::new(), schema, None)
            .expect("a writer")
            .into_serialized_writer()
            .expect("a writer");
        let column = file.schema_descr().column(0);
        let mut group = file.next_row_group().expect("memory");
        encode(&column, arrays)
            .expect("a type")
            .expect("memory")
            .append_to(&mut group)
            .expect("memory");
        group.close().expect("memory");
        let bytes = Bytes::from(file.into_inner().expect("memory"));
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)
            .expect("a file")
            .with_batch_size(1 << 20);
        let metadata = reader.metadata().row_group(0).column(0).clone();
        let rows = reader.build().expect("a file").next().expect("rows").expect("rows");
        (rows.column(0).clone(), metadata)
    }

    fn keyed(keys: Vec<Option<i32>>, texts: &[&str]) -> ArrayRef {
        let texts = Arc::new(StringArray::from(texts.to_vec()));
        Arc::new(DictionaryArray::new(Int32Array::from(keys), texts))
    }

    #[test]
    fn keys_of_two_lists_become_one_dictionary_of_the_texts_that_occur() {
        let arrays = [
            keyed(vec![Some(2), None, Some(2)], &["x", "y", "b"]),
            keyed(vec![Some(0), Some(1)], &["b", "a"]),
        ];
        let (found, metadata) = written(&arrays, DataType::Utf8, true);
        let texts: Vec<Option<&str>> = found.as_string::<i32>().iter().collect();
        assert_eq!(texts, [Some("b"), None, Some("b"), Some("b"), Some("a")]);
        let expected = Statistics::byte_array(Some("a".into()), Some("b".into()), None, Some(1), false);
        assert_eq!(
            metadata
                .statistics()
                .map(|s| (s.min_bytes_opt(), s.max_bytes_opt(), s.null_count_opt())),
            Some((expected.min_bytes_opt(), expected.max_bytes_opt(), Some(1)))
        );
    }

    #[test]
    fn a_column_of_nulls_is_one() {
        let (found, metadata) = written(&[keyed(vec![None; 9], &["x"])], DataType::Utf8, true);
        assert_eq!((found.len(), found.null_count()), (9, 9));
        assert_eq!(metadata.statistics().and_then(Statistics::null_count_opt), Some(9));
    }

    #[test]
    fn numbers_of_too_many_values_are_plain() {
        let values: ArrayRef = Arc::new(Int64Array::from_iter_values((0..200_000).map(|row| row * row)));
        let (found, metadata) = written(std::slice::from_ref(&values), DataType::Int64, false);
        assert_eq!((&found, metadata.dictionary_page_offset()), (&values, None));
        let values: ArrayRef = Arc::new(Int64Array::from_iter_values(
            (0..200_000).map(|row| row % 60_000 * 1_000_000),
        ));
        let (found, metadata) = written(std::slice::from_ref(&values), DataType::Int64, false);
        assert!(found == values && metadata.dictionary_page_offset().is_some());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn numbers_and_texts_are_read_as_they_were(
            runs in prop::collection::vec((prop::option::of(-20i64..400), 1usize..40), 1..200), scale in prop::sample::select(vec![1i64, 1 << 14, 1 << 50]),
            cut in 0usize..4000,
        ) {
            let values: Vec<Option<i64>> = runs.iter().flat_map(|(value, times)| std::iter::repeat_n(value.map(|v| v * scale), *times)).collect();
            let is_optional = values.iter().any(Option::is_none);
            let (first, second) = values.split_at(cut.min(values.len()));
            let arrays: Vec<ArrayRef> = [first, second].map(|part| Arc::new(Int64Array::from(part.to_vec())) as ArrayRef).to_vec();
            let (found, _) = written(&arrays, DataType::Int64, is_optional);
            prop_assert_eq!(found.as_primitive::<Int64Type>(), &Int64Array::from(values.clone()));
            let texts: Vec<String> = (0..420).map(|number| format!("text {}", number % 300)).collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let keys: Vec<Option<i32>> = values.iter().map(|value| value.map(|value| (value / scale + 20) as i32)).collect();
            let (found, _) = written(&[keyed(keys.clone(), &texts)], DataType::Utf8, is_optional);
            let expected: StringArray = keys.iter().map(|key| key.map(|key| texts[key as usize])).collect();
            prop_assert_eq!(found.as_string::<i32>(), &expected);
        }
    }
}
