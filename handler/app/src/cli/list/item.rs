//! What an item of a list shows.

use serde::Serialize;

/// An item of a list. In JSON it is itself.
pub trait ListItem: Serialize {
    /// The header of the table.
    const HEADER: &'static [&'static str];
    /// The columns of CSV: the paths of all properties that an item can have, in the spelling for people. An object or an array in a
    /// column is JSON.
    const CSV: &'static [&'static str];

    /// The cells of the item in the table, in the order of the header.
    fn cells(&self) -> Vec<String>;
}
