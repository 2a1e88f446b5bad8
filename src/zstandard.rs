//! zstd, with one compressor per thread: what it works with takes more time to set up than many a page to compress, and
//! each column of each open file would hold some 700 KB of it.

use std::cell::RefCell;
use std::io::Result;
use zstd::bulk::Compressor;

thread_local! {
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
}

/// A level at which bytes hardly get smaller, in hardly more time than it takes to copy them.
pub const AS_THEY_ARE: i32 = -10_000;

/// The bytes as a frame of their own.
pub fn compress(bytes: &[u8], level: i32) -> Result<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|compressor| {
        let compressor = match compressor {
            Some(compressor) => compressor,
            None => compressor.insert(Compressor::new(level)?),
        };
        compressor.set_compression_level(level)?;
        compressor.compress(bytes)
    })
}
