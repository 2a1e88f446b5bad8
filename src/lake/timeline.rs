//! Where the rows of some kinds lie in time, and who occurs in them, as footers and dictionary pages say it.
//!
//! ```text
//! footers ──▶ row groups, by their first instant ──near some instants──▶ parts of them, by their pages
//!                                   └──dictionary pages──▶ ids, numbers in byte order
//! ```
//!
//! How many rows lie before an instant, and which is the last, is told by the ranges of row groups and of pages; only a
//! page that the instant falls into is read. None of this asks whether a file is sorted: where it is not, pages overlap
//! and more of them are read.

use super::content::Content;
use super::file::Footer;
use super::ids::{Id, Ids};
use super::manifest::AuditFile;
use super::pages::{Column, Span};
use super::{Lake, file, pages};
use crate::error::{AtPath, Error, Result};
use crate::record::Kind;
use arrow::array::AsArray;
use arrow::datatypes::TimestampMicrosecondType;
use parquet::file::metadata::ColumnChunkMetaData;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

const UNREADABLE: &str = "cannot be read";

/// Where the rows of an environment lie up to an instant.
pub struct Timeline {
    pub(super) as_of: i64,
    /// By their first instant.
    pub(super) groups: Vec<Group>,
}

/// What the keys of a dictionary stand for.
pub(super) type Keys = Arc<[u32]>;

/// A row group, or some rows of it, and where it lies in time.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) path: PathBuf,
    pub(super) group: usize,
    pub(super) rows: Range<usize>,
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) is_access: bool,
    pub(super) created_on: ColumnChunkMetaData,
    pub(super) action: ColumnChunkMetaData,
    pub(super) actor: ColumnChunkMetaData,
}

impl Lake {
    /// Where the rows of some kinds of an environment lie up to `as_of`.
    pub fn timeline(&self, environment: &str, kinds: &[Kind], as_of: i64) -> Result<Timeline> {
        let files: Vec<&AuditFile> = kinds.iter().flat_map(|kind| self.files(environment, *kind)).collect();
        let begun = files.into_par_iter().filter(|audit| audit.min_created_on_us <= as_of);
        let groups = begun.map(|audit| self.groups(audit, as_of));
        Ok(Timeline::of(groups.collect::<Result<Vec<_>>>()?.concat(), as_of))
    }

    fn groups(&self, audit: &AuditFile, as_of: i64) -> Result<Vec<Group>> {
        let path = self.place(&audit.file.path);
        let footer = Footer::read(&path)?;
        let column = |group: usize, name: &str| {
            let missing = || Error::failed(format!("has no column {name}")).at(&path);
            footer.column(group, name).cloned().ok_or_else(missing)
        };
        let mut groups = Vec::new();
        for group in (0..footer.row_groups()).filter(|group| footer.rows(*group) > 0) {
            let (first, last) = footer.range(group, "created_on")?;
            if first <= as_of {
                groups.push(Group {
                    path: path.clone(),
                    group,
                    rows: 0..footer.rows(group) as usize,
                    first,
                    last,
                    is_access: audit.kind == Kind::Access,
                    created_on: column(group, "created_on")?,
                    action: column(group, "action")?,
                    actor: column(group, "actor_id")?,
                });
            }
        }
        Ok(groups)
    }

    /// How many rows of a kind lie strictly inside each of the windows `(start, end)`.
    pub fn rows_inside(&self, environment: &str, kind: Kind, windows: &[(i64, i64)]) -> Result<Vec<i64>> {
        let edges = windows.iter().flat_map(|(start, end)| [start.saturating_add(1), *end]);
        let edges: Vec<i64> = edges.collect::<BTreeSet<_>>().into_iter().collect();
        let files = self.files(environment, kind).into_par_iter().with_max_len(1);
        let counts = files.map(|audit| self.rows_before(audit, &edges));
        let counts = counts.try_reduce(|| vec![0; edges.len()], |left, right| Ok(sums(&left, &right)))?;
        let before = |on: i64| counts[edges.partition_point(|edge| *edge < on)];
        let inside = |(start, end): &(i64, i64)| (before(*end) - before(start.saturating_add(1))).max(0);
        Ok(windows.iter().map(inside).collect())
    }

    /// How many rows of a file lie before each of the instants.
    fn rows_before(&self, audit: &AuditFile, instants: &[i64]) -> Result<Vec<i64>> {
        let (first, last) = (audit.min_created_on_us, audit.max_created_on_us);
        if !instants.iter().any(|&at| first < at && at <= last) {
            let before = |at: &i64| if last < *at { audit.file.rows as i64 } else { 0 };
            return Ok(instants.iter().map(before).collect());
        }
        let mut counts = vec![0; instants.len()];
        for group in self.groups(audit, i64::MAX)? {
            counts = sums(&counts, &group.rows_before(instants)?);
        }
        Ok(counts)
    }
}

