//! Whether an XML text is an export gatelog reads, told from its first records; or why it is refused.

use super::token::{Halt, Tokens, begins_record, local_name};
use super::{Dialect, Layout};
use crate::ingest::head::{Found, Head, Table};
use crate::ingest::refuse::refused;
use memchr::memmem;

/// What stands before the first record.
#[derive(Default)]
struct Prolog<'a> {
    /// The names of the elements that begin.
    elements: Vec<&'a [u8]>,
    has_doctype: bool,
    first: Option<Dialect>,
}

impl<'a> Prolog<'a> {
    fn of(text: &'a [u8]) -> Prolog<'a> {
        let mut prolog = Prolog::default();
        let mut tokens = Tokens::of(text);
        let mut at = 0;
        while let Some(found) = memchr::memchr(b'<', &text[at..]) {
            let start = at + found;
            prolog.first = begins_record(text, start);
            if prolog.first.is_some() {
                break;
            }
            let tag = &text[start + 1..];
            prolog.has_doctype |= tag.get(..8).is_some_and(|word| word.eq_ignore_ascii_case(b"!DOCTYPE"));
            let name = local_name(tag);
            if !name.is_empty() {
                prolog.elements.push(name);
            }
            at = match tokens.end(start, text.len()) {
                Ok(end) => end,
                Err(Halt::Broken(_)) => start + 1,
                Err(Halt::Unfinished) => break,
            };
        }
        prolog
    }
}

/// Recognises a text that begins with `<`; `whole` when there is no more of it.
pub fn recognise(text: &[u8], whole: bool, head: impl Fn(Layout) -> Head) -> Found {
    let prolog = Prolog::of(text);
    if prolog
        .elements
        .first()
        .is_some_and(|root| root.eq_ignore_ascii_case(b"html"))
    {
        return Found::Foreign;
    }
    if prolog.has_doctype {
        return refused(
            "is XML with a DOCTYPE, whose entities gatelog never expands",
            "take the DOCTYPE out; no export of Dataverse has one",
        );
    }
    let is_enveloped = !prolog.elements.is_empty();
    let table = Table::of_text(|column| names(text, column));
    let export = |dialect| {
        Found::Export(Head {
            table,
            ..head(Layout { dialect, is_enveloped })
        })
    };
    match prolog.first {
        Some(dialect) if table != Table::Audit => export(dialect),
        Some(dialect) if names(text, "createdon") && names(text, "action") => export(dialect),
        Some(Dialect::Fetch) => refused(
            "is a FetchXML result without createdon and action, as an aggregate or another table gives",
            "fetch the rows of the audit table, with at least auditid, createdon, action, objectid and userid",
        ),
        Some(Dialect::Soap) => without_columns(),
        None => {
            let has = |list: &[u8]| prolog.elements.contains(&list);
            let holds = |word: &str| memmem::find(text, word.as_bytes()).is_some();
            if holds("&lt;resultset") || holds("&lt;result&gt;") || holds("<![CDATA[<resultset") {
                refused(
                    "holds a FetchXML result as the text of another element",
                    "unescape that text into a file of its own, which then begins with <resultset",
                )
            } else if holds("AuditDetailCollection") || holds("AuditDetails") {
                refused(
                    "is an answer with the details of changes, not rows of the audit table",
                    "export the audit table itself, for example with RetrieveMultiple on audit",
                )
            } else if whole && has(b"resultset") {
                export(Dialect::Fetch)
            } else if whole && has(b"Entities") {
                export(Dialect::Soap)
            } else {
                without_columns()
            }
        }
    }
}

/// Whether a column of this name occurs: as an element, or as the text of a key.
fn names(text: &[u8], column: &str) -> bool {
    memmem::find_iter(text, column).any(|at| {
        let before = at.checked_sub(1).map(|before| text[before]);
        let after = text.get(at + column.len());
        matches!(before, Some(b'<' | b'>' | b':'))
            && after.is_some_and(|byte| matches!(byte, b'<' | b'>' | b'/') || byte.is_ascii_whitespace())
    })
}

fn without_columns() -> Found {
    refused(
        "is XML without rows that have the audit columns createdon and action",
        "gatelog reads SOAP EntityCollections and FetchXML results of the tables audit, systemuser and organization",
    )
}
