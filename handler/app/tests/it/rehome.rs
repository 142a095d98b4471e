//! Histories that are moved: from another account, from a container with another partition key, and from copies of changes.

use std::collections::BTreeMap;
use std::time::Duration;

use changefeed_cosmos::{DocumentName, Key, PageRequest};
use changefeed_history::{AsOf, TimeExpression};
use changefeed_jobs::JobState;
use changefeed_operations::{Changefeed, ErasureRequest};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::support::jobs::{capture, finish, restore_request, small_limits};
use crate::support::rehome::{deliver, from_account, library, moved, request};
use crate::support::verify::{overwrite_record, text_larger_than_an_item};
use crate::support::{CommandLine, World, noise, version_id};

async fn refused(changefeed: &Changefeed, of: Value) -> String {
    changefeed.rehomes.create_job(&request(of)).await.expect_err("refused").to_string()
}

fn without_system_properties(item: Value) -> Value {
    changefeed_cosmos::without_system_properties(item)
}

/// Every item of a container by its id, without what the service adds.
async fn items(world: &World, container: &str) -> BTreeMap<String, Value> {
    let items = world.query(container, "SELECT * FROM c").await.into_iter();
    items.map(|item| (item["id"].as_str().expect("id").to_owned(), without_system_properties(item))).collect()
}

/// A delete as the change feed delivers it.
async fn delete(world: &World, changefeed: &Changefeed, live: &Value, lsn: i64) {
    let (id, pk) = (live["id"].as_str().expect("id"), live["pk"].as_str().expect("pk"));
    world.container("events").await.delete_item(pk.to_owned(), id, None).await.expect("deleted");
    let metadata = json!({"operationType": "delete", "id": id, "partitionKey": {"pk": pk}, "crts": live["_ts"], "lsn": lsn,
        "previousImageLSN": lsn - 1});
    deliver(changefeed, &[json!({"current": {}, "previous": live, "metadata": metadata})]).await;
}

/// A history with versions in each form, a dead letter, an erased document and a horizon.
async fn old_history() -> World {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| {
        options.jobs = small_limits();
        options.batch_timeout = Duration::from_secs(4);
    });
    let mut stored = Vec::new();
    for n in 0..30 {
        let (id, pk) = (format!("order-{}", n % 12), format!("key-{}", n % 12 % 3));
        stored
            .push(world.put(pk.clone(), json!({"id": id, "pk": pk, "n": n, "price": 1.50, "updatedBy": "ann"})).await);
    }
    let large = json!({"id": "large", "pk": "key-0", "text": text_larger_than_an_item()});
    stored.push(world.put("key-0", large).await);
    stored.push(world.put("key-0", json!({"id": "compressed", "pk": "key-0", "text": "a".repeat(1_940_000)})).await);
    stored.push(world.put("key-1", json!({"id": "secret", "pk": "key-1", "text": "erased"})).await);
    capture(&changefeed, &stored).await;
    // A version that may have been rewritten: its document is not live any more when it is delivered.
    let dated = json!({"id": "dated", "pk": "key-2", "at": "2026-01-02T03:04:05.1230000Z"});
    let dated = world.put("key-2", dated).await;
    world.put("key-2", json!({"id": "dated", "pk": "key-2", "at": "later"})).await;
    deliver(
        &changefeed,
        &[dated, json!({"id": "no-etag", "pk": "key-0"}), json!({"id": "large", "text": noise(900_000)})],
    )
    .await;
    let gone = world.put("key-1", json!({"id": "gone", "pk": "key-1", "n": 1})).await;
    deliver(&changefeed, std::slice::from_ref(&gone)).await;
    delete(&world, &changefeed, &gone, 500).await;
    let erase: ErasureRequest =
        serde_json::from_value(json!({"documents": [{"id": "secret", "pk": "key-1"}], "confirm": 1})).expect("request");
    let job = changefeed.erasures.create_job(&erase).await.expect("a job");
    assert_eq!(finish(&changefeed, &job.id).await, JobState::Done);
    let deadline = Instant::now() + Duration::from_secs(10);
    changefeed.history.raise_horizon(1_000_000, deadline).await.expect("a horizon");
    world
}

