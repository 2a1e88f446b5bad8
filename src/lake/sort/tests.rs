//! Rows go in, in any order and in batches of any size; files come out, each sorted, which hold what the verdicts say.

use super::*;
use crate::lake::file;
use crate::lake::schema;
use crate::lake::sorted_file::key;
use crate::record::Record;
use arrow::array::AsArray;
use proptest::prelude::*;
use std::path::Path;

const ENVIRONMENT: &str = "contoso";
const HOUR: i64 = 3_600_000_000;

/// What a row is made of.
#[derive(Debug, Clone)]
struct Made {
    environment: u8,
    hours: i64,
    id: Option<u8>,
    is_change: bool,
    is_version: bool,
    is_deleted: bool,
    verdict: u8,
}

impl Made {
    /// The row; its ordinal is in its `change_data`.
    fn record(&self, ordinal: usize) -> Record<'static> {
        Record {
            created_on: self.hours * HOUR,
            action: if self.is_change { 2 } else { 64 },
            audit_id: self
                .id
                .map(|id| &*format!("{:08}-0000-4000-8000-{:012}", id / 4, id % 4).leak()),
            sink_modified_on: self.is_version.then_some(ordinal as i64),
            deleted_in_source: self.is_deleted,
            change_data: Some(ordinal.to_string().leak()),
            ..Record::default()
        }
    }

    fn verdict(&self) -> Verdict {
        match (self.verdict, self.is_version && self.id.is_some()) {
            (0, _) => Verdict::Drop,
            (1, _) => Verdict::KeepDeleted,
            (2, true) => Verdict::Challenge,
            _ => Verdict::Keep,
        }
    }
}

/// Mostly in order, mostly new.
fn made() -> impl Strategy<Value = Vec<Made>> {
    let row = (0_i64..3, any::<u8>(), 0..20, any::<bool>(), 0..30, 0_u8..60);
    let rows = prop::collection::vec(row, 1..120);
    (rows, 0..40).prop_map(|(rows, strayers)| {
        let mut hours = 0;
        let make = |(later, id, absent, is_change, version, verdict): (i64, u8, i32, bool, i32, u8)| {
            hours += later * 5;
            let strays = i64::from(id) % 40 < i64::from(strayers / 2);
            Made {
                environment: 0,
                hours: if strays { i64::from(id) } else { hours },
                id: (absent > 0).then_some(id),
                is_change,
                is_version: version < 3,
                is_deleted: version == 0,
                verdict,
            }
        };
        rows.into_iter().map(make).collect()
    })
}

/// The ordinals and marks of a file's rows, which are in order; equal ones are as they came.
fn rows_of(file: &StagedFile) -> Vec<(usize, bool)> {
    let mut rows = Vec::new();
    let mut last = None;
    for batch in file::read(&file.path, &[], 1 << 10).unwrap() {
        let batch = batch.unwrap();
        let said = batch.column_by_name("change_data").unwrap().as_string::<i32>();
        let deleted = batch.column(schema::DELETED_IN_SOURCE).as_boolean();
        for row in 0..batch.num_rows() {
            let (on, id) = key(&batch, row);
            let ordinal: usize = said.value(row).parse().unwrap();
            let key = (on, id.map(str::to_owned), ordinal);
            assert!(last < Some(key.clone()), "{key:?} behind {last:?}");
            assert_eq!(instant::month_of(on), file.partition.month);
            assert!((file.min_created_on_us..=file.max_created_on_us).contains(&on));
            last = Some(key);
            rows.push((ordinal, deleted.value(row)));
        }
    }
    assert_eq!(rows.len() as u64, file.written.rows);
    rows
}

/// A sorter that has taken all rows, with the verdicts on them.
fn taken(
    home: &Path,
    made: &[Made],
    batch_rows: usize,
    budget_bytes: usize,
    newest: Option<i64>,
) -> (Sorter, Verdicts) {
    let partition = |kind| Partition {
        environment: ENVIRONMENT.into(),
        kind,
        month: instant::month_of(0),
    };
    let newest = newest.map(|hours| (partition(Kind::Access), hours * HOUR));
    let mut sorter = Sorter::new(
        &Disk::default(),
        home.join("staging"),
        budget_bytes,
        newest.into_iter().collect(),
    );
    let mut verdicts = Verdicts::of(made.len() as u64);
    let mut ordinal = 0;
    for batch in made.chunks(batch_rows) {
        let first = ordinal;
        let mut rows = Rows::default();
        for made in batch {
            rows.enter(&environment(made.environment));
            rows.push(&made.record(ordinal));
            verdicts.set(ordinal as u64, made.verdict());
            ordinal += 1;
        }
        let source = format!("{}.csv", first / 7).into();
        sorter.push(rows, first as u64, &source, |_, _, _| Ok(())).unwrap();
    }
    (sorter, verdicts)
}

