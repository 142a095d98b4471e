//! A restore writes documents in bulk. Each is written over what was planned, or not at all, and is counted as what happened to it.

use std::collections::BTreeSet;
use std::time::Duration;

use changefeed_operations::{Action, PlannedItem, RestoreReport};
use local_cosmos::{Effect, Fault, LoggedKind, LoggedRequest, RequestKind};
use serde_json::json;

use crate::support::broken::{
    COUNT, a_batch_is_written, broken, broken_and_slow, counted, fault, id, put, restore, restore_by, states, undo,
};
use crate::support::jobs::restore_request;
use crate::support::{World, version_id};

/// The etags that the report has are those of the live documents.
async fn check_etags(world: &World, report: &RestoreReport) {
    let live = world.query("events", "SELECT VALUE [c.id, c._etag] FROM c").await;
    let live: BTreeSet<(String, String)> =
        live.into_iter().map(|row| serde_json::from_value(row).expect("row")).collect();
    let written = report.items.iter().filter(|item| item.action.is_write());
    let written: BTreeSet<(String, String)> =
        written.map(|item| (item.id.clone(), item.restored_etag.clone().expect("an etag"))).collect();
    assert!(written.is_subset(&live), "{written:?} {live:?}");
}

#[tokio::test]
async fn replaced_and_deleted_documents_are_written_with_few_requests_and_later_reads_see_them() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let second = broken(&world, &changefeed).await;
    let report = restore(&changefeed, second).await;
    assert_eq!((report.counts.replace, report.counts.create), (30, 10));
    let requests = world.endpoint.take_requests();
    let of_events = || requests.iter().filter(|request| request.container.as_deref() == Some("events"));
    let batches: Vec<_> = of_events().filter(|request| request.kind == LoggedKind::Batch).collect();
    assert_eq!(batches.iter().map(|request| request.items).sum::<usize>(), COUNT, "{batches:?}");
    assert!(batches.len() <= 8, "two groups of documents in four partitions: {batches:?}");
    assert!(of_events().all(|request| !matches!(request.kind, LoggedKind::Create | LoggedKind::Replace)));

    // The client knows the state of each partition after the last batch: it does not learn a newer one from the answers to its next reads.
    let session_tokens = async || {
        world.endpoint.take_requests();
        changefeed.restores.plan(&restore_request(json!({"all": true, "asOf": second}))).await.expect("a plan");
        let requests = world.endpoint.take_requests().into_iter();
        let of_events = requests.filter(|request| request.container.as_deref() == Some("events"));
        of_events.filter_map(|request| request.session_token).collect::<BTreeSet<String>>()
    };
    let tokens = session_tokens().await;
    assert!(!tokens.is_empty() && tokens.iter().all(|token| token.split(',').count() == 4), "{tokens:?}");
    assert_eq!(session_tokens().await, tokens);
    assert_eq!(states(&world).await, counted(&[("good", COUNT)]));
    check_etags(&world, &report).await;
}

#[tokio::test]
async fn after_a_lost_reply_each_document_is_counted_as_written_and_the_undo_brings_back_all() {
    for (has_stamp, effect) in [(true, Effect::LoseReply), (false, Effect::LoseReply), (true, Effect::Garble)] {
        let world = World::new().await;
        let changefeed = world.changefeed(|options| {
            if !has_stamp {
                (options.restored_at_field, options.restore_id_field) = (None, None);
            }
        });
        let second = broken(&world, &changefeed).await;
        world.endpoint.inject(fault(2, effect.clone()));
        let report = restore(&changefeed, second).await;
        assert_eq!((report.counts.replace, report.counts.create), (30, 10), "{has_stamp} {effect:?}: {report:?}");
        assert_eq!(states(&world).await, counted(&[("good", COUNT)]));
        check_etags(&world, &report).await;
        let undone = undo(&changefeed, &report).await;
        assert_eq!((undone.counts.replace, undone.counts.delete), (30, 10), "{has_stamp} {effect:?}: {undone:?}");
        assert_eq!(states(&world).await, counted(&[("bad", 30)]));
    }
}

