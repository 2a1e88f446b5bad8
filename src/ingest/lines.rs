//! Going through a block line by line, in bounded memory whatever the lines are.
//!
//! A line is too long when no line end comes within the limit. It is set aside in pieces of the limit's size, counted
//! from its beginning, so that neither the size of blocks nor where they end changes what is read (L2). What stands in
//! it is never taken for a record.

use super::block::{Block, Sink, State, Stop, too_long};
use std::ops::Range;

pub struct Lines<'b> {
    block: &'b Block,
    pub at: usize,
    /// How many line ends [`Lines::pass`] has passed.
    pub ends: u64,
    is_within_too_long: bool,
}

/// How many line ends there are.
pub fn line_ends(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

/// What the bytes at a place are.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// A line that ends before this place.
    Ended(usize),
    TooLong,
    /// The block ends inside it.
    Unfinished,
}

impl<'b> Lines<'b> {
    pub fn new(block: &'b Block) -> Self {
        Lines {
            block,
            at: 0,
            ends: 0,
            is_within_too_long: matches!(block.start, State::TooLong { .. }),
        }
    }

    fn limit(&self) -> usize {
        self.block.head.record_bytes
    }

    /// Whether all bytes that a record at this place may take are there.
    pub fn is_full(&self) -> bool {
        self.block.bytes.len() - self.at >= self.limit()
    }

    /// The bytes up to where a record at this place must end.
    pub fn window(&self) -> &'b [u8] {
        let bytes = &self.block.bytes;
        &bytes[..bytes.len().min(self.at.saturating_add(self.limit()))]
    }

    /// The line at this place.
    pub fn line(&self) -> Line {
        let window = self.window();
        match memchr::memchr(b'\n', &window[self.at..]) {
            Some(length) => Line::Ended(self.at + length + 1),
            None if self.is_full() => Line::TooLong,
            None if self.block.last => Line::Ended(window.len()),
            None => Line::Unfinished,
        }
    }

    /// Goes on behind a line, or behind a piece of one.
    pub fn pass(&mut self, end: usize) {
        self.ends += u64::from(self.block.bytes[self.at..end].ends_with(b"\n"));
        self.at = end;
    }

    /// Sets aside the first piece of a line that is too long.
    pub fn begin_too_long(&mut self, sink: &mut Sink<'_>) {
        self.is_within_too_long = true;
        self.set_aside(self.at + self.limit(), true, sink);
    }

    /// Sets aside what is left of a line that is too long, if the place is within one; `false` at the block's end.
    pub fn pass_too_long(&mut self, sink: &mut Sink<'_>) -> bool {
        while self.is_within_too_long && self.at < self.block.bytes.len() {
            match self.line() {
                Line::Ended(end) => {
                    self.is_within_too_long = false;
                    self.set_aside(end, false, sink);
                }
                Line::TooLong => self.set_aside(self.at + self.limit(), false, sink),
                Line::Unfinished => return false,
            }
        }
        self.at < self.block.bytes.len()
    }

    fn set_aside(&mut self, end: usize, is_first: bool, sink: &mut Sink<'_>) {
        let piece = &self.block.bytes[self.at..end];
        let piece_end = end - usize::from(piece.ends_with(b"\n"));
        if piece_end > self.at {
            sink.reject(too_long(self.limit(), is_first), self.at..piece_end);
        }
        self.pass(end);
    }

    /// The next line that is not too long.
    pub fn next(&mut self, sink: &mut Sink<'_>) -> Option<Range<usize>> {
        while self.pass_too_long(sink) {
            match self.line() {
                Line::Ended(end) => {
                    let start = self.at;
                    self.pass(end);
                    return Some(start..end);
                }
                Line::TooLong => self.begin_too_long(sink),
                Line::Unfinished => return None,
            }
        }
        None
    }

    pub fn stop(&self) -> Stop {
        Stop {
            consumed: self.at,
            state: match self.is_within_too_long {
                true => State::TooLong { environment: None },
                false => State::Top,
            },
        }
    }
}
