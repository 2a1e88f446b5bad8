//! Accesses, people and sessions by client, counted per local day, week, month and over all while the accesses pass.
//!
//! How many different actors a period had is counted when one comes who was not yet seen in it. For that the last two
//! different days of an actor and client suffice: local dates go forward, but for the one step back where a clock is
//! put back over midnight (America/St_Johns, 00:01 → 23:01, until 2011), and weeks and months are made of days.
//!
//! Example: an actor seen on Sunday, Monday and, the clock put back, Sunday again is two days old: Sunday is known.

use super::bits::Bits;
use super::clock::{LocalDates, month_end, month_start, week_start};
use super::kernel::Session;
use crate::lake::Accesses;
use chrono_tz::Tz;
use std::collections::BTreeMap;

/// In byte order of their names, so that the order of numbers is the order of rows.
pub const GRAINS: [&str; 4] = ["all", "day", "month", "week"];
pub const CLIENTS: [&str; 2] = ["web", "web_services"];

pub type ByClient = [i64; CLIENTS.len()];

/// No day has this number.
const NEVER: i32 = i32::MIN;

/// First and last day of each grain's period that a day belongs to; the whole log is the period of all days.
pub type Periods = [(i32, i32); GRAINS.len()];

pub fn periods(day: i32, whole: (i32, i32)) -> Periods {
    let week = week_start(day);
    [whole, (day, day), (month_start(day), month_end(day)), (week, week + 6)]
}

#[derive(Clone)]
pub struct Daily {
    dates: LocalDates,
    whole: (i32, i32),
    /// Per actor and client; the later seen day first.
    last_days: Vec<[[i32; 2]; CLIENTS.len()]>,
    first_days: Vec<[i32; CLIENTS.len()]>,
    /// Who needs no second look today, by client.
    met_today: [Bits; CLIENTS.len()],
    /// What the running day adds to the counts below.
    today: Today,
    counts: Counts,
}

/// What was counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// By day.
    pub accesses: BTreeMap<i32, ByClient>,
    /// By the day of their start: a mixed session under both clients.
    pub sessions: BTreeMap<i32, ByClient>,
    /// Different actors by grain and first day of the period.
    pub actors: BTreeMap<(usize, i32), ByClient>,
}

#[derive(Clone)]
struct Today {
    day: i32,
    periods: Periods,
    accesses: ByClient,
    actors: [ByClient; GRAINS.len()],
}

impl Daily {
    /// `log` is the first and the last instant of the log.
    pub fn new(actor_count: usize, log: (i64, i64), tz: Tz) -> Daily {
        let mut dates = LocalDates::new(tz);
        let whole = (dates.day(log.0), dates.day(log.1));
        Daily {
            dates,
            whole,
            last_days: vec![[[NEVER; 2]; CLIENTS.len()]; actor_count],
            first_days: vec![[NEVER; CLIENTS.len()]; actor_count],
            met_today: [(); CLIENTS.len()].map(|()| Bits::new(actor_count)),
            today: Today::new(NEVER, whole),
            counts: Counts::default(),
        }
    }

    pub fn take(&mut self, mut accesses: Accesses<'_>) {
        while let Some(&on) = accesses.created_on.first() {
            let day = self.dates.day(on);
            if day != self.today.day {
                self.turn_to(day);
            }
            let (run, later) = accesses.split_at(self.dates.run(accesses.created_on));
            for (&actor, &by) in run.actor.iter().zip(run.by) {
                let client = by as usize;
                self.today.accesses[client] += 1;
                if self.met_today[client].insert(actor) {
                    let days = &mut self.last_days[actor as usize][client];
                    if days[0] != day {
                        if days[0] == NEVER {
                            self.first_days[actor as usize][client] = day;
                        }
                        self.today.meet(days, client);
                    }
                }
            }
            accesses = later;
        }
    }

    pub fn session_ended(&mut self, session: &Session) {
        let counts = self.counts.sessions.entry(session.started_date).or_default();
        counts[0] += i64::from(session.web > 0);
        counts[1] += i64::from(session.web_services > 0);
    }

