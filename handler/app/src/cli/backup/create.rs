//! `changefeed backup create`: creates a backup, or resumes an interrupted one.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use changefeed_backup_format::{BackupLocation, BackupWriter, has_unfinished_backup, unfinished_backup};
use changefeed_cosmos::PageRequest;
use changefeed_jobs::JobState;
use changefeed_operations::BACKUP;
use changefeed_operations::{BackupRequest, BackupView};

use super::arguments::{AsOfArgument, CreateArguments};
use super::location::absolute;
use super::summary::{of, print};
use crate::cli::exit_code::Exit;
use crate::cli::follow::{Followed, Following, follow};
use crate::cli::output::Output;
use crate::cli::standard_error::note;
use crate::service::Service;

/// How often a backup that is being cancelled is read.
const POLL_INTERVAL: Duration = Duration::from_millis(300);

/// Creates or resumes a backup and follows it to its end.
pub async fn run(service: &Service, arguments: &CreateArguments) -> Result<Exit> {
    let request = BackupRequest {
        to: absolute(&arguments.to)?,
        as_of: arguments.as_of.map(|as_of| as_of.moment),
        filter: arguments.filters.clone(),
        incremental_from: arguments.incremental_from.as_deref().map(absolute).transpose()?,
        reason: arguments.reason.clone(),
        requested_by: arguments.requester.name(),
        ru_per_second: arguments.budget.ru_per_second,
    };
    let id = match resumable(service, &request, arguments.as_of, arguments.discard).await? {
        Some(id) => id,
        None => service.changefeed.backups.create_job(&request).await?.id,
    };
    let for_humans = arguments.output.output == Output::Table;
    let following = Following { id: &id, action: "Backing up", phase: None, for_humans };
    let followed = follow(service, following).await?;
    let view = service.changefeed.backups.show(&id).await?;
    if followed == Followed::Detached {
        match &view.only_on {
            Some(_) => note("To resume the backup, run the same command again."),
            None => note(
                "The RunJobs function or `changefeed process` continues the backup. To follow it and run it here, run \
                 the same command again.",
            ),
        }
        note(format!("To cancel it: {}", service.command(&format!("backup cancel {id}"))));
        return Ok(Exit::Failed);
    }
    print(&view, arguments.output.output)?;
    if view.state == JobState::Failed && has_unfinished_backup(&open_location(service, &request)?).await? {
        note("To resume the backup after the cause is fixed, run the same command again.");
    }
    Ok(Exit::of_job(view.state))
}

fn open_location(service: &Service, request: &BackupRequest) -> Result<BackupLocation> {
    Ok(service.settings().locations.open(&request.to)?)
}

/// The unfinished backup at a location that this request resumes, also one that has failed; none when a new backup can start
/// there.
async fn resumable(
    service: &Service,
    request: &BackupRequest,
    as_of: Option<AsOfArgument>,
    discard: bool,
) -> Result<Option<String>> {
    let place = open_location(service, request)?;
    let backups = service.changefeed.backups.list(&PageRequest::default()).await?.items;
    let unfinished = unfinished_backup(&place).await?;
    let is_here = |backup: &BackupView| {
        backup.location() == request.to || unfinished.as_ref().is_some_and(|unfinished| unfinished.id == backup.id)
    };
    let mut open = backups.into_iter().filter(|backup| !backup.state.is_end() && is_here(backup));
    if discard {
        for open in open {
            cancel(service, &open.id).await?;
        }
        if has_unfinished_backup(&place).await? {
            BackupWriter::discard(&place).await?;
        }
        return Ok(None);
    }
    let open = match (open.find(|backup| !backup.progress.cancelling), unfinished) {
        (Some(open), _) => open,
        (None, None) => return Ok(None),
        (None, Some(backup)) => match service.changefeed.backups.failed_at(&place).await? {
            Some(failed) => failed,
            None => bail!(
                "{place} holds backup {}, which is unfinished and cancelled; pass --discard to start a new one",
                backup.id
            ),
        },
    };
    let stored: BackupRequest = serde_json::from_value(open.request.clone()).context("reading a backup's request")?;
    let same_moment = match as_of {
        Some(AsOfArgument { is_relative: true, .. }) => stored.as_of.is_some(),
        _ => stored.as_of == request.as_of,
    };
    if !same_moment || stored.filter != request.filter || stored.incremental_from != request.incremental_from {
        bail!(
            "{place} holds unfinished backup {} with other options{}; pass the same options to resume it, or --discard \
             to start a new one",
            open.id,
            of(&open)
        );
    }
    note(format!("Resuming backup {}, started {}{}", open.id, open.started_at, of(&open)));
    service.changefeed.jobs.requeue(BACKUP, &open.id).await?;
    apply_budget(service, &open.id, request.ru_per_second).await?;
    Ok(Some(open.id))
}

/// Cancels a backup and waits for its end: at once, when its worker next saves it, or when the worker's claim expires.
async fn cancel(service: &Service, id: &str) -> Result<()> {
    let mut is_reported = false;
    loop {
        let job = service.changefeed.jobs.cancel(BACKUP, id).await?;
        if job.state.is_end() {
            return Ok(());
        }
        if let Some(claim) = job.job.claim.filter(|_| !is_reported) {
            note(format!("waiting for worker {}, which holds backup {id} until {}", claim.by, claim.until));
            is_reported = true;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Gives a resumed backup this budget, unless another worker holds it.
async fn apply_budget(service: &Service, id: &str, requested: Option<f64>) -> Result<()> {
    let job = match requested {
        Some(budget) => service.changefeed.jobs.set_budget(id, budget).await?,
        None => service.changefeed.jobs.job(id).await?,
    };
    if job.job.ru_per_second != requested {
        let budget = job.job.ru_per_second.map_or("none".to_owned(), |budget| format!("{budget} RU/s"));
        let reason = if requested.is_some() { " because another worker holds this job" } else { "" };
        note(format!("The limit of request units is unchanged{reason}: {budget}"));
    }
    Ok(())
}
