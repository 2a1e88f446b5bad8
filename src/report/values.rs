//! Rows as plain values, a column at a time: what a table of millions of rows is made of before it becomes arrays or
//! pages.
//!
//! A text that holds for many rows is said once, with their number: nobody has to find out again that it repeats.
//!
//! Example: rows of `a`, `a`, null, `b` are the runs (0, 2), ([`NO_TEXT`], 1), (1, 1) of the texts `[a, b]`.

use crate::error::Result;
use arrow::array::{
    ArrayRef, Date32Array, Int64Array, PrimitiveArray, StringArray, StringBuilder, TimestampMicrosecondArray,
};
use arrow::datatypes::ArrowPrimitiveType;
use std::sync::Arc;

/// The place of the text of rows that have none.
pub const NO_TEXT: u32 = u32::MAX;

/// The place of a text, and for how many rows it holds.
pub type Run = (u32, u32);

/// The values of one column for some rows.
#[derive(Debug, Clone, Copy)]
pub enum Values<'a> {
    Texts {
        runs: &'a [Run],
        texts: &'a StringArray,
    },
    /// Microseconds, UTC.
    Instants(&'a [i64]),
    /// Days since 1970-01-01.
    Dates(&'a [i32]),
    Longs(&'a [i64]),
    /// Those of the rows that have a value; for each row whether it has one (1) or not (0).
    SomeLongs {
        values: &'a [i64],
        has_value: &'a [u8],
    },
}

/// Some rows, of which the values are worked out by who asks for them: on any thread.
pub trait Stretch: Send {
    /// Gives some rows after the other: how many, and the values of each column of the schema.
    ///
    /// # Errors
    /// Those of the disk, where rows may be.
    fn values(&self, take: &mut dyn FnMut(usize, &[Values<'_>])) -> Result<()>;
}

/// Rows, stretch by stretch.
pub trait Stretches<'a>: Send {
    /// The next rows, some hundred thousand if there are as many; `None` when there are no more.
    fn next(&mut self) -> Option<Box<dyn Stretch + 'a>>;
}

/// Puts rows with these texts in place of what was there.
pub fn put_runs(runs: &mut Vec<Run>, texts: impl ExactSizeIterator<Item = u32>) {
    runs.clear();
    runs.resize(texts.len() + 1, (NO_TEXT, 0));
    let (mut count, mut last) = (0, (NO_TEXT, 0));
    // Written to its place with each row: no guess whether a text repeats can be wrong.
    for text in texts {
        let is_other = text != last.0 || last.1 == 0;
        count += usize::from(is_other);
        last = (text, if is_other { 1 } else { last.1 + 1 });
        runs[count] = last;
    }
    runs.truncate(count + 1);
    runs.remove(0);
}

/// Adds rows with this text.
pub fn push_run(runs: &mut Vec<Run>, (text, rows): Run) {
    match runs.last_mut() {
        Some((last, before)) if *last == text => *before += rows,
        _ if rows > 0 => runs.push((text, rows)),
        _ => {}
    }
}

impl Values<'_> {
    pub fn to_array(self) -> ArrayRef {
        fn plain<T: ArrowPrimitiveType>(values: &[T::Native]) -> PrimitiveArray<T> {
            PrimitiveArray::from_iter_values(values.iter().copied())
        }
        match self {
            Values::Texts { runs, texts } => Arc::new(spelled(runs, texts)),
            Values::Instants(values) => {
                let instants: TimestampMicrosecondArray = plain(values);
                Arc::new(instants.with_timezone("UTC"))
            }
            Values::Dates(values) => Arc::new(plain(values) as Date32Array),
            Values::Longs(values) => Arc::new(plain(values) as Int64Array),
            Values::SomeLongs { values, has_value } => {
                let mut values = values.iter().copied();
                let rows = has_value.iter();
                let value = |has: &u8| if *has == 1 { values.next() } else { None };
                Arc::new(rows.map(value).collect::<Int64Array>())
            }
        }
    }
}

fn spelled(runs: &[Run], texts: &StringArray) -> StringArray {
    let mut spelled = StringBuilder::new();
    for &(text, rows) in runs {
        for _ in 0..rows {
            match text {
                NO_TEXT => spelled.append_null(),
                text => spelled.append_value(texts.value(text as usize)),
            }
        }
    }
    spelled.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::AsArray;

    #[test]
    fn runs_grow_while_the_text_stays_and_become_texts() {
        let mut runs = Vec::new();
        for text in [0, 0, NO_TEXT, 1] {
            push_run(&mut runs, (text, 1));
        }
        assert_eq!(runs, [(0, 2), (NO_TEXT, 1), (1, 1)]);
        let texts = StringArray::from(vec!["a", "b"]);
        let array = Values::Texts {
            runs: &runs,
            texts: &texts,
        }
        .to_array();
        let found: Vec<Option<&str>> = array.as_string::<i32>().iter().collect();
        assert_eq!(found, [Some("a"), Some("a"), None, Some("b")]);
    }

    #[test]
    fn runs_are_put_as_they_would_be_pushed() {
        let mut runs = vec![(9, 9)];
        for texts in [&[][..], &[NO_TEXT], &[NO_TEXT, NO_TEXT, 1, 1, 0, 1]] {
            let mut pushed = Vec::new();
            texts.iter().for_each(|text| push_run(&mut pushed, (*text, 1)));
            put_runs(&mut runs, texts.iter().copied());
            assert_eq!(runs, pushed);
        }
    }

    #[test]
    fn a_row_without_a_value_is_null() {
        let has_value = [1, 0, 1];
        let array = Values::SomeLongs {
            values: &[7, 9],
            has_value: &has_value,
        }
        .to_array();
        assert_eq!(*array, Int64Array::from(vec![Some(7), None, Some(9)]));
    }
}
