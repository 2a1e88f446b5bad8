//! What the reports are made of, environment by environment: reads the lake, lets everyone count, collects their rows.

use super::audited::Audited;
use super::daily::Daily;
use super::days::Days;
use super::evidence::Witness;
use super::facts::Facts;
use super::gaps::{self, Switched};
use super::kernel::Running;
use super::limits::Limits;
use super::options::{Evidence, Intervals, Options};
use super::pass::{self, Audience, Counters};
use super::people::People;
use super::sessions::{self, Part};
use super::store::{Scratch, Store, Stored};
use super::table::Table;
use super::{Report, activity, clients, control, coverage, gap_table, silence, users};
use crate::error::Result;
use crate::lake::newest::Newest;
use crate::lake::side::Side;
use crate::lake::{AccessLog, Control, Lake, Timeline};
use arrow::array::RecordBatch;
use std::collections::BTreeMap;

/// What the lake knows beside the accesses.
pub struct Known {
    pub newest: Newest,
    /// Organizations alone.
    pub side: Side,
    /// By environment, of those that are asked for.
    pub control: BTreeMap<String, Vec<Control>>,
}

impl Known {
    /// What these reports need of it: only some speak of people, and some of those only of who switched auditing.
    pub fn of(lake: &Lake, reports: &[Report], options: &Options) -> Result<Known> {
        let any = |of: &[Report]| reports.iter().any(|report| of.contains(report));
        let as_of = options.as_of.unwrap_or(i64::MAX);
        let environments = lake.environments().into_iter();
        let asked = environments.filter(|environment| options.asks(environment));
        let control = || {
            let rows = |environment: &str| Ok((environment.to_owned(), lake.control_rows(environment, as_of)?));
            asked.map(rows).collect::<Result<BTreeMap<String, Vec<Control>>>>()
        };
        let speaks_of_all = any(&[Report::Sessions, Report::Users]);
        let everybody = || match speaks_of_all {
            true => lake.newest(None),
            false => Ok(Newest::default()),
        };
        let (control, (everybody, side)) = rayon::join(control, || rayon::join(everybody, || lake.organizations()));
        let control = control?;
        let newest = match !speaks_of_all && any(&[Report::Gaps, Report::Control]) {
            true => {
                let rows = control.values().flatten();
                lake.newest(Some(&rows.filter_map(|row| row.user_id.as_deref()).collect()))
            }
            false => everybody,
        };
        Ok(Known {
            newest: newest?,
            side: side?,
            control,
        })
    }
}

pub struct Found<'a> {
    lake: &'a Lake,
    reports: &'a [Report],
    options: &'a Options,
    /// Rows, a batch per environment, of every report but sessions.
    rows: BTreeMap<Report, Vec<RecordBatch>>,
    /// Environments whose sightings are in the stores, in this order.
    parts: Vec<Part>,
    /// One for each core.
    stores: Vec<Store>,
}