fn sums(left: &[i64], right: &[i64]) -> Vec<i64> {
    left.iter().zip(right).map(|(left, right)| left + right).collect()
}

impl Timeline {
    /// The last access at or before each of the instants, if there is one.
    pub fn last_up_to(&self, instants: &[i64]) -> Result<Vec<Option<i64>>> {
        let latest = |left: Vec<Option<i64>>, right: Vec<Option<i64>>| {
            let pairs = left.into_iter().zip(right);
            Ok(pairs.map(|(left, right)| left.max(right)).collect())
        };
        let of_accesses = self.groups.par_iter().filter(|group| group.is_access);
        let found = of_accesses.map(|group| group.last_up_to(instants));
        found.try_reduce(|| vec![None; instants.len()], latest)
    }

    /// The rows in some stretches of time, both ends included, and others that lie in one page with them. Of two
    /// stretches, the one that starts first ends first.
    pub fn near(self, stretches: &[(i64, i64)]) -> Result<Timeline> {
        let is_near = |first: i64, last: i64| {
            let next = stretches.partition_point(|(_, to)| *to < first);
            stretches.get(next).is_some_and(|(from, _)| *from <= last)
        };
        let groups = self
            .groups
            .into_par_iter()
            .filter(|group| is_near(group.first, group.last));
        let parts = groups.map(|group| group.parts(is_near)).collect::<Result<Vec<_>>>()?;
        Ok(Timeline::of(parts.concat(), self.as_of))
    }

    /// The same in parts of about so many rows, where they can be read apart.
    pub(super) fn in_pieces(self, rows: usize) -> Result<Timeline> {
        let pieces = self.groups.into_par_iter().map(|group| group.pieces(rows));
        Ok(Timeline::of(pieces.collect::<Result<Vec<_>>>()?.concat(), self.as_of))
    }

    fn of(mut groups: Vec<Group>, as_of: i64) -> Timeline {
        let place = |group: &Group| (group.first, group.path.clone(), group.group, group.rows.start);
        groups.sort_by_cached_key(place);
        Timeline { as_of, groups }
    }

    /// All ids that occur, in byte order, and for each row group what the keys of its dictionary stand for: places in
    /// the list. `None` where the dictionary does not hold all ids of the row group.
    pub(super) fn actors(&self) -> Result<(Vec<String>, Vec<Option<Keys>>)> {
        let mut different: BTreeMap<(&Path, usize), &Group> = BTreeMap::new();
        for group in &self.groups {
            different.insert((&group.path, group.group), group);
        }
        let ids = RwLock::new(Ids::default());
        // Row groups differ in size: no thread may take several at once.
        let different: Vec<_> = different.into_iter().collect();
        let keys = different.par_iter().with_max_len(1);
        let keys = keys.map(|(place, group)| Ok((*place, group.ids(&ids)?)));
        let keys: BTreeMap<(&Path, usize), Option<Vec<u32>>> = keys.collect::<Result<_>>()?;
        let (actors, places) = ids.into_inner().unwrap_or_else(PoisonError::into_inner).in_order()?;
        let numbers = |keys: Vec<u32>| {
            let numbers: Vec<u32> = keys.into_iter().map(|id| places[id as usize]).collect();
            numbers.into()
        };
        let keys: BTreeMap<_, Option<Keys>> = keys
            .into_par_iter()
            .map(|(place, keys)| (place, keys.map(numbers)))
            .collect();
        let of_group = |group: &Group| keys.get(&(group.path.as_path(), group.group)).cloned().flatten();
        Ok((actors, self.groups.iter().map(of_group).collect()))
    }
}

impl Group {
    fn whole(&self) -> Span {
        Span {
            rows: self.rows.clone(),
            first: self.first,
            last: self.last,
        }
    }

    /// Where its pages lie in time, if the file tells; else it is taken as one.
    fn spans(&self) -> Result<Vec<Span>> {
        let spans = Content::open(&self.path)
            .and_then(|content| pages::spans(&content, &self.created_on).at_path(&self.path, UNREADABLE))?;
        let Some(mut spans) = spans else {
            return Ok(vec![self.whole()]);
        };
        spans.retain(|span| self.rows.start <= span.rows.start && span.rows.end <= self.rows.end);
        Ok(spans)
    }

    /// The same where an instant falls into it.
    fn spans_around(&self, instants: &[i64]) -> Result<Vec<Span>> {
        match instants.iter().any(|&at| self.first <= at && at <= self.last) {
            true => self.spans(),
            false => Ok(vec![self.whole()]),
        }
    }

