//! Typed columns → texts, as an untyped export would spell them.
//!
//! Numbers and booleans are spelled plainly (`64`, `64.0`, `true`), instants as `2026-03-01T08:00:00Z`, times without a
//! zone alike but without the `Z`, 16 bytes as a GUID, other bytes as text if they are text and in hexadecimal if not.
//! What no clock can show (a time beyond the year 9999) is its bare number, which no one takes for a time. An option set
//! that came as `{Value}` is its value. Null stays null.

use crate::instant;
use arrow::array::{Array, ArrayRef, AsArray, StringArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use arrow::error::ArrowError;

/// Whether columns of this type have a text.
pub fn has_text(kind: &DataType) -> bool {
    use DataType::*;
    match kind {
        Struct(_) => inner_value(kind).is_some(),
        List(_) | LargeList(_) | ListView(_) | LargeListView(_) | FixedSizeList(..) | Map(..) | Union(..) => false,
        RunEndEncoded(..) | Duration(_) | Interval(_) => false,
        _ => true,
    }
}

/// The place of the value in a struct around one.
fn inner_value(kind: &DataType) -> Option<usize> {
    let DataType::Struct(fields) = kind else { return None };
    let is_value = |field: &arrow::datatypes::FieldRef| {
        field.name().eq_ignore_ascii_case("value") && !field.data_type().is_nested() && has_text(field.data_type())
    };
    fields.iter().position(is_value)
}

/// The texts of a column for which [`has_text`] holds.
pub fn texts(column: &ArrayRef) -> Result<StringArray, ArrowError> {
    match column.data_type() {
        DataType::Struct(_) => {
            let place = inner_value(column.data_type());
            let place = place.ok_or_else(|| ArrowError::CastError("a struct without a value".to_owned()))?;
            let inner = texts(column.as_struct().column(place))?;
            let nulls = arrow::buffer::NullBuffer::union(inner.nulls(), column.nulls());
            StringArray::try_new(inner.offsets().clone(), inner.values().clone(), nulls)
        }
        DataType::Timestamp(unit, zone) => Ok(times(column, *unit, zone.is_some())),
        DataType::FixedSizeBinary(16) => {
            let values = column.as_fixed_size_binary();
            Ok((0..values.len())
                .map(|row| values.is_valid(row).then(|| guid(values.value(row))))
                .collect())
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            let values = cast(column, &DataType::Binary)?;
            let values = values.as_binary::<i32>();
            Ok(values.iter().map(|value| value.map(bytes_text)).collect())
        }
        DataType::Dictionary(_, values) if !matches!(**values, DataType::Utf8) => texts(&cast(column, values)?),
        _ => Ok(cast(column, &DataType::Utf8)?.as_string::<i32>().clone()),
    }
}

/// Points in time, as [`instant`] spells them.
fn times(column: &ArrayRef, unit: TimeUnit, has_zone: bool) -> StringArray {
    let micros = |value: i64| match unit {
        TimeUnit::Second => value.checked_mul(1_000_000),
        TimeUnit::Millisecond => value.checked_mul(1_000),
        TimeUnit::Microsecond => Some(value),
        TimeUnit::Nanosecond => Some(value.div_euclid(1_000)),
    };
    let values: &[i64] = match unit {
        TimeUnit::Second => column.as_primitive::<TimestampSecondType>().values(),
        TimeUnit::Millisecond => column.as_primitive::<TimestampMillisecondType>().values(),
        TimeUnit::Microsecond => column.as_primitive::<TimestampMicrosecondType>().values(),
        TimeUnit::Nanosecond => column.as_primitive::<TimestampNanosecondType>().values(),
    };
    let mut texts = StringBuilder::with_capacity(values.len(), values.len() * 27);
    let mut clock = Clock::default();
    for (row, &value) in values.iter().enumerate() {
        if column.is_null(row) {
            texts.append_null();
            continue;
        }
        match micros(value).filter(|micros| CALENDAR.contains(micros)) {
            Some(micros) => {
                let text = clock.text(micros);
                texts.append_value(if has_zone { text } else { text.trim_end_matches('Z') });
            }
            None => texts.append_value(value.to_string()),
        }
    }
    texts.finish()
}

/// The years 1 to 9999, in microseconds since 1970.
const CALENDAR: std::ops::Range<i64> = -62_135_596_800_000_000..253_402_300_800_000_000;

/// Spells instants as [`instant::to_text`] does, but a date only once for all rows of its day that come together: there
/// may be millions, and calendars are slow.
#[derive(Default)]
struct Clock {
    day: Option<i64>,
    text: String,
}

impl Clock {
    fn text(&mut self, micros: i64) -> &str {
        const DAY_MICROS: i64 = 86_400_000_000;
        const DATE_CHARS: usize = "2026-03-01T".len();
        let (day, clock) = (micros.div_euclid(DAY_MICROS), micros.rem_euclid(DAY_MICROS));
        if self.day != Some(day) {
            self.day = Some(day);
            self.text = instant::to_text(day * DAY_MICROS);
        }
        self.text.truncate(DATE_CHARS);
        let (seconds, fraction) = (clock / 1_000_000, clock % 1_000_000);
        for (number, digits, end) in [
            (seconds / 3600, 2, ":"),
            (seconds / 60 % 60, 2, ":"),
            (seconds % 60, 2, if fraction > 0 { "." } else { "" }),
            (fraction, if fraction > 0 { 6 } else { 0 }, "Z"),
        ] {
            push_digits(&mut self.text, number, digits);
            self.text.push_str(end);
        }
        &self.text
    }
}

/// The last decimal digits of a number.
fn push_digits(text: &mut String, number: i64, count: u32) {
    for place in (0..count).rev() {
        let digit = number / 10_i64.pow(place) % 10;
        text.push(char::from(b'0' + digit as u8));
    }
}

fn guid(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(36);
    for (place, &byte) in bytes.iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        push_hex(&mut text, byte);
    }
    text
}

