//! The headers that tools write: every family of them means the same rows, and what cannot be read says why.

use crate::logs::at;
use crate::support::{self, Row};
use gatelog::error::Kind;
use gatelog::ingest::{Fate, Outcome, Plan};
use gatelog::instant::{DateOrder, to_text};
use std::path::Path;

const WREN: &str = "aaaaaaaa-0000-4000-8000-000000000001";
const ID: &str = "cccccccc-0000-4000-8000-000000000001";
const MORNING: &str = "2026-02-06T11:55:00Z";

/// An export, and what the one row of it must say.
struct Family {
    name: &'static str,
    text: String,
    row: Vec<(&'static str, &'static str)>,
    note: Option<&'static str>,
}

const NAMES_ONLY: Option<&str> = Some("by display name only");
const DETAIL: Option<&str> = Some("cannot contain user access rows");

fn family(name: &'static str, text: &str, row: &[(&'static str, &'static str)], note: Option<&'static str>) -> Family {
    Family {
        name,
        text: text.replace("WREN", WREN).replace("ID1", ID),
        row: row.to_vec(),
        note,
    }
}

/// Of an access by somebody whose id is known, with this name.
fn known(name: &'static str) -> Vec<(&'static str, &'static str)> {
    vec![
        ("audit_id", ID),
        ("action", "64"),
        ("actor_id", WREN),
        ("actor_name", name),
        ("object_type", "systemuser"),
    ]
}

fn families() -> Vec<Family> {
    [of_the_table(), with_ids(), of_changed_fields(), of_names()]
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
            &[
                ("audit_id", ID),
                ("action", "64"),
                ("operation", "4"),
                ("actor_id", WREN),
                ("version_number", "7"),
            ],
            None,
        ),
        family(
            "SQL",
            "AttributeMask,TransactionId,Action,ObjectId,ObjectIdName,UserId,ChangeData,CreatedOn,Operation,AuditId,ObjectTypeCode,UserIdName\n\
             NULL,NULL,64,{AAAAAAAA-0000-4000-8000-000000000001},NULL,NULL,NULL,2026-02-06 11:55:00.000,4,CCCCCCCC-0000-4000-8000-000000000001,8,SYSTEM\n",
            &[
                ("audit_id", ID),
                ("action", "64"),
                ("actor_id", WREN),
                ("object_type", "systemuser"),
                ("user_id", "name:SYSTEM"),
            ],
            None,
        ),
        family(
            "archive",
            "auditid,createdon,action,actionname,objectid,objecttypecode,objecttypecodename,operation,operationname,userid,useridname\n\
             ID1,20260206115500,64,Truy cập,WREN,systemuser,User,4,Access,,SYSTEM\n",
            &[("audit_id", ID), ("action", "64"), ("actor_id", WREN)],
            None,
        ),
    ]
}

/// Tools that give ids.
fn with_ids() -> Vec<Family> {
    vec![
        family(
            "grid of SQL 4 CDS",
            "createdon\taction\tactionname\tobjectid\tobjectidname\tobjecttypecode\tauditid\n\
             2026-02-06 11:55:00\t64\tUser Access via Web\tWREN\tWren Sample\tsystemuser\tID1\n",
            &known("Wren Sample"),
            None,
        ),
        family(
            "FetchXML with a linked table",
            "auditid,createdon,action,objectid,objecttypecode,u.fullname,u.createdon,u_x002e_userid\n\
             ID1,2026-02-06T11:55:00Z,64,WREN,systemuser,Robin Sample,2020-01-01T00:00:00Z,robin\n",
            &[("audit_id", ID), ("actor_id", WREN)],
            None,
        ),
        family(
            "CData",
            "Id,Action,CallingUserId_Id,CallingUserId_LogicalName,CallingUserId_Name,CreatedOn,ObjectId_Id,ObjectId_LogicalName,ObjectId_Name,UserId_Id\n\
             ID1,64,,,,2026-02-06T11:55:00Z,WREN,systemuser,Wren Sample,\n",
            &known("Wren Sample"),
            None,
        ),
        family(
            "Panopticon",
            "\u{FEFF}Changed Date (UTC),Table,Record,Record Id,Event,Operation,Changed By,Changed Fields,Transaction Id,Audit Id\r\n\
             2026-02-06 11:55:00.000,User,Wren Sample,WREN,User Access via Web,Access,SYSTEM,,,ID1\r\n",
            &known("Wren Sample"),
            None,
        ),
    ]
}