impl<'a> Found<'a> {
    pub fn new(lake: &'a Lake, reports: &'a [Report], options: &'a Options, scratch: &Scratch) -> Found<'a> {
        Found {
            lake,
            reports,
            options,
            rows: BTreeMap::new(),
            parts: Vec::new(),
            stores: Store::several(scratch, rayon::current_num_threads(), options.tz),
        }
    }

    pub fn take_environment(&mut self, environment: &str, known: &Known) -> Result<()> {
        let facts = Facts::of(self.lake, environment, &known.newest, &known.side, self.options);
        match facts.has_log {
            true => self.take_log(facts, known),
            false => self.take_users(&facts, None, Counters::default()),
        }
    }

    fn asks(&self, report: Report) -> bool {
        self.reports.contains(&report)
    }

    fn add(&mut self, report: Report, rows: RecordBatch) {
        self.rows.entry(report).or_default().push(rows);
    }

    /// An environment that has rows.
    fn take_log(&mut self, mut facts: Facts, known: &Known) -> Result<()> {
        let (lake, options) = (self.lake, self.options);
        let as_of = options.as_of.unwrap_or(i64::MAX);
        let timeline = lake.timeline(&facts.environment, options.evidence.kinds(), as_of)?;
        let control = known.control.get(&facts.environment).map_or(&[][..], Vec::as_slice);
        let switched = Switched {
            log_start: facts.log_start,
            log_end: facts.log_end,
            control,
        };
        let gaps = gaps::find(&switched, |instants| timeline.last_up_to(instants))?;
        let chosen = match self.asks(Report::Gaps) {
            true => gap_table::chosen(&facts, &gaps, options),
            false => Vec::new(),
        };
        let windows = chosen.iter().map(|gap| gap.window).collect();
        let witness = Witness::new(windows, facts.intervals.audit_interval_us);
        let log = self.log(timeline, &witness, facts.intervals)?;
        let (passed, inside) = rayon::join(
            || self.pass(&log, &facts, witness),
            || gap_table::inside(lake, &facts.environment, &chosen),
        );
        let (mut counters, witness) = passed?;
        facts.actors = log.into_actors();
        if self.asks(Report::Gaps) {
            self.add(
                Report::Gaps,
                gap_table::rows(&facts, &chosen, witness.evidence(), inside?)?,
            );
        }
        if self.asks(Report::Control) {
            self.add(Report::Control, control::rows(&facts, control, options)?);
        }
        if let Some(seen) = counters.seen.take() {
            let rows = silence::rows(lake, &facts, seen, (&gaps, control), options)?;
            self.add(Report::Silence, rows);
        }
        self.take_counts(&facts, &Audited::new(&facts, &gaps), counters)?;
        if self.asks(Report::Sessions) {
            self.parts.push(Part {
                limits: Limits::new(&facts, &gaps),
                facts,
            });
        }
        Ok(())
    }

    /// What somebody has to see of the log.
    fn log(&self, timeline: Timeline, witness: &Witness, intervals: Intervals) -> Result<AccessLog> {
        // Changes extend sessions, but make none: how far back the access is that makes one, only the whole log tells.
        let counts_all = |report: &Report| match report {
            Report::Control => false,
            Report::Gaps => self.options.evidence == Evidence::All,
            _ => true,
        };
        match self.reports.iter().any(counts_all) {
            true => timeline.log(),
            false => timeline.near(&witness.near(intervals.session_gap_us))?.log(),
        }
    }

    /// Lets all who count see the accesses.
    fn pass(&mut self, log: &AccessLog, facts: &Facts, witness: Witness) -> Result<(Counters, Witness)> {
        let (tz, actors) = (self.options.tz, log.actors().len());
        let daily = || Daily::new(actors, (facts.log_start, facts.log_end), tz);
        let wants_sessions = [Report::Clients, Report::Gaps];
        // Accesses alone tell how many sessions somebody had.
        let cuts_sessions = wants_sessions.iter().any(|report| self.asks(*report))
            || self.asks(Report::Users) && self.options.evidence == Evidence::All;
        let gap_us = facts.intervals.session_gap_us;
        let people = || match People::new(actors) {
            people if cuts_sessions => people,
            people => people.counting_sessions(gap_us),
        };
        let counts_days = self.asks(Report::Coverage) || self.asks(Report::Users);
        let counters = Counters {
            daily: self.asks(Report::Clients).then(daily),
            days: counts_days.then(|| Days::new(actors, tz)),
            rhythm: self.asks(Report::Activity).then(|| activity::Rhythm::new(actors, tz)),
            people: self.asks(Report::Users).then(people),
            seen: (self.asks(Report::Silence)).then(|| silence::Seen::new((facts.log_start, facts.log_end), tz)),
            watch: None,
        };
        let running = || Running::new(actors, gap_us, tz);
        let audience = Audience {
            running: cuts_sessions.then(running),
            witness: witness.of_actors(actors),
            counters,
        };
        let stores = match self.asks(Report::Sessions) {
            true => self.stores.as_mut_slice(),
            false => &mut [],
        };
        stores.iter_mut().for_each(|store| store.begin_environment(actors));
        pass::over(log, audience, tz, stores)
    }

    /// Makes rows of what was counted.
    fn take_counts(&mut self, facts: &Facts, audited: &Audited, mut counters: Counters) -> Result<()> {
        if let Some(daily) = counters.daily.take() {
            self.add(Report::Clients, clients::rows(facts, &daily.finish(), self.options)?);
        }
        if let Some(rhythm) = counters.rhythm.take() {
            self.add(Report::Activity, rhythm.rows(facts)?);
        }
        self.take_users(facts, Some(audited), counters)
    }

    /// Makes rows of days and users; of an environment without a log the latter alone.
    fn take_users(&mut self, facts: &Facts, audited: Option<&Audited>, counters: Counters) -> Result<()> {
        let (used, active_days) = counters.days.map(Days::finish).unwrap_or_default();
        if let Some(audited) = audited.filter(|_| self.asks(Report::Coverage)) {
            self.add(Report::Coverage, coverage::rows(facts, audited, &used, self.options)?);
        }
        if self.asks(Report::Users) {
            let seen = counters.people.map(People::finish).unwrap_or_default();
            let rows = users::rows(facts, audited, (&seen, &active_days), self.options)?;
            self.add(Report::Users, rows);
        }
        Ok(())
    }

    /// The tables of the reports asked for, in that order.
    pub fn tables(mut self) -> Result<Vec<Table>> {
        let sessions = sessions::table(self.options, self.parts, Stored::of(self.stores))?;
        let mut table = |report: &Report| {
            let rows = self.rows.remove(report).unwrap_or_default();
            match report {
                Report::Sessions => Ok(sessions.clone()),
                Report::Clients => clients::table(rows),
                Report::Gaps => gap_table::table(rows),
                Report::Coverage => coverage::table(rows),
                Report::Users => users::table(rows),
                Report::Activity => activity::table(rows),
                Report::Control => control::table(rows),
                Report::Silence => silence::table(rows),
            }
        };
        self.reports.iter().map(&mut table).collect()
    }
}
