//! `changefeed provision`.

use anyhow::Result;

use super::arguments::{Output, ProvisionArguments};
use super::output::{print_json, print_table};
use crate::service::Service;

/// Makes what is missing.
pub async fn run(service: &Service, arguments: &ProvisionArguments) -> Result<()> {
    let provisioned = service.changefeed.containers.provision(&arguments.partition_key).await?;
    match arguments.output.output {
        Output::Json => print_json(&provisioned),
        Output::Table => {
            let state = |created| if created { "created" } else { "there already" };
            let rows = provisioned
                .into_iter()
                .map(|item| vec![item.kind.to_owned(), item.name, state(item.created).to_owned()]);
            print_table(&["Kind", "Name", "State"], rows)
        }
    }
}
