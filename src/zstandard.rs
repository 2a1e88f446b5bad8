//! zstd, with one compressor per thread: each column of each open file would have to set up tables of its own, and hold
//! them until the file is done.

use std::cell::RefCell;
use std::io::Result;
use zstd::bulk::Compressor;

thread_local! {
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
}

/// A level that looks for next to nothing, for bytes that would hardly get smaller.
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
