//! `changefeed verify`: compares live documents with the history. With `--repair` it shows the differences, asks for
//! confirmation, and repairs them.

mod arguments;

use anyhow::Result;
use changefeed_cosmos::{Key, PageRequest};
use changefeed_jobs::JobState;
use changefeed_operations::VERIFY;
use changefeed_operations::{Finding, FindingKind, VerifyCounts, VerifyRequest, VerifyView};

pub use self::arguments::VerifyArguments;
use self::arguments::{VerifyCommand, VerifyRunArguments};
use super::confirm::confirm;
use super::exit_code::Exit;
use super::follow::{Followed, Following, follow};
use super::output::{Output, print_json, print_line, print_table, version_time};
use super::time;
use crate::service::Service;

/// Findings that are shown without `--all`.
const SHOWN: usize = 20;
/// Default grace time in seconds.
const GRACE_SECONDS: u32 = 60;

/// Runs, lists, shows or cancels verifications.
pub async fn run(service: &Service, arguments: &VerifyArguments) -> Result<Exit> {
    match &arguments.command {
        None => verify(service, &arguments.run).await,
        Some(VerifyCommand::List(output)) => {
            list(service, output.output).await?;
            Ok(Exit::Done)
        }
        Some(VerifyCommand::Show { id, follow, all, output }) => {
            // The id may be that of another kind of job.
            service.changefeed.verifications.record(id).await?;
            if *follow && !follow_to_end(service, id, output.output).await? {
                return Ok(Exit::Failed);
            }
            let view = shown(service, id, *all).await?;
            show(&view, *all, output.output)?;
            Ok(if *follow { Exit::of_job(view.record.state) } else { Exit::Done })
        }
        Some(VerifyCommand::Cancel { id, output }) => {
            service.changefeed.verifications.record(id).await?;
            service.changefeed.jobs.cancel(VERIFY, id).await?;
            show(&shown(service, id, false).await?, false, output.output)?;
            Ok(Exit::Done)
        }
    }
}

async fn verify(service: &Service, arguments: &VerifyRunArguments) -> Result<Exit> {
    let request = VerifyRequest {
        repair: arguments.repair && arguments.yes,
        findings_of: None,
        partition_key: arguments.pk.as_ref().map(Key::text).or_else(|| arguments.partition_key.clone()),
        grace_seconds: arguments.grace_seconds,
        ru_per_second: arguments.ru_per_second,
        requested_by: arguments.requester.name(),
        key: None,
    };
    let output = arguments.output.output;
    let Some(view) = verified(service, &request, output).await? else { return Ok(Exit::Failed) };
    let is_asking = arguments.repair && !arguments.yes && view.record.state == JobState::Findings;
    if !is_asking || output == Output::Table {
        show(&view, false, output)?;
    }
    if !is_asking {
        return Ok(Exit::of_job(view.record.state));
    }
    confirm(service.settings(), &format!("Repair {} findings?", view.record.counts.found()), "nothing was repaired")?;
    // What was not shown is not repaired.
    let shown = VerifyRequest { repair: true, findings_of: Some(view.record.id), partition_key: None, ..request };
    let Some(view) = verified(service, &shown, output).await? else { return Ok(Exit::Failed) };
    show(&view, false, output)?;
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
    let phase = (for_humans && request.findings_of.is_none()).then_some(("confirm", confirming));
    let following = Following { id, action: "Verifying", phase, for_humans };
    if follow(service, following).await? == Followed::Detached {
        eprintln!(
            "The RunJobs function or `changefeed process` continues the verification.\n\
             To follow it and run it here: changefeed verify show {id} --follow\n\
             To cancel it: changefeed verify cancel {id}"
        );
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

async fn list(service: &Service, output: Output) -> Result<()> {
    let list = service.changefeed.verifications.list(&PageRequest::default()).await?;
    if output == Output::Json {
        return print_json(&list);
    }
    let rows = list.items.into_iter().map(|record| {
        let counts = summary(&record.counts);
        let mode = if record.request.repair { "repair" } else { "compare" };
        let requester = record.requested_by.unwrap_or_default();
        vec![record.id, time::of_text(&record.started_at), state(record.state), mode.to_owned(), counts, requester]
    });
    print_table(&["Id", "Started", "State", "Mode", "Findings", "Requested by"], rows)
}

fn show(view: &VerifyView, all: bool, output: Output) -> Result<()> {
    if output == Output::Json {
        return print_json(view);
    }
    let record = &view.record;
    let limit = if all { usize::MAX } else { SHOWN };
    if !view.findings.is_empty() {
        print_table(
            &["Finding", "Id", "Partition key", "Version time", "Version", "Message"],
            view.findings.iter().take(limit).map(row),
        )?;
    }
    if view.continuation.is_some() || view.findings.len() > limit {
        print_line(&format!("… and more; to list all: changefeed verify show {} --all", record.id))?;
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

fn row(finding: &Finding) -> Vec<String> {
    let found = match finding.kind {
        FindingKind::Missing => "missing",
        FindingKind::NeverCaptured => "never captured",
        FindingKind::Gone => "gone",
        FindingKind::Inexact => "inexact",
        FindingKind::Incomplete => "incomplete",
        FindingKind::UnknownIdentity => "unknown identity",
    };
    let message = match (&finding.message, finding.repaired) {
        (Some(message), _) => message.clone(),
        (None, true) => "repaired".to_owned(),
        (None, false) => String::new(),
    };
    // The id of a dead letter has no time.
    let is_version = finding.kind != FindingKind::UnknownIdentity;
    let since = version_time(&finding.version).filter(|_| is_version).map(time::of_second).unwrap_or_default();
    let key = finding.partition_key.to_string();
    vec![found.to_owned(), finding.id.clone(), key, since, finding.version.to_string(), message]
}

fn state(state: JobState) -> String {
    format!("{state:?}").to_lowercase()
}

/// The counts as a sentence.
fn summary(counts: &VerifyCounts) -> String {
    let parts = [
        (counts.missing, "missing"),
        (counts.never_captured, "never captured"),
        (counts.gone, "gone"),
        (counts.inexact, "inexact"),
        (counts.incomplete, "incomplete"),
        (counts.unknown_identity, "unknown identity"),
        (counts.repaired, "repaired"),
        (counts.pending, "pending"),
    ];
    let found: Vec<String> =
        parts.iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("{number} {what}")).collect();
    let found = if found.is_empty() { "no differences".to_owned() } else { found.join(", ") };
    format!("{found}; compared {} documents and {} versions", counts.documents, counts.versions)
}
