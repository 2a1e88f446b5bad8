//! Workbooks made by hand, part by part, with what programs other than Excel and people of ill will write.

use super::*;
use crate::ingest::table::pipe;
use std::io::{Read, Seek, Write};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const RELATIONSHIPS: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const HEADER: &str = r#"<row r="1"><c r="A1" t="inlineStr"><is><t>createdon</t></is></c><c r="B1" t="inlineStr"><is><t>action</t></is></c></row>"#;

const SHARED: &str = r#"<sst uniqueCount="2"><si><t>plain</t></si><si><r><t xml:space="preserve">rich </t></r><r><t>&lt;text&gt;_x000D_</t></r></si></sst>"#;

/// A workbook of one sheet with these rows, and with these shared strings.
fn book(rows: &str, shared: &str) -> File {
    let parts = [
        (
            "_rels/.rels",
            format!(
                r#"<Relationships><Relationship Id="r1" Type="{RELATIONSHIPS}/officeDocument" Target="xl/workbook.xml"/></Relationships>"#
            ),
        ),
        (
            "xl/workbook.xml",
            r#"<workbook xmlns:r="x"><sheets><sheet name="Audit" sheetId="1" r:id="r1"/></sheets></workbook>"#
                .to_owned(),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            format!(
                r#"<Relationships><Relationship Id="r1" Type="{RELATIONSHIPS}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>"#
            ),
        ),
        ("xl/sharedStrings.xml", shared.to_owned()),
        (
            "xl/worksheets/sheet1.xml",
            format!("<worksheet><sheetData>{rows}</sheetData></worksheet>"),
        ),
    ];
    let mut zip = ZipWriter::new(tempfile::tempfile().unwrap());
    for (name, text) in parts {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap()
}

/// The text of a workbook, and how it ends.
fn read(file: File) -> Result<(String, Option<String>), String> {
    assert_eq!(kind_of(&file), Some(Kind::Workbook));
    let (_, mut text) = pipe::start("workbook", || open(file)).map_err(|refusal| refusal.reason)?;
    let mut read = Vec::new();
    let ended = text.read_to_end(&mut read);
    Ok((
        String::from_utf8(read).unwrap(),
        ended.err().map(|error| error.to_string()),
    ))
}

fn text_of(rows: &str, shared: &str) -> String {
    let (text, error) = read(book(&format!("{HEADER}{rows}"), shared)).unwrap();
    assert_eq!(error, None);
    text
}

#[test]
fn every_kind_of_cell_is_read() {
    for (cell, expected) in [
        (r#"<c r="A2" t="s"><v>0</v></c>"#, "plain,"),
        (r#"<c r="A2" t="s"><v>1</v></c>"#, "\"rich <text>\r\","),
        (
            r#"<c r="A2" t="inlineStr"><is><t>a "b"</t></is></c>"#,
            "\"a \"\"b\"\"\",",
        ),
        (r#"<c r="A2" t="str"><f>A1&amp;1</f><v>cached</v></c>"#, "cached,"),
        (r#"<c r="A2"><f>1+1</f><v>64</v></c>"#, "64,"),
        (r#"<c r="A2"><f>1+1</f></c><c r="B2"><v>64.0</v></c>"#, ",64"),
        (r#"<c r="A2" t="b"><v>1</v></c>"#, "true,"),
        (r#"<c r="A2" t="e"><v>#N/A</v></c><c r="B2"><v>65</v></c>"#, ",65"),
        (r#"<c r="A2" t="e"><v>#SPILL!</v></c><c r="B2"><v>65</v></c>"#, ",65"),
        (
            r#"<c r="A2" t="d"><v>2026-03-01T08:00:00</v></c>"#,
            "2026-03-01T08:00:00,",
        ),
        // Far right of the header, and nowhere at all.
        (r#"<c r="B2"><v>1</v></c><c r="ZZ2"><v>2</v></c>"#, ",1"),
        (r#"<c><v>1</v></c><c><v>2</v></c>"#, "1,2"),
    ] {
        let text = text_of(&format!(r#"<row r="2">{cell}</row>"#), SHARED);
        assert_eq!(text, format!("{expected}\n"), "{cell}");
    }
}

#[test]
fn rows_that_a_sheet_leaves_out_are_empty_lines() {
    let rows = r#"<row r="4"><c r="A4"><v>4</v></c></row><row r="5"/><row r="7"><c r="B7"><v>7</v></c></row>"#;
    assert_eq!(text_of(rows, "<sst/>"), "\n\n4,\n\n\n,7\n");
    assert!(text_of("", "<sst/>").trim().is_empty());
}

#[test]
fn a_sheet_that_breaks_off_gives_what_comes_before() {
    let good = r#"<row r="2"><c r="A2"><v>1</v></c></row><row r="3"><c r="A3"><v>2</v></c></row>"#;
    for bad in [
        r#"<row r="4"><c r="A4" t="s"><v>7</v></c></row>"#,
        r#"<row r="4"><c r="A4" t="wrong"><v>7</v></c></row>"#,
        r#"<row r="2"><c r="A2"><v>7</v></c></row>"#,
        r#"<row r="1048577"><c r="A1048577"><v>7</v></c></row>"#,
        r#"<row r="4"><c r="A4"><v"#,
    ] {
        let (text, error) = read(book(&format!("{HEADER}{good}{bad}"), "<sst/>")).unwrap();
        assert!(text.starts_with("1,\n"), "{bad}: {text}");
        assert!(
            error
                .as_ref()
                .is_some_and(|error| error.starts_with("the file cannot be read further: ")),
            "{bad}: {error:?}"
        );
    }
}

#[test]
fn what_is_hostile_is_refused_before_memory_is_set_aside() {
    let refused = |rows: &str, shared: &str| read(book(rows, shared)).unwrap_err();
    let announced = r#"<sst uniqueCount="99999999999999"><si><t>x</t></si></sst>"#;
    assert!(refused(HEADER, announced).contains("announces more texts than it has"));
    let long = format!(
        "<row r=\"2\"><c r=\"A2\" t=\"str\"><v>{}</v></c></row>",
        "x".repeat(17 << 20)
    );
    assert!(refused(&format!("{HEADER}{long}"), "<sst/>").contains("larger than Excel writes them"));
}

#[test]
fn no_single_wrong_byte_is_worse_than_a_refusal_or_an_early_end() {
    let mut file = book(
        &format!("{HEADER}<row r=\"2\"><c r=\"A2\" t=\"s\"><v>0</v></c></row>"),
        SHARED,
    );
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    for place in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[place] ^= 0x55;
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        if kind_of(&file) == Some(Kind::Workbook) {
            drop(read(file));
        }
    }
}

#[test]
fn a_workbook_without_a_known_header_is_refused_with_its_sheets() {
    let rows = r#"<row r="1"><c r="A1" t="str"><v>colour</v></c></row>"#;
    let reason = read(book(rows, "<sst/>")).unwrap_err();
    assert!(
        reason.ends_with("no sheet has a header gatelog knows; its sheets: \"Audit\""),
        "{reason}"
    );
}

#[test]
fn a_header_is_looked_for_among_the_first_rows_with_values() {
    let titles = |count: u32| -> String {
        (0..count)
            .map(|row| {
                format!(
                    r#"<row r="{0}"><c r="C{0}" t="str"><v>title</v></c></row>"#,
                    10 * row + 1
                )
            })
            .collect()
    };
    let header = HEADER
        .replace("\"1\"", "\"900\"")
        .replace("A1", "A900")
        .replace("B1", "B900");
    let opened = |count| open(book(&(titles(count) + &header), "<sst/>")).map(|(sheet, _)| sheet.header_row);
    assert_eq!(opened(31).ok(), Some(900));
    assert!(opened(32).is_err());
}

#[test]
fn other_spreadsheets_are_known_by_their_parts() {
    let archive = |names: &[&str]| {
        let mut zip = ZipWriter::new(tempfile::tempfile().unwrap());
        names
            .iter()
            .for_each(|name| zip.start_file(*name, SimpleFileOptions::default()).unwrap());
        kind_of(&zip.finish().unwrap())
    };
    assert_eq!(archive(&["xl/workbook.bin"]), Some(Kind::Other("an .xlsb workbook")));
    assert_eq!(
        archive(&["mimetype", "content.xml"]),
        Some(Kind::Other("an OpenDocument file"))
    );
    assert_eq!(archive(&["audits.csv"]), None);
}
