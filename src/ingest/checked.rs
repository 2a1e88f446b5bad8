//! The bytes of a block as text. Lines are checked a stretch at a time, just before they are parsed, so that memory has to
//! bring them near only once.

use std::ops::Range;

/// How many bytes are checked at a time: less than the nearest memory holds.
const STRETCH_BYTES: usize = 1 << 14;

/// A stretch of a block that is known to be text, if it is.
pub struct Checked<'b> {
    bytes: &'b [u8],
    stretch: Range<usize>,
    text: Option<&'b str>,
}

impl<'b> Checked<'b> {
    /// None of these bytes yet.
    pub fn nothing_of(bytes: &'b [u8]) -> Checked<'b> {
        Checked {
            bytes,
            stretch: 0..0,
            text: None,
        }
    }

    /// All of these bytes.
    pub fn all_of(bytes: &'b [u8]) -> Checked<'b> {
        Checked {
            bytes,
            stretch: 0..bytes.len(),
            text: simdutf8::basic::from_utf8(bytes).ok(),
        }
    }

    /// Goes on to a line that begins at a place, if it is not checked yet, and some behind it; says whether it did.
    #[inline]
    pub fn reach(&mut self, line: usize) -> bool {
        let is_new = line >= self.stretch.end;
        if is_new {
            self.check(line);
        }
        is_new
    }

    /// Whole lines: one that is cut would be no text where a character is.
    #[inline(never)]
    fn check(&mut self, start: usize) {
        let most = self.bytes.len().min(start + STRETCH_BYTES);
        let last = memchr::memrchr(b'\n', &self.bytes[start..most]).map(|length| start + length);
        let last = last.or_else(|| memchr::memchr(b'\n', &self.bytes[most..]).map(|length| most + length));
        let end = last.map_or(self.bytes.len(), |last| last + 1);
        self.stretch = start..end;
        self.text = simdutf8::basic::from_utf8(&self.bytes[start..end]).ok();
    }

    /// The stretch.
    pub fn text(&self) -> Option<&'b str> {
        self.text
    }

    /// Where the stretch ends.
    pub fn end(&self) -> usize {
        self.stretch.end
    }

    /// The stretch up to where a span in it ends, and where the span begins there; `None` as for [`Checked::get`].
    pub fn up_to(&self, span: &Range<usize>) -> Option<(&'b str, usize)> {
        let start = span.start.checked_sub(self.stretch.start)?;
        let text = self.text?.get(..span.end - self.stretch.start)?;
        (start <= text.len()).then_some((text, start))
    }

    /// The text of a span; `None` if that lies in another stretch, cuts a character, or the stretch is not text.
    #[inline]
    pub fn get(&self, span: &Range<usize>) -> Option<&'b str> {
        let start = self.stretch.start;
        self.text?
            .get(span.start.wrapping_sub(start)..span.end.wrapping_sub(start))
    }

    /// The stretch is not text as it is wanted.
    pub fn discard(&mut self) {
        self.text = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_line_is_its_text_unless_one_of_its_stretch_is_none(
            lines in prop::collection::vec((prop_oneof![0usize..40, 0usize..9_000, Just(2 * STRETCH_BYTES)], 0u8..8), 1..24),
            ends_with_line in any::<bool>(),
        ) {
            let mut bytes = Vec::new();
            let mut spans = Vec::new();
            for (length, kind) in &lines {
                let start = bytes.len();
                match kind {
                    0 => bytes.extend([0xFF].repeat(*length)),
                    1 => bytes.extend("\u{1F426}é".repeat(*length / 6).bytes()),
                    _ => bytes.extend(b"a".repeat(*length)),
                }
                bytes.push(b'\n');
                spans.push(start..bytes.len());
            }
            if !ends_with_line {
                bytes.pop();
                spans.pop_if(|last| last.len() == 1);
                spans.iter_mut().for_each(|span| span.end = span.end.min(bytes.len()));
            }
            let are_all_texts = std::str::from_utf8(&bytes).is_ok();
            let mut checked = Checked::nothing_of(&bytes);
            let mut news = 0;
            for span in &spans {
                news += usize::from(checked.reach(span.start));
                let expected = std::str::from_utf8(&bytes[span.clone()]).ok();
                let found = checked.get(span);
                prop_assert!(found == expected || (found.is_none() && !are_all_texts));
                let up_to = checked.up_to(span).map(|(text, start)| &text[start..]);
                prop_assert_eq!(up_to, found);
                prop_assert!(span.end <= checked.end());
            }
            prop_assert!(news <= bytes.len() / (STRETCH_BYTES / 3) + 2, "{} stretches of {} bytes", news, bytes.len());
            let all = Checked::all_of(&bytes);
            prop_assert_eq!(all.get(&(0..bytes.len())), std::str::from_utf8(&bytes).ok());
        }
    }

    #[test]
    fn what_lies_elsewhere_or_cuts_a_character_is_none() {
        let bytes = "aé\n".repeat(STRETCH_BYTES);
        let mut checked = Checked::nothing_of(bytes.as_bytes());
        assert_eq!(checked.get(&(0..1)), None);
        assert!(checked.reach(4));
        assert!(!checked.reach(8));
        assert_eq!(checked.get(&(4..7)), Some("aé"));
        for other in [0..3, 0..8, 4..6, 6..8, 4..bytes.len(), bytes.len()..bytes.len()] {
            assert_eq!(checked.get(&other), None, "{other:?}");
            assert!(other.start == 6 || checked.up_to(&other).is_none(), "{other:?}");
        }
        assert!(checked.reach(bytes.len() - 4));
        assert_eq!(checked.get(&(bytes.len() - 4..bytes.len())), Some("aé\n"));
        checked.discard();
        assert_eq!(checked.get(&(bytes.len() - 4..bytes.len())), None);
    }
}
