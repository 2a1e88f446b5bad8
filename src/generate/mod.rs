//! Seeded audit logs of an invented organisation, as realistic as public knowledge allows, of any size.
//!
//! A [`Plan`] goes in; files of one [`Form`] and a [`Summary`] come out. The summary names the auditing gaps that were
//! planted, so a report can be checked against the truth. Nothing in a log is anybody's: people are called after a
//! bird and a fruit with the surname *Sample* (`Wren Quince Sample`), companies are marked `(Contoso Sim)`.
//!
//! What the logs show: people with working hours, part time, leave, and colleagues who come, go or never sign in;
//! access rows (64, 65) about every four hours while somebody works, service accounts around the clock; changes to
//! seven tables with `changedata`; control rows of the gaps; repeats of rows, as after overlapping exports.
//!
//! Promised: the same plan gives the same bytes with any number of threads, and the same rows in the same order in
//! each form · the wanted access and change rows are met to the row (control rows and repeats come on top) · no access
//! inside a user_access or organization window, no change inside an organization window · memory stays bounded.
//!
//! Example: 30 days with 2,000 access rows and 4 gaps are the work of about 50 people; the log has 2,000 rows of
//! action 64 or 65, 7 or 8 rows that stop and start auditing, and some rows of settings beside them.
//!
//! Beside the log, if asked for: the tables of users and of the organization ([`Plan::side_tables`]).

mod bytes;
mod columns;
mod container;
mod day;
mod draw;
mod form;
mod pages;
mod people;
mod row;
mod schedule;
mod side;
mod stream;
mod tables;
mod windows;

pub use form::Form;
pub use windows::Scope;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use columns::ParquetRows;
use pages::Paging;
use row::Composer;
use schedule::Schedule;
use side::SideTable;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use stream::{PageFiles, Printer, Sink, Stream, YearFiles};

/// The longest period; its seconds fit 32 bits.
const MOST_DAYS: u32 = 36_525;
const MOST_ROWS: u64 = 1_000_000_000_000;
const MOST_PAGE_ROWS: usize = 1_000_000;

/// What log to make.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub seed: u64,
    /// The host in `@odata.context`, by which readers know the environment.
    pub environment_host: String,
    /// The first day, in UTC.
    pub start: NaiveDate,
    pub days: u32,
    /// Rows of action 64 and 65. Their number per day decides how many people there are, five at least.
    pub access_rows: u64,
    /// Rows of data changes.
    pub change_rows: u64,
    /// Repeats for each row, 0 to 0.5: 0.01 says every hundredth row twice.
    pub duplicates: f64,
    /// Planted windows in which auditing was stopped.
    pub gaps: u32,
    /// Whether labels and names stand beside the values. CSV has none.
    pub annotated: bool,
    /// Whether to write the users and the organization beside the log.
    pub side_tables: bool,
    pub page_rows: usize,
}

impl Default for Plan {
    /// Four weeks of a small organisation.
    fn default() -> Plan {
        Plan {
            seed: 1,
            environment_host: "contoso-sim.crm4.dynamics.com".to_owned(),
            start: NaiveDate::from_ymd_opt(2026, 1, 5).unwrap_or_default(),
            days: 28,
            access_rows: 2_000,
            change_rows: 1_000,
            duplicates: 0.0,
            gaps: 4,
            annotated: true,
            side_tables: false,
            page_rows: 5_000,
        }
    }
}

/// A planted window: `[started_on, ended_on)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlantedGap {
    pub scope: Scope,
    /// For tables and columns: whose auditing was stopped.
    pub object_id: Option<String>,
    pub started_on: DateTime<Utc>,
    /// Unset when the log ends before auditing was started again.
    pub ended_on: Option<DateTime<Utc>>,
    pub stopped_by_id: String,
    pub started_by_id: Option<String>,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// All rows: access, control, change and duplicates.
    pub rows: u64,
    pub access_rows: u64,
    pub control_rows: u64,
    pub change_rows: u64,
    pub duplicates: u64,
    pub people: u32,
    pub bytes: u64,
    pub files: u64,
    pub gaps: Vec<PlantedGap>,
}

