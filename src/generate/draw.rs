//! Random draws that need no memory: a SplitMix64 generator that starts anywhere.
//!
//! Each stream is named by (seed, purpose, a, b), for example (7, Workday, person 12, day 30). A stream never depends
//! on another one having been read, so any day, person or row can be made alone and on any thread. Only integers are
//! used: the same seed gives the same log on every machine.

/// What a stream is for. The numbers are part of the output: changing one changes every log.
#[derive(Debug, Clone, Copy)]
pub enum Purpose {
    /// a = person
    Person = 1,
    /// a = person, b = day
    Workday = 2,
    /// a = person, b = week
    Leave = 3,
    /// a = person
    PersonId = 4,
    /// a = number of the fixed id
    FixedId = 5,
    /// a = ordinal of the row
    AuditId = 6,
    /// a = ordinal of the row
    Row = 7,
    /// a = number of the window
    Window = 8,
    /// a = day
    Deletion = 9,
    /// a = number of the slice
    Changes = 10,
    /// a = transaction, b = second
    Transaction = 11,
    /// a = table, b = record
    RecordId = 12,
    /// a = table, b = column
    Metadata = 13,
    /// a = page
    Repeats = 14,
    /// a = person
    User = 15,
}

pub type Guid = [u8; 16];

#[derive(Debug, Clone)]
pub struct Draw(u64);

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

fn mix(state: u64) -> u64 {
    let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Draw {
    pub fn new(seed: u64, purpose: Purpose, a: u64, b: u64) -> Draw {
        let stream = mix(seed.wrapping_add(GOLDEN.wrapping_mul(purpose as u64)));
        let first = mix(stream ^ a.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        Draw(first ^ b.wrapping_mul(0xA24B_AED4_963E_E407))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// A number in `0..bound`; 0 when the bound is 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        // The upper half times the bound, shifted: no division, and a bias far below what a log could show.
        (((self.next() >> 32) * u64::from(bound)) >> 32) as u32
    }

    pub fn chance(&mut self, per_mille: u32) -> bool {
        self.below(1000) < per_mille
    }

    pub fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T], fallback: &'a T) -> &'a T {
        let at = self.below(from.len() as u32) as usize;
        from.get(at).copied().unwrap_or(fallback)
    }

    /// A version 4 GUID.
    pub fn guid(&mut self) -> Guid {
        let mut guid = [0; 16];
        guid[..8].copy_from_slice(&self.next().to_be_bytes());
        guid[8..].copy_from_slice(&self.next().to_be_bytes());
        guid[6] = (guid[6] & 0x0F) | 0x40;
        guid[8] = (guid[8] & 0x3F) | 0x80;
        guid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_independent_of_each_other() {
        let first = Draw::new(1, Purpose::Person, 2, 3).next();
        assert_eq!(first, Draw::new(1, Purpose::Person, 2, 3).next());
        assert_ne!(first, Draw::new(1, Purpose::Person, 3, 2).next());
        assert_ne!(first, Draw::new(1, Purpose::Workday, 2, 3).next());
        assert_ne!(first, Draw::new(2, Purpose::Person, 2, 3).next());
    }

    #[test]
    fn draws_stay_below_their_bound_and_reach_it() {
        let mut draw = Draw::new(1, Purpose::Row, 0, 0);
        let seen: std::collections::BTreeSet<u32> = (0..200).map(|_| draw.below(6)).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
        assert_eq!(draw.below(0), 0);
    }
}
