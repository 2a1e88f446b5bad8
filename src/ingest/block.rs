//! The unit of parsing: a block of one input, cut where a record probably ends, parsed on any core.
//!
//! A cut is a guess that the grammar checks. [`Stop`] says how far a block was really understood and in which
//! [`State`]; when that is not the next block's beginning, the driver parses the remainder and the next block again as
//! one. So the size of blocks never changes what is read (L2), and a broken record costs only itself.

use super::columns::Columns;
use super::head::{Form, Head};
use super::normalize::{Fault, Raw, normalize};
use super::reject::Reject;
use super::{csv, json, xml};
use crate::error::Result;
use crate::lake::identity::{self, Identity};
use crate::lake::names::Names;
use arrow::array::RecordBatch;
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
    pub names: Names,
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
        Form::Xml(layout) => xml::parse(block, *layout, &mut sink),
    };
    let numbers = match block.head.form {
        Form::Pages | Form::Xml(_) => (sink.columns.len() + sink.rejects.len()) as u64,
        Form::Lines | Form::Csv(_) => memchr::memchr_iter(b'\n', &block.bytes[..stop.consumed]).count() as u64,
    };
    let rows = sink.columns.finish()?;
    Ok(Parsed {
        identities: identity::of_rows(&rows)?,
        rows,
        rejects: sink.rejects,
        names: sink.names,
        stop,
        numbers,
    })
}

/// Takes what a grammar finds.
pub struct Sink<'b> {
    block: &'b Block,
    columns: Columns,
    rejects: Vec<Reject>,
    names: Names,
    /// A byte offset and the number of line ends before it, for counting on from there.
    counted: (usize, u64),
}

impl<'b> Sink<'b> {
    fn new(block: &'b Block) -> Self {
        Sink {
            block,
            columns: Columns::new(),
            rejects: Vec::new(),
            names: Names::default(),
            counted: (0, 0),
        }
    }

    /// A raw row that stands at `span` of the block.
    pub fn record(&mut self, raw: Raw<'_>, environment: &str, span: std::ops::Range<usize>) {
        match normalize(raw, self.block.head.zone) {
            Ok(record) => {
                self.names.see(environment, &record);
                self.columns.push(&record, environment, &self.block.head.source);
            }
            Err(fault) => self.reject(fault, span),
        }
    }

    /// Bytes that are no record.
    pub fn reject(&mut self, fault: Fault, span: std::ops::Range<usize>) {
        let raw = self.block.bytes[span.clone()].trim_ascii_end();
        let record = match self.block.head.form {
            Form::Pages | Form::Xml(_) => (self.columns.len() + self.rejects.len()) as u64 + 1,
            Form::Lines | Form::Csv(_) => self.line_of(span.start),
        };
        self.rejects.push(Reject {
            source: self.block.head.source.clone(),
            record,
            byte_offset: self.block.offset + span.start as u64,
            code: fault.code,
            sentence: fault.sentence,
            raw: raw.to_vec(),
        });
    }

    fn line_of(&mut self, offset: usize) -> u64 {
        let (from, lines) = self.counted;
        let lines = lines + memchr::memchr_iter(b'\n', &self.block.bytes[from..offset]).count() as u64;
        self.counted = (offset, lines);
        lines + 1
    }
}
