//! `changefeed digest`: writes digests of the history, with which `changefeed verify --digests` compares it.

mod arguments;
mod rows;

use anyhow::Result;
use changefeed_operations::DIGEST;
use changefeed_operations::{DigestRequest, DigestView};

pub use self::arguments::DigestCommand;
use self::arguments::WriteArguments;
use self::rows::sentence;
use super::backup::absolute;
use super::exit_code::Exit;
use super::follow::{Followed, Following, follow};
use super::list::{ListPage, ListWriter, print_pages};
use super::output::{Output, print_json, print_line};
use super::standard_error::note;
use crate::service::Service;

/// Items of one page.
const PAGE_ITEMS: u32 = 100;

/// Writes digests, or lists, shows or cancels the jobs that do.
pub async fn run(service: &Service, command: &DigestCommand) -> Result<Exit> {
    match command {
        DigestCommand::Write(arguments) => write(service, arguments).await,
        DigestCommand::List(list) => {
            print_pages(list, PAGE_ITEMS, ListWriter::new(list.output.format)?, async |request| {
                let page = service.changefeed.digests.list(&request).await?;
                Ok(ListPage::new(page.items, page.continuation))
            })
            .await?;
            Ok(Exit::Done)
        }
        DigestCommand::Show { id, follow, output } => {
            // The id may be that of another kind of job.
            let view = service.changefeed.digests.show(id).await?;
            if *follow {
                return follow_to_end(service, id, output.output).await;
            }
            print(&view, output.output)?;
            Ok(Exit::Done)
        }
        DigestCommand::Cancel { id, output } => {
            service.changefeed.digests.show(id).await?;
            service.changefeed.jobs.cancel(DIGEST, id).await?;
            print(&service.changefeed.digests.show(id).await?, output.output)?;
            Ok(Exit::Done)
        }
    }
}

async fn write(service: &Service, arguments: &WriteArguments) -> Result<Exit> {
    let request = DigestRequest {
        to: absolute(&arguments.to)?,
        grace_seconds: arguments.grace_seconds,
        requested_by: arguments.requester.name(),
        ru_per_second: arguments.budget.ru_per_second,
    };
    let id = service.changefeed.digests.create_job(&request).await?.id;
    follow_to_end(service, &id, arguments.output.output).await
}

async fn follow_to_end(service: &Service, id: &str, output: Output) -> Result<Exit> {
    let for_humans = output == Output::Table;
    let followed = follow(service, Following { id, action: "Writing digests", phase: None, for_humans }).await?;
    let view = service.changefeed.digests.show(id).await?;
    if followed == Followed::Detached {
        if view.only_on.is_none() {
            note("The RunJobs function or `changefeed process` continues to write the digests.");
        }
        note(format!(
            "To follow it and run it here: {}\nTo cancel it: {}",
            service.command(&format!("digest show {id} --follow")),
            service.command(&format!("digest cancel {id}"))
        ));
        return Ok(Exit::Failed);
    }
    print(&view, output)?;
    Ok(Exit::of_job(view.state))
}

fn print(view: &DigestView, output: Output) -> Result<()> {
    if output == Output::Json {
        return print_json(view);
    }
    if let Some(message) = &view.progress.message {
        print_line(message)?;
    }
    print_line(&sentence(view))
}
