//! SOAP and FetchXML exports: the same log as any other form gives the same lake, in any envelope and cut into any blocks.

use crate::logs::{self, Chance, Event, Form, HOUR, at};
use crate::support::{self, gatelog};
use std::path::Path;

fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;")
}

/// A RetrieveMultiple answer, one record a line.
pub fn soap(events: &[Event]) -> String {
    let entities: String = events.iter().map(|event| soap_entity(event, "a", "b") + "\n").collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>\
         <RetrieveMultipleResult xmlns:a=\"http://schemas.microsoft.com/xrm/2011/Contracts\" \
         xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\"><a:Entities>\n{entities}</a:Entities>\
         <a:EntityName>audit</a:EntityName><a:MoreRecords>false</a:MoreRecords><a:PagingCookie i:nil=\"true\"/>\
         </RetrieveMultipleResult></s:Body></s:Envelope>\n"
    )
}

/// An entity whose contract has the prefix `a` and whose pairs have the prefix `b`; both may be empty.
fn soap_entity(event: &Event, a: &str, b: &str) -> String {
    let colon = |prefix: &str| {
        if prefix.is_empty() {
            String::new()
        } else {
            format!("{prefix}:")
        }
    };
    let (a, b) = (colon(a), colon(b));
    let pair = |key: &str, value: String| {
        format!("<{a}KeyValuePairOfstringanyType><{b}key>{key}</{b}key>{value}</{a}KeyValuePairOfstringanyType>")
    };
    let reference = |key: &str, id: &Option<String>, name: &Option<String>, table: Option<&str>| {
        let Some(id) = id else {
            return pair(key, format!("<{b}value i:nil=\"true\"/>"));
        };
        let table = table
            .map(|table| format!("<{a}LogicalName>{table}</{a}LogicalName>"))
            .unwrap_or_default();
        let name = match name {
            Some(name) => format!("<{a}Name>{}</{a}Name>", escape(name)),
            None => format!("<{a}Name i:nil=\"true\"/>"),
        };
        pair(
            key,
            format!("<{b}value i:type=\"{a}EntityReference\"><{a}Id>{id}</{a}Id>{table}{name}</{b}value>"),
        )
    };
    let number = event.action;
    let mut pairs = vec![
        pair(
            "createdon",
            format!(
                "<{b}value i:type=\"c:dateTime\">{}</{b}value>",
                gatelog::instant::to_text(event.on)
            ),
        ),
        pair(
            "action",
            format!("<{b}value i:type=\"{a}OptionSetValue\"><{a}Value>{number}</{a}Value></{b}value>"),
        ),
        reference("objectid", &event.object_id, &event.object_name, event.object_type),
        reference("userid", &event.user_id, &event.user_name, Some("systemuser")),
    ];
    pairs.extend(event.object_type.map(|table| {
        pair(
            "objecttypecode",
            format!("<{b}value i:type=\"c:string\">{table}</{b}value>"),
        )
    }));
    pairs.extend(
        event
            .id
            .as_ref()
            .map(|id| pair("auditid", format!("<{b}value i:type=\"d:guid\">{id}</{b}value>"))),
    );
    let id = event.id.as_deref().unwrap_or("00000000-0000-0000-0000-000000000000");
    format!(
        "<{a}Entity><{a}Attributes>{}</{a}Attributes><{a}EntityState i:nil=\"true\"/><{a}FormattedValues/>\
         <{a}Id>{id}</{a}Id><{a}LogicalName>audit</{a}LogicalName><{a}RelatedEntities/></{a}Entity>",
        pairs.concat()
    )
}

/// A FetchXML result, one record a line.
pub fn fetch(events: &[Event]) -> String {
    let results: String = events.iter().map(|event| fetch_result(event) + "\n").collect();
    format!(
        "<resultset morerecords=\"1\" paging-cookie=\"&lt;cookie page=&quot;1&quot;/&gt;\">\n{results}</resultset>\n"
    )
}

