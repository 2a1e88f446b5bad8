//! Raw rows of the side tables → what the lake keeps of users and organizations, purely.
//!
//! What makes `audit` rows readable beside their own columns: names, who is disabled or no person, and how often access
//! is logged at all. The same rules of spelling hold as for audit rows; a row without its id is a [`Fault`].

use super::fields::{Field, plain};
use super::head::{Head, Table};
use super::normalize::{Fault, fault, guid, integer, whole_number};
use super::raw::Raw;
use crate::instant;
use crate::lake::side::{Key, Organization, SideRow, User};
use chrono_tz::Tz;

/// The choice of `systemuser.accessmode`, by label.
const ACCESS_MODES: [(&str, i32); 6] = [
    ("Read-Write", 0),
    ("Administrative", 1),
    ("Read", 2),
    ("Support User", 3),
    ("Non-interactive", 4),
    ("Delegated Admin", 5),
];

/// Understands a row of a side table.
pub fn normalize(raw: &mut Raw<'_>, environment: &str, head: &Head) -> Result<SideRow, Fault> {
    match head.table {
        Table::Organization => organization(raw, environment, head),
        Table::SystemUser | Table::Audit => user(raw, environment, head),
    }
}

fn user(raw: &mut Raw<'_>, environment: &str, head: &Head) -> Result<SideRow, Fault> {
    let key = key(raw, Field::SystemUserId, "systemuserid", environment)?;
    let user = User {
        exported_on: head.exported_on,
        version_number: version(raw)?,
        modified_on: time(raw, Field::ModifiedOn, "modifiedon", head.zone)?,
        full_name: text(raw, Field::FullName),
        domain_name: text(raw, Field::DomainName).or_else(|| text(raw, Field::InternalEmail)),
        is_disabled: flag(raw, Field::IsDisabled, "isdisabled")?,
        access_mode: access_mode(raw)?,
        application_id: id(raw, Field::ApplicationId),
        is_licensed: flag(raw, Field::IsLicensed, "islicensed")?,
        created_on: time(raw, Field::CreatedOn, "createdon", head.zone)?,
        deleted_in_source: flag(raw, Field::IsDelete, "IsDelete")?.unwrap_or_default(),
    };
    Ok(SideRow::User(key, user))
}

fn organization(raw: &mut Raw<'_>, environment: &str, head: &Head) -> Result<SideRow, Fault> {
    let key = key(raw, Field::OrganizationId, "organizationid", environment)?;
    let interval = integer(raw, Field::UserAccessAuditingInterval, "useraccessauditinginterval")?;
    if interval.is_some_and(|hours: i32| hours < 0) {
        return Err(fault("number-invalid", "useraccessauditinginterval is below 0"));
    }
    let organization = Organization {
        exported_on: head.exported_on,
        version_number: version(raw)?,
        modified_on: time(raw, Field::ModifiedOn, "modifiedon", head.zone)?,
        name: text(raw, Field::Name),
        is_audit_enabled: flag(raw, Field::IsAuditEnabled, "isauditenabled")?,
        is_user_access_audit_enabled: flag(raw, Field::IsUserAccessAuditEnabled, "isuseraccessauditenabled")?,
        user_access_auditing_interval_h: interval,
        audit_retention_period_days: integer(raw, Field::AuditRetentionPeriod, "auditretentionperiodv2")?,
    };
    Ok(SideRow::Organization(key, organization))
}

fn key(raw: &mut Raw<'_>, field: Field, name: &str, environment: &str) -> Result<Key, Fault> {
    id(raw, field)
        .or_else(|| id(raw, Field::RowId))
        .map(|id| (environment.to_owned(), id))
        .ok_or_else(|| fault("id-missing", format!("{name} is missing")))
}

fn text(raw: &mut Raw<'_>, field: Field) -> Option<String> {
    raw.take(field).map(|text| text.into_owned())
}

fn id(raw: &mut Raw<'_>, field: Field) -> Option<String> {
    raw.take(field).map(|id| guid(id).into_owned())
}

fn time(raw: &mut Raw<'_>, field: Field, name: &str, zone: Tz) -> Result<Option<i64>, Fault> {
    let understood = |text: &str| instant::parse(text.trim(), zone);
    let read = raw.take(field).map(|text| {
        understood(&text).ok_or_else(|| fault("time-invalid", format!("{name} {text:?} is not a time gatelog knows")))
    });
    read.transpose()
}

/// A version number; on premises it is a row version, which SQL Server shows in hexadecimal.
fn version(raw: &mut Raw<'_>) -> Result<Option<i64>, Fault> {
    let Some(text) = raw.take(Field::VersionNumber) else {
        return Ok(None);
    };
    let is_hexadecimal = |digits: &&str| digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let number = match text.trim().split_at_checked(2) {
        Some(("0x" | "0X", digits)) => Some(digits)
            .filter(is_hexadecimal)
            .and_then(|digits| i64::from_str_radix(digits, 16).ok()),
        _ => whole_number(&text),
    };
    let invalid = || {
        fault(
            "number-invalid",
            format!("versionnumber {text:?} is not a whole number in range"),
        )
    };
    number.ok_or_else(invalid).map(Some)
}

