//! Containers of Azure Synapse Link for Dataverse, as they lie on disk.
//!
//! ```text
//! dataverse-<env>-<orgUniqueName>/     the container; its name is the environment
//!   model.json                         which columns each table has, in order
//!   audit/2021.csv, audit/2021-06.csv  partitions; audit/Snapshot/ holds copies of them
//!   2023-05-01T10.15.00Z/              an incremental folder: a model.json and tables of its own
//!   Changelog/changelog.info           names the incremental folder still being written
//! ```
//!
//! What a place on disk says is a [`Partition`]; whether the rows bear it out, [`super::headless`] sees from the rows.
//! Walking is done by [`super::discover`].

use super::fields::{Field, field_of};
use serde::Deserialize;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The table whose rows fill the lake.
pub const AUDIT: &str = "audit";

/// The tables gatelog has a use for.
const TABLES: [&str; 3] = [AUDIT, "systemuser", "organization"];

pub const MODEL: &str = "model.json";

/// Folders that hold no rows, by their names in lower case.
const SERVICE_FOLDERS: [&str; 3] = ["changelog", "optionsetmetadata", "microsoft.athena.tricklefeedservice"];

/// A `model.json` is a few megabytes at most; a changelog is one line.
const MAX_MODEL_BYTES: u64 = 64 << 20;
const MAX_CHANGELOG_BYTES: u64 = 1 << 20;

/// What a file's place in a container says of its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// `None` when the file lies in no table's folder.
    pub table: Option<&'static str>,
    /// The table's columns, in order; `None` without a `model.json`.
    pub columns: Option<Arc<[String]>>,
    pub environment: Option<Arc<str>>,
}

/// A folder that holds tables: the container, or an incremental folder in it.
#[derive(Debug, Clone)]
pub struct Container {
    /// The folder of the container, also for its incremental folders.
    pub root: PathBuf,
    /// Whether Synapse Link is still writing to it.
    pub is_unfinished: bool,
    environment: Option<Arc<str>>,
    model: Option<Arc<Model>>,
}

/// What is wrong with a `model.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    pub path: PathBuf,
    pub reason: String,
}

impl Broken {
    /// Whether a file is one that only this model explains.
    pub fn holds(&self, file: &Path) -> bool {
        // The table's folder, and Snapshot in it.
        file.ancestors()
            .skip(1)
            .take(2)
            .any(|folder| known_table(name_of(folder)).is_some())
    }
}

/// What a folder in a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Holds the partitions of this table.
    Table(&'static str),
    /// Holds the partitions of a table gatelog has no use for.
    OtherTable,
    /// Holds no rows.
    Service,
    Unknown,
}

impl Container {
    /// What a folder shows to be a container, given the one around it; `None` when it shows nothing.
    pub fn at(folder: &Path, outer: Option<&Container>) -> Result<Option<Container>, Broken> {
        let name = name_of(folder);
        let stamp = stamp(name);
        let has = |part: &str| folder.join(part).exists();
        let environment = environment_of(name);
        let is_marked = environment.is_some() || has("Changelog/changelog.info") || has(AUDIT);
        let model = match Model::read(&folder.join(MODEL)) {
            Ok(model) => model.map(Arc::new),
            // Any program may have a file of this name.
            Err(_) if !is_marked => None,
            Err(broken) => return Err(broken),
        };
        let is_increment = stamp.is_some() && outer.is_some();
        let is_container = model.is_some() || environment.is_some() || has("Changelog/changelog.info") || is_increment;
        Ok(is_container.then(|| Container {
            root: match outer {
                Some(outer) if is_increment => outer.root.clone(),
                _ => folder.to_owned(),
            },
            is_unfinished: stamp.is_some_and(|stamp| is_in_changelog(folder, &stamp)),
            environment: environment.or_else(|| outer.and_then(|outer| outer.environment.clone())),
            model: model.or_else(|| outer.and_then(|outer| outer.model.clone())),
        }))
    }

    /// The same container, by the path its user calls it.
    pub fn called(&self, root: &Path) -> Container {
        Container {
            root: root.to_owned(),
            ..self.clone()
        }
    }