fn fetch_result(event: &Event) -> String {
    let on = gatelog::instant::to_text(event.on);
    let mut columns = format!(
        "<createdon date=\"3/1/2026\" time=\"9:00 AM\">{}-00:00</createdon>",
        &on[..on.len() - 1]
    );
    columns += &format!("<action name=\"?\" formattedvalue=\"{0}\">{0}</action>", event.action);
    let lookup = |column: &str, id: &Option<String>, name: &Option<String>, kind: Option<&str>| {
        let attribute = |key: &str, value: Option<&str>| {
            value
                .map(|value| format!(" {key}=\"{}\"", escape(value)))
                .unwrap_or_default()
        };
        let attributes = attribute("name", name.as_deref()) + &attribute("type", kind) + " dsc=\"0\" yomi=\"?\"";
        id.as_ref()
            .map(|id| format!("<{column}{attributes}>{{{}}}</{column}>", id.to_uppercase()))
            .unwrap_or_default()
    };
    columns += &lookup("objectid", &event.object_id, &event.object_name, event.object_type);
    columns += &lookup("userid", &event.user_id, &event.user_name, Some("8"));
    columns += &event
        .object_type
        .map(|table| format!("<objecttypecode>{table}</objecttypecode>"))
        .unwrap_or_default();
    columns += &event
        .id
        .as_ref()
        .map(|id| format!("<auditid>{{{}}}</auditid>", id.to_uppercase()))
        .unwrap_or_default();
    format!("<result>{columns}<u.createdon>2001-01-01T00:00:00-00:00</u.createdon></result>")
}

fn log(seed: u64) -> Vec<Event> {
    logs::unkind(&mut Chance::new(seed), at("2026-03-28T20:00:00Z"), 4 * HOUR)
}

/// The lake that these bytes give, with its rejects, read in blocks of this size.
fn lake_of(bytes: &[u8], block_bytes: usize) -> (Vec<support::Row>, Vec<support::Row>) {
    let home = support::home();
    let file = support::write(&home.path().join("log"), bytes);
    let lake = home.path().join("lake");
    let mut plan = support::plan(&lake, &[&file]);
    plan.block_bytes = block_bytes;
    let outcome = support::ingest(&plan);
    assert!(outcome.total.balances(), "L1");
    let mut rejects = support::lake_rows(&lake, "rejects");
    rejects.iter_mut().for_each(|row| drop(row.remove("source")));
    (support::contents(&lake), rejects)
}

#[test]
fn the_same_log_as_xml_gives_the_same_lake_as_ndjson() {
    for seed in 0..6 {
        let events = log(seed);
        let (expected, _) = lake_of(Form::Lines.write(&events).as_bytes(), 1 << 20);
        for form in [Form::Soap, Form::Fetch] {
            let (rows, rejects) = lake_of(form.write(&events).as_bytes(), 1 << 20);
            assert_eq!(rows, expected, "{form:?}, seed {seed}");
            assert_eq!(rejects, [], "{form:?}, seed {seed}");
        }
    }
}

#[test]
fn the_same_log_again_as_xml_adds_nothing_l3() {
    let home = support::home();
    let events = log(7);
    let lake = home.path().join("lake");
    for (number, form) in [Form::Lines, Form::Soap, Form::Fetch].into_iter().enumerate() {
        let file = support::write(&home.path().join(format!("log {number}")), form.write(&events));
        let outcome = support::ingest(&support::plan(&lake, &[&file]));
        assert_eq!(outcome.total.accepted > 0, number == 0, "{form:?}: {:?}", outcome.total);
        assert_eq!(outcome.total.rejected, 0, "{form:?}");
    }
}

/// Everything that may be in a file, broken and whole, in one.
fn medley() -> Vec<u8> {
    let events = logs::with_ids(
        (0..8)
            .map(|row| Event::access(at("2026-03-01T08:00:00Z") + row, 64, Some(1)))
            .collect(),
    );
    let mut text = soap(&events[..2]);
    text += "<!-- <result><createdon>x</createdon></result> <a:Entity> -->\n";
    text += &fetch(&events[2..4]).replace("<result>", "<result >");
    text += "<?xml version='1.0'?><resultset><result><createdon>yesterday</createdon></result><result/>";
    text += "<result><action>6</actoin></result>";
    text += &fetch_result(&events[4]).replace("</action>", "<![CDATA[]]></action><note><![CDATA[<result>]]></note>");
    text += "<resulx><action>64</action></result>\n<result><action>64</action>";
    text += &fetch_result(&events[5]);
    text += "</resultset>\n";
    text += &soap_entity(&events[6], "", "x");
    text += "<result><ü>";
    text.into_bytes()
}

