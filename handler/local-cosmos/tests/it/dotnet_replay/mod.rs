//! Replays what the .NET SDK 3.64.0 sent, and checks each answer for what that SDK cannot do without.
//!
//! The recordings have the requests of one client, with placeholders for what it learned from earlier answers. A line stands for
//! one request to each range of its container. The answers differ by range, so at least one has the recorded status.

mod batch;
mod checks;
mod client_state;
mod recording;
mod replay;
mod request;
mod stage;

pub use checks::covers_everything;
pub use client_state::ranges_of;

async fn replay(file: &str) {
    replay::Replay::run(file).await;
}

#[tokio::test]
async fn accounts_databases_containers_and_offers() {
    replay("account-and-containers.jsonl").await;
}

#[tokio::test]
async fn items() {
    replay("items.jsonl").await;
}

#[tokio::test]
async fn queries() {
    replay("queries.jsonl").await;
}

#[tokio::test]
async fn feed_ranges_and_the_change_feed() {
    replay("feed-ranges-and-change-feed.jsonl").await;
}

#[tokio::test]
async fn the_change_feed_processor() {
    replay("processor.jsonl").await;
}

#[tokio::test]
async fn sessions_and_recreated_containers() {
    replay("session-and-recreate.jsonl").await;
}
