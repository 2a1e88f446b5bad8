//! The tables beside the reports that make a model for BI of them: what their keys mean (contract: design §4 *Output*).
//!
//! | table | key | joins |
//! |---|---|---|
//! | `dim_date` | `date` | every date of a report |
//! | `dim_user` | `environment`, `actor_id` | every id of a person: `actor_id`, `user_id`, `stopped_by_id`, `started_by_id` |
//! | `dim_client` | `client` | `client` |
//! | `dim_action` | `action` | `action` |
//! | `dim_environment` | `environment` | `environment` |
//!
//! No row of a report is without its row here. The reverse does not hold: a dimension also has what no report met, such
//! as the days of a whole year and users who never came.

mod actions;
mod clients;
mod dates;
mod environments;
mod users;

use super::facts::Facts;
use super::options::Options;
use super::status;
use super::table::Table;
use crate::error::Result;
use crate::lake::Lake;
use arrow::datatypes::SchemaRef;

/// A table of the model: its name, what a row of it stands for, and its columns with their meanings.
pub struct Dimension {
    pub name: &'static str,
    pub meaning: &'static str,
    pub schema: SchemaRef,
}

/// The tables, in order.
pub fn dimensions() -> [Dimension; 5] {
    let dimension = |name, meaning, schema: &SchemaRef| Dimension {
        name,
        meaning,
        schema: schema.clone(),
    };
    [
        dimension(
            "dim_date",
            "One row per day of the whole years that the reports touch.",
            &dates::SCHEMA,
        ),
        dimension(
            "dim_user",
            "One row per environment and person of the log or known user.",
            &users::SCHEMA,
        ),
        dimension("dim_client", "One row per client.", &clients::SCHEMA),
        dimension(
            "dim_action",
            "One row per documented action of an audit record.",
            &actions::SCHEMA,
        ),
        dimension("dim_environment", "One row per environment.", &environments::SCHEMA),
    ]
}

/// The names of the tables, in order.
pub fn names() -> [&'static str; 5] {
    dimensions().map(|dimension| dimension.name)
}

/// The tables' rows, in that order.
pub fn tables(lake: &Lake, options: &Options) -> Result<Vec<Table>> {
    let (newest, side) = (lake.newest(None)?, lake.side()?);
    let environments = status::environments(lake, &side);
    let facts: Vec<Facts> = environments
        .iter()
        .filter(|environment| options.asks(environment))
        .map(|environment| Facts {
            persons: newest.of(environment),
            ..Facts::of(lake, environment, &side, options)
        })
        .collect();
    let tables = [
        dates::table(&facts, options.tz)?,
        users::table(lake, &facts, &side)?,
        clients::table()?,
        actions::table()?,
        environments::table(&facts, &side, options)?,
    ];
    Ok(tables.into_iter().map(Table::as_dimension).collect())
}
