//! Accesses and different actors per local day, and the different days of each actor, counted while the accesses pass.
//!
//! Two remembered days per actor suffice, as in [`super::daily`]: a local date steps back once and by one day at most.

use super::clock::LocalDates;
use crate::lake::{Accesses, NOBODY};
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

pub struct Days {
    dates: LocalDates,
    /// Per actor; the later seen day first.
    last_days: Vec<[i32; 2]>,
    active_days: Vec<u32>,
    today: i32,
    used_today: Used,
    used: BTreeMap<i32, Used>,
}

impl Days {
    pub fn new(actor_count: usize, tz: Tz) -> Days {
        Days {
            dates: LocalDates::new(tz),
            last_days: vec![[NEVER; 2]; actor_count],
            active_days: vec![0; actor_count],
            today: NEVER,
            used_today: Used::default(),
            used: BTreeMap::new(),
        }
    }

    pub fn take(&mut self, accesses: Accesses<'_>) {
        for (&on, &actor) in accesses.created_on.iter().zip(accesses.actor) {
            let day = self.dates.day(on);
            if day != self.today {
                self.turn_to(day);
            }
            self.used_today.accesses += 1;
            if actor == NOBODY {
                continue;
            }
            let place = actor as usize;
            let days = &mut self.last_days[place];
            if days[0] != day {
                if days[1] != day {
                    self.active_days[place] += 1;
                    self.used_today.actors += 1;
                }
                *days = [day, days[0]];
            }
        }
    }

    fn turn_to(&mut self, day: i32) {
        let past = std::mem::take(&mut self.used_today);
        if self.today != NEVER {
            let used = self.used.entry(self.today).or_default();
            used.accesses += past.accesses;
            used.actors += past.actors;
        }
        self.today = day;
    }

    /// What happened by day, and on how many days each actor was seen.
    pub fn finish(mut self) -> (BTreeMap<i32, Used>, Vec<u32>) {
        self.turn_to(NEVER);
        (self.used, self.active_days)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instant;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        /// About a clock that is put back over midnight, where a date comes twice.
        #[test]
        fn days_equal_the_rule_word_by_word(
            mut rows in prop::collection::vec((-120i64..120, prop::sample::select(vec![0u32, 1, NOBODY])), 0..100),
            near in any::<bool>(),
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
            let mut days = Days::new(2, tz);
            let (on, actor): (Vec<i64>, Vec<u32>) = rows.iter().copied().unzip();
            days.take(Accesses { created_on: &on, actor: &actor, is_web: &vec![true; on.len()] });
            let (found, active_days) = days.finish();
            prop_assert_eq!(found, dated.iter().map(|row| (row.0, used(row.0))).collect());
            let expected = [0, 1].map(|actor| seen.iter().filter(|row| row.1 == actor).count() as u32);
            prop_assert_eq!(active_days, expected);
        }
    }
}
