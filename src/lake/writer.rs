//! The one writer of a lake: takes staged rows, tells new from known, and commits all of a run or nothing.
//!
//! A run has two halves. While rows come in ([`Writer`]), each gets an *ordinal* and claims its identity; nothing is
//! judged yet. [`Writer::settle`] judges all claims ([`super::claims`]), and the [`Settled`] run knows how many rows of
//! each stretch are new, takes last rejects and is committed ([`super::commit`]), with the files of months that have
//! become many as one ([`super::months`]). A run that is dropped instead leaves the lake as it was.
//!
//! Memory: rows, claims and merges share the budget, whatever the number of rows; side tables and names are held.

use super::claims::{Claims, Verdict, Verdicts};
use super::commit::{Hold, Next, STAGING};
use super::file::{ParquetFile, Written};
use super::identity::Identity;
use super::index::{self, IndexRun, IndexWriter, Key};
use super::ledger::{InputEntry, KnownInputs, ReplayEntry};
use super::lock::Owner;
use super::manifest::{DataFile, Manifest};
use super::months::{self, Month};
use super::names::Names;
use super::rejects::{self, RejectSink};
use super::revise::{self, Placed};
use super::rows::Rows;
use super::runs::Run;
use super::side::{Side, SideRow};
use super::sort::{Partition, Sorter};
use super::spill::Spill;
use super::{read_names, read_side, rebuild};
use crate::disk::Disk;
use crate::error::Result;
use crate::instant;
use arrow::array::RecordBatch;
use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

const REJECTS_FILE: &str = "rejects.parquet";
const DOUBTFUL_FILE: &str = "doubtful.parquet";

/// What of the budget rows may take that are held. More would cost more than it saves: memory is slow when it is touched
/// for the first time. The rest is for claims, and for what is read, parsed and encoded at the same time.
fn share_of_rows(memory_bytes: usize) -> usize {
    memory_bytes / 10
}

fn share_of_claims(memory_bytes: usize) -> usize {
    memory_bytes / 20
}

/// What may be held while files are merged: then there are no rows.
fn share_of_merges(memory_bytes: usize) -> usize {
    memory_bytes / 5
}

/// A run while rows come in.
pub struct Writer {
    base: Base,
    sorter: Sorter,
    claims: Claims,
    doubtful: Option<ParquetFile>,
    memory_bytes: usize,
}

/// What both halves of a run have.
struct Base {
    root: PathBuf,
    disk: Disk,
    manifest: Manifest,
    /// The side tables as they will be; loaded when their first row comes.
    side: Option<Side>,
    /// The staged rejects, once there is one.
    rejects: Option<ParquetFile>,
    /// Files of rejects that what is staged stands for, with the books of their replay.
    replayed: Option<(Vec<String>, ReplayEntry)>,
    /// Until the writer goes.
    hold: Hold,
}

impl Base {
    fn staging(&self) -> PathBuf {
        self.root.join(STAGING)
    }

    fn reject(&mut self, rows: &RecordBatch) -> Result<()> {
        let path = self.staging().join(REJECTS_FILE);
        write_group(&self.disk, &mut self.rejects, &path, rows)
    }
}

/// When the last row of each partition was created.
fn newest(manifest: &Manifest) -> BTreeMap<Partition, i64> {
    let mut newest = BTreeMap::new();
    for file in &manifest.audit {
        let partition = Partition {
            environment: file.environment.as_str().into(),
            kind: file.kind,
            month: instant::month_of(file.min_created_on_us),
        };
        let last = newest.entry(partition).or_insert(file.max_created_on_us);
        *last = file.max_created_on_us.max(*last);
    }
    newest
}

/// The verdicts on all claims, and the keys of the new rows, which are not yet an index.
fn judge(
    (disk, root, manifest): (&Disk, &Path, &Manifest),
    claims: Claims,
    deleted: &mut Spill<u128>,
) -> Result<(Verdicts, Option<IndexWriter>)> {
    if claims.count() == 0 {
        return Ok((Verdicts::default(), None));
    }
    let runs = manifest.index.iter();
    let mut runs = runs
        .map(|run| IndexRun::open(&root.join(&run.path), run.rows))
        .collect::<Result<Vec<_>>>()?;
    let mut new = IndexWriter::create(disk, &root.join(STAGING).join(index::STAGED))?;
    let verdicts = claims.judge(&mut runs, &mut new, deleted)?;
    Ok((verdicts, Some(new)))
}

/// Writes rows as a group of a file that is there once there is a row.
fn write_group(disk: &Disk, file: &mut Option<ParquetFile>, path: &Path, rows: &RecordBatch) -> Result<()> {
    if rows.num_rows() == 0 {
        return Ok(());
    }
    let file = match file {
        Some(file) => file,
        None => file.insert(ParquetFile::create(disk, path, rows.schema())?),
    };
    file.write_group(rows)
}

