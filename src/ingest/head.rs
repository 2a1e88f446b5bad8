//! What is known of an input before its first record: its form, its table, whose rows they are.

use super::csv::Layout;
use super::synapse::Partition;
use chrono_tz::Tz;
use std::sync::Arc;

/// What the parser of an input needs to know before the first record.
#[derive(Debug, Clone)]
pub struct Head {
    pub form: Form,
    /// The input's name as given.
    pub source: Arc<str>,
    pub environment: Arc<str>,
    /// Whether `--environment` decided it, so that nothing in the input can.
    pub environment_is_given: bool,
    /// The zone of times that carry none.
    pub zone: Tz,
    /// Where the records begin, in bytes, and how many lines come before.
    pub body: (usize, u64),
    /// What people should know of this export beside its books: a sentence each.
    pub notes: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// One JSON text a line.
    Lines,
    /// OData pages, arrays, single objects.
    Pages,
    Csv(Arc<Layout>),
}

impl Form {
    pub fn name(&self) -> &'static str {
        match self {
            Form::Lines => "ndjson",
            Form::Pages => "odata-json",
            Form::Csv(layout) if layout.headless.is_some() => "synapse-csv",
            Form::Csv(_) => "csv",
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

/// The environment of an input that says none.
pub const DEFAULT_ENVIRONMENT: &str = "default";

impl Head {
    /// The head of an input of this form whose environment only the caller knows.
    pub fn new(form: Form, known: &Known, body: (usize, u64)) -> Head {
        Head {
            form,
            source: known.source.clone(),
            environment: known.environment.clone().unwrap_or_else(|| DEFAULT_ENVIRONMENT.into()),
            environment_is_given: known.environment.is_some(),
            zone: known.zone,
            body,
            notes: Vec::new(),
        }
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
    /// What its place in a container of Synapse Link says.
    pub partition: Option<Arc<Partition>>,
}
