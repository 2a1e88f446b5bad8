//! The stream of accesses against a sort of all rows, on real files of every shape.

use super::*;
use crate::columns;
use crate::disk::Disk;
use crate::lake::Lake;
use crate::lake::around::{Asked, AuditRow};
use crate::lake::file::{Footer, ParquetFile};
use crate::lake::manifest::{AuditFile, DataFile, Manifest};
use crate::record::Kind;
use arrow::array::{Int32Array, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use tempfile::TempDir;

/// (instant, action, actor)
type Row = (i64, i32, Option<String>);

/// Writes a lake of one environment whose files have these row groups. Rows are sorted within each file. A file of rows
/// that are no accesses is one of changes.
fn lake(home: &TempDir, files: &[Vec<Vec<Row>>]) -> Lake {
    let columns = Arc::new(Schema::new(vec![
        Field::new("created_on", columns::timestamp(), false),
        Field::new("action", DataType::Int32, false),
        Field::new("actor_id", DataType::Utf8, true),
    ]));
    let mut manifest = Manifest::empty();
    for (place, groups) in files.iter().enumerate() {
        let path = format!("{place}.parquet");
        let mut file =
            ParquetFile::create(&Disk::default(), &home.path().join(&path), columns.clone()).expect("a disk");
        for rows in groups {
            let on = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.0));
            let actors: StringArray = rows.iter().map(|row| row.2.as_deref()).collect();
            let batch = RecordBatch::try_new(
                columns.clone(),
                vec![
                    Arc::new(on.with_timezone("UTC")),
                    Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.1))),
                    Arc::new(actors),
                ],
            );
            file.write_group(&batch.expect("columns")).expect("a disk");
        }
        let on = || groups.iter().flatten().map(|row| row.0);
        manifest.audit.push(AuditFile {
            file: DataFile::new(path, file.finish().expect("a disk")),
            environment: "e".to_owned(),
            kind: groups[0].first().map_or(Kind::Access, |row| Kind::of(row.1)),
            month: "2026-03".to_owned(),
            min_created_on_us: on().min().expect("rows"),
            max_created_on_us: on().max().expect("rows"),
        });
    }
    Lake {
        kept: BTreeMap::new(),
        root: home.path().to_owned(),
        manifest,
    }
}

/// The accesses of an environment.
fn log_of(lake: &Lake, environment: &str) -> AccessLog {
    let timeline = lake.timeline(environment, &[Kind::Access], i64::MAX);
    timeline.and_then(Timeline::log).expect("a lake")
}

/// The log in one leg.
fn whole(log: &AccessLog) -> Leg<'_> {
    let mut legs = log.legs(1, Some).expect("a disk");
    assert_eq!(legs.len(), 1);
    legs.remove(0)
}

fn read(log: &AccessLog) -> Vec<(i64, By, Option<String>)> {
    read_leg(log, &whole(log))
}

fn read_leg(log: &AccessLog, leg: &Leg<'_>) -> Vec<(i64, By, Option<String>)> {
    let mut found = Vec::new();
    leg.read(|piece| {
        assert!(!piece.is_empty());
        let rows = piece.created_on.iter().zip(piece.by).zip(piece.actor);
        found.extend(rows.map(|((&on, &by), &actor)| (on, by, log.actors.get(actor as usize).cloned())));
        Ok(())
    })
    .expect("a disk");
    found
}

fn row(on: i64, action: i32, actor: usize) -> Row {
    (on, action, (actor > 0).then(|| format!("actor {actor}")))
}

#[test]
fn actors_are_numbers_in_byte_order_whatever_row_group_names_them_and_nobody_is_nobody() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let groups = vec![vec![row(1, 64, 2), row(2, 65, 0)], vec![row(3, 64, 1), row(3, 65, 2)]];
    let lake = lake(&home, &[groups]);
    let log = log_of(&lake, "e");
    assert_eq!(log.actors(), ["actor 1", "actor 2"]);
    let mut numbers = Vec::new();
    let taken = whole(&log).read(|piece| {
        numbers.extend_from_slice(piece.actor);
        Ok(())
    });
    taken.expect("a disk");
    assert_eq!(numbers, [1, NOBODY, 0, 1]);
    let actors: Vec<String> = lake.actors("e").expect("a lake").into_iter().collect();
    assert_eq!(actors, log.actors());
    assert!(log_of(&lake, "other").actors().is_empty());
}

