//! Each kind of difference between the live documents and the history is created, found and repaired.

use azure_data_cosmos::models::TimeToLive;
use changefeed_cosmos::{DocumentName, ErrorKind, Key};
use changefeed_history::{AsOf, Operation, TimeExpression};
use changefeed_jobs::JobState;
use changefeed_operations::{FindingKind, RestoreRequest, Restored};
use serde_json::{Value, json};

use crate::support::jobs::{capture, small_limits};
use crate::support::verify::{
    delete_record, finding_summaries, overwrite_record, run_verification, start_verification, text_larger_than_an_item,
    version_of, version_parts,
};
use crate::support::{DEADLINE, World, until};

fn document(id: &str, v: u32) -> Value {
    json!({"id": id, "pk": "a", "v": v})
}

fn name(id: &str) -> DocumentName {
    DocumentName { id: id.to_owned(), partition_key: Key::text("a") }
}

async fn delete(world: &World, id: &str) {
    world.container("events").await.delete_item("a", id, None).await.expect("delete");
}

async fn next_second() {
    let now = chrono::Utc::now().timestamp();
    until("the next second", DEADLINE, async || chrono::Utc::now().timestamp() > now).await;
}

/// The summary of a finding.
fn summary(kind: &str, id: &str, version: &str) -> (String, String, String) {
    (kind.to_owned(), id.to_owned(), version.to_owned())
}

#[tokio::test]
async fn a_complete_history_has_no_findings() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let mut stored = Vec::new();
    for n in 0..40 {
        stored.push(world.put("a", document(&format!("item-{}", n % 25), n)).await);
    }
    stored.push(world.put("a", json!({"id": "large", "pk": "a", "text": text_larger_than_an_item()})).await);
    capture(&changefeed, &stored).await;
    assert_eq!(version_parts(&world).await.len(), 2);
    let (record, findings) = run_verification(&changefeed, json!({})).await;
    assert_eq!((record.state, findings), (JobState::Done, Vec::new()));
    let counts = (record.counts.documents, record.counts.versions, record.counts.found(), record.counts.pending);
    assert_eq!(counts, (26, 41, 0, 0));
}

#[tokio::test]
async fn each_kind_of_difference_is_found_once_and_not_after_its_repair() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let mut captured = Vec::new();
    for id in ["complete", "missing", "lost", "gone", "inexact", "restored"] {
        captured.push(world.put("a", document(id, 1)).await);
    }
    let large = world.put("a", json!({"id": "large", "pk": "a", "text": text_larger_than_an_item()})).await;
    captured.push(large.clone());
    capture(&changefeed, &captured).await;
    // These versions have no sequence numbers, which would order them within a second as the feed's are.
    next_second().await;
    let missing = world.put("a", document("missing", 2)).await;
    let never = world.put("b", json!({"id": "never", "pk": "b"})).await;
    delete(&world, "gone").await;
    let mut versions = world.versions().await;
    delete_record(&world, &versions[&version_of(&captured[2])]).await;
    for captured in &captured[4..6] {
        let mut inexact = versions.remove(&version_of(captured)).expect("a version");
        inexact["exact"] = json!(false);
        overwrite_record(&world, inexact).await;
    }
    changefeed.history.difference(&name("restored"), "live", "live").await.expect("a difference");
    // A restore that overwrites the document stores an exact version beside the inexact one.
    let mut exact = versions_of(&world, "restored").await.remove(0);
    (exact["id"], exact["exact"]) = (json!(format!("{}-exact", version_of(&captured[5]))), json!(true));
    overwrite_record(&world, exact).await;
    let part = version_parts(&world).await.pop().expect("a part");
    delete_record(&world, &part).await;

    let expected = vec![
        summary("gone", "gone", &version_of(&captured[3])),
        summary("incomplete", "large", &version_of(&large)),
        summary("inexact", "inexact", &version_of(&captured[4])),
        summary("missing", "missing", &version_of(&missing)),
        summary("neverCaptured", "lost", &version_of(&captured[2])),
        summary("neverCaptured", "never", &version_of(&never)),
    ];
    let before = world.versions().await;
    let (record, findings) = run_verification(&changefeed, json!({"requestedBy": "operator"})).await;
    assert_eq!(finding_summaries(&findings), expected);
    assert_eq!((record.state, record.requested_by.as_deref()), (JobState::Findings, Some("operator")));
    assert_eq!(world.versions().await, before, "a verification without repair writes nothing");

    let (record, findings) = run_verification(&changefeed, json!({"repair": true})).await;
    assert_eq!(finding_summaries(&findings), expected);
    assert!(findings.iter().all(|finding| finding.repaired && finding.recorded.is_some()), "{findings:?}");
    assert_eq!((record.state, record.counts.found(), record.counts.repaired), (JobState::Done, 6, 6));
    let repaired = changefeed.history.version(&name("missing"), &version_of(&missing)).await.expect("a version");
    assert_eq!((repaired.exact, repaired.captured_by.as_str()), (true, record.id.as_str()));
    assert!(repaired.lsn.is_some());

    let after = world.versions().await;
    for repair in [false, true] {
        let (record, findings) = run_verification(&changefeed, json!({"repair": repair})).await;
        assert_eq!((record.state, findings), (JobState::Done, Vec::new()));
    }
    assert_eq!(world.versions().await, after, "a second repair writes nothing");
    // A late capture adds nothing.
    capture(&changefeed, &[missing, never]).await;
    assert_eq!(world.versions().await, after);
}