fn environment(number: u8) -> String {
    match number {
        0 => ENVIRONMENT.to_owned(),
        _ => format!("{ENVIRONMENT}-{number}"),
    }
}

/// How many partitions had early files, and how many of those were written again.
fn check(made: &[Made], batch_rows: usize, budget_bytes: usize, newest: Option<i64>) -> (usize, usize) {
    let home = tempfile::tempdir().unwrap();
    let (mut sorter, verdicts) = taken(home.path(), made, batch_rows, budget_bytes, newest);
    sorter.end().unwrap();
    let early: usize = sorter.parts.iter().filter(|part| part.early.is_some()).count();
    let files = sorter.finish(&verdicts).unwrap();
    let mut found: Vec<(usize, bool)> = files.new.iter().flat_map(rows_of).collect();
    found.sort_unstable();
    let verdict = |wanted: Verdict| {
        let all = made.iter().enumerate();
        all.filter(move |(_, made)| made.verdict() == wanted)
            .map(|(ordinal, _)| ordinal)
    };
    let mut expected: Vec<(usize, bool)> = verdict(Verdict::Keep)
        .map(|ordinal| (ordinal, made[ordinal].is_deleted))
        .collect();
    expected.extend(verdict(Verdict::KeepDeleted).map(|ordinal| (ordinal, true)));
    expected.sort_unstable();
    assert_eq!(found, expected);
    let mut versions: Vec<usize> = files.versions.iter().flat_map(rows_of).map(|(row, _)| row).collect();
    versions.sort_unstable();
    assert_eq!(versions, verdict(Verdict::Challenge).collect::<Vec<_>>());
    let files_of_a_partition = files
        .new
        .chunk_by(|a, b| a.partition == b.partition)
        .map(<[_]>::len)
        .max();
    assert!(files_of_a_partition.is_none_or(|files| files <= 2));
    let is_again = |file: &&StagedFile| file.path.to_string_lossy().ends_with("judged.parquet");
    (early, files.new.iter().filter(is_again).count())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn files_hold_what_the_verdicts_say_whatever_is_early(
        made in made(), batch_rows in 1_usize..20, budget_bytes in 0_usize..4000, newest in any::<Option<u8>>(),
    ) {
        check(&made, batch_rows, budget_bytes, newest.map(i64::from));
    }
}

fn in_order(count: u8) -> Vec<Made> {
    let row = |number| Made {
        environment: 0,
        hours: i64::from(number),
        id: Some(number),
        is_change: number % 3 > 0,
        is_version: false,
        is_deleted: false,
        verdict: 3,
    };
    (0..count).map(row).collect()
}

#[test]
fn rows_in_order_are_early_and_need_no_run() {
    let made = in_order(200);
    assert_eq!(check(&made, 7, 2000, None), (2, 0));
    let mut judged = made.clone();
    judged[100].verdict = 0;
    judged[101].verdict = 1;
    assert_eq!(
        check(&judged, 7, 2000, None),
        (2, 1),
        "those of changes are written again"
    );
    judged.iter_mut().for_each(|row| row.verdict = 0);
    assert_eq!(check(&judged, 7, 2000, None), (2, 0), "none is left");
}

#[test]
fn equal_rows_keep_the_order_in_which_they_came_strays_too() {
    let hours = [5, 9, 5, 9, 7, 5, 11, 9, 7, 5];
    let row = |&hours: &i64| Made {
        environment: 0,
        hours,
        id: Some(hours as u8),
        is_change: false,
        is_version: false,
        is_deleted: false,
        verdict: 3,
    };
    let made: Vec<Made> = hours.iter().map(row).collect();
    for batch_rows in 1..=made.len() {
        for budget_bytes in [0, 500, 1 << 20] {
            check(&made, batch_rows, budget_bytes, None);
        }
    }
}

#[test]
fn rows_that_fit_into_memory_wait_for_their_verdicts() {
    assert_eq!(check(&in_order(200), 7, 1 << 20, None), (0, 0));
}

