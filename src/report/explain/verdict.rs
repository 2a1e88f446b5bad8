//! Why somebody has the status that the report `users` gives them: each clause of the rule, with its numbers.

use super::case::Case;
use super::record::Record;
use super::say::{counted, duration, share};
use crate::instant::to_text;
use serde::Serialize;

/// A status and its reasons.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Standing {
    /// The row of the report `users`; null when the actor has none.
    pub user: Option<Record>,
    /// When the time begins of which an access would be recent; null without a log.
    pub recent_from: Option<String>,
    pub recent_accesses: i64,
    /// How much of that time was audited.
    pub recent_coverage: Option<f64>,
    pub because: Vec<String>,
}

pub fn tell(case: &Case<'_>) -> Standing {
    let has_log = case.facts.has_log;
    Standing {
        user: case.user.clone(),
        recent_from: has_log.then(|| to_text(case.verdict.recent_from)),
        recent_accesses: case.watch.recent_accesses,
        recent_coverage: case.verdict.share.filter(|_| has_log),
        because: because(case),
    }
}

fn because(case: &Case<'_>) -> Vec<String> {
    let Some(user) = &case.user else {
        return vec![
            "There is no status: the report users has accesses and systemuser exports, and this id is in neither. It is \
             in the log as the user of other rows."
                .to_owned(),
        ];
    };
    if !case.facts.has_log {
        return vec!["The status is unknown: the environment has no rows, which proves nothing of anybody.".to_owned()];
    }
    let status = user.text("status").unwrap_or_default();
    vec![
        window(case),
        accesses(case, user),
        coverage(case),
        conclusion(case, status),
    ]
}

fn window(case: &Case<'_>) -> String {
    let length = duration(case.options.inactive_after_us);
    format!(
        "The log ends on {}. The last {length} of it (the time after which somebody is inactive) begin on {}.",
        case.clock.at(case.facts.log_end),
        case.clock.at(case.verdict.recent_from)
    )
}

fn accesses(case: &Case<'_>, user: &Record) -> String {
    let last = user
        .text("last_access_on")
        .and_then(|text| crate::instant::parse(text, chrono_tz::Tz::UTC));
    match (case.watch.recent_accesses, last) {
        (0, None) => "There is no access of this actor in the whole log.".to_owned(),
        (0, Some(last)) => format!(
            "There is no access of this actor in that time; the last one is of {}.",
            case.clock.at(last)
        ),
        (count, last) => format!(
            "There {} {} of this actor in that time, the last on {}.",
            if count == 1 { "is" } else { "are" },
            counted(count, "access", "accesses"),
            case.clock.at(last.unwrap_or_default())
        ),
    }
}

fn coverage(case: &Case<'_>) -> String {
    let Some(audited) = case.verdict.share else {
        return "That time has no length, so no share of it was audited.".to_owned();
    };
    let (log_start, log_end) = (case.facts.log_start, case.facts.log_end);
    let from = log_start.max(case.verdict.recent_from);
    let off = case.audited.gap_us(from, log_end);
    let before = match log_start > case.verdict.recent_from {
        true => format!(
            " The log begins on {}; what lies before it counts as not audited.",
            case.clock.at(log_start)
        ),
        false => String::new(),
    };
    let off_told = match off {
        0 => String::new(),
        off => format!(" Within the log, auditing was off for {} of it.", duration(off)),
    };
    format!(
        "{} of it were audited, a share of {}, which is {} the {} that silence needs to prove something.{before}{off_told}",
        duration((log_end - from).max(0) - off),
        share(audited, case.options.min_coverage),
        if case.verdict.is_covered {
            "at least"
        } else {
            "less than"
        },
        case.options.min_coverage
    )
}

fn conclusion(case: &Case<'_>, status: &str) -> String {
    let why = match status {
        "active" => "there is a recent access, whatever was audited",
        "inactive" => "there is no recent access, and enough was audited for one to be seen",
        "never_seen" => {
            "a systemuser export has this id, the log has no access of it, and enough was audited for one to be seen"
        }
        _ if case.verdict.is_covered => {
            "this silence may be another's: somebody of the same name is known by name only or under another id"
        }
        _ => "too little was audited for silence to prove anything",
    };
    format!("So the status is {status}: {why}.")
}
