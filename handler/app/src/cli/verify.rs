//! `changefeed verify`: holds the live documents against the history; with `--repair` it shows what differs, asks, and repairs it.

use std::process::ExitCode;

use anyhow::Result;
use changefeed_cosmos::Key;
use changefeed_jobs::JobState;
use changefeed_operations::VERIFY;
use changefeed_operations::{Finding, FindingKind, VerifyCounts, VerifyRequest, VerifyView};

use super::arguments::Output;
use super::confirm::confirm;
use super::follow::{Followed, Following, follow};
use super::output::{print_json, print_line, print_table, time, version_time};
use super::verify_arguments::{VerifyArguments, VerifyCommand, VerifyRunArguments};
use crate::service::Service;

/// Something was found.
const FOUND: u8 = 3;
/// Findings that are shown where not all are asked for.
const SHOWN: usize = 20;
/// The grace time without another, in seconds.
const GRACE_SECONDS: u32 = 60;

/// Verifies, or shows what was verified.
pub async fn run(service: &Service, arguments: &VerifyArguments) -> Result<ExitCode> {
    match &arguments.command {
        None => verify(service, &arguments.run).await,
        Some(VerifyCommand::List(output)) => {
            list(service, output.output).await?;
            Ok(ExitCode::SUCCESS)
        }
        Some(VerifyCommand::Show { id, follow, all, output }) => {
            // Whatever the id is of: it must be a verification.
            service.changefeed.verifications.record(id).await?;
            if *follow && !follow_to_end(service, id, output.output).await? {
                return Ok(ExitCode::FAILURE);
            }
            let view = shown(service, id, *all).await?;
            show(&view, *all, output.output)?;
            Ok(if *follow { exit_code(view.record.state) } else { ExitCode::SUCCESS })
        }
        Some(VerifyCommand::Cancel { id, output }) => {
            service.changefeed.verifications.record(id).await?;
            service.changefeed.jobs.cancel(VERIFY, id).await?;
            show(&shown(service, id, false).await?, false, output.output)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn verify(service: &Service, arguments: &VerifyRunArguments) -> Result<ExitCode> {
    let request = |repair| VerifyRequest {
        repair,
        partition_key: arguments.pk.as_ref().map(Key::text).or_else(|| arguments.partition_key.clone()),
        grace_seconds: arguments.grace,
        ru_per_second: arguments.ru_per_second,
        requested_by: arguments.requested_by.clone(),
    };
    let output = arguments.output.output;
    if !arguments.repair || !arguments.yes {
        let Some(view) = verified(service, &request(false), output).await? else { return Ok(ExitCode::FAILURE) };
        let ends_here = !arguments.repair || view.record.state != JobState::Findings;
        if ends_here || output == Output::Table {
            show(&view, false, output)?;
        }
        if ends_here {
            return Ok(exit_code(view.record.state));
        }
        let question = format!("Record what is missing of {} findings?", view.record.counts.found());
        confirm(&question, "nothing was recorded")?;
    }
    let Some(view) = verified(service, &request(true), output).await? else { return Ok(ExitCode::FAILURE) };
    show(&view, false, output)?;
    Ok(exit_code(view.record.state))
}

/// Verifies to the end; `None` for whoever left before.
async fn verified(service: &Service, request: &VerifyRequest, output: Output) -> Result<Option<VerifyView>> {
    let id = service.changefeed.verifications.create_job(request).await?.id;
    if !follow_to_end(service, &id, output).await? {
        return Ok(None);
    }
    shown(service, &id, false).await.map(Some)
}

/// Whether it came to its end.
async fn follow_to_end(service: &Service, id: &str, output: Output) -> Result<bool> {
    let grace = service.changefeed.verifications.record(id).await?.request.grace_seconds.unwrap_or(GRACE_SECONDS);
    let waits = format!("What differs is looked at again, and what is gone {grace} s after it was met");
    let phase = (output == Output::Table).then_some(("confirm", waits));
    let following = Following { id, action: "Verifying", phase, people: output == Output::Table };
    if follow(service, following).await? == Followed::Detached {
        eprintln!(
            "The verification goes on where RunJobs or `changefeed process` runs.\n\
             To see it, and to go on with it here: changefeed verify show {id} --follow\n\
             To end it: changefeed verify cancel {id}"
        );
        return Ok(false);
    }
    Ok(true)
}

/// A verification with enough findings to show, or with all.
async fn shown(service: &Service, id: &str, all: bool) -> Result<VerifyView> {
    let mut view = service.changefeed.verifications.show(id).await?;
    while view.findings.len() < SHOWN || all {
        let Some(continuation) = view.continuation.take() else { break };
        let more = service.changefeed.verifications.findings(id, Some(&continuation)).await?;
        view.findings.extend(more.items);
        view.continuation = more.continuation;
    }
    Ok(view)
}

async fn list(service: &Service, output: Output) -> Result<()> {
    let list = service.changefeed.verifications.list().await?;
    if output == Output::Json {
        return print_json(&list);
    }
    let rows = list.items.into_iter().map(|record| {
        let counts = summary(&record.counts);
        let what = if record.request.repair { "repair" } else { "look" };
        let who = record.requested_by.unwrap_or_default();
        vec![record.id, record.started_at, state(record.state), what.to_owned(), counts, who]
    });
    print_table(&["Id", "Started", "State", "What for", "Found", "Who"], rows)
}

fn show(view: &VerifyView, all: bool, output: Output) -> Result<()> {
    if output == Output::Json {
        return print_json(view);
    }
    let record = &view.record;
    let limit = if all { usize::MAX } else { SHOWN };
    if !view.findings.is_empty() {
        print_table(
            &["Found", "Id", "Partition key", "Since", "Version", ""],
            view.findings.iter().take(limit).map(row),
        )?;
    }
    if view.continuation.is_some() || view.findings.len() > limit {
        print_line(&format!("… and more; to see all: changefeed verify show {} --all", record.id))?;
    }
    let charge = format!("{:.0} RU", record.request_charge);
    print_line(&format!("{}  {}  {}  {charge}", record.id, state(record.state), summary(&record.counts)))?;
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

fn row(finding: &Finding) -> Vec<String> {
    let found = match finding.kind {
        FindingKind::Missing => "missing",
        FindingKind::NeverCaptured => "never captured",
        FindingKind::Gone => "gone",
        FindingKind::Inexact => "inexact",
        FindingKind::Incomplete => "incomplete",
    };
    let message = match (&finding.message, finding.repaired) {
        (Some(message), _) => message.clone(),
        (None, true) => "repaired".to_owned(),
        (None, false) => String::new(),
    };
    let since = version_time(&finding.version).map(time).unwrap_or_default();
    let key = finding.partition_key.to_string();
    vec![found.to_owned(), finding.id.clone(), key, since, finding.version.to_string(), message]
}

fn state(state: JobState) -> String {
    format!("{state:?}").to_lowercase()
}

/// The counts in words.
fn summary(counts: &VerifyCounts) -> String {
    let parts = [
        (counts.missing, "missing"),
        (counts.never_captured, "never captured"),
        (counts.gone, "gone"),
        (counts.inexact, "inexact"),
        (counts.incomplete, "incomplete"),
        (counts.repaired, "of these repaired"),
        (counts.pending, "pending"),
    ];
    let found: Vec<String> =
        parts.iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("{number} {what}")).collect();
    let found = if found.is_empty() { "nothing found".to_owned() } else { found.join(", ") };
    format!("{found}; {} documents and {} versions looked at", counts.documents, counts.versions)
}

fn exit_code(state: JobState) -> ExitCode {
    match state {
        JobState::Done => ExitCode::SUCCESS,
        JobState::Findings => ExitCode::from(FOUND),
        _ => ExitCode::FAILURE,
    }
}
