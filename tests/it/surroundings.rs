//! What happens around an input's bytes: where they come from, what they are called, what becomes of them meanwhile; and
//! rules of hostile input that need more than a count.

use crate::encoded::{gzip, zip};
use crate::hostile::{accepted, csv, lines, page, row, row_with};
use crate::support::{self, gatelog};
use gatelog::ingest::{self, Fate};
use std::io::Write;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn of_a_key_that_stands_twice_the_last_value_counts_that_is_not_null() {
    for (twice, expected) in [
        (",\"action\":65", "65"),
        (",\"action\":65,\"action\":null", "65"),
        (",\"action\":null", "64"),
    ] {
        for form in [lines, page] {
            let home = support::home();
            support::write(&home.path().join("log"), form(&[row_with(1, twice)]));
            assert_eq!(gatelog(home.path(), &["ingest", "log"]).code, 0);
            let rows = support::lake_rows(&home.path().join("lake"), "audit");
            assert_eq!(rows[0]["action"], expected, "{twice}");
        }
    }
}

#[test]
fn the_pieces_of_a_long_record_are_all_its_bytes() {
    let in_lines = lines(&[row(1), format!("  {} ", row(2).repeat(30)), row(3)]);
    let in_csv = csv(&["a", &" y ".repeat(999), "c"]);
    for (log, before, behind) in [
        (in_lines, row(1).len() + 1, row(3).len() + 2),
        (in_csv, csv(&["a"]).len(), "2026-03-01T08:00:02Z,64,c\n\n".len()),
    ] {
        let home = support::home();
        support::write(&home.path().join("log"), &log);
        let limits = ["--record-bytes", "100", "--block-bytes", "64"];
        gatelog(home.path(), &[&["ingest", "log"][..], &limits].concat());
        let rejects = support::lake_rows(&home.path().join("lake"), "rejects");
        let pieces: String = rejects.iter().map(|row| row["raw"].as_str()).collect();
        let expected: String = log[before..log.len() - behind]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(pieces, expected);
        let is_piece = |row: &support::Row| row["code"] == "too-long" && row["raw"].len() <= 200;
        assert!(rejects.iter().all(is_piece));
        assert!(
            rejects[0]["sentence"].contains("100 bytes to a reject"),
            "{:?}",
            rejects[0]
        );
    }
}

#[test]
fn what_must_be_sought_in_is_refused_from_standard_input() {
    let archive = zip(&[("log", &lines(&[row(1)]))]);
    for (bytes, says) in [(archive, "ZIP"), (b"PAR1PAR1".to_vec(), "Parquet")] {
        let home = support::home();
        let mut command = support::program(home.path());
        command
            .args(["ingest", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let mut pipe = child.stdin.take().expect("piped");
        pipe.write_all(&bytes).expect("written");
        drop(pipe);
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(
            said.contains(says) && said.contains("hint: save it as a file and name that"),
            "{said}"
        );
    }
}

#[test]
fn compressed_exports_are_read_from_standard_input() {
    let home = support::home();
    let file = support::write(&home.path().join("log.gz"), gzip(&lines(&[row(1), row(2)])));
    let mut command = support::program(home.path());
    let input = std::fs::File::open(file).expect("written");
    let status = command
        .args(["ingest", "-"])
        .stdin(input)
        .stderr(Stdio::null())
        .status();
    let code = status.expect("it runs").code();
    assert_eq!((code, accepted(home.path())), (Some(0), 2));
}

#[test]
fn a_file_that_grows_while_it_is_read_is_noted_and_what_it_lacked_is_read_by_the_next_run() {
    let home = support::home();
    // More than is looked at to recognise it, so that its end is read after it has grown.
    let filler = format!(",\"x\":\"{}\"", "y".repeat(60_000));
    let rows: Vec<String> = (0..60).map(|number| row_with(number, &filler)).collect();
    let log = support::write(&home.path().join("log"), lines(&rows));
    let lake = home.path().join("lake");
    let plan = ingest::Plan {
        block_bytes: 16,
        ..support::plan(&lake, &[&log])
    };
    let has_grown = AtomicBool::new(false);
    let grow = |_| {
        if !has_grown.swap(true, Ordering::Relaxed) {
            let mut file = std::fs::File::options().append(true).open(&log).expect("there");
            let late = lines(&[row(59)
                .replace(":59Z", ":59.5Z")
                .replace("\"auditid\":\"0", "\"auditid\":\"f")]);
            file.write_all(&late).expect("written");
        }
    };
    let outcome = ingest::ingest(&plan, &grow).expect("read");
    let Fate::Ingested { notes, tally, .. } = &outcome.reports[0].fate else {
        panic!("{outcome:?}");
    };
    assert!(notes[0].contains("changed while it was read"), "{notes:?}");
    // It was read to where it ended by then.
    assert_eq!((tally.accepted, tally.rejected), (61, 0));
    let again = support::ingest(&plan);
    assert_eq!(
        again.reports[0].fate,
        Fate::AlreadyIngested,
        "the hash is that of what was read"
    );
    let quiet = support::ingest(&support::plan(&home.path().join("other"), &[&log]));
    assert!(matches!(&quiet.reports[0].fate, Fate::Ingested { notes, .. } if notes.is_empty()));
}

#[cfg(unix)]
#[test]
fn links_to_files_are_followed_and_loops_of_folders_end() {
    use std::os::unix::fs::symlink;
    let home = support::home();
    let at = |path: &str| home.path().join(path);
    support::write(&at("elsewhere/log"), lines(&[row(1)]));
    support::write(&at("folder/deep/own"), lines(&[row(2)]));
    for (to, from) in [
        ("../elsewhere/log", "folder/link"),
        ("..", "folder/loop"),
        ("../elsewhere", "folder/other"),
        ("nowhere", "folder/gone"),
        ("folder", "way"),
    ] {
        symlink(to, at(from)).expect("linked");
    }
    let ended = gatelog(home.path(), &["ingest", "folder"]);
    assert_eq!((ended.code, accepted(home.path())), (0, 2), "{}", ended.stderr);
    assert!(ended.line("folder/link: ").contains("1 accepted"), "{}", ended.stderr);
    let again = gatelog(home.path(), &["ingest", "way", "folder/link"]);
    let skipped = again.stderr.matches("already ingested, skipped").count();
    assert_eq!(skipped, 2, "each file once: {}", again.stderr);
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_do_not_print_are_shown_escaped_on_one_line() {
    use std::os::unix::ffi::OsStrExt;
    let home = support::home();
    let names: [(&[u8], &str); 3] = [
        (b"two\nlines\x1B[31m", "two\\nlines\\u{1b}[31m"),
        (b"not \xFFtext", "not \\xFFtext"),
        ("w\u{20AC}\u{142}l".as_bytes(), "w\u{20AC}\u{142}l"),
    ];
    for (number, (name, _)) in names.iter().enumerate() {
        let path = home.path().join("exports").join(std::ffi::OsStr::from_bytes(name));
        support::write(&path, lines(&[row(number)]));
    }
    let archive = zip(&[("in\nside", b"bad"), ("log", &lines(&[row(9)]))]);
    support::write(&home.path().join("exports/z.zip"), archive);
    let ended = gatelog(home.path(), &["ingest", "exports"]);
    assert_eq!(accepted(home.path()), 4, "{}", ended.stderr);
    for (_, shown) in names {
        let line = ended.line(&format!("exports/{shown}: "));
        assert!(line.starts_with("ndjson"), "{}", ended.stderr);
    }
    ended.line("exports/z.zip/in\\nside: ");
    assert_eq!(ended.stderr.lines().count(), 6, "{}", ended.stderr);
}
