//! One record of an XML export → its text per field: a SOAP `Entity`, or a `result` of FetchXML.
//!
//! Names are matched without their prefixes. A value has parts, which become columns of the usual names: the id, name and
//! type of a reference `objectid` are `objectid`, `objectidname` and `objectid_entitytype`, and [`field_of`] knows those.
//! A formatted value is a name or a label, never a time. Only the five predefined entities and character references are
//! read; no other entity is ever expanded, and nothing here recurses.

use super::Dialect;
use crate::ingest::fields::{Field, field_of};
use crate::ingest::normalize::{Fault, Raw, fault};
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Error, Reader, XmlVersion};
use std::borrow::Cow;

/// How deep elements may be nested in a record.
const MAX_DEPTH: usize = 128;

/// No comment or CDATA section is longer: it bounds how far one that is not closed can reach. Dataverse's longest text
/// has as many characters.
pub const MAX_SECTION_BYTES: usize = 1 << 20;

/// Why a record or a tag could not be read.
#[derive(Debug, PartialEq, Eq)]
pub enum Halt {
    /// The bytes end inside something that may go on in the next block.
    Unfinished,
    /// These bytes are no XML here.
    Broken(Fault),
}

pub fn broken(sentence: impl Into<String>) -> Halt {
    Halt::Broken(fault("syntax", sentence))
}

/// Reads the record that `bytes` begin with; gives its length too.
pub fn read(bytes: &[u8], dialect: Dialect) -> Result<(Raw<'_>, usize), Halt> {
    let mut size = MAX_SECTION_BYTES;
    loop {
        // What is not closed is looked for further and further away, so that a broken record does not read all of a block.
        let part = &bytes[..bytes.len().min(size)];
        let read = match dialect {
            Dialect::Soap => soap(part),
            Dialect::Fetch => fetch(part),
        };
        match read {
            Err(Halt::Unfinished) if part.len() < bytes.len() => size *= 2,
            done => return done,
        }
    }
}

/// The values of a record. Where several say the same field, the better one counts, and of equal ones the last.
#[derive(Default)]
struct Values<'a>(Vec<(Rank, Field, Cow<'a, str>)>);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// The id of the entity, beside its attributes.
    Outer,
    Formatted,
    Attribute,
}

impl<'a> Values<'a> {
    fn add(&mut self, rank: Rank, column: &str, part: &str, text: Cow<'a, str>) {
        // `alias.column` is a column of a linked table.
        if text.is_empty() || column.contains('.') {
            return;
        }
        let field = match part {
            "" => field_of(column),
            part => field_of(&format!("{column}{part}")),
        };
        self.0.extend(field.map(|field| (rank, field, text)));
    }

    fn into_raw(mut self) -> Raw<'a> {
        self.0.sort_by_key(|(rank, ..)| *rank);
        let mut raw = Raw::default();
        for (_, field, text) in self.0 {
            raw.set(field, text);
        }
        raw
    }
}

/// What the parts of a value are called, behind the name of its column.
const ITSELF: &str = "";
const NAME: &str = "name";
const TYPE: &str = "_entitytype";

/// Which part of a value an element below `value` gives.
fn part_of(path: &[&[u8]]) -> Option<&'static str> {
    match path {
        [] | [b"Value"] | [b"Id"] => Some(ITSELF),
        [b"Name"] => Some(NAME),
        [b"LogicalName"] => Some(TYPE),
        // An AliasedValue holds any other value in its own `Value`.
        [b"Value", inner @ ..] if inner.len() == 1 => part_of(inner),
        _ => None,
    }
}

