//! The log of a Delta table (`_delta_log`) → which of its data files are live.
//!
//! Enters: the folder of a table. Leaves: the Parquet files that its newest version consists of, each with the values of
//! its partition, which do not stand in the file. The newest whole checkpoint is read, then every commit after it. What
//! the files alone do not say truly is refused: deletion vectors, mapped column names, a protocol that is not implemented
//! here, a log or a table of which a part is missing. Nothing outside the folder is ever named.
//!
//! Example: commits 0 (adds a, b) and 1 (removes a, adds c) leave b and c.

mod checkpoint;
#[cfg(test)]
mod tests;
mod versions;

use crate::error::{AtPath, Result};
use crate::ingest::head::Refusal;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Component, Path, PathBuf};
use versions::Versions;

/// The folder of the log in the folder of its table.
pub const LOG: &str = "_delta_log";

/// Names and values of the columns that a data file's place stands for.
pub type PartitionValues = Vec<(String, Option<String>)>;

/// A data file that belongs to the newest version of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveFile {
    pub path: PathBuf,
    pub partition: PartitionValues,
}

/// One line of a commit, one row of a checkpoint.
#[derive(Debug, Default, Deserialize)]
struct Action {
    add: Option<Add>,
    remove: Option<Remove>,
    protocol: Option<Protocol>,
    #[serde(rename = "metaData")]
    metadata: Option<Metadata>,
    sidecar: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Add {
    path: String,
    #[serde(default)]
    partition_values: BTreeMap<String, Option<String>>,
    deletion_vector: Option<DeletionVector>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Remove {
    path: String,
    deletion_vector: Option<DeletionVector>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeletionVector {
    storage_type: String,
    path_or_inline_dv: String,
    offset: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Protocol {
    min_reader_version: u32,
    #[serde(default)]
    reader_features: Option<BTreeSet<String>>,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    #[serde(default)]
    configuration: HashMap<String, Option<String>>,
}

/// Reader features that change nothing about which rows a live file holds, or are refused where they do.
const READER_FEATURES: [&str; 6] = [
    "columnMapping",
    "deletionVectors",
    "timestampNtz",
    "typeWidening",
    "typeWidening-preview",
    "vacuumProtocolCheck",
];

/// A table as far as its log has been read.
#[derive(Default)]
struct Table {
    files: BTreeMap<(String, Option<DeletionVector>), Add>,
    protocol: Option<Protocol>,
    metadata: Option<Metadata>,
    has_sidecars: bool,
}

/// The live files of the table in this folder, in the order of their names.
///
/// # Errors
/// When the folder cannot be read; a log that cannot be followed is a refusal.
pub fn live_files(folder: &Path) -> Result<std::result::Result<Vec<LiveFile>, Refusal>> {
    let log = folder.join(LOG);
    let versions = Versions::list(&log)?;
    let steps = match versions.steps() {
        Ok(steps) => steps,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let mut table = Table::default();
    for part in &steps.checkpoint {
        let name = part.display().to_string();
        let file = File::open(log.join(part)).at_path(&log.join(part), "cannot be read")?;
        let read = checkpoint::read(file, |row| table.apply_value(row));
        if let Err(cause) = read {
            return Ok(Err(damaged(&name, &cause)));
        }
    }
    for version in steps.commits {
        let name = format!("{version:020}.json");
        let path = log.join(&name);
        let file = File::open(&path).at_path(&path, "cannot be read")?;
        for line in BufReader::new(file).lines() {
            let line = match line {
                Err(cause) if cause.kind() == io::ErrorKind::InvalidData => return Ok(Err(damaged(&name, &cause))),
                line => line.at_path(&path, "cannot be read")?,
            };
            if line.trim().is_empty() {
                continue;
            }
            match serde_json::from_str::<Action>(&line) {
                Ok(action) => table.apply(action),
                Err(cause) => return Ok(Err(damaged(&name, &cause))),
            }
        }
    }
    Ok(table.live(folder))
}

fn refuse(reason: impl Into<String>, hint: &str) -> Refusal {
    Refusal::new(format!("is a Delta table {}", reason.into()), hint)
}

const COPY_AGAIN: &str = "copy the whole folder of the table again, while nothing writes to it";
const REWRITE: &str = "write the table anew with Spark as plain Parquet or CSV, and ingest that";

fn damaged(name: &str, cause: &dyn std::fmt::Display) -> Refusal {
    refuse(format!("whose log is damaged in {name}: {cause}"), COPY_AGAIN)
}

impl Table {
    fn apply_value(&mut self, row: serde_json::Value) -> std::result::Result<(), serde_json::Error> {
        self.apply(serde_json::from_value(row)?);
        Ok(())
    }

    fn apply(&mut self, action: Action) {
        if let Some(remove) = action.remove {
            self.files.remove(&(remove.path, remove.deletion_vector));
        }
        if let Some(add) = action.add {
            self.files.insert((add.path.clone(), add.deletion_vector.clone()), add);
        }
        self.protocol = action.protocol.or(self.protocol.take());
        self.metadata = action.metadata.or(self.metadata.take());
        self.has_sidecars |= action.sidecar.is_some();
    }

    fn live(self, folder: &Path) -> std::result::Result<Vec<LiveFile>, Refusal> {
        self.check()?;
        let mut live = Vec::new();
        let mut missing = Vec::new();
        let root = folder.canonicalize().ok();
        for ((path, _), add) in self.files {
            let Some(inner) = inner_path(&path) else {
                return Err(refuse(
                    format!("with a data file outside of its folder: {path}"),
                    REWRITE,
                ));
            };
            let path = folder.join(inner);
            match (path.canonicalize(), &root) {
                (Ok(real), Some(root)) if real.starts_with(root) => live.push(LiveFile {
                    path,
                    partition: add.partition_values.into_iter().collect(),
                }),
                (Ok(_), _) => {
                    let path = path.display();
                    return Err(refuse(
                        format!("with a data file outside of its folder: {path}"),
                        REWRITE,
                    ));
                }
                (Err(_), _) => missing.push(path),
            }
        }
        if let Some(first) = missing.first() {
            let (count, first) = (missing.len(), first.display());
            return Err(refuse(
                format!("of whose data files {count} are missing, first {first}"),
                COPY_AGAIN,
            ));
        }
        live.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(live)
    }

    /// Whether the live files alone say which rows the table has.
    fn check(&self) -> std::result::Result<(), Refusal> {
        let (Some(protocol), Some(metadata)) = (&self.protocol, &self.metadata) else {
            return Err(refuse("whose log names no protocol and no schema", COPY_AGAIN));
        };
        let version = protocol.min_reader_version;
        if version > 3 {
            let reason = format!("that asks for reader version {version}; gatelog knows 1 to 3");
            return Err(refuse(reason, REWRITE));
        }
        let features = protocol.reader_features.iter().flatten();
        let unknown: Vec<&str> = features
            .map(String::as_str)
            .filter(|feature| !READER_FEATURES.contains(feature))
            .collect();
        if !unknown.is_empty() || self.has_sidecars {
            let names = if unknown.is_empty() {
                "v2Checkpoint".to_owned()
            } else {
                unknown.join(", ")
            };
            return Err(refuse(
                format!("that uses {names}, which gatelog does not read"),
                REWRITE,
            ));
        }
        let mapping = metadata
            .configuration
            .get("delta.columnMapping.mode")
            .cloned()
            .flatten();
        if let Some(mode) = mapping.filter(|mode| mode != "none") {
            let reason = format!("whose files name their columns otherwise than the table (column mapping by {mode})");
            return Err(refuse(reason, REWRITE));
        }
        let with_vectors = self.files.keys().filter(|(_, vector)| vector.is_some()).count();
        if with_vectors > 0 {
            return Err(refuse(
                format!("in which deletion vectors hide rows of {with_vectors} files"),
                "have Spark write these rows out of the files: REORG TABLE … APPLY (PURGE), then copy the folder again",
            ));
        }
        Ok(())
    }
}

/// The path inside the folder that a log's path means; `None` when it leads out of it or means another place.
fn inner_path(path: &str) -> Option<PathBuf> {
    let has_scheme = path
        .split(['/', '?', '#'])
        .next()
        .is_some_and(|first| first.contains(':'));
    let inner = PathBuf::from(percent_decoded(path)?);
    let is_inner = |component| matches!(component, Component::Normal(_) | Component::CurDir);
    (!has_scheme && !path.is_empty() && inner.components().all(is_inner)).then_some(inner)
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?].map(|digit| char::from(digit).to_digit(16));
                (digits[0]? * 16 + digits[1]?) as u8
            }
            _ => byte,
        });
    }
    String::from_utf8(decoded).ok().filter(|text| !text.contains('\0'))
}
