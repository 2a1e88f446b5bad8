//! zstd, with one compressor per thread: each column of each open file would have to set up tables of its own, and hold
//! them until the file is done.

use std::cell::RefCell;
use std::io::Result;
use zstd::bulk::Compressor;
use zstd::zstd_safe::{CParameter, ParamSwitch};

thread_local! {
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
}

/// What is looked for in bytes to make them fewer.
#[derive(Debug, Clone, Copy)]
pub enum Search {
    /// Repeats, and bytes that are frequent; how hard, a level of zstd says.
    All(i32),
    /// Only bytes that are frequent, such as the digits of ids, of which no two are alike.
    Frequent,
    /// Next to nothing, for bytes that would hardly get fewer.
    Nothing,
}

/// A level that finds next to no repeats.
const BLIND: i32 = -10_000;

/// The bytes as a frame of their own.
pub fn compress(bytes: &[u8], search: Search) -> Result<Vec<u8>> {
    let (level, literals) = match search {
        Search::All(level) => (level, ParamSwitch::Auto),
        Search::Frequent => (BLIND, ParamSwitch::Enable),
        Search::Nothing => (BLIND, ParamSwitch::Auto),
    };
    COMPRESSOR.with_borrow_mut(|compressor| {
        let compressor = match compressor {
            Some(compressor) => compressor,
            None => compressor.insert(Compressor::new(level)?),
        };
        compressor.set_compression_level(level)?;
        compressor.set_parameter(CParameter::LiteralCompressionMode(literals))?;
        compressor.compress(bytes)
    })
}
