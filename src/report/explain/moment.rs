//! What is known of one instant of somebody: the session it lies in, or what the silence then proves.

use super::super::gaps::{Gap, Scope};
use super::super::kernel::{Session, Window};
use super::case::{Case, covers};
use super::record::Record;
use super::say::duration;
use crate::error::Result;
use crate::instant::to_text;
use crate::lake::around::{Around, Asked, AuditRow};
use crate::record::{ACTION_WEB, ACTION_WEB_SERVICES, Kind, action_label};
use serde::Serialize;

/// How many rows of a session are given at most.
const MOST_ROWS: usize = 200;

/// What is known of an instant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Moment {
    pub at: String,
    /// `session`: the instant lies in it; `after_session`: within the audit interval after its last row; `no_session`.
    pub found: &'static str,
    pub session: Option<Told>,
    /// The last access up to the instant and the next one after it; only where there is no session.
    pub access_before: Option<Row>,
    pub access_after: Option<Row>,
    pub because: Vec<String>,
}

/// A session, and the rows it is made of.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Told {
    /// Its place among the actor's sessions, from 1.
    pub number: i64,
    /// The row of the report `sessions`.
    pub row: Record,
    pub rows: Vec<Row>,
    /// How many rows in the middle are not given.
    pub rows_left_out: usize,
}

/// A row of the log.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    pub created_on: String,
    /// `web`, `web_services`, or `change`.
    pub by: &'static str,
    pub action: i32,
    pub action_name: Option<&'static str>,
    pub audit_id: Option<String>,
    pub source: String,
}

impl Row {
    fn of(row: &AuditRow) -> Row {
        Row {
            created_on: to_text(row.created_on),
            by: by(row.action),
            action: row.action,
            action_name: action_label(row.action),
            audit_id: row.audit_id.clone(),
            source: row.source.clone(),
        }
    }
}

fn by(action: i32) -> &'static str {
    match action {
        ACTION_WEB => "web",
        ACTION_WEB_SERVICES => "web_services",
        _ => "change",
    }
}

/// `access by web services`
fn sighting(action: i32) -> &'static str {
    match action {
        ACTION_WEB => "access by web",
        ACTION_WEB_SERVICES => "access by web services",
        _ => "change",
    }
}

pub fn tell(case: &Case<'_>, at: i64) -> Result<Moment> {
    let near = case
        .watch
        .near
        .filter(|session| at <= session.last_seen_on || at < case.limits.unseen_from(session));
    match near {
        Some(session) => in_session(case, at, &session),
        None => in_no_session(case, at),
    }
}

fn in_session(case: &Case<'_>, at: i64, session: &Session) -> Result<Moment> {
    let kinds = case.options.evidence.kinds();
    let around = look(case, kinds, session.started_on, session.last_seen_on)?;
    let is_inside = at <= session.last_seen_on;
    let mut because = vec![place(case, at, session)];
    because.extend(start(case, session, &around));
    because.extend(end(case, session, &around));
    because.extend(lengths(case, session));
    let told = Told {
        number: case.watch.near_number,
        row: case.records(&[*session])?.swap_remove(0),
        rows: around.rows.iter().map(Row::of).collect(),
        rows_left_out: around.left_out,
    };
    Ok(Moment {
        at: to_text(at),
        found: if is_inside { "session" } else { "after_session" },
        session: Some(told),
        access_before: None,
        access_after: None,
        because,
    })
}

fn look(case: &Case<'_>, kinds: &[Kind], from: i64, to: i64) -> Result<Around> {
    case.lake.around(&Asked {
        environment: &case.facts.environment,
        kinds,
        actor: &case.id,
        as_of: case.options.as_of.unwrap_or(i64::MAX),
        from,
        to,
        most: MOST_ROWS,
    })
}

fn place(case: &Case<'_>, at: i64, session: &Session) -> String {
    let number = format!("session {} of {}", case.watch.near_number, case.watch.sessions);
    let at_text = case.clock.at(at);
    if at <= session.last_seen_on {
        return format!("{at_text} lies in {number}.");
    }
    format!(
        "{at_text} lies {} after the last row of {number}, within the audit interval of {}: an access then need not have been \
         logged.",
        duration(at - session.last_seen_on),
        duration(case.facts.intervals.audit_interval_us)
    )
}

