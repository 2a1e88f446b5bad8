//! What the lake knows of users and organizations beside their audit rows: the newest state of each that was exported.
//!
//! A state is a whole row of an export. Which of two is the newer is decided by the time of their export, then by
//! whether it says that the row is gone, then by version number, then by what they say, so that merging is a maximum
//! and neither the order of files nor that of runs matters (L2, L9). Two organizations in one environment are both
//! kept; the newer one's settings hold.

use super::schema;
use crate::error::Result;
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{ArrowPrimitiveType, Int32Type, Int64Type, TimestampMicrosecondType};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A row of `systemuser`. Times are micros since 1970; unknown is `None` (L7).
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct User {
    pub exported_on: i64,
    /// What the source has deleted stays deleted; its row often has no version number.
    pub deleted_in_source: bool,
    pub version_number: Option<i64>,
    pub modified_on: Option<i64>,
    pub full_name: Option<String>,
    pub domain_name: Option<String>,
    pub is_disabled: Option<bool>,
    /// The global choice `systemuser_accessmode`: 0 read-write, 4 non-interactive, …
    pub access_mode: Option<i32>,
    pub application_id: Option<String>,
    pub is_licensed: Option<bool>,
    pub created_on: Option<i64>,
}

/// What reports tell a user by: how the user may come, if at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Account {
    pub is_disabled: Option<bool>,
    pub access_mode: Option<i32>,
    /// Whether the user stands for an application.
    pub is_application: bool,
    pub deleted_in_source: bool,
}

impl User {
    pub fn account(&self) -> Account {
        Account {
            is_disabled: self.is_disabled,
            access_mode: self.access_mode,
            is_application: self.application_id.is_some(),
            deleted_in_source: self.deleted_in_source,
        }
    }
}

/// A row of `organization`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Organization {
    pub exported_on: i64,
    pub version_number: Option<i64>,
    pub modified_on: Option<i64>,
    pub name: Option<String>,
    pub is_audit_enabled: Option<bool>,
    pub is_user_access_audit_enabled: Option<bool>,
    /// Hours.
    pub user_access_auditing_interval_h: Option<i32>,
    /// Days; -1 is forever.
    pub audit_retention_period_days: Option<i32>,
}

/// (environment, id)
pub type Key = (String, String);

/// One row of a side table, on its way into the lake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SideRow {
    User(Key, User),
    Organization(Key, Organization),
}

/// All side tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Side {
    pub users: BTreeMap<Key, User>,
    pub organizations: BTreeMap<Key, Organization>,
}

impl Side {
    /// Takes a row; false when it says nothing new but, perhaps, that what was known still held.
    pub fn take(&mut self, row: SideRow) -> bool {
        match row {
            SideRow::User(key, user) => {
                let undated = |user: &User| User {
                    exported_on: 0,
                    ..user.clone()
                };
                newest(&mut self.users, key, user, undated)
            }
            SideRow::Organization(key, organization) => {
                let undated = |organization: &Organization| Organization {
                    exported_on: 0,
                    ..organization.clone()
                };
                newest(&mut self.organizations, key, organization, undated)
            }
        }
    }

    /// The organization whose settings hold in an environment.
    pub fn organization(&self, environment: &str) -> Option<&Organization> {
        let of_environment = self.organizations.iter().filter(|(key, _)| key.0 == environment);
        of_environment
            .max_by_key(|(key, organization)| (*organization, &key.1))
            .map(|(_, organization)| organization)
    }

