//! Each kind of difference between the live documents and the history: made by hand, found, repaired.

use changefeed_cosmos::{DocumentName, Key};
use changefeed_history::{AsOf, Operation, TimeExpression};
use changefeed_jobs::JobState;
use changefeed_operations::{RestoreRequest, Restored};
use serde_json::{Value, json};

use crate::support::jobs::{capture, small};
use crate::support::verify::{large_text, lose, outline, parts, rewrite, verify, version_of};
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

fn found(kind: &str, id: &str, version: &str) -> (String, String, String) {
    (kind.to_owned(), id.to_owned(), version.to_owned())
}

#[tokio::test]
async fn a_history_that_has_everything_has_no_findings() {
    let world = World::new().await;
    let store = world.store(|options| options.jobs = small());
    let mut stored = Vec::new();
    for n in 0..40 {
        stored.push(world.put("a", document(&format!("item-{}", n % 25), n)).await);
    }
    stored.push(world.put("a", json!({"id": "large", "pk": "a", "text": large_text()})).await);
    capture(&store, &stored).await;
    assert_eq!(parts(&world).await.len(), 2);
    let (record, findings) = verify(&store, json!({})).await;
    assert_eq!((record.state, findings), (JobState::Done, Vec::new()));
    let counts = (record.counts.documents, record.counts.versions, record.counts.found(), record.counts.pending);
    assert_eq!(counts, (26, 41, 0, 0));
}

#[tokio::test]
async fn each_kind_of_difference_is_found_once_and_is_gone_after_its_repair() {
    let world = World::new().await;
    let store = world.store(|options| options.jobs = small());
    let mut captured = Vec::new();
    for id in ["fine", "missing", "lost", "gone", "inexact", "twins"] {
        captured.push(world.put("a", document(id, 1)).await);
    }
    let large = world.put("a", json!({"id": "large", "pk": "a", "text": large_text()})).await;
    captured.push(large.clone());
    capture(&store, &captured).await;
    let missing = world.put("a", document("missing", 2)).await;
    let never = world.put("b", json!({"id": "never", "pk": "b"})).await;
    delete(&world, "gone").await;
    let mut versions = world.versions().await;
    lose(&world, &versions[&version_of(&captured[2])]).await;
    for captured in &captured[4..6] {
        let mut inexact = versions.remove(&version_of(captured)).expect("a version");
        inexact["exact"] = json!(false);
        rewrite(&world, inexact).await;
    }
    store.history.difference(&name("twins"), "live", "live").await.expect("there");
    // A restore that overwrites it leaves an exact twin beside it.
    let mut twin = versions_of(&world, "twins").await.remove(0);
    (twin["id"], twin["exact"]) = (json!(format!("{}-exact", version_of(&captured[5]))), json!(true));
    rewrite(&world, twin).await;
    let part = parts(&world).await.pop().expect("a part");
    lose(&world, &part).await;

    let expected = vec![
        found("gone", "gone", &version_of(&captured[3])),
        found("incomplete", "large", &version_of(&large)),
        found("inexact", "inexact", &version_of(&captured[4])),
        found("missing", "missing", &version_of(&missing)),
        found("neverCaptured", "lost", &version_of(&captured[2])),
        found("neverCaptured", "never", &version_of(&never)),
    ];
    let before = world.versions().await;
    let (record, findings) = verify(&store, json!({"requestedBy": "somebody"})).await;
    assert_eq!(outline(&findings), expected);
    assert_eq!((record.state, record.requested_by.as_deref()), (JobState::Findings, Some("somebody")));
    assert_eq!(world.versions().await, before, "nothing is written without repair");

    let (record, findings) = verify(&store, json!({"repair": true})).await;
    assert_eq!(outline(&findings), expected);
    assert!(findings.iter().all(|finding| finding.repaired && finding.recorded.is_some()), "{findings:?}");
    assert_eq!((record.state, record.counts.found(), record.counts.repaired), (JobState::Done, 6, 6));
    let repaired = store.history.version(&name("missing"), &version_of(&missing)).await.expect("a version");
    assert_eq!((repaired.exact, repaired.captured_by.as_str()), (true, record.id.as_str()));
    assert!(repaired.lsn.is_some());

    let after = world.versions().await;
    for repair in [false, true] {
        let (record, findings) = verify(&store, json!({"repair": repair})).await;
        assert_eq!((record.state, findings), (JobState::Done, Vec::new()));
    }
    assert_eq!(world.versions().await, after, "a second repair has nothing to do");
    // Capture comes late, and adds nothing.
    capture(&store, &[missing, never]).await;
    assert_eq!(world.versions().await, after);
}

