//! Which rows stand on which page, and which of them are said twice.
//!
//! Every page holds `page_rows` rows, the last one the rest. Repeats come on top of the log's own rows and are spread
//! evenly over the pages: on half of the pages as an overlap (the page starts with the rows the one before ended with,
//! as after a restarted export), on the others one by one, each within twenty rows after the first time. The pages
//! exist in every form, so that the order of rows is the same in all; only OData makes files of them.

use super::draw::{Draw, Purpose};
use super::schedule::part;
use super::stream::Said;

const REPEATED_WITHIN: u32 = 20;

#[derive(Debug, Clone)]
pub struct Paging {
    seed: u64,
    /// Rows of the log, each counted once.
    unique: u64,
    repeats: u64,
    page_rows: u64,
}

/// A page's own rows are the ordinals `first..first + own`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    pub number: u64,
    pub first: u64,
    pub own: u64,
    pub repeats: u64,
    overlaps: bool,
}

impl Paging {
    /// `duplicates` repeats for each row, so 0.01 repeats every hundredth.
    pub fn new(seed: u64, unique: u64, duplicates: f64, page_rows: usize) -> Paging {
        Paging {
            seed,
            unique,
            repeats: (unique as f64 * duplicates).round() as u64,
            page_rows: page_rows as u64,
        }
    }

    pub fn repeats(&self) -> u64 {
        self.repeats
    }

    pub fn rows(&self) -> u64 {
        self.unique + self.repeats
    }

    /// At least one: an export without rows is still a page.
    pub fn pages(&self) -> u64 {
        self.rows().div_ceil(self.page_rows).max(1)
    }

    /// The page with this number; the first is 0.
    pub fn page(&self, number: u64) -> Page {
        let rows_before = |page: u64| (page * self.page_rows).min(self.rows());
        let repeats_before = |page| part(self.repeats, rows_before(page), self.rows());
        let first = rows_before(number) - repeats_before(number);
        let own = rows_before(number + 1) - repeats_before(number + 1) - first;
        let repeats = repeats_before(number + 1) - repeats_before(number);
        let coin = Draw::new(self.seed, Purpose::Repeats, number, 0).chance(500);
        Page {
            number,
            first,
            own,
            repeats,
            overlaps: number > 0 && (coin || own < repeats),
        }
    }

    pub fn is_last(&self, page: u64) -> bool {
        page + 1 == self.pages()
    }

    /// The page's rows in the order in which they are written, and how late after the first time each is said.
    ///
    /// `again` is 0 for a new row, 1 for a repeat on the page where the row was new, 2 on the page after that, and so on:
    /// it grows from one repeat of a row to the next.
    pub fn said(&self, page: &Page, seed: u64) -> Vec<Said> {
        let mut new = page.first;
        let mut again = |ordinal: u64| {
            if ordinal == new {
                new += 1;
                return 0;
            }
            let is_on = |number: &u64| self.page(*number).first <= ordinal;
            let home = (0..=page.number).rev().find(is_on).unwrap_or(0);
            (page.number - home) as u32 + 1
        };
        let ordinals = page.ordinals(seed).into_iter();
        ordinals
            .map(|ordinal| Said {
                ordinal,
                again: again(ordinal),
            })
            .collect()
    }
}

impl Page {
    /// The lowest ordinal on the page.
    pub fn lowest(&self) -> u64 {
        if self.overlaps {
            self.first - self.repeats
        } else {
            self.first
        }
    }

    /// The ordinals of the page's rows, in the order in which they are written.
    pub fn ordinals(&self, seed: u64) -> Vec<u64> {
        if self.overlaps || self.repeats == 0 {
            return (self.lowest()..self.first + self.own).collect();
        }
        let mut draw = Draw::new(seed, Purpose::Repeats, self.number, 1);
        // One row out of each equal stretch, so that none is repeated twice on a page.
        let mut again: Vec<(u64, u64)> = (0..self.repeats)
            .map(|index| {
                let start = part(self.own, index, self.repeats);
                let end = part(self.own, index + 1, self.repeats);
                let place = start + u64::from(draw.below((end - start) as u32));
                (place + u64::from(draw.below(REPEATED_WITHIN)), place)
            })
            .collect();
        again.sort_unstable();
        let mut again = again.into_iter().peekable();
        let mut ordinals = Vec::with_capacity((self.own + self.repeats) as usize);
        for place in 0..self.own {
            ordinals.push(self.first + place);
            let is_last = place + 1 == self.own;
            while let Some((_, repeated)) = again.next_if(|(after, _)| is_last || *after <= place) {
                ordinals.push(self.first + repeated);
            }
        }
        ordinals
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[track_caller]
    fn check(unique: u64, duplicates: f64, page_rows: usize) {
        let paging = Paging::new(9, unique, duplicates, page_rows);
        let mut seen: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        let mut written = 0;
        for number in 0..paging.pages() {
            let said = paging.said(&paging.page(number), 9);
            let expected = (paging.rows() - written).min(page_rows as u64);
            assert_eq!(said.len() as u64, expected, "page {number}");
            written += expected;
            for Said { ordinal, again } in said {
                let next_new = seen.len() as u64;
                assert!(ordinal <= next_new, "rows come in order, repeats after them");
                let times = seen.entry(ordinal).or_default();
                times.push(again);
                assert!(times[0] == 0 && times.is_sorted_by(|one, next| one < next), "{times:?}");
            }
        }
        assert_eq!(seen.len() as u64, unique);
        let times: usize = seen.values().map(Vec::len).sum();
        assert_eq!(times as u64, unique + paging.repeats());
    }

    #[test]
    fn pages_hold_every_row_and_the_wanted_repeats() {
        check(0, 0.1, 5000);
        check(1, 0.0, 5000);
        check(12_345, 0.0, 5000);
        check(12_345, 0.01, 5000);
        check(12_345, 0.5, 100);
        check(999, 0.3, 7);
        for page_rows in 1..6 {
            check(50, 0.5, page_rows);
        }
    }
}
