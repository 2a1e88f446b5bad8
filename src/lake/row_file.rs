//! A Parquet file of the lake made of staged rows: each value goes from the row straight into its column's pages.
//!
//! The columns, their order and the profile are those of [`super::file`].

mod links;
mod output;
mod taken;

use self::links::{Hint, Links, Pair};
use self::output::Output;
pub use self::taken::Taken;
use self::taken::Waiting;
use super::file::{ROW_GROUP_ROWS, has_dictionary, lake_writer};
use super::guid::Guid;
use super::rows::{self, Texts};
use super::schema;
use super::sort::{Partition, StagedFile};
use super::text::{TEXT_COLUMNS, Text, TextColumn};
use crate::chunk::{BitChunk, Finished, NumberChunk, SPELLED_BYTES, TextChunk, Value};
use crate::disk::Disk;
use crate::error::{AtPath, Error, Result};
use crate::instant;
use crate::record::Kind;
use parquet::errors::Result as ParquetResult;
use parquet::schema::types::ColumnDescPtr;
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file while it is written.
pub struct RowFile {
    path: PathBuf,
    partition: Partition,
    month: String,
    group_bytes: usize,
    columns: Vec<ColumnDescPtr>,
    file: Output,
    group: Group,
    /// Rows that wait until they are enough.
    waiting: Waiting,
    rows: u64,
    range: Option<(i64, i64)>,
}

/// Where the text columns stand in [`schema::LAKE`].
const TEXT_PLACES: [usize; TEXT_COLUMNS] = [0, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15, 16, 17, 18, 19];

const OBJECT_ID: usize = TEXT_PLACES[TextColumn::ObjectId as usize];
const TRANSACTION_ID: usize = TEXT_PLACES[TextColumn::TransactionId as usize];

/// Where those of them stand that say who, by id and name.
const PEOPLE: [usize; 5] = [5, 6, 7, 8, schema::ACTOR_ID + 1];

/// How many rows go into the columns at once, one column after the other: as many as the nearest memory holds.
pub const BATCH_ROWS: usize = 1 << 7;

/// How many rows there are between two looks at the size of a group.
const LOOK_ROWS: usize = BATCH_ROWS << 5;

impl RowFile {
    /// With row groups of at most so many bytes, encoded.
    pub fn create(disk: &Disk, path: &Path, partition: &Partition, group_bytes: usize) -> Result<RowFile> {
        let file = lake_writer(disk, path, group_bytes)?;
        let columns = file.schema_descr().columns().to_vec();
        Ok(RowFile {
            path: path.to_owned(),
            month: instant::month_name(partition.month),
            partition: partition.clone(),
            group_bytes,
            group: Group::new(&columns, partition.kind).at_path(path, "cannot be written")?,
            waiting: Waiting::default(),
            columns,
            file: Output::new(file),
            rows: 0,
            range: None,
        })
    }

    /// Takes a row that comes after all rows before; `is_deleted` is what a deletion says of it.
    pub fn take(&mut self, row: &[u8], is_deleted: bool, source: &Arc<str>) -> Result<()> {
        self.waiting.push(row, is_deleted, source);
        match self.waiting.len() < BATCH_ROWS {
            true => Ok(()),
            false => self.take_waiting(),
        }
    }

    fn take_waiting(&mut self) -> Result<()> {
        let mut waiting = std::mem::take(&mut self.waiting);
        let taken = self.take_all(&waiting.taken());
        waiting.clear();
        self.waiting = waiting;
        taken
    }

    /// Takes rows, at most [`BATCH_ROWS`], that come after all rows before.
    pub fn take_all(&mut self, rows: &[Taken<'_>]) -> Result<()> {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
            return Ok(());
        };
        let first_on = self.range.map_or(first.row.created_on(), |range| range.0);
        self.range = Some((first_on, last.row.created_on()));
        self.rows += rows.len() as u64;
        self.group.take(rows).at_path(&self.path, "cannot be written")?;
        let looks = |rows: usize| rows / LOOK_ROWS;
        let is_time_to_look = looks(self.group.rows) > looks(self.group.rows - rows.len());
        if self.group.rows + BATCH_ROWS > ROW_GROUP_ROWS || (is_time_to_look && self.group.bytes() >= self.group_bytes)
        {
            self.write_group(Output::append_meanwhile)?;
        }
        Ok(())
    }

    /// How much is held of the file, about.
    pub fn held_bytes(&self) -> usize {
        self.group.bytes()
    }

