//! The events of one slice of time, in order: who did what in which second.
//!
//! An event is sixteen bytes; what its row says follows from it and from its ordinal in the log, and is composed only
//! when the row is written. A slice needs nothing from its neighbours.

use super::draw::{Draw, Purpose};
use super::people::{Client, DAY_S, HOUR_S};
use super::schedule::{PEOPLE_PER_TASK, Schedule, Slice, part, people_of_task};
use rayon::prelude::*;

/// Nobody works on longer after having been seen than until the next check would see them.
const AT_WORK_S: u32 = 4 * HOUR_S;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// `person` is the number of the control row.
    Control,
    Access(Client),
    Change,
}

/// Ordered by time. Two equal events are interchangeable, so any sort of them gives the same log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    /// Seconds since the log's start.
    pub at_s: u32,
    pub what: What,
    pub person: u32,
    /// Changes only: rows of one transaction share the number and the second.
    pub transaction: u32,
    pub member: u8,
    pub members: u8,
}

impl Event {
    fn new(at_s: u32, what: What, person: u32) -> Event {
        Event {
            at_s,
            what,
            person,
            transaction: 0,
            member: 0,
            members: 0,
        }
    }
}

pub fn events(schedule: &Schedule, slice: &Slice) -> Vec<Event> {
    let windows = &schedule.windows;
    let touched = windows.touch(slice.seconds.start, slice.seconds.end);
    let visits = visits(schedule, slice);
    let mut events = Vec::with_capacity(slice.rows() as usize);
    let logged = visits
        .iter()
        .filter(|visit| !touched || windows.logs_access(visit.at_s));
    // Of the visits a few per cent too many, every so-manieth is left out.
    events.extend(logged.zip(1..).filter_map(|(visit, number)| {
        let wanted = |number| part(slice.access_rows, number, slice.visits);
        (wanted(number) > wanted(number - 1)).then_some(*visit)
    }));
    add_changes(schedule, slice, &visits, touched, &mut events);
    for row in slice.controls.clone() {
        let at_s = windows.controls[row].at_s;
        events.push(Event::new(at_s, What::Control, row as u32));
    }
    events.par_sort_unstable();
    events
}

/// Everybody seen in the slice, in order, whether auditing runs or not.
fn visits(schedule: &Schedule, slice: &Slice) -> Vec<Event> {
    let organisation = &schedule.organisation;
    let start_s = slice.day.index * DAY_S;
    let mut visits: Vec<Event> = (0..organisation.people.div_ceil(PEOPLE_PER_TASK))
        .into_par_iter()
        .flat_map_iter(|task| {
            let mut seen = Vec::new();
            for person in people_of_task(organisation, task) {
                organisation.accesses(person, slice.day, |second, client| {
                    let at_s = start_s + second;
                    if slice.seconds.contains(&at_s) {
                        seen.push(Event::new(at_s, What::Access(client), person));
                    }
                });
            }
            seen
        })
        .collect();
    visits.par_sort_unstable();
    visits
}

/// Changes are made by people who were seen, in the hours after, often several rows in one transaction.
fn add_changes(schedule: &Schedule, slice: &Slice, visits: &[Event], touched: bool, events: &mut Vec<Event>) {
    let windows = &schedule.windows;
    let logs_changes = |at_s| !touched || windows.logs_changes(at_s);
    let makers: Vec<&Event> = visits.iter().filter(|visit| logs_changes(visit.at_s)).collect();
    let stream = u64::from(slice.seconds.start);
    let mut draw = Draw::new(schedule.organisation.seed, Purpose::Changes, stream, 0);
    let mut left = slice.change_rows;
    while left > 0 {
        let Some(maker) = makers.get(draw.below(makers.len() as u32) as usize) else {
            return;
        };
        let later_s = draw.below(AT_WORK_S.min(slice.seconds.end - maker.at_s));
        let at_s = Some(maker.at_s + later_s).filter(|at_s| logs_changes(*at_s));
        let drawn = if draw.chance(700) { 1 } else { 2 + draw.below(4) };
        let members = u64::from(drawn).min(left);
        let transaction = draw.next() as u32;
        events.extend((0..members as u8).map(|member| Event {
            at_s: at_s.unwrap_or(maker.at_s),
            what: What::Change,
            person: maker.person,
            transaction,
            member,
            members: members as u8,
        }));
        left -= members;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::Plan;
    use crate::generate::windows::Scope;

    fn schedule(days: u32, access_rows: u64) -> Schedule {
        let plan = Plan {
            days,
            access_rows,
            change_rows: access_rows / 2,
            gaps: 6,
            ..Plan::default()
        };
        Schedule::of(&plan).expect("a schedule")
    }

    #[test]
    fn a_slice_holds_the_rows_it_was_given_in_order() {
        for (days, access_rows) in [(20, 900), (1, 600_000)] {
            let schedule = schedule(days, access_rows);
            for slice in &schedule.slices {
                let events = events(&schedule, slice);
                assert_eq!(events.len() as u64, slice.rows());
                assert!(events.is_sorted());
                assert!(events.iter().all(|event| slice.seconds.contains(&event.at_s)));
            }
        }
    }

    #[test]
    fn windows_are_silent() {
        let schedule = schedule(60, 20_000);
        let mut changes_without_access = 0;
        for event in schedule.slices.iter().flat_map(|slice| events(&schedule, slice)) {
            let scope = schedule.windows.at(event.at_s).map(|window| window.scope);
            match (event.what, scope) {
                (What::Access(_), Some(Scope::UserAccess | Scope::Organization)) => {
                    panic!("an access inside a window: {event:?}")
                }
                (What::Change, Some(Scope::Organization)) => {
                    panic!("a change inside a window: {event:?}")
                }
                (What::Change, Some(Scope::UserAccess)) => changes_without_access += 1,
                _ => {}
            }
        }
        assert!(changes_without_access > 0, "people go on working while nobody watches");
    }

    #[test]
    fn an_event_is_small() {
        assert_eq!(size_of::<Event>(), 16);
    }
}
