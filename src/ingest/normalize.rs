//! Raw values → [`Record`], purely: the same raw row gives the same record or the same reject code, wherever it came from.
//!
//! `NULL`, `nan` and the empty text are null. GUIDs are lower-cased and lose their braces. An integer action wins over
//! its label; a label is understood in English, in any spelling. What cannot be understood is a [`Fault`], not a guess.

use super::fields::{Field, plain};
use super::raw::Raw;
use crate::instant::{self, DateOrder};
use crate::record::{ACTIONS, Kind, NAME_ONLY, OPERATIONS, Record};
use chrono_tz::Tz;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

/// Why a record was rejected. The codes are stable; the README lists them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub code: &'static str,
    pub sentence: String,
}

pub fn fault(code: &'static str, sentence: impl Into<String>) -> Fault {
    Fault {
        code,
        sentence: sentence.into(),
    }
}

/// Understands a raw row. `zone` is the zone of times that carry none, `order` that of dates as people spell them.
///
/// The record's texts are those of the row; what the lake spells in another way, or makes up, is put into it first.
pub fn normalize<'r>(raw: &'r mut Raw<'_>, zone: Tz, order: Option<DateOrder>) -> Result<Record<'r>, Fault> {
    let created_on = created_on(raw, zone, order)?;
    let action = action(raw)?;
    respell(raw);
    name_people(raw, action);
    let raw = &*raw;
    Ok(Record {
        audit_id: raw.get(Field::AuditId),
        created_on,
        action,
        operation: operation(raw)?,
        object_type: raw.get(Field::ObjectType),
        object_id: raw.get(Field::ObjectId),
        object_name: raw.get(Field::ObjectName),
        user_id: raw.get(Field::UserId),
        user_name: raw.get(Field::UserName),
        calling_user_id: raw.get(Field::CallingUserId),
        calling_user_name: raw.get(Field::CallingUserName),
        transaction_id: raw.get(Field::TransactionId),
        attribute_mask: raw.get(Field::AttributeMask),
        change_data: raw.get(Field::ChangeData),
        additional_info: raw.get(Field::AdditionalInfo),
        user_additional_info: raw.get(Field::UserAdditionalInfo),
        regarding_object_id: raw.get(Field::RegardingObjectId),
        regarding_object_name: raw.get(Field::RegardingObjectName),
        version_number: integer(raw, Field::VersionNumber, "versionnumber")?,
        time_to_live_s: integer(raw, Field::TimeToLive, "timetoliveinseconds")?,
        deleted_in_source: raw.get(Field::IsDelete).is_some_and(is_true),
        sink_modified_on: sink_modified_on(raw),
    })
}

/// Fields of which the lake has one spelling, if they hold GUIDs.
const IDS: [Field; 6] = [
    Field::AuditId,
    Field::ObjectId,
    Field::UserId,
    Field::CallingUserId,
    Field::TransactionId,
    Field::RegardingObjectId,
];

/// Spells ids and tables as the lake does, and takes them from where else they may stand.
fn respell(raw: &mut Raw<'_>) {
    // Databases on-premises, which number their tables, have one letter of room for an object's name: it says nothing.
    let is_numbered = raw
        .get(Field::ObjectType)
        .is_some_and(|table| whole_number(table).is_some());
    if is_numbered
        && raw
            .get(Field::ObjectName)
            .is_some_and(|name| name.chars().nth(1).is_none())
    {
        raw.forget(Field::ObjectName);
    }
    for (field, other) in [
        (Field::ObjectType, Field::ObjectIdTarget),
        (Field::AuditId, Field::RowId),
    ] {
        if raw.get(field).is_none()
            && let Some(text) = raw.take(other)
        {
            raw.set(field, text);
        }
    }
    if let Some(table) = raw.get(Field::ObjectType).and_then(table_name) {
        raw.set(Field::ObjectType, table);
    }
    // Every row has several, so none gets a branch of its own.
    let ids = IDS.into_iter().filter_map(|field| raw.get(field));
    if ids.fold(false, |any, id| any | may_be_respelled(id)) {
        respell_ids(raw);
    }
}

#[inline(never)]
fn respell_ids(raw: &mut Raw<'_>) {
    for field in IDS {
        if let Some(id) = raw.get(field).and_then(respelled_guid) {
            raw.set(field, Cow::Owned(id));
        }
    }
}

