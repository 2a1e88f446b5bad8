//! Parquet column chunks, encoded by us: values come one at a time ([`TextChunk`] and its like) or as a page's worth
//! ([`Pages`]), are kept as codes into a dictionary or PLAIN, and leave as compressed pages.
//!
//! ```text
//! value ─▶ codes, or PLAIN bytes ──16 384 rows──▶ page ─zstd─▶ pages … ──▶ [dictionary page] pages ─▶ row group
//! ```
//!
//! Why not arrow's writer: it takes columns of texts, so rows have to become columns first, and it looks up the whole
//! text of every value again, where whoever has the row knows that it is the same as before, or a GUID of 16 bytes. The
//! files are of the same profile: flat, data pages of version 1, PLAIN, dictionary and RLE, zstd, statistics per chunk,
//! and per page for numbers, so that readers can skip pages. Figures: `benches/runs/2026-11-26-speed.md`.

mod bits;
mod by_number;
mod dictionary;
mod hybrid;
mod number;
mod pages;
mod text;

pub use bits::BitChunk;
pub use number::{NumberChunk, put_codes, put_runs};
pub use pages::{Body, Finished, Pages, percent_saved};
pub use text::TextChunk;

use crate::zstandard::Search;

/// A text, known by a number where it has one: numbers are equal and ordered as their texts, and no text comes both ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    Number(u128),
    /// UTF-8.
    Bytes(&'a [u8]),
}

/// How long the text of a number is.
pub const SPELLED_BYTES: usize = 36;

/// The text of a number.
pub type Spell = fn(u128) -> [u8; SPELLED_BYTES];

/// The level of all files. Level 3 made a file of 3 M sessions 10 % smaller (50.9 MB) and took half again as long (0.46 s).
pub const ZSTD_LEVEL: i32 = 1;

/// How pages are compressed where nothing is known of their bytes.
pub const USUAL: Search = Search::All(ZSTD_LEVEL);

/// How pages of codes are compressed: packed into bits, they hardly hold repeats.
const CODES: Search = Search::Frequent;

/// The most rows of a page: as many values as stay in a core's cache.
pub const PAGE_ROWS: usize = 1 << 14;

/// A page is full when its values take so many bytes.
const PAGE_BYTES: usize = 1 << 20;

/// A dictionary may always take so many bytes ...
const DICTIONARY_BYTES: usize = 1 << 20;

/// ... and so many if its values stand often.
const LARGE_DICTIONARY_BYTES: usize = 16 << 20;

/// How often on average.
const OFTEN: usize = 4;

/// Whether a dictionary of so many bytes and values is worth its while for so many rows. Where it is not, the pages that
/// follow hold the values themselves.
fn is_worthwhile(bytes: usize, values: usize, rows: usize) -> bool {
    bytes <= DICTIONARY_BYTES || (bytes <= LARGE_DICTIONARY_BYTES && rows >= OFTEN * values)
}
