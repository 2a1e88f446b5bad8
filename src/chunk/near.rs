//! zstd frames of numbers of 8 bytes that lie near each other, made without a search: instants of one person after the
//! other.
//!
//! Of a number's bytes, the lowest first, the upper three are mostly those of the number before. So a *sequence*, zstd's
//! word for bytes as they are (*literals*) and then some to copy, is five literals and a copy of three bytes from eight
//! before. Where the upper bytes change, a number is literals as a whole, and the next sequence has 13. Nothing else is
//! looked for: the lower bytes of instants are as good as random.
//!
//! A block is a header, the literals and the sequences (RFC 8878, 3.1.1). Which of its two lengths a sequence has is told
//! by the states of a table (FSE) in which the short one is seven times as likely: by less than a bit. All else is the same
//! for all sequences; the distance of copies is spelled out in the first block, and then "the last one again".

/// The bytes of a number, and those of them that are literals.
const NUMBER: usize = 8;
const LOW: usize = 5;

/// Magic number; one segment, the length of the content in four bytes.
const FRAME: [u8; 5] = [0x28, 0xB5, 0x2F, 0xFD, 0xA0];

/// The most bytes that a block may stand for.
const MOST_BLOCK: usize = 128 << 10;

/// Numbers of the first block.
const FIRST_NUMBERS: usize = 64;

/// A table of 32 states for lengths of literals: 5 has 28 of them, 13 has 4.
const TABLE: [u8; 4] = [0x10, 0xAE, 0xF7, 0x1C];
const STATES: usize = 32;
const SHORT_STATES: usize = 28;

/// How the three parts of sequences are told: literals by a table that follows, distances and copies by one value.
const MODES: u8 = 2 << 6 | 1 << 4 | 1 << 2;

/// Distance 8, as one of those from 5 to 12 of which three bits say which; or the last one again.
const SPELLED: (u8, u64, u32) = (3, 3, 3);
const AGAIN: (u8, u64, u32) = (0, 0, 0);

/// The frame of numbers; `None` where they are too far from each other.
pub fn compress(numbers: &[u8]) -> Option<Vec<u8>> {
    let (numbers, []) = numbers.as_chunks::<NUMBER>() else {
        return None;
    };
    if numbers.is_empty() {
        return None;
    }
    let content = numbers.len() * NUMBER;
    let mut frame = Vec::with_capacity(content);
    frame.extend_from_slice(&FRAME);
    frame.extend_from_slice(&u32::try_from(content).ok()?.to_le_bytes());
    let states = States::new();
    let (mut block, mut given, mut is_spelled) = (Block::default(), 0, false);
    while given < numbers.len() {
        let (most, distance) = match is_spelled {
            false => (FIRST_NUMBERS, SPELLED),
            true => (MOST_BLOCK / NUMBER, AGAIN),
        };
        let rest = &numbers[given..];
        let before = given.checked_sub(1).map(|last| &numbers[last]);
        let count = block.take(&rest[..rest.len().min(most)], before);
        given += count;
        is_spelled |= block.put(
            rest[..count].as_flattened(),
            distance,
            &states,
            given == numbers.len(),
            &mut frame,
        );
        if frame.len() * 8 > given * NUMBER * 7 + FIRST_NUMBERS * NUMBER {
            return None;
        }
    }
    Some(frame)
}

/// The frame of bytes as they are.
pub fn store(bytes: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(bytes.len() + bytes.len() / MOST_BLOCK * 3 + 16);
    frame.extend_from_slice(&FRAME);
    frame.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    let mut left = bytes;
    loop {
        let (block, rest) = left.split_at(left.len().min(MOST_BLOCK));
        frame.extend_from_slice(&header(AS_IT_IS, block.len(), rest.is_empty()));
        frame.extend_from_slice(block);
        left = rest;
        if left.is_empty() {
            return frame;
        }
    }
}

