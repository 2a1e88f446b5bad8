//! What the program says to people, on standard error; standard output carries only what was asked for.

use gatelog::error::Error;
use gatelog::ingest::{DEFAULT_ENVIRONMENT, Fate, Outcome, Progress, Tally};
use gatelog::lake::compact::Compacted;
use gatelog::lake::lock::Owner;
use gatelog::{generate, instant};
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};
use serde_json::json;
use std::error::Error as _;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

pub fn note(text: &str) {
    eprintln!("{text}");
}

/// One sentence with the path first, the cause, then the cure.
pub fn error(error: &Error) {
    let mut text = format!("error: {error}");
    let mut cause = error.source();
    while let Some(inner) = cause {
        text += &format!(": {inner}");
        cause = inner.source();
    }
    eprintln!("{text}");
    if let Some(hint) = &error.hint {
        eprintln!("hint: {hint}");
    }
}

pub fn counted(count: usize, noun: &str) -> String {
    format!(
        "{} {noun}{}",
        HumanCount(count as u64),
        if count == 1 { "" } else { "s" }
    )
}

/// A text in which nothing ends the line, colours it or turns its direction.
pub fn one_line(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut line, sign| {
        match sign {
            '"' | '\'' | '\\' => line.push(sign),
            _ => line.extend(sign.escape_debug()),
        }
        line
    })
}

/// The width to lay tables out for: the terminal's, else none, since a file has no edge.
pub fn width() -> Option<u16> {
    comfy_table::Table::new().width()
}

/// Micros since 1970.
pub fn now() -> i64 {
    let since_epoch = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    since_epoch.as_micros() as i64
}

/// Who holds the lock, for people who meet it: process, machine, time, command.
pub fn owner(command: &str, patience: Duration) -> Owner {
    let of_system = || std::fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned());
    let host = ["HOSTNAME", "COMPUTERNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok())
        .or_else(|| of_system().ok());
    Owner {
        pid: std::process::id(),
        host: host.unwrap_or_else(|| "this machine".to_owned()),
        started_on: instant::to_text(now() / instant::MICROS_PER_SECOND * instant::MICROS_PER_SECOND),
        command: command.to_owned(),
        patience,
    }
}

/// A bar on a terminal; elsewhere a plain line a minute.
pub struct Bar {
    bar: ProgressBar,
    started: Instant,
    last_line: Mutex<Instant>,
}

impl Bar {
    pub fn new() -> Bar {
        let bar = if std::io::stderr().is_terminal() {
            ProgressBar::new(0)
        } else {
            ProgressBar::hidden()
        };
        let template = "{bar:30} {bytes}/{total_bytes} · {bytes_per_sec} · {msg} · {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Bar {
            bar,
            started: Instant::now(),
            last_line: Mutex::new(Instant::now()),
        }
    }

    pub fn show(&self, progress: Progress) {
        let seconds = self.started.elapsed().as_secs_f64().max(0.001);
        let rows_per_s = HumanCount((progress.records_read as f64 / seconds) as u64);
        self.bar.set_length(progress.bytes_total.max(progress.bytes_read));
        self.bar.set_position(progress.bytes_read);
        self.bar.set_message(format!("{rows_per_s} rows/s"));
        let Ok(mut last_line) = self.last_line.lock() else {
            return;
        };
        if self.bar.is_hidden() && last_line.elapsed() >= Duration::from_secs(60) {
            *last_line = Instant::now();
            let (read, total) = (HumanBytes(progress.bytes_read), HumanBytes(progress.bytes_total));
            eprintln!(
                "{read} of {total} read · {} rows · {rows_per_s} rows/s",
                HumanCount(progress.records_read)
            );
        }
    }

    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

/// What became of each input, the first rejects, and the books.
pub fn inventory(outcome: &Outcome) {
    for note in &outcome.notes {
        eprintln!("note: {note}");
    }
    for report in &outcome.reports {
        match &report.fate {
            Fate::Ingested {
                form,
                table,
                environment,
                window,
                tally,
                notes,
            } => {
                let window = window.map_or(String::new(), |(first, last)| {
                    format!("{} to {}, ", instant::to_text(first), instant::to_text(last))
                });
                let form = match *table {
                    "audit" => (*form).to_owned(),
                    table => format!("{form} of {table}"),
                };
                eprintln!("{}: {form}, {environment}, {window}{}", report.input, books(tally));
                for note in notes {
                    eprintln!("note: {note}");
                }
            }
            Fate::Empty => eprintln!("{}: empty, 0 records", report.input),
            Fate::AlreadyIngested => eprintln!("{}: already ingested, skipped", report.input),
            Fate::Refused { reason, hint } => eprintln!("{}: refused: {reason}\nhint: {hint}", report.input),
            Fate::PassedOver => eprintln!("{}: no export, passed over", report.input),
            Fate::Skipped { reason } => eprintln!("{}: skipped: {reason}", report.input),
            Fate::Unfinished => eprintln!("{}: still being written, left for a later run", report.input),
        }
    }
    for reject in &outcome.rejects {
        eprintln!(
            "rejected: {} record {}: {} ({})",
            reject.input, reject.record, reject.sentence, reject.code
        );
    }
    let more = outcome.total.rejected.saturating_sub(outcome.rejects.len() as u64);
    if more > 0 {
        let counts: Vec<String> = outcome
            .rejected_by_code
            .iter()
            .map(|(code, count)| format!("{} {code}", HumanCount(*count)))
            .collect();
        eprintln!("… and {} more; in all {}", HumanCount(more), counts.join(", "));
        eprintln!("hint: all are kept whole; see them with `gatelog rejects`");
    }
    eprintln!("total: {}", books(&outcome.total));
}

