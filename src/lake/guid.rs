//! GUIDs as the 16 bytes that they stand for: rows on their way hold several each, and their text is mostly dashes and
//! half-used bytes. Only the spelling that the lake has, lower-case with dashes, becomes bytes; it always comes back.

use wide::{i16x8, u8x16};

/// A GUID; its order is that of its text. Aligned, so that it is copied in whole words wherever it is part of something.
#[repr(align(8))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid(pub [u8; Guid::BYTES]);

/// Where the text has dashes.
const DASHES: [usize; 4] = [8, 13, 18, 23];

impl Guid {
    pub const BYTES: usize = 16;
    pub const TEXT_BYTES: usize = 36;
    pub const ZERO: Guid = Guid([0; Guid::BYTES]);

    /// `None` unless the text is exactly as [`Guid::text`] spells it.
    pub fn of(text: &[u8]) -> Option<Guid> {
        let text: &[u8; Guid::TEXT_BYTES] = text.try_into().ok()?;
        let four = |place: usize| {
            text[place..place + 4]
                .iter()
                .rev()
                .fold(0, |four, &byte| four << 8 | u128::from(byte))
        };
        let digits = |places: [usize; 4]| {
            let [a, b, c, d] = places.map(four);
            u8x16::new((a | b << 32 | c << 64 | d << 96).to_le_bytes())
        };
        let (first, second) = (from_hex(digits([0, 4, 9, 14])), from_hex(digits([19, 24, 28, 32])));
        let are_digits = (first.are_digits & second.are_digits).to_bitmask() == 0xFFFF;
        let has_dashes = DASHES.iter().fold(true, |all, &place| all & (text[place] == b'-'));
        let bytes = u8x16::narrow_i16x8(pairs(first.values), pairs(second.values));
        (are_digits & has_dashes).then(|| Guid(bytes.to_array()))
    }

    pub fn text(&self) -> [u8; Guid::TEXT_BYTES] {
        let bytes = u8x16::new(self.0);
        let (high, low) = (bytes >> 4_u32, bytes & u8x16::splat(0x0F));
        let [first, second] = [u8x16::unpack_low(high, low), u8x16::unpack_high(high, low)].map(to_hex);
        let mut text = [b'-'; Guid::TEXT_BYTES];
        text[..8].copy_from_slice(&first[..8]);
        text[9..13].copy_from_slice(&first[8..12]);
        text[14..18].copy_from_slice(&first[12..]);
        text[19..23].copy_from_slice(&second[..4]);
        text[24..].copy_from_slice(&second[4..]);
        debug_assert!(DASHES.iter().all(|&place| text[place] == b'-'));
        text
    }

    pub fn number(&self) -> u128 {
        u128::from_be_bytes(self.0)
    }
}

/// What sixteen bytes stand for as lower-case hexadecimal digits, and which of them are some.
struct Digits {
    values: u8x16,
    are_digits: u8x16,
}

fn from_hex(bytes: u8x16) -> Digits {
    let up_to = |number: u8x16, most: u8| number.min(u8x16::splat(most)).simd_eq(number);
    let (decimal, letter) = (bytes - u8x16::splat(b'0'), bytes - u8x16::splat(b'a'));
    let (is_decimal, is_letter) = (up_to(decimal, 9), up_to(letter, 5));
    Digits {
        values: decimal & is_decimal | (letter + u8x16::splat(10)) & is_letter,
        are_digits: is_decimal | is_letter,
    }
}

/// Lower-case hexadecimal digits.
fn to_hex(values: u8x16) -> [u8; 16] {
    let is_letter = values.max(u8x16::splat(10)).simd_eq(values);
    (values + u8x16::splat(b'0') + (is_letter & u8x16::splat(b'a' - b'0' - 10))).to_array()
}

/// The byte that two digits make, for each pair of them.
fn pairs(digits: u8x16) -> i16x8 {
    let digits = digits.to_array();
    let pair = |word| i16::from_le_bytes([digits[2 * word], digits[2 * word + 1]]);
    let pairs = i16x8::new(std::array::from_fn(pair));
    (pairs << 4 | pairs >> 8) & i16x8::splat(0xFF)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_lake_s_own_spelling_is_taken() {
        let text = b"0123abcd-4567-89ef-0011-fedcba987654";
        assert_eq!(Guid::of(text).map(|guid| guid.text()), Some(*text));
        for other in [
            "0123ABCD-4567-89EF-0011-FEDCBA987654",
            "0123abcd-4567-89ef-0011-fedcba98765g",
            "0123abcd_4567-89ef-0011-fedcba987654",
            "0123abcd-4567-89ef-0011-fedcba98765",
            "0123abcd-4567-89ef-0011-fedcba9876540",
            "{123abcd-4567-89ef-0011-fedcba98765}",
            "0123abcd-4567-89ef-0011-fedcba98765\u{e9}",
            "",
        ] {
            assert_eq!(Guid::of(other.as_bytes()), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn every_guid_comes_back_and_is_ordered_as_its_text(a in any::<[u8; 16]>(), b in any::<[u8; 16]>()) {
            let (a, b) = (Guid(a), Guid(b));
            prop_assert_eq!(Guid::of(&a.text()), Some(a));
            prop_assert_eq!(a.cmp(&b), a.text().cmp(&b.text()));
            prop_assert_eq!(a.cmp(&b), a.number().cmp(&b.number()));
        }

        /// A byte that is no digit may become any value, but never passes.
        #[test]
        fn a_text_with_another_byte_is_none(guid in any::<[u8; 16]>(), place in 0usize..36, byte in any::<u8>()) {
            let mut text = Guid(guid).text();
            let before = text[place];
            text[place] = byte;
            let is_digit = byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            let may_be = byte == before || (is_digit && !DASHES.contains(&place));
            prop_assert_eq!(Guid::of(&text).is_some(), may_be);
        }
    }
}
