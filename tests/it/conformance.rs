//! What the grammars of JSON (RFC 8259) and CSV (RFC 4180) accept and reject, case by case, in the spirit of JSONTestSuite
//! and csv-spectrum: every case is decided as the grammar says, means what another reader reads, and costs no neighbour.

use crate::hostile::{lines, page, row, row_with};
use crate::support::{self, Row};
use gatelog::ingest::Tally;
use serde_json::Value;

/// JSON texts that every parser must take.
#[rustfmt::skip]
const JSON: &[&str] = &[
    // Numbers
    "0", "-0", "1", "-1", "123456789", "0.5", "-0.1", "1e1", "1E1", "1e+2", "1E-2", "0e1", "0e+1", "1.5e3", "20e1", "-123.456e-7",
    "0.000000000000000000000000000000000000000000000000000000000000000000000000000000001", "9007199254740993",
    // Literals
    "true", "false", "null",
    // Texts
    "\"\"", "\" \"", "\"a\"", "\"a/*b*/c/*d//e\"", "\"#\"", "\"'\"", "\"{\"", "\"}],\"", "\"[\"", "\",\"", "\"\\\"\"",
    "\"\\\\\"", "\"\\\\\\\"\"", "\"\\/\"", "\"\\b\\f\\n\\r\\t\"", "\"\\u0060\\u012a\\u12AB\"", "\"\\u0000\"", "\"\\uD801\\udc37\"",
    "\"\\ud83d\\ude39\\ud83d\\udc8d\"", "\"\\\\u0000\"", "\"\\u0022\"", "\"\\u005C\"", "\"\\uDBFF\\uDFFE\"", "\"\\uFDD0\"", "\"\\u200B\"",
    "\"\u{20AC}\u{1D11E}\"", "\"\u{2028}\u{2029}\"", "\"\u{7F}\"", "\"\u{85}\"", "\"\u{FEFF}\"", "\"\u{10FFFF}\"", "\"asd \"",
    "\"{\\\"value\\\":[{\\\"action\\\":64}]}\"",
    // Arrays
    "[]", "[ ]", "[[]   ]", "[\"\"]", "[1]", "[null, 1, \"1\", {}]", "[1,null,null,null,2]", "[ 4]", "[2] ", "[\"a\" , 1]", "[[[[[]]]]]", "[{\"\":0}]",
    // Objects
    "{}", "{ }", "{\"a\":\"b\"}", "{\"a\":\"b\",\"a\":\"b\"}", "{\"\":0}", "{\"foo\\u0000bar\": 42}", "{\"a\":[]}", "{\"a\":{\"b\":{\"c\":{}}}}",
    "{\"min\": -1.0e+28, \"max\": 1.0e+28}", "{\"x\":[{\"id\": \"xxxxx\"}], \"id\": \"y\"}", "{\"title\":\"\\u041f\\u043e\"}", "{\"a\" : 1 , \"b\" : 2}",
    "{\"value\":[{\"action\":64}]}", "\t1\t",
];

/// Texts that no parser may take.
#[rustfmt::skip]
const NO_JSON: &[&str] = &[
    // Numbers
    "01", "-01", "-", "+1", "1.", ".5", "-.5", "1.e1", "0e", "0e+", "1e", "1eE2", "1.0e+", "0x1", "0x42", "1 000", "1+2", "--1", "-2.", "0.1.2",
    "2.e+3", "9.e+", "NaN", "-NaN", "Inf", "Infinity", "-Infinity", "1ea", "1a", "-1x", "\u{FF11}", "-foo", "1_000",
    // Literals
    "nul", "tru", "fals", "True", "FALSE", "nulll", "undefined", "a",
    // Texts
    "'a'", "\"\\x00\"", "\"\\a\"", "\"\\\u{1F300}\"", "\"\\u00A\"", "\"\\uD834\\Dd\"", "\"\\u\"", "\"\\ud800\\u\"", "\"\\ud800\\u1\"",
    "\"a\tb\"", "\"\\U0041\"", "\"a\u{1F}a\"", "\"a\"b", "\"\" \"\"",
    // Arrays
    "[1,,2]", "[,1]", "[1,]", "[,]", "[1 2]", "[\"a\":1]", "[1:2]", "[,\"x\"]", "[\"x\",,]", "[\"\"],", "[*]", "[1}", "[a", "[-]", "[<null>]", "[\u{2060}]", "[\u{B}1]",
    // Objects
    "{1:1}", "{a:1}", "{'a':1}", "{\"a\"}", "{\"a\":}", "{:1}", "{\"a\" 1}", "{\"a\":1,}", "{\"a\":1,,\"b\":2}", "{\"a\",\"b\"}", "{\"a\"::1}", "{\"a\":1 \"b\":2}",
    "{null:null}", "{\"a\":true} #", "{\"a\":/*c*/1}", "{\"a\":1}//", "{,}", "{[]:1}", "{\"a\":1]", "{{}}", "",
];

