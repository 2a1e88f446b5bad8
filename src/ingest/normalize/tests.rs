//! Raw rows as records, and the faults of those that are none.

use super::*;

fn raw(values: &[(Field, &'static str)]) -> Raw<'static> {
    let mut raw = Raw::default();
    raw.set(Field::CreatedOn, "2026-03-01T08:00:00Z".into());
    raw.set(Field::Action, "64".into());
    for (field, value) in values {
        raw.set(*field, (*value).into());
    }
    raw
}

fn record(values: &[(Field, &'static str)]) -> Record<'static> {
    normalize(Box::leak(Box::new(raw(values))), Tz::UTC, None).unwrap()
}

fn code_of(values: &[(Field, &'static str)]) -> &'static str {
    normalize(&mut raw(values), Tz::UTC, None).unwrap_err().code
}

#[test]
fn action_is_understood_in_every_spelling() {
    for (text, action) in [
        ("64", 64),
        ("64.0", 64),
        ("65", 65),
        ("999", 999),
        ("-1", -1),
        ("User Access via Web", 64),
        ("UserAccessviaWeb", 64),
        ("User_Access_via_Web", 64),
        ("Access via Web", 64),
        ("User Access via Web Services", 65),
        ("User Access Audit Started", 112),
        ("Audit Started", 112),
        ("Audit Stopped", 113),
        ("Audit Enabled", 107),
        ("Audit Change At Organization Level", 104),
        ("IPFirewallAcccesDenied", 118),
        ("IPFirewallAccesDenied", 118),
        ("IPFirewallAcesAllowed", 119),
    ] {
        assert_eq!(record(&[(Field::Action, text)]).action, action, "{text}");
    }
}

#[test]
fn the_integer_action_wins_over_its_label() {
    let row = record(&[(Field::Action, "65"), (Field::ActionLabel, "User Access via Web")]);
    assert_eq!(row.action, 65);
    let row = record(&[(Field::Action, ""), (Field::ActionLabel, "User Access via Web")]);
    assert_eq!(row.action, 64);
}

#[test]
fn a_sink_time_that_cannot_be_understood_is_unknown_and_costs_no_row() {
    let sink = |text| record(&[(Field::SinkModifiedOn, text)]).sink_modified_on;
    assert_eq!(sink("1970-01-01T00:00:01.0000000+00:00"), Some(1_000_000));
    assert_eq!(sink("1/1/1970 0:00:01 AM"), Some(1_000_000));
    assert_eq!(sink("yesterday"), None);
    assert_eq!(sink(""), None);
}

#[test]
fn faults_have_stable_codes() {
    assert_eq!(code_of(&[(Field::Action, "Truy cập")]), "action-invalid");
    assert_eq!(code_of(&[(Field::Action, "64.5")]), "action-invalid");
    assert_eq!(code_of(&[(Field::Action, "NULL")]), "action-missing");
    assert_eq!(code_of(&[(Field::CreatedOn, "")]), "created-on-missing");
    assert_eq!(code_of(&[(Field::CreatedOn, "12.05.2022")]), "created-on-invalid");
    assert_eq!(code_of(&[(Field::VersionNumber, "abc")]), "number-invalid");
}

#[test]
fn unknown_is_null_l7() {
    let row = record(&[
        (Field::AuditId, "NULL"),
        (Field::UserId, "nan"),
        (Field::ChangeData, ""),
    ]);
    assert_eq!((row.audit_id, row.user_id, row.change_data), (None, None, None));
}

#[test]
fn guids_are_lower_cased_and_lose_their_braces() {
    let id = "{AAAAAAAA-0000-4000-8000-00000000000F}";
    assert_eq!(
        record(&[(Field::AuditId, id)]).audit_id,
        Some("aaaaaaaa-0000-4000-8000-00000000000f")
    );
    assert_eq!(record(&[(Field::AuditId, "Row A")]).audit_id, Some("Row A"));
}

#[test]
fn actor_rule_objectid_not_userid() {
    let actor = |values: &[(Field, &'static str)]| record(values).actor().0.map(str::to_owned);
    let user = (Field::UserId, "system");
    let object = (Field::ObjectId, "jane");
    assert_eq!(
        actor(&[user, object, (Field::ObjectType, "systemuser")]).as_deref(),
        Some("jane")
    );
    assert_eq!(
        actor(&[user, object, (Field::ObjectType, "8")]).as_deref(),
        Some("jane")
    );
    assert_eq!(actor(&[user, object]).as_deref(), Some("jane"));
    assert_eq!(
        actor(&[user, object, (Field::ObjectIdTarget, "account")]).as_deref(),
        Some("system")
    );
    assert_eq!(actor(&[user]).as_deref(), Some("system"));
    assert_eq!(actor(&[user, object, (Field::Action, "2")]).as_deref(), Some("system"));
}

#[test]
fn a_name_without_id_gives_a_stable_id() {
    let row = record(&[(Field::ObjectName, "Wren Sample")]);
    assert_eq!(row.actor(), (Some("name:Wren Sample"), Some("Wren Sample")));
    let by_system = [(Field::ObjectName, "Wren Sample"), (Field::UserName, "SYSTEM")];
    assert_eq!(
        record(&by_system).actor(),
        (Some("name:Wren Sample"), Some("Wren Sample"))
    );
    let by_user = [(Field::UserName, " Wren Sample ")];
    assert_eq!(record(&by_user).actor().0, Some("name:Wren Sample"));
    let stopped = record(&[(Field::Action, "113"), (Field::UserName, "Wren Sample")]);
    assert_eq!(stopped.user_id, Some("name:Wren Sample"));
    let other = record(&[
        (Field::ObjectName, "Contoso"),
        (Field::ObjectType, "account"),
        (Field::UserName, "Wren"),
    ]);
    assert_eq!((other.object_id, other.user_id), (None, Some("name:Wren")));
}

#[test]
fn a_code_wins_over_a_label_in_whichever_column() {
    let row = record(&[(Field::Action, "User Access via Web"), (Field::ActionId, "65")]);
    assert_eq!(row.action, 65);
    let row = record(&[
        (Field::ActionId, ""),
        (Field::Action, "Update"),
        (Field::OperationId, "2"),
        (Field::Operation, "Delete"),
    ]);
    assert_eq!((row.action, row.operation), (2, Some(2)));
}

#[test]
fn a_column_that_says_utc_is_utc_whatever_the_zone_of_the_export() {
    let mut row = Raw::default();
    row.set(Field::Action, "64".into());
    row.set(Field::CreatedOnUtc, "2026-03-01 08:00:00.123".into());
    let row = normalize(&mut row, chrono_tz::Asia::Kolkata, None).unwrap();
    assert_eq!(instant::to_text(row.created_on), "2026-03-01T08:00:00.123000Z");
}
