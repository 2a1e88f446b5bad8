//! What the manifest says of itself: the books of inputs, replays and runs, and the list of files (L1, L6). Pure.

use super::super::manifest::{Manifest, partition_folder};
use super::super::runs;
use super::{Check, Finding, of_manifest};
use std::collections::BTreeSet;

pub fn check(manifest: &Manifest) -> Vec<Finding> {
    let mut findings = listing(manifest);
    let books = balances(manifest).into_iter().chain(sums(manifest));
    findings.extend(books.map(|sentence| of_manifest(Check::Books, sentence)));
    findings
}

fn listing(manifest: &Manifest) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen = BTreeSet::new();
    let audit = manifest.audit.iter().map(|audit| &audit.file);
    for file in audit.chain(super::other_files(manifest)) {
        if !seen.insert(&file.path) {
            findings.push(finding(&file.path, "is listed twice".to_owned()));
        }
    }
    for audit in &manifest.audit {
        let folder = partition_folder(&audit.environment, audit.kind, &audit.month);
        if !audit.file.path.starts_with(&folder) {
            findings.push(finding(
                &audit.file.path,
                format!("does not lie in {folder}, as its values say (L6)"),
            ));
        }
        if audit.file.rows == 0 || audit.min_created_on_us > audit.max_created_on_us {
            findings.push(finding(&audit.file.path, "has an empty or reversed range".to_owned()));
        }
    }
    findings
}

fn finding(path: &str, sentence: String) -> Finding {
    Finding {
        path: path.to_owned(),
        check: Check::Listing,
        sentence,
    }
}

/// Each book by itself, and each run beside what it brought.
fn balances(manifest: &Manifest) -> Vec<String> {
    let unbalanced = |what: String| format!("the books of {what} do not balance (L1)");
    let inputs = manifest.inputs.iter().filter(|input| !input.books().balance());
    let replays = manifest.replays.iter().filter(|replay| !replay.books().balance());
    let brought = runs::brought(manifest);
    let runs = manifest.runs.iter();
    inputs
        .map(|input| unbalanced(format!("{:?}, commit {}", input.name, input.generation)))
        .chain(replays.map(|replay| unbalanced(format!("the replay of commit {}", replay.generation))))
        .chain(runs.filter_map(|run| run.fault(brought.get(&run.generation))))
        .collect()
}

/// What was accepted and what was set aside, beside what is there. Layout 1 did not tell how much of a replay went into
/// side tables: there the rows may be fewer by as many.
fn sums(manifest: &Manifest) -> Vec<String> {
    let mut faults = Vec::new();
    let of_log = manifest.inputs.iter().filter(|input| input.table == "audit");
    let replays = manifest.replays.iter();
    let accepted = of_log.map(|input| input.accepted).sum::<u64>() + replays.clone().map(|r| r.accepted).sum::<u64>();
    let beside = |unknown: fn(u64) -> u64| -> u64 {
        let told = replays
            .clone()
            .map(|replay| replay.accepted_beside.unwrap_or(unknown(replay.accepted)));
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
    let came = manifest.inputs.iter().map(|input| input.rejected).sum::<u64>()
        + replays.clone().map(|replay| replay.rejected).sum::<u64>();
    let went = replays.map(|replay| replay.replayed).sum::<u64>();
    let rejects = manifest.rejects.iter().map(|file| file.rows).sum::<u64>();
    if came != rejects + went {
        faults.push(format!(
            "the books say that {came} records were rejected and {went} replayed, the files hold {rejects} (L1)"
        ));
    }
    faults
}
