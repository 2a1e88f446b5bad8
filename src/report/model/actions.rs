//! `dim_action`: every action of Dataverse's audit log, what it means, and what it means for what the reports prove.
//!
//! Codes and labels are those of [`ACTIONS`], meanings of control rows those of [`control_meaning`]. The other meanings
//! follow the auditing documentation of Dataverse (*Retrieve the history of audited data changes*) and, of upserts and of
//! judged requests, that of the messages and audit details of these names, in our own words. Of many actions it documents
//! the label alone, as operations of apps such as Sales or Customer Service: their row says so and guesses nothing. A code
//! that is not here is one that Dataverse has not documented.

use super::super::table::Table;
use crate::columns;
use crate::error::Result;
use crate::record::{ACTIONS, Kind, control_meaning};
use arrow::array::{ArrayRef, BooleanArray, Int32Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use std::sync::{Arc, LazyLock};

pub(super) static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        columns::required(
            "action",
            DataType::Int32,
            "The key: the audit record's action, as in `control` and in the lake.",
        ),
        columns::required("action_name", DataType::Utf8, "Dataverse's label in English."),
        columns::required(
            "kind",
            DataType::Utf8,
            "`access`, `control` or `change`: in which part of the lake its rows lie.",
        ),
        columns::required("meaning", DataType::Utf8, "What such a row says, in plain language."),
        columns::required(
            "is_documented",
            DataType::Boolean,
            "Whether that meaning is documented; else Dataverse documents the label only.",
        ),
        columns::required(
            "coverage",
            DataType::Utf8,
            "What a row of this action says about who was there, and about what the log can show.",
        ),
    ]))
});

/// Meanings that the documentation gives, beside those of control rows.
const MEANINGS: &[(i32, &str)] = &[
    (0, "An operation that Dataverse itself does not know by name."),
    (1, "A record was created."),
    (2, "A record was updated."),
    (3, "A record was deleted."),
    (6, "A record was updated, or created because there was none."),
    (12, "A record was merged with another."),
    (13, "A record was given to another owner."),
    (14, "Somebody was given access to a record."),
    (16, "A case or a quote was closed."),
    (31, "A member was added to a marketing list."),
    (33, "Records were associated with another record."),
    (34, "Records were no longer associated with another record."),
    (37, "An item was added to a campaign or a campaign activity."),
    (41, "The state of a record was set."),
    (42, "A contract or an entitlement was renewed."),
    (43, "A quote was revised."),
    (44, "An opportunity was won."),
    (48, "Somebody's access to a shared record was changed."),
    (49, "Somebody's access to a shared record was taken away."),
    (53, "A security role was assigned to a team."),
    (54, "A security role was removed from a team."),
    (55, "A security role was assigned to a user."),
    (56, "A security role was removed from a user."),
    (57, "Privileges were added to a security role."),
    (58, "Privileges were removed from a security role."),
    (59, "The privileges of a security role were replaced."),
    (
        64,
        "A user came by the web application: a model-driven app, or Dynamics 365 for Outlook.",
    ),
    (
        65,
        "A user, or a program in the user's name, came by web services: by a client other than a model-driven app.",
    ),
    (100, "A table was deleted."),
    (101, "A column was deleted."),
    (118, "A request was denied by the IP firewall."),
    (119, "A request was allowed by the IP firewall."),
    (121, "A request was denied because of the application it came from."),
    (
        122,
        "A request was allowed, with regard to the application it came from.",
    ),
];

