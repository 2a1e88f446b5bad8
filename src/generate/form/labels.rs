//! What Dataverse shows people in place of a code.

pub fn operation_label(operation: u8) -> &'static str {
    match operation {
        1 => "Create",
        2 => "Update",
        3 => "Delete",
        _ => "Access",
    }
}

pub fn action_label(action: u8) -> &'static str {
    match action {
        1 => "Create",
        2 => "Update",
        3 => "Delete",
        4 => "Activate",
        5 => "Deactivate",
        12 => "Merge",
        13 => "Assign",
        14 => "Share",
        20 => "Resolve",
        21 => "Reopen",
        33 => "Associate Entities",
        34 => "Disassociate Entities",
        41 => "Set State",
        44 => "Win",
        45 => "Lose",
        49 => "Unshare",
        64 => "User Access via Web",
        65 => "User Access via Web Services",
        102 => "Audit Change at Entity Level",
        103 => "Audit Change at Attribute Level",
        104 => "Audit Change at Org Level",
        105 => "Entity Audit Started",
        106 => "Attribute Audit Started",
        107 => "Audit Enabled",
        108 => "Entity Audit Stopped",
        109 => "Attribute Audit Stopped",
        110 => "Audit Disabled",
        111 => "Audit Log Deletion",
        112 => "User Access Audit Started",
        113 => "User Access Audit Stopped",
        _ => "Unknown",
    }
}