#[test]
fn block_sizes_change_nothing_l2() {
    let bytes = medley();
    let (rows, rejects) = lake_of(&bytes, 1 << 20);
    let codes: Vec<&str> = rejects.iter().map(|row| row["code"].as_str()).collect();
    let expected = [
        "created-on-invalid",
        "created-on-missing",
        "syntax",
        "syntax",
        "syntax",
        "truncated",
    ];
    assert_eq!((rows.len(), codes), (7, expected.to_vec()));
    for size in 1..200 {
        let (other_rows, other_rejects) = lake_of(&bytes, size);
        assert_eq!(other_rows, rows, "blocks of {size}");
        assert_eq!(other_rejects, rejects, "blocks of {size}");
    }
}

#[test]
fn any_prefixes_and_any_envelope_or_none_are_read() {
    let events = logs::with_ids(log(3).into_iter().filter(|event| event.id.is_some()).collect());
    let (expected, _) = lake_of(soap(&events).as_bytes(), 1 << 20);
    for (a, b) in [
        ("a", "b"),
        ("", ""),
        ("", "d4p1"),
        ("ns-1.x", "ns-1.x"),
        ("entity", "b"),
    ] {
        let entities: String = events.iter().map(|event| soap_entity(event, a, b)).collect();
        for text in [
            entities.clone(),
            format!("\u{FEFF}<?xml version=\"1.0\"?>\n<!-- <result> --><all>{entities}</all>"),
        ] {
            let (rows, rejects) = lake_of(text.as_bytes(), 500);
            assert_eq!(rows, expected, "{a}, {b}");
            assert_eq!(rejects, [], "{a}, {b}");
        }
    }
}

/// What `gatelog ingest` says of a file with this content.
fn said_of(content: &str, home: &Path) -> support::Ended {
    support::write(&home.join("export.xml"), content);
    gatelog(home, &["ingest", "--lake", "lake", "export.xml"])
}

#[test]
fn the_inventory_names_the_dialect() {
    let events = logs::with_ids(vec![Event::access(at("2026-03-01T08:00:00Z"), 64, Some(1))]);
    for (form, name) in [(Form::Soap, "soap-xml"), (Form::Fetch, "fetch-xml")] {
        let home = support::home();
        let ended = said_of(&form.write(&events), home.path());
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        assert!((ended.stdout + &ended.stderr).contains(name), "{name}");
    }
}

#[test]
fn xml_that_is_no_export_is_refused_with_a_sentence_and_a_way_out() {
    let result =
        "<resultset><result><createdon>2026-03-01T08:00:00Z</createdon><action>64</action></result></resultset>";
    let escaped = format!(
        "<FetchResponse><FetchResult>{}</FetchResult></FetchResponse>",
        escape(result)
    );
    for (content, says) in [
        (escaped.as_str(), "the text of another element"),
        (
            "<resultset morerecords=\"0\"><result><alias>20</alias></result></resultset>",
            "aggregate",
        ),
        (
            "<Entities><Entity><LogicalName>account</LogicalName></Entity></Entities>",
            "audit columns",
        ),
        (
            "<fetch><entity name=\"audit\"><attribute name=\"createdon\"/></entity></fetch>",
            "audit columns",
        ),
        (&format!("<!DOCTYPE r [<!ENTITY a \"aa\">]>{result}"), "DOCTYPE"),
        ("<r><AuditDetails/></r>", "details of changes"),
    ] {
        let home = support::home();
        let ended = said_of(content, home.path());
        assert_eq!(ended.code, 3, "{content}: {}", ended.stderr);
        assert!(ended.line("error: ").starts_with("export.xml: "), "{}", ended.stderr);
        assert!(ended.line("error: ").contains(says), "{says}: {}", ended.stderr);
        assert!(!ended.line("hint: ").is_empty());
        assert!(!home.path().join("lake/manifest.json").exists());
    }
}

#[test]
fn a_list_without_records_is_an_export_like_any_other() {
    for content in [
        "<resultset morerecords=\"0\"/>",
        "<e:Entities xmlns:e=\"x\"></e:Entities>\n",
    ] {
        let home = support::home();
        let ended = said_of(content, home.path());
        assert_eq!(ended.code, 0, "{content}: {}", ended.stderr);
    }
}