fn bytes_text(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| hex(bytes), str::to_owned)
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    bytes.iter().for_each(|&byte| push_hex(&mut text, byte));
    text
}

fn push_hex(text: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for digit in [byte >> 4, byte & 15] {
        text.push(char::from(DIGITS[usize::from(digit)]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::*;
    use arrow::datatypes::{Field, Fields, Int32Type};
    use std::sync::Arc;

    fn assert_texts(column: impl Array + 'static, expected: &[Option<&str>]) {
        let column: ArrayRef = Arc::new(column);
        assert!(has_text(column.data_type()), "{}", column.data_type());
        let found = texts(&column).unwrap();
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{}", column.data_type());
    }

    #[test]
    fn texts_numbers_and_booleans_are_spelled_plainly() {
        let words = vec![Some("a\n\"é\""), None, Some("")];
        assert_texts(StringArray::from(words.clone()), &words);
        assert_texts(LargeStringArray::from(words.clone()), &words);
        assert_texts(StringViewArray::from(words.clone()), &words);
        assert_texts(words.iter().copied().collect::<DictionaryArray<Int32Type>>(), &words);
        assert_texts(Int8Array::from(vec![Some(64), None]), &[Some("64"), None]);
        assert_texts(UInt16Array::from(vec![65]), &[Some("65")]);
        assert_texts(Int64Array::from(vec![72_201_545, -1]), &[Some("72201545"), Some("-1")]);
        assert_texts(Float64Array::from(vec![Some(64.0), None]), &[Some("64.0"), None]);
        assert_texts(Float32Array::from(vec![65.0]), &[Some("65.0")]);
        assert_texts(BooleanArray::from(vec![true, false]), &[Some("true"), Some("false")]);
        let decimal = Decimal128Array::from(vec![6400])
            .with_precision_and_scale(10, 2)
            .unwrap();
        assert_texts(decimal, &[Some("64.00")]);
        assert_texts(Date32Array::from(vec![0]), &[Some("1970-01-01")]);
    }

    #[test]
    fn instants_have_a_z_and_times_without_zone_have_none() {
        for (zone, z) in [
            (Some("UTC"), "Z"),
            (Some("Europe/Berlin"), "Z"),
            (Some("+02:00"), "Z"),
            (None, ""),
        ] {
            let whole = format!("2026-03-01T08:00:00{z}");
            let fraction = format!("2026-03-01T08:00:00.123457{z}");
            let zone = zone.map(Arc::<str>::from);
            let s = 1_772_352_000;
            assert_texts(
                TimestampSecondArray::from(vec![s]).with_timezone_opt(zone.clone()),
                &[Some(&whole)],
            );
            assert_texts(
                TimestampMillisecondArray::from(vec![s * 1_000]).with_timezone_opt(zone.clone()),
                &[Some(&whole)],
            );
            assert_texts(
                TimestampMicrosecondArray::from(vec![Some(s * 1_000_000 + 123_457), None])
                    .with_timezone_opt(zone.clone()),
                &[Some(&fraction), None],
            );
            assert_texts(
                TimestampNanosecondArray::from(vec![s * 1_000_000_000 + 123_457_999]).with_timezone_opt(zone),
                &[Some(&fraction)],
            );
        }
    }

    #[test]
    fn a_time_before_1970_is_cut_downwards_and_one_no_clock_shows_is_no_time() {
        assert_texts(
            TimestampNanosecondArray::from(vec![-1]),
            &[Some("1969-12-31T23:59:59.999999")],
        );
        let edges = [CALENDAR.start, CALENDAR.end - 1, CALENDAR.start - 1, CALENDAR.end];
        assert_texts(
            TimestampMicrosecondArray::from(edges.to_vec()).with_timezone("UTC"),
            &[
                Some("0001-01-01T00:00:00Z"),
                Some("9999-12-31T23:59:59.999999Z"),
                Some("-62135596800000001"),
                Some("253402300800000000"),
            ],
        );
        assert_texts(
            TimestampSecondArray::from(vec![i64::MAX]),
            &[Some("9223372036854775807")],
        );
    }

    #[test]
    fn a_clock_spells_every_instant_as_the_calendar_does() {
        let mut clock = Clock::default();
        let day = 86_400_000_000;
        for start in [CALENDAR.start, -day, 0, 20_513 * day, CALENDAR.end - day] {
            for beside in [
                0,
                1,
                999_999,
                1_000_000,
                59_000_000,
                3_599_999_999,
                day / 2 + 100_000,
                day - 1,
            ] {
                let micros = start + beside;
                assert_eq!(clock.text(micros), instant::to_text(micros));
            }
        }
    }

    #[test]
    fn sixteen_bytes_are_a_guid_and_other_bytes_text_or_hexadecimal() {
        let id: Vec<u8> = (0..16).map(|byte| byte * 17).collect();
        assert_texts(
            FixedSizeBinaryArray::try_from_sparse_iter_with_size([Some(id), None].into_iter(), 16).unwrap(),
            &[Some("00112233-4455-6677-8899-aabbccddeeff"), None],
        );
        assert_texts(
            BinaryArray::from_opt_vec(vec![Some("é".as_bytes()), Some(b"\xFF\x00"), None]),
            &[Some("é"), Some("ff00"), None],
        );
        assert_texts(
            FixedSizeBinaryArray::try_from_iter([b"ab".to_vec()].into_iter()).unwrap(),
            &[Some("ab")],
        );
    }

    #[test]
    fn an_option_set_around_its_value_is_the_value_and_other_nesting_has_no_text() {
        let choice = |name: &str| {
            let fields = Fields::from(vec![Field::new(name, DataType::Int32, true)]);
            let values: ArrayRef = Arc::new(Int32Array::from(vec![Some(64), Some(65), None]));
            StructArray::new(fields, vec![values], Some(vec![true, false, true].into()))
        };
        assert_texts(choice("Value"), &[Some("64"), None, None]);
        assert!(!has_text(choice("Other").data_type()));
        let item = Arc::new(Field::new("item", DataType::Int32, true));
        assert!(!has_text(&DataType::List(item)));
    }
}