    pub fn users_to_batch(&self) -> Result<RecordBatch> {
        let users = || self.users.values();
        let columns: Vec<ArrayRef> = vec![
            texts(self.users.keys().map(|key| Some(&key.0))),
            texts(self.users.keys().map(|key| Some(&key.1))),
            texts(users().map(|user| user.full_name.as_ref())),
            texts(users().map(|user| user.domain_name.as_ref())),
            flags(users().map(|user| user.is_disabled)),
            Arc::new(users().map(|user| user.access_mode).collect::<Int32Array>()),
            texts(users().map(|user| user.application_id.as_ref())),
            flags(users().map(|user| user.is_licensed)),
            times(users().map(|user| user.created_on)),
            times(users().map(|user| user.modified_on)),
            Arc::new(users().map(|user| user.version_number).collect::<Int64Array>()),
            flags(users().map(|user| Some(user.deleted_in_source))),
            times(users().map(|user| Some(user.exported_on))),
        ];
        Ok(RecordBatch::try_new(schema::USERS.clone(), columns)?)
    }

    pub fn organizations_to_batch(&self) -> Result<RecordBatch> {
        let organizations = || self.organizations.values();
        let columns: Vec<ArrayRef> = vec![
            texts(self.organizations.keys().map(|key| Some(&key.0))),
            texts(self.organizations.keys().map(|key| Some(&key.1))),
            texts(organizations().map(|o| o.name.as_ref())),
            flags(organizations().map(|o| o.is_audit_enabled)),
            flags(organizations().map(|o| o.is_user_access_audit_enabled)),
            Arc::new(
                organizations()
                    .map(|o| o.user_access_auditing_interval_h)
                    .collect::<Int32Array>(),
            ),
            Arc::new(
                organizations()
                    .map(|o| o.audit_retention_period_days)
                    .collect::<Int32Array>(),
            ),
            times(organizations().map(|o| o.modified_on)),
            Arc::new(organizations().map(|o| o.version_number).collect::<Int64Array>()),
            times(organizations().map(|o| Some(o.exported_on))),
        ];
        Ok(RecordBatch::try_new(schema::ORGANIZATIONS.clone(), columns)?)
    }

    pub fn take_users(&mut self, rows: &RecordBatch) {
        for row in 0..rows.num_rows() {
            let user = User {
                full_name: text(rows, 2, row),
                domain_name: text(rows, 3, row),
                is_disabled: flag(rows, 4, row),
                access_mode: number::<Int32Type>(rows, 5, row),
                application_id: text(rows, 6, row),
                is_licensed: flag(rows, 7, row),
                created_on: number::<TimestampMicrosecondType>(rows, 8, row),
                modified_on: number::<TimestampMicrosecondType>(rows, 9, row),
                version_number: number::<Int64Type>(rows, 10, row),
                deleted_in_source: flag(rows, 11, row).unwrap_or_default(),
                exported_on: number::<TimestampMicrosecondType>(rows, 12, row).unwrap_or_default(),
            };
            self.users.insert(key(rows, row), user);
        }
    }

    pub fn take_organizations(&mut self, rows: &RecordBatch) {
        for row in 0..rows.num_rows() {
            let organization = Organization {
                name: text(rows, 2, row),
                is_audit_enabled: flag(rows, 3, row),
                is_user_access_audit_enabled: flag(rows, 4, row),
                user_access_auditing_interval_h: number::<Int32Type>(rows, 5, row),
                audit_retention_period_days: number::<Int32Type>(rows, 6, row),
                modified_on: number::<TimestampMicrosecondType>(rows, 7, row),
                version_number: number::<Int64Type>(rows, 8, row),
                exported_on: number::<TimestampMicrosecondType>(rows, 9, row).unwrap_or_default(),
            };
            self.organizations.insert(key(rows, row), organization);
        }
    }
}

fn newest<T: Ord>(known: &mut BTreeMap<Key, T>, key: Key, row: T, undated: impl Fn(&T) -> T) -> bool {
    match known.get_mut(&key) {
        Some(best) if *best >= row => false,
        Some(best) => {
            let is_new = undated(best) != undated(&row);
            *best = row;
            is_new
        }
        None => {
            known.insert(key, row);
            true
        }
    }
}

fn texts<'a>(values: impl Iterator<Item = Option<&'a String>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

fn flags(values: impl Iterator<Item = Option<bool>>) -> ArrayRef {
    Arc::new(values.collect::<BooleanArray>())
}

