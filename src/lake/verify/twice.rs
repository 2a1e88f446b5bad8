//! Whether a row is there twice: the identities of all rows, sorted outside of memory.
//!
//! An identity is a hash, so its first bits deal all rows evenly into parts that fit into memory. What a part cannot
//! hold meanwhile goes to a file of its own that has no name; at the end the parts are sorted, one after another.
//!
//! ```text
//! rows of all files ─first bits─▶ parts (64 MiB in memory, the rest in files) ─each sorted─▶ neighbours that are equal
//! ```
//!
//! A check against an index of identities belongs here too: [`Twice::finish`] meets every identity in order.

use super::super::identity::Identity;
use super::{Check, Finding};
use crate::disk;
use crate::error::{AtPath, Error, Result};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// An identity and the number of its file, so that bytes in order are identities in order.
type Entry = [u8; IDENTITY + 4];
const IDENTITY: usize = 16;

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
    pub fn add(&self, file: u32, identities: &[Identity]) -> Result<()> {
        let mut dealt: Vec<Vec<Entry>> = vec![Vec::new(); self.parts.len()];
        for identity in identities {
            let mut entry = [0; IDENTITY + 4];
            entry[..IDENTITY].copy_from_slice(&identity.to_be_bytes());
            entry[IDENTITY..].copy_from_slice(&file.to_be_bytes());
            let part = ((identity >> 64) * self.parts.len() as u128) >> 64;
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

    /// A finding for each two files that share rows; `path` tells a file's from its number.
    pub fn finish<'p>(self, path: impl Fn(u32) -> &'p str) -> Result<Vec<Finding>> {
        let mut shared: BTreeMap<(u32, u32), u64> = BTreeMap::new();
        for part in self.parts {
            let part = part.into_inner().unwrap_or_else(PoisonError::into_inner);
            for two in part.sorted(&self.scratch)?.windows(2) {
                if two[0][..IDENTITY] == two[1][..IDENTITY] {
                    *shared.entry((file_of(&two[0]), file_of(&two[1]))).or_default() += 1;
                }
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
        Ok(shared.into_iter().map(finding).collect())
    }
}

fn file_of(entry: &Entry) -> u32 {
    let number = entry[IDENTITY..].iter();
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
            entries.resize(held + bytes as usize / size_of::<Entry>(), [0; IDENTITY + 4]);
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
            .hint("it takes 20 bytes for each row of the lake; name a folder with room as TMPDIR")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Evenly dealt, as hashes are.
    fn identity(number: u64) -> Identity {
        xxhash_rust::xxh3::xxh3_128(&number.to_le_bytes())
    }

    #[test]
    fn rows_that_are_there_twice_are_found_however_many_fit_into_memory() {
        let scratch = tempfile::tempdir().unwrap();
        for (parts, held_rows) in [(1, 1 << 20), (1, 0), (7, 100), (64, 0)] {
            let twice = Twice::with(parts, held_rows, scratch.path());
            let file = |numbers: std::ops::Range<u64>| numbers.map(identity).collect::<Vec<_>>();
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
                    .for_each(|some| twice.add(number as u32, some).unwrap());
            }
            twice.add(3, &file(5_003..5_004)).unwrap();
            let found = twice
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
}
