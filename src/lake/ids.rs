//! Ids of actors as numbers: each id is hashed once for each dictionary that names it, not for each row.
//!
//! Nearly all are GUIDs, and these are known by their 16 bytes: to find one takes a look at one place, not at a text
//! elsewhere. Their order is that of their texts.
//!
//! Example: dictionaries [b, a] and [c, a] give b, a and c the numbers 0, 1, 2; in byte order their places are 1, 0, 2.

use super::guid::Guid;
use crate::error::{Error, Result};
use rayon::prelude::*;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use xxhash_rust::xxh3::xxh3_64_with_seed;

type Numbers<I> = HashMap<I, u32, BuildHasherDefault<Xxh3>>;

/// Ids, numbered as they are met.
#[derive(Default)]
pub(super) struct Ids {
    guids: Numbers<Guid>,
    others: Numbers<Box<[u8]>>,
}

/// An id that is to get a number.
pub(super) enum Id<'a> {
    Guid(Guid),
    Other(&'a [u8]),
}

impl Id<'_> {
    pub(super) fn of(text: &[u8]) -> Id<'_> {
        Guid::of(text).map_or(Id::Other(text), Id::Guid)
    }
}

impl Ids {
    /// The number of an id that was met.
    pub(super) fn get(&self, id: &Id<'_>) -> Option<u32> {
        match id {
            Id::Guid(guid) => self.guids.get(guid).copied(),
            Id::Other(text) => self.others.get(*text).copied(),
        }
    }

    /// Makes room for so many more.
    pub(super) fn reserve(&mut self, count: usize) {
        self.guids.reserve(count);
    }

    /// The number of an id, be it met for the first time.
    pub(super) fn number(&mut self, id: &Id<'_>) -> u32 {
        let next = (self.guids.len() + self.others.len()) as u32;
        match id {
            Id::Guid(guid) => *self.guids.entry(*guid).or_insert(next),
            Id::Other(text) => match self.others.get(*text) {
                Some(number) => *number,
                None => {
                    self.others.insert((*text).into(), next);
                    next
                }
            },
        }
    }

    /// The ids in byte order, and the place of each number.
    pub(super) fn in_order(self) -> Result<(Vec<String>, Vec<u32>)> {
        let guids = self.guids.into_iter();
        let mut guids: Vec<(u128, u32)> = guids.map(|(guid, number)| (guid.number(), number)).collect();
        guids.par_sort_unstable();
        let text = |id: &[u8], number| -> Result<(String, u32)> {
            let text = str::from_utf8(id);
            let text = text.map_err(|cause| Error::failed("an actor's id is not text").caused_by(cause))?;
            Ok((text.to_owned(), number))
        };
        let texts = guids
            .into_par_iter()
            .map(|(guid, number)| text(&Guid(guid.to_be_bytes()).text(), number));
        let mut ordered: Vec<(String, u32)> = texts.collect::<Result<_>>()?;
        if !self.others.is_empty() {
            let others = self.others.iter().map(|(id, number)| text(id, *number));
            ordered.extend(others.collect::<Result<Vec<_>>>()?);
            // What is in order already is taken as one.
            ordered.sort();
        }
        let mut places = vec![0; ordered.len()];
        for (place, (_, number)) in ordered.iter().enumerate() {
            places[*number as usize] = place as u32;
        }
        Ok((ordered.into_iter().map(|(id, _)| id).collect(), places))
    }
}

/// A hash of ids, which are short.
#[derive(Default)]
pub(super) struct Xxh3(u64);

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
        assert_eq!(met.map(|id| ids.number(&Id::of(id.as_bytes()))), [0, 1, 2, 3, 4, 0, 5]);
        let (ordered, places) = ids.in_order().expect("texts");
        assert_eq!(ordered, ["", "b", "name:An", "name:Ana", "name:Ann", "é"]);
        assert_eq!(places, [1, 0, 4, 3, 2, 5]);
    }

    #[test]
    fn guids_stand_among_other_ids_where_their_texts_do() {
        let mut met = [
            "ffffffff-0000-4000-8000-00000000000a",
            "00000000-0000-4000-8000-00000000000a",
            "0000",
            "a0000000-0000-4000-8000-000000000000",
            "A0000000-0000-4000-8000-000000000000",
            "a0000000-0000-4000-8000-000000000000 ",
            "name:Ann",
            "a0000000-0000-4000-8000-00000000000",
        ];
        let mut ids = Ids::default();
        let numbers = met.map(|id| ids.number(&Id::of(id.as_bytes())));
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7]);
        let (ordered, places) = ids.in_order().expect("texts");
        met.iter()
            .zip(places)
            .for_each(|(id, place)| assert_eq!(ordered[place as usize], *id));
        met.sort_unstable();
        assert_eq!(ordered, met);
    }

    #[test]
    fn an_id_that_is_not_text_is_a_failure() {
        let mut ids = Ids::default();
        ids.number(&Id::of(&[0xff]));
        assert!(ids.in_order().is_err());
    }
}
