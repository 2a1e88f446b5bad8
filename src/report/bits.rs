//! A set of actors, a bit for the place of each: so little that what is asked for every access stays near.

/// A set of places below a count.
#[derive(Debug, Clone)]
pub struct Bits(Vec<u64>);

impl Bits {
    pub fn new(count: usize) -> Bits {
        Bits(vec![0; count.div_ceil(64)])
    }

    /// Whether the place was not in the set. One beyond the count, as that of nobody, never is.
    pub fn insert(&mut self, place: u32) -> bool {
        let Some(word) = self.0.get_mut(place as usize / 64) else {
            return false;
        };
        let bit = 1 << (place % 64);
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    /// Takes in all of another set of as many places.
    pub fn unite(&mut self, other: &Bits) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word |= other);
    }

    pub fn clear(&mut self) {
        self.0.fill(0);
    }

    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::NOBODY;

    #[test]
    fn a_place_is_new_once_and_nobody_never() {
        let mut bits = Bits::new(65);
        assert_eq!(
            [0, 64, 64, 0, 63, NOBODY].map(|place| bits.insert(place)),
            [true, true, false, false, true, false]
        );
        assert_eq!(bits.len(), 3);
        let mut other = Bits::new(65);
        other.insert(1);
        other.unite(&bits);
        assert_eq!((other.len(), other.insert(64)), (4, false));
        bits.clear();
        assert!(bits.len() == 0 && bits.insert(64));
    }
}
