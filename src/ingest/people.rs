//! The names of people that were met, each once with the newest time: first those of a block, then those of all blocks.
//!
//! Nearly every row names somebody, so that somebody is known is found by a hash alone, without a look at the texts. Like
//! the identity of rows it has 128 bits.

use crate::lake::names::Names;
use crate::lake::side::SideRow;
use crate::record::Record;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed, xxh3_128_with_seed};

/// The people that a block names. Somebody may be in it several times: most people of a block are met once or twice, so
/// only those met last are looked for.
pub struct Sightings {
    met: Vec<Met>,
    /// The ids and names of all, behind each other.
    texts: String,
    /// With the hash of each.
    environments: Vec<(String, u64)>,
    /// That of those who come next.
    environment: usize,
    /// By the last bits of a hash, the place in `met` of the last one that has them.
    recent: Vec<u32>,
}

/// How many people are remembered.
const RECENT: usize = 2048;

/// An id with a name, and the newest micros that both were seen at.
struct Met {
    hash: u128,
    /// Its place among the environments.
    environment: usize,
    /// Where the id begins, where the name does, and where that ends.
    texts: [usize; 3],
    seen_on: i64,
}

impl Default for Sightings {
    fn default() -> Self {
        Sightings {
            met: Vec::new(),
            texts: String::new(),
            environments: Vec::new(),
            environment: 0,
            recent: vec![u32::MAX; RECENT],
        }
    }
}

impl Sightings {
    /// None, in the room of these.
    pub fn emptied(mut self) -> Sightings {
        self.met.clear();
        self.texts.clear();
        self.environments.clear();
        self.recent.fill(u32::MAX);
        self
    }

    /// Those who come next are of this environment.
    pub fn enter(&mut self, environment: &str) {
        self.environment = self.place_of(environment);
    }

    /// Takes the names a record carries of people: its actor, its user, its calling user.
    pub fn see(&mut self, record: &Record<'_>) {
        if record.object_name.is_none() && record.user_name.is_none() && record.calling_user_name.is_none() {
            return;
        }
        let (actor, user) = (record.actor(), (record.user_id, record.user_name));
        let calling = (record.calling_user_id, record.calling_user_name);
        let others = [user, calling].into_iter().filter(|person| *person != actor);
        for person in others.chain([actor]) {
            if let (Some(id), Some(name)) = person {
                self.add(id, name, record.created_on);
            }
        }
    }

    /// Takes the name of a user from a row of that table, seen when it was exported.
    pub fn see_user(&mut self, row: &SideRow) {
        if let SideRow::User((_, id), user) = row
            && let Some(name) = &user.full_name
        {
            self.add(id, name, user.exported_on);
        }
    }

    fn add(&mut self, id: &str, name: &str, seen_on: i64) {
        let seed = xxh3_64_with_seed(name.as_bytes(), self.environments[self.environment].1);
        let hash = xxh3_128_with_seed(id.as_bytes(), seed);
        let recent = &mut self.recent[hash as usize % RECENT];
        if let Some(known) = self.met.get_mut(*recent as usize)
            && known.hash == hash
        {
            known.seen_on = known.seen_on.max(seen_on);
            return;
        }
        *recent = self.met.len() as u32;
        self.push(hash, self.environment, [id, name], seen_on);
    }

    fn push(&mut self, hash: u128, environment: usize, [id, name]: [&str; 2], seen_on: i64) {
        let begin = self.texts.len();
        self.texts.push_str(id);
        let middle = self.texts.len();
        self.texts.push_str(name);
        self.met.push(Met {
            hash,
            environment,
            texts: [begin, middle, self.texts.len()],
            seen_on,
        });
    }

    fn place_of(&mut self, name: &str) -> usize {
        let known = self.environments.iter().rposition(|(known, _)| known == name);
        known.unwrap_or_else(|| {
            self.environments.push((name.to_owned(), xxh3_64(name.as_bytes())));
            self.environments.len() - 1
        })
    }

    /// Id and name.
    fn texts_of(&self, met: &Met) -> [&str; 2] {
        let [begin, middle, end] = met.texts;
        [&self.texts[begin..middle], &self.texts[middle..end]]
    }
}

/// The people of all blocks, each once.
#[derive(Default)]
pub struct People {
    all: Sightings,
    /// Hash → place among them.
    places: HashMap<u128, usize, BuildHasherDefault<Hashed>>,
}

impl People {
    /// Takes those of a block.
    pub fn take(&mut self, block: &Sightings) {
        let environments = block.environments.iter();
        let environments: Vec<usize> = environments.map(|(name, _)| self.all.place_of(name)).collect();
        for met in &block.met {
            let place = *self.places.entry(met.hash).or_insert(self.all.met.len());
            match self.all.met.get_mut(place) {
                Some(known) => known.seen_on = known.seen_on.max(met.seen_on),
                None => {
                    let environment = environments[met.environment];
                    self.all.push(met.hash, environment, block.texts_of(met), met.seen_on);
                }
            }
        }
    }

    /// As the lake keeps them.
    pub fn into_names(self) -> Names {
        let mut names = Names::default();
        for met in &self.all.met {
            let [id, name] = self.all.texts_of(met);
            names.add(&self.all.environments[met.environment].0, id, name, met.seen_on);
        }
        names
    }
}

/// What is a hash already.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn write_u128(&mut self, hash: u128) {
        self.0 = hash as u64;
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64(bytes);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_sighting_of_each_name_stays_whatever_the_blocks_l2() {
        let sightings: Vec<(String, String, String, i64)> = (0..400_i64)
            .map(|row| {
                let environment = ["e", "f"][row as usize % 2].to_owned();
                (
                    environment,
                    (row % 35).to_string(),
                    format!("name {}", row % 70 / 10),
                    row * 7 % 100,
                )
            })
            .collect();
        let mut expected = Names::default();
        for (environment, id, name, seen_on) in &sightings {
            expected.add(environment, id, name, *seen_on);
        }
        for rows in [1, 7, 1000] {
            let mut all = People::default();
            for block in sightings.chunks(rows) {
                let mut sightings = Sightings::default();
                for (environment, id, name, seen_on) in block {
                    sightings.enter(environment);
                    sightings.add(id, name, *seen_on);
                }
                all.take(&sightings);
            }
            assert_eq!(all.into_names(), expected, "{rows} rows to a block");
        }
    }
}
