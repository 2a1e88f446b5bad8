//! The comparison with DuckDB is itself tested: it finds every fault planted in a report.

use super::{Compared, run_oracle};
use crate::logs::{self, Form};
use crate::silence_rules::{HOLE, hourly};
use crate::support::{self, TABLES};
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use gatelog::ingest::Plan;
use gatelog::report::options::Options;
use gatelog::report::table::Table;
use gatelog::write::{self, Format};

/// A report file as an engine with a fault would have written it.
fn doctored(table: &Table, fault: &str) -> Table {
    let batches: Vec<RecordBatch> = table.batches().map(|batch| batch.expect("rows")).collect();
    let rows = concat_batches(&table.schema, &batches).expect("one schema");
    let last = rows.num_rows() - 1;
    let batches: Vec<RecordBatch> = match fault {
        "a row is missing" => vec![rows.slice(0, last)],
        "a row is there twice" => vec![rows.clone(), rows.slice(last, 1)],
        "two rows are exchanged" => vec![rows.slice(0, last - 1), rows.slice(last, 1), rows.slice(last - 1, 1)],
        "a row is another" => vec![rows.slice(0, last), rows.slice(0, 1)],
        "a column is missing" => {
            let rows = rows
                .project(&(0..rows.num_columns() - 1).collect::<Vec<_>>())
                .expect("fewer columns");
            return Table::new(table.name, rows.schema(), vec![rows]).expect("a table");
        }
        "nothing" => vec![rows],
        _ => unreachable!("no such fault"),
    };
    Table::new(table.name, table.schema.clone(), batches).expect("a table")
}

#[test]
fn the_oracle_finds_every_fault_planted_in_a_report() {
    let home = support::home();
    let input = support::repository().join("sample-data/gap-cut/input");
    let lake = home.path().join("lake");
    support::ingest(&support::plan(&lake, &[&input]));
    let holes = [HOLE, ("2026-02-17T03:00:00Z", "2026-02-18T15:00:00Z")];
    let silent = Form::Lines.write(&logs::with_ids(hourly(63, &holes)));
    let silent = support::write(&home.path().join("silent.ndjson"), silent);
    support::ingest(&Plan {
        environment: Some("silent".to_owned()),
        ..Plan::new(vec![silent], lake.clone())
    });
    let faults = [
        "a row is missing",
        "a row is there twice",
        "two rows are exchanged",
        "a row is another",
        "a column is missing",
        "nothing",
    ];
    let compared: Vec<Compared> = faults
        .iter()
        .map(|fault| {
            let compared = Compared::new(home.path(), fault, &lake, Options::default());
            let tables: Vec<Table> = support::tables(&lake, &Options::default())
                .iter()
                .map(|table| doctored(table, fault))
                .collect();
            let names = support::written_tables();
            write::write_all(&compared.reports, &tables, &names, &[Format::Parquet], &[]).expect("published");
            compared
        })
        .collect();
    let output = run_oracle(home.path(), &compared);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        output.status.code(),
        Some(1),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for fault in faults {
        for table in TABLES {
            let found = said.contains(&format!("DIFFERENT {fault} {table}: "));
            assert_eq!(found, fault != "nothing", "{fault}, {table}:\n{said}");
        }
    }
}