    /// The instants of some of its rows.
    fn instants(&self, rows: &Range<usize>) -> Result<Vec<i64>> {
        let content = Content::open(&self.path)?;
        let instants = Column::of(&content, &self.created_on, rows).and_then(|column| column.numbers(|on: i64| on));
        if let Some(instants) = instants.at_path(&self.path, UNREADABLE)? {
            return Ok(instants);
        }
        let mut all: Vec<i64> = Vec::new();
        for rows in file::read_row_group(&self.path, self.group, &["created_on"], "")? {
            let rows = rows.at_path(&self.path, UNREADABLE)?;
            all.extend(rows.column(0).as_primitive::<TimestampMicrosecondType>().values());
        }
        Ok(all[rows.clone()].to_vec())
    }

    /// How many of its rows lie before each of the instants. Only pages that one falls into are read.
    fn rows_before(&self, instants: &[i64]) -> Result<Vec<i64>> {
        let mut counts = vec![0; instants.len()];
        for span in self.spans_around(instants)? {
            // An instant at the first row has it after itself, at the last one before.
            let rows = match instants.iter().any(|&at| span.first < at && at <= span.last) {
                true => self.instants(&span.rows)?,
                false => Vec::new(),
            };
            for (&at, count) in instants.iter().zip(&mut counts) {
                *count += match (span.last < at, at <= span.first) {
                    (true, _) => span.rows.len() as i64,
                    (_, true) => 0,
                    _ => rows.iter().filter(|on| **on < at).count() as i64,
                };
            }
        }
        Ok(counts)
    }

    /// The last of its rows at or before each of the instants.
    fn last_up_to(&self, instants: &[i64]) -> Result<Vec<Option<i64>>> {
        let mut found = vec![None; instants.len()];
        for span in self.spans_around(instants)? {
            let rows = match instants.iter().any(|&at| span.first <= at && at < span.last) {
                true => self.instants(&span.rows)?,
                false => Vec::new(),
            };
            for (&at, found) in instants.iter().zip(&mut found) {
                let last = match span.last <= at {
                    true => Some(span.last),
                    false => rows.iter().copied().filter(|on| *on <= at).max(),
                };
                *found = last.max(*found);
            }
        }
        Ok(found)
    }

    /// The parts of it whose pages are near.
    pub(super) fn parts(&self, is_near: impl Fn(i64, i64) -> bool) -> Result<Vec<Group>> {
        let spans = self.spans()?;
        let is_near = |span: &Span| is_near(span.first, span.last);
        let runs = spans
            .chunk_by(|one, next| is_near(one) == is_near(next))
            .filter(|run| is_near(&run[0]));
        Ok(runs.map(|run| self.part(run)).collect())
    }

    /// Parts of it of about so many rows. Without keys it stays whole: only keys are read page by page.
    fn pieces(&self, rows: usize) -> Result<Vec<Group>> {
        if self.rows.len() <= rows || !pages::is_keyed(&self.actor) {
            return Ok(vec![self.clone()]);
        }
        let piece = |span: &Span| (span.rows.start - self.rows.start) / rows;
        let spans = self.spans()?;
        let runs = spans.chunk_by(|one, next| piece(one) == piece(next));
        Ok(runs.map(|run| self.part(run)).collect())
    }

    /// Some pages of it, which stand together.
    fn part(&self, run: &[Span]) -> Group {
        Group {
            rows: run[0].rows.start..run[run.len() - 1].rows.end,
            first: run.iter().map(|span| span.first).min().unwrap_or(self.first),
            last: run.iter().map(|span| span.last).max().unwrap_or(self.last),
            ..self.clone()
        }
    }

    /// Makes its ids known; the number of each key of its dictionary, if that holds them all.
    fn ids(&self, ids: &RwLock<Ids>) -> Result<Option<Vec<u32>>> {
        let dictionary = Content::open(&self.path)
            .and_then(|content| pages::dictionary(&content, &self.actor).at_path(&self.path, UNREADABLE))?;
        if let Some(texts) = dictionary.as_ref().and_then(pages::texts) {
            let (mut numbers, mut unknown) = (Vec::with_capacity(texts.len()), Vec::new());
            // Most are known from other row groups, and who looks up need not wait.
            let known = ids.read().unwrap_or_else(PoisonError::into_inner);
            for (key, text) in texts.into_iter().enumerate() {
                let id = Id::of(text);
                let number = known.get(&id);
                numbers.push(number.unwrap_or_default());
                unknown.extend(number.is_none().then_some((key, id)));
            }
            drop(known);
            if !unknown.is_empty() {
                let mut ids = ids.write().unwrap_or_else(PoisonError::into_inner);
                ids.reserve(unknown.len());
                unknown.iter().for_each(|(key, id)| numbers[*key] = ids.number(id));
            }
            return Ok(Some(numbers));
        }
        let distinct = Footer::read(&self.path)?.distinct(self.group, "actor_id")?;
        let mut ids = ids.write().unwrap_or_else(PoisonError::into_inner);
        for id in &distinct {
            ids.number(&Id::of(id.as_bytes()));
        }
        Ok(None)
    }
}
