//! Sorting more fixed-size records than memory holds, where their order begins with a hash: they are spread over *parts*
//! by its first bits as they come, so that each part is small enough to be sorted alone, and nothing need be merged.
//!
//! Parts that memory does not hold go to the disk, all of them one after the other in each *write*. Memory: the budget
//! while records come in, and one part while they go out. What fits into the budget never touches the disk.

use super::spill::Fixed;
use crate::disk::{Disk, Target};
use crate::error::{AtPath, Result};
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// A record that is ordered by a hash, and by what tells it apart from others of the same hash.
pub trait Hashed: Fixed {
    /// The first bits of the hash; evenly distributed.
    fn first_bits(&self) -> u64;
}

/// Few enough that the ends of all parts stay in the nearest memory.
const PART_BITS: u32 = 8;
const PARTS: usize = 1 << PART_BITS;

/// Bytes that go to the disk together.
const WRITE_BYTES: usize = 1 << 17;

/// Records on their way in.
pub struct Spread<T> {
    disk: Disk,
    /// Where parts go once memory is full.
    path: PathBuf,
    parts: Vec<Vec<T>>,
    held: usize,
    capacity: usize,
    file: Option<Target>,
    /// How many records of each part each write has.
    writes: Vec<Vec<usize>>,
}

impl<T: Hashed> Spread<T> {
    pub fn new(disk: &Disk, path: PathBuf, budget_bytes: usize) -> Self {
        Spread {
            disk: disk.clone(),
            path,
            parts: (0..PARTS).map(|_| Vec::new()).collect(),
            held: 0,
            capacity: (budget_bytes / size_of::<T>()).max(1),
            file: None,
            writes: Vec::new(),
        }
    }

    pub fn push(&mut self, record: T) -> Result<()> {
        match self.held {
            0 => self.reserve(),
            held if held >= self.capacity => self.write()?,
            _ => {}
        }
        self.parts[(record.first_bits() >> (u64::BITS - PART_BITS)) as usize].push(record);
        self.held += 1;
        Ok(())
    }

    /// Makes room for all that will be held, which costs nothing until it is used: parts that grew would be copied again
    /// and again. They are nearly equal.
    fn reserve(&mut self) {
        let room = self.capacity / PARTS;
        let room = room + room / 16 + 1;
        self.parts.iter_mut().for_each(|part| part.reserve_exact(room));
    }

    fn write(&mut self) -> Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(self.disk.create(&self.path)?),
        };
        let mut file = BufWriter::with_capacity(WRITE_BYTES, file);
        let mut bytes = Vec::new();
        let written = self.parts.iter().flatten().try_for_each(|record| {
            bytes.clear();
            record.put(&mut bytes);
            file.write_all(&bytes)
        });
        written
            .and_then(|()| file.flush())
            .at_path(&self.path, "cannot be written")?;
        self.writes.push(self.parts.iter().map(Vec::len).collect());
        self.parts.iter_mut().for_each(Vec::clear);
        self.held = 0;
        Ok(())
    }

    /// All records, in order.
    pub fn sorted(self) -> Result<Gathered<T>> {
        let mut starts = Vec::new();
        let mut start = 0;
        for write in &self.writes {
            starts.push(start);
            start += (write.iter().sum::<usize>() * T::BYTES) as u64;
        }
        let file = self.file.as_ref().map(|_| File::open(&self.path));
        let mut gathered = Gathered {
            disk: self.disk,
            file: file.transpose().at_path(&self.path, "cannot be opened")?,
            path: self.path,
            parts: self.parts.into_iter(),
            writes: self.writes,
            starts,
            part: Vec::new().into_iter(),
        };
        gathered.gather()?;
        Ok(gathered)
    }
}

/// Records on their way out.
pub struct Gathered<T> {
    disk: Disk,
    path: PathBuf,
    /// Until the last part has been read.
    file: Option<File>,
    /// What memory holds of the parts to come.
    parts: std::vec::IntoIter<Vec<T>>,
    writes: Vec<Vec<usize>>,
    /// Where the next part of each write begins.
    starts: Vec<u64>,
    /// What is left of the part under way; empty at the end only.
    part: std::vec::IntoIter<T>,
}

impl<T: Hashed> Gathered<T> {
    /// The record that comes next, without taking it.
    pub fn peek(&self) -> Option<&T> {
        self.part.as_slice().first()
    }

    pub fn next(&mut self) -> Result<Option<T>> {
        let record = self.part.next();
        if self.part.as_slice().is_empty() {
            self.gather()?;
        }
        Ok(record)
    }

    /// Goes on to the next part that has records. Behind the last one the file goes.
    fn gather(&mut self) -> Result<()> {
        while self.part.as_slice().is_empty()
            && let number = PARTS - self.parts.len()
            && let Some(mut part) = self.parts.next()
        {
            if let Some(file) = &mut self.file {
                for (write, start) in self.writes.iter().zip(&mut self.starts) {
                    let bytes = read(file, *start, write[number] * T::BYTES, &self.path)?;
                    part.extend(bytes.chunks_exact(T::BYTES).map(T::get));
                    *start += bytes.len() as u64;
                }
            }
            // By hash alone no branch is needed, and hardly two are alike.
            part.sort_unstable_by_key(T::first_bits);
            let alike = part.chunk_by_mut(|a, b| a.first_bits() == b.first_bits());
            alike.filter(|alike| alike.len() > 1).for_each(<[T]>::sort_unstable);
            self.part = part.into_iter();
        }
        match self.parts.as_slice() {
            [] if self.file.take().is_some() => self.disk.remove_file(&self.path),
            _ => Ok(()),
        }
    }
}

fn read(file: &mut File, start: u64, length: usize, path: &Path) -> Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    file.seek(SeekFrom::Start(start))
        .and_then(|_| file.read_exact(&mut bytes))
        .at_path(path, "ends too early")?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::spill::array;
    use proptest::prelude::*;

    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    struct Record(u64, u8);

    impl Fixed for Record {
        const BYTES: usize = 9;

        fn put(&self, bytes: &mut Vec<u8>) {
            bytes.extend_from_slice(&self.0.to_be_bytes());
            bytes.push(self.1);
        }

        fn get(bytes: &[u8]) -> Record {
            Record(u64::from_be_bytes(array(bytes)), bytes[8])
        }
    }

    impl Hashed for Record {
        fn first_bits(&self) -> u64 {
            self.0
        }
    }

    proptest! {
        #[test]
        fn records_come_back_sorted_whatever_fits_into_memory(
            hashes in prop::collection::vec(prop_oneof![any::<u64>(), Just(0), Just(u64::MAX)], 0..300),
            held in 1usize..400,
        ) {
            let home = tempfile::tempdir().unwrap();
            let mut spread = Spread::new(&Disk::default(), home.path().join("parts"), held * size_of::<Record>());
            let mut expected: Vec<Record> = hashes.iter().zip(0..).map(|(&hash, number)| Record(hash, number as u8)).collect();
            for &record in &expected {
                spread.push(record).unwrap();
            }
            prop_assert_eq!(home.path().join("parts").exists(), expected.len() > held);
            let mut sorted = spread.sorted().unwrap();
            let mut found = Vec::new();
            while let Some(record) = sorted.next().unwrap() {
                found.push(record);
            }
            expected.sort_unstable();
            prop_assert_eq!(found, expected);
            prop_assert!(sorted.peek().is_none());
            prop_assert!(!home.path().join("parts").exists());
        }
    }
}
