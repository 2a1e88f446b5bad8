//! What cannot be read: a sentence with the path, a hint, the right exit code (design §5), and no harm to anything else.

use crate::logs::{self, Event, Form, at};
use crate::support::{self, Ended, gatelog};
use std::fs;
use std::path::Path;

fn good_events() -> Vec<Event> {
    let start = at("2026-03-01T08:00:00Z");
    logs::with_ids((0..3).map(|row| Event::access(start + row, 64, Some(1))).collect())
}

fn good(form: Form) -> String {
    form.write(&good_events())
}

fn ingest(home: &Path, arguments: &[&str]) -> Ended {
    gatelog(home, &[&["ingest", "--lake", "lake"], arguments].concat())
}

fn is_committed(home: &Path) -> bool {
    home.join("lake/manifest.json").exists()
}

fn accepted(home: &Path) -> usize {
    support::lake_rows(&home.join("lake"), "audit").len()
}

/// The codes of all rejects, in order.
fn codes(home: &Path) -> Vec<String> {
    support::lake_rows(&home.join("lake"), "rejects")
        .into_iter()
        .map(|row| row["code"].clone())
        .collect()
}

/// Exactly one error, with the path first, and one hint.
fn assert_refused(ended: &Ended, path: &str, code: i32, says: &str) {
    let text = &ended.stderr;
    assert_eq!(ended.code, code, "{text}");
    assert_eq!(ended.stdout, "", "standard output carries only what was asked for");
    let sentence = ended.line("error: ");
    assert!(
        sentence.starts_with(&format!("{path}: ")),
        "the path comes first: {text}"
    );
    assert!(sentence.contains(says), "expected {says:?}: {text}");
    assert!(!sentence.ends_with('.'), "no full stop: {text}");
    assert_eq!(text.matches("error: ").count(), 1, "{text}");
}

/// Content that gatelog must refuse, and what it must say.
fn refused_content() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let bytes = |text: &str| text.as_bytes().to_vec();
    vec![
        ("header.csv", bytes("colour,size\nred,3\n"), "header"),
        ("no-time.csv", bytes("auditid,action,userid\nx,64,y\n"), "createdon"),
        (
            "no-action.csv",
            bytes("auditid,createdon,userid\nx,2026-03-01T08:00:00Z,y\n"),
            "action",
        ),
        (
            "purview.json",
            bytes("{\"CreationTime\":\"2026-03-01T08:00:00\",\"AuditData\":\"{}\"}\n"),
            "Purview",
        ),
        (
            "history.json",
            bytes("{\"AuditDetailCollection\":{\"AuditDetails\":[{\"OldValue\":{}}]}}"),
            "RetrieveRecordChangeHistory",
        ),
        (
            "formatted.json",
            bytes(
                "{\"value\":[{\"auditid\":\"x\",\"action\":64,\
                 \"createdon@OData.Community.Display.V1.FormattedValue\":\"3/1/2026 8:00 AM\"}]}",
            ),
            "formatted",
        ),
        ("other.json", bytes("{\"name\":\"x\",\"version\":1}"), "createdon"),
        ("page.json.gz", vec![0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2], "gzip"),
        ("page.json.zst", vec![0x28, 0xB5, 0x2F, 0xFD, 1, 2], "zstd"),
        ("audits.xlsx", b"PK\x03\x04rest".to_vec(), "ZIP"),
        ("audits.parquet", b"PAR1rest".to_vec(), "Parquet"),
        ("utf32.csv", b"\xFF\xFE\0\0a\0\0\0".to_vec(), "UTF-32"),
        ("old.xls", b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1".to_vec(), ".xls"),
        ("notes.txt", bytes("call the auditors back\n"), "no export"),
    ]
}

#[test]
fn what_cannot_honestly_be_read_is_refused_with_a_hint_and_nothing_is_committed() {
    for (name, content, says) in refused_content() {
        let home = support::home();
        support::write(&home.path().join(name), content);
        let ended = ingest(home.path(), &[name]);
        assert_refused(&ended, name, 3, says);
        assert!(!ended.line("hint: ").is_empty());
        assert!(!is_committed(home.path()), "{name}");
    }
}

#[test]
fn a_refused_file_costs_no_other_and_the_exit_code_says_that_something_is_missing() {
    for (name, content, says) in refused_content() {
        let home = support::home();
        support::write(&home.path().join("exports").join(name), content);
        support::write(&home.path().join("exports/good.json"), good(Form::Page));
        let ended = ingest(home.path(), &[&format!("exports/{name}"), "exports/good.json"]);
        assert_eq!((ended.code, accepted(home.path())), (4, 3), "{}", ended.stderr);
        assert!(
            ended.stderr.contains(name) && ended.stderr.contains(says),
            "{}",
            ended.stderr
        );

        let home = support::home();
        support::write(
            &home.path().join(name),
            refused_content()
                .into_iter()
                .find(|found| found.0 == name)
                .expect("it")
                .1,
        );
        support::write(&home.path().join("good.json"), good(Form::Page));
        let ended = ingest(home.path(), &["--strict", name, "good.json"]);
        assert_refused(&ended, name, 3, says);
        assert!(!is_committed(home.path()), "--strict commits nothing");
    }
}

