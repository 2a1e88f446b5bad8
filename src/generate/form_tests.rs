//! Every form is well formed, says the rows that NDJSON says, and keeps the promises of the module header.

use super::read_back_tests::{Record, files, has_more, written};
use super::*;
use std::collections::BTreeMap;

/// Two months, several pages, repeats.
fn plan() -> Plan {
    Plan {
        duplicates: 0.05,
        gaps: 6,
        page_rows: 700,
        ..Plan::default()
    }
}

/// The columns that a form has of a row of NDJSON, spelled as there.
fn said_by(form: Form, mut row: Record) -> Record {
    let absent: &[&str] = match form {
        Form::Csv => &["objectidname", "useridname", "callinguseridname"],
        Form::Sql => &["objectidname", "changedata", "versionnumber"],
        Form::CData => &["attributemask", "changedata", "versionnumber"],
        _ => &[],
    };
    row.retain(|column, _| !absent.contains(&column.as_str()));
    row
}

/// A row as NDJSON would have it.
fn as_said(form: Form, mut row: Record) -> Record {
    if form == Form::Sql {
        row.remove("changedata");
        if let Some(mask) = row.get_mut("attributemask") {
            *mask = mask
                .strip_prefix(',')
                .and_then(|mask| mask.strip_suffix(','))
                .expect("commas")
                .to_owned();
        }
    }
    let own = |column: &str| {
        let of_lookup = column.ends_with("_entitytype") || column.ends_with("_logicalname");
        of_lookup || column.starts_with("sink") || column == "id"
    };
    row.retain(|column, _| !own(column));
    row
}

#[test]
fn every_form_says_the_same_rows_in_the_same_order() {
    for annotated in [true, false] {
        let plan = Plan { annotated, ..plan() };
        let (expected, summary) = written(&plan, Form::Ndjson);
        let expected = &expected["audit"];
        assert_eq!(expected.len() as u64, summary.rows);
        assert!(summary.rows > 3_000 && summary.duplicates > 100);
        assert_eq!(expected.iter().any(|row| row.contains_key("objectidname")), annotated);
        for form in Form::ALL {
            let mut expected: Vec<Record> = expected.iter().map(|row| said_by(form, row.clone())).collect();
            if form == Form::Synapse {
                // A month is a file: a stable sort keeps the log's order within it.
                expected.sort_by_key(|row| row["createdon"][..7].to_owned());
            }
            let found = &written(&plan, form).0["audit"];
            assert_eq!(found.len(), expected.len(), "{form:?}");
            for (found, expected) in found.iter().zip(expected) {
                assert_eq!(as_said(form, found.clone()), expected, "{form:?}");
            }
        }
    }
}

#[test]
fn every_form_and_side_table_has_the_same_bytes_at_any_thread_count() {
    let plan = Plan {
        side_tables: true,
        ..plan()
    };
    let with = |form, threads, plan: &Plan| {
        let home = tempfile::tempdir().expect("a folder");
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let made = pool.expect("a pool").install(|| generate(plan, form, home.path()));
        let (summary, files) = (made.expect("a log"), files(home.path()));
        assert_eq!(summary.files, files.len() as u64, "{form:?}");
        let bytes: usize = files.values().map(Vec::len).sum();
        assert_eq!(summary.bytes, bytes as u64, "{form:?}");
        files
    };
    for form in Form::ALL {
        assert_eq!(with(form, 1, &plan), with(form, 3, &plan), "{form:?}");
        let other = Plan {
            seed: 2,
            ..plan.clone()
        };
        assert_ne!(with(form, 2, &plan), with(form, 2, &other), "{form:?}");
    }
}

