//! A table for people on a terminal.
//!
//! Above it stands one line with its name, its size and how to read it; below it what is left out and why. Whoever
//! needs every row, column and character takes `--format csv`.
//!
//! What makes wide tables readable, in this order:
//! - an environment that is the same in all rows moves into the caption; columns without any value are left out, and
//!   so are dates that repeat the instant beside them; a start known only as `not_before` is shown as `≥` that time
//! - GUIDs are cut short where a name stands beside them and they stay distinct; seconds read `1:30:00`
//! - headers stand on two lines, then on three; long names end in `…`; then the least needed columns give way
//!
//! Values come from outside: control characters and those that turn the reading direction appear as visible signs, so
//! that no name can colour, move or forge what a terminal shows.

use super::csv::{push_clock, push_date};
use crate::report::table::{Column, Table};
use arrow::array::RecordBatch;
use chrono_tz::Tz;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Row, TableStyle, Width};
use std::collections::HashSet;

/// A line below the header, and nothing between columns but two blanks.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─'));

/// The blanks around each column.
const PADDING: usize = 2;

/// Columns that give way on a narrow terminal, the least needed first; all others give way after them. First go those
/// that can be told from what stays: an id from its name, a last instant from a duration, a part from its sum.
#[rustfmt::skip]
const GIVE_WAY: &[&str] = &[
    "started_date", "stopped_by_id", "started_by_id", "actor_id", "repeated_stops", "causes", "web_services_accesses",
    "web_accesses", "last_web_services_on", "last_web_on", "audit_gap_s", "duration_s", "first_access_on",
    "changes_inside", "actors_before", "last_seen_on", "started_by_name", "accesses_inside", "sessions_cut",
    "stopped_by_name", "object_id",
];

/// Renders the first `max_rows` rows for a terminal of `width` columns, or as wide as they are. `tz` is the zone in
/// which the report counted its dates; instants are shown in UTC.
pub fn render(table: &Table, max_rows: usize, width: Option<u16>, tz: Tz) -> String {
    let (rows, max_rows) = (table.num_rows(), max_rows.max(1));
    let mut caption = format!("{} · {}", table.name, counted(rows));
    if rows == 0 {
        return caption + "\n";
    }
    let mut view = View::read(table, max_rows);
    view.drop_constant_environment(table, &mut caption);
    view.merge_not_before();
    view.drop_empty();
    view.drop_repeated_dates();
    view.explain(&mut caption, tz);
    view.shorten_ids();
    let body = view.lay_out(width.map_or(usize::MAX, usize::from));
    let mut text = format!("{caption}\n{body}\n");
    if rows > max_rows {
        let hidden = counted(rows - max_rows).replace(" row", " more row");
        text += &format!("… {hidden}: use --format csv or --out DIR\n");
    }
    if !view.left_out.is_empty() {
        text += &format!("left out: {}\n", view.left_out.join(", "));
    }
    text
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Text,
    Number,
    Duration,
    Date,
    Instant,
}

/// A column as it will be shown. A null has no text yet.
struct Shown {
    name: String,
    kind: Kind,
    cells: Vec<Option<String>>,
}

struct View {
    columns: Vec<Shown>,
    /// Names of columns that are not shown, with the reason.
    left_out: Vec<String>,
}

