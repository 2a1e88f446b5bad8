//! `dim_client`: the doors through which people come, in plain language. It stands in no lake: the doors are few, and
//! their meaning is that of the two access actions.

use super::super::table::Table;
use crate::columns;
use crate::error::Result;
use crate::record::{ACTION_WEB, ACTION_WEB_SERVICES};
use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use std::sync::{Arc, LazyLock};

pub(super) static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        columns::required(
            "client",
            DataType::Utf8,
            "The key, as in `sessions`, `clients` and `activity`.",
        ),
        columns::required("client_name", DataType::Utf8, "The client for people."),
        columns::optional(
            "action",
            DataType::Int32,
            "The action of accesses by this client; null for `mixed`, which has both.",
        ),
        columns::required(
            "description",
            DataType::Utf8,
            "What the client stands for, in plain language.",
        ),
    ]))
});

/// Client, its name, action, description.
type Client = (&'static str, &'static str, Option<i32>, &'static str);

/// Source: the user access events of the auditing documentation of Dataverse.
const CLIENTS: [Client; 3] = [
    (
        "web",
        "Web",
        Some(ACTION_WEB),
        "The web application: a model-driven app in a browser, or Dynamics 365 for Outlook.",
    ),
    (
        "web_services",
        "Web services",
        Some(ACTION_WEB_SERVICES),
        "A program that calls web services: any client but a model-driven app, such as an integration. Whether a mobile \
         app counts here is documented both ways.",
    ),
    (
        "mixed",
        "Web and web services",
        None,
        "Both within one session; only sessions have it.",
    ),
];

pub fn table() -> Result<Table> {
    let text = |of: fn(&Client) -> &'static str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(CLIENTS.iter().map(of)))
    };
    let columns: Vec<ArrayRef> = vec![
        text(|row| row.0),
        text(|row| row.1),
        Arc::new(CLIENTS.iter().map(|row| row.2).collect::<Int32Array>()),
        text(|row| row.3),
    ];
    let rows = RecordBatch::try_new(SCHEMA.clone(), columns)?;
    Ok(Table::new("dim_client", SCHEMA.clone(), vec![rows])?)
}
