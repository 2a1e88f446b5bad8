//! The unit of parsing: a block of one input, cut where a record probably ends, parsed on any core.
//!
//! A cut is a guess that the grammar checks. [`Stop`] says how far a block was really understood and in which
//! [`State`]; when that is not the next block's beginning, the driver parses the remainder and the next block again as
//! one. So the size of blocks never changes what is read (L2), and a broken record costs only itself.

use super::accesses::Accesses;
use super::head::{Form, Head, Table};
use super::lines::line_ends;
use super::normalize::{Fault, deleted_id, fault, normalize};
use super::people::Sightings;
use super::raw::Raw;
use super::reject::{Reason, Reject};
use super::{csv, json, side, xml};
use crate::error::Result;
use crate::lake::identity::{self, Identity};
use crate::lake::rows::Rows;
use crate::lake::side::SideRow;
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
    /// With the last block: why the input could not be decoded to its end.
    pub loss: Option<Arc<Fault>>,
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
    /// Within a record that is too long; behind it comes the next of this environment's array, or of the outermost level.
    TooLong { environment: Option<Arc<str>> },
}

impl State {
    /// Within a record that is too long and began in this state.
    pub fn too_long(&self) -> State {
        let environment = match self {
            State::Array { environment } => Some(environment.clone()),
            _ => None,
        };
        State::TooLong { environment }
    }

    pub fn behind_too_long(environment: Option<Arc<str>>) -> State {
        environment.map_or(State::Top, |environment| State::Array { environment })
    }
}

/// Why a record of more than `limit` bytes is set aside, in pieces: the first, or one of the others.
pub fn too_long(limit: usize, is_first: bool) -> Fault {
    let limit = match limit % (1 << 20) {
        0 => format!("{} MiB", limit >> 20),
        _ => format!("{limit} bytes"),
    };
    let sentence = match is_first {
        true => format!("no record ends within {limit} of this place; all bytes are kept, {limit} to a reject"),
        false => format!("goes on from the reject before: no record ends within {limit}"),
    };
    fault(TOO_LONG, sentence)
}

/// Pieces of a record are kept to the byte.
const TOO_LONG: &str = "too-long";

/// How far a block was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// Bytes that belong to finished records; the rest needs what follows the block.
    pub consumed: usize,
    pub state: State,
}

/// What a block holds. Record numbers count from 1 within the block; the driver adds what came before.
pub struct Parsed {
    pub rows: Rows,
    pub rejects: Vec<Reject>,
    /// Rows that only say that the source has deleted a row; a reject if no such row is known.
    pub deletions: Vec<(Identity, Reject)>,
    /// Who is named in it.
    pub people: Sightings,
    pub accesses: Accesses,
    /// Rows of a side table.
    pub side: Vec<SideRow>,
    pub stop: Stop,
    /// How many numbers (lines, or records of a page) the consumed part spans.
    pub numbers: u64,
}

/// Parses one block.
pub fn parse(block: &Block) -> Result<Parsed> {
    parse_into(block, Rows::default(), Sightings::default())
}

/// Parses one block, its rows and its people into these, which are none.
pub fn parse_into(block: &Block, mut rows: Rows, people: Sightings) -> Result<Parsed> {
    // Texts of exports become rows of a quarter to a half of their size.
    rows.reserve(block.bytes.len() / 4);
    let mut sink = Sink::new(block, rows, people);
    let (stop, lines) = match &block.head.form {
        Form::Lines => {
            let (stop, lines) = json::parse_lines(block, &mut sink);
            (stop, Some(lines))
        }
        Form::Pages => (json::parse_pages(block, &mut sink), None),
        Form::Csv(layout) => {
            let (stop, lines) = csv::parse(block, layout, &mut sink);
            (stop, block.head.typed.is_none().then_some(lines))
        }
        Form::Xml(layout) => (xml::parse(block, *layout, &mut sink), None),
    };
    if let Some(loss) = block.loss.as_deref().filter(|_| block.last) {
        sink.lose(loss);
    }
    let numbers = match block.head.form {
        Form::Pages | Form::Xml(_) => sink.records(),
        Form::Lines | Form::Csv(_) => lines.unwrap_or_else(|| lines_of(&block.head, &block.bytes[..stop.consumed])),
    };
    Ok(Parsed {
        rows: sink.rows,
        rejects: sink.rejects,
        deletions: sink.deletions,
        people: sink.people,
        accesses: sink.accesses,
        side: sink.side,
        stop,
        numbers,
    })
}

/// Lines as people count them: those of a file, or the rows of a typed input, whatever line ends their values hold.
fn lines_of(head: &Head, bytes: &[u8]) -> u64 {
    match head.form {
        Form::Csv(_) if head.typed.is_some() => csv::rows(bytes),
        _ => line_ends(bytes),
    }
}