#[test]
fn a_path_that_does_not_exist_fails_before_anything_is_read() {
    let home = support::home();
    support::write(&home.path().join("good.json"), good(Form::Page));
    let ended = ingest(home.path(), &["good.json", "nowhere/at/all"]);
    assert_refused(&ended, "nowhere/at/all", 1, "cannot be read");
    assert!(!home.path().join("lake").exists());
}

#[test]
fn a_folder_without_exports_is_bad_input() {
    let home = support::home();
    fs::create_dir(home.path().join("empty")).expect("created");
    assert_refused(&ingest(home.path(), &["empty"]), "empty", 3, "holds no files");
    support::write(&home.path().join("photos/bird.jpg"), b"\xFF\xD8\xFF\xE0");
    support::write(&home.path().join("photos/list.txt"), "wren robin lark\n");
    assert_refused(&ingest(home.path(), &["photos"]), "photos", 3, "no export");
    assert!(!is_committed(home.path()));
}

#[test]
fn foreign_files_in_a_folder_are_passed_over_and_the_lake_in_it_is_no_input() {
    let home = support::home();
    support::write(&home.path().join("bird.jpg"), b"\xFF\xD8\xFF\xE0");
    support::write(&home.path().join("deep/er/good.ndjson"), good(Form::Lines));
    for expected in [(3, 0), (3, 0)] {
        let ended = ingest(home.path(), &["."]);
        assert_eq!((accepted(home.path()), ended.code), expected, "{}", ended.stderr);
    }
}

#[test]
fn an_empty_file_is_an_input_without_records() {
    for content in ["", "\n", " \r\n\n", "\u{FEFF}"] {
        let home = support::home();
        support::write(&home.path().join("empty.json"), content);
        let ended = ingest(home.path(), &["empty.json"]);
        assert_eq!(ended.code, 0, "{content:?}: {}", ended.stderr);
        support::write(&home.path().join("good.json"), good(Form::Page));
        let ended = ingest(home.path(), &["--strict", "empty.json", "good.json"]);
        assert_eq!(
            (ended.code, accepted(home.path())),
            (0, 3),
            "{content:?}: {}",
            ended.stderr
        );
    }
}

#[test]
fn an_export_without_records_is_remembered_like_any_other_l3() {
    for content in ["auditid,createdon,action\n", "{\"value\":[]}\n"] {
        let home = support::home();
        support::write(&home.path().join("export"), content);
        ingest(home.path(), &["export"]);
        let again = ingest(home.path(), &["export"]);
        assert_eq!(again.line("export: "), "already ingested, skipped", "{content:?}");
    }
}

#[test]
fn headers_without_rows_and_pages_without_rows_are_inputs_without_records() {
    for content in [
        "auditid,createdon,action\n",
        "{\"value\":[]}",
        "[]",
        "{\"@odata.context\":\"x\",\"value\":[\n]}\n",
    ] {
        let home = support::home();
        support::write(&home.path().join("none"), content);
        let ended = ingest(home.path(), &["--strict", "none"]);
        assert_eq!(ended.code, 0, "{content:?}: {}", ended.stderr);
    }
}

/// A good log with one bad record in it: (what, content, code of the reject).
fn with_one_bad_record() -> Vec<(&'static str, String, &'static str)> {
    let page = good(Form::Page);
    let row = |on: &str, action: &str| format!("{{\"auditid\":\"bad\",\"createdon\":\"{on}\",\"action\":{action}}}");
    let inside = |row: &str| page.replacen(",\n", &format!(",\n{row},\n"), 1);
    let between = |row: &str| good(Form::Lines).replacen('\n', &format!("\n{row}\n"), 1);
    let cell = |text: &str, by: &str| good(Form::Csv).replacen(text, by, 1);
    let fine = "2026-03-01T08:00:00Z";
    vec![
        ("a truncated page", page[..page.len() - 40].to_owned(), "truncated"),
        ("a line that is no JSON", between("bad luck"), "syntax"),
        (
            "a wrong date in a line",
            between(&row("2026-02-30T08:00:00Z", "64")),
            "created-on-invalid",
        ),
        (
            "a wrong date in a page",
            inside(&row("yesterday", "64")),
            "created-on-invalid",
        ),
        (
            "a wrong date in a row",
            cell(fine, "01.03.2026 08:00"),
            "created-on-invalid",
        ),
        (
            "an unknown label in a line",
            between(&row(fine, "\"Truy cập\"")),
            "action-invalid",
        ),
        (
            "an unknown label in a row",
            cell(",64,", ",Looked at it,"),
            "action-invalid",
        ),
        ("no action", between(&row(fine, "null")), "action-missing"),
        (
            "no time",
            inside("{\"auditid\":\"bad\",\"action\":64}"),
            "created-on-missing",
        ),
        (
            "a time only as formatted",
            between(&row(fine, "64").replace("createdon", FORMATTED)),
            "created-on-missing",
        ),
        ("a field too many", cell(",64,", ",64,,"), "field-count"),
    ]
}

