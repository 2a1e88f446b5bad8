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

/// The names of the tables, in order.
pub const NAMES: [&str; 5] = ["dim_date", "dim_user", "dim_client", "dim_action", "dim_environment"];

/// The tables, in the order of their names.
pub fn tables(lake: &Lake, options: &Options) -> Result<Vec<Table>> {
    let (names, side) = (lake.names()?, lake.side()?);
    let asked = |environment: &&String| options.environment.as_ref().is_none_or(|asked| asked == *environment);
    let environments = status::environments(lake, &side);
    let facts: Vec<Facts> = environments
        .iter()
        .filter(asked)
        .map(|environment| Facts::of(lake, environment, &names, &side, options))
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
