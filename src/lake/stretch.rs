//! Sorted runs of staged rows on the disk, and their merge.
//!
//! A *run* is what was held when memory was full: rows by partition, then by key. What it holds of one partition is a
//! *stretch*: blocks of about [`BLOCK_BYTES`], each compressed for itself, so that a merge holds about that much of each
//! run, however wide rows are. Where the stretches of a partition are so many or their rows so wide that the budget
//! would not do, the first ones are merged before the rest; the order of rows does not depend on that.
//!
//! Runs are scratch: nothing is synced, and a crash costs only the run of the program that wrote them.

use super::rows::Row;
use super::spill::array;
use crate::disk::{Disk, Target};
use crate::error::{AtPath, Error, Result};
use crate::zstandard::{self, Search};
use std::cmp::Ordering;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use zstd::bulk::Decompressor;

/// How large the rows of a block are that is full.
pub const BLOCK_BYTES: usize = 1 << 19;

/// A third faster than level 1 both ways, for a tenth more bytes.
const ZSTD_LEVEL: i32 = -3;

/// Length, ordinal and source, which stand before the bytes of each row.
const HEAD_BYTES: usize = 16;

/// A row on its way, with where it came from.
#[derive(Clone, Copy)]
pub struct Staged<'a> {
    pub ordinal: u64,
    /// The number of its source.
    pub source: u32,
    /// For [`Row::read`].
    pub bytes: &'a [u8],
}

impl<'a> Staged<'a> {
    pub fn put(&self, block: &mut Vec<u8>) {
        block.extend_from_slice(&(self.bytes.len() as u32).to_le_bytes());
        block.extend_from_slice(&self.source.to_le_bytes());
        block.extend_from_slice(&self.ordinal.to_le_bytes());
        block.extend_from_slice(self.bytes);
    }

    /// The first row of these bytes, and how long it is.
    fn read(bytes: &'a [u8]) -> (Staged<'a>, usize) {
        let length = u32::from_le_bytes(array(bytes)) as usize;
        let staged = Staged {
            source: u32::from_le_bytes(array(&bytes[4..])),
            ordinal: u64::from_le_bytes(array(&bytes[8..])),
            bytes: &bytes[HEAD_BYTES..HEAD_BYTES + length],
        };
        (staged, HEAD_BYTES + length)
    }
}

/// The order of rows in a file: by time, then by id, null first.
pub fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let (a, b) = (Row::read(a), Row::read(b));
    a.created_on()
        .cmp(&b.created_on())
        .then_with(|| a.audit_id().order(&b.audit_id()))
}

/// A block of a stretch: where it lies, and how long it is, compressed and not.
#[derive(Debug, Clone, Copy)]
struct Block {
    offset: u64,
    stored_bytes: usize,
    bytes: usize,
}

/// The rows of one partition in a run.
#[derive(Debug, Clone)]
pub struct Stretch {
    path: PathBuf,
    blocks: Vec<Block>,
    /// Whether nobody else needs the file.
    is_scratch: bool,
}

impl Stretch {
    /// What a merge holds of it at once.
    fn held_bytes(&self) -> usize {
        let of_block = |block: &Block| block.bytes + block.stored_bytes;
        self.blocks.iter().map(of_block).max().unwrap_or(0)
    }

    pub fn bytes(&self) -> usize {
        self.blocks.iter().map(|block| block.bytes).sum()
    }
}

/// Rows of a block, compressed.
pub struct Packed {
    stored: Vec<u8>,
    bytes: usize,
}

/// Compresses the rows of a block.
pub fn pack(block: &[u8]) -> Result<Packed> {
    let stored = zstandard::compress(block, Search::All(ZSTD_LEVEL));
    let cannot = |cause| Error::failed(format!("rows cannot be compressed: {cause}"));
    Ok(Packed {
        stored: stored.map_err(cannot)?,
        bytes: block.len(),
    })
}

/// A run being written.
pub struct RunWriter {
    path: PathBuf,
    file: Target,
    offset: u64,
}

impl RunWriter {
    pub fn create(disk: &Disk, path: &Path) -> Result<RunWriter> {
        Ok(RunWriter {
            path: path.to_owned(),
            file: disk.create(path)?,
            offset: 0,
        })
    }

    /// An empty stretch.
    pub fn begin(&self) -> Stretch {
        Stretch {
            path: self.path.clone(),
            blocks: Vec::new(),
            is_scratch: false,
        }
    }

    pub fn write(&mut self, stretch: &mut Stretch, packed: &Packed) -> Result<()> {
        self.file
            .write_all(&packed.stored)
            .at_path(&self.path, "cannot be written")?;
        stretch.blocks.push(Block {
            offset: self.offset,
            stored_bytes: packed.stored.len(),
            bytes: packed.bytes,
        });
        self.offset += packed.stored.len() as u64;
        Ok(())
    }
}

/// A place in a stretch that is read from first to last.
struct Cursor {
    path: PathBuf,
    unread: std::vec::IntoIter<Block>,
    decompressor: Decompressor<'static>,
    stored: Vec<u8>,
    block: Vec<u8>,
    /// Where the row begins that it stands at, and how long that is.
    place: usize,
    length: usize,
}

