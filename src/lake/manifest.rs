//! `manifest.json`: the one list of what the lake holds. A file it does not name is not part of the lake (L5).
//!
//! Readers take the lake from here, so replacing this small file, in one step, *is* the commit. Paths are relative to
//! the lake and use `/`; instants are micros since 1970. It is written with one entry a line, so that a person can read
//! it and a tool compare it, and any JSON is read.

use super::entry_per_line;
use super::file::Written;
use super::ledger::{Entry, Extent, InputEntry, ReplayEntry};
use super::runs::RunEntry;
use crate::error::{AtPath, Error, Result};
use crate::record::Kind;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The layout this version writes. A lake of a newer layout is refused, never guessed at.
/// Layout 1 kept no record of runs and no index of identities; what it lacks is read as empty. Layout 2 kept all books in
/// the manifest.
pub const FORMAT: u32 = 3;

pub const FILE_NAME: &str = "manifest.json";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    /// Counts the commits.
    pub generation: u64,
    pub audit: Vec<AuditFile>,
    /// The runs of the index of identities, largest first; none in a lake of layout 1.
    #[serde(default)]
    pub index: Vec<DataFile>,
    pub names: Option<DataFile>,
    #[serde(default)]
    pub users: Option<DataFile>,
    #[serde(default)]
    pub organizations: Option<DataFile>,
    pub rejects: Vec<DataFile>,
    #[serde(default)]
    pub ledger: Extent,
    /// The books of layouts 1 and 2, which the next commit takes into the ledger.
    #[serde(default, flatten, skip_serializing)]
    pub(super) older: OlderBooks,
}

/// Each list in order of its commits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct OlderBooks {
    #[serde(default)]
    inputs: Vec<InputEntry>,
    #[serde(default)]
    replays: Vec<ReplayEntry>,
    #[serde(default)]
    runs: Vec<RunEntry>,
}

/// One file of `audit/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditFile {
    #[serde(flatten)]
    pub file: DataFile,
    pub environment: String,
    pub kind: Kind,
    /// `YYYY-MM`
    pub month: String,
    /// First and last `created_on`, micros since 1970.
    pub min_created_on_us: i64,
    pub max_created_on_us: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFile {
    pub path: String,
    pub rows: u64,
    pub bytes: u64,
    /// xxh3-128 of the file's bytes.
    pub hash: String,
}

impl DataFile {
    pub fn new(path: String, written: Written) -> Self {
        DataFile {
            path,
            rows: written.rows,
            bytes: written.bytes,
            hash: written.hash,
        }
    }
}

impl Manifest {
    pub fn empty() -> Self {
        Manifest {
            format: FORMAT,
            generation: 0,
            audit: Vec::new(),
            index: Vec::new(),
            names: None,
            users: None,
            organizations: None,
            rejects: Vec::new(),
            ledger: Extent::default(),
            older: OlderBooks::default(),
        }
    }

    /// The books that stand in the manifest itself, commit by commit.
    pub fn entries_of_older_layouts(&self) -> Vec<Entry> {
        let OlderBooks { inputs, replays, runs } = self.older.clone();
        let mut entries = BTreeMap::new();
        for input in inputs {
            entry(&mut entries, input.generation).inputs.push(input);
        }
        for replay in replays {
            let entry = entry(&mut entries, replay.generation);
            entry.replay = Some(replay);
        }
        for run in runs {
            let entry = entry(&mut entries, run.generation);
            entry.run = Some(run);
        }
        entries.into_values().collect()
    }

    /// Takes the books out that stand in the manifest itself.
    pub fn take_entries_of_older_layouts(&mut self) -> Vec<Entry> {
        let entries = self.entries_of_older_layouts();
        self.older = OlderBooks::default();
        entries
    }

    /// Reads a lake's manifest; `None` when there is none.
    pub fn read(lake: &Path) -> Result<Option<Manifest>> {
        let path = lake.join(FILE_NAME);
        let text = match std::fs::read(&path) {
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.at_path(&path, "cannot be read")?,
        };
        let manifest: Manifest = serde_json::from_slice(&text).at_path(&path, "is not a manifest gatelog can read")?;
        if manifest.format > FORMAT {
            return Err(Error::failed(format!(
                "is of layout {}, newer than this gatelog knows",
                manifest.format
            ))
            .at(&path)
            .hint("use the gatelog version that wrote the lake, or a newer one"));
        }
        Ok(Some(manifest))
    }

