//! The different texts of a column chunk, in the order in which they came.

use super::by_number::{ByNumber, Unaligned, bytes_of};
use super::{SPELLED_BYTES, Spell, Value};
use xxhash_rust::xxh3::xxh3_64;

/// Texts and their codes, which are their places.
pub struct Dictionary {
    spell: Spell,
    /// The texts in PLAIN encoding.
    plain: Vec<u8>,
    /// Where each text begins in it, behind its length.
    starts: Vec<u32>,
    numbers: ByNumber<Unaligned>,
    /// The first text of each hash, and behind a text the next one of the same hash.
    hashes: ByNumber<u64>,
    same_hash: ByNumber<u32>,
    last_number: Option<(u128, u32)>,
    last_text: Option<u32>,
}

impl Dictionary {
    pub fn new(spell: Spell) -> Dictionary {
        Dictionary {
            spell,
            plain: Vec::new(),
            starts: Vec::new(),
            numbers: ByNumber::default(),
            hashes: ByNumber::default(),
            same_hash: ByNumber::default(),
            last_number: None,
            last_text: None,
        }
    }

    pub fn len(&self) -> usize {
        self.starts.len()
    }

    pub fn plain(&self) -> &[u8] {
        &self.plain
    }

    pub fn texts(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.starts.len() as u32).map(|code| self.text(code))
    }

    /// The text of a number.
    pub fn spell(&self, number: u128) -> [u8; SPELLED_BYTES] {
        (self.spell)(number)
    }

    /// How much memory it takes.
    pub fn held_bytes(&self) -> usize {
        let tables = bytes_of(&self.numbers) + bytes_of(&self.hashes) + bytes_of(&self.same_hash);
        self.plain.len() + self.starts.len() * size_of::<u32>() + tables
    }

    /// No more codes will be asked for.
    pub fn forget_codes(&mut self) {
        (self.numbers, self.hashes, self.same_hash) = Default::default();
    }

    pub fn code_of(&mut self, value: Value<'_>) -> u32 {
        match value {
            Value::Number(number) => self.code_of_number(number),
            Value::Bytes(text) => self.code_of_text(text),
        }
    }

    /// The code of a number that was met.
    #[inline]
    pub fn known_code(&self, number: u128) -> Option<u32> {
        self.numbers.get(&Unaligned::of(number)).copied()
    }

    fn code_of_number(&mut self, number: u128) -> u32 {
        if let Some((last, code)) = self.last_number
            && last == number
        {
            return code;
        }
        let code = match self.numbers.get(&Unaligned::of(number)) {
            Some(&code) => code,
            None => {
                let code = self.add(&self.spell(number));
                self.numbers.insert(Unaligned::of(number), code);
                code
            }
        };
        self.last_number = Some((number, code));
        code
    }

    fn code_of_text(&mut self, text: &[u8]) -> u32 {
        if let Some(last) = self.last_text
            && self.text(last) == text
        {
            return last;
        }
        let hash = xxh3_64(text);
        let code = match self.hashes.get(&hash) {
            None => {
                let code = self.add(text);
                self.hashes.insert(hash, code);
                code
            }
            Some(&first) => self.code_of_hash(first, text),
        };
        self.last_text = Some(code);
        code
    }

    /// Among the texts of one hash, the first of which is `code`.
    fn code_of_hash(&mut self, mut code: u32, text: &[u8]) -> u32 {
        while self.text(code) != text {
            match self.same_hash.get(&code) {
                Some(&next) => code = next,
                None => {
                    let new = self.add(text);
                    self.same_hash.insert(code, new);
                    return new;
                }
            }
        }
        code
    }

    pub fn text(&self, code: u32) -> &[u8] {
        let code = code as usize;
        // The length of the next text stands behind this one.
        let end = self
            .starts
            .get(code + 1)
            .map_or(self.plain.len(), |next| *next as usize - 4);
        &self.plain[self.starts[code] as usize..end]
    }

    fn add(&mut self, text: &[u8]) -> u32 {
        let code = self.starts.len() as u32;
        self.plain.extend_from_slice(&(text.len() as u32).to_le_bytes());
        self.starts.push(self.plain.len() as u32);
        self.plain.extend_from_slice(text);
        code
    }
}
