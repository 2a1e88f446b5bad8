//! Ids of actors as numbers: each id is hashed once for each dictionary that names it, not for each row.
//!
//! Example: dictionaries [b, a] and [c, a] give b, a and c the numbers 0, 1, 2; in byte order their places are 1, 0, 2.

use crate::error::{Error, Result};
use rayon::prelude::*;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Ids, numbered as they are met.
#[derive(Default)]
pub(super) struct Ids(HashMap<Box<[u8]>, u32, BuildHasherDefault<Xxh3>>);

impl Ids {
    pub(super) fn number(&mut self, id: &[u8]) -> u32 {
        if let Some(number) = self.0.get(id) {
            return *number;
        }
        let number = self.0.len() as u32;
        self.0.insert(id.into(), number);
        number
    }

    /// The ids in byte order, and the place of each number.
    pub(super) fn in_order(self) -> Result<(Vec<String>, Vec<u32>)> {
        // Most ids differ in their first bytes, which are compared as one number.
        let beginning = |id: &[u8]| {
            let mut bytes = [0; 8];
            let length = id.len().min(8);
            bytes[..length].copy_from_slice(&id[..length]);
            u64::from_be_bytes(bytes)
        };
        let met = self.0.into_iter().map(|(id, number)| (beginning(&id), id, number));
        let mut ordered: Vec<(u64, Box<[u8]>, u32)> = met.collect();
        ordered.par_sort_unstable();
        let mut places = vec![0; ordered.len()];
        let mut ids = Vec::with_capacity(ordered.len());
        for (place, (_, id, number)) in ordered.into_iter().enumerate() {
            places[number as usize] = place as u32;
            let text = String::from_utf8(id.into_vec());
            ids.push(text.map_err(|cause| Error::failed("an actor's id is not text").caused_by(cause))?);
        }
        Ok((ids, places))
    }
}

/// A hash of ids, which are short.
#[derive(Default)]
struct Xxh3(u64);

impl Hasher for Xxh3 {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    /// The length of what follows.
    fn write_usize(&mut self, length: usize) {
        self.0 ^= length as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_numbered_as_they_come_and_ordered_by_all_their_bytes() {
        let mut ids = Ids::default();
        let met = ["b", "", "name:Ann", "name:Ana", "name:An", "b", "é"];
        assert_eq!(met.map(|id| ids.number(id.as_bytes())), [0, 1, 2, 3, 4, 0, 5]);
        let (ordered, places) = ids.in_order().expect("texts");
        assert_eq!(ordered, ["", "b", "name:An", "name:Ana", "name:Ann", "é"]);
        assert_eq!(places, [1, 0, 4, 3, 2, 5]);
    }

    #[test]
    fn an_id_that_is_not_text_is_a_failure() {
        let mut ids = Ids::default();
        ids.number(&[0xff]);
        assert!(ids.in_order().is_err());
    }
}
