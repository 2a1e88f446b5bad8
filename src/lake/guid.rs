//! GUIDs as the 16 bytes that they stand for: rows on their way hold several each, and their text is mostly dashes and
//! half-used bytes. Only the spelling that the lake has, lower-case with dashes, becomes bytes; it always comes back.

/// A GUID; its order is that of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid(pub [u8; Guid::BYTES]);

/// Where the text has dashes.
const DASHES: [usize; 4] = [8, 13, 18, 23];

/// The lowest bit of each byte of a word.
const ONES: u64 = 0x0101_0101_0101_0101;

impl Guid {
    pub const BYTES: usize = 16;
    pub const TEXT_BYTES: usize = 36;
    pub const ZERO: Guid = Guid([0; Guid::BYTES]);

    /// `None` unless the text is exactly as [`Guid::text`] spells it.
    pub fn of(text: &[u8]) -> Option<Guid> {
        let text: &[u8; Guid::TEXT_BYTES] = text.try_into().ok()?;
        let mut digits = [0; 32];
        digits[..8].copy_from_slice(&text[..8]);
        digits[8..12].copy_from_slice(&text[9..13]);
        digits[12..16].copy_from_slice(&text[14..18]);
        digits[16..20].copy_from_slice(&text[19..23]);
        digits[20..].copy_from_slice(&text[24..]);
        let mut bytes = [0; Guid::BYTES];
        let mut is_guid = DASHES.iter().fold(true, |all, &place| all & (text[place] == b'-'));
        for (digits, bytes) in digits.as_chunks::<8>().0.iter().zip(bytes.as_chunks_mut::<4>().0) {
            let digits = u64::from_le_bytes(*digits);
            let value = from_hex(digits);
            *bytes = value.to_le_bytes();
            // Whatever the digits were, they are some if they come back.
            is_guid &= to_hex(value) == digits;
        }
        is_guid.then_some(Guid(bytes))
    }

    pub fn text(&self) -> [u8; Guid::TEXT_BYTES] {
        let mut digits = [0; 32];
        for (bytes, digits) in self.0.as_chunks::<4>().0.iter().zip(digits.as_chunks_mut::<8>().0) {
            *digits = to_hex(u32::from_le_bytes(*bytes)).to_le_bytes();
        }
        let mut text = [b'-'; Guid::TEXT_BYTES];
        text[..8].copy_from_slice(&digits[..8]);
        text[9..13].copy_from_slice(&digits[8..12]);
        text[14..18].copy_from_slice(&digits[12..16]);
        text[19..23].copy_from_slice(&digits[16..20]);
        text[24..].copy_from_slice(&digits[20..]);
        debug_assert!(DASHES.iter().all(|&place| text[place] == b'-'));
        text
    }

    pub fn number(&self) -> u128 {
        u128::from_be_bytes(self.0)
    }
}

/// Four bytes from eight hexadecimal digits, the first in the lowest byte.
fn from_hex(digits: u64) -> u32 {
    // Letters have bit 6, and their low four bits count from 1.
    let values = (digits & (0x0F * ONES)) + 9 * (digits >> 6 & ONES);
    let pairs = (values << 4 | values >> 8) & 0x00FF_00FF_00FF_00FF;
    let fours = (pairs | pairs >> 8) & 0x0000_FFFF_0000_FFFF;
    (fours | fours >> 16) as u32
}

/// Eight lower-case hexadecimal digits from four bytes.
fn to_hex(bytes: u32) -> u64 {
    let fours = (u64::from(bytes) | u64::from(bytes) << 16) & 0x0000_FFFF_0000_FFFF;
    let pairs = (fours | fours << 8) & 0x00FF_00FF_00FF_00FF;
    let values = (pairs >> 4 | pairs << 8) & (0x0F * ONES);
    let is_letter = (values + 6 * ONES) >> 4 & ONES;
    values + u64::from(b'0') * ONES + is_letter * u64::from(b'a' - b'0' - 10)
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
