//! `changefeed erase`: counts what holds documents, asks for confirmation by typing, and removes it.

mod arguments;
mod receipt;

use anyhow::{Context, Result};
use changefeed_cosmos::printable;
use changefeed_jobs::JobState;
use changefeed_operations::{ErasureRequest, LiftRequest};
use serde_json::{Value, json};

pub use self::arguments::EraseArguments;
use self::arguments::{EraseCommand, EraseRunArguments};
use self::receipt::{show, summary};
use super::confirm::{Prompt, confirm, confirm_by_typing};
use super::exit_code::{Exit, usage};
use super::follow::{Followed, Following, follow};
use super::list::{ListPage, ListWriter, print_pages};
use super::output::{Output, print_json, print_line};
use super::standard_error::note;
use crate::service::Service;

/// Items of one page.
const PAGE_ITEMS: u32 = 100;

/// Erases documents, lifts an erasure, lists or shows erasures.
pub async fn run(service: &Service, arguments: &EraseArguments) -> Result<Exit> {
    match &arguments.command {
        None if arguments.run.lift => lift(service, &arguments.run).await,
        None => erase(service, &arguments.run).await,
        Some(EraseCommand::List(list)) => {
            print_pages(list, PAGE_ITEMS, ListWriter::new(list.output.format)?, async |request| {
                let page = service.changefeed.erasures.list(&request).await?;
                Ok(ListPage::new(page.items, page.continuation))
            })
            .await?;
            Ok(Exit::Done)
        }
        Some(EraseCommand::Show { id, follow, output }) => {
            // The id may be that of another kind of job.
            service.changefeed.erasures.record(id).await?;
            if *follow && !follow_to_end(service, id, output.output).await? {
                return Ok(Exit::Failed);
            }
            let view = service.changefeed.erasures.show(id).await?;
            show(&view, output.output)?;
            Ok(if *follow { Exit::of_job(view.record.state) } else { Exit::Done })
        }
    }
}

async fn erase(service: &Service, arguments: &EraseRunArguments) -> Result<Exit> {
    let output = arguments.output.output;
    let documents = documents(arguments)?;
    let request: ErasureRequest =
        serde_json::from_value(json!({"documents": documents})).map_err(|error| usage(error.to_string()))?;
    let request = ErasureRequest {
        keep_live: arguments.keep_live,
        reason: arguments.reason.clone(),
        requested_by: arguments.requester.name(),
        ru_per_second: arguments.budget.ru_per_second,
        ..request
    };
    if arguments.dry_run || !arguments.yes {
        let counting = ErasureRequest { dry_run: true, ..request.clone() };
        let id = service.changefeed.erasures.create_job(&counting).await?.id;
        if !follow_to_end(service, &id, output).await? {
            return Ok(Exit::Failed);
        }
        let view = service.changefeed.erasures.show(&id).await?;
        if arguments.dry_run || view.record.state != JobState::Planned {
            show(&view, output)?;
            return Ok(Exit::of_job(view.record.state));
        }
        ask(service, &request, &summary(&view.record.counts))?;
    }
    let request = ErasureRequest { confirm: Some(request.documents.len() as u64), ..request };
    let id = service.changefeed.erasures.create_job(&request).await?.id;
    if !follow_to_end(service, &id, output).await? {
        return Ok(Exit::Failed);
    }
    let view = service.changefeed.erasures.show(&id).await?;
    if output == Output::Table {
        for document in &request.documents {
            print_line(&format!("erased {} {}", printable(&document.id), document.partition_key))?;
        }
        if request.keep_live {
            let command = service.command("erase --lift");
            print_line(&format!("The live documents stay. Their capture has ended, until {command}"))?;
        }
    }
    show(&view, output)?;
    Ok(Exit::of_job(view.record.state))
}

/// Asks to type what will be erased: the id of one document, or the number of several.
fn ask(service: &Service, request: &ErasureRequest, found: &str) -> Result<()> {
    let (expected, erased) = match request.documents.as_slice() {
        [one] => {
            let id = printable(&one.id).to_string();
            (id.clone(), format!("document {id} {}", one.partition_key))
        }
        several => (several.len().to_string(), format!("{} documents", several.len())),
    };
    let live = if request.keep_live { "; the live documents stay, and their capture ends" } else { "" };
    let prompt = Prompt {
        container: &service.settings().names.monitored,
        question: format!("Erase {erased} with {found}{live}? This cannot be undone. Type {expected} to confirm:"),
        declined: "nothing was erased",
    };
    confirm_by_typing(service.settings(), prompt, &expected)
}

async fn lift(service: &Service, arguments: &EraseRunArguments) -> Result<Exit> {
    let documents = documents(arguments)?;
    let request: LiftRequest =
        serde_json::from_value(json!({"documents": documents})).map_err(|error| usage(error.to_string()))?;
    if !arguments.yes {
        let prompt = Prompt {
            container: &service.settings().names.monitored,
            question: format!("Capture {} erased documents again?", request.documents.len()),
            declined: "nothing was lifted",
        };
        confirm(service.settings(), prompt)?;
    }
    let request = LiftRequest {
        confirm: Some(request.documents.len() as u64),
        reason: arguments.reason.clone(),
        requested_by: arguments.requester.name(),
        ..request
    };
    let report = service.changefeed.erasures.lift(&request).await?;
    match arguments.output.output {
        Output::Json => print_json(&report),
        Output::Table => print_line(&format!(
            "lifted the erasure of {} documents, {} were not erased",
            report.lifted, report.not_erased
        )),
    }?;
    Ok(Exit::Done)
}

/// The documents of the arguments, as a request has them.
fn documents(arguments: &EraseRunArguments) -> Result<Vec<Value>> {
    match (&arguments.id, &arguments.pk, &arguments.partition_key, &arguments.list) {
        (Some(id), Some(pk), None, None) => Ok(vec![json!({"id": id, "pk": pk})]),
        (Some(id), None, Some(key), None) => Ok(vec![json!({"id": id, "partitionKey": key})]),
        (None, None, None, Some(file)) => {
            let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
            let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
            let document = |(number, line): (usize, &str)| {
                let parsed = serde_json::from_str(line);
                parsed.map_err(|error| usage(format!("line {} of {}: {error}", number + 1, file.display())))
            };
            lines.map(document).collect()
        }
        _ => Err(usage("give --id with --pk or --partition-key, or --list")),
    }
}

/// Whether the erasure ended before Ctrl-C detached from it.
async fn follow_to_end(service: &Service, id: &str, output: Output) -> Result<bool> {
    let for_humans = output == Output::Table;
    let settle = service.changefeed.history.erased().options().settle();
    let waiting = format!("Waiting {} s until captures under way have ended; then it removes again", settle.as_secs());
    let phase = for_humans.then_some(("settle", waiting));
    let following = Following { id, action: "Erasing", phase, for_humans };
    if follow(service, following).await? == Followed::Detached {
        note(format!(
            "The RunJobs function or `changefeed process` continues the erasure.\n\
             To follow it and run it here: {}",
            service.command(&format!("erase show {id} --follow"))
        ));
        return Ok(false);
    }
    Ok(true)
}
