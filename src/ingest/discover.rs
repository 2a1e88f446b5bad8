//! Finding inputs: paths as given → every file to read, in an order of their own (L2).

use super::head::Refusal;
use super::table::delta::{self, PartitionValues};
use crate::error::AtPath;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// Somewhere to read from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Input {
    /// As given, or as found below a folder that was given.
    pub path: PathBuf,
    /// Whether the user named it, rather than a folder that holds it.
    pub is_named: bool,
    /// Set for a data file of a Delta table, or for a Delta table that is refused as a whole.
    pub delta: Option<Result<PartitionValues, Refusal>>,
}

impl Input {
    pub fn is_stdin(&self) -> bool {
        self.path == Path::new("-")
    }

    pub fn name(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }
}

/// All inputs below the paths, in the order of their names whatever the order of the paths (L2), each once.
/// A lake inside a folder is not an input.
pub fn discover(paths: &[PathBuf], lake: &Path) -> crate::error::Result<Vec<Input>> {
    let lake = lake.canonicalize().ok();
    let mut inputs = Vec::new();
    for path in paths {
        if path == Path::new("-") || path.is_file() {
            inputs.push(Input {
                path: path.clone(),
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
            } else if entry.file_type().is_file() {
                inputs.push(Input {
                    path: entry.into_path(),
                    is_named: false,
                    delta: None,
                });
            }
        }
    }
    inputs.sort();
    let mut seen = std::collections::HashSet::new();
    inputs.retain(|input| seen.insert(input.path.canonicalize().unwrap_or_else(|_| input.path.clone())));
    Ok(inputs)
}

/// The live files of a Delta table, and no other file in its folder; or the folder itself, to be refused.
fn of_delta_table(folder: &Path) -> crate::error::Result<Vec<Input>> {
    let input = |path, delta| Input {
        path,
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
