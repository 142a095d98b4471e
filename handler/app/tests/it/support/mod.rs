//! Helpers of the tests.

pub mod backups;
mod blob_service;
pub mod broken;
pub mod capture_rules;
mod client;
mod collector;
mod command_line;
pub mod contract;
pub mod digests;
pub mod golden;
mod handler;
mod help;
pub mod identity;
pub mod jobs;
mod local;
mod process;
pub mod raw_items;
pub mod rehome;
mod snapshots;
pub mod verify;
mod world;

use std::process::Command;
use std::time::Duration;

use tokio::time::Instant;

pub use blob_service::BlobService;
pub use client::client;
pub use collector::{Answer, Collector, Span};
pub use command_line::CommandLine;
pub use handler::Handler;
pub use help::subcommands;
pub use local::{Local, signal};
pub use process::{Instance, NotStarted, Starting};
pub use snapshots::snapshots;
pub use world::{Feed, World, batch_of, changefeed_on, names, version_id};

/// How long a wait for a condition may take on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(180);

/// The executable. Half of the throughput of the containers of tests, which is the least that the service gives, would be too slow.
pub fn executable() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_changefeed"));
    command.env("CHANGEFEED_JOB_BUDGET", "unlimited");
    command
}

/// Waits until the condition holds.
pub async fn until(what: &str, within: Duration, condition: impl AsyncFn() -> bool) {
    let start = Instant::now();
    while !condition().await {
        assert!(start.elapsed() < within, "{what}: not within {within:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Text that does not compress well.
pub fn noise(characters: usize) -> String {
    let mut state = 1_u64;
    let character = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from_u32(33 + (state >> 33) as u32 % 50_000).unwrap_or('x')
    };
    std::iter::repeat_with(character).take(characters).collect()
}