    /// Writes out the row group under way.
    pub fn end_group(&mut self) -> Result<()> {
        self.take_waiting()?;
        self.write_group(Output::append_meanwhile)
    }

    fn write_group(&mut self, append: fn(&mut Output, Vec<Finished>) -> ParquetResult<()>) -> Result<()> {
        let unwritable = "cannot be written";
        let next = Group::new(&self.columns, self.partition.kind).at_path(&self.path, unwritable)?;
        let group = std::mem::replace(&mut self.group, next);
        if group.rows == 0 {
            return Ok(());
        }
        let partition = [&*self.partition.environment, self.partition.kind.name(), &self.month];
        let columns = group.finish(partition).at_path(&self.path, unwritable)?;
        append(&mut self.file, columns).at_path(&self.path, unwritable)
    }

    /// Ends the file, which is still on its way to the disk.
    pub fn finish(mut self) -> Result<StagedFile> {
        self.take_waiting()?;
        self.write_group(Output::append)?;
        let (min_created_on_us, max_created_on_us) = self
            .range
            .ok_or_else(|| Error::failed("a file of the lake has no rows").at(&self.path))?;
        let file = self.file.take().at_path(&self.path, "cannot be written")?;
        let sink = file.into_inner().at_path(&self.path, "cannot be written")?;
        let (written, syncing) = sink.finish_meanwhile(self.rows)?;
        Ok(StagedFile {
            partition: self.partition,
            path: self.path,
            written,
            min_created_on_us,
            max_created_on_us,
            syncing: Some(syncing),
        })
    }
}

/// The columns of a row group.
struct Group {
    rows: usize,
    /// By [`TextColumn`], those before [`WIDE`].
    texts: Vec<TextChunk>,
    /// The others, which are as much work as all else together.
    wide: Vec<TextChunk>,
    actor_id: TextChunk,
    actor_name: TextChunk,
    created_on: NumberChunk,
    action: NumberChunk,
    operation: NumberChunk,
    version_number: NumberChunk,
    time_to_live_s: NumberChunk,
    deleted_in_source: BitChunk,
    source: TextChunk,
    /// Environment, kind and month.
    partition: [TextChunk; 3],
    /// The source of the last rows, and how many they are: its column gets them when another comes.
    last_source: Option<Arc<str>>,
    source_rows: usize,
    links: Links,
}

/// Where the columns of wide texts begin.
const WIDE: usize = TextColumn::ChangeData as usize;

/// Columns of other texts that stand alone.
const ALONE: [TextColumn; 6] = [
    TextColumn::AuditId,
    TextColumn::ObjectType,
    TextColumn::CallingUserId,
    TextColumn::CallingUserName,
    TextColumn::TransactionId,
    TextColumn::AttributeMask,
];

impl Group {
    fn new(columns: &[ColumnDescPtr], kind: Kind) -> ParquetResult<Group> {
        let text = |place: usize| {
            let column = columns[place].clone();
            // An access belongs to no transaction: all have the same id.
            let is_constant = kind == Kind::Access && place == TRANSACTION_ID;
            let has_dictionary = is_constant || has_dictionary(column.name());
            let chunk = TextChunk::new(column, has_dictionary, spell)?;
            // Reports read keys of actors many times faster than texts, and of many people the first pages name each
            // once. On an access, object and user are people too.
            let is_of_people = place == schema::ACTOR_ID || (kind == Kind::Access && PEOPLE.contains(&place));
            Ok(match place {
                _ if is_of_people => chunk.patient(),
                schema::AUDIT_ID | OBJECT_ID => chunk.of_ids(),
                _ => chunk,
            })
        };
        let number = |place: usize| {
            let column = columns[place].clone();
            let has_dictionary = has_dictionary(column.name());
            NumberChunk::new(column, has_dictionary)
        };
        let texts = |places: &[usize]| places.iter().map(|place| text(*place)).collect::<ParquetResult<_>>();
        Ok(Group {
            rows: 0,
            texts: texts(&TEXT_PLACES[..WIDE])?,
            wide: texts(&TEXT_PLACES[WIDE..])?,
            actor_id: text(schema::ACTOR_ID)?.with_dictionary_stored(),
            actor_name: text(schema::ACTOR_ID + 1)?,
            created_on: number(schema::CREATED_ON)?.stored(),
            action: number(schema::ACTION)?,
            operation: number(schema::ACTION + 1)?,
            version_number: number(schema::VERSION_NUMBER)?,
            time_to_live_s: number(schema::VERSION_NUMBER + 1)?,
            deleted_in_source: BitChunk::new(columns[schema::DELETED_IN_SOURCE].clone())?,
            source: text(schema::SOURCE)?,
            partition: [
                text(schema::ENVIRONMENT)?,
                text(schema::ENVIRONMENT + 1)?,
                text(schema::ENVIRONMENT + 2)?,
            ],
            last_source: None,
            source_rows: 0,
            links: Links::default(),
        })
    }