async fn versions_of(world: &World, id: &str) -> Vec<Value> {
    world.versions().await.into_values().filter(|version| version["sourceId"] == id).collect()
}

#[tokio::test]
async fn what_somebody_made_inexact_twice_is_not_taken_for_repaired() {
    let world = World::new().await;
    let store = world.store(|options| options.jobs = small());
    let stored = world.put("a", document("item", 1)).await;
    capture(&store, std::slice::from_ref(&stored)).await;
    let mut record = world.only_version().await;
    record["exact"] = json!(false);
    rewrite(&world, record.clone()).await;
    record["id"] = json!(format!("{}-exact", version_of(&stored)));
    rewrite(&world, record).await;
    let (verified, findings) = verify(&store, json!({"repair": true})).await;
    assert_eq!(outline(&findings), [found("inexact", "item", &version_of(&stored))]);
    assert_eq!((verified.state, verified.counts.repaired), (JobState::Findings, 0));
    assert!(findings[0].message.as_deref().is_some_and(|message| message.contains("exact")), "{findings:?}");
}

#[tokio::test]
async fn a_delete_that_nobody_told_of_is_inferred_and_a_document_that_comes_to_life_again_is_right_again() {
    let world = World::new().await;
    let store = world.store(|options| options.jobs = small());
    let first = world.put("a", document("item", 1)).await;
    capture(&store, std::slice::from_ref(&first)).await;
    next_second().await;
    delete(&world, "item").await;
    let written = first["_ts"].as_i64().expect("_ts");
    let begun = chrono::Utc::now().timestamp();
    let (_, findings) = verify(&store, json!({"repair": true})).await;
    let recorded = findings[0].recorded.clone().expect("a version");
    assert_eq!(recorded, format!("{}-gone", version_of(&first)));
    let inferred = store.history.version(&name("item"), &recorded).await.expect("a version");
    assert_eq!((inferred.operation, inferred.inferred), (Operation::Delete, true));
    assert!((begun..=chrono::Utc::now().timestamp()).contains(&inferred.source_ts), "{inferred:?}");
    assert_eq!(serde_json::to_value(&inferred).expect("json")["inferred"], true);

    // Comes to life, in whatever second.
    let second = world.put("a", document("item", 2)).await;
    capture(&store, std::slice::from_ref(&second)).await;
    next_second().await;
    let at = async |second: i64| {
        let moment: TimeExpression = serde_json::from_value(json!(second)).expect("moment");
        store.history.document_as_of(&name("item"), moment).await.expect("an answer")
    };
    for moment in written..inferred.source_ts {
        let AsOf::Version { version, may_be_deleted } = at(moment).await else { panic!("as of {moment}") };
        assert_eq!((version.id.to_string(), may_be_deleted), (version_of(&first), true), "as of {moment}");
    }
    let reborn = second["_ts"].as_i64().expect("_ts");
    for moment in inferred.source_ts..reborn {
        assert_eq!(at(moment).await, AsOf::Absent { because: recorded.clone() }, "as of {moment}");
    }
    let AsOf::Version { version, may_be_deleted } = at(reborn).await else { panic!("as of {reborn}") };
    assert_eq!((version.id.to_string(), may_be_deleted), (version_of(&second), false));
    assert_eq!(verify(&store, json!({})).await.1, Vec::new());

    // Deleted once more, it is inferred once more.
    delete(&world, "item").await;
    let (_, findings) = verify(&store, json!({"repair": true})).await;
    assert_eq!(findings[0].recorded.as_deref(), Some(format!("{}-gone", version_of(&second)).as_str()));
    // A restore knows that it was deleted.
    let request =
        json!({"all": true, "asOf": chrono::Utc::now().timestamp(), "deleteCreatedAfter": true, "dryRun": true});
    let request: RestoreRequest = serde_json::from_value(request).expect("request");
    let ample = world.store(|_| ());
    let Restored::Report(report) = ample.restores.run(&request).await.expect("plan") else { panic!("a job") };
    assert_eq!(report.counts.writes(), 0, "{report:?}");
}

