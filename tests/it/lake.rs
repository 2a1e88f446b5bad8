//! The lake as other programs find it (contract: design §3 *Lake*), and what the report files say of themselves.

use crate::cases::Case;
use crate::logs::{self, Chance, Form, HOUR, at};
use crate::python::python;
use crate::support::{self, Row, files, parquet_rows};
use gatelog::ingest::Plan;
use gatelog::lake::ledger::{InputEntry, Ledger, ReplayEntry};
use gatelog::lake::manifest::{DataFile, Manifest};
use gatelog::record::Kind;
use gatelog::report::options::{Evidence, Options};
use gatelog::write::Format;
use parquet::basic::{Compression, Encoding, LogicalType, TimeUnit, Type};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

/// A name that must be escaped in a folder, in a URL and in a glob.
const AWKWARD: &str = "Größe & Co/1 *=%";

/// A lake of many files: all sample cases and an unkind log, in several commits, one of them merged from many runs.
fn lake() -> (tempfile::TempDir, std::path::PathBuf) {
    let home = support::home();
    let lake = home.path().join("lake");
    for case in support::sample_cases() {
        support::ingest(&Plan::new(vec![case.join("input")], lake.clone()));
    }
    let events = logs::unkind(&mut Chance::new(7), at("2025-12-31T20:00:00Z"), 4 * HOUR);
    let log = support::write(&home.path().join("log"), Form::Lines.write(&events));
    support::ingest(&Plan {
        environment: Some(AWKWARD.to_owned()),
        memory_bytes: 1,
        block_bytes: 500,
        ..Plan::new(vec![log], lake.clone())
    });
    (home, lake)
}

fn metadata(path: &Path) -> ParquetMetaData {
    let file = File::open(path).expect("readable");
    SerializedFileReader::new(file)
        .expect("a Parquet file")
        .metadata()
        .clone()
}

/// Columns by name: the contract leaves their order open.
fn columns(metadata: &ParquetMetaData) -> BTreeMap<String, (Type, Option<LogicalType>)> {
    let columns = metadata.file_metadata().schema_descr().columns().iter();
    columns
        .map(|column| {
            assert_eq!(column.path().parts().len(), 1, "the file is flat");
            let logical = column.self_type().get_basic_info().logical_type_ref().cloned();
            (column.name().to_owned(), (column.physical_type(), logical))
        })
        .collect()
}

#[test]
fn the_columns_are_those_of_the_contract() {
    let text = (Type::BYTE_ARRAY, Some(LogicalType::String));
    let time = (Type::INT64, Some(LogicalType::timestamp(true, TimeUnit::MICROS)));
    let (int, long, flag) = ((Type::INT32, None), (Type::INT64, None), (Type::BOOLEAN, None));
    let mut expected = BTreeMap::new();
    let texts = "audit_id object_type object_id object_name user_id user_name actor_id actor_name environment kind month \
                 source calling_user_id calling_user_name transaction_id attribute_mask change_data additional_info \
                 user_additional_info regarding_object_id regarding_object_name";
    expected.extend(texts.split_whitespace().map(|name| (name.to_owned(), text.clone())));
    for (name, kind) in [
        ("created_on", &time),
        ("action", &int),
        ("operation", &int),
        ("version_number", &long),
        ("time_to_live_s", &int),
        ("deleted_in_source", &flag),
    ] {
        expected.insert(name.to_owned(), kind.clone());
    }
    let (_home, lake) = lake();
    for path in files(&lake.join("audit")).values() {
        assert_eq!(columns(&metadata(path)), expected, "{}", path.display());
    }
    let names = ["environment", "id", "name"].map(|name| (name.to_owned(), text.clone()));
    let names: BTreeMap<_, _> = names.into_iter().chain([("seen_on".to_owned(), time)]).collect();
    for path in files(&lake.join("names")).values() {
        assert_eq!(columns(&metadata(path)), names);
    }
}

