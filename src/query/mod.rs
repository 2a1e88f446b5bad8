//! Questions in SQL: a statement → one table (design §5).
//!
//! ```text
//! SQL ──statement──▶ which tables it names ──tables──▶ only these: lake (read as needed) · reports (computed)
//!                                                                     └──polars──▶ answer ──▶ Table ──▶ write
//! ```
//!
//! polars plans and computes; gatelog says which tables there are ([`tables`]), reads no column and no row that polars
//! does not ask for ([`scan`]), and turns what polars answers into the column types that can be written ([`answer`]).
//!
//! Rows come in the order the statement asks for. Without ORDER BY, those of a single table come in its own order, and
//! those of a statement that groups, joins or combines come sorted by their columns, the first one first, null last. A
//! LIMIT without ORDER BY takes any rows.
//!
//! Not done here: nothing is changed or written, and a statement cannot read other files.

mod answer;
mod frame;
mod refusal;
mod scan;
mod statement;
pub mod tables;

pub use statement::Statement;

use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::report::options::Options;
use crate::report::table::Table;
use crate::report::{self, Scratch};
use polars::prelude::{DataFrame, LazyFrame, SortMultipleOptions, all};
use polars::sql::SQLContext;
use scan::{AuditScan, Failure};
use tables::{Listed, Source};

/// Only what is used of it takes memory.
const STACK_BYTES: usize = 256 << 20;

impl Statement {
    /// What the statement answers about a lake. Report tables are computed with `options`, which change nothing of the
    /// lake's own tables. What a report has no room for in memory goes to `scratch`.
    pub fn answer(&self, lake: &Lake, options: &Options, scratch: &Scratch) -> Result<Table> {
        if self.shows_tables {
            return tables::list();
        }
        let failure = Failure::default();
        let named = tables::named(&self.tables)?;
        let mut context = SQLContext::new();
        self.register(lake, options, scratch, &named, &failure, &mut context)?;
        let computed = on_a_deep_stack(|| self.compute(&mut context))?;
        let frame = computed.map_err(|cause| failure.take().unwrap_or_else(|| refusal::of(&cause, &named)))?;
        answer::table(frame)
    }

    fn compute(&self, context: &mut SQLContext) -> polars::error::PolarsResult<DataFrame> {
        let rows = context.execute(&self.sql)?;
        let in_order = |rows: LazyFrame| {
            let options = SortMultipleOptions::default().with_nulls_last(true);
            rows.sort_by_exprs([all().as_expr()], options)
        };
        if self.has_order {
            rows.collect()
        } else {
            in_order(rows).collect()
        }
    }

    /// Makes the tables known that the statement names, and computes the reports among them, all in one pass.
    fn register(
        &self,
        lake: &Lake,
        options: &Options,
        scratch: &Scratch,
        named: &[Listed],
        failure: &Failure,
        context: &mut SQLContext,
    ) -> Result<()> {
        let of_reports = |listed: &Listed| match listed.source {
            Source::Report(report) => Some(report),
            _ => None,
        };
        let reports: Vec<_> = named.iter().filter_map(of_reports).collect();
        let mut computed = match reports.is_empty() {
            true => Vec::new(),
            false => report::compute(lake, &reports, options, scratch)?,
        }
        .into_iter();
        for listed in named {
            let rows = match listed.source {
                Source::Lake(kinds) => AuditScan::of(lake, kinds, options.tz, failure)?,
                Source::Report(_) => {
                    let table = computed.next().ok_or_else(|| Error::failed("a report is missing"))?;
                    frame::of_batches(&table.schema, table.batches())?
                }
                Source::Dimension(place) => {
                    let table = report::model::tables(lake, options)?.swap_remove(place);
                    frame::of_batches(&table.schema, table.batches())?
                }
                Source::Side(side) => frame::of_batches(&listed.columns, side.batches(lake)?.into_iter())?,
            };
            context.register(listed.name, rows);
        }
        Ok(())
    }
}

/// polars descends into a statement as deep as it is nested, and still panics on some; that is a fault to be told, not to
/// die of.
fn on_a_deep_stack<T: Send>(compute: impl FnOnce() -> T + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, compute);
        let thread = thread.map_err(|cause| Error::failed("a thread cannot be started").caused_by(cause))?;
        thread.join().map_err(|panic| refusal::panicked(&panic))
    })
}
