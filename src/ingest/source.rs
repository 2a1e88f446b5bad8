//! Inputs: opening them, cutting them into blocks.

use super::block::{Block, State};
use super::discover::Input;
use super::head::{Form, Found, Head, Known};
use super::recognise::recognise;
use super::{csv, json, xml};
use crate::error::{AtPath, Error, Result};
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3;

/// How much of an input is looked at to recognise it.
const HEAD_BYTES: usize = 1 << 20;

/// The size of an input, if it has one.
pub fn size(input: &Input) -> Result<Option<u64>> {
    if input.is_stdin() {
        return Ok(None);
    }
    let metadata = std::fs::metadata(&input.path).at_path(&input.path, "cannot be read")?;
    Ok(Some(metadata.len()))
}

/// The hash of an input's bytes.
pub fn content_hash(input: &Input) -> Result<String> {
    let mut file = File::open(&input.path).at_path(&input.path, "cannot be read")?;
    let mut hasher = Xxh3::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = file.read(&mut buffer).at_path(&input.path, "cannot be read")?;
        if count == 0 {
            return Ok(format!("{:032x}", hasher.digest128()));
        }
        hasher.update(&buffer[..count]);
    }
}

/// An input that is being read.
pub struct Reader {
    path: PathBuf,
    stream: Box<dyn Read + Send>,
    head: Arc<Head>,
    /// Read, but not yet given out.
    pending: Vec<u8>,
    at_end: bool,
    /// Whether the last block is out.
    is_done: bool,
    /// Where `pending` begins.
    offset: u64,
    start: State,
    hasher: Xxh3,
    bytes: u64,
}

/// Opens an input and recognises it.
pub fn open(input: &Input, known: &Known) -> Result<(Found, Option<Reader>)> {
    let stream: Box<dyn Read + Send> = if input.is_stdin() {
        Box::new(std::io::stdin())
    } else {
        Box::new(File::open(&input.path).at_path(&input.path, "cannot be read")?)
    };
    let mut reader = Reader {
        path: input.path.clone(),
        stream,
        head: Arc::new(Head::new(Form::Lines, known, (0, 0))),
        pending: Vec::new(),
        at_end: false,
        is_done: false,
        offset: 0,
        start: State::Begin,
        hasher: Xxh3::new(),
        bytes: 0,
    };
    reader.fill(HEAD_BYTES)?;
    let found = recognise(&reader.pending, reader.at_end, known)?;
    let reader = match &found {
        Found::Export(head) => {
            let body = head.body.0;
            reader.pending.drain(..body);
            reader.offset = body as u64;
            reader.head = Arc::new(head.clone());
            Some(reader)
        }
        Found::Empty | Found::Refused { .. } | Found::Foreign => None,
    };
    Ok((found, reader))
}

impl Reader {
    pub fn head(&self) -> &Arc<Head> {
        &self.head
    }

    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The hash of all bytes, once the last block is out.
    pub fn hash(&self) -> String {
        format!("{:032x}", self.hasher.digest128())
    }

    /// Reads until `wanted` bytes are pending or the input ends.
    fn fill(&mut self, wanted: usize) -> Result<()> {
        while !self.at_end && self.pending.len() < wanted {
            let held = self.pending.len();
            let missing = (wanted - held) as u64;
            let read = self.stream.by_ref().take(missing).read_to_end(&mut self.pending);
            let count = read.at_path(&self.path, "cannot be read")? as u64;
            self.hasher.update(&self.pending[held..]);
            self.bytes += count;
            self.at_end = count < missing;
        }
        Ok(())
    }

    /// The next block of about `size` bytes; `None` after the last. An input without records has one empty block, so
    /// that it ends, and is remembered, like any other.
    pub fn next_block(&mut self, size: usize) -> Result<Option<Block>> {
        if self.is_done {
            return Ok(None);
        }
        let mut wanted = size;
        let (length, next) = loop {
            self.fill(wanted)?;
            if self.at_end && self.pending.len() <= wanted {
                break (self.pending.len(), State::Top);
            }
            let window = &self.pending[..wanted.min(self.pending.len())];
            match self.cut(window) {
                Some(cut) => break cut,
                None => {
                    wanted = wanted
                        .checked_mul(2)
                        .ok_or_else(|| Error::failed("is too large").at(&self.path))?
                }
            }
        };
        let rest = self.pending.split_off(length);
        let bytes = std::mem::replace(&mut self.pending, rest);
        self.is_done = self.at_end && self.pending.is_empty();
        let block = Block {
            head: self.head.clone(),
            offset: self.offset,
            last: self.is_done,
            start: std::mem::replace(&mut self.start, next),
            bytes,
        };
        self.offset += length as u64;
        Ok(Some(block))
    }

    /// Where a block may end, and what state the next then begins in.
    fn cut(&self, window: &[u8]) -> Option<(usize, State)> {
        match &self.head.form {
            Form::Lines => memchr::memrchr(b'\n', window).map(|end| (end + 1, State::Top)),
            Form::Csv(_) => csv::last_row_end(window).map(|end| (end, State::Top)),
            Form::Pages => json::last_row_start(window, &self.head.environment),
            Form::Xml(_) => xml::last_record_start(window).map(|start| (start, State::Top)),
        }
    }
}
