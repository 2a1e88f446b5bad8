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

use super::block::{Block, Parsed, State, parse};
use super::head::{Form, Head, Known, Table};
use super::reject::{Reason, Rejects};
use super::run::{union, window};
use super::{Fate, Outcome, Report, Tally, mib, settings};
use crate::error::Result;
use crate::instant::DateOrder;
use crate::lake::lock::Owner;
use crate::lake::manifest::ReplayEntry;
use crate::lake::names::Names;
use crate::lake::rejects::{self, RejectRow};
use crate::lake::{Lake, Writer, runs};
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use chrono_tz::Tz;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Codes of rejects that are pieces of a record.
const PIECES: [&str; 3] = ["too-long", "too-large", "corrupt"];

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
            memory_bytes: 256 << 20,
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
        writer: Writer::open(&plan.lake, &plan.owner, plan.memory_bytes)?,
        rejects: Rejects::default(),
        names: Names::default(),
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

/// What a reject is now.
enum Again {
    /// It was not asked about.
    NotChosen,
    /// What it was, for the reason it had.
    Same,
    /// Still rejected, for another reason.
    Other(Arc<Reason>),
    Understood(Parsed),
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
    names: Names,
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
        let source = self.source_of(row, head);
        let source = &mut self.sources[source];
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
            Again::Understood(parsed) => parsed,
        };
        let mut deleted = 0;
        for (identity, reject) in std::mem::take(&mut parsed.deletions) {
            match self.writer.delete(identity)? {
                true => deleted += 1,
                false => parsed.rejects.push(reject),
            }
        }
        let found = deleted + parsed.rows.num_rows() as u64 + parsed.side.len() as u64;
        if found == 0 {
            source.tally.add(&Tally::of_rejected(1));
            return self.rejects.push(row, &mut self.writer);
        }
        source.tally.add(&Tally::of_duplicate(deleted));
        for row in std::mem::take(&mut parsed.side) {
            let is_new = self.writer.take_side(row)?;
            source.tally.add(&if is_new {
                Tally::of_accepted(1)
            } else {
                Tally::of_duplicate(1)
            });
            self.accepted_beside += u64::from(is_new);
        }
        self.is_changed = true;
        // Most often none. A reject that held several records may keep some that are none.
        source.tally.add(&Tally::of_rejected(parsed.rejects.len() as u64));
        for part in std::mem::take(&mut parsed.rejects) {
            let row = RejectRow {
                record: row.record + part.record as i64 - 1,
                byte_offset: row.byte_offset.map(|whole| whole + part.span.start as i64),
                code: part.reason.code,
                sentence: &part.reason.sentence,
                raw: row.raw.get(part.span).unwrap_or_default(),
                ..*row
            };
            self.rejects.push(&row, &mut self.writer)?;
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

    fn stage(&mut self, (source, understood): &mut (usize, Vec<Parsed>)) -> Result<()> {
        let parts = std::mem::take(understood);
        let Some(first) = parts.first() else {
            return Ok(());
        };
        let rows = concat_batches(&first.rows.schema(), parts.iter().map(|part| &part.rows))?;
        let mut identities = Vec::with_capacity(rows.num_rows());
        for part in parts {
            identities.extend(part.identities);
            self.names.merge(part.names);
        }
        let source = &mut self.sources[*source];
        source.window = union(source.window, window(&rows));
        let read = rows.num_rows() as u64;
        let accepted = self.writer.stage(rows, &identities)? as u64;
        source.tally.add(&Tally {
            read,
            accepted,
            duplicate: read - accepted,
            rejected: 0,
        });
        Ok(())
    }

    fn finish(mut self, replaced: Vec<String>) -> Result<Outcome> {
        let mut outcome = Outcome::default();
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
        outcome.notes.extend(self.writer.note().map(str::to_owned));
        outcome.rejects = std::mem::take(&mut self.rejects.first);
        outcome.rejected_by_code = std::mem::take(&mut self.rejects.by_code);
        self.record.books = outcome.total.books();
        if !self.is_changed {
            self.writer.commit_run(self.record)?;
            return Ok(outcome);
        }
        self.rejects.write_out(&mut self.writer)?;
        let Tally {
            read,
            accepted,
            duplicate,
            rejected,
        } = outcome.total;
        let books = ReplayEntry {
            generation: self.writer.next_generation(),
            replayed: self.replayed,
            read,
            accepted,
            duplicate,
            rejected,
            accepted_beside: Some(self.accepted_beside),
        };
        self.writer.replace_rejects(replaced, books);
        self.writer.commit(self.names, Vec::new(), self.record)?;
        Ok(outcome)
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

fn lacks_environment(row: &RejectRow<'_>, plan: &Replay) -> bool {
    row.environment.is_none() && plan.environment.is_none()
}

fn has_same_head(a: &RejectRow<'_>, b: &RejectRow<'_>) -> bool {
    a.source == b.source
        && a.table == b.table
        && a.environment == b.environment
        && a.environment_is_given == b.environment_is_given
        && a.source_tz == b.source_tz
        && a.form == b.form
        && a.header == b.header
        && a.date_order == b.date_order
        && a.exported_on == b.exported_on
        && (a.form.is_some() || looks_like_json(a) == looks_like_json(b))
}

/// Whether a reject of which no form was kept can be nothing else.
fn looks_like_json(row: &RejectRow<'_>) -> bool {
    matches!(row.raw.trim_ascii_start().first(), Some(b'{' | b'['))
}

/// How to read a reject; `None` when that was not kept.
fn head_of(row: &RejectRow<'_>, plan: &Replay) -> Option<Head> {
    let form = match row.form {
        Some(form) => Form::of(form, row.header)?,
        None => looks_like_json(row).then_some(Form::Pages)?,
    };
    let table = Table::of(row.table.unwrap_or(Table::Audit.name()))?;
    let zone = match (plan.source_tz, row.source_tz) {
        (Some(zone), _) => zone,
        (None, Some(name)) => name.parse().ok()?,
        (None, None) => Tz::UTC,
    };
    // Whose rows they are is never guessed.
    let environment = plan.environment.as_deref().or(row.environment)?;
    let known = Known {
        source: row.source.into(),
        environment: Some(environment.into()),
        zone,
        date_order: plan.date_order.or(row.date_order.and_then(DateOrder::of)),
        exported_on: row.exported_on.unwrap_or_default(),
        // Longer ones are kept in pieces, which are not read again.
        record_bytes: usize::MAX,
        partition: None,
    };
    Some(Head {
        table,
        environment_is_given: plan.environment.is_some() || row.environment_is_given == Some(true),
        ..Head::new(form, &known, (0, 0))
    })
}

fn read_one(row: &RejectRow<'_>, head: Option<&Arc<Head>>) -> Result<Again> {
    let Some(head) = head else {
        return Ok(Again::Same);
    };
    if row.raw.is_empty() || PIECES.contains(&row.code) {
        return Ok(Again::Same);
    }
    let mut starts = vec![State::Top];
    if head.form == Form::Pages {
        // Mostly it stood in a list, where the same broken bytes are broken for another reason.
        let environment = head.environment.clone();
        starts.push(State::Array { environment });
    }
    let was_cut_off = row.code == "truncated";
    let mut reasons: Vec<Arc<Reason>> = Vec::new();
    for start in starts {
        let mut bytes = row.raw.to_vec();
        if !was_cut_off && head.form != Form::Pages {
            bytes.push(b'\n');
        }
        let parsed = parse(&Block {
            head: head.clone(),
            bytes,
            offset: 0,
            last: true,
            loss: None,
            start,
        })?;
        if parsed.rows.num_rows() > 0 || !parsed.side.is_empty() || !parsed.deletions.is_empty() {
            return Ok(Again::Understood(parsed));
        }
        reasons.extend(parsed.rejects.into_iter().next().map(|reject| reject.reason));
    }
    // Among its neighbours more was known of what is broken: alone, a record without an end only looks cut off.
    let is_same = |reason: &Arc<Reason>| match reason.code {
        "truncated" if !was_cut_off => true,
        "syntax" => row.code == "syntax",
        code => code == row.code && reason.sentence == row.sentence,
    };
    Ok(match reasons.pop() {
        Some(last) if !reasons.iter().chain([&last]).any(is_same) => Again::Other(last),
        _ => Again::Same,
    })
}