#[tokio::test]
async fn a_history_is_moved_to_another_account_as_it_is_and_once() {
    let (old, new) = (Box::pin(old_history()).await, World::new().await);
    let changefeed = library(&new, &old);
    let before = items(&old, "changes").await;
    let records = before.values().filter(|item| item.get("partOf").is_none()).count() as u64;
    assert!(before.len() as u64 > records && before.values().any(|item| item.get("documentZstd").is_some()));
    assert!(
        before.values().any(|item| item["exact"] == false) && before.values().any(|item| item["operation"] == "delete")
    );

    let mut dry = from_account();
    dry["dryRun"] = json!(true);
    let counted = moved(&changefeed, dry).await;
    assert_eq!((counted.state, counted.counts.versions, counted.counts.dead_letters), (JobState::Planned, records, 2));
    assert!(items(&new, "changes").await.is_empty() && items(&new, "dead-letters").await.is_empty());
    assert_eq!(changefeed.history.horizon().await.expect("a horizon"), -1);

    let view = moved(&changefeed, from_account()).await;
    assert_eq!((view.state, view.counts.problems.len()), (JobState::Done, 0), "{view:?}");
    assert_eq!((view.counts.versions, view.counts.already_stored), (records, 0), "{view:?}");
    assert_eq!((view.counts.compared, view.counts.missing, view.counts.different), (records, 0, 0));
    assert_eq!((view.counts.documents, view.counts.dead_letters), (16, 2), "{view:?}");
    assert_eq!(items(&new, "changes").await, before);
    assert_eq!(items(&new, "dead-letters").await, items(&old, "dead-letters").await);
    assert_eq!(items(&old, "changes").await, before, "the other history is not changed");
    assert_eq!(changefeed.history.horizon().await.expect("a horizon"), 1_000_000);

    // The erased document stays erased: capture does not store it.
    let secret = new.put("key-1", json!({"id": "secret", "pk": "key-1", "text": "again"})).await;
    capture(&changefeed, &[secret]).await;
    assert_eq!(items(&new, "changes").await, before);

    // Requested again, it stores what is new and nothing else.
    let more = old.put("key-0", json!({"id": "order-0", "pk": "key-0", "n": 100})).await;
    capture(&library(&old, &new), &[more]).await;
    let again = moved(&changefeed, from_account()).await;
    assert_eq!((again.state, again.counts.versions, again.counts.already_stored), (JobState::Done, 1, records));
    assert_eq!((again.counts.dead_letters, again.counts.missing), (0, 0));
    let listed = changefeed.rehomes.list(&PageRequest::default()).await.expect("a list");
    assert_eq!(
        listed.items.iter().map(|view| view.state).collect::<Vec<_>>(),
        [JobState::Done, JobState::Done, JobState::Planned]
    );

    // A document of the other account is restored here.
    let version = before.values().find(|version| version["sourceId"] == "gone" && version["document"].is_object());
    let version = version.expect("a version")["id"].clone();
    changefeed
        .restores
        .run(&restore_request(json!({"id": "gone", "pk": "key-1", "version": version})))
        .await
        .expect("restored");
    assert_eq!(new.live("key-1", "gone").await.expect("a document")["n"], 1);
}

#[tokio::test]
async fn a_move_of_one_of_several_sources_takes_nothing_of_another_one() {
    let (old, new) = (World::new().await, World::new().await);
    let captures = async |source: &str, name: &str| {
        let changefeed = old.changefeed(|options| {
            options.source = source.parse().expect("a name");
            options.jobs = small_limits();
            options.batch_timeout = Duration::from_secs(4);
        });
        deliver(&changefeed, &[json!({"id": format!("no-etag-{name}"), "pk": "a"})]).await;
        let erase = json!({"documents": [{"id": format!("erased-{name}"), "pk": "a"}], "confirm": 1});
        let erase: ErasureRequest = serde_json::from_value(erase).expect("request");
        let job = changefeed.erasures.create_job(&erase).await.expect("a job");
        assert_eq!(finish(&changefeed, &job.id).await, JobState::Done);
        changefeed
    };
    captures("default", "of-default").await;
    let orders = captures("orders", "of-orders").await;
    capture(&orders, &[old.put("a", json!({"id": "1", "pk": "a"})).await]).await;
    let mut from = from_account();
    from["from"]["source"] = json!("orders");
    let changefeed = library(&new, &old);
    let view = moved(&changefeed, from).await;
    assert_eq!((view.state, view.counts.versions, view.counts.dead_letters), (JobState::Done, 1, 1), "{view:?}");
    let letters: Vec<Value> = items(&new, "dead-letters").await.into_values().collect();
    assert!(letters.len() == 1 && letters[0].to_string().contains("no-etag-of-orders"), "{letters:?}");
    assert_eq!(letters[0].get("source"), None, "it is of the source that it was moved to");
    let (mut stored, mut versions) = (Vec::new(), new.versions().await.len());
    for name in ["erased-of-default", "erased-of-orders"] {
        stored.push(new.put("a", json!({"id": name, "pk": "a"})).await);
        capture(&changefeed, &stored).await;
        versions += usize::from(name == "erased-of-default");
        assert_eq!(new.versions().await.len(), versions, "{name}");
    }
}