/// Writes the log into the folder `out`, which is created if need be. Files that exist already are never replaced.
pub fn generate(plan: &Plan, form: Form, out: &Path) -> io::Result<Summary> {
    check(plan)?;
    let schedule = Schedule::of(plan)?;
    let dir = match form {
        Form::Synapse => container::folder(&plan.environment_host, out),
        _ => out.to_owned(),
    };
    std::fs::create_dir_all(&dir)?;
    let file = || stream::create(&dir.join(format!("audits.{}", form.extension())));
    let side_tables = side::tables(plan, &schedule);
    let beside = if plan.side_tables { &side_tables[..] } else { &[] };
    let summary = match form {
        Form::ODataPages | Form::Soap | Form::Fetch => {
            print(plan, &schedule, form, &mut PageFiles::into_dir(&dir, form))?
        }
        Form::Parquet => {
            let mut rows = ParquetRows::into_file(file()?);
            let summary = print(plan, &schedule, form, &mut rows)?;
            rows.finish()?;
            summary
        }
        Form::Synapse => {
            std::fs::create_dir_all(dir.join("audit"))?;
            let mut files = YearFiles::into_dir(&dir.join("audit"));
            let summary = print(plan, &schedule, form, &mut files)?;
            let of_side =
                |table: &SideTable<'_>| (table.logical_name, table.columns_of_synapse(), vec!["1".to_owned()]);
            let tables: Vec<container::Table> = [container::audit(files.years())]
                .into_iter()
                .chain(beside.iter().map(of_side))
                .collect();
            container::write_model(&dir, &tables)?;
            summary
        }
        _ => print(plan, &schedule, form, &mut Stream(BufWriter::new(file()?)))?,
    };
    for table in beside {
        table.write(form, &plan.environment_host, &dir)?;
    }
    Ok(summary)
}

/// Writes the log into one stream; pages follow each other.
pub fn generate_to(plan: &Plan, form: Form, out: impl Write + Send) -> io::Result<Summary> {
    check(plan)?;
    if plan.side_tables || matches!(form, Form::Synapse | Form::Parquet) {
        let fault = "this needs files of its own: name a folder to write into";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, fault));
    }
    let mut sink = Stream(out);
    let summary = print(plan, &Schedule::of(plan)?, form, &mut sink)?;
    sink.0.flush()?;
    Ok(summary)
}

fn print(plan: &Plan, schedule: &Schedule, form: Form, sink: &mut impl Sink) -> io::Result<Summary> {
    let unique: u64 = schedule.slices.iter().map(|slice| slice.rows()).sum();
    let paging = Paging::new(plan.seed, unique, plan.duplicates, plan.page_rows);
    let start = plan.start.and_time(NaiveTime::MIN).and_utc();
    let printer = Printer {
        plan,
        form,
        schedule,
        paging: &paging,
        composer: Composer {
            schedule,
            start_unix_s: start.timestamp(),
            records: (plan.change_rows / 40).clamp(50, 50_000_000) as u32,
        },
    };
    let bytes = printer.print(sink)?;
    Ok(Summary {
        rows: paging.rows(),
        access_rows: schedule.slices.iter().map(|slice| slice.access_rows).sum(),
        control_rows: schedule.windows.controls.len() as u64,
        change_rows: schedule.slices.iter().map(|slice| slice.change_rows).sum(),
        duplicates: paging.repeats(),
        people: schedule.organisation.people,
        bytes,
        files: sink.files(),
        gaps: planted_gaps(schedule, start),
    })
}

fn planted_gaps(schedule: &Schedule, start: DateTime<Utc>) -> Vec<PlantedGap> {
    let instant = |at_s: u32| start + std::time::Duration::from_secs(u64::from(at_s));
    let text = |id| {
        let mut text = Vec::new();
        bytes::push_guid(&mut text, &id);
        String::from_utf8_lossy(&text).into_owned()
    };
    let person = |person| text(schedule.organisation.id(person));
    let windows = schedule.windows.planted.iter();
    windows
        .map(|window| PlantedGap {
            scope: window.scope,
            object_id: matches!(window.scope, Scope::Table | Scope::Column)
                .then(|| text(row::target_id(schedule, window.target).0)),
            started_on: instant(window.start_s),
            ended_on: window.end_s.map(instant),
            stopped_by_id: person(window.stopped_by),
            started_by_id: window.end_s.map(|_| person(window.started_by)),
        })
        .collect()
}

/// Says what is wrong with a plan before anything is written.
fn check(plan: &Plan) -> io::Result<()> {
    let host = plan.environment_host.as_bytes();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._:".contains(byte);
    let most_gaps = plan.days.saturating_mul(24 * 3600 / windows::SHORTEST_STRATUM_S);
    let last_day = plan.start.checked_add_days(Days::new(u64::from(plan.days)));
    let years = NaiveDate::from_ymd_opt(1, 1, 1)..=NaiveDate::from_ymd_opt(9999, 12, 31);
    let fault = if host.is_empty() || !host.iter().all(plain) {
        "the environment's host must be a plain host name"
    } else if plan.days == 0 || plan.days > MOST_DAYS {
        "a log needs 1 to 36525 days"
    } else if !years.contains(&Some(plan.start)) || !years.contains(&last_day) {
        "a log lies in the years 1 to 9999"
    } else if plan.access_rows > MOST_ROWS || plan.change_rows > MOST_ROWS {
        "a log has at most a trillion rows of each kind"
    } else if !(0.0..=0.5).contains(&plan.duplicates) {
        "duplicates must be a share between 0 and 0.5"
    } else if plan.gaps > most_gaps {
        "there can be at most 96 gaps per day"
    } else if plan.page_rows == 0 || plan.page_rows > MOST_PAGE_ROWS {
        "a page has 1 to 1000000 rows"
    } else {
        return Ok(());
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, fault))
}

#[cfg(test)]
mod tests;
