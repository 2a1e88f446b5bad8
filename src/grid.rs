//! Columns of text for people, each as wide as its widest cell.

use std::io::{self, Write};

/// Which way a column's cells lie.
#[derive(Clone, Copy)]
pub enum Side {
    Left,
    Right,
}

/// Writes rows under each other, two blanks in and two blanks apart.
pub fn show<const N: usize>(sides: [Side; N], rows: &[[String; N]], out: &mut dyn Write) -> io::Result<()> {
    show_those(sides, rows, |_| true, out)
}

/// The same without columns that are empty in every row.
pub fn show_filled<const N: usize>(sides: [Side; N], rows: &[[String; N]], out: &mut dyn Write) -> io::Result<()> {
    show_those(sides, rows, |width| width > 0, out)
}

fn show_those<const N: usize>(
    sides: [Side; N],
    rows: &[[String; N]],
    is_shown: impl Fn(usize) -> bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    for row in rows {
        let mut line = String::new();
        let cells = row.iter().zip(sides).zip(widths).filter(|(_, width)| is_shown(*width));
        for ((cell, side), width) in cells {
            line += "  ";
            line += &match side {
                Side::Left => format!("{cell:<width$}"),
                Side::Right => format!("{cell:>width$}"),
            };
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}
