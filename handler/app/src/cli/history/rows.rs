//! Rows that a command prints page by page.

use anyhow::Result;
use serde::Serialize;

use crate::cli::output::{Output, print_json, print_table};
use crate::cli::table::{Cell, Column};

/// Rows of a table, or lines of JSON that are printed at once; up to a maximum number.
pub(super) struct Rows {
    output: Output,
    left: usize,
    cells: Vec<Vec<Cell>>,
}

impl Rows {
    pub(super) fn new(output: Output, max_items: usize) -> Self {
        Self { output, left: max_items, cells: Vec::new() }
    }

    /// Adds a row. False when the maximum was reached before.
    pub(super) fn add(&mut self, value: &impl Serialize, cells: impl FnOnce() -> Vec<Cell>) -> Result<bool> {
        if self.left == 0 {
            return Ok(false);
        }
        self.left -= 1;
        match self.output {
            Output::Json => print_json(value)?,
            Output::Table => self.cells.push(cells()),
        }
        Ok(true)
    }

    pub(super) fn print(self, header: &[Column]) -> Result<()> {
        if self.output == Output::Json { Ok(()) } else { print_table(header, self.cells) }
    }
}
