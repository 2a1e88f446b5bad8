//! Whether a row is there twice, and whether the index knows just the rows that are there: the keys of all rows and of
//! the index, sorted outside of memory.
//!
//! A key begins with a hash, so its first bits deal all rows evenly into parts that fit into memory. What a part cannot
//! hold meanwhile goes to a file of its own that has no name; at the end the parts are sorted, one after another.
//!
//! ```text
//! rows, index ─first bits─▶ parts (64 MiB in memory, the rest in files) ─each sorted─▶ neighbours of one identity
//! ```

use super::super::index::Key;
use super::{Check, Finding};
use crate::disk;
use crate::error::{AtPath, Error, Result};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// A key and the number of its file, so that bytes in order are identities in order.
type Entry = [u8; KEY + 4];
const KEY: usize = 16;

/// The number of the index, behind all files.
pub const INDEX: u32 = u32::MAX;

/// How many rows a part has, about, and how many all parts hold in memory.
const PART_ROWS: u64 = 2 << 20;
const HELD_ROWS: usize = 3 << 20;

#[derive(Default)]
struct Part {
    held: Vec<Entry>,
    file: Option<File>,
}

pub struct Twice {
    scratch: PathBuf,
    parts: Vec<Mutex<Part>>,
    /// Of each part.
    held_rows: usize,
}

impl Twice {
    /// For so many rows.
    pub fn new(rows: u64, scratch: &Path) -> Twice {
        Twice::with(rows.div_ceil(PART_ROWS).max(1) as usize, HELD_ROWS, scratch)
    }

    fn with(parts: usize, held_rows: usize, scratch: &Path) -> Twice {
        Twice {
            scratch: scratch.to_owned(),
            held_rows: held_rows / parts,
            parts: std::iter::repeat_with(Mutex::default).take(parts).collect(),
        }
    }

    /// Takes rows of a file.
    pub fn add(&self, file: u32, keys: impl Iterator<Item = Key>) -> Result<()> {
        let mut dealt: Vec<Vec<Entry>> = vec![Vec::new(); self.parts.len()];
        for Key(key) in keys {
            let mut entry = [0; KEY + 4];
            entry[..KEY].copy_from_slice(&key.to_be_bytes());
            entry[KEY..].copy_from_slice(&file.to_be_bytes());
            let part = ((key >> 64) * self.parts.len() as u128) >> 64;
            dealt[part as usize].push(entry);
        }
        for (part, entries) in self.parts.iter().zip(dealt) {
            let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
            part.held.extend(entries);
            if part.held.len() > self.held_rows {
                part.spill(&self.scratch)?;
            }
        }
        Ok(())
    }

    /// A finding for each two files that share rows, and those about the index; `path` tells a file's from its number.
    pub fn finish<'p>(self, path: impl Fn(u32) -> &'p str) -> Result<(Vec<Finding>, Vec<Finding>)> {
        let mut shared: BTreeMap<(u32, u32), u64> = BTreeMap::new();
        let mut index = Compared::default();
        for part in self.parts {
            let part = part.into_inner().unwrap_or_else(PoisonError::into_inner);
            for same in part
                .sorted(&self.scratch)?
                .chunk_by(|a, b| key_of(a).identity() == key_of(b).identity())
            {
                let mut rows: Vec<u32> = same.iter().map(file_of).filter(|&file| file != INDEX).collect();
                rows.sort_unstable();
                for two in rows.windows(2) {
                    *shared.entry((two[0], two[1])).or_default() += 1;
                }
                index.compare(same);
            }
        }
        let finding = |((first, second), rows): ((u32, u32), u64)| Finding {
            path: path(second).to_owned(),
            check: Check::Duplicates,
            sentence: match first == second {
                true => format!("holds {} more than once", super::rows(rows)),
                false => format!("holds {} that {} holds too", super::rows(rows), path(first)),
            },
        };
        Ok((shared.into_iter().map(finding).collect(), index.findings()))
    }
}

/// What the index has of one identity, against the rows that are there.
#[derive(Default)]
struct Compared {
    unknown: u64,
    superfluous: u64,
    misplaced: u64,
}

impl Compared {
    fn compare(&mut self, same: &[Entry]) {
        let of_index = |entry: &&Entry| file_of(entry) == INDEX;
        let known = same.iter().filter(of_index).count();
        let is_there = same.len() > known;
        self.unknown += u64::from(is_there && known == 0);
        self.superfluous += (known - usize::from(is_there && known > 0)) as u64;
        // Equal keys are neighbours: a row and its entry in the index differ if they are in different partitions.
        let is_misplaced = is_there && known == 1 && same.iter().any(|entry| entry[..KEY] != same[0][..KEY]);
        self.misplaced += u64::from(is_misplaced);
    }

