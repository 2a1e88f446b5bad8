//! The `activity` report: the week's rhythm, accesses and people by weekday and hour of the local clock (contract:
//! design §4).
//!
//! It is counted over the whole log: a weekday and hour is no stretch of time that `--from` and `--to` could choose, and
//! to count other accesses would change values. A cell without accesses has no row.

use super::bits::Bits;
use super::clock::LocalDates;
use super::daily::CLIENTS;
use super::facts::Facts;
use super::table::Table;
use crate::columns;
use crate::error::Result;
use crate::lake::Accesses;
use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use chrono_tz::Tz;
use std::sync::{Arc, LazyLock};

pub static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        columns::required("environment", DataType::Utf8, columns::ENVIRONMENT),
        columns::required("weekday", DataType::Int32, "1 is Monday, 7 is Sunday, in `--tz`."),
        columns::required("hour", DataType::Int32, "The hour of the day in `--tz`, 0 to 23."),
        columns::required(
            "client",
            DataType::Utf8,
            "`web` (action 64) or `web_services` (action 65).",
        ),
        columns::required(
            "accesses",
            DataType::Int64,
            "Logged accesses in that hour of the week, over the whole log.",
        ),
        columns::required(
            "actors",
            DataType::Int64,
            "Different actors with an access in that hour of the week.",
        ),
    ]))
});

const HOURS_A_WEEK: usize = 7 * 24;

/// An hour of the week by a client; the order of cells is that of rows.
const CELLS: usize = HOURS_A_WEEK * CLIENTS.len();

/// 1970-01-01 was a Thursday, three days after a Monday.
const FIRST_HOUR: i64 = 3 * 24;

#[derive(Clone)]
pub struct Rhythm {
    dates: LocalDates,
    accesses: [i64; CELLS],
    /// Who was seen, for each cell.
    seen: Vec<Bits>,
}

impl Rhythm {
    pub fn new(actor_count: usize, tz: Tz) -> Rhythm {
        Rhythm {
            dates: LocalDates::new(tz),
            accesses: [0; CELLS],
            seen: vec![Bits::new(actor_count); CELLS],
        }
    }

    pub fn take(&mut self, mut accesses: Accesses<'_>) {
        while let Some(&on) = accesses.created_on.first() {
            let hour = (self.dates.hour(on) + FIRST_HOUR).rem_euclid(HOURS_A_WEEK as i64) as usize;
            let (run, later) = accesses.split_at(self.dates.run(accesses.created_on));
            for (&actor, &by) in run.actor.iter().zip(run.by) {
                let cell = hour * CLIENTS.len() + by as usize;
                self.accesses[cell] += 1;
                self.seen[cell].insert(actor);
            }
            accesses = later;
        }
    }

    /// What was counted of all, `later` of other accesses.
    pub fn then(mut self, later: Rhythm) -> Rhythm {
        for cell in 0..CELLS {
            self.accesses[cell] += later.accesses[cell];
            self.seen[cell].unite(&later.seen[cell]);
        }
        self
    }

    /// The rows of one environment.
    pub fn rows(&self, facts: &Facts) -> Result<RecordBatch> {
        let cells: Vec<usize> = (0..CELLS).filter(|cell| self.accesses[*cell] > 0).collect();
        let hour = |cell: &usize| (cell / CLIENTS.len()) as i32;
        let small = |of: &dyn Fn(&usize) -> i32| -> ArrayRef { Arc::new(cells.iter().map(of).collect::<Int32Array>()) };
        let number =
            |of: &dyn Fn(&usize) -> i64| -> ArrayRef { Arc::new(cells.iter().map(of).collect::<Int64Array>()) };
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(cells.iter().map(|_| &facts.environment))),
            small(&|cell| hour(cell) / 24 + 1),
            small(&|cell| hour(cell) % 24),
            Arc::new(StringArray::from_iter_values(
                cells.iter().map(|cell| CLIENTS[cell % CLIENTS.len()]),
            )),
            number(&|cell| self.accesses[*cell]),
            number(&|cell| self.seen[*cell].len() as i64),
        ];
        Ok(RecordBatch::try_new(SCHEMA.clone(), columns)?)
    }
}

/// The table of batches, one per environment.
pub fn table(batches: Vec<RecordBatch>) -> Result<Table> {
    Ok(Table::new("activity", SCHEMA.clone(), batches)?)
}
