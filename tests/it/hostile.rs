//! Hostile and broken input: each has a clear outcome, costs no neighbour, and never crashes. The table; that of
//! compressed and packed input is in `packed.rs`, what is not a matter of bytes alone in `surroundings.rs`.

use crate::support::{self, gatelog};
use std::path::Path;

/// A good row; every number is another person and second.
pub fn row(number: usize) -> String {
    row_with(number, "")
}

pub fn row_with(number: usize, more: &str) -> String {
    format!("{{\"auditid\":\"{number:032x}\",\"createdon\":\"2026-03-01T08:00:{number:02}Z\",\"action\":64{more}}}")
}

pub fn lines(rows: &[String]) -> Vec<u8> {
    (rows.join("\n") + "\n").into_bytes()
}

pub fn page(rows: &[String]) -> Vec<u8> {
    format!("{{\"value\":[{}]}}", rows.join(",")).into_bytes()
}

pub fn csv(rows: &[&str]) -> Vec<u8> {
    let rows = rows
        .iter()
        .enumerate()
        .map(|(number, name)| format!("2026-03-01T08:00:{number:02}Z,64,{name}\n"));
    ("createdon,action,useridname\n".to_owned() + &rows.collect::<String>()).into_bytes()
}

/// The same bytes with a text replaced by bytes that need be no text.
fn with(bytes: &[u8], text: &str, by: &[u8]) -> Vec<u8> {
    let at = bytes
        .windows(text.len())
        .position(|window| window == text.as_bytes())
        .expect("the text occurs");
    [&bytes[..at], by, &bytes[at + text.len()..]].concat()
}

fn utf16_with_half_a_pair() -> Vec<u8> {
    let text = String::from_utf8(lines(&[
        row(1),
        row_with(2, ",\"x\":\"\u{1F426}\",\"_userid_value\":\"\u{1F426}\""),
        row(3),
    ]));
    let units: Vec<u16> = text.expect("text").encode_utf16().collect();
    let last = units.iter().rposition(|&unit| unit == 0xD83D).expect("a pair");
    let kept = units[..last].iter().chain(&units[last + 1..]);
    kept.flat_map(|unit| unit.to_le_bytes()).collect()
}

