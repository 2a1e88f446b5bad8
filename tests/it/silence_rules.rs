//! Rules of `silence`, each on a log whose numbers can be worked out by hand: somebody comes every hour at half past, for
//! nine weeks from Monday 5 January 2026, so that a stretch of n hours has n accesses in every week.

use crate::logs::{self, Event, Form, HOUR, at};
use crate::rules::{Reports, SERVICES, WEB, columns, plain, reports, reports_of_texts};
use gatelog::report::options::Options;

const DAY: i64 = 24 * HOUR;
const WEEK: i64 = 7 * DAY;
const MINUTE: i64 = HOUR / 60;

pub fn start() -> i64 {
    at("2026-01-05T00:00:00Z")
}

/// Accesses every hour at half past, for so many days, but for those in the holes.
pub fn hourly(days: i64, holes: &[(&str, &str)]) -> Vec<Event> {
    let holes: Vec<(i64, i64)> = holes.iter().map(|(from, to)| (at(from), at(to))).collect();
    let there = |on: &i64| !holes.iter().any(|&(from, to)| from <= *on && *on < to);
    let hours = (0..days * 24).map(|hour| start() + hour * HOUR + HOUR / 2);
    hours
        .filter(there)
        .map(|on| Event::access(on, SERVICES, Some(1)))
        .collect()
}

/// Of 30 hours, with the last access before at 05:30 and the first after at 12:30: 31 hours.
pub const HOLE: (&str, &str) = ("2026-01-21T06:00:00Z", "2026-01-22T12:00:00Z");
pub const STARTED: &str = "2026-01-21T05:30:00Z";
pub const ENDED: &str = "2026-01-22T12:30:00Z";

fn rows(found: &Reports) -> Vec<String> {
    let rows = columns(found, "silence", ["started_on", "ended_on"]);
    rows.iter().map(|row| row.join(" ")).collect()
}

fn silences(events: Vec<Event>, options: &Options) -> Vec<String> {
    rows(&reports(events, options))
}

fn of_threshold(silence_threshold: f64) -> Options {
    Options {
        silence_threshold,
        ..plain()
    }
}

#[test]
fn silence_is_told_with_the_numbers_behind_it() {
    let mut events = hourly(63, &[HOLE]);
    events.push(Event::other(at("2026-01-21T12:00:00Z"), 2, Some(9), Some(0)));
    events.push(Event::other(at(ENDED), 2, Some(9), Some(0)));
    let found = reports(events, &plain());
    let names = [
        "started_on",
        "ended_on",
        "duration_s",
        "usual_accesses",
        "weeks_compared",
        "level",
        "expected_accesses",
        "shape",
        "quiet_dates",
        "changes_inside",
        "explained_by",
    ];
    // Half an hour at both ends is not counted; of the four weeks before, two lie in the log.
    let expected = [STARTED, ENDED, "111600", "30.0", "6", "1.0", "30.0", "16", "0", "1", ""];
    assert_eq!(columns(&found, "silence", names), [expected.map(str::to_owned)]);
    let accesses = f64::from(63 * 24 - 30);
    let probability: f64 = columns(&found, "silence", ["probability"])[0][0]
        .parse()
        .expect("a number");
    assert!(
        (probability / (accesses * (16.0f64 / 46.0).powi(16)) - 1.0).abs() < 1e-12,
        "{probability}"
    );
}

#[test]
fn silence_of_a_threshold_is_no_more_probable_and_of_a_lower_one_is_not_told() {
    let events = || hourly(63, &[HOLE]);
    let found = reports(events(), &of_threshold(1.0));
    let probability: f64 = columns(&found, "silence", ["probability"])[0][0]
        .parse()
        .expect("a number");
    assert_eq!(silences(events(), &of_threshold(probability)).len(), 1);
    assert_eq!(silences(events(), &of_threshold(probability * 0.999)), [""; 0]);
}

#[test]
fn silence_needs_four_weeks_to_be_compared_with() {
    // Two weeks before and two after.
    assert_eq!(silences(hourly(36, &[HOLE]), &plain()).len(), 1);
    // The second week after ends an hour before the stretch does.
    let short: Vec<Event> = hourly(36, &[HOLE]);
    let end = at(ENDED) + 2 * WEEK - HOUR / 2 - HOUR;
    let short: Vec<Event> = short.into_iter().filter(|event| event.on <= end).collect();
    assert_eq!(silences(short, &of_threshold(1.0)), [""; 0]);
}

