//! The `users` report: every actor and every known user, when last seen, and what their silence proves (contract: design
//! §4).
//!
//! Silence is a verdict only where it was listened to: who has no access in the last `inactive_after` of the log is
//! `inactive`, or `never_seen`, if at least `min_coverage` of that time was audited; else `unknown`. Time before the log
//! is not audited. Nor is silence a verdict on somebody who may have been seen under another id: who is known by name
//! only ([`NAME_ONLY`]) may be any user of that name.
//!
//! It is counted over the whole log: a user is no stretch of time that `--from` and `--to` could choose.
//!
//! Example: 90 d and 0.9, a log of 85 days in which auditing was off for 4: 81 of 90 days audited, just enough.

use super::audited::Audited;
use super::facts::Facts;
use super::options::Options;
use super::people::Seen;
use super::table::Table;
use crate::columns;
use crate::error::Result;
use crate::lake::Lake;
use crate::lake::side::{Side, User};
use crate::record::NAME_ONLY;
use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

pub static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        columns::required("environment", DataType::Utf8, columns::ENVIRONMENT),
        columns::required(
            "actor_id",
            DataType::Utf8,
            "The person, seen in the log or known from a `systemuser` export: a GUID, or `name:` and the display name.",
        ),
        columns::optional("actor_name", DataType::Utf8, "The newest name seen in any export."),
        columns::required(
            "kind",
            DataType::Utf8,
            "`disabled`, `application`, `non_interactive` or `person`; `unknown` without a `systemuser` export.",
        ),
        columns::optional("first_access_on", columns::timestamp(), "The first logged access."),
        columns::optional("last_access_on", columns::timestamp(), "The last logged access."),
        columns::optional(
            "last_web_on",
            columns::timestamp(),
            "The last logged access of a model-driven app in a browser.",
        ),
        columns::optional(
            "last_web_services_on",
            columns::timestamp(),
            "The last logged access of any other client.",
        ),
        columns::required("accesses", DataType::Int64, "Logged accesses."),
        columns::required(
            "web_accesses",
            DataType::Int64,
            "Those of a model-driven app in a browser (action 64).",
        ),
        columns::required(
            "web_services_accesses",
            DataType::Int64,
            "Those of any other client (action 65).",
        ),
        columns::required("sessions", DataType::Int64, "Sessions."),
        columns::required(
            "active_days",
            DataType::Int64,
            "Different dates with an access, in `--tz`.",
        ),
        columns::optional(
            "client_usage",
            DataType::Utf8,
            "`web_only`, `web_services_only`, `both`, or null without an access.",
        ),
        columns::optional(
            "days_since_last_access",
            DataType::Int64,
            "Whole days from the last access to the log's end.",
        ),
        columns::optional(
            "coverage_since_last",
            DataType::Float64,
            "The share of the time since the last access that was audited, 0 to 1.",
        ),
        columns::required(
            "status",
            DataType::Utf8,
            "`active`; `inactive` or `never_seen` only where at least `--min-coverage` of `--inactive-after` was audited; else `unknown`.",
        ),
    ]))
});

const DAY_US: i64 = 86_400_000_000;

/// The access mode of users who may only come by web services.
const NON_INTERACTIVE: i32 = 4;

/// The table of batches, one per environment.
pub fn table(batches: Vec<RecordBatch>) -> Result<Table> {
    Ok(Table::new("users", SCHEMA.clone(), batches)?)
}

/// Somebody, and what is known of them.
#[derive(Default)]
struct Row<'a> {
    seen: Seen,
    active_days: u32,
    user: Option<&'a User>,
    status: &'static str,
}

