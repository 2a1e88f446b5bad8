//! Replay: the rejects of a lake, read again with the rules of today.
//!
//! A reject that is understood now becomes rows, or turns out to be known already, and leaves `rejects/`; one that is
//! not stays, with its place, its raw bytes and the reason of today. Its form, header, environment and time zone are
//! those it was set aside with, unless the caller names others. The raw bytes take the way of any block of an input.
//!
//! The books: what is read is what the chosen rejects hold, and read = accepted + duplicate + rejected (L1). Replaying
//! again adds nothing (L3), since what was understood is gone, and would have the identity of a known row if not.
//!
//! What stays as it is: pieces of something larger, which say nothing alone, and what an older version set aside
//! without keeping whose it was or how its columns are called, unless the caller knows.

mod one;

use super::block::Parsed;
use super::head::{Head, Table};
use super::people::People;
use super::reject::{Doubts, Reject, Rejects};
use super::run::union;
use super::{Fate, Outcome, Report, Tally, mib, settings};
use crate::disk::Disk;
use crate::error::Result;
use crate::instant::DateOrder;
use crate::lake::ledger::ReplayEntry;
use crate::lake::lock::Owner;
use crate::lake::rejects::{self, RejectRow};
use crate::lake::{Lake, Writer, runs};
use arrow::array::RecordBatch;
use chrono_tz::Tz;
use one::{Again, has_same_head, head_of, lacks_environment, looks_like_json, read_one};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// How many rejects are read again at once.
const CHUNK: usize = 1 << 8;

/// Which rejects to read again, and how.
#[derive(Debug, Clone)]
pub struct Replay {
    pub lake: PathBuf,
    /// Only rejects with this code.
    pub code: Option<String>,
    /// Only rejects of inputs whose names hold this text.
    pub source: Option<String>,
    /// The environment they belong to, instead of the one they were set aside with.
    pub environment: Option<String>,
    /// The zone of times that carry none, instead of the one they were set aside with.
    pub source_tz: Option<Tz>,
    /// The order of dates as people spell them, instead of the one they were set aside with.
    pub date_order: Option<DateOrder>,
    /// Who writes, for the lock.
    pub owner: Owner,
    /// Tells micros since 1970, for the record of the run.
    pub clock: fn() -> i64,
    pub memory_bytes: usize,
    pub disk: Disk,
}

impl Replay {
    /// All rejects of a lake, read as they were.
    pub fn new(lake: PathBuf) -> Replay {
        Replay {
            lake,
            code: None,
            source: None,
            environment: None,
            source_tz: None,
            date_order: None,
            owner: Owner::unnamed(),
            clock: || 0,
            memory_bytes: 512 << 20,
            disk: Disk::default(),
        }
    }

    /// Option → value, for the record of the run.
    fn settings(&self) -> BTreeMap<String, String> {
        settings([
            ("code", self.code.clone()),
            ("source", self.source.clone()),
            ("environment", self.environment.clone()),
            ("source_tz", self.source_tz.map(|zone| zone.name().to_owned())),
            ("date_order", self.date_order.map(|order| order.name().to_owned())),
            ("memory", Some(mib(self.memory_bytes))),
        ])
    }

    fn chooses(&self, row: &RejectRow<'_>) -> bool {
        self.code.as_deref().is_none_or(|code| row.code == code)
            && self.source.as_deref().is_none_or(|part| row.source.contains(part))
    }
}

/// Reads the chosen rejects again.
///
/// # Errors
/// `Failed` when there is no lake, or it cannot be read or written; `Locked` when another run is writing. In each case
/// the lake is as before.
pub fn replay(plan: &Replay) -> Result<Outcome> {
    Lake::open(&plan.lake)?;
    let mut run = Run {
        plan,
        record: runs::Run::begin("replay", plan.clock, plan.settings()),
        writer: Writer::open(&plan.lake, &plan.owner, plan.memory_bytes, &plan.disk, plan.clock)?,
        rejects: Rejects::default(),
        doubts: Doubts::default(),
        stretches: Vec::new(),
        people: People::default(),
        sources: Vec::new(),
        replayed: 0,
        accepted_beside: 0,
        is_changed: false,
    };
    let mut replaced = Vec::new();
    for file in run.writer.reject_files().to_vec() {
        let holds_chosen = |batch: Result<RecordBatch>| -> Result<bool> {
            let batch = batch?;
            Ok((0..batch.num_rows()).any(|row| plan.chooses(&RejectRow::of(&batch, row))))
        };
        // Files without any chosen reject stay as they are.
        match rejects::read(&plan.lake, &file)
            .map(holds_chosen)
            .find(|holds| !matches!(holds, Ok(false)))
        {
            None => continue,
            Some(found) => found?,
        };
        for batch in rejects::read(&plan.lake, &file) {
            let batch = batch?;
            for start in (0..batch.num_rows()).step_by(CHUNK) {
                run.read_again(&batch.slice(start, CHUNK.min(batch.num_rows() - start)))?;
            }
        }
        replaced.push(file.path);
    }
    run.finish(replaced)
}