#[test]
fn no_form_writes_over_a_file() {
    for form in Form::ALL {
        for side_tables in [false, true] {
            let plan = Plan { side_tables, ..plan() };
            let home = tempfile::tempdir().expect("a folder");
            generate(&plan, form, home.path()).expect("a log");
            let before = files(home.path());
            let again = generate(&Plan { days: 20, ..plan }, form, home.path()).expect_err("refused");
            assert_eq!(again.kind(), io::ErrorKind::AlreadyExists, "{form:?}: {again}");
            assert_eq!(files(home.path()), before, "{form:?}");
        }
    }
}

#[test]
fn forms_of_files_and_side_tables_are_no_stream_and_say_what_to_do() {
    for form in Form::ALL {
        let mut out = Vec::new();
        let streamed = generate_to(&plan(), form, &mut out);
        if !form.is_stream() {
            let refused = streamed.expect_err("refused");
            assert_eq!(refused.kind(), io::ErrorKind::InvalidInput, "{form:?}");
            assert!(refused.to_string().contains(form.name()), "{refused}");
            assert!(refused.to_string().contains("--out DIR"), "{refused}");
            assert_eq!(out, b"", "{form:?}");
            continue;
        }
        let summary = streamed.expect("a log");
        assert_eq!((summary.bytes, summary.files), (out.len() as u64, 1));
        // One file has the bytes of the stream; pages follow each other in it.
        let home = tempfile::tempdir().expect("a folder");
        generate(&plan(), form, home.path()).expect("a log");
        assert_eq!(
            files(home.path()).into_values().collect::<Vec<_>>().concat(),
            out,
            "{form:?}"
        );
        let beside = Plan {
            side_tables: true,
            ..plan()
        };
        let refused = generate_to(&beside, form, io::sink()).expect_err("refused");
        assert_eq!(refused.kind(), io::ErrorKind::InvalidInput, "{form:?}");
        assert!(refused.to_string().contains("--out DIR"), "{refused}");
    }
}

#[test]
fn a_log_without_rows_is_valid_in_every_form() {
    let nothing = Plan {
        access_rows: 0,
        change_rows: 0,
        gaps: 0,
        days: 1,
        ..Plan::default()
    };
    for form in Form::ALL {
        let home = tempfile::tempdir().expect("a folder");
        let summary = generate(&nothing, form, home.path()).expect("a log");
        let tables = super::read_back_tests::read(form, home.path());
        assert_eq!(summary.rows, 0);
        assert_eq!(tables.get("audit").map_or(0, Vec::len), 0, "{form:?}");
        assert_eq!(
            files(home.path()).len(),
            1,
            "{form:?}: a month without rows is no file, all else is"
        );
    }
}

#[test]
fn pages_of_xml_say_whether_more_follow() {
    for form in [Form::Soap, Form::FetchXml] {
        let home = tempfile::tempdir().expect("a folder");
        let summary = generate(&plan(), form, home.path()).expect("pages");
        let pages = files(home.path());
        assert_eq!((summary.files, pages.len()), (5, 5));
        let more: Vec<bool> = pages.values().map(|page| has_more(page)).collect();
        assert_eq!(more, [true, true, true, true, false], "{form:?}");
    }
}

#[test]
fn synapse_says_a_repeat_as_a_commit_that_was_tried_again() {
    let plan = Plan {
        duplicates: 0.3,
        page_rows: 40,
        ..plan()
    };
    let (tables, summary) = written(&plan, Form::Synapse);
    let mut commits: BTreeMap<String, Vec<Record>> = BTreeMap::new();
    for row in &tables["audit"] {
        assert_eq!(row["id"], row["auditid"]);
        commits.entry(row["auditid"].clone()).or_default().push(row.clone());
    }
    let mut again = 0;
    for commits in commits.values() {
        assert!(commits[0]["sinkcreatedon"] > commits[0]["createdon"]);
        assert_eq!(commits[0]["sinkcreatedon"], commits[0]["sinkmodifiedon"]);
        assert!(commits.is_sorted_by(|one, next| one["sinkmodifiedon"] < next["sinkmodifiedon"]));
        assert!(
            commits
                .iter()
                .all(|commit| commit["versionnumber"] == commits[0]["versionnumber"])
        );
        again += commits.len() as u64 - 1;
    }
    assert_eq!(again, summary.duplicates);
    assert!(
        commits.values().any(|commits| commits.len() > 2),
        "some are tried more than once"
    );
}