    fn findings(self) -> Vec<Finding> {
        let all = [
            (
                self.unknown,
                "rows of the lake are not in it: they would be taken for new",
            ),
            (
                self.superfluous,
                "of its entries stand for no row: such rows would be taken for known",
            ),
            (
                self.misplaced,
                "of its entries name another month or kind than the row's",
            ),
        ];
        let found = all.into_iter().filter(|(count, _)| *count > 0);
        found
            .map(|(count, fact)| Finding {
                path: "index".to_owned(),
                check: Check::Index,
                sentence: format!("{count} {fact}"),
            })
            .collect()
    }
}

fn key_of(entry: &Entry) -> Key {
    let mut key = [0; KEY];
    key.copy_from_slice(&entry[..KEY]);
    Key(u128::from_be_bytes(key))
}

fn file_of(entry: &Entry) -> u32 {
    let number = entry[KEY..].iter();
    number.fold(0, |number, byte| number << 8 | u32::from(*byte))
}

impl Part {
    fn spill(&mut self, scratch: &Path) -> Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(disk::unnamed(scratch)?),
        };
        file.write_all(self.held.as_flattened()).map_err(full(scratch))?;
        self.held.clear();
        Ok(())
    }

    /// All it was given, in order.
    fn sorted(self, scratch: &Path) -> Result<Vec<Entry>> {
        let mut entries = self.held;
        if let Some(mut file) = self.file {
            let unreadable = "what was put aside cannot be read back";
            let bytes = file.stream_position().at_path(scratch, unreadable)?;
            let held = entries.len();
            entries.resize(held + bytes as usize / size_of::<Entry>(), [0; KEY + 4]);
            file.rewind().at_path(scratch, unreadable)?;
            file.read_exact(entries[held..].as_flattened_mut())
                .at_path(scratch, unreadable)?;
        }
        entries.par_sort_unstable();
        Ok(entries)
    }
}

fn full(scratch: &Path) -> impl FnOnce(std::io::Error) -> Error {
    move |cause| {
        Error::failed("what does not fit into memory cannot be put aside")
            .at(scratch)
            .caused_by(cause)
            .hint("it takes 40 bytes for each row of the lake; name a folder with room as TMPDIR")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Kind;

    /// Evenly dealt, as hashes are.
    fn key(number: u64) -> Key {
        Key::new(xxhash_rust::xxh3::xxh3_128(&number.to_le_bytes()), Kind::Access, 24_315)
    }

    #[test]
    fn rows_that_are_there_twice_are_found_however_many_fit_into_memory() {
        let scratch = tempfile::tempdir().unwrap();
        for (parts, held_rows) in [(1, 1 << 20), (1, 0), (7, 100), (64, 0)] {
            let twice = Twice::with(parts, held_rows, scratch.path());
            let file = |numbers: std::ops::Range<u64>| numbers.map(key).collect::<Vec<_>>();
            // 0 and 1 share ten rows, 1 and 2 one, 3 holds one twice; 4 shares none.
            let files = [
                file(0..1_000),
                file(990..2_000),
                file(1_999..3_000),
                file(5_000..5_010),
                file(9_000..9_500),
            ];
            for (number, identities) in files.iter().enumerate() {
                identities
                    .chunks(300)
                    .for_each(|some| twice.add(number as u32, some.iter().copied()).unwrap());
            }
            twice.add(3, file(5_003..5_004).into_iter()).unwrap();
            let (found, _) = twice
                .finish(|number| ["a", "b", "c", "d", "e"][number as usize])
                .unwrap();
            let found: Vec<_> = found
                .iter()
                .map(|of| (of.path.as_str(), of.sentence.as_str()))
                .collect();
            let expected = [
                ("b", "holds 10 rows that a holds too"),
                ("c", "holds 1 row that b holds too"),
                ("d", "holds 1 row more than once"),
            ];
            assert_eq!(found, expected, "{parts} parts, {held_rows} held");
        }
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0, "nothing is left");
    }

    #[test]
    fn the_index_knows_just_the_rows_that_are_there_l3() {
        let scratch = tempfile::tempdir().unwrap();
        let found = |rows: &[Key], index: &[Key]| -> Vec<String> {
            let twice = Twice::with(3, 0, scratch.path());
            twice.add(0, rows.iter().copied()).unwrap();
            twice.add(INDEX, index.iter().copied()).unwrap();
            let (doubled, of_index) = twice.finish(|_| "a").unwrap();
            assert_eq!(doubled, []);
            of_index
                .into_iter()
                .map(|finding| finding.sentence[..finding.sentence.find(" of ").unwrap()].to_owned())
                .collect()
        };
        let rows: Vec<Key> = (0..50).map(key).collect();
        assert_eq!(found(&rows, &rows), [""; 0]);
        assert_eq!(found(&rows, &rows[1..]), ["1 rows"]);
        assert_eq!(found(&rows[2..], &rows), ["2"]);
        assert_eq!(found(&rows, &[&rows[..], &rows[..1]].concat()), ["1"]);
        let elsewhere = Key(rows[7].0 ^ 1);
        assert_eq!(found(&rows, &[&rows[..7], &[elsewhere], &rows[8..]].concat()), ["1"]);
    }
}
