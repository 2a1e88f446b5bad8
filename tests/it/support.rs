//! What the tests share: running the program, the library in short, and reading a lake back.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use arrow::util::display::array_value_to_string;
use gatelog::ingest::{self, Fate, Outcome, Plan, Tally};
use gatelog::lake::Lake;
use gatelog::report::options::Options;
use gatelog::report::table::Table;
use gatelog::report::{self, Report, Scratch};
use gatelog::write::{self, Format};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::num::NonZero;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;

/// The environment of logs that name none.
pub const ENVIRONMENT: &str = "sample";

pub const TABLES: [&str; 8] = [
    "sessions", "clients", "gaps", "coverage", "users", "activity", "control", "silence",
];

/// How a run of the program ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    fn of(output: Output) -> Ended {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program writes UTF-8");
        Ended {
            code: output.status.code().expect("the program was not killed"),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// The first line that begins with this word, without it.
    pub fn line(&self, begins: &str) -> &str {
        let found = self.stderr.lines().find_map(|line| line.strip_prefix(begins));
        found.unwrap_or_else(|| panic!("no line begins with {begins:?}:\n{}", self.stderr))
    }
}

/// The program, to be run in a folder; nothing of the caller's environment changes what it does.
pub fn program(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatelog"));
    command.current_dir(dir).env_remove("GATELOG_LAKE");
    command
}

pub fn gatelog<S: AsRef<std::ffi::OsStr>>(dir: &Path, arguments: &[S]) -> Ended {
    Ended::of(program(dir).args(arguments).output().expect("the program starts"))
}

/// What this makes of each number, in no order, on as many threads as the machine has. These are threads of no pool: one of
/// rayon's would begin the next number wherever the last one waits for others, each deeper on the same stack.
pub fn side_by_side<T: Send>(numbers: RangeInclusive<u64>, make: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let (numbers, made) = (Mutex::new(numbers), Mutex::new(Vec::new()));
    let next = || numbers.lock().expect("no panic").next();
    let work = || {
        while let Some(number) = next() {
            let one = make(number);
            made.lock().expect("no panic").push(one);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    made.into_inner().expect("no panic")
}

/// A new folder that goes with the test.
pub fn home() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

pub fn write(path: &Path, content: impl AsRef<[u8]>) -> PathBuf {
    let folder = path.parent().expect("a path below a folder");
    fs::create_dir_all(folder).expect("folder created");
    fs::write(path, content).expect("file written");
    path.to_owned()
}

/// An ingest of these paths into this lake, for [`ENVIRONMENT`].
pub fn plan(lake: &Path, paths: &[&Path]) -> Plan {
    Plan {
        environment: Some(ENVIRONMENT.to_owned()),
        ..Plan::new(paths.iter().map(|path| path.to_path_buf()).collect(), lake.to_owned())
    }
}

pub fn ingest(plan: &Plan) -> Outcome {
    ingest::ingest(plan, &|_| {}).unwrap_or_else(|error| panic!("{error}"))
}

/// The books of each input, in the order of the inventory.
pub fn books(outcome: &Outcome) -> Vec<Tally> {
    let tally = |fate: &Fate| match fate {
        Fate::Ingested { tally, .. } => Some(*tally),
        _ => None,
    };
    outcome
        .reports
        .iter()
        .filter_map(|report| tally(&report.fate))
        .collect()
}

pub fn tables(lake: &Path, options: &Options) -> Vec<Table> {
    let lake = Lake::open(lake).expect("a lake");
    let scratch = Scratch::new(std::env::temp_dir());
    report::compute(&lake, &Report::ALL, options, &scratch).expect("reports")
}

/// Every report as CSV.
pub fn csvs(lake: &Path, options: &Options) -> BTreeMap<&'static str, String> {
    let text = |table: &Table| {
        let mut text = Vec::new();
        write::csv::write(table, &mut text).expect("memory");
        String::from_utf8(text).expect("CSV is UTF-8")
    };
    tables(lake, options)
        .iter()
        .map(|table| (table.name, text(table)))
        .collect()
}

/// The tables that `report --out` writes, and may replace.
pub fn written_tables() -> Vec<&'static str> {
    TABLES.into_iter().chain(report::model::names()).collect()
}

/// Writes every report as files, as `report --out` does.
pub fn publish(lake: &Path, options: &Options, out: &Path, formats: &[Format]) {
    let opened = Lake::open(lake).expect("a lake");
    let model = report::model::tables(&opened, options).expect("a model");
    let tables = [tables(lake, options), model].concat();
    let settings = options.settings(&opened).expect("settings");
    write::write_all(out, &tables, &written_tables(), formats, &settings).expect("published");
}

/// The bytes of every report file in every format.
pub fn report_files(lake: &Path, options: &Options) -> BTreeMap<String, Vec<u8>> {
    let home = home();
    let out = home.path().join("reports");
    publish(lake, options, &out, &Format::ALL);
    files(&out)
        .into_iter()
        .map(|(name, path)| (name, fs::read(path).expect("readable")))
        .collect()
}

