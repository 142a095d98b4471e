//! Documents are erased: nothing that is stored holds them, nothing brings them back, and everything else stays usable.

use std::time::Duration;

use changefeed_cosmos::{ErrorKind, IdempotencyKey};
use changefeed_history::{Batch, CaptureReport, ReplayOutcome};
use changefeed_jobs::JobState;
use changefeed_operations::{
    Changefeed, ErasureRecord, ErasureRequest, LiftRequest, Restored, UndoRequest, VerifyRequest,
};
use local_cosmos::{Effect, Fault, RequestKind};
use serde_json::value::to_raw_value;
use serde_json::{Value, json};

use crate::support::jobs::{capture, finish, restore_request, small_limits};
use crate::support::raw_items::{assert_nowhere, stored_items};
use crate::support::{World, noise};

/// The id of the document that is erased.
const ANN: &str = "ann-7";
/// What stands in each of its versions and nowhere else.
const MARKER: &str = "ann's secret";

/// The library with short times: an erasure is complete after a few seconds.
fn changefeed(world: &World) -> Changefeed {
    world.changefeed(|options| {
        options.batch_timeout = Duration::from_secs(4);
        options.jobs = small_limits();
    })
}

fn request(request: Value) -> ErasureRequest {
    serde_json::from_value(request).expect("request")
}

async fn erase(changefeed: &Changefeed, wanted: Value) -> ErasureRecord {
    let id = changefeed.erasures.create_job(&request(wanted)).await.expect("job").id;
    finish(changefeed, &id).await;
    changefeed.erasures.record(&id).await.expect("record")
}

async fn capture_report(changefeed: &Changefeed, payloads: &[Value]) -> CaptureReport {
    let batch = Batch { function: "test".into(), invocation_id: "test".into(), rewritten_by_host: true };
    let payloads = payloads.iter().map(|payload| to_raw_value(payload).expect("raw")).collect();
    changefeed.capture.capture(&batch, payloads).await.expect("captured")
}

async fn put(world: &World, id: &str, text: &str, n: u64) -> Value {
    world.put("a", json!({"id": id, "pk": "a", "text": text, "n": n})).await
}

/// A delete as the feed of all versions delivers it, with the previous image.
fn delete_of(document: &Value, lsn: i64) -> Value {
    json!({"current": {}, "previous": document, "metadata": {"operationType": "delete", "id": document["id"],
        "partitionKey": {"pk": document["pk"]}, "crts": document["_ts"], "lsn": lsn, "previousImageLSN": lsn - 1}})
}