/// The books of one input's rejects.
struct Source {
    name: String,
    form: &'static str,
    table: &'static str,
    environment: String,
    window: Option<(i64, i64)>,
    tally: Tally,
    /// Rejects of an older version that cannot be read again because it did not keep whose they are, or their header.
    nobodys: u64,
    headerless: u64,
}

struct Run<'p> {
    plan: &'p Replay,
    record: runs::Run,
    writer: Writer,
    rejects: Rejects,
    doubts: Doubts,
    /// Whose the staged rows are, by their ordinals.
    stretches: Vec<(usize, Range<u64>)>,
    people: People,
    /// In order of appearance.
    sources: Vec<Source>,
    replayed: u64,
    /// Rows of side tables that said something new.
    accepted_beside: u64,
    /// Whether anything is not what it was.
    is_changed: bool,
}

impl Run<'_> {
    fn read_again(&mut self, batch: &RecordBatch) -> Result<()> {
        let rows: Vec<RejectRow<'_>> = (0..batch.num_rows()).map(|row| RejectRow::of(batch, row)).collect();
        let mut heads: Vec<Option<Arc<Head>>> = Vec::with_capacity(rows.len());
        for (at, row) in rows.iter().enumerate() {
            let head = match at.checked_sub(1) {
                Some(before) if has_same_head(&rows[before], row) => heads[before].clone(),
                _ => head_of(row, self.plan).map(Arc::new),
            };
            heads.push(head);
        }
        let plan = self.plan;
        let again: Vec<Again> = rows
            .par_iter()
            .zip(&heads)
            .map(|(row, head)| match plan.chooses(row) {
                true => read_one(row, head.as_ref()),
                false => Ok(Again::NotChosen),
            })
            .collect::<Result<_>>()?;
        // What is understood is staged at once for neighbours of one input, but before the next input's.
        let mut understood: (usize, Vec<Parsed>) = (0, Vec::new());
        for ((row, head), again) in rows.iter().zip(&heads).zip(again) {
            if matches!(again, Again::NotChosen) {
                self.rejects.keep(row, &mut self.writer)?;
                continue;
            }
            let source = self.source_of(row, head.as_deref());
            if source != understood.0 {
                self.stage(&mut understood)?;
            }
            understood.0 = source;
            self.take(row, head.as_deref(), again, &mut understood.1)?;
        }
        self.stage(&mut understood)
    }

    fn take(
        &mut self,
        row: &RejectRow<'_>,
        head: Option<&Head>,
        again: Again,
        understood: &mut Vec<Parsed>,
    ) -> Result<()> {
        self.replayed += 1;
        let number = self.source_of(row, head);
        let source = &mut self.sources[number];
        let mut parsed = match again {
            Again::NotChosen => return Ok(()),
            Again::Same => {
                source.tally.add(&Tally::of_rejected(1));
                source.nobodys += u64::from(lacks_environment(row, self.plan));
                source.headerless += u64::from(row.form.is_none() && !looks_like_json(row));
                return self.rejects.push(row, &mut self.writer);
            }
            Again::Other(reason) => {
                self.is_changed = true;
                source.tally.add(&Tally::of_rejected(1));
                let row = RejectRow {
                    code: reason.code,
                    sentence: &reason.sentence,
                    ..*row
                };
                return self.rejects.push(&row, &mut self.writer);
            }
            Again::Understood(parsed) => *parsed,
        };
        let deletions = std::mem::take(&mut parsed.deletions);
        let found = parsed.rows.len() + parsed.side.len();
        if found + deletions.len() == 0 {
            source.tally.add(&Tally::of_rejected(1));
            return self.rejects.push(row, &mut self.writer);
        }
        // If its row is not known, a lone deletion stays what it is.
        self.is_changed |= found + parsed.rejects.len() + deletions.len() > 1 || found == 1;
        for (identity, part) in deletions {
            let part = part_of(row, &part);
            self.doubts.push(number, identity, &part, &mut self.writer)?;
        }
        for row in std::mem::take(&mut parsed.side) {
            let is_new = self.writer.take_side(row)?;
            source.tally.add(&if is_new {
                Tally::of_accepted(1)
            } else {
                Tally::of_duplicate(1)
            });
            self.accepted_beside += u64::from(is_new);
        }
        // Most often none. A reject that held several records may keep some that are none.
        source.tally.add(&Tally::of_rejected(parsed.rejects.len() as u64));
        for part in std::mem::take(&mut parsed.rejects) {
            self.rejects.push(&part_of(row, &part), &mut self.writer)?;
        }
        understood.push(parsed);
        Ok(())
    }

    /// Which entry of `sources` keeps the books of a reject.
    fn source_of(&mut self, row: &RejectRow<'_>, head: Option<&Head>) -> usize {
        let form = head.map_or("unknown form", |head| head.form.name());
        let environment = head.map_or(row.environment.unwrap_or("unknown environment"), |head| {
            &head.environment
        });
        let is_it =
            |source: &Source| source.name == row.source && source.form == form && source.environment == environment;
        // The last one is the likeliest.
        self.sources.iter().rposition(is_it).unwrap_or_else(|| {
            self.sources.push(Source {
                name: row.source.to_owned(),
                form,
                table: head.map_or(Table::Audit, |head| head.table).name(),
                environment: environment.to_owned(),
                window: None,
                tally: Tally::default(),
                nobodys: 0,
                headerless: 0,
            });
            self.sources.len() - 1
        })
    }

    /// What it holds is new or known at the end.
    fn stage(&mut self, (source, understood): &mut (usize, Vec<Parsed>)) -> Result<()> {
        let mut rows = self.writer.room();
        for part in std::mem::take(understood) {
            rows.append(part.rows);
            self.people.take(&part.people);
        }
        let number = *source;
        let source = &mut self.sources[number];
        source.window = union(source.window, rows.window());
        let ordinals = self.writer.stage(rows, &source.name.as_str().into())?;
        self.stretches.push((number, ordinals));
        Ok(())
    }

    fn finish(mut self, replaced: Vec<String>) -> Result<Outcome> {
        self.doubts.write_out(&mut self.writer)?;
        let note = self.writer.note().map(str::to_owned);
        let mut settled = self.writer.settle()?;
        for (number, rows) in self.stretches {
            let (all, new) = (rows.end - rows.start, settled.accepted(rows));
            let tally = &mut self.sources[number].tally;
            tally.add(&Tally::of_accepted(new));
            tally.add(&Tally::of_duplicate(all - new));
        }
        self.doubts
            .settle(&mut settled, &mut self.rejects, |number, is_known| {
                self.is_changed |= is_known;
                let one = if is_known {
                    Tally::of_duplicate(1)
                } else {
                    Tally::of_rejected(1)
                };
                self.sources[number].tally.add(&one);
            })?;
        let mut outcome = Outcome {
            notes: note.into_iter().collect(),
            ..Outcome::default()
        };
        for source in self.sources {
            assert!(
                source.tally.balances(),
                "L1: the books of {} do not balance",
                source.name
            );
            outcome.total.add(&source.tally);
            let notes = notes(&source);
            outcome.reports.push(Report {
                input: source.name,
                fate: Fate::Ingested {
                    form: source.form,
                    table: source.table,
                    environment: source.environment,
                    window: source.window,
                    tally: source.tally,
                    notes,
                },
            });
        }
        outcome.rejects = std::mem::take(&mut self.rejects.first);
        outcome.rejected_by_code = std::mem::take(&mut self.rejects.by_code);
        self.record.books = outcome.total.books();
        if !self.is_changed {
            settled.commit_run(self.record)?;
            return Ok(outcome);
        }
        self.rejects.write_out(&mut settled)?;
        let books = books(
            &outcome.total,
            self.replayed,
            self.accepted_beside,
            settled.next_generation(),
        );
        settled.replace_rejects(replaced, books);
        settled.commit(self.people.into_names(), Vec::new(), self.record)?;
        Ok(outcome)
    }
}

/// A part of a reject that is still one.
fn part_of<'a>(row: &RejectRow<'a>, part: &'a Reject) -> RejectRow<'a> {
    RejectRow {
        record: row.record + part.record as i64 - 1,
        byte_offset: row.byte_offset.map(|whole| whole + part.span.start as i64),
        code: part.reason.code,
        sentence: &part.reason.sentence,
        raw: row.raw.get(part.span.clone()).unwrap_or_default(),
        ..*row
    }
}

fn books(total: &Tally, replayed: u64, accepted_beside: u64, generation: u64) -> ReplayEntry {
    ReplayEntry {
        generation,
        replayed,
        books: total.books(),
        accepted_beside: Some(accepted_beside),
    }
}

fn notes(source: &Source) -> Vec<String> {
    let mut notes = Vec::new();
    if source.nobodys > 0 {
        notes.push(format!(
            "an older version did not keep the environment of {} of them: name it with --environment",
            source.nobodys
        ));
    }
    if source.headerless > 0 {
        notes.push(format!(
            "an older version did not keep the header of {} of them: take them with `gatelog rejects --raw`, put the \
             header above, and ingest the result",
            source.headerless
        ));
    }
    notes
}
