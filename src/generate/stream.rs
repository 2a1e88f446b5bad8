//! From slices of time to bytes, in order, with memory that does not grow with the log.
//!
//! Batches of slices become events in parallel; the rows of finished pages are cut into pieces, a group of pieces is
//! composed and written in parallel into buffers of its own, and while one group goes out the next one is made. The
//! buffers are reused. Where a batch, a group or a piece ends changes nothing in the bytes.

use super::Plan;
use super::day::{self, Event};
use super::form::{self, Form};
use super::pages::{Page, Paging};
use super::row::{Composer, Row};
use super::schedule::{Schedule, Slice};
use rayon::prelude::*;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const ROWS_PER_BATCH: u64 = 200_000;
const ROWS_PER_PIECE: usize = 256;
const PIECES_PER_THREAD: usize = 6;

/// Some rows of one page.
#[derive(Debug)]
struct Piece {
    page: u64,
    opens_page: bool,
    closes_page: bool,
    ordinals: Vec<u64>,
}

/// Where bytes go. `page` is set when they start a page.
pub trait Sink: Send {
    fn put(&mut self, bytes: &[u8], page: Option<u64>) -> io::Result<()>;
    fn files(&self) -> u64;
}

/// Everything into one stream.
#[derive(Debug)]
pub struct Stream<W>(pub W);

impl<W: Write + Send> Sink for Stream<W> {
    fn put(&mut self, bytes: &[u8], _: Option<u64>) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn files(&self) -> u64 {
        1
    }
}

/// Each page into a file of its own.
#[derive(Debug)]
pub struct PageFiles {
    dir: PathBuf,
    current: Option<File>,
    files: u64,
}

impl PageFiles {
    pub fn into_dir(dir: &Path) -> PageFiles {
        PageFiles {
            dir: dir.to_owned(),
            current: None,
            files: 0,
        }
    }
}

impl Sink for PageFiles {
    fn put(&mut self, bytes: &[u8], page: Option<u64>) -> io::Result<()> {
        if let Some(page) = page {
            let name = format!("audits-{:05}.json", page + 1);
            self.current = Some(create(&self.dir.join(name))?);
            self.files += 1;
        }
        match &mut self.current {
            Some(file) => file.write_all(bytes),
            None => Ok(()),
        }
    }

    fn files(&self) -> u64 {
        self.files
    }
}

/// Refuses to write over a file: pages of two logs must not mix.
pub fn create(path: &Path) -> io::Result<File> {
    File::create_new(path).map_err(|cause| io::Error::new(cause.kind(), format!("{}: {cause}", path.display())))
}

/// Writes a log and returns its bytes.
#[derive(Debug)]
pub struct Printer<'a> {
    pub plan: &'a Plan,
    pub form: Form,
    pub schedule: &'a Schedule,
    pub paging: &'a Paging,
    pub composer: Composer<'a>,
}

/// Events that are still needed; the first one has the ordinal `first`.
#[derive(Debug, Default)]
struct Held {
    first: u64,
    events: Vec<Event>,
}