/// A two-option choice: a number, a truth value, or the label of `isdisabled` and the like.
fn flag(raw: &mut Raw<'_>, field: Field, name: &str) -> Result<Option<bool>, Fault> {
    let understood = |text: &str| match (whole_number(text), plain(text).as_str()) {
        (Some(1), _) | (None, "true" | "yes" | "disabled" | "licensed") => Some(true),
        (Some(0), _) | (None, "false" | "no" | "enabled" | "notlicensed") => Some(false),
        _ => None,
    };
    let read = raw.take(field).map(|text| {
        understood(&text).ok_or_else(|| fault("flag-invalid", format!("{name} {text:?} is neither true nor false")))
    });
    read.transpose()
}

fn access_mode(raw: &mut Raw<'_>) -> Result<Option<i32>, Fault> {
    let labelled = |text: &str| {
        ACCESS_MODES
            .iter()
            .find(|(label, _)| plain(label) == plain(text))
            .map(|(_, mode)| *mode)
    };
    let understood = |text: &str| {
        whole_number(text)
            .and_then(|mode| i32::try_from(mode).ok())
            .or_else(|| labelled(text))
    };
    let read = raw.take(Field::AccessMode).map(|text| {
        understood(&text).ok_or_else(|| {
            fault(
                "number-invalid",
                format!("accessmode {text:?} is neither a number nor a known English label"),
            )
        })
    });
    read.transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::head::{Form, Known};

    fn head(table: Table) -> Head {
        let known = Known {
            source: "test".into(),
            environment: None,
            zone: chrono_tz::Tz::UTC,
            date_order: None,
            exported_on: 7,
            record_bytes: 1 << 20,
            partition: None,
        };
        Head {
            table,
            ..Head::new(Form::Lines, &known, (0, 0))
        }
    }

    fn raw(values: &[(Field, &'static str)]) -> Raw<'static> {
        let mut raw = Raw::default();
        values.iter().for_each(|&(field, value)| raw.set(field, value.into()));
        raw
    }

    fn user_of(values: &[(Field, &'static str)]) -> User {
        let values = [
            &[(Field::SystemUserId, "{AAAAAAAA-0000-4000-8000-00000000000F}")],
            values,
        ]
        .concat();
        match normalize(&mut raw(&values), "e", &head(Table::SystemUser)) {
            Ok(SideRow::User(key, user)) => {
                assert_eq!(key, ("e".to_owned(), "aaaaaaaa-0000-4000-8000-00000000000f".to_owned()));
                user
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn flags_and_access_modes_are_understood_in_every_spelling() {
        for (text, flag) in [
            ("true", Some(true)),
            ("False", Some(false)),
            ("1", Some(true)),
            ("0.0", Some(false)),
            ("Yes", Some(true)),
            ("No", Some(false)),
            ("Disabled", Some(true)),
            ("Enabled", Some(false)),
            ("NULL", None),
            ("", None),
        ] {
            assert_eq!(user_of(&[(Field::IsDisabled, text)]).is_disabled, flag, "{text}");
        }
        for (text, mode) in [
            ("4", Some(4)),
            ("4.0", Some(4)),
            ("Non-interactive", Some(4)),
            ("read-write", Some(0)),
            ("", None),
        ] {
            assert_eq!(user_of(&[(Field::AccessMode, text)]).access_mode, mode, "{text}");
        }
    }

    #[test]
    fn a_version_may_be_a_row_version_of_sql_server() {
        for (text, version) in [
            ("7001", 7001),
            ("7001.0", 7001),
            ("0x0000000000001B59", 7001),
            ("0XFF", 255),
        ] {
            assert_eq!(
                user_of(&[(Field::VersionNumber, text)]).version_number,
                Some(version),
                "{text}"
            );
        }
        for text in ["0x", "0x+1", "0x-1", "0xFFFFFFFFFFFFFFFF", "1B59"] {
            let id = (Field::SystemUserId, "1");
            let fault = normalize(
                &mut raw(&[id, (Field::VersionNumber, text)]),
                "e",
                &head(Table::SystemUser),
            );
            assert_eq!(fault.unwrap_err().code, "number-invalid", "{text}");
        }
    }

    #[test]
    fn an_address_stands_for_a_domain_name_that_is_missing() {
        let address = (Field::InternalEmail, "wren@example.com");
        let named = |values: &[(Field, &'static str)]| user_of(values).domain_name;
        assert_eq!(named(&[address]).as_deref(), Some("wren@example.com"));
        assert_eq!(
            named(&[address, (Field::DomainName, "CONTOSO\\wren")]).as_deref(),
            Some("CONTOSO\\wren")
        );
    }

    #[test]
    fn what_is_not_said_is_unknown_l7() {
        let expected = User {
            exported_on: 7,
            ..User::default()
        };
        assert_eq!(user_of(&[]), expected);
    }

    #[test]
    fn faults_have_stable_codes() {
        let code =
            |table, values: &[(Field, &'static str)]| normalize(&mut raw(values), "e", &head(table)).unwrap_err().code;
        assert_eq!(code(Table::SystemUser, &[(Field::FullName, "Jane")]), "id-missing");
        let organization = |field, value| code(Table::Organization, &[(Field::OrganizationId, "o"), (field, value)]);
        assert_eq!(organization(Field::IsAuditEnabled, "perhaps"), "flag-invalid");
        assert_eq!(
            organization(Field::UserAccessAuditingInterval, "often"),
            "number-invalid"
        );
        assert_eq!(organization(Field::UserAccessAuditingInterval, "-4"), "number-invalid");
        assert_eq!(organization(Field::ModifiedOn, "yesterday"), "time-invalid");
    }
}
