//! Recognising an input: its form told from its first bytes, and not from its name; or why it is refused.

use super::block::{Block, State, parse};
use super::csv::Layout;
use super::fields::Field;
use super::head::{Form, Found, Head, Known};
use super::{headless, json};
use crate::error::Result;
use memchr::memmem;
use std::cmp::Reverse;
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
    let is_json = matches!(text.trim_ascii_start()[0], b'{' | b'[');
    if !is_json && let Some(found) = headless::recognise(text, start, known) {
        return Ok(found);
    }
    if !is_json && let Some((layout, length)) = Layout::of_header(text) {
        let lines = memchr::memchr_iter(b'\n', &text[..length]).count() as u64;
        return Ok(match refuse_by_columns(&layout) {
            Some(refused) => refused,
            None => Found::Export(head(Form::Csv(Arc::new(layout)), (start + length, lines))),
        });
    }
    recognise_json(text, whole, |form| head(form, (start, 0)))
}

/// How much of a text usually shows its form.
const SAMPLE_BYTES: usize = 64 << 10;

fn recognise_json(text: &[u8], whole: bool, head: impl Fn(Form) -> Head) -> Result<Found> {
    let sample = &text[..text.len().min(SAMPLE_BYTES)];
    if !has_audit_columns(sample) && !has_audit_columns(text) {
        let is_page_without_rows = whole && Trial::of(text, true, head(Form::Pages))?.is_clean_page_without_rows();
        return Ok(match is_page_without_rows {
            true => Found::Export(head(Form::Pages)),
            false => refuse_json(text),
        });
    }
    if memmem::find(text, b"\"createdon\"").is_none() && memmem::find(text, b"\"createdon@").is_some() {
        return Ok(refused(
            "gives createdon only as formatted local time, which has no zone",
            "export the raw createdon column too",
        ));
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
    let lines_end = match whole {
        true => text.len(),
        false => memchr::memrchr(b'\n', text).map_or(0, |end| end + 1),
    };
    let lines = Trial::of(&text[..lines_end], whole, head(Form::Lines))?;
    let pages = Trial::of(text, whole, head(Form::Pages))?;
    let form = if pages.quality() > lines.quality() {
        Form::Pages
    } else {
        Form::Lines
    };
    Ok((lines.rows + pages.rows > 0).then_some(form))
}

/// What a text gives when read in a form.
struct Trial {
    rows: usize,
    rejects: usize,
    state: State,
}

impl Trial {
    fn of(text: &[u8], whole: bool, head: Head) -> Result<Trial> {
        let parsed = parse(&Block {
            head: Arc::new(head),
            bytes: text.to_vec(),
            offset: 0,
            last: whole,
            start: State::Begin,
        })?;
        Ok(Trial {
            rows: parsed.rows.num_rows(),
            rejects: parsed.rejects.len(),
            state: parsed.stop.state,
        })
    }

    fn quality(&self) -> (usize, Reverse<usize>) {
        (self.rows, Reverse(self.rejects))
    }

    fn is_clean_page_without_rows(&self) -> bool {
        self.rows == 0 && self.rejects == 0 && self.state == State::Top
    }
}

/// Whether the names of the two columns without which nothing can be read occur, in any spelling of case.
fn has_audit_columns(text: &[u8]) -> bool {
    let text = text.to_ascii_lowercase();
    let holds = |name: &[u8]| memmem::find(&text, name).is_some();
    holds(b"\"createdon") && holds(b"\"action")
}

fn refuse_json(text: &[u8]) -> Found {
    let holds = |name: &[u8]| memmem::find(text, name).is_some();
    if holds(b"\"AuditDetails\"") || holds(b"AuditDetailCollection") {
        return refused(
            "is a RetrieveRecordChangeHistory answer, whose details carry no createdon",
            "export the audit table itself, for example GET /api/data/v9.2/audits",
        );
    }
    if holds(b"\"CreationTime\"") || holds(b"\"AuditData\"") {
        return refused(
            "is a Microsoft Purview (unified) audit log, which has no user access events of Dataverse",
            "export the Dataverse audit table, for example GET /api/data/v9.2/audits",
        );
    }
    if matches!(text.trim_ascii_start().first(), Some(b'{' | b'[')) {
        return refused(
            "is JSON without the audit columns createdon and action",
            "export the audit table with at least auditid, createdon, action, objectid and userid",
        );
    }
    let mut lines = text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    let commas = |line: &[u8]| line.iter().filter(|&&byte| matches!(byte, b',' | b';' | b'\t')).count();
    match (lines.next(), lines.next()) {
        (Some(header), Some(row)) if commas(header) > 0 && commas(header) == commas(row) => unknown_header(header),
        (Some(header), None | Some(b"")) if commas(header) > 0 => unknown_header(header),
        _ => Found::Foreign,
    }
}

fn unknown_header(header: &[u8]) -> Found {
    let header = String::from_utf8_lossy(&header[..header.len().min(200)]).into_owned();
    refused(
        &format!("has a header gatelog does not know: {header}"),
        "the header must name at least createdon and action, as the Web API or SQL spell them",
    )
}

fn refuse_by_columns(layout: &Layout) -> Option<Found> {
    let missing: Vec<&str> = [
        (!layout.has(Field::CreatedOn)).then_some("createdon"),
        (!layout.has(Field::Action) && !layout.has(Field::ActionLabel)).then_some("action"),
    ]
    .into_iter()
    .flatten()
    .collect();
    (!missing.is_empty()).then(|| {
        refused(
            &format!(
                "has a header without {}: {}",
                missing.join(" and "),
                layout.names.join(", ")
            ),
            "export these columns too; without them a row says neither when nor what",
        )
    })
}

fn refuse_by_signature(bytes: &[u8]) -> Option<Found> {
    let (kind, hint) = match bytes {
        [0x1F, 0x8B, ..] => ("gzip-compressed", "decompress it first"),
        [0x28, 0xB5, 0x2F, 0xFD, ..] => ("zstd-compressed", "decompress it first"),
        [b'P', b'K', 3, 4, ..] => ("a ZIP archive or a workbook", "unpack it, or save the sheet as CSV"),
        [b'P', b'A', b'R', b'1', ..] => ("Parquet", "export the rows as CSV or NDJSON"),
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => ("UTF-16 text", "save it as UTF-8"),
        _ => return None,
    };
    Some(refused(&format!("is {kind}, which this version does not read"), hint))
}

fn refused(reason: &str, hint: &str) -> Found {
    Found::Refused {
        reason: reason.to_owned(),
        hint: hint.to_owned(),
    }
}
