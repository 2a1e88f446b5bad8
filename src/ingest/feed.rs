//! Inputs → blocks that are parsed: a thread of its own recognises and reads inputs, and hands their blocks to whoever is
//! free to parse them.
//!
//! What it finds comes in order through a channel. Whoever takes a block gives room for another one back: when so many
//! blocks, or so many bytes, are ahead as may be, the thread waits for that.

use super::block::{Block, Parsed, parse_into};
use super::discover::{Input, Place};
use super::head::{Found, Head, Known};
use super::people::Sightings;
use super::source::{self, Ending, Reader};
use super::{Fate, Plan, Report};
use crate::error::Result;
use crate::lake::ledger::KnownInputs;
use crate::lake::rows::Rows;
use rayon::Scope;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};

pub const WHAT_IS_READ: &str = "gatelog reads audit, systemuser and organization exports: JSON, CSV, Synapse Link and Delta folders, XML, \
                                Parquet and xlsx";

/// What reading finds, in order.
pub enum Event {
    /// An input that needs no reading, or allows none.
    Settled(Report),
    /// An input of which the blocks follow.
    Opened(Opened),
    Block(Queued),
}

pub struct Opened {
    pub input: String,
    pub head: Arc<Head>,
    /// Raw bytes that were read to recognise it.
    pub read_bytes: u64,
}

/// A block that was read, and is parsed on any thread.
pub struct Queued {
    /// Raw bytes that were read for it.
    pub read_bytes: u64,
    /// With the input's last block: what the input is known by.
    pub ending: Option<Ending>,
    parsed: Receiver<(Block, Result<Parsed>)>,
}

impl Queued {
    /// Waits until it is parsed; `None` when that has panicked.
    pub fn parsed(&self) -> Option<(Block, Result<Parsed>)> {
        loop {
            match self.parsed.try_recv() {
                Ok(parsed) => return Some(parsed),
                // It may be this thread's turn to parse it. Where nothing is left to do, another one is at it.
                Err(TryRecvError::Empty) if rayon::yield_now() != Some(rayon::Yield::Idle) => {}
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return self.parsed.recv().ok(),
            }
        }
    }
}

/// Room for a block, its rows and its people: that of others that are done with.
#[derive(Default)]
pub struct Room {
    pub bytes: Vec<u8>,
    pub rows: Rows,
    pub people: Sightings,
}

/// Reads the inputs of a run.
pub struct Feed<'p> {
    plan: &'p Plan,
    known: KnownInputs,
    /// Where inputs may be unpacked to.
    folder: PathBuf,
    /// How many blocks may be ahead, and how large each is at most, unless a record is longer.
    blocks: (usize, usize),
    /// How large each of those is that are.
    ahead: VecDeque<usize>,
    rooms: Receiver<Room>,
    /// Bytes of blocks that are done with.
    spare: Vec<Vec<u8>>,
    spare_parsed: Vec<(Rows, Sightings)>,
    to: Sender<Result<Event>>,
}

impl<'p> Feed<'p> {
    /// A feed that is at most so many blocks ahead, each of so many bytes; what it finds, and where it gets room from.
    pub fn new(
        plan: &'p Plan,
        known: KnownInputs,
        folder: PathBuf,
        blocks: (usize, usize),
    ) -> (Feed<'p>, Receiver<Result<Event>>, Sender<Room>) {
        let (to, events) = mpsc::channel();
        let (give, rooms) = mpsc::channel();
        let feed = Feed {
            plan,
            known,
            folder,
            blocks,
            ahead: VecDeque::new(),
            rooms,
            spare: Vec::new(),
            spare_parsed: Vec::new(),
            to,
        };
        (feed, events, give)
    }

