//! Columns of texts.

use super::dictionary::Dictionary;
use super::number::put_codes;
use super::pages::{Body, Finished, Pages};
use super::{CODES, LARGE_DICTIONARY_BYTES, SPELLED_BYTES, USUAL, Value, is_worthwhile};
use crate::zstandard::Search;
use parquet::basic::Encoding;
use parquet::data_type::ByteArray;
use parquet::errors::Result;
use parquet::file::statistics::{Statistics, ValueStatistics};
use parquet::schema::types::ColumnDescPtr;

/// Longer texts are cut in statistics.
const STATISTICS_BYTES: usize = 64;

/// A column chunk of texts.
pub struct TextChunk {
    pages: Pages,
    dictionary: Dictionary,
    /// Whether values become codes into the dictionary, those of the page under way and all before.
    is_coding: bool,
    /// Whether a large dictionary is worth its while however rarely values repeat.
    is_patient: bool,
    /// For PLAIN pages.
    search: Search,
    dictionary_search: Search,
    /// Of the page under way.
    codes: Vec<u32>,
    /// How long the dictionary was where it begins.
    dictionary_before: usize,
    /// What the page under way will hold.
    body: Body,
    /// Of what went into PLAIN pages.
    range: Option<(Vec<u8>, Vec<u8>)>,
    number_range: Option<(u128, u128)>,
}

impl TextChunk {
    /// With a dictionary unless values hardly repeat. `spell` gives the text of a number.
    pub fn new(column: ColumnDescPtr, has_dictionary: bool, spell: super::Spell) -> Result<TextChunk> {
        Ok(TextChunk {
            pages: Pages::new(column)?,
            dictionary: Dictionary::new(spell),
            is_coding: has_dictionary,
            is_patient: false,
            search: USUAL,
            dictionary_search: USUAL,
            codes: Vec::new(),
            dictionary_before: 0,
            body: Body::default(),
            range: None,
            number_range: None,
        })
    }

    /// Keeps its dictionary until that is large, however rarely values repeat.
    pub fn patient(self) -> TextChunk {
        TextChunk {
            is_patient: true,
            ..self
        }
    }

    /// With a dictionary stored as it is, for one that every report reads: ids are most of what it then decompresses
    /// before it begins.
    pub fn with_dictionary_stored(self) -> TextChunk {
        TextChunk {
            dictionary_search: Search::Nothing,
            ..self
        }
    }

    /// Of ids that have no dictionary, since hardly two are alike: looking for repeats would take more than half of the
    /// time, for a twelfth of the bytes.
    pub fn of_ids(self) -> TextChunk {
        TextChunk {
            search: Search::Frequent,
            ..self
        }
    }

    /// Takes the next row's value; gives its code while values become codes.
    pub fn push(&mut self, value: Option<Value<'_>>) -> Result<Option<u32>> {
        let mut code = None;
        match value {
            None => self.pages.null(),
            Some(value) => {
                self.pages.value();
                match self.is_coding {
                    true => {
                        let found = self.dictionary.code_of(value);
                        self.codes.push(found);
                        code = Some(found);
                    }
                    false => self.push_plain(value),
                }
            }
        }
        self.end_full_page()?;
        Ok(code)
    }

    /// Takes rows without a value.
    pub fn push_nulls(&mut self, mut rows: usize) -> Result<()> {
        while rows > 0 {
            let now = rows.min(self.pages.room());
            self.pages.no_values(now);
            rows -= now;
            self.end_full_page()?;
        }
        Ok(())
    }

    /// The code of a number that was met, while values become codes.
    pub fn known_code(&self, value: Value<'_>) -> Option<u32> {
        match value {
            Value::Number(number) if self.is_coding => self.dictionary.known_code(number),
            _ => None,
        }
    }

    /// Takes the first rows, as far as their codes are known, values still become codes and the page has room; gives how
    /// many.
    pub fn push_codes(&mut self, known: &[Option<u32>]) -> Result<usize> {
        if !self.is_coding {
            return Ok(0);
        }
        let before = self.codes.len();
        let room = known.len().min(self.pages.room());
        self.codes.extend(known[..room].iter().map_while(|code| *code));
        let rows = self.pages.values(self.codes.len() - before);
        self.end_full_page()?;
        Ok(rows)
    }

    /// Whether a code is that of a text.
    pub fn is_code_of(&self, code: u32, text: &[u8]) -> bool {
        self.dictionary.text(code) == text
    }

    fn end_full_page(&mut self) -> Result<()> {
        let new_bytes = self.dictionary.plain().len() - self.dictionary_before;
        match self.pages.is_full(self.body.len() + new_bytes) {
            true => self.end_page(),
            false => Ok(()),
        }
    }

    /// Takes the same value for many rows.
    pub fn repeat(&mut self, value: Value<'_>, mut times: usize) -> Result<()> {
        while times > 0 && self.is_coding {
            let rows = times.min(self.pages.room());
            let code = self.dictionary.code_of(value);
            self.codes.resize(self.codes.len() + rows, code);
            self.pages.values(rows);
            times -= rows;
            if self.pages.is_full(0) {
                self.end_page()?;
            }
        }
        (0..times).try_for_each(|_| self.push(Some(value)).map(drop))
    }