/// Some tools export display names without ids. A stable id made from the name keeps such people apart from null: that
/// of the user on any row, that of the object where it is the person who accessed.
fn name_people(raw: &mut Raw<'_>, action: i32) {
    let table = raw.get(Field::ObjectType);
    let is_person = Kind::of(action) == Kind::Access && table.is_none_or(|table| table == "systemuser");
    for (id, name, is_person) in [
        (Field::ObjectId, Field::ObjectName, is_person),
        (Field::UserId, Field::UserName, true),
    ] {
        let Some(text) = raw.get(name) else { continue };
        if is_blank(text) {
            raw.forget(name);
        } else if is_person && raw.get(id).is_none() {
            let made_up = format!("{NAME_ONLY}{}", text.trim());
            raw.set(id, Cow::Owned(made_up));
        }
    }
}

fn is_blank(name: &str) -> bool {
    !name.starts_with(|sign: char| sign.is_ascii_graphic()) && name.trim().is_empty()
}

/// The id of a row of which only is said that the source has deleted it.
pub fn deleted_id<'r>(raw: &'r Raw<'_>) -> Option<Cow<'r, str>> {
    let is_deleted = raw.get(Field::IsDelete).is_some_and(is_true);
    if !is_deleted || raw.get(Field::CreatedOn).is_some() {
        return None;
    }
    let id = raw.get(Field::AuditId).or_else(|| raw.get(Field::RowId));
    id.map(|id| guid(Cow::Borrowed(id)))
}

fn created_on(raw: &Raw<'_>, zone: Tz, order: Option<DateOrder>) -> Result<i64, Fault> {
    let ordered = |text: &str, zone| order.and_then(|order| instant::parse_ordered(text, order, zone));
    let read = |text: &str, zone| {
        instant::parse(text, zone)
            .or_else(|| instant::parse(text.trim(), zone))
            .or_else(|| ordered(text, zone))
            .ok_or_else(|| {
                fault(
                    "created-on-invalid",
                    format!("createdon {text:?} is not a time gatelog knows"),
                )
            })
    };
    match (raw.get(Field::CreatedOn), raw.get(Field::CreatedOnUtc)) {
        (Some(text), _) => read(text, zone),
        (None, Some(text)) => read(text, Tz::UTC),
        _ if raw.get(Field::CreatedOnFormatted).is_some() => Err(fault(
            "created-on-missing",
            "createdon exists only as formatted local time, which has no zone",
        )),
        _ => Err(fault("created-on-missing", "createdon is missing")),
    }
}

/// The first of the fields whose text is a number, and that number, else the first that has a text: a code wins over
/// any label.
#[inline(always)]
fn code_first<'r, const N: usize>(raw: &'r Raw<'_>, fields: [Field; N]) -> Option<(&'r str, Option<i64>)> {
    let mut label = None;
    for text in fields.into_iter().filter_map(|field| raw.get(field)) {
        match whole_number(text) {
            Some(number) => return Some((text, Some(number))),
            None => label = label.or(Some((text, None))),
        }
    }
    label
}

fn action(raw: &Raw<'_>) -> Result<i32, Fault> {
    let Some((text, number)) = code_first(raw, [Field::ActionId, Field::Action, Field::ActionLabel]) else {
        return Err(fault("action-missing", "action is missing"));
    };
    code(text, number, &ACTION_LABELS).ok_or_else(|| {
        fault(
            "action-invalid",
            format!("action {text:?} is neither a number nor a known English label"),
        )
    })
}

fn operation(raw: &Raw<'_>) -> Result<Option<i32>, Fault> {
    match code_first(raw, [Field::OperationId, Field::Operation]) {
        Some((text, number)) => code(text, number, &OPERATION_LABELS).map(Some).ok_or_else(|| {
            fault(
                "number-invalid",
                format!("operation {text:?} is neither a number nor a known English label"),
            )
        }),
        // A label beside a missing code may be in any language: not knowing it costs nothing.
        None => Ok(raw
            .get(Field::OperationLabel)
            .and_then(|text| code(text, whole_number(text), &OPERATION_LABELS))),
    }
}

type Labels = LazyLock<HashMap<String, i32>>;

/// That of a text, which is a number (`64`, `64.0`) or a label.
#[inline]
fn code(text: &str, number: Option<i64>, labels: &Labels) -> Option<i32> {
    number
        .and_then(|number| i32::try_from(number).ok())
        .or_else(|| labels.get(&plain(text)).copied())
}

/// A whole number, also one that a data frame turned into a float.
#[inline]
pub fn whole_number(text: &str) -> Option<i64> {
    // Labels, and the codes of nearly all exports.
    match text.as_bytes() {
        [first, ..] if first.is_ascii_alphabetic() => None,
        [one @ b'0'..=b'9'] => Some(i64::from(one - b'0')),
        [ten @ b'0'..=b'9', one @ b'0'..=b'9'] => Some(i64::from(ten - b'0') * 10 + i64::from(one - b'0')),
        _ => long_number(text),
    }
}

