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
use crate::lake::newest::{Person, Persons};
use crate::lake::side::Account;
use crate::record::NAME_ONLY;
use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use rayon::prelude::*;
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

/// Of users who never came.
const NEVER_SEEN: Seen = Seen {
    first_on: None,
    last_on: [None; 2],
    accesses: [0; 2],
    sessions: 0,
};

/// The access mode of users who may only come by web services.
const NON_INTERACTIVE: i32 = 4;

/// The table of batches, one per environment.
pub fn table(batches: Vec<RecordBatch>) -> Result<Table> {
    Ok(Table::new("users", SCHEMA.clone(), batches)?)
}

/// Somebody, and what is known of them.
struct Row<'a> {
    id: &'a str,
    name: Option<&'a str>,
    account: Option<Account>,
    seen: &'a Seen,
    active_days: u32,
    status: &'static str,
}

impl<'a> Row<'a> {
    fn of(id: &'a str, person: Option<Person<'a>>, seen: &'a Seen, active_days: u32) -> Row<'a> {
        Row {
            id,
            name: person.and_then(|person| person.name()),
            account: person.and_then(|person| person.account()),
            seen,
            active_days,
            status: "",
        }
    }

    /// Who is known by name alone is no user.
    fn never_seen(person: Person<'a>) -> Option<Row<'a>> {
        person.account()?;
        Some(Row::of(person.id(), Some(person), &NEVER_SEEN, 0))
    }
}

/// The rows of one environment; `audited` is unset when it has no log.
///
/// `seen` and `active_days` are by the place of the actor.
pub fn rows(
    facts: &Facts,
    audited: Option<&Audited>,
    (seen, active_days): (&[Seen], &[u32]),
    options: &Options,
) -> Result<RecordBatch> {
    let actors = facts.actors.iter().map(String::as_str).zip(seen).zip(active_days);
    // Others occur in the files, but after the log's end.
    let actors = actors.filter(|((_, seen), _)| seen.first_on.is_some());
    let mut persons = facts.persons.iter().peekable();
    // Both are in order of id.
    let mut rows: Vec<Row<'_>> = Vec::with_capacity(facts.actors.len());
    for ((id, seen), active_days) in actors {
        while let Some(before) = persons.next_if(|person| person.id() < id) {
            rows.extend(Row::never_seen(before));
        }
        let person = persons.next_if(|person| person.id() == id);
        rows.push(Row::of(id, person, seen, *active_days));
    }
    rows.extend(persons.filter_map(Row::never_seen));
    let namesakes = namesakes(&facts.persons, &rows);
    let verdict = audited.map(|audited| Verdict::new(audited, options));
    for row in &mut rows {
        let status = |verdict: &Verdict| verdict.status(row.seen, namesakes.contains(row.id));
        row.status = verdict.as_ref().map_or("unknown", status);
    }
    if options.worklist {
        // Stable: of equals, the lower id stays first.
        rows.sort_by_key(|row| (worklist_rank(row.status), row.seen.last_access_on()));
    }
    to_batch(facts, &rows, audited)
}

/// Where the next licence may be free.
fn worklist_rank(status: &str) -> usize {
    let order = ["never_seen", "inactive", "unknown"];
    order.iter().position(|next| *next == status).unwrap_or(order.len())
}

/// Who may have been seen under another id: by name only, or, of those known by name only, by a real one. All names that
/// anybody ever had count.
fn namesakes(persons: &Persons, rows: &[Row<'_>]) -> HashSet<String> {
    let mut found = HashSet::new();
    if !rows.iter().any(|row| row.id.starts_with(NAME_ONLY)) {
        return found;
    }
    let seen = rows.iter().filter(|row| row.seen.first_on.is_some());
    let seen: HashSet<&str> = seen.map(|row| row.id).collect();
    for person in persons.iter().filter(|person| !person.id().starts_with(NAME_ONLY)) {
        for name in person.names() {
            let by_name = format!("{NAME_ONLY}{}", name.trim_matches(' '));
            if seen.contains(by_name.as_str()) {
                found.insert(person.id().to_owned());
            }
            if seen.contains(person.id()) {
                found.insert(by_name);
            }
        }
    }
    found
}

/// What somebody is, as far as a `systemuser` export tells.
pub fn kind(account: Option<Account>) -> &'static str {
    match account {
        None => "unknown",
        // Who is deleted cannot sign in either, and the row that says so often says nothing else.
        Some(account) if account.is_disabled == Some(true) || account.deleted_in_source => "disabled",
        Some(account) if account.is_application => "application",
        Some(account) if account.access_mode == Some(NON_INTERACTIVE) => "non_interactive",
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

fn to_batch(facts: &Facts, rows: &[Row<'_>], audited: Option<&Audited>) -> Result<RecordBatch> {
    let text = |of: &dyn for<'r> Fn(&Row<'r>) -> Option<&'r str>| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<StringArray>())
    };
    let number =
        |of: &dyn Fn(&Row<'_>) -> Option<i64>| -> ArrayRef { Arc::new(rows.iter().map(of).collect::<Int64Array>()) };
    let instant = |of: &dyn Fn(&Seen) -> Option<i64>| -> ArrayRef {
        let instants = rows.iter().map(|row| of(row.seen));
        Arc::new(instants.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
    };
    let days_since = |row: &Row<'_>| Some((audited?.log_end - row.seen.last_access_on()?) / DAY_US);
    let coverage_since = |row: &Row<'_>| {
        let audited = audited?;
        audited.share(row.seen.last_access_on()?, audited.log_end)
    };
    let columns: [&(dyn Fn() -> ArrayRef + Sync); 17] = [
        &|| Arc::new(StringArray::from_iter_values(rows.iter().map(|_| &facts.environment))),
        &|| text(&|row| Some(row.id)),
        &|| text(&|row| row.name),
        &|| text(&|row| Some(kind(row.account))),
        &|| instant(&|seen| seen.first_on),
        &|| instant(&|seen| seen.last_access_on()),
        &|| instant(&|seen| seen.last_on[0]),
        &|| instant(&|seen| seen.last_on[1]),
        &|| number(&|row| Some(row.seen.all_accesses())),
        &|| number(&|row| Some(row.seen.accesses[0])),
        &|| number(&|row| Some(row.seen.accesses[1])),
        &|| number(&|row| Some(row.seen.sessions)),
        &|| number(&|row| Some(i64::from(row.active_days))),
        &|| text(&|row| client_usage(row.seen)),
        &|| number(&days_since),
        &|| Arc::new(rows.iter().map(coverage_since).collect::<Float64Array>()),
        &|| text(&|row| Some(row.status)),
    ];
    let columns = columns.par_iter().with_max_len(1).map(|column| column()).collect();
    Ok(RecordBatch::try_new(SCHEMA.clone(), columns)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_in_order() {
        let kind = |account| super::kind(Some(account));
        let account = |is_disabled, is_application, access_mode, deleted_in_source| Account {
            is_disabled,
            access_mode,
            is_application,
            deleted_in_source,
        };
        assert_eq!(kind(account(Some(true), true, Some(4), false)), "disabled");
        assert_eq!(kind(account(None, false, None, true)), "disabled");
        assert_eq!(kind(account(Some(false), true, Some(4), false)), "application");
        assert_eq!(kind(account(None, false, Some(4), false)), "non_interactive");
        assert_eq!(kind(account(Some(false), false, Some(0), false)), "person");
        assert_eq!(kind(account(None, false, None, false)), "person");
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
