//! What can be wrong with a lake, one thing at a time, and what `verify` must find.

use crate::tampered::{Lake, plain, sorted, with_column};
use arrow::array::{Array, Int32Array, StringArray, TimestampMicrosecondArray, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use gatelog::lake::verify::Check;
use parquet::basic::{Compression, Encoding};
use parquet::schema::types::ColumnPath;
use serde_json::{Value, json};
use std::fs;
use std::sync::Arc;

/// The second row says something else about its place.
fn misplace(lake: &mut Lake, column: &str, value: &str) {
    let (number, _) = lake.some();
    let rows = lake.rows(number);
    let old = rows.column_by_name(column).expect("it").clone();
    let texts = old.as_any().downcast_ref::<StringArray>().expect("a text");
    let changed: StringArray = (0..texts.len())
        .map(|row| Some(if row == 1 { value } else { texts.value(row) }))
        .collect();
    lake.put_rows(number, &with_column(&rows, column, Arc::new(changed)), plain());
}

fn encode(lake: &mut Lake, column: &str, encoding: Encoding) {
    let (number, _) = lake.some();
    let how = plain().set_column_dictionary_enabled(ColumnPath::from(column), false);
    let rows = lake.rows(number);
    lake.put_rows(
        number,
        &rows,
        how.set_column_encoding(ColumnPath::from(column), encoding),
    );
}

fn say(lake: &mut Lake, field: &str, value: impl Fn(&Value) -> Value) {
    let (number, _) = lake.some();
    let said = &mut lake.manifest["audit"][number][field];
    *said = value(said);
}

fn more(value: &Value) -> Value {
    json!(value.as_i64().expect("a number") + 1)
}

pub fn remove(lake: &mut Lake) {
    let (_, path) = lake.some();
    fs::remove_file(path).expect("it was there");
}

fn remove_other(lake: &mut Lake, path: &str) {
    lake.touched.push(path.to_owned());
    fs::remove_file(lake.path.join(path)).expect("it was there");
}

/// Changes a byte of a run of the index; the manifest may be told.
fn spoil_index(lake: &mut Lake, at: usize, is_told: bool) {
    let path = lake.manifest["index"][0]["path"].as_str().expect("a path").to_owned();
    let mut bytes = fs::read(lake.path.join(&path)).expect("readable");
    bytes[at] ^= 1;
    if is_told {
        lake.manifest["index"][0]["hash"] = format!("{:032x}", xxhash_rust::xxh3::xxh3_128(&bytes)).into();
    }
    fs::write(lake.path.join(&path), bytes).expect("written");
    lake.touched.extend([path, "index".to_owned()]);
}

fn add_one(entry: &mut Value, fields: &[&str]) {
    for field in fields {
        entry[field] = more(&entry[field]);
    }
}

const COMMITS: &str = "ledger/commits.jsonl";
const INPUTS: &str = "ledger/inputs.ids";

fn spoil_ledger(lake: &mut Lake, path: &str, spoil: impl FnOnce(&mut Vec<u8>)) {
    let file = lake.path.join(path);
    let mut bytes = fs::read(&file).expect("readable");
    spoil(&mut bytes);
    fs::write(file, bytes).expect("written");
    lake.touched.push(path.to_owned());
}

type Sabotage = (&'static str, &'static [Check], fn(&mut Lake));

pub const TABLE: &[Sabotage] = &[
    ("a byte is flipped", &[Check::Hash], |lake| {
        let (_, path) = lake.some();
        let mut bytes = fs::read(&path).expect("readable");
        bytes[100] ^= 1;
        fs::write(path, bytes).expect("written");
    }),
    ("a byte of the index is flipped", &[Check::Hash], |lake| {
        spoil_index(lake, 5, false)
    }),
    ("the index has another identity", &[Check::Index], |lake| {
        spoil_index(lake, 5, true)
    }),
    ("the index has another month", &[Check::Index], |lake| {
        spoil_index(lake, 0, true)
    }),
    ("a run of the index is gone", &[Check::Existence], |lake| {
        let path = lake.manifest["index"][0]["path"].as_str().expect("a path").to_owned();
        remove_other(lake, &path)
    }),
    (
        "a run of the index has fewer keys than is said",
        &[Check::Rows],
        |lake| {
            let rows = &mut lake.manifest["index"][0]["rows"];
            *rows = more(rows);
            let path = lake.manifest["index"][0]["path"].as_str().expect("a path").to_owned();
            lake.touched.push(path)
        },
    ),
    ("a file is cut short", &[Check::Bytes], |lake| {
        let (_, path) = lake.some();
        let bytes = fs::read(&path).expect("readable");
        fs::write(path, &bytes[..bytes.len() - 1]).expect("written");
    }),
    ("a file is gone", &[Check::Existence], remove),
    ("a file has another name", &[Check::Existence, Check::Unnamed], |lake| {
        let (number, path) = lake.some();
        let name = lake.manifest["audit"][number]["path"].as_str().expect("a path");
        lake.touched.push(name.replace("00000001", "00000009"));
        fs::rename(&path, path.with_file_name("00000009.parquet")).expect("renamed");
    }),
    ("a file lies beside", &[Check::Unnamed], |lake| {
        let (_, path) = lake.some();
        lake.touched = vec!["audit/copy.PARQUET".to_owned()];
        fs::copy(path, lake.path.join("audit/copy.PARQUET")).expect("copied");
    }),
    ("a file of rejects lies beside", &[Check::Unnamed], |lake| {
        lake.touched.push("rejects/9.parquet".to_owned());
        fs::copy(
            lake.path.join("rejects/00000001.parquet"),
            lake.path.join("rejects/9.parquet"),
        )
        .expect("copied");
    }),
    ("a file of another month lies in its place", &[Check::Bytes], |lake| {
        let (_, path) = lake.some();
        let other = lake.manifest["audit"][lake.find("change", "2026-02", 1)]["path"].clone();
        fs::copy(lake.path.join(other.as_str().expect("a path")), path).expect("copied");
    }),
    (
        "a file of another month is said to belong here",
        &[Check::Books, Check::Range, Check::Partition, Check::Duplicates],
        |lake| {
            let (number, other) = (lake.find("access", "2026-02", 1), lake.find("access", "2026-03", 1));
            lake.touch(other);
            let rows = lake.rows(other);
            lake.put_rows(number, &rows, plain());
        },
    ),
    ("rows are not in order", &[Check::Order], |lake| {
        let (number, _) = lake.some();
        let rows = lake.rows(number);
        let backwards = UInt32Array::from_iter_values((0..rows.num_rows() as u32).rev());
        lake.put_rows(
            number,
            &take_record_batch(&rows, &backwards).expect("in place"),
            plain(),
        );
    }),
    ("a row lies in two files", &[Check::Books, Check::Duplicates], |lake| {
        let (first, second) = (lake.find("access", "2026-02", 1), lake.find("access", "2026-02", 2));
        let (one, rows) = (lake.rows(first).slice(1, 1), lake.rows(second));
        let both = sorted(&concat_batches(&rows.schema(), [&rows, &one]).expect("of one schema"));
        lake.put_rows(second, &both, plain());
        let on = both.column_by_name("created_on").expect("it").clone();
        let on = on.as_any().downcast_ref::<TimestampMicrosecondArray>().expect("times");
        lake.manifest["audit"][second]["min_created_on_us"] = on.value(0).into();
        lake.manifest["audit"][second]["max_created_on_us"] = on.value(on.len() - 1).into();
    }),
    (
        "a row lies twice in a file",
        &[Check::Books, Check::Duplicates],
        |lake| {
            let (number, _) = lake.some();
            let rows = lake.rows(number);
            let both = concat_batches(&rows.schema(), [&rows, &rows.slice(0, 1)]).expect("of one schema");
            lake.put_rows(number, &sorted(&both), plain());
        },
    ),
    ("rows without an id lie in two files", &[Check::Duplicates], |lake| {
        let (first, second) = (lake.find("access", "2026-02", 1), lake.find("access", "2026-02", 2));
        lake.touch(first);
        let rows = lake.rows(first);
        let none: StringArray = (0..rows.num_rows()).map(|_| None::<&str>).collect();
        let rows = sorted(&with_column(&rows, "audit_id", Arc::new(none)));
        lake.put_rows(first, &rows, plain());
        lake.put_rows(second, &rows, plain());
        for bound in ["min_created_on_us", "max_created_on_us"] {
            lake.manifest["audit"][second][bound] = lake.manifest["audit"][first][bound].clone();
        }
    }),
    ("the rows are said to be more", &[Check::Books, Check::Rows], |lake| {
        say(lake, "rows", more)
    }),
    ("the bytes are said to be more", &[Check::Bytes], |lake| {
        say(lake, "bytes", more)
    }),
    ("the hash is said to be another", &[Check::Hash], |lake| {
        say(lake, "hash", |_| json!("0"))
    }),
    ("the first row is said to be later", &[Check::Range], |lake| {
        say(lake, "min_created_on_us", more)
    }),
    ("the last row is said to be later", &[Check::Range], |lake| {
        say(lake, "max_created_on_us", more)
    }),
    ("a row is of another environment", &[Check::Partition], |lake| {
        misplace(lake, "environment", "another")
    }),
    ("a row is said to be of another kind", &[Check::Partition], |lake| {
        misplace(lake, "kind", "change")
    }),
    ("a row is said to be of another month", &[Check::Partition], |lake| {
        misplace(lake, "month", "2026-03")
    }),
    ("an action is of another kind", &[Check::Partition], |lake| {
        let (number, _) = lake.some();
        let rows = lake.rows(number);
        let actions = Int32Array::from_iter_values((0..rows.num_rows()).map(|row| if row == 0 { 2 } else { 64 }));
        lake.put_rows(number, &with_column(&rows, "action", Arc::new(actions)), plain());
    }),
    ("a time is delta coded", &[Check::Encoding], |lake| {
        encode(lake, "created_on", Encoding::DELTA_BINARY_PACKED);
    }),
    ("a text is delta coded", &[Check::Encoding], |lake| {
        encode(lake, "source", Encoding::DELTA_BYTE_ARRAY)
    }),
    ("a truth value is run-length coded", &[Check::Encoding], |lake| {
        encode(lake, "deleted_in_source", Encoding::RLE);
    }),
    ("a file is packed by another method", &[Check::Encoding], |lake| {
        let (number, _) = lake.some();
        let rows = lake.rows(number);
        lake.put_rows(number, &rows, plain().set_compression(Compression::SNAPPY));
    }),
    ("a column is missing", &[Check::Columns], |lake| {
        let (number, _) = lake.some();
        let rows = lake.rows(number);
        let columns: Vec<usize> = (0..rows.num_columns()).filter(|&column| column != 15).collect();
        lake.put_rows(number, &rows.project(&columns).expect("it"), plain());
    }),
    ("a file is no Parquet", &[Check::Readable], |lake| {
        let (number, _) = lake.some();
        lake.put(number, b"createdon,action\n");
    }),
    (
        "a file is listed twice",
        &[Check::Listing, Check::Books, Check::Duplicates],
        |lake| {
            let (number, _) = lake.some();
            let entry = lake.manifest["audit"][number].clone();
            lake.manifest["audit"].as_array_mut().expect("a list").push(entry);
        },
    ),
    (
        "a file is listed where it cannot be",
        &[Check::Listing, Check::Existence, Check::Unnamed],
        |lake| {
            let (number, _) = lake.some();
            let path = lake.manifest["audit"][number]["path"]
                .as_str()
                .expect("a path")
                .to_owned();
            let elsewhere = path.replace("month=2026-02", "month=2026-04");
            lake.touched.push(elsewhere.clone());
            lake.manifest["audit"][number]["path"] = elsewhere.into();
        },
    ),
    ("the books of an input do not balance", &[Check::Books], |lake| {
        lake.books(|entries| add_one(&mut entries[0]["inputs"][0], &["read"]))
    }),
    ("an input has accepted what is not there", &[Check::Books], |lake| {
        lake.books(|entries| {
            add_one(&mut entries[0]["inputs"][0], &["read", "accepted"]);
            add_one(&mut entries[0]["run"], &["read", "accepted"]);
        })
    }),
    (
        "the books of a run are not those of its inputs",
        &[Check::Books],
        |lake| lake.books(|entries| add_one(&mut entries[1]["run"], &["read", "duplicate"])),
    ),
    ("a run is that of another commit", &[Check::Books], |lake| {
        lake.books(|entries| entries[1]["run"]["generation"] = json!(1))
    }),
    ("a commit is there twice", &[Check::Books], |lake| {
        lake.books(|entries| {
            for part in ["run", "replay"] {
                entries[0][part] = json!(null);
            }
            entries[0]["generation"] = json!(2)
        })
    }),
    ("a record was rejected and is not there", &[Check::Books], |lake| {
        lake.books(|entries| {
            add_one(&mut entries[0]["inputs"][0], &["read", "rejected"]);
            add_one(&mut entries[0]["run"], &["read", "rejected"]);
        })
    }),
    ("a replay replayed what was never rejected", &[Check::Books], |lake| {
        lake.books(|entries| {
            entries[1]["replay"] =
                json!({"generation": 2, "replayed": 1, "read": 0, "accepted": 0, "duplicate": 0, "rejected": 0});
        })
    }),
    ("a commit of the ledger is gone", &[Check::Rows], |lake| {
        lake.touched.push(COMMITS.to_owned());
        lake.books(|entries| drop(entries.remove(0)))
    }),
    ("a line of the ledger is no entry", &[Check::Readable], |lake| {
        lake.touched.push(COMMITS.to_owned());
        lake.books(|entries| entries[0]["inputs"] = json!("none"))
    }),
    ("a byte of the ledger is flipped", &[Check::Hash], |lake| {
        spoil_ledger(lake, COMMITS, |bytes| bytes[30] ^= 1)
    }),
    ("the ledger is cut short", &[Check::Bytes], |lake| {
        spoil_ledger(lake, COMMITS, |bytes| bytes.truncate(30))
    }),
    ("the ids of inputs are others", &[Check::Index], |lake| {
        spoil_ledger(lake, INPUTS, |bytes| bytes[3] ^= 1)
    }),
    ("the ids of inputs are cut short", &[Check::Bytes], |lake| {
        spoil_ledger(lake, INPUTS, |bytes| bytes.truncate(30))
    }),
    ("the names are gone", &[Check::Existence], |lake| {
        let path = lake.manifest["names"]["path"].as_str().expect("a path").to_owned();
        remove_other(lake, &path)
    }),
    ("the users are gone", &[Check::Existence], |lake| {
        let path = lake.manifest["users"]["path"].as_str().expect("a path").to_owned();
        remove_other(lake, &path)
    }),
    ("the rejects are gone", &[Check::Existence], |lake| {
        remove_other(lake, "rejects/00000002.parquet")
    }),
    ("the organizations are others", &[Check::Hash], |lake| {
        let path = lake.manifest["organizations"]["path"]
            .as_str()
            .expect("a path")
            .to_owned();
        lake.touched.push(path.clone());
        let path = lake.path.join(path);
        let mut bytes = fs::read(&path).expect("readable");
        bytes[5] ^= 1;
        fs::write(path, bytes).expect("written");
    }),
];
