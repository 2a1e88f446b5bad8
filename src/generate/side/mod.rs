//! The tables beside a log: all users of the organisation, and its settings, as they are when the log ends.
//!
//! Every person stands here, also those who never sign in and those who left, and SYSTEM, in whose name Dataverse
//! writes. A name is the one that annotated rows of the log give to that id. People who have left are mostly disabled;
//! half of the service accounts are application users, the others sign in without a screen (access mode 4).
//!
//! Values are the same in every form. Nothing is kept: a row follows from (seed, number), so any number of people costs
//! the memory of one.

mod print;

pub use print::write;

use super::draw::{Draw, Guid, Purpose};
use super::log::Log;
use super::people::Person;
use super::row::ORGANIZATION_NAME;
use super::windows::Scope;

/// Before the log's own, so that no two rows of an organisation share one.
const FIRST_VERSION: i64 = 1_000_000;
const DAY_S: i64 = 86_400;

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Guid(Guid),
    Text(String),
    /// With its labels for no and yes.
    Flag(bool, [&'static str; 2]),
    Choice(u8, &'static str),
    Whole(i64),
    Instant(i64),
}

impl Value {
    /// What people see in place of a code.
    pub fn label(&self) -> Option<&'static str> {
        match self {
            Value::Flag(is_set, labels) => Some(labels[usize::from(*is_set)]),
            Value::Choice(_, label) => Some(label),
            _ => None,
        }
    }
}

/// What a column holds; one that is never null in one table may be in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Guid,
    Text,
    Flag,
    Choice,
    Int,
    Long,
    Instant,
}

#[derive(Debug)]
pub struct Column {
    /// As the Web API calls it.
    pub name: &'static str,
    /// As databases and drivers do.
    pub schema_name: &'static str,
    pub kind: Kind,
}

/// The first column is the key.
#[derive(Debug)]
pub struct Table {
    pub name: &'static str,
    /// What the Web API calls all rows of the table.
    pub set: &'static str,
    pub columns: &'static [Column],
}

impl Table {
    pub fn key(&self) -> &'static str {
        self.columns[0].name
    }
}

const fn column(name: &'static str, schema_name: &'static str, kind: Kind) -> Column {
    Column {
        name,
        schema_name,
        kind,
    }
}

pub static USERS: Table = Table {
    name: "systemuser",
    set: "systemusers",
    columns: &[
        column("systemuserid", "SystemUserId", Kind::Guid),
        column("fullname", "FullName", Kind::Text),
        column("domainname", "DomainName", Kind::Text),
        column("isdisabled", "IsDisabled", Kind::Flag),
        column("accessmode", "AccessMode", Kind::Choice),
        column("applicationid", "ApplicationId", Kind::Guid),
        column("islicensed", "IsLicensed", Kind::Flag),
        column("createdon", "CreatedOn", Kind::Instant),
        column("modifiedon", "ModifiedOn", Kind::Instant),
        column("versionnumber", "VersionNumber", Kind::Long),
    ],
};

pub static ORGANIZATIONS: Table = Table {
    name: "organization",
    set: "organizations",
    columns: &[
        column("organizationid", "OrganizationId", Kind::Guid),
        column("name", "Name", Kind::Text),
        column("isauditenabled", "IsAuditEnabled", Kind::Flag),
        column("isuseraccessauditenabled", "IsUserAccessAuditEnabled", Kind::Flag),
        column("useraccessauditinginterval", "UserAccessAuditingInterval", Kind::Int),
        column("auditretentionperiodv2", "AuditRetentionPeriodV2", Kind::Int),
        column("modifiedon", "ModifiedOn", Kind::Instant),
        column("versionnumber", "VersionNumber", Kind::Long),
    ],
};

const YES: [&str; 2] = ["No", "Yes"];
const DISABLED: [&str; 2] = ["Enabled", "Disabled"];
const READ_WRITE: Value = Value::Choice(0, "Read-Write");
const ADMINISTRATIVE: Value = Value::Choice(1, "Administrative");
const NON_INTERACTIVE: Value = Value::Choice(4, "Non-interactive");
const DELEGATED_ADMIN: Value = Value::Choice(5, "Delegated Admin");