impl Cursor {
    /// At the first row; `None` when there is none.
    fn open(stretch: &Stretch) -> Result<Option<Cursor>> {
        let mut cursor = Cursor {
            path: stretch.path.clone(),
            unread: stretch.blocks.clone().into_iter(),
            decompressor: Decompressor::new().at_path(&stretch.path, "cannot be read back")?,
            stored: Vec::new(),
            block: Vec::new(),
            place: 0,
            length: 0,
        };
        Ok(cursor.advance()?.then_some(cursor))
    }

    fn row(&self) -> Staged<'_> {
        Staged::read(&self.block[self.place..]).0
    }

    /// Moves to the next row; false behind the last.
    fn advance(&mut self) -> Result<bool> {
        self.place += self.length;
        if self.place == self.block.len() && !self.read_block()? {
            return Ok(false);
        }
        self.length = Staged::read(&self.block[self.place..]).1;
        Ok(true)
    }

    fn read_block(&mut self) -> Result<bool> {
        let unreadable = "cannot be read back";
        let Some(block) = self.unread.next() else {
            return Ok(false);
        };
        self.stored.resize(block.stored_bytes, 0);
        // Opened for each block: there may be more runs than files a process may have open.
        let read = File::open(&self.path).and_then(|mut file| {
            file.seek(SeekFrom::Start(block.offset))?;
            file.read_exact(&mut self.stored)
        });
        read.at_path(&self.path, unreadable)?;
        self.block.clear();
        self.block.reserve_exact(block.bytes);
        self.decompressor
            .decompress_to_buffer(&self.stored, &mut self.block)
            .at_path(&self.path, unreadable)?;
        self.place = 0;
        Ok(true)
    }
}

/// Gives the rows of several stretches to `take`, in order; rows equal in key keep the order of the stretches.
///
/// `scratch` is the name of files that are needed where `budget_bytes` does not do for all at once.
pub fn merge(
    disk: &Disk,
    scratch: &Path,
    mut stretches: Vec<Stretch>,
    budget_bytes: usize,
    mut take: impl FnMut(Staged<'_>) -> Result<()>,
) -> Result<()> {
    let mut merged = 0;
    loop {
        let groups = groups(stretches, budget_bytes);
        if groups.len() <= 1 {
            return match groups.first() {
                Some(group) => merge_all(group, &mut take),
                None => Ok(()),
            };
        }
        stretches = Vec::with_capacity(groups.len());
        for group in groups {
            let path = scratch.with_extension(format!("{merged}.rows"));
            stretches.push(merged_into(disk, &path, &group)?);
            for part in group.iter().filter(|part| part.is_scratch) {
                disk.remove_file(&part.path)?;
            }
            merged += 1;
        }
    }
}

/// Neighbours that can be merged at once, at least two of them: more would hold more than the budget.
fn groups(stretches: Vec<Stretch>, budget_bytes: usize) -> Vec<Vec<Stretch>> {
    let mut groups: Vec<Vec<Stretch>> = Vec::new();
    let mut held = 0;
    for stretch in stretches {
        held += stretch.held_bytes();
        match groups.last_mut() {
            Some(group) if group.len() < 2 || held <= budget_bytes => group.push(stretch),
            _ => {
                held = stretch.held_bytes();
                groups.push(vec![stretch]);
            }
        }
    }
    groups
}

fn merged_into(disk: &Disk, path: &Path, group: &[Stretch]) -> Result<Stretch> {
    let mut run = RunWriter::create(disk, path)?;
    let mut stretch = run.begin();
    let mut block = Vec::new();
    merge_all(group, &mut |row| {
        row.put(&mut block);
        if block.len() >= BLOCK_BYTES {
            run.write(&mut stretch, &pack(&block)?)?;
            block.clear();
        }
        Ok(())
    })?;
    if !block.is_empty() {
        run.write(&mut stretch, &pack(&block)?)?;
    }
    stretch.is_scratch = true;
    Ok(stretch)
}

fn merge_all(stretches: &[Stretch], take: &mut impl FnMut(Staged<'_>) -> Result<()>) -> Result<()> {
    let mut cursors = Vec::new();
    for stretch in stretches {
        cursors.extend(Cursor::open(stretch)?);
    }
    let order = |cursors: &[Cursor], a: usize, b: usize| {
        compare(cursors[a].row().bytes, cursors[b].row().bytes).then(a.cmp(&b))
    };
    // By the row that each stands at.
    let mut queue: Vec<usize> = (0..cursors.len()).collect();
    queue.sort_by(|&a, &b| order(&cursors, a, b));
    while let Some(&first) = queue.first() {
        take(cursors[first].row())?;
        if !cursors[first].advance()? {
            queue.remove(0);
            continue;
        }
        // Runs rarely interleave: most often the same cursor stays the first.
        let is_behind = |&other: &usize| order(&cursors, other, first) == Ordering::Less;
        if queue.get(1).is_some_and(is_behind) {
            let sinks = queue[1..].partition_point(is_behind);
            queue[..=sinks].rotate_left(1);
        }
    }
    Ok(())
}
