//! Staged rows, each a few bytes in a row of bytes: what parsing makes and sorting moves.
//!
//! A row is moved, compared and spilled often before it becomes columns, and most of its columns are null or say again
//! what another says. So a row is one stretch of bytes:
//!
//! ```text
//! created_on · flags · action · [operation] [version_number] [time_to_live_s] [sink_modified_on] · texts
//! ```
//!
//! The flags say for each [`TextColumn`] in two bits how its text is held: not at all (null), as a [`Guid`], as bytes
//! behind their length, or *implied* ([`implied`]). The actor is told from object and user when columns are made.

use super::guid::Guid;
use super::identity::{self, Identity, Seed};
use super::revise::Rank;
use super::spill::array;
use super::text::{TEXT_COLUMNS, Text, TextColumn};
use crate::record::{Kind, Record};
use std::num::NonZero;
use std::ops::Range;
use std::sync::Arc;

/// How a text is held, as two bits say it.
const NULL: u64 = 0;
const GUID: u64 = 1;
const BYTES: u64 = 2;
const IMPLIED: u64 = 3;

/// What a column most often says when it is not null.
enum Implied {
    Nothing,
    /// What another column says, one before it.
    Same(TextColumn),
    Text(&'static str),
    Zero,
}

const ZERO_GUID: &str = "00000000-0000-0000-0000-000000000000";

const IMPLIED_BY: [Implied; TEXT_COLUMNS] = {
    let mut implied = [const { Implied::Nothing }; TEXT_COLUMNS];
    implied[TextColumn::ObjectType as usize] = Implied::Text("systemuser");
    implied[TextColumn::UserId as usize] = Implied::Same(TextColumn::ObjectId);
    implied[TextColumn::UserName as usize] = Implied::Same(TextColumn::ObjectName);
    implied[TextColumn::CallingUserId as usize] = Implied::Same(TextColumn::UserId);
    implied[TextColumn::CallingUserName as usize] = Implied::Same(TextColumn::UserName);
    implied[TextColumn::TransactionId as usize] = Implied::Zero;
    implied
};

/// As a record on its way says it.
fn implied_text<'r>(column: usize, texts: &[Option<&'r str>; TEXT_COLUMNS]) -> Option<&'r str> {
    match IMPLIED_BY[column] {
        Implied::Nothing => None,
        Implied::Same(other) => texts[other as usize],
        Implied::Text(text) => Some(text),
        Implied::Zero => Some(ZERO_GUID),
    }
}

/// As a row is read.
fn implied<'a>(column: usize, row: usize, texts: &Texts<'a>) -> Text<'a> {
    match IMPLIED_BY[column] {
        Implied::Nothing => Text::Null,
        Implied::Same(other) => texts.get(other, row),
        Implied::Text(text) => Text::Bytes(text.as_bytes()),
        Implied::Zero => Text::Guid(Guid::ZERO),
    }
}

/// Flags behind those of the texts.
const FLAGS: u32 = 2 * TEXT_COLUMNS as u32;
const HAS_OPERATION: u64 = 1 << FLAGS;
const HAS_VERSION: u64 = 2 << FLAGS;
const HAS_TIME_TO_LIVE: u64 = 4 << FLAGS;
const HAS_SINK_TIME: u64 = 8 << FLAGS;
const IS_DELETED: u64 = 16 << FLAGS;

/// `created_on`, flags and action.
const HEAD_BYTES: usize = 20;

/// A row, as far as it is of fixed size; its texts are read by [`Texts::of`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'a> {
    pub created_on: i64,
    pub action: i32,
    pub operation: Option<i32>,
    pub version_number: Option<i64>,
    pub time_to_live_s: Option<i32>,
    pub sink_modified_on: Option<i64>,
    pub is_deleted: bool,
    flags: u64,
    texts: &'a [u8],
}

/// The texts of some rows, column by column.
pub struct Texts<'a> {
    /// By [`TextColumn`]; nothing where all are null.
    columns: [Vec<Text<'a>>; TEXT_COLUMNS],
    /// What the flags of all rows have in common.
    common: u64,
}

