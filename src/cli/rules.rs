//! The options that decide what a report says: of which environment, by which rule, in which zone.

use super::time_zone;
use chrono_tz::Tz;
use clap::Args;
use gatelog::error::{Error, Result};
use gatelog::report::options::{self, Evidence, Options};

#[derive(Args)]
pub struct RuleOptions {
    /// Only this environment.
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
    /// Zone of dates, weeks, months, weekdays and hours, and of times that are given; an IANA name.
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = time_zone)]
    tz: Tz,
    /// Leave out rows after this time; the log ends there.
    #[arg(long, value_name = "TIME")]
    as_of: Option<String>,
    /// How often a user's access is logged at most (useraccessauditinginterval), like 4h [default: the
    /// organization's own where it was exported, else 4h].
    #[arg(long, value_name = "DURATION")]
    audit_interval: Option<String>,
    /// Longest pause within a session, like 6h [default: 1.5 × audit interval].
    #[arg(long, value_name = "DURATION")]
    session_gap: Option<String>,
    /// Users without an access in so long a time before the log's end are inactive.
    #[arg(long, value_name = "DURATION", default_value = "90d")]
    inactive_after: String,
    /// Share of that time that must have been audited to say so; else their status is unknown.
    #[arg(long, value_name = "SHARE", default_value = "0.9", value_parser = share)]
    min_coverage: f64,
    /// What sessions are made of: accesses alone, or extended by all changes made in the same user's name.
    #[arg(long, value_name = "access|all", default_value = "access", value_parser = evidence)]
    evidence: Evidence,
}

impl RuleOptions {
    /// A time in the zone that was given.
    pub fn instant(&self, text: &Option<String>) -> Result<Option<i64>> {
        let text = text.as_deref();
        text.map(|text| options::parse_instant(text, self.tz)).transpose()
    }

    pub fn options(&self) -> Result<Options> {
        let duration = |text: &Option<String>| text.as_deref().map(options::parse_duration).transpose();
        let inactive_after_us = options::parse_duration(&self.inactive_after)?;
        if inactive_after_us == 0 {
            return Err(Error::usage("--inactive-after must be longer than nothing").hint("write it like 90d"));
        }
        Ok(Options {
            environment: self.environment.clone(),
            tz: self.tz,
            as_of: self.instant(&self.as_of)?,
            audit_interval_us: duration(&self.audit_interval)?,
            session_gap_us: duration(&self.session_gap)?,
            inactive_after_us,
            min_coverage: self.min_coverage,
            evidence: self.evidence,
            ..Options::default()
        })
    }
}

fn share(text: &str) -> std::result::Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "write a number from 0 to 1, like 0.9".to_owned())
}

fn evidence(text: &str) -> std::result::Result<Evidence, String> {
    let known = [Evidence::Access, Evidence::All];
    let found = known.into_iter().find(|evidence| evidence.name() == text);
    found.ok_or_else(|| "write access or all".to_owned())
}
