//! `changefeed leases`: maintenance of the leases of the change feeds.

mod arguments;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

pub use self::arguments::LeasesCommand;
use super::confirm::confirm;
use super::exit_code::Exit;
use super::output::{print_json, print_line};
use crate::service::Service;
use crate::stalled::{Start, unblock_by_hand};

/// Repairs, frees, exports, imports or resets leases.
///
/// Ends with [`Exit::Found`] when a lease may still be stalled by a document.
pub async fn run(service: &Service, command: &LeasesCommand) -> Result<Exit> {
    match command {
        LeasesCommand::Repair { from, feed } => {
            let created = service.lease_set(feed.feed()).await?.repair(from.for_processor()).await?;
            print_line(&format!("created {created} leases"))
        }
        LeasesCommand::Unblock { wait, from_beginning, feed } => {
            let start = if *from_beginning { Start::Beginning } else { Start::Unknown };
            let (lines, is_any_stalled) =
                unblock_by_hand(service, feed.feed(), start, Duration::from_secs(*wait)).await?;
            for line in lines {
                print_line(&line)?;
            }
            return Ok(if is_any_stalled { Exit::Found } else { Exit::Done });
        }
        LeasesCommand::Export { feed } => print_json(&json!(service.lease_set(feed.feed()).await?.export().await?)),
        LeasesCommand::Import { file, overwrite, feed } => {
            let text = read(file).with_context(|| format!("reading {}", file.display()))?;
            let documents: Vec<Value> = serde_json::from_str(&text)
                .with_context(|| format!("{} is not a JSON array of leases", file.display()))?;
            let stored = service.lease_set(feed.feed()).await?.import(documents, *overwrite).await?;
            print_line(&format!("stored {stored} leases"))
        }
        LeasesCommand::Reset { to, yes, feed } => {
            let leases = service.lease_set(feed.feed()).await?;
            if !yes {
                let count = leases.all().await?.len();
                confirm(&format!("Reset {count} leases and discard their checkpoints?"), "nothing was changed")?;
            }
            let count = leases.reset(to.for_processor()).await?;
            print_line(&format!("reset {count} leases"))
        }
    }?;
    Ok(Exit::Done)
}

fn read(file: &Path) -> std::io::Result<String> {
    if file == Path::new("-") { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(file) }
}