/// The same of any text.
fn long_number(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if let 1..19 = bytes.len() {
        let next = |number, digit: &u8| digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0'));
        let number = bytes.iter().try_fold(0, next);
        if number.is_some() {
            return number;
        }
    }
    let text = text.trim();
    let whole = match text.split_once('.') {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|b| b == b'0') => whole,
        Some(_) => return None,
        None => text,
    };
    whole.parse().ok()
}

pub fn integer<T: TryFrom<i64>>(raw: &Raw<'_>, field: Field, name: &str) -> Result<Option<T>, Fault> {
    raw.get(field)
        .map(|text| {
            whole_number(text)
                .and_then(|number| T::try_from(number).ok())
                .ok_or_else(|| {
                    fault(
                        "number-invalid",
                        format!("{name} {text:?} is not a whole number in range"),
                    )
                })
        })
        .transpose()
}

/// A time that cannot be read only means that versions of equal number are taken in the order in which they come.
fn sink_modified_on(raw: &Raw<'_>) -> Option<i64> {
    let text = raw.get(Field::SinkModifiedOn)?;
    instant::parse_sink(text).or_else(|| instant::parse_sink(text.trim()))
}

fn is_true(text: &str) -> bool {
    text.eq_ignore_ascii_case("true") || text == "1"
}

/// Lower-cases a GUID and strips its braces; a value that is no GUID is kept as it is.
pub fn guid(value: Cow<'_, str>) -> Cow<'_, str> {
    respelled_guid(&value).map_or(value, Cow::Owned)
}

/// A GUID without capitals and braces, if it has some.
fn respelled_guid(value: &str) -> Option<String> {
    if !may_be_respelled(value) {
        return None;
    }
    let inner = match value.len() {
        BRACED_BYTES => value.strip_prefix('{')?.strip_suffix('}')?,
        _ => value,
    };
    is_guid(inner).then(|| inner.to_ascii_lowercase())
}

const GUID_BYTES: usize = 36;
const BRACED_BYTES: usize = GUID_BYTES + 2;

/// Whether it is as long as a GUID, and not spelled as nearly all exports do.
#[inline]
fn may_be_respelled(value: &str) -> bool {
    match value.as_bytes().try_into() {
        Ok(guid) => has_capital(guid),
        Err(_) => value.len() == BRACED_BYTES,
    }
}

/// Whether there may be a capital letter.
#[inline]
fn has_capital(text: &[u8; GUID_BYTES]) -> bool {
    let (words, _) = text.as_chunks();
    let capitals = words.iter().fold(0, |capitals, word| {
        let word = u32::from_le_bytes(*word);
        // Letters have the bit of 0x40, small ones that of 0x20 too.
        capitals | (word & !(word << 1))
    });
    capitals & 0x4040_4040 != 0
}

/// In whatever case.
fn is_guid(text: &str) -> bool {
    let is_right = |(place, byte): (usize, &u8)| match place {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    text.len() == GUID_BYTES && text.as_bytes().iter().enumerate().all(is_right)
}

/// The logical name of a table, if it is spelled otherwise. On-premises exports give the numeric object type code instead.
/// Tools write a table's display name.
fn table_name(value: &str) -> Option<Cow<'static, str>> {
    match whole_number(value) {
        None if value.eq_ignore_ascii_case("user") => Some("systemuser".into()),
        None if value.eq_ignore_ascii_case("organization") => Some("organization".into()),
        None => None,
        Some(8) => Some("systemuser".into()),
        Some(1019) => Some("organization".into()),
        Some(number) => Some(number.to_string().into()).filter(|name| name != value),
    }
}

static ACTION_LABELS: Labels = LazyLock::new(|| {
    let other_spellings = [
        ("Access via Web", 64),
        ("Access via Web Services", 65),
        ("Audit Started", 112),
        ("Audit Stopped", 113),
        ("Audit Change At Organization Level", 104),
        ("IPFirewallAcesDenied", 118),
        ("IPFirewallAccesDenied", 118),
        ("IPFirewallAcccesDenied", 118),
        ("IPFirewallAcesAllowed", 119),
        ("IPFirewallAccesAllowed", 119),
        ("IPFirewallAcccesAllowed", 119),
    ];
    let known = ACTIONS.iter().map(|&(code, label)| (plain(label), code));
    known
        .chain(other_spellings.map(|(label, code)| (plain(label), code)))
        .collect()
});

static OPERATION_LABELS: Labels =
    LazyLock::new(|| OPERATIONS.iter().map(|&(code, label)| (plain(label), code)).collect());

#[cfg(test)]
mod tests;