#[test]
fn encodings_are_those_that_every_reader_knows_and_statistics_are_on() {
    let (home, lake) = lake();
    let reports = home.path().join("reports");
    support::publish(&lake, &Options::default(), &reports, &[Format::Parquet]);
    let mut found = BTreeSet::new();
    for path in files(&lake)
        .values()
        .chain(files(&reports).values())
        .filter(|path| path.extension() == Some("parquet".as_ref()))
    {
        for column in metadata(path).row_groups().iter().flat_map(|group| group.columns()) {
            let name = format!("{} {}", path.display(), column.column_path());
            assert!(matches!(column.compression(), Compression::ZSTD(_)), "{name}");
            assert!(
                column
                    .statistics()
                    .is_some_and(|statistics| statistics.null_count_opt().is_some()),
                "{name}"
            );
            found.extend(column.encodings());
        }
    }
    let known = [
        Encoding::PLAIN,
        Encoding::RLE,
        Encoding::RLE_DICTIONARY,
        Encoding::PLAIN_DICTIONARY,
    ];
    assert!(found.iter().all(|encoding| known.contains(encoding)), "{found:?}");
}

/// `%2F` and the like, undone.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let code = (*first == b'%').then(|| std::str::from_utf8(&after[..2]).expect("two digits"));
        bytes.push(code.map_or(*first, |code| u8::from_str_radix(code, 16).expect("hexadecimal")));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).expect("a name")
}

#[test]
fn l6_a_row_lies_in_the_partition_its_values_name_and_files_are_sorted() {
    let (_home, lake) = lake();
    let mut kinds = BTreeSet::new();
    for (name, path) in files(&lake.join("audit")) {
        let folders: Vec<&str> = name.split('/').collect();
        let [environment, kind, month, _file] = folders[..] else {
            panic!("{name} lies too deep")
        };
        let rows = parquet_rows(&path);
        for row in &rows {
            assert_eq!(unescape(environment), format!("environment={}", row["environment"]));
            assert_eq!(
                (kind, month),
                (&*format!("kind={}", row["kind"]), &*format!("month={}", row["month"]))
            );
            assert_eq!(
                row["kind"],
                Kind::of(row["action"].parse().expect("a number")).name(),
                "{row:?}"
            );
            assert_eq!(row["month"], row["created_on"][..7], "{row:?}");
            kinds.insert(row["kind"].clone());
        }
        let key = |row: &Row| (at(&row["created_on"]), row.get("audit_id").cloned());
        assert!(
            rows.is_sorted_by_key(key),
            "{name} is not sorted by (created_on, audit_id)"
        );
    }
    assert_eq!(kinds.len(), 3, "{kinds:?}");
}

/// Rows, bytes and hash of a file are as the manifest says.
fn assert_truth(lake: &Path, said: &DataFile) {
    assert_bytes(lake, said);
    assert_eq!(
        parquet_rows(&lake.join(&said.path)).len() as u64,
        said.rows,
        "{}",
        said.path
    );
}

fn assert_bytes(lake: &Path, said: &DataFile) {
    let bytes = fs::read(lake.join(&said.path)).unwrap_or_else(|cause| panic!("{}: {cause}", said.path));
    let hash = format!("{:032x}", xxhash_rust::xxh3::xxh3_128(&bytes));
    assert_eq!((bytes.len() as u64, &hash), (said.bytes, &said.hash), "{}", said.path);
}