    /// What a folder of this name in the container is.
    pub fn role(&self, name: &str) -> Role {
        if SERVICE_FOLDERS.contains(&name.to_ascii_lowercase().as_str()) {
            return Role::Service;
        }
        match (known_table(name), &self.model) {
            (Some(table), _) => Role::Table(table),
            (None, Some(model)) if model.columns(name).is_some() => Role::OtherTable,
            (None, _) => Role::Unknown,
        }
    }

    /// What the container says of a file in this table's folder.
    pub fn partition(&self, table: Option<&'static str>) -> Partition {
        let columns = |model: &Arc<Model>| model.columns(table.unwrap_or(AUDIT)).cloned();
        Partition {
            table,
            columns: self.model.as_ref().and_then(columns),
            environment: self.environment.clone(),
        }
    }
}

/// A table of which gatelog has a use, by the name of a folder.
pub fn known_table(name: &str) -> Option<&'static str> {
    TABLES.into_iter().find(|table| table.eq_ignore_ascii_case(name))
}

/// Whether a folder holds copies of the partitions beside it.
pub fn is_snapshot(folder: &Path) -> bool {
    let of_table = folder
        .parent()
        .is_some_and(|parent| known_table(name_of(parent)).is_some());
    of_table && name_of(folder).eq_ignore_ascii_case("snapshot")
}

