//! Raw bytes → the UTF-8 text that the grammars read, piece by piece.
//!
//! ```text
//! file · archive member · stdin ─hash, count─▶ raw ─gzip, zstd (up to 3, one in the other)─▶ ─UTF-16─▶ text
//! ```
//!
//! The hash is that of the raw bytes, by which the lake knows the input again. Each step is told from the first bytes.
//! A UTF-16 code that is no character (half of a surrogate pair) becomes the byte FF, which is no UTF-8 either: so the
//! record that holds it is rejected for its encoding, and no other. Places in rejects are places in the text.

use super::expand::{Codec, Expand, Loss};
use super::normalize::Fault;
use encoding_rs::{DecoderResult, Encoding, UTF_16BE, UTF_16LE};
use std::io::{self, Cursor, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use twox_hash::XxHash3_128;

/// How often a compressed stream may be compressed again.
const MAX_LAYERS: usize = 3;

/// Bytes read at a time for the hash alone: of many small inputs, each would first touch more.
const DRAINED_BYTES: usize = 64 << 10;

/// How many bytes tell the next step.
const PEEKED_BYTES: usize = 64;

type Stream = Box<dyn Read + Send>;

/// The raw bytes of an input, hashed and counted as they are read, whoever reads them.
#[derive(Clone)]
pub struct Raw(Arc<Mutex<Metered>>);

struct Metered {
    stream: Stream,
    /// By the widest instructions of this processor: an input may be many GB.
    hasher: XxHash3_128,
    bytes: u64,
}

impl Raw {
    pub fn new(stream: Stream) -> Raw {
        Raw(Arc::new(Mutex::new(Metered {
            stream,
            hasher: XxHash3_128::new(),
            bytes: 0,
        })))
    }

    fn metered(&self) -> MutexGuard<'_, Metered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes read so far.
    pub fn byte_count(&self) -> u64 {
        self.metered().bytes
    }

    /// The hash of the bytes read so far.
    pub fn hash(&self) -> String {
        format!("{:032x}", self.metered().hasher.finish_128())
    }

    /// Reads what is left, for the hash. Where raw bytes themselves are lost, the hash is that of those before.
    pub fn drain(&mut self) -> io::Result<()> {
        let copied = io::copy(&mut io::BufReader::with_capacity(DRAINED_BYTES, self), &mut io::sink());
        match copied {
            Err(cause) if Loss::of(&cause).is_none() => Err(cause),
            _ => Ok(()),
        }
    }
}

impl Read for Raw {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        let mut metered = self.metered();
        let count = metered.stream.read(output)?;
        metered.hasher.write(&output[..count]);
        metered.bytes += count as u64;
        Ok(count)
    }
}

/// The first bytes of a stream, given again to whoever reads on, and the failure that ended them, if one did.
struct Peeked {
    first: Cursor<Vec<u8>>,
    failed: Option<io::Error>,
    rest: Stream,
}

impl Peeked {
    fn new(mut rest: Stream) -> Peeked {
        let mut first = Vec::new();
        let read = rest.by_ref().take(PEEKED_BYTES as u64).read_to_end(&mut first);
        Peeked {
            first: Cursor::new(first),
            failed: read.err(),
            rest,
        }
    }

    fn first(&self) -> &[u8] {
        self.first.get_ref()
    }
}

impl Read for Peeked {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        match self.first.read(output)? {
            0 => match self.failed.take() {
                Some(failed) => Err(failed),
                None => self.rest.read(output),
            },
            count => Ok(count),
        }
    }
}

/// An input without its compression.
pub struct Expanded {
    stream: Peeked,
    /// What it was compressed with, outermost first.
    pub codecs: Vec<Codec>,
}

/// Takes off compression, as far as there is any.
pub fn expand(raw: Stream) -> io::Result<Expanded> {
    let mut stream = Peeked::new(raw);
    let mut codecs = Vec::new();
    while let Some(codec) = Codec::of(stream.first())
        && codecs.len() < MAX_LAYERS
    {
        stream = Peeked::new(Box::new(Expand::new(stream, codec)?));
        codecs.push(codec);
    }
    Ok(Expanded { stream, codecs })
}

impl Expanded {
    pub fn into_bytes(self) -> impl Read + Send {
        self.stream
    }

