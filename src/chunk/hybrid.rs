//! Parquet's RLE / bit-packing hybrid: a run of equal values as one, all others packed eight by eight.

/// A run of at least so many values is worth being one.
const LEAST_RUN: usize = 16;

/// How many bits a value up to `most` takes.
pub fn width_of(most: u32) -> u32 {
    u32::BITS - most.leading_zeros()
}

/// Appends the values, each of which fits into `width` bits.
pub fn encode<T: Copy + PartialEq + Into<u32>>(values: &[T], width: u32, out: &mut Vec<u8>) {
    let (mut packed_from, mut at) = (0, 0);
    while at < values.len() {
        let value = values[at];
        let length = values[at..].iter().take_while(|other| **other == value).count();
        // What is packed before a run has a multiple of eight values; the run lends what is missing.
        let lent = (packed_from..at).len().wrapping_neg() % 8;
        if length >= LEAST_RUN + lent {
            pack(&values[packed_from..at + lent], width, out);
            encode_run(value.into(), length - lent, width, out);
            packed_from = at + length;
        }
        at += length;
    }
    pack(&values[packed_from..], width, out);
}

/// Appends one value so many times.
pub fn encode_run(value: u32, times: usize, width: u32, out: &mut Vec<u8>) {
    put_varint((times as u64) << 1, out);
    out.extend_from_slice(&value.to_le_bytes()[..width.div_ceil(8) as usize]);
}

/// Packs values, filled up with zeros to a multiple of eight.
fn pack<T: Copy + Into<u32>>(values: &[T], width: u32, out: &mut Vec<u8>) {
    if values.is_empty() {
        return;
    }
    let groups = values.len().div_ceil(8);
    put_varint((groups as u64) << 1 | 1, out);
    let end = out.len() + groups * width as usize;
    let (mut held, mut bits) = (0_u64, 0);
    for &value in values {
        held |= u64::from(value.into()) << bits;
        bits += width;
        if bits >= u32::BITS {
            out.extend_from_slice(&(held as u32).to_le_bytes());
            held >>= u32::BITS;
            bits -= u32::BITS;
        }
    }
    out.extend_from_slice(&held.to_le_bytes()[..bits.div_ceil(8) as usize]);
    out.resize(end, 0);
}

fn put_varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The encoding read back, as the format's document says it.
    fn decode(mut bytes: &[u8], width: u32, count: usize) -> Vec<u32> {
        let mut found = Vec::new();
        let varint = |bytes: &mut &[u8]| {
            let (mut number, mut shift) = (0_u64, 0);
            loop {
                let byte = bytes[0];
                *bytes = &bytes[1..];
                number |= u64::from(byte & 0x7F) << shift;
                shift += 7;
                if byte < 0x80 {
                    return number;
                }
            }
        };
        while !bytes.is_empty() {
            let head = varint(&mut bytes);
            if head & 1 == 0 {
                let length = width.div_ceil(8) as usize;
                let mut value = [0; 4];
                value[..length].copy_from_slice(&bytes[..length]);
                bytes = &bytes[length..];
                found.extend(std::iter::repeat_n(u32::from_le_bytes(value), (head >> 1) as usize));
            } else {
                let packed = (head >> 1) as usize * width as usize;
                for value in 0..(head >> 1) as usize * 8 {
                    let bit = |bit: u32| {
                        let place = value * width as usize + bit as usize;
                        u32::from(bytes[place / 8] >> (place % 8) & 1) << bit
                    };
                    found.push((0..width).map(bit).sum());
                }
                bytes = &bytes[packed..];
            }
        }
        assert!(found[count..].iter().all(|&value| value == 0) && found.len() < count + 8);
        found.truncate(count);
        found
    }

    #[test]
    fn a_run_is_one_value_and_others_are_packed() {
        let mut out = Vec::new();
        encode(&[4_u32; 100], 3, &mut out);
        assert_eq!(out, [200, 1, 4]);
        out.clear();
        // The example of the format's document.
        encode(&[0_u32, 1, 2, 3, 4, 5, 6, 7], 3, &mut out);
        assert_eq!(out, [3, 0b1000_1000, 0b1100_0110, 0b1111_1010]);
        out.clear();
        encode::<u32>(&[], 3, &mut out);
        assert!(out.is_empty());
    }

    proptest! {
        #[test]
        fn values_come_back(
            runs in prop::collection::vec((any::<u32>(), 1usize..60), 0..40), width in 0u32..=32,
        ) {
            let fit = |value: u32| value & (1_u64 << width).wrapping_sub(1) as u32;
            let values: Vec<u32> = runs.iter().flat_map(|&(value, count)| std::iter::repeat_n(fit(value), count)).collect();
            let mut out = Vec::new();
            encode(&values, width, &mut out);
            prop_assert_eq!(decode(&out, width, values.len()), values);
        }
    }
}
