//! Decompression that neither trusts its input nor loses what came before a fault.
//!
//! Compressed bytes enter, what they stand for leaves. gzip may hold several members and zstd several frames, after
//! each other. A stream that ends early, is corrupt, or expands beyond all measure first gives everything that came
//! before, then fails with a [`Loss`], and goes on failing with it: the loss of a part is a fact about the input, which
//! the reader sets aside like a bad record, and no error of the run.
//!
//! **The rule for bombs**: a stream may expand to 64 MiB whatever its size, and further as long as it stays within 1000
//! times the bytes it came from. An audit row holds a random 16-byte id, so even rows of 5 KB that are else all alike
//! stay below 400:1 in zstd and 100:1 in gzip; usual exports are compressed 10:1 to 40:1. gzip of nothing but one byte
//! reaches 1030:1, zstd 30,000:1.

use super::normalize::{Fault, fault};
use flate2::{Decompress, FlushDecompress, Status};
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use zstd::stream::raw::{Decoder as Zstd, Operation};

const FREE_BYTES: u64 = 64 << 20;
const MAX_EXPANSION: u64 = 1000;

/// How much is decompressed between two looks at the expansion.
const STEP_BYTES: usize = 256 << 10;

/// The part of an input that cannot be had, as the payload of an [`io::Error`].
#[derive(Debug)]
pub struct Loss(pub Fault);

impl Loss {
    pub fn error(fault: Fault) -> io::Error {
        io::Error::other(Loss(fault))
    }

    /// The loss an error tells of; none when the system failed and not the input.
    pub fn of(error: &io::Error) -> Option<&Fault> {
        let inner = error.get_ref()?.downcast_ref::<Loss>()?;
        Some(&inner.0)
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.sentence)
    }
}

impl std::error::Error for Loss {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    Gzip,
    Zstd,
    /// A bare deflate stream, as ZIP archives hold it.
    Deflate,
}

impl Codec {
    /// The codec whose magic bytes a stream begins with.
    pub fn of(first: &[u8]) -> Option<Codec> {
        match first {
            [0x1F, 0x8B, ..] => Some(Codec::Gzip),
            [0x28, 0xB5, 0x2F, 0xFD, ..] => Some(Codec::Zstd),
            // A frame that decoders skip; some tools begin their files with one.
            [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => Some(Codec::Zstd),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Codec::Gzip => "gzip",
            Codec::Zstd => "zstd",
            Codec::Deflate => "deflate",
        }
    }
}

enum Engine {
    Inflate(Decompress),
    Zstd(Zstd<'static>),
}

/// What one call of an engine did.
struct Step {
    consumed: usize,
    produced: usize,
    /// Whether a member or frame ended here; or what is wrong.
    ended: Result<bool, String>,
}

impl Engine {
    fn of(codec: Codec) -> io::Result<Engine> {
        Ok(match codec {
            Codec::Gzip => Engine::Inflate(Decompress::new_gzip(15)),
            Codec::Deflate => Engine::Inflate(Decompress::new(false)),
            Codec::Zstd => Engine::Zstd(Zstd::new()?),
        })
    }

    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Step {
        match self {
            Engine::Inflate(inflate) => {
                let (before_in, before_out) = (inflate.total_in(), inflate.total_out());
                let status = inflate.decompress(input, output, FlushDecompress::None);
                Step {
                    consumed: (inflate.total_in() - before_in) as usize,
                    produced: (inflate.total_out() - before_out) as usize,
                    ended: status
                        .map(|status| status == Status::StreamEnd)
                        .map_err(|cause| cause.message().unwrap_or("not valid deflate data").to_owned()),
                }
            }
            Engine::Zstd(zstd) => {
                let mut input = zstd::stream::raw::InBuffer::around(input);
                let mut output = zstd::stream::raw::OutBuffer::around(output);
                let left = zstd.run(&mut input, &mut output);
                Step {
                    consumed: input.pos(),
                    produced: output.pos(),
                    ended: left.map(|left| left == 0).map_err(|cause| cause.to_string()),
                }
            }
        }
    }
}

/// A compressed stream, read as what it stands for.
pub struct Expand<R> {
    input: BufReader<R>,
    codec: Codec,
    engine: Engine,
    consumed: u64,
    produced: u64,
    /// Whether the place is within a member or frame, and not between two.
    is_within: bool,
    /// Whether one member or frame has ended.
    has_ended: bool,
    fault: Option<Fault>,
}

impl<R: Read> Expand<R> {
    pub fn new(input: R, codec: Codec) -> io::Result<Self> {
        Ok(Expand {
            input: BufReader::with_capacity(64 << 10, input),
            codec,
            engine: Engine::of(codec)?,
            consumed: 0,
            produced: 0,
            is_within: false,
            has_ended: false,
            fault: None,
        })
    }

    /// Moves to the next member or frame; `false` at the end of all. Zeros behind the last are padding, as tapes add it.
    fn begin_next(&mut self) -> io::Result<bool> {
        if self.has_ended && self.codec == Codec::Deflate {
            return Ok(false);
        }
        while self.has_ended {
            let held = self.input.fill_buf()?;
            let (length, zeros) = (held.len(), held.iter().take_while(|&&byte| byte == 0).count());
            self.input.consume(zeros);
            if length == 0 {
                return Ok(false);
            }
            if zeros < length {
                self.engine = Engine::of(self.codec)?;
                break;
            }
        }
        self.is_within = true;
        Ok(true)
    }