#[tokio::test]
async fn a_document_that_changes_after_it_was_read_is_a_conflict_and_the_others_are_written() {
    let (world, changefeed, second) = broken_and_slow(1).await;
    let other = async {
        a_batch_is_written(&world).await;
        put(&world, 9, "later").await
    };
    let (report, later) = tokio::join!(restore(&changefeed, second), other);
    assert_eq!((report.counts.writes(), report.counts.conflict), (COUNT as u64 - 1, 1), "{report:?}");
    assert_eq!(states(&world).await, counted(&[("good", COUNT - 1), ("later", 1)]));
    let conflict = report.items.iter().find(|item| item.action == Action::Conflict).expect("a conflict");
    let message = conflict.message.as_deref().unwrap_or_default();
    assert!(conflict.id == id(9) && message.contains(&version_id(&later)), "{conflict:?}");
    check_etags(&world, &report).await;
}

#[tokio::test]
async fn a_forced_restore_writes_over_what_changed_after_it_was_read_and_the_undo_brings_that_back() {
    let (world, changefeed, second) = broken_and_slow(1).await;
    let other = async {
        a_batch_is_written(&world).await;
        put(&world, 9, "later").await;
    };
    let (report, ()) =
        tokio::join!(restore_by(&changefeed, json!({"all": true, "asOf": second, "force": true})), other);
    assert_eq!((report.counts.replace, report.counts.create), (30, 10), "{report:?}");
    assert_eq!(states(&world).await, counted(&[("good", COUNT)]));
    check_etags(&world, &report).await;
    let undone = undo(&changefeed, &report).await;
    assert_eq!((undone.counts.replace, undone.counts.delete), (30, 10), "{undone:?}");
    assert_eq!(states(&world).await, counted(&[("bad", 29), ("later", 1)]));
}

#[tokio::test]
async fn a_document_that_another_writer_creates_first_is_not_written() {
    let (world, changefeed, second) = broken_and_slow(0).await;
    // In bulk and once by itself, although there is no such document.
    world.endpoint.inject(fault(2, Effect::Status { status: 409, substatus: 0 }).on_item(id(4)));
    let other = async {
        a_batch_is_written(&world).await;
        put(&world, 8, "other").await;
        put(&world, 16, "good").await;
    };
    let (report, ()) = tokio::join!(restore(&changefeed, second), other);
    let counts = &report.counts;
    assert_eq!((counts.replace, counts.create, counts.conflict, counts.unchanged), (30, 8, 1, 1), "{report:?}");
    let of = |action| report.items.iter().find(|item| item.action == action).map(|item| item.id.clone());
    assert_eq!((of(Action::Conflict), of(Action::Unchanged)), (Some(id(8)), Some(id(16))));
    assert_eq!(states(&world).await, counted(&[("good", COUNT - 1), ("other", 1)]));
    let undone = undo(&changefeed, &report).await;
    assert_eq!((undone.counts.replace, undone.counts.delete), (30, 8), "{undone:?}");
    assert_eq!(states(&world).await, counted(&[("bad", 30), ("good", 1), ("other", 1)]));
}

#[tokio::test]
async fn documents_of_a_partition_that_is_split_meanwhile_are_written() {
    let (world, changefeed, second) = broken_and_slow(1).await;
    let split = async {
        a_batch_is_written(&world).await;
        for partition in world.endpoint.partitions("dev", "events").await.expect("partitions") {
            world.endpoint.split("dev", "events", Some(&partition.id), Duration::ZERO).await.expect("split");
        }
    };
    let (report, ()) = tokio::join!(restore(&changefeed, second), split);
    assert_eq!((report.counts.replace, report.counts.create), (30, 10), "{report:?}");
    let requests = world.endpoint.take_requests();
    let is_refused = |request: &LoggedRequest| request.kind == LoggedKind::Batch && request.status == 410;
    assert!(requests.iter().any(is_refused), "{requests:?}");
    assert_eq!(states(&world).await, counted(&[("good", COUNT)]));
    check_etags(&world, &report).await;
    undo(&changefeed, &report).await;
    assert_eq!(states(&world).await, counted(&[("bad", 30)]));
}

