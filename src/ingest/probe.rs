//! What would be read of a file, without a lake: for fuzzing and for tests that look at one file many times.

use super::block::parse;
use super::discover::{self, Input, Place};
use super::head::{Found, Known};
use super::join::Joint;
use super::source;
use crate::error::{Error, Result};
use crate::lake::rows::Rows;
use crate::lake::side::SideRow;
use std::path::{Path, PathBuf};

/// What one input holds.
#[derive(Debug, PartialEq)]
pub struct Seen {
    pub form: &'static str,
    pub rows: Rows,
    pub side: Vec<SideRow>,
    /// Code, number, and place in the text.
    pub rejects: Vec<(&'static str, u64, u64)>,
    /// Rows that only say that the source has deleted a row.
    pub deletions: usize,
}

/// How to look.
#[derive(Debug, Clone)]
pub struct Probe {
    pub block_bytes: usize,
    pub record_bytes: usize,
    /// Where an input may be unpacked to.
    pub folder: PathBuf,
}

/// Everything in a file, input by input; what is refused or holds nothing is left out.
///
/// # Errors
/// `Failed` when the file cannot be read; also when some of its bytes were neither understood nor rejected, which is
/// never so.
pub fn probe(path: &Path, how: &Probe) -> Result<Vec<Seen>> {
    let mut all = Vec::new();
    for input in discover::discover(&[path.to_owned()], &how.folder)? {
        if matches!(input.place, Place::Settled(_)) {
            continue;
        }
        if let (Found::Export(_), Some(reader)) = source::open(&input, &known(&input, how), &how.folder, Vec::new())? {
            all.push(read(reader, how)?);
        }
    }
    Ok(all)
}

/// How many rows a file holds: reads and parses it as a run does, on one core, and keeps nothing. For measuring.
///
/// # Errors
/// `Failed` when the file cannot be read.
pub fn count_rows(path: &Path, how: &Probe) -> Result<usize> {
    let mut rows = 0;
    for input in discover::discover(&[path.to_owned()], &how.folder)? {
        let (_, Some(mut reader)) = source::open(&input, &known(&input, how), &how.folder, Vec::new())? else {
            continue;
        };
        let mut spare = Vec::new();
        while let Some(block) = reader.next_block(how.block_bytes, &mut spare)? {
            rows += parse(&block)?.rows.len();
            spare.push(block.bytes);
        }
    }
    Ok(rows)
}

fn known(input: &Input, how: &Probe) -> Known {
    Known {
        source: input.name().into(),
        environment: None,
        zone: chrono_tz::Tz::UTC,
        date_order: None,
        exported_on: 0,
        record_bytes: how.record_bytes,
        partition: None,
    }
}

fn read(mut reader: source::Reader, how: &Probe) -> Result<Seen> {
    let mut joint = Joint::new();
    let mut numbers = reader.head().body.1;
    let mut seen = Seen {
        form: reader.head().form_name(),
        rows: Rows::default(),
        side: Vec::new(),
        rejects: Vec::new(),
        deletions: 0,
    };
    while let Some(block) = reader.next_block(how.block_bytes, &mut Vec::new())? {
        let parsed = parse(&block)?;
        let (block, parsed) = joint.join(block, parsed)?;
        let place = |start: usize| block.offset + start as u64;
        let rejects = parsed.rejects.iter();
        seen.rejects
            .extend(rejects.map(|reject| (reject.reason.code, reject.record + numbers, place(reject.span.start))));
        seen.side.extend(parsed.side);
        seen.deletions += parsed.deletions.len();
        seen.rows.append(parsed.rows);
        numbers += parsed.numbers;
    }
    if !joint.is_done() {
        return Err(Error::failed("some bytes were neither understood nor rejected"));
    }
    Ok(seen)
}