#[test]
fn rows_out_of_order_that_may_be_deleted_or_that_the_lake_may_have_are_not_early() {
    let backwards: Vec<Made> = in_order(200).into_iter().rev().collect();
    assert_eq!(check(&backwards, 7, 2000, None).0, 0);
    let deleted = in_order(200).into_iter().map(|row| Made {
        is_version: true,
        is_deleted: true,
        ..row
    });
    assert_eq!(check(&deleted.collect::<Vec<_>>(), 7, 2000, None).0, 0);
    let without_ids: Vec<Made> = in_order(200).into_iter().map(|row| Made { id: None, ..row }).collect();
    assert_eq!(check(&without_ids, 7, 2000, None).0, 0);
    let early = check(&in_order(200), 7, 2000, Some(200)).0;
    assert_eq!(early, 1, "access is known, change is not");
}

#[test]
fn the_best_of_versions_that_come_close_together_is_early() {
    let written_twice = |verdicts: [u8; 2]| -> Vec<Made> {
        let versions = |row: Made| {
            let count = if row.hours % 4 == 0 { 2 } else { 1 };
            let version = |verdict| Made {
                is_version: true,
                verdict,
                ..row.clone()
            };
            verdicts[2 - count..].iter().copied().map(version).collect::<Vec<_>>()
        };
        in_order(200).into_iter().flat_map(versions).collect()
    };
    assert_eq!(check(&written_twice([0, 3]), 7, 2000, None), (2, 0));
    let mut first = written_twice([3, 0]);
    first
        .iter_mut()
        .filter(|row| row.hours % 4 > 0)
        .for_each(|row| row.verdict = 3);
    assert_eq!(check(&first, 7, 2000, None), (2, 2), "the verdicts decide");
}

#[test]
fn where_versions_come_late_rows_wait_for_them() {
    // 40 days, of which some have their first row once more at their end.
    let months = |has_late: fn(i64) -> bool| -> Vec<Made> {
        let row = |number: i64| Made {
            environment: 0,
            hours: number * 4,
            id: Some((number % 250) as u8),
            is_change: true,
            is_version: true,
            is_deleted: false,
            verdict: 3,
        };
        let month = |number: i64| {
            let rows = number * 180..(number + 1) * 180;
            let mut rows: Vec<Made> = rows.map(row).collect();
            if has_late(number) {
                rows[0].verdict = 0;
                rows.push(Made {
                    verdict: 3,
                    ..rows[0].clone()
                });
            }
            rows
        };
        (0..12).flat_map(month).collect()
    };
    assert_eq!(check(&months(|_| false), 7, 2000, None), (12, 0));
    assert_eq!(
        check(&months(|month| month == 8), 7, 2000, None),
        (12, 1),
        "it costs little"
    );
    assert_eq!(
        check(&months(|_| true), 7, 2000, None),
        (1, 1),
        "after the first they wait"
    );
}

#[test]
fn a_row_between_two_that_are_early_goes_into_another_file() {
    let mut made = in_order(200);
    made[180].hours = 20;
    assert_eq!(check(&made, 7, 2000, None), (2, 0));
}

#[test]
fn more_partitions_than_may_be_open_take_their_turns() {
    let environments = MOST_EARLY as i64 + 8;
    let row = |number: i64| Made {
        environment: (number / 8) as u8,
        hours: number,
        id: Some((number % 250) as u8),
        is_change: true,
        is_version: false,
        is_deleted: false,
        verdict: 3,
    };
    let made: Vec<Made> = (0..environments * 8).map(row).collect();
    assert!(check(&made, 7, 2000, None).0 > MOST_EARLY);
    let home = tempfile::tempdir().unwrap();
    let (sorter, _) = taken(home.path(), &made, 7, 2000, None);
    assert_eq!(open(&sorter).len(), MOST_EARLY);
}

/// The months of early files that are open.
fn open(sorter: &Sorter) -> Vec<i32> {
    let open = |part: &&Part| part.early.as_ref().is_some_and(Early::is_open);
    sorter
        .parts
        .iter()
        .filter(open)
        .map(|part| part.partition.month)
        .collect()
}

#[test]
fn early_files_of_months_that_are_over_are_closed() {
    let mut made = in_order(200);
    made.iter_mut().for_each(|row| row.hours *= 24);
    assert_eq!(check(&made, 7, 2000, None).0, 14, "of seven months");
    let home = tempfile::tempdir().unwrap();
    let (sorter, _) = taken(home.path(), &made, 7, 2000, None);
    let open = open(&sorter);
    let last = open.iter().max().copied().unwrap();
    // Rows that go together may be of two months.
    assert!(
        open.len() <= 4 && open.iter().all(|month| month + 1 >= last),
        "{open:?}"
    );
}