#[tokio::test]
async fn what_differs_or_cannot_be_read_is_named_and_everything_else_is_moved() {
    let (old, new) = (Box::pin(old_history()).await, World::new().await);
    let changefeed = library(&new, &old);
    let versions = old.versions().await;
    let of = |id: &str| versions.values().find(|version| version["sourceId"] == id).expect("a version").clone();
    // One version is here with another content, and a part of another one is missing there.
    let mut altered = of("order-3");
    altered["document"]["n"] = json!(-1);
    overwrite_record(&new, altered.clone()).await;
    let part = old.query("changes", "SELECT * FROM c WHERE IS_DEFINED(c.partOf)").await.remove(0);
    crate::support::verify::delete_record(&old, &part).await;
    old.container("changes")
        .await
        .upsert_item(
            azure_data_cosmos::PartitionKey::try_from(vec!["x".to_owned().into(), "y".to_owned().into()]).expect("key"),
            "stranger",
            json!({"id": "stranger", "pk": "x", "sourceId": "y"}),
            None,
        )
        .await
        .expect("an item");

    let view = moved(&changefeed, from_account()).await;
    assert_eq!((view.state, view.counts.different, view.counts.unreadable), (JobState::Findings, 1, 2), "{view:?}");
    assert_eq!(view.counts.versions + view.counts.already_stored, versions.len() as u64 - 1, "{view:?}");
    let problems = view.counts.problems.join("\n");
    for word in [altered["id"].as_str().expect("id"), of("large")["id"].as_str().expect("id"), "stranger"] {
        assert!(problems.contains(word), "{word} in {problems}");
    }
}

#[tokio::test]
async fn a_request_that_cannot_be_meant_is_refused_with_what_is_there() {
    let (old, new) = (Box::pin(old_history()).await, World::new().await);
    let changefeed = library(&new, &old);
    old.create("copies", &["/id"]).await;
    let copy = json!({"id": "1", "_originalId": "order-1", "pk": "key-1"});
    old.container("copies").await.create_item("1", "1", copy, None).await.expect("a copy");
    for (of, words) in [
        (json!({"from": {"changes": "changes"}}), "changes is a container of this history"),
        (json!({"from": {"changes": "nowhere"}}), "nowhere"),
        (json!({"from": {"connection": "Unknown", "changes": "changes"}}), "set Unknown"),
        (json!({"from": {"connection": "OldCosmosDB", "changes": "copies"}}), "--flat"),
        (
            json!({"from": {"connection": "OldCosmosDB", "changes": "changes"}, "flat": {}}),
            "is a version of this program",
        ),
        (
            json!({"from": {"connection": "OldCosmosDB", "changes": "copies"}, "flat": {"idField": "key"}}),
            "no text key",
        ),
        (json!({"from": {"connection": "OldCosmosDB", "changes": "copies"}, "flat": {}, "newKey": true}), "newKey"),
        (json!({"from": {"connection": "OldCosmosDB", "changes": "changes"}, "ruPerSecond": 1.0}), "ruPerSecond"),
        (
            json!({"from": {"connection": "OldCosmosDB", "changes": "changes", "jobs": "jobs"}, "newKey": true}),
            "erased",
        ),
    ] {
        let message = refused(&changefeed, of.clone()).await;
        assert!(message.contains(words), "{of}: {message}");
    }
    // Documents were erased in both histories, under keys that are not the same.
    let erase: ErasureRequest =
        serde_json::from_value(json!({"documents": [{"id": "other", "pk": "a"}], "confirm": 1})).expect("request");
    let job = changefeed.erasures.create_job(&erase).await.expect("a job");
    finish(&changefeed, &job.id).await;
    let message = refused(&changefeed, from_account()).await;
    assert!(message.contains("erased in both") && message.contains("--without-erased"), "{message}");
    // The same container under another name of the account.
    let itself = library(&old, &old);
    let message = refused(&itself, from_account()).await;
    assert!(message.contains("is the container of this history"), "{message}");
    let mut without = from_account();
    without["withoutErased"] = json!(true);
    assert_eq!(moved(&changefeed, without).await.state, JobState::Done);
    // Without a new key, versions of another partition key are refused, and nothing is stored.
    let by_n = World::with_keys(&["/n"], &["/pk", "/sourceId"]).await;
    let view = moved(&library(&by_n, &old), json!({"from": {"connection": "OldCosmosDB", "changes": "changes"}})).await;
    let message = view.progress.message.unwrap_or_default();
    assert!(view.state == JobState::Failed && message.contains("request a new one"), "{message}");
    assert!(by_n.versions().await.is_empty());
}