impl RejectSink for Writer {
    fn reject(&mut self, rows: &RecordBatch) -> Result<()> {
        self.base.reject(rows)
    }
}

impl RejectSink for Settled {
    fn reject(&mut self, rows: &RecordBatch) -> Result<()> {
        self.base.reject(rows)
    }
}

impl Writer {
    /// Opens a lake for writing, creating it if need be, and finishes what a killed run had decided.
    ///
    /// `owner` says who writes, for people who meet the lock. `memory_bytes` is the budget of the whole run.
    pub fn open(root: &Path, owner: &Owner, memory_bytes: usize, disk: &Disk, clock: fn() -> i64) -> Result<Writer> {
        let hold = Hold::take(root, owner, disk)?;
        let manifest = Manifest::read(root)?.unwrap_or_else(Manifest::empty);
        let staging = root.join(STAGING);
        let manifest = rebuild::index_where_missing(disk, root, manifest, share_of_merges(memory_bytes), clock)?;
        Ok(Writer {
            sorter: Sorter::new(disk, staging.clone(), share_of_rows(memory_bytes), newest(&manifest)),
            claims: Claims::new(disk, &staging, share_of_claims(memory_bytes)),
            doubtful: None,
            memory_bytes,
            base: Base {
                root: root.to_owned(),
                disk: disk.clone(),
                manifest,
                side: None,
                rejects: None,
                replayed: None,
                hold,
            },
        })
    }

    /// What the last writer left, if it did not end by itself.
    pub fn note(&self) -> Option<&str> {
        self.base.hold.note.as_deref()
    }

    /// Which inputs were ingested before.
    pub fn known_inputs(&self) -> Result<KnownInputs> {
        KnownInputs::read(&self.base.root, &self.base.manifest)
    }

    /// Stages rows of a source; says which ordinals they have.
    pub fn stage(&mut self, rows: Rows, source: &Arc<str>) -> Result<Range<u64>> {
        let start = self.claims.count();
        if !rows.is_empty() {
            let claims = &mut self.claims;
            self.sorter.push(rows, start, source, |head, rank, partition| {
                claims.row(Key::new(head.identity, partition.kind, partition.month), rank)
            })?;
        }
        Ok(start..self.claims.count())
    }

    /// No rows, with room for some: that of rows which are written.
    pub fn room(&mut self) -> Rows {
        self.sorter.room()
    }

    /// Takes a row of which the source says nothing but that it has deleted it; gives its ordinal.
    pub fn delete(&mut self, identity: Identity) -> Result<u64> {
        let ordinal = self.claims.count();
        self.claims.deletion(identity)?;
        Ok(ordinal)
    }

    /// Takes a row of a side table; false when it says nothing new.
    pub fn take_side(&mut self, row: SideRow) -> Result<bool> {
        let base = &mut self.base;
        let side = match &mut base.side {
            Some(side) => side,
            None => base.side.insert(read_side(&base.root, &base.manifest)?),
        };
        Ok(side.take(row))
    }

    /// Where files may stand that go when the run ends.
    pub fn staging(&self) -> PathBuf {
        self.base.staging()
    }

    pub fn disk(&self) -> &Disk {
        &self.base.disk
    }

    /// Stages rejects that only count if a deletion finds no row; [`Settled::doubtful`] gives them back.
    pub fn doubt(&mut self, rows: &RecordBatch) -> Result<()> {
        let path = self.base.staging().join(DOUBTFUL_FILE);
        write_group(&self.base.disk, &mut self.doubtful, &path, rows)
    }

    /// The files of rejects, oldest first.
    pub fn reject_files(&self) -> &[DataFile] {
        &self.base.manifest.rejects
    }

    /// Judges every staged row. Until here nothing of the lake was read but the manifest.
    pub fn settle(self) -> Result<Settled> {
        let Writer {
            base,
            mut sorter,
            claims,
            doubtful,
            memory_bytes,
            ..
        } = self;
        let mut deleted = Spill::new(&base.disk, base.staging().join("deleted"), memory_bytes / 32);
        // Neither needs the other.
        let lake = (&base.disk, base.root.as_path(), &base.manifest);
        let (judged, sorted) = rayon::join(|| judge(lake, claims, &mut deleted), || sorter.end());
        let (verdicts, index) = judged?;
        sorted?;
        Ok(Settled {
            base,
            sorter,
            verdicts,
            index,
            deleted,
            doubtful,
            memory_bytes,
        })
    }
}

