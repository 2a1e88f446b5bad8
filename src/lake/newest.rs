//! By which name everybody is called: of all that are known of an id, the newest.
//!
//! Names come from rows of the log, each with the instant it was last seen at, and from the newest exported state of a
//! user, with that of its export. Of equally new names that of the state counts, else the last in byte order: a maximum,
//! whatever the order in which they come (L2). Who asks for some people only makes no text of the others.
//!
//! Example: `jane` seen at 5 and `Jane` at 4 make `jane`; with a state of 5 that says `Janet`, she is `Janet`.

use super::Lake;
use super::file;
use super::ids::Xxh3;
use super::manifest::DataFile;
use crate::error::{AtPath, Result};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::BuildHasherDefault;
use std::sync::Arc;

/// The newest names of all environments.
#[derive(Debug, Default)]
pub struct Newest(BTreeMap<String, Arc<Called>>);

/// The newest name of each id of an environment.
#[derive(Debug, Clone, Default)]
pub struct Called(HashMap<String, Name, BuildHasherDefault<Xxh3>>);

/// The greatest is the newest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    /// Micros.
    on: i64,
    /// Whether the state of a user says so.
    is_state: bool,
    name: String,
}

impl Called {
    pub fn name_of(&self, id: &str) -> Option<&str> {
        self.0.get(id).map(|known| known.name.as_str())
    }

    fn add(&mut self, id: &str, on: i64, is_state: bool, name: &str) {
        let new = || Name {
            on,
            is_state,
            name: name.to_owned(),
        };
        match self.0.get_mut(id) {
            Some(known) if (known.on, known.is_state, known.name.as_str()) >= (on, is_state, name) => {}
            Some(known) => *known = new(),
            None => drop(self.0.insert(id.to_owned(), new())),
        }
    }

    fn merge(&mut self, other: Called) {
        for (id, name) in other.0 {
            match self.0.get_mut(&id) {
                Some(known) if *known >= name => {}
                Some(known) => *known = name,
                None => drop(self.0.insert(id, name)),
            }
        }
    }
}

impl Newest {
    pub fn of(&self, environment: &str) -> Arc<Called> {
        self.0.get(environment).cloned().unwrap_or_default()
    }

    fn environment(&mut self, environment: &str) -> &mut Called {
        Arc::make_mut(self.0.entry(environment.to_owned()).or_default())
    }

    /// Takes rows of environment, id, name and instant, of which those of an environment mostly stand together.
    fn take(&mut self, rows: &RecordBatch, is_state: bool, only: Option<&HashSet<&str>>) {
        let text = |column: usize| rows.column(column).as_string::<i32>();
        let (environments, ids, names) = (text(0), text(1), text(2));
        let on = rows.column(3).as_primitive::<TimestampMicrosecondType>();
        let mut start = 0;
        while start < rows.num_rows() {
            let environment = environments.value(start);
            let is_of_another = |row: &usize| environments.value(*row) != environment;
            let end = (start..rows.num_rows()).find(is_of_another).unwrap_or(rows.num_rows());
            let known = self.environment(environment);
            if only.is_none() {
                known.0.reserve(end - start);
            }
            for row in (start..end).filter(|row| names.is_valid(*row)) {
                let id = ids.value(row);
                if only.is_none_or(|only| only.contains(id)) {
                    known.add(id, on.value(row), is_state, names.value(row));
                }
            }
            start = end;
        }
    }

    fn merge(mut self, other: Newest) -> Newest {
        for (environment, called) in other.0 {
            self.environment(&environment).merge(Arc::unwrap_or_clone(called));
        }
        self
    }
}

impl Lake {
    /// The newest name of everybody, or of these ids alone.
    pub fn newest_names(&self, only: Option<&HashSet<&str>>) -> Result<Newest> {
        let manifest = &self.manifest;
        let seen = ["environment", "id", "name", "seen_on"];
        let stated = ["environment", "user_id", "full_name", "exported_on"];
        let (names, states) = rayon::join(
            || self.read_newest(manifest.names.as_ref(), &seen, false, only),
            || self.read_newest(manifest.users.as_ref(), &stated, true, only),
        );
        Ok(names?.merge(states?))
    }

    fn read_newest(
        &self,
        data: Option<&DataFile>,
        columns: &[&str],
        is_state: bool,
        only: Option<&HashSet<&str>>,
    ) -> Result<Newest> {
        let mut newest = Newest::default();
        let Some(data) = data else { return Ok(newest) };
        let path = self.root.join(&data.path);
        for rows in file::read(&path, columns, 1 << 14)? {
            newest.take(&rows.at_path(&path, "cannot be read")?, is_state, only);
        }
        Ok(newest)
    }
}

#[cfg(test)]
mod tests {
    use super::super::names::Names;
    use super::super::side::{Side, SideRow, User};
    use super::*;

    /// Names seen of `1` in `e`, as their table says them.
    fn seen(names: &[(&str, i64)]) -> RecordBatch {
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
        side.users_to_batch().unwrap().project(&[0, 1, 2, 12]).unwrap()
    }

    /// What `1` is called in `e`, in whichever order is read.
    fn called(seen: &RecordBatch, state: Option<&RecordBatch>, only: Option<&HashSet<&str>>) -> Option<String> {
        let newest = |rows: Option<&RecordBatch>, is_state: bool| {
            let mut newest = Newest::default();
            rows.into_iter().for_each(|rows| newest.take(rows, is_state, only));
            newest
        };
        let both = || (newest(Some(seen), false), newest(state, true));
        let name = |newest: Newest| newest.of("e").name_of("1").map(str::to_owned);
        let found = [both().0.merge(both().1), both().1.merge(both().0)].map(name);
        assert_eq!(found[0], found[1]);
        found[0].clone()
    }

    #[test]
    fn of_equally_new_names_the_last_in_byte_order_counts() {
        let found = called(&seen(&[("Jane", 5), ("jane", 5), ("zoe", 4)]), None, None);
        assert_eq!(found.as_deref(), Some("jane"));
    }

    #[test]
    fn of_equally_new_names_the_newest_exported_state_counts() {
        for (exported_on, name) in [(4, "jane"), (5, "Jane"), (6, "Jane")] {
            let found = called(&seen(&[("jane", 5)]), Some(&state(exported_on, Some("Jane"))), None);
            assert_eq!(found.as_deref(), Some(name), "{exported_on}");
        }
        let unnamed = called(&seen(&[("jane", 5)]), Some(&state(6, None)), None);
        assert_eq!(unnamed.as_deref(), Some("jane"));
    }

    #[test]
    fn who_is_not_asked_for_has_no_name() {
        let rows = seen(&[("jane", 5)]);
        let asked = |id| called(&rows, None, Some(&HashSet::from([id])));
        assert_eq!((asked("1").as_deref(), asked("2")), (Some("jane"), None));
    }
}
