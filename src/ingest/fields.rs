//! Which column of an export means what: every spelling of a column name → one [`Field`].
//!
//! Names arrive as Web API properties (`_objectid_value`), their annotations (`…@OData.Community.Display.V1.FormattedValue`),
//! SQL columns (`ObjectId`) or driver columns (`ObjectId_Id`). Case, `_`, `.`, blanks and the `_value` of a lookup carry
//! no meaning. A formatted value gives a *name* or a *label*, never a time: it is in the exporter's language and zone.

/// What a value in an export is about. `as usize` is its place in a [`super::normalize::Raw`].
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
}

/// How many fields there are.
pub const FIELD_COUNT: usize = Field::SinkModifiedOn as usize + 1;

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
    let mut plain: String = name
        .chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect();
    if name.starts_with('_') && plain.ends_with("value") {
        plain.truncate(plain.len() - "value".len());
    }
    Some(match plain.as_str() {
        "auditid" => Field::AuditId,
        "createdon" => Field::CreatedOn,
        "action" | "actionid" => Field::Action,
        "actionname" => Field::ActionLabel,
        "operation" | "operationid" => Field::Operation,
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
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_column_means_the_same_field() {
        for (field, names) in [
            (
                Field::ObjectId,
                &["_objectid_value", "objectid", "ObjectId", "ObjectId_Id"][..],
            ),
            (Field::AuditId, &["auditid", "AuditId", "Audit Id", "AUDITID"]),
            (
                Field::UserName,
                &[
                    "_userid_value@OData.Community.Display.V1.FormattedValue",
                    "useridname",
                    "UserId_Name",
                ],
            ),
            (
                Field::ObjectIdTarget,
                &[
                    "_objectid_value@Microsoft.Dynamics.CRM.lookuplogicalname",
                    "objectid_entitytype",
                ],
            ),
            (Field::CreatedOn, &["createdon", "CreatedOn"]),
            (Field::SinkModifiedOn, &["SinkModifiedOn", "sinkmodifiedon"]),
        ] {
            for name in names {
                assert_eq!(field_of(name), Some(field), "{name}");
            }
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
}
