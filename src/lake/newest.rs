//! Everybody of whom exports tell: by which names, of these by which the newest, and with which account.
//!
//! Names come from rows of the log, each with the instant it was last seen at, and from the newest exported state of a
//! user, with that of its export. Of equally new names that of the state counts, else the last in byte order: a maximum,
//! whatever the order in which they come (L2). Who asks for some people only keeps no text of the others.
//!
//! Example: `jane` seen at 5 and `Jane` at 4 make `jane`; with a state of 5 that says `Janet`, she is `Janet`.

use super::side::Account;
use super::{Lake, batches};
use crate::error::Result;
use arrow::array::{Array, AsArray, BooleanArray, Int32Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

/// The persons of all environments.
#[derive(Debug, Default)]
pub struct Newest(BTreeMap<String, Arc<Persons>>);

/// The persons of an environment.
#[derive(Debug, Default)]
pub struct Persons {
    /// In order of id.
    entries: Vec<Entry>,
    /// Where the names of one after the other stand.
    names: Vec<Range<usize>>,
    /// All ids and names.
    texts: String,
}

#[derive(Debug)]
struct Entry {
    id: Range<usize>,
    /// Which of the names; the newest first.
    names: Range<usize>,
    account: Option<Account>,
}

/// Somebody.
#[derive(Clone, Copy)]
pub struct Person<'a> {
    all: &'a Persons,
    entry: &'a Entry,
}

/// Rows that tell of somebody.
struct Told<'a> {
    environments: &'a StringArray,
    ids: &'a StringArray,
    names: &'a StringArray,
    on: &'a TimestampMicrosecondArray,
    /// Of states: whether disabled, which access mode, which application, whether deleted.
    accounts: Option<(&'a BooleanArray, &'a Int32Array, &'a StringArray, &'a BooleanArray)>,
}

/// The greatest is the newest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Name<'a> {
    /// Micros.
    on: i64,
    /// Whether the state of a user says so.
    is_state: bool,
    name: &'a str,
}

impl<'a> Person<'a> {
    pub fn id(&self) -> &'a str {
        &self.all.texts[self.entry.id.clone()]
    }

    /// Every name, the newest first.
    pub fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let all = self.all;
        let names = all.names[self.entry.names.clone()].iter();
        names.map(|name| &all.texts[name.clone()])
    }

    pub fn name(&self) -> Option<&'a str> {
        self.names().next()
    }

    /// `None` of whom no state was exported.
    pub fn account(&self) -> Option<Account> {
        self.entry.account
    }
}

impl Persons {
    /// In order of id.
    pub fn iter(&self) -> impl Iterator<Item = Person<'_>> {
        self.entries.iter().map(|entry| Person { all: self, entry })
    }

    pub fn name_of(&self, id: &str) -> Option<&str> {
        self.names_of([id]).next().flatten()
    }

    /// The newest name of each; nobody is searched for where the ids are in order, and all known.
    pub fn names_of<'a, 'i>(&'a self, ids: impl IntoIterator<Item = &'i str>) -> impl Iterator<Item = Option<&'a str>> {
        let id_of = |entry: &Entry| &self.texts[entry.id.clone()];
        let mut next = 0;
        ids.into_iter().map(move |id| {
            let is_next = self.entries.get(next).is_some_and(|entry| id_of(entry) == id);
            if !is_next {
                next = self.entries.partition_point(|entry| id_of(entry) < id);
            }
            let entry = self.entries.get(next).filter(|entry| is_next || id_of(entry) == id)?;
            next += 1;
            Person { all: self, entry }.name()
        })
    }

    /// Of rows, given by table and place, in order of id.
    fn of(told: &[Told<'_>], rows: &[(usize, usize)]) -> Persons {
        let mut persons = Persons::default();
        let id = |&(table, row): &(usize, usize)| told[table].ids.value(row);
        let mut names = Vec::new();
        for rows in rows.chunk_by(|one, next| id(one) == id(next)) {
            names.extend(rows.iter().filter_map(|&(table, row)| told[table].name(row)));
            names.sort_unstable_by(|one, other| other.cmp(one));
            names.dedup_by_key(|name| name.name);
            let first = persons.names.len();
            for name in names.drain(..) {
                let place = persons.add_text(name.name);
                persons.names.push(place);
            }
            let entry = Entry {
                id: persons.add_text(id(&rows[0])),
                names: first..persons.names.len(),
                account: rows.iter().find_map(|&(table, row)| told[table].account(row)),
            };
            persons.entries.push(entry);
        }
        persons
    }

    fn add_text(&mut self, text: &str) -> Range<usize> {
        let start = self.texts.len();
        self.texts.push_str(text);
        start..self.texts.len()
    }
}

