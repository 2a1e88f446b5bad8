//! What the row of an event says, before any file format.
//!
//! The person of an access stands in `object`; `user` is that person or, for about a third of the rows, SYSTEM. Rows of
//! one transaction share its id, others often have the zero GUID. Ids and contents follow from (seed, ordinal), so a
//! row is the same in every form and whenever it is composed.

use super::bytes::push_number;
use super::day::{Event, What};
use super::draw::{Draw, Guid, Purpose};
use super::people::{Client, SERVICE_ACCOUNT};
use super::schedule::Schedule;
use super::tables::{self, Column, TABLES, Table};
use super::windows::Target;

const FIRST_VERSION: u64 = 72_201_500;
const CREATE: u8 = 1;
const UPDATE: u8 = 2;
const DELETE: u8 = 3;
const ASSIGN: u8 = 13;
const WEB: u8 = 64;
const WEB_SERVICES: u8 = 65;
const OPERATION_UPDATE: u8 = 2;
const OPERATION_ACCESS: u8 = 4;
/// The ObjectTypeCode of `systemuser`.
pub const USER_CODE: u16 = 8;

pub const ORGANIZATION_NAME: &str = "contoso-sim";

/// A user or record that a row names.
#[derive(Debug, Clone, Default)]
pub struct Reference {
    pub id: Guid,
    pub name: Vec<u8>,
}

/// One audit row. Made once and composed anew for each event, so that its buffers are reused.
#[derive(Debug, Clone, Default)]
pub struct Row {
    pub audit_id: Guid,
    pub unix_s: i64,
    pub action: u8,
    pub operation: u8,
    pub object_type: &'static str,
    pub object_type_label: &'static str,
    /// The type as on-premises databases have it.
    pub object_type_code: u16,
    pub object: Reference,
    pub user: Reference,
    pub calling_user: Option<Reference>,
    pub version: u64,
    pub transaction_id: Guid,
    /// Empty is null, here and below.
    pub attribute_mask: Vec<u8>,
    pub change_data: Vec<u8>,
}

/// Composes the rows of a log that starts at `start_unix_s`.
#[derive(Debug)]
pub struct Composer {
    pub schedule: Schedule,
    pub start_unix_s: i64,
    /// How many records each table has.
    pub records: u32,
}

impl Composer {
    pub fn compose(&self, event: &Event, ordinal: u64, row: &mut Row) {
        let seed = self.schedule.organisation.seed;
        row.audit_id = self.audit_id(ordinal);
        let mut draw = Draw::new(seed, Purpose::Row, ordinal, 0);
        row.unix_s = self.unix_s(event);
        // Monotone with holes, since other tables draw from the same sequence.
        row.version = FIRST_VERSION + ordinal * 8 + u64::from(draw.below(8));
        row.operation = OPERATION_ACCESS;
        row.calling_user = None;
        row.transaction_id = [0; 16];
        row.attribute_mask.clear();
        row.change_data.clear();
        row.object.name.clear();
        row.user.name.clear();
        match event.what {
            What::Access(client) => self.access(event, client, &mut draw, row),
            What::Control => self.control(event, row),
            What::Change => self.change(event, &mut draw, row),
        }
    }

    pub fn unix_s(&self, event: &Event) -> i64 {
        self.start_unix_s + i64::from(event.at_s)
    }

    pub fn audit_id(&self, ordinal: u64) -> Guid {
        Draw::new(self.schedule.organisation.seed, Purpose::AuditId, ordinal, 0).guid()
    }

    fn name_user(&self, person: u32, user: &mut Reference) {
        user.id = self.schedule.organisation.id(person);
        self.schedule.organisation.write_name(person, &mut user.name);
    }

    fn name_system(&self, user: &mut Reference) {
        user.id = self.schedule.organisation.system_id();
        user.name.extend_from_slice(b"SYSTEM");
    }

    fn service_account(&self) -> Option<Reference> {
        let mut caller = Reference::default();
        self.name_user(SERVICE_ACCOUNT, &mut caller);
        Some(caller)
    }

    fn access(&self, event: &Event, client: Client, draw: &mut Draw, row: &mut Row) {
        row.action = match client {
            Client::Web => WEB,
            Client::WebServices => WEB_SERVICES,
        };
        (row.object_type, row.object_type_label, row.object_type_code) = ("systemuser", "User", USER_CODE);
        self.name_user(event.person, &mut row.object);
        if draw.chance(333) {
            self.name_system(&mut row.user);
        } else {
            row.user.id = row.object.id;
            row.user.name.extend_from_slice(&row.object.name);
        }
        // A connector that acts for a person leaves its own id behind.
        if client == Client::WebServices && event.person != SERVICE_ACCOUNT && draw.chance(30) {
            row.calling_user = self.service_account();
        }
    }

    fn control(&self, event: &Event, row: &mut Row) {
        let control = &self.schedule.windows.controls[event.person as usize];
        row.action = control.action;
        if !matches!(control.action, 112 | 113) {
            row.operation = OPERATION_UPDATE;
        }
        (row.object_type, row.object_type_label, row.object_type_code) = match control.target {
            Target::Organization => ("organization", "Organization", 1019),
            Target::Table(_) => ("entity", "Entity", 9800),
            Target::Column(..) => ("attribute", "Attribute", 9808),
        };
        let (id, name) = target_id(&self.schedule, control.target);
        row.object.id = id;
        row.object.name.extend_from_slice(name.as_bytes());
        self.name_user(control.by, &mut row.user);
    }