#[test]
fn silence_of_a_log_without_holes_or_without_accesses_has_no_rows() {
    assert_eq!(silences(hourly(63, &[]), &of_threshold(1.0)), [""; 0]);
    let changes = (0..63).map(|day| Event::other(start() + day * DAY, 2, Some(9), Some(0)));
    assert_eq!(silences(changes.collect(), &of_threshold(1.0)), [""; 0]);
    let few = (0..63).map(|day| Event::access(start() + day * DAY, WEB, Some(1)));
    assert_eq!(
        silences(few.collect(), &of_threshold(0.1)),
        [""; 0],
        "once a day proves nothing"
    );
}

#[test]
fn silence_in_a_gap_explains_itself_and_the_rest_is_judged_alone() {
    let with = |from: &str, to: &str| {
        let mut events = hourly(63, &[HOLE]);
        events.push(Event::other(at(from), 113, Some(9), None));
        events.push(Event::other(at(to), 112, Some(9), None));
        silences(events, &plain())
    };
    assert_eq!(with(STARTED, "2026-01-22T12:00:00Z"), [""; 0]);
    let half = "2026-01-21T11:00:00Z";
    assert_eq!(with(STARTED, half), [format!("{half} {ENDED}")]);
    assert_eq!(
        with("2026-01-22T06:00:00Z", ENDED),
        [format!("{STARTED} 2026-01-22T06:00:00Z")]
    );
}

fn explained(events: Vec<Event>) -> Vec<String> {
    let found = reports(events, &plain());
    let names = ["started_on", "ended_on", "deleted_on", "explained_by"];
    columns(&found, "silence", names)
        .iter()
        .map(|row| row.join(" ").trim_end().to_owned())
        .collect()
}

#[test]
fn silence_is_explained_by_a_deletion_with_which_it_ends() {
    let with = |deletion: &str| {
        let mut events = hourly(63, &[HOLE]);
        events.push(Event::other(at(deletion), 111, Some(9), None));
        explained(events)
    };
    let deletion = "2026-01-22T11:50:00Z";
    assert_eq!(with(deletion), [format!("{STARTED} {deletion} {deletion} log_deleted")]);
    assert_eq!(with(ENDED), [format!("{STARTED} {ENDED} {ENDED} log_deleted")]);
    // What came after a deletion was not removed by it.
    let early = "2026-01-21T08:00:00Z";
    assert_eq!(with(early), [format!("{early} {ENDED}")]);
    let later = "2026-02-01T00:00:00Z";
    assert_eq!(
        with(later),
        [format!("{STARTED} {ENDED} {later}")],
        "older accesses are still there"
    );
}

#[test]
fn silence_before_the_first_access_is_explained_by_any_later_deletion() {
    let mut events = hourly(63, &[("2026-01-05T00:00:00Z", "2026-01-19T00:00:00Z")]);
    events.push(Event::other(start(), 2, Some(9), Some(0)));
    let whole = "2026-01-05T00:00:00Z 2026-01-19T00:30:00Z";
    assert_eq!(explained(events.clone()), [whole]);
    events.push(Event::other(at("2026-02-20T00:00:00Z"), 111, Some(9), None));
    assert_eq!(explained(events), [format!("{whole} 2026-02-20T00:00:00Z log_deleted")]);
}

#[test]
fn silence_is_chosen_by_overlap_and_keeps_its_values() {
    let of = |from: Option<&str>, to: Option<&str>| {
        let options = Options {
            from: from.map(at),
            to: to.map(at),
            ..plain()
        };
        reports(hourly(63, &[HOLE]), &options)["silence"].clone()
    };
    let whole = of(None, None);
    assert_eq!(whole.len(), 1);
    assert_eq!(of(Some("2026-01-22T12:29:59Z"), None), whole);
    assert_eq!(of(Some(ENDED), None), []);
    assert_eq!(of(None, Some("2026-01-21T05:30:01Z")), whole);
    assert_eq!(of(None, Some(STARTED)), []);
}

#[test]
fn silence_at_the_end_of_the_log_is_told_as_of_a_later_time() {
    let of = |as_of: &str| {
        let options = Options {
            as_of: Some(at(as_of)),
            ..plain()
        };
        silences(hourly(63, &[]), &options)
    };
    assert_eq!(of("2026-03-08T23:59:00Z"), [""; 0]);
    assert_eq!(
        of("2026-03-10T12:00:00Z"),
        ["2026-03-08T23:30:00Z 2026-03-10T12:00:00Z"]
    );
}