/// The rows of a side table, in order.
pub fn rows<'a>(log: &'a Log, table: &Table) -> Box<dyn Iterator<Item = Vec<Value>> + Send + 'a> {
    if table.name == ORGANIZATIONS.name {
        return Box::new(std::iter::once_with(|| organization(log)));
    }
    let people = 0..log.composer.schedule.organisation.people;
    Box::new(std::iter::once_with(|| system(log)).chain(people.map(|person| user(log, person))))
}

fn user(log: &Log, number: u32) -> Vec<Value> {
    let organisation = &log.composer.schedule.organisation;
    let person = organisation.person(number);
    let mut draw = Draw::new(organisation.seed, Purpose::User, u64::from(number), 0);
    let is_application = person.is_service && draw.chance(500);
    let (disabled, mode) = (draw.below(1000), draw.below(1000));
    let is_disabled = match person {
        Person { is_service: true, .. } => false,
        Person { has_left: true, .. } => disabled < 800,
        Person {
            is_ever_seen: false, ..
        } => disabled < 300,
        _ => false,
    };
    let access_mode = match person {
        Person { is_service: true, .. } if is_application => READ_WRITE,
        Person { is_service: true, .. } => NON_INTERACTIVE,
        Person {
            is_ever_seen: false, ..
        } if mode < 100 => DELEGATED_ADMIN,
        Person {
            is_ever_seen: false, ..
        } if mode < 250 => ADMINISTRATIVE,
        _ => READ_WRITE,
    };
    let is_licensed = !person.is_service && !is_disabled && access_mode == READ_WRITE;
    let mut name = Vec::new();
    organisation.write_name(number, &mut name);
    let domain_name = match is_application {
        true => Value::Null,
        false => Value::Text(format!("{}@contoso-sim.example", organisation.account(number))),
    };
    let application_id = match is_application {
        true => Value::Guid(draw.guid()),
        false => Value::Null,
    };
    vec![
        Value::Guid(organisation.id(number)),
        Value::Text(String::from_utf8_lossy(&name).into_owned()),
        domain_name,
        Value::Flag(is_disabled, DISABLED),
        access_mode,
        application_id,
        Value::Flag(is_licensed, YES),
        Value::Instant(created_on(log, person.first_day, &mut draw)),
        Value::Instant(log.end_unix_s()),
        Value::Whole(FIRST_VERSION + 10 + i64::from(number)),
    ]
}

/// The account in whose name Dataverse writes. Nobody can sign in with it.
fn system(log: &Log) -> Vec<Value> {
    vec![
        Value::Guid(log.composer.schedule.organisation.system_id()),
        Value::Text("SYSTEM".to_owned()),
        Value::Null,
        Value::Flag(true, DISABLED),
        READ_WRITE,
        Value::Null,
        Value::Flag(false, YES),
        Value::Instant(created_on(
            log,
            0,
            &mut Draw::new(log.plan.seed, Purpose::User, u64::MAX, 0),
        )),
        Value::Instant(log.end_unix_s()),
        Value::Whole(FIRST_VERSION),
    ]
}

fn organization(log: &Log) -> Vec<Value> {
    let planted = &log.composer.schedule.windows.planted;
    let runs = |scope| {
        !planted
            .iter()
            .any(|window| window.scope == scope && window.end_s.is_none())
    };
    vec![
        Value::Guid(log.organization_id()),
        Value::Text(ORGANIZATION_NAME.to_owned()),
        Value::Flag(runs(Scope::Organization), YES),
        Value::Flag(runs(Scope::UserAccess), YES),
        Value::Whole(4),
        // Kept for ever.
        Value::Whole(-1),
        Value::Instant(log.end_unix_s()),
        Value::Whole(FIRST_VERSION + 1),
    ]
}

/// Those who come while the log runs were made the evening before; all others within three years before it.
fn created_on(log: &Log, first_day: u32, draw: &mut Draw) -> i64 {
    let second = i64::from(draw.below(DAY_S as u32));
    let first_instant = log.start_unix_s() + i64::from(first_day) * DAY_S;
    let before = match first_day {
        0 => i64::from(draw.below(3 * 365)) * DAY_S + second,
        _ => second / 4,
    };
    (first_instant - before).max(super::bytes::FIRST_UNIX_S)
}