    pub fn to_json(&self) -> Result<Vec<u8>> {
        entry_per_line::to_json(self)
            .map_err(|cause| Error::failed("the manifest cannot be written as JSON").caused_by(cause))
    }

    /// Checks that `next` may follow this manifest, as the commit that `entry` is the books of. Pure: called before every
    /// swap.
    pub fn check_next(&self, next: &Manifest, entry: &Entry) -> std::result::Result<(), String> {
        if next.generation != self.generation + 1 || entry.generation != next.generation {
            return Err(format!(
                "generation {} cannot follow {}, as commit {}",
                next.generation, self.generation, entry.generation
            ));
        }
        if let Some(fault) = entry.faults().into_iter().next() {
            return Err(fault);
        }
        let by_path: BTreeMap<&str, &AuditFile> = next.audit.iter().map(|a| (a.file.path.as_str(), a)).collect();
        if by_path.len() != next.audit.len() {
            return Err("a file is listed twice".to_owned());
        }
        self.check_rows(&by_path)?;
        for audit in &next.audit {
            let folder = partition_folder(&audit.environment, audit.kind, &audit.month);
            if !audit.file.path.starts_with(&folder) {
                return Err(format!("{} does not lie in {folder} (L6)", audit.file.path));
            }
            if audit.file.rows == 0 || audit.min_created_on_us > audit.max_created_on_us {
                return Err(format!("{} has an empty or reversed range", audit.file.path));
            }
        }
        let rows = |files: &mut dyn Iterator<Item = &DataFile>| files.map(|file| file.rows).sum::<u64>();
        let (known, held) = (
            rows(&mut next.index.iter()),
            rows(&mut next.audit.iter().map(|audit| &audit.file)),
        );
        if known != held {
            return Err(format!("the index knows {known} rows, the lake has {held} (L3)"));
        }
        self.check_rejects(next, entry)
    }

    /// Rows stay: a file is kept, or replaced by one with later versions of its rows, or merged with others of its month.
    fn check_rows(&self, next: &BTreeMap<&str, &AuditFile>) -> std::result::Result<(), String> {
        let holds = |audit: &AuditFile| (audit.file.rows, audit.min_created_on_us, audit.max_created_on_us);
        let join = |a: (u64, i64, i64), b: (u64, i64, i64)| (a.0 + b.0, a.1.min(b.1), a.2.max(b.2));
        let folder = |audit: &AuditFile| partition_folder(&audit.environment, audit.kind, &audit.month);
        let nothing = (0, i64::MAX, i64::MIN);
        // What the files of a month hold that are no longer there.
        let mut gone: BTreeMap<String, (u64, i64, i64)> = BTreeMap::new();
        let mut known = BTreeSet::new();
        for old in &self.audit {
            known.insert(old.file.path.as_str());
            match next.get(old.file.path.as_str()) {
                Some(audit) if holds(audit) == holds(old) => {}
                Some(_) => return Err(format!("rows of {} would be lost", old.file.path)),
                None => {
                    let month = gone.entry(folder(old)).or_insert(nothing);
                    *month = join(*month, holds(old));
                }
            }
        }
        for (month, lost) in gone {
            let is_new = |audit: &&&AuditFile| folder(audit) == month && !known.contains(audit.file.path.as_str());
            let came = next
                .values()
                .filter(is_new)
                .fold(nothing, |sum, audit| join(sum, holds(audit)));
            // New rows may have been merged as well; how many rows there are in all, the index tells.
            if came.0 < lost.0 || came.1 > lost.1 || came.2 < lost.2 {
                return Err(format!("rows of {month} would be lost"));
            }
        }
        Ok(())
    }

    /// A reject stays until it is replayed: what the files hold changes by exactly what the books say (L1, L5).
    fn check_rejects(&self, next: &Manifest, entry: &Entry) -> std::result::Result<(), String> {
        let lost = self.rejects.iter().find(|old| !next.rejects.contains(old));
        if let (Some(lost), None) = (lost, &entry.replay) {
            return Err(format!("{} would be lost", lost.path));
        }
        let rows = |manifest: &Manifest| manifest.rejects.iter().map(|file| file.rows).sum::<u64>();
        let came = entry.brought().rejected;
        let went = entry.replay.as_ref().map_or(0, |replay| replay.replayed);
        if rows(self) + came != rows(next) + went {
            let (before, after) = (rows(self), rows(next));
            return Err(format!("{before} rejects + {came} − {went} cannot be {after} (L1)"));
        }
        Ok(())
    }
}

fn entry(entries: &mut BTreeMap<u64, Entry>, generation: u64) -> &mut Entry {
    entries.entry(generation).or_insert_with(|| Entry::empty(generation))
}