fn name(id: &str, key: &str) -> DocumentName {
    DocumentName { id: id.to_owned(), partition_key: Key::text(key) }
}

async fn document_at(changefeed: &Changefeed, name: &DocumentName, second: i64) -> Option<Value> {
    let answer = changefeed.history.document_as_of(name, TimeExpression::from_second(second)).await.expect("an answer");
    match answer {
        AsOf::Version { version, may_be_deleted: false } => version.document,
        _ => None,
    }
}

#[tokio::test]
async fn a_document_whose_new_key_changes_becomes_two_of_which_one_ends() {
    let (old, new) = (World::new().await, World::with_keys(&["/tenant"], &["/pk", "/sourceId"]).await);
    let (of_old, changefeed) = (library(&old, &new), library(&new, &old));
    let mut seconds = Vec::new();
    for (number, tenant) in ["north", "north", "south", "north"].into_iter().enumerate() {
        old.endpoint.set_clock(100 * number as i64).expect("the clock");
        let document = json!({"id": "1", "pk": "a", "tenant": tenant, "n": number});
        let stored = old.put("a", document).await;
        seconds.push(stored["_ts"].as_i64().expect("_ts"));
        capture(&of_old, &[stored]).await;
    }
    old.endpoint.set_clock(1000).expect("the clock");
    let live = old.live("a", "1").await.expect("a document");
    let mut live_later = live.clone();
    live_later["_ts"] = json!(live["_ts"].as_i64().expect("_ts") + 100);
    delete(&old, &of_old, &live_later, 900).await;
    // A removal of which nothing else is known has no key here.
    let unknown = json!({"current": {}, "metadata": {"operationType": "delete", "id": "2", "partitionKey": {"pk": "a"}, "crts": 5, "lsn": 6}});
    deliver(&of_old, &[unknown]).await;

    let of = json!({"from": {"connection": "OldCosmosDB", "changes": "changes"}, "newKey": true});
    let view = moved(&changefeed, of.clone()).await;
    assert_eq!((view.state, view.counts.ended, view.counts.without_key), (JobState::Done, 2, 1), "{view:?}");
    assert_eq!(view.counts.versions, 7, "{view:?}");
    let at = async |tenant: &str, second: i64| {
        document_at(&changefeed, &name("1", tenant), second).await.map(|document| document["n"].clone())
    };
    for (second, north, south) in [
        (seconds[0], Some(0), None),
        (seconds[1] + 99, Some(1), None),
        (seconds[2], None, Some(2)),
        (seconds[3], Some(3), None),
        (seconds[3] + 100, None, None),
    ] {
        assert_eq!(
            (at("north", second).await, at("south", second).await),
            (north.map(Value::from), south.map(Value::from)),
            "{second}"
        );
    }
    let again = moved(&changefeed, of).await;
    assert_eq!((again.state, again.counts.versions, again.counts.already_stored), (JobState::Done, 0, 7));
}

/// A copy as a simple function stores it.
fn copy(id: &str, document: &Value, lsn: Option<i64>) -> Value {
    let mut copy: Map<String, Value> = document.as_object().expect("a document").clone();
    copy.insert("_originalId".to_owned(), document["id"].clone());
    copy.insert("id".to_owned(), json!(id));
    copy.extend(lsn.map(|lsn| ("_lsn".to_owned(), json!(lsn))));
    Value::Object(copy)
}