/// Says it when one log may have become two, in environments of their own.
pub fn unnamed_environment(outcome: &Outcome) {
    let Some(count) = unnamed_beside_named(outcome) else {
        return;
    };
    let (name, their) = if count == 1 {
        ("names", "its")
    } else {
        ("name", "their")
    };
    eprintln!(
        "note: {} {name} no environment; {their} rows stand apart from the others, in {DEFAULT_ENVIRONMENT:?}\n\
         hint: if they belong to one of the others, ingest them into a new lake with --environment NAME",
        counted(count, "input")
    );
}

/// How many inputs that name no environment came with inputs that do; `None` if they are all alike.
fn unnamed_beside_named(outcome: &Outcome) -> Option<usize> {
    let environments = outcome.reports.iter().filter_map(|report| match &report.fate {
        Fate::Ingested { environment, .. } => Some(environment.as_str()),
        _ => None,
    });
    let (unnamed, named): (Vec<&str>, Vec<&str>) = environments.partition(|&name| name == DEFAULT_ENVIRONMENT);
    (!unnamed.is_empty() && !named.is_empty()).then_some(unnamed.len())
}

fn books(tally: &Tally) -> String {
    format!(
        "{} read = {} accepted + {} duplicate + {} rejected",
        HumanCount(tally.read),
        HumanCount(tally.accepted),
        HumanCount(tally.duplicate),
        HumanCount(tally.rejected)
    )
}

pub fn outcome_json(outcome: &Outcome) -> String {
    let tally =
        |t: &Tally| json!({"read": t.read, "accepted": t.accepted, "duplicate": t.duplicate, "rejected": t.rejected});
    let inputs: Vec<_> = outcome
        .reports
        .iter()
        .map(|report| match &report.fate {
            Fate::Ingested {
                form,
                table,
                environment,
                window,
                tally: t,
                notes,
            } => json!({
                "input": report.input, "fate": "ingested", "form": form, "table": table, "environment": environment,
                "first_created_on": window.map(|(first, _)| instant::to_text(first)),
                "last_created_on": window.map(|(_, last)| instant::to_text(last)),
                "books": tally(t), "notes": notes,
            }),
            Fate::Empty => json!({"input": report.input, "fate": "empty"}),
            Fate::AlreadyIngested => json!({"input": report.input, "fate": "already_ingested"}),
            Fate::Refused { reason, .. } => json!({"input": report.input, "fate": "refused", "reason": reason}),
            Fate::PassedOver => json!({"input": report.input, "fate": "passed_over"}),
            Fate::Skipped { reason } => json!({"input": report.input, "fate": "skipped", "reason": reason}),
            Fate::Unfinished => json!({"input": report.input, "fate": "unfinished"}),
        })
        .collect();
    json!({
        "total": tally(&outcome.total), "inputs": inputs, "rejected_by_code": outcome.rejected_by_code, "notes": outcome.notes,
    })
    .to_string()
}

pub fn generated(summary: &generate::Summary, out: &Path) {
    eprintln!(
        "{} rows ({} access, {} control, {} change, {} repeated) of {} people, {} in {}, written to {}",
        HumanCount(summary.rows),
        HumanCount(summary.access_rows),
        HumanCount(summary.control_rows),
        HumanCount(summary.change_rows),
        HumanCount(summary.duplicates),
        HumanCount(u64::from(summary.people)),
        HumanBytes(summary.bytes),
        counted(summary.files as usize, "file"),
        out.display()
    );
    for gap in &summary.gaps {
        let end = gap
            .ended_on
            .map_or("the end of the log".to_owned(), |end| end.format("%F %T").to_string());
        let object = gap.object_id.as_deref().map_or(String::new(), |id| format!(" of {id}"));
        eprintln!(
            "planted: {}{object} off from {} to {end}",
            gap.scope.name(),
            gap.started_on.format("%F %T")
        );
    }
}

/// What a compaction has done.
pub fn compacted(done: &Compacted) {
    done.notes.iter().for_each(|text| note(&format!("note: {text}")));
    let files = |count: u64| counted(count as usize, "file");
    note(&match done.partitions {
        0 => format!("nothing to merge: {} in the lake", files(done.files_before)),
        _ => format!(
            "{} merged: {} became {}, {} became {}",
            counted(done.partitions as usize, "month"),
            files(done.files_before),
            done.files_after,
            HumanBytes(done.bytes_before),
            HumanBytes(done.bytes_after)
        ),
    });
}
