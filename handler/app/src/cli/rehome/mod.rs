//! `changefeed rehome`: moves another history into this one.

mod arguments;
mod rows;

use anyhow::Result;
use changefeed_jobs::JobState;
use changefeed_operations::{REHOME, RehomeRequest, RehomeView};

pub use self::arguments::RehomeArguments;
use self::arguments::{RehomeCommand, RehomeRunArguments};
use self::rows::{moved, sentence};
use super::confirm::{Prompt, confirm};
use super::exit_code::{Exit, usage};
use super::follow::{Followed, Following, follow};
use super::list::{ListPage, ListWriter, print_pages};
use super::output::{Output, print_json, print_line};
use super::standard_error::note;
use crate::service::Service;

/// Items of one page.
const PAGE_ITEMS: u32 = 100;
const MOVING: &str = "Moving the history";

/// Moves a history, or lists, shows or cancels moves.
pub async fn run(service: &Service, arguments: &RehomeArguments) -> Result<Exit> {
    let rehomes = &service.changefeed.rehomes;
    match &arguments.command {
        None => rehome(service, &arguments.run).await,
        Some(RehomeCommand::List(list)) => {
            print_pages(list, PAGE_ITEMS, ListWriter::new(list.output.format)?, async |request| {
                let page = rehomes.list(&request).await?;
                Ok(ListPage::new(page.items, page.continuation))
            })
            .await?;
            Ok(Exit::Done)
        }
        Some(RehomeCommand::Show { id, follow, output }) => {
            // The id may be that of another kind of job.
            let view = rehomes.show(id).await?;
            if *follow {
                return match follow_to_end(service, id, output.output, MOVING).await? {
                    Some(view) => print_end(&view, output.output),
                    None => Ok(Exit::Failed),
                };
            }
            print(&view, output.output)?;
            Ok(Exit::Done)
        }
        Some(RehomeCommand::Cancel { id, output }) => {
            rehomes.show(id).await?;
            service.changefeed.jobs.cancel(REHOME, id).await?;
            print(&rehomes.show(id).await?, output.output)?;
            Ok(Exit::Done)
        }
    }
}

async fn rehome(service: &Service, arguments: &RehomeRunArguments) -> Result<Exit> {
    let output = arguments.output.output;
    let request = arguments.request().ok_or_else(|| usage("give --from-changes, or list, show or cancel"))?;
    if arguments.dry_run || !arguments.yes {
        let counting = RehomeRequest { dry_run: true, ..request.clone() };
        let id = service.changefeed.rehomes.create_job(&counting).await?.id;
        let Some(view) = follow_to_end(service, &id, output, "Counting what would be stored").await? else {
            return Ok(Exit::Failed);
        };
        if arguments.dry_run || view.state != JobState::Planned {
            return print_end(&view, output);
        }
        ask(service, &request, &view)?;
    }
    let id = service.changefeed.rehomes.create_job(&request).await?.id;
    match follow_to_end(service, &id, output, MOVING).await? {
        Some(view) => print_end(&view, output),
        None => Ok(Exit::Failed),
    }
}

fn ask(service: &Service, request: &RehomeRequest, counted: &RehomeView) -> Result<()> {
    for problem in &counted.counts.problems {
        note(problem);
    }
    let names = &service.settings().names;
    let prompt = Prompt {
        container: &names.changes,
        question: format!(
            "Store {} from container {}? A stored version cannot be removed individually.",
            moved(counted),
            request.from.changes
        ),
        declined: "nothing was moved",
    };
    confirm(service.settings(), prompt)
}

/// The move at its end; `None` if Ctrl-C detached from it.
async fn follow_to_end(
    service: &Service,
    id: &str,
    output: Output,
    action: &'static str,
) -> Result<Option<RehomeView>> {
    let for_humans = output == Output::Table;
    let phase = for_humans.then(|| ("compare", "Comparing what is stored with the other history".to_owned()));
    let followed = follow(service, Following { id, action, phase, for_humans }).await?;
    let view = service.changefeed.rehomes.show(id).await?;
    if followed == Followed::Detached {
        if view.only_on.is_none() {
            note("The RunJobs function or `changefeed process` continues the move.");
        }
        note(format!(
            "To follow it and run it here: changefeed rehome show {id} --follow\nTo cancel it: changefeed rehome cancel {id}"
        ));
        return Ok(None);
    }
    Ok(Some(view))
}

fn print_end(view: &RehomeView, output: Output) -> Result<Exit> {
    print(view, output)?;
    Ok(if view.counts.has_problems() && view.state == JobState::Planned {
        Exit::Found
    } else {
        Exit::of_job(view.state)
    })
}

fn print(view: &RehomeView, output: Output) -> Result<()> {
    if output == Output::Json {
        return print_json(view);
    }
    for message in view.progress.message.iter().chain(&view.counts.problems) {
        print_line(message)?;
    }
    print_line(&sentence(view))
}
