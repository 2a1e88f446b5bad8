//! One run: inputs → blocks → rows and rejects → lake, and the books of each input.
//!
//! One thread reads ([`Feed`]), another takes blocks that are parsed into the lake; all others parse, and so does the
//! latter when it has to wait. Blocks are taken in order, so neither their size nor the number of threads changes anything
//! (L2). Every record lands in exactly one counter of its input's [`Tally`], asserted before the commit (L1).

use super::accesses::Accesses;
use super::block::{Block, Parsed};
use super::discover::{Input, Place};
use super::feed::{Event, Feed, Opened, Queued, Room, WHAT_IS_READ};
use super::head::Table;
use super::join::Joint;
use super::people::People;
use super::reject::{Doubts, Rejects};
use super::source::{self, Ending};
use super::{Fate, Outcome, Plan, Progress, Report, Tally};
use crate::error::{Error, Result};
use crate::lake::Writer;
use crate::lake::ledger::InputEntry;
use crate::lake::runs;
use std::ops::Range;
use std::thread;

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
        })
    }

    pub fn read_all(&mut self, inputs: impl Iterator<Item = Input> + Send) -> Result<()> {
        // Enough that no core has to wait while another one takes many rows at once.
        let blocks = 8 * rayon::current_num_threads();
        let blocks = (blocks, self.plan.block_bytes_for(blocks));
        let known = self.writer.known_inputs()?;
        let (feed, events, rooms) = Feed::new(self.plan, known, self.writer.staging(), blocks);
        rayon::scope(|scope| {
            // If the run fails, what it takes from the feed and gives to it goes with the closure, and then the feed ends.
            thread::scope(move |threads| {
                threads.spawn(move || feed.run(inputs, scope));
                for event in events {
                    match event? {
                        Event::Settled(report) => self.reports.push(report),
                        Event::Opened(opened) => self.open_books(opened),
                        Event::Block(queued) => {
                            // Once all is read, nobody asks for room.
                            let _ = rooms.send(self.take(queued)?);
                        }
                    }
                    (self.progress)(self.so_far);
                }
                Ok(())
            })
        })
    }

    fn take(&mut self, queued: Queued) -> Result<Room> {
        self.so_far.bytes_read += queued.read_bytes;
        // Without an answer parsing has panicked, which the scope passes on.
        let (block, parsed) = queued.parsed().ok_or_else(|| Error::failed("a block was not parsed"))?;
        self.take_block(block, parsed?, queued.ending)
    }

    fn open_books(&mut self, opened: Opened) {
        let Opened {
            input,
            head,
            read_bytes,
        } = opened;
        self.so_far.bytes_read += read_bytes;
        self.lines.push(self.reports.len());
        self.reports.push(Report {
            input: input.clone(),
            fate: Fate::Empty,
        });
        self.opened.push(Open {
            name: input,
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
    }

    /// Takes a block after all blocks before it. If it was parsed on a wrong guess, it is parsed again, on what the
    /// blocks before it left.
    fn take_block(&mut self, block: Block, parsed: Parsed, ending: Option<Ending>) -> Result<Room> {
        let input = self.opened.len() - 1;
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
        Ok(Room {
            bytes: block.bytes,
            rows: self.writer.room(),
            people: parsed.people.emptied(),
        })
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
