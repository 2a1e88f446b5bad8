//! Every form, compressed, packed and encoded in every way, is the same lake as the plain file; and what breaks off keeps
//! its whole records.

use crate::logs::{self, Chance, Event, Form, at};
use crate::support::{self, gatelog};
use std::io::{Cursor, Write};
use std::path::Path;
use zip::write::SimpleFileOptions;

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(bytes, 3).expect("memory")
}

pub fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        let options = SimpleFileOptions::default();
        match name.strip_suffix('/') {
            Some(folder) => archive.add_directory(folder, options).expect("a new folder"),
            None => {
                archive.start_file(*name, options).expect("a new member");
                archive.write_all(bytes).expect("memory");
            }
        }
    }
    archive.finish().expect("memory").into_inner()
}

fn utf16(text: &[u8], mark: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    let text = std::str::from_utf8(text).expect("the logs are UTF-8");
    mark.encode_utf16().chain(text.encode_utf16()).flat_map(unit).collect()
}

fn utf16_le(text: &[u8]) -> Vec<u8> {
    utf16(text, "\u{FEFF}", u16::to_le_bytes)
}

fn two_members(text: &[u8]) -> Vec<u8> {
    let middle = text.len() / 2;
    [gzip(&text[..middle]), gzip(&text[middle..])].concat()
}

fn two_frames(text: &[u8]) -> Vec<u8> {
    let middle = text.len() / 2;
    [zstd(&text[..middle]), zstd(&text[middle..])].concat()
}

type Wrap = fn(&[u8]) -> Vec<u8>;

/// Each way a good export may come in.
const WRAPS: [(&str, Wrap); 16] = [
    ("plain", |text| text.to_vec()),
    ("mark", |text| [b"\xEF\xBB\xBF", text].concat()),
    ("gz", gzip),
    ("gz of two members", two_members),
    ("zst", zstd),
    ("zst of two frames", two_frames),
    ("zip", |text| {
        zip(&[
            ("a/", b""),
            ("a/log", text),
            ("__MACOSX/a/._log", b"\0"),
            ("a/.DS_Store", b"\0"),
        ])
    }),
    ("utf16 le", utf16_le),
    ("utf16 be", |text| utf16(text, "\u{FEFF}", u16::to_be_bytes)),
    ("utf16 le without a mark", |text| utf16(text, "", u16::to_le_bytes)),
    ("utf16 be without a mark", |text| utf16(text, "", u16::to_be_bytes)),
    ("gz of utf16", |text| gzip(&utf16_le(text))),
    ("gz of zst of gz", |text| gzip(&zstd(&gzip(text)))),
    ("zip of gz", |text| zip(&[("log.gz", &gzip(text))])),
    ("zip of zst of utf16", |text| {
        zip(&[("log.zst", &zstd(&utf16_le(text)))])
    }),
    ("zip of utf16", |text| zip(&[("log", &utf16_le(text))])),
];

fn events() -> Vec<Event> {
    let unkind = (7..10).flat_map(|seed| logs::unkind(&mut Chance::new(seed), at("2026-03-01T08:00:00Z"), logs::HOUR));
    let mut events = logs::with_ids(unkind.collect());
    // The small CSV of the tests does not double quotes.
    for name in events
        .iter_mut()
        .flat_map(|event| [&mut event.object_name, &mut event.user_name])
    {
        *name = name.take().map(|name| name.replace('"', "'"));
    }
    events
}

#[test]
fn every_form_in_every_wrapping_is_the_same_lake_and_is_known_again() {
    let events = events();
    for form in Form::ALL {
        let home = support::home();
        let plain = support::write(&home.path().join("plain"), form.write(&events));
        support::ingest(&support::plan(&home.path().join("plain-lake"), &[&plain]));
        let expected = support::contents(&home.path().join("plain-lake"));
        assert!(expected.len() > 5);
        for (name, wrap) in WRAPS {
            let home = support::home();
            let file = support::write(&home.path().join("log"), wrap(form.write(&events).as_bytes()));
            // Small blocks, so that text and blocks end at odd places.
            let lake = home.path().join("lake");
            let plan = gatelog::ingest::Plan {
                block_bytes: 100,
                ..support::plan(&lake, &[&file])
            };
            let outcome = support::ingest(&plan);
            assert_eq!(outcome.total.rejected, 0, "{form:?} as {name}: {:?}", outcome.rejects);
            assert_eq!(support::contents(&lake), expected, "{form:?} as {name}");
            let again = support::ingest(&plan);
            let fates: Vec<_> = again.reports.iter().map(|report| &report.fate).collect();
            assert_eq!(fates, [&gatelog::ingest::Fate::AlreadyIngested], "{form:?} as {name}");
        }
    }
}

