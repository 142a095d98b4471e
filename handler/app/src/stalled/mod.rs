//! Leases that make no progress: finds out why, from looks at all leases over time, and frees those that a document stalls.
//!
//! The Functions trigger cannot deliver some documents. It throws before it calls the function, and tries again every 13
//! seconds, forever. The function `WatchLeases` and `changefeed leases unblock` capture the page with the document themselves
//! and then move the checkpoint of the lease past it.

mod describe;
mod record;
mod unblock;
mod watch;

pub use describe::problem;
pub use record::WatchRecord;
pub use unblock::{Start, unblock, unblock_by_hand};
pub use watch::look;
