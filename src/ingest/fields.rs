//! Which column of an export means what: every spelling of a column name → one [`Field`], whichever table it is of.
//!
//! Names arrive as Web API properties (`_objectid_value`), their annotations (`…@OData.Community.Display.V1.FormattedValue`),
//! SQL columns (`ObjectId`) or driver columns (`ObjectId_Id`). Case, `_`, `.`, blanks and the `_value` of a lookup carry
//! no meaning. A formatted value gives a *name* or a *label*, never a time: it is in the exporter's language and zone.

/// What a value in an export is about. `as usize` is its place in a [`super::raw::Raw`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    AuditId,
    CreatedOn,
    CreatedOnFormatted,
    Action,
    ActionLabel,
    Operation,
    OperationLabel,
    ObjectType,
    /// The table a lookup points to; says the object's type when `objecttypecode` was not exported.
    ObjectIdTarget,
    ObjectId,
    ObjectName,
    UserId,
    UserName,
    CallingUserId,
    CallingUserName,
    TransactionId,
    AttributeMask,
    ChangeData,
    AdditionalInfo,
    UserAdditionalInfo,
    RegardingObjectId,
    RegardingObjectName,
    VersionNumber,
    TimeToLive,
    IsDelete,
    /// When Synapse Link wrote this version of the row.
    SinkModifiedOn,
    /// `Id` beside or instead of the table's own key, as drivers and Synapse Link write it.
    RowId,
    /// A code that stands in a column of its own beside the label.
    ActionId,
    OperationId,
    /// A time whose column says that it is UTC.
    CreatedOnUtc,
    // Of users:
    SystemUserId,
    FullName,
    DomainName,
    /// What names people to others where they have no domain name.
    InternalEmail,
    IsDisabled,
    AccessMode,
    ApplicationId,
    IsLicensed,
    // Of organizations:
    OrganizationId,
    Name,
    IsAuditEnabled,
    IsUserAccessAuditEnabled,
    UserAccessAuditingInterval,
    AuditRetentionPeriod,
    // Of both:
    ModifiedOn,
}

/// How many fields there are.
pub const FIELD_COUNT: usize = Field::ModifiedOn as usize + 1;

const FORMATTED: &str = "@OData.Community.Display.V1.FormattedValue";
const TARGET: &str = "@Microsoft.Dynamics.CRM.lookuplogicalname";

/// The field a JSON property or a CSV header names; `None` when gatelog has no use for it.
pub fn field_of(name: &str) -> Option<Field> {
    if let Some(field) = web_api(name) {
        return Some(field);
    }
    match name.find('@') {
        Some(0) => None,
        Some(at) => annotation(&name[..at], &name[at..]),
        None => spelled(name),
    }
}

/// The exact Web API names, first because nearly every JSON export uses them.
fn web_api(name: &str) -> Option<Field> {
    Some(match name {
        "auditid" => Field::AuditId,
        "createdon" => Field::CreatedOn,
        "action" => Field::Action,
        "operation" => Field::Operation,
        "objecttypecode" => Field::ObjectType,
        "_objectid_value" => Field::ObjectId,
        "_userid_value" => Field::UserId,
        "_callinguserid_value" => Field::CallingUserId,
        "_regardingobjectid_value" => Field::RegardingObjectId,
        "transactionid" => Field::TransactionId,
        "attributemask" => Field::AttributeMask,
        "changedata" => Field::ChangeData,
        "additionalinfo" => Field::AdditionalInfo,
        "useradditionalinfo" => Field::UserAdditionalInfo,
        "versionnumber" => Field::VersionNumber,
        "timetoliveinseconds" => Field::TimeToLive,
        _ => return lake_column(name),
    })
}

/// The lake's own columns where they are named otherwise, so that its files can be read again. The actor is told anew.
fn lake_column(name: &str) -> Option<Field> {
    Some(match name {
        "object_type" => Field::ObjectType,
        "object_name" => Field::ObjectName,
        "user_name" => Field::UserName,
        "calling_user_name" => Field::CallingUserName,
        "regarding_object_name" => Field::RegardingObjectName,
        "time_to_live_s" => Field::TimeToLive,
        "deleted_in_source" => Field::IsDelete,
        _ => return None,
    })
}