#[test]
fn members_are_inputs_of_their_own_named_below_their_archive_and_known_when_unpacked() {
    let events = events();
    let (page, lines) = (Form::Page.write(&events), Form::Lines.write(&events));
    let home = support::home();
    let archive = [
        ("b/page.json", page.as_bytes()),
        ("a.ndjson", lines.as_bytes()),
        ("notes.txt", b"call back"),
    ];
    support::write(&home.path().join("all.zip"), zip(&archive));
    let ended = gatelog(home.path(), &["ingest", "all.zip"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let place = |text: &str| {
        ended
            .stderr
            .find(text)
            .unwrap_or_else(|| panic!("{text}: {}", ended.stderr))
    };
    assert!(
        place("all.zip/a.ndjson: ndjson") < place("all.zip/b/page.json: odata-json"),
        "in order of name"
    );
    place("all.zip/notes.txt: no export, passed over");
    support::write(&home.path().join("page.json"), page);
    let again = gatelog(home.path(), &["ingest", "page.json", "all.zip"]);
    assert_eq!(again.line("page.json: "), "already ingested, skipped");
    assert_eq!(again.line("all.zip/a.ndjson: "), "already ingested, skipped");
}

fn accepted_of(dir: &Path, bytes: &[u8]) -> (u64, Vec<String>) {
    let file = support::write(&dir.join("log"), bytes);
    let outcome = gatelog::ingest::ingest(&support::plan(&dir.join("lake"), &[&file]), &|_| {});
    match outcome {
        Ok(outcome) => {
            assert!(outcome.total.balances());
            (
                outcome.total.accepted,
                outcome.rejects.iter().map(|reject| reject.code.clone()).collect(),
            )
        }
        Err(error) => {
            assert_eq!(error.kind, gatelog::error::Kind::BadInput, "{error}");
            (0, vec!["refused".to_owned()])
        }
    }
}

#[test]
fn a_stream_cut_anywhere_keeps_its_whole_records_and_says_once_what_is_lost() {
    let events = logs::with_ids(
        (0..60)
            .map(|row| Event::access(at("2026-03-01T08:00:00Z") + row, 64, Some(row as usize)))
            .collect(),
    );
    for form in Form::ALL {
        let text = form.write(&events);
        // A zstd block this small comes whole or not at all; of gzip more comes the later it is cut.
        for (name, packed) in [("gz", gzip(text.as_bytes())), ("zst", zstd(text.as_bytes()))] {
            let mut last = 0;
            for cut in (7..packed.len()).step_by(7) {
                let home = support::home();
                let (accepted, codes) = accepted_of(home.path(), &packed[..cut]);
                assert!(
                    accepted >= last || name == "zst",
                    "{form:?}.{name} cut at {cut}: {accepted} after {last}"
                );
                assert!(
                    codes == ["truncated"] || (accepted == 0 && codes == ["refused"]),
                    "{form:?}.{name} cut at {cut}: {accepted} {codes:?}"
                );
                last = accepted;
            }
            assert!(last >= 58 || name == "zst", "{form:?}.{name}: {last}");
            let home = support::home();
            assert_eq!(accepted_of(home.path(), &packed), (60, vec![]), "{form:?}.{name}");
        }
    }
}

#[test]
fn a_row_cut_within_its_last_field_is_not_taken_for_a_whole_one() {
    let header = "createdon,action,useridname\n";
    let row = "2026-03-01T08:00:00Z,64,Wren Sample";
    let mut stored = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    stored
        .write_all(format!("{header}{row}\n{row}").as_bytes())
        .expect("memory");
    let packed = stored.finish().expect("memory");
    let home = support::home();
    assert_eq!(
        accepted_of(home.path(), &packed).0,
        2 - 1,
        "the same row twice is one row"
    );
    // Without the trailer and the last three letters.
    let home = support::home();
    assert_eq!(
        accepted_of(home.path(), &packed[..packed.len() - 11]),
        (1, vec!["truncated".to_owned()])
    );
}

/// Named so that `--skip oracle::` leaves out whatever needs Python.
mod oracle {
    use super::*;

    const SCRIPT: &str = "import gzip, zipfile
text = open('log', 'rb').read()
gzip.open('log.gz', 'wb').write(text)
with zipfile.ZipFile('stored.zip', 'w') as z: z.write('log', 'in/log')
with zipfile.ZipFile('packed.zip', 'w', zipfile.ZIP_DEFLATED) as z:
    with z.open('in/log', 'w', force_zip64=True) as member: member.write(text)
";

    /// Archives as another tool writes them: other headers.
    #[test]
    fn what_python_compresses_and_packs_is_read() {
        let home = support::home();
        support::write(&home.path().join("log"), Form::Lines.write(&events()));
        let mut python = std::process::Command::new(crate::python::python());
        let ran = python.args(["-c", SCRIPT]).current_dir(home.path()).status();
        assert!(ran.expect("Python runs").success());
        let inputs = [
            ("log.gz", "log.gz"),
            ("stored.zip/in/log", "stored.zip"),
            ("packed.zip/in/log", "packed.zip"),
        ];
        for (name, file) in inputs {
            let ended = gatelog(home.path(), &["ingest", "--lake", &format!("lake of {file}"), file]);
            assert_eq!(ended.code, 0, "{}", ended.stderr);
            assert!(
                ended.line(&format!("{name}: ")).contains("0 rejected"),
                "{}",
                ended.stderr
            );
        }
    }
}
