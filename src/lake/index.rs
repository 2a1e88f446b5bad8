//! The index of identities: which rows the lake has, in sorted files beside it, so that a new row is told from a known
//! one without reading the lake.
//!
//! `LAKE/index/*.ids` are *runs* of keys in ascending order: 106 bits of a row's identity, then kind and month of the
//! partition it lies in. Behind its keys a run has *blocks*: the keys fall into about as many blocks as there are 32s
//! of them, by their first bits, and a block holds how many keys come before it and a Bloom filter of its own. So a key
//! that is not there mostly costs 64 bytes to read, one that is there half a KiB more, whatever the size of the lake.
//!
//! A commit adds a run and merges it with those before it that are not at least [`GROWTH`] times as large: there are
//! few runs, of geometric size, and a key is rewritten a few times in all. The chance that two of a billion rows share
//! 106 bits is below 10⁻¹⁴.

use super::file::{Hashing, Written};
use super::identity::Identity;
use super::spill::{Fixed, Records, Run, Sorted};
use crate::disk::Disk;
use crate::error::{AtPath, Error, Result};
use crate::record::Kind;
use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A run is merged with one before it that is less than so many times its size.
const GROWTH: u64 = 4;

/// The name of a run while its commit is not decided.
pub const STAGED: &str = "new.ids";

const KEYS_PER_BLOCK: u64 = 32;
const BLOCK_BYTES: usize = 64;
const FILTER_BITS: u64 = (BLOCK_BYTES as u64 - 8) * 8;
const PROBES: u64 = 7;

const LOCATION_BITS: u32 = 22;
const MONTH_BITS: u32 = 20;

/// An identity and the partition of its row, ordered by identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(pub u128);

impl Key {
    /// `month` as [`month_of`](crate::instant::month_of) counts.
    pub fn new(identity: Identity, kind: Kind, month: i32) -> Key {
        Key(identity >> LOCATION_BITS << LOCATION_BITS | (kind as u128) << MONTH_BITS | month as u128)
    }

    /// What two keys of one row have in common.
    pub fn identity(self) -> u128 {
        self.0 >> LOCATION_BITS
    }

    /// Kind and month of the row's partition.
    pub fn location(self) -> (Kind, i32) {
        let kind = (self.0 >> MONTH_BITS) as usize & 3;
        let month = self.0 as i32 & ((1 << MONTH_BITS) - 1);
        (Kind::ALL[kind.min(2)], month)
    }

    /// The key with its location first: sorts by partition.
    pub fn by_location(self) -> u128 {
        self.0.rotate_right(LOCATION_BITS)
    }

    pub fn from_location_first(rotated: u128) -> Key {
        Key(rotated.rotate_left(LOCATION_BITS))
    }

    fn block(self, blocks: u64) -> u64 {
        (((self.0 >> 64) * u128::from(blocks)) >> 64) as u64
    }

    /// The bits of a block's filter that stand for this key.
    fn filter_bits(self) -> impl Iterator<Item = usize> {
        let hash = self.identity() as u64;
        let (start, step) = (hash & 0xffff_ffff, hash >> 32 | 1);
        (0..PROBES).map(move |probe| ((((start + probe * step) & 0xffff_ffff) * FILTER_BITS) >> 32) as usize)
    }
}

impl Fixed for Key {
    const BYTES: usize = 16;

    fn put(&self, bytes: &mut Vec<u8>) {
        self.0.put(bytes);
    }

    fn get(bytes: &[u8]) -> Key {
        Key(u128::get(bytes))
    }
}

fn blocks_of(keys: u64) -> u64 {
    keys / KEYS_PER_BLOCK + 1
}

/// How long the file of a run of so many keys is.
pub fn run_bytes(keys: u64) -> u64 {
    keys * Key::BYTES as u64 + blocks_of(keys) * BLOCK_BYTES as u64
}

/// Which runs a new one is merged with: those at the end of a list, oldest first, as long as they are not much larger
/// than what they would be merged into. Returns where they begin.
pub fn merged_from(runs: &[u64], mut new: u64) -> usize {
    let mut from = runs.len();
    while from > 0 && runs[from - 1] < GROWTH * new {
        from -= 1;
        new += runs[from];
    }
    from
}

