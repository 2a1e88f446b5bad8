//! Looking for signs in short texts: eight bytes at a time, since a call of a vectorised search costs more than that.

const ONES: u64 = u64::from_le_bytes([1; 8]);
const HIGH: u64 = u64::from_le_bytes([0x80; 8]);

/// The first place from `at` on of a byte that `mark` marks, or the end. A mark is the high bit of a byte; behind the
/// first one they may be wrong.
#[inline]
pub fn find(bytes: &[u8], mut at: usize, mark: impl Fn(u64) -> u64) -> usize {
    while let Some(word) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let found = mark(u64::from_le_bytes(*word)) & HIGH;
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let alone = |byte: &u8| u64::from_le_bytes([*byte, b'.', b'.', b'.', b'.', b'.', b'.', b'.']);
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| mark(alone(byte)) & 0x80 == 0).count()
}

/// Appends the bytes from `at` on to `to`, up to the first that `mark` marks, and gives its place, as [`find`] does.
#[inline]
pub fn copy(bytes: &[u8], mut at: usize, to: &mut Vec<u8>, mark: impl Fn(u64) -> u64) -> usize {
    while let Some(word) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        // All eight, of which some may be too many: a copy of a length that is not known would be a call.
        to.extend_from_slice(word);
        let found = mark(u64::from_le_bytes(*word)) & HIGH;
        if found != 0 {
            let length = found.trailing_zeros() as usize / 8;
            to.truncate(to.len() - (8 - length));
            return at + length;
        }
        at += 8;
    }
    let end = find(bytes, at, mark);
    to.extend_from_slice(bytes.get(at..end).unwrap_or_default());
    end
}

/// Marks this byte.
#[inline]
pub fn equal(word: u64, byte: u8) -> u64 {
    let other = word ^ (ONES * u64::from(byte));
    other.wrapping_sub(ONES) & !other
}

/// Marks bytes below this one, which is ASCII.
#[inline]
pub fn below(word: u64, byte: u8) -> u64 {
    word.wrapping_sub(ONES * u64::from(byte)) & !word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_marked_byte_is_found_wherever_it_stands() {
        let mark = |word| equal(word, b'"') | equal(word, b'\\') | below(word, b' ');
        for before in 0..20 {
            for byte in 0..=u8::MAX {
                for behind in [&b""[..], b"\"", b"!", b"\0", b"plain text"] {
                    let bytes = [&vec![b'!'; before], &[byte][..], behind].concat();
                    let expected = bytes.iter().position(|b| *b < b' ' || matches!(b, b'"' | b'\\'));
                    let expected = expected.unwrap_or(bytes.len());
                    assert_eq!(find(&bytes, 0, mark), expected, "{bytes:?}");
                    let mut copied = b"> ".to_vec();
                    assert_eq!(copy(&bytes, 0, &mut copied, mark), expected, "{bytes:?}");
                    assert_eq!(copied[2..], bytes[..expected]);
                }
            }
        }
        assert_eq!(find(b"\"", 7, mark), 7);
    }
}