/// All files below a folder, by their path in it with `/`; none if there is no folder.
pub fn files(root: &Path) -> BTreeMap<String, PathBuf> {
    if !root.exists() {
        return BTreeMap::new();
    }
    let entries = walkdir::WalkDir::new(root)
        .into_iter()
        .map(|entry| entry.expect("readable folder"));
    let named = |path: PathBuf| {
        let inner = path.strip_prefix(root).expect("below the root");
        (inner.to_string_lossy().replace('\\', "/"), path)
    };
    entries
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| named(entry.into_path()))
        .collect()
}

/// A row as texts by column; a null has no entry.
pub type Row = BTreeMap<String, String>;

pub fn parquet_rows(path: &Path) -> Vec<Row> {
    let file = File::open(path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()));
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("a Parquet file");
    let batches = reader.build().expect("readable").map(|batch| batch.expect("rows"));
    batches
        .flat_map(|batch| (0..batch.num_rows()).map(|row| row_of(&batch, row)).collect::<Vec<_>>())
        .collect()
}

fn row_of(batch: &RecordBatch, row: usize) -> Row {
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns());
    columns
        .filter(|(_, column)| column.is_valid(row))
        .map(|(field, column)| (field.name().clone(), cell(column, row)))
        .collect()
}

fn cell(column: &dyn Array, row: usize) -> String {
    if let Some(instants) = column.as_primitive_opt::<TimestampMicrosecondType>() {
        return gatelog::instant::to_text(instants.value(row));
    }
    array_value_to_string(column, row).expect("a type with a text form")
}

/// The rows of a part of the lake (`audit`, `rejects`), file by file in order of path, as a plain reader finds them.
pub fn lake_rows(lake: &Path, part: &str) -> Vec<Row> {
    files(&lake.join(part))
        .values()
        .flat_map(|path| parquet_rows(path))
        .collect()
}

/// What the rows of the lake say, in an order of their own: by path, then by content. Where a row was read is left
/// out, since of two equal rows either may have come first.
pub fn contents(lake: &Path) -> Vec<Row> {
    let mut rows = lake_rows(lake, "audit");
    rows.iter_mut().for_each(|row| drop(row.remove("source")));
    rows.sort();
    rows
}

/// Name → content of all that a lake holds. Runs are left out: each leaves a record, one that changed nothing too.
pub fn held(lake: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut held: BTreeMap<_, _> = files(lake)
        .into_iter()
        .filter(|(name, _)| name != "lock")
        .map(|(name, path)| (name, fs::read(path).expect("readable")))
        .collect();
    let mut manifest: serde_json::Value = serde_json::from_slice(&held["manifest.json"]).expect("JSON");
    let fields = manifest.as_object_mut().expect("an object");
    for of_runs in ["generation", "ledger"] {
        fields.remove(of_runs).expect("it is there");
    }
    held.insert("manifest.json".to_owned(), manifest.to_string().into_bytes());
    let ledger = Lake::open(lake).expect("a lake").ledger().expect("readable");
    let brought: Vec<_> = ledger
        .inputs()
        .map(|input| (&input.name, &input.hash, input.books))
        .collect();
    held.insert("ledger/commits.jsonl".to_owned(), format!("{brought:?}").into_bytes());
    held
}

/// Copies a folder with all it holds.
pub fn copy(from: &Path, to: &Path) {
    for (name, path) in files(from) {
        let target = to.join(name);
        fs::create_dir_all(target.parent().expect("below a folder")).expect("folder created");
        fs::copy(path, target).expect("copied");
    }
}

/// The repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folders of the sample cases, in order.
pub fn sample_cases() -> Vec<PathBuf> {
    let entries = fs::read_dir(repository().join("sample-data")).expect("sample data");
    let mut cases: Vec<PathBuf> = entries
        .map(|entry| entry.expect("entry").path())
        .filter(|path| path.is_dir())
        .collect();
    cases.sort();
    assert!(!cases.is_empty(), "there are sample cases");
    cases
}

/// What the clock and the place decide is masked: how long ago something was, how many bytes are checked.
pub fn masked(text: &str) -> String {
    let of_people = |line: &str| match line.split_once(" ago") {
        Some((before, after)) => {
            let kept = before.rsplitn(3, ' ').nth(2).unwrap_or_default();
            format!("{kept} SOME TIME ago{after}\n")
        }
        // How many bytes there are depends on where the inputs lie: rows say so.
        None if line.starts_with("checked: ") => {
            line.replacen(line.split(", ").nth(1).unwrap_or_default(), "BYTES", 1) + "\n"
        }
        None => format!("{line}\n"),
    };
    let text: String = text.lines().map(of_people).collect();
    let mut parts = text.split("_age_s\":");
    let first = parts.next().unwrap_or_default().to_owned();
    let masked = |part: &str| format!("_age_s\":AGE{}", part.trim_start_matches(|c: char| c.is_ascii_digit()));
    parts.fold(first, |text, part| text + &masked(part))
}
