//! Reads what was written back, with other people's readers: every form becomes tables of the same columns and spellings.

use super::*;
use chrono::{DateTime, NaiveDateTime};
use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Column → text. Null is no column.
pub type Record = BTreeMap<String, String>;

/// The log and its side tables, by their names in the singular.
pub type Tables = BTreeMap<&'static str, Vec<Record>>;

/// Generates into a new folder and reads all of it.
pub fn written(plan: &Plan, form: Form) -> (Tables, Summary) {
    let home = tempfile::tempdir().expect("a folder");
    let summary = generate(plan, form, home.path()).expect("a log");
    (read(form, home.path()), summary)
}

/// Path below the folder → bytes.
pub fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = walkdir::WalkDir::new(dir)
        .into_iter()
        .map(|entry| entry.expect("an entry"));
    entries
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let path = entry.path().strip_prefix(dir).expect("below").to_owned();
            (path, fs::read(entry.path()).expect("a file"))
        })
        .collect()
}

pub fn read(form: Form, dir: &Path) -> Tables {
    let files = files(dir);
    let model = files.iter().find(|(path, _)| path.ends_with("model.json"));
    let model: Json = model.map_or(Json::Null, |(_, bytes)| serde_json::from_slice(bytes).expect("JSON"));
    let mut tables = Tables::new();
    for (path, bytes) in &files {
        let path = path.to_str().expect("text");
        let named = |name: &&str| path.contains(name);
        let Some(table) = ["systemuser", "organization", "audit"].into_iter().find(named) else {
            assert!(path.ends_with("model.json"), "{path}");
            continue;
        };
        let rows = match path.rsplit_once('.').map(|(_, ending)| ending) {
            Some("parquet") => parquet_rows(&dir.join(path)),
            Some("xml") => xml_rows(bytes),
            Some("csv") if form == Form::Synapse => csv_rows(bytes, Some(columns(&model, table))),
            Some("csv") => csv_rows(bytes, None),
            _ => json_rows(bytes),
        };
        tables.entry(table).or_default().extend(rows);
    }
    tables
}

fn columns(model: &Json, table: &str) -> Vec<String> {
    let entities = model["entities"].as_array().expect("entities");
    let entity = entities
        .iter()
        .find(|entity| entity["name"] == table)
        .expect("declared");
    let names = entity["attributes"].as_array().expect("attributes").iter();
    names
        .map(|attribute| attribute["name"].as_str().expect("text").to_owned())
        .collect()
}

/// Adds a value under the column's Web API name, spelled as there.
fn add(record: &mut Record, column: &str, text: &str) {
    let name = column.to_ascii_lowercase();
    let name = name
        .strip_prefix('_')
        .and_then(|name| name.strip_suffix("_value"))
        .unwrap_or(&name);
    let name = name.strip_suffix("_id").unwrap_or(name).replace("_name", "name");
    let text = match name.as_str() {
        "objecttypecode" => table_of(text),
        name if name.starts_with("is") => match text.to_ascii_lowercase().as_str() {
            "1" => "true".to_owned(),
            "0" => "false".to_owned(),
            word => word.to_owned(),
        },
        name if name.ends_with("on") && text.contains(':') => instant(text),
        name if name.ends_with("id") => text.trim_matches(['{', '}']).to_ascii_lowercase(),
        _ => text.to_owned(),
    };
    if !text.is_empty() && text != "NULL" && text != "null" {
        record.insert(name, text);
    }
}

fn table_of(code: &str) -> String {
    let known = [
        ("8", "systemuser"),
        ("1019", "organization"),
        ("9800", "entity"),
        ("9808", "attribute"),
    ];
    let own = tables::TABLES.iter().map(|table| (table.code.to_string(), table.name));
    let mut codes = known.map(|(code, name)| (code.to_owned(), name)).into_iter().chain(own);
    codes
        .find(|(known, _)| known == code)
        .map_or(code, |(_, name)| name)
        .to_owned()
}

