//! One bad record never costs its neighbours: exports cut off at every byte, and exports with one byte changed.
//!
//! Every broken copy of an export is a file of its own with ids of its own, so one ingest reads thousands of them and the
//! lake still says what each kept.

use crate::logs::{Chance, Event, Form, at};
use crate::support;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

const RECORDS: usize = 5;

/// An export of which `copy` decides the ids, and where each record stands in it.
fn export(form: Form, copy: usize) -> (Vec<u8>, Vec<Range<usize>>) {
    let id = |record: usize| format!("{copy:08x}-{record:04}-4000-8000-{:012}", record * 1111);
    let events: Vec<Event> = (0..RECORDS)
        .map(|record| Event {
            id: Some(id(record)),
            object_name: (record % 2 == 0).then(|| format!("Wren, \\\" {{ü}} {record}").replace("\\\"", "")),
            ..Event::access(at("2026-03-01T08:00:00Z") + record as i64 * 1_000_000, 64, Some(record))
        })
        .collect();
    let text = form.write(&events);
    let spans = (0..RECORDS)
        .map(|record| {
            let of_id = text
                .to_ascii_lowercase()
                .find(&id(record))
                .expect("the id stands in the text");
            let line = text[..of_id].rfind('\n').map_or(0, |end| end + 1);
            let end = line + text[line..].find('\n').expect("every record ends its line");
            match form {
                Form::Lines | Form::Csv | Form::Soap | Form::Fetch => line..end,
                Form::Page => {
                    let start = line + text[line..of_id].rfind('{').expect("a record begins");
                    start..line + text[line..end].rfind("\"}").map_or(0, |at| at + 2)
                }
            }
        })
        .collect();
    (text.into_bytes(), spans)
}

/// What a row says that its export said.
type Said = Vec<String>;

/// What the lake holds of each copy, by the copy's number in the ids.
type Kept = BTreeMap<usize, BTreeSet<Said>>;

fn kept(lake: &Path) -> Kept {
    let mut kept = Kept::new();
    for row in support::lake_rows(lake, "audit") {
        let columns = [
            "audit_id",
            "created_on",
            "action",
            "actor_id",
            "object_name",
            "user_id",
            "kind",
            "month",
        ];
        let said = columns.map(|column| row.get(column).cloned().unwrap_or_default());
        let copy = said[0]
            .get(..8)
            .and_then(|number| usize::from_str_radix(number, 16).ok());
        kept.entry(copy.unwrap_or_default()).or_default().insert(said.to_vec());
    }
    kept
}

/// Ingests all copies at once; L1 must hold for each.
fn ingest_all(home: &Path, copies: &BTreeMap<usize, Vec<u8>>) -> Kept {
    let folder = home.join("copies");
    for (copy, bytes) in copies {
        support::write(&folder.join(format!("{copy:08}")), bytes);
    }
    let lake = home.join("lake");
    let outcome = support::ingest(&support::plan(&lake, &[&folder]));
    assert!(support::books(&outcome).iter().all(|tally| tally.balances()), "L1");
    kept(&lake)
}

/// What an unbroken copy keeps, record by record.
fn unbroken(form: Form) -> Vec<Said> {
    let home = support::home();
    let kept = ingest_all(home.path(), &BTreeMap::from([(1, export(form, 1).0)]));
    let records: Vec<Said> = kept[&1].iter().cloned().collect();
    assert_eq!(records.len(), RECORDS);
    records
}

/// The same with the id of another copy.
fn as_copy(said: &[String], copy: usize) -> Said {
    let id = format!("{copy:08x}{}", &said[0][8..]);
    std::iter::once(id).chain(said[1..].iter().cloned()).collect()
}

#[test]
fn an_export_cut_off_anywhere_keeps_every_whole_record() {
    for form in Form::ALL {
        let (whole, spans) = export(form, 0);
        let copies = (1..whole.len())
            .map(|cut| (cut, export(form, cut).0[..cut].to_vec()))
            .collect();
        let home = support::home();
        let kept = ingest_all(home.path(), &copies);
        let expected = unbroken(form);
        for cut in 1..whole.len() {
            let found = kept.get(&cut).cloned().unwrap_or_default();
            let is_whole = |record: usize| spans[record].end <= cut;
            for record in (0..RECORDS).filter(|&record| is_whole(record)) {
                assert!(
                    found.contains(&as_copy(&expected[record], cut)),
                    "{form:?} cut at {cut} lost record {record}"
                );
            }
            // A row of CSV may look whole though its last field is not.
            let begun = spans.iter().filter(|span| span.start < cut).count();
            assert!(found.len() <= begun, "{form:?} cut at {cut}: {found:?}");
        }
    }
}

/// What must survive a changed byte: every record but the one it stands in.
fn neighbours(spans: &[Range<usize>], place: usize) -> impl Iterator<Item = usize> {
    (0..RECORDS).filter(move |&record| !spans[record].contains(&place))
}

#[test]
fn a_changed_byte_in_a_record_costs_at_most_that_record() {
    for form in Form::ALL {
        let chance = &mut Chance::new(form as u64);
        let (whole, spans) = export(form, 0);
        let places = (0..whole.len()).filter(|place| spans.iter().any(|span| span.contains(place)));
        let (mut copies, mut changes) = (BTreeMap::new(), BTreeMap::new());
        for place in places.flat_map(|place| [place; 3]) {
            let copy = 0x1000_0000 + copies.len();
            let mut bytes = export(form, copy).0;
            let before = bytes[place];
            bytes[place] = match copy % 3 {
                0 => chance.pick(b"\"{}[],:\\\n\r\0\xFF"),
                1 => chance.number() as u8,
                _ => before ^ (1 << chance.below(8)),
            };
            changes.insert(copy, (place, before, bytes[place]));
            copies.insert(copy, bytes);
        }
        let home = support::home();
        let kept = ingest_all(home.path(), &copies);
        let expected = unbroken(form);
        for (copy, (place, before, after)) in changes {
            for record in neighbours(&spans, place) {
                let is_there = kept
                    .get(&copy)
                    .is_some_and(|found| found.contains(&as_copy(&expected[record], copy)));
                let text = String::from_utf8_lossy(&copies[&copy]);
                let change = format!("byte {place} from {:?} to {:?}", before as char, after as char);
                assert!(is_there, "{form:?}: {change} cost record {record}:\n{text}");
            }
        }
    }
}
