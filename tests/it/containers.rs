//! Containers of Synapse Link as administrators have them on disk: every row once, whatever part of one is named.

use crate::logs::Event;
use crate::support::{self, Ended, contents, gatelog, home, write};
use crate::synapse::{COLUMNS, container, events, expected, ingest, lines, rows};
use gatelog::ingest::{Fate, Outcome, Tally};
use std::fs;
use std::path::{Path, PathBuf};

const NAME: &str = "dataverse-Contoso-unq123";
const ENVIRONMENT: &str = "dataverse-contoso-unq123";

/// What became of a path of the inventory, by the end of its name.
fn fates<'o>(outcome: &'o Outcome, name: &str) -> Vec<&'o Fate> {
    let reports = outcome.reports.iter().filter(|report| report.input.ends_with(name));
    reports.map(|report| &report.fate).collect()
}

fn assert_tally(tally: Tally, read: usize, accepted: usize) {
    let [read, accepted] = [read, accepted].map(|count| count as u64);
    let expected = Tally {
        read,
        accepted,
        duplicate: read - accepted,
        rejected: 0,
    };
    assert_eq!(tally, expected);
}

/// A container with everything in it: partitions of a year and of months, copies of them, other tables, service folders.
fn whole(home: &Path, events: &[Event]) -> PathBuf {
    let third = events.len() / 3;
    let parts: [(&str, &[Event]); 5] = [
        ("audit/2025.csv", &events[..third]),
        ("audit/2026-01.csv", &events[third..2 * third]),
        ("audit/2026-02.csv", &events[2 * third..]),
        ("audit/Snapshot/2025_1687947600.csv", &events[..third]),
        ("audit/Snapshot/2026-01_1687947600.csv", &events[third..]),
    ];
    let folder = container(&home.join(NAME), &COLUMNS, &parts);
    let user = "aaaaaaaa-0000-4000-8000-000000000001,\"6/28/2021 4:34:35 PM\",\"Wren Sample\"\n";
    for (name, text) in [
        ("account/2025.csv", user),
        ("account/Snapshot/2025_1687947600.csv", user),
        ("systemuser/2025.csv", user),
        (
            "OptionsetMetadata/GlobalOptionsetMetadata.csv",
            "OptionSetName,Option\naction,64\n",
        ),
        (
            "Microsoft.Athena.TrickleFeedService/audit-EntityMetadata.json",
            "{\"AttributeMetadata\":[]}",
        ),
        ("Changelog/changelog.info", "2023-05-01T10.15.00Z"),
    ] {
        write(&folder.join(name), text);
    }
    folder
}

#[test]
fn every_row_of_a_container_is_read_once_and_what_is_left_out_is_said_in_one_line() {
    for seed in 0..3 {
        let (home, events) = (home(), events(seed));
        let folder = whole(home.path(), &events);
        // At any depth, and the folder above has the lake in it.
        let outcome = ingest(home.path(), &[home.path()]);
        assert_eq!(contents(&home.path().join("lake")), expected(&events, ENVIRONMENT));
        // Beside the rows there is one user.
        assert_tally(outcome.total, events.len() + 1, events.len() + 1);
        let skipped = fates(&outcome, NAME);
        let reason = "only other tables (account) and folders without rows of their own \
            (Changelog, Microsoft.Athena.TrickleFeedService, OptionsetMetadata, audit/Snapshot)";
        assert_eq!(
            skipped,
            [&Fate::Skipped {
                reason: reason.to_owned()
            }]
        );
        assert_eq!(fates(&outcome, "systemuser/2025.csv").len(), 1);
        assert_eq!(outcome.reports.len(), 5, "{:?}", outcome.reports);

        let again = ingest(home.path(), &[&folder, home.path(), &folder]);
        assert_tally(again.total, 0, 0);
        assert_eq!(again.reports.len(), 5, "each once: {:?}", again.reports);
    }
}

