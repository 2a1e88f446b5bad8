//! Accesses and different actors per local day, and the different days of each actor, counted while the accesses pass.
//!
//! Who was seen is remembered of two days, as in [`super::daily`]: a local date steps back once and by one day at most.

use super::bits::Bits;
use super::clock::LocalDates;
use crate::lake::Accesses;
use chrono_tz::Tz;
use std::collections::BTreeMap;

/// No day has this number.
const NEVER: i32 = i32::MIN;

/// What happened on a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    pub accesses: i64,
    /// Different ones.
    pub actors: i64,
}

#[derive(Clone)]
pub struct Days {
    dates: LocalDates,
    active_days: Vec<u32>,
    today: Today,
    /// The day that was counted before today.
    before: Today,
    used: BTreeMap<i32, Used>,
}

#[derive(Clone)]
struct Today {
    day: i32,
    used: Used,
    seen: Bits,
}

impl Days {
    pub fn new(actor_count: usize, tz: Tz) -> Days {
        let never = || Today {
            day: NEVER,
            used: Used::default(),
            seen: Bits::new(actor_count),
        };
        Days {
            dates: LocalDates::new(tz),
            active_days: vec![0; actor_count],
            today: never(),
            before: never(),
            used: BTreeMap::new(),
        }
    }

    pub fn take(&mut self, mut accesses: Accesses<'_>) {
        while let Some(&on) = accesses.created_on.first() {
            let day = self.dates.day(on);
            self.turn_to(day);
            let (run, later) = accesses.split_at(self.dates.run(accesses.created_on));
            self.today.used.accesses += run.len() as i64;
            for &actor in run.actor {
                if self.today.seen.insert(actor) {
                    self.active_days[actor as usize] += 1;
                    self.today.used.actors += 1;
                }
            }
            accesses = later;
        }
    }

    fn turn_to(&mut self, day: i32) {
        if self.today.day == day {
            return;
        }
        let used = std::mem::take(&mut self.today.used);
        if self.today.day != NEVER {
            let all = self.used.entry(self.today.day).or_default();
            all.accesses += used.accesses;
            all.actors += used.actors;
        }
        // Of a day that comes again, it is known who was seen.
        std::mem::swap(&mut self.today, &mut self.before);
        if self.today.day != day {
            self.today.day = day;
            self.today.seen.clear();
        }
    }

    /// What was counted of all, `later` of accesses on later days.
    pub fn then(mut self, mut later: Days) -> Days {
        self.turn_to(NEVER);
        later.turn_to(NEVER);
        self.used.extend(later.used);
        let all = self.active_days.iter_mut().zip(later.active_days);
        all.for_each(|(days, more)| *days += more);
        self
    }

    /// What happened by day, and on how many days each actor was seen.
    pub fn finish(mut self) -> (BTreeMap<i32, Used>, Vec<u32>) {
        self.turn_to(NEVER);
        (self.used, self.active_days)
    }
}

#[cfg(test)]
mod tests {
    use super::super::clock::next_midnight;
    use super::*;
    use crate::instant;
    use crate::lake::{By, NOBODY};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        /// About a clock that is put back over midnight, where a date comes twice.
        #[test]
        fn days_equal_the_rule_word_by_word(
            mut rows in prop::collection::vec((-120i64..120, prop::sample::select(vec![0u32, 1, NOBODY])), 0..100),
            near in any::<bool>(),
            cut in 0usize..100,
        ) {
            rows.sort_unstable();
            let tz = chrono_tz::America::St_Johns;
            let change = instant::parse("2010-11-07T02:31:00Z", Tz::UTC).expect("an instant");
            let step = if near { 30_000_000 } else { 6 * 3_600_000_000 };
            rows.iter_mut().for_each(|row| row.0 = change + row.0 * step);
            let mut dates = LocalDates::new(tz);
            let dated: Vec<(i32, u32)> = rows.iter().map(|&(on, actor)| (dates.day(on), actor)).collect();
            let seen: BTreeSet<(i32, u32)> = dated.iter().copied().filter(|row| row.1 != NOBODY).collect();
            let used = |day: i32| Used {
                accesses: dated.iter().filter(|row| row.0 == day).count() as i64,
                actors: seen.iter().filter(|row| row.0 == day).count() as i64,
            };
            let (on, actor): (Vec<i64>, Vec<u32>) = rows.iter().copied().unzip();
            let all = Accesses { created_on: &on, actor: &actor, by: &vec![By::Web; on.len()] };
            let of = |accesses| {
                let mut days = Days::new(2, tz);
                days.take(accesses);
                days
            };
            let cut = on.get(cut).and_then(|on| next_midnight(*on, tz)).unwrap_or(i64::MAX);
            let (before, after) = all.split_at(on.partition_point(|on| *on < cut));
            let (found, active_days) = of(all).finish();
            prop_assert_eq!(of(before).then(of(after)).finish(), (found.clone(), active_days.clone()));
            prop_assert_eq!(found, dated.iter().map(|row| (row.0, used(row.0))).collect());
            let expected = [0, 1].map(|actor| seen.iter().filter(|row| row.1 == actor).count() as u32);
            prop_assert_eq!(active_days, expected);
        }
    }
}