    fn take(&mut self, taken: &[Taken<'_>]) -> ParquetResult<()> {
        let texts = Texts::of(taken.iter().map(|taken| &taken.row));
        let mut wide = std::mem::take(&mut self.wide);
        let (taken, wide_taken) = rayon::join(
            || self.take_narrow(taken, &texts),
            || {
                let mut columns = wide.iter_mut().zip(WIDE..);
                columns.try_for_each(|(chunk, column)| push_all(chunk, column, &texts, taken.len()))
            },
        );
        self.wide = wide;
        taken.and(wide_taken)
    }

    fn take_narrow(&mut self, taken: &[Taken<'_>], texts: &Texts<'_>) -> ParquetResult<()> {
        let rows = || taken.iter().map(|taken| &taken.row);
        push_numbers(&mut self.created_on, rows().map(|row| Some(row.created_on())))?;
        push_numbers(&mut self.action, rows().map(|row| Some(row.action().into())))?;
        push_numbers(&mut self.operation, rows().map(|row| row.operation().map(i64::from)))?;
        push_numbers(&mut self.version_number, rows().map(|row| row.version_number()))?;
        push_numbers(
            &mut self.time_to_live_s,
            rows().map(|row| row.time_to_live_s().map(i64::from)),
        )?;
        let is_deleted = |taken: &Taken<'_>| taken.row.is_deleted() || taken.is_deleted;
        self.deleted_in_source.push_all(taken.iter().map(is_deleted))?;
        for column in ALONE {
            push_all(&mut self.texts[column as usize], column as usize, texts, taken.len())?;
        }
        self.take_people(taken, texts)?;
        for of_source in taken.chunk_by(|a, b| Arc::ptr_eq(a.source, b.source)) {
            let source = of_source[0].source;
            if !self.last_source.as_ref().is_some_and(|last| Arc::ptr_eq(last, source)) {
                self.end_source()?;
                self.last_source = Some(source.clone());
            }
            self.source_rows += of_source.len();
        }
        self.rows += taken.len();
        Ok(())
    }

    /// Object, user and actor, by id and name.
    fn take_people(&mut self, rows: &[Taken<'_>], texts: &Texts<'_>) -> ParquetResult<()> {
        use TextColumn::{ObjectId, ObjectName, ObjectType, UserId, UserName};
        let (columns, links, count) = (&mut self.texts, &mut self.links, rows.len());
        let text = |column| move |row| texts.get(column, row);
        let is_object = |row: usize| {
            let action = rows[row].row.action();
            rows::actor_is_object(action, texts.get(ObjectType, row), texts.get(ObjectId, row))
        };
        // Whether the actor is the object.
        let is_object: Vec<bool> = (0..count).map(is_object).collect();
        let user_or_object = |user, object| {
            let is_object = &is_object;
            move |row: usize| texts.get(if is_object[row] { object } else { user }, row)
        };

        let objects = links.push(&mut columns[ObjectId as usize], count, |_| Hint::Id, text(ObjectId))?;
        let hint = |row: usize| match rows[row].row.is_implied(UserId) {
            true => Hint::Same(Pair::ObjectToUser, objects[row]),
            false => Hint::Id,
        };
        let users = links.push(&mut columns[UserId as usize], count, hint, text(UserId))?;
        let hint = |row: usize| match is_object[row] {
            true => Hint::Same(Pair::ObjectToActor, objects[row]),
            false => Hint::Same(Pair::UserToActor, users[row]),
        };
        links.push(&mut self.actor_id, count, hint, user_or_object(UserId, ObjectId))?;

        if [ObjectName, UserName]
            .iter()
            .all(|&column| texts.column(column as usize).is_empty())
        {
            columns[ObjectName as usize].push_nulls(count)?;
            columns[UserName as usize].push_nulls(count)?;
            return self.actor_name.push_nulls(count);
        }
        let hint = |row: usize| Hint::Name(Pair::ObjectToItsName, objects[row]);
        let object_names = links.push(&mut columns[ObjectName as usize], count, hint, text(ObjectName))?;
        let hint = |row: usize| match rows[row].row.is_implied(UserName) {
            true => Hint::Same(Pair::ObjectNameToUserName, object_names[row]),
            false => Hint::Name(Pair::UserToItsName, users[row]),
        };
        let user_names = links.push(&mut columns[UserName as usize], count, hint, text(UserName))?;
        let hint = |row: usize| match is_object[row] {
            true => Hint::Same(Pair::ObjectNameToActorName, object_names[row]),
            false => Hint::Same(Pair::UserNameToActorName, user_names[row]),
        };
        links.push(&mut self.actor_name, count, hint, user_or_object(UserName, ObjectName))?;
        Ok(())
    }

    fn end_source(&mut self) -> ParquetResult<()> {
        match self.last_source.take() {
            Some(source) => {
                let rows = std::mem::take(&mut self.source_rows);
                self.source.repeat(Value::Bytes(source.as_bytes()), rows)
            }
            None => Ok(()),
        }
    }

    /// How much memory the group takes, about.
    fn bytes(&self) -> usize {
        let texts = self.texts.iter().chain(&self.wide);
        let texts = texts.chain([&self.actor_id, &self.actor_name]);
        let numbers = [
            &self.created_on,
            &self.action,
            &self.operation,
            &self.version_number,
            &self.time_to_live_s,
        ];
        let texts: usize = texts.map(TextChunk::held_bytes).sum();
        let numbers: usize = numbers.into_iter().map(NumberChunk::held_bytes).sum();
        texts + numbers + self.links.bytes()
    }

    /// The columns, each with its place in [`schema::LAKE`]; `partition` is what the last ones say of all rows.
    fn finish(mut self, partition: [&str; 3]) -> ParquetResult<Vec<Finished>> {
        self.end_source()?;
        for (column, value) in self.partition.iter_mut().zip(partition) {
            column.repeat(Value::Bytes(value.as_bytes()), self.rows)?;
        }
        let texts = TEXT_PLACES.into_iter().zip(self.texts.into_iter().chain(self.wide));
        let actors = [
            (schema::ACTOR_ID, self.actor_id),
            (schema::ACTOR_ID + 1, self.actor_name),
        ];
        let texts: Vec<(usize, TextChunk)> = texts.chain(actors).collect();
        let finished = texts.into_par_iter().with_max_len(1);
        let finished = finished.map(|(place, column)| Ok((place, column.finish()?)));
        let mut placed = finished.collect::<ParquetResult<Vec<_>>>()?;
        placed.extend([
            (schema::CREATED_ON, self.created_on.finish()?),
            (schema::ACTION, self.action.finish()?),
            (schema::ACTION + 1, self.operation.finish()?),
            (schema::VERSION_NUMBER, self.version_number.finish()?),
            (schema::VERSION_NUMBER + 1, self.time_to_live_s.finish()?),
            (schema::DELETED_IN_SOURCE, self.deleted_in_source.finish()?),
            (schema::SOURCE, self.source.finish()?),
        ]);
        for (number, column) in self.partition.into_iter().enumerate() {
            placed.push((schema::ENVIRONMENT + number, column.finish()?));
        }
        placed.sort_by_key(|(place, _)| *place);
        Ok(placed.into_iter().map(|(_, column)| column).collect())
    }
}

/// Pushes what a column says of some rows.
fn push_numbers(
    chunk: &mut NumberChunk,
    mut numbers: impl ExactSizeIterator<Item = Option<i64>> + Clone,
) -> ParquetResult<()> {
    match numbers.clone().flatten().count() {
        0 => chunk.push_nulls(numbers.len()),
        some if some == numbers.len() => chunk.push_all(numbers.map(Option::unwrap_or_default)),
        _ => numbers.try_for_each(|number| chunk.push(number)),
    }
}

/// Pushes what a column says of so many rows.
fn push_all(chunk: &mut TextChunk, column: usize, texts: &Texts<'_>, rows: usize) -> ParquetResult<()> {
    match (texts.column(column), texts.usual(column).and_then(value)) {
        ([], _) => chunk.push_nulls(rows),
        (_, Some(usual)) => chunk.repeat(usual, rows),
        (texts, None) => texts.iter().try_for_each(|text| chunk.push(value(*text)).map(drop)),
    }
}

fn value(text: Text<'_>) -> Option<Value<'_>> {
    match text {
        Text::Null => None,
        Text::Guid(guid) => Some(Value::Number(guid.number())),
        Text::Bytes(bytes) => Some(Value::Bytes(bytes)),
    }
}

fn spell(number: u128) -> [u8; SPELLED_BYTES] {
    Guid(number.to_be_bytes()).text()
}

#[cfg(test)]
mod tests;
