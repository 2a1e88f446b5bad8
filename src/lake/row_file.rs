//! A Parquet file of the lake made of staged rows: each value goes from the row straight into its column's pages.
//!
//! The columns, their order and the profile are those of [`super::file`].

use super::file::{Hashing, ROW_GROUP_ROWS, Written, has_dictionary, lake_writer};
use super::guid::Guid;
use super::rows::{self, Row, Text, TextColumn};
use super::schema;
use super::sort::{Partition, StagedFile};
use crate::chunk::{BitChunk, Finished, NumberChunk, SPELLED_BYTES, TextChunk, Value};
use crate::disk::Disk;
use crate::error::{AtPath, Error, Result};
use crate::instant;
use parquet::errors::Result as ParquetResult;
use parquet::file::writer::SerializedFileWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file while it is written.
pub struct RowFile {
    path: PathBuf,
    partition: Partition,
    month: String,
    group_bytes: usize,
    file: SerializedFileWriter<Hashing>,
    group: Group,
    rows: u64,
    range: Option<(i64, i64)>,
}

/// How many rows there are between two looks at the size of a group.
const LOOK_ROWS: usize = 1 << 12;

impl RowFile {
    /// With row groups of at most so many bytes, encoded.
    pub fn create(disk: &Disk, path: &Path, partition: &Partition, group_bytes: usize) -> Result<RowFile> {
        let file = lake_writer(disk, path, group_bytes)?;
        Ok(RowFile {
            path: path.to_owned(),
            month: instant::month_name(partition.month),
            partition: partition.clone(),
            group_bytes,
            group: Group::new(&file).at_path(path, "cannot be written")?,
            file,
            rows: 0,
            range: None,
        })
    }

    /// Takes a row that comes after all rows before; `is_deleted` is what a deletion says of it.
    pub fn take(&mut self, row: &[u8], is_deleted: bool, source: &Arc<str>) -> Result<()> {
        let row = Row::read(row);
        self.range = Some((self.range.map_or(row.created_on, |range| range.0), row.created_on));
        self.rows += 1;
        let taken = self.group.take(&row, is_deleted, source);
        taken.at_path(&self.path, "cannot be written")?;
        let is_time_to_look = self.group.rows.is_multiple_of(LOOK_ROWS);
        if self.group.rows == ROW_GROUP_ROWS || (is_time_to_look && self.group.bytes() >= self.group_bytes) {
            self.end_group().at_path(&self.path, "cannot be written")?;
        }
        Ok(())
    }

    fn end_group(&mut self) -> ParquetResult<()> {
        let next = Group::new(&self.file)?;
        let group = std::mem::replace(&mut self.group, next);
        if group.rows == 0 {
            return Ok(());
        }
        let mut to = self.file.next_row_group()?;
        let partition = [&*self.partition.environment, self.partition.kind.name(), &self.month];
        group.finish(partition, |chunk| chunk.append_to(&mut to))?;
        to.close()?;
        Ok(())
    }

    pub fn finish(mut self) -> Result<StagedFile> {
        let (min_created_on_us, max_created_on_us) = self
            .range
            .ok_or_else(|| Error::failed("a file of the lake has no rows").at(&self.path))?;
        self.end_group().at_path(&self.path, "cannot be written")?;
        let sink = self.file.into_inner().at_path(&self.path, "cannot be written")?;
        let written: Written = sink.finish(self.rows)?;
        Ok(StagedFile {
            partition: self.partition,
            path: self.path,
            written,
            min_created_on_us,
            max_created_on_us,
        })
    }
}

/// The columns of a row group, in the order of [`schema::LAKE`].
struct Group {
    rows: usize,
    columns: Vec<Column>,
    /// The source of the last rows, and how many they are: its column gets them when another comes.
    source: Option<Arc<str>>,
    source_rows: usize,
    /// One for each [`Link`].
    aliases: [Alias; LINKS],
}

/// The codes that a column's values have in another column; [`UNKNOWN`] where that has not met one.
#[derive(Default)]
struct Alias(Vec<u32>);

const UNKNOWN: u32 = u32::MAX;

impl Alias {
    fn get(&self, code: u32) -> Option<u32> {
        self.0.get(code as usize).copied().filter(|&other| other != UNKNOWN)
    }

    fn set(&mut self, code: u32, other: u32) {
        if self.0.len() <= code as usize {
            self.0.resize(code as usize + 1, UNKNOWN);
        }
        self.0[code as usize] = other;
    }
}