/// Tools that list changed fields, a row each.
fn of_changed_fields() -> Vec<Family> {
    let changed = [
        ("audit_id", ID),
        ("action", "2"),
        ("object_id", WREN),
        ("user_name", "Robin Sample"),
        ("kind", "change"),
    ];
    vec![
        family(
            "Audit History Extractor",
            "\"RecordId\";\"AuditId\";\"EntityId\";\"ActionId\";\"OperationId\";\"OldValue\";\"NewValue\";\"CreatedOn\";\"EntityName\";\"UserId\";\"AttributeName\";\"RecordKeyValue\";\"Action\";\"Operation\";\"Username\"\n\
             \"WREN\";\"ID1\";\"1\";\"2\";\"2\";\"a\";\"b\";\"2026-02-06 11:55:00\";\"account\";\"\";\"name\";\"Contoso\";\"Update\";\"Update\";\"Robin Sample\"\n\
             \"WREN\";\"ID1\";\"1\";\"2\";\"2\";\"c\";\"d\";\"2026-02-06 11:55:00\";\"account\";\"\";\"city\";\"Contoso\";\"Update\";\"Update\";\"Robin Sample\"\n",
            &changed,
            DETAIL,
        ),
        family(
            "Audit History Extractor Pro",
            "AuditId,Fecha,Entidad,RegistroId,RegistroNombre,Accion,OperacionId,Operacion,Usuario,DetalleIncompleto,Campo,ValorAnterior,ValorNuevo\n\
             ID1,2026-02-06T11:55:00.0000000Z,account,WREN,Contoso,Update,2,Actualizar,Robin Sample,False,name,a,b\n",
            &changed,
            DETAIL,
        ),
    ]
}

/// Tools that give display names only.
fn of_names() -> Vec<Family> {
    let named = [
        ("action", "64"),
        ("actor_id", "name:Wren Sample"),
        ("actor_name", "Wren Sample"),
    ];
    vec![
        family(
            "CRMUserAudit",
            "Action,User,Operation,Related Object,Object Type,Date\nUserAccessviaWeb,SYSTEM,Access,Wren Sample,systemuser,2026-02-06 11:55:00\n",
            &named,
            NAMES_ONLY,
        ),
        family(
            "Power Platform ToolBox, access",
            "Date/Time,Operation,Action,User\n2026-02-06T11:55:00Z,Access,User Access via Web,Wren Sample\n",
            &named,
            NAMES_ONLY,
        ),
        family(
            "Power Platform ToolBox, changes",
            "Date/Time,Operation,Action,Table,Record,Changed By,Attribute,Old Value,New Value\n2026-02-06T11:55:00Z,Update,Update,account,Contoso,Robin Sample,name,a,b\n",
            &[
                ("action", "2"),
                ("user_id", "name:Robin Sample"),
                ("object_name", "Contoso"),
            ],
            DETAIL,
        ),
        family(
            "Audit Summary view",
            "Changed Date,Event,Changed By,Record,Entity,Operation\n2026-02-06 11:55:00,User Access Audit Stopped,Robin Sample,Sample,Organization,Access\n",
            &[("action", "113"), ("user_id", "name:Robin Sample"), ("kind", "control")],
            NAMES_ONLY,
        ),
    ]
}

fn ingest(home: &Path, text: &str, change: impl FnOnce(Plan) -> Plan) -> Outcome {
    let file = support::write(&home.join("export"), text);
    support::ingest(&change(support::plan(&home.join("lake"), &[&file])))
}

fn rows(home: &Path) -> Vec<Row> {
    support::lake_rows(&home.join("lake"), "audit")
}

