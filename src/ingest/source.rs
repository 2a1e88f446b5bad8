//! Inputs: opening them, decoding them, cutting them into blocks of bounded size.
//!
//! An input that breaks off (truncated, corrupt, too large) is read as far as it goes; its last block says what is lost.
//! No block is longer than the record limit and the size asked for, whatever the input: where nothing that looks like a
//! record's end comes within the limit, the cut is made there, and the grammar finds out what it means.

use super::archive;
use super::block::{Block, State};
use super::decode::{self, Raw, Text};
use super::discover::{Input, Place};
use super::expand::Loss;
use super::head::{Form, Found, Head, Known, Refusal};
use super::normalize::Fault;
use super::recognise::{Recognised, recognise, recognise_table};
use super::{csv, json, table, xml};
use crate::disk;
use crate::error::{AtPath, Result};
use std::fs::{File, Metadata};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// How much of an input is looked at to recognise it.
const HEAD_BYTES: usize = 1 << 20;

/// How much is read at once.
const PIECE_BYTES: usize = 1 << 18;

/// The size of an input, if it has one: of its raw bytes, and for a member of an archive of the unpacked member.
pub fn size(input: &Input) -> Result<Option<u64>> {
    if input.is_stdin() || matches!(input.place, Place::Settled(_)) {
        return Ok(None);
    }
    if let Some(member) = &input.member {
        return Ok(Some(member.size));
    }
    let metadata = std::fs::metadata(&input.path).at_path(&input.path, "cannot be read")?;
    Ok(Some(metadata.len()))
}

/// When an input was last modified, micros since 1970, if that is known.
pub fn modified_on(input: &Input) -> Result<Option<i64>> {
    if input.is_stdin() {
        return Ok(None);
    }
    let metadata = std::fs::metadata(&input.path).at_path(&input.path, "cannot be read")?;
    let since_epoch = metadata
        .modified()
        .ok()
        .and_then(|on| on.duration_since(UNIX_EPOCH).ok());
    Ok(since_epoch.and_then(|since| i64::try_from(since.as_micros()).ok()))
}

/// The hash of an input's raw bytes; `None` when it cannot be read.
pub fn content_hash(input: &Input) -> Result<Option<String>> {
    let Ok(stream) = raw_bytes(input)? else {
        return Ok(None);
    };
    let mut raw = Raw::new(stream);
    raw.drain().at_path(&input.path, "cannot be read")?;
    Ok(Some(raw.hash()))
}

type Stream = Box<dyn Read + Send>;

/// The bytes of an input as they are.
fn raw_bytes(input: &Input) -> Result<std::result::Result<Stream, Refusal>> {
    if input.is_stdin() {
        return Ok(Ok(Box::new(io::stdin())));
    }
    match &input.member {
        Some(member) => archive::open(&input.path, member),
        None => {
            let file = File::open(&input.path).at_path(&input.path, "cannot be read")?;
            Ok(Ok(Box::new(file)))
        }
    }
}

