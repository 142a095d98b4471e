//! Lists of the command line, in every format: a table for people, and JSON, lines of JSON and CSV for programs.
//!
//! Each kind of item says once what its table and its CSV show ([`ListItem`]). A command has the arguments of [`ListArguments`], or of
//! [`ListOutput`] if its list has no pages, so no list can lack a format.

mod arguments;
mod csv;
mod documents;
mod item;
mod pages;
mod standard_output;
mod writer;

pub use self::arguments::{ListArguments, ListFormat, ListOutput};
pub use self::csv::{CsvColumns, cell_text, csv_line};
pub use self::documents::DocumentsWriter;
pub use self::item::ListItem;
pub use self::pages::{ListPage, print_pages};
pub use self::standard_output::{Reader, print_bytes};
pub use self::writer::{ItemsWriter, ListWriter, print_list};