    /// The input as UTF-8.
    pub fn into_text(mut self) -> Text {
        let stream: Stream = match utf16(self.stream.first()) {
            Some((encoding, mark)) => {
                self.stream.first.set_position(mark);
                Box::new(FromUtf16::new(self.stream, encoding))
            }
            None => Box::new(self.stream),
        };
        Text {
            stream,
            ends_lines_with_cr: false,
            loss: None,
        }
    }
}

/// UTF-16 of either byte order, told by its mark, or by text that begins with two ASCII characters; and the length of
/// the mark.
fn utf16(first: &[u8]) -> Option<(&'static Encoding, u64)> {
    let is_text = |byte: u8| matches!(byte, b'\t' | b'\r' | b'\n' | b' '..=b'~');
    match *first {
        // UTF-32, which nobody exports.
        [0xFF, 0xFE, 0, 0, ..] => None,
        [0xFF, 0xFE, ..] => Some((UTF_16LE, 2)),
        [0xFE, 0xFF, ..] => Some((UTF_16BE, 2)),
        [a, 0, b, 0, ..] if is_text(a) && is_text(b) => Some((UTF_16LE, 0)),
        [0, a, 0, b, ..] if is_text(a) && is_text(b) => Some((UTF_16BE, 0)),
        _ => None,
    }
}

/// UTF-8 from UTF-16.
struct FromUtf16<R> {
    input: R,
    decoder: encoding_rs::Decoder,
    units: Vec<u8>,
    /// What of `units` is still to be decoded.
    held: std::ops::Range<usize>,
    text: Cursor<Vec<u8>>,
    at_end: bool,
}

/// What stands for a code that is no character.
const NO_CHARACTER: u8 = 0xFF;

impl<R: Read> FromUtf16<R> {
    fn new(input: R, encoding: &'static Encoding) -> Self {
        FromUtf16 {
            input,
            decoder: encoding.new_decoder_without_bom_handling(),
            units: vec![0; 64 << 10],
            held: 0..0,
            text: Cursor::default(),
            at_end: false,
        }
    }

    /// Decodes the next piece into `text`.
    fn advance(&mut self) -> io::Result<()> {
        if self.held.is_empty() {
            let count = self.input.read(&mut self.units)?;
            self.held = 0..count;
            self.at_end = count == 0;
        }
        let mut text = std::mem::take(self.text.get_mut());
        // Three bytes of UTF-8 for two of UTF-16 at most, and some room for what the decoder holds.
        text.resize(3 * self.held.len() / 2 + 16, 0);
        let source = &self.units[self.held.clone()];
        let decoded = self
            .decoder
            .decode_to_utf8_without_replacement(source, &mut text, self.at_end);
        let (result, read, written) = decoded;
        self.held.start += read;
        text.truncate(written);
        if matches!(result, DecoderResult::Malformed(..)) {
            text.push(NO_CHARACTER);
            // The end may still hold something back.
            self.at_end = false;
        }
        self.text = Cursor::new(text);
        Ok(())
    }
}

impl<R: Read> Read for FromUtf16<R> {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.text.read(output)?;
            if count > 0 || output.is_empty() || self.at_end {
                return Ok(count);
            }
            self.advance()?;
        }
    }
}

/// The text of an input, while it is read.
pub struct Text {
    stream: Stream,
    ends_lines_with_cr: bool,
    /// Why the text ends before the input's does.
    pub loss: Option<Arc<Fault>>,
}

impl Text {
    /// A text that needs no decoding.
    pub fn of(stream: Stream) -> Text {
        Text {
            stream,
            ends_lines_with_cr: false,
            loss: None,
        }
    }

    /// Fills these bytes, and says how many; fewer than there are mean that the text has ended.
    pub fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        let mut count = 0;
        while count < output.len() {
            match self.stream.read(&mut output[count..]) {
                Ok(0) => break,
                Ok(read) => count += read,
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => {
                    self.loss = Some(Arc::new(Loss::of(&cause).cloned().ok_or(cause)?));
                    break;
                }
            }
        }
        if self.ends_lines_with_cr {
            end_lines_with_lf(&mut output[..count]);
        }
        Ok(count)
    }

    /// Old Macs end lines with a carriage return alone. A text that begins so is read as if these were line feeds.
    pub fn settle_line_ends(&mut self, sample: &mut [u8]) {
        self.ends_lines_with_cr = memchr::memchr(b'\r', sample).is_some() && memchr::memchr(b'\n', sample).is_none();
        if self.ends_lines_with_cr {
            end_lines_with_lf(sample);
        }
    }
}

