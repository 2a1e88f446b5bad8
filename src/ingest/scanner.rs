//! The usual JSON object, in one pass over its bytes. The objects of an export have the same members in the same order,
//! written with the same blanks: so what stands between two values is guessed from the value before, and compared as one.
//!
//! What is unusual is left to serde_json: a fault, a name with an escape, half of a surrogate pair. Then [`Scanner::read`]
//! says `None`, which means nothing else; what it does read is what serde_json would have read.

use super::entry::{Entry, Key};
use super::words::{self, Pieces, equal, up_to};
use serde_json::value::RawValue;
use wide::u8x16;

/// What was learned of the objects so far.
pub struct Scanner {
    places: Vec<Place>,
    /// Whether an object may span several lines.
    has_line_ends: bool,
}

/// A member that was met, or the beginning of an object.
struct Place {
    /// From the end of the value before to the beginning of this one's: `,"auditid":`.
    text: Box<[u8]>,
    key: Key,
    /// The places that came behind this one.
    next: Vec<usize>,
}

/// Where an object begins, and behind a member that was not learned.
const BEGIN: usize = 0;
const UNKNOWN: usize = 1;

/// How much is learned: more than the exports of any tool take.
const MOST_PLACES: usize = 512;
const MOST_NEXT: usize = 8;
const MOST_TEXT: usize = 200;

/// What comes behind a value.
enum Step {
    /// A member: its place, what it is, and where its value begins.
    Member(usize, Key, usize),
    /// The end of the object is before this place.
    End(usize),
}

impl Scanner {
    pub fn new() -> Scanner {
        let empty = || Place {
            text: Box::default(),
            key: Key::Other,
            next: Vec::new(),
        };
        Scanner {
            places: vec![empty(), empty()],
            has_line_ends: true,
        }
    }

    /// Of objects that each stand in a line of their own: one that does not is unusual.
    pub fn of_lines() -> Scanner {
        Scanner {
            has_line_ends: false,
            ..Scanner::new()
        }
    }

    /// Reads the object that begins at `start` into an empty entry, and says where it ends.
    pub fn read<'a>(&mut self, text: &'a str, start: usize, entry: &mut Entry<'a>) -> Option<usize> {
        if text.as_bytes().get(start) != Some(&b'{') {
            return None;
        }
        let (mut place, mut at) = (BEGIN, start + 1);
        loop {
            match self.step(place, text, at)? {
                Step::End(end) => return Some(end),
                Step::Member(next, key, value) => {
                    place = next;
                    at = self.read_value(text, value, key, entry)?;
                }
            }
        }
    }

    fn step(&mut self, place: usize, text: &str, at: usize) -> Option<Step> {
        let rest = text.as_bytes().get(at..)?;
        if rest.first() == Some(&b'}') {
            return Some(Step::End(at + 1));
        }
        for &next in &self.places[place].next {
            let Place { text, key, .. } = &self.places[next];
            if begins_with(rest, text) {
                return Some(Step::Member(next, *key, at + text.len()));
            }
        }
        self.step_anew(place, text, at)
    }

    /// A step that was not learned.
    #[cold]
    fn step_anew(&mut self, place: usize, text: &str, start: usize) -> Option<Step> {
        let bytes = text.as_bytes();
        let mut at = self.behind_blanks(bytes, start);
        match bytes.get(at)? {
            b'}' => return Some(Step::End(at + 1)),
            b',' if place != BEGIN => at = self.behind_blanks(bytes, at + 1),
            _ if place == BEGIN => {}
            _ => return None,
        }
        if bytes.get(at) != Some(&b'"') {
            return None;
        }
        let name = at + 1;
        let end = behind_plain(bytes, name);
        if bytes.get(end) != Some(&b'"') {
            return None;
        }
        at = self.behind_blanks(bytes, end + 1);
        if bytes.get(at) != Some(&b':') {
            return None;
        }
        at = self.behind_blanks(bytes, at + 1);
        let key = Key::of(text.get(name..end)?);
        let next = self.learn(place, bytes.get(start..at)?, key);
        Some(Step::Member(next, key, at))
    }

    /// The place of a member behind another.
    fn learn(&mut self, place: usize, text: &[u8], key: Key) -> usize {
        let next = self.places.len();
        if next == MOST_PLACES || self.places[place].next.len() == MOST_NEXT || text.len() > MOST_TEXT {
            return UNKNOWN;
        }
        self.places[place].next.push(next);
        let text = text.into();
        self.places.push(Place {
            text,
            key,
            next: Vec::new(),
        });
        next
    }

    /// Takes the value that begins at `at`, and says where it ends. Texts without escapes are most of all that is read.
    #[inline(always)]
    fn read_value<'a>(&self, text: &'a str, at: usize, key: Key, entry: &mut Entry<'a>) -> Option<usize> {
        let bytes = text.as_bytes();
        if bytes.get(at) != Some(&b'"') {
            return self.read_bare(text, at, key, entry);
        }
        let end = behind_plain(bytes, at + 1);
        match (bytes.get(end)?, key) {
            (b'"', Key::Field(field)) => entry.take_text(field, text.get(at + 1..end)?),
            (b'"', Key::Other) => {}
            _ => return read_escaped(text, at, end, key, entry),
        }
        Some(end + 1)
    }

    /// The same of a value that does not begin with a quote.
    #[inline(never)]
    fn read_bare<'a>(&self, text: &'a str, at: usize, key: Key, entry: &mut Entry<'a>) -> Option<usize> {
        let bytes = text.as_bytes();
        let end = match (bytes.get(at)?, key) {
            (b'n', _) => {
                entry.take_null(key);
                return behind_literal(bytes, at, b"null");
            }
            (b'-' | b'0'..=b'9', Key::Field(field)) => {
                let end = behind_number(bytes, at)?;
                entry.take_text(field, text.get(at..end)?);
                return Some(end);
            }
            (b'-' | b'0'..=b'9', _) => behind_number(bytes, at)?,
            (b't', _) => behind_literal(bytes, at, b"true")?,
            (b'f', _) => behind_literal(bytes, at, b"false")?,
            (b'{' | b'[', _) => self.behind_nested(text, at)?,
            _ => match self.behind_blanks(bytes, at) {
                value if value > at => return self.read_value(text, value, key, entry),
                _ => return None,
            },
        };
        entry.take(key, text.get(at..end)?);
        Some(end)
    }

    fn behind_blanks(&self, bytes: &[u8], mut at: usize) -> usize {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = bytes.get(at)
            && (self.has_line_ends || bytes[at] != b'\n')
        {
            at += 1;
        }
        at
    }

    /// The end of an object or a list.
    #[cold]
    fn behind_nested(&self, text: &str, at: usize) -> Option<usize> {
        let mut values = serde_json::Deserializer::from_str(text.get(at..)?).into_iter::<&RawValue>();
        let value = values.next()?.ok()?.get();
        (self.has_line_ends || !value.contains('\n')).then_some(at + value.len())
    }
}

