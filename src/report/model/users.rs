//! `dim_user`: everybody a report may name: every actor of the log, and every user whose export is known.

use super::super::facts::Facts;
use super::super::table::Table;
use super::super::users::kind;
use crate::columns;
use crate::error::Result;
use crate::lake::Lake;
use crate::lake::side::{Side, User};
use crate::record::NAME_ONLY;
use arrow::array::{ArrayRef, BooleanArray, Int32Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

pub(super) static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        columns::required("environment", DataType::Utf8, columns::ENVIRONMENT),
        columns::required(
            "actor_id",
            DataType::Utf8,
            "Key with `environment`: the same id in two environments is two people.",
        ),
        columns::optional(
            "actor_name",
            DataType::Utf8,
            "The newest name of the person seen in any export.",
        ),
        columns::required(
            "kind",
            DataType::Utf8,
            "`disabled`, `application`, `non_interactive` or `person`; `unknown` without a `systemuser` export.",
        ),
        columns::required(
            "is_known_by_name_only",
            DataType::Boolean,
            "Whether only a display name is known, so that two people of one name are one here.",
        ),
        columns::optional(
            "is_disabled",
            DataType::Boolean,
            "Whether the user was disabled at the newest export; null without one.",
        ),
        columns::optional(
            "is_deleted",
            DataType::Boolean,
            "Whether the user had been deleted in the source; null without an export.",
        ),
        columns::optional(
            "is_licensed",
            DataType::Boolean,
            "Whether the user had a licence at the newest export; null if that is not known.",
        ),
        columns::optional(
            "access_mode",
            DataType::Int32,
            "Dataverse's access mode: 0 is read-write, 4 non-interactive; null without an export.",
        ),
        columns::optional(
            "application_id",
            DataType::Utf8,
            "The application of an application user; else null.",
        ),
        columns::optional(
            "domain_name",
            DataType::Utf8,
            "The user's sign-in name; null without an export.",
        ),
        columns::optional(
            "exported_on",
            columns::timestamp(),
            "When that state was exported; null without an export.",
        ),
    ]))
});

/// The table, in order of environment and id.
pub fn table(lake: &Lake, facts: &[Facts], side: &Side) -> Result<Table> {
    let rows = facts.iter().map(|facts| {
        let mut users: BTreeMap<String, Option<&User>> = BTreeMap::new();
        users.extend(lake.actors(&facts.environment)?.into_iter().map(|id| (id, None)));
        let known = side.users.iter().filter(|((of, _), _)| *of == facts.environment);
        users.extend(known.map(|((_, id), user)| (id.clone(), Some(user))));
        to_batch(facts, &users)
    });
    Ok(Table::new("dim_user", SCHEMA.clone(), rows.collect::<Result<_>>()?)?)
}

fn to_batch(facts: &Facts, users: &BTreeMap<String, Option<&User>>) -> Result<RecordBatch> {
    let text = |of: &dyn for<'u> Fn(&'u User) -> Option<&'u str>| -> ArrayRef {
        Arc::new(users.values().map(|user| of((*user)?)).collect::<StringArray>())
    };
    let flag = |of: fn(&User) -> Option<bool>| -> ArrayRef {
        Arc::new(users.values().map(|user| of((*user)?)).collect::<BooleanArray>())
    };
    let names: StringArray = facts.persons.names_of(users.keys().map(String::as_str)).collect();
    let by_name: BooleanArray = users.keys().map(|id| Some(id.starts_with(NAME_ONLY))).collect();
    let modes: Int32Array = users.values().map(|user| (*user)?.access_mode).collect();
    let exported_on = users.values().map(|user| Some((*user)?.exported_on));
    let exported_on: TimestampMicrosecondArray = exported_on.collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(users.keys().map(|_| &facts.environment))),
        Arc::new(StringArray::from_iter_values(users.keys())),
        Arc::new(names),
        Arc::new(StringArray::from_iter_values(
            users.values().map(|user| kind(user.map(User::account))),
        )),
        Arc::new(by_name),
        flag(|user| user.is_disabled),
        flag(|user| Some(user.deleted_in_source)),
        flag(|user| user.is_licensed),
        Arc::new(modes),
        text(&|user| user.application_id.as_deref()),
        text(&|user| user.domain_name.as_deref()),
        Arc::new(exported_on.with_timezone("UTC")),
    ];
    Ok(RecordBatch::try_new(SCHEMA.clone(), columns)?)
}
