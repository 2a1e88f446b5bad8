//! From slices of time to what a form makes of rows, in order, with memory that does not grow with the log.
//!
//! Batches of slices become events in parallel; the rows of finished pages are cut into pieces, a group of pieces is
//! composed and shaped in parallel into buffers of its own, and while one group goes out the next one is made. The
//! buffers are reused. Where a batch or a group ends changes nothing in what comes out.

use super::day::{self, Event};
use super::form::Files;
use super::log::Log;
use super::pages::Page;
use super::row::Row;
use super::schedule::Slice;
use rayon::prelude::*;
use std::io;

const ROWS_PER_BATCH: u64 = 200_000;
const PIECES_PER_THREAD: usize = 6;

/// A row to be written, by its place in the log.
#[derive(Debug, Clone, Copy)]
pub struct Said {
    pub ordinal: u64,
    /// 0 for the first time a row is said; grows with each further time.
    pub again: u32,
}

/// Some rows of one file.
#[derive(Debug)]
pub struct Piece {
    pub page: u64,
    /// The number of the file: a page, a month since year 0, or 0 where a log is one file.
    pub file: u64,
    pub opens: bool,
    pub closes: bool,
    said: Vec<Said>,
}

/// What a form makes of a piece. `Made` is a buffer that is used again.
pub trait Shape: Sync {
    type Made: Default + Send + Sync;

    fn files(&self) -> Files;
    fn rows_per_piece(&self) -> usize;
    fn begin(&self, piece: &Piece, made: &mut Self::Made);
    /// `closes` is set with the last row of a file.
    fn row(&self, row: &Row, again: u32, closes: bool, made: &mut Self::Made);
    fn end(&self, piece: &Piece, made: &mut Self::Made);
}

/// Where pieces go, in the order of the log.
pub trait Sink<Made>: Send {
    fn put(&mut self, piece: &Piece, made: &Made) -> io::Result<()>;
}

/// Writes a log.
#[derive(Debug)]
pub struct Printer<'a, S> {
    pub log: &'a Log<'a>,
    pub shape: S,
}

/// Events that are still needed; the first one has the ordinal `first`.
#[derive(Debug, Default)]
struct Held {
    first: u64,
    events: Vec<Event>,
}

impl Held {
    fn event(&self, ordinal: u64) -> &Event {
        &self.events[(ordinal - self.first) as usize]
    }
}

impl<S: Shape> Printer<'_, S> {
    pub fn print(&self, sink: &mut impl Sink<S::Made>) -> io::Result<()> {
        let mut held = Held::default();
        let mut next_page = 0;
        let mut batches = Batches {
            slices: &self.log.composer.schedule.slices,
        };
        let mut batch = self.events(batches.next().unwrap_or_default());
        loop {
            held.events.append(&mut batch);
            let coming = batches.next();
            let is_last = coming.is_none();
            let pages = self.finished_pages(&held, next_page, is_last);
            next_page += pages.len() as u64;
            let pieces = self.cut(&pages, &held);
            let (made, printed) = rayon::join(
                || self.events(coming.unwrap_or_default()),
                || self.print_pieces(&pieces, &held, sink),
            );
            printed?;
            if is_last {
                return Ok(());
            }
            batch = made;
            let needed_from = self.log.paging.page(next_page).lowest();
            held.events.drain(..(needed_from - held.first) as usize);
            held.first = needed_from;
        }
    }

    fn events(&self, slices: &[Slice]) -> Vec<Event> {
        slices
            .par_iter()
            .flat_map_iter(|slice| day::events(&self.log.composer.schedule, slice))
            .collect()
    }

    /// The pages from `next_page` on whose rows are all there.
    fn finished_pages(&self, held: &Held, next_page: u64, is_last: bool) -> Vec<Page> {
        let ready = held.first + held.events.len() as u64;
        let paging = &self.log.paging;
        (next_page..paging.pages())
            .map(|number| paging.page(number))
            .take_while(|page| is_last || page.first + page.own <= ready)
            .collect()
    }

    /// Pieces end where pages and files do. A page without rows is a piece without rows: its file has a head and a foot.
    fn cut(&self, pages: &[Page], held: &Held) -> Vec<Piece> {
        let files = self.shape.files();
        let file_of = |said: &Said| files.number(0, self.log.composer.unix_s(held.event(said.ordinal)));
        let mut pieces: Vec<Piece> = Vec::new();
        for page in pages {
            let said = self.log.paging.said(page, self.log.plan.seed);
            let first_piece = pieces.len();
            for of_file in said.chunk_by(|one, next| file_of(one) == file_of(next)) {
                let instant = self.log.composer.unix_s(held.event(of_file[0].ordinal));
                pieces.extend(of_file.chunks(self.shape.rows_per_piece()).map(|said| Piece {
                    page: page.number,
                    file: files.number(page.number, instant),
                    opens: false,
                    closes: false,
                    said: said.to_vec(),
                }));
            }
            if pieces.len() == first_piece {
                pieces.push(Piece {
                    page: page.number,
                    file: files.number(page.number, self.log.start_unix_s()),
                    opens: false,
                    closes: false,
                    said: Vec::new(),
                });
            }
            let is_page = matches!(files, Files::Pages(_));
            pieces[first_piece].opens = is_page || page.number == 0;
            if let Some(last) = pieces.last_mut() {
                last.closes = is_page || self.log.paging.is_last(page.number);
            }
        }
        pieces
    }

    fn print_pieces(&self, pieces: &[Piece], held: &Held, sink: &mut impl Sink<S::Made>) -> io::Result<()> {
        let group_len = rayon::current_num_threads() * PIECES_PER_THREAD;
        let buffers = || -> Vec<S::Made> { (0..group_len).map(|_| S::Made::default()).collect() };
        let (mut going_out, mut in_the_making) = (buffers(), buffers());
        let mut before: &[Piece] = &[];
        for group in pieces.chunks(group_len).chain([[].as_slice()]) {
            let (put, ()) = rayon::join(
                || {
                    let mut made = before.iter().zip(&going_out);
                    made.try_for_each(|(piece, made)| sink.put(piece, made))
                },
                || {
                    let work = group.par_iter().zip(in_the_making.par_iter_mut());
                    work.for_each(|(piece, made)| self.make(piece, held, made));
                },
            );
            put?;
            std::mem::swap(&mut going_out, &mut in_the_making);
            before = group;
        }
        Ok(())
    }

    fn make(&self, piece: &Piece, held: &Held, made: &mut S::Made) {
        self.shape.begin(piece, made);
        let mut row = Row::default();
        for (index, said) in piece.said.iter().enumerate() {
            let event = held.event(said.ordinal);
            self.log.composer.compose(event, said.ordinal, &mut row);
            let closes = piece.closes && index + 1 == piece.said.len();
            self.shape.row(&row, said.again, closes, made);
        }
        self.shape.end(piece, made);
    }
}

/// Runs of slices that together have enough rows to keep all threads busy.
#[derive(Debug)]
struct Batches<'a> {
    slices: &'a [Slice],
}

impl<'a> Iterator for Batches<'a> {
    type Item = &'a [Slice];

    fn next(&mut self) -> Option<&'a [Slice]> {
        let mut rows = 0;
        let full = |slice: &Slice| {
            rows += slice.rows();
            rows >= ROWS_PER_BATCH
        };
        let len = self.slices.iter().position(full).map_or(self.slices.len(), |at| at + 1);
        let (batch, rest) = self.slices.split_at(len);
        self.slices = rest;
        (!batch.is_empty()).then_some(batch)
    }
}
