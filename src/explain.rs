//! How `gatelog explain` reads for people: who, then why, then the rows it rests on.

use crate::console::{counted, one_line};
use crate::grid::{self, Side};
use gatelog::report::explain::{Explanation, Moment, Record, Row, Sessions, Standing, Told};
use std::io::{self, Write};

/// Rows of a session that are shown at its start, and as many at its end.
const ROWS: usize = 10;

/// Shows all of it.
pub fn show(found: &Explanation, out: &mut dyn Write) -> io::Result<()> {
    let who = &found.who;
    let name = who.actor_name.as_deref().map_or("unnamed", |name| name);
    writeln!(out, "{} · {}", one_line(name), one_line(&who.actor_id))?;
    writeln!(out, "  environment  {}", one_line(&found.environment))?;
    writeln!(out, "  kind         {}", who.kind)?;
    say(&who.because, out)?;
    if let Some(standing) = &found.standing {
        show_standing(standing, out)?;
    }
    if let Some(sessions) = &found.sessions {
        show_sessions(sessions, out)?;
    }
    if let Some(moment) = &found.moment {
        show_moment(moment, out)?;
    }
    show_gaps(found, out)?;
    show_settings(found, out)
}

fn say(sentences: &[String], out: &mut dyn Write) -> io::Result<()> {
    sentences
        .iter()
        .try_for_each(|sentence| writeln!(out, "  {}", one_line(sentence)))
}

fn show_standing(standing: &Standing, out: &mut dyn Write) -> io::Result<()> {
    let status = standing.user.as_ref().and_then(|user| user.text("status"));
    writeln!(out, "\nstatus: {}", status.unwrap_or("none"))?;
    say(&standing.because, out)
}

fn show_sessions(sessions: &Sessions, out: &mut dyn Write) -> io::Result<()> {
    let last = sessions.last.len();
    let shown = match sessions.count as usize {
        0 => "none".to_owned(),
        count if count > last => format!("{count}, the last {last} of them"),
        count => count.to_string(),
    };
    writeln!(out, "\nsessions: {shown}")?;
    say(&sessions.because, out)?;
    show_records(&SESSION, &sessions.last, out)
}

fn show_moment(moment: &Moment, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\nat {}: {}", moment.at, moment.found.replace('_', " "))?;
    say(&moment.because, out)?;
    if let Some(told) = &moment.session {
        show_records(&SESSION, std::slice::from_ref(&told.row), out)?;
        show_rows(told, out)?;
    }
    Ok(())
}

/// Columns of a report, and how they lie.
type Columns = [(&'static str, Side); 9];

const SESSION: Columns = [
    ("started_on", Side::Left),
    ("last_seen_on", Side::Left),
    ("duration_min_s", Side::Right),
    ("duration_max_s", Side::Right),
    ("accesses", Side::Right),
    ("changes", Side::Right),
    ("client", Side::Left),
    ("start_censored", Side::Left),
    ("end_censored", Side::Left),
];

const GAP: Columns = [
    ("scope", Side::Left),
    ("state", Side::Left),
    ("started_on", Side::Left),
    ("not_before", Side::Left),
    ("ended_on", Side::Left),
    ("stopped_by_name", Side::Left),
    ("started_by_name", Side::Left),
    ("accesses_inside", Side::Right),
    ("changes_inside", Side::Right),
];

/// Columns without any value are left out.
fn show_records(columns: &Columns, records: &[Record], out: &mut dyn Write) -> io::Result<()> {
    let cell = |record: &Record, column: &str| {
        let number = record.number(column).map(|number| number.to_string());
        record.text(column).map(one_line).or(number)
    };
    let sides = columns.map(|column| column.1);
    let is_shown = columns.map(|(name, _)| records.iter().any(|record| cell(record, name).is_some()));
    let mut rows = vec![columns.map(|(name, _)| name.to_owned())];
    rows.extend(
        records
            .iter()
            .map(|record| columns.map(|(name, _)| cell(record, name).unwrap_or("–".to_owned()))),
    );
    for row in &mut rows {
        for (cell, _) in row.iter_mut().zip(is_shown).filter(|(_, is_shown)| !is_shown) {
            cell.clear();
        }
    }
    match records.is_empty() {
        true => Ok(()),
        false => grid::show_filled(sides, &rows, out),
    }
}

fn show_rows(told: &Told, out: &mut dyn Write) -> io::Result<()> {
    let count = told.rows.len() + told.rows_left_out;
    writeln!(out, "\nits {}", counted(count, "row"))?;
    let (first, last) = match told.rows.len() {
        rows if rows > 2 * ROWS => (&told.rows[..ROWS], &told.rows[rows - ROWS..]),
        _ => (&told.rows[..], &[][..]),
    };
    show_grid(first, out)?;
    let between = count - first.len() - last.len();
    if between > 0 {
        writeln!(out, "  … {} more", counted(between, "row"))?;
    }
    show_grid(last, out)
}

fn show_grid(rows: &[Row], out: &mut dyn Write) -> io::Result<()> {
    let cells = |row: &Row| {
        let what = match (row.by, row.action_name) {
            ("change", Some(name)) => format!("change: {name}"),
            ("change", None) => format!("change: action {}", row.action),
            (by, _) => by.to_owned(),
        };
        let id = row.audit_id.as_deref().map_or("no id".to_owned(), one_line);
        [row.created_on.clone(), what, id, one_line(&row.source)]
    };
    let rows: Vec<_> = rows.iter().map(cells).collect();
    grid::show([Side::Left; 4], &rows, out)
}

fn show_gaps(found: &Explanation, out: &mut dyn Write) -> io::Result<()> {
    if found.gaps.is_empty() {
        return Ok(());
    }
    let left_out = match found.gaps_left_out {
        0 => String::new(),
        count => format!(" (and {count} earlier)"),
    };
    writeln!(out, "\ngaps that matter here{left_out}")?;
    show_records(&GAP, &found.gaps, out)
}

fn show_settings(found: &Explanation, out: &mut dyn Write) -> io::Result<()> {
    let settings = &found.settings;
    let interval = format!(
        "{} s, from the {}",
        settings.audit_interval_s, settings.audit_interval_is_from
    );
    let log = match (&settings.log_started_on, &settings.log_ended_on) {
        (Some(first), Some(last)) => format!("{first} to {last}"),
        _ => "no rows".to_owned(),
    };
    writeln!(out, "\ncomputed with")?;
    let lines = [
        ["log".to_owned(), log],
        ["audit interval".to_owned(), interval],
        ["session gap".to_owned(), format!("{} s", settings.session_gap_s)],
        ["evidence".to_owned(), settings.evidence.to_owned()],
        ["inactive after".to_owned(), format!("{} s", settings.inactive_after_s)],
        ["min coverage".to_owned(), settings.min_coverage.to_string()],
        ["zone of sentences".to_owned(), settings.tz.clone()],
        ["times in columns".to_owned(), "UTC".to_owned()],
    ];
    grid::show([Side::Left; 2], &lines, out)
}
