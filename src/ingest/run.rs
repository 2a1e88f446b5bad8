//! One run: inputs → blocks → rows and rejects → lake, and the books of each input.
//!
//! One thread reads blocks ahead and takes those that are parsed into the lake; all others parse, and so does that one
//! when it has to wait. Blocks are taken in order, so neither their size nor the number of threads changes anything
//! (L2). Every record lands in exactly one counter of its input's [`Tally`], asserted before the commit (L1).

use super::accesses::Accesses;
use super::block::{Block, Parsed, parse_into};
use super::discover::{Input, Place};
use super::head::{Found, Known, Table};
use super::join::Joint;
use super::people::People;
use super::reject::{Doubts, Rejects};
use super::source::{self, Ending, Reader};
use super::{Fate, Outcome, Plan, Progress, Report, Tally};
use crate::error::{Error, Result};
use crate::lake::Writer;
use crate::lake::ledger::InputEntry;
use crate::lake::rows::Rows;
use crate::lake::runs;
use rayon::ScopeFifo;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::mpsc::{self, Receiver, TryRecvError};

const WHAT_IS_READ: &str = "gatelog reads audit, systemuser and organization exports: JSON, CSV, Synapse Link and Delta folders, XML, \
                            Parquet and xlsx";

/// An input while its blocks are being taken.
struct Open {
    name: String,
    form: &'static str,
    table: &'static str,
    environment: String,
    exported_on: Option<i64>,
    /// First and last `created_on` so far.
    window: Option<(i64, i64)>,
    accesses: Accesses,
    tally: Tally,
    notes: Vec<String>,
    bytes: u64,
    hash: String,
    /// Numbers (lines or records) before the next block.
    numbers: u64,
    joint: Joint,
}

/// A block that was read, with what its input is known by once it ends.
struct Queued {
    input: usize,
    block: Block,
    /// With the input's last block.
    ending: Option<Ending>,
}

/// Blocks that were read, in order, and are parsed on any thread.
#[derive(Default)]
struct Ahead {
    blocks: VecDeque<(usize, Receiver<(Queued, Result<Parsed>)>)>,
    /// How many bytes they have.
    bytes: usize,
}

impl Ahead {
    fn push<'scope>(&mut self, queued: Queued, room: Rows, scope: &ScopeFifo<'scope>) {
        let bytes = queued.block.bytes.len();
        let (done, parsed) = mpsc::sync_channel(1);
        self.bytes += bytes;
        self.blocks.push_back((bytes, parsed));
        scope.spawn_fifo(move |_| {
            let parsed = parse_into(&queued.block, room);
            // Nobody waits for it where the run has failed.
            let _ = done.send((queued, parsed));
        });
    }

    /// The oldest one, once it is parsed.
    fn pop(&mut self) -> Option<(Queued, Result<Parsed>)> {
        let (bytes, parsed) = self.blocks.pop_front()?;
        self.bytes -= bytes;
        loop {
            match parsed.try_recv() {
                Ok(parsed) => return Some(parsed),
                // It may be this thread's turn to parse it. Where nothing is left to do, another one is at it.
                Err(TryRecvError::Empty) if rayon::yield_now() != Some(rayon::Yield::Idle) => {}
                // Without an answer it has panicked, which the scope passes on.
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return parsed.recv().ok(),
            }
        }
    }
}

pub struct Run<'p> {
    plan: &'p Plan,
    record: runs::Run,
    writer: Writer,
    progress: &'p (dyn Fn(Progress) + Sync),
    so_far: Progress,
    opened: Vec<Open>,
    reports: Vec<Report>,
    /// For each opened input, its line in `reports`.
    lines: Vec<usize>,
    rejects: Rejects,
    doubts: Doubts,
    /// Whose the staged rows are, by their ordinals.
    stretches: Vec<(usize, Range<u64>)>,
    people: People,
    /// Bytes of blocks that are done with, as room for others.
    spare: Vec<Vec<u8>>,
}

