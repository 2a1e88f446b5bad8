//! Records go in, and arrow reads the same back.

use super::*;
use crate::lake::identity;
use crate::lake::rows::Rows;
use crate::record::{Kind, Record};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{Int32Type, Int64Type, TimestampMicrosecondType};
use parquet::basic::Encoding;
use parquet::file::reader::{FileReader, SerializedFileReader};
use proptest::prelude::*;

const GROUP_BYTES: usize = 1 << 20;

fn written(records: &[Record<'_>], sources: &[Arc<str>], group_bytes: usize) -> (RecordBatch, Rows) {
    let home = tempfile::tempdir().unwrap();
    let partition = Partition {
        environment: "contoso".into(),
        kind: Kind::Access,
        month: instant::month_of(0),
    };
    let path = home.path().join("rows.parquet");
    let mut file = RowFile::create(&Disk::default(), &path, &partition, group_bytes).unwrap();
    let mut rows = Rows::default();
    rows.enter("contoso");
    for (number, record) in records.iter().enumerate() {
        rows.push(record);
        let source = &sources[number * sources.len() / records.len()];
        file.take(rows.row(number), number % 7 == 3, source).unwrap();
    }
    let staged = file.finish().unwrap();
    assert_eq!(staged.written.rows, records.len() as u64);
    let read: Vec<RecordBatch> = super::super::file::read(&path, &[], 1 << 12)
        .unwrap()
        .map(|rows| rows.expect("rows"))
        .collect();
    let batch = concat_batches(&schema::LAKE, &read).expect("the schema of the lake");
    (batch, rows)
}

/// Every column of the batch is what the records say.
fn assert_same(batch: &RecordBatch, records: &[Record<'_>], sources: &[Arc<str>]) {
    let text = |name: &str, of: &dyn Fn(&Record<'_>) -> Option<String>| {
        let column = batch.column_by_name(name).unwrap().as_string::<i32>();
        for (row, record) in records.iter().enumerate() {
            let found = column.is_valid(row).then(|| column.value(row).to_owned());
            assert_eq!(found, of(record), "{name} of row {row}");
        }
    };
    let owned = |text: &Option<&str>| text.map(str::to_owned);
    text("audit_id", &|r| owned(&r.audit_id));
    text("object_type", &|r| owned(&r.object_type));
    text("object_id", &|r| owned(&r.object_id));
    text("object_name", &|r| owned(&r.object_name));
    text("user_id", &|r| owned(&r.user_id));
    text("user_name", &|r| owned(&r.user_name));
    text("actor_id", &|r| r.actor().0.map(str::to_owned));
    text("actor_name", &|r| r.actor().1.map(str::to_owned));
    text("calling_user_id", &|r| owned(&r.calling_user_id));
    text("calling_user_name", &|r| owned(&r.calling_user_name));
    text("transaction_id", &|r| owned(&r.transaction_id));
    text("attribute_mask", &|r| owned(&r.attribute_mask));
    text("change_data", &|r| owned(&r.change_data));
    text("additional_info", &|r| owned(&r.additional_info));
    text("user_additional_info", &|r| owned(&r.user_additional_info));
    text("regarding_object_id", &|r| owned(&r.regarding_object_id));
    text("regarding_object_name", &|r| owned(&r.regarding_object_name));
    text("environment", &|_| Some("contoso".to_owned()));
    text("kind", &|_| Some("access".to_owned()));
    text("month", &|_| Some("1970-01".to_owned()));
    let number = |name: &str, of: &dyn Fn(&Record<'_>) -> Option<i32>| {
        let column = batch.column_by_name(name).unwrap().as_primitive::<Int32Type>();
        let expected: Vec<Option<i32>> = records.iter().map(of).collect();
        assert_eq!(column.iter().collect::<Vec<_>>(), expected, "{name}");
    };
    number("action", &|r| Some(r.action));
    number("operation", &|r| r.operation);
    number("time_to_live_s", &|r| r.time_to_live_s);
    let versions = batch.column(schema::VERSION_NUMBER).as_primitive::<Int64Type>();
    let on = batch
        .column(schema::CREATED_ON)
        .as_primitive::<TimestampMicrosecondType>();
    let deleted = batch.column(schema::DELETED_IN_SOURCE).as_boolean();
    let source = batch.column(schema::SOURCE).as_string::<i32>();
    for (row, record) in records.iter().enumerate() {
        assert_eq!(
            versions.is_valid(row).then(|| versions.value(row)),
            record.version_number
        );
        assert_eq!(on.value(row), record.created_on);
        assert_eq!(deleted.value(row), record.deleted_in_source || row % 7 == 3);
        assert_eq!(source.value(row), &*sources[row * sources.len() / records.len()]);
    }
}

fn guid(number: u128) -> &'static str {
    String::from_utf8_lossy(&Guid(number.to_be_bytes()).text())
        .into_owned()
        .leak()
}

fn texts() -> impl Strategy<Value = Option<&'static str>> {
    prop_oneof![
        3 => Just(None),
        2 => (0_u128..4).prop_map(move |number| Some(guid(number * 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef))),
        1 => any::<u128>().prop_map(move |number| Some(guid(number))),
        1 => Just(Some("systemuser")),
        1 => "[a-zé\u{1F426}A-F0-9-]{0,40}".prop_map(|text| Some(&*text.leak())),
        1 => (250usize..260).prop_map(|length| Some(&*"y".repeat(length).leak())),
    ]
}

