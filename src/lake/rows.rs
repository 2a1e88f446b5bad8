//! Staged rows, each a few bytes in a row of bytes: what parsing makes and sorting moves.
//!
//! A row is moved, compared and spilled often before it becomes columns, and most of its columns are null or say again
//! what another says. So a row is one stretch of bytes:
//!
//! ```text
//! created_on · flags · version_number · sink_modified_on · action · operation · time_to_live_s · texts
//! ```
//!
//! The flags say which numbers are known, and for each [`TextColumn`] in two bits how its text is held: not at all (null),
//! as a [`Guid`], as bytes behind their length, or *implied* ([`implied`]). The actor is told from object and user when
//! columns are made.

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
#[inline(always)]
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

/// Where the numbers stand, and how long they are together.
const FLAGS_AT: usize = 8;
const VERSION_AT: usize = 16;
const SINK_TIME_AT: usize = 24;
const ACTION_AT: usize = 32;
const OPERATION_AT: usize = 36;
const TIME_TO_LIVE_AT: usize = 40;
const HEAD_BYTES: usize = 44;

/// A row; its texts are read by [`Texts::of`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'a> {
    head: &'a [u8; HEAD_BYTES],
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
        let flags = rows.clone().map(Row::flags);
        let any = flags.clone().fold(0, |any, flags| any | flags);
        let mut texts = Texts {
            columns: [const { Vec::new() }; TEXT_COLUMNS],
            common: flags.fold(u64::MAX, |common, flags| common & flags),
        };
        // Column after column, since rows of a kind are much alike: what is left of each row follows beside.
        let mut rests: Vec<&[u8]> = rows.clone().map(|row| row.texts).collect();
        for column in (0..TEXT_COLUMNS).filter(|column| any >> (2 * column) & 3 != NULL) {
            let rows = rows.clone().zip(&mut rests).enumerate();
            let text = |(number, (row, rest)): (usize, (&Row<'a>, &mut &'a [u8]))| match row.flags() >> (2 * column) & 3
            {
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
        let (head, texts) = bytes.split_first_chunk().unwrap_or((&[0; HEAD_BYTES], &[]));
        Row { head, texts }
    }

    fn long(&self, at: usize) -> i64 {
        i64::from_le_bytes(array(&self.head[at..]))
    }

    fn short(&self, at: usize) -> i32 {
        i32::from_le_bytes(array(&self.head[at..]))
    }

    fn flags(&self) -> u64 {
        self.long(FLAGS_AT) as u64
    }

    pub fn created_on(&self) -> i64 {
        self.long(0)
    }

    pub fn action(&self) -> i32 {
        self.short(ACTION_AT)
    }

    pub fn operation(&self) -> Option<i32> {
        (self.flags() & HAS_OPERATION != 0).then(|| self.short(OPERATION_AT))
    }

    pub fn version_number(&self) -> Option<i64> {
        (self.flags() & HAS_VERSION != 0).then(|| self.long(VERSION_AT))
    }

    pub fn time_to_live_s(&self) -> Option<i32> {
        (self.flags() & HAS_TIME_TO_LIVE != 0).then(|| self.short(TIME_TO_LIVE_AT))
    }

    fn sink_modified_on(&self) -> Option<i64> {
        (self.flags() & HAS_SINK_TIME != 0).then(|| self.long(SINK_TIME_AT))
    }

    pub fn is_deleted(&self) -> bool {
        self.flags() & IS_DELETED != 0
    }

    /// Whether a column says what it most often does ([`Implied`]).
    pub fn is_implied(&self, column: TextColumn) -> bool {
        self.flags() >> (2 * column as u32) & 3 == IMPLIED
    }

    /// What rows of equal time are ordered by.
    pub fn audit_id(&self) -> Text<'a> {
        let mut rest = self.texts;
        match self.flags() & 3 {
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
        let written_on = self.sink_modified_on().filter(|_| self.flags() & 3 != NULL)?;
        Some(Rank::new(!self.is_deleted(), self.version_number(), written_on))
    }
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
            created_on: row.created_on(),
            id_start: row.id_start(),
            kind: Kind::of(row.action()),
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
            self.enter_at(rows + from, &environment);
        }
        self.window = match (self.window, other.window) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (a, b) => a.or(b),
        };
    }

    /// The rows that come next are of this environment.
    pub fn enter(&mut self, environment: &str) {
        self.enter_at(self.len(), environment);
    }

    fn enter_at(&mut self, row: usize, environment: &str) {
        self.environments.pop_if(|(from, _)| *from == row);
        if self.environments.last().is_none_or(|(_, last)| **last != *environment) {
            self.environments.push((row, environment.into()));
        }
        self.seed = Seed::of(environment);
    }

    pub fn push(&mut self, record: &Record<'_>) {
        let on = record.created_on;
        self.window = Some(
            self.window
                .map_or((on, on), |(first, last)| (first.min(on), last.max(on))),
        );
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; HEAD_BYTES]);
        let flags = self.put_texts(&texts_of(record)) | flags_of(record);
        let row = &mut self.bytes[start..];
        if let Some(head) = row.first_chunk_mut() {
            *head = head_of(record, flags);
        }
        let identity = identity::of_record(record, self.seed);
        self.heads.push(Head::of(&Row::read(row), identity));
        self.ends.push(self.bytes.len());
    }

    /// Puts the texts that are known, column by column; says how each is held.
    fn put_texts(&mut self, texts: &[Option<&str>; TEXT_COLUMNS]) -> u64 {
        use TextColumn::*;
        // In their order, each by itself, so that what it implies is known when this is compiled.
        self.put_text::<{ AuditId as usize }>(texts)
            | self.put_text::<{ ObjectType as usize }>(texts)
            | self.put_text::<{ ObjectId as usize }>(texts)
            | self.put_text::<{ ObjectName as usize }>(texts)
            | self.put_text::<{ UserId as usize }>(texts)
            | self.put_text::<{ UserName as usize }>(texts)
            | self.put_text::<{ CallingUserId as usize }>(texts)
            | self.put_text::<{ CallingUserName as usize }>(texts)
            | self.put_text::<{ TransactionId as usize }>(texts)
            | self.put_text::<{ AttributeMask as usize }>(texts)
            | self.put_text::<{ ChangeData as usize }>(texts)
            | self.put_text::<{ AdditionalInfo as usize }>(texts)
            | self.put_text::<{ UserAdditionalInfo as usize }>(texts)
            | self.put_text::<{ RegardingObjectId as usize }>(texts)
            | self.put_text::<{ RegardingObjectName as usize }>(texts)
    }

    #[inline(always)]
    fn put_text<const COLUMN: usize>(&mut self, texts: &[Option<&str>; TEXT_COLUMNS]) -> u64 {
        let Some(text) = texts[COLUMN] else { return NULL };
        let held = if implied_text(COLUMN, texts) == Some(text) {
            IMPLIED
        } else if let Some(guid) = Guid::of(text.as_bytes()) {
            self.bytes.extend_from_slice(&guid.0);
            GUID
        } else {
            put_bytes(&mut self.bytes, text.as_bytes());
            BYTES
        };
        held << (2 * COLUMN)
    }
}

