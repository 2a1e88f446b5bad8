//! One reject, read again: how it is to be read, and what becomes of it.

use super::super::block::{Block, Parsed, State, parse};
use super::super::head::{Form, Head, Known, Table};
use super::super::reject::Reason;
use super::Replay;
use crate::error::Result;
use crate::instant::DateOrder;
use crate::lake::rejects::RejectRow;
use chrono_tz::Tz;
use std::sync::Arc;

/// Codes of rejects that are pieces of a record.
const PIECES: [&str; 3] = ["too-long", "too-large", "corrupt"];

/// What a reject is now.
pub enum Again {
    /// It was not asked about.
    NotChosen,
    /// What it was, for the reason it had.
    Same,
    /// Still rejected, for another reason.
    Other(Arc<Reason>),
    Understood(Box<Parsed>),
}

/// Whether it is not known whose it is.
pub fn lacks_environment(row: &RejectRow<'_>, plan: &Replay) -> bool {
    row.environment.is_none() && plan.environment.is_none()
}

/// Whether two rejects are read in the same way.
pub fn has_same_head(a: &RejectRow<'_>, b: &RejectRow<'_>) -> bool {
    a.source == b.source
        && a.table == b.table
        && a.environment == b.environment
        && a.environment_is_given == b.environment_is_given
        && a.source_tz == b.source_tz
        && a.form == b.form
        && a.header == b.header
        && a.date_order == b.date_order
        && a.exported_on == b.exported_on
        && (a.form.is_some() || looks_like_json(a) == looks_like_json(b))
}

/// Whether a reject of which no form was kept can be nothing else.
pub fn looks_like_json(row: &RejectRow<'_>) -> bool {
    matches!(row.raw.trim_ascii_start().first(), Some(b'{' | b'['))
}

/// How to read a reject; `None` when that was not kept.
pub fn head_of(row: &RejectRow<'_>, plan: &Replay) -> Option<Head> {
    let form = match row.form {
        Some(form) => Form::of(form, row.header)?,
        None => looks_like_json(row).then_some(Form::Pages)?,
    };
    let table = Table::of(row.table.unwrap_or(Table::Audit.name()))?;
    let zone = match (plan.source_tz, row.source_tz) {
        (Some(zone), _) => zone,
        (None, Some(name)) => name.parse().ok()?,
        (None, None) => Tz::UTC,
    };
    // Whose rows they are is never guessed.
    let environment = plan.environment.as_deref().or(row.environment)?;
    let known = Known {
        source: row.source.into(),
        environment: Some(environment.into()),
        zone,
        date_order: plan.date_order.or(row.date_order.and_then(DateOrder::of)),
        exported_on: row.exported_on.unwrap_or_default(),
        // Longer ones are kept in pieces, which are not read again.
        record_bytes: usize::MAX,
        partition: None,
    };
    Some(Head {
        table,
        environment_is_given: plan.environment.is_some() || row.environment_is_given == Some(true),
        ..Head::new(form, &known, (0, 0))
    })
}

/// Reads a reject again, alone.
pub fn read_one(row: &RejectRow<'_>, head: Option<&Arc<Head>>) -> Result<Again> {
    let Some(head) = head else {
        return Ok(Again::Same);
    };
    if row.raw.is_empty() || PIECES.contains(&row.code) {
        return Ok(Again::Same);
    }
    let mut starts = vec![State::Top];
    if head.form == Form::Pages {
        // Mostly it stood in a list, where the same broken bytes are broken for another reason.
        let environment = head.environment.clone();
        starts.push(State::Array { environment });
    }
    let was_cut_off = row.code == "truncated";
    let mut reasons: Vec<Arc<Reason>> = Vec::new();
    for start in starts {
        let mut bytes = row.raw.to_vec();
        if !was_cut_off && head.form != Form::Pages {
            bytes.push(b'\n');
        }
        let parsed = parse(&Block {
            head: head.clone(),
            bytes,
            offset: 0,
            last: true,
            loss: None,
            start,
        })?;
        if !parsed.rows.is_empty() || !parsed.side.is_empty() || !parsed.deletions.is_empty() {
            return Ok(Again::Understood(Box::new(parsed)));
        }
        reasons.extend(parsed.rejects.into_iter().next().map(|reject| reject.reason));
    }
    // Among its neighbours more was known of what is broken: alone, a record without an end only looks cut off.
    let is_same = |reason: &Arc<Reason>| match reason.code {
        "truncated" if !was_cut_off => true,
        "syntax" => row.code == "syntax",
        code => code == row.code && reason.sentence == row.sentence,
    };
    Ok(match reasons.pop() {
        Some(last) if !reasons.iter().chain([&last]).any(is_same) => Again::Other(last),
        _ => Again::Same,
    })
}
