//! Where the rows of some kinds lie in time, and who occurs in them, as footers and dictionary pages say it.
//!
//! ```text
//! footers ──▶ row groups, by their first instant ──dictionary pages──▶ ids, numbers in byte order
//! ```
//!
//! Ids are many times fewer than rows, and each row group names each of its ids once, in its dictionary. So an id is
//! hashed once a row group; what a key of a dictionary is as a number is kept, and no row is ever looked up.
//!
//! Example: dictionaries [b, a] and [c, a] make the ids a, b, c, and the keys of the second stand for 2 and 0.

use super::content::Content;
use super::file::Footer;
use super::manifest::AuditFile;
use super::{Lake, file, pages};
use crate::error::{AtPath, Error, Result};
use crate::record::Kind;
use arrow::array::AsArray;
use arrow::datatypes::TimestampMicrosecondType;
use parquet::file::metadata::ColumnChunkMetaData;
use rayon::prelude::*;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Where the rows of an environment lie up to an instant.
pub struct Timeline {
    pub(super) as_of: i64,
    /// By their first instant.
    pub(super) groups: Vec<Group>,
}

/// A row group and where it lies in time.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) path: PathBuf,
    pub(super) group: usize,
    pub(super) rows: u64,
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
        let mut groups: Vec<Group> = groups.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
        groups.sort_by(|a, b| (a.first, &a.path, a.group).cmp(&(b.first, &b.path, b.group)));
        Ok(Timeline { as_of, groups })
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
                    rows: footer.rows(group),
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
}

impl Timeline {
    /// The last access at or before each of the instants, if there is one.
    ///
    /// Where a row group lies tells it, but for the few that an instant falls into.
    pub fn last_up_to(&self, instants: &[i64]) -> Result<Vec<Option<i64>>> {
        let of_group = |group: &Group| {
            let falls_into = |&at: &i64| group.first <= at && at < group.last;
            if instants.iter().any(falls_into) {
                return group.last_up_to(instants);
            }
            Ok(instants
                .iter()
                .map(|&at| (group.last <= at).then_some(group.last))
                .collect())
        };
        let none = || vec![None; instants.len()];
        let latest = |left: Vec<Option<i64>>, right: Vec<Option<i64>>| {
            Ok(left
                .into_iter()
                .zip(right)
                .map(|(left, right)| left.max(right))
                .collect())
        };
        let of_accesses = self.groups.par_iter().filter(|group| group.is_access);
        of_accesses.map(of_group).try_reduce(none, latest)
    }

    /// All ids that occur, in byte order, and for each row group what the keys of its dictionary stand for: places in
    /// the list. `None` where the dictionary does not hold all ids of the row group.
    pub(super) fn actors(&self) -> Result<(Vec<String>, Vec<Option<Box<[u32]>>>)> {
        let ids = Mutex::new(Ids::default());
        let of_group = |group: &Group| group.ids(&ids);
        // Row groups differ in size: no thread may take several at once.
        let keys = self.groups.par_iter().with_max_len(1).map(of_group);
        let mut keys: Vec<Option<Box<[u32]>>> = keys.collect::<Result<_>>()?;
        let (actors, places) = ids.into_inner().unwrap_or_else(PoisonError::into_inner).in_order()?;
        let numbers = keys.par_iter_mut().flatten();
        numbers.for_each(|keys| keys.iter_mut().for_each(|key| *key = places[*key as usize]));
        Ok((actors, keys))
    }
}

impl Group {
    fn last_up_to(&self, instants: &[i64]) -> Result<Vec<Option<i64>>> {
        let mut found = vec![None; instants.len()];
        for rows in file::read_row_group(&self.path, self.group, &["created_on"], "")? {
            let rows = rows.at_path(&self.path, "cannot be read")?;
            let on = rows.column(0).as_primitive::<TimestampMicrosecondType>().values();
            for (&at, found) in instants.iter().zip(&mut found) {
                let count = on.partition_point(|&on| on <= at);
                *found = on[..count].last().copied().max(*found);
            }
        }
        Ok(found)
    }

    /// Makes its ids known; the number of each key of its dictionary, if that holds them all.
    fn ids(&self, ids: &Mutex<Ids>) -> Result<Option<Box<[u32]>>> {
        let dictionary = Content::open(&self.path)
            .and_then(|content| pages::dictionary(&content, &self.actor).at_path(&self.path, "cannot be read"))?;
        let texts = dictionary.as_ref().and_then(pages::texts);
        if let Some(texts) = texts {
            let mut ids = ids.lock().unwrap_or_else(PoisonError::into_inner);
            return Ok(Some(texts.into_iter().map(|id| ids.number(id)).collect()));
        }
        let distinct = Footer::read(&self.path)?.distinct(self.group, "actor_id")?;
        let mut ids = ids.lock().unwrap_or_else(PoisonError::into_inner);
        for id in &distinct {
            ids.number(id.as_bytes());
        }
        Ok(None)
    }
}

/// Ids, numbered as they are met.
#[derive(Default)]
struct Ids(HashMap<Box<[u8]>, u32, BuildHasherDefault<Xxh3>>);

impl Ids {
    fn number(&mut self, id: &[u8]) -> u32 {
        if let Some(number) = self.0.get(id) {
            return *number;
        }
        let number = self.0.len() as u32;
        self.0.insert(id.into(), number);
        number
    }

    /// The ids in byte order, and the place of each number.
    fn in_order(self) -> Result<(Vec<String>, Vec<u32>)> {
        // Most ids differ in their first bytes, which are compared as one number.
        let beginning = |id: &[u8]| {
            let mut bytes = [0; 8];
            let length = id.len().min(8);
            bytes[..length].copy_from_slice(&id[..length]);
            u64::from_be_bytes(bytes)
        };
        let met = self.0.into_iter().map(|(id, number)| (beginning(&id), id, number));
        let mut ordered: Vec<(u64, Box<[u8]>, u32)> = met.collect();
        ordered.par_sort_unstable();
        let mut places = vec![0; ordered.len()];
        let mut ids = Vec::with_capacity(ordered.len());
        for (place, (_, id, number)) in ordered.into_iter().enumerate() {
            places[number as usize] = place as u32;
            let text = String::from_utf8(id.into_vec());
            ids.push(text.map_err(|cause| Error::failed("an actor's id is not text").caused_by(cause))?);
        }
        Ok((ids, places))
    }
}

/// A hash of ids, which are short.
#[derive(Default)]
struct Xxh3(u64);

impl Hasher for Xxh3 {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    /// The length of what follows.
    fn write_usize(&mut self, length: usize) {
        self.0 ^= length as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
