//! Headers of tools at their edges: columns of linked tables, junk, blank names, newer versions, dates of any export.

use crate::support::{self, Row};
use gatelog::error::{Error, Kind};
use gatelog::ingest::{Fate, Outcome, Plan};
use gatelog::instant::DateOrder;

const WREN: &str = "aaaaaaaa-0000-4000-8000-000000000001";

fn read(text: &str, change: impl FnOnce(Plan) -> Plan) -> Result<(Outcome, Vec<Row>), Error> {
    let home = support::home();
    let file = support::write(&home.path().join("export"), text);
    let lake = home.path().join("lake");
    let outcome = gatelog::ingest::ingest(&change(support::plan(&lake, &[&file])), &|_| {})?;
    Ok((outcome, support::lake_rows(&lake, "audit")))
}

fn rows(text: &str) -> Vec<Row> {
    let (outcome, rows) = read(text, |plan| plan).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(outcome.total.rejected, 0, "{text}: {:?}", outcome.rejects);
    rows
}

fn refusal(text: &str) -> (String, String) {
    let error = read(text, |plan| plan)
        .map(|(outcome, _)| outcome.total)
        .expect_err(text);
    assert_eq!(error.kind, Kind::BadInput, "{text}");
    (error.fact, error.hint.unwrap_or_default())
}

fn notes(outcome: &Outcome) -> String {
    match &outcome.reports[0].fate {
        Fate::Ingested { notes, .. } => notes.join("\n"),
        other => panic!("{other:?}"),
    }
}

fn cell<'a>(row: &'a Row, column: &str) -> Option<&'a str> {
    row.get(column).map(String::as_str)
}

#[test]
fn a_column_of_a_linked_table_is_never_the_rows_own_whatever_its_alias_is() {
    for foreign in [
        "user.name",
        "object.name",
        "entity.name",
        "record.id",
        "changed.by",
        "user_x002e_name",
        "a.user",
        "action.name",
        "u.createdon",
        "u/userid",
    ] {
        let found = rows(&format!(
            "auditid,createdon,action,objectid,{foreign}\nr,2026-02-06T11:55:00Z,64,{WREN},foreign\n"
        ));
        let strays: Vec<_> = found[0].iter().filter(|(_, value)| value.contains("foreign")).collect();
        assert!(strays.is_empty(), "{foreign}: {strays:?}");
    }
}

#[test]
fn an_empty_column_hides_no_value_of_another_one_that_means_the_same() {
    for values in [[WREN, ""], ["", WREN]] {
        let [first, second] = values;
        let found = rows(&format!(
            "auditid,createdon,action,objectid,_objectid_value\nr,2026-02-06T11:55:00Z,64,{first},{second}\n"
        ));
        assert_eq!(cell(&found[0], "object_id"), Some(WREN), "{values:?}");
    }
}

#[test]
fn the_one_letter_that_old_databases_hold_for_a_name_is_no_name() {
    let name = |table: &str, name: &str| {
        let found = rows(&format!(
            "AuditId,CreatedOn,Action,ObjectTypeCode,ObjectId,ObjectIdName\nr,2026-02-06 11:55:00.000,64,{table},{WREN},{name}\n"
        ));
        cell(&found[0], "object_name").map(str::to_owned)
    };
    assert_eq!(name("8", "W"), None);
    assert_eq!(name("8", " "), None);
    assert_eq!(name("8", "Wren Sample").as_deref(), Some("Wren Sample"));
    assert_eq!(
        name("systemuser", "W").as_deref(),
        Some("W"),
        "only numbers of tables tell such a database"
    );
}

#[test]
fn a_blank_name_is_nobody() {
    let found = rows(
        "Action,User,Operation,Related Object,Object Type,Date\nUserAccessviaWeb, ,Access,  ,systemuser,2026-02-06 11:55:00\n",
    );
    for column in [
        "actor_id",
        "actor_name",
        "user_id",
        "user_name",
        "object_id",
        "object_name",
    ] {
        assert_eq!(cell(&found[0], column), None, "{column}");
    }
}

#[test]
fn the_user_of_an_access_list_is_its_object_and_did_not_switch_auditing() {
    let found = rows(
        "Date/Time,Operation,Action,User\n\
         2026-02-06T11:55:00Z,Access,User Access via Web,Wren Sample\n\
         2026-02-06T12:00:00Z,Access,User Access Audit Stopped,Contoso\n",
    );
    let row = |action: &str| found.iter().find(|row| row["action"] == action).expect(action);
    let access = row("64");
    assert_eq!(
        ["actor_id", "object_id", "object_name", "user_id"].map(|column| cell(access, column)),
        [
            Some("name:Wren Sample"),
            Some("name:Wren Sample"),
            Some("Wren Sample"),
            None
        ]
    );
    let stopped = row("113");
    assert_eq!(
        ["object_name", "object_id", "user_id", "user_name"].map(|column| cell(stopped, column)),
        [Some("Contoso"), None, None, None]
    );
}

#[test]
fn a_label_in_another_language_is_a_reject_that_says_so() {
    for label in ["Acceso de usuario", "Assigné", "Öpen", "Truy cập", "Доступ"] {
        let text = format!("auditid,createdon,action\nr,2026-02-06T11:55:00Z,{label}\ns,2026-02-06T11:55:00Z,64\n");
        let (outcome, _) = read(&text, |plan| plan).expect("ingested");
        assert_eq!((outcome.total.accepted, outcome.total.rejected), (1, 1), "{label}");
        let reject = &outcome.rejects[0];
        assert_eq!(reject.code, "action-invalid", "{label}");
        assert!(
            reject.sentence.contains("English label"),
            "{label}: {}",
            reject.sentence
        );
    }
}