#[tokio::test]
async fn copies_of_changes_become_versions_and_duplicates_become_one() {
    let (old, new) = (World::new().await, World::new().await);
    let changefeed = library(&new, &old);
    old.create("copies", &["/id"]).await;
    let copies = old.container("copies").await;
    let document = |n: i64| json!({"id": "order-7", "pk": "a", "n": n, "price": 1.50, "nested": {"id": 3}});
    // The first change is delivered again after the second one, and the fourth has the content of the second.
    for (second, id, n, lsn) in
        [(0, "r1", 1, 10), (10, "r2", 2, 11), (20, "r3", 1, 10), (30, "r4", 3, 12), (40, "r5", 2, 13)]
    {
        old.endpoint.set_clock(second).expect("the clock");
        copies.create_item(id, id, copy(id, &document(n), Some(lsn)), None).await.expect("a copy");
    }
    copies.create_item("odd", "odd", json!({"id": "odd", "pk": "a"}), None).await.expect("an item");
    // The last change was captured here too.
    let stored = new.put("a", document(2)).await;
    let mut delivered = stored.clone();
    delivered["_lsn"] = json!(13);
    deliver(&changefeed, &[delivered]).await;

    let of = json!({"from": {"connection": "OldCosmosDB", "changes": "copies"}, "flat": {}});
    let view = moved(&changefeed, of.clone()).await;
    assert_eq!((view.state, view.counts.unreadable), (JobState::Findings, 1), "{view:?}");
    assert!(view.counts.problems[0].contains("odd"), "{view:?}");
    assert_eq!((view.counts.documents, view.counts.versions, view.counts.duplicates), (1, 3, 2), "{view:?}");
    assert_eq!((view.counts.compared, view.counts.missing, view.counts.different), (3, 0, 0));
    let versions: Vec<Value> = new.versions().await.into_values().collect();
    let summary: Vec<_> =
        versions.iter().map(|version| (&version["document"]["n"], &version["lsn"], &version["exact"])).collect();
    assert_eq!(summary.len(), 4, "{summary:?}");
    assert!(versions.iter().any(|version| version["id"] == version_id(&stored)));
    let imported = versions.iter().find(|version| version["lsn"] == 12).expect("a version");
    assert_eq!(imported["document"], document(3));
    assert_eq!(
        (&imported["operation"], &imported["exact"], imported.get("etag")),
        (&json!("write"), &json!(true), None)
    );

    let again = moved(&changefeed, of).await;
    assert_eq!((again.counts.versions, again.counts.already_stored), (0, 3), "{again:?}");
    // A value of a copy is restored.
    let version = imported["id"].clone();
    let of_copy = restore_request(json!({"id": "order-7", "pk": "a", "version": version}));
    let restored = changefeed.restores.run(&of_copy).await.expect("restored");
    assert_eq!(new.live("a", "order-7").await.expect("a document")["n"], 3, "{restored:?}");
}

#[tokio::test]
async fn copies_are_found_where_the_id_is_in_the_partition_key() {
    for key in [&["/id"][..], &["/tenant", "/id"]] {
        let (old, new) = (World::new().await, World::with_keys(key, &["/pk", "/sourceId"]).await);
        let changefeed = library(&new, &old);
        old.create("copies", &["/pk"]).await;
        for n in 0..6 {
            let document = json!({"id": format!("order-{}", n % 3), "pk": "a", "tenant": "north", "n": n});
            let copy = copy(&format!("r{n}"), &document, Some(n));
            old.container("copies").await.create_item("a", &format!("r{n}"), copy, None).await.expect("a copy");
        }
        let of = json!({"from": {"connection": "OldCosmosDB", "changes": "copies"}, "flat": {}});
        let view = moved(&changefeed, of).await;
        assert_eq!(
            (view.state, view.counts.records, view.counts.versions),
            (JobState::Done, 6, 6),
            "{key:?}: {view:?}"
        );
        let versions = new.versions().await;
        let is_of_document =
            |version: &Value| version["partitionKey"].to_string().contains(&version["sourceId"].to_string());
        assert!(versions.len() == 6 && versions.values().all(is_of_document), "{versions:?}");
    }
}