/// A run being written, in ascending order.
pub struct IndexWriter {
    sink: Hashing,
    keys: u64,
    /// Keys that wait to be written and hashed at once.
    bytes: Vec<u8>,
}

/// How many bytes of keys wait.
const WAITING_BYTES: usize = 1 << 14;

impl IndexWriter {
    pub fn create(disk: &Disk, path: &Path) -> Result<IndexWriter> {
        Ok(IndexWriter {
            sink: Hashing::new(disk.create(path)?),
            keys: 0,
            bytes: Vec::with_capacity(WAITING_BYTES),
        })
    }

    pub fn push(&mut self, key: Key) -> Result<()> {
        key.put(&mut self.bytes);
        self.keys += 1;
        match self.bytes.len() < WAITING_BYTES {
            true => Ok(()),
            false => self.write_waiting(),
        }
    }

    fn write_waiting(&mut self) -> Result<()> {
        let written = self.sink.write_all(&self.bytes);
        written.at_path(self.sink.path(), "cannot be written")?;
        self.bytes.clear();
        Ok(())
    }

    /// Adds the blocks, and syncs the file.
    pub fn finish(mut self) -> Result<Written> {
        self.write_waiting()?;
        let path = self.sink.path().to_owned();
        let unwritable = "cannot be written";
        self.sink.flush().at_path(&path, unwritable)?;
        let blocks = blocks_of(self.keys);
        let mut block = Block::at(0);
        let mut number = 0;
        let keys: Records<Key> = Records::open(&path, 0, self.keys * Key::BYTES as u64)?;
        for (rank, key) in keys.enumerate() {
            let key = key?;
            while number < key.block(blocks) {
                self.sink.write_all(&block.0).at_path(&path, unwritable)?;
                block = Block::at(rank as u64);
                number += 1;
            }
            block.add(key);
        }
        while number < blocks {
            self.sink.write_all(&block.0).at_path(&path, unwritable)?;
            block = Block::at(self.keys);
            number += 1;
        }
        self.sink.finish(self.keys)
    }
}

/// How many keys come before it, and a filter of its own keys.
struct Block([u8; BLOCK_BYTES]);

impl Block {
    fn at(rank: u64) -> Block {
        let mut block = [0; BLOCK_BYTES];
        block[..8].copy_from_slice(&rank.to_le_bytes());
        Block(block)
    }

    fn add(&mut self, key: Key) {
        key.filter_bits().for_each(|bit| self.0[8 + bit / 8] |= 1 << (bit % 8));
    }
}

fn may_hold(block: &[u8], key: Key) -> bool {
    key.filter_bits().all(|bit| block[8 + bit / 8] & 1 << (bit % 8) != 0)
}

/// A run that is looked into.
pub struct IndexRun {
    path: PathBuf,
    keys: u64,
    blocks: Window,
    entries: Window,
}

impl IndexRun {
    pub fn open(path: &Path, keys: u64) -> Result<IndexRun> {
        let found = std::fs::metadata(path).at_path(path, "cannot be examined")?.len();
        if found != run_bytes(keys) {
            return Err(Error::failed(format!("has {found} bytes, not those of {keys} keys")).at(path));
        }
        Ok(IndexRun {
            path: path.to_owned(),
            keys,
            blocks: Window::open(path)?,
            entries: Window::open(path)?,
        })
    }

    pub fn records(&self) -> Result<Run<Key>> {
        Ok(Run::Stored(Records::open(
            &self.path,
            0,
            self.keys * Key::BYTES as u64,
        )?))
    }