/// The rows of one environment; `audited` is unset when it has no log.
///
/// `seen` and `active_days` are by the place of the actor.
pub fn rows(
    lake: &Lake,
    facts: &Facts,
    audited: Option<&Audited>,
    (seen, active_days): (&[Seen], &[u32]),
    side: &Side,
    options: &Options,
) -> Result<RecordBatch> {
    let actors = facts.actors.iter().zip(seen).zip(active_days);
    // Others occur in the files, but after the log's end.
    let actors = actors.filter(|((_, seen), _)| seen.first_on.is_some());
    let mut users = side.users_of(&facts.environment).peekable();
    let never_seen = |(id, user)| {
        let row = Row {
            user: Some(user),
            ..Row::default()
        };
        (id, row)
    };
    // Both are in order of id.
    let mut rows: Vec<(&str, Row<'_>)> = Vec::with_capacity(facts.actors.len());
    for ((actor, seen), active_days) in actors {
        while let Some(before) = users.next_if(|(id, _)| *id < actor.as_str()) {
            rows.push(never_seen(before));
        }
        let row = Row {
            seen: *seen,
            active_days: *active_days,
            user: users.next_if(|(id, _)| *id == actor.as_str()).map(|(_, user)| user),
            ..Row::default()
        };
        rows.push((actor, row));
    }
    rows.extend(users.map(never_seen));
    let namesakes = namesakes(lake, &facts.environment, &rows, side)?;
    let verdict = audited.map(|audited| Verdict::new(audited, options));
    for (id, row) in &mut rows {
        let status = |verdict: &Verdict| verdict.status(&row.seen, namesakes.contains(*id));
        row.status = verdict.as_ref().map_or("unknown", status);
    }
    if options.worklist {
        // Stable: of equals, the lower id stays first.
        rows.sort_by_key(|(_, row)| (worklist_rank(row.status), row.seen.last_access_on()));
    }
    to_batch(facts, &rows, audited)
}

/// Where the next licence may be free.
fn worklist_rank(status: &str) -> usize {
    let order = ["never_seen", "inactive", "unknown"];
    order.iter().position(|next| *next == status).unwrap_or(order.len())
}

/// Who may have been seen under another id: by name only, or, of those known by name only, by a real one. All names that
/// anybody ever had are asked for only where somebody is known by name only.
fn namesakes(lake: &Lake, environment: &str, rows: &[(&str, Row<'_>)], side: &Side) -> Result<HashSet<String>> {
    let mut found = HashSet::new();
    if !rows.iter().any(|(id, _)| id.starts_with(NAME_ONLY)) {
        return Ok(found);
    }
    let seen = rows.iter().filter(|(_, row)| row.seen.first_on.is_some());
    let seen: HashSet<&str> = seen.map(|(id, _)| *id).collect();
    let names = lake.names()?;
    let of_rows = names.iter().filter(|(of, ..)| *of == environment);
    let of_rows = of_rows.map(|(_, id, name, _)| (id, Some(name)));
    let of_users = side.users_of(environment);
    let of_users = of_users.map(|(id, user)| (id, user.full_name.as_deref()));
    for (id, name) in of_rows.chain(of_users) {
        let Some(name) = name.filter(|_| !id.starts_with(NAME_ONLY)) else {
            continue;
        };
        let by_name = format!("{NAME_ONLY}{}", name.trim_matches(' '));
        if seen.contains(by_name.as_str()) {
            found.insert(id.to_owned());
        }
        if seen.contains(id) {
            found.insert(by_name);
        }
    }
    Ok(found)
}

/// What somebody is, as far as a `systemuser` export tells.
pub fn kind(user: Option<&User>) -> &'static str {
    match user {
        None => "unknown",
        // Who is deleted cannot sign in either, and the row that says so often says nothing else.
        Some(user) if user.is_disabled == Some(true) || user.deleted_in_source => "disabled",
        Some(user) if user.application_id.is_some() => "application",
        Some(user) if user.access_mode == Some(NON_INTERACTIVE) => "non_interactive",
        Some(_) => "person",
    }
}

fn client_usage(seen: &Seen) -> Option<&'static str> {
    match seen.accesses.map(|accesses| accesses > 0) {
        [true, false] => Some("web_only"),
        [false, true] => Some("web_services_only"),
        [true, true] => Some("both"),
        [false, false] => None,
    }
}

/// When an access still counts as recent, and whether there would be one of everybody who was there.
pub struct Verdict {
    pub recent_from: i64,
    /// Of the time since then, how much was audited.
    pub share: Option<f64>,
    pub is_covered: bool,
}

impl Verdict {
    pub fn new(audited: &Audited, options: &Options) -> Verdict {
        let recent_from = audited.log_end.saturating_sub(options.inactive_after_us);
        let share = audited.share(recent_from, audited.log_end);
        Verdict {
            recent_from,
            share,
            is_covered: share.is_some_and(|share| share >= options.min_coverage),
        }
    }

    /// `may_be_another`: somebody who was seen under another id.
    fn status(&self, seen: &Seen, may_be_another: bool) -> &'static str {
        match seen.last_access_on() {
            Some(on) if on >= self.recent_from => "active",
            _ if !self.is_covered || may_be_another => "unknown",
            Some(_) => "inactive",
            None => "never_seen",
        }
    }
}

