//! The usual JSON object, in one pass over its bytes. The objects of an export have the same members in the same order,
//! written with the same blanks: so what stands between two values is guessed from the value before, and compared as one.
//!
//! What is unusual is left to serde_json: a fault, a name with an escape, bytes that are no text. Then [`Scanner::read`]
//! says `None`, which means nothing else; what it does read is what serde_json would have read.

use super::entry::{Entry, Key};
use serde_json::value::RawValue;

/// What was learned of the objects so far.
pub struct Scanner {
    places: Vec<Place>,
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
                    at = read_value(text, value, key, entry)?;
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
            if rest.starts_with(text) {
                return Some(Step::Member(next, *key, at + text.len()));
            }
        }
        self.step_anew(place, text, at)
    }

    /// A step that was not learned.
    #[cold]
    fn step_anew(&mut self, place: usize, text: &str, start: usize) -> Option<Step> {
        let bytes = text.as_bytes();
        let mut at = behind_blanks(bytes, start);
        match bytes.get(at)? {
            b'}' => return Some(Step::End(at + 1)),
            b',' if place != BEGIN => at = behind_blanks(bytes, at + 1),
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
        at = behind_blanks(bytes, end + 1);
        if bytes.get(at) != Some(&b':') {
            return None;
        }
        at = behind_blanks(bytes, at + 1);
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
}

/// Takes the value that begins at `at`, and says where it ends.
fn read_value<'a>(text: &'a str, at: usize, key: Key, entry: &mut Entry<'a>) -> Option<usize> {
    let bytes = text.as_bytes();
    let end = match bytes.get(at)? {
        b'"' => {
            let end = behind_plain(bytes, at + 1);
            match (bytes.get(end)?, key) {
                (b'"', Key::Field(field)) => {
                    entry.take_text(field, text.get(at + 1..end)?);
                    return Some(end + 1);
                }
                (b'"', _) => end + 1,
                _ => behind_string(bytes, end)?,
            }
        }
        b'n' => behind_literal(bytes, at, b"null")?,
        b't' => behind_literal(bytes, at, b"true")?,
        b'f' => behind_literal(bytes, at, b"false")?,
        b'-' | b'0'..=b'9' => behind_number(bytes, at)?,
        b'{' | b'[' => behind_nested(text, at)?,
        b' ' | b'\t' | b'\r' | b'\n' => return read_value(text, behind_blanks(bytes, at), key, entry),
        _ => return None,
    };
    entry.take(key, text.get(at..end)?);
    Some(end)
}

fn behind_blanks(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
        at += 1;
    }
    at
}

/// The first place from `at` on where a text does not simply go on: a quote, a backslash, a control character, the end.
fn behind_plain(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    while let Some(word) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let word = u64::from_le_bytes(*word);
        // The high bit of a byte that is below another, or zero; of bytes behind the first such one it may be wrong.
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let is_zero = |word: u64| word.wrapping_sub(ONES) & !word;
        let quote = is_zero(word ^ (ONES * u64::from(b'"')));
        let backslash = is_zero(word ^ (ONES * u64::from(b'\\')));
        let found = (control | quote | backslash) & HIGH;
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let is_plain = |byte: &&u8| **byte >= 0x20 && !matches!(byte, b'"' | b'\\');
    at + bytes[at..].iter().take_while(is_plain).count()
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

/// The end of an object or a list.
fn behind_nested(text: &str, at: usize) -> Option<usize> {
    let mut values = serde_json::Deserializer::from_str(text.get(at..)?).into_iter::<&RawValue>();
    values.next()?.ok().map(|value| at + value.get().len())
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
        "\"a longer text, with more than a word or two\"", "\"W/\\\"72201504\\\"\"", "\"\\u0041\\n\\\\\"", "\"\\ud800\"", "\"\\x\"",
        "\"\\u00g0\"", "\"a\tb\"", "\"open", "[]", "[{\"a\":[1]}, \"]\"]", "{\"Value\":64}", "{\"Value\":\"x\"}", "[1,]", "{", "",
    ];
    const BLANKS: &[&str] = &["", "", "", " ", "\n  ", "\t\r"];

    fn member() -> impl Strategy<Value = String> {
        let (name, value) = (prop::sample::select(NAMES), prop::sample::select(VALUES));
        let blank = || prop::sample::select(BLANKS);
        (blank(), name, blank(), blank(), value, blank())
            .prop_map(|(a, name, b, c, value, d)| format!("{a}\"{name}\"{b}:{c}{value}{d}"))
    }

    /// Objects, most of them proper, some with a sign too many; and whether a name may have an escape.
    fn object() -> impl Strategy<Value = (String, bool)> {
        let sign = prop::sample::select(&["", "", "", "\"", "\\", ",", "}", "0", "\n", "é", ":"][..]);
        let members = prop::collection::vec(member(), 0..6);
        (members, sign, any::<prop::sample::Index>()).prop_map(|(members, sign, place)| {
            let mut text = format!("{{{}}}, behind", members.join(","));
            let places: Vec<usize> = text.char_indices().map(|(place, _)| place).collect();
            text.insert_str(places[1 + place.index(places.len() - 1)], sign);
            let is_escaped = text.contains("\\u0061") || sign == "\\";
            (text, is_escaped)
        })
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_serde_json_reads_and_only_names_with_escapes_are_left_to_it(
            objects in prop::collection::vec(object(), 1..8)
        ) {
            let mut scanner = Scanner::new();
            // Twice, so that everything is met as something new and as something learned.
            for (text, is_escaped) in objects.iter().chain(&objects) {
                let (found, expected) = (scanned(&mut scanner, text), read_by_serde(text));
                if found.is_some() || !is_escaped {
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
    fn a_text_ends_at_its_first_quote_wherever_that_stands() {
        for length in 0..40 {
            for (sign, is_end) in [
                ('"', true),
                ('\\', true),
                ('\n', true),
                ('\u{1f}', true),
                ('\u{7f}', false),
                ('é', false),
            ] {
                let text = format!("{}{sign}\"tail", "é!".repeat(length));
                let expected = 3 * length + if is_end { 0 } else { sign.len_utf8() };
                assert_eq!(behind_plain(text.as_bytes(), 0), expected, "{text:?}");
            }
        }
        assert_eq!(behind_plain(b"", 0), 0);
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