/// The inputs still to be read, and the one being read.
struct Queue<I> {
    inputs: I,
    reader: Option<(usize, Reader)>,
}

impl<'p> Run<'p> {
    pub fn open(plan: &'p Plan, inputs: &[Input], progress: &'p (dyn Fn(Progress) + Sync)) -> Result<Run<'p>> {
        let mut so_far = Progress::default();
        for input in inputs.iter().filter(|input| !matches!(input.place, Place::Settled(_))) {
            so_far.bytes_total += source::size(input)?.unwrap_or(0);
        }
        Ok(Run {
            plan,
            record: runs::Run::begin("ingest", plan.clock, plan.settings()),
            writer: Writer::open(&plan.lake, &plan.owner, plan.memory_bytes, &plan.disk, plan.clock)?,
            progress,
            so_far,
            opened: Vec::new(),
            reports: Vec::new(),
            lines: Vec::new(),
            rejects: Rejects::default(),
            doubts: Doubts::default(),
            stretches: Vec::new(),
            people: People::default(),
            spare: Vec::new(),
        })
    }

    pub fn read_all(&mut self, inputs: impl Iterator<Item = Input> + Send) -> Result<()> {
        let mut queue = Queue { inputs, reader: None };
        rayon::scope_fifo(|scope| {
            let mut ahead = Ahead::default();
            loop {
                while self.may_read(&ahead)
                    && let Some(queued) = self.read(&mut queue)?
                {
                    ahead.push(queued, self.writer.room(), scope);
                }
                let Some((queued, parsed)) = ahead.pop() else {
                    return Ok(());
                };
                self.take_block(queued, parsed?)?;
                (self.progress)(self.so_far);
            }
        })
    }

    /// How many blocks are read ahead, and how large each is at most.
    fn read_ahead(&self) -> (usize, usize) {
        let blocks = 12 * rayon::current_num_threads();
        (blocks, self.plan.block_bytes_for(blocks))
    }

    /// Small blocks may be more, until they are half as many bytes.
    fn may_read(&self, ahead: &Ahead) -> bool {
        let (blocks, block_bytes) = self.read_ahead();
        let most_bytes = blocks.saturating_mul(block_bytes);
        ahead.bytes < most_bytes && (ahead.blocks.len() < blocks || ahead.bytes < most_bytes / 2)
    }

    /// Reads the next block, of the input under way or the next one.
    fn read(&mut self, queue: &mut Queue<impl Iterator<Item = Input>>) -> Result<Option<Queued>> {
        loop {
            if queue.reader.is_none() {
                match queue.inputs.next() {
                    Some(input) => queue.reader = self.open_input(&input)?,
                    None => return Ok(None),
                }
            }
            let Some((input, reader)) = &mut queue.reader else {
                continue;
            };
            let (input, before) = (*input, reader.bytes());
            let (_, block_bytes) = self.read_ahead();
            let block = reader.next_block(block_bytes, &mut self.spare)?;
            self.so_far.bytes_read += reader.bytes() - before;
            let is_last = block.as_ref().is_none_or(|block| block.last);
            let ending = is_last.then(|| reader.ending()).transpose()?;
            if is_last {
                queue.reader = None;
            }
            if let Some(block) = block {
                return Ok(Some(Queued { input, block, ending }));
            }
        }
    }

    /// Recognises an input; `None` when there is nothing to read in it.
    fn open_input(&mut self, input: &Input) -> Result<Option<(usize, Reader)>> {
        let partition = match &input.place {
            Place::Settled(fate) => return Ok(self.note(input, fate.clone())),
            Place::Synapse(partition) => Some(partition.clone()),
            Place::Plain | Place::Delta(_) => None,
        };
        let exported_on = match self.plan.exported_on {
            Some(on) => on,
            None => source::modified_on(input)?.unwrap_or_else(self.plan.clock),
        };
        let environment = self.plan.environment.as_deref();
        let size = source::size(input)?;
        if let Some(size) = size.filter(|size| *size > 0 && self.writer.knows_size(*size))
            && let Some(hash) = source::content_hash(input)?
            && self.writer.knows_content((&hash, size), (environment, exported_on))?
        {
            return Ok(self.note(input, Fate::AlreadyIngested));
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
        let (found, reader) = source::open(input, &known, &self.writer.staging())?;
        let reader = match (found, reader) {
            (Found::Export(_), Some(reader)) => reader,
            (Found::Refused { reason, hint }, _) => return Ok(self.note(input, Fate::Refused { reason, hint })),
            (Found::Foreign, _) if input.is_named => {
                let reason = "is no export gatelog knows".to_owned();
                let hint = WHAT_IS_READ.to_owned();
                return Ok(self.note(input, Fate::Refused { reason, hint }));
            }
            (Found::Foreign, _) => return Ok(self.note(input, Fate::PassedOver)),
            (Found::Empty | Found::Export(_), _) => return Ok(self.note(input, Fate::Empty)),
        };
        self.so_far.bytes_read += reader.bytes();
        let head = reader.head();
        self.opened.push(Open {
            name: input.name(),
            form: head.form_name(),
            table: head.table.name(),
            environment: head.environment.to_string(),
            exported_on: (head.table != Table::Audit).then_some(head.exported_on),
            window: None,
            accesses: Accesses::default(),
            tally: Tally::default(),
            notes: head.notes.clone(),
            bytes: 0,
            hash: String::new(),
            numbers: head.body.1,
            joint: Joint::new(),
        });
        self.lines.push(self.reports.len());
        self.note(input, Fate::Empty);
        Ok(Some((self.opened.len() - 1, reader)))
    }

    fn note(&mut self, input: &Input, fate: Fate) -> Option<(usize, Reader)> {
        let input = input.name();
        self.reports.push(Report { input, fate });
        None
    }

    /// Takes a block after all blocks before it. If it was parsed on a wrong guess, it is parsed again, on what the
    /// blocks before it left.
    fn take_block(&mut self, queued: Queued, parsed: Parsed) -> Result<()> {
        let Queued { input, block, ending } = queued;
        let open = &mut self.opened[input];
        let (block, parsed) = open.joint.join(block, parsed)?;
        let before = open.numbers;
        open.numbers += parsed.numbers;
        open.window = union(open.window, parsed.rows.window());
        open.accesses.merge(&parsed.accesses);
        let rows = self.writer.stage(parsed.rows, &block.head.source)?;
        let deleted = parsed.deletions.len() as u64;
        self.doubts
            .take(input, parsed.deletions, &block, before, &mut self.writer)?;
        let rejected = parsed.rejects.len() as u64;
        let (side_rows, mut side_accepted) = (parsed.side.len() as u64, 0);
        for row in parsed.side {
            side_accepted += u64::from(self.writer.take_side(row)?);
        }
        // Which rows are new, and which deletions find their row, is known at the end.
        let read = rows.end - rows.start + deleted + rejected + side_rows;
        let open = &mut self.opened[input];
        open.tally.add(&Tally {
            read,
            accepted: side_accepted,
            duplicate: side_rows - side_accepted,
            rejected,
        });
        self.stretches.push((input, rows));
        if let Some(ending) = ending {
            (open.bytes, open.hash) = (ending.bytes, ending.hash);
            open.notes.extend(ending.note);
        }
        self.so_far.records_read += read;
        self.people.take(&parsed.people);
        self.rejects.take(parsed.rejects, &block, before, &mut self.writer)?;
        // Not those of a small input, nor of an unusually long record.
        let (_, size) = self.read_ahead();
        if (size / 2..=2 * size).contains(&block.bytes.capacity()) {
            self.spare.push(block.bytes);
        }
        Ok(())
    }

    /// Closes the books and commits.
    pub fn finish(mut self) -> Result<Outcome> {
        self.doubts.write_out(&mut self.writer)?;
        let note = self.writer.note().map(str::to_owned);
        let mut settled = self.writer.settle()?;
        for (input, rows) in self.stretches {
            let (all, accepted) = (rows.end - rows.start, settled.accepted(rows));
            self.opened[input].tally.accepted += accepted;
            self.opened[input].tally.duplicate += all - accepted;
        }
        self.doubts.settle(&mut settled, &mut self.rejects, |input, is_known| {
            let tally = &mut self.opened[input].tally;
            *(if is_known {
                &mut tally.duplicate
            } else {
                &mut tally.rejected
            }) += 1;
        })?;
        let mut outcome = Outcome {
            reports: self.reports,
            rejects: std::mem::take(&mut self.rejects.first),
            rejected_by_code: std::mem::take(&mut self.rejects.by_code),
            notes: note.into_iter().collect(),
            ..Outcome::default()
        };
        let generation = settled.next_generation();
        let mut entries = Vec::new();
        for (open, line) in self.opened.into_iter().zip(self.lines) {
            assert!(open.tally.balances(), "L1: the books of {} do not balance", open.name);
            assert!(
                open.joint.is_done(),
                "every byte of {} was understood or rejected",
                open.name
            );
            outcome.total.add(&open.tally);
            entries.push(open.entry(generation));
            outcome.reports[line].fate = open.fate();
        }
        check(self.plan, &outcome)?;
        (self.record.inputs, self.record.books) = (outcome.input_counts(), outcome.total.books());
        if entries.is_empty() {
            settled.commit_run(self.record)?;
            return Ok(outcome);
        }
        self.rejects.write_out(&mut settled)?;
        settled.commit(self.people.into_names(), entries, self.record)?;
        Ok(outcome)
    }
}

