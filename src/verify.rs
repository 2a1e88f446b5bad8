//! How `gatelog verify` reads for people: a line for each finding, then what was checked.

use crate::console::{counted, one_line};
use gatelog::error::{Error, Kind, Result};
use gatelog::lake::verify::Verified;
use indicatif::{HumanBytes, HumanCount};
use std::io::{self, Write};
use std::path::Path;

/// Shows all of it but the notes.
pub fn show(verified: &Verified, out: &mut dyn Write) -> io::Result<()> {
    for finding in &verified.findings {
        writeln!(out, "{}: {}", one_line(&finding.path), one_line(&finding.sentence))?;
    }
    for (check, count) in &verified.more {
        writeln!(out, "… and {} more of {}", HumanCount(*count), check.name())?;
    }
    let checked = verified.checked;
    writeln!(
        out,
        "checked: {}, {}, {} of the log, {} and {} on record: {}",
        counted(checked.files as usize, "file"),
        HumanBytes(checked.bytes),
        counted(checked.rows as usize, "row"),
        counted(checked.inputs as usize, "input"),
        counted(checked.runs as usize, "run"),
        match verified.count() {
            0 => "the lake is what its manifest says".to_owned(),
            count => counted(count as usize, "fault"),
        }
    )
}

/// A lake with a fault is an error of its own kind.
pub fn judge(lake: &Path, verified: &Verified) -> Result<u8> {
    match verified.count() {
        0 => Ok(0),
        1 => Err("1 statement about it does not hold".to_owned()),
        count => Err(format!("{} statements about it do not hold", HumanCount(count))),
    }
    .map_err(|fact| {
        Error::new(Kind::Faulty, fact).at(lake).hint(
            "put files back from a copy of the lake, or ingest the exports into a new one; what no file names may be moved away",
        )
    })
}