const FORMATTED: &str = "createdon@OData.Community.Display.V1.FormattedValue";

#[test]
fn a_bad_record_is_set_aside_whole_with_a_stable_code_and_its_neighbours_stay() {
    for (what, content, code) in with_one_bad_record() {
        let home = support::home();
        support::write(&home.path().join("log"), &content);
        let ended = ingest(home.path(), &["log"]);
        assert_eq!(
            (ended.code, codes(home.path())),
            (4, vec![code.to_owned()]),
            "{what}: {}",
            ended.stderr
        );
        // The bad record is one of the three, or stands beside them.
        let kept = if content.contains("bad") { 3 } else { 2 };
        assert_eq!(accepted(home.path()), kept, "{what}");
        assert!(
            ended.stderr.contains(&format!("({code})")),
            "{what}: the code is shown: {}",
            ended.stderr
        );

        // The bytes are kept whole, and where they stood.
        let reject = &support::lake_rows(&home.path().join("lake"), "rejects")[0];
        let offset: usize = reject["byte_offset"].parse().expect("a number");
        let raw: Vec<u8> = (0..reject["raw"].len())
            .step_by(2)
            .map(|at| hex(&reject["raw"][at..at + 2]))
            .collect();
        assert!(
            content.as_bytes()[offset..].starts_with(&raw),
            "{what}: {:?}",
            String::from_utf8_lossy(&raw)
        );
        assert!(!raw.is_empty() && !reject["sentence"].is_empty(), "{what}");
    }
}

fn hex(digits: &str) -> u8 {
    u8::from_str_radix(digits, 16).expect("binary columns are shown in hexadecimal")
}

#[test]
fn strict_commits_nothing_when_a_record_is_bad() {
    for (what, content, _) in with_one_bad_record() {
        let home = support::home();
        support::write(&home.path().join("log"), content);
        support::write(&home.path().join("more.json"), good(Form::Page));
        let ended = ingest(home.path(), &["--strict", "log", "more.json"]);
        assert_refused(&ended, "log", 3, "record ");
        assert!(!is_committed(home.path()), "{what}");
        assert!(
            !home.path().join("lake/staging").exists(),
            "{what}: nothing is left behind"
        );
    }
}

#[test]
fn strict_leaves_a_lake_that_exists_as_it_was() {
    let home = support::home();
    support::write(&home.path().join("good.json"), good(Form::Page));
    assert_eq!(ingest(home.path(), &["--strict", "good.json"]).code, 0);
    let manifest = fs::read(home.path().join("lake/manifest.json")).expect("committed");
    let before = support::files(&home.path().join("lake"));
    support::write(&home.path().join("log"), &with_one_bad_record()[1].1);
    assert_eq!(ingest(home.path(), &["--strict", "log"]).code, 3);
    assert!(manifest == fs::read(home.path().join("lake/manifest.json")).expect("still there"));
    assert_eq!(support::files(&home.path().join("lake")), before);
}

#[test]
fn max_rejects_is_the_number_that_is_tolerated() {
    for (limit, code) in [("0", 4), ("1", 4), ("2", 0), ("3", 0)] {
        let home = support::home();
        support::write(&home.path().join("log"), good(Form::Lines) + "one\ntwo\n");
        let ended = ingest(home.path(), &["--max-rejects", limit, "log"]);
        assert_eq!(
            (ended.code, accepted(home.path())),
            (code, 3),
            "{limit}: {}",
            ended.stderr
        );
    }
}

#[test]
fn an_opened_quote_costs_its_line_unless_a_later_quote_can_close_it() {
    let cut = |csv: String| csv.replacen(",64,", ",\"64,", 1);
    let home = support::home();
    support::write(&home.path().join("log"), cut(good(Form::Csv)));
    ingest(home.path(), &["log"]);
    assert_eq!(
        (accepted(home.path()), codes(home.path())),
        (2, vec!["syntax".to_owned()])
    );

    // The quote that opens `",Wren"` is followed by a comma: read from the left, it closes what stood open before. All
    // rows in between are then one row of too many fields. Nothing of them is lost: they are set aside, whole.
    let home = support::home();
    let mut events = good_events();
    events[2].object_name = Some(",Wren".to_owned());
    support::write(&home.path().join("log"), cut(Form::Csv.write(&events)));
    ingest(home.path(), &["log"]);
    assert_eq!((accepted(home.path()), codes(home.path()).len()), (0, 1));
}