fn end_lines_with_lf(text: &mut [u8]) {
    text.iter_mut()
        .filter(|byte| **byte == b'\r')
        .for_each(|byte| *byte = b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a byte at a time, as a slow pipe may.
    struct Drip(Cursor<Vec<u8>>);

    impl Read for Drip {
        fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
            let one = output.len().min(1);
            self.0.read(&mut output[..one])
        }
    }

    fn all_of(source: &mut Text) -> Vec<u8> {
        let (mut text, mut piece) = (Vec::new(), [0; 7]);
        loop {
            let count = source.read(&mut piece).unwrap();
            text.extend_from_slice(&piece[..count]);
            if count < piece.len() {
                return text;
            }
        }
    }

    fn text_of(bytes: &[u8]) -> Vec<u8> {
        let whole = |stream: Stream| all_of(&mut expand(stream).unwrap().into_text());
        let text = whole(Box::new(Cursor::new(bytes.to_vec())));
        assert_eq!(
            text,
            whole(Box::new(Drip(Cursor::new(bytes.to_vec())))),
            "byte by byte is the same"
        );
        text
    }

    fn units(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn utf16_is_told_by_its_mark_or_by_two_ascii_characters() {
        let text = "{\"name\":\"Łark \u{1F426}\"}\r\n".repeat(5000);
        for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
            assert_eq!(text_of(&units(&text, bytes)), text.as_bytes());
            assert_eq!(text_of(&units(&format!("\u{FEFF}{text}"), bytes)), text.as_bytes());
            assert_eq!(text_of(&units("\u{FEFF}", bytes)), b"");
            assert_eq!(text_of(&units("[]", bytes)), b"[]");
        }
        for other in ["", "a", "{}", "Łark", "a\0b", "\0\0\0\0", "\u{FEFF}{}"] {
            assert_eq!(text_of(other.as_bytes()), other.as_bytes(), "{other:?}");
        }
    }

    #[test]
    fn half_a_surrogate_pair_becomes_a_byte_that_is_no_utf8() {
        let lone = |unit: u16| {
            [
                units("ab", u16::to_le_bytes),
                unit.to_le_bytes().to_vec(),
                units("c", u16::to_le_bytes),
            ]
        };
        assert_eq!(text_of(&lone(0xD83D).concat()), b"ab\xFFc");
        assert_eq!(text_of(&lone(0xDC26).concat()), b"ab\xFFc");
        // At the very end, and half a unit.
        assert_eq!(
            text_of(&[units("ab", u16::to_le_bytes), vec![0x3D, 0xD8]].concat()),
            b"ab\xFF"
        );
        assert_eq!(
            text_of(&[units("ab", u16::to_le_bytes), vec![b'c']].concat()),
            b"ab\xFF"
        );
    }

    #[test]
    fn a_text_of_carriage_returns_alone_is_read_as_lines() {
        for (sample, expected) in [
            ("a\rb\r", "a\nb\n"),
            ("a\r\nb\r", "a\r\nb\r"),
            ("a\nb", "a\nb"),
            ("ab", "ab"),
        ] {
            let mut text = expand(Box::new(Cursor::new(b"c\rd".to_vec()))).unwrap().into_text();
            let mut bytes = sample.as_bytes().to_vec();
            text.settle_line_ends(&mut bytes);
            assert_eq!(bytes, expected.as_bytes());
            let is_settled = sample.contains('\r') && !sample.contains('\n');
            assert_eq!(all_of(&mut text), if is_settled { b"c\nd" } else { b"c\rd" });
        }
    }

    #[test]
    fn the_hash_is_that_of_the_raw_bytes_and_covers_what_was_not_decoded() {
        let mut bytes = zstd::stream::encode_all(&b"one two three"[..], 3).unwrap();
        bytes.extend_from_slice(&[7; 300_000]);
        let mut raw = Raw::new(Box::new(Cursor::new(bytes.clone())));
        let mut text = expand(Box::new(raw.clone())).unwrap().into_text();
        let read = all_of(&mut text);
        assert_eq!(
            (read.as_slice(), text.loss.as_ref().unwrap().code),
            (&b"one two three"[..], "corrupt")
        );
        raw.drain().unwrap();
        assert_eq!(raw.byte_count(), bytes.len() as u64);
        assert_eq!(raw.hash(), format!("{:032x}", xxhash_rust::xxh3::xxh3_128(&bytes)));
    }
}