#[tokio::test]
async fn nothing_of_an_erased_document_is_left_and_nothing_brings_it_back() {
    let world = World::new().await;
    let changefeed = changefeed(&world);
    let mut written = Vec::new();
    for n in 0..3 {
        written.push(put(&world, ANN, MARKER, n).await);
        written.push(put(&world, "bob", "bob's text", n).await);
    }
    // A version in parts, whose text is stored compressed.
    let large = |n: u64| json!({"id": ANN, "pk": "a", "text": format!("{MARKER} {n} {}", noise(600_000)), "n": n});
    let previous = world.put("a", large(3)).await;
    let current = world.put("a", large(4)).await;
    let metadata = json!({"operationType": "replace", "crts": current["_ts"], "lsn": 9100, "previousImageLSN": 9099});
    let replaced = json!({"current": current, "previous": previous, "metadata": metadata});
    capture(&changefeed, &written).await;
    capture(&changefeed, std::slice::from_ref(&replaced)).await;
    let deleted = delete_of(&written[0], 9000);
    capture_report(&changefeed, std::slice::from_ref(&deleted)).await;
    let parts = world.query("changes", "SELECT VALUE c.id FROM c WHERE IS_DEFINED(c.partOf)").await;
    assert!(parts.len() > 1, "the large version is stored in parts");
    // A dead letter, and one nested too deeply to be parsed.
    let refused = put(&world, ANN, MARKER, 4).await;
    let effect = Effect::Status { status: 413, substatus: 0 };
    world.endpoint.inject(Fault { container: Some("changes".into()), kind: RequestKind::Write, times: 1, effect });
    capture(&changefeed, std::slice::from_ref(&refused)).await;
    assert_eq!(world.dead_letters().await.len(), 1);
    // A restore of both documents, which can be undone; a stored plan of both; a verification that found both.
    let plan =
        restore_request(json!({"partitionKey": ["a"], "asOf": "2000-01-01T00:00:00Z", "deleteCreatedAfter": true,
        "dryRun": true, "job": true, "store": true}));
    let version = written[1]["_etag"].as_str().expect("etag").trim_matches('"').to_owned();
    let version = format!("{:010}-{version}", written[1]["_ts"].as_i64().expect("_ts"));
    let of_bob = json!({"id": "bob", "pk": "a", "version": version, "reason": "ann-7 was wrong too"});
    let Restored::Report(undone) = changefeed.restores.run(&restore_request(of_bob)).await.expect("restore") else {
        panic!("a job");
    };
    let Restored::Job(plan) = changefeed.restores.run(&plan).await.expect("plan") else { panic!("no job") };
    finish(&changefeed, &plan.id).await;
    let verification = VerifyRequest { grace_seconds: Some(0), ..VerifyRequest::default() };
    let found = changefeed.verifications.create_job(&verification).await.expect("job");
    finish(&changefeed, &found.id).await;
    let findings = changefeed.verifications.show(&found.id).await.expect("findings").findings;
    assert!(findings.iter().any(|finding| finding.id == ANN), "{findings:?}");
    let of_bob = stored_items(&world, "bob").await;

    let counted = erase(&changefeed, json!({"id": ANN, "pk": "a", "dryRun": true})).await;
    assert_eq!(counted.state, JobState::Planned);
    assert!(counted.counts.versions >= 4 && counted.counts.live == 1 && counted.counts.dead_letters == 1);
    assert!(world.live("a", ANN).await.is_some());
    let erased = erase(&changefeed, json!({"id": ANN, "pk": "a", "confirm": 1})).await;
    assert_eq!(erased.state, JobState::Done, "{erased:?}");
    assert_eq!(
        (erased.counts.versions, erased.counts.parts, erased.counts.dead_letters, erased.counts.live),
        (counted.counts.versions, counted.counts.parts, 1, 1)
    );
    assert!(erased.counts.records >= 3, "{:?}", erased.counts);
    assert_nowhere(&world, &[ANN, MARKER, "ann's"]).await;
    let without_ann =
        |items: Vec<Value>| items.into_iter().filter(|item| !item.to_string().contains(ANN)).collect::<Vec<_>>();
    assert_eq!(without_ann(stored_items(&world, "bob").await), without_ann(of_bob));

    // Redelivery, a delete with the previous image, and a document that the application writes again.
    let again =
        capture_report(&changefeed, &[written[0].clone(), deleted, refused, replaced, written[1].clone()]).await;
    assert_eq!((again.erased, again.stored, again.dead_lettered), (4, 0, 0), "{again:?}");
    let new = put(&world, ANN, MARKER, 10).await;
    assert_eq!(capture_report(&changefeed, std::slice::from_ref(&new)).await.erased, 1);
    let verification = VerifyRequest { repair: true, ..verification };
    let repaired = changefeed.verifications.create_job(&verification).await.expect("job");
    assert_eq!(finish(&changefeed, &repaired.id).await, JobState::Done);
    assert!(stored_items(&world, ANN).await.iter().all(|item| item.get("sourceId").is_none()));
    // No record names it, after a restore that was to include it.
    let all = restore_request(json!({"all": true, "asOf": "2000-01-01T00:00:00Z", "dryRun": true, "job": true}));
    let Restored::Job(all) = changefeed.restores.run(&all).await.expect("plan") else { panic!("no job") };
    finish(&changefeed, &all.id).await;
    let refused = restore_request(json!({"id": ANN, "pk": "a", "asOf": "2000-01-01T00:00:00Z"}));
    let refused = changefeed.restores.run(&refused).await.expect_err("refused");
    assert_eq!(refused.kind(), ErrorKind::Conflict, "{refused}");
    world.container("events").await.delete_item("a", ANN, None).await.expect("deleted");
    assert_nowhere(&world, &[ANN, MARKER, "ann's"]).await;

    // The other document is restored and undone as before.
    let executed = changefeed.restores.execute_plan(&plan.id).await.expect("executed");
    finish(&changefeed, &executed.id).await;
    let items = changefeed.restores.items(&executed.id, None).await.expect("items").items;
    assert!(items.iter().any(|item| item.id.is_empty() && item.message.as_deref() == Some("the document is erased")));
    assert!(items.iter().any(|item| item.id == "bob"), "{items:?}");
    let forced = UndoRequest { force: true, ..UndoRequest::default() };
    let undo = changefeed.restores.undo(&undone.id.expect("id"), &forced).await.expect("undone");
    assert!(matches!(undo, Restored::Report(_)));
    assert_nowhere(&world, &[ANN, MARKER]).await;

    // It is captured again after the erasure is lifted.
    let lift: LiftRequest = serde_json::from_value(json!({"id": ANN, "pk": "a", "confirm": 1})).expect("request");
    assert_eq!(changefeed.erasures.lift(&lift).await.expect("lifted").lifted, 1);
    assert_eq!(changefeed.erasures.lift(&lift).await.expect("lifted").not_erased, 1);
    let new = put(&world, ANN, "new", 11).await;
    assert_eq!(capture_report(&changefeed, &[new]).await.stored, 1);
}

