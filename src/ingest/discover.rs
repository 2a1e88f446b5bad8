//! Finding inputs: paths as given → every file to read, in an order of their own (L2).

use super::archive::{self, Member};
use super::head::Refusal;
use super::table::delta::{self, PartitionValues};
use crate::error::AtPath;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// Somewhere to read from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Input {
    /// As given, or as found below a folder that was given.
    pub path: PathBuf,
    /// The member meant, when the path is an archive's.
    pub member: Option<Member>,
    /// Whether the user named it, rather than a folder that holds it.
    pub is_named: bool,
    /// Set for a data file of a Delta table, or for a Delta table that is refused as a whole.
    pub delta: Option<Result<PartitionValues, Refusal>>,
}

impl Input {
    pub fn is_stdin(&self) -> bool {
        self.path == Path::new("-")
    }

    /// The name people see, and the rows' source: as given, on one line whatever it holds.
    pub fn name(&self) -> String {
        let path = printable(self.path.as_os_str());
        match &self.member {
            Some(member) => format!("{path}/{}", printable(OsStr::new(&member.name))),
            None => path,
        }
    }
}

/// A name with everything that does not print escaped: control characters, and bytes that are no text.
fn printable(name: &OsStr) -> String {
    let mut text = String::new();
    for chunk in name.as_encoded_bytes().utf8_chunks() {
        for char in chunk.valid().chars() {
            match char.is_control() {
                true => text.extend(char.escape_default()),
                false => text.push(char),
            }
        }
        chunk
            .invalid()
            .iter()
            .for_each(|byte| text += &format!("\\x{byte:02X}"));
    }
    text
}

/// An archive as its members. One without any stays what it is: recognising it says why.
fn members_of(input: Input) -> Vec<Input> {
    let members = match input.is_stdin() {
        true => Vec::new(),
        false => archive::members(&input.path),
    };
    if members.is_empty() {
        return vec![input];
    }
    let of_archive = |member| Input {
        delta: None,
        path: input.path.clone(),
        member: Some(member),
        is_named: false,
    };
    members.into_iter().map(of_archive).collect()
}

/// All inputs below the paths, in the order of their names whatever the order of the paths (L2), each once.
/// A lake inside a folder is not an input. Links to files are followed, links to folders within a folder are not.
pub fn discover(paths: &[PathBuf], lake: &Path) -> crate::error::Result<Vec<Input>> {
    let lake = lake.canonicalize().ok();
    let mut inputs = Vec::new();
    for path in paths {
        if path == Path::new("-") || path.is_file() {
            inputs.push(Input {
                path: path.clone(),
                member: None,
                is_named: true,
                delta: None,
            });
            continue;
        }
        std::fs::metadata(path).at_path(path, "cannot be read")?;
        let is_lake = |entry: &walkdir::DirEntry| lake.is_some() && entry.path().canonicalize().ok() == lake;
        let mut entries = WalkDir::new(path).into_iter();
        while let Some(entry) = entries.next() {
            let entry = entry.at_path(path, "the folder cannot be read")?;
            if is_lake(&entry) {
                entries.skip_current_dir();
            } else if entry.path().join(delta::LOG).is_dir() {
                entries.skip_current_dir();
                inputs.extend(of_delta_table(entry.path())?);
            } else if entry.file_type().is_file() || (entry.path_is_symlink() && entry.path().is_file()) {
                inputs.push(Input {
                    path: entry.into_path(),
                    member: None,
                    is_named: false,
                    delta: None,
                });
            }
        }
    }
    inputs.sort();
    let mut seen = std::collections::HashSet::new();
    inputs.retain(|input| seen.insert(input.path.canonicalize().unwrap_or_else(|_| input.path.clone())));
    Ok(inputs.into_iter().flat_map(members_of).collect())
}

/// The live files of a Delta table, and no other file in its folder; or the folder itself, to be refused.
fn of_delta_table(folder: &Path) -> crate::error::Result<Vec<Input>> {
    let input = |path, delta| Input {
        path,
        member: None,
        is_named: false,
        delta: Some(delta),
    };
    Ok(match delta::live_files(folder)? {
        Ok(files) => files
            .into_iter()
            .map(|file| input(file.path, Ok(file.partition)))
            .collect(),
        Err(refusal) => vec![input(folder.to_owned(), Err(refusal))],
    })
}