    /// Reads all inputs, unless one cannot be read or the run has failed.
    pub fn run<'scope>(mut self, inputs: impl Iterator<Item = Input>, scope: &Scope<'scope>) {
        if let Err(error) = self.read_all(inputs, scope) {
            let _ = self.to.send(Err(error));
        }
    }

    fn read_all<'scope>(&mut self, inputs: impl Iterator<Item = Input>, scope: &Scope<'scope>) -> Result<()> {
        for input in inputs {
            let (event, mut reader) = self.open(&input)?;
            let mut next = Some(event);
            while let Some(event) = next {
                if self.to.send(Ok(event)).is_err() {
                    // Nobody takes it: the run has failed.
                    return Ok(());
                }
                next = match &mut reader {
                    Some(reader) if self.take_room() => self.next_block(reader, scope)?,
                    _ => None,
                };
            }
            self.keep(reader.map(Reader::into_room).unwrap_or_default());
        }
        Ok(())
    }

    /// Takes the room that came back, and waits for more while enough is ahead; false when the run has failed.
    fn take_room(&mut self) -> bool {
        loop {
            let (most, block_bytes) = self.blocks;
            let bytes: usize = self.ahead.iter().sum();
            let is_enough = self.ahead.len() >= most || bytes >= most.saturating_mul(block_bytes);
            let room = match is_enough {
                true => self.rooms.recv().map_err(TryRecvError::from),
                false => self.rooms.try_recv(),
            };
            match room {
                Ok(Room { bytes, rows, people }) => {
                    // Blocks are taken in the order in which they were read.
                    self.ahead.pop_front();
                    self.keep(bytes);
                    self.spare_parsed.push((rows, people));
                }
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// Keeps bytes as room for others, unless they are those of a small input, or of an unusually long record.
    fn keep(&mut self, bytes: Vec<u8>) {
        let (_, block_bytes) = self.blocks;
        if (block_bytes / 2..=2 * block_bytes).contains(&bytes.capacity()) {
            self.spare.push(bytes);
        }
    }

    /// Reads a block, and has it parsed.
    fn next_block<'scope>(&mut self, reader: &mut Reader, scope: &Scope<'scope>) -> Result<Option<Event>> {
        let before = reader.bytes();
        let Some(block) = reader.next_block(self.blocks.1, &mut self.spare)? else {
            return Ok(None);
        };
        self.ahead.push_back(block.bytes.len());
        let (rows, people) = self.spare_parsed.pop().unwrap_or_default();
        let ending = block.last.then(|| reader.ending()).transpose()?;
        let (done, parsed) = mpsc::sync_channel(1);
        scope.spawn(move |_| {
            let parsed = parse_into(&block, rows, people);
            // Nobody waits for it where the run has failed.
            let _ = done.send((block, parsed));
        });
        Ok(Some(Event::Block(Queued {
            read_bytes: reader.bytes() - before,
            ending,
            parsed,
        })))
    }

    /// Recognises an input; without a reader when there is nothing to read in it.
    fn open(&mut self, input: &Input) -> Result<(Event, Option<Reader>)> {
        let settled = |fate| {
            let report = Report {
                input: input.name(),
                fate,
            };
            Ok((Event::Settled(report), None))
        };
        let partition = match &input.place {
            Place::Settled(fate) => return settled(fate.clone()),
            Place::Synapse(partition) => Some(partition.clone()),
            Place::Plain | Place::Delta(_) => None,
        };
        let exported_on = match self.plan.exported_on {
            Some(on) => on,
            None => source::modified_on(input)?.unwrap_or_else(self.plan.clock),
        };
        let environment = self.plan.environment.as_deref();
        let size = source::size(input)?;
        if let Some(size) = size.filter(|size| *size > 0 && self.known.has_size(*size))
            && let Some(hash) = source::content_hash(input)?
            && self.known.covers((&hash, size), (environment, exported_on))?
        {
            return settled(Fate::AlreadyIngested);
        }
        let known = Known {
            source: input.name().into(),
            environment: environment.map(Into::into),
            zone: self.plan.source_tz,
            date_order: self.plan.date_order,
            exported_on,
            record_bytes: self.plan.record_bytes,
            partition,
        };
        let room = self.spare.pop().unwrap_or_default();
        let (found, reader) = source::open(input, &known, &self.folder, room)?;
        let reader = match (found, reader) {
            (Found::Export(_), Some(reader)) => reader,
            (Found::Refused { reason, hint }, _) => return settled(Fate::Refused { reason, hint }),
            (Found::Foreign, _) if input.is_named => {
                let reason = "is no export gatelog knows".to_owned();
                let hint = WHAT_IS_READ.to_owned();
                return settled(Fate::Refused { reason, hint });
            }
            (Found::Foreign, _) => return settled(Fate::PassedOver),
            (Found::Empty | Found::Export(_), _) => return settled(Fate::Empty),
        };
        let opened = Opened {
            input: input.name(),
            head: reader.head().clone(),
            read_bytes: reader.bytes(),
        };
        Ok((Event::Opened(opened), Some(reader)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::Writer;
    use std::thread;
    use std::time::Duration;

    #[test]
    fn a_long_block_is_not_followed_by_others_until_it_is_taken() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("log.ndjson");
        let row = format!(
            "{{\"createdon\":\"2026-03-01T08:00:00Z\",\"action\":64,\"changedata\":\"{}\"}}\n",
            "y".repeat(10 << 10)
        );
        std::fs::write(&path, row.repeat(10)).unwrap();
        let input = Input {
            path: path.clone(),
            member: None,
            is_named: true,
            place: Place::Plain,
        };
        let plan = Plan::new(vec![path], home.path().join("lake"));
        let writer = Writer::open(&plan.lake, &plan.owner, plan.memory_bytes, &plan.disk, plan.clock).unwrap();
        let known = writer.known_inputs().unwrap();
        let (feed, events, rooms) = Feed::new(&plan, known, writer.staging(), (4, 1 << 10));
        let blocks = rayon::scope(|scope| {
            thread::scope(move |threads| {
                threads.spawn(move || feed.run([input].into_iter(), scope));
                let mut blocks = 0;
                while let Ok(event) = events.recv_timeout(Duration::from_secs(10)) {
                    if let Event::Block(_) = event.unwrap() {
                        blocks += 1;
                        assert!(events.recv_timeout(Duration::from_millis(20)).is_err());
                        let _ = rooms.send(Room::default());
                    }
                }
                blocks
            })
        });
        assert_eq!(blocks, 10);
    }
}