/// The same of a text that begins at `at`, of which `end` is the first place that is not plain.
#[inline(never)]
fn read_escaped<'a>(text: &'a str, at: usize, end: usize, key: Key, entry: &mut Entry<'a>) -> Option<usize> {
    let bytes = text.as_bytes();
    if let (b'\\', Key::Field(field)) = (bytes.get(end)?, key) {
        let end = unescaped(bytes, at + 1, entry.raw.pieces())?;
        return entry.take_pieces(field).then_some(end);
    }
    let end = behind_string(bytes, end)?;
    entry.take(key, text.get(at..end)?);
    Some(end)
}

/// As `starts_with`, but without a call for the usual lengths.
fn begins_with(bytes: &[u8], text: &[u8]) -> bool {
    let Some(bytes) = bytes.get(..text.len()) else {
        return false;
    };
    is_equal_by::<16>(bytes, text)
        .or_else(|| is_equal_by::<8>(bytes, text))
        .unwrap_or_else(|| bytes == text)
}

/// Whether two texts of the same length are equal, looked at `N` bytes at a time; `None` when they are shorter.
#[inline]
fn is_equal_by<const N: usize>(text: &[u8], other: &[u8]) -> Option<bool> {
    // The last bytes overlap those before.
    let is_end_equal = text.last_chunk::<N>()? == other.last_chunk::<N>()?;
    let mut chunks = text.as_chunks::<N>().0.iter().zip(other.as_chunks::<N>().0);
    Some(is_end_equal && chunks.all(|(chunk, other)| chunk == other))
}

/// The first place from `at` on where a text does not simply go on: a quote, a backslash, a control character, the end.
fn behind_plain(bytes: &[u8], at: usize) -> usize {
    words::find(bytes, at, is_not_plain)
}

fn is_not_plain(word: u8x16) -> u8x16 {
    equal(word, b'"') | equal(word, b'\\') | up_to(word, 0x1F)
}

/// The end of a text of which `at` is the first place that is not plain.
fn behind_string(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let escaped = match (bytes.get(at)?, bytes.get(at + 1)) {
            (b'"', _) => return Some(at + 1),
            (b'\\', Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't')) => 2,
            (b'\\', Some(b'u')) if bytes.get(at + 2..at + 6)?.iter().all(u8::is_ascii_hexdigit) => 6,
            _ => return None,
        };
        at = behind_plain(bytes, at + escaped);
    }
}

