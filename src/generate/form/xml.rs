//! Rows as XML: entities of an organization service, and rows of a FetchXML result.

use super::{action_label, operation_label, unescaped};
use crate::generate::bytes::*;
use crate::generate::draw::Guid;
use crate::generate::row::{Reference, Row};

const SOAP_HEAD: &str = r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>
<RetrieveMultipleResponse xmlns="http://schemas.microsoft.com/xrm/2011/Contracts/Services">
<RetrieveMultipleResult xmlns:b="http://schemas.microsoft.com/xrm/2011/Contracts" xmlns:i="http://www.w3.org/2001/XMLSchema-instance" xmlns:c="http://schemas.datacontract.org/2004/07/System.Collections.Generic" xmlns:d="http://www.w3.org/2001/XMLSchema" xmlns:e="http://schemas.microsoft.com/2003/10/Serialization/">
<b:Entities>
"#;

pub fn write_soap_head(out: &mut Vec<u8>) {
    out.extend_from_slice(SOAP_HEAD.as_bytes());
}

pub fn write_soap_foot(has_more: bool, out: &mut Vec<u8>) {
    let foot = format!(
        "</b:Entities><b:EntityName>audit</b:EntityName><b:MoreRecords>{has_more}</b:MoreRecords>\n\
         </RetrieveMultipleResult></RetrieveMultipleResponse></s:Body></s:Envelope>\n"
    );
    out.extend_from_slice(foot.as_bytes());
}

pub fn write_fetch_head(number: u64, is_last: bool, out: &mut Vec<u8>) {
    let more = u8::from(!is_last);
    let head = format!(
        "<resultset morerecords=\"{more}\" paging-cookie=\"&lt;cookie page=&quot;{number}&quot;&gt;&lt;/cookie&gt;\">\n"
    );
    out.extend_from_slice(head.as_bytes());
}

/// One `Entity`.
pub fn write_soap(row: &Row, annotated: bool, out: &mut Vec<u8>) {
    let reference = |to: &Reference, table: &str| {
        let name = match annotated {
            true => format!("<b:Name>{}</b:Name>", escaped(&unescaped(&to.name))),
            false => "<b:Name i:nil=\"true\"/>".to_owned(),
        };
        (
            "b:EntityReference",
            format!(
                "<b:Id>{}</b:Id><b:LogicalName>{table}</b:LogicalName>{name}",
                guid(&to.id)
            ),
        )
    };
    let choice = |value: u8| ("b:OptionSetValue", format!("<b:Value>{value}</b:Value>"));
    let text = |text: &[u8]| ("d:string", escaped(&String::from_utf8_lossy(text)));
    let mut values = vec![
        ("auditid", ("e:guid", guid(&row.audit_id))),
        ("createdon", ("d:dateTime", instant(row.unix_s))),
        ("action", choice(row.action)),
        ("operation", choice(row.operation)),
        ("objectid", reference(&row.object, row.object_type)),
        ("objecttypecode", ("d:string", row.object_type.to_owned())),
        ("userid", reference(&row.user, "systemuser")),
        ("transactionid", ("e:guid", guid(&row.transaction_id))),
        ("versionnumber", ("d:long", row.version.to_string())),
    ];
    if let Some(caller) = &row.calling_user {
        values.push(("callinguserid", reference(caller, "systemuser")));
    }
    if !row.attribute_mask.is_empty() {
        values.push(("attributemask", text(&row.attribute_mask)));
    }
    if !row.change_data.is_empty() {
        values.push(("changedata", text(&row.change_data)));
    }
    out.extend_from_slice(b"<b:Entity><b:Attributes>");
    for (key, (kind, value)) in values {
        let pair = format!(
            "<b:KeyValuePairOfstringanyType><c:key>{key}</c:key><c:value i:type=\"{kind}\">{value}</c:value>\
             </b:KeyValuePairOfstringanyType>"
        );
        out.extend_from_slice(pair.as_bytes());
    }
    out.extend_from_slice(b"</b:Attributes><b:EntityState i:nil=\"true\"/>");
    if annotated {
        let labels = [
            ("action", action_label(row.action)),
            ("operation", operation_label(row.operation)),
        ];
        out.extend_from_slice(b"<b:FormattedValues>");
        for (key, label) in labels {
            let pair = format!(
                "<b:KeyValuePairOfstringstring><c:key>{key}</c:key><c:value>{label}</c:value></b:KeyValuePairOfstringstring>"
            );
            out.extend_from_slice(pair.as_bytes());
        }
        out.extend_from_slice(b"</b:FormattedValues>");
    } else {
        out.extend_from_slice(b"<b:FormattedValues/>");
    }
    let end = format!(
        "<b:Id>{}</b:Id><b:LogicalName>audit</b:LogicalName><b:RelatedEntities/></b:Entity>\n",
        guid(&row.audit_id)
    );
    out.extend_from_slice(end.as_bytes());
}

/// One `<result>`.
pub fn write_fetch(row: &Row, annotated: bool, out: &mut Vec<u8>) {
    let braced = |id: &Guid| format!("{{{}}}", guid(id).to_uppercase());
    let lookup = |column: &str, to: &Reference, table: &str| {
        let name = match annotated {
            true => format!(" name=\"{}\"", escaped(&unescaped(&to.name))),
            false => String::new(),
        };
        format!("<{column}{name} type=\"{table}\">{}</{column}>", braced(&to.id))
    };
    let choice = |column: &str, label: &str, value: u8| {
        let name = if annotated {
            format!(" name=\"{label}\"")
        } else {
            String::new()
        };
        format!("<{column}{name} formattedvalue=\"{value}\">{value}</{column}>")
    };
    let on = instant(row.unix_s);
    let local = on.trim_end_matches('Z');
    let mut columns = vec![
        format!("<auditid>{}</auditid>", braced(&row.audit_id)),
        format!(
            "<createdon date=\"{}\" time=\"{}\">{local}-00:00</createdon>",
            &on[..10],
            &on[11..16]
        ),
        choice("action", action_label(row.action), row.action),
        choice("operation", operation_label(row.operation), row.operation),
        lookup("objectid", &row.object, row.object_type),
        format!("<objecttypecode>{}</objecttypecode>", row.object_type),
        lookup("userid", &row.user, "systemuser"),
        format!("<transactionid>{}</transactionid>", braced(&row.transaction_id)),
        format!("<versionnumber>{}</versionnumber>", row.version),
    ];
    columns.extend(
        row.calling_user
            .as_ref()
            .map(|caller| lookup("callinguserid", caller, "systemuser")),
    );
    for (column, text) in [("attributemask", &row.attribute_mask), ("changedata", &row.change_data)] {
        if !text.is_empty() {
            columns.push(format!(
                "<{column}>{}</{column}>",
                escaped(&String::from_utf8_lossy(text))
            ));
        }
    }
    out.extend_from_slice(b"<result>");
    out.extend_from_slice(columns.concat().as_bytes());
    out.extend_from_slice(b"</result>\n");
}

fn guid(id: &Guid) -> String {
    let mut text = Vec::new();
    push_guid(&mut text, id);
    String::from_utf8_lossy(&text).into_owned()
}

fn instant(unix_s: i64) -> String {
    let mut text = Vec::new();
    push_instant(&mut text, unix_s);
    String::from_utf8_lossy(&text).into_owned()
}

/// As text or attribute; line ends as references, since readers fold them otherwise.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\n' => escaped += "&#10;",
            '\r' => escaped += "&#13;",
            '\t' => escaped += "&#9;",
            _ => escaped.push(char),
        }
    }
    escaped
}
