//! `changefeed history activity`: the versions of a window as a bar chart, and the busiest documents, fields and actors.

use anyhow::Result;
use changefeed_history::{Bucket, BucketLength, Filter, VersionFilter};
use changefeed_operations::{WindowActivity, WindowActivityRequest};
use clap::Args;

use super::bar_chart::{Bar, lines};
use crate::cli::list::{ListItem, ListOutput, print_list};
use crate::cli::output::{field, print_line, print_table};
use crate::cli::standard_error;
use crate::cli::table::{Cell, Column};
use crate::cli::terminal;
use crate::cli::time;
use crate::cli::window_arguments::WindowArguments;
use crate::service::Service;

/// The width of a chart that is not on a terminal.
const WIDTH: usize = 100;

#[derive(Debug, Args)]
pub struct ActivityArguments {
    #[command(flatten)]
    window: WindowArguments,
    /// Length of the buckets, such as 30s, 5m, 1h or 1d; default: at most 60 buckets
    #[arg(long, value_name = "LENGTH")]
    bucket: Option<BucketLength>,
    /// Filter, such as city_name=Davidson; if repeated, all must match
    #[arg(long = "filter", value_name = "FILTER", value_parser = Filter::parse)]
    filters: Vec<Filter>,
    /// Only versions of this actor
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    #[command(flatten)]
    output: ListOutput,
}

/// Counts the versions of a window.
pub(super) async fn run(service: &Service, arguments: &ActivityArguments) -> Result<()> {
    let format = arguments.output.format;
    let window = arguments.window.window(format.is_table())?;
    let (filters, actor) = (arguments.filters.clone(), arguments.actor.clone());
    let select = VersionFilter { filters, actor, ..VersionFilter::all(window) };
    let request = WindowActivityRequest { select, bucket: arguments.bucket, max_versions: None };
    let activity = service.changefeed.windows.activity(&request).await?;
    activity.warnings.iter().for_each(standard_error::warning);
    if format.is_table() { print(&activity) } else { print_list(format, &activity, &activity.items) }
}

fn print(activity: &WindowActivity) -> Result<()> {
    print_line(&format!("{} versions in buckets of {}", activity.versions, activity.bucket))?;
    let width = terminal::width();
    let bars: Vec<Bar> = activity.items.iter().map(bar).collect();
    for line in lines(&bars, width.unwrap_or(WIDTH), width.is_none()) {
        print_line(&line)?;
    }
    let documents = activity.documents.iter();
    let documents: Vec<_> = documents
        .map(|document| vec![document.id.clone(), document.partition_key.to_string(), document.versions.to_string()])
        .collect();
    let fields: Vec<_> = activity.fields.iter().map(|of| vec![field(&of.path), of.versions.to_string()]).collect();
    let actors: Vec<_> = activity.actors.iter().map(|of| vec![of.actor.clone(), of.versions.to_string()]).collect();
    if !documents.is_empty() {
        print_table(&[Column::text("Document"), Column::text("Partition key"), Column::number("Versions")], documents)?;
    }
    if !fields.is_empty() {
        print_table(
            &[Column::text("Changed field"), Column::number(format!("Versions, of {} read", activity.fields_sampled))],
            fields,
        )?;
    }
    if !actors.is_empty() {
        print_table(&[Column::text("Actor"), Column::number("Versions")], actors)?;
    }
    Ok(())
}

impl ListItem for Bucket {
    const CSV: &'static [&'static str] =
        &["from", "counts.write", "counts.create", "counts.replace", "counts.delete", "counts.expire", "byRestore"];

    fn columns() -> Vec<Column> {
        vec![time::column("From"), Column::number("Versions"), Column::number("By restore")]
    }

    fn cells(&self) -> Vec<Cell> {
        let versions: usize = self.counts.values().sum();
        vec![time::text_in_column(&self.from).into(), versions.to_string().into(), self.by_restore.to_string().into()]
    }
}

fn bar(item: &Bucket) -> Bar {
    let counts = &item.counts;
    let mut notes: Vec<String> = counts.iter().map(|(operation, count)| format!("{operation} {count}")).collect();
    if item.by_restore > 0 {
        notes.push(format!("by restore {}", item.by_restore));
    }
    Bar { label: time::of_text(&item.from), value: counts.values().sum(), note: notes.join(", ") }
}