fn annotation(name: &str, annotation: &str) -> Option<Field> {
    let base = field_of(name)?;
    match (base, annotation) {
        (Field::ObjectId, FORMATTED) => Some(Field::ObjectName),
        (Field::UserId, FORMATTED) => Some(Field::UserName),
        (Field::CallingUserId, FORMATTED) => Some(Field::CallingUserName),
        (Field::RegardingObjectId, FORMATTED) => Some(Field::RegardingObjectName),
        (Field::Action, FORMATTED) => Some(Field::ActionLabel),
        (Field::Operation, FORMATTED) => Some(Field::OperationLabel),
        (Field::CreatedOn, FORMATTED) => Some(Field::CreatedOnFormatted),
        (Field::ObjectId, TARGET) => Some(Field::ObjectIdTarget),
        _ => None,
    }
}

/// All other spellings, compared without case and punctuation.
fn spelled(name: &str) -> Option<Field> {
    if is_of_linked_table(name) || name.contains('/') {
        return None;
    }
    let mut plain = plain(name);
    if name.starts_with('_') && plain.ends_with("value") {
        plain.truncate(plain.len() - "value".len());
    }
    Some(match plain.as_str() {
        "id" => Field::RowId,
        "auditid" => Field::AuditId,
        "createdon" => Field::CreatedOn,
        "action" => Field::Action,
        "actionid" => Field::ActionId,
        "actionname" => Field::ActionLabel,
        "operation" => Field::Operation,
        "operationid" => Field::OperationId,
        "operationname" => Field::OperationLabel,
        "objecttypecode" => Field::ObjectType,
        "objectidlogicalname" | "objectidentitytype" | "objectidtype" => Field::ObjectIdTarget,
        "objectid" | "objectidid" => Field::ObjectId,
        "objectidname" => Field::ObjectName,
        "userid" | "useridid" => Field::UserId,
        "useridname" => Field::UserName,
        "callinguserid" | "callinguseridid" => Field::CallingUserId,
        "callinguseridname" => Field::CallingUserName,
        "transactionid" => Field::TransactionId,
        "attributemask" => Field::AttributeMask,
        "changedata" => Field::ChangeData,
        "additionalinfo" => Field::AdditionalInfo,
        "useradditionalinfo" => Field::UserAdditionalInfo,
        "regardingobjectid" | "regardingobjectidid" => Field::RegardingObjectId,
        "regardingobjectidname" => Field::RegardingObjectName,
        "versionnumber" => Field::VersionNumber,
        "timetoliveinseconds" => Field::TimeToLive,
        "isdelete" => Field::IsDelete,
        "sinkmodifiedon" => Field::SinkModifiedOn,
        "systemuserid" => Field::SystemUserId,
        "fullname" => Field::FullName,
        "domainname" => Field::DomainName,
        "internalemailaddress" => Field::InternalEmail,
        "isdisabled" => Field::IsDisabled,
        "accessmode" => Field::AccessMode,
        "applicationid" => Field::ApplicationId,
        "islicensed" => Field::IsLicensed,
        "organizationid" => Field::OrganizationId,
        "name" => Field::Name,
        "isauditenabled" => Field::IsAuditEnabled,
        "isuseraccessauditenabled" => Field::IsUserAccessAuditEnabled,
        "useraccessauditinginterval" => Field::UserAccessAuditingInterval,
        "auditretentionperiodv2" => Field::AuditRetentionPeriod,
        "modifiedon" => Field::ModifiedOn,
        _ => return None,
    })
}

/// A column of a linked table, `user.createdon`, is not the audit row's own.
fn is_of_linked_table(name: &str) -> bool {
    name.contains('.') || name.contains("_x002e_")
}

