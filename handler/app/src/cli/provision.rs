//! `changefeed provision`: the database and the containers.

use anyhow::Result;
use changefeed_cosmos::KeyPath;
use changefeed_history::Provisioned;
use changefeed_processor::ChangeFeedMode;
use clap::Args;
use serde_json::json;

use super::exit_code::Exit;
use super::list::{ListItem, ListOutput, print_list};
use super::standard_error::note;
use super::table::{Cell, Column};
use crate::sources::Sources;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  changefeed provision\n  changefeed provision --partition-key /tenant /address/city"
)]
pub struct ProvisionArguments {
    /// Partition key of the monitored container, if it is created; up to three paths
    #[arg(long, value_name = "PATH", default_value = "/pk", num_args = 1..=3)]
    partition_key: Vec<KeyPath>,
    /// Add the paths that containers of the history do not index yet to their index policies
    #[arg(long)]
    update_index: bool,
    #[command(flatten)]
    output: ListOutput,
}

/// Creates missing resources.
pub async fn run(sources: &Sources, arguments: &ProvisionArguments) -> Result<Exit> {
    let mut provisioned: Vec<Provisioned> = Vec::new();
    for service in sources.all() {
        let containers = &service.changefeed.containers;
        let of_source = containers.provision(&arguments.partition_key, arguments.update_index).await?;
        // The first source has created what all share.
        let is_new = |resource: &Provisioned| {
            !provisioned.iter().any(|earlier| (earlier.kind, &earlier.name) == (resource.kind, &resource.name))
        };
        let of_source: Vec<Provisioned> = of_source.into_iter().filter(is_new).collect();
        provisioned.extend(of_source);
    }
    print_list(arguments.output.format, &json!({ "items": provisioned }), &provisioned)?;
    let service = sources.first();
    if service.settings().mode == ChangeFeedMode::LatestVersion && service.has_all_versions().await.is_ok() {
        note(
            "The account has AllVersionsAndDeletes mode, which misses no version and no delete. \
             `changefeed switch-mode --to AllVersionsAndDeletes` says how to capture in it.",
        );
    }
    Ok(Exit::Done)
}

impl ListItem for Provisioned {
    const CSV: &'static [&'static str] = &["kind", "name", "created", "indexed"];

    fn columns() -> Vec<Column> {
        vec![Column::fixed("Kind"), Column::text("Name"), Column::text("State")]
    }

    fn cells(&self) -> Vec<Cell> {
        let state = match (self.created, self.indexed.as_slice()) {
            (true, _) => "created".to_owned(),
            (false, []) => "exists".to_owned(),
            (false, added) => format!("exists; indexes now {}", added.join(", ")),
        };
        vec![self.kind.into(), self.name.clone().into(), Cell::state(state)]
    }
}
