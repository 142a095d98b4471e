//! More physical partitions for a higher throughput.

use crate::container::Container;
use crate::partition_key::KeyRange;

/// Splits physical partitions until there are `count`. `now` is in seconds since 1970. The error is a message.
pub(crate) async fn grow(container: &Container, count: u32, now: impl Fn() -> i64) -> Result<(), String> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    loop {
        container.store().settled(&KeyRange::all()).await;
        let parents: Vec<String> = {
            let contents = container.store().read();
            let partitions = contents.partitions();
            let missing = count.saturating_sub(partitions.len());
            partitions.iter().take(missing).map(|partition| partition.id.clone()).collect()
        };
        if parents.is_empty() {
            return Ok(());
        }
        // Another split or merge can have begun in the meantime.
        let Some(_transition) = container.store().begin_transition(parents.clone()) else { continue };
        let mut contents = container.store().write();
        for parent in &parents {
            contents.split(parent, now())?;
        }
    }
}