    /// What was counted of all, `later` of accesses on later days.
    pub fn then(mut self, mut later: Daily) -> Daily {
        self.turn_to(NEVER);
        later.turn_to(NEVER);
        self.counts.add(later.counts);
        let others = later.last_days.iter().zip(&later.first_days);
        let actors = self.last_days.iter_mut().zip(&mut self.first_days).zip(others);
        for ((last_days, first_days), (next_last, next_first)) in actors {
            for client in (0..CLIENTS.len()).filter(|client| next_first[*client] != NEVER) {
                let (last, first, next) = (&mut last_days[client], next_first[client], next_last[client]);
                if last[0] == NEVER {
                    first_days[client] = first;
                }
                // Of the periods that both are seen in, the actor's next day is in the first.
                for (grain, period) in periods(first, self.whole).into_iter().enumerate() {
                    if is_met(last, grain, period)
                        && let Some(actors) = self.counts.actors.get_mut(&(grain, period.0))
                    {
                        actors[client] -= 1;
                    }
                }
                *last = if next[1] == NEVER { [next[0], last[0]] } else { next };
            }
        }
        self
    }

    pub fn finish(mut self) -> Counts {
        self.turn_to(NEVER);
        self.counts
    }

    fn turn_to(&mut self, day: i32) {
        let past = std::mem::replace(&mut self.today, Today::new(day, self.whole));
        self.met_today.iter_mut().for_each(Bits::clear);
        if past.day == NEVER {
            return;
        }
        add(self.counts.accesses.entry(past.day).or_default(), past.accesses);
        for (grain, actors) in past.actors.into_iter().enumerate() {
            let period = (grain, past.periods[grain].0);
            add(self.counts.actors.entry(period).or_default(), actors);
        }
    }
}

fn add(to: &mut ByClient, more: ByClient) {
    to.iter_mut().zip(more).for_each(|(to, more)| *to += more);
}

/// Whether one of an actor's last days lies in the period of a grain.
fn is_met(last_days: &[i32; 2], grain: usize, (first, last): (i32, i32)) -> bool {
    last_days.iter().any(|&day| match GRAINS[grain] {
        // The log's own days are bounds for `--from`, not for who was seen.
        "all" => day != NEVER,
        _ => first <= day && day <= last,
    })
}

impl Counts {
    fn add(&mut self, more: Counts) {
        fn add_all<K: Ord>(to: &mut BTreeMap<K, ByClient>, more: BTreeMap<K, ByClient>) {
            more.into_iter()
                .for_each(|(key, more)| add(to.entry(key).or_default(), more));
        }
        add_all(&mut self.accesses, more.accesses);
        add_all(&mut self.sessions, more.sessions);
        add_all(&mut self.actors, more.actors);
    }
}

impl Today {
    fn new(day: i32, whole: (i32, i32)) -> Today {
        Today {
            day,
            periods: if day == NEVER {
                Periods::default()
            } else {
                periods(day, whole)
            },
            accesses: ByClient::default(),
            actors: Default::default(),
        }
    }

