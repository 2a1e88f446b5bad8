//! How many people there are, and how many rows each slice of time gets.
//!
//! The period is cut into slices: whole days, or parts of a day when a day has more rows than memory should hold. A
//! first pass only counts how often people would be seen in each slice; the size of the organisation follows from it,
//! and the wanted number of rows is shared out in proportion, to the row. After that every slice can be made alone.
//!
//! Example: 1,000 access rows over two days with 700 and 330 visits become 679 and 321 rows. Changes follow the visits
//! too, since people change records while they are there.

use super::Plan;
use super::people::{Client, DAY_S, FEWEST_PEOPLE, Organisation, Workday};
use super::windows::Windows;
use chrono::{Datelike, Days, Weekday};
use rayon::prelude::*;
use std::io;
use std::ops::Range;

/// People whose day is worked out as one parallel task.
pub const PEOPLE_PER_TASK: u32 = 16_384;
const ROUNDS_TO_SIZE_THE_ORGANISATION: u64 = 16;

#[derive(Debug, Clone)]
pub struct Slice {
    pub day: Workday,
    /// Seconds since the log's start, `[start, end)`.
    pub seconds: Range<u32>,
    /// How often people are there while accesses are logged; at least `access_rows`.
    pub visits: u64,
    pub access_rows: u64,
    pub change_rows: u64,
    /// Which of the control rows fall into this slice.
    pub controls: Range<usize>,
}

impl Slice {
    pub fn rows(&self) -> u64 {
        self.access_rows + self.change_rows + self.controls.len() as u64
    }
}

#[derive(Debug, Clone)]
pub struct Schedule {
    pub organisation: Organisation,
    pub windows: Windows,
    pub slices: Vec<Slice>,
}

/// What a slice of time offers: visits that are logged, and visits during which changes are logged.
#[derive(Debug, Clone, Copy, Default)]
struct Offer {
    visits: u64,
    visits_with_changes: u64,
}

impl Schedule {
    pub fn of(plan: &Plan) -> io::Result<Schedule> {
        let windows = Windows::plant(plan.seed, plan.days, plan.gaps);
        let days: Vec<Workday> = (0..plan.days).map(|index| workday(plan, index)).collect();
        let per_day = slices_per_day(plan);
        let (organisation, offers) = size_organisation(plan, &days, &windows, per_day)?;
        let slices = share_out(plan, &days, &windows, per_day, &offers);
        Ok(Schedule {
            organisation,
            windows,
            slices,
        })
    }
}

fn workday(plan: &Plan, index: u32) -> Workday {
    let date = plan.start + Days::new(u64::from(index));
    let weekend = matches!(date.weekday(), Weekday::Sat | Weekday::Sun);
    let holiday = matches!((date.month(), date.day()), (1, 1) | (5, 1) | (12, 25) | (12, 26));
    Workday {
        index,
        weekday: date.weekday().num_days_from_monday(),
        is_free: weekend || holiday,
    }
}

/// Chosen so that the busiest slice of a working day stays below about two million rows. Not finer than needed, since
/// each slice looks at everybody's day.
fn slices_per_day(plan: &Plan) -> u32 {
    match (plan.access_rows + plan.change_rows) / u64::from(plan.days) {
        0..500_000 => 1,
        500_000..12_000_000 => 24,
        12_000_000..50_000_000 => 96,
        _ => 288,
    }
}

/// Finds the smallest organisation that is seen often enough, give or take a few per cent.
fn size_organisation(
    plan: &Plan,
    days: &[Workday],
    windows: &Windows,
    per_day: u32,
) -> io::Result<(Organisation, Vec<Offer>)> {
    let at_work = days.iter().filter(|day| !day.is_free).count().max(1) as u64;
    let mut people = (plan.access_rows / (at_work * 2)).max(u64::from(FEWEST_PEOPLE));
    for round in 0.. {
        let organisation = Organisation {
            seed: plan.seed,
            people: u32::try_from(people).map_err(|_| too_dense())?,
            days: plan.days,
        };
        let offers = offers(&organisation, days, windows, per_day);
        let seen: u64 = offers.iter().map(|offer| offer.visits).sum();
        let enough = seen >= plan.access_rows;
        let too_many = people > u64::from(FEWEST_PEOPLE) && seen > plan.access_rows / 100 * 104;
        if enough && (!too_many || round >= 3) || round == ROUNDS_TO_SIZE_THE_ORGANISATION {
            return Ok((organisation, offers));
        }
        let percent = 101 + 2 * round;
        let wanted = u128::from(people) * u128::from(plan.access_rows) * u128::from(percent);
        people = (wanted / u128::from(seen.max(1) * 100)) as u64;
        people = people.max(u64::from(FEWEST_PEOPLE)) + u64::from(!enough);
    }
    Err(too_dense())
}

