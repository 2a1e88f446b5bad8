//! A container of Azure Synapse Link: `dataverse-<env>-<organization>/` with `model.json` and a folder per table.

use super::form::COLUMNS_OF_SYNAPSE;
use super::stream::create;
use serde_json::{Value, json};
use std::io;
use std::path::{Path, PathBuf};

/// The container's folder for an environment's host.
pub fn folder(host: &str, out: &Path) -> PathBuf {
    let environment = host.split('.').next().unwrap_or(host);
    out.join(format!("dataverse-{environment}-unqsim"))
}

/// A table of the model: its name, its columns with their types, its partitions.
pub type Table = (&'static str, Vec<(&'static str, &'static str)>, Vec<String>);

/// The audit table, with a partition for each of these years.
pub fn audit(years: impl Iterator<Item = i32>) -> Table {
    (
        "audit",
        COLUMNS_OF_SYNAPSE.to_vec(),
        years.map(|year| format!("{year:04}")).collect(),
    )
}

/// Writes `model.json`.
pub fn write_model(folder: &Path, tables: &[Table]) -> io::Result<()> {
    let entity = |(name, columns, partitions): &Table| -> Value {
        let attribute = |(name, kind): &(&str, &str)| json!({"name": name, "dataType": kind});
        let partition = |partition: &String| json!({"name": partition, "location": format!("https://sim.example/{name}/{partition}.csv")});
        json!({
            "$type": "LocalEntity",
            "name": name,
            "annotations": [{"name": "Athena:PartitionGranularity", "value": "Year"}],
            "attributes": columns.iter().map(attribute).collect::<Vec<_>>(),
            "partitions": partitions.iter().map(partition).collect::<Vec<_>>(),
        })
    };
    let entities: Vec<Value> = tables.iter().map(entity).collect();
    let model = json!({"name": "cdm", "version": "1.0", "entities": entities});
    serde_json::to_writer_pretty(create(&folder.join("model.json"))?, &model).map_err(io::Error::from)
}
