//! `changefeed leases`: what may have to be done with the leases of the change feeds.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::confirm::confirm;
use super::leases_arguments::LeasesCommand;
use super::output::{print_json, print_line};
use crate::service::Service;

pub async fn run(service: &Service, command: &LeasesCommand) -> Result<()> {
    match command {
        LeasesCommand::Repair { from, feed } => {
            let made = service.lease_set(feed.feed()).await?.repair(from.start()).await?;
            print_line(&format!("{made} leases were made"))
        }
        LeasesCommand::Export { feed } => print_json(&json!(service.lease_set(feed.feed()).await?.export().await?)),
        LeasesCommand::Import { file, overwrite, feed } => {
            let text = read(file).with_context(|| format!("reading {}", file.display()))?;
            let documents: Vec<Value> = serde_json::from_str(&text)
                .with_context(|| format!("{} is no JSON array of leases", file.display()))?;
            let stored = service.lease_set(feed.feed()).await?.import(documents, *overwrite).await?;
            print_line(&format!("{stored} leases were stored"))
        }
        LeasesCommand::Reset { to, yes, feed } => {
            let leases = service.lease_set(feed.feed()).await?;
            if !yes {
                let count = leases.all().await?.len();
                confirm(&format!("Forget the bookmarks of {count} leases?"), "nothing was changed")?;
            }
            let count = leases.reset(to.start()).await?;
            print_line(&format!("{count} leases were set"))
        }
    }
}

fn read(file: &Path) -> std::io::Result<String> {
    if file == Path::new("-") { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(file) }
}