fn start(case: &Case<'_>, session: &Session, around: &Around) -> Vec<String> {
    let gap = duration(case.facts.intervals.session_gap_us);
    let starts = format!("It starts on {}", case.clock.at(session.started_on));
    let pause = match &around.before {
        Some(row) => format!(
            "{starts}: the {} before came {} earlier, on {}, which is more than the session gap of {gap}.",
            sighting(row.action),
            duration(session.started_on - row.created_on),
            case.clock.at(row.created_on)
        ),
        None => format!(
            "{starts}: of the actor's {} in the log it is the first.",
            case.sightings()
        ),
    };
    let censored = match (case.limits.start_censored(session), case.limits.gap_at_start(session)) {
        (_, Some(window)) => Some(format!(
            "It may have started earlier (start_censored is audit_gap): accesses were not logged {}, {}.",
            off(case, window),
            match session.started_on < window.end {
                true => "and the change it starts with lies inside".to_owned(),
                false => format!("which reaches into the session gap of {gap} before its start"),
            }
        )),
        (Some(reason), None) => Some(format!(
            "It may have started earlier (start_censored is {reason}): the log begins on {}, less than the session gap of \
             {gap} before its start.",
            case.clock.at(case.facts.log_start)
        )),
        (None, None) => None,
    };
    [Some(pause), censored].into_iter().flatten().collect()
}

fn end(case: &Case<'_>, session: &Session, around: &Around) -> Vec<String> {
    let gap = duration(case.facts.intervals.session_gap_us);
    let interval = duration(case.facts.intervals.audit_interval_us);
    let ends = format!("It was last seen on {}", case.clock.at(session.last_seen_on));
    let pause = match &around.after {
        Some(row) => format!(
            "{ends}: the {} after it came {} later, on {}, which is more than the session gap of {gap}.",
            sighting(row.action),
            duration(row.created_on - session.last_seen_on),
            case.clock.at(row.created_on)
        ),
        None => format!("{ends}: of the actor's {} in the log it is the last.", case.sightings()),
    };
    let censored = match (case.limits.end_censored(session), case.limits.gap_at_end(session)) {
        (_, Some(window)) => Some(format!(
            "How long it went on is not known (end_censored is audit_gap): accesses were not logged {}, {}.",
            off(case, window),
            match window.start < session.last_seen_on {
                true => "and the change seen last lies inside".to_owned(),
                false => format!("which begins before the audit interval of {interval} is over"),
            }
        )),
        (Some(reason), None) => Some(format!(
            "How long it went on is not known (end_censored is {reason}): the log ends on {}, before the audit interval of \
             {interval} is over.",
            case.clock.at(case.facts.log_end)
        )),
        (None, None) => None,
    };
    [Some(pause), censored].into_iter().flatten().collect()
}

fn lengths(case: &Case<'_>, session: &Session) -> Vec<String> {
    let (min, max) = (
        session.last_seen_on - session.started_on,
        case.limits.unseen_from(session) - session.started_on,
    );
    let interval = duration(case.facts.intervals.audit_interval_us);
    let mut says = vec![format!(
        "duration_min_s is last_seen_on − started_on = {}.",
        duration(min)
    )];
    says.push(match case.limits.end_censored(session) {
        None => format!(
            "duration_max_s is last_seen_on + audit interval − started_on = {} + {interval} = {}: a later access would have \
             been logged.",
            duration(min),
            duration(max)
        ),
        Some(_) => "duration_max_s is null: without a known end there is no longest duration.".to_owned(),
    });
    let inside = case.audited.gap_us(session.started_on, session.last_seen_on);
    if inside > 0 {
        says.push(format!(
            "For {} of it auditing was off (audit_gap_s): what was done between its rows then, the log cannot tell.",
            duration(inside)
        ));
    }
    says
}

fn in_no_session(case: &Case<'_>, at: i64) -> Result<Moment> {
    let around = look(case, &[Kind::Access], at, at)?;
    let mut because = vec![format!("{} lies in no session.", case.clock.at(at))];
    because.push(match &around.before {
        Some(row) => format!(
            "The last {} before it is of {}, {} earlier.",
            sighting(row.action),
            case.clock.at(row.created_on),
            duration(at - row.created_on)
        ),
        None => "The log has no access of this actor before it.".to_owned(),
    });
    because.push(match &around.after {
        Some(row) => format!(
            "The next {} is of {}, {} later.",
            sighting(row.action),
            case.clock.at(row.created_on),
            duration(row.created_on - at)
        ),
        None => "The log has no access of this actor after it.".to_owned(),
    });
    because.extend(changes(case, at)?);
    because.extend(silence(case, at));
    Ok(Moment {
        at: to_text(at),
        found: "no_session",
        session: None,
        access_before: around.before.as_ref().map(Row::of),
        access_after: around.after.as_ref().map(Row::of),
        because,
    })
}

