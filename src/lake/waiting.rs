//! Stretches of the log that wait until nothing earlier can come, and their merge in order of time.
//!
//! Stretches that do not overlap pass as they are, without a copy. Where several do, the earliest gives its rows up to
//! the next one's first, and so on in turn; short runs are gathered, so that the reader gets pieces worth its while.

use super::accesses::Columns;
use super::sightings::Sightings;
use crate::error::Result;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A run of at least so many rows is passed on as it is; shorter ones are copied together.
const LONG_RUN: usize = 1 << 10;

/// Rows that are copied together before they are passed on.
const GATHERED_ROWS: usize = 1 << 16;

#[derive(Default)]
pub(super) struct Waiting {
    stretches: Vec<Stretch>,
    gathered: Columns,
}

/// Rows in order of time, of which those before `given` are gone.
struct Stretch {
    rows: Columns,
    given: usize,
}

impl Stretch {
    fn rest(&self) -> Sightings<'_> {
        self.rows.all().split_at(self.given).1
    }

    fn first(&self) -> Option<i64> {
        self.rest().created_on.first().copied()
    }
}

impl Waiting {
    pub(super) fn add(&mut self, stretches: Vec<Columns>) {
        let waiting = stretches.into_iter().filter(|rows| !rows.created_on.is_empty());
        self.stretches.extend(waiting.map(|rows| Stretch { rows, given: 0 }));
    }

    /// Gives away all rows up to `until`, in order of time.
    pub(super) fn give(&mut self, until: i64, take: &mut impl FnMut(Sightings<'_>) -> Result<()>) -> Result<()> {
        let heads = self.stretches.iter().enumerate();
        let mut heads: BinaryHeap<Reverse<(i64, usize)>> = heads
            .filter_map(|(place, stretch)| Some(Reverse((stretch.first()?, place))))
            .collect();
        while let Some(Reverse((_, place))) = heads.pop().filter(|Reverse((first, _))| *first <= until) {
            let limit = heads.peek().map_or(until, |Reverse((next, _))| until.min(*next));
            let stretch = &mut self.stretches[place];
            let rest = stretch.rest();
            let run = rest.split_at(count_up_to(rest.created_on, limit)).0;
            let rows = run.len();
            if rows >= LONG_RUN {
                pass_on(&mut self.gathered, take)?;
                take(run)?;
            } else {
                self.gathered.push(run);
                if self.gathered.created_on.len() >= GATHERED_ROWS {
                    pass_on(&mut self.gathered, take)?;
                }
            }
            stretch.given += rows;
            heads.extend(stretch.first().map(|first| Reverse((first, place))));
        }
        self.stretches.retain(|stretch| stretch.first().is_some());
        pass_on(&mut self.gathered, take)
    }
}

fn pass_on(gathered: &mut Columns, take: &mut impl FnMut(Sightings<'_>) -> Result<()>) -> Result<()> {
    if !gathered.created_on.is_empty() {
        take(gathered.all())?;
        gathered.clear();
    }
    Ok(())
}

/// How many of the ordered instants are at most `limit`: looks in strides that double, since the answer is often near.
fn count_up_to(ordered: &[i64], limit: i64) -> usize {
    let mut stride = 1;
    while stride < ordered.len() && ordered[stride] <= limit {
        stride *= 2;
    }
    let (from, to) = (stride / 2, ordered.len().min(stride));
    from + ordered[from..to].partition_point(|&on| on <= limit)
}

#[cfg(test)]
mod tests {
    use super::super::sightings::By;
    use super::*;
    use proptest::prelude::*;

    fn columns(mut on: Vec<i64>, actor: u32) -> Columns {
        on.sort_unstable();
        Columns {
            actor: vec![actor; on.len()],
            by: on
                .iter()
                .map(|on| if on % 2 == 0 { By::Web } else { By::Change })
                .collect(),
            created_on: on,
        }
    }

    /// What is given up to each of the bounds, one after the other; every piece is in order and one is never empty.
    fn given(waves: Vec<(Vec<Columns>, i64)>) -> Columns {
        let (mut waiting, mut all) = (Waiting::default(), Columns::default());
        for (wave, until) in waves {
            waiting.add(wave);
            let take = |piece: Sightings<'_>| {
                assert!(!piece.is_empty());
                all.push(piece);
                Ok(())
            };
            waiting.give(until, &mut { take }).expect("memory");
            assert!(all.created_on.iter().all(|&on| on <= until));
        }
        assert!(waiting.stretches.is_empty());
        all
    }

    #[test]
    fn rows_up_to_the_bound_go_and_later_ones_wait_for_what_overlaps() {
        let waves = vec![
            (vec![columns(vec![8, 12], 0), columns(vec![11, 15], 1)], 14),
            (vec![columns(vec![14, 18], 2)], i64::MAX),
        ];
        let all = given(waves);
        assert_eq!(all.created_on, [8, 11, 12, 14, 15, 18]);
        assert_eq!(all.actor, [0, 1, 0, 2, 1, 2]);
    }

    #[test]
    fn a_long_run_passes_as_it_is_and_short_ones_before_it_come_first() {
        let long = LONG_RUN as i64;
        let waves = vec![(
            vec![columns((10..10 + long).collect(), 0), columns(vec![1, 5, 2000], 1)],
            i64::MAX,
        )];
        let all = given(waves);
        assert!(all.created_on.is_sorted());
        assert_eq!(all.created_on.len(), LONG_RUN + 3);
        assert_eq!(all.actor[..3], [1, 1, 0]);
    }

    proptest! {
        #[test]
        fn counting_in_strides_is_counting(mut on in prop::collection::vec(0i64..50, 1..200), limit in -1i64..52) {
            on.sort_unstable();
            prop_assert_eq!(count_up_to(&on, limit), on.iter().filter(|on| **on <= limit).count());
        }

        #[test]
        fn any_overlap_is_merged_and_no_row_is_lost(
            mut stretches in prop::collection::vec(prop::collection::vec(0i64..60, 1..40), 1..9), wave in 1usize..4,
        ) {
            stretches.iter_mut().for_each(|on| on.sort_unstable());
            stretches.sort_by_key(|on| on[0]);
            let decoded: Vec<Columns> =
                stretches.iter().enumerate().map(|(actor, on)| columns(on.clone(), actor as u32)).collect();
            let chunks: Vec<&[Columns]> = decoded.chunks(wave).collect();
            let until = |next: usize| chunks.get(next).map_or(i64::MAX, |wave| wave[0].created_on[0]);
            let waves = chunks.iter().enumerate().map(|(place, wave)| (wave.to_vec(), until(place + 1)));
            let all = given(waves.collect());
            prop_assert!(all.created_on.is_sorted());
            let sorted = |columns: &Columns| {
                let on = columns.created_on.iter().zip(&columns.actor).zip(&columns.by);
                let mut rows: Vec<_> = on.map(|((on, actor), by)| (*on, *actor, *by)).collect();
                rows.sort_unstable();
                rows
            };
            let mut together = Columns::default();
            decoded.iter().for_each(|columns| together.push(columns.all()));
            prop_assert_eq!(sorted(&all), sorted(&together));
        }
    }
}
