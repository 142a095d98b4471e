//! `changefeed verify`: compares live documents with the history, or with `--digests` the history with its digests. With `--repair` it shows the differences, asks for
//! confirmation, and repairs them.

mod arguments;
mod rows;

use anyhow::Result;
use changefeed_cosmos::{Key, PageRequest};
use changefeed_jobs::JobState;
use changefeed_operations::VERIFY;
use changefeed_operations::{Finding, VerifyRequest, VerifyView};

pub use self::arguments::VerifyArguments;
use self::arguments::{VerifyCommand, VerifyRunArguments};
use self::rows::{state, summary};
use super::backup::absolute;
use super::confirm::{Prompt, confirm};
use super::exit_code::Exit;
use super::follow::{Followed, Following, follow};
use super::list::{ListItem, ListPage, ListWriter, print_pages};
use super::output::{Output, print_json, print_line, print_table};
use super::standard_error::note;
use crate::service::Service;

/// Findings that are shown without `--all`.
const SHOWN: usize = 20;
/// Items of one page.
const PAGE_ITEMS: u32 = 100;
/// Default grace time in seconds.
const GRACE_SECONDS: u32 = 60;

/// Runs, lists, shows or cancels verifications.
pub async fn run(service: &Service, arguments: &VerifyArguments) -> Result<Exit> {
    match &arguments.command {
        None => verify(service, &arguments.run).await,
        Some(VerifyCommand::List(list)) => {
            print_pages(list, PAGE_ITEMS, ListWriter::new(list.output.format)?, async |request| {
                let page = service.changefeed.verifications.list(&request).await?;
                Ok(ListPage::new(page.items, page.continuation))
            })
            .await?;
            Ok(Exit::Done)
        }
        Some(VerifyCommand::Findings { id, list }) => {
            print_pages(list, PAGE_ITEMS, ListWriter::new(list.output.format)?, async |request| {
                let page = service.changefeed.verifications.findings(id, &request).await?;
                Ok(ListPage::new(page.items, page.continuation))
            })
            .await?;
            Ok(Exit::Done)
        }
        Some(VerifyCommand::Show { id, follow, all, output }) => {
            // The id may be that of another kind of job.
            service.changefeed.verifications.record(id).await?;
            if *follow && !follow_to_end(service, id, output.output).await? {
                return Ok(Exit::Failed);
            }
            let view = shown(service, id, *all).await?;
            show(service, &view, *all, output.output)?;
            Ok(if *follow { Exit::of_job(view.record.state) } else { Exit::Done })
        }
        Some(VerifyCommand::Cancel { id, output }) => {
            service.changefeed.verifications.record(id).await?;
            service.changefeed.jobs.cancel(VERIFY, id).await?;
            show(service, &shown(service, id, false).await?, false, output.output)?;
            Ok(Exit::Done)
        }
    }
}

async fn verify(service: &Service, arguments: &VerifyRunArguments) -> Result<Exit> {
    let request = VerifyRequest {
        repair: arguments.repair && arguments.yes,
        findings_of: None,
        digests: arguments.digests.as_deref().map(absolute).transpose()?,
        partition_key: arguments.pk.as_ref().map(Key::text).or_else(|| arguments.partition_key.clone()),
        grace_seconds: arguments.grace_seconds,
        ru_per_second: arguments.budget.ru_per_second,
        requested_by: arguments.requester.name(),
        key: None,
    };
    let output = arguments.output.output;
    let Some(view) = verified(service, &request, output).await? else { return Ok(Exit::Failed) };
    let is_asking = arguments.repair && !arguments.yes && view.record.state == JobState::Findings;
    if !is_asking || output == Output::Table {
        show(service, &view, false, output)?;
    }
    if !is_asking {
        return Ok(Exit::of_job(view.record.state));
    }
    let prompt = Prompt {
        container: &service.settings().names.changes,
        question: format!("Repair {} findings?", view.record.counts.found()),
        declined: "nothing was repaired",
    };
    confirm(service.settings(), prompt)?;
    // What was not shown is not repaired.
    let shown = VerifyRequest { repair: true, findings_of: Some(view.record.id), partition_key: None, ..request };
    let Some(view) = verified(service, &shown, output).await? else { return Ok(Exit::Failed) };
    show(service, &view, false, output)?;
    Ok(Exit::of_job(view.record.state))
}

/// Verifies to the end. `None` when Ctrl-C detached before.
async fn verified(service: &Service, request: &VerifyRequest, output: Output) -> Result<Option<VerifyView>> {
    let id = service.changefeed.verifications.create_job(request).await?.id;
    if !follow_to_end(service, &id, output).await? {
        return Ok(None);
    }
    shown(service, &id, false).await.map(Some)
}

/// Whether the verification ended before Ctrl-C detached from it.
async fn follow_to_end(service: &Service, id: &str, output: Output) -> Result<bool> {
    let request = service.changefeed.verifications.record(id).await?.request;
    let grace = request.grace_seconds.unwrap_or(GRACE_SECONDS);
    let for_humans = output == Output::Table;
    let confirming = format!("Re-checking differences; missing documents are re-checked after {grace} s");
    let phase =
        (for_humans && request.findings_of.is_none() && request.digests.is_none()).then_some(("confirm", confirming));
    let following = Following { id, action: "Verifying", phase, for_humans };
    if follow(service, following).await? == Followed::Detached {
        note(format!(
            "The RunJobs function or `changefeed process` continues the verification.\n\
             To follow it and run it here: {}\nTo cancel it: {}",
            service.command(&format!("verify show {id} --follow")),
            service.command(&format!("verify cancel {id}"))
        ));
        return Ok(false);
    }
    Ok(true)
}

/// A verification with the findings to show: the first ones or all.
async fn shown(service: &Service, id: &str, all: bool) -> Result<VerifyView> {
    let mut view = service.changefeed.verifications.show(id).await?;
    while view.findings.len() < SHOWN || all {
        let Some(continuation) = view.continuation.take() else { break };
        let more = service.changefeed.verifications.findings(id, &PageRequest::after(Some(&continuation))).await?;
        view.findings.extend(more.items);
        view.continuation = more.continuation;
    }
    Ok(view)
}

fn show(service: &Service, view: &VerifyView, all: bool, output: Output) -> Result<()> {
    if output == Output::Json {
        return print_json(view);
    }
    let record = &view.record;
    let limit = if all { usize::MAX } else { SHOWN };
    if !view.findings.is_empty() {
        print_table(&Finding::columns(), view.findings.iter().take(limit).map(Finding::cells))?;
    }
    if view.continuation.is_some() || view.findings.len() > limit {
        let command = service.command(&format!("verify show {} --all", record.id));
        print_line(&format!("… and more; to list all: {command}"))?;
    }
    let charge = format!("{:.0} RU", record.request_charge);
    print_line(&format!("{}  {}  {}  {charge}", record.id, state(record.state), summary(&record.counts)))?;
    if let Some(progress) = view.progress.as_ref().filter(|_| !record.state.is_end()) {
        let of = progress.total.map(|total| format!(" of {total}")).unwrap_or_default();
        let left = progress.seconds_left.map(|seconds| format!(", {seconds} s left")).unwrap_or_default();
        print_line(&format!("{}{of} processed{left}", progress.done))?;
    }
    if let Some(message) = view.progress.as_ref().and_then(|progress| progress.message.as_ref()) {
        print_line(message)?;
    }
    Ok(())
}
