//! How a table for people is fitted to a terminal: headers on several lines, long names cut, and the painting itself.
//!
//! A [`Squeeze`] says how hard; [`widths`] what each column then takes, its two blanks included. Which columns stay is
//! decided in `text`.

use arrow::datatypes::DataType;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Row, TableStyle, Width};

/// A line below the header, and nothing between columns but two blanks.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─'));

/// The blanks around each column.
const PADDING: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Text,
    Number,
    Duration,
    Date,
    Instant,
}

/// A column as it will be shown. A null has no text yet.
pub(super) struct Shown {
    pub(super) name: String,
    /// What stands above it, as words that may stand under each other.
    pub(super) words: Vec<String>,
    pub(super) kind: Kind,
    pub(super) cells: Vec<Option<String>>,
}

impl Kind {
    pub(super) fn of(name: &str, data_type: &DataType) -> Kind {
        match data_type {
            DataType::Int64 | DataType::Int32 if name.ends_with("_s") => Kind::Duration,
            DataType::Int64 | DataType::Int32 | DataType::Float64 => Kind::Number,
            DataType::Date32 => Kind::Date,
            DataType::Timestamp(..) => Kind::Instant,
            _ => Kind::Text,
        }
    }
}

/// How far a table is squeezed: the lines of a header and the longest name.
#[derive(Clone, Copy)]
pub(super) struct Squeeze(usize, usize);

pub(super) const SQUEEZES: [Squeeze; 4] = [Squeeze(2, usize::MAX), Squeeze(2, 32), Squeeze(3, 24), Squeeze(3, 18)];

/// Every column's width with its padding.
pub(super) fn widths(columns: &[Shown], squeeze: Squeeze) -> Vec<usize> {
    let columns: Vec<&Shown> = columns.iter().collect();
    let natural = grid(&columns, squeeze).column_max_content_widths();
    let width = |(column, natural): (&&Shown, u16)| usize::from(natural).min(column.longest(squeeze)) + PADDING;
    columns.iter().zip(natural).map(width).collect()
}

impl Shown {
    /// Names and sentences may be cut; ids, numbers and times would no longer be themselves.
    fn longest(&self, Squeeze(_, name_width): Squeeze) -> usize {
        match self.kind {
            Kind::Text if self.name.ends_with("_name") => name_width,
            Kind::Text if !self.name.ends_with("_id") => name_width.max(24),
            _ => usize::MAX,
        }
    }

    /// The column's name in words, in as many lines as allowed where its cells are narrower.
    fn header(&self, Squeeze(lines, _): Squeeze) -> String {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        let content = self
            .cells
            .iter()
            .flatten()
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0);
        let mut broken = (content..=self.name.len()).map(|width| wrap(&words, width));
        broken
            .find(|header| header.lines().count() <= lines)
            .unwrap_or_else(|| words.join(" "))
    }
}

/// Fills lines of at most `width` characters; a longer word gets a line of its own.
fn wrap(words: &[&str], width: usize) -> String {
    let (mut text, mut used) = (String::new(), 0);
    for word in words {
        if used > 0 && used + 1 + word.len() > width {
            text.push('\n');
            used = 0;
        } else if used > 0 {
            text.push(' ');
            used += 1;
        }
        text.push_str(word);
        used += word.len();
    }
    text
}

pub(super) fn paint(columns: &[&Shown], squeeze: Squeeze) -> String {
    let mut grid = grid(columns, squeeze);
    for (column, shown) in grid.column_iter_mut().zip(columns) {
        // No text holds this sign, so a long name is cut at a character and not at a word.
        column.set_delimiter('\u{0}');
        if let Ok(longest) = u16::try_from(shown.longest(squeeze).saturating_add(PADDING)) {
            column.set_constraint(ColumnConstraint::UpperBoundary(Width::Fixed(longest)));
        }
        if matches!(shown.kind, Kind::Number | Kind::Duration) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    grid.trim_fmt()
}

fn grid(columns: &[&Shown], squeeze: Squeeze) -> comfy_table::Table {
    let mut grid = comfy_table::Table::new();
    grid.load_style(STYLE)
        .set_content_arrangement(ContentArrangement::Disabled)
        .force_no_tty()
        .set_truncation_indicator("…")
        .set_header(columns.iter().map(|column| column.header(squeeze)).collect::<Vec<_>>());
    let rows = columns.first().map_or(0, |column| column.cells.len());
    for index in 0..rows {
        let cells = columns
            .iter()
            .map(|column| column.cells[index].as_deref().unwrap_or("–"));
        let mut row = Row::from(cells.collect::<Vec<_>>());
        row.max_height(1);
        grid.add_row(row);
    }
    grid
}