impl<'a> Texts<'a> {
    pub fn of(rows: impl Iterator<Item = &'a Row<'a>> + Clone) -> Texts<'a> {
        let flags = rows.clone().map(|row| row.flags);
        let any = flags.clone().fold(0, |any, flags| any | flags);
        let mut texts = Texts {
            columns: [const { Vec::new() }; TEXT_COLUMNS],
            common: flags.fold(u64::MAX, |common, flags| common & flags),
        };
        // Column after column, since rows of a kind are much alike: what is left of each row follows beside.
        let mut rests: Vec<&[u8]> = rows.clone().map(|row| row.texts).collect();
        for column in (0..TEXT_COLUMNS).filter(|column| any >> (2 * column) & 3 != NULL) {
            let rows = rows.clone().zip(&mut rests).enumerate();
            let text = |(number, (row, rest)): (usize, (&Row<'a>, &mut &'a [u8]))| match row.flags >> (2 * column) & 3 {
                NULL => Text::Null,
                GUID => Text::Guid(Guid(taken(rest))),
                BYTES => Text::Bytes(taken_bytes(rest)),
                _ => implied(column, number, &texts),
            };
            texts.columns[column] = rows.map(text).collect();
        }
        texts
    }

    pub fn get(&self, column: TextColumn, row: usize) -> Text<'a> {
        self.columns[column as usize].get(row).copied().unwrap_or_default()
    }

    /// What a column says of each row; nothing if it is null for all of them.
    pub fn column(&self, column: usize) -> &[Text<'a>] {
        &self.columns[column]
    }

    /// What a column says of all rows, if it is the usual.
    pub fn usual(&self, column: usize) -> Option<Text<'a>> {
        let is_usual = self.common >> (2 * column) & 3 == IMPLIED;
        match IMPLIED_BY[column] {
            Implied::Text(_) | Implied::Zero if is_usual => self.columns[column].first().copied(),
            _ => None,
        }
    }
}

impl<'a> Row<'a> {
    /// Reads what [`Rows::push`] wrote.
    pub fn read(bytes: &'a [u8]) -> Row<'a> {
        let flags = u64::from_le_bytes(array(&bytes[8..]));
        let mut rest = &bytes[HEAD_BYTES..];
        let operation = (flags & HAS_OPERATION != 0).then(|| i32::from_le_bytes(taken(&mut rest)));
        let version_number = (flags & HAS_VERSION != 0).then(|| i64::from_le_bytes(taken(&mut rest)));
        let time_to_live_s = (flags & HAS_TIME_TO_LIVE != 0).then(|| i32::from_le_bytes(taken(&mut rest)));
        let sink_modified_on = (flags & HAS_SINK_TIME != 0).then(|| i64::from_le_bytes(taken(&mut rest)));
        Row {
            created_on: created_on(bytes),
            action: action(bytes),
            operation,
            version_number,
            time_to_live_s,
            sink_modified_on,
            is_deleted: flags & IS_DELETED != 0,
            flags,
            texts: rest,
        }
    }

    /// Whether a column says what it most often does ([`Implied`]).
    pub fn is_implied(&self, column: TextColumn) -> bool {
        self.flags >> (2 * column as u32) & 3 == IMPLIED
    }

    /// What rows of equal time are ordered by.
    pub fn audit_id(&self) -> Text<'a> {
        let mut rest = self.texts;
        match self.flags & 3 {
            GUID => Text::Guid(Guid(taken(&mut rest))),
            BYTES => Text::Bytes(taken_bytes(&mut rest)),
            _ => Text::Null,
        }
    }

    /// The first half of the id, if that is a GUID.
    pub fn id_start(&self) -> Option<NonZero<u64>> {
        match self.audit_id() {
            Text::Guid(guid) => NonZero::new(u64::from_be_bytes(array(&guid.0))),
            _ => None,
        }
    }

    /// Of a row that may be one of several versions. A version is found by its id, so a row without one has none.
    pub fn rank(&self) -> Option<Rank> {
        let written_on = self.sink_modified_on.filter(|_| self.flags & 3 != NULL)?;
        Some(Rank::new(!self.is_deleted, self.version_number, written_on))
    }
}