#[test]
fn dates_for_people_in_an_export_of_the_table_need_their_order_too() {
    let text = "auditid,createdon,action\nr,2/6/2026 11:55,64\ns,2/6/2026 11:56,64\n";
    let (fact, hint) = refusal(text);
    assert!(fact.contains("2/6/2026 11:55"), "{fact}");
    assert!(hint.contains("--date-order") && hint.contains("--source-tz"), "{hint}");
    let ordered = |plan| Plan {
        date_order: Some(DateOrder::Dmy),
        ..plan
    };
    let (_, found) = read(text, ordered).expect("ingested");
    assert_eq!(found[0]["created_on"], "2026-06-02T11:55:00Z");
    // A row among others is a reject; what no order explains is not a question of order.
    for text in [
        "auditid,createdon,action\nr,2/6/2026 11:55,64\ns,2026-02-06T11:55:00Z,64\n",
        "auditid,createdon,action\nr,yesterday,64\ns,2026-13-01T00:00:00Z,64\n",
    ] {
        let (outcome, _) = read(text, |plan| plan).expect("ingested");
        assert_eq!(outcome.rejects[0].code, "created-on-invalid", "{text}");
    }
}

#[test]
fn a_broken_row_does_not_hide_that_no_time_is_understood() {
    let header = "Action,User,Operation,Related Object,Object Type,Date";
    let good = "UserAccessviaWeb,SYSTEM,Access,Wren Sample,systemuser";
    let (fact, _) = refusal(&format!("{header}\n{good}\n{good},2/6/2026 11:55:00 AM\n"));
    assert!(fact.contains("2/6/2026 11:55:00 AM"), "{fact}");
    // A row whose time is understood, and only its label is not, shows that times are.
    let text = format!("{header}\n{good},2/6/2026 11:55\nAcceso,,,,,2026-02-06 11:55:00\n");
    let (outcome, _) = read(&text, |plan| plan).expect("ingested");
    assert_eq!(outcome.total.rejected, 2);
}

#[test]
fn an_archive_in_another_zone_is_read_in_it() {
    let text = "auditid,createdon,action,actionname,objectid,objecttypecode,objecttypecodename,operation,operationname,userid,useridname,fieldname,oldvalue\n\
                r,20260206172500,64,User Access via Web,,systemuser,User,4,Access,,SYSTEM,,\n";
    let kolkata = |plan| Plan {
        source_tz: chrono_tz::Asia::Kolkata,
        ..plan
    };
    let (outcome, found) = read(text, kolkata).expect("ingested");
    assert_eq!(found[0]["created_on"], "2026-02-06T11:55:00Z");
    assert_eq!(notes(&outcome), "");
}

#[test]
fn a_header_like_a_tools_newer_version_says_whose_it_resembles() {
    for (header, tool) in [
        (
            "When,Table,Record,Record Id,Event,Operation,Changed By,Changed Fields,Transaction Id,Audit Id",
            "Panopticon",
        ),
        ("Type,User,Operation,Related Object,Object Type,Date", "CRMUserAudit"),
        (
            "Date/Time,Operation,Kind,Table,Record,Changed By,Attribute,Old Value,New Value",
            "Power Platform ToolBox",
        ),
        (
            "RecordId,AuditId,EntityId,OldValue,NewValue,AttributeName,RecordKeyValue,Username,Written",
            "Audit History Extractor",
        ),
        (
            "AuditId,Momento,Entidad,RegistroId,RegistroNombre,Accion,Usuario,DetalleIncompleto",
            "AuditHistoryExtractorPro",
        ),
    ] {
        let cells = header.split(',').map(|_| "x").collect::<Vec<_>>().join(",");
        let (fact, hint) = refusal(&format!("{header}\n{cells}\n"));
        assert!(
            fact.contains("header") && fact.contains(header.split(',').next().expect("a name")),
            "{fact}"
        );
        assert!(
            hint.contains(tool) && hint.contains("newer version"),
            "{header}: {hint}"
        );
    }
    let (_, hint) = refusal("auditid,action,userid\nx,x,x\n");
    assert!(!hint.contains("newer version"), "{hint}");
}

#[test]
fn logs_that_hold_no_audit_rows_are_refused_as_they_really_look() {
    let data = "\"{\"\"CreationTime\"\":\"\"2026-02-06T11:55:00\"\",\"\"Operation\"\":\"\"CrmDefaultActivity\"\",\"\"Workload\"\":\"\"CRM\"\"}\"";
    for text in [
        format!(
            "CreationDate,UserIds,Operations,AuditData\n2026-02-06T11:55:00.0000000Z,wren@example.com,CrmDefaultActivity,{data}\n"
        ),
        format!(
            "\u{FEFF}\"RecordId\",\"CreationDate\",\"RecordType\",\"Operation\",\"UserId\",\"AuditData\"\r\nr,2026-02-06T11:55:00Z,21,CrmDefaultActivity,wren@example.com,{data}\r\n"
        ),
        format!(
            "RecordType;CreationDate;UserIds;Operations;AuditData;ResultIndex\n21;2026-02-06;wren@example.com;CrmDefaultActivity;{data};1\n"
        ),
    ] {
        let (fact, hint) = refusal(&text);
        assert!(fact.contains("Purview"), "{text}: {fact}");
        assert!(hint.contains("audit table"), "{hint}");
    }
    let (fact, hint) =
        refusal("{\"AuditDetailCollection\":{\"MoreRecords\":false,\"AuditDetails\":[{\"OldValue\":{}}]}}");
    assert!(
        fact.contains("RetrieveRecordChangeHistory") && hint.contains("audit table"),
        "{fact} {hint}"
    );
}
