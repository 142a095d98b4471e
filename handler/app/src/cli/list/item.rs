//! What an item of a list shows.

use serde::Serialize;

use crate::cli::table::{Cell, Column};

/// An item of a list. In JSON it is itself.
pub trait ListItem: Serialize {
    /// The columns of CSV: the paths of all properties that an item can have, in the spelling for people. An object or an array in a
    /// column is JSON.
    const CSV: &'static [&'static str];

    /// The columns of the table.
    fn columns() -> Vec<Column>;

    /// The cells of the item in the table, in the order of the columns.
    fn cells(&self) -> Vec<Cell>;
}