/// The last part of a path; empty where it is no text, which no name in a container is.
pub fn name_of(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// `dataverse-contoso-unq123`, in lower case.
fn environment_of(name: &str) -> Option<Arc<str>> {
    let name = name.to_ascii_lowercase();
    let (environment, org) = name.strip_prefix("dataverse-")?.rsplit_once('-')?;
    (!environment.is_empty() && !org.is_empty()).then(|| name.as_str().into())
}

/// `2023-05-01T10.15.00` of an incremental folder's name, which may have colons, a fraction and a `Z`.
fn stamp(name: &str) -> Option<String> {
    let (stamp, rest) = name.split_at_checked(19)?;
    let fits = stamp
        .bytes()
        .zip(*b"0000-00-00T00.00.00")
        .all(|(byte, like)| match like {
            b'0' => byte.is_ascii_digit(),
            b'.' => matches!(byte, b'.' | b':'),
            _ => byte.eq_ignore_ascii_case(&like),
        });
    let rest = rest.strip_suffix(['Z', 'z']).unwrap_or(rest);
    let is_fraction = rest.is_empty()
        || rest
            .strip_prefix('.')
            .is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
    (fits && is_fraction).then(|| comparable(stamp))
}

fn comparable(text: &str) -> String {
    text.replace(':', ".").to_ascii_uppercase()
}

/// Whether the changelog beside an incremental folder says that it is still being written.
fn is_in_changelog(folder: &Path, stamp: &str) -> bool {
    let changelog = folder.with_file_name("Changelog").join("changelog.info");
    let text = File::open(changelog).map(|file| {
        let mut text = Vec::new();
        let read = file.take(MAX_CHANGELOG_BYTES).read_to_end(&mut text);
        read.map_or(String::new(), |_| comparable(&String::from_utf8_lossy(&text)))
    });
    text.is_ok_and(|text| text.contains(stamp))
}

/// The tables a `model.json` declares.
#[derive(Debug, PartialEq, Eq)]
struct Model {
    tables: Vec<(String, Arc<[String]>)>,
}

#[derive(Deserialize)]
struct Cdm {
    entities: Option<Vec<Entity>>,
}

#[derive(Deserialize)]
struct Entity {
    name: String,
    #[serde(default)]
    attributes: Vec<Attribute>,
}

#[derive(Deserialize)]
struct Attribute {
    name: String,
}

impl Model {
    /// `None` when there is no such file, or it is JSON that declares no tables.
    fn read(path: &Path) -> Result<Option<Model>, Broken> {
        let broken = |reason: String| Broken {
            path: path.to_owned(),
            reason,
        };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(broken(format!("cannot be read: {cause}"))),
        };
        let mut text = Vec::new();
        let read = file.take(MAX_MODEL_BYTES + 1).read_to_end(&mut text);
        read.map_err(|cause| broken(format!("cannot be read: {cause}")))?;
        if text.len() as u64 > MAX_MODEL_BYTES {
            return Err(broken("is larger than any model.json".to_owned()));
        }
        Model::parse(&text).map_err(broken)
    }

    fn parse(text: &[u8]) -> Result<Option<Model>, String> {
        let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
        let cdm: Cdm =
            serde_json::from_slice(text).map_err(|cause| format!("is not a model.json gatelog can read: {cause}"))?;
        let Some(entities) = cdm.entities else {
            return Ok(None);
        };
        let names = |entity: Entity| entity.attributes.into_iter().map(|attribute| attribute.name).collect();
        let model = Model {
            tables: entities
                .into_iter()
                .map(|entity| (entity.name.clone(), names(entity)))
                .collect(),
        };
        let missing = |columns: &&Arc<[String]>| {
            [Field::CreatedOn, Field::Action]
                .iter()
                .any(|field| !columns.iter().any(|name| field_of(name) == Some(*field)))
        };
        match model.columns(AUDIT).filter(missing) {
            Some(_) => Err("declares the table audit without createdon or without action".to_owned()),
            None => Ok(Some(model)),
        }
    }

    fn columns(&self, table: &str) -> Option<&Arc<[String]>> {
        let found = self.tables.iter().find(|(name, _)| name.eq_ignore_ascii_case(table));
        found.map(|(_, columns)| columns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incremental_folders_are_known_by_their_stamp_in_each_spelling() {
        for name in [
            "2023-05-01T10.15.00Z",
            "2023-05-01T10:15:00Z",
            "2023-05-01T10:15:00.123Z",
            "2023-05-01t10.15.00.123z",
            "2023-05-01T10.15.00",
        ] {
            assert_eq!(stamp(name).as_deref(), Some("2023-05-01T10.15.00"), "{name}");
        }
        for name in [
            "",
            "2023-05-01",
            "2023-05-01T10.15.00-old",
            "2023-05-01T10-15-00Z",
            "2023-05-01T10.15.00Zé",
            "é2023-05-01T10.15.0",
        ] {
            assert_eq!(stamp(name), None, "{name}");
        }
    }

    #[test]
    fn an_environment_is_the_whole_name_of_a_container_in_lower_case() {
        let named = |name| environment_of(name).as_deref().map(str::to_owned);
        assert_eq!(
            named("dataverse-Contoso-unqAB12"),
            Some("dataverse-contoso-unqab12".to_owned())
        );
        assert_eq!(
            named("dataverse-con-toso-unq1"),
            Some("dataverse-con-toso-unq1".to_owned())
        );
        for name in [
            "dataverse",
            "dataverse-contoso",
            "dataverse--unq1",
            "dataverse-contoso-",
            "my-dataverse-a-b",
            "",
        ] {
            assert_eq!(named(name), None, "{name}");
        }
    }

    #[test]
    fn a_model_names_the_columns_of_each_table_and_everything_else_in_it_is_ignored() {
        let text = r#"{"name":"cdm","entities":[{"$type":"LocalEntity","name":"account","annotations":[1]},
            {"name":"audit","attributes":[{"name":"Id","dataType":"guid"},{"name":"createdon"},{"name":"action"}],"partitions":[]}]}"#;
        for text in [text.to_owned(), format!("\u{feff}{text}")] {
            let model = Model::parse(text.as_bytes()).unwrap().unwrap();
            assert_eq!(model.columns("Audit").unwrap().as_ref(), ["Id", "createdon", "action"]);
            assert_eq!(model.columns("account").map(|columns| columns.len()), Some(0));
            assert_eq!(model.columns("contact"), None);
        }
        assert_eq!(
            Model::parse(br#"{"layers":3}"#),
            Ok(None),
            "another program's model.json"
        );
        for text in [
            "",
            "{\"entities\":",
            "3",
            r#"{"entities":3}"#,
            r#"{"entities":[{"attributes":[]}]}"#,
        ] {
            assert!(
                Model::parse(text.as_bytes()).unwrap_err().contains("not a model.json"),
                "{text}"
            );
        }
        let without = r#"{"entities":[{"name":"audit","attributes":[{"name":"createdon"}]}]}"#;
        assert!(Model::parse(without.as_bytes()).unwrap_err().contains("without action"));
    }
}
