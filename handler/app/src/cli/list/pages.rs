//! Prints a list page by page, up to the number of items that was asked for.

use std::num::NonZeroUsize;

use anyhow::Result;
use changefeed_cosmos::PageRequest;
use serde_json::{Value, json};

use super::arguments::{ListArguments, ListFormat};
use super::standard_output::Reader;
use super::writer::ItemsWriter;
use crate::cli::standard_error::note;

/// A page of a list.
pub struct ListPage<T> {
    pub items: Vec<T>,
    /// An object: the properties of the answer besides the items and the continuation.
    pub rest: Value,
    pub continuation: Option<String>,
}

impl<T> ListPage<T> {
    /// A page of an answer that has only items and a continuation.
    pub fn new(items: Vec<T>, continuation: Option<String>) -> Self {
        Self { items, rest: json!({}), continuation }
    }
}

/// Reads and prints pages of at most `page_items` items. One page is in memory at a time, except of a table.
///
/// # Errors
/// When a page cannot be read or printed.
pub async fn print_pages<T>(
    arguments: &ListArguments,
    page_items: u32,
    mut writer: impl ItemsWriter<T>,
    mut read: impl AsyncFnMut(PageRequest) -> Result<ListPage<T>>,
) -> Result<()> {
    let mut left = arguments.max_items.map_or(usize::MAX, NonZeroUsize::get);
    let mut continuation = arguments.continuation.clone();
    loop {
        let max_items = u32::try_from(left).map_or(page_items, |left| left.min(page_items));
        let mut page = read(PageRequest { max_items: Some(max_items), continuation }).await?;
        for item in page.items.iter().take(left) {
            if writer.add(item)? == Reader::Gone {
                return Ok(());
            }
        }
        left -= page.items.len().min(left);
        continuation = page.continuation;
        if left > 0 && continuation.is_some() {
            continue;
        }
        if let (Some(continuation), Some(rest)) = (&continuation, page.rest.as_object_mut()) {
            rest.insert("continuation".to_owned(), Value::from(continuation.as_str()));
        }
        writer.finish(&page.rest)?;
        if let (Some(continuation), ListFormat::Jsonl | ListFormat::Csv) = (continuation, arguments.output.format) {
            note(format!("more items follow; to continue: --continuation '{continuation}'"));
        }
        return Ok(());
    }
}
