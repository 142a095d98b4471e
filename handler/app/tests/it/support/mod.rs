//! What the stories are told with.

mod handler;
mod local;
mod process;
mod world;

use std::time::{Duration, Instant};

pub use handler::Handler;
pub use local::{Local, signal};
pub use process::Instance;
pub use world::{Feed, World, delivered};

/// Every wait is for a condition; this is how long it may take on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Waits until the condition holds.
pub async fn until(what: &str, within: Duration, condition: impl AsyncFn() -> bool) {
    let start = Instant::now();
    while !condition().await {
        assert!(start.elapsed() < within, "{what}: not within {within:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
