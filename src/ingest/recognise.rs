//! Recognising an input: its form told from its first bytes, and not from its name; or why it is refused.

use super::archive::{self, DAMAGED};
use super::block::{Block, State, parse};
use super::csv::Layout;
use super::discover::Input;
use super::expand::Codec;
use super::head::{Form, Found, Head, Known, Refusal, Table};
use super::refuse::{self, refused};
use super::reject::Reject;
use super::{headless, json, table, xml};
use crate::error::Result;
use crate::instant::DateOrder;
use memchr::memmem;
use std::cmp::Reverse;
use std::fs::File;
use std::sync::Arc;

/// Recognises an input by its first bytes; `whole` when there are no more.
pub fn recognise(bytes: &[u8], whole: bool, known: &Known) -> Result<Found> {
    if let Some(refused) = refuse_by_signature(bytes) {
        return Ok(refused);
    }
    let start = if bytes.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
    let text = &bytes[start..];
    if text.trim_ascii().is_empty() {
        return Ok(if whole { Found::Empty } else { Found::Foreign });
    }
    let head = |form, body| Head::new(form, known, body);
    if text.trim_ascii_start()[0] == b'<' {
        return Ok(xml::recognise(text, whole, |layout| {
            head(Form::Xml(layout), (start, 0))
        }));
    }
    let is_json = matches!(text.trim_ascii_start()[0], b'{' | b'[');
    if !is_json && let Some(found) = headless::recognise(text, start, known) {
        return Ok(found);
    }
    if !is_json && let Some((layout, length)) = Layout::of_header(text) {
        let lines = memchr::memchr_iter(b'\n', &text[..length]).count() as u64;
        let table = Table::with_columns(|field| layout.has(field));
        if table == Table::Audit
            && let Some(refused) = refuse::by_columns(&layout)
        {
            return Ok(refused.into());
        }
        let notes = refuse::notes_of(&layout, table);
        let is_for_people = refuse::spells_times_for_people(&layout);
        let head = Head {
            table,
            notes,
            ..head(Form::Csv(Arc::new(layout)), (start + length, lines))
        };
        return Ok(match unordered_dates(&text[length..], whole, &head, is_for_people)? {
            Some(sentence) => refuse::by_dates(&sentence),
            None => Found::Export(head),
        });
    }
    let table = table_of_json(&text[..text.len().min(SAMPLE_BYTES)]);
    recognise_json(text, whole, |form| Head {
        table,
        ..head(form, (start, 0))
    })
}

/// The first fault, if no time is understood because it was spelled for people, in an order that only they know: a tool
/// wrote it so, or some order would explain it.
fn unordered_dates(rows: &[u8], whole: bool, head: &Head, is_for_people: bool) -> Result<Option<String>> {
    if head.date_order.is_some() {
        return Ok(None);
    }
    let (rows, whole) = match rows.get(..SAMPLE_BYTES) {
        Some(sample) => (sample, false),
        None => (rows, whole),
    };
    let unread = |trial: &Trial| trial.about_time().count();
    let trial = Trial::of(rows, whole, head.clone())?;
    let Some(first) = trial.about_time().next().filter(|_| !trial.understands_times()) else {
        return Ok(None);
    };
    let mut is_explained = is_for_people;
    for order in DateOrder::ALL {
        let ordered = Head {
            date_order: Some(order),
            ..head.clone()
        };
        is_explained = is_explained || unread(&Trial::of(rows, whole, ordered)?) < unread(&trial);
    }
    Ok(is_explained.then(|| first.reason.sentence.clone()))
}

/// How much of a text usually shows its form.
const SAMPLE_BYTES: usize = 64 << 10;

fn recognise_json(text: &[u8], whole: bool, head: impl Fn(Form) -> Head) -> Result<Found> {
    let sample = &text[..text.len().min(SAMPLE_BYTES)];
    let is_side_table = head(Form::Lines).table != Table::Audit;
    if !is_side_table && !has_audit_columns(sample) && !has_audit_columns(text) {
        let is_page_without_rows = whole && Trial::of(text, true, head(Form::Pages))?.is_clean_page_without_rows();
        return Ok(match is_page_without_rows {
            true => Found::Export(head(Form::Pages)),
            false => refuse::by_text(text),
        });
    }
    if !is_side_table && memmem::find(text, b"\"createdon\"").is_none() && memmem::find(text, b"\"createdon@").is_some()
    {
        return Ok(refused(refuse::FORMATTED_ONLY.0, refuse::FORMATTED_ONLY.1));
    }
    let form = match json_form(sample, whole && sample.len() == text.len(), &head)? {
        Some(form) => form,
        None => json_form(text, whole, &head)?.unwrap_or(Form::Lines),
    };
    let mut found = head(form);
    if let Some(context) = json::first_context(text) {
        found.environment = found.environment_for(Some(&context));
    }
    Ok(Found::Export(found))
}

