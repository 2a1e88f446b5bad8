//! One small export per family of headers, and all that the lake must hold of its one row.

pub const WREN: &str = "aaaaaaaa-0000-4000-8000-000000000001";
pub const ID: &str = "cccccccc-0000-4000-8000-000000000001";

/// An export, and what its one row must say: every column that is not null, but for where it lies.
pub struct Family {
    pub name: &'static str,
    pub text: String,
    pub row: Vec<(String, String)>,
    pub note: Option<&'static str>,
}

const NAMES_ONLY: Option<&str> = Some("by display name only");
const DETAIL: Option<&str> = Some("cannot contain user access rows");

/// `row` is `column: value`, each after a `|`. `WREN` and `ID1` stand for the ids above.
fn family(name: &'static str, text: &str, row: &str, note: Option<&'static str>) -> Family {
    let with_ids = |text: &str| text.replace("WREN", WREN).replace("ID1", ID);
    let cell = |cell: &str| {
        let (column, value) = cell.split_once(": ").expect("column: value");
        (column.trim().to_owned(), with_ids(value.trim()))
    };
    Family {
        name,
        text: with_ids(text),
        row: row.split('|').map(cell).collect(),
        note,
    }
}

pub fn families() -> Vec<Family> {
    [
        of_the_table(),
        of_drivers(),
        with_ids(),
        of_changed_fields(),
        of_names(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// As the table's own columns are called.
fn of_the_table() -> Vec<Family> {
    vec![
        family(
            "Web API, flattened",
            "_objectid_value,_userid_value,versionnumber,operation,createdon,auditid,changedata,attributemask,action,objecttypecode,transactionid,_regardingobjectid_value,useradditionalinfo,_callinguserid_value,batch\n\
             WREN,nan,7.0,4.0,2026-02-06T11:55:00Z,ID1,NULL,,64.0,systemuser,NULL,,,nan,3\n",
            "audit_id: ID1|action: 64|operation: 4|object_id: WREN|object_type: systemuser|actor_id: WREN|version_number: 7",
            None,
        ),
        family(
            "SQL, AuditBase",
            "AttributeMask,TransactionId,Action,ObjectId,ObjectIdName,UserId,ChangeData,CreatedOn,Operation,AuditId,CallingUserId,ObjectTypeCode,RegardingObjectId,RegardingObjectIdName,UserAdditionalInfo\n\
             NULL,00000000-0000-0000-0000-000000000000,64,{AAAAAAAA-0000-4000-8000-000000000001},S,BBBBBBBB-0000-4000-8000-000000000002,NULL,2026-02-06 11:55:00.000,4,CCCCCCCC-0000-4000-8000-000000000001,NULL,8,NULL,NULL,NULL\n",
            "audit_id: ID1|action: 64|operation: 4|object_id: WREN|object_type: systemuser|actor_id: WREN|user_id: bbbbbbbb-0000-4000-8000-000000000002|transaction_id: 00000000-0000-0000-0000-000000000000",
            None,
        ),
        family(
            "SQL, view Audit",
            "AttributeMask,Action,ObjectId,ObjectIdName,UserId,ChangeData,CreatedOn,Operation,AuditId,ObjectTypeCode,UserIdName,CallingUserIdName\n\
             NULL,64,AAAAAAAA-0000-4000-8000-000000000001,NULL,NULL,NULL,2026-02-06 11:55:00.000,4,CCCCCCCC-0000-4000-8000-000000000001,8,SYSTEM,NULL\n",
            "audit_id: ID1|action: 64|operation: 4|object_id: WREN|object_type: systemuser|actor_id: WREN|user_id: name:SYSTEM|user_name: SYSTEM",
            None,
        ),
        family(
            "archive",
            "auditid,createdon,action,actionname,objectid,objecttypecode,objecttypecodename,operation,operationname,userid,useridname,fieldname,oldvalue\n\
             ID1,20260206115500,64,Truy cập,WREN,systemuser,User,4,Access,,SYSTEM,,\n",
            "audit_id: ID1|action: 64|operation: 4|object_id: WREN|object_type: systemuser|actor_id: WREN|user_id: name:SYSTEM|user_name: SYSTEM",
            None,
        ),
    ]
}

/// What queries and drivers give.
fn of_drivers() -> Vec<Family> {
    vec![
        family(
            "grid of SQL 4 CDS",
            "createdon\taction\tactionname\tobjectid\tobjectidname\tobjecttypecode\tauditid\n\
             2026-02-06 11:55:00\t64\tUser Access via Web\tWREN\tWren Sample\tsystemuser\tID1\n",
            "audit_id: ID1|action: 64|object_id: WREN|object_name: Wren Sample|object_type: systemuser|actor_id: WREN|actor_name: Wren Sample",
            None,
        ),
        family(
            "FetchXML with a linked table",
            "auditid,createdon,action,objectid,objecttypecode,u.fullname,u.createdon,u_x002e_userid,user.name\n\
             ID1,2026-02-06T11:55:00Z,64,WREN,systemuser,Robin Sample,2020-01-01T00:00:00Z,robin,Robin Sample\n",
            "audit_id: ID1|action: 64|object_id: WREN|object_type: systemuser|actor_id: WREN",
            None,
        ),
        family(
            "CData",
            "Id,Action,CallingUserId_Id,CallingUserId_LogicalName,CallingUserId_Name,CreatedOn,ObjectId_Id,ObjectId_LogicalName,ObjectId_Name,UserId_Id,UserId_LogicalName,UserId_Name\n\
             ID1,64,,,,2026-02-06T11:55:00Z,WREN,systemuser,Wren Sample,,,\n",
            "audit_id: ID1|action: 64|object_id: WREN|object_name: Wren Sample|object_type: systemuser|actor_id: WREN|actor_name: Wren Sample",
            None,
        ),
        family(
            "CData, both ids",
            "Id,Action,AuditId,CreatedOn,ObjectId_Id,ObjectId_LogicalName\n\
             other,64,ID1,2026-02-06T11:55:00Z,WREN,systemuser\n",
            "audit_id: ID1|action: 64|object_id: WREN|object_type: systemuser|actor_id: WREN",
            None,
        ),
    ]
}

/// Tools that give ids.
fn with_ids() -> Vec<Family> {
    let access = "audit_id: ID1|action: 64|operation: 4|object_id: WREN|object_name: Wren Sample|object_type: systemuser|actor_id: WREN|actor_name: Wren Sample|user_id: name:SYSTEM|user_name: SYSTEM";
    vec![
        family(
            "Panopticon",
            "\u{FEFF}Changed Date (UTC),Table,Record,Record Id,Event,Operation,Changed By,Changed Fields,Transaction Id,Audit Id\r\n\
             2026-02-06 11:55:00.000,User,Wren Sample,WREN,User Access via Web,Access,SYSTEM,,,ID1\r\n",
            access,
            None,
        ),
        family(
            "Panopticon with fields",
            "Changed Date (UTC),Table,Record,Record Id,Event,Operation,Changed By,Changed Fields,Transaction Id,Audit Id,Field,Old Value,New Value\n\
             2026-02-06 11:55:00.000,systemuser,Wren Sample,WREN,User Access via Web,Access,SYSTEM,,,ID1,,,\n",
            access,
            None,
        ),
    ]
}

/// Tools that list changed fields, a row each.
fn of_changed_fields() -> Vec<Family> {
    let changed = "audit_id: ID1|action: 2|operation: 2|object_id: WREN|object_type: account|user_id: name:Robin Sample|user_name: Robin Sample|actor_id: name:Robin Sample|actor_name: Robin Sample";
    vec![
        family(
            "Audit History Extractor",
            "\"RecordId\";\"AuditId\";\"EntityId\";\"ActionId\";\"OperationId\";\"OldValue\";\"NewValue\";\"CreatedOn\";\"EntityName\";\"UserId\";\"AttributeName\";\"RecordKeyValue\";\"Action\";\"Operation\";\"Username\";\"LookupOldValue\";\"LookupNewValue\"\n\
             \"WREN\";\"ID1\";\"1\";\"2\";\"2\";\"a\";\"b\";\"2026-02-06 11:55:00\";\"account\";\"\";\"name\";\"Contoso\";\"Update\";\"Update\";\"Robin Sample\";\"\";\"\"\n\
             \"WREN\";\"ID1\";\"1\";\"2\";\"2\";\"c\";\"d\";\"2026-02-06 11:55:00\";\"account\";\"\";\"city\";\"Contoso\";\"Update\";\"Update\";\"Robin Sample\";\"\";\"\"\n",
            changed,
            DETAIL,
        ),
        family(
            "Audit History Extractor, older",
            "Date,name,User,Action,Attribute Name,Old Value,New Value,Object Id\n\
             2026-02-06 11:55:00,Contoso,Robin Sample,Update,city,a,b,WREN\n",
            "action: 2|object_id: WREN|user_id: name:Robin Sample|user_name: Robin Sample|actor_id: name:Robin Sample|actor_name: Robin Sample",
            DETAIL,
        ),
        family(
            "AuditHistoryExtractorPro",
            "AuditId,Fecha,Entidad,RegistroId,RegistroNombre,Accion,OperacionId,Operacion,Usuario,DetalleIncompleto,Campo,ValorAnterior,ValorNuevo,ValorAnteriorLookup,ValorNuevoLookup\n\
             ID1,2026-02-06T11:55:00.0000000Z,account,WREN,Contoso,Update,2,Actualizar,Robin Sample,False,name,a,b,,\n",
            &format!("{changed}|object_name: Contoso"),
            DETAIL,
        ),
        family(
            "Power Platform ToolBox, changes",
            "Date/Time,Operation,Action,Table,Record,Changed By,Attribute,Old Value,New Value\n\
             2026-02-06T11:55:00Z,Update,Update,account,Contoso,Robin Sample,name,a,b\n",
            "action: 2|operation: 2|object_name: Contoso|object_type: account|user_id: name:Robin Sample|user_name: Robin Sample|actor_id: name:Robin Sample|actor_name: Robin Sample",
            DETAIL,
        ),
    ]
}

/// Tools that give display names only.
fn of_names() -> Vec<Family> {
    let access = "action: 64|operation: 4|object_id: name:Wren Sample|object_name: Wren Sample|actor_id: name:Wren Sample|actor_name: Wren Sample";
    let by_system = format!("{access}|object_type: systemuser|user_id: name:SYSTEM|user_name: SYSTEM");
    vec![
        family(
            "CRMUserAudit",
            "Action,User,Operation,Related Object,Object Type,Date\n\
             UserAccessviaWeb,SYSTEM,Access,Wren Sample,systemuser,2026-02-06 11:55:00\n",
            &by_system,
            NAMES_ONLY,
        ),
        family(
            "Power Platform ToolBox, access",
            "Date/Time,Operation,Action,User\n2026-02-06T11:55:00Z,Access,User Access via Web,Wren Sample\n",
            access,
            NAMES_ONLY,
        ),
        family(
            "Power Platform ToolBox, other lists",
            "Date/Time,Operation,Action,Table,Record,Changed By\n\
             2026-02-06T11:55:00Z,Access,Entity Audit Stopped,account,Contoso,Robin Sample\n",
            "action: 108|operation: 4|object_name: Contoso|object_type: account|user_id: name:Robin Sample|user_name: Robin Sample|actor_id: name:Robin Sample|actor_name: Robin Sample",
            NAMES_ONLY,
        ),
        family(
            "Audit Summary view",
            "Changed Date,Event,Changed By,Record,Entity,Operation\n\
             2026-02-06 11:55:00,User Access via Web,SYSTEM,Wren Sample,User,Access\n",
            &by_system,
            NAMES_ONLY,
        ),
        family(
            "Audit Summary view, switching",
            "Changed Date,Event,Changed By,Record,Entity,Operation\n\
             2026-02-06 11:55:00,User Access Audit Stopped,Robin Sample,Contoso,Organization,Access\n",
            "action: 113|operation: 4|object_name: Contoso|object_type: organization|user_id: name:Robin Sample|user_name: Robin Sample|actor_id: name:Robin Sample|actor_name: Robin Sample",
            NAMES_ONLY,
        ),
        family(
            "no people at all",
            "createdon,action\n2026-02-06T11:55:00Z,64\n",
            "action: 64",
            Some("no column that says who"),
        ),
    ]
}