/// L5, for any lake of the tests.
pub fn assert_manifest_tells_the_truth(lake: &Path) {
    let manifest = Manifest::read(lake).expect("readable").expect("a manifest");
    let mut named =
        BTreeSet::from(["manifest.json", "lock", "ledger/commits.jsonl", "ledger/inputs.ids"].map(str::to_owned));
    for audit in &manifest.audit {
        assert_truth(lake, &audit.file);
        let rows = parquet_rows(&lake.join(&audit.file.path));
        let times: BTreeSet<i64> = rows.iter().map(|row| at(&row["created_on"])).collect();
        let (first, last) = (times.first().expect("a row"), times.last().expect("a row"));
        assert_eq!(
            (audit.min_created_on_us, audit.max_created_on_us),
            (*first, *last),
            "{}",
            audit.file.path
        );
        let partition = (&rows[0]["environment"], rows[0]["kind"].as_str(), &rows[0]["month"]);
        assert_eq!(
            (&audit.environment, audit.kind.name(), &audit.month),
            partition,
            "{}",
            audit.file.path
        );
        named.insert(audit.file.path.clone());
    }
    for run in &manifest.index {
        assert_bytes(lake, run);
        named.insert(run.path.clone());
    }
    let known: u64 = manifest.index.iter().map(|run| run.rows).sum();
    assert_eq!(known, manifest.audit.iter().map(|audit| audit.file.rows).sum::<u64>());
    let tables = [&manifest.names, &manifest.users, &manifest.organizations];
    for said in manifest.rejects.iter().chain(tables.into_iter().flatten()) {
        assert_truth(lake, said);
        named.insert(said.path.clone());
    }
    let found: BTreeSet<String> = files(lake).into_keys().collect();
    assert_eq!(found, named, "every file is named, and nothing staged is left");
    assert!(!lake.join("staging").exists());

    let ledger = Ledger::read(lake, &manifest).expect("readable");
    let sum = |of: fn(&InputEntry) -> u64| ledger.inputs().map(of).sum::<u64>();
    let again = |of: fn(&ReplayEntry) -> u64| ledger.replays().map(of).sum::<u64>();
    let of_audit = |input: &InputEntry| match input.table.as_str() {
        "audit" => input.books.accepted,
        _ => 0,
    };
    assert_eq!(
        sum(of_audit) + again(|replay| replay.books.accepted),
        manifest.audit.iter().map(|audit| audit.file.rows).sum::<u64>()
    );
    assert_eq!(
        sum(|input| input.books.rejected) + again(|replay| replay.books.rejected) - again(|replay| replay.replayed),
        manifest.rejects.iter().map(|file| file.rows).sum::<u64>()
    );
}

#[test]
fn l5_the_manifest_tells_the_truth() {
    let (_home, lake) = lake();
    assert_manifest_tells_the_truth(&lake);
    let manifest = Manifest::read(&lake).expect("readable").expect("a manifest");
    let ledger = Ledger::read(&lake, &manifest).expect("readable");
    assert_eq!(
        manifest.generation,
        support::sample_cases().len() as u64 + 1,
        "each run is one commit"
    );
    let inputs: Vec<_> = support::sample_cases()
        .iter()
        .flat_map(|case| Case::read(case).inputs_read(case))
        .collect();
    for path in inputs {
        let bytes = fs::read(&path).expect("readable");
        let hash = format!("{:032x}", xxhash_rust::xxh3::xxh3_128(&bytes));
        let known = ledger
            .inputs()
            .any(|input| input.hash == hash && input.bytes == bytes.len() as u64);
        assert!(known, "{} is not in the list of inputs", path.display());
    }
}

#[test]
fn a_lake_of_a_newer_layout_is_refused_not_guessed_at() {
    let (home, lake) = lake();
    let path = lake.join("manifest.json");
    let text = fs::read_to_string(&path).expect("readable");
    support::write(&path, text.replacen("\"format\":3", "\"format\":4", 1));
    for command in [&["report"][..], &["ingest", "log"]] {
        let ended = support::gatelog(home.path(), command);
        assert_eq!(ended.code, 1, "{}", ended.stderr);
        assert!(
            ended.line("error: ").contains("manifest.json: is of layout 4"),
            "{}",
            ended.stderr
        );
        ended.line("hint: ");
    }
}

/// Counts rows by a glob, as any reader would, with the values of the folders' names beside those in the files.
const PLAIN_READER: &str = "
import duckdb, sys
files = sys.argv[1] + '/audit/**/*.parquet'
read = lambda hive: duckdb.execute(
    'SELECT environment, kind, month, count(*) FROM read_parquet(?, hive_partitioning = ?, hive_types_autocast = false)'
    ' GROUP BY ALL ORDER BY ALL', [files, hive]).fetchall()
inside, folders = read(False), read(True)
assert inside == folders, (inside, folders)
print(sum(row[3] for row in inside), *sorted({row[0] for row in inside}), sep='\\n')
";