/// Takes what a grammar finds.
pub struct Sink<'b> {
    block: &'b Block,
    /// That of the records that come.
    environment: String,
    rows: Rows,
    rejects: Vec<Reject>,
    deletions: Vec<(Identity, Reject)>,
    /// That of the last reject: when many are broken, then mostly in the same way.
    reason: Arc<Reason>,
    people: Sightings,
    accesses: Accesses,
    side: Vec<SideRow>,
    /// A byte offset and the number of line ends before it, for counting on from there.
    counted: (usize, u64),
    /// Where the last reject ends.
    rejected_to: usize,
}

impl<'b> Sink<'b> {
    fn new(block: &'b Block, rows: Rows, people: Sightings) -> Self {
        let mut sink = Sink {
            block,
            environment: String::new(),
            rows,
            rejects: Vec::new(),
            deletions: Vec::new(),
            reason: Arc::default(),
            people,
            accesses: Accesses::default(),
            side: Vec::new(),
            counted: (0, 0),
            rejected_to: 0,
        };
        sink.enter(&block.head.environment);
        sink
    }

    /// The records that come next are of this environment.
    fn enter(&mut self, environment: &str) {
        environment.clone_into(&mut self.environment);
        self.rows.enter(environment);
        self.people.enter(environment);
        self.accesses.enter(environment);
    }

    /// A raw row that stands at `span` of the block.
    pub fn record(&mut self, raw: &mut Raw<'_>, environment: &str, span: Range<usize>) {
        if self.environment != environment {
            self.enter(environment);
        }
        if self.block.head.table != Table::Audit {
            return self.side_row(raw, environment, span);
        }
        if let Some(id) = deleted_id(raw) {
            let sentence = "the source has deleted this row before it was ever exported with its createdon";
            let reject = self.reject_of(environment, fault("created-on-missing", sentence), span);
            self.deletions.push((identity::of_id(environment, &id), reject));
            return;
        }
        match normalize(raw, self.block.head.zone, self.block.head.date_order) {
            // By reference: it is large, and would be copied.
            Ok(ref record) => {
                self.people.see(record);
                self.rows.push(record);
                self.accesses.see(record.created_on, record.action);
            }
            Err(fault) => self.reject_in(environment, fault, span),
        }
    }

    fn side_row(&mut self, raw: &mut Raw<'_>, environment: &str, span: Range<usize>) {
        match side::normalize(raw, environment, &self.block.head) {
            Ok(row) => {
                self.people.see_user(&row);
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
        self.rejected_to = span.end;
        let reject = self.reject_of(environment, fault, span);
        self.rejects.push(reject);
    }

    fn reject_of(&mut self, environment: &str, fault: Fault, span: Range<usize>) -> Reject {
        let length = match &self.block.bytes[span.clone()] {
            piece if fault.code == TOO_LONG => piece.len(),
            record => without_line_end(record).len(),
        };
        let reason = self.reason(environment, fault);
        let record = match self.block.head.form {
            Form::Pages | Form::Xml(_) => self.records() + 1,
            Form::Lines | Form::Csv(_) => self.line_of(span.start),
        };
        Reject {
            reason,
            record,
            span: span.start..span.start + length,
        }
    }

    fn reason(&mut self, environment: &str, fault: Fault) -> Arc<Reason> {
        let last = &*self.reason;
        if (&*last.environment, last.code, &last.sentence) != (environment, fault.code, &fault.sentence) {
            self.reason = Arc::new(Reason {
                environment: environment.to_owned(),
                code: fault.code,
                sentence: fault.sentence,
            });
        }
        self.reason.clone()
    }

    /// How many records were found so far.
    fn records(&self) -> u64 {
        (self.rows.len() + self.rejects.len() + self.deletions.len() + self.side.len()) as u64
    }

    /// The input goes on, but cannot be decoded. The record it breaks off in is rejected for that; or else a reject
    /// without bytes stands for what is lost.
    fn lose(&mut self, loss: &Fault) {
        let end = self.block.bytes.len();
        let is_broken_off = |last: &&mut Reject| self.rejected_to == end && last.reason.code != TOO_LONG;
        match self.rejects.last_mut().filter(is_broken_off) {
            Some(last) => {
                last.reason = Arc::new(Reason {
                    environment: last.reason.environment.clone(),
                    code: loss.code,
                    sentence: loss.sentence.clone(),
                });
            }
            _ => self.reject(loss.clone(), end..end),
        }
    }

    fn line_of(&mut self, offset: usize) -> u64 {
        let (from, lines) = self.counted;
        let lines = lines + lines_of(&self.block.head, &self.block.bytes[from..offset]);
        self.counted = (offset, lines);
        lines + 1
    }
}

/// Blanks at the end of a line are fields of a tab-separated one; only its end is no part of it.
fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}
