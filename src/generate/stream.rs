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
use chrono::{DateTime, Datelike};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
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
    /// The year of its rows, where rows of different years go to different files.
    year: Option<i32>,
    ordinals: Vec<u64>,
}

/// Where bytes belong that are written.
#[derive(Debug, Clone, Copy, Default)]
pub struct Place {
    /// Set when they start a page.
    pub page: Option<u64>,
    pub year: Option<i32>,
}

/// Where bytes go.
pub trait Sink: Send {
    fn put(&mut self, bytes: &[u8], place: Place) -> io::Result<()>;
    fn files(&self) -> u64;
}

/// Everything into one stream.
#[derive(Debug)]
pub struct Stream<W>(pub W);

impl<W: Write + Send> Sink for Stream<W> {
    fn put(&mut self, bytes: &[u8], _: Place) -> io::Result<()> {
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
    extension: &'static str,
    current: Option<File>,
    files: u64,
}

impl PageFiles {
    pub fn into_dir(dir: &Path, form: Form) -> PageFiles {
        PageFiles {
            dir: dir.to_owned(),
            extension: form.extension(),
            current: None,
            files: 0,
        }
    }
}

impl Sink for PageFiles {
    fn put(&mut self, bytes: &[u8], place: Place) -> io::Result<()> {
        if let Some(page) = place.page {
            let name = format!("audits-{:05}.{}", page + 1, self.extension);
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

/// The rows of each year into a partition of a container.
#[derive(Debug)]
pub struct YearFiles {
    dir: PathBuf,
    files: BTreeMap<i32, File>,
}

impl YearFiles {
    pub fn into_dir(dir: &Path) -> YearFiles {
        YearFiles {
            dir: dir.to_owned(),
            files: BTreeMap::new(),
        }
    }

    pub fn years(&self) -> impl Iterator<Item = i32> {
        self.files.keys().copied()
    }
}

impl Sink for YearFiles {
    fn put(&mut self, bytes: &[u8], place: Place) -> io::Result<()> {
        let Some(year) = place.year else { return Ok(()) };
        match self.files.entry(year) {
            Entry::Occupied(mut file) => file.get_mut().write_all(bytes),
            Entry::Vacant(place) => place
                .insert(create(&self.dir.join(format!("{year:04}.csv")))?)
                .write_all(bytes),
        }
    }

    fn files(&self) -> u64 {
        self.files.len() as u64
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
        let mut ends = Vec::new();
        form::write_start(self.form, &mut ends);
        sink.put(&ends, Place::default())?;
        let mut bytes = ends.len() as u64;
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
            let pieces = self.cut(&pages, &held);
            let (made, printed) = rayon::join(
                || self.events(coming.unwrap_or_default()),
                || self.print_pieces(&pieces, &held, sink),
            );
            bytes += printed?;
            if is_last {
                ends.clear();
                form::write_end(self.form, &mut ends);
                sink.put(&ends, Place::default())?;
                return Ok(bytes + ends.len() as u64);
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

    fn cut(&self, pages: &[Page], held: &Held) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for page in pages {
            let ordinals = page.ordinals(self.plan.seed);
            let first_piece = pieces.len();
            let of_page = |ordinals: &[u64], year| Piece {
                page: page.number,
                opens_page: false,
                closes_page: false,
                year,
                ordinals: ordinals.to_vec(),
            };
            let year = |ordinal: &u64| self.year_of(&held.events[(ordinal - held.first) as usize]);
            for same_year in ordinals.chunk_by(|a, b| year(a) == year(b)) {
                let year = year(&same_year[0]);
                pieces.extend(same_year.chunks(ROWS_PER_PIECE).map(|ordinals| of_page(ordinals, year)));
            }
            if pieces.len() == first_piece {
                pieces.push(of_page(&[], None));
            }
            pieces[first_piece].opens_page = true;
            if let Some(last) = pieces.last_mut() {
                last.closes_page = true;
            }
        }
        pieces
    }

    /// The year of an event, where that decides its file.
    fn year_of(&self, event: &Event) -> Option<i32> {
        let on = DateTime::from_timestamp(self.composer.start_unix_s + i64::from(event.at_s), 0);
        on.filter(|_| self.form == Form::Synapse).map(|on| on.year())
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
        let host = &self.plan.environment_host;
        let is_last_page = piece.page + 1 == self.paging.pages();
        if self.form.is_paged() && piece.opens_page {
            form::write_page_head(self.form, host, piece.page + 1, is_last_page, out);
        }
        let mut row = Row::default();
        let mut newest = None;
        for (index, ordinal) in piece.ordinals.iter().enumerate() {
            let event = &held.events[(ordinal - held.first) as usize];
            self.composer.compose(event, *ordinal, &mut row);
            let ends_page = piece.closes_page && index + 1 == piece.ordinals.len();
            let is_last = ends_page && (self.form.is_paged() || is_last_page);
            let is_repeat = newest.is_some_and(|newest| *ordinal <= newest);
            form::write_row(self.form, &row, self.plan.annotated, is_last, is_repeat, out);
            newest = newest.max(Some(*ordinal));
        }
        if self.form.is_paged() && piece.closes_page {
            // Pages count from 1 for people, so the page after this one is its index plus two.
            let next_page = (!is_last_page).then_some(piece.page + 2);
            form::write_page_foot(self.form, host, next_page, out);
        }
    }
}

fn put_all(pieces: &[Piece], buffers: &[Vec<u8>], sink: &mut impl Sink) -> io::Result<u64> {
    let mut bytes = 0;
    for (piece, buffer) in pieces.iter().zip(buffers) {
        let place = Place {
            page: piece.opens_page.then_some(piece.page),
            year: piece.year,
        };
        sink.put(buffer, place)?;
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
