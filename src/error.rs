//! What can go wrong, told to a person: a lower-case fact, the path it is about, the cause, and a hint that cures it.
//!
//! Bad *records* are not errors but values (`ingest::reject`). An `Error` ends the command; its [`Kind`] decides the
//! exit code, and this file is the only place that knows the mapping (contract: design §5).

use std::fmt;
use std::path::{Path, PathBuf};

/// Why a command ended, as far as a scheduler cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The disk, the system or gatelog itself failed.
    Failed,
    /// The command line asks for something that cannot be.
    Usage,
    /// Nothing readable was given, or `--strict` met a bad record; nothing was committed.
    BadInput,
    /// Another process is writing to the lake.
    Locked,
    /// The lake is not what its manifest says.
    Faulty,
}

impl Kind {
    pub const ALL: [Kind; 5] = [Kind::Failed, Kind::Usage, Kind::BadInput, Kind::Locked, Kind::Faulty];

    /// The process exit code. 4 (committed with rejects) is an outcome, not an error.
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::BadInput => 3,
            Kind::Locked => 5,
            Kind::Faulty => 6,
        }
    }
}

/// The one error type of the library.
#[derive(Debug)]
pub struct Error {
    pub kind: Kind,
    pub path: Option<PathBuf>,
    /// The fact, without the path and without the cause.
    pub fact: String,
    pub hint: Option<String>,
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn new(kind: Kind, fact: impl Into<String>) -> Self {
        Error {
            kind,
            path: None,
            fact: fact.into(),
            hint: None,
            source: None,
        }
    }

    pub fn failed(fact: impl Into<String>) -> Self {
        Self::new(Kind::Failed, fact)
    }

    pub fn usage(fact: impl Into<String>) -> Self {
        Self::new(Kind::Usage, fact)
    }

    pub fn bad_input(fact: impl Into<String>) -> Self {
        Self::new(Kind::BadInput, fact)
    }

    pub fn at(mut self, path: impl AsRef<Path>) -> Self {
        self.path = Some(path.as_ref().to_path_buf());
        self
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            write!(f, "{}: ", path.display())?;
        }
        f.write_str(&self.fact)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|cause| &**cause as _)
    }
}

impl From<arrow::error::ArrowError> for Error {
    fn from(cause: arrow::error::ArrowError) -> Self {
        Error::failed("columns could not be processed").caused_by(cause)
    }
}

impl From<polars::error::PolarsError> for Error {
    fn from(cause: polars::error::PolarsError) -> Self {
        Error::failed("a table could not be computed").caused_by(cause)
    }
}

impl From<crate::write::publish::WriteError> for Error {
    fn from(cause: crate::write::publish::WriteError) -> Self {
        let kind = match cause {
            crate::write::publish::WriteError::Failed { .. } => Kind::Failed,
            _ => Kind::Usage,
        };
        let hint = cause.hint().map(str::to_owned);
        let source = std::error::Error::source(&cause).map(|source| source.to_string().into());
        Error {
            hint,
            source,
            ..Error::new(kind, cause.to_string())
        }
    }
}

/// Gives any failure of a file operation its path and its fact.
pub trait AtPath<T> {
    fn at_path(self, path: &Path, fact: &str) -> Result<T>;
}

impl<T, E: Into<Box<dyn std::error::Error + Send + Sync>>> AtPath<T> for std::result::Result<T, E> {
    fn at_path(self, path: &Path, fact: &str) -> Result<T> {
        self.map_err(|cause| Error::failed(fact).at(path).caused_by(cause))
    }
}