pub fn created_on(row: &[u8]) -> i64 {
    i64::from_le_bytes(array(row))
}

pub fn action(row: &[u8]) -> i32 {
    i32::from_le_bytes(array(&row[16..]))
}

fn taken<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let bytes = array(rest);
    *rest = rest.get(N..).unwrap_or_default();
    bytes
}

fn taken_bytes<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    // Most texts are short: their length is one byte, and 255 says that four more follow.
    let length = match taken(rest) {
        [u8::MAX] => u32::from_le_bytes(taken(rest)) as usize,
        [short] => usize::from(short),
    };
    let (bytes, behind) = rest.split_at(length);
    *rest = behind;
    bytes
}

fn put_bytes(bytes: &mut Vec<u8>, text: &[u8]) {
    match u8::try_from(text.len()) {
        Ok(short) if short < u8::MAX => bytes.push(short),
        _ => {
            bytes.push(u8::MAX);
            bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
        }
    }
    bytes.extend_from_slice(text);
}

/// What staging asks of a row, so that the row itself is not looked at for that.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Head {
    pub identity: Identity,
    pub created_on: i64,
    /// See [`Row::id_start`].
    pub id_start: Option<NonZero<u64>>,
    pub kind: Kind,
    /// Whether it has a [`Row::rank`].
    pub has_rank: bool,
}

impl Head {
    fn of(row: &Row<'_>, identity: Identity) -> Head {
        Head {
            identity,
            created_on: row.created_on,
            id_start: row.id_start(),
            kind: Kind::of(row.action),
            has_rank: row.rank().is_some(),
        }
    }
}

/// Rows in the order in which they came.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rows {
    bytes: Vec<u8>,
    /// Where each row ends.
    ends: Vec<usize>,
    heads: Vec<Head>,
    /// Environments, each from this row on.
    environments: Vec<(usize, Arc<str>)>,
    seed: Seed,
    /// First and last `created_on`.
    window: Option<(i64, i64)>,
}

impl Rows {
    /// Makes room for rows of so many bytes.
    pub fn reserve(&mut self, bytes: usize) {
        self.bytes.reserve(bytes);
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// First and last `created_on`.
    pub fn window(&self) -> Option<(i64, i64)> {
        self.window
    }

    /// Of each row, until they [`settle`](Rows::settle).
    pub fn heads(&self) -> &[Head] {
        &self.heads
    }

    /// How much memory the rows take.
    pub fn held_bytes(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * size_of::<usize>() + self.heads.capacity() * size_of::<Head>()
    }

    /// The bytes of a row, for [`Row::read`].
    pub fn row(&self, row: usize) -> &[u8] {
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[row]]
    }

    /// The rows of each environment, as they follow each other.
    pub fn environments(&self) -> impl Iterator<Item = (&Arc<str>, Range<usize>)> {
        self.environments
            .iter()
            .enumerate()
            .map(|(number, (from, environment))| {
                let end = self.environments.get(number + 1).map_or(self.len(), |next| next.0);
                (environment, *from..end)
            })
    }

    /// Lets go of the heads, once identities are claimed and the rows wait to be sorted, and gives their room. Some room
    /// stays for the rest, so that the next rows that come here need no more.
    pub fn settle(&mut self) -> Vec<Head> {
        self.bytes.shrink_to(self.bytes.len() / 8 * 9);
        self.ends.shrink_to(self.ends.len() / 8 * 9);
        std::mem::take(&mut self.heads)
    }

    /// No rows, with the room of these and of heads.
    pub fn emptied(mut self, mut heads: Vec<Head>) -> Rows {
        self.bytes.clear();
        self.ends.clear();
        heads.clear();
        Rows {
            bytes: self.bytes,
            ends: self.ends,
            heads,
            ..Rows::default()
        }
    }