fn times(values: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(values.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
}

fn key(rows: &RecordBatch, row: usize) -> Key {
    (
        text(rows, 0, row).unwrap_or_default(),
        text(rows, 1, row).unwrap_or_default(),
    )
}

fn text(rows: &RecordBatch, column: usize, row: usize) -> Option<String> {
    let column = rows.column(column).as_string::<i32>();
    column.is_valid(row).then(|| column.value(row).to_owned())
}

fn flag(rows: &RecordBatch, column: usize, row: usize) -> Option<bool> {
    let column = rows.column(column).as_boolean();
    column.is_valid(row).then(|| column.value(row))
}

fn number<T: ArrowPrimitiveType>(rows: &RecordBatch, column: usize, row: usize) -> Option<T::Native> {
    let column = rows.column(column).as_primitive::<T>();
    column.is_valid(row).then(|| column.value(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(exported_on: i64, name: &str) -> SideRow {
        let user = User {
            exported_on,
            full_name: Some(name.to_owned()),
            is_disabled: Some(false),
            access_mode: Some(4),
            ..User::default()
        };
        SideRow::User(("e".to_owned(), "1".to_owned()), user)
    }

    fn organization(id: &str, exported_on: i64, hours: Option<i32>) -> SideRow {
        let organization = Organization {
            exported_on,
            user_access_auditing_interval_h: hours,
            is_audit_enabled: Some(true),
            ..Organization::default()
        };
        SideRow::Organization(("e".to_owned(), id.to_owned()), organization)
    }

    #[test]
    fn the_newest_export_wins_as_a_whole_in_any_order_l2() {
        let rows = [user(5, "old"), user(9, "new"), user(7, "between")];
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [1, 2, 0]] {
            let mut side = Side::default();
            for row in order {
                side.take(rows[row].clone());
            }
            assert_eq!(side.users.len(), 1);
            assert_eq!(
                side.users.values().next().unwrap().full_name.as_deref(),
                Some("new"),
                "{order:?}"
            );
        }
    }

    #[test]
    fn a_state_that_only_still_holds_is_nothing_new_l3() {
        let mut side = Side::default();
        assert!(side.take(user(5, "Jane")));
        assert!(!side.take(user(5, "Jane")));
        assert!(!side.take(user(9, "Jane")));
        assert!(!side.take(user(7, "Jan")), "an older state");
        assert!(side.take(user(10, "Janet")));
    }

    #[test]
    fn what_an_export_says_is_deleted_is_so_whatever_its_version_number() {
        let mut deleted = user(5, "Jane");
        let mut live = user(5, "Jane");
        if let (SideRow::User(_, deleted), SideRow::User(_, live)) = (&mut deleted, &mut live) {
            (deleted.deleted_in_source, live.version_number) = (true, Some(7));
        }
        for rows in [[&live, &deleted], [&deleted, &live]] {
            let mut side = Side::default();
            for row in rows {
                side.take(row.clone());
            }
            assert!(side.users.values().all(|user| user.deleted_in_source));
            assert!(side.take(user(6, "Jane")), "a later export knows better");
        }
    }

    #[test]
    fn of_two_organizations_the_newer_one_s_settings_hold_even_where_it_says_nothing() {
        let mut side = Side::default();
        side.take(organization("a", 9, None));
        side.take(organization("b", 5, Some(12)));
        assert_eq!(side.organization("e").unwrap().user_access_auditing_interval_h, None);
        assert_eq!(side.organization("f"), None);
    }

    #[test]
    fn side_tables_survive_their_files() {
        let mut side = Side::default();
        side.take(user(-5, "Jané"));
        side.take(organization("a", 9, Some(0)));
        let mut read = Side::default();
        read.take_users(&side.users_to_batch().unwrap());
        read.take_organizations(&side.organizations_to_batch().unwrap());
        assert_eq!(read, side);
    }
}
