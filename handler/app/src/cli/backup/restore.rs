//! `changefeed backup restore`.

use anyhow::{Result, anyhow};
use changefeed_cosmos::Error;
use changefeed_operations::{FilterOn, RestoreRequest, Selection, Target};

use super::arguments::RestoreArguments;
use super::location::absolute;
use crate::cli::exit_code::Exit;
use crate::cli::restore::{Large, run_large};
use crate::service::Service;

/// Restores documents from a backup as a job.
pub async fn run(service: &Service, arguments: &RestoreArguments) -> Result<Exit> {
    let selection = match arguments.filters.as_slice() {
        [] => Selection::All,
        filters => Selection::Filter { filters: filters.to_vec(), on: FilterOn::Target },
    };
    let locations = arguments.locations.iter().map(|location| absolute(location)).collect::<Result<_>>()?;
    let execution = &arguments.execution;
    let request = RestoreRequest {
        selection,
        target: Target::Backup(locations),
        fields: arguments.fields.only(),
        except_fields: arguments.fields.except(),
        dry_run: execution.dry_run,
        force: execution.force,
        delete_created_after: arguments.delete_created_after,
        into: arguments.into.clone(),
        reason: execution.reason.clone(),
        requested_by: execution.requester.name(),
        job: true,
        store: false,
        capture_lag: None,
        ru_per_second: execution.ru_per_second,
    };
    run_large(service, Large::Restore(Box::new(request)), execution).await.map_err(|error| {
        // A missing or damaged backup is not wrong usage, and its error has the same kind.
        if error.is::<Error>() { anyhow!("{error:#}") } else { error }
    })
}
