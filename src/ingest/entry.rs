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

#[derive(Clone, Copy)]
enum Key {
    Field(Field),
    Context,
    Value,
    Other,
}

impl Key {
    fn of(name: &str) -> Key {
        match name {
            "value" => Key::Value,
            "@odata.context" => Key::Context,
            _ => field_of(name).map_or(Key::Other, Key::Field),
        }
    }
}

/// What the member names of the last object were, place by place: the objects of an export mostly have the same names in
/// the same order, and comparing with one name is faster than telling which one it is.
#[derive(Default)]
pub struct Keys {
    expected: Vec<(String, Key)>,
}

/// Of more members than any export of the table has, each is looked at for itself.
const MOST_EXPECTED: usize = 128;

impl Keys {
    fn at(&mut self, place: usize, name: &str) -> Key {
        match self.expected.get_mut(place) {
            Some((expected, key)) if expected == name => *key,
            Some(entry) => {
                entry.0.clear();
                entry.0.push_str(name);
                entry.1 = Key::of(name);
                entry.1
            }
            None => {
                let key = Key::of(name);
                if place < MOST_EXPECTED {
                    self.expected.push((name.to_owned(), key));
                }
                key
            }
        }
    }
}

struct KeySeed<'k> {
    keys: &'k mut Keys,
    place: usize,
}

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Key, E> {
        Ok(self.keys.at(self.place, name))
    }
}

impl<'de> Deserialize<'de> for Entry<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        EntrySeed(&mut Keys::default()).deserialize(deserializer)
    }
}

/// Reads an [`Entry`], one of many.
pub struct EntrySeed<'k>(pub &'k mut Keys);

impl<'de> DeserializeSeed<'de> for EntrySeed<'_> {
    type Value = Entry<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Entry<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for EntrySeed<'_> {
    type Value = Entry<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Entry<'de>, A::Error> {
        let (mut entry, mut place) = (Entry::default(), 0);
        let keys = self.0;
        while let Some(key) = members.next_key_seed(KeySeed { keys, place })? {
            place += 1;
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
