//! `manifest.json`: the one list of what the lake holds. A file it does not name is not part of the lake (L5).
//!
//! Readers take the lake from here, so replacing this small file, in one step, *is* the commit. Paths are relative to
//! the lake and use `/`; instants are micros since 1970. It is written with one entry a line, so that a person can read
//! it and a tool compare it, and any JSON is read.

use super::entry_per_line;
use super::file::Written;
use super::runs::RunEntry;
use crate::error::{AtPath, Error, Result};
use crate::record::Kind;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The layout this version writes. A lake of a newer layout is refused, never guessed at.
/// Layout 1 kept no record of runs and no index of identities; what it lacks is read as empty.
pub const FORMAT: u32 = 2;

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
    pub inputs: Vec<InputEntry>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replays: Vec<ReplayEntry>,
    /// Oldest first.
    #[serde(default)]
    pub runs: Vec<RunEntry>,
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

/// An input that was ingested, with its books (L1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputEntry {
    /// As given.
    pub name: String,
    pub bytes: u64,
    /// xxh3-128 of the input's bytes: the same content is never read twice.
    pub hash: String,
    pub form: String,
    /// Which table's rows it holds.
    #[serde(default = "audit")]
    pub table: String,
    /// Whose rows they are, unless a row says otherwise.
    #[serde(default)]
    pub environment: Option<String>,
    /// When a side table was exported: of an export of later, the same content says that it still held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exported_on_us: Option<i64>,
    /// The commit that brought it.
    pub generation: u64,
    pub read: u64,
    pub accepted: u64,
    pub duplicate: u64,
    pub rejected: u64,
}

impl InputEntry {
    /// Whether the same content has nothing new to say. Rows of the log are what they are, but a side table tells the
    /// state of an environment at a time.
    pub fn covers(&self, environment: Option<&str>, exported_on: i64) -> bool {
        self.exported_on_us.is_none_or(|known| {
            known >= exported_on && (environment.is_none() || environment == self.environment.as_deref())
        })
    }
}

/// What inputs held before there were side tables.
fn audit() -> String {
    "audit".to_owned()
}

