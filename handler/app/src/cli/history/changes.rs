//! `changefeed history changes`: the versions of a window.

use anyhow::Result;
use changefeed_cosmos::FieldPath;
use changefeed_history::{Change, ChangeOrder, Filter, Operation, Previous, VersionFilter};
use changefeed_operations::{MarkedChange, WindowChangesRequest};
use clap::{Args, ValueEnum};

use super::by_restore::by_restore;
use super::rows::Rows;
use crate::cli::output::{OutputArguments, field};
use crate::cli::time;
use crate::cli::window_arguments::WindowArguments;
use crate::service::Service;

const HEADER: [&str; 7] = ["Time", "Operation", "Id", "Partition key", "Actor", "Changed", "Version"];
/// Changed paths that a table cell shows.
const SHOWN_PATHS: usize = 3;
const PAGE_ITEMS: u32 = 100;

#[derive(Debug, Args)]
pub struct ChangesArguments {
    #[command(flatten)]
    window: WindowArguments,
    /// Only this operation; if repeated, any of them
    #[arg(long = "operation", value_enum)]
    operations: Vec<OperationName>,
    /// Filter, such as city_name=Davidson; if repeated, all must match
    #[arg(long = "filter", value_name = "FILTER", value_parser = Filter::parse)]
    filters: Vec<Filter>,
    /// Only versions of this actor
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// Which versions come first
    #[arg(long, value_enum, default_value = "newest")]
    order: Order,
    /// Maximum number of versions; default: all
    #[arg(long)]
    max_items: Option<usize>,
    #[command(flatten)]
    output: OutputArguments,
}

// Without doc comments, so that the help stays in its short form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OperationName {
    Write,
    Create,
    Replace,
    Delete,
    Expire,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Order {
    Newest,
    Oldest,
}

/// Lists the versions of a window.
pub(super) async fn run(service: &Service, arguments: &ChangesArguments) -> Result<()> {
    let output = arguments.output.output;
    let operation = |name: &OperationName| match name {
        OperationName::Write => Operation::Write,
        OperationName::Create => Operation::Create,
        OperationName::Replace => Operation::Replace,
        OperationName::Delete => Operation::Delete,
        OperationName::Expire => Operation::Expire,
    };
    let select = VersionFilter {
        window: arguments.window.window(output)?,
        operations: arguments.operations.iter().map(operation).collect(),
        filters: arguments.filters.clone(),
        actor: arguments.actor.clone(),
    };
    let order = if arguments.order == Order::Newest { ChangeOrder::Newest } else { ChangeOrder::Oldest };
    let max_items = arguments.max_items.unwrap_or(usize::MAX);
    let page_items = u32::try_from(max_items).unwrap_or(PAGE_ITEMS).clamp(1, PAGE_ITEMS);
    let mut request =
        WindowChangesRequest { select, order, values: false, max_items: Some(page_items), continuation: None };
    let mut rows = Rows::new(output, max_items);
    loop {
        let page = service.changefeed.windows.changes(&request).await?;
        if request.continuation.is_none() {
            page.warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
        }
        for item in &page.items {
            if !rows.add(item, || cells(item))? {
                return rows.print(&HEADER);
            }
        }
        match page.continuation {
            Some(continuation) => request.continuation = Some(continuation),
            None => return rows.print(&HEADER),
        }
    }
}

fn cells(item: &MarkedChange) -> Vec<String> {
    let change = &item.change;
    vec![
        time::of_second(change.source_ts),
        operation(item),
        change.id.clone(),
        change.partition_key.to_string(),
        change.actor.clone().unwrap_or_default(),
        paths(change),
        change.version_id.to_string(),
    ]
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