enum Column {
    Text(TextChunk),
    Number(NumberChunk),
    Bit(BitChunk),
}

/// A value for a column of its type.
enum Cell<'a> {
    Text(Text<'a>),
    Number(Option<i64>),
    Bit(bool),
    /// A text that another column's tells, or lets guess.
    Linked(Text<'a>, Link),
}

/// Between two columns of people. Most rows are about few people, so the code that a person, or a name, has in one
/// column tells the code in the other, and no text need be looked up.
#[derive(Clone, Copy)]
enum Link {
    /// What the person was called last time; it is compared.
    ObjectName,
    UserName,
    /// The user is the object.
    ObjectToUser,
    ObjectNameToUserName,
    /// The actor is the object, or the user.
    ObjectToActor,
    ObjectNameToActorName,
    UserToActor,
    UserNameToActorName,
}

const LINKS: usize = Link::UserNameToActorName as usize + 1;

impl Link {
    /// The place of the column whose code is known.
    fn from(self) -> usize {
        match self {
            Link::ObjectName | Link::ObjectToUser | Link::ObjectToActor => schema::OBJECT_ID,
            Link::ObjectNameToUserName | Link::ObjectNameToActorName => schema::OBJECT_ID + 1,
            Link::UserName | Link::UserToActor => schema::USER_ID,
            Link::UserNameToActorName => schema::USER_ID + 1,
        }
    }

    /// Whether the text is the same in both columns.
    fn is_same(self) -> bool {
        !matches!(self, Link::ObjectName | Link::UserName)
    }
}

impl Group {
    fn new(file: &SerializedFileWriter<Hashing>) -> ParquetResult<Group> {
        let columns = file.schema_descr().columns().iter().map(|column| {
            let has_dictionary = has_dictionary(column.name());
            Ok(match column.physical_type() {
                parquet::basic::Type::BYTE_ARRAY => {
                    Column::Text(TextChunk::new(column.clone(), has_dictionary, spell)?)
                }
                parquet::basic::Type::BOOLEAN => Column::Bit(BitChunk::new(column.clone())?),
                _ => Column::Number(NumberChunk::new(column.clone(), has_dictionary)?),
            })
        });
        Ok(Group {
            rows: 0,
            source: None,
            source_rows: 0,
            aliases: Default::default(),
            columns: columns.collect::<ParquetResult<_>>()?,
        })
    }

    fn take(&mut self, row: &Row<'_>, is_deleted: bool, source: &Arc<str>) -> ParquetResult<()> {
        use TextColumn::{
            AdditionalInfo, AttributeMask, AuditId, CallingUserId, CallingUserName, ChangeData, ObjectId, ObjectName,
            ObjectType, RegardingObjectId, RegardingObjectName, TransactionId, UserAdditionalInfo, UserId, UserName,
        };
        let texts = row.texts();
        let text = |column: TextColumn| Cell::Text(texts[column as usize]);
        let linked = |column: TextColumn, link| Cell::Linked(texts[column as usize], link);
        let user = match (row.is_implied(UserId), row.is_implied(UserName)) {
            (true, true) => [
                linked(UserId, Link::ObjectToUser),
                linked(UserName, Link::ObjectNameToUserName),
            ],
            (true, false) => [linked(UserId, Link::ObjectToUser), linked(UserName, Link::UserName)],
            (false, true) => [text(UserId), linked(UserName, Link::ObjectNameToUserName)],
            (false, false) => [text(UserId), linked(UserName, Link::UserName)],
        };
        let [user_id, user_name] = user;
        let (actor_id, actor_name) = match rows::actor_is_object(row.action, &texts) {
            true => (
                linked(ObjectId, Link::ObjectToActor),
                linked(ObjectName, Link::ObjectNameToActorName),
            ),
            false => (
                linked(UserId, Link::UserToActor),
                linked(UserName, Link::UserNameToActorName),
            ),
        };
        let cells = [
            text(AuditId),
            Cell::Number(Some(row.created_on)),
            Cell::Number(Some(row.action.into())),
            Cell::Number(row.operation.map(i64::from)),
            text(ObjectType),
            text(ObjectId),
            linked(ObjectName, Link::ObjectName),
            user_id,
            user_name,
            actor_id,
            actor_name,
            text(CallingUserId),
            text(CallingUserName),
            text(TransactionId),
            text(AttributeMask),
            text(ChangeData),
            text(AdditionalInfo),
            text(UserAdditionalInfo),
            text(RegardingObjectId),
            text(RegardingObjectName),
            Cell::Number(row.version_number),
            Cell::Number(row.time_to_live_s.map(i64::from)),
            Cell::Bit(row.is_deleted || is_deleted),
        ];
        let mut codes = [None; schema::SOURCE];
        for (place, cell) in cells.into_iter().enumerate() {
            codes[place] = match cell {
                Cell::Linked(text, link) => self.take_linked(place, text, link, &codes)?,
                cell => self.columns[place].push(cell)?,
            };
        }
        if !self.source.as_ref().is_some_and(|last| Arc::ptr_eq(last, source)) {
            self.end_source()?;
            self.source = Some(source.clone());
        }
        self.source_rows += 1;
        self.rows += 1;
        Ok(())
    }

    /// Takes a text whose code that of another column most often tells.
    fn take_linked(
        &mut self,
        place: usize,
        text: Text<'_>,
        link: Link,
        codes: &[Option<u32>],
    ) -> ParquetResult<Option<u32>> {
        let (there, alias) = (codes[link.from()], &mut self.aliases[link as usize]);
        let column = &mut self.columns[place];
        if let Some(code) = there.and_then(|code| alias.get(code))
            && (link.is_same() || column.is_code_of(code, text))
            && column.push_code(code)?
        {
            return Ok(Some(code));
        }
        let here = column.push(Cell::Text(text))?;
        if let (Some(there), Some(here)) = (there, here) {
            alias.set(there, here);
        }
        Ok(here)
    }

    fn end_source(&mut self) -> ParquetResult<()> {
        match self.source.take() {
            Some(source) => self.columns[schema::SOURCE].repeat(&source, std::mem::take(&mut self.source_rows)),
            None => Ok(()),
        }
    }

    /// How much the group takes of the file, about.
    fn bytes(&self) -> usize {
        self.columns.iter().map(Column::written_bytes).sum()
    }

    /// `partition` is what the last columns say of all rows.
    fn finish(
        mut self,
        partition: [&str; 3],
        mut append: impl FnMut(Finished) -> ParquetResult<()>,
    ) -> ParquetResult<()> {
        self.end_source()?;
        for (column, value) in self.columns[schema::ENVIRONMENT..].iter_mut().zip(partition) {
            column.repeat(value, self.rows)?;
        }
        self.columns.into_iter().try_for_each(|column| append(column.finish()?))
    }
}

impl Column {
    /// Takes a value; gives the code of a text that has one.
    fn push(&mut self, cell: Cell<'_>) -> ParquetResult<Option<u32>> {
        match (self, cell) {
            (Column::Text(column), Cell::Text(text)) => column.push(match text {
                Text::Null => None,
                Text::Guid(guid) => Some(Value::Number(guid.number())),
                Text::Bytes(bytes) => Some(Value::Bytes(bytes)),
            }),
            (Column::Number(column), Cell::Number(number)) => column.push(number).map(|()| None),
            (Column::Bit(column), Cell::Bit(bit)) => column.push(bit).map(|()| None),
            _ => unreachable!("the cells stand in the order of the schema"),
        }
    }

    fn is_code_of(&self, code: u32, text: Text<'_>) -> bool {
        match (self, text) {
            (Column::Text(column), Text::Bytes(text)) => column.is_code_of(code, text),
            _ => false,
        }
    }

    fn push_code(&mut self, code: u32) -> ParquetResult<bool> {
        match self {
            Column::Text(column) => column.push_code(code),
            _ => unreachable!("a column of texts"),
        }
    }

    /// Takes the same text for many rows.
    fn repeat(&mut self, text: &str, rows: usize) -> ParquetResult<()> {
        match self {
            Column::Text(column) => column.repeat(Value::Bytes(text.as_bytes()), rows),
            _ => unreachable!("a column of texts"),
        }
    }

    fn written_bytes(&self) -> usize {
        match self {
            Column::Text(column) => column.written_bytes(),
            Column::Number(column) => column.written_bytes(),
            Column::Bit(column) => column.written_bytes(),
        }
    }

    fn finish(self) -> ParquetResult<Finished> {
        match self {
            Column::Text(column) => column.finish(),
            Column::Number(column) => column.finish(),
            Column::Bit(column) => column.finish(),
        }
    }
}

fn spell(number: u128) -> [u8; SPELLED_BYTES] {
    Guid(number.to_be_bytes()).text()
}

#[cfg(test)]
mod tests;
