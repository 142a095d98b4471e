//! Restores that are jobs: planned by a job, then done by another, with a progress bar.

use std::process::ExitCode;

use anyhow::Result;
use changefeed_jobs::JobState;
use changefeed_operations::RESTORE;
use changefeed_operations::{Action, PlannedItem, RestoreRecord, RestoreRequest, RestoreView, UndoRequest};

use super::arguments::{HowArguments, Output};
use super::confirm::confirm;
use super::follow::{Followed, Following, follow};
use super::output::{print_json, print_line};
use super::restore::{exit_code, planned_exit_code, print_items, summary};
use crate::service::Service;

/// Documents that were left alone or failed, of those that are shown at the end.
const SHOWN: usize = 20;

/// What is too large for one request.
pub enum Large {
    Restore(Box<RestoreRequest>),
    Undo(String, UndoRequest),
}

impl Large {
    async fn start(&self, service: &Service, dry_run: bool) -> Result<RestoreRecord> {
        Ok(match self {
            Self::Restore(request) => {
                let request = RestoreRequest { dry_run, ..RestoreRequest::clone(request) };
                service.changefeed.restores.create_job(&request).await?
            }
            Self::Undo(id, request) => {
                let request = UndoRequest { dry_run, ..request.clone() };
                service.changefeed.restores.create_undo_job(id, &request).await?
            }
        })
    }
}

/// Plans, shows the plan, asks, and does it. Whoever does not want to be asked is not shown a plan either.
pub async fn run_large(service: &Service, large: Large, how: &HowArguments) -> Result<ExitCode> {
    let people = how.output.output == Output::Table;
    if how.dry_run || !how.yes {
        let record = large.start(service, true).await?;
        let following = Following { id: &record.id, action: "Planning", phase: None, people };
        if follow(service, following).await? == Followed::Detached {
            service.changefeed.jobs.cancel(RESTORE, &record.id).await?;
            print_line("nothing was written")?;
            return Ok(ExitCode::FAILURE);
        }
        let view = service.changefeed.restores.show(&record.id).await?;
        let counts = view.record.counts;
        if people {
            show(&view, Output::Table)?;
            if view.continuation.is_some() {
                print_left(service, &view.record).await?;
            }
        }
        if how.dry_run || counts.writes() == 0 || view.record.state != JobState::Planned {
            if !people {
                print_json(&view)?;
            }
            return Ok(match view.record.state {
                JobState::Planned => planned_exit_code(&counts),
                ended => exit_code(ended),
            });
        }
        confirm(&format!("Write {} documents?", counts.writes()), "nothing was written")?;
    }
    let record = large.start(service, false).await?;
    if !follow_to_end(service, &record.id, how.output.output).await? {
        return Ok(ExitCode::FAILURE);
    }
    let view = service.changefeed.restores.show(&record.id).await?;
    if people {
        let record = &view.record;
        print_left(service, record).await?;
        if let Some(message) = view.progress.as_ref().and_then(|progress| progress.message.as_ref()) {
            print_line(message)?;
        }
        print_line(&format!(
            "Restore {}: {} for {:.0} RU",
            record.id,
            summary(&record.counts, true),
            record.request_charge
        ))?;
        if record.counts.writes() > 0 {
            print_line(&format!("To undo it: changefeed restore undo {}", record.id))?;
        }
    } else {
        print_json(&view)?;
    }
    Ok(exit_code(view.record.state))
}

/// Prints documents that were left alone or failed, with the reasons: the first of them.
pub async fn print_left(service: &Service, record: &RestoreRecord) -> Result<()> {
    let all = usize::try_from(record.counts.conflict + record.counts.failed).unwrap_or(usize::MAX);
    let mut left: Vec<PlannedItem> = Vec::new();
    let mut continuation = None;
    while left.len() < all.min(SHOWN) {
        let page = service.changefeed.restores.items(&record.id, continuation.as_deref()).await?;
        left.extend(page.items.into_iter().filter(|item| matches!(item.action, Action::Conflict | Action::Failed)));
        continuation = page.continuation;
        if continuation.is_none() {
            break;
        }
    }
    if left.is_empty() {
        return Ok(());
    }
    left.truncate(SHOWN);
    print_items(&left)?;
    if all > left.len() {
        print_line(&format!("… and {} more; to see all: changefeed restore items {}", all - left.len(), record.id))?;
    }
    Ok(())
}

/// Follows a restore, whether to its end: somebody may leave before.
pub async fn follow_to_end(service: &Service, id: &str, output: Output) -> Result<bool> {
    if service.changefeed.restores.record(id).await?.job.is_none() {
        return Ok(true);
    }
    let following = Following { id, action: "Restoring", phase: None, people: output == Output::Table };
    if follow(service, following).await? == Followed::Detached {
        if service.changefeed.jobs.job(id).await?.job.only_on.is_none() {
            eprintln!("The restore goes on where RunJobs or `changefeed process` runs.");
        }
        eprintln!(
            "To see it, and to go on with it here: changefeed restore show {id} --follow\n\
             To end it: changefeed restore cancel {id}"
        );
        return Ok(false);
    }
    Ok(true)
}

/// Shows a restore: how far it is, and its first documents.
pub fn show(view: &RestoreView, output: Output) -> Result<()> {
    if output == Output::Json {
        return print_json(view);
    }
    let record = &view.record;
    let done = record.state != JobState::Planned;
    print_items(&record.items)?;
    if view.continuation.is_some() {
        print_line(&format!("… and more: changefeed restore items {}", record.id))?;
    }
    print_line(&format!(
        "{}  {}  {}  {}",
        record.id,
        record.started_at,
        format!("{:?}", record.state).to_lowercase(),
        summary(&record.counts, done)
    ))?;
    if let Some(progress) = view.progress.as_ref().filter(|_| !record.state.is_end()) {
        let of = progress.total.map(|total| format!(" of {total}")).unwrap_or_default();
        let left = progress.seconds_left.map(|seconds| format!(", {seconds} s left")).unwrap_or_default();
        print_line(&format!("{}{of} looked at{left}", progress.done))?;
    }
    if let Some(message) = view.progress.as_ref().and_then(|progress| progress.message.as_ref()) {
        print_line(message)?;
    }
    Ok(())
}

/// Shows every document of a restore, page by page.
pub async fn items(service: &Service, id: &str, output: Output) -> Result<()> {
    let mut continuation = None;
    loop {
        let page = service.changefeed.restores.items(id, continuation.as_deref()).await?;
        match output {
            Output::Json => page.items.iter().try_for_each(print_json)?,
            Output::Table => print_items(&page.items)?,
        }
        continuation = page.continuation;
        if continuation.is_none() {
            return Ok(());
        }
    }
}
