//! What the reports are made of, environment by environment: reads the lake, lets everyone count, collects their rows.

use super::audited::Audited;
use super::daily::Daily;
use super::days::Days;
use super::evidence::{Evidence, Witness};
use super::facts::Facts;
use super::gap_table::{self, Inside};
use super::gaps::{self, Gap, Switched};
use super::kernel::Running;
use super::limits::Limits;
use super::options::{self, Intervals, Options};
use super::pass::{self, Audience, Counters};
use super::people::People;
use super::sessions::{self, Part};
use super::store::{Scratch, Store, Stored};
use super::table::Table;
use super::{Report, activity, clients, control, coverage, silence, status, users};
use crate::error::Result;
use crate::lake::newest::Newest;
use crate::lake::side::Side;
use crate::lake::{AccessLog, Control, Lake, Timeline};
use arrow::array::RecordBatch;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// What the lake knows beside the accesses.
pub struct Known<'a> {
    lake: &'a Lake,
    /// Organizations alone.
    side: Side,
    /// By environment, of those that are asked for.
    control: BTreeMap<String, Vec<Control>>,
    named: Named,
    newest: OnceLock<Newest>,
}

/// Who is spoken of by name.
#[derive(Clone, Copy)]
enum Named {
    Everybody,
    WhoSwitchedAuditing,
    Nobody,
}

impl<'a> Known<'a> {
    /// What these reports need of it.
    pub fn of(lake: &'a Lake, reports: &[Report], options: &Options) -> Result<Known<'a>> {
        let any = |of: &[Report]| reports.iter().any(|report| of.contains(report));
        let as_of = options.as_of.unwrap_or(i64::MAX);
        let environments = lake.environments().into_iter();
        let asked = environments.filter(|environment| options.asks(environment));
        let control = || {
            let rows = |environment: &str| Ok((environment.to_owned(), lake.control_rows(environment, as_of)?));
            asked.map(rows).collect::<Result<BTreeMap<String, Vec<Control>>>>()
        };
        let (control, side) = rayon::join(control, || lake.organizations());
        Ok(Known {
            lake,
            side: side?,
            control: control?,
            named: match any(&[Report::Sessions, Report::Users]) {
                true => Named::Everybody,
                false if any(&[Report::Gaps, Report::Control]) => Named::WhoSwitchedAuditing,
                false => Named::Nobody,
            },
            newest: OnceLock::new(),
        })
    }

    /// Who is called how; read once, when it is first asked for.
    fn newest(&self) -> Result<&Newest> {
        if let Some(newest) = self.newest.get() {
            return Ok(newest);
        }
        let newest = match self.named {
            Named::Everybody => self.lake.newest(None)?,
            Named::WhoSwitchedAuditing => {
                let rows = self.control.values().flatten();
                let switchers = rows.filter_map(|row| row.user_id.as_deref()).collect();
                self.lake.newest(Some(&switchers))?
            }
            Named::Nobody => Newest::default(),
        };
        Ok(self.newest.get_or_init(|| newest))
    }
}

/// What the log of an environment tells.
struct Read {
    /// Ids in byte order.
    actors: Vec<String>,
    gaps: Vec<Gap>,
    counters: Counters,
    /// The gaps that are asked for, if they are; and what is for and against each of them.
    chosen: Vec<Gap>,
    evidence: Vec<Evidence>,
    inside: Vec<Inside>,
}

pub struct Found<'a> {
    lake: &'a Lake,
    reports: &'a [Report],
    options: &'a Options,
    /// Rows of every report but sessions, by environment.
    rows: BTreeMap<Report, BTreeMap<String, RecordBatch>>,
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

    /// Takes all environments that are asked for; first those that have rows, for names are read beside the first log.
    pub fn take_all(&mut self, known: &Known<'_>) -> Result<()> {
        let with_rows = self.lake.environments();
        for environment in with_rows.iter().filter(|environment| self.options.asks(environment)) {
            self.take_environment(environment, known)?;
        }
        // Those that have users but no rows, too: their users are known, if nothing of them.
        let mut others = status::environments(self.lake, &known.side);
        others.extend(known.newest()?.environments().map(str::to_owned));
        others.retain(|environment| !with_rows.contains(environment.as_str()) && self.options.asks(environment));
        others
            .iter()
            .try_for_each(|environment| self.take_environment(environment, known))
    }

    fn take_environment(&mut self, environment: &str, known: &Known<'_>) -> Result<()> {
        let mut facts = Facts::of(self.lake, environment, &known.side, self.options);
        if facts.has_log {
            return self.take_log(facts, known);
        }
        facts.persons = known.newest()?.of(environment);
        self.take_users(&facts, None, Counters::default())
    }