impl View {
    fn read(table: &Table, max_rows: usize) -> View {
        let head = table.chunks(max_rows).into_iter().next().unwrap_or_default();
        let shown = |(index, field): (usize, &arrow::datatypes::FieldRef)| Shown {
            name: field.name().clone(),
            kind: kind(field.name(), field.data_type()),
            cells: head
                .iter()
                .flat_map(|batch| cells(batch, index, field.name()))
                .collect(),
        };
        View {
            columns: table.schema.fields().iter().enumerate().map(shown).collect(),
            left_out: Vec::new(),
        }
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    fn drop_constant_environment(&mut self, table: &Table, caption: &mut String) {
        let Some(index) = self.position("environment") else {
            return;
        };
        let mut only = None;
        for batch in &table.batches {
            let Column::Text(values) = Column::all(batch)[index] else {
                return;
            };
            for value in values {
                if value.is_none() || value != *only.get_or_insert(value) {
                    return;
                }
            }
        }
        if let Some(Some(environment)) = only {
            *caption += &format!(" · environment {}", clean(environment));
            self.columns.remove(index);
        }
    }

    fn explain(&self, caption: &mut String, tz: Tz) {
        let has = |kind| self.columns.iter().any(|column| column.kind == kind);
        if has(Kind::Instant) {
            *caption += " · times in UTC";
        }
        let instants = self.columns.iter().filter(|column| column.kind == Kind::Instant);
        if instants
            .flat_map(|column| column.cells.iter().flatten())
            .any(|cell| cell.starts_with('≥'))
        {
            *caption += " (≥ not before)";
        }
        if has(Kind::Date) && tz != Tz::UTC {
            *caption += &format!(" · dates in {}", tz.name());
        }
        if has(Kind::Duration) {
            *caption += " · durations h:mm:ss";
        }
    }

    /// Exactly one of the two is set, so one column can show both.
    fn merge_not_before(&mut self) {
        let (Some(started), Some(not_before)) = (self.position("started_on"), self.position("not_before")) else {
            return;
        };
        let bounds = self.columns.remove(not_before).cells;
        if bounds.iter().all(Option::is_none) {
            return;
        }
        let started = &mut self.columns[started - usize::from(not_before < started)];
        for (cell, bound) in started.cells.iter_mut().zip(bounds) {
            let known = cell.take().map(|start| format!("  {start}"));
            *cell = known.or(bound.map(|bound| format!("≥ {bound}")));
        }
    }

    fn drop_empty(&mut self) {
        let empty = self
            .columns
            .extract_if(.., |column| column.cells.iter().all(Option::is_none));
        let names: Vec<String> = empty.map(|column| column.name).collect();
        if !names.is_empty() {
            self.left_out.push(format!("{} (no value)", names.join(", ")));
        }
    }

    fn drop_repeated_dates(&mut self) {
        let repeats = |date: &Shown| {
            let instant = date
                .name
                .strip_suffix("_date")
                .and_then(|stem| self.position(&format!("{stem}_on")));
            instant.is_some_and(|index| {
                let mut pairs = date.cells.iter().zip(&self.columns[index].cells);
                pairs.all(|pair| matches!(pair, (Some(date), Some(instant)) if instant.starts_with(date)))
            })
        };
        let repeated: Vec<String> = self
            .columns
            .iter()
            .filter(|column| repeats(column))
            .map(|column| column.name.clone())
            .collect();
        self.columns.retain(|column| !repeated.contains(&column.name));
        self.left_out.extend(
            repeated
                .iter()
                .map(|name| format!("{name} (as in {}_on)", name.trim_end_matches("_date"))),
        );
    }

    fn shorten_ids(&mut self) {
        for index in 0..self.columns.len() {
            let name = self.columns[index]
                .name
                .strip_suffix("_id")
                .map(|stem| format!("{stem}_name"));
            if name.is_some_and(|name| self.position(&name).is_some()) {
                shorten(&mut self.columns[index].cells);
            }
        }
    }

    /// An id whose name is not known in every row must stay, or the row would be nobody's.
    fn need(&self, column: &Shown) -> usize {
        let rank = GIVE_WAY.iter().position(|name| *name == column.name);
        let name = column
            .name
            .strip_suffix("_id")
            .and_then(|stem| self.position(&format!("{stem}_name")));
        let names = name.map(|index| &self.columns[index].cells);
        match names {
            Some(names)
                if names
                    .iter()
                    .zip(&column.cells)
                    .any(|(name, id)| name.is_none() && id.is_some()) =>
            {
                usize::MAX
            }
            _ => rank.unwrap_or(usize::MAX),
        }
    }
}

/// How far a table is squeezed: the lines of a header and the longest name.
#[derive(Clone, Copy)]
struct Squeeze(usize, usize);

const SQUEEZES: [Squeeze; 4] = [Squeeze(2, usize::MAX), Squeeze(2, 32), Squeeze(3, 24), Squeeze(3, 18)];

impl View {
    /// Takes the mildest squeeze at which all columns fit; at the last one the most needed columns take the room.
    fn lay_out(&mut self, room: usize) -> String {
        let fits = |squeeze: &Squeeze| self.widths(*squeeze).iter().sum::<usize>() <= room;
        let squeeze = SQUEEZES.into_iter().find(fits).unwrap_or(SQUEEZES[3]);
        let widths = self.widths(squeeze);
        let mut by_need: Vec<usize> = (0..self.columns.len()).collect();
        by_need.sort_by_key(|&index| std::cmp::Reverse(self.need(&self.columns[index])));
        let (mut free, mut kept) = (room, HashSet::new());
        for index in by_need {
            if widths[index] <= free || kept.is_empty() {
                free = free.saturating_sub(widths[index]);
                kept.insert(index);
            }
        }
        let columns = self.columns.iter().enumerate();
        let (shown, hidden): (Vec<_>, Vec<_>) = columns.partition(|(index, _)| kept.contains(index));
        let hidden: Vec<&str> = hidden.into_iter().map(|(_, column)| column.name.as_str()).collect();
        if !hidden.is_empty() {
            self.left_out.push(format!("{} (no room)", hidden.join(", ")));
        }
        paint(
            &shown.into_iter().map(|(_, column)| column).collect::<Vec<_>>(),
            squeeze,
        )
    }

