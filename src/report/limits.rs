//! What cuts sessions off: the ends of the log, and stretches in which accesses were not logged.
//!
//! Most sessions are far from any gap. A look at the day on which one may have begun tells so, and then nothing is
//! searched for.

use super::facts::Facts;
use super::gaps::{Gap, Scope};
use super::kernel::{self, Session, Window};
use crate::instant::MICROS_PER_SECOND;

/// Why a session may have begun earlier, or gone on.
pub const STARTS: [&str; 2] = ["audit_gap", "log_start"];
pub const ENDS: [&str; 2] = ["audit_gap", "log_end"];

/// What limits say of a session: places among [`STARTS`] and [`ENDS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judged {
    pub start: Option<u32>,
    pub end: Option<u32>,
    /// Within the session.
    pub audit_gap_s: i64,
}

/// What cuts sessions off: the log's ends and the effective gaps.
pub struct Limits {
    log_start: i64,
    log_end: i64,
    audit_interval_us: i64,
    session_gap_us: i64,
    /// Disjoint and in order.
    gaps: Vec<Window>,
    /// Ends of the gaps that have ended, in order; only the last gap may be without.
    gap_ends: Vec<i64>,
    /// For each day from the log's start on, the start of the first gap that has not ended before.
    next_starts: Vec<i64>,
}

const DAY_US: i64 = 86_400 * MICROS_PER_SECOND;

impl Limits {
    pub fn new(facts: &Facts, gaps: &[Gap]) -> Limits {
        let effective = || gaps.iter().filter(|gap| gap.scope == Scope::Effective);
        let windows: Vec<Window> = effective().map(|gap| gap.window).collect();
        let days = (facts.log_start..=facts.log_end).step_by(DAY_US as usize);
        let next_gap = |day: i64| windows.get(windows.partition_point(|gap| gap.end < day));
        let next_start = |day: i64| next_gap(day).map_or(i64::MAX, |gap| gap.start);
        Limits {
            next_starts: days.map(next_start).collect(),
            log_start: facts.log_start,
            log_end: facts.log_end,
            audit_interval_us: facts.intervals.audit_interval_us,
            session_gap_us: facts.intervals.session_gap_us,
            gaps: windows,
            gap_ends: effective().filter_map(|gap| gap.ended_on).collect(),
        }
    }