fn soap(bytes: &[u8]) -> Result<(Raw<'_>, usize), Halt> {
    let mut values = Values::default();
    let (mut key, mut parts) = (Cow::Borrowed(""), Vec::new());
    let (mut id, mut table) = (Cow::Borrowed(""), Cow::Borrowed("audit"));
    let length = walk(bytes, |path, leaf| {
        match (path, leaf) {
            ([b"Attributes" | b"FormattedValues", _, b"key"], Some(leaf)) => key = leaf.text,
            ([b"Attributes", _, b"value", inner @ ..], Some(leaf)) => {
                parts.extend(part_of(inner).map(|part| (Rank::Attribute, part, leaf.text)));
            }
            ([b"FormattedValues", _, b"value"], Some(leaf)) => parts.push((Rank::Formatted, NAME, leaf.text)),
            ([b"Attributes" | b"FormattedValues", _], _) => {
                let column = std::mem::take(&mut key);
                for (rank, part, text) in parts.drain(..) {
                    values.add(rank, column.trim(), part, text);
                }
            }
            ([b"Id"], Some(leaf)) => id = leaf.text,
            ([b"LogicalName"], Some(leaf)) => table = leaf.text,
            _ => {}
        }
        Ok(())
    })?;
    // Rows without a key of their own, as of a distinct query, have an id of zeros.
    if id.bytes().any(|byte| byte.is_ascii_hexdigit() && byte != b'0') {
        values.add(Rank::Outer, &format!("{}id", table.trim()), ITSELF, id);
    }
    Ok((values.into_raw(), length))
}

fn fetch(bytes: &[u8]) -> Result<(Raw<'_>, usize), Halt> {
    let mut values = Values::default();
    let length = walk(bytes, |path, leaf| {
        let (&[_], Some(Leaf { tag, mut text })) = (path, leaf) else {
            return Ok(());
        };
        let column = tag.local_name();
        let column = column.as_ref();
        let is_choice = matches!(field_of(column), Some(Field::Action | Field::Operation));
        for attribute in tag.attributes().with_checks(false) {
            let attribute = attribute.map_err(|cause| broken(format!("not valid XML: {cause}")))?;
            let value = || {
                let value = attribute.normalized_value(XmlVersion::Implicit1_0);
                value.map_err(|cause| broken(format!("not valid XML: {cause}")))
            };
            match attribute.key.local_name().as_ref() {
                "name" => values.add(Rank::Attribute, column, NAME, Cow::Owned(value()?.into_owned())),
                "type" => values.add(Rank::Attribute, column, TYPE, Cow::Owned(value()?.into_owned())),
                // Where the text is a label, its number stands here.
                "formattedvalue" if is_choice && !is_number(&text) => {
                    let number = value()?;
                    if is_number(&number) {
                        let label = std::mem::replace(&mut text, Cow::Owned(number.into_owned()));
                        values.add(Rank::Formatted, column, NAME, label);
                    }
                }
                _ => {}
            }
        }
        values.add(Rank::Attribute, column, ITSELF, text);
        Ok(())
    })?;
    Ok((values.into_raw(), length))
}

fn is_number(text: &str) -> bool {
    text.trim().parse::<i32>().is_ok()
}

/// An element without elements in it.
struct Leaf<'a> {
    tag: BytesStart<'a>,
    text: Cow<'a, str>,
}

/// Shows every element of the record, when it ends, with its path below the record; gives the record's length.
fn walk<'a>(
    bytes: &'a [u8],
    mut visit: impl FnMut(&[&'a [u8]], Option<Leaf<'a>>) -> Result<(), Halt>,
) -> Result<usize, Halt> {
    let mut reader = Reader::from_reader(bytes);
    reader.config_mut().allow_dangling_amp = true;
    let mut path: Vec<&[u8]> = Vec::new();
    let mut leaf: Option<Leaf<'a>> = None;
    loop {
        let start = reader.buffer_position() as usize;
        let event = reader.read_event().map_err(|cause| halt_of(&cause, bytes, start))?;
        let end = reader.buffer_position() as usize;
        let token = &bytes[start..end];
        if memchr::memchr(b'<', token.get(1..).unwrap_or_default()).is_some() && !is_section(token) {
            return Err(broken("a tag is not closed before the next one begins"));
        }
        match event {
            Event::Start(tag) => {
                enter(&mut path, token)?;
                leaf = Some(Leaf { tag, text: "".into() });
            }
            Event::Empty(_) if path.is_empty() => return Ok(end),
            Event::Empty(tag) => {
                enter(&mut path, token)?;
                visit(&path[1..], Some(Leaf { tag, text: "".into() }))?;
                path.pop();
                leaf = None;
            }
            Event::End(_) => {
                if path.len() == 1 {
                    return Ok(end);
                }
                visit(&path[1..], leaf.take())?;
                path.pop();
            }
            Event::Text(text) if text.contains('&') => {
                return Err(match end == bytes.len() {
                    true => Halt::Unfinished,
                    false => broken("`&` begins no reference"),
                });
            }
            Event::Text(text) => append(&mut leaf, text.xml10_content())?,
            Event::CData(_) | Event::Comment(_) if token.len() > MAX_SECTION_BYTES => return Err(section_too_long()),
            Event::CData(text) => append(&mut leaf, text.xml10_content())?,
            Event::GeneralRef(reference) => append(&mut leaf, resolve(&reference)?)?,
            Event::Comment(_) | Event::PI(_) => {}
            Event::Decl(_) | Event::DocType(_) => return Err(broken("a new document begins inside this record")),
            Event::Eof => return Err(Halt::Unfinished),
        }
    }
}

