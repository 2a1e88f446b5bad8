//! What a report is asked for: which environments, which time, and the two durations behind every session.

use crate::error::{Error, Result};
use crate::instant::{self, MICROS_PER_SECOND};
use crate::lake::Lake;
use crate::lake::side::Organization;
use crate::record::Kind;
use chrono::NaiveDate;
use chrono_tz::Tz;

/// Dataverse's default `useraccessauditinginterval`.
pub const DEFAULT_AUDIT_INTERVAL_US: i64 = 4 * 3600 * MICROS_PER_SECOND;

/// How long somebody may be away before that says something.
pub const DEFAULT_INACTIVE_AFTER_US: i64 = 90 * 86_400 * MICROS_PER_SECOND;

/// How much of that time must have been audited before silence proves anything.
pub const DEFAULT_MIN_COVERAGE: f64 = 0.9;

/// How many silences chance may make in a log before one of them is no wonder.
pub const DEFAULT_SILENCE_THRESHOLD: f64 = 0.01;

/// A hundred years: beyond that, adding to an instant could overflow.
const LONGEST_US: i64 = 36_525 * 86_400 * MICROS_PER_SECOND;

/// Durations in microseconds, instants in microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Only this environment; all of them when `None`.
    pub environment: Option<String>,
    /// Half-open choice of rows `[from, to)`; it never changes a value in a row.
    pub from: Option<i64>,
    pub to: Option<i64>,
    /// For dates, weeks and months.
    pub tz: Tz,
    /// Rows after this instant are left out, and the log ends here.
    pub as_of: Option<i64>,
    /// What to take instead of the environment's own.
    pub audit_interval_us: Option<i64>,
    pub session_gap_us: Option<i64>,
    /// Who has no access for so long, up to the log's end, is inactive, ...
    pub inactive_after_us: i64,
    /// ... if at least this share of that time was audited.
    pub min_coverage: f64,
    /// Users in the order in which licences are worth a look: never seen, then longest inactive.
    pub worklist: bool,
    pub evidence: Evidence,
    /// Silences that are more probable than this are left out.
    pub silence_threshold: f64,
}

/// Which rows show that somebody was there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Evidence {
    /// Rows of kind `access`.
    #[default]
    Access,
    /// Rows of kind `change`, too: they extend sessions, but make none.
    All,
}

impl Evidence {
    pub fn name(self) -> &'static str {
        match self {
            Evidence::Access => "access",
            Evidence::All => "all",
        }
    }

    /// The kinds of rows of which sessions are cut.
    pub fn kinds(self) -> &'static [Kind] {
        match self {
            Evidence::Access => &[Kind::Access],
            Evidence::All => &[Kind::Access, Kind::Change],
        }
    }
}

/// The two durations behind every session of an environment, in micros.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Intervals {
    /// How often a user's access is logged at most.
    pub audit_interval_us: i64,
    /// The longest pause within a session.
    pub session_gap_us: i64,
}

impl Intervals {
    /// What was asked for, else what the organization says of itself, else Dataverse's default.
    pub fn of(organization: Option<&Organization>, options: &Options) -> Intervals {
        let hours = organization.and_then(|organization| organization.user_access_auditing_interval_h);
        let own = hours.map(|hours| (i64::from(hours) * 3600 * MICROS_PER_SECOND).min(LONGEST_US));
        let audit_interval_us = options.audit_interval_us.or(own).unwrap_or(DEFAULT_AUDIT_INTERVAL_US);
        Intervals {
            audit_interval_us,
            session_gap_us: options
                .session_gap_us
                .unwrap_or(default_session_gap_us(audit_interval_us)),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            environment: None,
            from: None,
            to: None,
            tz: Tz::UTC,
            as_of: None,
            audit_interval_us: None,
            session_gap_us: None,
            inactive_after_us: DEFAULT_INACTIVE_AFTER_US,
            min_coverage: DEFAULT_MIN_COVERAGE,
            worklist: false,
            evidence: Evidence::Access,
            silence_threshold: DEFAULT_SILENCE_THRESHOLD,
        }
    }
}

impl Options {
    /// What decided the audit interval of an environment: `option`, `organization` or `default`.
    pub fn origin_of_audit_interval(&self, organization: Option<&Organization>) -> &'static str {
        let own = organization.and_then(|organization| organization.user_access_auditing_interval_h);
        match (self.audit_interval_us, own) {
            (Some(_), _) => "option",
            (None, Some(_)) => "organization",
            (None, None) => "default",
        }
    }
}

/// 1.5 × the audit interval.
pub fn default_session_gap_us(audit_interval_us: i64) -> i64 {
    audit_interval_us / 2 * 3 + audit_interval_us % 2
}

impl Options {
    /// Whether an environment is asked for.
    pub fn asks(&self, environment: &str) -> bool {
        self.environment.as_deref().is_none_or(|asked| asked == environment)
    }

    /// The settings as texts, for a file's metadata; durations as they hold in each environment of the lake.
    pub fn settings(&self, lake: &Lake) -> Result<Vec<(String, String)>> {
        let side = lake.organizations()?;
        let environments = lake.environments().into_iter();
        let asked = environments.filter(|environment| self.asks(environment));
        let intervals: Vec<(&str, Intervals)> = asked
            .map(|environment| (environment, Intervals::of(side.organization(environment), self)))
            .collect();
        let instant = |at: Option<i64>| at.map(instant::to_text);
        let seconds = |of: fn(&Intervals) -> i64| Some(seconds_by_environment(&intervals, of));
        let settings = [
            ("version", Some(env!("CARGO_PKG_VERSION").to_owned())),
            ("environment", self.environment.clone()),
            ("from", instant(self.from)),
            ("to", instant(self.to)),
            ("tz", Some(self.tz.name().to_owned())),
            ("as_of", instant(self.as_of)),
            ("audit_interval_s", seconds(|intervals| intervals.audit_interval_us)),
            ("session_gap_s", seconds(|intervals| intervals.session_gap_us)),
            ("inactive_after_s", Some(as_seconds(self.inactive_after_us))),
            ("min_coverage", Some(self.min_coverage.to_string())),
            ("silence_threshold", Some(self.silence_threshold.to_string())),
            ("worklist", self.worklist.then(|| true.to_string())),
            (
                "evidence",
                (self.evidence == Evidence::All).then(|| self.evidence.name().to_owned()),
            ),
        ];
        let named = settings
            .into_iter()
            .filter_map(|(name, value)| Some((format!("gatelog.{name}"), value?)));
        Ok(named.collect())
    }
}