    /// Every column's width with its padding.
    fn widths(&self, squeeze: Squeeze) -> Vec<usize> {
        let columns: Vec<&Shown> = self.columns.iter().collect();
        let natural = grid(&columns, squeeze).column_max_content_widths();
        let width = |(column, natural): (&&Shown, u16)| usize::from(natural).min(column.longest(squeeze)) + PADDING;
        columns.iter().zip(natural).map(width).collect()
    }
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
        let name = if self.kind == Kind::Duration {
            self.name.trim_end_matches("_s")
        } else {
            &self.name
        };
        let words: Vec<&str> = name.split('_').collect();
        let content = self
            .cells
            .iter()
            .flatten()
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0);
        let mut broken = (content..=name.len()).map(|width| wrap(&words, width));
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

fn paint(columns: &[&Shown], squeeze: Squeeze) -> String {
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

fn kind(name: &str, data_type: &arrow::datatypes::DataType) -> Kind {
    use arrow::datatypes::DataType;
    match data_type {
        DataType::Int64 | DataType::Int32 if name.ends_with("_s") => Kind::Duration,
        DataType::Int64 | DataType::Int32 | DataType::Float64 => Kind::Number,
        DataType::Date32 => Kind::Date,
        DataType::Timestamp(..) => Kind::Instant,
        _ => Kind::Text,
    }
}

fn cells(batch: &RecordBatch, index: usize, name: &str) -> Vec<Option<String>> {
    let column = Column::all(batch)[index];
    let is_duration = name.ends_with("_s");
    let cell = |row: usize| match column {
        Column::Text(values) => clean(values.value(row)),
        Column::Long(values) if is_duration => duration(values.value(row)),
        Column::Int(values) if is_duration => duration(i64::from(values.value(row))),
        Column::Long(values) => values.value(row).to_string(),
        Column::Int(values) => values.value(row).to_string(),
        Column::Double(values) => fraction(values.value(row)),
        Column::Flag(values) => values.value(row).to_string(),
        Column::Date(values) => instant(i64::from(values.value(row)) * 86_400, false),
        Column::Instant(values) => instant(values.value(row).div_euclid(1_000_000), true),
    };
    (0..batch.num_rows())
        .map(|row| (!column.is_null(row)).then(|| cell(row)))
        .collect()
}

/// `2026-03-01 08:00:00`, cut to whole seconds.
fn instant(second: i64, with_clock: bool) -> String {
    let mut text = Vec::new();
    // Writing into memory does not fail.
    let _ = push_date(&mut text, second.div_euclid(86_400));
    if with_clock {
        text.push(b' ');
        push_clock(&mut text, second.rem_euclid(86_400));
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// `1:30:00`; from two days on `2d 1:30:00`.
fn duration(seconds: i64) -> String {
    let (sign, seconds) = (if seconds < 0 { "-" } else { "" }, seconds.unsigned_abs());
    let (days, hours) = match seconds / 3600 {
        hours if hours < 48 => (String::new(), hours),
        hours => (format!("{}d ", hours / 24), hours % 24),
    };
    format!("{sign}{days}{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60)
}

/// Four decimals, but never 0 or 1 for what is neither: almost all is not all.
fn fraction(value: f64) -> String {
    match format!("{value:.4}").as_str() {
        "1.0000" if value < 1.0 => "0.9999".to_owned(),
        "0.0000" if value > 0.0 => "0.0001".to_owned(),
        text => text.to_owned(),
    }
}

/// Shows what would act on a terminal instead of letting it act.
fn clean(text: &str) -> String {
    let visible = |sign: char| match sign {
        '\u{0}'..='\u{1f}' => char::from_u32(0x2400 + u32::from(sign)).unwrap_or('\u{fffd}'),
        '\u{7f}' => '␡',
        '\u{80}'..='\u{9f}' | '\u{61c}' | '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' => '\u{fffd}',
        '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' => '\u{fffd}',
        sign => sign,
    };
    text.chars().map(visible).collect()
}

/// Cuts GUIDs to their first or last digits, if they then still differ from each other.
fn shorten(ids: &mut [Option<String>]) {
    let is_guid = |id: &String| id.len() == 36 && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if !ids.iter().flatten().all(is_guid) {
        return;
    }
    let distinct = ids.iter().flatten().collect::<HashSet<_>>().len();
    let cuts: [fn(&String) -> String; 2] = [|id| format!("{}…", &id[..8]), |id| format!("…{}", &id[28..])];
    for cut in cuts {
        if ids.iter().flatten().map(cut).collect::<HashSet<_>>().len() == distinct {
            for id in ids.iter_mut().flatten() {
                *id = cut(id);
            }
            return;
        }
    }
}

/// `1 row`, `2,400,000 rows`.
fn counted(rows: usize) -> String {
    let digits = rows.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + if rows == 1 { " row" } else { " rows" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray};
    use std::sync::Arc;

    const GUIDS: [&str; 2] = [
        "1f3a9c04-77aa-ec11-9840-000d3ab1c2d3",
        "203a9c04-77aa-ec11-9840-000d3ab1c2d3",
    ];

    fn strings(values: Vec<Option<&str>>) -> ArrayRef {
        Arc::new(StringArray::from(values))
    }

    fn instants(seconds: Vec<Option<i64>>) -> ArrayRef {
        let micros = seconds
            .into_iter()
            .map(|second| second.map(|second| second * 1_000_000));
        Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
    }

    fn table(columns: Vec<(&str, ArrayRef)>) -> Table {
        let columns = columns.into_iter().map(|(name, values)| (name, values, true));
        let batch = RecordBatch::try_from_iter_with_nullable(columns).expect("columns of one length");
        Table::new("gaps", batch.schema(), vec![batch]).expect("valid")
    }

    fn two_gaps() -> Table {
        table(vec![
            ("environment", strings(vec![Some("contoso"); 2])),
            ("object_id", strings(vec![None; 2])),
            ("started_on", instants(vec![Some(0), None])),
            ("not_before", instants(vec![None, Some(3600)])),
            (
                "observed_s",
                Arc::new(Int64Array::from(vec![Some(5400), Some(180_061)])),
            ),
            ("actor_id", strings(GUIDS.map(Some).to_vec())),
            ("actor_name", strings(vec![Some("Anna Schmidt"), None])),
        ])
    }

    #[test]
    fn a_table_reads_well() {
        let expected = "\
gaps · 2 rows · environment contoso · times in UTC (≥ not before) · durations h:mm:ss
 started on               observed  actor id   actor name
─────────────────────────────────────────────────────────────
   1970-01-01 00:00:00     1:30:00  1f3a9c04…  Anna Schmidt
 ≥ 1970-01-01 01:00:00  2d 2:01:01  203a9c04…  –
left out: object_id (no value)
";
        assert_eq!(render(&two_gaps(), 10, None, Tz::UTC), expected);
    }

    #[test]
    fn rows_beyond_the_maximum_are_counted_and_no_rows_are_said() {
        let text = render(&two_gaps(), 1, None, Tz::UTC);
        assert!(
            text.contains("\n… 1 more row: use --format csv or --out DIR\n"),
            "{text}"
        );
        let empty = Table::new("gaps", two_gaps().schema, vec![]).expect("valid");
        assert_eq!(render(&empty, 10, Some(80), Tz::UTC), "gaps · 0 rows\n");
    }

    #[test]
    fn no_line_of_a_table_is_wider_than_the_terminal_and_an_unnamed_actor_keeps_the_id() {
        for width in 24..100 {
            let text = render(&two_gaps(), 10, Some(width), Tz::UTC);
            let widest = text.lines().skip(1).take(4).map(|line| line.chars().count()).max();
            assert!(widest <= Some(usize::from(width)), "{width}\n{text}");
            assert!(width < 50 || text.contains("203a9c04…"), "{text}");
        }
    }

    #[test]
    fn a_hostile_name_cannot_act_on_the_terminal() {
        let hostile = "\u{1b}[2J\r\n\u{7f}\u{9b}31m\u{202e}gpj.exe\u{2066}\u{200b}";
        let text = render(
            &table(vec![("actor_name", strings(vec![Some(hostile), Some("")]))]),
            10,
            Some(80),
            Tz::UTC,
        );
        assert!(
            text.contains("␛[2J␍␊␡\u{fffd}31m\u{fffd}gpj.exe\u{fffd}\u{fffd}"),
            "{text}"
        );
        assert!(!text.contains(|sign: char| sign.is_control() && sign != '\n'));
    }

    #[test]
    fn ids_are_cut_only_while_they_stay_distinct() {
        let cut = |ids: [&str; 2]| {
            let mut ids = ids.map(|id| Some(id.to_owned()));
            shorten(&mut ids);
            ids.map(Option::unwrap_or_default)
        };
        assert_eq!(cut(GUIDS), ["1f3a9c04…", "203a9c04…"]);
        let zeros = [
            "00000000-0000-0000-0000-000000000001",
            "00000000-0000-0000-0000-000000000002",
        ];
        assert_eq!(cut(zeros), ["…00000001", "…00000002"]);
        assert_eq!(cut(["S-1-5", "contoso"]), ["S-1-5", "contoso"]);
    }

    #[test]
    fn durations_shares_and_counts() {
        assert_eq!(
            [0, 59, 172_799, 172_800, -61].map(duration),
            ["0:00:00", "0:00:59", "47:59:59", "2d 0:00:00", "-0:01:01"]
        );
        assert_eq!(
            [0.0, 0.000_001, 0.25, 0.999_999, 1.0].map(fraction),
            ["0.0000", "0.0001", "0.2500", "0.9999", "1.0000"]
        );
        assert_eq!(
            [1, 999, 2_400_000].map(counted),
            ["1 row", "999 rows", "2,400,000 rows"]
        );
    }
}