/// Goes into an element: not too deep, and into a record only in a list that an attribute holds.
fn enter<'a>(path: &mut Vec<&'a [u8]>, tag: &'a [u8]) -> Result<(), Halt> {
    let name = super::local_name(&tag[1..]);
    if path.len() >= MAX_DEPTH {
        return Err(broken(format!("elements are nested deeper than {MAX_DEPTH}")));
    }
    if Dialect::of(name).is_some() && path.last().is_some_and(|parent| *parent != b"Entities") {
        return Err(broken("the next record begins inside this one"));
    }
    path.push(name);
    Ok(())
}

fn append<'a>(leaf: &mut Option<Leaf<'a>>, more: Cow<'a, str>) -> Result<(), Halt> {
    let Some(leaf) = leaf else {
        return Ok(());
    };
    if leaf.text.is_empty() {
        leaf.text = more;
    } else {
        leaf.text.to_mut().push_str(&more);
    }
    Ok(())
}

fn resolve(reference: &BytesRef<'_>) -> Result<Cow<'static, str>, Halt> {
    match reference.resolve_char_ref() {
        Ok(Some(character)) => Ok(Cow::Owned(character.to_string())),
        Ok(None) => resolve_predefined_entity(reference).map(Cow::Borrowed).ok_or_else(|| {
            broken(format!(
                "`&{};` is none of the five predefined entities; others are never expanded",
                reference.as_ref()
            ))
        }),
        Err(cause) => Err(broken(format!("not valid XML: {cause}"))),
    }
}

/// Whether these bytes are, or may become, a comment or a CDATA section, in which a `<` is text.
pub fn is_section(bytes: &[u8]) -> bool {
    [&b"<!--"[..], b"<![CDATA["].iter().any(|open| {
        let length = open.len().min(bytes.len());
        length > 1 && bytes[..length] == open[..length]
    })
}

pub fn section_too_long() -> Halt {
    broken("a comment or CDATA section does not end within 1 MiB")
}

/// What an error in the token at `start` means.
fn halt_of(cause: &Error, bytes: &[u8], start: usize) -> Halt {
    let rest = &bytes[start..];
    match cause {
        Error::Syntax(_) if is_section(rest) && rest.len() > MAX_SECTION_BYTES => section_too_long(),
        Error::Syntax(_) if is_section(rest) => Halt::Unfinished,
        Error::Syntax(_) if memchr::memchr(b'<', &rest[1.min(rest.len())..]).is_some() => {
            broken("a tag is not closed before the next one begins")
        }
        Error::Syntax(quick_xml::errors::SyntaxError::InvalidBangMarkup) if rest.len() > 2 => {
            broken(format!("not valid XML: {cause}"))
        }
        Error::Syntax(_) => Halt::Unfinished,
        Error::Encoding(_) => match std::str::from_utf8(bytes) {
            Err(place) if place.error_len().is_none() => Halt::Unfinished,
            _ => Halt::Broken(fault("encoding", format!("not valid UTF-8: {cause}"))),
        },
        _ => broken(format!("not valid XML: {cause}")),
    }
}
