//! gatelog: who used Dynamics 365 / Dataverse, through which client, for how long, and when nobody was watching.
//!
//! ```text
//! exports ──ingest──▶ lake (Parquet + manifest) ──report──▶ tables ──write──▶ Parquet · CSV · JSON · terminal
//! ```
//!
//! ```no_run
//! use gatelog::{ingest, lake::Lake, report, write};
//! # fn main() -> gatelog::error::Result<()> {
//! ingest::ingest(&ingest::Plan::new(vec!["exports".into()], "lake".into()), &|_| {})?;
//! let lake = Lake::open("lake".as_ref())?;
//! let options = report::options::Options::default();
//! let tables = report::compute(&lake, &report::Report::ALL, &options, &report::Scratch::new("."))?;
//! let names = report::Report::ALL.map(report::Report::name);
//! write::write_all("reports".as_ref(), &tables, &names, &[write::Format::Parquet], &[])?;
//! # Ok(())
//! # }
//! ```
//!
//! The library never prints, reads no environment variable and asks no clock.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

mod ahead;
mod chunk;
pub mod columns;
pub mod disk;
pub mod error;
pub mod generate;
pub mod ingest;
pub mod instant;
pub mod lake;
pub mod query;
pub mod record;
pub mod report;
pub mod write;
mod zstandard;
