//! What is known of an input before its first record: its form, its table, whose rows they are.

use super::Fate;
use super::csv::Layout;
use super::fields::Field;
use super::synapse::Partition;
use super::xml;
use crate::instant::DateOrder;
use chrono_tz::Tz;
use std::sync::Arc;

/// Which table's rows an export holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    Audit,
    SystemUser,
    Organization,
}

/// What an organization row must tell one of to be of use.
const SETTINGS: [Field; 4] = [
    Field::IsAuditEnabled,
    Field::IsUserAccessAuditEnabled,
    Field::UserAccessAuditingInterval,
    Field::AuditRetentionPeriod,
];

impl Table {
    /// The table with such columns. An audit row may name users and organizations too, so what only it has decides.
    pub fn with_columns(has: impl Fn(Field) -> bool) -> Table {
        let is_audit = [Field::AuditId, Field::Action, Field::ActionLabel]
            .into_iter()
            .any(&has);
        if !is_audit && has(Field::SystemUserId) {
            Table::SystemUser
        } else if !is_audit && has(Field::OrganizationId) && SETTINGS.into_iter().any(&has) {
            Table::Organization
        } else {
            Table::Audit
        }
    }

    /// The table of a text that names such columns.
    pub fn of_text(names: impl Fn(&str) -> bool) -> Table {
        Table::with_columns(|field| match field {
            Field::AuditId => names("auditid"),
            Field::Action => names("action"),
            Field::ActionLabel => names("actionname"),
            Field::SystemUserId => names("systemuserid"),
            Field::OrganizationId => names("organizationid"),
            Field::IsAuditEnabled => names("isauditenabled"),
            Field::IsUserAccessAuditEnabled => names("isuseraccessauditenabled"),
            Field::UserAccessAuditingInterval => names("useraccessauditinginterval"),
            Field::AuditRetentionPeriod => names("auditretentionperiodv2"),
            _ => false,
        })
    }

    /// The table with this logical name.
    pub fn of(name: &str) -> Option<Table> {
        [Table::Audit, Table::SystemUser, Table::Organization]
            .into_iter()
            .find(|table| table.name() == name)
    }

    /// Its logical name.
    pub fn name(self) -> &'static str {
        match self {
            Table::Audit => "audit",
            Table::SystemUser => "systemuser",
            Table::Organization => "organization",
        }
    }
}

/// What the parser of an input needs to know before the first record.
#[derive(Debug, Clone)]
pub struct Head {
    pub form: Form,
    pub table: Table,
    /// When the input was exported, micros since 1970: which of two states of a user or organization is the newer.
    pub exported_on: i64,
    /// The input's name as given.
    pub source: Arc<str>,
    pub environment: Arc<str>,
    /// Whether `--environment` decided it, so that nothing in the input can.
    pub environment_is_given: bool,
    /// The zone of times that carry none.
    pub zone: Tz,
    /// The order of dates as people spell them; without it such dates are not understood.
    pub date_order: Option<DateOrder>,
    /// Where the records begin, in bytes, and how many lines come before.
    pub body: (usize, u64),
    /// The form of a typed input, whose text was made from it and stands in no file; `form` is then that of the text.
    pub typed: Option<&'static str>,
    /// What people should know of this export beside its books: a sentence each.
    pub notes: Vec<String>,
    /// How long a record may be.
    pub record_bytes: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// One JSON text a line.
    Lines,
    /// OData pages, arrays, single objects.
    Pages,
    Csv(Arc<Layout>),
    Xml(xml::Layout),
}

impl Form {
    pub fn name(&self) -> &'static str {
        match self {
            Form::Lines => "ndjson",
            Form::Pages => "odata-json",
            Form::Csv(layout) if layout.is_headless => "synapse-csv",
            Form::Csv(_) => "csv",
            Form::Xml(layout) => layout.name(),
        }
    }

    /// What it takes, beside the name, to read a record of this form on its own, as JSON.
    pub fn header(&self) -> Option<String> {
        match self {
            Form::Lines | Form::Pages | Form::Xml(_) => None,
            Form::Csv(layout) => Some(layout.to_json()),
        }
    }

    /// The form with this name and header.
    pub fn of(name: &str, header: Option<&str>) -> Option<Form> {
        match name {
            "ndjson" => Some(Form::Lines),
            "odata-json" => Some(Form::Pages),
            "csv" | "synapse-csv" => Some(Form::Csv(Arc::new(Layout::from_json(header?)?))),
            _ => xml::Layout::of_record(name).map(Form::Xml),
        }
    }
}

/// What an input turned out to be.
#[derive(Debug)]
pub enum Found {
    Export(Head),
    Empty,
    /// Looks like data, but gatelog cannot honestly read it: the reason and the way out.
    Refused {
        reason: String,
        hint: String,
    },
    /// Nothing gatelog knows; in a folder such files are passed over.
    Foreign,
}

/// Why something is not read, and the way out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refusal {
    pub reason: String,
    pub hint: String,
}

impl Refusal {
    pub fn new(reason: impl Into<String>, hint: impl Into<String>) -> Refusal {
        Refusal {
            reason: reason.into(),
            hint: hint.into(),
        }
    }
}

impl From<Refusal> for Fate {
    fn from(Refusal { reason, hint }: Refusal) -> Fate {
        Fate::Refused { reason, hint }
    }
}

impl From<Refusal> for Found {
    fn from(Refusal { reason, hint }: Refusal) -> Found {
        Found::Refused { reason, hint }
    }
}

/// The environment of an input that says none.
pub const DEFAULT_ENVIRONMENT: &str = "default";

impl Head {
    /// The head of an input of this form whose environment only the caller knows.
    pub fn new(form: Form, known: &Known, body: (usize, u64)) -> Head {
        Head {
            form,
            table: Table::Audit,
            exported_on: known.exported_on,
            source: known.source.clone(),
            environment: known.environment.clone().unwrap_or_else(|| DEFAULT_ENVIRONMENT.into()),
            environment_is_given: known.environment.is_some(),
            zone: known.zone,
            date_order: known.date_order,
            body,
            typed: None,
            notes: Vec::new(),
            record_bytes: known.record_bytes,
        }
    }

    /// What people call the form of the input.
    pub fn form_name(&self) -> &'static str {
        self.typed.unwrap_or(self.form.name())
    }

    /// The environment of rows under an `@odata.context`.
    pub fn environment_for(&self, context: Option<&str>) -> Arc<str> {
        match context.and_then(host_of) {
            Some(host) if !self.environment_is_given => host.to_ascii_lowercase().into(),
            _ => self.environment.clone(),
        }
    }
}

/// `contoso.crm4.dynamics.com` of `https://contoso.crm4.dynamics.com/api/data/v9.2/$metadata#audits`.
fn host_of(context: &str) -> Option<&str> {
    let (_, rest) = context.split_once("://")?;
    let host = rest.split(['/', '?', '#', ':']).next()?;
    (!host.is_empty()).then_some(host)
}

/// What the caller knows of an input.
#[derive(Debug, Clone)]
pub struct Known {
    pub source: Arc<str>,
    pub environment: Option<Arc<str>>,
    pub zone: Tz,
    pub date_order: Option<DateOrder>,
    /// Micros since 1970.
    pub exported_on: i64,
    /// How long a record may be.
    pub record_bytes: usize,
    /// What its place in a container of Synapse Link says.
    pub partition: Option<Arc<Partition>>,
}