fn to_batch(facts: &Facts, rows: &[(&str, Row<'_>)], audited: Option<&Audited>) -> Result<RecordBatch> {
    let text = |of: &dyn for<'r> Fn(&'r str, &'r Row<'_>) -> Option<&'r str>| -> ArrayRef {
        Arc::new(rows.iter().map(|(id, row)| of(id, row)).collect::<StringArray>())
    };
    let number = |of: &dyn Fn(&Row<'_>) -> Option<i64>| -> ArrayRef {
        Arc::new(rows.iter().map(|(_, row)| of(row)).collect::<Int64Array>())
    };
    let instant = |of: &dyn Fn(&Seen) -> Option<i64>| -> ArrayRef {
        let instants = rows.iter().map(|(_, row)| of(&row.seen));
        Arc::new(instants.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
    };
    let days_since = |row: &Row<'_>| Some((audited?.log_end - row.seen.last_access_on()?) / DAY_US);
    let coverage_since = |row: &Row<'_>| {
        let audited = audited?;
        audited.share(row.seen.last_access_on()?, audited.log_end)
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(rows.iter().map(|_| &facts.environment))),
        text(&|id, _| Some(id)),
        Arc::new(rows.iter().map(|(id, _)| facts.name_of(id)).collect::<StringArray>()),
        text(&|_, row| Some(kind(row.user))),
        instant(&|seen| seen.first_on),
        instant(&|seen| seen.last_access_on()),
        instant(&|seen| seen.last_on[0]),
        instant(&|seen| seen.last_on[1]),
        number(&|row| Some(row.seen.all_accesses())),
        number(&|row| Some(row.seen.accesses[0])),
        number(&|row| Some(row.seen.accesses[1])),
        number(&|row| Some(row.seen.sessions)),
        number(&|row| Some(i64::from(row.active_days))),
        text(&|_, row| client_usage(&row.seen)),
        number(&days_since),
        Arc::new(
            rows.iter()
                .map(|(_, row)| coverage_since(row))
                .collect::<Float64Array>(),
        ),
        text(&|_, row| Some(row.status)),
    ];
    Ok(RecordBatch::try_new(SCHEMA.clone(), columns)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_in_order() {
        let user = |is_disabled, application: Option<&str>, access_mode, deleted_in_source| User {
            is_disabled,
            application_id: application.map(str::to_owned),
            access_mode,
            deleted_in_source,
            ..User::default()
        };
        let kind = |user: User| super::kind(Some(&user));
        assert_eq!(kind(user(Some(true), Some("app"), Some(4), false)), "disabled");
        assert_eq!(kind(user(None, None, None, true)), "disabled");
        assert_eq!(kind(user(Some(false), Some("app"), Some(4), false)), "application");
        assert_eq!(kind(user(None, None, Some(4), false)), "non_interactive");
        assert_eq!(kind(user(Some(false), None, Some(0), false)), "person");
        assert_eq!(kind(user(None, None, None, false)), "person");
        assert_eq!(super::kind(None), "unknown");
    }

    #[test]
    fn client_usage_is_by_what_was_ever_used() {
        let usage = |accesses| {
            client_usage(&Seen {
                accesses,
                ..Seen::default()
            })
        };
        assert_eq!(usage([2, 0]), Some("web_only"));
        assert_eq!(usage([0, 1]), Some("web_services_only"));
        assert_eq!(usage([1, 1]), Some("both"));
        assert_eq!(usage([0, 0]), None);
    }
}