    fn change(&self, event: &Event, draw: &mut Draw, row: &mut Row) {
        let seed = self.schedule.organisation.seed;
        let (number, second) = (u64::from(event.transaction), u64::from(event.at_s));
        let mut transaction = Draw::new(seed, Purpose::Transaction, number, second);
        if event.members > 1 || draw.chance(400) {
            row.transaction_id = transaction.guid();
        }
        let stopped = self.schedule.windows.at(event.at_s).map(|window| window.target);
        let tables = TABLES.len() as u32;
        let mut table = ((transaction.below(tables) + u32::from(event.member)) % tables) as u8;
        if stopped == Some(Target::Table(table)) {
            table = (table + 1) % tables as u8;
        }
        // Few records get most of the changes.
        let newest = draw.below(self.records) + 1;
        let record = draw.below(newest);
        let changed = &TABLES[usize::from(table)];
        (row.object_type, row.object_type_label, row.object_type_code) = (changed.name, changed.label, changed.code);
        row.object.id = tables::record_id(seed, table, record);
        tables::write_record_name(seed, table, record, &mut row.object.name);
        (row.action, row.operation) = drawn_action(table, draw);
        if draw.chance(50) {
            self.name_system(&mut row.user);
        } else {
            self.name_user(event.person, &mut row.user);
        }
        if event.person != SERVICE_ACCOUNT && draw.chance(20) {
            row.calling_user = self.service_account();
        }
        let stopped_column = match stopped {
            Some(Target::Column(of_table, column)) if of_table == table => Some(column),
            _ => None,
        };
        self.describe(changed, stopped_column, draw, row);
    }

    /// Fills `attribute_mask` and `change_data`.
    fn describe(&self, table: &Table, stopped: Option<u8>, draw: &mut Draw, row: &mut Row) {
        let listed = |column: &Column| match row.action {
            ASSIGN => column.name == "ownerid",
            _ => true,
        };
        let columns: Vec<&Column> = table
            .columns
            .iter()
            .enumerate()
            .filter(|(index, column)| stopped != Some(*index as u8) && listed(column))
            .map(|(_, column)| column)
            .collect();
        let most = columns.len() as u32;
        let changed = match row.action {
            CREATE => most - draw.below(most / 2 + 1),
            DELETE => most - draw.below(most / 4 + 1),
            UPDATE if draw.chance(100) => 1 + draw.below(most),
            UPDATE => (1 + draw.below(4)).min(most),
            ASSIGN => most,
            33 | 34 => {
                row.change_data.extend_from_slice(b"sim_account_contacts~contact,");
                let contact = tables::record_id(self.schedule.organisation.seed, 1, draw.below(self.records));
                super::bytes::push_guid(&mut row.change_data, &contact);
                return;
            }
            // What Dataverse writes for shares, merges and states is unknown: null.
            _ => return,
        };
        self.write_change(&columns, changed, draw, row);
    }

    fn write_change(&self, columns: &[&Column], changed: u32, draw: &mut Draw, row: &mut Row) {
        row.change_data.extend_from_slice(b"{\"changedAttributes\":[");
        let mut left = changed;
        for (column, unseen) in columns.iter().zip((1..=columns.len() as u32).rev()) {
            // Selection sampling: each column has the same chance, and exactly `changed` are taken.
            if draw.below(unseen) >= left {
                continue;
            }
            if left < changed {
                row.change_data.push(b',');
                row.attribute_mask.push(b',');
            }
            left -= 1;
            push_number(&mut row.attribute_mask, u64::from(column.number));
            row.change_data.extend_from_slice(b"{\"logicalName\":\"");
            row.change_data.extend_from_slice(column.name.as_bytes());
            row.change_data.extend_from_slice(b"\",\"oldValue\":");
            let had_one = row.action != CREATE && draw.chance(800);
            self.write_value_or_null(had_one, column, draw, row);
            row.change_data.extend_from_slice(b",\"newValue\":");
            let has_one = row.action != DELETE && (!had_one || draw.chance(900));
            self.write_value_or_null(has_one, column, draw, row);
            row.change_data.push(b'}');
        }
        row.change_data.extend_from_slice(b"]}");
    }

    fn write_value_or_null(&self, is_set: bool, column: &Column, draw: &mut Draw, row: &mut Row) {
        if is_set {
            let organisation = &self.schedule.organisation;
            tables::write_value(column, organisation, self.records, draw, &mut row.change_data);
        } else {
            row.change_data.extend_from_slice(b"null");
        }
    }
}

/// The id and the name of what a control row is about.
pub fn target_id(schedule: &Schedule, target: Target) -> (Guid, &'static str) {
    let organisation = &schedule.organisation;
    let metadata =
        |table: u8, column: u64| Draw::new(organisation.seed, Purpose::Metadata, u64::from(table), column).guid();
    match target {
        Target::Organization => (organisation.organization_id(), ORGANIZATION_NAME),
        Target::Table(table) => (metadata(table, 0), TABLES[usize::from(table)].label),
        Target::Column(table, column) => (
            metadata(table, u64::from(column) + 1),
            TABLES[usize::from(table)].columns[usize::from(column)].name,
        ),
    }
}

/// Action and operation of a change.
fn drawn_action(table: u8, draw: &mut Draw) -> (u8, u8) {
    let action = match draw.below(1000) {
        0..180 => return (CREATE, 1),
        180..220 => return (DELETE, 3),
        220..840 => UPDATE,
        840..890 => ASSIGN,
        890..915 => 14,
        915..925 => 49,
        925..945 => 33,
        945..955 => 34,
        955..985 => 41,
        half => match (table, half < 992) {
            (tables::OPPORTUNITY, true) => 44,
            (tables::OPPORTUNITY, false) => 45,
            (tables::INCIDENT, true) => 20,
            (tables::INCIDENT, false) => 21,
            (tables::ACCOUNT, true) => 12,
            (_, true) => 4,
            (_, false) => 5,
        },
    };
    (action, OPERATION_UPDATE)
}
