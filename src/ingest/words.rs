//! Looking for signs in short texts: sixteen bytes at a time, since a call of a vectorised search costs more than that.

use std::fmt;
use wide::u8x16;

const BYTES: usize = 16;

/// Twice as many, where all marks among them are of use: their places are told at once, while a search from the one mark
/// would have to wait for the mark before. Behind the last, and the byte that belongs to it, there must be as many again.
const LONG: usize = 2 * BYTES;
const WINDOW: usize = 2 * LONG + 2;

/// The first place from `at` on of a byte that `mark` marks, or the end. A mark is the high bit of a byte.
#[inline]
pub fn find(bytes: &[u8], mut at: usize, mark: impl Fn(u8x16) -> u8x16) -> usize {
    while let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk::<BYTES>) {
        let marks = mark(u8x16::new(*word)).to_bitmask();
        if marks != 0 {
            return at + marks.trailing_zeros() as usize;
        }
        at += BYTES;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    let is_marked = |byte: &u8| mark(u8x16::splat(*byte)).to_bitmask() != 0;
    at + rest.iter().take_while(|byte| !is_marked(byte)).count()
}

/// A bit for each of the first bytes that is marked, that of the first one lowest.
#[inline]
fn marks(window: &[u8; WINDOW], mark: impl Fn(u8x16) -> u8x16) -> u32 {
    let (words, _) = window.as_chunks::<BYTES>();
    let of_word = |word: &[u8; BYTES]| mark(u8x16::new(*word)).to_bitmask();
    of_word(&words[0]) | of_word(&words[1]) << BYTES
}

/// A text that is put together of pieces, in room that is used again and again.
#[derive(Clone, Default)]
pub struct Pieces {
    /// The text, and behind it what is left of others.
    room: Vec<u8>,
    length: usize,
}

impl Pieces {
    pub fn clear(&mut self) {
        self.length = 0;
    }

    pub fn bytes(&self) -> &[u8] {
        &self.room[..self.length]
    }

    #[inline]
    pub fn push(&mut self, byte: u8) {
        if self.length == self.room.len() {
            self.grow();
        }
        self.room[self.length] = byte;
        self.length += 1;
    }

    /// Appends what stands from `at` on up to a byte that `mark` marks, gives its place as [`find`] does, and goes on
    /// behind those marked places for which `spelled` knows the one byte that they and the byte behind them stand for.
    #[inline(always)]
    pub fn copy(
        &mut self,
        bytes: &[u8],
        mut at: usize,
        mark: impl Fn(u8x16) -> u8x16,
        spelled: impl Fn(u8, u8) -> Option<u8>,
    ) -> usize {
        loop {
            let mut rest = bytes.get(at..).unwrap_or_default();
            let mut room = &mut self.room[self.length..];
            let is_done = 'text: loop {
                let (Some(window), Some(place)) = (rest.first_chunk::<WINDOW>(), room.first_chunk_mut::<WINDOW>())
                else {
                    break false;
                };
                // All of them, whose room it is until others follow: a copy of a length that is not known would be a call.
                place[..LONG].copy_from_slice(&window[..LONG]);
                let mut marks = marks(window, &mark);
                // How many bytes they will have been, and how many of these stand for nothing.
                let (mut length, mut spared) = (LONG, 0);
                while marks != 0 {
                    let marked = marks.trailing_zeros() as usize;
                    let said = marked - spared;
                    let Some(byte) = spelled(window[marked], window[marked + 1]) else {
                        rest = &rest[marked..];
                        room = &mut std::mem::take(&mut room)[said..];
                        break 'text true;
                    };
                    place[said] = byte;
                    place[said + 1..][..LONG].copy_from_slice(&window[marked + 2..][..LONG]);
                    spared += 1;
                    length = length.max(marked + 2);
                    marks &= (u64::MAX << (marked + 2)) as u32;
                }
                rest = &rest[length..];
                room = &mut std::mem::take(&mut room)[length - spared..];
            };
            let left = room.len();
            self.length = self.room.len() - left;
            at = bytes.len().max(at) - rest.len();
            if is_done {
                return at;
            }
            if rest.len() < WINDOW {
                return self.copy_last(bytes, at, mark, spelled);
            }
            self.grow();
        }
    }

    /// The same where fewer bytes are left than are looked at together.
    #[inline(never)]
    fn copy_last(
        &mut self,
        bytes: &[u8],
        mut at: usize,
        mark: impl Fn(u8x16) -> u8x16,
        spelled: impl Fn(u8, u8) -> Option<u8>,
    ) -> usize {
        loop {
            let end = find(bytes, at, &mark);
            let rest = bytes.get(at..end).unwrap_or_default();
            rest.iter().for_each(|byte| self.push(*byte));
            let Some(byte) = bytes.get(end..end + 2).and_then(|both| spelled(both[0], both[1])) else {
                return end;
            };
            self.push(byte);
            at = end + 2;
        }
    }

    #[cold]
    fn grow(&mut self) {
        self.room.resize((2 * self.room.len()).max(1 << 10), 0);
    }
}

/// What it says comes and goes.
impl fmt::Debug for Pieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pieces")
    }
}

/// Marks this byte.
#[inline]
pub fn equal(word: u8x16, byte: u8) -> u8x16 {
    word.simd_eq(u8x16::splat(byte))
}

/// Marks bytes up to this one.
#[inline]
pub fn up_to(word: u8x16, byte: u8) -> u8x16 {
    word.min(u8x16::splat(byte)).simd_eq(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_marked_byte_is_found_wherever_it_stands() {
        let mark = |word| equal(word, b'"') | equal(word, b'\\') | up_to(word, 0x1F);
        for before in 0..40 {
            for byte in 0..=u8::MAX {
                for behind in [&b""[..], b"\"", b"!", b"\0", b"plain text of some more bytes"] {
                    let bytes = [&vec![b'!'; before], &[byte][..], behind].concat();
                    let expected = bytes.iter().position(|b| *b < b' ' || matches!(b, b'"' | b'\\'));
                    let expected = expected.unwrap_or(bytes.len());
                    assert_eq!(find(&bytes, 0, mark), expected, "{bytes:?}");
                    let mut copied = Pieces::default();
                    copied.push(b'>');
                    assert_eq!(copied.copy(&bytes, 0, mark, |_, _| None), expected, "{bytes:?}");
                    assert_eq!(copied.bytes(), [b">", &bytes[..expected]].concat());
                }
            }
        }
        assert_eq!(find(b"\"", 7, mark), 7);
        assert_eq!(Pieces::default().copy(b"\"", 7, mark, |_, _| None), 7);
    }

    #[test]
    fn pieces_are_put_together_however_long_they_are_and_wherever_a_spelling_stands() {
        let mut pieces = Pieces::default();
        let slash = |one, other| ((one, other) == (b'/', b'/')).then_some(b'-');
        for (length, every) in [(1500, 37), (3, 1), (16, 16), (40, 17), (4000, 7), (1024, 2000)] {
            let said: Vec<u8> = (1..=length).map(|n| if n % every == 0 { b'-' } else { b'a' }).collect();
            let spelled = String::from_utf8(said.clone()).unwrap().replace('-', "//");
            for behind in ["", "/", "/ plain text of some more bytes"] {
                pieces.clear();
                let text = format!("{spelled}{behind}");
                let end = pieces.copy(text.as_bytes(), 0, |word| equal(word, b'/'), slash);
                assert_eq!((end, pieces.bytes()), (spelled.len(), said.as_slice()), "{text}");
            }
        }
    }
}
