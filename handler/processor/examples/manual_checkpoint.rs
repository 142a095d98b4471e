//! Gathers changes of each lease until there are enough of them, stores them together (here: in a file), and only then
//! moves the lease's bookmark. Killed in between, the changes that were not stored come again.
//!
//! ```sh
//! export COSMOS_CONNECTION='AccountEndpoint=…;AccountKey=…;'
//! cargo run -p changefeed-processor --example manual_checkpoint -- store cart leases
//! ```

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use changefeed_processor::{Change, ChangeFeedProcessor, Container, StartFrom, connect};

const ENOUGH: usize = 1000;

type Gathered = Arc<Mutex<HashMap<String, Vec<Change>>>>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [database, monitored, leases] = arguments.as_slice() else {
        return Err("usage: manual_checkpoint DATABASE CONTAINER LEASE_CONTAINER".into());
    };
    let client = connect(&std::env::var("COSMOS_CONNECTION")?).await?;
    let gathered = Gathered::default();
    let forget = Arc::clone(&gathered);
    let processor = ChangeFeedProcessor::builder(
        "manual-checkpoint",
        Container::open(&client, database, monitored).await?,
        Container::open(&client, database, leases).await?,
    )
    .start_from(StartFrom::Beginning)
    // Whoever reads the range next gets again what is not stored.
    .on_lease_released(move |token| {
        forget.lock().unwrap_or_else(PoisonError::into_inner).remove(token);
    })
    .build_with_manual_checkpoint(move |context, changes, checkpointer| {
        let gathered = Arc::clone(&gathered);
        async move {
            let ready = {
                let mut gathered = gathered.lock().unwrap_or_else(PoisonError::into_inner);
                let waiting = gathered.entry(context.lease_token().to_owned()).or_default();
                waiting.extend(changes);
                if waiting.len() < ENOUGH { Vec::new() } else { std::mem::take(waiting) }
            };
            if !ready.is_empty() {
                store(&ready)?;
                checkpointer.checkpoint().await?;
            }
            Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
        }
    });

    let running = processor.start().await?;
    tokio::signal::ctrl_c().await?;
    running.stop().await;
    Ok(())
}

fn store(changes: &[Change]) -> std::io::Result<()> {
    let mut file = std::fs::File::options().create(true).append(true).open("changes.ndjson")?;
    for change in changes {
        writeln!(file, "{}", serde_json::to_string(change)?)?;
    }
    file.sync_all()
}
