//! The audit record: what one row of Dataverse's `audit` table says, after its raw spelling has been understood.
//!
//! Words: an *access* is action 64 (web) or 65 (web services); a *control row* (102–113) says that auditing itself was
//! changed; every other row is a *change*. The *actor* is who an access is about.
//!
//! This file knows nobody: ingest fills a [`Record`], the lake stores it, reports read the columns.

use serde::{Deserialize, Serialize};

pub const ACTION_WEB: i32 = 64;
pub const ACTION_WEB_SERVICES: i32 = 65;
pub const ACTION_LOG_DELETION: i32 = 111;

/// The lake's second partition level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Access,
    Control,
    Change,
}

impl Kind {
    pub const ALL: [Kind; 3] = [Kind::Access, Kind::Control, Kind::Change];

    /// The kind an action belongs to. Codes that Dataverse may add later are changes.
    pub fn of(action: i32) -> Kind {
        match action {
            ACTION_WEB | ACTION_WEB_SERVICES => Kind::Access,
            102..=113 => Kind::Control,
            _ => Kind::Change,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Kind::Access => "access",
            Kind::Control => "control",
            Kind::Change => "change",
        }
    }
}

/// One audit row. Unknown is `None`, never a made-up value (L7).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Record<'a> {
    pub audit_id: Option<&'a str>,
    /// Microseconds since 1970-01-01T00:00:00Z.
    pub created_on: i64,
    pub action: i32,
    pub operation: Option<i32>,
    pub object_type: Option<&'a str>,
    pub object_id: Option<&'a str>,
    pub object_name: Option<&'a str>,
    pub user_id: Option<&'a str>,
    pub user_name: Option<&'a str>,
    pub calling_user_id: Option<&'a str>,
    pub calling_user_name: Option<&'a str>,
    pub transaction_id: Option<&'a str>,
    pub attribute_mask: Option<&'a str>,
    pub change_data: Option<&'a str>,
    pub additional_info: Option<&'a str>,
    pub user_additional_info: Option<&'a str>,
    pub regarding_object_id: Option<&'a str>,
    pub regarding_object_name: Option<&'a str>,
    pub version_number: Option<i64>,
    pub time_to_live_s: Option<i32>,
    pub deleted_in_source: bool,
    /// When Synapse Link wrote this version of the row, micros like `created_on`; only between versions it decides.
    pub sink_modified_on: Option<i64>,
}

/// How the id of somebody begins who is known by display name only.
pub const NAME_ONLY: &str = "name:";

impl<'a> Record<'a> {
    pub fn kind(&self) -> Kind {
        Kind::of(self.action)
    }

    /// Who the row is about: (id, name).
    ///
    /// On an access Dataverse writes the person into `objectid` and often SYSTEM into `userid`. An object of another
    /// table cannot be the person, so `userid` stands in for it.
    pub fn actor(&self) -> (Option<&'a str>, Option<&'a str>) {
        let object_is_user =
            self.object_id.is_some() && self.object_type.is_none_or(|object_type| object_type == "systemuser");
        if self.kind() == Kind::Access && object_is_user {
            (self.object_id, self.object_name)
        } else {
            (self.user_id, self.user_name)
        }
    }
}

