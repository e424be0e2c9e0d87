//! Where on the screen the live view stands, when the terminal has become narrower since it was drawn.
//!
//! Some terminals break the lines again that have become too long, and the view then takes more rows than it has lines; others
//! cut them off. Whoever takes the one for the other leaves a torn view behind or clears lines of the log, which must never
//! happen. The column of the cursor tells them apart: in the first kind it moves to the next row with its text, in the second it
//! stays at the edge.

use crate::text::width;

/// Widths that terminals have by habit. The cursor is left where none of them makes both kinds look alike.
const USUAL: [usize; 9] = [40, 60, 66, 80, 100, 120, 132, 160, 200];

/// How far from the end of the longest line the cursor may be left.
const BACK: usize = 12;

/// The live view as it was drawn last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawn {
    /// How many columns each line takes.
    widths: Vec<usize>,
    /// How many columns the terminal had.
    columns: usize,
    /// The line and the column, counted from 0, in which the cursor was left.
    cursor: (usize, usize),
}

/// What a terminal does with lines that have become too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Narrowed {
    /// It breaks them again.
    Broken,
    /// It cuts them off, or keeps them beyond the edge.
    CutOff,
}

impl Drawn {
    /// Returns what is known of a view with these lines, which are without colours, once it is drawn.
    #[must_use]
    pub fn of(lines: &[String], columns: usize) -> Self {
        let widths: Vec<usize> = lines.iter().map(|line| width(line)).collect();
        let longest = widths.iter().enumerate().rev().max_by_key(|(_, width)| **width);
        let (line, end) = longest.map_or((0, 0), |(line, width)| (line, *width));
        let apart = |column: &usize| USUAL.iter().all(|usual| (1..usual - 1).contains(&(column % usual)));
        let column = (end.saturating_sub(BACK)..=end).rev().find(apart).unwrap_or(end);
        Self { widths, columns, cursor: (line, column) }
    }

    /// Returns how far the cursor is moved when the view was written: so many rows up from its last line, and to this column,
    /// counted from 1.
    #[must_use]
    pub fn leave_cursor(&self) -> (usize, usize) {
        let (line, column) = self.cursor;
        (self.widths.len().saturating_sub(line + 1), column + 1)
    }

    /// Returns whether it has to be found out what the terminal did with the lines when it was made this narrow.
    #[must_use]
    pub fn is_unclear(&self, columns: usize) -> bool {
        columns < self.columns && self.widths.iter().any(|width| *width > columns)
    }

    /// Returns what the terminal did with the lines, by the column, counted from 1, in which the cursor is now. Where both would
    /// leave it there nothing is cleared that may be the log.
    #[must_use]
    pub fn told_by(&self, column: usize, columns: usize) -> Narrowed {
        let (_, left) = self.cursor;
        let broken = left >= columns && column == left % columns + 1 && column != columns;
        if broken { Narrowed::Broken } else { Narrowed::CutOff }
    }

    /// Returns how many rows the cursor is below the first one of the view.
    #[must_use]
    pub fn rows_above(&self, columns: usize, narrowed: Narrowed) -> usize {
        let (line, column) = self.cursor;
        match narrowed {
            Narrowed::CutOff => line,
            Narrowed::Broken => {
                let columns = columns.max(1);
                let rows = |width: &usize| width.div_ceil(columns).max(1);
                self.widths.iter().take(line).map(rows).sum::<usize>() + column / columns
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(widths: &[usize], columns: usize) -> Drawn {
        let lines: Vec<String> = widths.iter().map(|width| "x".repeat(*width)).collect();
        Drawn::of(&lines, columns)
    }

    #[test]
    fn a_view_that_fits_is_as_high_as_it_has_lines() {
        let view = drawn(&[30, 20, 10], 200);
        assert!(!view.is_unclear(40) && !view.is_unclear(200) && !view.is_unclear(400));
        assert_eq!(view.rows_above(40, Narrowed::CutOff), 0, "the cursor is in the longest line");
        assert_eq!(view.leave_cursor().0, 2);
    }

    #[test]
    fn a_narrowed_view_is_as_high_as_the_terminal_made_it() {
        for (widths, columns) in [(&[100, 196, 30][..], 200), (&[90, 117, 117], 120), (&[77, 5], 80), (&[196], 200)] {
            for narrow in [40, 60, 80, 120].into_iter().filter(|narrow| *narrow < columns) {
                let view = drawn(widths, columns);
                let (line, left) = view.cursor;
                if !view.is_unclear(narrow) || left < narrow {
                    continue;
                }
                let (column, rows) =
                    (left % narrow + 1, widths[..line].iter().map(|w| w.div_ceil(narrow)).sum::<usize>());
                assert_eq!(view.told_by(column, narrow), Narrowed::Broken, "{widths:?} at {narrow}");
                assert_eq!(view.told_by(narrow, narrow), Narrowed::CutOff, "{widths:?} at {narrow}");
                assert_eq!(view.rows_above(narrow, Narrowed::Broken), rows + left / narrow);
                assert_eq!(view.rows_above(narrow, Narrowed::CutOff), line);
            }
        }
    }

    #[test]
    fn in_doubt_no_line_of_the_log_is_cleared() {
        let view = drawn(&[196, 10], 200);
        for column in 0..=196 {
            let (_, left) = view.cursor;
            if column != left % 50 + 1 {
                assert_eq!(view.told_by(column, 50), Narrowed::CutOff, "{column}");
            }
        }
        assert_eq!(drawn(&[], 80).rows_above(40, Narrowed::Broken), 0);
    }
}
