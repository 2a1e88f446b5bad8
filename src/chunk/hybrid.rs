//! Parquet's RLE / bit-packing hybrid: a run of equal values as one, all others packed eight by eight.

/// A run of at least so many values is worth being one.
const LEAST_RUN: usize = 16;

/// How many values are packed together.
const GROUP: usize = 8;

/// How many bits a value up to `most` takes.
pub fn width_of(most: u32) -> u32 {
    u32::BITS - most.leading_zeros()
}

/// Appends the values, each of which fits into `width` bits. Runs are looked for in whole groups: that costs a
/// comparison a group, and a run loses only its ends.
pub fn encode<T: Copy + PartialEq + Into<u32>>(values: &[T], width: u32, out: &mut Vec<u8>) {
    let (groups, rest) = values.as_chunks::<GROUP>();
    let are_all = |group: &[T], value: T| group.iter().fold(true, |all, other| all & (*other == value));
    let (mut packed_from, mut at) = (0, 0);
    while at < groups.len() {
        let value = groups[at][0];
        let alike = groups[at..].iter().take_while(|group| are_all(*group, value)).count();
        if alike * GROUP >= LEAST_RUN {
            let (start, mut end) = (at * GROUP, (at + alike) * GROUP);
            if at + alike == groups.len() && are_all(rest, value) {
                end = values.len();
            }
            pack(&values[packed_from..start], width, out);
            encode_run(value.into(), end - start, width, out);
            packed_from = end;
        }
        at += alike.max(1);
    }
    pack(&values[packed_from..], width, out);
}

/// Appends runs: values, each so many times.
pub fn encode_runs(runs: &[(u32, u32)], width: u32, out: &mut Vec<u8>) {
    let mut packed: Vec<u32> = Vec::new();
    for &(value, times) in runs {
        let times = times as usize;
        // What is packed before a run has a multiple of eight values; the run lends what is missing.
        let lent = packed.len().wrapping_neg() % GROUP;
        if times >= LEAST_RUN + lent {
            packed.resize(packed.len() + lent, value);
            pack(&packed, width, out);
            packed.clear();
            encode_run(value, times - lent, width, out);
        } else {
            packed.resize(packed.len() + times, value);
        }
    }
    pack(&packed, width, out);
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
    let count = values.len().div_ceil(GROUP);
    put_varint((count as u64) << 1 | 1, out);
    out.reserve(count * width as usize + 32);
    let (groups, rest) = values.as_chunks::<GROUP>();
    groups
        .iter()
        .for_each(|group| pack_group(group.map(Into::into), width, out));
    if !rest.is_empty() {
        let mut last = [0; GROUP];
        last.iter_mut()
            .zip(rest)
            .for_each(|(last, value)| *last = (*value).into());
        pack_group(last, width, out);
    }
}

/// Eight values of up to 32 bits: two by two, then four by four, so that they do not wait for each other.
fn pack_group(values: [u32; GROUP], width: u32, out: &mut Vec<u8>) {
    let pair = |at: usize| u64::from(values[at]) | u64::from(values[at + 1]) << width;
    let four = |at: usize| u128::from(pair(at)) | u128::from(pair(at + 2)) << (2 * width);
    let (first, second) = (four(0), four(4));
    let mut bytes = [0; 32];
    if width <= 16 {
        let all = first | second.checked_shl(4 * width).unwrap_or(0);
        bytes[..16].copy_from_slice(&all.to_le_bytes());
    } else {
        let (low, high) = (
            first | second.checked_shl(4 * width).unwrap_or(0),
            second >> (128 - 4 * width),
        );
        bytes[..16].copy_from_slice(&low.to_le_bytes());
        bytes[16..].copy_from_slice(&high.to_le_bytes());
    }
    // A copy of so many bytes that the compiler knows.
    let end = out.len() + width as usize;
    out.extend_from_slice(&bytes);
    out.truncate(end);
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
            prop_assert_eq!(decode(&out, width, values.len()), values.clone());
            let runs: Vec<(u32, u32)> = runs.iter().map(|&(value, times)| (fit(value), times as u32)).collect();
            out.clear();
            encode_runs(&runs, width, &mut out);
            prop_assert_eq!(decode(&out, width, values.len()), values);
        }
    }
}
