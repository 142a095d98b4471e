//! Manual checkpoints.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use changefeed_processor::{Checkpointer, ErrorKind, StartFrom};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::shop::{Shop, describe, until};

/// The batches that the handler received, each with its checkpointer.
type Batches = mpsc::UnboundedReceiver<(Vec<String>, Checkpointer)>;

async fn started(shop: &Shop) -> (changefeed_processor::RunningProcessor, Batches) {
    let (send, batches) = mpsc::unbounded_channel();
    let builder =
        shop.builder().await.instance_name("same").start_from(StartFrom::Beginning).max_items(NonZeroU32::MIN);
    let processor = builder.build_with_manual_checkpoint(move |_, changes, checkpointer| {
        let sent = send.send((changes.iter().map(describe).collect(), checkpointer));
        std::future::ready(sent.map_err(|_| "the test has ended"))
    });
    (processor.start().await.expect("started"), batches)
}

async fn one_key(shop: &Shop, numbers: std::ops::Range<u32>) {
    for number in numbers {
        shop.put_into("one", &format!("n{number}"), number).await;
    }
}

async fn bookmarks(shop: &Shop) -> Vec<Value> {
    shop.leases().await.iter().map(|lease| lease["ContinuationToken"].clone()).collect()
}

#[tokio::test]
async fn only_changes_after_the_checkpoint_are_redelivered() {
    let shop = Shop::open().await;
    one_key(&shop, 0..4).await;
    let (running, mut batches) = started(&shop).await;
    let mut checkpointers = Vec::new();
    for number in 0..4 {
        let (batch, checkpointer) = batches.recv().await.expect("batch");
        assert_eq!(batch, [format!("n{number}={number}")]);
        checkpointers.push(checkpointer);
    }
    checkpointers[1].checkpoint().await.expect("checkpoint");
    let reached = bookmarks(&shop).await;
    checkpointers[0].checkpoint().await.expect("an earlier one changes nothing");
    assert_eq!(bookmarks(&shop).await, reached);
    running.stop().await;

    let late = checkpointers[3].checkpoint().await.expect_err("the lease was released");
    assert_eq!(late.kind(), ErrorKind::PreconditionFailed);
    let (running, mut batches) = started(&shop).await;
    let (again, _) = batches.recv().await.expect("batch");
    assert_eq!(again, ["n2=2"]);
    running.stop().await;
}

#[tokio::test]
async fn a_failed_handler_receives_everything_since_the_last_checkpoint() {
    let shop = Shop::open().await;
    one_key(&shop, 0..4).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let handler_seen = Arc::clone(&seen);
    let builder = shop.builder().await.start_from(StartFrom::Beginning).max_items(NonZeroU32::MIN);
    let processor = builder.build_with_manual_checkpoint(move |_, changes, checkpointer| {
        let seen = Arc::clone(&handler_seen);
        async move {
            let change = describe(&changes[0]);
            let times = {
                let mut seen = seen.lock().expect("seen");
                seen.push(change.clone());
                seen.iter().filter(|one| **one == change).count()
            };
            match (change.as_str(), times) {
                ("n0=0", _) => checkpointer.checkpoint().await.map_err(|error| error.to_string()),
                ("n3=3", 1) => Err("not yet".to_owned()),
                _ => Ok(()),
            }
        }
    });
    let running = processor.start().await.expect("started");
    let expected = ["n0=0", "n1=1", "n2=2", "n3=3", "n1=1", "n2=2", "n3=3"];
    until("the second round", async || seen.lock().expect("seen").len() >= expected.len()).await;
    running.stop().await;
    assert_eq!(*seen.lock().expect("seen"), expected);
}

