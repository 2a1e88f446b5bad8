//! Names of people, harvested from every row that carries them, duplicates included: the route that brings a name is
//! often not the one that brought the row first.
//!
//! One entry per (environment, id, name) with the newest `created_on` it was seen at. The merge is a maximum, so the
//! order of files does not matter (L2). The one name by which somebody is called is the [`Newest`].

use super::schema;
use crate::error::Result;
use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::TimestampMicrosecondType;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Environment → id → its names in order, each with the newest micros it was seen at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    environments: BTreeMap<String, HashMap<String, Vec<(String, i64)>>>,
}

impl Names {
    /// What is known is found without making a key.
    pub fn add(&mut self, environment: &str, id: &str, name: &str, seen_on: i64) {
        let people = match self.environments.get_mut(environment) {
            Some(people) => people,
            None => self.environments.entry(environment.to_owned()).or_default(),
        };
        let names = match people.get_mut(id) {
            Some(names) => names,
            None => people.entry(id.to_owned()).or_default(),
        };
        add_to(names, name, seen_on);
    }

    pub fn merge(&mut self, other: Names) {
        for (environment, people) in other.environments {
            let known = self.environments.entry(environment).or_default();
            for (id, names) in people {
                match known.get_mut(&id) {
                    Some(known) => names.iter().for_each(|(name, seen_on)| add_to(known, name, *seen_on)),
                    None => drop(known.insert(id, names)),
                }
            }
        }
    }

    /// (environment, id, name, seen_on) in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &str, i64)> {
        let people = self.environments.iter().flat_map(|(environment, people)| {
            let mut people: Vec<_> = people.iter().collect();
            people.sort_unstable_by_key(|(id, _)| id.as_str());
            people.into_iter().map(move |(id, names)| (environment, id, names))
        });
        people.flat_map(|(environment, id, names)| {
            let names = names.iter();
            names.map(move |(name, seen_on)| (environment.as_str(), id.as_str(), name.as_str(), *seen_on))
        })
    }

    /// As a table, in order.
    pub fn to_batch(&self) -> Result<RecordBatch> {
        let entries: Vec<(&str, &str, &str, i64)> = self.iter().collect();
        let text = |texts: Vec<&str>| -> ArrayRef { Arc::new(StringArray::from_iter_values(texts)) };
        let seen_on = TimestampMicrosecondArray::from_iter_values(entries.iter().map(|entry| entry.3));
        let columns = vec![
            text(entries.iter().map(|entry| entry.0).collect()),
            text(entries.iter().map(|entry| entry.1).collect()),
            text(entries.iter().map(|entry| entry.2).collect()),
            Arc::new(seen_on.with_timezone("UTC")) as ArrayRef,
        ];
        Ok(RecordBatch::try_new(schema::NAMES.clone(), columns)?)
    }

    pub fn from_batch(rows: &RecordBatch) -> Names {
        let text = |column: usize| rows.column(column).as_string::<i32>();
        let seen_on = rows.column(3).as_primitive::<TimestampMicrosecondType>();
        let mut names = Names::default();
        for row in 0..rows.num_rows() {
            names.add(
                text(0).value(row),
                text(1).value(row),
                text(2).value(row),
                seen_on.value(row),
            );
        }
        names
    }
}

fn add_to(names: &mut Vec<(String, i64)>, name: &str, seen_on: i64) {
    match names.binary_search_by(|(known, _)| known.as_str().cmp(name)) {
        Ok(place) => names[place].1 = names[place].1.max(seen_on),
        Err(place) => names.insert(place, (name.to_owned(), seen_on)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_their_table() {
        let mut names = Names::default();
        names.add("e", "1", "Jané", -5);
        assert_eq!(Names::from_batch(&names.to_batch().unwrap()), names);
    }

    #[test]
    fn the_newest_sighting_of_each_name_stays_whatever_the_order_l2() {
        let sightings = [("jane", 5), ("Jane", 9), ("jane", 7)];
        let mut forward = Names::default();
        let mut backward = Names::default();
        for (name, on) in sightings {
            forward.add("e", "1", name, on);
        }
        for (name, on) in sightings.into_iter().rev() {
            let mut one = Names::default();
            one.add("e", "1", name, on);
            backward.merge(one);
        }
        assert_eq!(forward, backward);
        assert_eq!(
            forward.iter().map(|(_, _, name, on)| (name, on)).collect::<Vec<_>>(),
            [("Jane", 9), ("jane", 7)]
        );
    }
}
