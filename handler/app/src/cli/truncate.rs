//! `changefeed truncate`.

use anyhow::Result;
use changefeed_operations::TruncateRequest;

use super::arguments::{Output, TruncateArguments};
use super::confirm::confirm;
use super::output::{print_json, print_line};
use super::progress::bar;
use crate::service::Service;

/// Deletes documents, after a question.
pub async fn run(service: &Service, arguments: &TruncateArguments) -> Result<()> {
    if !arguments.yes {
        confirm(
            &format!(
                "Delete up to {} documents of container {} of database {}?",
                arguments.max,
                arguments.container,
                service.changefeed.containers.names().database
            ),
            "nothing was deleted",
        )?;
    }
    let request = TruncateRequest { container: arguments.container.clone(), max: arguments.max };
    let bar = bar("Deleting", arguments.max);
    let report = service.changefeed.documents.truncate(&request, &|done, _| bar.set_position(done)).await;
    bar.finish_and_clear();
    let report = report?;
    match arguments.output.output {
        Output::Json => print_json(&report),
        Output::Table => {
            print_line(&format!("{} documents deleted for {:.0} RU", report.deleted, report.request_charge))
        }
    }
}