/// `14400` where all environments agree, else `contoso=14400 fabrikam=43200`.
fn seconds_by_environment(intervals: &[(&str, Intervals)], of: fn(&Intervals) -> i64) -> String {
    let seconds = as_seconds;
    match intervals {
        [(_, first), rest @ ..] if rest.iter().any(|(_, other)| of(other) != of(first)) => {
            let each = intervals
                .iter()
                .map(|(environment, of_it)| format!("{environment}={}", seconds(of(of_it))));
            each.collect::<Vec<_>>().join(" ")
        }
        [(_, first), ..] => seconds(of(first)),
        [] => seconds(of(&Intervals::of(None, &Options::default()))),
    }
}

fn as_seconds(us: i64) -> String {
    format!("{}", us as f64 / MICROS_PER_SECOND as f64)
}

/// Reads `4h`, `90m`, `45s`, `2d` or `1h30m` as microseconds.
pub fn parse_duration(text: &str) -> Result<i64> {
    let wrong = || Error::usage(format!("{text:?} is not a duration")).hint("write it like 4h, 90m, 45s, 2d or 1h30m");
    let mut total: i64 = 0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: i64 = rest[..digits].parse().map_err(|_| wrong())?;
        let unit = rest[digits..].chars().next().ok_or_else(wrong)?;
        let seconds = match unit {
            'd' => 86_400,
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return Err(wrong()),
        };
        let micros = number.checked_mul(seconds * MICROS_PER_SECOND).ok_or_else(wrong)?;
        total = total.checked_add(micros).ok_or_else(wrong)?;
        rest = &rest[digits + 1..];
    }
    (total <= LONGEST_US).then_some(total).ok_or_else(wrong)
}

/// Reads a date (its first instant in `tz`) or a time (in `tz` unless it says a zone).
pub fn parse_instant(text: &str, tz: Tz) -> Result<i64> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
    let found = match date {
        Some(date) if text.len() == 10 => instant::start_of_day(date, tz),
        _ => instant::parse(text, tz),
    };
    found.ok_or_else(|| {
        Error::usage(format!("{text:?} is neither a date nor a time"))
            .hint("write it like 2026-03-01, 2026-03-01T08:00:00 or 2026-03-01T08:00:00Z")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_session_gap_is_one_and_a_half_audit_intervals() {
        let default = Intervals::of(None, &Options::default());
        assert_eq!(default.session_gap_us, 6 * 3600 * MICROS_PER_SECOND);
        assert_eq!(default_session_gap_us(MICROS_PER_SECOND), 1_500_000);
    }

    #[test]
    fn intervals_are_those_asked_for_else_the_organization_s_else_the_default() {
        let hours = |hours: i64| hours * 3600 * MICROS_PER_SECOND;
        let of = |own: Option<i32>, asked: Option<i64>, gap: Option<i64>| {
            let organization = Organization {
                user_access_auditing_interval_h: own,
                ..Organization::default()
            };
            let options = Options {
                audit_interval_us: asked,
                session_gap_us: gap,
                ..Options::default()
            };
            let intervals = Intervals::of(Some(&organization), &options);
            (intervals.audit_interval_us, intervals.session_gap_us)
        };
        assert_eq!(of(None, None, None), (hours(4), hours(6)));
        assert_eq!(of(Some(12), None, None), (hours(12), hours(18)));
        assert_eq!(of(Some(12), None, Some(hours(1))), (hours(12), hours(1)));
        assert_eq!(of(Some(12), Some(hours(2)), None), (hours(2), hours(3)));
        assert_eq!(of(Some(0), None, None), (0, 0));
        assert_eq!(of(Some(i32::MAX), None, None), (LONGEST_US, LONGEST_US / 2 * 3));
    }

    #[test]
    fn durations() {
        for (text, seconds) in [
            ("4h", 14_400),
            ("90m", 5400),
            ("1h30m", 5400),
            ("2d", 172_800),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration(text).unwrap(), seconds * MICROS_PER_SECOND, "{text}");
        }
        for text in [
            "",
            "4",
            "h",
            "4 hours",
            "-1h",
            "1.5h",
            "99999999999999999999h",
            "999999d",
            "4ö",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_date_is_its_first_instant_in_the_time_zone() {
        let berlin = chrono_tz::Europe::Berlin;
        let utc = |text| instant::parse(text, Tz::UTC).unwrap();
        assert_eq!(
            parse_instant("2026-03-30", berlin).unwrap(),
            utc("2026-03-29T22:00:00Z")
        );
        assert_eq!(
            parse_instant("2026-03-30T08:00:00Z", berlin).unwrap(),
            utc("2026-03-30T08:00:00Z")
        );
        assert_eq!(
            parse_instant("2026-03-30T08:00:00", berlin).unwrap(),
            utc("2026-03-30T06:00:00Z")
        );
        assert!(parse_instant("tomorrow", berlin).is_err());
    }
}
