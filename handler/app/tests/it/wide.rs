//! Containers with many physical partitions: what one document needs costs as many requests as in a small container.

use std::collections::BTreeMap;

use changefeed_operations::{Restored, UndoRequest};
use local_cosmos::LoggedKind;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::backups::run_backup;
use crate::support::jobs::{finish, restore_request, start_restore};
use crate::support::verify::run_verification;
use crate::support::{DEADLINE, Handler, World, batch_of, until, version_id};

/// The number of physical partitions. The environment variable `WIDE_PARTITIONS` changes it.
fn many() -> usize {
    std::env::var("WIDE_PARTITIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(150)
}

type Costs = BTreeMap<(LoggedKind, String), usize>;

/// The requests since the last call, by kind and container, those for metadata too.
fn costs(world: &World) -> Costs {
    let mut costs = BTreeMap::new();
    for request in world.endpoint.take_requests() {
        *costs.entry((request.kind, request.container.unwrap_or_default())).or_default() += 1;
    }
    costs
}

/// A world whose documents and versions are in so many physical partitions. The containers of jobs and dead letters stay small.
async fn wide(partitions: usize) -> World {
    let world = World::new().await;
    for container in ["events", "changes"] {
        world.endpoint.set_partition_count("dev", container, partitions).await.expect("partitions");
    }
    world
}

async fn get(handler: &Handler, path: &str) -> Value {
    let (status, answer) = handler.get(path).await;
    assert_eq!(status, StatusCode::OK, "{path}: {answer}");
    answer
}

/// Does everything with one document, and returns the requests of each operation.
async fn of_one_document(world: &World, handler: &Handler, id: &str) -> Vec<(&'static str, Costs)> {
    let changefeed = world.changefeed(|_| ());
    let mut table = Vec::new();
    let mut done = |name| table.push((name, costs(world)));
    let put = async |state: &str| world.put(id.to_owned(), json!({"id": id, "pk": id, "state": state})).await;
    let capture = async |document: &Value, rewritten| {
        let (status, answer) = handler.invoke(&batch_of(std::slice::from_ref(document)), rewritten).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    };
    let first = put("good").await;
    costs(world);
    capture(&first, false).await;
    done("capture");
    let at = first["_ts"].as_i64().expect("a second");
    capture(&json!({"id": id, "pk": id, "at": "2026-01-02T03:04:05.1230000Z", "_ts": at, "_lsn": 1, "_etag": first["_etag"]}), true).await;
    done("capture of a date");
    // Versions of one second need another query.
    until("the next second", DEADLINE, async || chrono::Utc::now().timestamp() > at).await;
    let second = put("bad").await;
    costs(world);
    capture(&second, false).await;
    done("capture of a later version");
    let (first, second) = (version_id(&first), version_id(&second));
    for (name, path) in [
        ("versions", "versions".to_owned()),
        ("version", format!("versions/{first}")),
        ("as of", format!("document?asOf={at}")),
        ("difference", format!("diff?from={first}&to={second}")),
        ("blame", "blame".to_owned()),
    ] {
        let joined = if path.contains('?') { '&' } else { '?' };
        get(handler, &format!("/api/history/{path}{joined}id={id}&pk={id}")).await;
        done(name);
    }
    let request = json!({"id": id, "pk": id, "version": first});
    let Restored::Report(report) = changefeed.restores.run(&restore_request(request)).await.expect("restored") else {
        panic!("a job")
    };
    done("restore");
    let restore = report.id.expect("a record");
    changefeed.restores.undo(&restore, &UndoRequest::default()).await.expect("undone");
    done("undo");
    table
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_document_needs_costs_as_many_requests_with_many_partitions() {
    let mut tables = Vec::new();
    for partitions in [4, many()] {
        let world = wide(partitions).await;
        let handler = world.handler();
        // Containers and partitions are known after the first.
        Box::pin(of_one_document(&world, &handler, "warm-up")).await;
        let table = Box::pin(of_one_document(&world, &handler, "one")).await;
        for (name, costs) in &table {
            println!("{partitions} partitions: {name}: {costs:?}");
        }
        tables.push(table);
    }
    for ((name, few), (_, many)) in tables[0].iter().zip(&tables[1]) {
        assert_eq!(few, many, "{name}");
    }
}

/// The requests of operations on everything, with 40 documents in as many partition keys.
async fn of_all_documents(world: &World, handler: &Handler) -> Vec<(&'static str, usize)> {
    let changefeed = world.changefeed(|_| ());
    let mut stored = Vec::new();
    for number in 0..40 {
        let key = format!("key-{number}");
        stored.push(world.put(key.clone(), json!({"id": "1", "pk": key, "group": "all"})).await);
    }
    let mut table = Vec::new();
    let mut done = |name| table.push((name, costs(world).values().sum()));
    costs(world);
    handler.invoke(&batch_of(&stored), false).await;
    done("capture of 40 documents");
    let folder = tempfile::tempdir().expect("folder");
    for round in ["first", "later"] {
        for (name, path) in [
            ("status", "/api/status"),
            ("search", "/api/history/search?filter=group=all&maxItems=10"),
            ("changes", "/api/history/changes?from=-1h&maxItems=10"),
            ("activity", "/api/history/activity?from=-1h"),
        ] {
            get(handler, path).await;
            if round == "later" {
                done(name);
            }
            costs(world);
        }
    }
    let (record, findings) = run_verification(&changefeed, json!({})).await;
    assert_eq!((record.counts.documents, findings), (40, Vec::new()));
    done("verification");
    let backup = run_backup(&changefeed, json!({"to": folder.path().join("full")})).await;
    assert_eq!(backup.counts.documents, 40);
    done("backup");
    let id = start_restore(&changefeed, json!({"filter": ["group=all"], "asOf": 1, "job": true})).await;
    finish(&changefeed, &id).await;
    done("restore by a filter");
    table
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_about_everything_reads_each_partition_a_few_times() {
    let partitions = many();
    let world = wide(partitions).await;
    let handler = world.handler();
    for (name, requests) in Box::pin(of_all_documents(&world, &handler)).await {
        println!("{partitions} partitions: {name}: {requests} requests");
        let most = match name {
            "status" => 30,
            // One for each partition that has any of the documents, and what is read first.
            "capture of 40 documents" => 70,
            // For live documents and for versions: by time, and within the second in which a page ends by id and by sequence number.
            "search" => 6 * partitions + 40,
            _ => 9 * partitions,
        };
        assert!(requests <= most, "{name}: {requests} requests for {partitions} partitions, {most} at most");
    }
}
