//! `changefeed leases`: maintenance of the leases of the change feeds.

mod arguments;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use changefeed_processor::ChangeFeedMode;
use serde_json::{Value, json};

pub use self::arguments::LeasesCommand;
use super::confirm::{Prompt, confirm};
use super::exit_code::Exit;
use super::list::print_list;
use super::output::{print_json, print_line};
use super::start_from::StartFrom;
use crate::feed::Feed;
use crate::service::Service;
use crate::sources::Sources;
use crate::stalled::{Start, unblock_by_hand};
use crate::status::lease_statuses;

/// Lists, repairs, frees, exports, imports or resets leases.
///
/// Ends with [`Exit::Found`] when a lease may still be stalled by a document.
pub async fn run(sources: &Sources, service: &Service, command: &LeasesCommand) -> Result<Exit> {
    match command {
        LeasesCommand::List { feed, output } => {
            let leases = lease_statuses(service, feed.feeds()).await?;
            print_list(output.format, &json!({ "items": leases }), &leases)
        }
        LeasesCommand::Repair { from, feed } => repair(service, *from, feed.feed(service).await?).await,
        LeasesCommand::Unblock { wait, from_beginning, feed } => {
            let start = if *from_beginning { Start::Beginning } else { Start::Unknown };
            let (lines, is_any_stalled) =
                unblock_by_hand(sources, service, feed.feed(service).await?, start, Duration::from_secs(*wait)).await?;
            for line in lines {
                print_line(&line)?;
            }
            return Ok(if is_any_stalled { Exit::Found } else { Exit::Done });
        }
        LeasesCommand::Export { feed } => {
            let leases = service.lease_set(feed.feed(service).await?).await?;
            print_json(&json!(leases.export().await?))
        }
        LeasesCommand::Import { file, overwrite, feed } => {
            let text = read(file).with_context(|| format!("reading {}", file.display()))?;
            let documents: Vec<Value> = serde_json::from_str(&text)
                .with_context(|| format!("{} is not a JSON array of leases", file.display()))?;
            let feed = feed.feed_of(&documents)?;
            let stored = service.lease_set(feed).await?.import(documents, *overwrite).await?;
            print_line(&format!("stored {stored} leases"))
        }
        LeasesCommand::Reset { to, yes, feed } => {
            let leases = service.lease_set(feed.feed(service).await?).await?;
            if !yes {
                let count = leases.all().await?.len();
                let prompt = Prompt {
                    container: &service.settings().names.leases,
                    question: format!("Reset {count} leases and discard their checkpoints?"),
                    declined: "nothing was changed",
                };
                confirm(service.settings(), prompt)?;
            }
            let count = leases.reset(to.for_processor()).await?;
            print_line(&format!("reset {count} leases"))
        }
    }?;
    Ok(Exit::Done)
}

async fn repair(service: &Service, from: Option<StartFrom>, feed: Feed) -> Result<()> {
    let leases = service.lease_set(feed).await?;
    let mode = leases.mode().await?.unwrap_or(feed.mode());
    let created = leases.repair(StartFrom::or_default(from, mode), mode).await?;
    print_line(&format!("created {created} leases"))?;
    if mode == ChangeFeedMode::AllVersionsAndDeletes && created > 0 {
        print_line(&format!(
            "The new leases start from now, the only start in AllVersionsAndDeletes mode. To capture the latest versions of \
             documents that changed before: {}",
            service.command("verify --repair")
        ))?;
    }
    Ok(())
}

fn read(file: &Path) -> std::io::Result<String> {
    if file == Path::new("-") { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(file) }
}