#[test]
fn a_synapse_container_is_laid_out_as_its_model_says() {
    let home = tempfile::tempdir().expect("a folder");
    let plan = Plan {
        side_tables: true,
        ..plan()
    };
    generate(&plan, Form::Synapse, home.path()).expect("a container");
    let files = files(home.path());
    let container = files
        .keys()
        .next()
        .and_then(|path| path.iter().next())
        .expect("a folder");
    let container = container.to_str().expect("text");
    assert!(container.starts_with("dataverse-contoso-sim-unq"), "{container}");
    let model: serde_json::Value =
        serde_json::from_slice(&files[&Path::new(container).join("model.json")]).expect("JSON");
    let mut declared = vec![format!("{container}/model.json")];
    for entity in model["entities"].as_array().expect("entities") {
        let name = entity["name"].as_str().expect("text");
        for partition in entity["partitions"].as_array().expect("partitions") {
            let file = format!("{container}/{name}/{}.csv", partition["name"].as_str().expect("text"));
            assert!(partition["location"].as_str().expect("text").ends_with(&file));
            declared.push(file);
        }
    }
    declared.sort();
    let found: Vec<_> = files
        .keys()
        .map(|path| path.to_str().expect("text").replace('\\', "/"))
        .collect();
    assert_eq!(found, declared);
    assert!(
        found.iter().any(|path| path.ends_with("audit/2026-02.csv")),
        "{found:?}"
    );
    let first = String::from_utf8_lossy(&files[&Path::new(container).join("audit").join("2026-01.csv")]).into_owned();
    let fields: Vec<&str> = first.lines().next().expect("a row").split(',').collect();
    assert_eq!(fields.len(), 28);
    assert!(
        fields[1].starts_with("\"1/5/2026 ") && fields[1].ends_with("M\""),
        "{}",
        fields[1]
    );
    assert!(fields[18].ends_with(".0000000+00:00\""), "{}", fields[18]);
    assert!(fields[0].len() == 36 && fields[26].parse::<u64>().is_ok() && fields[27].is_empty());
}

#[test]
fn the_header_of_flattened_rows_is_the_one_people_have() {
    let mut out = Vec::new();
    generate_to(&plan(), Form::Csv, &mut out).expect("a log");
    assert!(out.starts_with(
        b"_objectid_value,_userid_value,versionnumber,operation,createdon,auditid,changedata,\
          attributemask,action,objecttypecode,transactionid,_regardingobjectid_value,\
          useradditionalinfo,_callinguserid_value\n"
    ));
}

#[test]
fn sql_is_spelled_as_the_database_prints_it() {
    let mut out = Vec::new();
    generate_to(&plan(), Form::Sql, &mut out).expect("a log");
    let text = String::from_utf8(out).expect("UTF-8");
    let mut lines = text.split("\r\n");
    let width = lines.next().expect("a header").split(',').count();
    let access = lines
        .find(|line| line.split(',').nth(2) == Some("64"))
        .expect("an access");
    let fields: Vec<&str> = access.split(',').collect();
    assert_eq!(fields.len(), width);
    assert_eq!(
        (fields[0].len(), fields[0].to_ascii_uppercase().as_str()),
        (36, fields[0])
    );
    assert!(
        fields[1].starts_with("2026-01-05 ") && fields[1].ends_with(".000"),
        "{}",
        fields[1]
    );
    assert_eq!(fields[3..5], ["4", "8"]);
    assert_eq!(fields[12..], ["NULL"; 5]);
    // Custom tables have no well-known code.
    assert!(text.contains(",10012,") && text.contains(",112,") && text.contains(",1019,"));
    assert!(!text.contains(",sim_shipment,"));
}
