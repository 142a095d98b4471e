//! `changefeed populate`.

use anyhow::Result;
use changefeed_operations::PopulateRequest;

use super::arguments::{Output, PopulateArguments};
use super::output::{print_json, print_line};
use super::progress::bar;
use crate::service::Service;

/// Writes sample documents.
pub async fn run(service: &Service, arguments: &PopulateArguments) -> Result<()> {
    let request =
        PopulateRequest { count: arguments.count, seed: arguments.seed, rate_per_second: arguments.rate_per_second };
    let bar = bar("Writing", arguments.count);
    let report = service.changefeed.documents.populate(&request, &|done, _| bar.set_position(done)).await;
    bar.finish_and_clear();
    let report = report?;
    match arguments.output.output {
        Output::Json => print_json(&report),
        Output::Table => print_line(&format!(
            "{} documents written ({} new, {} replaced) in {:.1} s for {:.0} RU",
            report.upserted, report.created, report.replaced, report.seconds, report.request_charge
        )),
    }
}
