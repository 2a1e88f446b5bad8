//! One raw row: a text per field, as found, before anything of it is understood.
//!
//! It is used again for row after row. Nearly all texts are borrowed from the block and need no more than their place;
//! the few that had to be decoded are owned, in a list of their own.

use super::fields::{FIELD_COUNT, Field};
use std::borrow::Cow;

#[derive(Debug, Clone)]
pub struct Raw<'a> {
    /// A bit for each field that has a text in `borrowed`; what the others hold there is left from rows before.
    present: u64,
    borrowed: [&'a str; FIELD_COUNT],
    owned: Vec<(Field, String)>,
}

const _: () = assert!(FIELD_COUNT <= u64::BITS as usize, "a bit for each field");

impl Default for Raw<'_> {
    fn default() -> Self {
        Raw {
            present: 0,
            borrowed: [""; FIELD_COUNT],
            owned: Vec::new(),
        }
    }
}

impl<'a> Raw<'a> {
    /// Forgets all values.
    pub fn clear(&mut self) {
        self.present = 0;
        self.owned.clear();
    }

    pub fn set(&mut self, field: Field, value: Cow<'a, str>) {
        match value {
            Cow::Borrowed(text) => self.set_borrowed(field, text),
            Cow::Owned(text) => {
                self.owned.retain(|(of, _)| *of != field);
                self.owned.push((field, text));
            }
        }
    }

    pub fn set_borrowed(&mut self, field: Field, value: &'a str) {
        if !self.owned.is_empty() {
            self.owned.retain(|(of, _)| *of != field);
        }
        self.present |= 1 << field as u32;
        self.borrowed[field as usize] = value;
    }

    /// The value of a field, unless it is null.
    pub fn get(&self, field: Field) -> Option<&str> {
        let owned = self.owned.iter().find(|(of, _)| *of == field);
        let value = match owned {
            Some((_, text)) => Some(text.as_str()),
            None => self.borrowed(field),
        };
        value.filter(|value| !is_null(value))
    }

    /// The value of a field, unless it is null; it is asked for once.
    pub fn take(&mut self, field: Field) -> Option<Cow<'a, str>> {
        if !self.owned.is_empty()
            && let Some(place) = self.owned.iter().position(|(of, _)| *of == field)
        {
            let text = self.owned.swap_remove(place).1;
            return Some(Cow::Owned(text)).filter(|text| !is_null(text));
        }
        self.borrowed(field).filter(|text| !is_null(text)).map(Cow::Borrowed)
    }

    fn borrowed(&self, field: Field) -> Option<&'a str> {
        ((self.present >> field as u32) & 1 == 1).then(|| self.borrowed[field as usize])
    }
}

/// `NULL`, `nan` and the empty text are null.
fn is_null(value: &str) -> bool {
    match value.len() {
        0 => true,
        3 => value.eq_ignore_ascii_case("nan"),
        4 => value.eq_ignore_ascii_case("null"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_of_a_field_counts_however_it_is_held() {
        let (field, other) = (Field::ChangeData, Field::UserId);
        let owned = |text: &str| Cow::Owned(text.to_owned());
        let mut raw = Raw::default();
        raw.set(other, owned("other"));
        for value in [owned("a"), "b".into(), owned("c"), owned("d"), "e".into()] {
            raw.set(field, value.clone());
            assert_eq!(raw.get(field), Some(&*value));
            assert_eq!(raw.clone().take(field), Some(value));
            assert_eq!(raw.get(other), Some("other"));
        }
        raw.set(field, "NULL".into());
        assert_eq!(raw.get(field), None);
        assert_eq!(raw.take(field), None);
        raw.clear();
        assert_eq!(raw.get(other), None);
        assert_eq!(raw.take(field), None);
    }

    #[test]
    fn null_is_spelled_in_three_ways() {
        for null in ["", "NULL", "null", "nan", "NaN"] {
            assert!(is_null(null), "{null}");
        }
        for value in ["0", "nul", "none", "nullx", " ", "NA"] {
            assert!(!is_null(value), "{value}");
        }
    }
}
