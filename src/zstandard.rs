//! zstd, with one compressor and one decompressor per thread: each column of each open file would have to set up tables of
//! its own, and hold them until the file is done.

use bytes::Bytes;
use std::cell::RefCell;
use std::io::Result;
use std::ops::Range;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::{CParameter, ParamSwitch, get_frame_content_size};

thread_local! {
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// What is looked for in bytes to make them fewer.
#[derive(Debug, Clone, Copy)]
pub enum Search {
    /// Repeats, and bytes that are frequent; how hard, a level of zstd says.
    All(i32),
    /// Only bytes that are frequent, such as the digits of ids, of which no two are alike.
    Frequent,
    /// Nothing, for bytes that would hardly get fewer.
    Nothing,
}

/// A level that finds next to no repeats.
const BLIND: i32 = -10_000;

/// The bytes as a frame of their own.
pub fn compress(bytes: &[u8], search: Search) -> Result<Vec<u8>> {
    let (level, literals) = match search {
        Search::All(level) => (level, ParamSwitch::Auto),
        Search::Frequent => (BLIND, ParamSwitch::Enable),
        Search::Nothing => return Ok(stored(bytes)),
    };
    COMPRESSOR.with_borrow_mut(|compressor| {
        let compressor = match compressor {
            Some(compressor) => compressor,
            None => compressor.insert(Compressor::new(level)?),
        };
        compressor.set_compression_level(level)?;
        compressor.set_parameter(CParameter::LiteralCompressionMode(literals))?;
        // It has room for the worst case, and pages wait until their row group is full.
        Ok(compressor.compress(bytes)?.as_slice().to_vec())
    })
}

/// A damaged frame may say any size; of one that says more than this, or nothing, is taken what comes.
const MOST_BYTES: u64 = 1 << 28;

/// The bytes of a frame; without a copy if they are one block that is stored as it is.
pub fn decompress(frame: &Bytes) -> Result<Bytes> {
    match in_one_block(frame) {
        Some(block) => Ok(frame.slice(block)),
        None => decompress_blocks(frame).map(Bytes::from),
    }
}

fn decompress_blocks(frame: &[u8]) -> Result<Vec<u8>> {
    let size = get_frame_content_size(frame).ok().flatten();
    let Some(size) = size.filter(|size| *size <= MOST_BYTES) else {
        return zstd::decode_all(frame);
    };
    DECOMPRESSOR.with_borrow_mut(|decompressor| {
        let decompressor = match decompressor {
            Some(decompressor) => decompressor,
            None => decompressor.insert(Decompressor::new()?),
        };
        decompressor.decompress(frame, size as usize)
    })
}

/// The most bytes of a block.
const BLOCK_BYTES: usize = 1 << 17;

const MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();

/// The size of all stands in eight bytes behind it, and is that of the window.
const DESCRIPTOR: u8 = 0b1110_0000;

/// The head of a frame, and with that of a block.
const HEAD_BYTES: usize = 13;
pub const AHEAD_BYTES: usize = HEAD_BYTES + 3;

/// An empty block, the last one.
const END: [u8; 3] = [1, 0, 0];

/// A frame of blocks that are stored as they are (RFC 8878, 3.1.1).
fn stored(bytes: &[u8]) -> Vec<u8> {
    let blocks = bytes.chunks(BLOCK_BYTES);
    let mut frame = Vec::with_capacity(bytes.len() + HEAD_BYTES + END.len() + 3 * blocks.len());
    frame.extend_from_slice(&head(bytes.len()));
    for block in blocks {
        frame.extend_from_slice(&head_of_block(block.len()));
        frame.extend_from_slice(block);
    }
    frame.extend_from_slice(&END);
    frame
}

/// What stands before so many bytes, and behind them, where they are stored as one block; `None` if they are too many.
pub fn around_one_block(length: usize) -> Option<([u8; AHEAD_BYTES], [u8; END.len()])> {
    let mut ahead = [0; AHEAD_BYTES];
    ahead[..HEAD_BYTES].copy_from_slice(&head(length));
    ahead[HEAD_BYTES..].copy_from_slice(&head_of_block(length));
    (1..=BLOCK_BYTES).contains(&length).then_some((ahead, END))
}

fn head(length: usize) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    head[..4].copy_from_slice(&MAGIC);
    head[4] = DESCRIPTOR;
    head[5..].copy_from_slice(&(length as u64).to_le_bytes());
    head
}

fn head_of_block(length: usize) -> [u8; 3] {
    let [first, second, third, _] = ((length as u32) << 3).to_le_bytes();
    [first, second, third]
}

/// Where the bytes stand in a frame that was [stored](stored) as one block.
fn in_one_block(frame: &[u8]) -> Option<Range<usize>> {
    let rest = frame.strip_prefix(&MAGIC)?.strip_prefix(&[DESCRIPTOR])?;
    let (size, rest) = rest.split_first_chunk::<8>()?;
    let (head, block) = rest.strip_suffix(&END)?.split_first_chunk::<3>()?;
    let is_whole = u64::from_le_bytes(*size) == block.len() as u64 && block.len() <= BLOCK_BYTES;
    let is_stored = *head == head_of_block(block.len());
    let start = frame.len() - END.len() - block.len();
    (is_whole && is_stored).then_some(start..start + block.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_frame_or_says_too_much_is_an_error() {
        let decompress = |frame: &[u8]| decompress(&Bytes::copy_from_slice(frame));
        assert!(decompress(b"").is_err());
        assert!(decompress(b"no frame").is_err());
        for place in 0..stored(b"some").len() {
            let mut frame = stored(b"some");
            assert_eq!(decompress(&frame).unwrap(), b"some".as_slice());
            frame[place] ^= 0x80;
            let found = decompress(&frame);
            assert!(found.is_err() || (16..20).contains(&place), "byte {place}");
        }
        let mut frame = stored(b"some");
        frame[5..13].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(decompress(&frame).is_err());
    }

    proptest! {
        #[test]
        fn whatever_is_looked_for_the_same_bytes_come_back(
            length in prop_oneof![0usize..300, BLOCK_BYTES - 2..BLOCK_BYTES + 2, Just(3 * BLOCK_BYTES)],
            digits in 1u8..=255,
        ) {
            let bytes: Vec<u8> = (0..length).map(|place| (place * place % 251) as u8 % digits).collect();
            if let Some((ahead, end)) = around_one_block(length) {
                prop_assert_eq!([&ahead[..], &bytes, &end].concat(), stored(&bytes));
            }
            for search in [Search::All(1), Search::All(-3), Search::Frequent, Search::Nothing] {
                let frame = Bytes::from(compress(&bytes, search).unwrap());
                prop_assert_eq!(&decompress(&frame).unwrap(), &bytes);
                prop_assert_eq!(&zstd::decode_all(&*frame).unwrap(), &bytes);
                prop_assert!(decompress(&frame.slice(..frame.len() - 1)).is_err());
            }
        }
    }
}
