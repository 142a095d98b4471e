//! Who owns the leases, and waiting by the simulated clock.

use std::collections::BTreeMap;
use std::time::Duration;

use changefeed_history::Role;
use changefeed_operations::Changefeed;
use futures::TryStreamExt;
use serde_json::{Map, Value};
use tokio::time::{Instant, sleep};

const WAIT_LIMIT: Duration = Duration::from_secs(4 * 3600);

/// Waits until something is true.
pub async fn until(what: &str, is_true: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + WAIT_LIMIT;
    while !is_true().await {
        assert!(Instant::now() < deadline, "not within {WAIT_LIMIT:?}: {what}");
        sleep(Duration::from_millis(500)).await;
    }
}

/// Waits until so many processes own so many leases of a processor, each as many as the others, or one more.
pub async fn until_shared(changefeed: &Changefeed, processor: &str, leases: usize, processes: usize) {
    let few = leases / processes;
    let is_shared = async || {
        let owned = owned(changefeed, processor).await;
        owned.len() == processes
            && owned.values().sum::<usize>() == leases
            && owned.values().all(|count| (few..=few + 1).contains(count))
    };
    until(&format!("{processes} processes share {leases} leases"), is_shared).await;
}

/// The number of leases of a processor that each process owns.
async fn owned(changefeed: &Changefeed, processor: &str) -> BTreeMap<String, usize> {
    let leases = changefeed.containers.of(Role::Leases).open().await.expect("leases");
    let found = leases.select("SELECT c.id, c.Owner FROM c", &Map::new(), None).await.expect("query");
    let found: Vec<Value> = found.try_collect().await.expect("leases");
    let mut owned = BTreeMap::new();
    for lease in found.iter().filter(|lease| lease["id"].as_str().is_some_and(|id| id.starts_with(processor))) {
        if let Some(owner) = lease["Owner"].as_str().filter(|owner| !owner.is_empty()) {
            *owned.entry(owner.to_owned()).or_default() += 1;
        }
    }
    owned
}

/// The number of versions.
pub async fn versions(changefeed: &Changefeed) -> usize {
    let changes = changefeed.containers.of(Role::Changes).open().await.expect("changes");
    changes.count().await.expect("usage").expect("a number") as usize
}
