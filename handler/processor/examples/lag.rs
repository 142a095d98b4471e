//! Prints the lag of a processor, lease by lease.
//!
//! ```sh
//! export COSMOS_CONNECTION='AccountEndpoint=…;AccountKey=…;'
//! cargo run -p changefeed-processor --example lag -- print-changes store cart leases
//! ```

use changefeed_processor::{ChangeFeedEstimator, Container, connect};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [processor, database, monitored, leases] = arguments.as_slice() else {
        return Err("usage: lag PROCESSOR DATABASE CONTAINER LEASE_CONTAINER".into());
    };
    let client = connect(&std::env::var("COSMOS_CONNECTION")?).await?;
    let monitored = Container::open(&client, database, monitored).await?;
    let leases = Container::open(&client, database, leases).await?;
    for lease in ChangeFeedEstimator::new(processor, monitored, leases)?.estimate().await? {
        println!(
            "{}: {} transactions, {} seconds behind; owner {}{}",
            lease.lease_token,
            lease.lag.map_or("?".into(), |lag| lag.to_string()),
            lease.lag_seconds.map_or("?".into(), |seconds| seconds.to_string()),
            lease.owner.as_deref().unwrap_or("none"),
            if lease.is_stuck { "; STUCK" } else { "" },
        );
    }
    Ok(())
}