/// What, its bytes, the exit code, how many rows are kept, the codes of all rejects in order.
pub type Case = (&'static str, Vec<u8>, i32, usize, &'static [&'static str]);

/// With records of at most 1000 bytes.
#[rustfmt::skip] // A case a line.
fn long() -> Vec<Case> {
    let long = |number| row_with(number, &format!(",\"x\":\"{}\"", "y".repeat(2500)));
    // A row that stands inside an over-long line, at every place relative to a piece's end.
    let inner = format!("\"{}\"", row(9).repeat(40));
    let many: Vec<String> = (0..60).map(row).collect();
    let open = (0..40)
        .map(|number| if number == 3 { "\"Wren" } else { "Wren Sample" })
        .collect::<Vec<_>>();
    let nested: String = (0..3)
        .map(|number| format!(",{{\"name\":{number},\"z\":\"{}\"}}", "y".repeat(500)))
        .collect();
    vec![
        ("a long line", lines(&[row(1), long(2), row(3)]), 4, 2, &["too-long"; 3]),
        ("a long first line", lines(&[row(1), inner.clone(), row(3)]), 4, 2, &["too-long"; 4]),
        ("a long last line", lines(&[row(1), long(2)])[..2600].to_vec(), 4, 1, &["too-long"; 3]),
        ("a long line in CSV", csv(&["a", &"y".repeat(2500), "c"]), 4, 2, &["too-long"; 3]),
        ("a long quoted line in CSV", csv(&["a", &format!("\"{}\"", "y,".repeat(1250)), "c"]), 4, 2, &["too-long"; 3]),
        ("a long last line in CSV", csv(&["a", "b", &"y".repeat(1500)]), 4, 2, &["too-long"; 2]),
        ("a quote that is never closed", csv(&open), 4, 39, &["syntax"]),
        ("a long record in a page", page(&[row(1), long(2), row(3)]), 4, 2, &["too-long"; 3]),
        ("a page of one line", page(&many), 0, 60, &[]),
        ("a list of one line", format!("[{}]", many.join(",")).into_bytes(), 0, 60, &[]),
        ("a list in a long record", page(&[row(1), row_with(2, &format!(",\"x\":[0{nested}]")), row(3)]), 4, 2, LIST),
        ("blanks without a record", [&b"{\"value\":["[..], row(1).as_bytes(), &[b' '; 5000]].concat(), 4, 1, &["truncated"]),
        ("braces without a record", [page(&[row(1)]), vec![b'{'; 2500]].concat(), 4, 1, &["too-long"; 3]),
        ("quotes without a record", [page(&[row(1)]), vec![b'"'; 2500]].concat(), 4, 1, &["too-long"; 3]),
    ]
}

/// What looks like a row in a list within a row that is too long has no time: it is no record, and not lost.
const LIST: &[&str] = &[
    "too-long",
    "created-on-missing",
    "created-on-missing",
    "created-on-missing",
    "syntax",
];

#[rustfmt::skip] // A case a line.
fn odd() -> Vec<Case> {
    let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let name = |text: &str| {
        row_with(
            2,
            &format!(",\"_userid_value@OData.Community.Display.V1.FormattedValue\":\"{text}\""),
        )
    };
    let three = [row(1), name("Wren"), row(3)];
    let names = csv(&["Lark", "Wren", "Finch"]);
    let quoted = csv(&["Lark", "\"W\"\"ren\"", "Finch"]);
    let cr = |bytes: Vec<u8>| -> Vec<u8> {
        bytes
            .into_iter()
            .map(|byte| if byte == b'\n' { b'\r' } else { byte })
            .collect()
    };
    let on = |time: &str| row(1).replace("2026-03-01T08:00:01Z", time);
    vec![
        ("200 deep in a line", lines(&[row(1), row_with(2, &format!(",\"x\":{}", deep(200)))]), 0, 2, &[]),
        ("200 deep in a page", page(&[row(1), row_with(2, &format!(",\"x\":{}", deep(200)))]), 0, 2, &[]),
        ("a million deep", lines(&[row(1), row_with(2, &format!(",\"x\":{}", deep(1_000_000)))]), 0, 2, &[]),
        ("a million deep, never closed", lines(&[row(1), deep(2_000_000)[..1_000_000].to_owned(), row(3)]), 4, 2, &["syntax", "truncated"]),
        ("a deep action", lines(&[row(1), row(2).replace("64", &deep(200))]), 4, 1, &["action-invalid"]),
        ("a deep time", page(&[row(1), row(2).replace("\"2026-03-01T08:00:02Z\"", &deep(200))]), 4, 1, &["created-on-invalid"]),
        ("NUL in a line", with(&lines(&three), "Wren", b"W\0n"), 4, 2, &["syntax"]),
        ("NUL in a page", with(&page(&three), "Wren", b"W\0n"), 4, 2, &["syntax"]),
        ("NUL in a row", with(&names, "Wren", b"W\0n"), 4, 2, &["encoding"]),
        ("NUL in a field with quotes", with(&quoted, "ren", b"\0n"), 4, 2, &["encoding"]),
        ("a line of NULs", [lines(&[row(1)]), vec![0; 5000], lines(&[String::new(), row(3)])].concat(), 4, 2, &["syntax"]),
        ("invalid UTF-8 in a line", with(&lines(&three), "Wren", b"W\xFF\xFEn"), 4, 2, &["encoding"]),
        ("invalid UTF-8 in a page", with(&page(&three), "Wren", b"W\xC3\x28n"), 4, 2, &["encoding"]),
        ("invalid UTF-8 in a row", with(&names, "Wren", b"W\xED\xA0\x80n"), 4, 2, &["encoding"]),
        ("invalid UTF-8 in a field with quotes", with(&quoted, "ren", b"\xFFn"), 4, 2, &["encoding"]),
        ("half a pair in UTF-16", utf16_with_half_a_pair(), 4, 2, &["encoding"]),
        ("CR alone in lines", cr(lines(&three)), 0, 3, &[]),
        ("CR alone in CSV", cr(names.clone()), 0, 3, &[]),
        ("CR alone in a page", cr(with(&page(&three), ",{", b",\n{")), 0, 3, &[]),
        ("a key twice", lines(&[row_with(1, ",\"action\":65,\"action\":null")]), 0, 1, &[]),
        ("the year 1", lines(&[on("0001-01-01T00:00:00Z")]), 0, 1, &[]),
        ("the year 9999", lines(&[on("9999-12-31T23:59:59.9999999Z")]), 0, 1, &[]),
        ("the year 10000", lines(&[on("10000-01-01T00:00:00Z"), row(2)]), 4, 1, &["created-on-invalid"]),
        ("before the year 1", lines(&[on("0001-01-01T00:00:00+14:00"), row(2)]), 4, 1, &["created-on-invalid"]),
        ("behind the year 9999", lines(&[on("9999-12-31T23:59:59-14:00"), row(2)]), 4, 1, &["created-on-invalid"]),
        ("numbers as texts", lines(&[row_with(1, ",\"operation\":\"4\",\"versionnumber\":\"12\"").replace("64", "\"64\"")]), 0, 1, &[]),
        ("huge numbers", lines(&[row(1), row(2).replace("64", "1e999"), row(3).replace("64", &"9".repeat(400))]), 4, 1, &["action-invalid"; 2]),
    ]
}

pub fn accepted(home: &Path) -> usize {
    support::lake_rows(&home.join("lake"), "audit").len()
}

fn codes(home: &Path) -> Vec<String> {
    let rejects = support::lake_rows(&home.join("lake"), "rejects").into_iter();
    rejects.map(|row| row["code"].clone()).collect()
}

/// Runs every case, whatever the size of blocks is.
pub fn check(cases: Vec<Case>, blocks: &[&str], more: &[&str]) {
    let mut faults = Vec::new();
    for (what, bytes, code, kept, rejected) in cases {
        for size in blocks {
            let home = support::home();
            support::write(&home.path().join("log"), &bytes);
            let ended = gatelog(home.path(), &[&["ingest", "log", "--block-bytes", size], more].concat());
            let outcome = (ended.code, accepted(home.path()), codes(home.path()));
            let expected = (code, kept, rejected.iter().map(|code| (*code).to_owned()).collect());
            if outcome != expected {
                faults.push(format!(
                    "{what}, {size}: {outcome:?}, and not {expected:?}\n{}",
                    ended.stderr
                ));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn long_records_have_their_outcome_whatever_the_size_of_blocks() {
    check(
        long(),
        &["1", "333", "1000", "1001", "4194304"],
        &["--record-bytes", "1000"],
    );
}

#[test]
fn odd_records_have_their_outcome() {
    check(odd(), &["97", "4194304"], &[]);
}