async fn versions_of(world: &World, id: &str) -> Vec<Value> {
    world.versions().await.into_values().filter(|version| version["sourceId"] == id).collect()
}

#[tokio::test]
async fn a_version_with_two_inexact_records_is_not_reported_as_repaired() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let stored = world.put("a", document("item", 1)).await;
    capture(&changefeed, std::slice::from_ref(&stored)).await;
    let mut record = world.only_version().await;
    record["exact"] = json!(false);
    overwrite_record(&world, record.clone()).await;
    record["id"] = json!(format!("{}-exact", version_of(&stored)));
    overwrite_record(&world, record).await;
    let (verified, findings) = run_verification(&changefeed, json!({"repair": true})).await;
    assert_eq!(finding_summaries(&findings), [summary("inexact", "item", &version_of(&stored))]);
    assert_eq!((verified.state, verified.counts.repaired), (JobState::Findings, 0));
    assert!(findings[0].message.as_deref().is_some_and(|message| message.contains("exact")), "{findings:?}");
}

#[tokio::test]
async fn an_unreported_delete_is_inferred_and_a_document_that_is_created_again_has_no_finding() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let first = world.put("a", document("item", 1)).await;
    capture(&changefeed, std::slice::from_ref(&first)).await;
    next_second().await;
    delete(&world, "item").await;
    let written = first["_ts"].as_i64().expect("_ts");
    let started = chrono::Utc::now().timestamp();
    let (_, findings) = run_verification(&changefeed, json!({"repair": true})).await;
    let recorded = findings[0].recorded.clone().expect("a version");
    assert_eq!(recorded, format!("{}-gone", version_of(&first)));
    let inferred = changefeed.history.version(&name("item"), &recorded).await.expect("a version");
    assert_eq!((inferred.operation, inferred.inferred), (Operation::Delete, true));
    assert!((started..=chrono::Utc::now().timestamp()).contains(&inferred.source_ts), "{inferred:?}");
    assert_eq!(serde_json::to_value(&inferred).expect("json")["inferred"], true);

    // The document is created again, possibly in the same second.
    let second = world.put("a", document("item", 2)).await;
    capture(&changefeed, std::slice::from_ref(&second)).await;
    next_second().await;
    let as_of = async |second: i64| {
        let moment: TimeExpression = serde_json::from_value(json!(second)).expect("moment");
        changefeed.history.document_as_of(&name("item"), moment).await.expect("an answer")
    };
    for moment in written..inferred.source_ts {
        let AsOf::Version { version, may_be_deleted } = as_of(moment).await else { panic!("as of {moment}") };
        assert_eq!((version.id.to_string(), may_be_deleted), (version_of(&first), true), "as of {moment}");
    }
    let recreated = second["_ts"].as_i64().expect("_ts");
    for moment in inferred.source_ts..recreated {
        assert_eq!(as_of(moment).await, AsOf::Absent { because: recorded.clone() }, "as of {moment}");
    }
    let AsOf::Version { version, may_be_deleted } = as_of(recreated).await else { panic!("as of {recreated}") };
    assert_eq!((version.id.to_string(), may_be_deleted), (version_of(&second), false));
    assert_eq!(run_verification(&changefeed, json!({})).await.1, Vec::new());

    // A second unreported delete is inferred too.
    delete(&world, "item").await;
    let (_, findings) = run_verification(&changefeed, json!({"repair": true})).await;
    assert_eq!(findings[0].recorded.as_deref(), Some(format!("{}-gone", version_of(&second)).as_str()));
    // A restore takes the inferred delete into account.
    let request =
        json!({"all": true, "asOf": chrono::Utc::now().timestamp(), "deleteCreatedAfter": true, "dryRun": true});
    let request: RestoreRequest = serde_json::from_value(request).expect("request");
    let default_limits = world.changefeed(|_| ());
    let Restored::Report(report) = default_limits.restores.run(&request).await.expect("plan") else { panic!("a job") };
    assert_eq!(report.counts.writes(), 0, "{report:?}");
}