/// A dictionary of actors has room for 16 MiB: here the first pages point into it and the later ones hold their texts themselves.
#[test]
fn actors_that_have_no_room_in_a_dictionary_are_found_and_numbered_too() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let name = |number: usize| format!("actor {number:0500}");
    let rows: Vec<Row> = (0..40_000)
        .map(|number| (number as i64, 64, Some(name(number))))
        .collect();
    let few: Vec<Row> = (0..40_000)
        .map(|number| (number as i64, 64, Some(name(number % 7))))
        .collect();
    let lake = lake(&home, &[vec![rows], vec![few]]);
    let footers = ["0.parquet", "1.parquet"].map(|file| Footer::read(&home.path().join(file)).expect("a file"));
    let is_whole = |footer: &Footer| footer.dictionary(0, "actor_id").expect("a page").is_some();
    assert_eq!(footers.each_ref().map(is_whole), [false, true]);
    assert_eq!(footers[0].distinct(0, "actor_id").expect("texts").len(), 40_000);
    assert_eq!(footers[1].distinct(0, "actor_id").expect("texts").len(), 7);
    let log = log_of(&lake, "e");
    assert_eq!(log.actors().len(), 40_000);
    let mut found = read(&log);
    found.sort();
    let mut expected: Vec<(i64, By, Option<String>)> = (0..40_000)
        .flat_map(|number| [number, number % 7].map(|actor| (number as i64, By::Web, Some(name(actor)))))
        .collect();
    expected.sort();
    assert!(found == expected);
}

#[test]
fn a_file_that_is_not_sorted_is_read_in_order_all_the_same() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let lake = lake(&home, &[vec![vec![row(5, 64, 1), row(1, 65, 2), row(3, 64, 0)]]]);
    let found = read(&log_of(&lake, "e"));
    assert_eq!(found.iter().map(|row| row.0).collect::<Vec<_>>(), [1, 3, 5]);
    assert_eq!(found[0], (1, By::WebServices, Some("actor 2".to_owned())));
}

#[test]
fn the_reader_s_failure_ends_the_stream() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let lake = lake(&home, &[vec![vec![row(1, 64, 1)], vec![row(2, 64, 1)]]]);
    let mut log = log_of(&lake, "e");
    log.wave_rows = 1;
    let mut calls = 0;
    let failed = whole(&log).read(|_| {
        calls += 1;
        Err(crate::error::Error::failed("no more"))
    });
    assert_eq!((failed.expect_err("the reader's").fact.as_str(), calls), ("no more", 1));
}

