//! One record of an XML export → its text per field: a SOAP `Entity`, or a `result` of FetchXML.
//!
//! Names are matched without their prefixes. A value has parts, which become columns of the usual names: the id, name and
//! type of a reference `objectid` are `objectid`, `objectidname` and `objectid_entitytype`, and [`field_of`] knows those.
//! A formatted value is a name or a label, never a time. Only the five predefined entities and character references are
//! read; no other entity is ever expanded, and nothing here recurses.

use super::Dialect;
use super::token::{Halt, Tokens, broken, local_name};
use crate::ingest::fields::{Field, field_of};
use crate::ingest::normalize::fault;
use crate::ingest::raw::Raw;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Error, Reader, XmlVersion};
use std::borrow::Cow;

/// How deep elements may be nested in a record.
const MAX_DEPTH: usize = 128;

/// The end of a record, or where it cannot be read any further and why.
type Reached<T> = Result<T, (usize, Halt)>;

/// Reads the record that begins at `start` and must end at `limit` at most; says where it ends, too.
pub fn read<'a>(
    bytes: &'a [u8],
    start: usize,
    limit: usize,
    dialect: Dialect,
    tokens: &mut Tokens<'_>,
) -> Reached<(Raw<'a>, usize)> {
    let walk = Walk {
        bytes: &bytes[..limit],
        start,
        tokens,
    };
    match dialect {
        Dialect::Soap => soap(walk),
        Dialect::Fetch => fetch(walk),
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

fn soap<'a>(walk: Walk<'a, '_, '_>) -> Reached<(Raw<'a>, usize)> {
    let mut values = Values::default();
    let (mut key, mut parts) = (Cow::Borrowed(""), Vec::new());
    let (mut id, mut table) = (Cow::Borrowed(""), Cow::Borrowed("audit"));
    let end = walk.run(|path, leaf| {
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
    Ok((values.into_raw(), end))
}

fn fetch<'a>(walk: Walk<'a, '_, '_>) -> Reached<(Raw<'a>, usize)> {
    let mut values = Values::default();
    let end = walk.run(|path, leaf| {
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
    Ok((values.into_raw(), end))
}

fn is_number(text: &str) -> bool {
    text.trim().parse::<i32>().is_ok()
}

/// An element without elements in it.
struct Leaf<'a> {
    tag: BytesStart<'a>,
    text: Cow<'a, str>,
}

/// The way through one record.
struct Walk<'a, 't, 'b> {
    bytes: &'a [u8],
    start: usize,
    tokens: &'t mut Tokens<'b>,
}

impl<'a> Walk<'a, '_, '_> {
    /// Shows every element of the record, when it ends, with its path below the record; says where the record ends.
    fn run(self, mut visit: impl FnMut(&[&'a [u8]], Option<Leaf<'a>>) -> Result<(), Halt>) -> Reached<usize> {
        let mut reader = Reader::from_reader(&self.bytes[self.start..]);
        reader.config_mut().allow_dangling_amp = true;
        let mut path: Vec<&[u8]> = Vec::new();
        let mut leaf: Option<Leaf<'a>> = None;
        loop {
            let at = self.start + reader.buffer_position() as usize;
            let mut step = || {
                if self.bytes.get(at) == Some(&b'<') {
                    self.tokens.end(at, self.bytes.len())?;
                }
                let event = reader
                    .read_event()
                    .map_err(|cause| halt_of(&cause, &self.bytes[self.start..]))?;
                let end = self.start + reader.buffer_position() as usize;
                match event {
                    Event::Start(tag) => {
                        enter(&mut path, &self.bytes[at..end])?;
                        leaf = Some(Leaf { tag, text: "".into() });
                    }
                    Event::Empty(_) if path.is_empty() => return Ok(Some(end)),
                    Event::Empty(tag) => {
                        enter(&mut path, &self.bytes[at..end])?;
                        visit(&path[1..], Some(Leaf { tag, text: "".into() }))?;
                        path.pop();
                        leaf = None;
                    }
                    Event::End(_) if path.len() == 1 => return Ok(Some(end)),
                    Event::End(_) => {
                        visit(&path[1..], leaf.take())?;
                        path.pop();
                    }
                    Event::Text(text) if text.contains('&') && end == self.bytes.len() => return Err(Halt::Unfinished),
                    Event::Text(text) if text.contains('&') => return Err(broken("`&` begins no reference")),
                    Event::Text(text) => append(&mut leaf, text.xml10_content())?,
                    Event::CData(text) => append(&mut leaf, text.xml10_content())?,
                    Event::GeneralRef(reference) => append(&mut leaf, resolve(&reference)?)?,
                    Event::Comment(_) | Event::PI(_) => {}
                    Event::Decl(_) | Event::DocType(_) => {
                        return Err(broken("a new document begins inside this record"));
                    }
                    Event::Eof => return Err(Halt::Unfinished),
                }
                Ok(None)
            };
            match step() {
                Ok(None) => {}
                Ok(Some(end)) => return Ok(end),
                Err(halt) => return Err((at, halt)),
            }
        }
    }
}

/// Goes into an element: not too deep, and into a record only in a list that an attribute holds.
fn enter<'a>(path: &mut Vec<&'a [u8]>, tag: &'a [u8]) -> Result<(), Halt> {
    let name = local_name(&tag[1..]);
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
    if more
        .bytes()
        .any(|byte| byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r'))
    {
        return Err(broken("a control character stands in a text"));
    }
    match leaf {
        Some(leaf) if leaf.text.is_empty() => leaf.text = more,
        Some(leaf) => leaf.text.to_mut().push_str(&more),
        None => {}
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

/// What an error of the reader means in a record that `bytes` begin with. Its tokens are known to end.
fn halt_of(cause: &Error, bytes: &[u8]) -> Halt {
    match cause {
        Error::Encoding(_) => match std::str::from_utf8(bytes) {
            Err(place) if place.error_len().is_none() => Halt::Unfinished,
            _ => Halt::Broken(fault("encoding", format!("not valid UTF-8: {cause}"))),
        },
        _ => broken(format!("not valid XML: {cause}")),
    }
}