/// Which numbers are known.
fn flags_of(record: &Record<'_>) -> u64 {
    let flag = |is_set: bool, flag: u64| if is_set { flag } else { 0 };
    flag(record.operation.is_some(), HAS_OPERATION)
        | flag(record.version_number.is_some(), HAS_VERSION)
        | flag(record.time_to_live_s.is_some(), HAS_TIME_TO_LIVE)
        | flag(record.sink_modified_on.is_some(), HAS_SINK_TIME)
        | flag(record.deleted_in_source, IS_DELETED)
}

/// What stands before the texts.
fn head_of(record: &Record<'_>, flags: u64) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    let mut long = |at: usize, number: u64| head[at..at + 8].copy_from_slice(&number.to_le_bytes());
    long(0, record.created_on as u64);
    long(FLAGS_AT, flags);
    long(VERSION_AT, record.version_number.unwrap_or_default() as u64);
    long(SINK_TIME_AT, record.sink_modified_on.unwrap_or_default() as u64);
    let mut short = |at: usize, number: i32| head[at..at + 4].copy_from_slice(&number.to_le_bytes());
    short(ACTION_AT, record.action);
    short(OPERATION_AT, record.operation.unwrap_or_default());
    short(TIME_TO_LIVE_AT, record.time_to_live_s.unwrap_or_default());
    head
}

/// In the order of [`TextColumn`].
fn texts_of<'r>(record: &Record<'r>) -> [Option<&'r str>; TEXT_COLUMNS] {
    [
        record.audit_id,
        record.object_type,
        record.object_id,
        record.object_name,
        record.user_id,
        record.user_name,
        record.calling_user_id,
        record.calling_user_name,
        record.transaction_id,
        record.attribute_mask,
        record.change_data,
        record.additional_info,
        record.user_additional_info,
        record.regarding_object_id,
        record.regarding_object_name,
    ]
}

/// Whether the actor is the object and not the user: on an access, if the object is a user ([`Record::actor`]).
pub fn actor_is_object(action: i32, table: Text<'_>, object_id: Text<'_>) -> bool {
    let is_user = table.is_null() || table == Text::Bytes(b"systemuser");
    Kind::of(action) == Kind::Access && is_user && !object_id.is_null()
}