/// Files of sorted rows that overlap as they like, in row groups of any size, many rows at the same instant.
fn files() -> impl Strategy<Value = Vec<Vec<Vec<Row>>>> {
    let any_row = (0i64..40, any::<bool>(), 0usize..4);
    let file =
        (prop::collection::vec(any_row, 1..40), 1usize..12, any::<bool>()).prop_map(|(rows, group_rows, changes)| {
            let action = |first| match (changes, first) {
                (true, _) => 2,
                (false, true) => 64,
                (false, false) => 65,
            };
            let rows = rows.into_iter().map(|(on, first, actor)| row(on, action(first), actor));
            let mut rows: Vec<Row> = rows.collect();
            rows.sort();
            rows.chunks(group_rows).map(<[Row]>::to_vec).collect()
        });
    prop::collection::vec(file, 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_stream_is_a_sort_of_all_rows_of_its_kinds_up_to_as_of(
        files in files(), wave_rows in 1u64..60, as_of in -1i64..45, with_changes in any::<bool>(),
    ) {
        let home = tempfile::tempdir().expect("a temporary folder");
        let lake = lake(&home, &files);
        let kinds: &[Kind] = if with_changes { &[Kind::Access, Kind::Change] } else { &[Kind::Access] };
        let timeline = lake.timeline("e", kinds, as_of).expect("a lake");
        let mut log = timeline.log().expect("a disk");
        log.wave_rows = wave_rows;
        let mut found = read(&log);
        prop_assert!(found.is_sorted_by_key(|row| row.0));
        let rows = files.iter().flatten().flatten().filter(|row| row.0 <= as_of);
        let rows = rows.filter(|row| with_changes || row.1 != 2);
        let mut expected: Vec<_> = rows.map(|(on, action, actor)| (*on, By::of(*action), actor.clone())).collect();
        found.sort();
        expected.sort();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn legs_follow_each_other_and_begin_where_the_log_may_be_cut(
        files in files(), wave_rows in 1u64..60, as_of in -1i64..45, most in 1usize..6, step in 1i64..20,
    ) {
        let home = tempfile::tempdir().expect("a temporary folder");
        let timeline = lake(&home, &files).timeline("e", &[Kind::Access], as_of).expect("a lake");
        let mut log = timeline.log().expect("a disk");
        (log.wave_rows, log.least_rows) = (wave_rows, 1);
        let legs = log.legs(most, |on| Some((on.div_euclid(step) + 1) * step)).expect("a disk");
        prop_assert!((1..=most).contains(&legs.len()));
        prop_assert!(legs[1..].iter().all(|leg| leg.from % step == 0));
        prop_assert!(legs.windows(2).all(|legs| legs[0].to + 1 == legs[1].from && legs[0].from <= legs[0].to));
        let mut found = Vec::new();
        for leg in &legs {
            let rows = read_leg(&log, leg);
            prop_assert!(rows.iter().all(|row| leg.from <= row.0 && row.0 <= leg.to) && rows.is_sorted_by_key(|row| row.0));
            found.extend(rows);
        }
        let mut whole = read(&log);
        prop_assert!(found.is_sorted_by_key(|row| row.0));
        found.sort();
        whole.sort();
        prop_assert_eq!(found, whole);
        prop_assert_eq!(log.legs(most, |_| None).expect("a disk").len(), 1);
    }

    #[test]
    fn the_last_access_up_to_an_instant_is_that_of_all_rows(files in files(), instants in prop::collection::vec(-1i64..42, 0..5)) {
        let home = tempfile::tempdir().expect("a temporary folder");
        let timeline = lake(&home, &files).timeline("e", &Kind::ALL, i64::MAX).expect("a lake");
        let accesses = || files.iter().flatten().flatten().filter(|row| row.1 != 2);
        let rows = || accesses().map(|row| row.0);
        let expected: Vec<Option<i64>> = instants.iter().map(|at| rows().filter(|on| on <= at).max()).collect();
        prop_assert_eq!(timeline.last_up_to(&instants).expect("a disk"), expected);
    }

    #[test]
    fn the_rows_around_a_stretch_are_those_of_all_rows(
        files in files(), from in -1i64..42, length in 0i64..9, as_of in 0i64..45, with_changes in any::<bool>(),
    ) {
        let home = tempfile::tempdir().expect("a temporary folder");
        let kinds: &[Kind] = if with_changes { &[Kind::Access, Kind::Change] } else { &[Kind::Access] };
        let to = from + length;
        let asked = Asked { environment: "e", kinds, actor: "actor 1", as_of, from, to, most: 1000 };
        let found = lake(&home, &files).around(&asked).expect("a disk");
        let of_actor = files.iter().flatten().flatten().filter(|row| row.2.as_deref() == Some("actor 1"));
        let of_kinds = of_actor.filter(|row| row.0 <= as_of && (with_changes || row.1 != 2));
        let mut rows: Vec<(i64, i32)> = of_kinds.map(|row| (row.0, row.1)).collect();
        rows.sort_unstable();
        let plain = |row: &AuditRow| (row.created_on, row.action);
        let inside: Vec<_> = rows.iter().copied().filter(|row| (from..=to).contains(&row.0)).collect();
        prop_assert_eq!(found.rows.iter().map(plain).collect::<Vec<_>>(), inside);
        prop_assert_eq!(found.before.as_ref().map(plain), rows.iter().copied().rfind(|row| row.0 < from));
        prop_assert_eq!(found.after.as_ref().map(plain), rows.iter().copied().find(|row| row.0 > to));
    }
}
