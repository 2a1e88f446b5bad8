//! From when to when an input has accesses, by environment.
//!
//! Rows that the lake knew already count like new ones, so what stands here is the input's own and does not depend on
//! what was ingested before it (L9). The report `silence` tells by it which inputs end where a silence begins.

use crate::lake::ledger::AccessWindow;
use crate::lake::schema;
use crate::record::Kind;
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, TimestampMicrosecondType};

/// In the order in which environments were first seen.
#[derive(Debug, Clone, Default)]
pub struct Accesses(Vec<AccessWindow>);

impl Accesses {
    /// Staged rows of the input, in any order.
    pub fn see(&mut self, rows: &RecordBatch) {
        let on = rows.column(schema::CREATED_ON);
        let on = on.as_primitive::<TimestampMicrosecondType>().values();
        let actions = rows.column(schema::ACTION).as_primitive::<Int32Type>().values();
        let environments = rows.column(schema::ENVIRONMENT).as_string::<i32>();
        // Rows of one environment stand together.
        let mut place = 0;
        for (row, (&on, &action)) in on.iter().zip(actions).enumerate() {
            if Kind::of(action) != Kind::Access {
                continue;
            }
            let environment = environments.value(row);
            if self.0.get(place).is_none_or(|window| window.environment != environment) {
                place = self.place_of(environment, on);
            }
            let window = &mut self.0[place];
            window.first_on_us = window.first_on_us.min(on);
            window.last_on_us = window.last_on_us.max(on);
        }
    }

    fn place_of(&mut self, environment: &str, on: i64) -> usize {
        let known = self.0.iter().position(|window| window.environment == environment);
        known.unwrap_or_else(|| {
            self.0.push(AccessWindow {
                environment: environment.to_owned(),
                first_on_us: on,
                last_on_us: on,
            });
            self.0.len() - 1
        })
    }

    /// By environment, so that the order of rows does not matter.
    pub fn windows(&self) -> Vec<AccessWindow> {
        let mut windows = self.0.clone();
        windows.sort_by(|one, other| one.environment.cmp(&other.environment));
        windows
    }
}