#[tokio::test]
async fn a_document_that_is_throttled_until_the_deadline_fails_alone() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.batch_timeout = Duration::from_secs(8));
    let second = broken(&world, &changefeed).await;
    world.endpoint.inject(fault(u32::MAX, Effect::Status { status: 429, substatus: 3200 }).on_item(id(1)));
    // A document of the second group is refused for a moment, in bulk and once by itself.
    world.endpoint.inject(fault(2, Effect::Status { status: 503, substatus: 0 }).on_item(id(39)));
    let report = restore(&changefeed, second).await;
    assert_eq!((report.counts.writes(), report.counts.failed), (COUNT as u64 - 1, 1), "{report:?}");
    let failed = report.items.iter().find(|item| item.action == Action::Failed).expect("a failure");
    let message = failed.message.as_deref().unwrap_or_default();
    assert!(failed.id == id(1) && message.contains("429"), "{failed:?}");
    assert_eq!(states(&world).await, counted(&[("good", COUNT - 1), ("bad", 1)]));
    world.endpoint.clear_faults();
    let report = restore(&changefeed, second).await;
    assert_eq!((report.counts.replace, report.counts.unchanged), (1, COUNT as u64 - 1), "{report:?}");
}

#[tokio::test]
async fn a_session_token_that_cannot_be_learned_fails_no_write() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let second = broken(&world, &changefeed).await;
    let refused = Effect::Status { status: 400, substatus: 0 };
    world.endpoint.inject(Fault { kind: RequestKind::Read, ..fault(100, refused) });
    let report = restore(&changefeed, second).await;
    assert_eq!((report.counts.replace, report.counts.create), (30, 10), "{report:?}");
    assert!(world.endpoint.pending_faults() < 100, "the token was read");
    assert_eq!(states(&world).await, counted(&[("good", COUNT)]));
}

#[tokio::test]
async fn what_the_service_refuses_in_bulk_is_written_by_itself() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let second = broken(&world, &changefeed).await;
    let statuses = [(1, 429, 3200), (2, 449, 0), (3, 503, 0), (4, 500, 0), (5, 408, 0), (6, 410, 1002)];
    for (n, status, substatus) in statuses {
        world.endpoint.inject(fault(1, Effect::Status { status, substatus }).on_item(id(n)));
    }
    // One that is refused by itself, too.
    for _ in 0..2 {
        world.endpoint.inject(fault(1, Effect::Status { status: 400, substatus: 0 }).on_item(id(7)));
    }
    let report = restore(&changefeed, second).await;
    assert_eq!((report.counts.writes(), report.counts.failed), (COUNT as u64 - 1, 1), "{report:?}");
    let failed: Vec<_> =
        report.items.iter().filter(|item| item.action == Action::Failed).map(|item| &item.id).collect();
    assert_eq!(failed, [&id(7)]);
    let requests = world.endpoint.take_requests();
    let of_events = requests.iter().filter(|request| request.container.as_deref() == Some("events"));
    let kinds: Vec<LoggedKind> = of_events.map(|request| request.kind).collect();
    let count = |kind: LoggedKind| kinds.iter().filter(|found| **found == kind).count();
    assert_eq!((count(LoggedKind::Replace), count(LoggedKind::Create)), (6, 1), "the refused ones: {kinds:?}");
    assert!(count(LoggedKind::Batch) >= 4, "{kinds:?}");
    assert_eq!(states(&world).await, counted(&[("good", COUNT - 1), ("bad", 1)]));
    check_etags(&world, &report).await;
}

#[tokio::test]
async fn a_refused_etag_that_the_document_still_has_is_sent_again_and_is_no_conflict() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let second = broken(&world, &changefeed).await;
    let refused = Effect::Status { status: 412, substatus: 0 };
    // In bulk and once by itself; and in bulk and at each attempt after it.
    for (n, times) in [(1, 2), (2, 6)] {
        world.endpoint.inject(fault(times, refused.clone()).on_item(id(n)));
    }
    // A document that is said to exist, and is not read.
    world.endpoint.inject(fault(6, Effect::Status { status: 409, substatus: 0 }).on_item(id(4)));
    let report = restore(&changefeed, second).await;
    assert_eq!((report.counts.writes(), report.counts.failed), (COUNT as u64 - 2, 2), "{report:?}");
    let failed: Vec<_> = report.items.iter().filter(|item| item.action == Action::Failed).collect();
    for (n, message) in [(2, "refuses the etag that it returns"), (4, "exists, and does not return it")] {
        let is_failure =
            |item: &&&PlannedItem| item.id == id(n) && item.message.iter().any(|text| text.contains(message));
        assert_eq!(failed.iter().filter(is_failure).count(), 1, "{failed:?}");
    }
    assert_eq!(states(&world).await, counted(&[("good", COUNT - 2), ("bad", 1)]));
}
