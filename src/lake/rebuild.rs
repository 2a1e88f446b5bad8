//! The index of identities, made anew from the lake's rows: for lakes of layout 1, which have none, and where its files
//! were lost.

use super::commit::{Next, STAGING};
use super::file;
use super::identity;
use super::index::{self, IndexWriter, Key};
use super::manifest::{AuditFile, Manifest};
use super::runs::Run;
use super::spill::Spill;
use crate::disk::Disk;
use crate::error::{AtPath, Result};
use crate::instant;
use arrow::array::AsArray;
use arrow::datatypes::TimestampMicrosecondType;
use std::collections::BTreeMap;
use std::path::Path;

/// Commits a new index if the one there does not stand for the lake's rows; gives the manifest that holds then.
pub fn index_where_missing(
    disk: &Disk,
    root: &Path,
    manifest: Manifest,
    memory_bytes: usize,
    clock: fn() -> i64,
) -> Result<Manifest> {
    let is_there = manifest.index.iter().all(|run| {
        let found = std::fs::metadata(root.join(&run.path)).map(|file| file.len());
        found.is_ok_and(|bytes| bytes == index::run_bytes(run.rows))
    });
    let known: u64 = manifest.index.iter().map(|run| run.rows).sum();
    let held: u64 = manifest.audit.iter().map(|audit| audit.file.rows).sum();
    if is_there && known == held {
        return Ok(manifest);
    }
    let run = Run::begin("index", clock, BTreeMap::new());
    let staging = root.join(STAGING);
    let mut keys = Spill::new(disk, staging.join("keys"), memory_bytes);
    for audit in &manifest.audit {
        keys_of(root, audit, &mut keys)?;
    }
    let mut sorted = keys.sorted()?;
    let mut writer = IndexWriter::create(disk, &staging.join(index::STAGED))?;
    while let Some(key) = sorted.next()? {
        writer.push(key)?;
    }
    let mut next = Next::after(&manifest, root, disk);
    next.intent
        .removes
        .extend(next.manifest.index.drain(..).map(|run| run.path));
    next.put_index(writer.finish()?)?;
    next.commit(&manifest, run)?;
    Manifest::read(root).map(|committed| committed.unwrap_or(manifest))
}

/// The keys of all rows of a file.
pub fn keys_of(root: &Path, audit: &AuditFile, keys: &mut Spill<Key>) -> Result<()> {
    let path = root.join(&audit.file.path);
    for rows in file::read_bounded(&path)? {
        let rows = rows.at_path(&path, "cannot be read")?;
        let on = rows
            .column(super::schema::CREATED_ON)
            .as_primitive::<TimestampMicrosecondType>();
        for (row, identity) in identity::of_rows(&rows)?.into_iter().enumerate() {
            keys.push(Key::new(identity, audit.kind, instant::month_of(on.value(row))))?;
        }
    }
    Ok(())
}
