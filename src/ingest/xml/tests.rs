//! The XML grammar: every type of value, every way to write one, and what a broken record costs.

use super::token::MAX_SECTION_BYTES;
use super::*;
use crate::ingest::block::{self, Parsed};
use crate::ingest::head::{Form, Found, Head, Known};
use crate::ingest::normalize::normalize;
use crate::ingest::raw::Raw;
use crate::ingest::reject::Reject;
use crate::record::Record;
use chrono_tz::Tz;
use std::sync::Arc;

pub const ON: &str = "<createdon>2026-03-01T08:00:00Z</createdon>";
pub const PLAIN: &str = "<result><createdon>2026-03-01T08:00:00Z</createdon><action>64</action></result>";

/// A pair of a SOAP entity; `value` is all of its value element.
fn pair(key: &str, value: &str) -> String {
    format!("<a:KeyValuePairOfstringanyType><b:key>{key}</b:key>{value}</a:KeyValuePairOfstringanyType>")
}

fn entity(pairs: &str, rest: &str) -> String {
    let on = pair(
        "createdon",
        "<b:value i:type=\"c:dateTime\">2026-03-01T08:00:00Z</b:value>",
    );
    let action = pair(
        "action",
        "<b:value i:type=\"a:OptionSetValue\"><a:Value>64</a:Value></b:value>",
    );
    format!("<a:Entity><a:Attributes>{on}{action}{pairs}</a:Attributes>{rest}</a:Entity>")
}

/// The record that a text begins with, and its length.
fn read(text: &[u8], dialect: Dialect) -> Result<(Raw<'_>, usize), Halt> {
    record::read(text, 0, text.len(), dialect, &mut Tokens::of(text)).map_err(|(_, halt)| halt)
}

/// The record of a text, all of which must be read.
fn record(text: &str) -> Record<'_> {
    let dialect = begins_record(text.as_bytes(), 0).expect("a record begins");
    let (raw, length) = read(text.as_bytes(), dialect).unwrap_or_else(|halt| panic!("{halt:?}: {text}"));
    assert_eq!(length, text.len());
    normalize(Box::leak(Box::new(raw)), Tz::UTC, None).unwrap_or_else(|fault| panic!("{fault:?}: {text}"))
}

/// A record of SOAP, from its pairs and what stands beside them.
fn soap(pairs: &str, rest: &str) -> Record<'static> {
    let text: &'static str = entity(pairs, rest).leak();
    record(text)
}

fn fetch(columns: &str) -> Record<'static> {
    let text: &'static str = format!("<result>{ON}{columns}</result>").leak();
    record(text)
}

/// How long a record may be here.
const RECORD_BYTES: usize = 4 << 20;

pub fn head(layout: Layout) -> Head {
    let known = Known {
        source: "log".into(),
        environment: None,
        zone: Tz::UTC,
        date_order: None,
        exported_on: 0,
        record_bytes: RECORD_BYTES,
        partition: None,
    };
    Head::new(Form::Xml(layout), &known, (0, 0))
}

/// Parses a text as the last block of an export in an envelope.
pub fn parsed(text: &[u8]) -> Parsed {
    let parsed = block::parse(&Block {
        head: Arc::new(head(Layout {
            dialect: Dialect::Fetch,
            is_enveloped: true,
        })),
        bytes: text.to_vec(),
        offset: 0,
        last: true,
        loss: None,
        start: State::Begin,
    });
    let parsed = parsed.expect("rows");
    assert_eq!(parsed.stop.consumed, text.len(), "every byte is understood or rejected");
    parsed
}

