//! Texts of staged rows: the columns that have them, and what they are on their way.

use super::guid::Guid;
use std::cmp::Ordering;

/// The columns that hold texts, in the order of the lake's schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextColumn {
    AuditId,
    ObjectType,
    ObjectId,
    ObjectName,
    UserId,
    UserName,
    CallingUserId,
    CallingUserName,
    TransactionId,
    AttributeMask,
    ChangeData,
    AdditionalInfo,
    UserAdditionalInfo,
    RegardingObjectId,
    RegardingObjectName,
}

pub const TEXT_COLUMNS: usize = TextColumn::RegardingObjectName as usize + 1;

/// A value of a text column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Text<'a> {
    #[default]
    Null,
    Guid(Guid),
    /// UTF-8.
    Bytes(&'a [u8]),
}

impl Text<'_> {
    pub fn is_null(&self) -> bool {
        *self == Text::Null
    }

    /// The order of the texts as bytes, null first.
    pub fn order(&self, other: &Text<'_>) -> Ordering {
        match (self, other) {
            (Text::Guid(a), Text::Guid(b)) => a.cmp(b),
            (Text::Bytes(a), Text::Bytes(b)) => a.cmp(b),
            (Text::Guid(a), Text::Bytes(b)) => a.text().as_slice().cmp(b),
            (Text::Bytes(a), Text::Guid(b)) => (*a).cmp(b.text().as_slice()),
            (a, b) => b.is_null().cmp(&a.is_null()),
        }
    }
}
