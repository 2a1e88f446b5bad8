//! What the columns of a CSV file mean: by its header line, or by whoever knows them.

use super::first_row;
use crate::ingest::fields::{Field, field_of, is_list_of_accesses, tool_field_of};
use serde_json::{Value, json};

/// What the header line says, or whoever knows the columns of a file that has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    pub separator: u8,
    /// The meaning of each column; `None` for a column gatelog has no use for.
    pub columns: Vec<Option<Field>>,
    /// The column names as written.
    pub names: Vec<String>,
    /// Set where Synapse Link wrote the rows. They have no header line; columns are appended over the years, so older
    /// rows are shorter than the names; times may be spelled as [`crate::instant::parse_sink`] reads them.
    pub is_headless: bool,
}

/// Separators that exports use, the likeliest first.
const SEPARATORS: [u8; 3] = *b",;\t";

impl Layout {
    /// Reads a header line; `None` when no separator makes it a list of names of which gatelog knows two.
    pub fn of_header(text: &[u8]) -> Option<(Layout, usize)> {
        SEPARATORS
            .iter()
            .filter_map(|&separator| Self::with_separator(text, separator))
            .max_by_key(|(layout, _)| layout.columns.iter().flatten().count())
            .filter(|(layout, _)| layout.columns.iter().flatten().count() >= 2)
    }

    fn with_separator(text: &[u8], separator: u8) -> Option<(Layout, usize)> {
        let (names, end) = first_row(text, separator)?;
        let names = names.iter().map(|name| name.trim().to_owned());
        Some((Layout::new(separator, names.collect()), end))
    }

    pub fn new(separator: u8, names: Vec<String>) -> Layout {
        Layout {
            separator,
            columns: fields_of(&names),
            names,
            is_headless: false,
        }
    }

    /// The layout of rows of Synapse Link, whose columns have these names.
    pub fn of_names(names: Vec<String>) -> Layout {
        Layout {
            columns: names.iter().map(|name| field_of(name)).collect(),
            is_headless: true,
            ..Layout::new(b',', names)
        }
    }

    /// All it takes to read a row on its own.
    pub fn to_json(&self) -> String {
        let separator = char::from(self.separator);
        json!({"separator": separator, "columns": self.names, "is_headless": self.is_headless}).to_string()
    }

    /// A header line for rows of this layout.
    pub fn to_line(&self) -> String {
        let quoted = self.names.iter().map(
            |name| match name.contains(['"', '\n', '\r', char::from(self.separator)]) {
                true => format!("\"{}\"", name.replace('"', "\"\"")),
                false => name.clone(),
            },
        );
        quoted.collect::<Vec<_>>().join(&char::from(self.separator).to_string())
    }

    pub fn from_json(text: &str) -> Option<Layout> {
        let header: Value = serde_json::from_str(text).ok()?;
        let separator = header["separator"].as_str()?.as_bytes().first()?;
        let names = header["columns"]
            .as_array()?
            .iter()
            .map(|name| name.as_str().map(str::to_owned));
        let names = names.collect::<Option<_>>()?;
        Some(match header["is_headless"].as_bool() {
            Some(true) => Layout::of_names(names),
            _ => Layout::new(*separator, names),
        })
    }

    /// Whether rows say who by an id.
    pub fn identifies_people(&self) -> bool {
        self.has(Field::UserId) || self.has(Field::ObjectId)
    }

    pub fn has(&self, field: Field) -> bool {
        self.columns.contains(&Some(field))
    }
}

/// What each column means: a table's own columns first; a tool's words only for what these leave open, once each.
fn fields_of(names: &[String]) -> Vec<Option<Field>> {
    let mut fields: Vec<Option<Field>> = names.iter().map(|name| field_of(name)).collect();
    for (place, name) in names.iter().enumerate() {
        if fields[place].is_none() {
            fields[place] = tool_field_of(name).filter(|field| !fields.contains(&Some(*field)));
        }
    }
    if is_list_of_accesses(names) {
        fields
            .iter_mut()
            .filter(|field| **field == Some(Field::UserName))
            .for_each(|field| *field = Some(Field::ObjectName));
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_separator_is_the_one_that_makes_most_columns_known() {
        for (header, separator) in [
            ("auditid,createdon,action\n", b','),
            ("auditid;createdon;action\r\n", b';'),
            ("auditid\tcreatedon\taction", b'\t'),
        ] {
            let (layout, _) = Layout::of_header(header.as_bytes()).unwrap();
            assert_eq!((layout.separator, layout.columns.len()), (separator, 3), "{header:?}");
        }
        assert_eq!(Layout::of_header(b"hello, world\n"), None);
    }
}
