//! Finding inputs: paths as given → every file to read, in an order of their own (L2).

use crate::error::{AtPath, Result};
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// Somewhere to read from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Input {
    /// As given, or as found below a folder that was given.
    pub path: PathBuf,
    /// Whether the user named it, rather than a folder that holds it.
    pub is_named: bool,
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
pub fn discover(paths: &[PathBuf], lake: &Path) -> Result<Vec<Input>> {
    let lake = lake.canonicalize().ok();
    let mut inputs = Vec::new();
    for path in paths {
        if path == Path::new("-") || path.is_file() {
            inputs.push(Input {
                path: path.clone(),
                is_named: true,
            });
            continue;
        }
        std::fs::metadata(path).at_path(path, "cannot be read")?;
        let is_lake = |entry: &walkdir::DirEntry| lake.is_some() && entry.path().canonicalize().ok() == lake;
        for entry in WalkDir::new(path).into_iter().filter_entry(|entry| !is_lake(entry)) {
            let entry = entry.at_path(path, "the folder cannot be read")?;
            if entry.file_type().is_file() {
                inputs.push(Input {
                    path: entry.into_path(),
                    is_named: false,
                });
            }
        }
    }
    inputs.sort();
    let mut seen = std::collections::HashSet::new();
    inputs.retain(|input| seen.insert(input.path.canonicalize().unwrap_or_else(|_| input.path.clone())));
    Ok(inputs)
}