/// Lines or pages: whatever reads more rows with fewer rejects. `None` when neither reads any.
fn json_form(text: &[u8], whole: bool, head: &impl Fn(Form) -> Head) -> Result<Option<Form>> {
    let first_line = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
    if json::is_row(first_line.trim_ascii()) {
        return Ok(Some(Form::Lines));
    }
    if json::is_page(first_line.trim_ascii()) {
        return Ok(Some(Form::Pages));
    }
    let pages = Trial::of(text, whole, head(Form::Pages))?;
    // An object over several lines, of which the rows are understood: as lines its beginning would be none.
    let is_page = text.trim_ascii_start().starts_with(b"{") && matches!(pages.state, State::Array { .. });
    if is_page && pages.rows > 0 && pages.rejects.is_empty() {
        return Ok(Some(Form::Pages));
    }
    let lines_end = match whole {
        true => text.len(),
        false => memchr::memrchr(b'\n', text).map_or(0, |end| end + 1),
    };
    let lines = Trial::of(&text[..lines_end], whole, head(Form::Lines))?;
    let form = if pages.quality() > lines.quality() {
        Form::Pages
    } else {
        Form::Lines
    };
    // The first record may be longer than the text, but a list it begins shows what it is.
    let is_list = matches!(pages.state, State::Array { .. });
    Ok(match lines.rows + pages.rows {
        0 if !whole && is_list => Some(Form::Pages),
        0 => None,
        _ => Some(form),
    })
}

/// What a text gives when read in a form.
struct Trial {
    rows: usize,
    rejects: Vec<Reject>,
    state: State,
}

impl Trial {
    fn of(text: &[u8], whole: bool, head: Head) -> Result<Trial> {
        let parsed = parse(&Block {
            head: Arc::new(head),
            bytes: text.to_vec(),
            offset: 0,
            last: whole,
            loss: None,
            start: State::Begin,
        })?;
        Ok(Trial {
            rows: parsed.rows.len() + parsed.side.len(),
            rejects: parsed.rejects,
            state: parsed.stop.state,
        })
    }

    fn quality(&self) -> (usize, Reverse<usize>) {
        (self.rows, Reverse(self.rejects.len()))
    }

    /// Rejects for a time that is none.
    fn about_time(&self) -> impl Iterator<Item = &Reject> {
        self.rejects
            .iter()
            .filter(|reject| reject.reason.code == "created-on-invalid")
    }

    /// Whether the time of some row is understood, even if what comes after it is not.
    fn understands_times(&self) -> bool {
        let is_beyond_time = |reject: &Reject| {
            matches!(
                reject.reason.code,
                "action-missing" | "action-invalid" | "number-invalid"
            )
        };
        self.rows > 0 || self.rejects.iter().any(is_beyond_time)
    }

    fn is_clean_page_without_rows(&self) -> bool {
        self.rows == 0 && self.rejects.is_empty() && self.state == State::Top
    }
}

/// The table whose columns a text of JSON names.
fn table_of_json(text: &[u8]) -> Table {
    let text = text.to_ascii_lowercase();
    let names = |name: &str| {
        ["\"", "@"]
            .iter()
            .any(|end| memmem::find(&text, format!("\"{name}{end}").as_bytes()).is_some())
    };
    Table::of_text(names)
}

/// Whether the names of the two columns without which nothing can be read occur, in any spelling of case.
fn has_audit_columns(text: &[u8]) -> bool {
    let text = text.to_ascii_lowercase();
    let holds = |name: &[u8]| memmem::find(&text, name).is_some();
    holds(b"\"createdon") && holds(b"\"action")
}

/// Signatures of what is neither text nor one of the tables that [`recognise_table`] knows.
fn refuse_by_signature(bytes: &[u8]) -> Option<Found> {
    let (kind, hint) = match bytes {
        _ if Codec::of(bytes).is_some() => ("compressed more than three times over", "decompress it first"),
        [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] => {
            ("UTF-32 text, which gatelog does not read", "save it as UTF-8")
        }
        _ => return None,
    };
    Some(refused(&format!("is {kind}"), hint))
}

/// What the first bytes and, where need be, the whole of an input show.
pub enum Recognised {
    /// It is read as a stream.
    Text,
    Table(table::Kind, File),
    Not(Found),
}

/// Recognises what must be sought in and so cannot be read as a stream: Parquet, workbooks, archives.
pub fn recognise_table(
    bytes: &[u8],
    input: &Input,
    random_access: impl FnOnce() -> Result<std::result::Result<File, Refusal>>,
) -> Result<Recognised> {
    let is_archive = archive::begins_archive(bytes);
    let kind = match bytes {
        _ if is_archive => "a ZIP archive or a workbook",
        [b'P', b'A', b'R', b'1' | b'E', ..] => "Parquet",
        [0xD0, 0xCF, 0x11, 0xE0, ..] => "an old workbook (.xls)",
        _ => return Ok(Recognised::Text),
    };
    if input.is_stdin() {
        let reason = format!("is {kind}, which cannot be read from standard input");
        return Ok(Recognised::Not(refused(&reason, "save it as a file and name that")));
    }
    let file = match random_access()? {
        Ok(file) => file,
        Err(refusal) => return Ok(Recognised::Not(refusal.into())),
    };
    if let Some(kind) = table::kind_of(&file) {
        return Ok(Recognised::Table(kind, file));
    }
    Ok(Recognised::Not(match archive::kind(file) {
        archive::Kind::Broken(cause) => refused(&format!("is a ZIP archive that cannot be read: {cause}"), DAMAGED),
        archive::Kind::Archive(members) if members.is_empty() => Found::Empty,
        archive::Kind::Workbook | archive::Kind::Archive(_) => refused(
            "is a ZIP archive inside another archive or compressed file",
            "unpack the outer one first",
        ),
    }))
}