/// A change that would have extended a session, had there been one.
fn changes(case: &Case<'_>, at: i64) -> Result<Option<String>> {
    if !case.options.evidence.kinds().contains(&Kind::Change) {
        return Ok(None);
    }
    let gap_us = case.facts.intervals.session_gap_us;
    let around = look(
        case,
        &[Kind::Change],
        at.saturating_sub(gap_us),
        at.saturating_add(gap_us),
    )?;
    let near = around.rows.iter().min_by_key(|row| (row.created_on - at).abs());
    Ok(near.map(|row| {
        format!(
            "A change in the actor's name is of {}, but changes alone make no session: a job may have made it.",
            case.clock.at(row.created_on)
        )
    }))
}

/// What the absence of rows at an instant proves.
fn silence(case: &Case<'_>, at: i64) -> Vec<String> {
    let facts = &case.facts;
    if !facts.has_log {
        return vec!["The environment has no rows, which proves nothing.".to_owned()];
    }
    if at < facts.log_start || facts.log_end < at {
        return vec![format!(
            "It lies outside the log, which reaches from {} to {}: nothing is known of it.",
            case.clock.at(facts.log_start),
            case.clock.at(facts.log_end)
        )];
    }
    let covering = case.silencing(|window| covers(window, at));
    if covering.is_empty() {
        return audited(case, at);
    }
    let mut says: Vec<String> = covering.iter().map(|(gap, row)| gap_told(case, gap, row)).collect();
    let is_certain = covering.iter().any(|(gap, _)| gap.not_before.is_none());
    says.push(match is_certain {
        true => {
            "So accesses were not logged at that time: whether the actor was there, the log cannot tell.".to_owned()
        }
        false => "So whether accesses were logged at that time is not known, and silence proves nothing.".to_owned(),
    });
    says
}

fn audited(case: &Case<'_>, at: i64) -> Vec<String> {
    let mut says = vec![
        "No gap covers it: accesses were logged at that time, and an access of the actor would be in the log. So, by the \
         log, the actor did not come. Whether a job did something in their name is another question: changes are no accesses."
            .to_owned(),
    ];
    let later: Vec<String> = case
        .deletions
        .iter()
        .filter(|on| **on >= at)
        .map(|on| case.clock.at(*on))
        .collect();
    says.push(match later.is_empty() {
        false => format!(
            "That does not hold if rows are gone: audit logs were deleted on {}.",
            later.join(", ")
        ),
        true => {
            "That does not hold if rows are gone that no deletion tells of: by retention, or left out of an export."
                .to_owned()
        }
    });
    says
}

/// `from … to …`, of an effective gap.
fn off(case: &Case<'_>, window: Window) -> String {
    let effective = case.gaps.iter().map(|(gap, _)| gap);
    let gap = effective
        .into_iter()
        .find(|gap| gap.scope == Scope::Effective && gap.window == window);
    gap.map_or(String::new(), |gap| span(case, gap))
}

fn span(case: &Case<'_>, gap: &Gap) -> String {
    let from = match gap.not_before {
        None => format!("from {}", case.clock.at(gap.window.start)),
        Some(proof) => format!("from a time not before {}", case.clock.at(proof)),
    };
    match gap.ended_on {
        Some(on) => format!("{from} to {}", case.clock.at(on)),
        None => format!("{from} to the end of the log or longer"),
    }
}

/// One gap, who switched, and what speaks against it.
fn gap_told(case: &Case<'_>, gap: &Gap, row: &Record) -> String {
    let what = match gap.scope {
        Scope::UserAccess => "Auditing of user access",
        _ => "Auditing of the organization",
    };
    let name = |id: &Option<String>, name: &str| {
        let who = row.text(name).map(str::to_owned).or_else(|| id.clone());
        who.unwrap_or_else(|| "somebody unnamed".to_owned())
    };
    let stopped = match (gap.not_before, gap.started_on) {
        (Some(proof), _) => format!(
            "{what} was off before it was started, though nothing says who stopped it, or when: the latest proof that it ran is \
             of {}",
            case.clock.at(proof)
        ),
        (None, on) => format!(
            "{what} was stopped by {} on {}",
            name(&gap.stopped_by, "stopped_by_name"),
            case.clock.at(on.unwrap_or(gap.window.start))
        ),
    };
    let started = match gap.ended_on {
        Some(on) => format!(
            "; it was started by {} on {}",
            name(&gap.started_by, "started_by_name"),
            case.clock.at(on)
        ),
        None => "; it is not started again in the log".to_owned(),
    };
    let against = match row.number("accesses_inside") {
        Some(1) => "; an access inside speaks against it".to_owned(),
        Some(inside) if inside > 0 => format!("; {inside} accesses inside speak against it"),
        _ => String::new(),
    };
    format!("{stopped}{started}{against}.")
}