/// How many rows a text gives, and the rejects: code and raw bytes.
fn outcome(text: impl AsRef<[u8]>) -> (usize, Vec<(&'static str, String)>) {
    let parsed = parsed(text.as_ref());
    let raw = |reject: &Reject| String::from_utf8_lossy(&text.as_ref()[reject.span.clone()]).into_owned();
    let told = |reject: Reject| (reject.reason.code, raw(&reject));
    (parsed.rows.len(), parsed.rejects.into_iter().map(told).collect())
}

fn resultset(results: &str) -> String {
    format!("<resultset>{results}</resultset>")
}

#[test]
fn every_type_of_a_soap_value_is_read() {
    let pairs = [
        (
            "auditid",
            "<b:value i:type=\"d:guid\">AAAAAAAA-0000-4000-8000-000000000001</b:value>",
        ),
        (
            "operation",
            "<b:value i:type=\"a:AliasedValue\"><a:AttributeLogicalName>operation</a:AttributeLogicalName><a:EntityLogicalName>audit</a:EntityLogicalName><a:Value i:type=\"a:OptionSetValue\"><a:Value>4</a:Value></a:Value></b:value>",
        ),
        (
            "objectid",
            "<b:value i:type=\"a:EntityReference\"><a:Id>o</a:Id><a:KeyAttributes/><a:LogicalName>systemuser</a:LogicalName><a:Name>Wren</a:Name><a:RowVersion i:nil=\"true\"/></b:value>",
        ),
        (
            "userid",
            "<b:value i:type=\"a:AliasedValue\"><a:Value i:type=\"a:EntityReference\"><a:Id>u</a:Id><a:LogicalName>systemuser</a:LogicalName><a:Name>SYSTEM</a:Name></a:Value></b:value>",
        ),
        (
            "changedata",
            "<b:value i:type=\"c:string\">  {\"a\": \"&lt;b&gt; &#228;\"} </b:value>",
        ),
        (
            "additionalinfo",
            "<b:value i:type=\"a:AliasedValue\"><a:Value i:type=\"c:string\">more</a:Value></b:value>",
        ),
        ("timetoliveinseconds", "<b:value i:type=\"c:int\">-1</b:value>"),
        ("versionnumber", "<b:value i:type=\"c:long\">72201545</b:value>"),
        ("isdelete", "<b:value i:type=\"c:boolean\">true</b:value>"),
        ("transactionid", "<b:value i:nil=\"true\" />"),
        ("attributemask", "<b:value i:nil=\"true\"></b:value>"),
        (
            "parties",
            "<b:value i:type=\"a:EntityCollection\"><a:Entities><a:Entity><a:Id>other</a:Id></a:Entity></a:Entities></b:value>",
        ),
    ];
    let row = soap(&pairs.map(|(key, value)| pair(key, value)).concat(), "");
    assert_eq!(row.audit_id, Some("aaaaaaaa-0000-4000-8000-000000000001"));
    assert_eq!((row.action, row.operation), (64, Some(4)));
    assert_eq!(row.object_id, Some("o"));
    assert_eq!(row.object_type, Some("systemuser"));
    assert_eq!(row.object_name, Some("Wren"));
    assert_eq!((row.user_id, row.user_name), (Some("u"), Some("SYSTEM")));
    assert_eq!(row.change_data, Some("  {\"a\": \"<b> ä\"} "));
    assert_eq!(row.additional_info, Some("more"));
    assert_eq!((row.time_to_live_s, row.version_number), (Some(-1), Some(72_201_545)));
    assert!(row.deleted_in_source);
    assert_eq!((row.transaction_id, row.attribute_mask), (None, None));
}

#[test]
fn the_id_of_the_entity_stands_in_for_a_missing_auditid() {
    let audit = "<a:Id>E1</a:Id><a:LogicalName>audit</a:LogicalName>";
    assert_eq!(soap("", audit).audit_id, Some("E1"));
    assert_eq!(soap("", "<a:Id>E1</a:Id>").audit_id, Some("E1"));
    let own = pair("auditid", "<b:value>own</b:value>");
    assert_eq!(soap(&own, audit).audit_id, Some("own"));
    let zeros = "<a:Id>00000000-0000-0000-0000-000000000000</a:Id><a:LogicalName>audit</a:LogicalName>";
    assert_eq!(soap("", zeros).audit_id, None);
    let user = "<a:Id>E1</a:Id><a:LogicalName>systemuser</a:LogicalName>";
    assert_eq!(soap("", user).audit_id, None, "the id of another table is no auditid");
}

#[test]
fn formatted_values_give_names_and_labels_but_no_time() {
    let formatted = |key: &str, value: &str| {
        format!(
            "<a:KeyValuePairOfstringstring><b:key>{key}</b:key><b:value>{value}</b:value></a:KeyValuePairOfstringstring>"
        )
    };
    let list = |pairs: &[String]| format!("<a:FormattedValues>{}</a:FormattedValues>", pairs.concat());
    let texts = list(&[
        formatted("createdon", "3/1/2026 9:00 AM"),
        formatted("action", "User Access via Web Services"),
        formatted("operation", "Access"),
        formatted("objectid", "Formatted"),
        formatted("userid", "SYSTEM"),
    ]);
    let named = pair("objectid", "<b:value><a:Id>o</a:Id><a:Name>Wren</a:Name></b:value>");
    let row = soap(&named, &texts);
    assert_eq!(
        (row.action, row.operation),
        (64, Some(4)),
        "the integer wins over its label"
    );
    assert_eq!(row.object_name, Some("Wren"), "the name of the reference wins");
    assert_eq!(row.user_name, Some("SYSTEM"));
    let without_action = entity("", &texts)
        .replace(">64<", " i:nil=\"true\"><")
        .replace("b:key>createdon<", "b:key>modifiedon<");
    let (mut raw, _) = read(without_action.as_bytes(), Dialect::Soap).expect("a record");
    let fault = normalize(&mut raw, Tz::UTC, None).expect_err("a formatted time is no time");
    assert_eq!(fault.code, "created-on-missing");
}

#[test]
fn columns_of_linked_tables_are_not_of_the_audit_row() {
    let row = soap(&pair("object.id", "<b:value>x</b:value>"), "");
    assert_eq!(row.object_id, None);
    let row = fetch("<action>64</action><action.name>65</action.name><user.id name=\"n\">x</user.id>");
    assert_eq!((row.action, row.user_id, row.user_name), (64, None, None));
}

#[test]
fn every_type_of_a_fetch_column_is_read() {
    let row = fetch(
        "<action name=\"User Access via Web\" formattedvalue=\"64\">64</action>\
         <operation formattedvalue=\"4\" name='Access'>4</operation>\
         <objectid name=\"Wren &amp; &#x4C;ark\" dsc=\"0\" yomi=\"y\" type=\"8\">{AAAAAAAA-0000-4000-8000-000000000001}</objectid>\
         <userid name=\"SYSTEM\" type=\"8\">{u}</userid><changedata/>\
         <additionalinfo>\n one<!-- no --> &lt;two&gt;<![CDATA[ <three> &amp;]]></additionalinfo>",
    );
    assert_eq!((row.action, row.operation), (64, Some(4)));
    assert_eq!(row.object_id, Some("aaaaaaaa-0000-4000-8000-000000000001"));
    assert_eq!(row.object_name, Some("Wren & Lark"));
    assert_eq!(row.object_type, Some("systemuser"));
    assert_eq!(row.user_name, Some("SYSTEM"));
    assert_eq!(row.change_data, None);
    assert_eq!(row.additional_info, Some("\n one <two> <three> &amp;"));
    assert_eq!(row.created_on, fetch("<action>64</action>").created_on);
}

#[test]
fn a_label_with_its_number_beside_it_is_the_number() {
    for (columns, action) in [
        ("<action formattedvalue=\"65\">User Access via Web</action>", 65),
        ("<action name=\"User Access via Web Services\">64</action>", 64),
        ("<action formattedvalue=\"1,000\">User Access via Web</action>", 64),
        ("<action name=\"User Access via Web Services\"></action>", 65),
        ("<action formattedvalue=\"65\">Truy cập</action>", 65),
    ] {
        assert_eq!(fetch(columns).action, action, "{columns}");
    }
    let row = fetch("<action>64</action><objecttypecode formattedvalue=\"1\">account</objecttypecode>");
    assert_eq!(row.object_type, Some("account"), "only choices are numbers");
}

#[test]
fn names_are_matched_without_prefixes_and_with_any_white_space_in_tags() {
    for text in [
        "<x:result\n a='>'><x:createdon\t>2026-03-01T08:00:00Z</x:createdon ><y:action>64</y:action></x:result>",
        "<Entity xmlns=\"n\"><Attributes><p><key> createdon\n</key><value>2026-03-01T08:00:00Z</value></p>\
         <p><value><Value>64</Value></value><key>action</key></p></Attributes></Entity>",
    ] {
        assert_eq!(record(text).action, 64);
    }
}

/// Why a text is no record.
fn halt(text: &str) -> Halt {
    let dialect = begins_record(text.as_bytes(), 0).expect("a record begins");
    read(text.as_bytes(), dialect)
        .map(|(_, length)| length)
        .expect_err("a fault")
}

#[test]
fn what_is_not_xml_is_broken_at_once_and_what_goes_on_is_unfinished() {
    for text in [
        "<result><action>&unknown;</action></result>",
        "<result><action>&#0;</action></result>",
        "<result><action>a & b</action></result>",
        "<result><action name=\"&unknown;\">64</action></result>",
        "<result><action name=\"64</action></result>",
        "<result><action name=64\">64</action></result>",
        "<result><action>64</b></result>",
        "<result><!x></result>",
        "<result><!DOCTYPE x></result>",
        "<result><?xml version='1.0'?></result>",
        "<result><?x </result>",
        "<result><result></result></result>",
    ] {
        assert!(
            matches!(halt(text), Halt::Broken(fault) if fault.code == "syntax"),
            "{text}"
        );
    }
    let whole = "<result a='b'><action name=\"ä\">6&#52;&lt;ä</action><!-- > --><?x?><![CDATA[<]]></result>";
    for cut in "<result a='b'>".len()..whole.len() {
        let part = &whole.as_bytes()[..cut];
        assert_eq!(
            read(part, Dialect::Fetch).map(|(_, length)| length),
            Err(Halt::Unfinished),
            "{cut}"
        );
    }
}

#[test]
fn entities_are_never_expanded() {
    let bomb = "<!DOCTYPE r [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;\">]>";
    let text = resultset(&format!("<result><action>&b;</action>{ON}</result>{PLAIN}"));
    assert!(matches!(
        recognise(format!("{bomb}{text}").as_bytes(), true, head),
        Found::Refused { .. }
    ));
    let (rows, rejects) = outcome(format!("{PLAIN}{bomb}{text}"));
    assert_eq!(rows, 2);
    assert!(
        rejects.iter().all(|(code, raw)| *code == "syntax" && raw.len() < 200),
        "{rejects:?}"
    );
    assert!(rejects.iter().any(|(_, raw)| raw.contains("&b;")), "{rejects:?}");
}

#[test]
fn elements_nested_10_000_deep_are_a_reject() {
    let deep = format!("<result>{}{}</result>", "<a>".repeat(10_000), "</a>".repeat(10_000));
    let (rows, rejects) = outcome(resultset(&format!("{PLAIN}{deep}{PLAIN}")));
    assert_eq!(rows, 2);
    assert_eq!(rejects, [("syntax", deep)]);
    let wrapped = format!("{}{PLAIN}{}", "<a>".repeat(10_000), "</a>".repeat(10_000));
    assert_eq!(outcome(wrapped), (1, vec![]), "an envelope may be as deep as it likes");
}

#[test]
fn a_broken_record_ends_where_it_ends_or_the_next_begins() {
    for (broken, code) in [
        ("<result><action>64</actoin></result>", "syntax"),
        ("<result><action>64</action>", "syntax"),
        ("<result><action name=\"64</action></result>", "syntax"),
        ("<result><!-- <action>64</action></result>", "syntax"),
        ("<result><action><![CDATA[64</action></result>", "syntax"),
        ("<result", "syntax"),
        ("<resulx><action>64</action></result>", "syntax"),
        ("</result>", "syntax"),
        ("<result><action>64</action></result>", "created-on-missing"),
        ("<result/>", "created-on-missing"),
    ] {
        let (rows, rejects) = outcome(resultset(&format!("{PLAIN}\n{broken}\n{PLAIN}")));
        assert_eq!(rows, 2, "{broken}");
        assert_eq!(rejects, [(code, broken.to_owned())]);
    }
    let bytes = [
        PLAIN.as_bytes(),
        b"<result><note>\xFF</note></result>",
        PLAIN.as_bytes(),
        b"</a>",
    ]
    .concat();
    let (rows, rejects) = outcome(&bytes);
    assert_eq!((rows, rejects.len(), rejects[0].0), (2, 1, "encoding"));
}

#[test]
fn another_encoding_in_the_prolog_costs_only_records_that_are_not_utf_8() {
    let good = PLAIN.replace("<action>", "<note>ä</note><action>");
    let text = format!("<?xml version=\"1.0\" encoding=\"windows-1252\"?><r>{good}<result>?</result>{good}</r>");
    let bytes = text.as_bytes();
    let place = memchr::memmem::find(bytes, b"?</result>").expect("there");
    let bytes = [&bytes[..place], b"\xE4", &bytes[place + 1..]].concat();
    let (rows, rejects) = outcome(bytes);
    assert_eq!((rows, rejects.len(), rejects[0].0), (2, 1, "encoding"));
}

#[test]
fn comments_and_sections_between_records_hide_what_they_hold() {
    let hidden = format!("<!-- {PLAIN}\n{PLAIN} --><![CDATA[{PLAIN}]]><?note result?>");
    assert_eq!(outcome(resultset(&format!("{PLAIN}{hidden}{PLAIN}"))), (2, vec![]));
    let held = PLAIN.replace(
        "<action>",
        &format!("<note><![CDATA[{PLAIN}]]></note><!-- </result> --><action>"),
    );
    assert_eq!(outcome(resultset(&held)), (1, vec![]));
}

#[test]
fn a_section_that_never_ends_reaches_no_further_than_1_mib() {
    let long = |length: usize| {
        PLAIN.replace(
            "<action>",
            &format!("<note><![CDATA[{}]]></note><action>", "x".repeat(length)),
        )
    };
    assert_eq!(outcome(resultset(&long(MAX_SECTION_BYTES - 12))), (1, vec![]));
    let (rows, rejects) = outcome(resultset(&format!("{}{PLAIN}", long(MAX_SECTION_BYTES - 11))));
    assert_eq!((rows, rejects.len(), rejects[0].0), (1, 1, "syntax"));
}

#[test]
fn no_record_is_longer_than_the_limit() {
    let long = "x".repeat(RECORD_BYTES);
    let (rows, rejects) = outcome(resultset(&format!(
        "{PLAIN}<result><note>{long}</note></result>{PLAIN}"
    )));
    let codes: Vec<_> = rejects.iter().map(|(code, _)| *code).collect();
    // What is left of the record after the limit ends without having begun.
    assert_eq!((rows, codes), (2, vec!["too-long", "syntax"]));
    let (rows, rejects) = outcome(format!("{PLAIN}{}{PLAIN}</r>", "<r/>".repeat(RECORD_BYTES / 4)));
    assert_eq!((rows, rejects.len(), rejects[0].0), (2, 1, "too-long"));
}

#[test]
fn an_input_that_ends_early_says_so_once() {
    for (text, truncated) in [
        (resultset(PLAIN), None),
        (format!("<s:Body><a:Entities>{PLAIN}</a:Entities>"), None),
        (format!("{PLAIN}</resultset"), Some("</resultset")),
        (format!("<resultset>{PLAIN}"), Some("")),
        (format!("{}<resultset>", resultset(PLAIN)), Some("")),
        (format!("<resultset>{PLAIN}<result><acti"), Some("<result><acti")),
        (format!("<resultset>{PLAIN}<resu"), Some("<resu")),
        (
            format!("<resultset>{PLAIN}<result><a>\u{e4}").trim_end().to_owned(),
            Some("<result><a>ä"),
        ),
    ] {
        let expected: Vec<_> = truncated.map(|raw| ("truncated", raw.to_owned())).into_iter().collect();
        assert_eq!(outcome(&text), (1, expected), "{text}");
    }
    let cut_in_a_character = [b"<r>".as_slice(), PLAIN.as_bytes(), b"<result><a>\xC3"].concat();
    let (rows, rejects) = outcome(cut_in_a_character);
    assert_eq!((rows, rejects.len(), rejects[0].0), (1, 1, "truncated"));
}

#[test]
fn records_without_an_envelope_need_nothing_after_them() {
    let Found::Export(head) = recognise(PLAIN.as_bytes(), true, head) else {
        panic!("an export");
    };
    assert_eq!(head.form.name(), "fetch-xml");
    let block = Block {
        head: Arc::new(head),
        bytes: PLAIN.repeat(3).into_bytes(),
        offset: 0,
        last: true,
        loss: None,
        start: State::Begin,
    };
    let parsed = block::parse(&block).expect("rows");
    assert_eq!((parsed.rows.len(), parsed.rejects.len(), parsed.numbers), (3, 0, 3));
}

#[test]
fn records_and_rejects_are_numbered_by_position() {
    let text = resultset(&format!("{PLAIN}<result/>{PLAIN}{PLAIN}<result></result>"));
    let numbers: Vec<_> = parsed(text.as_bytes())
        .rejects
        .iter()
        .map(|reject| reject.record)
        .collect();
    assert_eq!(numbers, [2, 5]);
}

#[test]
fn a_block_is_cut_only_before_a_record() {
    for (text, cut) in [
        ("<r><result>x</result><result a", Some("<r><result>x</result>")),
        ("<r><result>x</result><resultx>", Some("<r>")),
        ("<r><result>x</result><result", Some("<r>")),
        ("<result>x", None),
        ("<r><x:Entity/>", Some("<r>")),
        ("<r><results><Entities><entity>", None),
    ] {
        assert_eq!(last_record_start(text.as_bytes()), cut.map(str::len), "{text}");
    }
}