fn instant(text: &str) -> String {
    let zoned = DateTime::parse_from_rfc3339(text).map(|at| at.naive_utc());
    let plain = || NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f");
    let sink = || NaiveDateTime::parse_from_str(text, "%m/%d/%Y %I:%M:%S %p");
    let at = zoned
        .or_else(|_| plain())
        .or_else(|_| sink())
        .unwrap_or_else(|_| panic!("{text} is no time"));
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A page, a list, or an object a line.
fn json_rows(bytes: &[u8]) -> Vec<Record> {
    let documents = serde_json::Deserializer::from_slice(bytes).into_iter::<Json>();
    let rows = documents.flat_map(|document| match document.expect("JSON") {
        Json::Array(rows) => rows,
        Json::Object(mut page) if page.contains_key("value") => match page.remove("value") {
            Some(Json::Array(rows)) => rows,
            other => panic!("{other:?} is no list"),
        },
        row => vec![row],
    });
    rows.map(|row| json_row(&row)).collect()
}

fn json_row(row: &Json) -> Record {
    let mut record = Record::new();
    for (key, value) in row.as_object().expect("an object") {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match key.split_once("@OData.Community.Display.V1.FormattedValue") {
            Some((column, "")) if column.starts_with('_') => {
                add(&mut record, &format!("{}name", &column[1..column.len() - 6]), &text)
            }
            None if !key.contains('@') => add(&mut record, key, &text),
            _ => {}
        }
    }
    record
}

/// Headed unless the columns are given.
fn csv_rows(bytes: &[u8], columns: Option<Vec<String>>) -> Vec<Record> {
    let mut reader = ::csv::ReaderBuilder::new()
        .has_headers(columns.is_none())
        .from_reader(bytes);
    let header = || reader.headers().expect("a header").iter().map(str::to_owned).collect();
    let columns: Vec<String> = columns.unwrap_or_else(header);
    let rows = reader.records().map(|row| row.expect("as many fields as columns"));
    rows.map(|row| {
        assert_eq!(row.len(), columns.len());
        let mut record = Record::new();
        columns
            .iter()
            .zip(&row)
            .for_each(|(column, text)| add(&mut record, column, text));
        record
    })
    .collect()
}

fn parquet_rows(path: &Path) -> Vec<Record> {
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::{DataType, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType};
    let file = fs::File::open(path).expect("a file");
    let reader = ::parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(file, 1000).expect("Parquet");
    let mut records = Vec::new();
    for batch in reader {
        let batch = batch.expect("rows");
        for row in 0..batch.num_rows() {
            let mut record = Record::new();
            for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
                let text = match field.data_type() {
                    _ if column.is_null(row) => continue,
                    DataType::Utf8 => column.as_string::<i32>().value(row).to_owned(),
                    DataType::Boolean => column.as_boolean().value(row).to_string(),
                    DataType::Int32 => column.as_primitive::<Int32Type>().value(row).to_string(),
                    DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
                    DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if &**zone == "UTC" => {
                        let micros = column.as_primitive::<TimestampMicrosecondType>().value(row);
                        DateTime::from_timestamp_micros(micros).expect("in range").to_rfc3339()
                    }
                    other => panic!("{other} is no type we write"),
                };
                add(&mut record, field.name(), &text);
            }
            records.push(record);
        }
    }
    records
}

#[derive(Debug, Default)]
struct Element {
    /// Without its prefix.
    name: String,
    attributes: BTreeMap<String, String>,
    text: String,
    inner: Vec<Element>,
}

impl Element {
    fn new(tag: &BytesStart) -> Element {
        let attributes = tag.attributes().map(|attribute| {
            let attribute = attribute.expect("an attribute");
            let text = attribute.normalized_value(XmlVersion::Implicit1_0).expect("text");
            (attribute.key.local_name().as_ref().to_owned(), text.into_owned())
        });
        Element {
            name: tag.local_name().as_ref().to_owned(),
            attributes: attributes.collect(),
            ..Element::default()
        }
    }

    fn child(&self, name: &str) -> Option<&Element> {
        self.inner.iter().find(|inner| inner.name == name)
    }

    /// All elements of this name below this one.
    fn all(&self, name: &str) -> Vec<&Element> {
        let own = self.inner.iter().filter(|inner| inner.name == name);
        own.chain(self.inner.iter().flat_map(|inner| inner.all(name))).collect()
    }
}

/// Parses one whole document; its root stands in an element without a name.
fn document(bytes: &[u8]) -> Element {
    let mut reader = quick_xml::Reader::from_reader(bytes);
    let mut open = vec![Element::default()];
    loop {
        let event = reader.read_event().expect("XML");
        let last = open.last_mut().expect("the document");
        match event {
            Event::Start(tag) => open.push(Element::new(&tag)),
            Event::Empty(tag) => last.inner.push(Element::new(&tag)),
            Event::End(_) => {
                let done = open.pop().expect("an element");
                open.last_mut().expect("a parent").inner.push(done);
            }
            Event::Text(text) => last.text.push_str(&text.xml10_content()),
            Event::GeneralRef(name) => last
                .text
                .push_str(resolve_predefined_entity(&name).expect("predefined")),
            Event::Decl(_) => {}
            Event::Eof => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(open.len(), 1, "every element is closed");
    let document = open.remove(0);
    assert_eq!(document.inner.len(), 1, "one root");
    document
}

/// `morerecords` of the one kind and `MoreRecords` of the other.
pub fn has_more(bytes: &[u8]) -> bool {
    let document = document(bytes);
    let root = &document.inner[0];
    match root.all("MoreRecords").first() {
        Some(more) => more.text == "true",
        None => root.attributes["morerecords"] == "1",
    }
}

fn xml_rows(bytes: &[u8]) -> Vec<Record> {
    let document = document(bytes);
    let results = document.all("result").into_iter().map(fetched);
    let entities = document.all("Entity").into_iter().map(entity);
    results.chain(entities).collect()
}

fn fetched(result: &Element) -> Record {
    let mut record = Record::new();
    for value in &result.inner {
        add(&mut record, &value.name, &value.text);
        if let (Some(name), Some(_)) = (value.attributes.get("name"), value.attributes.get("type")) {
            add(&mut record, &format!("{}name", value.name), name);
        }
    }
    record
}

fn entity(entity: &Element) -> Record {
    let mut record = Record::new();
    for pair in &entity.child("Attributes").expect("attributes").inner {
        let key = &pair.child("key").expect("a key").text;
        let value = pair.child("value").expect("a value");
        assert!(value.attributes.contains_key("type"), "{value:?}");
        let inner = value.child("Value").or(value.child("Id")).unwrap_or(value);
        add(&mut record, key, &inner.text);
        if let Some(name) = value.child("Name") {
            add(&mut record, &format!("{key}name"), &name.text);
        }
    }
    let table = &entity.child("LogicalName").expect("a table").text;
    let id = &entity.child("Id").expect("an id").text;
    assert_eq!(record[&format!("{table}id")], *id);
    record
}