#[test]
fn any_part_of_a_container_may_be_named_and_has_its_columns_and_environment() {
    let (home, events) = (home(), events(2));
    let folder = whole(home.path(), &events);
    let increment = folder.join("2024-01-02T03.04.05Z");
    let other_order: Vec<&str> = COLUMNS.iter().rev().copied().collect();
    container(&increment, &other_order, &[("audit/2026.csv", &events)]);
    let bare = folder.join("2024-01-02T04.04.05Z");
    write(&bare.join("audit/2026.csv"), rows(&events, &COLUMNS));
    let third = events.len() / 3;
    for (part, events) in [
        ("audit/2025.csv", &events[..third]),
        ("audit/Snapshot/2026-01_1687947600.csv", &events[third..]),
        ("audit", &events[..]),
        ("audit/Snapshot", &events[..]),
        ("2024-01-02T03.04.05Z", &events[..]),
        ("2024-01-02T03.04.05Z/audit", &events[..]),
        ("2024-01-02T03.04.05Z/audit/2026.csv", &events[..]),
        ("2024-01-02T04.04.05Z", &events[..]),
        ("2024-01-02T04.04.05Z/audit/2026.csv", &events[..]),
        ("", &events[..]),
    ] {
        let lake = tempfile::tempdir().expect("a folder");
        let outcome = ingest(lake.path(), &[&folder.join(part)]);
        assert_eq!(
            contents(&lake.path().join("lake")),
            expected(events, ENVIRONMENT),
            "{part}"
        );
        assert_eq!(outcome.refused(), 0, "{part}: {:?}", outcome.reports);
    }
    let ended = gatelog(&folder.join("audit"), &["ingest", "--lake", "../../here", "."]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(contents(&home.path().join("here")), expected(&events, ENVIRONMENT));
}

#[test]
fn a_part_of_another_table_is_refused_when_it_is_named() {
    let (home, events) = (home(), events(1));
    let folder = whole(home.path(), &events);
    for part in ["account", "account/2025.csv", "OptionsetMetadata"] {
        let path = format!("{NAME}/{part}");
        let ended = gatelog(home.path(), &["ingest", "--lake", "lake", &path]);
        assert_eq!(ended.code, 3, "{}", ended.stderr);
        assert!(
            ended.line("error: ").starts_with(&format!("{path}: holds ")),
            "{}",
            ended.stderr
        );
        assert!(ended.line("hint: ").contains("audit"), "{}", ended.stderr);
    }
    assert!(!folder.join("lake").exists());
}

#[test]
fn the_incremental_folder_still_being_written_waits_for_a_later_run() {
    let (home, events) = (home(), events(3));
    let root = home.path().join(NAME);
    let half = events.len() / 2;
    let (first, last) = ("2023-05-01T10.15.00Z", "2023-05-01T10:30:00Z");
    container(&root.join(first), &COLUMNS, &[("audit/2023.csv", &events[..half])]);
    container(&root.join("2023-05-01T10.20.00Z"), &COLUMNS, &[]);
    fs::create_dir(root.join("2023-05-01T10.25.00Z")).expect("an empty folder");
    let torn = rows(&events[half..], &COLUMNS);
    container(&root.join(last), &COLUMNS, &[]);
    write(&root.join(last).join("audit/2023.csv"), &torn[..torn.len() / 2]);
    write(&root.join("Changelog/changelog.info"), "2023-05-01T10.30.00Z\r\n");

    let named = ingest(home.path(), &[&root.join(last)]);
    assert_eq!(fates(&named, last), [&Fate::Unfinished], "nothing to do is no failure");
    let outcome = ingest(home.path(), &[&root]);
    assert_tally(outcome.total, half, half);
    assert_eq!(fates(&outcome, last), [&Fate::Unfinished]);
    assert_eq!(fates(&outcome, "10.20.00Z"), [&Fate::Empty]);
    let inside = ingest(home.path(), &[&root.join(last).join("audit/2023.csv")]);
    assert_eq!(fates(&inside, "2023.csv"), [&Fate::Unfinished]);

    write(&root.join(last).join("audit/2023.csv"), torn);
    write(&root.join("Changelog/changelog.info"), "2023-05-01T10.45.00Z");
    let outcome = ingest(home.path(), &[&root]);
    assert_tally(outcome.total, events.len() - half, events.len() - half);
    assert_eq!(contents(&home.path().join("lake")), expected(&events, ENVIRONMENT));
    let ended = gatelog(home.path(), &["ingest", "--lake", "lake", NAME]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
}

#[test]
fn each_container_is_an_environment_unless_one_is_given() {
    let (home, events) = (home(), events(1));
    let folder = home.path().join("exports");
    for name in ["dataverse-a-unq1", "dataverse-b-unq2", "renamed"] {
        container(&folder.join(name), &COLUMNS, &[("audit/2026.csv", &events)]);
    }
    ingest(home.path(), &[&folder]);
    let mut environments: Vec<String> = support::lake_rows(&home.path().join("lake"), "audit")
        .into_iter()
        .map(|row| row["environment"].clone())
        .collect();
    environments.dedup();
    assert_eq!(environments, ["dataverse-a-unq1", "dataverse-b-unq2", "default"]);

    let arguments = ["ingest", "--lake", "given", "--environment", "mine", "exports"];
    let ended = gatelog(home.path(), &arguments);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(contents(&home.path().join("given")), expected(&events, "mine"));
}

#[test]
fn a_broken_model_costs_its_container_and_nothing_else() {
    let (home, events) = (home(), events(1));
    let third = events.len() / 3;
    let exports = home.path().join("exports");
    let broken = container(&exports.join(NAME), &COLUMNS, &[("audit/2025.csv", &events)]);
    write(&broken.join("model.json"), "{\"entities\": [");
    container(
        &broken.join("2024-01-02T03.04.05Z"),
        &COLUMNS,
        &[("audit/2025.csv", &events[..third])],
    );
    write(&broken.join("beside.ndjson"), lines(&events[third..2 * third]));
    container(
        &exports.join("dataverse-z-unq9"),
        &COLUMNS,
        &[("audit/2025.csv", &events[2 * third..])],
    );
    let check = |ended: &Ended, path: &str| {
        let refusal = ended.line(&format!("{path}/{NAME}/model.json: refused: "));
        assert!(refusal.contains("model.json gatelog can read: EOF"), "{}", ended.stderr);
        assert_eq!(ended.stderr.matches("refused: ").count(), 1, "{}", ended.stderr);
    };
    let ended = gatelog(
        home.path(),
        &["ingest", "--lake", "lake", "--environment", "e", "exports"],
    );
    assert_eq!(ended.code, 4, "committed, but something is missing: {}", ended.stderr);
    check(&ended, "exports");
    assert_eq!(contents(&home.path().join("lake")), expected(&events, "e"));

    let partition = format!("exports/{NAME}/audit/2025.csv");
    let ended = gatelog(home.path(), &["ingest", "--lake", "other", &partition]);
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    assert!(
        ended.line("error: ").contains("model.json: is not a model.json"),
        "{}",
        ended.stderr
    );
    let beside = format!("exports/{NAME}/beside.ndjson");
    assert_eq!(gatelog(home.path(), &["ingest", "--lake", "other", &beside]).code, 0);
}

#[test]
fn no_file_of_a_delta_table_is_read_as_if_it_were_an_export() {
    let (home, events) = (home(), events(1));
    let root = home.path().join(NAME);
    write(&root.join("audit.ndjson"), lines(&events));
    for table in ["audit", "account"] {
        let folder = root.join(format!("deltalake/{table}_partitioned"));
        write(
            &folder.join("_delta_log/00000000000000000000.json"),
            "{\"commitInfo\":{}}\n",
        );
        write(&folder.join("PartitionId=2023/part-0.parquet"), "PAR1");
        write(&folder.join("PartitionId=2023/old.ndjson"), lines(&events));
    }
    write(&root.join("Changelog/changelog.info"), "");
    let outcome = ingest(home.path(), &[&root]);
    assert_tally(outcome.total, events.len(), events.len());
    let reason = "only other tables (account_partitioned) and folders without rows of their own (Changelog)".to_owned();
    assert_eq!(fates(&outcome, NAME), [&Fate::Skipped { reason }]);
    assert_eq!(fates(&outcome, "deltalake/audit_partitioned").len(), 1);
    assert_eq!(outcome.reports.len(), 3, "{:?}", outcome.reports);
}

#[cfg(unix)]
#[test]
fn links_to_folders_are_said_and_not_followed_and_links_to_files_are_read_once() {
    use std::os::unix::fs::symlink;
    let (home, events) = (home(), events(1));
    let folder = whole(home.path(), &events);
    let link = |to: &Path, name: &str| symlink(to, folder.join(name)).expect("a link");
    link(&folder, "audit/loop");
    link(&folder.join("audit/2025.csv"), "audit/same.csv");
    link(&folder.join("gone"), "audit/dangling.csv");
    let elsewhere = write(&home.path().join("kept/2025.csv"), rows(&events, &COLUMNS));
    link(&elsewhere, "audit/2027.csv");
    let outcome = ingest(home.path(), &[&folder]);
    assert_tally(outcome.total, 2 * events.len() + 1, events.len() + 1);
    for name in ["audit/loop", "audit/dangling.csv"] {
        assert!(
            matches!(fates(&outcome, name)[..], [Fate::Skipped { .. }]),
            "{name}: {:?}",
            outcome.reports
        );
    }
    assert!(fates(&outcome, "same.csv").is_empty(), "each file once");
    // A link that is named itself is followed.
    symlink(&folder, home.path().join("current")).expect("a link");
    let other = tempfile::tempdir().expect("a folder");
    ingest(other.path(), &[&home.path().join("current")]);
    assert_eq!(contents(&other.path().join("lake")), expected(&events, ENVIRONMENT));
}
