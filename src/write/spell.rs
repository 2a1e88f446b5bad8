//! Values as people read them: instants to the second, seconds as `1:30:00`, ids cut short, hostile signs made visible.

use super::csv::{push_clock, push_date};
use crate::report::table::Column;
use arrow::array::RecordBatch;
use std::collections::HashSet;

pub(super) fn cells(batch: &RecordBatch, index: usize, is_duration: bool) -> Vec<Option<String>> {
    let column = Column::all(batch)[index];
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

/// Four decimals, but never 0 or 1 for what is neither: almost all is not all, and tiny is not nothing.
fn fraction(value: f64) -> String {
    match format!("{value:.4}").as_str() {
        "1.0000" if value < 1.0 => "0.9999".to_owned(),
        "0.0000" if value > 0.0 => format!("{value:.0e}"),
        text => text.to_owned(),
    }
}

/// Shows what would act on a terminal instead of letting it act.
pub(super) fn clean(text: &str) -> String {
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
pub(super) fn shorten(ids: &mut [Option<String>]) {
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
pub(super) fn counted(rows: usize) -> String {
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

    #[test]
    fn ids_are_cut_only_while_they_stay_distinct() {
        let cut = |ids: [&str; 2]| {
            let mut ids = ids.map(|id| Some(id.to_owned()));
            shorten(&mut ids);
            ids.map(Option::unwrap_or_default)
        };
        assert_eq!(
            cut([
                "1f3a9c04-77aa-ec11-9840-000d3ab1c2d3",
                "203a9c04-77aa-ec11-9840-000d3ab1c2d3"
            ]),
            ["1f3a9c04…", "203a9c04…"]
        );
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
            ["0.0000", "1e-6", "0.2500", "0.9999", "1.0000"]
        );
        assert_eq!(
            [1, 999, 2_400_000].map(counted),
            ["1 row", "999 rows", "2,400,000 rows"]
        );
    }
}
