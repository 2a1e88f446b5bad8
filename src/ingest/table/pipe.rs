//! Text that another thread writes while it is read here: what a typed export becomes.
//!
//! Enters: something that opens an export and then writes its rows. Leaves: a [`Pipe`] to read them from. Only a few
//! chunks are ever under way. The decoders are other people's and meet hostile bytes, so a panic in one is contained: the
//! text ends with an error, as it does when the decoder itself gives up, and what was read before stays good.

use super::innermost;
use crate::ingest::expand::Loss;
use crate::ingest::head::Refusal;
use crate::ingest::normalize::fault;
use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

const CHUNK_BYTES: usize = 256 << 10;
const CHUNKS_AHEAD: usize = 2;

/// Writes the rows of an opened export, to its end.
pub type Rows = Box<dyn FnOnce(&mut PipeWriter) -> io::Result<()>>;

/// Opens an export on a thread of its own, which then goes on to write its rows.
pub fn start<T: Send + 'static>(
    what: &'static str,
    open: impl FnOnce() -> Result<(T, Rows), Refusal> + Send + 'static,
) -> Result<(T, Pipe), Refusal> {
    let (to_opener, opened) = sync_channel(1);
    let (chunks, received) = sync_channel(CHUNKS_AHEAD);
    let spawned = std::thread::Builder::new()
        .name("typed export".to_owned())
        .spawn(move || match open() {
            Ok((found, rows)) => {
                if to_opener.send(Ok(found)).is_ok() {
                    PipeWriter::new(chunks).run(rows);
                }
            }
            // Nobody waits for the refusal only when the whole run is over.
            Err(refusal) => drop(to_opener.send(Err(refusal))),
        });
    spawned.map_err(|cause| Refusal::damaged(what, &cause))?;
    let found = opened
        .recv()
        .map_err(|_| Refusal::damaged(what, &"its decoder gave up"))??;
    Ok((
        found,
        Pipe {
            chunks: received,
            chunk: Vec::new(),
            at: 0,
            at_end: false,
        },
    ))
}

/// The writing end.
pub struct PipeWriter {
    chunks: SyncSender<io::Result<Vec<u8>>>,
    chunk: Vec<u8>,
}

impl PipeWriter {
    fn new(chunks: SyncSender<io::Result<Vec<u8>>>) -> PipeWriter {
        PipeWriter {
            chunks,
            chunk: Vec::with_capacity(CHUNK_BYTES),
        }
    }

    /// Writes all rows, and then how they ended: an empty chunk, or the error.
    fn run(mut self, rows: Rows) {
        let ended = rows(&mut self);
        let ending = self.flush().and(ended).map(|()| Vec::new());
        // If nobody reads any more, nobody needs to know.
        drop(self.chunks.send(ending));
    }
}

impl Write for PipeWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK_BYTES));
        self.chunks
            .send(Ok(chunk))
            .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}

/// The reading end.
pub struct Pipe {
    chunks: Receiver<io::Result<Vec<u8>>>,
    chunk: Vec<u8>,
    at: usize,
    at_end: bool,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.chunk.len() && !self.at_end {
            let chunk = self
                .chunks
                .recv()
                .unwrap_or_else(|_| Err(corrupt("its decoder gave up")));
            self.at_end = chunk.as_ref().is_ok_and(Vec::is_empty);
            self.chunk = chunk?;
            self.at = 0;
        }
        let rest = &self.chunk[self.at..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }
}

/// What the text ends with where the export cannot be read further.
pub fn corrupt(cause: impl std::fmt::Display) -> io::Error {
    let sentence = format!("the file cannot be read further: {}", innermost(&cause));
    Loss::error(fault("corrupt", sentence))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Writes = fn(&mut PipeWriter) -> io::Result<()>;

    fn read_all(writes: Writes) -> (Vec<u8>, Option<String>) {
        let (_, mut pipe) = start("a test", move || Ok(((), Box::new(writes) as Rows))).unwrap();
        let mut text = Vec::new();
        let ended = pipe.read_to_end(&mut text);
        (text, ended.err().map(|error| error.to_string()))
    }

    #[test]
    fn what_is_written_is_read_in_order_and_whole() {
        let (text, error) = read_all(|pipe| (0..300_000u32).try_for_each(|number| writeln!(pipe, "{number}")));
        let expected: String = (0..300_000u32).map(|number| format!("{number}\n")).collect();
        assert_eq!((text == expected.as_bytes(), error), (true, None));
        assert_eq!(read_all(|_| Ok(())), (Vec::new(), None));
    }

    #[test]
    fn what_was_written_before_an_error_or_a_panic_stays() {
        let (text, error) = read_all(|pipe| {
            writeln!(pipe, "good")?;
            Err(corrupt("a bad page"))
        });
        assert_eq!(text, b"good\n");
        assert_eq!(error.as_deref(), Some("the file cannot be read further: a bad page"));

        let (text, error) = read_all(|pipe| {
            writeln!(pipe, "good")?;
            pipe.flush()?;
            panic!("of a decoder, on purpose");
        });
        assert_eq!(text, b"good\n");
        assert_eq!(
            error.as_deref(),
            Some("the file cannot be read further: its decoder gave up")
        );
    }

    #[test]
    fn a_reader_that_leaves_ends_the_writer() {
        let (ended, says) = sync_channel(1);
        let (_, mut pipe) = start("a test", move || {
            let rows: Rows = Box::new(move |pipe| {
                let kind = loop {
                    if let Err(error) = pipe.write_all(&[b'x'; 1000]) {
                        break error.kind();
                    }
                };
                ended.send(kind).unwrap();
                Ok(())
            });
            Ok(((), rows))
        })
        .unwrap();
        pipe.read_exact(&mut [0; 10]).unwrap();
        drop(pipe);
        assert_eq!(says.recv(), Ok(io::ErrorKind::BrokenPipe));
    }

    #[test]
    fn a_panic_while_opening_is_a_refusal() {
        let opened = start::<()>("a test", || panic!("of a decoder, on purpose"));
        let reason = opened.err().map(|refusal| refusal.reason);
        assert_eq!(reason.as_deref(), Some("is a damaged a test: its decoder gave up"));
    }
}
