//! All that the reports know of one actor's environment, and of the actor: made by their own pass over the log.

use super::super::audited::Audited;
use super::super::days::Days;
use super::super::evidence::Witness;
use super::super::facts::Facts;
use super::super::gap_table;
use super::super::gaps::{self, Gap, Scope, Switched};
use super::super::kernel::{Running, Session, Window};
use super::super::limits::Limits;
use super::super::options::{Evidence, Options};
use super::super::pass::{self, Audience, Counters};
use super::super::people::People;
use super::super::sessions;
use super::super::users::{self, Verdict};
use super::record::Record;
use super::say::Clock;
use super::watch::Watch;
use crate::error::Result;
use crate::lake::side::Side;
use crate::lake::{Lake, NOBODY};
use crate::record::ACTION_LOG_DELETION;

/// How many gaps are given at most.
const MOST_GAPS: usize = 10;

pub struct Case<'a> {
    pub lake: &'a Lake,
    pub options: &'a Options,
    pub clock: Clock,
    pub id: String,
    pub facts: Facts,
    pub audited: Audited,
    pub verdict: Verdict,
    pub limits: Limits,
    pub watch: Watch,
    /// The actor's row of the report `users`.
    pub user: Option<Record>,
    /// In order, with their rows of the report `gaps`.
    pub gaps: Vec<(Gap, Record)>,
    /// When audit logs were deleted.
    pub deletions: Vec<i64>,
}

impl<'a> Case<'a> {
    pub fn of(
        lake: &'a Lake,
        environment: &str,
        id: &str,
        at: Option<i64>,
        side: &Side,
        options: &'a Options,
    ) -> Result<Case<'a>> {
        let mut facts = Facts::of(lake, environment, side, options);
        facts.persons = lake.newest(None)?.of(environment);
        let as_of = options.as_of.unwrap_or(i64::MAX);
        let timeline = lake.timeline(environment, options.evidence.kinds(), as_of)?;
        let control = match facts.has_log {
            true => lake.control_rows(environment, as_of)?,
            false => Vec::new(),
        };
        let switched = Switched {
            log_start: facts.log_start,
            log_end: facts.log_end,
            control: &control,
        };
        let gaps = gaps::find(&switched, |instants| timeline.last_up_to(instants))?;
        let log = timeline.log()?;
        let (audited, limits) = (Audited::new(&facts, &gaps), Limits::new(&facts, &gaps));
        let verdict = Verdict::new(&audited, options);
        let chosen = gap_table::chosen(&gaps, options);
        let windows = chosen.iter().map(|gap| gap.window).collect();
        let actors = log.actors().len();
        let place = log.actors().binary_search_by(|actor| actor.as_str().cmp(id));
        let watch = |place: u32| Watch::new(place, verdict.recent_from, at);
        let counters = Counters {
            days: Some(Days::new(actors, options.tz)),
            people: Some(People::new(actors)),
            watch: place.ok().map(|place| watch(place as u32)),
            ..Counters::default()
        };
        let audience = Audience {
            running: Some(Running::new(actors, facts.intervals.session_gap_us, options.tz)),
            witness: Witness::new(windows, facts.intervals.audit_interval_us).of_actors(actors),
            counters,
        };
        let (mut counters, witness) = pass::over(&log, audience, options.tz, &mut [])?;
        facts.actors = log.into_actors();
        let watch = counters.watch.take().unwrap_or_else(|| watch(NOBODY));
        let inside = gap_table::inside(lake, environment, &chosen)?;
        let rows = gap_table::rows(&facts, &chosen, witness.evidence(), inside)?;
        let user = row_of_users((&facts, &audited), counters, options, id)?;
        let deletions = control.iter().filter(|row| row.action == ACTION_LOG_DELETION);
        Ok(Case {
            clock: Clock(options.tz),
            id: id.to_owned(),
            gaps: chosen.into_iter().zip(Record::all(&rows)).collect(),
            deletions: deletions.map(|row| row.created_on).collect(),
            watch,
            lake,
            options,
            facts,
            audited,
            verdict,
            limits,
            user,
        })
    }

    /// What sessions are made of.
    pub fn sightings(&self) -> &'static str {
        match self.options.evidence {
            Evidence::Access => "accesses",
            Evidence::All => "accesses and changes",
        }
    }

    /// Sessions as rows of the report.
    pub fn records(&self, sessions: &[Session]) -> Result<Vec<Record>> {
        let schema = sessions::schema(self.options.evidence);
        let rows = sessions::rows(&schema, &self.facts, sessions, &self.limits)?;
        Ok(Record::all(&rows))
    }

    /// The gaps that silence accesses and of which this holds, in order of time.
    pub fn silencing(&self, holds: impl Fn(Window) -> bool) -> Vec<&(Gap, Record)> {
        let silences = |gap: &Gap| matches!(gap.scope, Scope::UserAccess | Scope::Organization);
        let chosen = self.gaps.iter().filter(|(gap, _)| silences(gap) && holds(gap.window));
        let mut chosen: Vec<_> = chosen.collect();
        chosen.sort_by_key(|(gap, _)| (gap.window, gap.scope));
        chosen
    }

    /// Gaps in the time on which the status rests, and those that censor the last sessions.
    pub fn gaps_of_standing(&self) -> (Vec<Record>, usize) {
        let censors: Vec<Window> = self
            .watch
            .last
            .iter()
            .flat_map(|session| self.censoring(session))
            .collect();
        let recent = self.verdict.recent_from;
        self.last_gaps(|window| {
            self.facts.has_log && (window.end > recent || censors.iter().any(|gap| meet(*gap, window)))
        })
    }

    /// Gaps that cover an instant, and those that censor or lie in a session.
    pub fn gaps_near(&self, at: i64, session: Option<Session>) -> (Vec<Record>, usize) {
        let mut stretches: Vec<Window> = session.iter().flat_map(|session| self.censoring(session)).collect();
        stretches.extend(session.map(|session| Window {
            start: session.started_on,
            end: session.last_seen_on,
        }));
        self.last_gaps(|window| covers(window, at) || stretches.iter().any(|stretch| meet(*stretch, window)))
    }

    fn censoring(&self, session: &Session) -> impl Iterator<Item = Window> {
        let gaps = [self.limits.gap_at_start(session), self.limits.gap_at_end(session)];
        gaps.into_iter().flatten()
    }

    fn last_gaps(&self, holds: impl Fn(Window) -> bool) -> (Vec<Record>, usize) {
        let chosen = self.silencing(holds);
        let left_out = chosen.len().saturating_sub(MOST_GAPS);
        let last = chosen[left_out..].iter().map(|(_, record)| record.clone());
        (last.collect(), left_out)
    }
}

/// Whether a gap's window holds an instant.
pub fn covers(window: Window, at: i64) -> bool {
    window.start <= at && at < window.end
}

fn meet(one: Window, other: Window) -> bool {
    one.start < other.end && other.start < one.end
}

fn row_of_users(
    (facts, audited): (&Facts, &Audited),
    counters: Counters,
    options: &Options,
    id: &str,
) -> Result<Option<Record>> {
    let seen = counters.people.map(People::finish).unwrap_or_default();
    let (_, active_days) = counters.days.map(Days::finish).unwrap_or_default();
    let audited = facts.has_log.then_some(audited);
    let rows = users::rows(facts, audited, (&seen, &active_days), options)?;
    let mut records = Record::all(&rows).into_iter();
    Ok(records.find(|record| record.text("actor_id") == Some(id)))
}
