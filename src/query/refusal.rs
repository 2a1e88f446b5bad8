//! Why a statement was not answered, in one sentence with a hint. polars says it in its own words, in several lines and
//! with a plan behind; what is about names is said in ours.

use super::tables::{self, Listed};
use crate::error::Error;
use polars::error::PolarsError;
use std::any::Any;

/// How much of polars' own words is passed on.
const MAX_CHARACTERS: usize = 300;

/// What polars has to say against a statement that names these tables.
pub fn of(cause: &PolarsError, named: &[Listed]) -> Error {
    let cause = innermost(cause);
    let fact = first_sentence(&cause.to_string());
    let quoted = fact.split(['"', '\'', '`']).nth(1).unwrap_or_default();
    if matches!(
        cause,
        PolarsError::ColumnNotFound(_) | PolarsError::SchemaFieldNotFound(_)
    ) && !quoted.is_empty()
    {
        return unknown_column(quoted, named);
    }
    if fact.contains("duplicate output name") || fact.ends_with("is duplicate") {
        return Error::usage(format!("two columns of the statement are called {quoted:?}"))
            .hint("name one of them with AS");
    }
    // What follows is polars' own picture of it.
    if let Some(kind) = fact
        .strip_prefix("expression ")
        .and_then(|rest| rest.split([' ', '(']).next())
    {
        return Error::usage(format!("polars' SQL does not know {} here", kind.to_uppercase())).hint(hint(&fact));
    }
    Error::usage(format!("the statement cannot be answered: {fact}")).hint(hint(&fact))
}

fn innermost(cause: &PolarsError) -> &PolarsError {
    match cause {
        PolarsError::Context { error, .. } | PolarsError::ExprContext { error, .. } => innermost(error),
        other => other,
    }
}

fn first_sentence(text: &str) -> String {
    let line = text
        .lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default()
        .trim();
    match line.char_indices().nth(MAX_CHARACTERS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.trim_end_matches([':', '.']).to_owned(),
    }
}

fn unknown_column(name: &str, named: &[Listed]) -> Error {
    let fields = named.iter().flat_map(|listed| listed.columns.fields());
    let known: Vec<&str> = fields.map(|field| field.name().as_str()).collect();
    if known.contains(&name) {
        return Error::usage(format!("column {name:?} is not there where the statement names it"))
            .hint("after GROUP BY, and of a subquery, only the columns are left that it selects");
    }
    let see = match named {
        [only] => format!("`gatelog schema {}` lists its columns", only.name),
        _ => "`gatelog schema TABLE` lists the columns of a table".to_owned(),
    };
    let hint = match tables::nearest(name, &known) {
        Some(near) => format!("did you mean {near}? {see}"),
        None => format!("{see}; a text stands in single quotes"),
    };
    Error::usage(format!("there is no column {name:?} in what the statement reads")).hint(hint)
}

fn hint(fact: &str) -> &'static str {
    let hints = [
        (
            "unsupported function",
            "the functions are those of polars' SQL: docs.pola.rs, SQL interface, functions",
        ),
        ("recursive", "write it without WITH RECURSIVE"),
        ("subquer", "join the other table, or ask with IN (SELECT …)"),
        ("Decimal", "use DOUBLE"),
        ("ambiguous", "write the table's name or alias before it"),
        (
            "date/datetime/time",
            "a time is written like '2026-03-01', '2026-03-01 08:00:00' or TIMESTAMP '2026-03-01 08:00:00'",
        ),
    ];
    let found = hints.into_iter().find(|(word, _)| fact.contains(word));
    found.map_or("`gatelog schema TABLE` lists columns and types", |(_, hint)| hint)
}

/// What to say of a panic within polars.
pub fn panicked(panic: &Box<dyn Any + Send>) -> Error {
    let said = panic.downcast_ref::<String>().map(String::as_str);
    let said = said
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("it did not say why");
    Error::failed(format!(
        "polars, which computes the statement, broke off: {}",
        first_sentence(said)
    ))
    .hint("write the statement in another way; the lake was only read")
}
