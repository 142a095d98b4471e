//! A restore writes documents in bulk. Each is written over what was planned, or not at all, and is counted as what happened to it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use changefeed_operations::{Action, Changefeed, RestoreReport, Restored, UndoRequest};
use local_cosmos::{Effect, Fault, LoggedKind, LoggedRequest, RequestKind};
use serde_json::{Value, json};

use crate::support::jobs::{capture, capture_as_one_state, restore_request};
use crate::support::{DEADLINE, World, until, version_id};

const COUNT: usize = 40;
const KEYS: usize = 8;

fn id(n: usize) -> String {
    format!("item-{n:02}")
}

fn key(n: usize) -> String {
    format!("key-{}", n % KEYS)
}

async fn put(world: &World, n: usize, state: &str) -> Value {
    world.put(key(n), json!({"id": id(n), "pk": key(n), "state": state})).await
}

/// Documents of all physical partitions that were good, and are bad now. Every fourth one was deleted. Returns the second to restore.
async fn broken(world: &World, changefeed: &Changefeed) -> i64 {
    let mut good = Vec::new();
    for n in 0..COUNT {
        good.push(put(world, n, "good").await);
    }
    let second = capture_as_one_state(changefeed, &good).await;
    for n in 0..COUNT {
        if n % 4 == 0 {
            world.container("events").await.delete_item(key(n), &id(n), None).await.expect("deleted");
        } else {
            capture(changefeed, &[put(world, n, "bad").await]).await;
        }
    }
    world.endpoint.take_requests();
    second
}

async fn restore(changefeed: &Changefeed, second: i64) -> RestoreReport {
    match changefeed.restores.run(&restore_request(json!({"all": true, "asOf": second}))).await.expect("restore") {
        Restored::Report(report) => *report,
        Restored::Job(record) => panic!("restore {} became a job", record.id),
    }
}

async fn undo(changefeed: &Changefeed, report: &RestoreReport) -> RestoreReport {
    let id = report.id.as_deref().expect("a record");
    match changefeed.restores.undo(id, &UndoRequest::default()).await.expect("undo") {
        Restored::Report(report) => *report,
        Restored::Job(record) => panic!("undo {} became a job", record.id),
    }
}

/// The documents with each state.
async fn states(world: &World) -> BTreeMap<String, usize> {
    let mut states = BTreeMap::new();
    for state in world.query("events", "SELECT VALUE c.state FROM c").await {
        *states.entry(state.as_str().expect("a state").to_owned()).or_default() += 1;
    }
    states
}

fn counted(states: &[(&str, usize)]) -> BTreeMap<String, usize> {
    states.iter().map(|(state, count)| ((*state).to_owned(), *count)).collect()
}

fn fault(times: u32, effect: Effect) -> Fault {
    Fault { container: Some("events".into()), kind: RequestKind::Write, times, effect }
}

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
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let second = broken(&world, &changefeed).await;
    // The batch with this document waits before it is executed.
    world.endpoint.inject(fault(1, Effect::Delay(Duration::from_secs(5))).on_item(id(1)));
    let other = async {
        until("another batch is written", DEADLINE, async || {
            let is_batch = |request: &LoggedRequest| request.kind == LoggedKind::Batch;
            world
                .endpoint
                .requests()
                .iter()
                .any(|request| is_batch(request) && request.container.as_deref() == Some("events"))
        })
        .await;
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
    let report = restore(&changefeed, second).await;
    assert_eq!((report.counts.writes(), report.counts.failed), (COUNT as u64 - 1, 1), "{report:?}");
    let failed = report.items.iter().find(|item| item.action == Action::Failed).expect("a failure");
    let message = failed.message.as_deref().unwrap_or_default();
    assert!(failed.id == id(2) && message.contains("refuses the etag that it returns"), "{failed:?}");
    assert_eq!(states(&world).await, counted(&[("good", COUNT - 1), ("bad", 1)]));
}

#[tokio::test]
async fn a_document_that_another_writer_deletes_after_a_refusal_was_not_deleted_by_the_restore() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let before = capture_as_one_state(&changefeed, &[put(&world, 0, "old").await]).await;
    let stored = put(&world, 1, "new").await;
    let metadata = json!({"lsn": 1, "operationType": "create", "crts": stored["_ts"]});
    capture(&changefeed, &[json!({"current": stored, "metadata": metadata})]).await;
    world.endpoint.take_requests();
    world.endpoint.inject(fault(1, Effect::Status { status: 412, substatus: 0 }).on_item(id(1)));
    // The restore reads the document before the delete, after the refusal, and before it tries again.
    let slow = Fault { kind: RequestKind::Read, ..fault(10, Effect::Delay(Duration::from_secs(3))) };
    world.endpoint.inject(slow.on_item(id(1)));
    let request =
        restore_request(json!({"id": id(1), "partitionKey": [key(1)], "asOf": before, "deleteCreatedAfter": true}));
    let other = async {
        until("the refusal and a read after it", DEADLINE, async || {
            let requests = world.endpoint.requests();
            let refused = requests.iter().position(|request| request.status == 412);
            refused.is_some_and(|refused| requests[refused..].iter().any(|request| request.kind == LoggedKind::Read))
        })
        .await;
        world.container("events").await.delete_item(key(1), &id(1), None).await.expect("deleted");
    };
    let (restored, ()) = tokio::join!(changefeed.restores.run(&request), other);
    let Restored::Report(report) = restored.expect("restore") else { panic!("a job") };
    assert_eq!((report.counts.delete, report.counts.unchanged), (0, 1), "{report:?}");
    let deletes = world.query("changes", "SELECT VALUE c.id FROM c WHERE c.operation = 'delete'").await;
    assert_eq!(deletes, Vec::<Value>::new(), "the delete of another writer is for capture to record");
}