#[tokio::test]
async fn what_is_copied_later_does_not_give_a_change_another_time() {
    let (old, new) = (World::new().await, World::new().await);
    let changefeed = library(&new, &old);
    old.create("copies", &["/id"]).await;
    let copies = old.container("copies").await;
    let of = json!({"from": {"connection": "OldCosmosDB", "changes": "copies"}, "flat": {"timeField": "at"}});
    for (id, at, lsn) in [("r1", 1000, 1), ("r2", 1010, 2)] {
        let mut copy = copy(id, &json!({"id": "1", "pk": "a", "n": lsn}), Some(lsn));
        copy["at"] = json!(at);
        copies.create_item(id, id, copy, None).await.expect("a copy");
    }
    assert_eq!(moved(&changefeed, of.clone()).await.counts.versions, 2);
    // By its own time, the third change was before the first one.
    let mut third = copy("r3", &json!({"id": "1", "pk": "a", "n": 3}), Some(3));
    third["at"] = json!(900);
    copies.create_item("r3", "r3", third, None).await.expect("a copy");
    let again = moved(&changefeed, of).await;
    assert_eq!((again.state, again.counts.versions, again.counts.already_stored), (JobState::Done, 1, 2), "{again:?}");
    assert_eq!(new.versions().await.len(), 3);
}

#[tokio::test]
async fn the_command_counts_asks_moves_and_shows() {
    let (old, new) = (Box::pin(old_history()).await, World::new().await);
    let connection: &'static str = Box::leak(old.endpoint.connection_string().into_boxed_str());
    let command_line =
        CommandLine::new(&new).with("OldCosmosDB", connection).with("CHANGEFEED_BATCH_TIMEOUT_SECONDS", "4");
    let from = [
        "rehome",
        "--from-connection",
        "OldCosmosDB",
        "--from-changes",
        "changes",
        "--from-jobs",
        "jobs",
        "--from-dead-letters",
        "dead-letters",
    ];
    let records = old.versions().await.len();

    let (code, text) = command_line.text(&["rehome"]).await;
    assert!(code == 2 && text.contains("--from-changes"), "{code} {text}");
    let (code, text) = command_line.text(&["rehome", "--from-changes", "changes"]).await;
    assert!(code != 0 && text.contains("changes is a container of this history"), "{code} {text}");
    let (code, text) =
        command_line.text(&["rehome", "--from-connection", "Missing", "--from-changes", "changes"]).await;
    assert!(code != 0 && text.contains("set Missing to a connection string"), "{code} {text}");
    let (code, text) =
        command_line.text(&["rehome", "--from-connection", "Old-Cosmos", "--from-changes", "changes"]).await;
    assert!(code != 0 && text.contains("ASCII letters, digits and _"), "{code} {text}");

    let (code, text) = command_line.text(&[&from[..], &["--dry-run"]].concat()).await;
    assert!(
        code == 0 && text.contains(&format!("{records} versions of 16 documents, 2 dead letters from changes")),
        "{code} {text}"
    );
    let (code, text) = command_line.text(&from).await;
    assert!(
        code == 1 && text.contains(&format!("Store {records} versions")) && text.contains("--yes"),
        "{code} {text}"
    );
    assert!(new.versions().await.is_empty());
    let (code, text) = command_line.text(&[&from[..], &["--yes"]].concat()).await;
    assert!(code == 0 && text.contains(&format!("{records} compared, all the same")), "{code} {text}");
    assert_eq!(items(&new, "changes").await, items(&old, "changes").await);

    let (code, list) = command_line.json(&["rehome", "list"]).await;
    assert_eq!((code, list["items"].as_array().map(Vec::len)), (0, Some(3)), "{list}");
    let id = list["items"][0]["id"].as_str().expect("id");
    assert!(list["items"][0]["onlyOn"].is_string() && !list.to_string().contains("AccountKey"), "{list}");
    let (code, text) = command_line.text(&["rehome", "show", id]).await;
    assert!(code == 0 && text.contains("done") && text.contains("all the same"), "{code} {text}");
    let (code, text) = command_line.text(&["rehome", "cancel", id]).await;
    assert!(code == 0 && text.contains("done"), "a move that has ended stays as it is: {code} {text}");
}