    /// For each of the keys, which ascend, the key of the same identity that the run has.
    pub fn find(&mut self, keys: &[Key]) -> Result<Vec<Option<Key>>> {
        let mut stretches = Vec::new();
        let blocks = blocks_of(self.keys);
        let block_of = |key: Option<&Key>| key.map_or(0, |key| key.block(blocks)) * BLOCK_BYTES as u64;
        self.blocks
            .prepare(block_of(keys.first())..block_of(keys.last()), keys.len());
        for (number, key) in keys.iter().enumerate() {
            stretches.extend(self.stretch(*key)?.map(|entries| (number, entries)));
        }
        let mut found = vec![None; keys.len()];
        let place = |stretch: Option<&(usize, Range<u64>)>| stretch.map_or(0, |(_, entries)| entries.start);
        self.entries
            .prepare(place(stretches.first())..place(stretches.last()), stretches.len());
        for (number, Range { start, end }) in stretches {
            let entries = self.entries.at(&self.path, start, (end - start) as usize)?;
            let mut entries = entries.chunks_exact(Key::BYTES).map(Key::get);
            found[number] = entries.find(|entry| entry.identity() == keys[number].identity());
        }
        Ok(found)
    }

    /// Where the key stands if the run has it, in bytes; `None` when its block's filter does not know it.
    fn stretch(&mut self, key: Key) -> Result<Option<Range<u64>>> {
        let blocks = blocks_of(self.keys);
        let number = key.block(blocks);
        let place = self.keys * Key::BYTES as u64 + number * BLOCK_BYTES as u64;
        let is_last = number + 1 == blocks;
        // The rank of the next block is where the keys of this one end.
        let length = if is_last { BLOCK_BYTES } else { BLOCK_BYTES + 8 };
        let block = self.blocks.at(&self.path, place, length)?;
        if !may_hold(block, key) {
            return Ok(None);
        }
        let rank = |bytes: &[u8]| u64::from_le_bytes(super::spill::array(bytes)).min(self.keys);
        let (first, end) = (
            rank(block),
            if is_last {
                self.keys
            } else {
                rank(&block[BLOCK_BYTES..])
            },
        );
        Ok(Some(first * Key::BYTES as u64..end.max(first) * Key::BYTES as u64))
    }
}

/// A stretch of a file that moves forward: where many places are asked for, they are read along with what lies between.
struct Window {
    file: File,
    start: u64,
    bytes: Vec<u8>,
    ahead: usize,
}

/// How near to each other places must lie, on average, to be read together.
const NEAR_BYTES: u64 = 1 << 7;
const AHEAD_BYTES: usize = 1 << 16;

impl Window {
    fn open(path: &Path) -> Result<Window> {
        Ok(Window {
            file: File::open(path).at_path(path, "cannot be opened")?,
            start: 0,
            bytes: Vec::new(),
            ahead: 0,
        })
    }

    /// So many places of a stretch will be asked for.
    fn prepare(&mut self, stretch: Range<u64>, places: usize) {
        let is_dense = stretch.end - stretch.start <= NEAR_BYTES * places as u64;
        self.ahead = if is_dense && places > 1 { AHEAD_BYTES } else { 0 };
    }

    fn at(&mut self, path: &Path, place: u64, length: usize) -> Result<&[u8]> {
        let end = self.start + self.bytes.len() as u64;
        if place < self.start || end < place + length as u64 {
            self.bytes.resize(length.max(self.ahead), 0);
            self.start = place;
            let read = read_at(&mut self.file, &mut self.bytes, place).at_path(path, "cannot be read")?;
            self.bytes.truncate(read);
            if read < length {
                self.bytes.clear();
                return Err(Error::failed("ends too early").at(path));
            }
        }
        let from = (place - self.start) as usize;
        Ok(&self.bytes[from..from + length])
    }
}

/// Reads until the buffer is full or the file ends.
fn read_at(file: &mut File, buffer: &mut [u8], place: u64) -> std::io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        let offset = place + read as u64;
        #[cfg(unix)]
        let more = std::os::unix::fs::FileExt::read_at(file, &mut buffer[read..], offset)?;
        #[cfg(not(unix))]
        let more = {
            use std::io::{Read, Seek, SeekFrom};
            file.seek(SeekFrom::Start(offset))?;
            file.read(&mut buffer[read..])?
        };
        if more == 0 {
            break;
        }
        read += more;
    }
    Ok(read)
}