/// A replay of rejects, with its books (L1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayEntry {
    /// The commit that brought it.
    pub generation: u64,
    /// Rejects that were read again.
    pub replayed: u64,
    /// Records found in them: a reject may turn out to hold several.
    pub read: u64,
    pub accepted: u64,
    pub duplicate: u64,
    pub rejected: u64,
    /// Of the accepted, rows of side tables; layout 1 did not tell.
    #[serde(default)]
    pub accepted_beside: Option<u64>,
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
            inputs: Vec::new(),
            replays: Vec::new(),
            runs: Vec::new(),
        }
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

    /// Checks that `next` may follow this manifest. Pure: called before every swap.
    pub fn check_next(&self, next: &Manifest) -> std::result::Result<(), String> {
        if next.generation != self.generation + 1 {
            return Err(format!(
                "generation {} cannot follow {}",
                next.generation, self.generation
            ));
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
        for input in &next.inputs {
            if input.read != input.accepted + input.duplicate + input.rejected {
                return Err(format!("the books of {} do not balance (L1)", input.name));
            }
        }
        self.check_rejects(next)?;
        self.check_runs(next)
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
            if came != lost {
                return Err(format!("rows of {month} would be lost"));
            }
        }
        Ok(())
    }

    /// A reject stays until it is replayed: what the files hold changes by exactly what the books say (L1, L5).
    fn check_rejects(&self, next: &Manifest) -> std::result::Result<(), String> {
        let replays = next.replays.get(self.replays.len()..).unwrap_or_default();
        let inputs = next.inputs.get(self.inputs.len()..).unwrap_or_default();
        if replays
            .iter()
            .any(|books| books.read != books.accepted + books.duplicate + books.rejected)
        {
            return Err("the books of the replay do not balance (L1)".to_owned());
        }
        let lost = self.rejects.iter().find(|old| !next.rejects.contains(old));
        if let (Some(lost), []) = (lost, replays) {
            return Err(format!("{} would be lost", lost.path));
        }
        let rows = |manifest: &Manifest| manifest.rejects.iter().map(|file| file.rows).sum::<u64>();
        let came = inputs.iter().map(|input| input.rejected).sum::<u64>()
            + replays.iter().map(|books| books.rejected).sum::<u64>();
        let went = replays.iter().map(|books| books.replayed).sum::<u64>();
        if rows(self) + came != rows(next) + went {
            let (before, after) = (rows(self), rows(next));
            return Err(format!("{before} rejects + {came} − {went} cannot be {after} (L1)"));
        }
        Ok(())
    }
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

    #[test]
    fn a_manifest_that_loses_doubles_or_misplaces_a_file_is_refused_l5_l6() {
        let good = "audit/environment=e/kind=access/month=2026-03/a.parquet";
        let empty = Manifest::empty();
        assert_eq!(empty.check_next(&next(vec![audit(good)])), Ok(()));
        assert!(empty.check_next(&next(vec![audit(good), audit(good)])).is_err());
        assert!(
            empty
                .check_next(&next(vec![audit(
                    "audit/environment=e/kind=change/month=2026-03/a.parquet"
                )]))
                .is_err()
        );
        let after = |audit: Vec<AuditFile>| Manifest {
            generation: 2,
            ..next(audit)
        };
        assert!(next(vec![audit(good)]).check_next(&after(vec![])).is_err());
        let (mut revised, mut shorter) = (audit(good), audit(good));
        revised.file.hash = "other".to_owned();
        shorter.file.rows = 2;
        assert_eq!(next(vec![audit(good)]).check_next(&after(vec![revised])), Ok(()));
        assert!(next(vec![audit(good)]).check_next(&after(vec![shorter])).is_err());
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
        assert_eq!(both().check_next(&indexed(merged(2))), Ok(()), "merged");
        assert!(both().check_next(&indexed(merged(3))).is_err());
        assert!(both().check_next(&indexed(merged(1))).is_err());
        let unknown = Manifest {
            index: Vec::new(),
            ..next(vec![audit(good)])
        };
        assert!(
            empty.check_next(&unknown).is_err(),
            "a row that the index does not know"
        );
    }

    #[test]
    fn unbalanced_books_are_refused_l1() {
        let mut unbalanced = next(vec![]);
        unbalanced.inputs.push(InputEntry {
            name: "a".into(),
            bytes: 0,
            hash: String::new(),
            form: "csv".into(),
            environment: None,
            exported_on_us: None,
            table: "audit".into(),
            generation: 1,
            read: 3,
            accepted: 1,
            duplicate: 1,
            rejected: 0,
        });
        assert!(Manifest::empty().check_next(&unbalanced).is_err());
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
            read: accepted + rejected,
            accepted,
            duplicate: 0,
            rejected,
            accepted_beside: Some(0),
        };
        let next = |rejects: Vec<DataFile>, replays: Vec<ReplayEntry>| {
            let next = Manifest {
                generation: 1,
                rejects,
                replays,
                ..Manifest::empty()
            };
            old.check_next(&next).is_ok()
        };
        assert!(next(vec![file("rejects/1", 5)], vec![]));
        assert!(!next(vec![], vec![]), "lost");
        assert!(!next(vec![file("rejects/2", 5)], vec![]), "replaced without a replay");
        assert!(next(vec![file("rejects/2", 2)], vec![replay(5, 3, 2)]));
        assert!(!next(vec![file("rejects/2", 1)], vec![replay(5, 3, 2)]), "one is lost");
        assert!(next(vec![], vec![replay(5, 6, 0)]), "one held two records");
        assert!(
            !next(
                vec![],
                vec![ReplayEntry {
                    read: 9,
                    ..replay(5, 5, 0)
                }]
            ),
            "unbalanced"
        );
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
            "{{\n\"format\":2,\n\"generation\":1,\n\"audit\":[\n{},\n{}\n],\n\"index\":[],\n\"names\":null,\n\"users\":null,\n\
             \"organizations\":null,\n\"rejects\":[],\n\"inputs\":[],\n\"runs\":[]\n}}\n",
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
    fn an_environment_never_leaves_its_folder() {
        assert_eq!(escape("contoso.crm4.dynamics.com"), "contoso.crm4.dynamics.com");
        assert_eq!(escape("../x/y=z"), "%2E.%2Fx%2Fy%3Dz");
    }
}
