//! Replay: what an older version set aside and this one understands becomes rows, once, and nothing is lost.

use crate::lake::assert_manifest_tells_the_truth;
use crate::logs::{self, Chance, Event, Form, HOUR, at};
use crate::older::{events, replay, rewrite, spoil, spoilt, upgrade};
use crate::support::{self, gatelog};
use gatelog::ingest::{self, Fate, Replay, Tally};
use gatelog::report::options::Options;
use proptest::prelude::*;
use std::path::Path;

fn tally(read: u64, accepted: u64, duplicate: u64, rejected: u64) -> Tally {
    Tally {
        read,
        accepted,
        duplicate,
        rejected,
    }
}

fn assert_same_lake(found: &Path, expected: &Path, what: &str) {
    assert_eq!(support::contents(found), support::contents(expected), "{what}");
    let reports = |lake: &Path| support::csvs(lake, &Options::default());
    assert_eq!(reports(found), reports(expected), "{what}");
    let names = |lake: &Path| support::lake_rows(lake, "names");
    assert_eq!(names(found), names(expected), "{what}");
    assert_manifest_tells_the_truth(found);
}

#[test]
fn l1_l3_what_is_understood_now_becomes_rows_in_every_form_and_once() {
    for form in Form::ALL {
        let home = support::home();
        let (old, good) = (home.path().join("old"), home.path().join("good"));
        let log = form.write(&events(7));
        let exported = support::write(&home.path().join("log"), spoil(&log));
        support::ingest(&support::plan(&old, &[&exported]));
        support::ingest(&support::plan(
            &good,
            &[&support::write(&home.path().join("good-log"), &log)],
        ));
        assert!(spoilt(&log) > 5);
        assert_ne!(support::contents(&old), support::contents(&good), "{form:?}");

        let before = support::held(&old);
        let outcome = replay(&old);
        assert_eq!(
            outcome.total,
            tally(spoilt(&log), 0, 0, spoilt(&log)),
            "{form:?}: the same version"
        );
        assert!(
            before == support::held(&old),
            "{form:?}: the same version changes nothing"
        );

        upgrade(&old);
        let outcome = replay(&old);
        assert_eq!(
            (outcome.total.read, outcome.total.rejected),
            (spoilt(&log), 0),
            "{form:?}"
        );
        assert!(outcome.rejects.is_empty() && outcome.rejected_by_code.is_empty());
        assert!(support::lake_rows(&old, "rejects").is_empty(), "{form:?}");
        assert_same_lake(&old, &good, &format!("{form:?}"));
        match &outcome.reports[0].fate {
            Fate::Ingested {
                environment,
                window,
                tally,
                ..
            } => {
                assert_eq!((environment.as_str(), window.is_some()), (support::ENVIRONMENT, true));
                assert_eq!(*tally, outcome.total);
            }
            other => panic!("{other:?}"),
        }

        let before = support::held(&old);
        assert_eq!(replay(&old).total, Tally::default(), "{form:?}: there is nothing left");
        assert!(before == support::held(&old), "{form:?}: L3");
    }
}

#[test]
fn l3_a_replayed_row_that_came_by_another_route_is_a_duplicate() {
    for form in Form::ALL {
        let home = support::home();
        let (old, good) = (home.path().join("old"), home.path().join("good"));
        let events = logs::with_ids(events(3));
        let log = form.write(&events);
        support::ingest(&support::plan(
            &old,
            &[&support::write(&home.path().join("log"), spoil(&log))],
        ));
        let other = support::write(&home.path().join("other"), Form::Lines.write(&events));
        support::ingest(&support::plan(&old, &[&other]));
        support::ingest(&support::plan(&good, &[&other]));
        upgrade(&old);
        let count = spoilt(&log);
        assert_eq!(replay(&old).total, tally(count, 0, count, 0), "{form:?}");
        assert_same_lake(&old, &good, &format!("{form:?}"));
    }
}

#[test]
fn what_is_not_understood_stays_with_the_reason_of_today_at_its_place() {
    let home = support::home();
    let lake = home.path().join("lake");
    let log = "{\"createdon\":\"~2026-03-01T08:00:00Z\",\"action\":64}\nbad luck\n{\"createdon\":\"~2026-03-01T09:00:00Z\",\"action\":\"?\"}\n";
    let log = support::write(
        &home.path().join("log"),
        Form::Lines.write(&[Event::access(at("2026-03-01T07:00:00Z"), 64, None)]) + log,
    );
    support::ingest(&support::plan(&lake, &[&log]));
    let before = support::lake_rows(&lake, "rejects");
    upgrade(&lake);
    let outcome = replay(&lake);
    assert_eq!(outcome.total, tally(3, 1, 0, 2));
    let after = support::lake_rows(&lake, "rejects");
    assert_eq!(after[0], before[1], "untouched");
    assert_eq!(
        (after[1]["code"].as_str(), before[2]["code"].as_str()),
        ("action-invalid", "created-on-invalid")
    );
    for column in ["source", "record", "byte_offset", "environment", "form", "table"] {
        assert_eq!(after[1][column], before[2][column], "{column}");
    }
    assert_manifest_tells_the_truth(&lake);
    let same = support::held(&lake);
    assert_eq!(replay(&lake).total, tally(2, 0, 0, 2));
    assert!(same == support::held(&lake));
}

