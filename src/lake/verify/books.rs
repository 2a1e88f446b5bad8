//! What manifest and ledger say of themselves: the list of files, the books of inputs, replays and runs (L1, L6).

use super::super::ledger::{self, Entry, Ledger};
use super::super::manifest::{Manifest, partition_folder};
use super::{Check, Finding, of_manifest};
use std::collections::BTreeSet;
use std::path::Path;

/// The ledger, if it is what the manifest says, and what is wrong.
pub fn check(lake: &Path, manifest: &Manifest) -> (Ledger, Vec<Finding>) {
    let mut findings = listing(manifest);
    let ledger = match read(lake, manifest) {
        Ok(ledger) => ledger,
        Err(finding) => {
            findings.push(finding);
            return (Ledger::default(), findings);
        }
    };
    findings.extend(ids(lake, manifest, &ledger).err());
    let books = ledger.entries.iter().flat_map(Entry::faults);
    let books = books.chain(order(&ledger, manifest)).chain(sums(&ledger, manifest));
    findings.extend(books.map(|sentence| of_manifest(Check::Books, sentence)));
    (ledger, findings)
}

fn finding(path: &str, check: Check, sentence: impl Into<String>) -> Finding {
    Finding {
        path: path.to_owned(),
        check,
        sentence: sentence.into(),
    }
}

fn listing(manifest: &Manifest) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen = BTreeSet::new();
    let audit = manifest.audit.iter().map(|audit| &audit.file);
    for file in audit.chain(super::other_files(manifest)) {
        if !seen.insert(&file.path) {
            findings.push(finding(&file.path, Check::Listing, "is listed twice"));
        }
    }
    for audit in &manifest.audit {
        let (path, folder) = (
            &audit.file.path,
            partition_folder(&audit.environment, audit.kind, &audit.month),
        );
        if !path.starts_with(&folder) {
            let sentence = format!("does not lie in {folder}, as its values say (L6)");
            findings.push(finding(path, Check::Listing, sentence));
        }
        if audit.file.rows == 0 || audit.min_created_on_us > audit.max_created_on_us {
            findings.push(finding(path, Check::Listing, "has an empty or reversed range"));
        }
    }
    findings
}

/// Reads the books, where there are as many as the manifest counts, with its hash.
fn read(lake: &Path, manifest: &Manifest) -> Result<Ledger, Finding> {
    let wrong = |check, sentence: String| finding(ledger::COMMITS, check, sentence);
    let (extent, told) = (&manifest.ledger, |error: crate::error::Error| error.fact);
    let text = ledger::lines(lake, extent).map_err(|error| wrong(Check::Bytes, told(error)))?;
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let hash = lines.fold(String::new(), |hash, line| ledger::chained(&hash, line));
    if hash != extent.hash {
        let sentence = format!("has the hash {hash}, the manifest says {}", extent.hash);
        return Err(wrong(Check::Hash, sentence));
    }
    let ledger = Ledger::read(lake, manifest).map_err(|error| wrong(Check::Readable, told(error)))?;
    let older = manifest.entries_of_older_layouts().len();
    let counted = &ledger.entries[older..];
    let found = (
        counted.len(),
        counted.iter().map(|entry| entry.inputs.len()).sum::<usize>(),
    );
    if found != (extent.commits as usize, extent.inputs as usize) {
        let sentence = format!(
            "has {} commits of {} inputs, the manifest says {} of {}",
            found.0, found.1, extent.commits, extent.inputs
        );
        return Err(wrong(Check::Rows, sentence));
    }
    Ok(ledger)
}

/// The short list of inputs is that of the books.
fn ids(lake: &Path, manifest: &Manifest, ledger: &Ledger) -> Result<(), Finding> {
    let wrong = |check, sentence: String| finding(ledger::INPUTS, check, sentence);
    let older = manifest.entries_of_older_layouts().len();
    let told = |error: crate::error::Error| wrong(Check::Readable, error.fact);
    let expected = ledger::ids(&ledger.entries[older..]).map_err(told)?;
    match ledger::stored_ids(lake, &manifest.ledger).map_err(told)? {
        Some(ids) if ids == expected => Ok(()),
        Some(_) => Err(wrong(
            Check::Index,
            "does not stand for the inputs of the ledger".to_owned(),
        )),
        None => Err(wrong(
            Check::Bytes,
            format!(
                "stands for fewer than {} inputs; the next run makes it anew",
                manifest.ledger.inputs
            ),
        )),
    }
}

/// Each commit has one line, the last one that of the manifest.
fn order(ledger: &Ledger, manifest: &Manifest) -> Option<String> {
    let numbers: Vec<u64> = ledger.entries.iter().map(|entry| entry.generation).collect();
    let is_ascending = numbers.windows(2).all(|pair| pair[0] < pair[1]);
    let is_last = manifest.ledger.commits == 0 || numbers.last() == Some(&manifest.generation);
    (!is_ascending || !is_last)
        .then(|| format!("the ledger does not end with commit {}, in order", manifest.generation))
}

/// What was accepted and what was set aside, beside what is there. Layout 1 did not tell how much of a replay went into
/// side tables: there the rows may be fewer by as many.
fn sums(ledger: &Ledger, manifest: &Manifest) -> Vec<String> {
    let mut faults = Vec::new();
    let of_log = ledger.inputs().filter(|input| input.table == "audit");
    let accepted = of_log.map(|input| input.books.accepted).sum::<u64>()
        + ledger.replays().map(|replay| replay.books.accepted).sum::<u64>();
    let beside = |unknown: fn(u64) -> u64| -> u64 {
        let told = ledger
            .replays()
            .map(|replay| replay.accepted_beside.unwrap_or(unknown(replay.books.accepted)));
        told.sum()
    };
    let rows = manifest.audit.iter().map(|audit| audit.file.rows).sum::<u64>();
    let (most, fewest) = (
        accepted.saturating_sub(beside(|_| 0)),
        accepted.saturating_sub(beside(|accepted| accepted)),
    );
    if !(fewest..=most).contains(&rows) {
        faults.push(format!(
            "the books say that {most} rows were accepted, the files hold {rows} (L1)"
        ));
    }
    let came = ledger.entries.iter().map(|entry| entry.brought().rejected).sum::<u64>();
    let went = ledger.replays().map(|replay| replay.replayed).sum::<u64>();
    let rejects = manifest.rejects.iter().map(|file| file.rows).sum::<u64>();
    if came != rejects + went {
        faults.push(format!(
            "the books say that {came} records were rejected and {went} replayed, the files hold {rejects} (L1)"
        ));
    }
    faults
}