#[tokio::test]
async fn a_live_document_can_stay_and_is_no_longer_captured() {
    let world = World::new().await;
    let changefeed = changefeed(&world);
    let written = [put(&world, ANN, MARKER, 0).await, put(&world, "bob", "text", 0).await];
    capture(&changefeed, &written).await;
    let erased = erase(&changefeed, json!({"id": ANN, "pk": "a", "keepLive": true, "confirm": 1})).await;
    assert_eq!((erased.state, erased.counts.live, erased.counts.versions), (JobState::Done, 0, 1));
    assert!(world.live("a", ANN).await.is_some());
    let verification = VerifyRequest { grace_seconds: Some(0), repair: true, ..VerifyRequest::default() };
    let found = changefeed.verifications.create_job(&verification).await.expect("job");
    assert_eq!(finish(&changefeed, &found.id).await, JobState::Done, "no finding, and nothing is captured");
    assert_eq!(world.versions().await.len(), 1);
    // The request that is repeated has the same erasure.
    let key = IdempotencyKey::new("3b1a5a3e-0000-4000-8000-000000000001");
    assert!(key.is_some());
    let repeated = ErasureRequest { key, ..request(json!({"id": ANN, "pk": "a", "keepLive": true, "confirm": 1})) };
    let first = changefeed.erasures.create_job(&repeated).await.expect("job");
    finish(&changefeed, &first.id).await;
    let second = changefeed.erasures.create_job(&repeated).await.expect("job");
    assert_eq!((second.id, second.state), (first.id, JobState::Done));
    assert!(world.query("jobs", "SELECT * FROM c WHERE c.kind = 'erase-documents'").await.is_empty());
}

