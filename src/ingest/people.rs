//! The names of people that a block carries, before they are merged with those of all others.
//!
//! Every row names somebody, mostly one who was named shortly before, so a row costs a look at the last sighting of such
//! an id and no memory. What is forgotten of an id only means that a sighting is told twice: the merge is a maximum.

use crate::lake::names::Names;
use crate::lake::side::SideRow;
use crate::record::Record;
use xxhash_rust::xxh3::xxh3_64;

#[derive(Default)]
pub struct People {
    sightings: Vec<Sighting>,
    /// The ids and names of all sightings, behind each other.
    texts: String,
    environments: Vec<String>,
}

/// An id with a name, and the newest micros that both were seen at.
struct Sighting {
    /// Its place among the environments.
    environment: usize,
    /// Where the id begins, where the name does, and where that ends.
    texts: [usize; 3],
    seen_on: i64,
}

/// Sees people, row by row.
pub struct Watch {
    people: People,
    /// By the hash of an id: its last sighting, or that of another.
    last: Vec<u32>,
}

/// More people are seen twice.
const MOST_REMEMBERED: usize = 1 << 13;

impl Watch {
    /// Over a block of so many bytes.
    pub fn over(bytes: usize) -> Watch {
        let remembered = (bytes / 128).next_power_of_two().min(MOST_REMEMBERED);
        Watch {
            people: People::default(),
            last: vec![u32::MAX; remembered],
        }
    }

    /// Takes the names a record carries of people: its actor, its user, its calling user.
    pub fn see(&mut self, environment: &str, record: &Record<'_>) {
        let (actor, user) = (record.actor(), (record.user_id.as_deref(), record.user_name.as_deref()));
        let calling = (record.calling_user_id.as_deref(), record.calling_user_name.as_deref());
        let others = [user, calling].into_iter().filter(|person| *person != actor);
        for person in others.chain([actor]) {
            if let (Some(id), Some(name)) = person {
                self.add(environment, id, name, record.created_on);
            }
        }
    }

    /// Takes the name of a user from a row of that table, seen when it was exported.
    pub fn see_user(&mut self, row: &SideRow) {
        if let SideRow::User((environment, id), user) = row
            && let Some(name) = &user.full_name
        {
            self.add(environment, id, name, user.exported_on);
        }
    }

    fn add(&mut self, environment: &str, id: &str, name: &str, seen_on: i64) {
        let environment = self.people.environment(environment);
        let place = xxh3_64(id.as_bytes()) as usize & (self.last.len() - 1);
        let known = self.people.sightings.get_mut(self.last[place] as usize);
        if let Some(known) = known
            && known.environment == environment
            && self.people.texts.as_bytes()[known.texts[0]..known.texts[1]] == *id.as_bytes()
            && self.people.texts.as_bytes()[known.texts[1]..known.texts[2]] == *name.as_bytes()
        {
            known.seen_on = known.seen_on.max(seen_on);
            return;
        }
        self.last[place] = u32::try_from(self.people.sightings.len()).unwrap_or(u32::MAX);
        self.people.push(environment, id, name, seen_on);
    }

    pub fn people(self) -> People {
        self.people
    }
}

impl People {
    fn environment(&mut self, name: &str) -> usize {
        let known = self.environments.iter().rposition(|known| known == name);
        known.unwrap_or_else(|| {
            self.environments.push(name.to_owned());
            self.environments.len() - 1
        })
    }

    fn push(&mut self, environment: usize, id: &str, name: &str, seen_on: i64) {
        let begin = self.texts.len();
        self.texts.push_str(id);
        let middle = self.texts.len();
        self.texts.push_str(name);
        self.sightings.push(Sighting {
            environment,
            texts: [begin, middle, self.texts.len()],
            seen_on,
        });
    }

    /// Tells them all.
    pub fn tell(&self, names: &mut Names) {
        for sighting in &self.sightings {
            let [begin, middle, end] = sighting.texts;
            let (id, name) = (&self.texts[begin..middle], &self.texts[middle..end]);
            names.add(&self.environments[sighting.environment], id, name, sighting.seen_on);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_does_not_depend_on_how_many_are_remembered() {
        let told = |bytes: usize| {
            let (mut watch, mut expected) = (Watch::over(bytes), Names::default());
            for row in 0..400_i64 {
                let (environment, id) = (["e", "f"][row as usize % 2], (row % 35).to_string());
                let name = format!("name {}", row % 70 / 10);
                watch.add(environment, &id, &name, row * 7 % 100);
                expected.add(environment, &id, &name, row * 7 % 100);
            }
            let (people, mut names) = (watch.people(), Names::default());
            people.tell(&mut names);
            assert_eq!(names, expected, "{bytes}");
            people.sightings.len()
        };
        let sightings = [0, 1000, 1 << 20].map(told);
        assert!(sightings.is_sorted_by(|fewer, more| fewer >= more), "{sightings:?}");
    }
}