impl Printer<'_> {
    pub fn print(&self, sink: &mut impl Sink) -> io::Result<u64> {
        let mut bytes = 0;
        if self.form == Form::Csv {
            sink.put(form::CSV_HEADER.as_bytes(), None)?;
            bytes += form::CSV_HEADER.len() as u64;
        }
        let mut held = Held::default();
        let mut next_page = 0;
        let mut batches = Batches {
            slices: &self.schedule.slices,
        };
        let mut batch = self.events(batches.next().unwrap_or_default());
        loop {
            held.events.append(&mut batch);
            let coming = batches.next();
            let is_last = coming.is_none();
            let pages = self.finished_pages(&held, next_page, is_last);
            next_page += pages.len() as u64;
            let pieces = self.cut(&pages);
            let (made, printed) = rayon::join(
                || self.events(coming.unwrap_or_default()),
                || self.print_pieces(&pieces, &held, sink),
            );
            bytes += printed?;
            if is_last {
                return Ok(bytes);
            }
            batch = made;
            let needed_from = self.paging.page(next_page).lowest();
            held.events.drain(..(needed_from - held.first) as usize);
            held.first = needed_from;
        }
    }

    fn events(&self, slices: &[Slice]) -> Vec<Event> {
        slices
            .par_iter()
            .flat_map_iter(|slice| day::events(self.schedule, slice))
            .collect()
    }

    /// The pages from `next_page` on whose rows are all there.
    fn finished_pages(&self, held: &Held, next_page: u64, is_last: bool) -> Vec<Page> {
        let ready = held.first + held.events.len() as u64;
        (next_page..self.paging.pages())
            .map(|number| self.paging.page(number))
            .take_while(|page| is_last || page.first + page.own <= ready)
            .collect()
    }

    fn cut(&self, pages: &[Page]) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for page in pages {
            let ordinals = page.ordinals(self.plan.seed);
            let first_piece = pieces.len();
            pieces.extend(ordinals.chunks(ROWS_PER_PIECE).map(|ordinals| Piece {
                page: page.number,
                opens_page: false,
                closes_page: false,
                ordinals: ordinals.to_vec(),
            }));
            if pieces.len() == first_piece {
                let ordinals = Vec::new();
                let (opens_page, closes_page) = (false, false);
                pieces.push(Piece {
                    page: page.number,
                    opens_page,
                    closes_page,
                    ordinals,
                });
            }
            pieces[first_piece].opens_page = true;
            if let Some(last) = pieces.last_mut() {
                last.closes_page = true;
            }
        }
        pieces
    }

    fn print_pieces(&self, pieces: &[Piece], held: &Held, sink: &mut impl Sink) -> io::Result<u64> {
        let group_len = rayon::current_num_threads() * PIECES_PER_THREAD;
        let mut bytes = 0;
        let mut going_out: Vec<Vec<u8>> = vec![Vec::new(); group_len];
        let mut in_the_making: Vec<Vec<u8>> = vec![Vec::new(); group_len];
        let mut before: &[Piece] = &[];
        for group in pieces.chunks(group_len).chain([[].as_slice()]) {
            let (put, ()) = rayon::join(
                || put_all(before, &going_out, sink),
                || {
                    let work = group.par_iter().zip(in_the_making.par_iter_mut());
                    work.for_each(|(piece, buffer)| self.write_piece(piece, held, buffer));
                },
            );
            bytes += put?;
            std::mem::swap(&mut going_out, &mut in_the_making);
            before = group;
        }
        Ok(bytes)
    }

    fn write_piece(&self, piece: &Piece, held: &Held, out: &mut Vec<u8>) {
        out.clear();
        let paged = self.form == Form::ODataPages;
        if paged && piece.opens_page {
            form::write_page_head(&self.plan.environment_host, out);
        }
        let mut row = Row::default();
        for (index, ordinal) in piece.ordinals.iter().enumerate() {
            let event = &held.events[(ordinal - held.first) as usize];
            self.composer.compose(event, *ordinal, &mut row);
            if self.form == Form::Csv {
                form::write_csv(&row, out);
                continue;
            }
            form::write_json(&row, self.plan.annotated, out);
            let ends_page = piece.closes_page && index + 1 == piece.ordinals.len();
            if paged && !ends_page {
                out.push(b',');
            }
            out.push(b'\n');
        }
        if paged && piece.closes_page {
            // Pages count from 1 for people, so the page after this one is its index plus two.
            let is_last = piece.page + 1 == self.paging.pages();
            let next_page = (!is_last).then_some(piece.page + 2);
            form::write_page_foot(&self.plan.environment_host, next_page, out);
        }
    }
}

fn put_all(pieces: &[Piece], buffers: &[Vec<u8>], sink: &mut impl Sink) -> io::Result<u64> {
    let mut bytes = 0;
    for (piece, buffer) in pieces.iter().zip(buffers) {
        sink.put(buffer, piece.opens_page.then_some(piece.page))?;
        bytes += buffer.len() as u64;
    }
    Ok(bytes)
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