/// The files of the next lake, those of each month that has become many as one. A month with a file that the lake does
/// not know is left alone, as `compact` and `verify` tell.
fn merged(next: &mut Next<'_>, files: Vec<Placed>, budget_bytes: usize) -> Result<Vec<Placed>> {
    let mut merged = Vec::new();
    for month in Month::all(files) {
        match month.is_due() && month.stranger(next.root)?.is_none() {
            true => merged.push(months::merge(next, month, budget_bytes)?),
            false => merged.extend(month.files),
        }
    }
    Ok(merged)
}

/// A run whose rows are judged.
pub struct Settled {
    base: Base,
    sorter: Sorter,
    verdicts: Verdicts,
    /// The keys of the new rows.
    index: Option<IndexWriter>,
    deleted: Spill<u128>,
    doubtful: Option<ParquetFile>,
    memory_bytes: usize,
}

impl Settled {
    /// The number the commit will have.
    pub fn next_generation(&self) -> u64 {
        self.base.manifest.generation + 1
    }

    /// How many rows of a stretch the lake takes as new.
    pub fn accepted(&self, ordinals: Range<u64>) -> u64 {
        self.verdicts.kept(ordinals)
    }

    /// Whether a deletion has found its row.
    pub fn has_deleted(&self, ordinal: u64) -> bool {
        self.verdicts.get(ordinal) == Verdict::Keep
    }

    /// What was staged with [`Writer::doubt`], in that order.
    pub fn doubtful(&mut self) -> Result<impl Iterator<Item = Result<RecordBatch>> + use<>> {
        let staged = self.doubtful.take().map(ParquetFile::finish).transpose()?;
        let path = format!("{STAGING}/{DOUBTFUL_FILE}");
        let data = staged.map(|written| DataFile::new(path, written));
        let root = self.base.root.clone();
        Ok(data.into_iter().flat_map(move |data| rejects::read(&root, &data)))
    }

    /// Says that the staged rows and rejects stand for all that these files of rejects hold.
    pub fn replace_rejects(&mut self, paths: Vec<String>, books: ReplayEntry) {
        self.base.replayed = Some((paths, books));
    }

    /// Commits everything staged, the names, the books of the inputs and the record of the run.
    pub fn commit(self, names: Names, inputs: Vec<InputEntry>, run: Run) -> Result<()> {
        let Settled {
            base,
            sorter,
            verdicts,
            index,
            deleted,
            memory_bytes,
            ..
        } = self;
        // The lock is held until the commit is carried out.
        let Base {
            root,
            disk,
            manifest,
            side,
            rejects,
            replayed,
            hold: _hold,
        } = base;
        let (root, disk, manifest) = (&root, &disk, &manifest);
        let staging = root.join(STAGING);
        disk.create_dir(&staging)?;
        let mut next = Next::after(manifest, root, disk);
        // The index and the small tables need not wait for the rows. They wait for the disk, so they have a thread of their
        // own, and no core that encodes rows waits with them.
        let beside = || -> Result<Option<Written>> {
            let keys = index.map(IndexWriter::finish).transpose()?;
            let old_names = read_names(root, manifest)?;
            let mut all_names = old_names.clone();
            all_names.merge(names);
            if all_names != old_names || manifest.names.is_none() {
                next.put_names(&all_names)?;
            }
            let has_side_tables = manifest.users.is_some() && manifest.organizations.is_some();
            if side.is_some() || !has_side_tables {
                next.put_side(&side.unwrap_or_default())?;
            }
            Ok(keys)
        };
        let (sorted, keys) = thread::scope(|threads| {
            let beside = threads.spawn(beside);
            let sorted = sorter.finish(&verdicts);
            (sorted, beside.join().unwrap_or_else(|panic| resume_unwind(panic)))
        });
        let (sorted, keys) = (sorted?, keys?);
        let mut files = Placed::committed(root, manifest);
        let generation = next.manifest.generation;
        files.extend(Placed::staged(&sorted.new, generation));
        revise::apply(&mut files, &sorted.versions, deleted.sorted()?, disk, &staging)?;
        let files = merged(&mut next, files, share_of_merges(memory_bytes))?;
        next.put_audit(files)?;
        if let Some(keys) = keys {
            next.put_index(keys)?;
        }
        next.put_rejects(rejects, replayed)?;
        next.put_inputs(inputs);
        next.commit(manifest, run)
    }

    /// Commits that there was a run which found nothing new: the manifest alone.
    pub fn commit_run(self, run: Run) -> Result<()> {
        let Base {
            root, disk, manifest, ..
        } = &self.base;
        disk.remove_dir(&self.base.staging())?;
        Next::after(manifest, root, disk).commit(manifest, run)
    }
}
