//! Parquet's hybrid encoding of small numbers: runs of one value and how often it repeats, or of values packed into some
//! bits each, eight together.
//!
//! Example: 5 5 5 5 5 5 5 5 5 5 1 of three bits are the run "10 times 5", then one group of eight with the 1 in front.

/// Bits of the largest of some numbers.
pub fn width(most: u32) -> usize {
    (u32::BITS - most.leading_zeros()) as usize
}

/// Writes numbers of so many bits each.
pub fn put(numbers: &[u32], width: usize, to: &mut Vec<u8>) {
    // Numbers from `start` on are not written; those before `at` are to be packed.
    let (mut start, mut at) = (0, 0);
    while at < numbers.len() {
        let value = numbers[at];
        let rest = &numbers[at..];
        let count = rest.iter().position(|number| *number != value).unwrap_or(rest.len());
        // What is packed is packed by eights, so the run may have to give some away.
        let given = (at - start).next_multiple_of(8) - (at - start);
        if count >= given + 8 {
            put_packed(&numbers[start..at + given], width, to);
            put_repeated(value, count - given, width, to);
            start = at + count;
        }
        at += count;
    }
    put_packed(&numbers[start..], width, to);
}

/// Writes one number, so many times.
pub fn put_repeated(value: u32, count: usize, width: usize, to: &mut Vec<u8>) {
    put_header(count << 1, to);
    to.extend_from_slice(&value.to_le_bytes()[..width.div_ceil(8)]);
}

/// The last group is filled up with zeros.
fn put_packed(numbers: &[u32], width: usize, to: &mut Vec<u8>) {
    if numbers.is_empty() {
        return;
    }
    put_header(numbers.len().div_ceil(8) << 1 | 1, to);
    let end = to.len() + numbers.len().div_ceil(8) * width;
    to.reserve(end + 4 - to.len());
    let (mut word, mut bits) = (0u64, 0);
    for number in numbers {
        word |= u64::from(*number) << bits;
        bits += width;
        if bits >= 32 {
            to.extend_from_slice(&(word as u32).to_le_bytes());
            word >>= 32;
            bits -= 32;
        }
    }
    to.extend_from_slice(&(word as u32).to_le_bytes());
    to.resize(end, 0);
}

/// Seven bits a byte, the lowest first.
fn put_header(mut header: usize, to: &mut Vec<u8>) {
    while header >= 0x80 {
        to.push(header as u8 | 0x80);
        header >>= 7;
    }
    to.push(header as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(numbers: &[u32], width: usize) -> Vec<u8> {
        let mut to = Vec::new();
        put(numbers, width, &mut to);
        to
    }

    #[test]
    fn what_repeats_is_one_run_and_the_rest_is_packed_by_eights() {
        assert_eq!(bytes(&[5; 10], 3), [20, 5]);
        assert_eq!(
            bytes(&[0, 1, 2, 3, 4, 5, 6, 7], 3),
            [3, 0b1000_1000, 0b1100_0110, 0b1111_1010]
        );
        let mixed = [&[1][..], &[2; 15], &[3]].concat();
        assert_eq!(bytes(&mixed, 2), [3, 0b1010_1001, 0b1010_1010, 16, 2, 3, 3, 0]);
        assert!(bytes(&[], 3).is_empty());
        assert_eq!(bytes(&[0; 300], 0), [0xd8, 4]);
    }

    #[test]
    fn a_width_has_room_for_the_largest_number() {
        assert_eq!([0, 1, 2, 255, 256, u32::MAX].map(width), [0, 1, 2, 8, 9, 32]);
    }
}
