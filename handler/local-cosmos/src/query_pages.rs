//! Pages of queries and of reads of all items, limited as on the service.

use crate::container::Container;
use crate::emulator::Emulator;
use crate::incoming::Incoming;
use crate::limits::{MAX_PAGE_BYTES, MAX_PAGE_ITEMS};
use crate::reply::{Reply, header};

const MAX_ITEM_COUNT: &str = "x-ms-max-item-count";

/// Executes a query with at most as many items a page as the service returns, and with fewer if the page would be too large.
pub(crate) async fn execute(emulator: &Emulator, container: &Container, mut incoming: Incoming) -> Reply {
    let asked: Option<usize> = incoming.header(MAX_ITEM_COUNT).and_then(|count| count.trim().parse().ok());
    let mut items = asked.filter(|count| *count > 0).unwrap_or(MAX_PAGE_ITEMS).min(MAX_PAGE_ITEMS);
    loop {
        incoming.set_header(MAX_ITEM_COUNT, items.to_string());
        let reply = container.execute(emulator, &incoming).await;
        if reply.body.len() <= MAX_PAGE_BYTES || items == 1 {
            return reply;
        }
        let found: usize = reply.header(header::ITEM_COUNT).and_then(|count| count.parse().ok()).unwrap_or(items);
        items = (found * MAX_PAGE_BYTES / reply.body.len()).clamp(1, items - 1);
    }
}
