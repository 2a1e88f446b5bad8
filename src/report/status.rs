//! What the lake knows of each environment, and what it does not: the ground on which every report stands.
//!
//! Nothing is assumed in silence. Where no `systemuser` export was ingested, who never logged in is not known; where no
//! `organization` export says the audit interval, Dataverse's default is taken; people known by display name only are
//! counted apart, since two of one name cannot be told from each other.

use super::options::{Intervals, Options};
use super::runs::{self, Run};
use crate::error::Result;
use crate::instant::{self, MICROS_PER_SECOND};
use crate::lake::Lake;
use crate::lake::ledger::Ledger;
use crate::lake::runs::Books;
use crate::lake::side::{self, Side};
use crate::record::{Kind, NAME_ONLY};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Instants are texts in UTC.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// How many commits the lake has seen.
    pub generation: u64,
    pub environments: Vec<Environment>,
    /// By table and form, in that order.
    pub inputs: Vec<Inputs>,
    /// Code → records that are set aside now.
    pub rejects: BTreeMap<String, u64>,
    /// The last three, newest first.
    pub last_runs: Vec<Run>,
    /// Since the last one began.
    pub last_run_age_s: Option<i64>,
}

/// How many runs a status tells.
const LAST_RUNS: usize = 3;

/// Rows of one month.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Month {
    /// `YYYY-MM`
    pub month: String,
    pub access_rows: u64,
    pub control_rows: u64,
    pub change_rows: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Environment {
    pub environment: String,
    /// None of the two when only users or organizations are known.
    pub first_created_on: Option<String>,
    pub last_created_on: Option<String>,
    /// Since the last row.
    pub last_row_age_s: Option<i64>,
    pub access_rows: u64,
    pub control_rows: u64,
    pub change_rows: u64,
    /// The months that have rows, in order.
    pub months: Vec<Month>,
    /// Who is seen in the log.
    pub actors: u64,
    /// How many of them are known by display name only.
    pub actors_by_name_only: u64,
    /// `None` when no `systemuser` export was ingested.
    pub users: Option<Users>,
    /// `None` when no `organization` export was ingested.
    pub organization: Option<Organization>,
    pub audit_interval_s: f64,
    pub audit_interval_is_from: Origin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    Organization,
    /// Dataverse's default: the organization's own is not known.
    Default,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Users {
    pub known: u64,
    pub disabled: u64,
    pub deleted: u64,
    /// Of those known, who is never seen in the log. That is no proof of inactivity where auditing was off.
    pub never_seen: u64,
    /// The newest export.
    pub exported_on: String,
}

/// The settings that the newest export of the organization gives; `None` is what it does not say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Organization {
    pub name: Option<String>,
    pub is_audit_enabled: Option<bool>,
    pub is_user_access_audit_enabled: Option<bool>,
    /// -1 is forever.
    pub audit_retention_period_days: Option<i32>,
    pub exported_on: String,
}

/// Inputs of one table and form, with their books (L1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Inputs {
    pub table: String,
    pub form: String,
    pub inputs: u64,
    #[serde(flatten)]
    pub books: Books,
}

impl Status {
    /// Of all environments, or of one.
    pub fn of(lake: &Lake, only: Option<&str>, now: i64) -> Result<Status> {
        let (side, ledger) = (lake.side()?, lake.ledger()?);
        let asked = environments(lake, &side).into_iter();
        Ok(Status {
            generation: lake.manifest().generation,
            environments: asked
                .filter(|environment| only.is_none_or(|only| only == environment))
                .map(|environment| Environment::of(lake, &side, environment, now))
                .collect::<Result<_>>()?,
            inputs: inputs(&ledger),
            rejects: lake.reject_counts(only)?,
            last_run_age_s: ledger.runs().next_back().map(|run| age_s(run.started_on_us, now)),
            last_runs: runs::last(&ledger, LAST_RUNS),
        })
    }
}

/// Every environment of which anything is known.
pub fn environments(lake: &Lake, side: &Side) -> BTreeSet<String> {
    let beside = side.users.keys().chain(side.organizations.keys());
    let with_rows = lake.environments().into_iter().map(str::to_owned);
    with_rows
        .chain(beside.map(|(environment, _)| environment.clone()))
        .collect()
}

