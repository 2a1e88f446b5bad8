//! Looking for signs in short texts: sixteen bytes at a time, since a call of a vectorised search costs more than that.

use wide::u8x16;

const BYTES: usize = 16;

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

/// Appends the byte at `at`, whatever it is, and those behind it up to the first that `mark` marks; gives the place of
/// that one, as [`find`] does.
#[inline]
pub fn copy(bytes: &[u8], mut at: usize, to: &mut Vec<u8>, mark: impl Fn(u8x16) -> u8x16) -> usize {
    // How many bytes are not looked at.
    let mut taken = 1;
    while let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk::<BYTES>) {
        // All sixteen, of which some may be too many: a copy of a length that is not known would be a call.
        to.extend_from_slice(word);
        let marks = mark(u8x16::new(*word)).to_bitmask() >> taken << taken;
        if marks != 0 {
            let length = marks.trailing_zeros() as usize;
            to.truncate(to.len() - (BYTES - length));
            return at + length;
        }
        at += BYTES;
        taken = 0;
    }
    let end = find(bytes, at + taken, mark).min(bytes.len());
    to.extend_from_slice(bytes.get(at..end).unwrap_or_default());
    end
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
                    let mut copied = b"> ".to_vec();
                    let bytes = [b"\\", bytes.as_slice()].concat();
                    assert_eq!(copy(&bytes, 0, &mut copied, mark), expected + 1, "{bytes:?}");
                    assert_eq!(copied[2..], bytes[..=expected]);
                }
            }
        }
        assert_eq!(find(b"\"", 7, mark), 7);
    }
}
