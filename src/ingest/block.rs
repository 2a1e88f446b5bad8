//! The unit of parsing: a block of one input, cut where a record probably ends, parsed on any core.
//!
//! A cut is a guess that the grammar checks. [`Stop`] says how far a block was really understood and in which
//! [`State`]; when that is not the next block's beginning, the driver parses the remainder and the next block again as
//! one. So the size of blocks never changes what is read (L2), and a broken record costs only itself.

use super::columns::Columns;
use super::head::{Form, Head, Table};
use super::normalize::{Fault, Raw, fault, normalize};
use super::reject::{Reason, Reject};
use super::{csv, json, side};
use crate::error::Result;
use crate::lake::identity::{self, Identity};
use crate::lake::names::Names;
use crate::lake::side::SideRow;
use arrow::array::RecordBatch;
use std::ops::Range;
use std::sync::Arc;

/// A stretch of an input.
#[derive(Debug)]
pub struct Block {
    pub head: Arc<Head>,
    pub bytes: Vec<u8>,
    /// Where the block begins in the input, in bytes.
    pub offset: u64,
    /// Whether the input ends with this block.
    pub last: bool,
    /// What the grammar is assumed to be in the middle of, where the block begins.
    pub start: State,
}

/// What a grammar is in the middle of between two records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Before the first byte.
    Begin,
    /// Between two records or lines of the outermost level.
    Top,
    /// Between two records of an array, in a page of this environment.
    Array { environment: Arc<str> },
}

/// How far a block was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// Bytes that belong to finished records; the rest needs what follows the block.
    pub consumed: usize,
    pub state: State,
}

/// What a block holds. Record numbers count from 1 within the block; the driver adds what came before.
pub struct Parsed {
    pub rows: RecordBatch,
    pub identities: Vec<Identity>,
    pub rejects: Vec<Reject>,
    /// Rows that only say that the source has deleted a row; a reject if no such row is known.
    pub deletions: Vec<(Identity, Reject)>,
    pub names: Names,
    /// Rows of a side table.
    pub side: Vec<SideRow>,
    pub stop: Stop,
    /// How many numbers (lines, or records of a page) the consumed part spans.
    pub numbers: u64,
}

/// Parses one block.
pub fn parse(block: &Block) -> Result<Parsed> {
    let mut sink = Sink::new(block);
    let stop = match &block.head.form {
        Form::Lines => json::parse_lines(block, &mut sink),
        Form::Pages => json::parse_pages(block, &mut sink),
        Form::Csv(layout) => csv::parse(block, layout, &mut sink),
    };
    let numbers = match block.head.form {
        Form::Pages => sink.records(),
        Form::Lines | Form::Csv(_) => memchr::memchr_iter(b'\n', &block.bytes[..stop.consumed]).count() as u64,
    };
    let rows = sink.columns.finish()?;
    Ok(Parsed {
        identities: identity::of_rows(&rows)?,
        rows,
        rejects: sink.rejects,
        deletions: sink.deletions,
        names: sink.names,
        side: sink.side,
        stop,
        numbers,
    })
}

/// Takes what a grammar finds.
pub struct Sink<'b> {
    block: &'b Block,
    columns: Columns,
    rejects: Vec<Reject>,
    deletions: Vec<(Identity, Reject)>,
    /// That of the last reject: when many are broken, then mostly in the same way.
    reason: Arc<Reason>,
    names: Names,
    side: Vec<SideRow>,
    /// A byte offset and the number of line ends before it, for counting on from there.
    counted: (usize, u64),
}

impl<'b> Sink<'b> {
    fn new(block: &'b Block) -> Self {
        Sink {
            block,
            columns: Columns::new(),
            rejects: Vec::new(),
            deletions: Vec::new(),
            reason: Arc::default(),
            names: Names::default(),
            side: Vec::new(),
            counted: (0, 0),
        }
    }

    /// A raw row that stands at `span` of the block.
    pub fn record(&mut self, raw: Raw<'_>, environment: &str, span: Range<usize>) {
        if self.block.head.table != Table::Audit {
            return self.side_row(raw, environment, span);
        }
        if let Some(id) = raw.deleted_id() {
            let sentence = "the source has deleted this row before it was ever exported with its createdon";
            let reject = self.reject_of(environment, fault("created-on-missing", sentence), span);
            self.deletions.push((identity::of_id(environment, &id), reject));
            return;
        }
        match normalize(raw, self.block.head.zone, self.block.head.date_order) {
            Ok(record) => {
                self.names.see(environment, &record);
                self.columns.push(&record, environment, &self.block.head.source);
            }
            Err(fault) => self.reject_in(environment, fault, span),
        }
    }

    fn side_row(&mut self, raw: Raw<'_>, environment: &str, span: Range<usize>) {
        match side::normalize(raw, environment, &self.block.head) {
            Ok(row) => {
                self.names.see_user(&row);
                self.side.push(row);
            }
            Err(fault) => self.reject_in(environment, fault, span),
        }
    }

    /// Bytes that are no record.
    pub fn reject(&mut self, fault: Fault, span: Range<usize>) {
        let environment = self.block.head.environment.clone();
        self.reject_in(&environment, fault, span);
    }

    /// Bytes that are no record, among records of an environment.
    pub fn reject_in(&mut self, environment: &str, fault: Fault, span: Range<usize>) {
        let reject = self.reject_of(environment, fault, span);
        self.rejects.push(reject);
    }

    fn reject_of(&mut self, environment: &str, fault: Fault, span: Range<usize>) -> Reject {
        let reason = &*self.reason;
        if (&*reason.environment, reason.code, &reason.sentence) != (environment, fault.code, &fault.sentence) {
            self.reason = Arc::new(Reason {
                environment: environment.to_owned(),
                code: fault.code,
                sentence: fault.sentence,
            });
        }
        let record = match self.block.head.form {
            Form::Pages => self.records() + 1,
            Form::Lines | Form::Csv(_) => self.line_of(span.start),
        };
        let length = without_line_end(&self.block.bytes[span.clone()]).len();
        Reject {
            reason: self.reason.clone(),
            record,
            span: span.start..span.start + length,
        }
    }

    /// How many records were found so far.
    fn records(&self) -> u64 {
        (self.columns.len() + self.rejects.len() + self.deletions.len() + self.side.len()) as u64
    }

    fn line_of(&mut self, offset: usize) -> u64 {
        let (from, lines) = self.counted;
        let lines = lines + memchr::memchr_iter(b'\n', &self.block.bytes[from..offset]).count() as u64;
        self.counted = (offset, lines);
        lines + 1
    }
}

/// Blanks at the end of a line are fields of a tab-separated one; only its end is no part of it.
fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}
