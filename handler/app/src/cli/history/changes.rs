//! `changefeed history changes`: the versions of a window.

use anyhow::Result;
use changefeed_cosmos::FieldPath;
use changefeed_history::{Change, Operation, Previous};
use changefeed_operations::{MarkedChange, WindowChangesRequest};
use clap::Args;
use serde_json::json;

use super::by_restore::by_restore;
use super::selection_arguments::{OrderName, SelectionArguments};
use crate::cli::list::{ListArguments, ListItem, ListPage, ListWriter, print_pages};
use crate::cli::output::field;
use crate::cli::standard_error;
use crate::cli::table::{Cell, Column};
use crate::cli::time;
use crate::service::Service;

/// Changed paths that a table cell shows.
const SHOWN_PATHS: usize = 3;
const PAGE_ITEMS: u32 = 100;

#[derive(Debug, Args)]
pub struct ChangesArguments {
    #[command(flatten)]
    selection: SelectionArguments,
    /// Which versions come first
    #[arg(long, value_enum, default_value = "newest")]
    order: OrderName,
    #[command(flatten)]
    list: ListArguments,
}

/// Lists the versions of a window.
pub(super) async fn run(service: &Service, arguments: &ChangesArguments) -> Result<()> {
    let format = arguments.list.output.format;
    let is_continued = arguments.list.continuation.is_some();
    let select = match is_continued {
        true => arguments.selection.select_continued(),
        false => arguments.selection.select(format.is_table())?,
    };
    let order = arguments.order.into();
    let mut is_first = true;
    print_pages(&arguments.list, PAGE_ITEMS, ListWriter::new(format)?, async |request| {
        let request = WindowChangesRequest {
            select: select.clone(),
            order,
            values: false,
            max_items: request.max_items,
            continuation: request.continuation,
        };
        let page = service.changefeed.windows.changes(&request).await?;
        if std::mem::take(&mut is_first) {
            if is_continued && format.is_table() {
                arguments.selection.window.print(page.window)?;
            }
            page.warnings.iter().for_each(standard_error::warning);
        }
        let mut rest = json!({"window": page.window});
        if !page.warnings.is_empty() {
            rest["warnings"] = json!(page.warnings);
        }
        Ok(ListPage { items: page.items, rest, continuation: page.continuation })
    })
    .await
}

impl ListItem for MarkedChange {
    const CSV: &'static [&'static str] = &[
        "versionId",
        "source",
        "id",
        "partitionKey",
        "sourceTs",
        "operation",
        "inferred",
        "actor",
        "exact",
        "previous",
        "paths",
        "pathsTotal",
        "byRestore",
        "requestedBy",
    ];

    fn columns() -> Vec<Column> {
        vec![
            time::column("Time"),
            Column::text("Operation"),
            Column::text("Id"),
            Column::text("Partition key").optional(3),
            Column::text("Actor").optional(2),
            Column::text("Changed"),
            Column::fixed("Version").optional(1),
        ]
    }

    fn cells(&self) -> Vec<Cell> {
        let change = &self.change;
        vec![
            time::in_column(change.source_ts).into(),
            Cell::state(operation(self)),
            change.id.clone().into(),
            change.partition_key.to_string().into(),
            change.actor.clone().unwrap_or_default().into(),
            paths(change).into(),
            Cell::version(change.version_id.to_string(), ""),
        ]
    }
}

/// The operation and its marks. A write without an earlier version is never shown as a creation.
fn operation(item: &MarkedChange) -> String {
    let change = &item.change;
    let mut text = format!("{:?}", change.operation).to_lowercase();
    if change.operation == Operation::Write && change.previous == Previous::Unknown {
        text.push_str(" (first known)");
    }
    if change.inferred {
        text.push_str(" (inferred)");
    }
    text.push_str(&by_restore(item.by_restore.as_deref(), item.requested_by.as_deref()));
    text
}

fn paths(change: &Change) -> String {
    if change.previous == Previous::Unknown && change.paths.is_empty() {
        return "unknown".to_owned();
    }
    let shown: Vec<String> = change.paths.iter().take(SHOWN_PATHS).map(|path: &FieldPath| field(path)).collect();
    let total = change.paths_total.unwrap_or(change.paths.len());
    match total - shown.len() {
        0 => shown.join(", "),
        more => format!("{}, {more} more", shown.join(", ")),
    }
}
