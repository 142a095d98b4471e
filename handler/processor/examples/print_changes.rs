//! Prints every change of a container, from the beginning, until Ctrl-C.
//!
//! ```sh
//! export COSMOS_CONNECTION='AccountEndpoint=…;AccountKey=…;'
//! cargo run -p changefeed-processor --example print_changes -- store cart leases
//! ```
//!
//! Start it in two terminals: the two instances share the leases. Stop or kill one: the other resumes its leases at their
//! last checkpoints.

use std::convert::Infallible;

use changefeed_processor::{ChangeFeedProcessor, Container, StartFrom, connect};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [database, monitored, leases] = arguments.as_slice() else {
        return Err("usage: print_changes DATABASE CONTAINER LEASE_CONTAINER".into());
    };
    let client = connect(&std::env::var("COSMOS_CONNECTION")?).await?;
    let processor = ChangeFeedProcessor::builder(
        "print-changes",
        Container::open(&client, database, monitored).await?,
        Container::open(&client, database, leases).await?,
    )
    .start_from(StartFrom::Beginning)
    .on_lease_acquired(|token| eprintln!("acquired lease {token}"))
    .on_lease_released(|token| eprintln!("released lease {token}"))
    .on_error(|token, error| eprintln!("lease {}: {error}", token.unwrap_or("-")))
    .build(|context, changes| async move {
        for change in changes {
            println!("{}\t{}", context.lease_token(), change.current.unwrap_or_default());
        }
        Ok::<(), Infallible>(())
    });

    let running = processor.start().await?;
    tokio::signal::ctrl_c().await?;
    running.stop().await;
    Ok(())
}