impl Environment {
    fn of(lake: &Lake, side: &Side, environment: String, now: i64) -> Result<Environment> {
        let window = lake.window(&environment);
        let months = months(lake, &environment);
        let rows = |of: fn(&Month) -> u64| months.iter().map(of).sum();
        let actors = lake.actors(&environment)?;
        let organization = side.organization(&environment);
        let own_interval = organization.and_then(|organization| organization.user_access_auditing_interval_h);
        let intervals = Intervals::of(organization, &Options::default());
        Ok(Environment {
            first_created_on: window.map(|(first, _)| instant::to_text(first)),
            last_created_on: window.map(|(_, last)| instant::to_text(last)),
            access_rows: rows(|month| month.access_rows),
            control_rows: rows(|month| month.control_rows),
            change_rows: rows(|month| month.change_rows),
            last_row_age_s: window.map(|(_, last)| age_s(last, now)),
            months,
            actors: actors.len() as u64,
            actors_by_name_only: actors.iter().filter(|actor| actor.starts_with(NAME_ONLY)).count() as u64,
            users: Users::of(side, &environment, &actors),
            organization: organization.map(Organization::of),
            audit_interval_s: intervals.audit_interval_us as f64 / MICROS_PER_SECOND as f64,
            audit_interval_is_from: own_interval.map_or(Origin::Default, |_| Origin::Organization),
            environment,
        })
    }
}

impl Users {
    fn of(side: &Side, environment: &str, actors: &BTreeSet<String>) -> Option<Users> {
        let users = || side.users.iter().filter(|((of, _), _)| of == environment);
        let count = |is_counted: &dyn Fn(&str, &side::User) -> bool| {
            users().filter(|((_, id), user)| is_counted(id, user)).count() as u64
        };
        let exported_on = users().map(|(_, user)| user.exported_on).max()?;
        Some(Users {
            known: count(&|_, _| true),
            disabled: count(&|_, user| user.is_disabled == Some(true)),
            deleted: count(&|_, user| user.deleted_in_source),
            never_seen: count(&|id, _| !actors.contains(id)),
            exported_on: instant::to_text(exported_on),
        })
    }
}

impl Organization {
    fn of(organization: &side::Organization) -> Organization {
        Organization {
            name: organization.name.clone(),
            is_audit_enabled: organization.is_audit_enabled,
            is_user_access_audit_enabled: organization.is_user_access_audit_enabled,
            audit_retention_period_days: organization.audit_retention_period_days,
            exported_on: instant::to_text(organization.exported_on),
        }
    }
}

fn inputs(ledger: &Ledger) -> Vec<Inputs> {
    let mut grouped: BTreeMap<(&str, &str), Inputs> = BTreeMap::new();
    for entry in ledger.inputs() {
        let group = grouped.entry((&entry.table, &entry.form)).or_insert_with(|| Inputs {
            table: entry.table.clone(),
            form: entry.form.clone(),
            inputs: 0,
            books: Books::default(),
        });
        group.inputs += 1;
        group.books = [group.books, entry.books].into_iter().sum();
    }
    grouped.into_values().collect()
}

fn months(lake: &Lake, environment: &str) -> Vec<Month> {
    let mut months: BTreeMap<&str, Month> = BTreeMap::new();
    for audit in lake
        .manifest()
        .audit
        .iter()
        .filter(|audit| audit.environment == environment)
    {
        let month = months.entry(&audit.month).or_insert_with(|| Month {
            month: audit.month.clone(),
            ..Month::default()
        });
        let rows = match audit.kind {
            Kind::Access => &mut month.access_rows,
            Kind::Control => &mut month.control_rows,
            Kind::Change => &mut month.change_rows,
        };
        *rows += audit.file.rows;
    }
    months.into_values().collect()
}

/// Below zero for what another clock says is still to come.
fn age_s(on: i64, now: i64) -> i64 {
    (now - on).div_euclid(MICROS_PER_SECOND)
}
