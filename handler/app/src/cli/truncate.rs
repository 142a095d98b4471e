//! `changefeed truncate`: deletes documents.

use anyhow::Result;
use changefeed_operations::TruncateRequest;
use clap::Args;

use super::confirm::{Prompt, confirm};
use super::exit_code::Exit;
use super::output::{Output, OutputArguments, print_json, print_line};
use super::progress::bar;
use super::requester_arguments::RequesterArguments;
use super::standard_error;
use crate::service::Service;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  changefeed truncate --container events --max 1000")]
pub struct TruncateArguments {
    /// Container to delete from: the monitored or the changes container, by its name
    #[arg(long)]
    container: String,
    /// Maximum number of documents to delete
    #[arg(long)]
    max: u64,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    requester: RequesterArguments,
    #[command(flatten)]
    output: OutputArguments,
}

/// Asks for confirmation and deletes documents.
pub async fn run(service: &Service, arguments: &TruncateArguments) -> Result<Exit> {
    if !arguments.yes {
        let prompt = Prompt {
            container: &arguments.container,
            question: format!("Delete up to {} documents of container {}?", arguments.max, arguments.container),
            declined: "nothing was deleted",
        };
        confirm(service.settings(), prompt)?;
    }
    let request = TruncateRequest {
        container: arguments.container.clone(),
        max: arguments.max,
        confirm: arguments.container.clone(),
        requested_by: arguments.requester.name(),
        allow_changes: true,
    };
    let bar = bar("Deleting", arguments.max);
    let report = service.changefeed.documents.truncate(&request, &|done, _| bar.set_position(done)).await;
    bar.finish_and_clear();
    let report = report?;
    match arguments.output.output {
        Output::Json => print_json(&report),
        Output::Table => {
            print_line(&format!("deleted {} documents for {:.0} RU", report.deleted, report.request_charge))
        }
    }?;
    for message in &report.messages {
        standard_error::error(message);
    }
    if report.not_deleted > 0 {
        standard_error::error(format!("{} documents could not be deleted", report.not_deleted));
        return Ok(Exit::Failed);
    }
    Ok(Exit::Done)
}