/// The input for whoever must seek in it: the file itself, or else what it holds, unpacked into a file without a name
/// in `folder`.
pub fn random_access(input: &Input, folder: &Path) -> Result<std::result::Result<File, Refusal>> {
    let unreadable = "cannot be read";
    let raw = match raw_bytes(input)? {
        Ok(raw) => raw,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let expanded = decode::expand(raw).at_path(&input.path, unreadable)?;
    if input.member.is_none() && expanded.codecs.is_empty() {
        return File::open(&input.path).at_path(&input.path, unreadable).map(Ok);
    }
    let mut file = disk::unnamed(folder)?;
    match io::copy(&mut BufReader::with_capacity(1 << 20, expanded.into_bytes()), &mut file) {
        Ok(_) => Ok(Ok(file)),
        Err(cause) => match Loss::of(&cause) {
            Some(fault) => Ok(Err(broken(fault))),
            None => Err(cause).at_path(&input.path, "cannot be unpacked"),
        },
    }
}

/// The refusal of an input that breaks off before anything of it can be understood.
fn broken(fault: &Fault) -> Refusal {
    Refusal {
        reason: format!("cannot be understood: {}", fault.sentence),
        hint: "the file is incomplete or damaged: copy or export it again".to_owned(),
    }
}

/// What an input is known by once it has been read.
pub struct Ending {
    pub bytes: u64,
    pub hash: String,
    /// What people should know of the reading.
    pub note: Option<String>,
}

/// An input that is being read.
pub struct Reader {
    path: PathBuf,
    raw: Raw,
    text: Text,
    head: Arc<Head>,
    /// Room for the next block; what of it is `held` is read, but not yet given out.
    room: Vec<u8>,
    held: usize,
    at_end: bool,
    /// Whether the last block is out.
    is_done: bool,
    /// Where `room` begins in the text.
    offset: u64,
    start: State,
    /// The file as it was when reading began.
    before: Option<Metadata>,
    /// Of an archive member: its size, which its archive knows.
    member_bytes: Option<u64>,
}

/// Opens an input and recognises it. `folder` is where it may be unpacked to; `room` is what it is read into.
pub fn open(input: &Input, known: &Known, folder: &Path, room: Vec<u8>) -> Result<(Found, Option<Reader>)> {
    let stream = match raw_bytes(input)? {
        Ok(stream) => stream,
        Err(refusal) => return Ok((refusal.into(), None)),
    };
    let raw = Raw::new(stream);
    let expanded = decode::expand(Box::new(raw.clone())).at_path(&input.path, "cannot be read")?;
    let mut reader = Reader {
        path: input.path.clone(),
        raw,
        text: expanded.into_text(),
        head: Arc::new(Head::new(Form::Lines, known, (0, 0))),
        room,
        held: 0,
        at_end: false,
        is_done: false,
        offset: 0,
        start: State::Begin,
        before: (!input.is_stdin())
            .then(|| std::fs::metadata(&input.path).ok())
            .flatten(),
        member_bytes: input.member.as_ref().map(|member| member.size),
    };
    reader.fill(HEAD_BYTES)?;
    match recognise_table(reader.pending(), input, || random_access(input, folder))? {
        Recognised::Text => {}
        Recognised::Table(kind, file) => return open_typed(input, kind, file, known, reader),
        Recognised::Not(found) => return Ok((found, None)),
    }
    reader.text.settle_line_ends(&mut reader.room[..reader.held]);
    let found = recognise(reader.pending(), reader.at_end, known)?;
    let found = match (found, &reader.text.loss) {
        (Found::Empty | Found::Foreign | Found::Refused { .. }, Some(fault)) if reader.at_end => broken(fault).into(),
        (found, _) => found,
    };
    let reader = match &found {
        Found::Export(head) => {
            let body = head.body.0;
            reader.room.copy_within(body..reader.held, 0);
            reader.held -= body;
            reader.offset = body as u64;
            reader.head = Arc::new(head.clone());
            Some(reader)
        }
        Found::Empty | Found::Refused { .. } | Found::Foreign => None,
    };
    Ok((found, reader))
}

/// Goes on with a Parquet file or a workbook, which is read as the text that it becomes.
fn open_typed(
    input: &Input,
    kind: table::Kind,
    file: File,
    known: &Known,
    reader: Reader,
) -> Result<(Found, Option<Reader>)> {
    let partition = match &input.place {
        Place::Delta(partition) => Some(partition.clone()),
        _ => None,
    };
    Ok(match table::open(kind, file, known, partition) {
        Ok((head, text)) => {
            let reader = Reader {
                text: Text::of(Box::new(text)),
                head: Arc::new(head.clone()),
                held: 0,
                at_end: false,
                ..reader
            };
            (Found::Export(head), Some(reader))
        }
        Err(refusal) => (refusal.into(), None),
    })
}

impl Reader {
    pub fn head(&self) -> &Arc<Head> {
        &self.head
    }

    /// Room for another input.
    pub fn into_room(self) -> Vec<u8> {
        self.room
    }

    /// Raw bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.raw.byte_count()
    }

    /// What the input is known by, once the last block is out.
    pub fn ending(&mut self) -> Result<Ending> {
        self.raw.drain().at_path(&self.path, "cannot be read")?;
        Ok(Ending {
            bytes: self.member_bytes.unwrap_or_else(|| self.raw.byte_count()),
            hash: self.raw.hash(),
            note: self.has_changed().then(|| {
                "the file changed while it was read; what was read is what it held from its start at that time: \
                 ingest it again for the rest"
                    .to_owned()
            }),
        })
    }

    /// Whether the file is no longer what it was when reading began.
    fn has_changed(&self) -> bool {
        let Some(before) = &self.before else { return false };
        let is_same = |now: Metadata| now.len() == before.len() && now.modified().ok() == before.modified().ok();
        !std::fs::metadata(&self.path).is_ok_and(is_same)
    }

    fn pending(&self) -> &[u8] {
        &self.room[..self.held]
    }

    /// Reads until `wanted` bytes are pending or the input ends: piece by piece, so that what is read is still at hand
    /// when it is hashed, and a small input takes little room.
    fn fill(&mut self, wanted: usize) -> Result<()> {
        while !self.at_end && self.held < wanted {
            let end = wanted.min(self.held + self.held.clamp(PIECE_BYTES / 4, PIECE_BYTES));
            if self.room.len() < end {
                if self.held > 0 {
                    self.room.reserve_exact(wanted - self.room.len());
                }
                self.room.resize(end, 0);
            }
            let read = self.text.read(&mut self.room[self.held..end]);
            self.held += read.at_path(&self.path, "cannot be read")?;
            self.at_end = self.held < end;
        }
        Ok(())
    }

    /// The next block of about `size` bytes; `None` after the last. An input without records has one empty block, so
    /// that it ends, and is remembered, like any other. `spare` are bytes of blocks that are done with, as room for others.
    pub fn next_block(&mut self, size: usize, spare: &mut Vec<Vec<u8>>) -> Result<Option<Block>> {
        if self.is_done {
            return Ok(None);
        }
        let limit = self.head.record_bytes;
        let mut wanted = size;
        let (length, next) = loop {
            self.fill(wanted)?;
            if self.at_end && self.held <= wanted {
                break (self.held, State::Top);
            }
            let window = &self.pending()[..wanted.min(self.held)];
            match self.cut(window) {
                Some(cut) => break cut,
                None if wanted >= limit => break self.cut_by_force(window),
                None => wanted = wanted.saturating_mul(2).min(limit),
            }
        };
        let bytes = self.give_out(length, spare);
        self.is_done = self.at_end && self.held == 0;
        let block = Block {
            head: self.head.clone(),
            offset: self.offset,
            last: self.is_done,
            loss: self.text.loss.clone(),
            start: std::mem::replace(&mut self.start, next),
            bytes,
        };
        self.offset += length as u64;
        Ok(Some(block))
    }

    /// The first pending bytes. They take the room with them unless it is far too large for them.
    fn give_out(&mut self, length: usize, spare: &mut Vec<Vec<u8>>) -> Vec<u8> {
        let rest = length..self.held;
        self.held = rest.len();
        let mut room = spare.pop().unwrap_or_default();
        if length < self.room.capacity() / 2 {
            room.clear();
            room.extend_from_slice(&self.room[..length]);
            self.room.copy_within(rest, 0);
            return room;
        }
        if room.len() < rest.len() {
            room.resize(rest.len(), 0);
        }
        room[..rest.len()].copy_from_slice(&self.room[rest]);
        let mut bytes = std::mem::replace(&mut self.room, room);
        bytes.truncate(length);
        bytes
    }

    /// Where a block may end, and what state the next then begins in.
    fn cut(&self, window: &[u8]) -> Option<(usize, State)> {
        match &self.head.form {
            Form::Lines => memchr::memrchr(b'\n', window).map(|end| (end + 1, State::Top)),
            Form::Csv(layout) => csv::last_row_end(window, layout).map(|end| (end, State::Top)),
            Form::Pages => json::last_row_start(window, &self.head.environment),
            Form::Xml(_) => xml::last_record_start(window).map(|start| (start, State::Top)),
        }
    }

    /// Where a block ends that holds no end of a record: behind a line if it is a matter of quotes, else at the limit.
    fn cut_by_force(&self, window: &[u8]) -> (usize, State) {
        let environment = match &self.head.form {
            Form::Csv(_) => match memchr::memrchr(b'\n', window) {
                Some(end) => return (end + 1, State::Top),
                None => None,
            },
            Form::Lines => None,
            Form::Pages => Some(self.head.environment.clone()),
            Form::Xml(_) => return (window.len().min(self.head.record_bytes), State::Top),
        };
        let limit = self.head.record_bytes;
        (window.len().min(limit), State::TooLong { environment })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 1000;

    /// Reads a text, as a file in `home`.
    fn reader_of(text: &str, home: &Path) -> Reader {
        let input = Input {
            path: home.join("log"),
            member: None,
            is_named: true,
            place: Place::Plain,
        };
        std::fs::write(&input.path, text).unwrap();
        let known = Known {
            source: "log".into(),
            environment: None,
            zone: chrono_tz::Tz::UTC,
            date_order: None,
            exported_on: 0,
            record_bytes: LIMIT,
            partition: None,
        };
        let (_, reader) = open(&input, &known, home, Vec::new()).unwrap();
        reader.expect("an export")
    }

    /// The lengths of all blocks of a text, read `size` bytes at a time.
    fn blocks(text: &str, size: usize) -> Vec<usize> {
        let home = tempfile::tempdir().unwrap();
        let mut reader = reader_of(text, home.path());
        // What is looked at to recognise it is held anyway; only a small part of it is given out at once.
        let next = || reader.next_block(size, &mut Vec::new()).unwrap();
        std::iter::from_fn(next).map(|block| block.bytes.len()).collect()
    }

    #[test]
    fn room_that_comes_back_is_used_again_also_behind_a_long_record() {
        let row = "{\"auditid\":\"1\",\"createdon\":\"2026-03-01T08:00:00Z\",\"action\":64}\n";
        let long = format!("{{\"auditid\":\"{}\"}}\n", "y".repeat(LIMIT / 2));
        let home = tempfile::tempdir().unwrap();
        let mut reader = reader_of(&[row, &long, &row.repeat(2000)].concat(), home.path());
        let mut spare = Vec::new();
        while let Some(block) = reader.next_block(100, &mut spare).unwrap() {
            spare.push(block.bytes);
            assert!(spare.len() < 3, "{} blocks at {}", spare.len(), block.offset);
        }
    }

    #[test]
    fn no_block_is_longer_than_a_record_may_be_or_than_was_asked_for() {
        let row = "{\"auditid\":\"1\",\"createdon\":\"2026-03-01T08:00:00Z\",\"action\":64}";
        let header = "createdon,action,useridname\n";
        for text in [
            format!("{row}\n\"{}\n{row}\n", "y".repeat(20_000)),
            format!("{{\"value\":[{row},{}", "{".repeat(20_000)),
            format!("[{}]", [row; 300].join(",")),
            format!("[{row}{}", " ".repeat(20_000)),
            format!("{header}{}", "y".repeat(20_000)),
            format!("{header}\"{}", "2026-03-01T08:00:00Z,64,Wren\n".repeat(700)),
        ] {
            for size in [1, 100, LIMIT, 3 * LIMIT] {
                let blocks = blocks(&text, size);
                assert!(
                    blocks.iter().all(|&length| length <= LIMIT.max(size)),
                    "{size}: {text:.80} {blocks:?}"
                );
                assert!(blocks.len() > 5, "{size}: {text:.80} {blocks:?}");
            }
        }
    }
}
