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