#[test]
fn silence_of_several_weeks_is_compared_with_weeks_outside_it() {
    let events = hourly(100, &[("2026-02-09T00:00:00Z", "2026-03-01T12:00:00Z")]);
    let found = reports(events, &plain());
    let names = [
        "started_on",
        "ended_on",
        "weeks_compared",
        "usual_accesses",
        "expected_accesses",
    ];
    // From 23:30 to 12:30 on 1 March: 493 h. A week without half an hour at both ends has 167 accesses.
    let expected = 167.0 * (493.0 / 168.0);
    let row = [
        "2026-02-08T23:30:00Z",
        "2026-03-01T12:30:00Z",
        "8",
        "167.0",
        &format!("{expected}"),
    ];
    assert_eq!(columns(&found, "silence", names), [row.map(str::to_owned)]);
}

/// Every minute from 08:00 to 18:00 in Berlin, where clocks go back on 25 October 2026, up to the Friday after.
#[test]
fn silence_follows_the_local_clock() {
    let days = (0..54).map(|day| at("2026-09-07T00:00:00Z") + day * DAY);
    let ahead = |day: i64| if day < at("2026-10-25T00:00:00Z") { 2 } else { 1 };
    let events = days.flat_map(|day| {
        let open = day + (8 - ahead(day)) * HOUR;
        (0..600).map(move |minute| Event::access(open + minute * MINUTE, WEB, Some(1)))
    });
    let events: Vec<Event> = events.collect();
    let berlin = Options {
        tz: chrono_tz::Europe::Berlin,
        ..plain()
    };
    assert_eq!(silences(events.clone(), &berlin), [""; 0]);
    let utc = silences(events, &plain());
    assert!(
        utc.iter().any(|row| row.ends_with("2026-10-30T07:00:00Z")),
        "by a clock that nobody lives by, they come an hour late: {utc:?}"
    );
}

#[test]
fn silence_of_a_burst_that_does_not_come_is_none() {
    let night = |day: i64| {
        let at = start() + day * DAY + 2 * HOUR;
        (0..80).map(move |service| Event::access(at + service * 100_000, SERVICES, Some(service as usize)))
    };
    let day = |day: i64| (0..6).map(move |hour| Event::access(start() + day * DAY + (9 + hour) * HOUR, WEB, Some(1)));
    let events = |skipped: i64| -> Vec<Event> {
        let nights = (0..63).filter(|of| *of != skipped).flat_map(night);
        nights.chain((0..63).flat_map(day)).collect()
    };
    assert_eq!(
        silences(events(30), &of_threshold(0.5)),
        [""; 0],
        "eighty services, but one job"
    );
}

#[test]
fn silence_of_a_day_off_is_none_and_of_a_day_with_a_busy_morning_is() {
    // Office hours: every five minutes from 08:00 to 16:00 on working days.
    let office = |skipped: &dyn Fn(i64) -> bool| -> Vec<Event> {
        let days = (0..63).filter(|day| day % 7 < 5).map(|day| start() + day * DAY);
        let all = days.flat_map(|day| (0..96).map(move |step| day + 8 * HOUR + step * 5 * MINUTE));
        let there = all.filter(|on| !skipped(*on));
        there.map(|on| Event::access(on, WEB, Some(1))).collect()
    };
    let (day, noon) = (at("2026-02-04T00:00:00Z"), at("2026-02-04T10:00:00Z"));
    let is_that_day = |on: i64| (day..day + DAY).contains(&on);
    assert_eq!(
        silences(office(&is_that_day), &of_threshold(0.5)),
        [""; 0],
        "a day off, for all the log says"
    );
    let found = silences(office(&|on| is_that_day(on) && on > noon), &plain());
    assert_eq!(
        found,
        ["2026-02-04T10:00:00Z 2026-02-05T08:00:00Z"],
        "nobody leaves at ten"
    );
}

#[test]
fn silence_of_environments_never_mixes() {
    let text = |holes: &[(&str, &str)]| Form::Lines.write(&logs::with_ids(hourly(63, holes)));
    let found = reports_of_texts(&[("one", text(&[HOLE])), ("two", text(&[]))], &plain());
    assert_eq!(
        columns(&found, "silence", ["environment", "started_on"]),
        [["one", STARTED]]
    );
}