impl Newest {
    pub fn of(&self, environment: &str) -> Arc<Persons> {
        self.0.get(environment).cloned().unwrap_or_default()
    }

    /// The environments of which somebody is known.
    pub fn environments(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    fn told(told: &[Told<'_>], only: Option<&HashSet<&str>>) -> Newest {
        let key = |&(table, row): &(usize, usize)| (told[table].environments.value(row), told[table].ids.value(row));
        let rows = told
            .iter()
            .enumerate()
            .flat_map(|(table, told)| (0..told.ids.len()).map(move |row| (table, row)));
        let mut rows: Vec<(usize, usize)> = rows
            .filter(|row| only.is_none_or(|only| only.contains(key(row).1)))
            .collect();
        // Each file is in order as it is, and what is in order is taken as one.
        rows.sort_by(|one, other| key(one).cmp(&key(other)));
        let by_environment = rows.chunk_by(|one, next| key(one).0 == key(next).0);
        let persons = by_environment.map(|rows| (key(&rows[0]).0.to_owned(), Arc::new(Persons::of(told, rows))));
        Newest(persons.collect())
    }
}

/// What rows of the log tell: environment, id, name and instant.
const SEEN: [&str; 4] = ["environment", "id", "name", "seen_on"];

/// What states of users tell.
const STATED: [&str; 8] = [
    "environment",
    "user_id",
    "full_name",
    "is_disabled",
    "access_mode",
    "application_id",
    "deleted_in_source",
    "exported_on",
];

impl<'a> Told<'a> {
    /// Rows of [`SEEN`].
    fn seen(rows: &'a RecordBatch) -> Told<'a> {
        Told {
            environments: rows.column(0).as_string(),
            ids: rows.column(1).as_string(),
            names: rows.column(2).as_string(),
            on: rows.column(3).as_primitive(),
            accounts: None,
        }
    }

    /// Rows of [`STATED`].
    fn stated(rows: &'a RecordBatch) -> Told<'a> {
        let flags = |column: usize| rows.column(column).as_boolean();
        Told {
            environments: rows.column(0).as_string(),
            ids: rows.column(1).as_string(),
            names: rows.column(2).as_string(),
            on: rows.column(7).as_primitive(),
            accounts: Some((
                flags(3),
                rows.column(4).as_primitive(),
                rows.column(5).as_string(),
                flags(6),
            )),
        }
    }

    fn name(&self, row: usize) -> Option<Name<'a>> {
        self.names.is_valid(row).then(|| Name {
            on: self.on.value(row),
            is_state: self.accounts.is_some(),
            name: self.names.value(row),
        })
    }

    fn account(&self, row: usize) -> Option<Account> {
        let (is_disabled, access_mode, application_id, deleted_in_source) = self.accounts?;
        Some(Account {
            is_disabled: is_disabled.is_valid(row).then(|| is_disabled.value(row)),
            access_mode: access_mode.is_valid(row).then(|| access_mode.value(row)),
            is_application: application_id.is_valid(row),
            deleted_in_source: deleted_in_source.value(row),
        })
    }
}

impl Lake {
    /// What is known of everybody, or of these ids alone.
    pub fn newest(&self, only: Option<&HashSet<&str>>) -> Result<Newest> {
        let manifest = &self.manifest;
        let (names, states) = rayon::join(
            || batches(&self.root, manifest.names.as_ref(), &SEEN),
            || batches(&self.root, manifest.users.as_ref(), &STATED),
        );
        let (names, states) = (names?, states?);
        let told: Vec<Told<'_>> = names
            .iter()
            .map(Told::seen)
            .chain(states.iter().map(Told::stated))
            .collect();
        Ok(Newest::told(&told, only))
    }
}

#[cfg(test)]
mod tests {
    use super::super::names::Names;
    use super::super::side::{Side, SideRow, User};
    use super::*;

    /// Names seen of `1` in `e`, as their table says them.
    fn sightings(names: &[(&str, i64)]) -> RecordBatch {
        let mut known = Names::default();
        names.iter().for_each(|(name, on)| known.add("e", "1", name, *on));
        known.add("f", "1", "other", 9);
        known.to_batch().unwrap()
    }

    /// The state of `1` in `e`, as the users' table says it.
    fn state(exported_on: i64, name: Option<&str>) -> RecordBatch {
        let user = User {
            exported_on,
            full_name: name.map(str::to_owned),
            ..User::default()
        };
        let mut side = Side::default();
        side.take(SideRow::User(("e".to_owned(), "1".to_owned()), user));
        side.users_to_batch()
            .unwrap()
            .project(&[0, 1, 2, 4, 5, 6, 11, 12])
            .unwrap()
    }

    /// What `1` is called in `e`, in whichever order is read.
    fn called(names: &RecordBatch, state: Option<&RecordBatch>, only: Option<&HashSet<&str>>) -> Option<String> {
        let names: Vec<RecordBatch> = (0..names.num_rows()).map(|row| names.slice(row, 1)).collect();
        let mut told: Vec<Told<'_>> = names.iter().map(Told::seen).collect();
        told.extend(state.map(Told::stated));
        let name = |told: &[Told<'_>]| Newest::told(told, only).of("e").name_of("1").map(str::to_owned);
        let found = name(&told);
        told.reverse();
        assert_eq!(name(&told), found);
        found
    }

    #[test]
    fn of_equally_new_names_the_last_in_byte_order_counts() {
        let found = called(&sightings(&[("Jane", 5), ("jane", 5), ("zoe", 4)]), None, None);
        assert_eq!(found.as_deref(), Some("jane"));
    }

    #[test]
    fn of_equally_new_names_the_newest_exported_state_counts() {
        for (exported_on, name) in [(4, "jane"), (5, "Jane"), (6, "Jane")] {
            let found = called(
                &sightings(&[("jane", 5)]),
                Some(&state(exported_on, Some("Jane"))),
                None,
            );
            assert_eq!(found.as_deref(), Some(name), "{exported_on}");
        }
        let unnamed = called(&sightings(&[("jane", 5)]), Some(&state(6, None)), None);
        assert_eq!(unnamed.as_deref(), Some("jane"));
    }

    #[test]
    fn who_is_not_asked_for_has_no_name() {
        let rows = sightings(&[("jane", 5)]);
        let asked = |id| called(&rows, None, Some(&HashSet::from([id])));
        assert_eq!((asked("1").as_deref(), asked("2")), (Some("jane"), None));
    }

    #[test]
    fn names_of_ids_in_any_order_are_those_of_each() {
        let mut known = Names::default();
        ["b", "d", "e"]
            .iter()
            .for_each(|id| known.add("e", id, &format!("name of {id}"), 1));
        let rows = known.to_batch().unwrap();
        let persons = Newest::told(&[Told::seen(&rows)], None).of("e");
        for ids in [["a", "b", "c", "d", "e", "f"], ["f", "e", "b", "b", "d", "a"]] {
            let each: Vec<Option<&str>> = ids.iter().map(|id| persons.name_of(id)).collect();
            assert_eq!(persons.names_of(ids).collect::<Vec<_>>(), each);
            assert_eq!(
                each.iter().flatten().count(),
                ids.iter().filter(|id| "bde".contains(**id)).count()
            );
        }
    }

    #[test]
    fn somebody_has_every_name_the_newest_first_and_an_account_if_a_state_says_so() {
        let names = sightings(&[("Jane", 5), ("jane", 7)]);
        let state = state(6, Some("Jan"));
        let persons = Newest::told(&[Told::seen(&names), Told::stated(&state)], None).of("e");
        let person = persons.iter().next().unwrap();
        assert_eq!(person.names().collect::<Vec<_>>(), ["jane", "Jan", "Jane"]);
        assert_eq!(person.account(), Some(Account::default()));
    }
}