#[test]
fn a_plain_reader_finds_every_row_once_and_folders_that_name_what_is_inside() {
    let (_home, lake) = lake();
    let output = Command::new(python())
        .args(["-c", PLAIN_READER])
        .arg(&lake)
        .output()
        .expect("Python starts");
    let (said, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{errors}");
    let mut lines = said.lines();
    let rows = support::lake_rows(&lake, "audit").len();
    assert_eq!(lines.next(), Some(rows.to_string().as_str()));
    let found: BTreeSet<&str> = lines.collect();
    assert!(
        found.contains(AWKWARD) && found.contains("contoso.crm4.dynamics.com"),
        "{found:?}"
    );
    let ids: Vec<(String, String)> = support::lake_rows(&lake, "audit")
        .into_iter()
        .filter_map(|row| Some((row["environment"].clone(), row.get("audit_id")?.clone())))
        .collect();
    assert_eq!(
        ids.iter().collect::<BTreeSet<_>>().len(),
        ids.len(),
        "an id stands once per environment"
    );
}

#[test]
fn report_files_carry_the_settings_they_were_made_with() {
    let (home, lake) = lake();
    let as_of = "2026-01-15T00:00:00.000001Z";
    let options = Options {
        environment: Some(AWKWARD.to_owned()),
        from: Some(at("2026-01-01T00:00:00Z")),
        to: Some(at("2026-02-01T00:00:00Z")),
        as_of: Some(at(as_of)),
        tz: chrono_tz::Asia::Kolkata,
        audit_interval_us: Some(HOUR),
        session_gap_us: Some(HOUR / 2),
        inactive_after_us: 30 * 24 * HOUR,
        min_coverage: 0.25,
        worklist: false,
        silence_threshold: 0.5,
        evidence: Evidence::All,
    };
    let said = |lake: &Path, options: &Options| -> BTreeMap<String, String> {
        let out = home.path().join("reports");
        support::publish(lake, options, &out, &[Format::Parquet]);
        let per_file = files(&out).into_values().map(|path| {
            let pairs = metadata(&path).file_metadata().key_value_metadata().cloned();
            let pairs = pairs.unwrap_or_default().into_iter();
            pairs.map(|pair| (pair.key, pair.value.unwrap_or_default())).collect()
        });
        let per_file: BTreeSet<BTreeMap<String, String>> = per_file.collect();
        assert_eq!(per_file.len(), 1, "all files say the same: {per_file:?}");
        per_file.into_iter().next().expect("one")
    };
    let expected = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| (format!("gatelog.{name}"), (*value).to_owned()))
            .collect()
    };
    let version = ("version", env!("CARGO_PKG_VERSION"));
    let intervals = [("audit_interval_s", "14400"), ("session_gap_s", "21600")];
    let silence = [("inactive_after_s", "7776000"), ("min_coverage", "0.9")];
    let fixed = [version, ("tz", "UTC"), ("silence_threshold", "0.01")];
    let plain = [&fixed, &intervals[..], &silence[..]].concat();
    let one_interval = home.path().join("one interval");
    let log = support::repository().join("sample-data/minimal/input");
    support::ingest(&Plan::new(vec![log], one_interval.clone()));
    // What was not asked for is not there.
    assert_eq!(said(&one_interval, &Options::default()), expected(&plain));
    let of_each = &said(&lake, &Options::default())["gatelog.audit_interval_s"];
    assert!(
        of_each.contains("contoso.crm4.dynamics.com=43200 ") && of_each.contains("fabrikam.crm11.dynamics.com=14400"),
        "{of_each}"
    );
    let all = [
        version,
        ("environment", AWKWARD),
        ("from", "2026-01-01T00:00:00Z"),
        ("to", "2026-02-01T00:00:00Z"),
        ("as_of", as_of),
        ("tz", "Asia/Kolkata"),
        ("audit_interval_s", "3600"),
        ("session_gap_s", "1800"),
        ("inactive_after_s", "2592000"),
        ("min_coverage", "0.25"),
        ("silence_threshold", "0.5"),
        ("evidence", "all"),
    ];
    assert_eq!(said(&lake, &options), expected(&all));
}