#[tokio::test]
async fn documents_that_have_expired_are_no_findings_by_whichever_time_to_live() {
    let world = World::new().await;
    let store = world.store(|options| options.jobs = small());
    let own = world.put("a", json!({"id": "own", "pk": "a", "ttl": 1})).await;
    let default = world.put("a", document("default", 1)).await;
    let long = world.put("a", json!({"id": "long", "pk": "a", "ttl": 5000})).await;
    let soon = world.put("a", json!({"id": "soon", "pk": "a", "ttl": 50})).await;
    capture(&store, &[own, default.clone(), long.clone(), soon]).await;
    // From now on documents expire by default, and nobody was told when the version was captured.
    let events = world.container("events").await;
    let properties = events.read(None).await.expect("read").into_model().expect("properties");
    let ttl = azure_data_cosmos::models::TimeToLive::Seconds(1);
    events.replace(properties.with_default_ttl(ttl), None).await.expect("replace");
    until("they have expired", DEADLINE, async || {
        world.live("a", "own").await.is_none() && world.live("a", "default").await.is_none()
    })
    .await;
    delete(&world, "long").await;
    delete(&world, "soon").await;
    let (record, findings) = verify(&store, json!({})).await;
    assert_eq!(outline(&findings).len(), 2, "{findings:?}");
    assert!(findings.iter().all(|finding| ["long", "soon"].contains(&finding.id.as_str())), "{findings:?}");
    assert_eq!(record.counts.pending, 0);
}

#[tokio::test]
async fn a_document_that_capture_may_still_come_to_is_pending() {
    let world = World::new().await;
    let store = world.store(|options| options.jobs = small());
    world.put("a", document("young", 1)).await;
    let (record, findings) = verify(&store, json!({"graceSeconds": 600, "repair": true})).await;
    assert_eq!((record.state, findings, record.counts.pending), (JobState::Done, Vec::new(), 1));
    assert!(world.versions().await.is_empty());
}

#[tokio::test]
async fn what_cannot_be_read_back_for_good_stays_a_finding() {
    let world = World::new().await;
    let store = world.store(|options| options.jobs = small());
    let old = world.put("a", json!({"id": "large", "pk": "a", "text": large_text()})).await;
    let new = world.put("a", document("large", 2)).await;
    let plain = world.put("a", document("plain", 1)).await;
    let plain_now = world.put("a", document("plain", 2)).await;
    let broken = world.put("a", document("broken", 1)).await;
    let broken_now = world.put("a", document("broken", 2)).await;
    let all = [old.clone(), new, plain.clone(), plain_now, broken.clone(), broken_now];
    capture(&store, &all).await;
    let versions = world.versions().await;
    // Other content of the same form.
    let mut part = parts(&world).await.pop().expect("a part");
    let data = part["data"].as_str().expect("data").to_owned();
    let other = if &data[1000..1001] == "A" { "B" } else { "A" };
    part["data"] = json!(format!("{}{other}{}", &data[..1000], &data[1001..]));
    rewrite(&world, part).await;
    let mut emptied = versions[&version_of(&plain)].clone();
    emptied.as_object_mut().expect("object").shift_remove("document");
    rewrite(&world, emptied).await;
    let mut nameless = versions[&version_of(&broken)].clone();
    nameless["operation"] = json!("unheard-of");
    rewrite(&world, nameless).await;
    let mut expected = vec![
        found("incomplete", "broken", &version_of(&broken)),
        found("incomplete", "large", &version_of(&old)),
        found("incomplete", "plain", &version_of(&plain)),
    ];
    expected.sort();
    for repair in [false, true, true] {
        let (record, findings) = verify(&store, json!({"repair": repair})).await;
        assert_eq!(outline(&findings), expected);
        assert!(findings.iter().all(|finding| !finding.repaired && finding.message.is_some()), "{findings:?}");
        assert_eq!((record.state, record.counts.repaired), (JobState::Findings, 0));
    }
}

#[tokio::test]
async fn one_partition_key_value_can_be_looked_at_alone() {
    let world = World::new().await;
    let store = world.store(|options| options.jobs = small());
    let mut expected = Vec::new();
    for n in 0..20 {
        for key in ["a", "b"] {
            let stored = world.put(key, json!({"id": format!("{key}-{n}"), "pk": key})).await;
            if n % 2 == 0 {
                capture(&store, std::slice::from_ref(&stored)).await;
                world.container("events").await.delete_item(key, &format!("{key}-{n}"), None).await.expect("delete");
            }
            if key == "b" {
                let kind = if n % 2 == 0 { "gone" } else { "neverCaptured" };
                expected.push(found(kind, &format!("b-{n}"), &version_of(&stored)));
            }
        }
    }
    expected.sort();
    let (record, findings) = verify(&store, json!({"partitionKey": ["b"]})).await;
    assert_eq!(outline(&findings), expected);
    assert_eq!((record.counts.documents, record.counts.versions), (10, 10));
    let wrong = serde_json::from_value(json!({"partitionKey": ["b", 1]})).expect("request");
    assert!(store.verifications.create_job(&wrong).await.is_err());
    let wrong = serde_json::from_value(json!({"graceSeconds": 1_000_000})).expect("request");
    assert!(store.verifications.create_job(&wrong).await.expect_err("refused").to_string().contains("0 to 86400"));
}
