//! Collects the changes of each lease, stores them in large batches (here: in a file), and checkpoints the lease only then.
//! After a crash, changes that were not stored are redelivered.
//!
//! ```sh
//! export COSMOS_CONNECTION='AccountEndpoint=…;AccountKey=…;'
//! cargo run -p changefeed-processor --example manual_checkpoint -- store cart leases
//! ```

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use changefeed_processor::{Change, ChangeFeedProcessor, Container, StartFrom, connect};

const BATCH_SIZE: usize = 1000;

type Collected = Arc<Mutex<HashMap<String, Vec<Change>>>>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [database, monitored, leases] = arguments.as_slice() else {
        return Err("usage: manual_checkpoint DATABASE CONTAINER LEASE_CONTAINER".into());
    };
    let client = connect(&std::env::var("COSMOS_CONNECTION")?).await?;
    let collected = Collected::default();
    let released = Arc::clone(&collected);
    let processor = ChangeFeedProcessor::builder(
        "manual-checkpoint",
        Container::open(&client, database, monitored).await?,
        Container::open(&client, database, leases).await?,
    )
    .start_from(StartFrom::Beginning)
    // The next owner of the lease receives the changes that are not stored.
    .on_lease_released(move |token| {
        released.lock().unwrap_or_else(PoisonError::into_inner).remove(token);
    })
    .build_with_manual_checkpoint(move |context, changes, checkpointer| {
        let collected = Arc::clone(&collected);
        async move {
            let ready = {
                let mut collected = collected.lock().unwrap_or_else(PoisonError::into_inner);
                let waiting = collected.entry(context.lease_token().to_owned()).or_default();
                waiting.extend(changes);
                if waiting.len() < BATCH_SIZE { Vec::new() } else { std::mem::take(waiting) }
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
