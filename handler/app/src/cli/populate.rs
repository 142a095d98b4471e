//! `changefeed populate`: sample documents.

use anyhow::Result;
use changefeed_operations::PopulateRequest;
use clap::Args;

use super::exit_code::Exit;
use super::output::{Output, OutputArguments, print_json, print_line};
use super::progress::bar;
use super::requester_arguments::RequesterArguments;
use crate::service::Service;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  changefeed populate --count 1000 --seed 1")]
pub struct PopulateArguments {
    /// Number of documents to write
    #[arg(long)]
    count: u64,
    /// Seed of the documents; the same seed writes the same documents; default: random
    #[arg(long)]
    seed: Option<u64>,
    /// Limit in documents per second; default: no limit
    #[arg(long)]
    rate_per_second: Option<f64>,
    /// Write into a container that holds other documents than samples
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    requester: RequesterArguments,
    #[command(flatten)]
    output: OutputArguments,
}

/// Writes sample documents.
pub async fn run(service: &Service, arguments: &PopulateArguments) -> Result<Exit> {
    let request = PopulateRequest {
        count: arguments.count,
        seed: arguments.seed,
        rate_per_second: arguments.rate_per_second,
        force: arguments.force,
        requested_by: arguments.requester.name(),
    };
    let bar = bar("Writing", arguments.count);
    let report = service.changefeed.documents.populate(&request, &|done, _| bar.set_position(done)).await;
    bar.finish_and_clear();
    let report = report?;
    match arguments.output.output {
        Output::Json => print_json(&report),
        Output::Table => print_line(&format!(
            "wrote {} documents ({} created, {} replaced) in {:.1} s for {:.0} RU",
            report.upserted, report.created, report.replaced, report.seconds, report.request_charge
        )),
    }?;
    Ok(Exit::Done)
}