/// `audit/environment=…/kind=…/month=…/`, relative to the lake.
pub fn partition_folder(environment: &str, kind: Kind, month: &str) -> String {
    format!(
        "audit/environment={}/kind={}/month={month}/",
        escape(environment),
        kind.name()
    )
}

/// Percent-encodes what a folder name or a Hive partition value cannot hold.
fn escape(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for (place, c) in value.char_indices() {
        let plain = c.is_alphanumeric() || matches!(c, '-' | '_') || (c == '.' && place > 0);
        if plain {
            text.push(c);
        } else {
            let mut buffer = [0; 4];
            for byte in c.encode_utf8(&mut buffer).bytes() {
                text.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::runs::Books;

    fn audit(path: &str) -> AuditFile {
        AuditFile {
            file: DataFile {
                path: path.to_owned(),
                rows: 1,
                bytes: 1,
                hash: String::new(),
            },
            environment: "e".to_owned(),
            kind: Kind::Access,
            month: "2026-03".to_owned(),
            min_created_on_us: 0,
            max_created_on_us: 0,
        }
    }

    fn next(audit: Vec<AuditFile>) -> Manifest {
        Manifest {
            generation: 1,
            index: audit.iter().map(|audit| audit.file.clone()).collect(),
            audit,
            ..Manifest::empty()
        }
    }

    fn check(old: &Manifest, next: &Manifest) -> std::result::Result<(), String> {
        old.check_next(next, &Entry::empty(next.generation))
    }

    #[test]
    fn a_manifest_that_loses_doubles_or_misplaces_a_file_is_refused_l5_l6() {
        let good = "audit/environment=e/kind=access/month=2026-03/a.parquet";
        let empty = Manifest::empty();
        assert_eq!(check(&empty, &next(vec![audit(good)])), Ok(()));
        assert!(check(&empty, &next(vec![audit(good), audit(good)])).is_err());
        assert!(
            check(
                &empty,
                &next(vec![audit("audit/environment=e/kind=change/month=2026-03/a.parquet")])
            )
            .is_err()
        );
        let after = |audit: Vec<AuditFile>| Manifest {
            generation: 2,
            ..next(audit)
        };
        assert!(check(&next(vec![audit(good)]), &after(vec![])).is_err());
        let (mut revised, mut shorter) = (audit(good), audit(good));
        revised.file.hash = "other".to_owned();
        shorter.file.rows = 2;
        assert_eq!(check(&next(vec![audit(good)]), &after(vec![revised])), Ok(()));
        assert!(check(&next(vec![audit(good)]), &after(vec![shorter])).is_err());
        let other = "audit/environment=e/kind=access/month=2026-03/b.parquet";
        let both = || next(vec![audit(good), audit(other)]);
        let merged = |rows| AuditFile {
            file: DataFile {
                rows,
                ..audit("audit/environment=e/kind=access/month=2026-03/c.parquet").file
            },
            ..audit("")
        };
        let indexed = |audit: AuditFile| Manifest {
            index: both().index,
            ..after(vec![audit])
        };
        assert_eq!(check(&both(), &indexed(merged(2))), Ok(()), "merged");
        assert!(check(&both(), &indexed(merged(3))).is_err(), "a row from nowhere");
        assert!(check(&both(), &indexed(merged(1))).is_err());
        let unknown = Manifest {
            index: Vec::new(),
            ..next(vec![audit(good)])
        };
        assert!(check(&empty, &unknown).is_err(), "a row that the index does not know");
    }

    #[test]
    fn unbalanced_books_are_refused_l1() {
        let books = |read| Books {
            read,
            accepted: 1,
            duplicate: 1,
            rejected: 0,
        };
        let input = |read| InputEntry {
            name: "a".into(),
            bytes: 0,
            hash: String::new(),
            form: "csv".into(),
            environment: None,
            exported_on_us: None,
            accesses: Vec::new(),
            table: "audit".into(),
            generation: 1,
            books: books(read),
        };
        let commit = |read| Entry {
            inputs: vec![input(read)],
            ..Entry::empty(1)
        };
        assert_eq!(Manifest::empty().check_next(&next(vec![]), &commit(2)), Ok(()));
        assert!(Manifest::empty().check_next(&next(vec![]), &commit(3)).is_err());
        assert!(
            Manifest::empty().check_next(&next(vec![]), &Entry::empty(2)).is_err(),
            "the books of another commit"
        );
    }

    #[test]
    fn a_reject_leaves_only_by_a_replay_whose_books_say_so_l1_l5() {
        let file = |path: &str, rows| DataFile {
            path: path.to_owned(),
            rows,
            bytes: 1,
            hash: String::new(),
        };
        let old = Manifest {
            rejects: vec![file("rejects/1", 5)],
            ..Manifest::empty()
        };
        let replay = |replayed, accepted, rejected| ReplayEntry {
            generation: 1,
            replayed,
            books: Books {
                read: accepted + rejected,
                accepted,
                duplicate: 0,
                rejected,
            },
            accepted_beside: Some(0),
        };
        let next = |rejects: Vec<DataFile>, replay: Option<ReplayEntry>| {
            let next = Manifest {
                generation: 1,
                rejects,
                ..Manifest::empty()
            };
            let entry = Entry {
                replay,
                ..Entry::empty(1)
            };
            old.check_next(&next, &entry).is_ok()
        };
        assert!(next(vec![file("rejects/1", 5)], None));
        assert!(!next(vec![], None), "lost");
        assert!(!next(vec![file("rejects/2", 5)], None), "replaced without a replay");
        assert!(next(vec![file("rejects/2", 2)], Some(replay(5, 3, 2))));
        assert!(!next(vec![file("rejects/2", 1)], Some(replay(5, 3, 2))), "one is lost");
        assert!(next(vec![], Some(replay(5, 6, 0))), "one held two records");
        let mut unbalanced = replay(5, 5, 0);
        unbalanced.books.read = 9;
        assert!(!next(vec![], Some(unbalanced)), "unbalanced");
    }

    #[test]
    fn a_manifest_is_written_with_an_entry_a_line_and_read_in_any_form() {
        let one = "audit/environment=e/kind=access/month=2026-03/a.parquet";
        let manifest = Manifest {
            index: Vec::new(),
            ..next(vec![audit(one), audit("b")])
        };
        let text = String::from_utf8(manifest.to_json().unwrap()).unwrap();
        let entry = |path: &str| {
            format!(
                "{{\"path\":\"{path}\",\"rows\":1,\"bytes\":1,\"hash\":\"\",\"environment\":\"e\",\"kind\":\"access\",\
                 \"month\":\"2026-03\",\"min_created_on_us\":0,\"max_created_on_us\":0}}"
            )
        };
        let expected = format!(
            "{{\n\"format\":3,\n\"generation\":1,\n\"audit\":[\n{},\n{}\n],\n\"index\":[],\n\"names\":null,\n\"users\":null,\n\
             \"organizations\":null,\n\"rejects\":[],\n\"ledger\":{{\"commits\":0,\"bytes\":0,\"inputs\":0,\"hash\":\"\"}}\n}}\n",
            entry(one),
            entry("b")
        );
        assert_eq!(text, expected);
        let pretty = serde_json::to_vec_pretty(&manifest).unwrap();
        for text in [text.as_bytes(), &pretty] {
            assert_eq!(serde_json::from_slice::<Manifest>(text).unwrap(), manifest);
        }
    }

    #[test]
    fn the_books_of_older_layouts_are_read_commit_by_commit() {
        let input = |name: &str, generation: u64| {
            format!(
                r#"{{"name":"{name}","bytes":1,"hash":"0","form":"csv","generation":{generation},"read":1,"accepted":1,"duplicate":0,"rejected":0}}"#
            )
        };
        let text = format!(
            r#"{{"format":2,"generation":3,"audit":[],"rejects":[],"inputs":[{},{},{}],"replays":[{{"generation":2,"replayed":1,"read":1,"accepted":0,"duplicate":0,"rejected":1}}]}}"#,
            input("a", 1),
            input("b", 1),
            input("c", 3)
        );
        let mut manifest: Manifest = serde_json::from_str(&text).unwrap();
        let entries = manifest.take_entries_of_older_layouts();
        let found: Vec<_> = entries
            .iter()
            .map(|entry| (entry.generation, entry.inputs.len(), entry.replay.is_some()))
            .collect();
        assert_eq!(found, [(1, 2, false), (2, 0, true), (3, 1, false)]);
        assert!(entries.iter().all(|entry| entry.faults().is_empty()));
        assert_eq!(manifest.entries_of_older_layouts(), []);
    }

    #[test]
    fn an_environment_never_leaves_its_folder() {
        assert_eq!(escape("contoso.crm4.dynamics.com"), "contoso.crm4.dynamics.com");
        assert_eq!(escape("../x/y=z"), "%2E.%2Fx%2Fy%3Dz");
    }
}