/// Kinds of blocks.
const AS_IT_IS: u32 = 0;
const COMPRESSED: u32 = 2;

fn header(kind: u32, bytes: usize, is_last: bool) -> [u8; 3] {
    let [first, second, third, _] = (u32::from(is_last) | kind << 1 | (bytes as u32) << 3).to_le_bytes();
    [first, second, third]
}

/// What a block is made of.
#[derive(Default)]
struct Block {
    literals: Vec<u8>,
    /// For each sequence whether it has 13 literals.
    is_long: Vec<bool>,
    bits: Vec<u8>,
}

impl Block {
    /// Takes the next numbers, up to a second one in a row of which the upper bytes are others than before: which come
    /// after the last sequence. Gives how many these are.
    fn take(&mut self, numbers: &[[u8; NUMBER]], before: Option<&[u8; NUMBER]>) -> usize {
        let upper = |number: &[u8; NUMBER]| u64::from_le_bytes(*number) >> (8 * LOW);
        let mut last = before.map_or(u64::MAX, upper);
        let (mut is_long, mut is_over) = (false, false);
        self.is_long.clear();
        self.literals.resize(numbers.len() * NUMBER, 0);
        let (mut end, mut count) = (0, 0);
        for number in numbers {
            let is_same = upper(number) == last;
            if is_same && is_over {
                break;
            }
            last = upper(number);
            // All bytes of it, of which the next number covers those that are copied.
            self.literals[end..end + NUMBER].copy_from_slice(number);
            end += if is_same { LOW } else { NUMBER };
            if is_same {
                self.is_long.push(is_long);
            }
            is_over |= is_long && !is_same;
            is_long = !is_same;
            count += 1;
        }
        self.literals.truncate(end);
        count
    }

    /// Appends the block, which stands for these bytes; gives whether it has sequences. Where these would gain nothing, the
    /// bytes stand there as they are.
    fn put(
        &mut self,
        content: &[u8],
        distance: (u8, u64, u32),
        states: &States,
        is_last: bool,
        frame: &mut Vec<u8>,
    ) -> bool {
        let count = self.is_long.len();
        if count > 0 {
            states.put(&self.is_long, distance, &mut self.bits);
            let (code, ..) = distance;
            let start = frame.len();
            frame.extend_from_slice(&[0; 3]);
            // Raw literals, their number in 20 bits.
            let [first, second, third, _] = (0b1100 | (self.literals.len() as u32) << 4).to_le_bytes();
            frame.extend_from_slice(&[first, second, third]);
            frame.extend_from_slice(&self.literals);
            match count {
                ..128 => frame.push(count as u8),
                _ => frame.extend_from_slice(&[(count >> 8) as u8 | 0x80, count as u8]),
            }
            frame.push(MODES);
            frame.extend_from_slice(&TABLE);
            // Copies of three bytes have the code 0.
            frame.extend_from_slice(&[code, 0]);
            frame.extend_from_slice(&self.bits);
            let bytes = frame.len() - start - 3;
            if bytes < content.len() {
                frame[start..start + 3].copy_from_slice(&header(COMPRESSED, bytes, is_last));
                return true;
            }
            frame.truncate(start);
        }
        frame.extend_from_slice(&header(AS_IT_IS, content.len(), is_last));
        frame.extend_from_slice(content);
        false
    }
}

/// A state, and the bits that lead from it to the one that follows.
#[derive(Clone, Copy, Default)]
struct Step {
    state: u8,
    bits: u8,
    width: u8,
}

/// For each of the two lengths, and each state that follows, the step that leads there.
struct States([[Step; STATES]; 2]);