    fn asks(&self, report: Report) -> bool {
        self.reports.contains(&report)
    }

    fn add(&mut self, report: Report, facts: &Facts, rows: RecordBatch) {
        let of_report = self.rows.entry(report).or_default();
        of_report.insert(facts.environment.clone(), rows);
    }

    /// An environment that has rows.
    fn take_log(&mut self, mut facts: Facts, known: &Known<'_>) -> Result<()> {
        let (lake, options) = (self.lake, self.options);
        let control = known.control.get(&facts.environment).map_or(&[][..], Vec::as_slice);
        let (read, newest) = rayon::join(|| self.read(&facts, control), || known.newest());
        let mut read = read?;
        facts.actors = read.actors;
        facts.persons = newest?.of(&facts.environment);
        if self.asks(Report::Gaps) {
            let rows = gap_table::rows(&facts, &read.chosen, read.evidence, read.inside)?;
            self.add(Report::Gaps, &facts, rows);
        }
        if self.asks(Report::Control) {
            let rows = control::rows(&facts, control, options)?;
            self.add(Report::Control, &facts, rows);
        }
        if let Some(seen) = read.counters.seen.take() {
            let rows = silence::rows(lake, &facts, seen, (&read.gaps, control), options)?;
            self.add(Report::Silence, &facts, rows);
        }
        self.take_counts(&facts, &Audited::new(&facts, &read.gaps), read.counters)?;
        if self.asks(Report::Sessions) {
            self.parts.push(Part {
                limits: Limits::new(&facts, &read.gaps),
                facts,
            });
        }
        Ok(())
    }

    /// Reads the log of an environment.
    fn read(&mut self, facts: &Facts, control: &[Control]) -> Result<Read> {
        let (lake, options) = (self.lake, self.options);
        let as_of = options.as_of.unwrap_or(i64::MAX);
        let timeline = lake.timeline(&facts.environment, options.evidence.kinds(), as_of)?;
        let switched = Switched {
            log_start: facts.log_start,
            log_end: facts.log_end,
            control,
        };
        let gaps = gaps::find(&switched, |instants| timeline.last_up_to(instants))?;
        let chosen = match self.asks(Report::Gaps) {
            true => gap_table::chosen(&gaps, options),
            false => Vec::new(),
        };
        let windows = chosen.iter().map(|gap| gap.window).collect();
        let witness = Witness::new(windows, facts.intervals.audit_interval_us);
        let log = self.log(timeline, &witness, facts.intervals)?;
        let (passed, inside) = rayon::join(
            || self.pass(&log, facts, witness),
            || gap_table::inside(lake, &facts.environment, &chosen),
        );
        let (counters, witness) = passed?;
        Ok(Read {
            actors: log.into_actors(),
            counters,
            evidence: witness.evidence(),
            inside: inside?,
            chosen,
            gaps,
        })
    }

    /// What somebody has to see of the log.
    fn log(&self, timeline: Timeline, witness: &Witness, intervals: Intervals) -> Result<AccessLog> {
        // Changes extend sessions, but make none: how far back the access is that makes one, only the whole log tells.
        let counts_all = |report: &Report| match report {
            Report::Control => false,
            Report::Gaps => self.options.evidence == options::Evidence::All,
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
            || self.asks(Report::Users) && self.options.evidence == options::Evidence::All;
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
            self.add(
                Report::Clients,
                facts,
                clients::rows(facts, &daily.finish(), self.options)?,
            );
        }
        if let Some(rhythm) = counters.rhythm.take() {
            self.add(Report::Activity, facts, rhythm.rows(facts)?);
        }
        self.take_users(facts, Some(audited), counters)
    }

    /// Makes rows of days and users; of an environment without a log the latter alone.
    fn take_users(&mut self, facts: &Facts, audited: Option<&Audited>, counters: Counters) -> Result<()> {
        let (used, active_days) = counters.days.map(Days::finish).unwrap_or_default();
        if let Some(audited) = audited.filter(|_| self.asks(Report::Coverage)) {
            self.add(
                Report::Coverage,
                facts,
                coverage::rows(facts, audited, &used, self.options)?,
            );
        }
        if self.asks(Report::Users) {
            let seen = counters.people.map(People::finish).unwrap_or_default();
            let rows = users::rows(facts, audited, (&seen, &active_days), self.options)?;
            self.add(Report::Users, facts, rows);
        }
        Ok(())
    }

    /// The tables of the reports asked for, in that order.
    pub fn tables(mut self) -> Result<Vec<Table>> {
        let sessions = sessions::table(self.options, self.parts, Stored::of(self.stores))?;
        let mut table = |report: &Report| {
            let rows = self.rows.remove(report).unwrap_or_default().into_values().collect();
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