fn records() -> impl Strategy<Value = Record<'static>> {
    let numbers = (
        any::<i64>(),
        prop::sample::select(vec![1, 64, 65, i32::MIN]),
        any::<Option<i32>>(),
        any::<Option<i64>>(),
        any::<Option<i32>>(),
        any::<bool>(),
        any::<Option<i64>>(),
    );
    (numbers, prop::collection::vec(texts(), 15)).prop_map(|(numbers, texts)| {
        let mut texts = texts.into_iter();
        let mut text = || texts.next().flatten();
        Record {
            created_on: numbers.0,
            action: numbers.1,
            operation: numbers.2,
            version_number: numbers.3,
            time_to_live_s: numbers.4,
            deleted_in_source: numbers.5,
            sink_modified_on: numbers.6,
            audit_id: text(),
            object_type: text(),
            object_id: text(),
            object_name: text(),
            user_id: text(),
            user_name: text(),
            calling_user_id: text(),
            calling_user_name: text(),
            transaction_id: text(),
            attribute_mask: text(),
            change_data: text(),
            additional_info: text(),
            user_additional_info: text(),
            regarding_object_id: text(),
            regarding_object_name: text(),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn records_come_back_and_so_do_their_identities(records in prop::collection::vec(records(), 1..60)) {
        let sources: [Arc<str>; 2] = ["a.json".into(), "b.json".into()];
        let (batch, rows) = written(&records, &sources, GROUP_BYTES);
        assert_same(&batch, &records, &sources);
        let unmarked = identity::of_rows(&batch).unwrap();
        let identities: Vec<u128> = rows.heads().iter().map(|head| head.identity).collect();
        prop_assert_eq!(identities, unmarked);
    }
}

/// Many pages and row groups, and dictionaries that are given up.
#[test]
fn columns_of_many_pages_come_back() {
    let guid = |number: u64| guid(u128::from(number) << 64 | 7);
    let records: Vec<Record<'_>> = (0..130_000_u64)
        .map(|number| Record {
            audit_id: Some(guid(number)),
            created_on: number as i64,
            action: 64 + (number % 2) as i32,
            operation: (number % 3 > 0).then_some(4),
            object_id: Some(guid(number.wrapping_mul(0x9E37_79B9_7F4A_7C15))),
            object_name: (number > 60_000).then(|| &*format!("name {}", number / 100).leak()),
            user_id: Some(guid(number / 50_000)),
            change_data: (number % 1000 == 0).then(|| &*"z".repeat(30_000).leak()),
            additional_info: (number > 100_000).then(|| &*format!("{number:0100}").leak()),
            version_number: Some(number as i64 * 1000),
            time_to_live_s: Some((number as i32).wrapping_mul(0x1234_5677)),
            ..Record::default()
        })
        .collect();
    let sources: Vec<Arc<str>> = (0..3).map(|number| format!("{number}.json").into()).collect();
    for group_bytes in [GROUP_BYTES, 64 << 20] {
        let (batch, _) = written(&records, &sources, group_bytes);
        assert_same(&batch, &records, &sources);
    }
}

/// Accesses of so many people, each of another one, as a file.
fn of_many_people(people: u128, group_bytes: usize) -> SerializedFileReader<std::fs::File> {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("rows.parquet");
    let partition = Partition {
        environment: "contoso".into(),
        kind: Kind::Access,
        month: instant::month_of(0),
    };
    let mut file = RowFile::create(&Disk::default(), &path, &partition, group_bytes).unwrap();
    let mut rows = Rows::default();
    rows.enter("contoso");
    for number in 0..people {
        let id = Guid((number << 64 | 7).to_be_bytes()).text();
        let record = Record {
            created_on: number as i64,
            action: 64,
            object_id: std::str::from_utf8(&id).ok(),
            ..Record::default()
        };
        rows.push(&record);
        file.take(rows.row(number as usize), false, &"a.json".into()).unwrap();
    }
    file.finish().unwrap();
    SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap()
}

/// Reports read keys many times faster than texts; and the first pages of a log of many people name each once.
#[test]
fn actors_stay_keyed_however_many_they_are() {
    let reader = of_many_people(60_000, 64 << 20);
    let group = reader.metadata().row_group(0);
    for place in [schema::ACTOR_ID, TEXT_PLACES[TextColumn::ObjectId as usize]] {
        let pages = group.column(place).page_encoding_stats_mask().unwrap();
        assert!(pages.is_only(Encoding::RLE_DICTIONARY), "{pages:?}");
    }
}

/// What a row group may take is memory, not bytes of the file: the tables of dictionaries count.
#[test]
fn a_row_group_ends_by_the_memory_that_many_people_take() {
    const GROUP_BYTES: usize = 4 << 20;
    let reader = of_many_people(60_000, GROUP_BYTES);
    // Object and actor each have the text of the id, its place, and in a table the number, its code and a byte.
    let person_bytes = 2 * ((4 + SPELLED_BYTES) + 4 + (16 + 4 + 1));
    for group in reader.metadata().row_groups() {
        let rows = group.num_rows() as usize;
        assert!(rows <= GROUP_BYTES / person_bytes + LOOK_ROWS, "{rows} rows");
    }
}
