//! What gatelog cannot honestly read, told from a text or its header: the reason and the way out, or a note where it is
//! read all the same.

use super::csv::Layout;
use super::fields::{Field, field_of, names_a_changed_field, plain, tool_field_of};
use super::head::{Found, Refusal, Table};
use memchr::memmem;

/// What holds the rows that gatelog needs.
const EXPORT_THE_TABLE: &str = "export the Dataverse audit table, for example GET /api/data/v9.2/audits";

/// What a header must have for gatelog to know its table.
pub const NAME_THE_COLUMNS: &str = "name at least createdon and action for audit rows, systemuserid for users, or \
                                    organizationid and isauditenabled for organizations, as the Web API or SQL spell them";

/// Columns of which one must say what happened.
const ACTIONS: [Field; 3] = [Field::Action, Field::ActionLabel, Field::ActionId];

/// Of an export whose only times are those that people see.
pub const FORMATTED_ONLY: (&str, &str) = (
    "gives createdon only as formatted local time, which has no zone",
    "export the raw createdon column too",
);

fn purview() -> Refusal {
    Refusal::new(
        "is a Microsoft Purview (unified) audit log, which has no user access events of Dataverse",
        EXPORT_THE_TABLE,
    )
}

/// Refuses an export whose times are spelled for people; `sentence` quotes the first of them.
pub fn by_dates(sentence: &str) -> Found {
    refused(
        &format!("has times that say neither the order of day and month nor a zone: {sentence}"),
        "say both with --date-order mdy (or dmy, ymd) and --source-tz ZONE, those of whoever exported it",
    )
}

/// Refuses a text that is no export: by what it says, or by its first line.
pub fn by_text(text: &[u8]) -> Found {
    let holds = |name: &[u8]| memmem::find(text, name).is_some();
    if holds(b"\"AuditDetails\"") || holds(b"AuditDetailCollection") {
        return refused(
            "is a RetrieveRecordChangeHistory answer, whose details carry no createdon",
            EXPORT_THE_TABLE,
        );
    }
    let first_line = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
    if holds(b"\"CreationTime\"") || holds(b"\"AuditData\"") || memmem::find(first_line, b"AuditData").is_some() {
        return purview().into();
    }
    if matches!(text.trim_ascii_start().first(), Some(b'{' | b'[')) {
        return refused(
            "is JSON without the audit columns createdon and action",
            "export the audit table with at least auditid, createdon, action, objectid and userid",
        );
    }
    let mut lines = text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    let commas = |line: &[u8]| line.iter().filter(|&&byte| matches!(byte, b',' | b';' | b'\t')).count();
    match (lines.next(), lines.next()) {
        (Some(header), Some(row)) if commas(header) > 0 && commas(header) == commas(row) => unknown_header(header),
        (Some(header), None | Some(b"")) if commas(header) > 0 => unknown_header(header),
        _ => Found::Foreign,
    }
}

fn unknown_header(header: &[u8]) -> Found {
    let header = String::from_utf8_lossy(&header[..header.len().min(200)]).into_owned();
    refused(
        &format!("has a header gatelog does not know: {header}"),
        NAME_THE_COLUMNS,
    )
}

/// Why a header that gatelog knows is still not one of audit rows.
pub fn by_columns(layout: &Layout) -> Option<Refusal> {
    if layout.names.iter().any(|name| name.eq_ignore_ascii_case("auditdata")) {
        return Some(purview());
    }
    let missing: Vec<&str> = [
        (!layout.has(Field::CreatedOn) && !layout.has(Field::CreatedOnUtc)).then_some("createdon"),
        ACTIONS.iter().all(|field| !layout.has(*field)).then_some("action"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if missing == ["createdon"] && layout.has(Field::CreatedOnFormatted) {
        return Some(Refusal::new(FORMATTED_ONLY.0, FORMATTED_ONLY.1));
    }
    (!missing.is_empty()).then(|| {
        Refusal::new(
            format!(
                "has a header without {}: {}",
                missing.join(" and "),
                layout.names.join(", ")
            ),
            match tool_like(&layout.names) {
                Some(tool) => format!(
                    "it resembles an export of {tool}, perhaps of a newer version: name its columns as gatelog knows them"
                ),
                None => "export these columns too; without them a row says neither when nor what".to_owned(),
            },
        )
    })
}

/// Tools, and the columns of their making.
const TOOLS: [(&str, &str); 6] = [
    (
        "Audit History Extractor",
        "RecordId,EntityId,OldValue,NewValue,EntityName,AttributeName,RecordKeyValue,Username,LookupOldValue,LookupNewValue",
    ),
    (
        "AuditHistoryExtractorPro",
        "Fecha,Entidad,RegistroId,RegistroNombre,Accion,OperacionId,Operacion,Usuario,DetalleIncompleto,Campo,ValorAnterior,ValorNuevo",
    ),
    (
        "Panopticon",
        "Changed Date (UTC),Table,Record,Record Id,Event,Changed By,Changed Fields,Field,Old Value,New Value",
    ),
    ("CRMUserAudit", "User,Related Object,Object Type,Date"),
    (
        "Power Platform ToolBox",
        "Date/Time,User,Table,Record,Changed By,Attribute,Old Value,New Value",
    ),
    ("the Audit Summary view", "Changed Date,Event,Changed By,Record,Entity"),
];

/// The tool of whose columns a header has most, at least three.
fn tool_like(names: &[String]) -> Option<&'static str> {
    let names: Vec<String> = names.iter().map(|name| plain(name)).collect();
    let shared = |columns: &str| {
        columns
            .split(',')
            .filter(|column| names.contains(&plain(column)))
            .count()
    };
    TOOLS
        .iter()
        .map(|(tool, columns)| (shared(columns), *tool))
        .filter(|(count, _)| *count >= 3)
        .max_by_key(|(count, _)| *count)
        .map(|(_, tool)| tool)
}

/// Whether a tool wrote this that spells times as its user sees them.
pub fn spells_times_for_people(layout: &Layout) -> bool {
    let is_own_time = |name: &String| field_of(name).is_none() && tool_field_of(name) == Some(Field::CreatedOn);
    layout
        .names
        .iter()
        .any(|name| is_own_time(name) || names_a_changed_field(name))
}

pub fn refused(reason: &str, hint: &str) -> Found {
    Found::Refused {
        reason: reason.to_owned(),
        hint: hint.to_owned(),
    }
}

/// What people should know of an export with these columns.
pub fn notes_of(layout: &Layout, table: Table) -> Vec<String> {
    let mut notes = Vec::new();
    if table == Table::Audit && !layout.identifies_people() {
        let names_people = layout.has(Field::UserName) || layout.has(Field::ObjectName);
        notes.push(if names_people { NAMES_ONLY } else { NOBODY }.to_owned());
    }
    if layout.names.iter().any(|name| names_a_changed_field(name)) {
        notes.push("it lists changes of fields, a row each; such an export cannot contain user access rows".to_owned());
    }
    notes
}

/// What is said of an export without any column of people.
const NOBODY: &str = "it has no column that says who: its accesses count, and belong to nobody's sessions";

/// What is said of an export that names people without their ids.
const NAMES_ONLY: &str = "it gives people by display name only: two of the same name count as one";