#[tokio::test]
async fn expired_documents_are_not_findings_with_any_time_to_live() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let own = world.put("a", json!({"id": "own", "pk": "a", "ttl": 1})).await;
    let default = world.put("a", document("default", 1)).await;
    let long = world.put("a", json!({"id": "long", "pk": "a", "ttl": 5000})).await;
    let soon = world.put("a", json!({"id": "soon", "pk": "a", "ttl": 50})).await;
    capture(&changefeed, &[own, default.clone(), long.clone(), soon]).await;
    // From now on documents expire by default. The captured versions do not have this expiry time.
    let events = world.container("events").await;
    let properties = events.read(None).await.expect("read").into_model().expect("properties");
    let ttl = TimeToLive::Seconds(1);
    events.replace(properties.with_default_ttl(ttl), None).await.expect("replace");
    until("the documents have expired", DEADLINE, async || {
        world.live("a", "own").await.is_none() && world.live("a", "default").await.is_none()
    })
    .await;
    delete(&world, "long").await;
    delete(&world, "soon").await;
    let (record, findings) = run_verification(&changefeed, json!({})).await;
    assert_eq!(finding_summaries(&findings).len(), 2, "{findings:?}");
    assert!(findings.iter().all(|finding| ["long", "soon"].contains(&finding.id.as_str())), "{findings:?}");
    assert_eq!(record.counts.pending, 0);
}

#[tokio::test]
async fn a_document_that_may_still_be_captured_is_pending() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    world.put("a", document("young", 1)).await;
    let (record, findings) = run_verification(&changefeed, json!({"graceSeconds": 600, "repair": true})).await;
    assert_eq!((record.state, findings, record.counts.pending), (JobState::Done, Vec::new(), 1));
    assert!(world.versions().await.is_empty());
}

#[tokio::test]
async fn a_version_that_cannot_be_repaired_remains_a_finding() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let old = world.put("a", json!({"id": "large", "pk": "a", "text": text_larger_than_an_item()})).await;
    let new = world.put("a", document("large", 2)).await;
    let plain = world.put("a", document("plain", 1)).await;
    let plain_now = world.put("a", document("plain", 2)).await;
    let broken = world.put("a", document("broken", 1)).await;
    let broken_now = world.put("a", document("broken", 2)).await;
    let all = [old.clone(), new, plain.clone(), plain_now, broken.clone(), broken_now];
    capture(&changefeed, &all).await;
    let versions = world.versions().await;
    // Valid data with different content.
    let mut part = version_parts(&world).await.pop().expect("a part");
    let data = part["data"].as_str().expect("data").to_owned();
    let other = if &data[1000..1001] == "A" { "B" } else { "A" };
    part["data"] = json!(format!("{}{other}{}", &data[..1000], &data[1001..]));
    overwrite_record(&world, part).await;
    let mut emptied = versions[&version_of(&plain)].clone();
    emptied.as_object_mut().expect("object").shift_remove("document");
    overwrite_record(&world, emptied).await;
    let mut unknown_operation = versions[&version_of(&broken)].clone();
    unknown_operation["operation"] = json!("unheard-of");
    overwrite_record(&world, unknown_operation).await;
    let mut expected = vec![
        summary("incomplete", "broken", &version_of(&broken)),
        summary("incomplete", "large", &version_of(&old)),
        summary("incomplete", "plain", &version_of(&plain)),
    ];
    expected.sort();
    for repair in [false, true, true] {
        let (record, findings) = run_verification(&changefeed, json!({"repair": repair})).await;
        assert_eq!(finding_summaries(&findings), expected);
        assert!(findings.iter().all(|finding| !finding.repaired && finding.message.is_some()), "{findings:?}");
        assert_eq!((record.state, record.counts.repaired), (JobState::Findings, 0));
    }
}

#[tokio::test]
async fn a_verification_can_be_limited_to_one_partition_key() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let mut expected = Vec::new();
    for n in 0..20 {
        for key in ["a", "b"] {
            let stored = world.put(key, json!({"id": format!("{key}-{n}"), "pk": key})).await;
            if n % 2 == 0 {
                capture(&changefeed, std::slice::from_ref(&stored)).await;
                world.container("events").await.delete_item(key, &format!("{key}-{n}"), None).await.expect("delete");
            }
            if key == "b" {
                let kind = if n % 2 == 0 { "gone" } else { "neverCaptured" };
                expected.push(summary(kind, &format!("b-{n}"), &version_of(&stored)));
            }
        }
    }
    expected.sort();
    let (record, findings) = run_verification(&changefeed, json!({"partitionKey": ["b"]})).await;
    assert_eq!(finding_summaries(&findings), expected);
    assert_eq!((record.counts.documents, record.counts.versions), (10, 10));
    let wrong = serde_json::from_value(json!({"partitionKey": ["b", 1]})).expect("request");
    assert!(changefeed.verifications.create_job(&wrong).await.is_err());
    let wrong = serde_json::from_value(json!({"graceSeconds": 1_000_000})).expect("request");
    assert!(changefeed.verifications.create_job(&wrong).await.expect_err("refused").to_string().contains("0 to 86400"));
}

