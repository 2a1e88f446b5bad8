//! Sorting more fixed-size records than memory holds: full buffers become sorted runs on the disk, which are merged
//! when the records are read back.
//!
//! Records of equal order keep no order among themselves; give each what tells it apart. Memory: the buffer while
//! records come in, [`CURSOR_BYTES`] a run while they go out. What fits into the buffer never touches the disk.

use crate::disk::{Disk, Target};
use crate::error::{AtPath, Result};
use rayon::prelude::*;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

/// How much of each run is held while runs are merged.
const CURSOR_BYTES: usize = 1 << 17;

/// A record of fixed size.
pub trait Fixed: Copy + Ord + Send {
    const BYTES: usize;

    fn put(&self, bytes: &mut Vec<u8>);

    /// Reads what [`Fixed::put`] wrote.
    fn get(bytes: &[u8]) -> Self;
}

impl Fixed for u64 {
    const BYTES: usize = 8;

    fn put(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.to_le_bytes());
    }

    fn get(bytes: &[u8]) -> u64 {
        u64::from_le_bytes(array(bytes))
    }
}

impl Fixed for u128 {
    const BYTES: usize = 16;

    fn put(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.to_le_bytes());
    }

    fn get(bytes: &[u8]) -> u128 {
        u128::from_le_bytes(array(bytes))
    }
}

/// The first bytes as an array; what is missing is zero.
pub fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    // Nearly always; a copy of a length that is not known would be a call.
    if let Some(array) = bytes.first_chunk() {
        return *array;
    }
    let mut array = [0; N];
    let length = N.min(bytes.len());
    array[..length].copy_from_slice(&bytes[..length]);
    array
}

/// Records on their way in.
pub struct Spill<T> {
    disk: Disk,
    /// Where the runs go once the buffer is full.
    path: PathBuf,
    buffer: Vec<T>,
    capacity: usize,
    file: Option<Target>,
    /// How many records each run has.
    runs: Vec<usize>,
}

impl<T: Fixed> Spill<T> {
    pub fn new(disk: &Disk, path: PathBuf, budget_bytes: usize) -> Self {
        Spill {
            disk: disk.clone(),
            path,
            buffer: Vec::new(),
            capacity: (budget_bytes / size_of::<T>()).max(1),
            file: None,
            runs: Vec::new(),
        }
    }

    pub fn push(&mut self, record: T) -> Result<()> {
        if self.buffer.len() >= self.capacity {
            self.write_run()?;
        }
        self.buffer.push(record);
        Ok(())
    }

    fn write_run(&mut self) -> Result<()> {
        self.buffer.par_sort_unstable();
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(self.disk.create(&self.path)?),
        };
        let mut bytes = Vec::with_capacity(CURSOR_BYTES);
        for records in self.buffer.chunks(CURSOR_BYTES / T::BYTES) {
            bytes.clear();
            records.iter().for_each(|record| record.put(&mut bytes));
            file.write_all(&bytes).at_path(&self.path, "cannot be written")?;
        }
        self.runs.push(self.buffer.len());
        self.buffer.clear();
        Ok(())
    }

    /// All records, in order.
    pub fn sorted(mut self) -> Result<Sorted<T>> {
        if self.runs.is_empty() {
            self.buffer.par_sort_unstable();
            let held = Run::Held(self.buffer.into_iter());
            return Sorted::merge(vec![held]);
        }
        self.write_run()?;
        let mut start = 0;
        let mut runs = Vec::new();
        for records in &self.runs {
            let bytes = (records * T::BYTES) as u64;
            runs.push(Run::Stored(Records::open(&self.path, start, bytes)?));
            start += bytes;
        }
        Sorted::merge(runs)
    }
}

/// Records that lie one after the other in a stretch of a file.
pub struct Records<T> {
    path: PathBuf,
    file: File,
    left_bytes: u64,
    buffer: Vec<u8>,
    place: usize,
    record: PhantomData<T>,
}

impl<T: Fixed> Records<T> {
    pub fn open(path: &Path, start: u64, bytes: u64) -> Result<Records<T>> {
        let mut file = File::open(path).at_path(path, "cannot be opened")?;
        file.seek(SeekFrom::Start(start)).at_path(path, "cannot be read")?;
        Ok(Records {
            path: path.to_owned(),
            file,
            left_bytes: bytes,
            buffer: Vec::new(),
            place: 0,
            record: PhantomData,
        })
    }

    fn fill(&mut self) -> Result<()> {
        let whole = CURSOR_BYTES / T::BYTES * T::BYTES;
        let length = (whole as u64).min(self.left_bytes) as usize;
        self.buffer.resize(length, 0);
        self.file
            .read_exact(&mut self.buffer)
            .at_path(&self.path, "ends too early")?;
        self.left_bytes -= length as u64;
        self.place = 0;
        Ok(())
    }
}

impl<T: Fixed> Iterator for Records<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        if self.place == self.buffer.len() {
            if self.left_bytes == 0 {
                return None;
            }
            if let Err(error) = self.fill() {
                self.left_bytes = 0;
                self.buffer.clear();
                self.place = 0;
                return Some(Err(error));
            }
        }
        let record = T::get(&self.buffer[self.place..self.place + T::BYTES]);
        self.place += T::BYTES;
        Some(Ok(record))
    }
}

/// A sorted sequence of records.
pub enum Run<T> {
    Held(std::vec::IntoIter<T>),
    Stored(Records<T>),
}

impl<T: Fixed> Run<T> {
    fn next(&mut self) -> Result<Option<T>> {
        match self {
            Run::Held(records) => Ok(records.next()),
            Run::Stored(records) => records.next().transpose(),
        }
    }
}

/// Records of several sorted runs, in order.
pub struct Sorted<T> {
    runs: Vec<Run<T>>,
    heads: BinaryHeap<Reverse<(T, usize)>>,
}

impl<T: Fixed> Sorted<T> {
    pub fn merge(mut runs: Vec<Run<T>>) -> Result<Self> {
        let mut heads = BinaryHeap::new();
        for (number, run) in runs.iter_mut().enumerate() {
            heads.extend(run.next()?.map(|record| Reverse((record, number))));
        }
        Ok(Sorted { runs, heads })
    }

    /// The record that comes next, without taking it.
    pub fn peek(&self) -> Option<&T> {
        self.heads.peek().map(|Reverse((record, _))| record)
    }

    pub fn next(&mut self) -> Result<Option<T>> {
        let Some(mut head) = self.heads.peek_mut() else {
            return Ok(None);
        };
        let Reverse((record, number)) = *head;
        match self.runs[number].next()? {
            // Changing the head in its place costs half of taking it out and putting the next one in.
            Some(next) => *head = Reverse((next, number)),
            None => drop(PeekMut::pop(head)),
        }
        Ok(Some(record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn records_come_back_sorted_whatever_fits_into_memory(
            records in prop::collection::vec(any::<u128>(), 0..200), held in 1usize..80,
        ) {
            let home = tempfile::tempdir().unwrap();
            let mut spill = Spill::new(&Disk::default(), home.path().join("runs"), held * 16);
            for &record in &records {
                spill.push(record).unwrap();
            }
            let mut sorted = spill.sorted().unwrap();
            let mut found = Vec::new();
            while let Some(record) = sorted.next().unwrap() {
                found.push(record);
            }
            let mut expected = records;
            expected.sort_unstable();
            prop_assert_eq!(found, expected);
            prop_assert!(sorted.peek().is_none());
        }
    }
}