    /// An actor whose last day with a client was another comes with it today.
    fn meet(&mut self, days: &mut [i32; 2], client: usize) {
        for (grain, period) in self.periods.into_iter().enumerate() {
            if !is_met(days, grain, period) {
                self.actors[grain][client] += 1;
            }
        }
        *days = [self.day, days[0]];
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

    const HOUR_US: i64 = 3_600_000_000;

    fn at(text: &str) -> i64 {
        instant::parse(text, Tz::UTC).expect("an instant")
    }

    fn counts(rows: &[(i64, u32, bool)], tz: Tz) -> Counts {
        let log = rows.first().zip(rows.last()).map(|(first, last)| (first.0, last.0));
        daily(rows, log.unwrap_or_default(), tz).finish()
    }

    fn daily(rows: &[(i64, u32, bool)], log: (i64, i64), tz: Tz) -> Daily {
        let on: Vec<i64> = rows.iter().map(|row| row.0).collect();
        let mut daily = Daily::new(3, log, tz);
        daily.take(Accesses {
            created_on: &on,
            actor: &rows.iter().map(|row| row.1).collect::<Vec<_>>(),
            by: &rows
                .iter()
                .map(|row| if row.2 { By::Web } else { By::WebServices })
                .collect::<Vec<_>>(),
        });
        daily
    }

    /// The rule, word by word: sets of actors, and sums, per period and client.
    fn plainly(rows: &[(i64, u32, bool)], tz: Tz) -> Counts {
        let mut dates = LocalDates::new(tz);
        let mut found = Counts::default();
        let mut sets: BTreeMap<(usize, i32), [BTreeSet<u32>; 2]> = BTreeMap::new();
        let log = rows.first().zip(rows.last()).map(|(first, last)| (first.0, last.0));
        let whole = log
            .map(|(first, last)| (dates.day(first), dates.day(last)))
            .unwrap_or_default();
        for &(on, actor, web) in rows {
            let day = dates.day(on);
            found.accesses.entry(day).or_default()[usize::from(!web)] += 1;
            for (grain, (first, _)) in periods(day, whole).into_iter().enumerate() {
                let set = &mut sets.entry((grain, first)).or_default()[usize::from(!web)];
                set.extend((actor != NOBODY).then_some(actor));
            }
        }
        let sizes = sets
            .into_iter()
            .map(|(period, sets)| (period, sets.map(|set| set.len() as i64)));
        found.actors = sizes.collect();
        found
    }

    #[test]
    fn an_actor_counts_once_per_period_and_client_and_nobody_never() {
        let (sunday, monday) = (at("2026-03-01T23:00:00Z"), at("2026-03-02T01:00:00Z"));
        let rows = [
            (sunday, 0, true),
            (sunday, NOBODY, true),
            (monday, 0, true),
            (monday, 0, false),
            (monday, 1, true),
        ];
        let found = counts(&rows, Tz::UTC);
        assert_eq!(found, plainly(&rows, Tz::UTC));
        let first = |text| (at(text) / HOUR_US / 24) as i32;
        assert_eq!(found.actors[&(0, first("2026-03-01T00:00:00Z"))], [2, 1]);
        assert_eq!(found.actors[&(1, first("2026-03-01T00:00:00Z"))], [1, 0]);
        assert_eq!(found.actors[&(2, first("2026-03-01T00:00:00Z"))], [2, 1]);
        assert_eq!(found.actors[&(3, first("2026-02-23T00:00:00Z"))], [1, 0]);
        assert_eq!(found.actors[&(3, first("2026-03-02T00:00:00Z"))], [2, 1]);
    }

    /// The clock goes from 00:01 on Sunday, the 7th, back to 23:01 on Saturday.
    #[test]
    fn a_day_that_comes_again_when_the_clock_is_put_back_over_midnight_knows_its_actors() {
        let tz = chrono_tz::America::St_Johns;
        let change = at("2010-11-07T02:31:00Z");
        let minute = 60_000_000;
        let mut dates = LocalDates::new(tz);
        let days = [change - minute / 2, change].map(|on| dates.day(on));
        assert_eq!(days[0], days[1] + 1, "the local date steps back");
        let rows: Vec<(i64, u32, bool)> = [-120, -90, -1, 0, 30, 61, 90]
            .into_iter()
            .flat_map(|seconds| (0..3).map(move |actor| (change + seconds * 60_000_000 / 2, actor, actor != 1)))
            .collect();
        assert_eq!(counts(&rows, tz), plainly(&rows, tz));
    }

    #[test]
    fn a_mixed_session_counts_under_both_clients() {
        let mut daily = Daily::new(1, (0, 0), Tz::UTC);
        let session = |web, web_services| Session {
            actor: 0,
            started_date: 7,
            started_on: 0,
            last_seen_on: 0,
            web,
            web_services,
            changes: 0,
            starts_with_change: false,
            ends_with_change: false,
        };
        [session(1, 0), session(2, 3)]
            .iter()
            .for_each(|session| daily.session_ended(session));
        assert_eq!(daily.finish().sessions, BTreeMap::from([(7, [2, 1])]));
    }

    proptest! {
        #[test]
        fn counts_equal_the_rule_word_by_word_across_a_clock_put_back(
            mut rows in prop::collection::vec(
                (-60i64 * 24..60 * 24, prop::sample::select(vec![0u32, 1, 2, NOBODY]), any::<bool>()), 0..120),
            near in any::<bool>(),
            cuts in prop::collection::vec(0usize..120, 0..4),
        ) {
            rows.sort_unstable();
            let tz = chrono_tz::America::St_Johns;
            // Two years of changes between hours, or one change between minutes.
            let (change, step) = (at("2010-11-07T02:31:00Z"), if near { HOUR_US / 120 } else { 6 * HOUR_US });
            rows.iter_mut().for_each(|row| row.0 = change + row.0 * step);
            let found = counts(&rows, tz);
            prop_assert_eq!(&found, &plainly(&rows, tz));
            let log = rows.first().zip(rows.last()).map(|(first, last)| (first.0, last.0)).unwrap_or_default();
            let midnight = |row: &usize| rows.get(*row).and_then(|row| next_midnight(row.0, tz));
            let mut cuts: Vec<i64> = cuts.iter().filter_map(midnight).collect();
            cuts.sort_unstable();
            let (mut all, mut rest) = (daily(&[], log, tz), rows.as_slice());
            for cut in cuts.into_iter().chain([i64::MAX]) {
                let (leg, later) = rest.split_at(rest.partition_point(|row| row.0 < cut));
                all = all.then(daily(leg, log, tz));
                rest = later;
            }
            prop_assert_eq!(all.finish(), found);
        }
    }
}