#[tokio::test]
async fn a_checkpoint_of_a_batch_before_a_failure_is_rejected() {
    let shop = Shop::open().await;
    one_key(&shop, 0..4).await;
    let (send, mut batches) = mpsc::unbounded_channel();
    let failed = AtomicBool::new(false);
    let builder = shop.builder().await.start_from(StartFrom::Beginning).max_items(NonZeroU32::MIN);
    let builder = builder.retry_delay(Duration::from_millis(20), Duration::from_millis(20));
    let processor = builder.build_with_manual_checkpoint(move |_, changes, checkpointer| {
        let change = describe(&changes[0]);
        let fails = change == "n3=3" && !failed.swap(true, Ordering::SeqCst);
        let sent = send.send((change, checkpointer)).map_err(|_| "the test has ended");
        std::future::ready(if fails { Err("not yet") } else { sent })
    });
    let running = processor.start().await.expect("started");
    let mut given: Vec<(String, Checkpointer)> = Vec::new();
    while given.len() < 8 {
        given.push(batches.recv().await.expect("batch"));
    }
    assert_eq!((given[2].0.as_str(), given[4].0.as_str(), given[7].0.as_str()), ("n2=2", "n0=0", "n3=3"));
    let untouched = bookmarks(&shop).await;
    let error = given[2].1.checkpoint().await.expect_err("it is redelivered");
    assert_eq!(error.kind(), ErrorKind::PreconditionFailed, "{error}");
    assert_eq!(bookmarks(&shop).await, untouched);
    given[5].1.checkpoint().await.expect("checkpoint");
    let reached = bookmarks(&shop).await;
    assert_ne!(reached, untouched);
    given[4].1.checkpoint().await.expect("an earlier one changes nothing");
    assert_eq!(bookmarks(&shop).await, reached);
    running.stop().await;
}

#[tokio::test]
async fn changes_without_a_checkpoint_are_redelivered_after_a_split_or_merge() {
    for merges in [false, true] {
        let shop = Shop::open().await;
        one_key(&shop, 0..3).await;
        let (running, mut batches) = started(&shop).await;
        let mut gathered = Vec::new();
        for _ in 0..3 {
            gathered.push(batches.recv().await.expect("batch"));
        }
        let tokens = async || {
            let leases = shop.leases().await;
            leases.iter().map(|lease| lease["LeaseToken"].clone()).collect::<Vec<_>>()
        };
        let before = tokens().await;
        if merges {
            shop.endpoint.merge("acme-webstore", "cart", ["0", "1"], Duration::ZERO).await.expect("merge");
            shop.endpoint.merge("acme-webstore", "cart", ["2", "3"], Duration::ZERO).await.expect("merge");
        } else {
            shop.split_all().await;
        }
        until("new leases", async || tokens().await.iter().all(|token| !before.contains(token))).await;
        let late = gathered[2].1.checkpoint().await.expect_err("its lease was replaced");
        assert_eq!(late.kind(), ErrorKind::PreconditionFailed);
        for (batch, _) in gathered {
            let (again, _) = batches.recv().await.expect("batch");
            assert_eq!(again, batch);
        }
        running.stop().await;
    }
}

#[tokio::test]
async fn a_late_checkpoint_does_not_move_a_lease_that_was_acquired_again() {
    let shop = Shop::open().await;
    one_key(&shop, 0..2).await;
    let (running, mut batches) = started(&shop).await;
    let (_, first) = batches.recv().await.expect("batch");
    running.stop().await;
    let (running, mut batches) = started(&shop).await;
    batches.recv().await.expect("batch");
    let (_, second) = batches.recv().await.expect("batch");
    second.checkpoint().await.expect("checkpoint");
    // The leases of partitions without a change get their first bookmark at any time.
    let has_bookmarks = async || bookmarks(&shop).await.iter().all(|bookmark| !bookmark.is_null());
    until("a bookmark of every lease", has_bookmarks).await;
    let reached = bookmarks(&shop).await;
    first.checkpoint().await.expect_err("of the previous ownership");
    assert_eq!(bookmarks(&shop).await, reached);
    running.stop().await;
}