/// Writes the keys of several runs as one.
pub fn merge(disk: &Disk, path: &Path, runs: Vec<Run<Key>>) -> Result<Written> {
    let mut sorted = Sorted::merge(runs)?;
    let mut merged = IndexWriter::create(disk, path)?;
    while let Some(key) = sorted.next()? {
        merged.push(key)?;
    }
    merged.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use xxhash_rust::xxh3::xxh3_128;

    fn key(number: u64) -> Key {
        Key::new(
            xxh3_128(&number.to_le_bytes()),
            Kind::Change,
            24_000 + (number % 700) as i32,
        )
    }

    fn stored(home: &Path, numbers: impl Iterator<Item = u64>) -> IndexRun {
        let mut keys: Vec<Key> = numbers.map(key).collect();
        keys.sort_unstable();
        let path = home.join(format!("{}.ids", keys.len()));
        let mut writer = IndexWriter::create(&Disk::default(), &path).unwrap();
        keys.iter().for_each(|&key| writer.push(key).unwrap());
        let written = writer.finish().unwrap();
        assert_eq!(
            (written.rows, written.bytes),
            (keys.len() as u64, run_bytes(keys.len() as u64))
        );
        IndexRun::open(&path, keys.len() as u64).unwrap()
    }

    #[test]
    fn a_key_says_where_its_row_lies() {
        for kind in Kind::ALL {
            for month in [12, 24_315, 9999 * 12 + 11] {
                let key = Key::new(u128::MAX, kind, month);
                assert_eq!(key.location(), (kind, month));
                assert_eq!(Key::from_location_first(key.by_location()), key);
                assert_eq!(key.identity(), u128::MAX >> 22);
            }
        }
    }

    #[test]
    fn a_run_finds_exactly_what_it_holds() {
        let home = tempfile::tempdir().unwrap();
        for held in [0, 1, 31, 32, 33, 1_000, 50_000] {
            let mut run = stored(home.path(), 0..held);
            for asked in [1u64, 97, 3] {
                let mut keys: Vec<Key> = (0..held + 5_000).step_by(asked as usize).map(key).collect();
                keys.sort_unstable();
                let known: std::collections::HashSet<u128> = (0..held).map(|number| key(number).0).collect();
                for (key, found) in keys.iter().zip(run.find(&keys).unwrap()) {
                    assert_eq!(found, known.contains(&key.0).then_some(*key), "{held} {asked}");
                }
            }
        }
    }

    #[test]
    fn few_keys_that_are_not_there_cost_few_bytes() {
        let home = tempfile::tempdir().unwrap();
        let mut run = stored(home.path(), 0..300_000);
        let mut keys: Vec<Key> = (1_000_000..1_000_300).map(key).collect();
        keys.sort_unstable();
        let blocks = blocks_of(300_000);
        let mut positives = 0;
        for key in &keys {
            let place = run.keys * 16 + key.block(blocks) * 64;
            positives += u32::from(may_hold(run.blocks.at(&run.path, place, 64).unwrap(), *key));
        }
        assert!(positives <= 15, "{positives} of 300 pass the filters");
        assert!(run.find(&keys).unwrap().iter().all(Option::is_none));
    }

    #[test]
    fn a_run_of_another_length_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let run = stored(home.path(), 0..100);
        assert!(IndexRun::open(&run.path, 99).is_err());
    }

    #[test]
    fn runs_stay_few_and_geometric() {
        let mut runs: Vec<u64> = Vec::new();
        let mut rewritten = 0;
        for _ in 0..3_650 {
            let from = merged_from(&runs, 1);
            let merged: u64 = 1 + runs[from..].iter().sum::<u64>();
            rewritten += merged - 1;
            runs.truncate(from);
            runs.push(merged);
            assert!(runs.len() <= 7, "{runs:?}");
        }
        assert_eq!(runs.iter().sum::<u64>(), 3_650);
        assert!(
            rewritten / 3_650 <= 12,
            "each key is rewritten {} times",
            rewritten / 3_650
        );
    }
}
