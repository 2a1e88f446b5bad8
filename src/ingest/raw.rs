//! One raw row: a text per field, as found, until it is understood; then as the lake spells it, for the record to borrow.
//!
//! It is used again for row after row. Nearly all texts are borrowed from the block and need no more than their place;
//! the few that had to be decoded or spelled anew are owned, one behind the other.

use super::fields::{FIELD_COUNT, Field};
use super::words::Pieces;
use std::borrow::Cow;
use std::ops::Range;

#[derive(Debug, Clone)]
pub struct Raw<'a> {
    /// A bit for each field that has a value in `borrowed`; what the others hold there is left from rows before.
    is_borrowed: u64,
    /// A bit for each field that has a value in `owned`; no field has a bit in both.
    is_owned: u64,
    borrowed: [&'a str; FIELD_COUNT],
    /// Where in `texts` they stand.
    owned: Vec<(Field, Range<usize>)>,
    texts: String,
    /// The text that is being decoded.
    pieces: Pieces,
}

const _: () = assert!(FIELD_COUNT <= u64::BITS as usize, "a bit for each field");

fn bit(field: Field) -> u64 {
    1 << field as u32
}

impl Default for Raw<'_> {
    fn default() -> Self {
        Raw {
            is_borrowed: 0,
            is_owned: 0,
            borrowed: [""; FIELD_COUNT],
            owned: Vec::new(),
            texts: String::new(),
            pieces: Pieces::default(),
        }
    }
}

impl<'a> Raw<'a> {
    /// Forgets all values.
    pub fn clear(&mut self) {
        (self.is_borrowed, self.is_owned) = (0, 0);
        self.owned.clear();
        self.texts.clear();
    }

    #[inline]
    pub fn set(&mut self, field: Field, value: Cow<'a, str>) {
        match value {
            Cow::Borrowed(text) => self.set_borrowed(field, text),
            Cow::Owned(text) => self.set_owned(field, &text),
        }
    }

    /// The same of a text that is not borrowed.
    fn set_owned(&mut self, field: Field, value: &str) {
        self.set_borrowed(field, "");
        if !is_null(value) {
            let start = self.texts.len();
            self.texts.push_str(value);
            self.owned.push((field, start..self.texts.len()));
            self.is_owned |= bit(field);
        }
    }

    /// Where a text is put together, of which there is nothing yet.
    pub fn pieces(&mut self) -> &mut Pieces {
        self.pieces.clear();
        &mut self.pieces
    }

    /// Makes the text that was put together the value of a field; says whether it is UTF-8.
    pub fn set_pieces(&mut self, field: Field) -> bool {
        let pieces = std::mem::take(&mut self.pieces);
        let text = simdutf8::basic::from_utf8(pieces.bytes());
        let is_text = text.is_ok();
        if let Ok(text) = text {
            self.set_owned(field, text);
        }
        self.pieces = pieces;
        is_text
    }

    #[inline(always)]
    pub fn set_borrowed(&mut self, field: Field, value: &'a str) {
        if self.is_owned & bit(field) != 0 {
            self.forget_owned(field);
        }
        self.borrowed[field as usize] = value;
        self.is_borrowed = self.is_borrowed & !bit(field) | u64::from(!is_null(value)) << field as u32;
    }

    /// Makes a field null.
    pub fn forget(&mut self, field: Field) {
        self.set_borrowed(field, "");
    }

    /// The value of a field, unless it is null.
    #[inline]
    pub fn get(&self, field: Field) -> Option<&str> {
        if self.is_borrowed & bit(field) != 0 {
            return Some(self.borrowed[field as usize]);
        }
        match self.is_owned & bit(field) {
            0 => None,
            _ => self.get_owned(field),
        }
    }

    #[cold]
    fn get_owned(&self, field: Field) -> Option<&str> {
        let (_, place) = self.owned.iter().find(|(of, _)| *of == field)?;
        Some(&self.texts[place.clone()])
    }

    /// The value of a field, unless it is null; it is asked for once.
    #[inline]
    pub fn take(&mut self, field: Field) -> Option<Cow<'a, str>> {
        if self.is_borrowed & bit(field) != 0 {
            return Some(Cow::Borrowed(self.borrowed[field as usize]));
        }
        match self.is_owned & bit(field) {
            0 => None,
            _ => self.take_owned(field).map(Cow::Owned),
        }
    }

    #[cold]
    fn forget_owned(&mut self, field: Field) {
        self.is_owned &= !bit(field);
        self.owned.retain(|(of, _)| *of != field);
    }

    fn take_owned(&mut self, field: Field) -> Option<String> {
        self.is_owned &= !bit(field);
        let place = self.owned.iter().position(|(of, _)| *of == field)?;
        let (_, text) = self.owned.swap_remove(place);
        Some(self.texts[text].to_owned())
    }
}

/// `NULL`, `nan` and the empty text are null.
#[inline]
fn is_null(value: &str) -> bool {
    match value.as_bytes() {
        [] => true,
        [b'n' | b'N', ..] => is_spelled_null(value),
        _ => false,
    }
}

#[cold]
fn is_spelled_null(value: &str) -> bool {
    value.eq_ignore_ascii_case("nan") || value.eq_ignore_ascii_case("null")
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