    /// Why the session may have begun earlier: a gap, or the log begins after start − session gap.
    pub fn start_censored(&self, session: &Session) -> Option<&'static str> {
        self.judge(session).start.map(|start| STARTS[start as usize])
    }

    /// Why the session may have gone on: a gap, or the log ends before last seen + audit interval.
    pub fn end_censored(&self, session: &Session) -> Option<&'static str> {
        self.judge(session).end.map(|end| ENDS[end as usize])
    }

    pub fn judge(&self, session: &Session) -> Judged {
        let start = self.gap_at_start(session).map(|_| 0);
        let end = self.gap_at_end(session).map(|_| 0);
        Judged {
            start: start.or_else(|| (self.log_start > self.unseen_until(session)).then_some(1)),
            end: end.or_else(|| (self.log_end < self.unseen_from(session)).then_some(1)),
            audit_gap_s: kernel::overlap_us(&self.gaps, session.started_on, session.last_seen_on) / MICROS_PER_SECOND,
        }
    }

    /// Whether surely nothing cuts a session off and no gap lies in it: most are far from any gap and from the log's ends.
    pub fn is_quiet(&self, started_on: i64, last_seen_on: i64) -> bool {
        let unseen_until = started_on.saturating_sub(self.session_gap_us);
        let unseen_from = last_seen_on.saturating_add(self.audit_interval_us);
        let is_within = self.log_start <= unseen_until && unseen_from <= self.log_end;
        let day = (unseen_until - self.log_start) / DAY_US;
        is_within
            && self
                .next_starts
                .get(day as usize)
                .is_some_and(|start| unseen_from < *start)
    }

    /// The gap that ends in (start − session gap, start], or that holds the change which is the start.
    pub fn gap_at_start(&self, session: &Session) -> Option<Window> {
        let ended = self.gap_ends.partition_point(|&end| end <= session.started_on);
        let last = self.gap_ends[..ended]
            .last()
            .filter(|end| self.unseen_until(session) < **end);
        match last {
            Some(_) => self.gaps.get(ended - 1).copied(),
            None => self.gap_of_change(session.starts_with_change, session.started_on),
        }
    }

    /// The gap that starts in [last seen, last seen + audit interval), or that holds the change which was seen last.
    pub fn gap_at_end(&self, session: &Session) -> Option<Window> {
        let before = self.gaps.partition_point(|gap| gap.start < session.last_seen_on);
        let next = self
            .gaps
            .get(before)
            .filter(|gap| gap.start < self.unseen_from(session));
        next.copied()
            .or_else(|| self.gap_of_change(session.ends_with_change, session.last_seen_on))
    }

    /// An access from this instant on would belong to the session.
    pub fn unseen_until(&self, session: &Session) -> i64 {
        session.started_on.saturating_sub(self.session_gap_us)
    }

    /// From this instant on, an access would be logged again.
    pub fn unseen_from(&self, session: &Session) -> i64 {
        session.last_seen_on.saturating_add(self.audit_interval_us)
    }

    /// The gap that strictly holds a change.
    fn gap_of_change(&self, is_change: bool, on: i64) -> Option<Window> {
        if !is_change {
            return None;
        }
        let before = self.gaps.partition_point(|gap| gap.start < on);
        self.gaps[..before].last().filter(|gap| on < gap.end).copied()
    }

    /// Seconds from the start to when an access would be logged again.
    pub fn longest_s(&self, started_on: i64, last_seen_on: i64) -> i64 {
        (last_seen_on.saturating_add(self.audit_interval_us) - started_on) / MICROS_PER_SECOND
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log of [0, 1000] with one effective gap [100, 200), audit interval 40, session gap 60.
    fn limits() -> Limits {
        Limits {
            log_start: 0,
            log_end: 1000,
            audit_interval_us: 40,
            session_gap_us: 60,
            gaps: vec![Window { start: 100, end: 200 }],
            gap_ends: vec![200],
            next_starts: vec![100],
        }
    }

    impl Limits {
        fn duration_max_s(&self, session: &Session) -> Option<i64> {
            let is_known = self.judge(session).end.is_none();
            is_known.then(|| self.longest_s(session.started_on, session.last_seen_on))
        }
    }

    fn session(started_on: i64, last_seen_on: i64) -> Session {
        Session {
            actor: 0,
            started_date: 0,
            started_on,
            last_seen_on,
            web: 1,
            web_services: 0,
            changes: 0,
            starts_with_change: false,
            ends_with_change: false,
        }
    }

    #[test]
    fn start_censored_by_a_gap_that_ends_in_start_minus_session_gap_to_start() {
        let found = |start| limits().start_censored(&session(start, start));
        assert_eq!(found(199), None);
        assert_eq!(found(200), Some("audit_gap"));
        assert_eq!(found(259), Some("audit_gap"));
        assert_eq!(found(260), None);
    }

    #[test]
    fn start_censored_by_the_log_start_after_start_minus_session_gap() {
        let found = |start| limits().start_censored(&session(start, start));
        assert_eq!(found(59), Some("log_start"));
        assert_eq!(found(60), None);
    }

    #[test]
    fn end_censored_by_a_gap_that_starts_in_last_seen_to_last_seen_plus_interval() {
        let found = |last| limits().end_censored(&session(0, last));
        assert_eq!(found(60), None);
        assert_eq!(found(61), Some("audit_gap"));
        assert_eq!(found(100), Some("audit_gap"));
        assert_eq!(found(101), None);
    }

    #[test]
    fn censored_by_the_gap_that_strictly_holds_the_change_it_starts_or_ends_with() {
        let found = |on, changes| {
            let session = Session {
                starts_with_change: changes,
                ends_with_change: changes,
                ..session(on, on)
            };
            let limits = Limits {
                audit_interval_us: 1,
                ..limits()
            };
            (limits.start_censored(&session), limits.end_censored(&session))
        };
        let gap = Some("audit_gap");
        assert_eq!(found(101, true), (gap, gap));
        assert_eq!(found(199, true), (gap, gap));
        // At a gap's edges the rules of all sessions hold.
        assert_eq!(found(100, true), (None, gap));
        assert_eq!(found(200, true), (gap, None));
        // Accesses inside a gap contradict it.
        assert_eq!(found(150, false), (None, None));
    }

    #[test]
    fn end_censored_by_a_log_that_ends_before_last_seen_plus_interval() {
        let found = |last| limits().end_censored(&session(900, last));
        assert_eq!(found(960), None);
        assert_eq!(found(961), Some("log_end"));
    }

    #[test]
    fn duration_max_is_null_when_the_end_is_censored() {
        let seconds = |s: i64| s * MICROS_PER_SECOND;
        let limits = Limits {
            log_end: seconds(1000),
            audit_interval_us: seconds(40),
            gaps: vec![],
            ..limits()
        };
        assert_eq!(limits.duration_max_s(&session(seconds(10), seconds(20))), Some(50));
        assert_eq!(limits.duration_max_s(&session(seconds(10), seconds(961))), None);
    }
}