/// Puts together what a text says that begins at `at`; gives its end.
fn unescaped(bytes: &[u8], mut at: usize, said: &mut Pieces) -> Option<usize> {
    loop {
        at = said.copy(bytes, at, is_not_plain, escaped);
        if bytes.get(at)? == &b'"' {
            return Some(at + 1);
        }
        let (sign, length) = coded(bytes, at)?;
        let mut room = [0; 4];
        sign.encode_utf8(&mut room).bytes().for_each(|byte| said.push(byte));
        at += length;
    }
}

/// What an escape of one letter stands for.
#[inline(always)]
fn escaped(sign: u8, letter: u8) -> Option<u8> {
    match letter {
        _ if sign != b'\\' => None,
        // It stands for itself.
        b'"' | b'\\' | b'/' => Some(letter),
        b'b' => Some(0x8),
        b'f' => Some(0xC),
        b'n' => Some(b'\n'),
        b'r' => Some(b'\r'),
        b't' => Some(b'\t'),
        _ => None,
    }
}

/// The character of a `\u0000` or of a pair of them, and their length.
fn coded(bytes: &[u8], at: usize) -> Option<(char, usize)> {
    let unit = |at: usize| {
        let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
        digits.iter().try_fold(0, |unit, digit| {
            Some(unit << 4 | char::from(*digit).to_digit(16)? as u16)
        })
    };
    let first = unit(at)?;
    match char::from_u32(u32::from(first)) {
        Some(sign) => Some((sign, 6)),
        None => Some((char::decode_utf16([first, unit(at + 6)?]).next()?.ok()?, 12)),
    }
}

fn behind_literal(bytes: &[u8], at: usize, literal: &[u8]) -> Option<usize> {
    bytes.get(at..)?.starts_with(literal).then_some(at + literal.len())
}

fn behind_number(bytes: &[u8], at: usize) -> Option<usize> {
    let whole = at + usize::from(bytes.get(at) == Some(&b'-'));
    let mut end = behind_digits(bytes, whole)?;
    if bytes[whole] == b'0' && end > whole + 1 {
        return None;
    }
    if bytes.get(end) == Some(&b'.') {
        end = behind_digits(bytes, end + 1)?;
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let is_signed = matches!(bytes.get(end + 1), Some(b'+' | b'-'));
        end = behind_digits(bytes, end + 1 + usize::from(is_signed))?;
    }
    Some(end)
}