fn notes(outcome: &Outcome) -> Vec<String> {
    match &outcome.reports[0].fate {
        Fate::Ingested { notes, .. } => notes.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_family_of_headers_is_read_and_says_what_it_cannot() {
    for Family { name, text, row, note } in families() {
        let home = support::home();
        let outcome = ingest(home.path(), &text, |plan| plan);
        let found = rows(home.path());
        assert_eq!(
            (found.len(), outcome.total.rejected),
            (1, 0),
            "{name}: {:?}",
            outcome.rejects
        );
        assert_eq!(found[0]["created_on"], MORNING, "{name}");
        for (column, value) in row {
            assert_eq!(
                found[0].get(column).map(String::as_str),
                Some(value),
                "{name}: {column}"
            );
        }
        let notes = notes(&outcome);
        match note {
            Some(note) => assert!(notes.iter().any(|text| text.contains(note)), "{name}: {notes:?}"),
            None => assert!(notes.is_empty(), "{name}: {notes:?}"),
        }
    }
}

#[test]
fn separators_boms_quotes_and_line_ends_change_nothing() {
    let rows_of = |text: &str| {
        let home = support::home();
        ingest(home.path(), text, |plan| plan);
        support::contents(&home.path().join("lake"))
    };
    for Family { name, text, .. } in families()
        .into_iter()
        .filter(|family| !family.text.contains(['"', ';', '\t']))
    {
        let plain = rows_of(&text);
        let table: Vec<Vec<&str>> = text
            .trim_start_matches('\u{FEFF}')
            .lines()
            .map(|line| line.split(',').collect())
            .collect();
        for separator in [",", ";", "\t"] {
            for (quote, end, bom) in [
                ("", "\n", ""),
                ("\"", "\r\n", "\u{FEFF}"),
                ("\"", "\n", ""),
                ("", "\r\n", "\u{FEFF}"),
            ] {
                let line = |cells: &Vec<&str>| {
                    let cells: Vec<String> = cells.iter().map(|cell| format!("{quote}{cell}{quote}")).collect();
                    cells.join(separator) + end
                };
                let written = bom.to_owned() + &table.iter().map(line).collect::<String>();
                assert_eq!(rows_of(&written), plain, "{name}: {written}");
            }
        }
    }
}

#[test]
fn a_record_of_several_changed_fields_is_one_row() {
    let home = support::home();
    let text = families()
        .into_iter()
        .find(|family| family.name == "Audit History Extractor")
        .expect("it")
        .text;
    let total = ingest(home.path(), &text, |plan| plan).total;
    assert_eq!((total.read, total.accepted, total.duplicate), (2, 1, 1));
}

#[test]
fn dates_spelled_for_people_need_their_order_stated() {
    let of = |date: &str| {
        format!(
            "Action,User,Operation,Related Object,Object Type,Date\nUserAccessviaWeb,SYSTEM,Access,Wren Sample,User,{date}\n"
        )
    };
    let home = support::home();
    let file = support::write(&home.path().join("export"), of("2/6/2026 5:25:00 PM"));
    let plan = support::plan(&home.path().join("lake"), &[&file]);
    let error = gatelog::ingest::ingest(&plan, &|_| {}).expect_err("refused");
    assert_eq!(error.kind, Kind::BadInput);
    assert!(error.fact.contains("2/6/2026 5:25:00 PM"), "{error}");
    assert!(error.hint.expect("a way out").contains("--date-order"));

    for (date, order) in [
        ("2/6/2026 5:25:00 PM", DateOrder::Mdy),
        ("06.02.2026 17:25", DateOrder::Dmy),
        ("2026/02/06 17:25:00", DateOrder::Ymd),
    ] {
        let home = support::home();
        ingest(home.path(), &of(date), |plan| Plan {
            date_order: Some(order),
            source_tz: chrono_tz::Asia::Kolkata,
            ..plan
        });
        assert_eq!(rows(home.path())[0]["created_on"], to_text(at(MORNING)), "{date}");
    }
}

#[test]
fn people_known_by_name_only_have_sessions_and_gaps_of_their_own() {
    let home = support::home();
    let text = "Date/Time,Operation,Action,User\n\
                2026-02-06T11:55:00Z,Access,User Access via Web,Wren Sample\n\
                2026-02-06T12:55:00Z,Access,User Access via Web Services,Wren Sample\n\
                2026-02-06T11:55:00Z,Access,User Access via Web,Robin Sample\n\
                2026-02-07T00:00:00Z,Access,User Access Audit Stopped,Contoso\n";
    ingest(home.path(), text, |plan| plan);
    let who_switched = "Action,User,Operation,Related Object,Object Type,Date\n\
                        UserAccessAuditStopped,Heron Sample,Access,,,2026-02-08 00:00:00\n";
    let file = support::write(&home.path().join("other"), who_switched);
    support::ingest(&Plan {
        environment: Some("other".to_owned()),
        ..support::plan(&home.path().join("lake"), &[&file])
    });
    let reports = support::csvs(&home.path().join("lake"), &Default::default());
    let actors: Vec<&str> = reports["sessions"]
        .lines()
        .skip(1)
        .map(|line| line.split(',').nth(1).expect("an actor"))
        .collect();
    assert_eq!(actors, ["name:Robin Sample", "name:Wren Sample"]);
    let gaps = &reports["gaps"];
    assert!(gaps.contains("name:Heron Sample,Heron Sample"), "{gaps}");
    assert!(
        gaps.contains("sample,user_access") && !gaps.contains("Contoso"),
        "{gaps}"
    );
}

#[test]
fn headers_that_cannot_be_read_say_why_and_what_to_do() {
    for (header, says) in [
        ("CreationDate,UserIds,Operations,AuditData", "Purview"),
        (
            "RecordId,CreationDate,RecordType,Operation,UserId,AuditData,AssociatedAdminUnits",
            "Purview",
        ),
        (
            "RecordType,CreationDate,UserIds,Operations,AuditData,ResultIndex",
            "Purview",
        ),
        ("auditid,action,userid", "createdon"),
        ("auditid,createdon,userid", "action"),
        (
            "auditid,action,createdon@OData.Community.Display.V1.FormattedValue",
            "formatted local time",
        ),
        ("colour,size", "colour,size"),
    ] {
        let home = support::home();
        let cells = header.split(',').map(|_| "x").collect::<Vec<_>>().join(",");
        let file = support::write(&home.path().join("export"), format!("{header}\n{cells}\n"));
        let error =
            gatelog::ingest::ingest(&support::plan(&home.path().join("lake"), &[&file]), &|_| {}).expect_err("refused");
        assert!(error.fact.contains(says), "{header}: {error}");
        assert!(error.hint.is_some(), "{header}");
    }
}