/// Every action of the global choice `audit_action`: code, Dataverse's English label.
///
/// Source: the `audit` table reference of the Dataverse developer documentation; 104 and the firewall codes also
/// occur in other spellings, which `ingest::normalize` adds.
pub const ACTIONS: &[(i32, &str)] = &[
    (0, "Unknown"),
    (1, "Create"),
    (2, "Update"),
    (3, "Delete"),
    (4, "Activate"),
    (5, "Deactivate"),
    (6, "Upsert"),
    (11, "Cascade"),
    (12, "Merge"),
    (13, "Assign"),
    (14, "Share"),
    (15, "Retrieve"),
    (16, "Close"),
    (17, "Cancel"),
    (18, "Complete"),
    (20, "Resolve"),
    (21, "Reopen"),
    (22, "Fulfill"),
    (23, "Paid"),
    (24, "Qualify"),
    (25, "Disqualify"),
    (26, "Submit"),
    (27, "Reject"),
    (28, "Approve"),
    (29, "Invoice"),
    (30, "Hold"),
    (31, "Add Member"),
    (32, "Remove Member"),
    (33, "Associate Entities"),
    (34, "Disassociate Entities"),
    (35, "Add Members"),
    (36, "Remove Members"),
    (37, "Add Item"),
    (38, "Remove Item"),
    (39, "Add Substitute"),
    (40, "Remove Substitute"),
    (41, "Set State"),
    (42, "Renew"),
    (43, "Revise"),
    (44, "Win"),
    (45, "Lose"),
    (46, "Internal Processing"),
    (47, "Reschedule"),
    (48, "Modify Share"),
    (49, "Unshare"),
    (50, "Book"),
    (51, "Generate Quote From Opportunity"),
    (52, "Add To Queue"),
    (53, "Assign Role To Team"),
    (54, "Remove Role From Team"),
    (55, "Assign Role To User"),
    (56, "Remove Role From User"),
    (57, "Add Privileges to Role"),
    (58, "Remove Privileges From Role"),
    (59, "Replace Privileges In Role"),
    (60, "Import Mappings"),
    (61, "Clone"),
    (62, "Send Direct Email"),
    (63, "Enabled for organization"),
    (64, "User Access via Web"),
    (65, "User Access via Web Services"),
    (100, "Delete Entity"),
    (101, "Delete Attribute"),
    (102, "Audit Change at Entity Level"),
    (103, "Audit Change at Attribute Level"),
    (104, "Audit Change at Org Level"),
    (105, "Entity Audit Started"),
    (106, "Attribute Audit Started"),
    (107, "Audit Enabled"),
    (108, "Entity Audit Stopped"),
    (109, "Attribute Audit Stopped"),
    (110, "Audit Disabled"),
    (111, "Audit Log Deletion"),
    (112, "User Access Audit Started"),
    (113, "User Access Audit Stopped"),
    (115, "Archive"),
    (116, "Retain"),
    (117, "RollbackRetain"),
    (118, "IPFirewallAccessDenied"),
    (119, "IPFirewallAccessAllowed"),
    (120, "Restore"),
    (121, "ApplicationBasedAccessDenied"),
    (122, "ApplicationBasedAccessAllowed"),
    (123, "Create - AI assisted"),
    (124, "Update - AI assisted"),
    (125, "Read Unmasked"),
];

/// What each control row means, in plain language: the code, and what it says of the rows around it.
pub const CONTROL_MEANINGS: &[(i32, &str)] = &[
    (102, "The audit setting of a table was changed."),
    (103, "The audit setting of a column was changed."),
    (104, "An audit setting of the organization was changed."),
    (
        105,
        "Auditing of a table was started: from here on its changes are logged.",
    ),
    (
        106,
        "Auditing of a column was started: from here on its changes are logged.",
    ),
    (
        107,
        "Auditing of the organization was started: from here on accesses and changes can be logged.",
    ),
    (
        108,
        "Auditing of a table was stopped: its changes are not logged until it is started again.",
    ),
    (
        109,
        "Auditing of a column was stopped: its changes are not logged until it is started again.",
    ),
    (
        110,
        "Auditing of the organization was stopped: neither accesses nor changes are logged until it is started again.",
    ),
    (
        111,
        "Audit logs were deleted: earlier rows may be missing, so their absence proves nothing.",
    ),
    (
        112,
        "Auditing of user access was started: from here on accesses are logged.",
    ),
    (
        113,
        "Auditing of user access was stopped: accesses are not logged until it is started again.",
    ),
];

/// Dataverse's English label of an action.
pub fn action_label(action: i32) -> Option<&'static str> {
    text_of(ACTIONS, action)
}

/// What a control row of this action means.
pub fn control_meaning(action: i32) -> Option<&'static str> {
    text_of(CONTROL_MEANINGS, action)
}

fn text_of(list: &[(i32, &'static str)], code: i32) -> Option<&'static str> {
    list.iter().find(|entry| entry.0 == code).map(|entry| entry.1)
}

/// The global choice `audit_operation`.
pub const OPERATIONS: &[(i32, &str)] = &[
    (1, "Create"),
    (2, "Update"),
    (3, "Delete"),
    (4, "Access"),
    (5, "Upsert"),
    (115, "Archive"),
    (116, "Retain"),
    (117, "RollbackRetain"),
    (118, "Restore"),
    (200, "CustomOperation"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_control_action_has_a_label_and_a_meaning_and_no_other_has_one() {
        for action in -1..200 {
            let is_control = Kind::of(action) == Kind::Control;
            assert_eq!(control_meaning(action).is_some(), is_control, "{action}");
            assert!(action_label(action).is_some() || !is_control, "{action}");
        }
    }
}
