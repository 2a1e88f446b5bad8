//! OData JSON in every shape people bring it: pages, arrays, objects, several of them, and what stands around them.

use crate::logs::{self, Event, at};
use crate::support;
use gatelog::ingest::Plan;
use serde_json::{Value, json};

fn events() -> Vec<Event> {
    let start = at("2026-03-01T08:00:00Z");
    logs::with_ids((0..7).map(|row| Event::access(start + row, 64, Some(1))).collect())
}

const CONTEXT: &str = "https://wren.crm4.dynamics.com/api/data/v9.2/$metadata#audits";

/// What each shape holds: all of `events`, once.
fn shapes() -> Vec<(&'static str, String)> {
    let rows: Vec<Value> = events().iter().map(Event::to_json).collect();
    let page = |rows: &[Value]| json!({"@odata.context": CONTEXT, "value": rows});
    let fetched = json!({
        "@odata.context": CONTEXT,
        "@Microsoft.Dynamics.CRM.totalrecordcount": -1,
        "@Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded": false,
        "@Microsoft.Dynamics.CRM.globalmetadataversion": "72201545",
        "value": rows,
        "@Microsoft.Dynamics.CRM.fetchxmlpagingcookie": "<cookie pagenumber=\"2\" pagingcookie=\"%253ccookie\" />",
        "@Microsoft.Dynamics.CRM.morerecords": true,
    });
    let flow = json!({"statusCode": 200, "headers": {"Vary": "Accept"}, "body": page(&rows), "kind": "Http"});
    let pretty = |value: &Value| serde_json::to_string_pretty(value).expect("JSON");
    let (first, second) = rows.split_at(3);
    vec![
        ("a page on one line", page(&rows).to_string()),
        ("a page of many lines", pretty(&page(&rows))),
        ("an array on one line", Value::from(rows.clone()).to_string()),
        ("an array of many lines", pretty(&rows.clone().into())),
        (
            "objects after each other",
            rows.iter().map(pretty).collect::<Vec<_>>().join("\n"),
        ),
        (
            "objects with nothing between",
            rows.iter().map(Value::to_string).collect::<String>(),
        ),
        (
            "pages after each other",
            format!("{}\n{}\n", pretty(&page(first)), pretty(&page(second))),
        ),
        ("pages with nothing between", format!("{}{}", page(first), page(second))),
        ("a page a line", format!("{}\n{}\n", page(first), page(second))),
        ("a list of pages", format!("[{},\n{}]", page(first), page(second))),
        (
            "a page and an array",
            format!("{}\n{}", page(first), Value::from(second.to_vec())),
        ),
        ("a page without rows first", format!("{}\n{}", page(&[]), page(&rows))),
        ("a FetchXML page", fetched.to_string()),
        ("a FetchXML page of many lines", pretty(&fetched)),
        ("what a flow stored", flow.to_string()),
        ("what a flow stored, of many lines", pretty(&flow)),
        (
            "what flows stored, after each other",
            format!(
                "{}\n{}",
                pretty(&json!({"body": page(first)})),
                pretty(&json!({"body": page(second), "z": [1]}))
            ),
        ),
        (
            "an empty body beside the rows",
            json!({"body": {}, "value": rows}).to_string(),
        ),
        ("with a BOM", format!("\u{FEFF}{}", page(&rows))),
    ]
}

#[test]
fn every_shape_of_page_gives_the_same_rows_whatever_the_blocks() {
    let expected = {
        let home = support::home();
        let lines: String = events().iter().map(|event| format!("{}\n", event.to_json())).collect();
        let log = support::write(&home.path().join("log"), lines);
        support::ingest(&support::plan(&home.path().join("lake"), &[&log]));
        support::contents(&home.path().join("lake"))
    };
    for (shape, text) in shapes() {
        for block_bytes in [1, 150, 700, 1 << 20] {
            let home = support::home();
            let log = support::write(&home.path().join("log"), &text);
            let lake = home.path().join("lake");
            let plan = Plan {
                block_bytes,
                strict: true,
                ..support::plan(&lake, &[&log])
            };
            let outcome =
                gatelog::ingest::ingest(&plan, &|_| {}).unwrap_or_else(|error| panic!("{shape}: {error}\n{text}"));
            assert_eq!(outcome.total.read, 7, "{shape} in blocks of {block_bytes}");
            assert_eq!(support::contents(&lake), expected, "{shape} in blocks of {block_bytes}");
        }
    }
}

#[test]
fn the_environment_of_a_page_is_the_host_of_its_own_context() {
    let rows: Vec<Value> = events().iter().map(Event::to_json).collect();
    let page = |host: &str, row: usize| json!({"@odata.context": format!("https://{host}/api/data/v9.2/$metadata#audits"), "value": [rows[row]]});
    let home = support::home();
    let text = format!(
        "{}\n{}\n",
        page("wren.crm4.dynamics.com", 0),
        json!({"body": page("Robin.crm4.dynamics.com", 1)})
    );
    let log = support::write(&home.path().join("log"), text);
    let lake = home.path().join("lake");
    support::ingest(&Plan::new(vec![log], lake.clone()));
    let environments: Vec<String> = support::contents(&lake)
        .iter()
        .map(|row| row["environment"].clone())
        .collect();
    assert_eq!(environments, ["wren.crm4.dynamics.com", "robin.crm4.dynamics.com"]);
}