/// What control rows mean for the reports. 102 to 104 say that a setting was changed, not how.
const OF_CONTROL: &[(i32, &str)] = &[
    (
        102,
        "No gap by itself: it says that a setting was changed, not how; see 105 and 108.",
    ),
    (
        103,
        "No gap by itself: it says that a setting was changed, not how; see 106 and 109.",
    ),
    (
        104,
        "No gap by itself: it says that a setting was changed, not how; see 107, 110, 112 and 113.",
    ),
    (
        105,
        "Ends a gap of scope table, of unknown start if no 108 precedes it. Accesses are logged all the same.",
    ),
    (
        106,
        "Ends a gap of scope column, of unknown start if no 109 precedes it. Accesses are logged all the same.",
    ),
    (
        107,
        "Ends a gap of scope organization, of unknown start if no 110 precedes it.",
    ),
    (108, "Begins a gap of scope table. Accesses are logged all the same."),
    (109, "Begins a gap of scope column. Accesses are logged all the same."),
    (
        110,
        "Begins a gap of scope organization, which is part of the effective gap: absence of accesses proves nothing.",
    ),
    (
        111,
        "No gap, for nobody knows which rows are gone: absence of rows before it proves nothing.",
    ),
    (
        112,
        "Ends a gap of scope user_access, of unknown start if no 113 precedes it.",
    ),
    (
        113,
        "Begins a gap of scope user_access, which is part of the effective gap: absence of accesses proves nothing.",
    ),
];

const OF_ACCESS: &str = "Proves that the actor came, and that accesses were logged at that time. Further ones need not be \
                         logged within the audit interval, so their number is no measure of how much was done.";

const OF_CHANGE: &str = "Proves that something was done in the user's name, which a job, flow or plug-in may have done; \
                         with --evidence all it extends sessions.";

/// What denies or allows requests is no sign that anybody worked.
const OF_REQUEST: &str = "Not an access of the reports: it says how a request was judged, not that somebody came in.";

fn meaning(action: i32, label: &str) -> (String, bool) {
    let known = MEANINGS.iter().find(|entry| entry.0 == action).map(|entry| entry.1);
    match known.or_else(|| control_meaning(action)) {
        Some(meaning) => (meaning.to_owned(), true),
        None => (
            format!("The operation {label}; Dataverse documents its name only."),
            false,
        ),
    }
}

fn coverage(action: i32) -> &'static str {
    match (Kind::of(action), action) {
        (Kind::Access, _) => OF_ACCESS,
        (Kind::Change, 118 | 119 | 121 | 122) => OF_REQUEST,
        (Kind::Change, _) => OF_CHANGE,
        (Kind::Control, _) => {
            let known = OF_CONTROL.iter().find(|entry| entry.0 == action);
            known.map_or(OF_CHANGE, |entry| entry.1)
        }
    }
}

/// The table, in order of actions.
pub fn table() -> Result<Table> {
    let meanings: Vec<(String, bool)> = ACTIONS.iter().map(|(action, label)| meaning(*action, label)).collect();
    let text = |of: fn(&(i32, &'static str)) -> &'static str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(ACTIONS.iter().map(of)))
    };
    let are_documented = meanings.iter().map(|meaning| Some(meaning.1));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from_iter_values(ACTIONS.iter().map(|entry| entry.0))),
        text(|entry| entry.1),
        text(|entry| Kind::of(entry.0).name()),
        Arc::new(StringArray::from_iter_values(meanings.iter().map(|meaning| &meaning.0))),
        Arc::new(are_documented.collect::<BooleanArray>()),
        text(|entry| coverage(entry.0)),
    ];
    let rows = RecordBatch::try_new(SCHEMA.clone(), columns)?;
    Ok(Table::new("dim_action", SCHEMA.clone(), vec![rows])?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meanings_are_of_actions_that_exist_each_once_and_never_of_control_rows() {
        let codes: Vec<i32> = MEANINGS.iter().map(|entry| entry.0).collect();
        assert!(codes.is_sorted_by(|a, b| a < b));
        for code in codes {
            assert!(ACTIONS.iter().any(|entry| entry.0 == code), "{code}");
            assert!(control_meaning(code).is_none(), "{code}");
        }
    }

    #[test]
    fn every_control_action_says_what_it_means_for_gaps() {
        let codes: Vec<i32> = OF_CONTROL.iter().map(|entry| entry.0).collect();
        assert_eq!(codes, (102..=113).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_documented_by_its_label_only_says_so() {
        assert_eq!(
            meaning(24, "Qualify"),
            (
                "The operation Qualify; Dataverse documents its name only.".to_owned(),
                false
            )
        );
        assert!(meaning(64, "User Access via Web").1 && meaning(111, "Audit Log Deletion").1);
    }
}
