//! `changefeed provision`: the database and the containers.

use anyhow::Result;
use changefeed_cosmos::KeyPath;
use changefeed_history::Provisioned;
use clap::Args;

use super::exit_code::Exit;
use super::output::{Output, OutputArguments, print_json, print_table};
use super::table::{Cell, Column};
use crate::service::Service;

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
    output: OutputArguments,
}

/// Creates missing resources.
pub async fn run(service: &Service, arguments: &ProvisionArguments) -> Result<Exit> {
    let provisioned = service.changefeed.containers.provision(&arguments.partition_key, arguments.update_index).await?;
    match arguments.output.output {
        Output::Json => print_json(&provisioned),
        Output::Table => {
            let state = |item: &Provisioned| match (item.created, item.indexed.as_slice()) {
                (true, _) => "created".to_owned(),
                (false, []) => "exists".to_owned(),
                (false, added) => format!("exists; indexes now {}", added.join(", ")),
            };
            let rows = provisioned
                .into_iter()
                .map(|item| vec![item.kind.into(), item.name.clone().into(), Cell::state(state(&item))]);
            print_table(&[Column::fixed("Kind"), Column::text("Name"), Column::text("State")], rows)
        }
    }?;
    Ok(Exit::Done)
}
