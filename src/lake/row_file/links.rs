//! Columns of people: what one column says of a row tells most of what the next does.

use super::value;
use crate::chunk::TextChunk;
use crate::lake::text::Text;
use parquet::errors::Result as ParquetResult;

/// The codes that a column's values have in another column; [`UNKNOWN`] where that has not met one. Most rows are about
/// few people, so the code that a person, or a name, has in one column tells the code in the other, and no text need be
/// looked up.
#[derive(Default)]
pub struct Link(Vec<u32>);

const UNKNOWN: u32 = u32::MAX;

/// What links the columns of people.
#[derive(Default)]
pub struct Links {
    /// What a person was called last time; it is compared.
    pub object_name: Link,
    pub user_name: Link,
    /// Where the user is the object, and the actor is the object or the user, by id and name.
    pub object_to_user: [Link; 2],
    pub object_to_actor: [Link; 2],
    pub user_to_actor: [Link; 2],
}

impl Link {
    fn get(&self, code: Option<u32>) -> Option<u32> {
        let there = self.0.get(code? as usize).copied();
        there.filter(|&other| other != UNKNOWN)
    }

    fn set(&mut self, code: Option<u32>, other: Option<u32>) {
        let (Some(code), Some(other)) = (code, other) else {
            return;
        };
        if self.0.len() <= code as usize {
            self.0.resize(code as usize + 1, UNKNOWN);
        }
        self.0[code as usize] = other;
    }

    /// Pushes a text that is the same as that of another column, which has this code there.
    pub fn push_same(&mut self, code: Option<u32>, text: Text<'_>, to: &mut TextChunk) -> ParquetResult<Option<u32>> {
        if let Some(known) = self.get(code)
            && to.push_code(known)?
        {
            return Ok(Some(known));
        }
        let pushed = to.push(value(text))?;
        self.set(code, pushed);
        Ok(pushed)
    }

    /// Pushes the name of somebody who has this code in the column of ids.
    pub fn push_name(&mut self, code: Option<u32>, name: Text<'_>, to: &mut TextChunk) -> ParquetResult<Option<u32>> {
        if let (Some(known), Text::Bytes(bytes)) = (self.get(code), name)
            && to.is_code_of(known, bytes)
            && to.push_code(known)?
        {
            return Ok(Some(known));
        }
        let pushed = to.push(value(name))?;
        self.set(code, pushed);
        Ok(pushed)
    }
}