#[test]
fn only_what_is_chosen_is_read_again() {
    let home = support::home();
    let lake = home.path().join("lake");
    let line =
        |hour: u8, rest: &str| format!("{{\"createdon\":\"~2026-03-01T{hour:02}:00:00Z\",\"action\":64}}\n{rest}");
    let good = Form::Lines.write(&[Event::access(at("2026-03-01T07:00:00Z"), 64, None)]);
    let a = support::write(&home.path().join("a.ndjson"), good.clone() + &line(8, "bad\n"));
    let b = support::write(&home.path().join("b.ndjson"), good + &line(9, ""));
    support::ingest(&support::plan(&lake, &[&a, &b]));
    upgrade(&lake);
    let chosen = |code: Option<&str>, source: Option<&str>| {
        let plan = Replay {
            code: code.map(str::to_owned),
            source: source.map(str::to_owned),
            ..Replay::new(lake.clone())
        };
        ingest::replay(&plan).expect("replayed").total
    };
    let before = support::held(&lake);
    assert_eq!(chosen(Some("field-count"), None), Tally::default());
    assert_eq!(chosen(None, Some("c.ndjson")), Tally::default());
    assert_eq!(chosen(Some("syntax"), None), tally(1, 0, 0, 1));
    assert!(before == support::held(&lake));
    assert_eq!(chosen(Some("created-on-invalid"), Some("b.nd")), tally(1, 1, 0, 0));
    assert_eq!(support::lake_rows(&lake, "rejects").len(), 2);
    assert_manifest_tells_the_truth(&lake);
    assert_eq!(chosen(None, None), tally(2, 1, 0, 1));
    assert_manifest_tells_the_truth(&lake);
}

#[test]
fn a_reject_may_turn_out_to_hold_several_records() {
    let home = support::home();
    let lake = home.path().join("lake");
    let events: Vec<Event> = (0..4)
        .map(|row| Event::access(at("2026-03-01T08:00:00Z") + row, 64, Some(1)))
        .collect();
    let log = Form::Csv.write(&logs::with_ids(events));
    // A quote that opens in the second row closes in the fourth: three rows are one, of too many fields.
    let second = log
        .replacen(",64,", ",°,", 1)
        .replacen(",64,", ",\"64,", 1)
        .replacen("°", "64", 1);
    let last = second.rfind(",64,").expect("a row");
    let broken = format!("{},64\",{}", &second[..last], &second[last + 4..]);
    support::ingest(&support::plan(
        &lake,
        &[&support::write(&home.path().join("log"), broken)],
    ));
    assert_eq!(support::lake_rows(&lake, "rejects").len(), 1);
    rewrite(
        &lake,
        |row| String::from_utf8_lossy(row.raw).replace('"', "").into_bytes(),
        None,
    );
    assert_eq!(replay(&lake).total, tally(3, 3, 0, 0));
    assert_eq!(support::lake_rows(&lake, "audit").len(), 4);
    assert_manifest_tells_the_truth(&lake);
}

#[test]
fn the_zone_is_that_of_the_ingest_unless_another_is_named() {
    let row = "{\"auditid\":\"a\",\"createdon\":\"~2026-03-01T12:00:00\",\"action\":64}\n";
    let good = row.replace('~', "").replace("\"a\"", "\"b\"");
    for (zone, expected) in [(None, "2026-03-01T11:00:00Z"), (Some("UTC"), "2026-03-01T12:00:00Z")] {
        let home = support::home();
        support::write(&home.path().join("log"), good.clone() + row);
        assert_eq!(
            gatelog(home.path(), &["ingest", "log", "--source-tz", "Europe/Berlin"]).code,
            4
        );
        upgrade(&home.path().join("lake"));
        let options = zone.map_or(vec![], |zone| vec!["--source-tz", zone]);
        let ended = gatelog(home.path(), &[vec!["replay"], options].concat());
        assert_eq!(ended.line("total: "), "1 read = 1 accepted + 0 duplicate + 0 rejected");
        let rows = support::contents(&home.path().join("lake"));
        let replayed = rows.iter().find(|row| row["audit_id"] == "a").expect("replayed");
        assert_eq!(replayed["created_on"], expected);
    }
}

