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
pub use client_state::{Range, ranges_of};

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

#[test]
fn every_need_in_the_recordings_has_a_check() {
    const OF_BATCHES: &str = "body: HybridRow, first byte 81 hex, one result for each operation in the same order";
    for file in [
        "account-and-containers.jsonl",
        "batch.jsonl",
        "feed-ranges-and-change-feed.jsonl",
        "items.jsonl",
        "processor.jsonl",
        "queries.jsonl",
        "session-and-recreate.jsonl",
    ] {
        for need in recording::corrected_lines(file).iter().flat_map(|line| &line.must_have) {
            assert!(checks::is_known(need) || (file == "batch.jsonl" && need == OF_BATCHES), "{file}: {need}");
        }
    }
}