fn tally(accepted: u64, rejected: u64) -> Tally {
    Tally {
        read: accepted + rejected,
        accepted,
        rejected,
        ..Tally::default()
    }
}

/// Ingests these bytes: the books, the codes of the rejects, and the rows in order of time.
fn ingested(name: &str, bytes: &[u8]) -> (Tally, Vec<String>, Vec<Row>) {
    let home = support::home();
    let input = support::write(&home.path().join(name), bytes);
    let lake = home.path().join("lake");
    let outcome = support::ingest(&support::plan(&lake, &[&input]));
    let codes = outcome.rejects.iter().map(|reject| reject.code.clone()).collect();
    let mut rows = support::lake_rows(&lake, "audit");
    rows.sort_by(|a, b| a["created_on"].cmp(&b["created_on"]));
    (outcome.total, codes, rows)
}

/// A row of which some member has this value, between two neighbours, as lines and as a page.
fn with_member(name: &str, value: &str) -> [(&'static str, Vec<u8>); 2] {
    let rows = [row(1), row_with(2, &format!(",\"{name}\":{value}")), row(3)];
    [("lines", lines(&rows)), ("page", page(&rows))]
}

#[test]
fn json_that_the_grammar_accepts_is_accepted_as_a_member_of_no_use_and_means_the_same_as_a_text() {
    for value in JSON {
        let meaning: Value = serde_json::from_str(value).unwrap_or_else(|_| panic!("{value} is JSON"));
        for (form, bytes) in with_member("x", value) {
            let (books, codes, _) = ingested("x", &bytes);
            assert_eq!((books, codes), (tally(3, 0), vec![]), "{value} in {form}");
        }
        let Value::String(text) = meaning else { continue };
        for (form, bytes) in with_member("changedata", value) {
            let (books, codes, rows) = ingested("x", &bytes);
            assert_eq!((books, codes), (tally(3, 0), vec![]), "{value} in {form}");
            let found = rows[1].get("change_data").map(String::as_str);
            assert_eq!(
                found,
                Some(text.as_str()).filter(|text| !text.is_empty()),
                "{value} in {form}"
            );
        }
    }
}

#[test]
fn json_that_the_grammar_rejects_is_rejected_alone() {
    for value in NO_JSON {
        assert!(serde_json::from_str::<Value>(value).is_err(), "{value} is no JSON");
        for member in ["x", "changedata"] {
            for (form, bytes) in with_member(member, value) {
                let (books, codes, rows) = ingested("x", &bytes);
                let ids: Vec<&str> = rows.iter().map(|row| row["audit_id"].as_str()).collect();
                let neighbours = [1, 3].map(|number| format!("{number:032x}"));
                let close = |text: &str| text.replace('-', "");
                assert_eq!(
                    ids.iter().map(|id| close(id)).collect::<Vec<_>>(),
                    neighbours,
                    "{value:?} as {member} in {form}: {books:?} {codes:?}"
                );
                assert!(
                    !codes.is_empty()
                        && codes
                            .iter()
                            .all(|code| ["syntax", "truncated", "created-on-missing"].contains(&code.as_str())),
                    "{value:?} as {member} in {form}: {codes:?}"
                );
            }
        }
    }
}

/// A column and what stands in it, or the code of a reject.
type Told = Result<(&'static str, Option<&'static str>), &'static str>;

/// What the grammar leaves open, or allows and a column cannot hold: further members of a row; what then stands in its
/// column, or the code of its reject.
#[rustfmt::skip]
const OPEN: &[(&str, Told)] = &[
    ("\"changedata\":\"\\ud800\"", Err("syntax")),
    ("\"changedata\":\"a\\udc00b\"", Err("syntax")),
    ("\"changedata\":\"\\udc00\\ud800\"", Err("syntax")),
    ("\"changedata\":\"\\ud800abc\"", Err("syntax")),
    ("\"\\ud800\":1", Err("syntax")),
    ("\"x\":\"\\ud800\"", Ok(("change_data", None))),
    ("\"changedata\":\"a\",\"changedata\":\"b\"", Ok(("change_data", Some("b")))),
    ("\"action\":65", Ok(("action", Some("65")))),
    ("\"\\u0061ction\":65", Ok(("action", Some("65")))),
    ("\"\":\"x\"", Ok(("change_data", None))),
    ("\"versionnumber\":9223372036854775807", Ok(("version_number", Some("9223372036854775807")))),
    ("\"versionnumber\":9223372036854775808", Err("number-invalid")),
    ("\"versionnumber\":9007199254740993.0", Ok(("version_number", Some("9007199254740993")))),
    ("\"x\":123456789012345678901234567890", Ok(("version_number", None))),
    ("\"x\":1e400", Ok(("version_number", None))),
    ("\"operation\":-0", Ok(("operation", Some("0")))),
    ("\"operation\":4e0", Err("number-invalid")),
    ("\"operation\":true", Err("number-invalid")),
];

#[test]
fn what_the_grammar_of_json_leaves_open_is_decided_alike_in_lines_and_pages() {
    for (members, expected) in OPEN {
        let rows = [row(1), row_with(2, &format!(",{members}")), row(3)];
        for (form, bytes) in [
            ("lines", lines(&rows)),
            ("page", page(&rows)),
            ("BOM", ["\u{FEFF}".as_bytes(), &lines(&rows)].concat()),
        ] {
            let (books, codes, rows) = ingested("x", &bytes);
            match expected {
                Err(code) => assert_eq!(
                    (books, codes),
                    (tally(2, 1), vec![(*code).to_owned()]),
                    "{members} in {form}"
                ),
                Ok((column, value)) => {
                    assert_eq!((books, codes), (tally(3, 0), vec![]), "{members} in {form}");
                    assert_eq!(rows[1].get(*column).map(String::as_str), *value, "{members} in {form}");
                }
            }
        }
    }
}

/// What is wrong outside of any value. Commas and brackets that are only too many or too few between whole records leave
/// no doubt about any of them, and are passed over; whatever else stands there is set aside.
#[test]
fn documents_that_the_grammar_rejects_keep_every_byte_of_their_records() {
    let (one, two) = (row(1), row(2));
    #[rustfmt::skip]
    let cases = [
        ("a comma too many", format!("{{\"value\":[{one},{two},]}}"), 2, &[][..]),
        ("two commas", format!("{{\"value\":[{one},,{two}]}}"), 2, &[]),
        ("a comma at first", format!("{{\"value\":[,{one},{two}]}}"), 2, &[]),
        ("no comma", format!("{{\"value\":[{one} {two}]}}"), 2, &[]),
        ("closed once too often", format!("{{\"value\":[{one},{two}]}}]"), 2, &[]),
        ("list closed, page not", format!("{{\"value\":[{one},{two}]"), 2, &[]),
        ("nothing closed", format!("{{\"value\":[{one},{two}"), 2, &["truncated"]),
        ("closed by the wrong bracket", format!("{{\"value\":[{one},{two}}}"), 2, &["syntax", "truncated"]),
        ("a comment", format!("{{\"value\":[{one},/* no */{two}]}}"), 1, &["syntax", "truncated"]),
        ("something behind", format!("{{\"value\":[{one},{two}]}} x"), 2, &["syntax"]),
    ];
    for (name, text, accepted, codes) in cases {
        assert!(serde_json::from_str::<Value>(&text).is_err(), "{name}");
        let (books, found, _) = ingested("x.json", text.as_bytes());
        assert_eq!(books.accepted, accepted, "{name}: {text}");
        assert_eq!(found, codes, "{name}: {text}");
    }
}

/// Rows of CSV in every lawful spelling: name, text below the header, the fields of each row.
#[rustfmt::skip]
const CSV: &[(&str, &str, &[[&str; 2]])] = &[
    ("simple", "1,2\n", &[["1", "2"]]),
    ("CRLF", "1,2\r\n3,4\r\n", &[["1", "2"], ["3", "4"]]),
    ("LF", "1,2\n3,4\n", &[["1", "2"], ["3", "4"]]),
    ("CR", "1,2\r3,4\r", &[["1", "2"], ["3", "4"]]),
    ("no last line end", "1,2\n3,4", &[["1", "2"], ["3", "4"]]),
    ("empty lines", "1,2\n\n\n3,4\n\n", &[["1", "2"], ["3", "4"]]),
    ("empty fields", ",\n1,\n,2\n", &[["", ""], ["1", ""], ["", "2"]]),
    ("quoted empty fields", "\"\",\"\"\n1,\"\"\n", &[["", ""], ["1", ""]]),
    ("all quoted", "\"1\",\"2\"\n", &[["1", "2"]]),
    ("comma in quotes", "\"a,b\",\",\"\n", &[["a,b", ","]]),
    ("escaped quotes", "1,\"ha \"\"ha\"\" ha\"\n3,4\n", &[["1", "ha \"ha\" ha"], ["3", "4"]]),
    ("only quotes", "\"\"\"\",\"\"\"\"\"\"\n", &[["\"", "\"\""]]),
    ("quotes in the middle", "a\"b,c\"\"d\n", &[["a\"b", "c\"\"d"]]),
    ("newlines in quotes", "\"1\n2\",\"\n\"\n3,4\n", &[["1\n2", "\n"], ["3", "4"]]),
    ("CRLF in quotes", "\"Once upon \r\na time\",5\r\n7,8\r\n", &[["Once upon \r\na time", "5"], ["7", "8"]]),
    ("quotes and newlines", "\"a\n\"\"b\"\"\n\nc\",\"\n\"\"\"\nx,y\n", &[["a\n\"b\"\n\nc", "\n\""], ["x", "y"]]),
    ("a row that looks quoted", "\"1,2\n3,4\",5\n", &[["1,2\n3,4", "5"]]),
    ("JSON", "1,\"{\"\"type\"\": \"\"Point\"\", \"\"x\"\": [102.0, 0.5]}\"\n", &[["1", "{\"type\": \"Point\", \"x\": [102.0, 0.5]}"]]),
    ("UTF-8", "\u{14D}\u{17A},\u{FB01}\u{1F426}\n\"\u{2028}\",\u{FEFF}z\n", &[["\u{14D}\u{17A}", "\u{FB01}\u{1F426}"], ["\u{2028}", "\u{FEFF}z"]]),
    ("other separators", "a;b,c\td\n", &[["a;b", "c\td"]]),
    ("a backslash", "a\\,\"b\\\"\n", &[["a\\", "b\\"]]),
    ("an apostrophe", "'a,b'\n", &[["'a", "b'"]]),
];

/// Lines that break the grammar, and how the rows beside them fare: name, text, the good rows.
#[rustfmt::skip]
const NO_CSV: &[(&str, &str, &[[&str; 2]])] = &[
    ("text behind a quote", "1,2\n\"a\"b,c\n3,4\n", &[["1", "2"], ["3", "4"]]),
    ("blank behind a quote", "1,2\n\"a\" ,c\n3,4\n", &[["1", "2"], ["3", "4"]]),
    ("quote never closed", "1,2\n\"a,b\n3,4\n5,6\n", &[["1", "2"], ["3", "4"], ["5", "6"]]),
    ("quote never closed, at the end", "1,2\n3,\"b", &[["1", "2"]]),
    ("three quotes", "1,2\n\"\"\",b\n3,4\n", &[["1", "2"], ["3", "4"]]),
    ("backslash as escape", "1,2\n\"a\\\"b\",c\n3,4\n", &[["1", "2"], ["3", "4"]]),
    ("a field too many", "1,2\n1,2,3\n3,4\n", &[["1", "2"], ["3", "4"]]),
    ("a field too few", "1,2\n1\n3,4\n", &[["1", "2"], ["3", "4"]]),
];

/// The rows with an id, a time and an action before them, under a header, with any line end and separator.
fn csv_of(text: &str, separator: char) -> Vec<u8> {
    // A row begins where a line begins that is not within quotes.
    let line_end = text.find(['\r', '\n']).map_or("\n", |at| {
        if text[at..].starts_with("\r\n") {
            "\r\n"
        } else {
            &text[at..=at]
        }
    });
    let mut whole = format!("auditid,createdon,action,attributemask,changedata{line_end}");
    let (mut is_quoted, mut begins, mut number) = (false, true, 0);
    for sign in text.chars() {
        if begins && sign != '\n' && sign != '\r' {
            number += 1;
            whole += &format!("{number:032x},2026-03-01T08:00:{number:02}Z,2,");
            begins = false;
        }
        is_quoted ^= sign == '"';
        begins |= !is_quoted && (sign == '\n' || sign == '\r');
        whole.push(sign);
    }
    match separator {
        ',' => whole,
        // All commas are separators in the texts that are asked for so.
        other => whole.replace(',', &other.to_string()),
    }
    .into_bytes()
}

fn fields(row: &Row) -> [&str; 2] {
    ["attribute_mask", "change_data"].map(|name| row.get(name).map_or("", String::as_str))
}

/// What the `csv` crate, which gatelog does not read with, makes of the last two columns.
fn read_by_another(bytes: &[u8]) -> Vec<[String; 2]> {
    let mut reader = csv::ReaderBuilder::new().from_reader(bytes);
    let records = reader.records().map(|record| record.expect("another reader takes it"));
    records
        .map(|record| [3, 4].map(|column| record.get(column).unwrap_or_default().to_owned()))
        .collect()
}

#[test]
fn csv_that_the_grammar_accepts_means_what_another_reader_reads() {
    for (name, text, expected) in CSV {
        let bytes = csv_of(text, ',');
        assert_eq!(read_by_another(&bytes), *expected, "{name}: the case itself");
        let (books, codes, rows) = ingested("x.csv", &bytes);
        let found: Vec<[&str; 2]> = rows.iter().map(fields).collect();
        assert_eq!(found, *expected, "{name}: {codes:?}");
        assert_eq!(books, tally(expected.len() as u64, 0), "{name}");
        let is_plain = expected.iter().flatten().all(|field| !field.contains([',', ';', '\t']));
        for separator in [';', '\t'].into_iter().filter(|_| is_plain) {
            let (_, _, rows) = ingested("x.csv", &csv_of(text, separator));
            assert_eq!(
                rows.iter().map(fields).collect::<Vec<_>>(),
                *expected,
                "{name} with {separator:?}"
            );
        }
    }
}

#[test]
fn csv_that_the_grammar_rejects_costs_its_own_line() {
    for (name, text, expected) in NO_CSV {
        // Every line is a row of its own here, also behind a quote that nothing closes.
        let rows: Vec<String> = text
            .lines()
            .enumerate()
            .map(|(place, line)| format!("{:032x},2026-03-01T08:00:{:02}Z,2,{line}\n", place + 1, place + 1))
            .collect();
        let bytes = format!("auditid,createdon,action,attributemask,changedata\n{}", rows.concat());
        let (books, codes, rows) = ingested("x.csv", bytes.as_bytes());
        assert_eq!(
            rows.iter().map(fields).collect::<Vec<_>>(),
            *expected,
            "{name}: {codes:?}"
        );
        assert_eq!(books, tally(expected.len() as u64, 1), "{name}: {codes:?}");
    }
}