/// A name or a label without case, blanks and punctuation; letters of other languages stay, and so tell it apart.
pub fn plain(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// What a column of a tool's own making means, where no column of the table itself says it: the headers of Panopticon,
/// XrmToolBox's Audit History Extractor and its kin, CRMUserAudit, the Power Platform ToolBox and Audit Summary views.
pub fn tool_field_of(name: &str) -> Option<Field> {
    if is_of_linked_table(name) {
        return None;
    }
    Some(match plain(name).as_str() {
        "changeddateutc" => Field::CreatedOnUtc,
        "date" | "datetime" | "changeddate" | "fecha" => Field::CreatedOn,
        "event" | "accion" | "acción" => Field::ActionLabel,
        "operacionid" => Field::OperationId,
        "operacion" | "operación" => Field::OperationLabel,
        "table" | "entity" | "entityname" | "objecttype" | "entidad" => Field::ObjectType,
        "recordid" | "registroid" => Field::ObjectId,
        "record" | "relatedobject" | "objectname" | "registronombre" => Field::ObjectName,
        "user" | "username" | "changedby" | "usuario" => Field::UserName,
        _ => return None,
    })
}

/// Whether these are the columns of the Power Platform ToolBox's list of accesses, whose `User` is the name of the row's
/// *object*: of an access that is the person, of a switch of auditing it is whatever was switched.
pub fn is_list_of_accesses(names: &[String]) -> bool {
    let mut names: Vec<String> = names.iter().map(|name| plain(name)).collect();
    names.sort_unstable();
    names == ["action", "datetime", "operation", "user"]
}

/// Whether a column names a changed field: such exports have a row for each of them.
pub fn names_a_changed_field(name: &str) -> bool {
    matches!(plain(name).as_str(), "attributename" | "attribute" | "campo")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The columns of the table, in the spellings of Web API and Synapse Link, SQL, CData and people.
    #[test]
    fn every_column_of_the_table_means_one_field_in_every_spelling() {
        #[rustfmt::skip]
        let columns = [
            (Field::AuditId, "auditid AuditId AUDITID audit_id?Audit Id"),
            (Field::CreatedOn, "createdon CreatedOn created_on?Created On"),
            (Field::Action, "action Action ACTION"),
            (Field::Operation, "operation Operation"),
            (Field::ObjectId, "_objectid_value objectid ObjectId ObjectId_Id object_id?Object Id"),
            (Field::ObjectType, "objecttypecode ObjectTypeCode object_type_code object_type?Object Type Code"),
            (Field::ObjectIdTarget, "objectid_entitytype objectidtype ObjectId_LogicalName _objectid_value@Microsoft.Dynamics.CRM.lookuplogicalname"),
            (Field::ObjectName, "objectidname ObjectIdName ObjectId_Name object_name"),
            (Field::UserId, "_userid_value userid UserId UserId_Id user_id?User Id"),
            (Field::UserName, "useridname UserIdName UserId_Name user_name _userid_value@OData.Community.Display.V1.FormattedValue"),
            (Field::CallingUserId, "_callinguserid_value callinguserid CallingUserId CallingUserId_Id calling_user_id"),
            (Field::CallingUserName, "callinguseridname CallingUserIdName CallingUserId_Name calling_user_name"),
            (Field::RegardingObjectId, "_regardingobjectid_value regardingobjectid RegardingObjectId RegardingObjectId_Id"),
            (Field::RegardingObjectName, "regardingobjectidname RegardingObjectIdName regarding_object_name"),
            (Field::TransactionId, "transactionid TransactionId transaction_id?Transaction Id"),
            (Field::AttributeMask, "attributemask AttributeMask"),
            (Field::ChangeData, "changedata ChangeData change_data"),
            (Field::AdditionalInfo, "additionalinfo AdditionalInfo"),
            (Field::UserAdditionalInfo, "useradditionalinfo UserAdditionalInfo"),
            (Field::TimeToLive, "timetoliveinseconds TimeToLiveInSeconds time_to_live_s"),
            (Field::VersionNumber, "versionnumber VersionNumber"),
            (Field::RowId, "Id id"),
            (Field::SinkModifiedOn, "SinkModifiedOn sinkmodifiedon"),
            (Field::IsDelete, "IsDelete isdelete deleted_in_source"),
            (Field::ActionLabel, "actionname ActionName action@OData.Community.Display.V1.FormattedValue"),
            (Field::OperationLabel, "operationname operation@OData.Community.Display.V1.FormattedValue"),
        ];
        for (field, spellings) in columns {
            let (words, spaced) = spellings.split_once('?').unwrap_or((spellings, ""));
            for name in words.split(' ').chain(Some(spaced).filter(|name| !name.is_empty())) {
                assert_eq!(field_of(name), Some(field), "{name}");
            }
        }
        for name in "SinkCreatedOn PartitionId callinguserid_entitytype regardingobjectid_entitytype \
                     userid_entitytype CallingUserId_LogicalName objecttypecodename fieldname oldvalue Audit.Id"
            .split_whitespace()
        {
            assert_eq!(field_of(name).or_else(|| tool_field_of(name)), None, "{name}");
        }
    }

    #[test]
    fn a_formatted_time_is_never_taken_for_a_time() {
        assert_eq!(
            field_of("createdon@OData.Community.Display.V1.FormattedValue"),
            Some(Field::CreatedOnFormatted)
        );
    }

    #[test]
    fn envelope_annotations_and_foreign_columns_mean_nothing() {
        for name in [
            "user.createdon",
            "object.name",
            "user_x002e_name",
            "a_x002e_createdon",
            "Date/Time",
            "@odata.etag",
            "@odata.context",
            "entityname",
            "",
            "value",
            "_userid_value@Microsoft.Dynamics.CRM.lookuplogicalname",
        ] {
            assert_eq!(field_of(name), None, "{name}");
        }
    }

    /// Each header, and the field of each of its columns.
    const TOOL_HEADERS: [(&str, &str); 8] = [
        (
            "RecordId,AuditId,ActionId,OperationId,CreatedOn,EntityName,UserId,Action,Operation,Username",
            "ObjectId AuditId ActionId OperationId CreatedOn ObjectType UserId Action Operation UserName",
        ),
        ("Date,User,Action,Object Id", "CreatedOn UserName Action ObjectId"),
        (
            "Action,User,Operation,Related Object,Object Type,Date",
            "Action UserName Operation ObjectName ObjectType CreatedOn",
        ),
        (
            "Date/Time,Operation,Action,Table,Record,Changed By",
            "CreatedOn Operation Action ObjectType ObjectName UserName",
        ),
        (
            "Changed Date (UTC),Table,Record,Record Id,Event,Operation,Changed By,Transaction Id,Audit Id",
            "CreatedOnUtc ObjectType ObjectName ObjectId ActionLabel Operation UserName TransactionId AuditId",
        ),
        (
            "AuditId,Fecha,Entidad,RegistroId,RegistroNombre,Accion,OperacionId,Operacion,Usuario",
            "AuditId CreatedOn ObjectType ObjectId ObjectName ActionLabel OperationId OperationLabel UserName",
        ),
        (
            "Changed Date,Event,Changed By,Record,Entity,Operation",
            "CreatedOn ActionLabel UserName ObjectName ObjectType Operation",
        ),
        (
            "Id,Action,AuditId,CallingUserId_Id,CallingUserId_Name,CreatedOn,ObjectId_Id,ObjectId_LogicalName,ObjectId_Name,UserId_Id,UserId_Name",
            "RowId Action AuditId CallingUserId CallingUserName CreatedOn ObjectId ObjectIdTarget ObjectName UserId UserName",
        ),
    ];

    /// The headers that tools write, as collected in the domain's notes: what each of their columns means.
    #[test]
    fn every_column_of_a_tool_means_what_it_should() {
        let meaning = |name: &str| field_of(name).or_else(|| tool_field_of(name));
        for (names, fields) in TOOL_HEADERS {
            let found = names
                .split(',')
                .map(|name| meaning(name).map_or("None".to_owned(), |field| format!("{field:?}")));
            assert_eq!(found.collect::<Vec<_>>().join(" "), fields, "{names}");
        }
        for name in [
            "OldValue",
            "Changed Fields",
            "RecordKeyValue",
            "LookupNewValue",
            "EntityId",
            "user.fullname",
        ] {
            assert_eq!(meaning(name), None, "{name}");
        }
    }
}
