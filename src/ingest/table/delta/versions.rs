//! Which files of a log are to be read: the newest whole checkpoint, and every commit after it.

use super::{COPY_AGAIN, REWRITE, refuse};
use crate::error::{AtPath, Result};
use crate::ingest::head::Refusal;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What the folder of the log holds, by version.
#[derive(Default)]
pub struct Versions {
    commits: BTreeSet<u64>,
    /// Names by version, number of parts and part.
    checkpoints: BTreeMap<(u64, u64), BTreeMap<u64, PathBuf>>,
    /// Newest checkpoint of the form that this reader does not know.
    newest_v2: Option<u64>,
    /// What `_last_checkpoint` names.
    last_checkpoint: Option<u64>,
}

/// What is to be read, in this order.
pub struct Steps {
    pub checkpoint: Vec<PathBuf>,
    pub commits: std::ops::RangeInclusive<u64>,
}

impl Versions {
    pub fn list(log: &Path) -> Result<Versions> {
        let mut versions = Versions::default();
        for entry in std::fs::read_dir(log).at_path(log, "the folder cannot be read")? {
            let entry = entry.at_path(log, "the folder cannot be read")?;
            versions.see(&entry.file_name().to_string_lossy());
        }
        #[derive(Deserialize)]
        struct Last {
            version: u64,
        }
        // A hint that may be missing or torn; what it names must be there.
        let last = std::fs::read(log.join("_last_checkpoint")).unwrap_or_default();
        versions.last_checkpoint = serde_json::from_slice::<Last>(&last).ok().map(|last| last.version);
        Ok(versions)
    }

    fn see(&mut self, name: &str) {
        let parts: Vec<&str> = name.split('.').collect();
        let number = |text: &str, length: usize| {
            (text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit()))
                .then(|| text.parse::<u64>().ok())
                .flatten()
        };
        let Some(version) = number(parts[0], 20) else { return };
        let path = PathBuf::from(name);
        match parts[1..] {
            ["json"] => {
                self.commits.insert(version);
            }
            ["checkpoint", "parquet"] => {
                self.checkpoints.entry((version, 1)).or_default().insert(1, path);
            }
            ["checkpoint", part, of, "parquet"] => {
                if let (Some(part), Some(of)) = (number(part, 10), number(of, 10)) {
                    self.checkpoints.entry((version, of)).or_default().insert(part, path);
                }
            }
            ["checkpoint", _, "parquet" | "json"] => self.newest_v2 = self.newest_v2.max(Some(version)),
            _ => {}
        }
    }

    pub fn steps(&self) -> std::result::Result<Steps, Refusal> {
        let whole = |((_, of), parts): &(&(u64, u64), &BTreeMap<u64, PathBuf>)| parts.keys().copied().eq(1..=*of);
        let checkpoint = self.checkpoints.iter().rev().find(whole);
        let of_checkpoint = checkpoint.map(|((version, _), _)| *version);
        let Some(newest) = self.commits.last().copied().max(of_checkpoint) else {
            return Err(match self.newest_v2 {
                Some(_) => refuse("with v2 checkpoints, which gatelog does not read", REWRITE),
                None => refuse("whose log is empty", COPY_AGAIN),
            });
        };
        let first = of_checkpoint.map_or(0, |version| version + 1);
        if let Some(missing) = (first..=newest).find(|version| !self.commits.contains(version)) {
            return Err(match self.newest_v2 {
                Some(version) if version >= missing => {
                    refuse("with v2 checkpoints, which gatelog does not read", REWRITE)
                }
                _ => refuse(format!("whose log lacks the commit {missing:020}.json"), COPY_AGAIN),
            });
        }
        if let Some(last) = self.last_checkpoint.filter(|last| *last > newest) {
            return Err(refuse(
                format!("whose log names a checkpoint of version {last} but ends with version {newest}"),
                COPY_AGAIN,
            ));
        }
        Ok(Steps {
            checkpoint: checkpoint.map_or_else(Vec::new, |(_, parts)| parts.values().cloned().collect()),
            commits: first..=newest,
        })
    }
}