fn too_dense() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "so many access rows need more days")
}

fn offers(organisation: &Organisation, days: &[Workday], windows: &Windows, per_day: u32) -> Vec<Offer> {
    days.par_iter()
        .flat_map_iter(|day| offers_of_day(organisation, *day, windows, per_day))
        .collect()
}

fn offers_of_day(organisation: &Organisation, day: Workday, windows: &Windows, per_day: u32) -> Vec<Offer> {
    let start_s = day.index * DAY_S;
    let touched = windows.touch(start_s, start_s + DAY_S);
    let slice_s = DAY_S / per_day;
    let nothing = || vec![Offer::default(); per_day as usize];
    (0..organisation.people.div_ceil(PEOPLE_PER_TASK))
        .into_par_iter()
        .fold(nothing, |mut offers, task| {
            for person in people_of_task(organisation, task) {
                organisation.accesses(person, day, |second, _: Client| {
                    let offer = &mut offers[(second / slice_s) as usize];
                    let at_s = start_s + second;
                    offer.visits += u64::from(!touched || windows.logs_access(at_s));
                    offer.visits_with_changes += u64::from(!touched || windows.logs_changes(at_s));
                });
            }
            offers
        })
        .reduce(nothing, |mut sum, more| {
            for (sum, more) in sum.iter_mut().zip(more) {
                sum.visits += more.visits;
                sum.visits_with_changes += more.visits_with_changes;
            }
            sum
        })
}

pub fn people_of_task(organisation: &Organisation, task: u32) -> Range<u32> {
    let first = task * PEOPLE_PER_TASK;
    first..first.saturating_add(PEOPLE_PER_TASK).min(organisation.people)
}

/// Shares the wanted rows out by running totals, so that rounding never loses or adds one.
fn share_out(plan: &Plan, days: &[Workday], windows: &Windows, per_day: u32, offers: &[Offer]) -> Vec<Slice> {
    let slice_s = DAY_S / per_day;
    let visits: u64 = offers.iter().map(|offer| offer.visits).sum();
    let with_changes: u64 = offers.iter().map(|offer| offer.visits_with_changes).sum();
    let access_total = plan.access_rows.min(visits);
    let mut so_far = Offer::default();
    offers
        .iter()
        .enumerate()
        .map(|(index, offer)| {
            let day = days[index / per_day as usize];
            let start_s = index as u32 * slice_s;
            let end_s = start_s + slice_s;
            let before = so_far;
            so_far.visits += offer.visits;
            so_far.visits_with_changes += offer.visits_with_changes;
            let row_at = |at_s| windows.controls.partition_point(|row| row.at_s < at_s);
            Slice {
                day,
                seconds: start_s..end_s,
                visits: offer.visits,
                access_rows: part(access_total, so_far.visits, visits) - part(access_total, before.visits, visits),
                change_rows: part(plan.change_rows, so_far.visits_with_changes, with_changes)
                    - part(plan.change_rows, before.visits_with_changes, with_changes),
                controls: row_at(start_s)..row_at(end_s),
            }
        })
        .collect()
}

/// `total × some ÷ whole`, rounded down; 0 of nothing.
pub fn part(total: u64, some: u64, whole: u64) -> u64 {
    (u128::from(total) * u128::from(some) / u128::from(whole.max(1))) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(days: u32, access_rows: u64) -> Schedule {
        let plan = Plan {
            days,
            access_rows,
            change_rows: 777,
            gaps: 3,
            ..Plan::default()
        };
        Schedule::of(&plan).expect("a schedule")
    }

    #[test]
    fn the_rows_wanted_are_shared_out_to_the_row() {
        for (days, access_rows) in [(1, 40), (7, 0), (30, 12_345), (200, 100), (2, 1_200_000)] {
            let schedule = schedule(days, access_rows);
            let accesses: u64 = schedule.slices.iter().map(|slice| slice.access_rows).sum();
            let changes: u64 = schedule.slices.iter().map(|slice| slice.change_rows).sum();
            assert_eq!((accesses, changes), (access_rows, 777), "{days} days");
            assert!(schedule.slices.iter().all(|slice| slice.access_rows <= slice.visits));
        }
    }

    #[test]
    fn the_organisation_grows_with_the_rows_per_day() {
        assert_eq!(schedule(30, 100).organisation.people, FEWEST_PEOPLE);
        let people = schedule(30, 50_000).organisation.people;
        assert!((900..1600).contains(&people), "{people}");
    }

    #[test]
    fn no_slice_of_a_large_day_is_large() {
        let schedule = schedule(2, 1_200_000);
        assert_eq!(schedule.slices.len(), 48);
        assert!(schedule.slices.iter().all(|slice| slice.rows() < 200_000));
    }
}
