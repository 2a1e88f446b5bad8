//! Tables by number, where a hash that holds off attackers would be most of the work.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// Codes by a number.
pub type ByNumber<K> = HashMap<K, u32, BuildHasherDefault<Spread>>;

/// How much memory they take, about.
pub fn bytes_of<K>(codes: &ByNumber<K>) -> usize {
    // Of eight places seven are used at most, and each has a byte that says how.
    codes.capacity() / 7 * 8 * (size_of::<(K, u32)>() + 1)
}

/// A number of 128 bits. Aligned as one, it would take half as much room again beside its code.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Unaligned([u8; 16]);

impl Unaligned {
    pub fn of(number: u128) -> Unaligned {
        Unaligned(number.to_le_bytes())
    }
}

impl Hash for Unaligned {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(u128::from_le_bytes(self.0));
    }
}

/// Spreads numbers over 64 bits by a product.
#[derive(Default)]
pub struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(byte.into()));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        let product = u128::from(self.0 ^ number ^ 0x9E37_79B9_7F4A_7C15) * 0xD6E8_FEB8_6659_FD93;
        self.0 = product as u64 ^ (product >> 64) as u64;
    }

    fn write_u128(&mut self, number: u128) {
        self.write_u64(number as u64);
        self.write_u64((number >> 64) as u64);
    }

    fn write_i64(&mut self, number: i64) {
        self.write_u64(number as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tables_take_is_told_of_all_places_they_have() {
        let mut codes = ByNumber::<Unaligned>::default();
        assert_eq!(bytes_of(&codes), 0);
        for number in 0..100_000_u32 {
            codes.insert(Unaligned::of(u128::from(number) << 96), number);
        }
        assert_eq!(codes.get(&Unaligned::of(7 << 96)), Some(&7));
        assert_eq!(codes.get(&Unaligned::of(7)), None);
        // A power of two, of which at most seven in eight are used; 16 bytes, a code of four and one that says how.
        assert_eq!(bytes_of(&codes), (1 << 17) * 21);
    }
}