impl Open {
    fn entry(&self, generation: u64) -> InputEntry {
        InputEntry {
            name: self.name.clone(),
            bytes: self.bytes,
            hash: self.hash.clone(),
            form: self.form.to_owned(),
            table: self.table.to_owned(),
            environment: Some(self.environment.clone()),
            exported_on_us: self.exported_on,
            accesses: self.accesses.clone().into_windows(),
            generation,
            books: self.tally.books(),
        }
    }

    fn fate(self) -> Fate {
        Fate::Ingested {
            form: self.form,
            table: self.table,
            environment: self.environment,
            window: self.window,
            tally: self.tally,
            notes: self.notes,
        }
    }
}

/// Whether the run may be committed at all.
fn check(plan: &Plan, outcome: &Outcome) -> Result<()> {
    let is_readable = |report: &Report| {
        matches!(
            report.fate,
            Fate::Ingested { .. } | Fate::AlreadyIngested | Fate::Empty | Fate::Unfinished
        )
    };
    let refusal = outcome.reports.iter().find_map(|report| match &report.fate {
        Fate::Refused { reason, hint } => Some(Error::bad_input(reason).at(&report.input).hint(hint)),
        _ => None,
    });
    if !outcome.reports.iter().any(is_readable) {
        return Err(refusal.unwrap_or_else(|| {
            Error::bad_input("holds no export gatelog knows")
                .at(&plan.paths[0])
                .hint(WHAT_IS_READ)
        }));
    }
    if !plan.strict {
        return Ok(());
    }
    match (refusal, outcome.rejects.first()) {
        (Some(refusal), _) => Err(refusal),
        (None, Some(first)) => Err(Error::bad_input(format!("record {}: {}", first.record, first.sentence))
            .at(&first.input)
            .hint("mend the export, or leave out --strict to set bad records aside and keep the rest")),
        (None, None) => Ok(()),
    }
}

pub fn union(a: Option<(i64, i64)>, b: Option<(i64, i64)>) -> Option<(i64, i64)> {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        _ => a.or(b),
    }
}