/// The end of the digits at a place, of which there must be one.
fn behind_digits(bytes: &[u8], at: usize) -> Option<usize> {
    let count = bytes.get(at..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (count > 0).then_some(at + count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::entry::EntrySeed;
    use crate::ingest::fields::Field;
    use proptest::prelude::*;
    use serde::de::{DeserializeSeed, IgnoredAny};

    /// What an entry says, and where it ends.
    fn told(entry: &Entry<'_>, end: usize) -> String {
        format!("{entry:?} {end}")
    }

    fn scanned(scanner: &mut Scanner, text: &str) -> Option<String> {
        let mut entry = Entry::default();
        scanner.read(text, 0, &mut entry).map(|end| told(&entry, end))
    }

    fn read_by_serde(text: &str) -> Option<String> {
        let mut entry = Entry::default();
        let mut json = serde_json::Deserializer::from_str(text);
        EntrySeed(&mut entry).deserialize(&mut json).ok()?;
        Some(told(&entry, json.into_iter::<IgnoredAny>().byte_offset()))
    }

    const NAMES: &[&str] = &[
        "auditid",
        "action",
        "changedata",
        "value",
        "@odata.context",
        "@odata.etag",
        "x",
        "",
        "é",
        "\\u0061",
        "a\tb",
    ];
    #[rustfmt::skip]
    const VALUES: &[&str] = &[
        "null", "true", "false", "nul", "0", "-0", "64", "01", "-", "1.5", "1.", "1e5", "1E+05", "1e", "\"\"", "\"64\"", "\"é\"",
        "\"a longer text, with more than a word or two\"", "\"W/\\\"72201504\\\"\"", "\"\\u0041\\n\\\\\"", "\"\\b\\f\\r\\t\\/\\u00E9\\uD801\\udc37\"", "\"\\udc37\\uD801\"", "\"\\uD801\\u0041\"", "\"\\uD801\\n\"", "\"\\ud800\"", "\"\\x\"",
        "\"\\u00g0\"", "\"a\tb\"", "\"open", "[]", "[{\"a\":[1]}, \"]\"]", "{\"Value\":64}", "{\"Value\":\"x\"}", "[1,]", "{", "",
    ];
    const BLANKS: &[&str] = &["", "", "", " ", "\n  ", "\t\r"];

    fn member() -> impl Strategy<Value = String> {
        let (name, value) = (prop::sample::select(NAMES), prop::sample::select(VALUES));
        let blank = || prop::sample::select(BLANKS);
        (blank(), name, blank(), blank(), value, blank())
            .prop_map(|(a, name, b, c, value, d)| format!("{a}\"{name}\"{b}:{c}{value}{d}"))
    }

    /// Objects, most of them proper, some with a sign too many; and whether a name may have an escape, or a value half
    /// of a surrogate pair.
    fn object() -> impl Strategy<Value = (String, bool)> {
        let sign = prop::sample::select(&["", "", "", "\"", "\\", ",", "}", "0", "\n", "é", ":"][..]);
        let members = prop::collection::vec(member(), 0..6);
        (members, sign, any::<prop::sample::Index>()).prop_map(|(members, sign, place)| {
            let mut text = format!("{{{}}}, behind", members.join(","));
            // Before a sign comes into an escape.
            let is_unusual = sign == "\\" || ["\\u0061", "\\ud", "\\uD"].iter().any(|escape| text.contains(escape));
            let places: Vec<usize> = text.char_indices().map(|(place, _)| place).collect();
            text.insert_str(places[1 + place.index(places.len() - 1)], sign);
            (text, is_unusual)
        })
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_serde_json_reads_and_little_is_left_to_it(
            objects in prop::collection::vec(object(), 1..8)
        ) {
            let mut scanner = Scanner::new();
            // Twice, so that everything is met as something new and as something learned.
            for (text, is_unusual) in objects.iter().chain(&objects) {
                let (found, expected) = (scanned(&mut scanner, text), read_by_serde(text));
                if found.is_some() || !is_unusual {
                    prop_assert_eq!(found, expected, "{}", text);
                }
            }
        }
    }

    #[test]
    fn what_is_learned_is_bounded_and_what_is_not_learned_is_read_too() {
        let mut scanner = Scanner::new();
        let numbered: Vec<String> = (0..2 * MOST_PLACES).map(|number| format!("\"{number}\":1")).collect();
        let long = "n".repeat(MOST_TEXT);
        let texts = numbered
            .iter()
            .map(|first| format!("{{{first},\"auditid\":\"a\",{first},\"{long}\":2 ,\"x\":3}}"));
        for text in texts.chain([format!("{{{}}}", numbered.join(","))]) {
            assert_eq!(scanned(&mut scanner, &text), read_by_serde(&text), "{text}");
            // A name that begins an object is none that may follow a value.
            let without_comma = text.replacen(",\"", "\"", 1);
            assert_eq!(scanned(&mut scanner, &without_comma), None);
        }
        let places = &scanner.places;
        assert_eq!(places.len(), MOST_PLACES);
        assert!(
            places
                .iter()
                .all(|place| place.next.len() <= MOST_NEXT && place.text.len() <= MOST_TEXT)
        );
    }

    #[test]
    fn a_text_begins_with_another_of_any_length_only_if_all_bytes_are_equal() {
        let text: Vec<u8> = (0..100).collect();
        for length in 0..=text.len() {
            assert!(begins_with(&text, &text[..length]));
            assert!(length == text.len() || !begins_with(&text[..length], &text[..=length]));
            for place in 0..length {
                let mut other = text[..length].to_vec();
                other[place] ^= 1;
                assert!(!begins_with(&text, &other), "{length} {place}");
            }
        }
    }

    #[test]
    fn of_lines_an_object_that_goes_on_in_the_next_line_is_left_to_others() {
        for text in [
            "{\n\"a\":1}",
            "{\"a\"\n:1}",
            "{\"a\":1\n}",
            "{\"a\":[\n]}",
            "{\"a\":\n1}",
            "{\"a\":1,\n\"b\":1}",
        ] {
            let mut entry = Entry::default();
            assert_eq!(Scanner::new().read(text, 0, &mut entry), Some(text.len()), "{text:?}");
            assert_eq!(Scanner::of_lines().read(text, 0, &mut entry), None, "{text:?}");
            let in_line = text.replace('\n', "\r ");
            assert_eq!(
                Scanner::of_lines().read(&in_line, 0, &mut entry),
                Some(in_line.len()),
                "{text:?}"
            );
        }
    }

    #[test]
    fn the_last_value_of_a_name_counts_but_no_null() {
        let mut entry = Entry::default();
        let text = r#"{"auditid":"a","auditid":"b\n","auditid":"c","auditid":null,"action":{"Value":64}}"#;
        assert_eq!(Scanner::new().read(text, 0, &mut entry), Some(text.len()));
        assert_eq!(entry.raw.get(Field::AuditId), Some("c"));
        assert_eq!(entry.raw.get(Field::Action), Some("64"));
    }
}
