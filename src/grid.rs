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
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    for row in rows {
        let mut line = String::new();
        for ((cell, side), width) in row.iter().zip(sides).zip(widths) {
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
