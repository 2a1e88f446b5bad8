//! The rules of the log, each on a small log of its own.

use super::*;
use std::fs;

const PROTOCOL: &str = r#"{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}"#;
const METADATA: &str =
    r#"{"metaData":{"id":"x","schemaString":"{}","partitionColumns":["PartitionId"],"configuration":{}}}"#;

/// A table with these data files and these commits, from version 0.
fn table(files: &[&str], commits: &[&[&str]]) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir_all(home.path().join("table").join(LOG)).unwrap();
    fs::write(home.path().join("outside.parquet"), "").unwrap();
    for file in files {
        let path = home.path().join("table").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    for (version, lines) in commits.iter().enumerate() {
        log(&home, &format!("{version:020}.json"), &lines.join("\n"));
    }
    home
}

fn log(home: &tempfile::TempDir, name: &str, text: &str) {
    fs::write(home.path().join("table").join(LOG).join(name), text).unwrap();
}

fn add(path: &str) -> String {
    format!(r#"{{"add":{{"path":"{path}","partitionValues":{{"PartitionId":"2026","Empty":null}},"size":1}}}}"#)
}

fn remove(path: &str) -> String {
    format!(r#"{{"remove":{{"path":"{path}","deletionTimestamp":1,"dataChange":true}}}}"#)
}

fn live(home: &tempfile::TempDir) -> std::result::Result<Vec<String>, String> {
    let folder = home.path().join("table");
    let files = live_files(&folder).unwrap().map_err(|refusal| refusal.reason)?;
    let inner = files.iter().map(|file| file.path.strip_prefix(&folder).unwrap());
    Ok(inner.map(|path| path.to_str().unwrap().replace('\\', "/")).collect())
}

fn assert_refused(home: &tempfile::TempDir, says: &str) {
    let refused = live(home);
    assert!(
        refused.as_ref().is_err_and(|reason| reason.contains(says)),
        "{says}: {refused:?}"
    );
}

#[test]
fn live_files_are_those_added_and_not_removed() {
    let home = table(
        &["PartitionId=2026/a.parquet", "b.parquet", "c.parquet", "stray.parquet"],
        &[
            &[
                r#"{"commitInfo":{}}"#,
                PROTOCOL,
                METADATA,
                &add("PartitionId=2026/a.parquet"),
                &add("b.parquet"),
            ],
            &["", &remove("b.parquet"), &add("c.parquet")],
            &[&remove("c.parquet"), r#"{"txn":{"appId":"x","version":1}}"#],
            &[&add("b.parquet")],
        ],
    );
    assert_eq!(live(&home).unwrap(), ["PartitionId=2026/a.parquet", "b.parquet"]);
    let files = live_files(&home.path().join("table")).unwrap().unwrap();
    let expected = vec![
        ("Empty".to_owned(), None),
        ("PartitionId".to_owned(), Some("2026".to_owned())),
    ];
    assert_eq!(files[0].partition, expected);
}

#[test]
fn paths_are_percent_encoded_and_never_lead_out_of_the_folder() {
    let one = |path: &str| {
        let home = table(&["P=ü %2F/a.parquet"], &[&[PROTOCOL, METADATA, &add(path)]]);
        live(&home)
    };
    assert_eq!(one("P=%C3%BC%20%252F/a.parquet").unwrap(), ["P=ü %2F/a.parquet"]);
    for path in [
        "../outside.parquet",
        "x/../../outside.parquet",
        "%2E%2E/outside.parquet",
        "/outside.parquet",
        "abfss://lake@contoso.dfs.core.windows.net/t/a.parquet",
        "file:/etc/hosts",
        "%zz",
        "%F",
        "%FF",
        "",
    ] {
        let found = one(path);
        assert!(
            found.as_ref().is_err_and(|reason| reason.contains("outside")),
            "{path}: {found:?}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_link_out_of_the_folder_is_refused() {
    let home = table(&[], &[&[PROTOCOL, METADATA, &add("a.parquet")]]);
    std::os::unix::fs::symlink(home.path().join("outside.parquet"), home.path().join("table/a.parquet")).unwrap();
    assert_refused(&home, "outside");
}

#[test]
fn an_incomplete_log_or_table_is_refused() {
    assert_refused(&table(&[], &[]), "whose log is empty");
    assert_refused(&table(&[], &[&[METADATA]]), "names no protocol");
    assert_refused(
        &table(&[], &[&[PROTOCOL, METADATA, &add("a.parquet")]]),
        "1 are missing",
    );
    assert_refused(
        &table(&[], &[&[PROTOCOL, METADATA], &["{\"add\":{"]]),
        "damaged in 00000000000000000001.json",
    );
    let home = table(&[], &[&[PROTOCOL, METADATA]]);
    std::fs::write(
        home.path().join("table").join(LOG).join("00000000000000000001.json"),
        b"\xFF\n",
    )
    .unwrap();
    assert_refused(&home, "damaged in 00000000000000000001.json");

    let home = table(&[], &[&[PROTOCOL, METADATA]]);
    log(&home, "00000000000000000002.json", "");
    assert_refused(&home, "lacks the commit 00000000000000000001.json");
    log(&home, "00000000000000000001.json", "");
    assert_eq!(live(&home), Ok(vec![]));
    log(&home, "_last_checkpoint", r#"{"version":2,"size":1}"#);
    assert_eq!(live(&home), Ok(vec![]));
    log(&home, "_last_checkpoint", r#"{"version":3,"size":1}"#);
    assert_refused(&home, "names a checkpoint of version 3 but ends with version 2");
}

#[test]
fn a_checkpoint_counts_only_whole() {
    let home = table(&[], &[&[PROTOCOL, METADATA]]);
    log(
        &home,
        "00000000000000000000.checkpoint.0000000001.0000000002.parquet",
        "",
    );
    assert_eq!(live(&home), Ok(vec![]));
    log(
        &home,
        "00000000000000000000.checkpoint.0000000002.0000000002.parquet",
        "",
    );
    assert_refused(
        &home,
        "damaged in 00000000000000000000.checkpoint.0000000001.0000000002.parquet",
    );
}

#[test]
fn v2_checkpoints_are_refused_only_where_they_are_needed() {
    let name = "00000000000000000001.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.json";
    let home = table(&[], &[&[PROTOCOL, METADATA]]);
    log(&home, name, "");
    assert_eq!(live(&home), Ok(vec![]));
    fs::remove_file(home.path().join("table").join(LOG).join("00000000000000000000.json")).unwrap();
    assert_refused(&home, "v2 checkpoints");
    log(&home, "00000000000000000002.json", "");
    assert_refused(&home, "v2 checkpoints");
}

#[test]
fn what_the_files_alone_do_not_say_is_refused() {
    let protocol = |version: u32, features: &str| {
        format!(r#"{{"protocol":{{"minReaderVersion":{version},"readerFeatures":[{features}]}}}}"#)
    };
    let mapped = |mode: &str| format!(r#"{{"metaData":{{"configuration":{{"delta.columnMapping.mode":"{mode}"}}}}}}"#);
    let with = |lines: &[&str]| table(&["a.parquet"], &[lines]);
    let known = r#""deletionVectors","columnMapping","timestampNtz""#;
    assert_eq!(live(&with(&[&protocol(3, known), METADATA])), Ok(vec![]));
    assert_eq!(live(&with(&[&protocol(2, ""), &mapped("none")])), Ok(vec![]));
    assert_refused(&with(&[&protocol(4, ""), METADATA]), "reader version 4");
    assert_refused(
        &with(&[&protocol(3, r#""timestampNtz","rowDance""#), METADATA]),
        "uses rowDance,",
    );
    assert_refused(
        &with(&[&protocol(3, r#""v2Checkpoint""#), METADATA]),
        "uses v2Checkpoint",
    );
    assert_refused(&with(&[&protocol(2, ""), &mapped("name")]), "column mapping by name");
    assert_refused(&with(&[&protocol(2, ""), &mapped("id")]), "column mapping by id");

    let vector =
        r#""deletionVector":{"storageType":"u","pathOrInlineDv":"ab^-a","offset":4,"sizeInBytes":4,"cardinality":1}"#;
    let hides = format!(r#"{{"add":{{"path":"a.parquet","partitionValues":{{}},{vector}}}}}"#);
    let dropped = format!(r#"{{"remove":{{"path":"a.parquet",{vector}}}}}"#);
    let added = add("a.parquet");
    let without = remove("a.parquet");
    let start = [&protocol(3, known), METADATA, &added];
    assert_refused(
        &table(&["a.parquet"], &[&start, &[&without, &hides]]),
        "hide rows of 1 files",
    );
    // The same file with and without its vector are two; what is removed hides nothing.
    let purged: [&[&str]; 3] = [&start, &[&hides, &without], &[&dropped, &added]];
    assert_eq!(live(&table(&["a.parquet"], &purged)).unwrap(), ["a.parquet"]);
}
