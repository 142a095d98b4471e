//! `changefeed history activity`: the versions of a window as a bar chart, and the busiest documents, fields and actors.

use anyhow::Result;
use changefeed_history::{Bucket, BucketLength, Filter, VersionFilter};
use changefeed_operations::{WindowActivity, WindowActivityRequest};
use clap::Args;
use comfy_table::Table;

use super::bar_chart::{Bar, lines};
use crate::cli::output::{Output, OutputArguments, field, print_json, print_line, print_table};
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
    output: OutputArguments,
}

/// Counts the versions of a window.
pub(super) async fn run(service: &Service, arguments: &ActivityArguments) -> Result<()> {
    let output = arguments.output.output;
    let window = arguments.window.window(output)?;
    let (filters, actor) = (arguments.filters.clone(), arguments.actor.clone());
    let select = VersionFilter { filters, actor, ..VersionFilter::all(window) };
    let request = WindowActivityRequest { select, bucket: arguments.bucket, max_versions: None };
    let activity = service.changefeed.windows.activity(&request).await?;
    activity.warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
    match output {
        Output::Json => print_json(&activity),
        Output::Table => print(&activity),
    }
}

fn print(activity: &WindowActivity) -> Result<()> {
    print_line(&format!("{} versions in buckets of {}", activity.versions, activity.bucket))?;
    let terminal = Table::new().width();
    let bars: Vec<Bar> = activity.items.iter().map(bar).collect();
    for line in lines(&bars, terminal.map_or(WIDTH, usize::from), terminal.is_none()) {
        print_line(&line)?;
    }
    let documents = activity.documents.iter();
    let documents: Vec<_> = documents
        .map(|document| vec![document.id.clone(), document.partition_key.to_string(), document.versions.to_string()])
        .collect();
    let fields: Vec<_> = activity.fields.iter().map(|of| vec![field(&of.path), of.versions.to_string()]).collect();
    let actors: Vec<_> = activity.actors.iter().map(|of| vec![of.actor.clone(), of.versions.to_string()]).collect();
    if !documents.is_empty() {
        print_table(&["Document", "Partition key", "Versions"], documents)?;
    }
    if !fields.is_empty() {
        print_table(&["Changed field", &format!("Versions, of {} read", activity.fields_sampled)], fields)?;
    }
    if !actors.is_empty() {
        print_table(&["Actor", "Versions"], actors)?;
    }
    Ok(())
}

fn bar(item: &Bucket) -> Bar {
    let counts = &item.counts;
    let mut notes: Vec<String> = counts.iter().map(|(operation, count)| format!("{operation} {count}")).collect();
    if item.by_restore > 0 {
        notes.push(format!("by restore {}", item.by_restore));
    }
    Bar { label: time::of_text(&item.from), value: counts.values().sum(), note: notes.join(", ") }
}
