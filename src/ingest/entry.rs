//! One JSON object as an audit row: its values are sliced, only those gatelog wants are decoded.
//!
//! Of a name that stands twice the last value counts, as in JavaScript, but a null never hides a value: one column has
//! several names. How deep an unwanted value is nested does not matter, since nothing of it is kept.
//!
//! This is serde_json's way to an entry, which takes any object; the usual ones go the way of [`super::scanner`].

use super::fields::{Field, field_of};
use super::raw::Raw;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// One JSON object, seen as an audit row.
#[derive(Debug, Default)]
pub struct Entry<'a> {
    pub raw: Raw<'a>,
    /// How many of its members gatelog knows.
    pub known: usize,
    /// The text of `@odata.context`.
    pub context: Option<Cow<'a, str>>,
    /// Whether it is not a row but a page around rows.
    pub is_page: bool,
    /// The first member whose value could not be decoded.
    pub undecodable: Option<Field>,
}

impl<'a> Entry<'a> {
    /// Forgets everything.
    pub fn clear(&mut self) {
        self.raw.clear();
        self.known = 0;
        self.context = None;
        self.is_page = false;
        self.undecodable = None;
    }

    /// Takes a member, whose value is this JSON text.
    #[inline]
    pub fn take(&mut self, key: Key, json: &'a str) {
        match (key, json.as_bytes().first()) {
            (_, Some(b'n')) => self.take_null(key),
            (Key::Field(field), Some(b'-' | b'0'..=b'9')) => self.take_text(field, json),
            (Key::Field(field), _) => self.take_json(field, json),
            (Key::Other, _) => {}
            (Key::Value, _) => self.is_page |= json.starts_with('['),
            (Key::Context, _) => self.context = decode(json, Field::AuditId).unwrap_or_default(),
        }
    }

    /// Takes a member, whose value is null.
    pub fn take_null(&mut self, key: Key) {
        match key {
            Key::Field(_) => self.known += 1,
            Key::Context => self.context = None,
            Key::Value | Key::Other => {}
        }
    }

    /// Takes a field whose value is this JSON text.
    fn take_json(&mut self, field: Field, json: &'a str) {
        self.known += 1;
        match decode(json, field) {
            Ok(Some(text)) => self.raw.set(field, text),
            Ok(None) => {}
            Err(_) => self.undecodable = self.undecodable.or(Some(field)),
        }
    }

    /// Takes a field whose value is this text.
    #[inline]
    pub fn take_text(&mut self, field: Field, text: &'a str) {
        self.known += 1;
        self.raw.set_borrowed(field, text);
    }

    /// The same of the text that was put together of pieces; says whether it is one.
    pub fn take_pieces(&mut self, field: Field) -> bool {
        self.known += 1;
        self.raw.set_pieces(field)
    }
}

/// What a member is to gatelog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    Field(Field),
    Context,
    Value,
    Other,
}

impl Key {
    pub fn of(name: &str) -> Key {
        match name {
            "value" => Key::Value,
            "@odata.context" => Key::Context,
            _ => field_of(name).map_or(Key::Other, Key::Field),
        }
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyVisitor)
    }
}

struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Key, E> {
        Ok(Key::of(name))
    }
}

impl<'de> Deserialize<'de> for Entry<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut entry = Entry::default();
        EntrySeed(&mut entry).deserialize(deserializer)?;
        Ok(entry)
    }
}

/// Reads into an [`Entry`], which is empty.
pub struct EntrySeed<'e, 'a>(pub &'e mut Entry<'a>);

impl<'de> DeserializeSeed<'de> for EntrySeed<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for EntrySeed<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(key) = members.next_key()? {
            if key == Key::Other {
                members.next_value::<IgnoredAny>()?;
            } else {
                let value: &'de RawValue = members.next_value()?;
                self.0.take(key, value.get());
            }
        }
        Ok(())
    }
}

/// The text of a JSON value; `None` for null. An option set given as `{"Value":64}` is its number.
fn decode<'a>(json: &'a str, field: Field) -> Result<Option<Cow<'a, str>>, serde_json::Error> {
    let is_choice = matches!(field, Field::Action | Field::Operation | Field::ObjectType);
    match json.as_bytes().first() {
        Some(b'n') | None => Ok(None),
        Some(b'"') => match memchr::memchr(b'\\', json.as_bytes()) {
            None => Ok(Some(Cow::Borrowed(&json[1..json.len() - 1]))),
            Some(_) => serde_json::from_str(json).map(|text| Some(Cow::Owned(text))),
        },
        Some(b'{') if is_choice => {
            let choice: Choice = serde_json::from_str(json)?;
            Ok(Some(Cow::Owned(choice.value.to_string())))
        }
        Some(_) => Ok(Some(Cow::Borrowed(json))),
    }
}

#[derive(Deserialize)]
struct Choice {
    #[serde(rename = "Value", alias = "value")]
    value: serde_json::Number,
}
