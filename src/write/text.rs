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

use super::layout::{Kind, SQUEEZES, Shown, Squeeze, paint, widths};
use super::spell::{cells, clean, counted, shorten};
use crate::error::Result;
use crate::report::table::Table;
use chrono_tz::Tz;
use std::collections::HashSet;

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
pub fn render(table: &Table, max_rows: usize, width: Option<u16>, tz: Tz) -> Result<String> {
    let (rows, max_rows) = (table.num_rows()?, max_rows.max(1));
    let mut caption = format!("{} · {}", table.name, counted(rows));
    if rows == 0 {
        return Ok(caption + "\n");
    }
    let mut view = View::read(table, max_rows)?;
    view.drop_constant_environment(table, &mut caption)?;
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
    Ok(text)
}

/// Renders the first `max_rows` rows with every column as it was asked for; only room may leave one out.
pub fn render_whole(table: &Table, max_rows: usize, width: Option<u16>, tz: Tz) -> Result<String> {
    let (rows, max_rows) = (table.num_rows()?, max_rows.max(1));
    let mut caption = counted(rows);
    let mut view = View::read_verbatim(table, max_rows)?;
    view.explain(&mut caption, tz);
    let body = view.lay_out(width.map_or(usize::MAX, usize::from));
    let mut text = format!("{body}\n({caption})\n");
    if rows > max_rows {
        let hidden = counted(rows - max_rows).replace(" row", " more row");
        text += &format!("… {hidden}: use --rows 0, --format csv or --out FILE\n");
    }
    if !view.left_out.is_empty() {
        text += &format!("left out: {}\n", view.left_out.join(", "));
    }
    Ok(text)
}

struct View {
    columns: Vec<Shown>,
    /// Names of columns that are not shown, with the reason.
    left_out: Vec<String>,
}

impl View {
    fn read(table: &Table, max_rows: usize) -> Result<View> {
        View::of(table, max_rows, |name, kind| Shown {
            words: match kind {
                Kind::Duration => name.trim_end_matches("_s"),
                _ => name,
            }
            .split('_')
            .map(str::to_owned)
            .collect(),
            name: name.to_owned(),
            kind,
            cells: Vec::new(),
        })
    }

    /// With the names and numbers as they are.
    fn read_verbatim(table: &Table, max_rows: usize) -> Result<View> {
        View::of(table, max_rows, |name, kind| Shown {
            words: vec![clean(name)],
            name: name.to_owned(),
            kind: if kind == Kind::Duration { Kind::Number } else { kind },
            cells: Vec::new(),
        })
    }

    fn of(table: &Table, max_rows: usize, shown: impl Fn(&str, Kind) -> Shown) -> Result<View> {
        let head = table.chunks(max_rows).next().unwrap_or(Ok(Vec::new()))?;
        let column = |(index, field): (usize, &arrow::datatypes::FieldRef)| {
            let mut column = shown(field.name(), Kind::of(field.name(), field.data_type()));
            let parts = head
                .iter()
                .flat_map(|batch| cells(batch, index, column.kind == Kind::Duration));
            column.cells = parts.collect();
            column
        };
        Ok(View {
            columns: table.schema.fields().iter().enumerate().map(column).collect(),
            left_out: Vec::new(),
        })
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    fn drop_constant_environment(&mut self, table: &Table, caption: &mut String) -> Result<()> {
        if let Some(index) = self.position("environment")
            && let Some(environment) = table.only_environment()?
        {
            *caption += &format!(" · environment {}", clean(&environment));
            self.columns.remove(index);
        }
        Ok(())
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
        if self.position("hour").is_some() && tz != Tz::UTC {
            *caption += &format!(" · hours in {}", tz.name());
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
        let is_nobody = |index: usize| {
            let mut pairs = self.columns[index].cells.iter().zip(&column.cells);
            pairs.any(|(name, id)| name.is_none() && id.is_some())
        };
        match name {
            Some(index) if is_nobody(index) => usize::MAX,
            _ => rank.unwrap_or(usize::MAX),
        }
    }
}

impl View {
    /// Takes the mildest squeeze at which all columns fit; at the last one the most needed columns take the room.
    fn lay_out(&mut self, room: usize) -> String {
        let fits = |squeeze: &Squeeze| widths(&self.columns, *squeeze).iter().sum::<usize>() <= room;
        let squeeze = SQUEEZES.into_iter().find(fits).unwrap_or(SQUEEZES[3]);
        let widths = widths(&self.columns, squeeze);
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
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

    fn render(table: &Table, max_rows: usize, width: Option<u16>, tz: Tz) -> String {
        super::render(table, max_rows, width, tz).expect("memory")
    }

    #[test]
    fn a_table_reads_well() {
        let expected = "\
gaps · 2 rows · environment contoso · times in UTC (≥ not before) · durations h:mm:ss
 started on               observed  actor id   actor name
────────────────────────────────────────────────────────────
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
}