    pub fn append(&mut self, other: Rows) {
        let (rows, bytes) = (self.len(), self.bytes.len());
        self.bytes.extend_from_slice(&other.bytes);
        self.ends.extend(other.ends.iter().map(|end| bytes + end));
        self.heads.extend(other.heads);
        for (from, environment) in other.environments {
            self.enter(&environment, rows + from);
        }
        self.window = match (self.window, other.window) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (a, b) => a.or(b),
        };
    }

    fn enter(&mut self, environment: &str, row: usize) {
        if self.environments.last().is_none_or(|(_, last)| **last != *environment) {
            self.environments.push((row, environment.into()));
            self.seed = Seed::of(environment);
        }
    }

    pub fn push(&mut self, record: &Record<'_>, environment: &str) {
        self.enter(environment, self.len());
        let on = record.created_on;
        self.window = Some(
            self.window
                .map_or((on, on), |(first, last)| (first.min(on), last.max(on))),
        );
        let head = self.bytes.len();
        self.bytes.extend_from_slice(&on.to_le_bytes());
        self.bytes.extend_from_slice(&[0; 8]);
        self.bytes.extend_from_slice(&record.action.to_le_bytes());
        let mut flags = self.put_numbers(record);
        let texts = texts_of(record);
        let implied = std::array::from_fn::<_, TEXT_COLUMNS, _>(|column| implied_text(column, &texts));
        for (column, (text, implied)) in texts.into_iter().zip(implied).enumerate() {
            let Some(text) = text else { continue };
            let held = if Some(text) == implied {
                IMPLIED
            } else if let Some(guid) = Guid::of(text.as_bytes()) {
                self.bytes.extend_from_slice(&guid.0);
                GUID
            } else {
                put_bytes(&mut self.bytes, text.as_bytes());
                BYTES
            };
            flags |= held << (2 * column);
        }
        self.bytes[head + 8..head + 16].copy_from_slice(&flags.to_le_bytes());
        let identity = identity::of_record(record, self.seed);
        self.heads.push(Head::of(&Row::read(&self.bytes[head..]), identity));
        self.ends.push(self.bytes.len());
    }

    /// Puts the numbers that are known; says which.
    fn put_numbers(&mut self, record: &Record<'_>) -> u64 {
        let mut flags = if record.deleted_in_source { IS_DELETED } else { 0 };
        if let Some(operation) = record.operation {
            self.bytes.extend_from_slice(&operation.to_le_bytes());
            flags |= HAS_OPERATION;
        }
        if let Some(version) = record.version_number {
            self.bytes.extend_from_slice(&version.to_le_bytes());
            flags |= HAS_VERSION;
        }
        if let Some(seconds) = record.time_to_live_s {
            self.bytes.extend_from_slice(&seconds.to_le_bytes());
            flags |= HAS_TIME_TO_LIVE;
        }
        if let Some(on) = record.sink_modified_on {
            self.bytes.extend_from_slice(&on.to_le_bytes());
            flags |= HAS_SINK_TIME;
        }
        flags
    }
}

/// In the order of [`TextColumn`].
fn texts_of<'r>(record: &'r Record<'_>) -> [Option<&'r str>; TEXT_COLUMNS] {
    [
        record.audit_id.as_deref(),
        record.object_type.as_deref(),
        record.object_id.as_deref(),
        record.object_name.as_deref(),
        record.user_id.as_deref(),
        record.user_name.as_deref(),
        record.calling_user_id.as_deref(),
        record.calling_user_name.as_deref(),
        record.transaction_id.as_deref(),
        record.attribute_mask.as_deref(),
        record.change_data.as_deref(),
        record.additional_info.as_deref(),
        record.user_additional_info.as_deref(),
        record.regarding_object_id.as_deref(),
        record.regarding_object_name.as_deref(),
    ]
}

/// Whether the actor is the object and not the user: on an access, if the object is a user ([`Record::actor`]).
pub fn actor_is_object(action: i32, table: Text<'_>, object_id: Text<'_>) -> bool {
    let is_user = table.is_null() || table == Text::Bytes(b"systemuser");
    Kind::of(action) == Kind::Access && is_user && !object_id.is_null()
}
