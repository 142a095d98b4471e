//! Restores that are jobs: a job plans, and after the confirmation it executes the plan that it has stored.

use anyhow::Result;
use changefeed_jobs::JobState;
use changefeed_operations::RESTORE;
use changefeed_operations::{
    Action, Counts, ExecuteRequest, PlannedItem, RestoreRecord, RestoreRequest, RestoreView, UndoRequest,
};

use serde_json::Value;

use super::items::{describe_lag, print_items, summary};
use crate::cli::confirm::{Prompt, confirm};
use crate::cli::execution_arguments::ExecutionArguments;
use crate::cli::exit_code::Exit;
use crate::cli::follow::{Followed, Following, follow};
use crate::cli::output::{Output, print_json, print_line};
use crate::cli::standard_error::note;
use crate::cli::time;
use crate::service::Service;

/// Documents with conflicts, failures or unknown states that are shown at the end.
const SHOWN: usize = 20;

/// A restore or an undo that is too large for one request.
pub enum Large {
    Restore(Box<RestoreRequest>),
    Undo(String, UndoRequest),
}

impl Large {
    /// Starts a job that plans and executes, or with `dry_run` only plans.
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

/// Plans, shows the plan, asks for confirmation, and executes that plan. With `--yes` there is no plan and no prompt.
pub async fn run_large(service: &Service, large: Large, execution: &ExecutionArguments) -> Result<Exit> {
    let for_humans = execution.output.output == Output::Table;
    if execution.yes && !execution.dry_run {
        let record = large.start(service, false).await?;
        return finish(service, &record.id, execution.output.output).await;
    }
    let record = large.start(service, true).await?;
    let following = Following { id: &record.id, action: "Planning", phase: None, for_humans };
    if follow(service, following).await? == Followed::Detached {
        service.changefeed.jobs.cancel(RESTORE, &record.id).await?;
        print_line("nothing was written")?;
        return Ok(Exit::Failed);
    }
    let view = service.changefeed.restores.show(&record.id).await?;
    let counts = view.record.counts;
    if for_humans {
        show(service, &view, Output::Table)?;
        view.record.capture_lag.iter().try_for_each(|lag| print_line(&describe_lag(lag)))?;
        view.record.warnings.iter().try_for_each(|warning| print_line(warning))?;
        if view.continuation.is_some() {
            print_unwritten(service, &view.record).await?;
        }
    }
    if execution.dry_run || counts.writes() == 0 || view.record.state != JobState::Planned {
        if !for_humans {
            print_json(&view)?;
        } else if view.record.state == JobState::Planned && counts.writes() > 0 {
            let command = service.command(&format!("restore execute {}", record.id));
            print_line(&format!("To execute this plan: {command}"))?;
        }
        return Ok(exit_of(&view));
    }
    confirm(service.settings(), prompt(service, &counts, view.record.into.as_deref()))?;
    let record = service.changefeed.restores.execute_plan(&record.id).await?;
    finish(service, &record.id, execution.output.output).await
}

/// Shows a stored plan, asks for confirmation, and executes it. Of a plan that was executed, the result is shown.
pub async fn execute_stored_plan(
    service: &Service,
    id: &str,
    request: &ExecuteRequest,
    yes: bool,
    output: Output,
) -> Result<Exit> {
    let view = service.changefeed.restores.show(id).await?;
    if view.record.state == JobState::Planned && !yes {
        if output == Output::Table {
            show(service, &view, output)?;
        }
        note(target_of(&view.record.request));
        confirm(service.settings(), prompt(service, &view.record.counts, view.record.into.as_deref()))?;
    }
    let record = service.changefeed.restores.execute_plan_as(id, request).await?;
    finish(service, &record.id, output).await
}

/// What the request of a stored plan restores documents to. Its times were given to an earlier command.
fn target_of(request: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let time = |value: &Value| time::of_text(&text(value));
    let window = &request["changedBetween"];
    let names = [("asOf", "as of"), ("before", "before"), ("version", "version"), ("undo", "restore")];
    match names.iter().find(|(name, _)| request[*name].is_string()) {
        _ if window.is_object() => {
            format!("The plan takes back what changed from {} to {}", time(&window["from"]), time(&window["to"]))
        }
        Some(("undo", _)) => format!("The plan undoes restore {}", text(&request["undo"])),
        Some(("version", _)) => format!("The plan restores version {}", text(&request["version"])),
        Some((name, words)) => format!("The plan restores the state {words} {}", time(&request[*name])),
        None => "The plan restores the documents of a backup".to_owned(),
    }
}

/// What is asked before a plan is executed. `into` is the container that is written to, if it is not the monitored one.
pub fn prompt<'a>(service: &'a Service, counts: &Counts, into: Option<&'a str>) -> Prompt<'a> {
    Prompt {
        container: into.unwrap_or(&service.settings().names.monitored),
        question: format!("Write {} documents?", counts.writes()),
        declined: "nothing was written",
    }
}

/// Follows a restore to its end and prints its result.
pub async fn finish(service: &Service, id: &str, output: Output) -> Result<Exit> {
    if !follow_to_end(service, id, output).await? {
        return Ok(Exit::Failed);
    }
    let view = service.changefeed.restores.show(id).await?;
    let exit = exit_of(&view);
    if output == Output::Json {
        print_json(&view)?;
        return Ok(exit);
    }
    let record = &view.record;
    print_unwritten(service, record).await?;
    print_messages(&view)?;
    print_line(&format!(
        "Restore {}: {} for {:.0} RU",
        record.id,
        summary(&record.counts, true),
        record.request_charge
    ))?;
    if record.counts.writes() > 0 {
        let command = service.command(&format!("restore undo {}", record.id));
        print_line(&format!("To undo it: {command}"))?;
    }
    Ok(exit)
}

/// The exit of a command that ends with a restore: that of a plan is what its execution would end with.
pub fn exit_of(view: &RestoreView) -> Exit {
    match view.record.state {
        _ if view.message.is_some() => Exit::Found,
        JobState::Planned => Exit::of_plan(&view.record.counts),
        state => Exit::of_job(state),
    }
}

fn print_messages(view: &RestoreView) -> Result<()> {
    let progress = view.progress.as_ref().and_then(|progress| progress.message.as_ref());
    progress.into_iter().chain(&view.message).try_for_each(|message| print_line(message))
}

/// Prints the first documents that were not written although the restore was to write them, with the reasons.
pub async fn print_unwritten(service: &Service, record: &RestoreRecord) -> Result<()> {
    let counts = &record.counts;
    let all = usize::try_from(counts.conflict + counts.failed + counts.unknown).unwrap_or(usize::MAX);
    let mut unwritten: Vec<PlannedItem> = Vec::new();
    let mut continuation = None;
    while unwritten.len() < all.min(SHOWN) {
        let page = service.changefeed.restores.items(&record.id, continuation.as_deref()).await?;
        let is_unwritten =
            |item: &PlannedItem| matches!(item.action, Action::Conflict | Action::Failed | Action::Unknown);
        unwritten.extend(page.items.into_iter().filter(is_unwritten));
        continuation = page.continuation;
        if continuation.is_none() {
            break;
        }
    }
    if unwritten.is_empty() {
        return Ok(());
    }
    unwritten.truncate(SHOWN);
    print_items(&unwritten)?;
    if all > unwritten.len() {
        let command = service.command(&format!("restore items {}", record.id));
        print_line(&format!("… and {} more; to list all: {command}", all - unwritten.len()))?;
    }
    Ok(())
}

/// Follows a restore. Whether it ended before Ctrl-C detached from it.
pub async fn follow_to_end(service: &Service, id: &str, output: Output) -> Result<bool> {
    if service.changefeed.restores.record(id).await?.job.is_none() {
        return Ok(true);
    }
    let following = Following { id, action: "Restoring", phase: None, for_humans: output == Output::Table };
    if follow(service, following).await? == Followed::Detached {
        if service.changefeed.jobs.job(id).await?.job.only_on.is_none() {
            note("The RunJobs function or `changefeed process` continues the restore.");
        }
        note(format!(
            "To follow it and run it here: {}\nTo cancel it: {}",
            service.command(&format!("restore show {id} --follow")),
            service.command(&format!("restore cancel {id}"))
        ));
        return Ok(false);
    }
    Ok(true)
}

/// Shows a restore: its progress and its first documents.
pub fn show(service: &Service, view: &RestoreView, output: Output) -> Result<()> {
    if output == Output::Json {
        return print_json(view);
    }
    let record = &view.record;
    let done = record.state != JobState::Planned;
    print_items(&record.items)?;
    if view.continuation.is_some() {
        let command = service.command(&format!("restore items {}", record.id));
        print_line(&format!("… and more; to list all: {command}"))?;
    }
    print_line(&format!(
        "{}  {}  {}  {}",
        record.id,
        time::of_text(&record.started_at),
        format!("{:?}", record.state).to_lowercase(),
        summary(&record.counts, done)
    ))?;
    if let Some(progress) = view.progress.as_ref().filter(|_| !record.state.is_end()) {
        let of = progress.total.map(|total| format!(" of {total}")).unwrap_or_default();
        let left = progress.seconds_left.map(|seconds| format!(", {seconds} s left")).unwrap_or_default();
        print_line(&format!("{}{of} processed{left}", progress.done))?;
    }
    view.forecast.iter().try_for_each(|forecast| print_line(&forecast.to_string()))?;
    print_messages(view)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_target_of_a_plan_is_named_with_its_times() {
        let (from, to) = ("2026-11-20T10:31:00Z", "2026-11-20T10:40:00Z");
        for (request, expected) in [
            (
                json!({"changedBetween": {"from": from, "to": to}}),
                "The plan takes back what changed from 2026-11-20 10:31:00 UTC to 2026-11-20 10:40:00 UTC",
            ),
            (json!({"all": true, "asOf": from}), "The plan restores the state as of 2026-11-20 10:31:00 UTC"),
            (json!({"all": true, "before": to}), "The plan restores the state before 2026-11-20 10:40:00 UTC"),
            (json!({"id": "1", "version": "1-v"}), "The plan restores version 1-v"),
            (json!({"undo": "9-ab"}), "The plan undoes restore 9-ab"),
            (json!({"all": true, "from": "/backups/b"}), "The plan restores the documents of a backup"),
        ] {
            assert_eq!(target_of(&request), expected, "{request}");
        }
    }
}