    fn push_plain(&mut self, value: Value<'_>) {
        let plain = self.body.end();
        match value {
            Value::Bytes(text) => {
                plain.extend_from_slice(&(text.len() as u32).to_le_bytes());
                plain.extend_from_slice(text);
                widen(&mut self.range, text);
            }
            Value::Number(number) => {
                plain.extend_from_slice(&(SPELLED_BYTES as u32).to_le_bytes());
                plain.extend_from_slice(&self.dictionary.spell(number));
                let range = self.number_range.get_or_insert((number, number));
                *range = (range.0.min(number), range.1.max(number));
            }
        }
    }

    fn end_page(&mut self) -> Result<()> {
        if !self.is_coding {
            self.pages.end_page(Encoding::PLAIN, self.search, &mut self.body)?;
            return Ok(());
        }
        let count = self.dictionary.len();
        put_codes(&self.codes, count, self.body.end());
        self.pages.end_page(Encoding::RLE_DICTIONARY, CODES, &mut self.body)?;
        self.codes.clear();
        self.dictionary_before = self.dictionary.plain().len();
        let bytes = self.dictionary.plain().len();
        self.is_coding = is_worthwhile(bytes, count, self.pages.total_values())
            || (self.is_patient && bytes <= LARGE_DICTIONARY_BYTES);
        if !self.is_coding {
            self.dictionary.forget_codes();
        }
        Ok(())
    }

    /// How much memory the chunk takes, but for the page under way.
    pub fn held_bytes(&self) -> usize {
        self.pages.written_bytes() + self.dictionary.held_bytes()
    }

    pub fn finish(mut self) -> Result<Finished> {
        self.end_page()?;
        let mut range = self.range;
        for number in self.number_range.into_iter().flat_map(|(least, most)| [least, most]) {
            widen(&mut range, &self.dictionary.spell(number));
        }
        self.dictionary.texts().for_each(|text| widen(&mut range, text));
        let dictionary = (self.dictionary.plain(), self.dictionary.len(), self.dictionary_search);
        self.pages.finish(dictionary, |nulls| statistics(range, nulls), None)
    }
}

/// Makes a range hold a text.
fn widen(range: &mut Option<(Vec<u8>, Vec<u8>)>, text: &[u8]) {
    match range {
        None => *range = Some((text.to_vec(), text.to_vec())),
        Some((least, _)) if text < least.as_slice() => text.clone_into(least),
        Some((_, most)) if text > most.as_slice() => text.clone_into(most),
        Some(_) => {}
    }
}

fn statistics(range: Option<(Vec<u8>, Vec<u8>)>, nulls: u64) -> Statistics {
    let bounds =
        range.and_then(|(least, most)| Some((cut(&least).to_vec(), cut_above(&most)?, least.len(), most.len())));
    let (least, most, least_bytes, most_bytes) = match bounds {
        Some((least, most, least_bytes, most_bytes)) => (Some(least), Some(most), least_bytes, most_bytes),
        None => (None, None, 0, 0),
    };
    ValueStatistics::new(
        least.map(ByteArray::from),
        most.map(ByteArray::from),
        None,
        Some(nulls),
        false,
    )
    .with_min_is_exact(least_bytes <= STATISTICS_BYTES)
    .with_max_is_exact(most_bytes <= STATISTICS_BYTES)
    .into()
}

/// The first bytes of a text, whole characters only: nothing that begins so comes before them.
fn cut(text: &[u8]) -> &[u8] {
    if text.len() <= STATISTICS_BYTES {
        return text;
    }
    let is_begin = |&place: &usize| text[place] & 0xC0 != 0x80;
    let end = (0..=STATISTICS_BYTES).rev().find(is_begin).unwrap_or(0);
    &text[..end]
}

/// A short text that comes behind every text that begins as this one; `None` where there is no simple one.
fn cut_above(text: &[u8]) -> Option<Vec<u8>> {
    if text.len() <= STATISTICS_BYTES {
        return Some(text.to_vec());
    }
    let first = cut(text);
    let last = first.iter().rposition(|&byte| byte < 0x7F)?;
    let mut above = first[..=last].to_vec();
    above[last] += 1;
    Some(above)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_to_bounds_that_hold_them() {
        let long = "abc".repeat(40);
        assert_eq!(cut(long.as_bytes()), &long.as_bytes()[..64]);
        let above = cut_above(long.as_bytes()).unwrap();
        assert!(above.as_slice() > long.as_bytes() && above.len() == 64);
        let letters = "é".repeat(40);
        assert_eq!(cut(letters.as_bytes()).len(), 64);
        assert_eq!(cut_above(letters.as_bytes()), None);
        let mixed = format!("ab{}", "\u{1F426}".repeat(40));
        assert_eq!(cut(mixed.as_bytes()).len(), 62);
        assert_eq!(cut_above(mixed.as_bytes()), Some(b"ac".to_vec()));
        assert_eq!(cut_above(b"short"), Some(b"short".to_vec()));
    }
}