#[test]
fn the_environment_is_that_of_the_record_unless_another_is_named() {
    let page = |host: &str, id: &str| {
        let row = format!("{{\"auditid\":\"{id}\",\"createdon\":\"~2026-03-01T08:00:00Z\",\"action\":64}}");
        let good = row.replace('~', "").replace(id, &format!("{id}-good"));
        format!(
            "{{\"@odata.context\":\"https://{host}/api/data/v9.2/$metadata#audits\",\"value\":[{good},{row},{row}]}}\n"
        )
    };
    let home = support::home();
    let lake = home.path().join("lake");
    let log = support::write(
        &home.path().join("log"),
        page("one.crm.dynamics.com", "first") + &page("two.crm.dynamics.com", "second"),
    );
    support::ingest(&ingest::Plan::new(vec![log], lake.clone()));
    upgrade(&lake);
    let other = home.path().join("other");
    support::copy(&lake, &other);
    replay(&lake);
    let environment = |row: &support::Row| (row["audit_id"].clone(), row["environment"].clone());
    let found: Vec<_> = support::contents(&lake).iter().map(environment).collect();
    for (id, host) in found {
        let expected = if id.starts_with("first") {
            "one.crm.dynamics.com"
        } else {
            "two.crm.dynamics.com"
        };
        assert_eq!(host, expected, "{id}");
    }
    assert_eq!(support::contents(&lake).len(), 4);
    let plan = Replay {
        environment: Some("mine".to_owned()),
        ..Replay::new(other.clone())
    };
    ingest::replay(&plan).expect("replayed");
    let mine = support::contents(&other)
        .iter()
        .filter(|row| row["environment"] == "mine")
        .count();
    assert_eq!(mine, 2);
}

const FIRST_LAYOUT: [&str; 6] = ["source", "record", "byte_offset", "code", "sentence", "raw"];

#[test]
fn rejects_of_the_first_layout_are_read_again_where_nothing_must_be_guessed() {
    for (form, understood) in [(Form::Lines, true), (Form::Page, true), (Form::Csv, false)] {
        let home = support::home();
        let lake = home.path().join("lake");
        let log = form.write(&events(5));
        support::ingest(&support::plan(
            &lake,
            &[&support::write(&home.path().join("log"), spoil(&log))],
        ));
        upgrade(&lake);
        rewrite(&lake, |row| row.raw.to_vec(), Some(&FIRST_LAYOUT));
        let count = spoilt(&log);
        let outcome = replay(&lake);
        assert_eq!(
            outcome.total,
            tally(count, 0, 0, count),
            "{form:?}: whose they are is never guessed"
        );
        let ended = gatelog(home.path(), &["replay"]);
        assert!(ended.stderr.contains("name it with --environment"), "{}", ended.stderr);
        assert_eq!(
            gatelog(home.path(), &["rejects", "--format", "json"])
                .stdout
                .lines()
                .count() as u64,
            count
        );

        let ended = gatelog(home.path(), &["replay", "--environment", support::ENVIRONMENT]);
        assert_eq!(ended.code, if understood { 0 } else { 4 }, "{form:?}: {}", ended.stderr);
        if understood {
            let good = home.path().join("good");
            support::ingest(&support::plan(
                &good,
                &[&support::write(&home.path().join("good-log"), &log)],
            ));
            assert_same_lake(&lake, &good, &format!("{form:?}"));
        } else {
            assert!(ended.stderr.contains("did not keep the header"), "{}", ended.stderr);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Alone, a reject is read as it was among its neighbours: the same version never finds more in it.
    #[test]
    fn l3_the_same_version_changes_nothing_whatever_was_set_aside(
        seed in 0u64..1_000_000,
        form in prop::sample::select(Form::ALL.to_vec()),
        wounds in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(b"\"{}[],:\n\\\t x\xFF\0~".to_vec())), 1..12),
    ) {
        let home = support::home();
        let lake = home.path().join("lake");
        let events = logs::unkind(&mut Chance::new(seed), at("2026-03-01T08:00:00Z"), 8 * HOUR);
        let mut log = form.write(&events).into_bytes();
        for (place, byte) in wounds {
            let place = place.index(log.len());
            log[place] = byte;
        }
        let log = support::write(&home.path().join("log"), log);
        // What is so broken that it is refused has no rejects.
        if ingest::ingest(&support::plan(&lake, &[&log]), &|_| {}).is_ok() {
            let before = support::held(&lake);
            let outcome = replay(&lake);
            let total = outcome.total;
            prop_assert_eq!(total.accepted + total.duplicate, 0);
            prop_assert!(before == support::held(&lake), "{outcome:?}");
        }
    }
}
