//! `changefeed provision`: the database and the containers.

use anyhow::Result;
use changefeed_cosmos::KeyPath;
use clap::Args;

use super::exit_code::Exit;
use super::output::{Output, OutputArguments, print_json, print_table};
use crate::service::Service;

#[derive(Debug, Args)]
#[command(after_help = "Example of a hierarchical key:\n  changefeed provision --partition-key /tenant /address/city")]
pub struct ProvisionArguments {
    /// Partition key of the monitored container, if it is created; up to three paths
    #[arg(long, value_name = "PATH", default_value = "/pk", num_args = 1..=3)]
    partition_key: Vec<KeyPath>,
    #[command(flatten)]
    output: OutputArguments,
}

/// Creates missing resources.
pub async fn run(service: &Service, arguments: &ProvisionArguments) -> Result<Exit> {
    let provisioned = service.changefeed.containers.provision(&arguments.partition_key).await?;
    match arguments.output.output {
        Output::Json => print_json(&provisioned),
        Output::Table => {
            let state = |created| if created { "created" } else { "exists" };
            let rows = provisioned
                .into_iter()
                .map(|item| vec![item.kind.to_owned(), item.name, state(item.created).to_owned()]);
            print_table(&["Kind", "Name", "State"], rows)
        }
    }?;
    Ok(Exit::Done)
}