#[tokio::test]
async fn a_dead_letter_of_an_erased_document_is_removed_when_it_is_replayed() {
    let world = World::new().await;
    let changefeed = changefeed(&world);
    let stored = put(&world, ANN, MARKER, 0).await;
    // Another process does not know of the erasure yet.
    let other = crate::support::changefeed_on(&world.client, |options| options.batch_timeout = Duration::from_secs(4));
    assert_eq!(capture_report(&other, std::slice::from_ref(&stored)).await.stored, 1);
    let running =
        changefeed.erasures.create_job(&request(json!({"id": ANN, "pk": "a", "confirm": 1}))).await.expect("job");
    let effect = Effect::Status { status: 413, substatus: 0 };
    world.endpoint.inject(Fault { container: Some("changes".into()), kind: RequestKind::Write, times: 1, effect });
    let late = put(&world, ANN, MARKER, 1).await;
    let report = capture_report(&other, std::slice::from_ref(&late)).await;
    world.endpoint.clear_faults();
    // It may have learned of the erasure meanwhile.
    if report.dead_lettered == 1 {
        let letter = world.dead_letters().await.pop().expect("a letter")["id"].as_str().expect("id").to_owned();
        let replay = changefeed.dead_letters.replay(&letter, None).await.expect("replayed");
        assert_eq!(replay.outcome, ReplayOutcome::Erased);
    }
    assert_eq!(finish(&changefeed, &running.id).await, JobState::Done);
    assert_nowhere(&world, &[ANN, MARKER]).await;
}

#[tokio::test]
async fn what_was_captured_while_a_document_was_erased_is_removed_in_the_second_round() {
    let world = World::new().await;
    let changefeed = changefeed(&world);
    let other = crate::support::changefeed_on(&world.client, |options| options.batch_timeout = Duration::from_secs(4));
    let documents = [put(&world, ANN, MARKER, 0).await, put(&world, ANN, MARKER, 1).await];
    // The other process has just read that no document is erased.
    assert_eq!(capture_report(&other, &documents[..1]).await.stored, 1);
    let job = changefeed.erasures.create_job(&request(json!({"id": ANN, "pk": "a", "confirm": 1}))).await.expect("job");
    capture_report(&other, &documents[1..]).await;
    assert_eq!(finish(&changefeed, &job.id).await, JobState::Done);
    assert_nowhere(&world, &[ANN, MARKER]).await;
    assert_eq!(capture_report(&other, &documents).await.erased, 2, "it knows by now");
}

#[tokio::test]
async fn capture_reads_nothing_for_each_document() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let mut documents = Vec::new();
    for n in 0..50 {
        documents.push(put(&world, &format!("item-{n}"), "text", n).await);
    }
    let names: Vec<Value> = (0..40).map(|n| json!({"id": format!("erased-{n}"), "pk": "a"})).collect();
    let set: ErasureRequest = request(json!({"documents": names, "dryRun": true}));
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    changefeed.history.erased().register(&set.documents, deadline).await.expect("registered");
    capture(&changefeed, &documents[..1]).await;
    world.endpoint.take_requests();
    for document in &documents {
        capture(&changefeed, std::slice::from_ref(document)).await;
    }
    capture(&changefeed, &documents).await;
    let of_jobs =
        world.endpoint.take_requests().into_iter().filter(|request| request.container.as_deref() == Some("jobs"));
    // Of the whole set at most once in 7.5 seconds, on whatever machine this is.
    assert!(of_jobs.count() < 10, "capture read the erased documents more than once");
}

#[tokio::test]
async fn the_live_document_is_counted_also_if_the_reply_to_its_delete_is_lost() {
    let world = World::new().await;
    let changefeed = changefeed(&world);
    world.put("a", json!({"id": ANN, "pk": "a"})).await;
    world.endpoint.inject(Fault {
        container: Some("events".into()),
        kind: RequestKind::Write,
        times: 1,
        effect: Effect::LoseReply,
    });
    let erased = erase(&changefeed, json!({"id": ANN, "pk": "a", "confirm": 1})).await;
    assert_eq!((erased.state, erased.counts.live), (JobState::Done, 1), "{erased:?}");
    assert_eq!(world.live("a", ANN).await, None);
}
