//! One JSON object as an audit row: serde_json slices its values, only those gatelog wants are decoded.
//!
//! Of a name that stands twice the last value counts, as in JavaScript, but a null never hides a value: one column has
//! several names. How deep an unwanted value is nested does not matter, since nothing of it is kept.

use super::fields::{Field, field_of};
use super::normalize::Raw;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// One JSON object, seen as an audit row.
#[derive(Default)]
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

enum Key {
    Field(Field),
    Context,
    Value,
    Other,
}

struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Key, E> {
        Ok(match name {
            "value" => Key::Value,
            "@odata.context" => Key::Context,
            _ => field_of(name).map_or(Key::Other, Key::Field),
        })
    }
}

impl<'de> Deserialize<'de> for Entry<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntryVisitor)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = Entry<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Entry<'de>, A::Error> {
        let mut entry = Entry::default();
        while let Some(key) = members.next_key_seed(KeySeed)? {
            match key {
                Key::Field(field) => {
                    let value: &'de RawValue = members.next_value()?;
                    entry.known += 1;
                    match decode(value.get(), field) {
                        Ok(Some(text)) => entry.raw.set(field, text),
                        Ok(None) => {}
                        Err(_) => entry.undecodable = entry.undecodable.or(Some(field)),
                    }
                }
                Key::Value => {
                    let value: &'de RawValue = members.next_value()?;
                    entry.is_page |= value.get().starts_with('[');
                }
                Key::Context => {
                    let value: &'de RawValue = members.next_value()?;
                    entry.context = decode(value.get(), Field::AuditId).unwrap_or_default();
                }
                Key::Other => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(entry)
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
