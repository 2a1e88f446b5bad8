//! The tables beside the log, in the same family of form: everybody of the organisation, also those who never sign in,
//! and the organization with its settings of auditing.
//!
//! Names are those that annotated rows of the log carry, so that a log without names reads like one with them.

use super::form::{Form, escaped};
use super::schedule::Schedule;
use super::stream::create;
use super::{Plan, bytes};
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use chrono::{DateTime, Days, NaiveTime, Utc};
use parquet::arrow::ArrowWriter;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

/// How many rows of a side table are in memory at once.
const CHUNK_ROWS: usize = 10_000;

#[derive(Debug, Clone)]
enum Value {
    Null,
    Id(String),
    Text(String),
    Flag(bool),
    Number(i64),
    Choice(i64),
    On(DateTime<Utc>),
}

/// A column: as the Web API calls it, and as databases do.
type Column = (&'static str, &'static str);

/// A table of which each row is made when it is needed.
pub struct SideTable<'a> {
    pub logical_name: &'static str,
    set_name: &'static str,
    columns: &'static [Column],
    rows: u32,
    row: Box<dyn Fn(u32) -> Vec<Value> + 'a>,
}

const USER_COLUMNS: [Column; 10] = [
    ("systemuserid", "SystemUserId"),
    ("fullname", "FullName"),
    ("domainname", "DomainName"),
    ("isdisabled", "IsDisabled"),
    ("accessmode", "AccessMode"),
    ("applicationid", "ApplicationId"),
    ("islicensed", "IsLicensed"),
    ("createdon", "CreatedOn"),
    ("modifiedon", "ModifiedOn"),
    ("versionnumber", "VersionNumber"),
];

const ORGANIZATION_COLUMNS: [Column; 8] = [
    ("organizationid", "OrganizationId"),
    ("name", "Name"),
    ("isauditenabled", "IsAuditEnabled"),
    ("isuseraccessauditenabled", "IsUserAccessAuditEnabled"),
    ("useraccessauditinginterval", "UserAccessAuditingInterval"),
    ("auditretentionperiodv2", "AuditRetentionPeriodV2"),
    ("modifiedon", "ModifiedOn"),
    ("versionnumber", "VersionNumber"),
];

/// The tables of the organisation behind a log.
pub fn tables<'a>(plan: &Plan, schedule: &'a Schedule) -> [SideTable<'a>; 2] {
    let start = plan.start.and_time(NaiveTime::MIN).and_utc();
    let end = start + Days::new(u64::from(plan.days));
    let organisation = &schedule.organisation;
    // Person 0 stands for SYSTEM here; everybody else moves up by one.
    let user = move |number: u32| match number.checked_sub(1) {
        None => vec![
            Value::Id(text(|out| bytes::push_guid(out, &organisation.system_id()))),
            Value::Text("SYSTEM".to_owned()),
            Value::Null,
            Value::Flag(false),
            Value::Choice(3),
            Value::Null,
            Value::Flag(false),
            Value::On(start),
            Value::On(end),
            Value::Number(1_000),
        ],
        Some(person) => {
            let is_service = organisation.is_service(person);
            let id = text(|out| bytes::push_guid(out, &organisation.id(person)));
            // Every other service account signs in as an application.
            let application = (is_service && person.is_multiple_of(2))
                .then(|| Value::Id(id.replacen(|c: char| c.is_ascii_digit(), "a", 8)));
            vec![
                Value::Id(id),
                Value::Text(text(|out| organisation.write_name(person, out))),
                Value::Text(format!("user{person}@contoso-sim.example")),
                Value::Flag(organisation.has_left(person)),
                Value::Choice(if is_service { 4 } else { 0 }),
                application.unwrap_or(Value::Null),
                Value::Flag(!is_service),
                Value::On(start),
                Value::On(end),
                Value::Number(1_001 + i64::from(person)),
            ]
        }
    };
    let settings = move |_| {
        vec![
            Value::Id(text(|out| bytes::push_guid(out, &organisation.organization_id()))),
            Value::Text("contoso-sim".to_owned()),
            Value::Flag(true),
            Value::Flag(true),
            Value::Number(4),
            Value::Number(-1),
            Value::On(end),
            Value::Number(999),
        ]
    };
    [
        SideTable {
            logical_name: "systemuser",
            set_name: "systemusers",
            columns: &USER_COLUMNS,
            rows: organisation.people + 1,
            row: Box::new(user),
        },
        SideTable {
            logical_name: "organization",
            set_name: "organizations",
            columns: &ORGANIZATION_COLUMNS,
            rows: 1,
            row: Box::new(settings),
        },
    ]
}

fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut text = Vec::new();
    write(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

impl SideTable<'_> {
    /// Columns of the table in a container, with their types.
    pub fn columns_of_synapse(&self) -> Vec<(&'static str, &'static str)> {
        let kind = |value: &Value| match value {
            Value::Id(_) | Value::Null => "guid",
            Value::Text(_) => "string",
            Value::Flag(_) => "boolean",
            Value::Number(_) | Value::Choice(_) => "int64",
            Value::On(_) => "dateTime",
        };
        let sample = (self.row)(0);
        let mut columns = vec![
            ("Id", "guid"),
            ("SinkCreatedOn", "dateTime"),
            ("SinkModifiedOn", "dateTime"),
        ];
        columns.extend(
            self.columns
                .iter()
                .zip(&sample)
                .map(|((name, _), value)| (*name, kind(value))),
        );
        columns.push(("IsDelete", "boolean"));
        columns
    }

    /// Writes the table as one file: `systemusers.json` and the like, or a partition of a container.
    pub fn write(&self, form: Form, host: &str, dir: &Path) -> io::Result<()> {
        if form == Form::Parquet {
            return self.write_parquet(&dir.join(format!("{}.parquet", self.set_name)));
        }
        let path = match form {
            Form::Synapse => dir.join(self.logical_name).join("1.csv"),
            _ => dir.join(format!("{}.{}", self.set_name, form.extension())),
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut out = BufWriter::new(create(&path)?);
        out.write_all(self.start(form, host).as_bytes())?;
        for number in 0..self.rows {
            let row = (self.row)(number);
            out.write_all(self.line(form, &row, number + 1 == self.rows).as_bytes())?;
        }
        out.write_all(match form {
            Form::ODataPages => b"]}\n",
            Form::Array => b"]\n",
            Form::Soap => b"</b:Entities></EntityCollection>\n",
            Form::Fetch => b"</resultset>\n",
            _ => b"",
        })?;
        out.flush()
    }

    fn start(&self, form: Form, host: &str) -> String {
        let header =
            |pick: fn(&Column) -> &'static str| self.columns.iter().map(pick).collect::<Vec<_>>().join(",") + "\n";
        match form {
            Form::ODataPages => format!(
                "{{\"@odata.context\":\"https://{host}/api/data/v9.2/$metadata#{}\",\"value\":[\n",
                self.set_name
            ),
            Form::Array => "[\n".to_owned(),
            Form::Csv => header(|column| column.0),
            Form::Sql | Form::CData => header(|column| column.1),
            Form::Soap => "<EntityCollection xmlns:b=\"http://schemas.microsoft.com/xrm/2011/Contracts\" \
                           xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\" \
                           xmlns:c=\"http://schemas.datacontract.org/2004/07/System.Collections.Generic\"><b:Entities>\n"
                .to_owned(),
            Form::Fetch => "<resultset morerecords=\"0\">\n".to_owned(),
            Form::Ndjson | Form::Synapse | Form::Parquet => String::new(),
        }
    }

    fn line(&self, form: Form, row: &[Value], is_last: bool) -> String {
        let named = || self.columns.iter().map(|column| column.0).zip(row);
        match form {
            Form::ODataPages | Form::Array | Form::Ndjson | Form::Parquet => {
                let members: Vec<String> = named()
                    .map(|(name, value)| format!("\"{name}\":{}", value.json()))
                    .collect();
                let comma = if is_last || form == Form::Ndjson { "" } else { "," };
                format!("{{{}}}{comma}\n", members.join(","))
            }
            Form::Csv => cells(row.iter().map(Value::csv)),
            Form::Sql | Form::CData => cells(row.iter().map(Value::sql)),
            Form::Synapse => {
                let own = [
                    row[0].csv(),
                    "\"1/1/2026 0:00:00 AM\"".to_owned(),
                    "\"1/1/2026 0:00:00 AM\"".to_owned(),
                ];
                cells(own.into_iter().chain(row.iter().map(Value::csv)).chain([String::new()]))
            }
            Form::Soap => {
                let pairs = named().filter_map(|(name, value)| value.soap().map(|value| soap_pair(name, &value)));
                let name = self.logical_name;
                format!(
                    "<b:Entity><b:Attributes>{}</b:Attributes><b:LogicalName>{name}</b:LogicalName></b:Entity>\n",
                    pairs.collect::<String>()
                )
            }
            Form::Fetch => {
                let columns = named().filter(|(_, value)| !matches!(value, Value::Null));
                let columns = columns.map(|(name, value)| format!("<{name}>{}</{name}>", escaped(&value.plain())));
                format!("<result>{}</result>\n", columns.collect::<String>())
            }
        }
    }

    fn write_parquet(&self, path: &Path) -> io::Result<()> {
        let mut writer: Option<ArrowWriter<std::fs::File>> = None;
        let numbers: Vec<u32> = (0..self.rows).collect();
        for chunk in numbers.chunks(CHUNK_ROWS) {
            let rows: Vec<Vec<Value>> = chunk.iter().map(|number| (self.row)(*number)).collect();
            let column = |place: usize| -> ArrayRef {
                let value = |row: &Vec<Value>| (!matches!(row[place], Value::Null)).then(|| row[place].plain());
                Arc::new(rows.iter().map(value).collect::<StringArray>())
            };
            let columns = self
                .columns
                .iter()
                .enumerate()
                .map(|(place, (name, _))| (*name, column(place), true));
            let batch = RecordBatch::try_from_iter_with_nullable(columns).map_err(io::Error::other)?;
            let writer = match &mut writer {
                Some(writer) => writer,
                None => writer.insert(ArrowWriter::try_new(create(path)?, batch.schema(), None)?),
            };
            writer.write(&batch)?;
        }
        match writer {
            Some(writer) => writer.close().map(drop).map_err(io::Error::from),
            None => Ok(()),
        }
    }
}

fn cells(cells: impl Iterator<Item = String>) -> String {
    cells.collect::<Vec<_>>().join(",") + "\n"
}

fn soap_pair(name: &str, value: &str) -> String {
    format!("<b:KeyValuePairOfstringanyType><c:key>{name}</c:key>{value}</b:KeyValuePairOfstringanyType>")
}

impl Value {
    /// The value as a text that needs no quotes but where it is one.
    fn plain(&self) -> String {
        match self {
            Value::Null => String::new(),
            Value::Id(text) | Value::Text(text) => text.clone(),
            Value::Flag(flag) => flag.to_string(),
            Value::Number(number) | Value::Choice(number) => number.to_string(),
            Value::On(on) => on.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        }
    }

    fn json(&self) -> String {
        match self {
            Value::Null => "null".to_owned(),
            Value::Id(_) | Value::Text(_) | Value::On(_) => format!("\"{}\"", self.plain()),
            _ => self.plain(),
        }
    }

    fn csv(&self) -> String {
        match self {
            Value::Flag(flag) => if *flag { "True" } else { "False" }.to_owned(),
            Value::Text(text) => format!("\"{text}\""),
            _ => self.plain(),
        }
    }

    fn sql(&self) -> String {
        match self {
            Value::Null => "NULL".to_owned(),
            Value::Id(id) => id.to_uppercase(),
            Value::Flag(flag) => u8::from(*flag).to_string(),
            Value::On(on) => on.format("%Y-%m-%d %H:%M:%S.000").to_string(),
            _ => self.csv(),
        }
    }

    fn soap(&self) -> Option<String> {
        let of_type = |kind: &str| format!("<c:value i:type=\"{kind}\">{}</c:value>", escaped(&self.plain()));
        match self {
            Value::Null => None,
            Value::Id(_) => Some(of_type("e:guid")),
            Value::Text(_) => Some(of_type("d:string")),
            Value::Flag(_) => Some(of_type("d:boolean")),
            Value::Number(_) => Some(of_type("d:long")),
            Value::On(_) => Some(of_type("d:dateTime")),
            Value::Choice(number) => Some(format!(
                "<c:value i:type=\"b:OptionSetValue\"><b:Value>{number}</b:Value></c:value>"
            )),
        }
    }
}