    fn lose(&mut self, code: &'static str, what: &str) {
        let name = self.codec.name();
        let sentence = format!("the {name} stream {what}; everything before this place was read");
        self.fault = Some(fault(code, sentence));
    }

    fn watch_expansion(&mut self) {
        if self.produced > FREE_BYTES && self.produced > MAX_EXPANSION * self.consumed {
            let what = "expands to more than 64 MiB and more than 1000 times its size, which no export does";
            self.lose("too-large", what);
        }
    }
}

impl<R: Read> Read for Expand<R> {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(fault) = &self.fault {
                return Err(Loss::error(fault.clone()));
            }
            if output.is_empty() || (!self.is_within && !self.begin_next()?) {
                return Ok(0);
            }
            let input = self.input.fill_buf()?;
            let is_last = input.is_empty();
            let room = output.len().min(STEP_BYTES);
            let step = self.engine.step(input, &mut output[..room]);
            self.input.consume(step.consumed);
            self.consumed += step.consumed as u64;
            self.produced += step.produced as u64;
            match step.ended {
                Ok(true) => {
                    self.is_within = false;
                    self.has_ended = true;
                }
                Ok(false) if is_last && step.produced == 0 => self.lose("truncated", "ends before its end mark"),
                Ok(false) => {}
                Err(cause) => self.lose("corrupt", &format!("is corrupt ({cause})")),
            }
            if self.fault.is_none() {
                self.watch_expansion();
            }
            if step.produced > 0 {
                return Ok(step.produced);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// With a checksum, as the command line tool writes it.
    fn zstd(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = zstd::stream::Encoder::new(Vec::new(), 3).unwrap();
        encoder.include_checksum(true).unwrap();
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// What comes before the fault, and its code.
    fn expand(compressed: &[u8], codec: Codec) -> (Vec<u8>, Option<&'static str>) {
        let mut stream = Expand::new(compressed, codec).unwrap();
        let mut text = Vec::new();
        let code = match stream.read_to_end(&mut text) {
            Ok(_) => None,
            Err(cause) => Some(Loss::of(&cause).expect("the input's fault").code),
        };
        (text, code)
    }

    #[test]
    fn members_and_frames_follow_each_other_and_zeros_behind_them_are_padding() {
        for (codec, compress) in [
            (Codec::Gzip, gzip as fn(&[u8]) -> Vec<u8>),
            (Codec::Zstd, zstd as fn(&[u8]) -> Vec<u8>),
        ] {
            let two = [compress(b"one "), compress(b""), compress(b"two")].concat();
            assert_eq!(expand(&two, codec), (b"one two".to_vec(), None), "{codec:?}");
            let padded = [two.clone(), vec![0; 100_000]].concat();
            assert_eq!(expand(&padded, codec), (b"one two".to_vec(), None), "{codec:?}");
            let spoiled = [two, b"and more".to_vec()].concat();
            assert_eq!(
                expand(&spoiled, codec),
                (b"one two".to_vec(), Some("corrupt")),
                "{codec:?}"
            );
        }
    }

    #[test]
    fn what_comes_before_a_cut_or_a_fault_is_kept() {
        let text: Vec<u8> = (0..200_000_u32)
            .flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes())
            .collect();
        for (codec, compressed) in [(Codec::Gzip, gzip(&text)), (Codec::Zstd, zstd(&text))] {
            let middle = compressed.len() / 2;
            let (kept, code) = expand(&compressed[..middle], codec);
            assert_eq!(code, Some("truncated"), "{codec:?}");
            assert!(
                text.starts_with(&kept) && kept.len() > text.len() / 3,
                "{codec:?}: {}",
                kept.len()
            );
            for cut in 1..20 {
                let (kept, code) = expand(&compressed[..cut], codec);
                assert!(code == Some("truncated") && text.starts_with(&kept), "{codec:?} {cut}");
            }
            let mut wrong = compressed.clone();
            let last = wrong.len() - 6;
            wrong[last] ^= 0x55;
            let (kept, code) = expand(&wrong, codec);
            assert!(
                code.is_some() && kept.len() > text.len() / 2,
                "{codec:?}: {code:?} {}",
                kept.len()
            );
        }
    }

    /// The rule for bombs, from both sides.
    #[test]
    fn a_stream_may_expand_to_64_mib_and_further_while_it_stays_within_1000_times_its_size() {
        let zeros = vec![0; (FREE_BYTES + (1 << 20)) as usize];
        for (codec, compress) in [
            (Codec::Gzip, gzip as fn(&[u8]) -> Vec<u8>),
            (Codec::Zstd, zstd as fn(&[u8]) -> Vec<u8>),
        ] {
            let bomb = compress(&zeros);
            let (kept, code) = expand(&bomb, codec);
            assert_eq!(code, Some("too-large"), "{codec:?}");
            assert!(
                kept.len() as u64 > FREE_BYTES && kept.len() < zeros.len(),
                "{codec:?}: {}",
                kept.len()
            );
            let small = compress(&zeros[..FREE_BYTES as usize]);
            assert_eq!(
                expand(&small, codec).1,
                None,
                "{codec:?}: up to 64 MiB any ratio is fine"
            );
        }
        // Rows of 5 KB that are alike but for their id.
        let filler = "x".repeat(5 << 10);
        let rows: String = (0..14_000_u64)
            .map(|row| {
                format!(
                    "{:032x},{filler}\n",
                    u128::from(row.wrapping_mul(0x9E37_79B9_7F4A_7C15)) << 61 | 7
                )
            })
            .collect();
        assert_eq!(expand(&zstd(rows.as_bytes()), Codec::Zstd), (rows.into_bytes(), None));
    }
}