#[tokio::test]
async fn a_repair_of_findings_repairs_exactly_those_and_reports_what_changed_since() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let mut captured = Vec::new();
    for id in ["missing", "changed", "gone", "again", "deleted", "complete"] {
        captured.push(world.put("a", document(id, 1)).await);
    }
    capture(&changefeed, &captured).await;
    let missing = world.put("a", document("missing", 2)).await;
    let changed = world.put("a", document("changed", 2)).await;
    let deleted = world.put("a", document("deleted", 2)).await;
    for id in ["gone", "again"] {
        delete(&world, id).await;
    }
    let expected = vec![
        summary("gone", "again", &version_of(&captured[3])),
        summary("gone", "gone", &version_of(&captured[2])),
        summary("missing", "changed", &version_of(&changed)),
        summary("missing", "deleted", &version_of(&deleted)),
        summary("missing", "missing", &version_of(&missing)),
    ];
    let (shown, findings) = run_verification(&changefeed, json!({})).await;
    assert_eq!(finding_summaries(&findings), expected);

    // After the findings were shown, three of their documents change, and another difference appears.
    world.put("a", document("changed", 3)).await;
    world.put("a", document("again", 2)).await;
    delete(&world, "deleted").await;
    world.put("a", document("complete", 2)).await;
    let before = world.versions().await;
    let (record, findings) = run_verification(&changefeed, json!({"repair": true, "findingsOf": shown.id})).await;
    assert_eq!(finding_summaries(&findings), expected);
    for finding in &findings {
        let is_as_shown = ["missing", "gone"].contains(&finding.id.as_str());
        assert_eq!(finding.repaired, is_as_shown, "{finding:?}");
        let is_reported = finding.message.as_deref().is_some_and(|message| message.contains("verify again"));
        assert_eq!(is_reported, !is_as_shown, "{finding:?}");
    }
    assert_eq!((record.state, record.counts.found(), record.counts.repaired), (JobState::Findings, 5, 2));
    assert_eq!((record.counts.documents, record.counts.versions), (0, 0), "nothing else was looked for");
    let after = world.versions().await;
    let stored: Vec<&str> = after
        .iter()
        .filter(|(id, _)| !before.contains_key(*id))
        .map(|(_, version)| version["sourceId"].as_str().expect("id"))
        .collect();
    assert_eq!(stored.len(), 2, "{stored:?}");
    assert!(stored.contains(&"missing") && stored.contains(&"gone"), "{stored:?}");
}

#[tokio::test]
async fn findings_are_repaired_only_of_a_verification_that_has_ended() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let id = start_verification(&changefeed, json!({})).await;
    let create = async |request: Value| {
        let request = serde_json::from_value(request).expect("request");
        changefeed.verifications.create_job(&request).await.expect_err("refused")
    };
    let refused = create(json!({"repair": true, "findingsOf": id})).await;
    assert_eq!(refused.kind(), ErrorKind::Conflict, "{refused}");
    let refused = create(json!({"repair": true, "findingsOf": "none"})).await;
    assert_eq!(refused.kind(), ErrorKind::NotFound, "{refused}");
    for request in [json!({"findingsOf": id}), json!({"repair": true, "findingsOf": id, "partitionKey": ["a"]})] {
        let refused = create(request).await;
        assert_eq!(refused.kind(), ErrorKind::Invalid, "{refused}");
        assert!(refused.to_string().contains("findingsOf"), "{refused}");
    }
}

#[tokio::test]
async fn a_delete_in_the_second_of_a_version_without_a_sequence_number_is_stored_after_it() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    // By the clock of the service the verification is not after this second.
    let second = chrono::Utc::now().timestamp() + 3600;
    let version = json!({"id": "1", "pk": "a", "_ts": second, "_etag": "\"e\""});
    capture(&changefeed, &[version]).await;
    let (_, findings) = run_verification(&changefeed, json!({"repair": true})).await;
    assert_eq!(findings.iter().map(|finding| finding.kind).collect::<Vec<_>>(), [FindingKind::Gone], "{findings:?}");
    let versions = world.versions().await;
    assert!(versions.len() == 2 && versions.values().all(|version| version["sourceTs"] == second), "{versions:?}");
    let (_, findings) = run_verification(&changefeed, json!({})).await;
    assert_eq!(findings, Vec::new(), "it was repaired");
}