impl States {
    fn new() -> States {
        let mut steps = [[Step::default(); STATES]; 2];
        let mut lengths = [0; STATES];
        let mut at = 0;
        for place in 0..STATES {
            lengths[at] = usize::from(place >= SHORT_STATES);
            at = (at + STATES / 2 + STATES / 8 + 3) % STATES;
        }
        let mut next = [SHORT_STATES, STATES - SHORT_STATES];
        for (state, length) in lengths.into_iter().enumerate() {
            let width = STATES.ilog2() - next[length].ilog2();
            let first = (next[length] << width) - STATES;
            for bits in 0..1 << width {
                steps[length][first + bits] = Step {
                    state: state as u8,
                    bits: bits as u8,
                    width: width as u8,
                };
            }
            next[length] += 1;
        }
        States(steps)
    }

    /// The bits of sequences, which are read from their end: so the last sequence comes first.
    fn put(&self, is_long: &[bool], (_, extra, extra_width): (u8, u64, u32), to: &mut Vec<u8>) {
        to.clear();
        let (mut held, mut width) = (0_u64, 0);
        let mut state = None;
        for &is_long in is_long.iter().rev() {
            let steps = &self.0[usize::from(is_long)];
            match state {
                // Any state of this length will do as the last.
                None => state = Some(steps[0].state),
                Some(next) => {
                    let step = steps[usize::from(next)];
                    held |= u64::from(step.bits) << width;
                    width += u32::from(step.width);
                    state = Some(step.state);
                }
            }
            held |= extra << width;
            width += extra_width;
            if width >= u32::BITS {
                to.extend_from_slice(&(held as u32).to_le_bytes());
                held >>= u32::BITS;
                width -= u32::BITS;
            }
        }
        held |= u64::from(state.unwrap_or(0)) << width;
        width += STATES.ilog2();
        // A one says where the bits end.
        held |= 1 << width;
        to.extend_from_slice(&held.to_le_bytes()[..(width / 8 + 1) as usize]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(numbers: &[i64]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    fn decompressed(frame: &[u8], length: usize) -> Vec<u8> {
        zstd::bulk::decompress(frame, length).expect("a frame")
    }

    #[test]
    fn instants_of_a_year_take_little_more_than_five_bytes_each() {
        let numbers: Vec<i64> = (0..16_384)
            .map(|row| 1_767_225_600_000_000 + row * 16_000_003_331)
            .collect();
        let frame = compress(&bytes(&numbers)).expect("near ones");
        assert_eq!(decompressed(&frame, 1 << 17), bytes(&numbers));
        assert!(frame.len() < 16_384 * 5 + 2_000, "{}", frame.len());
    }

    #[test]
    fn numbers_far_from_each_other_are_none_of_ours_and_neither_are_other_bytes_or_none() {
        let numbers: Vec<i64> = (0..2_000).map(|row| row << 41).collect();
        assert!(compress(&bytes(&numbers)).is_none());
        assert!(compress(&[1, 2, 3]).is_none());
        assert!(compress(&[]).is_none());
    }

    #[test]
    fn bytes_as_they_are_are_a_frame() {
        for length in [0, 1, 1000, MOST_BLOCK, MOST_BLOCK + 1, 3 * MOST_BLOCK] {
            let bytes: Vec<u8> = (0..length).map(|place| (place * place) as u8).collect();
            assert_eq!(decompressed(&store(&bytes), length), bytes);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

        #[test]
        fn any_reader_of_zstd_reads_the_numbers(
            runs in prop::collection::vec((prop_oneof![9 => 1_i64 << 30..1 << 37, 1 => any::<i64>()], 1usize..300), 1..60),
        ) {
            let mut on = 1_767_225_600_000_000_i64;
            let mut numbers = Vec::new();
            for (step, count) in runs {
                for _ in 0..count {
                    numbers.push(on);
                    on = on.wrapping_add(step);
                }
            }
            let numbers = bytes(&numbers);
            if let Some(frame) = compress(&numbers) {
                prop_assert!(frame.len() < numbers.len() + 64);
                prop_assert_eq!(decompressed(&frame, numbers.len()), numbers);
            }
        }
    }
}
