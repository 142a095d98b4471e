//! The cost of reads: the number of requests and of returned items. It depends on the size of a page and not on the length of
//! the history.

use std::collections::BTreeMap;

use changefeed_history::Batch;
use changefeed_operations::BackupRequest;
use local_cosmos::LoggedKind;
use reqwest::StatusCode;
use serde_json::value::to_raw_value;
use serde_json::{Value, json};

use crate::support::{Handler, World};

/// The number of versions of the long history. The environment variable `READ_COST_VERSIONS` changes it.
pub fn many() -> i64 {
    std::env::var("READ_COST_VERSIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(1000)
}

const FEW: i64 = 100;
pub const FIRST_SECOND: i64 = 1_700_000_000;
const PAGE: usize = 20;

/// Stores versions of a document, one per second or all in one second.
pub async fn store_versions(world: &World, id: &str, count: i64, one_second: bool) {
    let changefeed = world.changefeed(|_| ());
    let batch = Batch { function: "test".into(), invocation_id: "test".into(), rewritten_by_host: false };
    let version = |n: i64| {
        let ts = if one_second { FIRST_SECOND } else { FIRST_SECOND + n };
        json!({"id": id, "pk": "a", "group": id, "n": n, "_ts": ts, "_etag": format!("\"{id}-{n:05}\""), "_lsn": n})
    };
    for first in (0..count).step_by(500) {
        let documents = (first..count.min(first + 500)).map(|n| to_raw_value(&version(n)).expect("raw")).collect();
        changefeed.capture.capture(&batch, documents).await.expect("captured");
    }
}

/// The number of requests since the last call and of the items that they returned, for each kind and container.
pub fn costs(world: &World) -> BTreeMap<(LoggedKind, String), (usize, usize)> {
    let mut costs: BTreeMap<_, (usize, usize)> = BTreeMap::new();
    for request in world.endpoint.take_requests() {
        if !matches!(request.kind, LoggedKind::Metadata | LoggedKind::QueryPlan) {
            let cost = costs.entry((request.kind, request.container.unwrap_or_default())).or_default();
            *cost = (cost.0 + 1, cost.1 + request.items);
        }
    }
    costs
}

pub fn items(costs: &BTreeMap<(LoggedKind, String), (usize, usize)>) -> usize {
    costs.values().map(|(_, items)| items).sum()
}

async fn get(handler: &Handler, path: &str) -> Value {
    let (status, answer) = handler.get(path).await;
    assert_eq!(status, StatusCode::OK, "{path}: {answer}");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cost_of_a_read_depends_on_its_page_and_not_on_the_length_of_the_history() {
    let world = World::new().await;
    for (id, count) in [("few", FEW), ("many", many())] {
        world.put("a", json!({"id": id, "pk": "a", "group": id, "n": -1})).await;
        store_versions(&world, id, count, false).await;
    }
    let handler = world.handler();
    get(&handler, "/api/history/versions?id=few&pk=a&maxItems=1").await;
    let mut table = BTreeMap::new();
    for (id, count) in [("few", FEW), ("many", many())] {
        let middle = FIRST_SECOND + count / 2;
        let version = |n: i64| format!("{}-{id}-{n:05}", FIRST_SECOND + n);
        let reads = [
            ("versions", format!("versions?id={id}&pk=a&maxItems={PAGE}"), 2 * (PAGE + 1)),
            ("version", format!("versions/{}?id={id}&pk=a", version(3)), 1),
            ("as of", format!("document?id={id}&pk=a&asOf={middle}"), 2 * PAGE),
            (
                "as of a time before the first version",
                format!("document?id={id}&pk=a&asOf={}", FIRST_SECOND - 9),
                2 * PAGE,
            ),
            ("difference", format!("diff?id={id}&pk=a&from={}&to=live", version(3)), 3),
            ("search", format!("search?filter=group={id}&maxItems={PAGE}"), 5 * PAGE),
        ];
        for (name, path, most) in reads {
            costs(&world);
            get(&handler, &format!("/api/history/{path}")).await;
            let costs = costs(&world);
            assert!(items(&costs) <= most, "{name} of {count} versions returned {} items: {costs:?}", items(&costs));
            table.entry(name).or_insert_with(Vec::new).push(costs);
        }
    }
    for (name, costs) in table {
        let [few, many] = costs.as_slice() else { panic!("{name}") };
        let requests = |costs: &BTreeMap<_, (usize, usize)>| costs.values().map(|(count, _)| count).sum::<usize>();
        assert_eq!(requests(few), requests(many), "{name}: {few:?} and {many:?}");
    }
}

/// Stores copies of the records of a container, each with another id and time.
async fn copy_records(world: &World, container: &str, time: &str, copies: i64) {
    let records = world.query(container, &format!("SELECT * FROM c WHERE IS_DEFINED(c.{time})")).await;
    let container = world.container(container).await;
    for (number, record) in records.iter().enumerate() {
        for n in 0..copies / records.len() as i64 {
            let mut copy = record.clone();
            let id = format!("copy-{number}-{n:05}");
            copy["id"] = json!(id);
            copy[time] = json!(format!("2026-01-01T00:00:{:02}.{:03}Z", n / 1000 % 60, n % 1000));
            container.create_item(id.clone(), &id, &copy, None).await.expect("copy");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_reads_a_page_of_records_however_many_there_are() {
    let world = World::new().await;
    let handler = world.handler();
    handler.invoke(r#"[{"id": "1", "n": 1}]"#, false).await;
    world.put("a", json!({"id": "1", "pk": "a"})).await;
    let (status, answer) = handler.post("/api/restores", &json!({"id": "1", "partitionKey": ["a"], "asOf": 1})).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let restore = answer["id"].as_str().expect("id").to_owned();
    let (_, answer) = handler.post("/api/verify", &json!({})).await;
    let verification = answer["id"].as_str().expect("id").to_owned();
    let folder = tempfile::tempdir().expect("folder");
    let to = folder.path().join("b").to_string_lossy().into_owned();
    let request = BackupRequest { to, ..BackupRequest::default() };
    let backup = world.changefeed(|_| ()).backups.create_job(&request).await.expect("a backup").id;
    let letter = world.query("dead-letters", "SELECT c.id FROM c WHERE IS_DEFINED(c.capturedAt)").await.remove(0);
    let letter = letter["id"].as_str().expect("id").to_owned();
    let list = 5 * (100 + 1);
    let reads = [
        (format!("/api/dead-letters?maxItems={PAGE}"), 5 * PAGE),
        (format!("/api/dead-letters/{letter}"), 2),
        (format!("/api/restores/{restore}"), 2),
        (format!("/api/restores/{restore}/items"), 2),
        ("/api/restores".to_owned(), list),
        (format!("/api/backups/{backup}"), 2),
        ("/api/backups".to_owned(), list),
        (format!("/api/verify/{verification}"), 2),
        (format!("/api/verify/{verification}/findings"), 2),
        ("/api/verify".to_owned(), list),
        ("/api/status".to_owned(), PAGE),
    ];
    let mut requests = Vec::new();
    for copies in [0, many() / 2] {
        for (container, time) in [("dead-letters", "capturedAt"), ("jobs", "startedAt")] {
            copy_records(&world, container, time, copies).await;
        }
        for (path, most) in &reads {
            costs(&world);
            get(&handler, path).await;
            let costs = costs(&world);
            assert!(items(&costs) <= *most, "{path} with {copies} more records: {costs:?}");
            requests.push(costs.values().map(|(count, _)| count).sum::<usize>());
        }
    }
    let (few, many) = requests.split_at(reads.len());
    // With more items than a page, each of the four partitions may need one more request.
    for ((path, _), (few, many)) in reads.iter().zip(few.iter().zip(many)) {
        assert!(*many <= few + 4, "{path}: {few} and {many} requests");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_reads_a_second_with_many_versions_in_pages_of_bounded_cost() {
    let world = World::new().await;
    store_versions(&world, "busy", many(), true).await;
    let handler = world.handler();
    get(&handler, "/api/history/search?maxItems=1").await;
    let mut continuation = String::new();
    for page in 0..3 {
        costs(&world);
        let path = format!("/api/history/search?filter=group=busy&maxItems={PAGE}{continuation}");
        let answer = get(&handler, &path).await;
        let costs = costs(&world);
        // Each partition returns a page, and the pages are merged.
        assert!(items(&costs) <= 5 * PAGE, "page {page} returned {} items: {costs:?}", items(&costs));
        assert_eq!(answer["items"].as_array().map(Vec::len), Some(PAGE));
        continuation = format!("&continuation={}", answer["continuation"].as_str().expect("more"));
    }
}

#[tokio::test]
async fn a_search_returns_each_row_once_and_in_order_with_any_page_size() {
    let world = World::new().await;
    store_versions(&world, "one", 30, true).await;
    store_versions(&world, "many", 30, false).await;
    for n in 0..7 {
        world.put(format!("p{n}"), json!({"id": "same", "pk": format!("p{n}"), "group": "one"})).await;
    }
    let handler = world.handler();
    let rows = async |page_items: usize| -> Vec<Value> {
        let (mut rows, mut continuation) = (Vec::new(), String::new());
        loop {
            let path = format!("/api/history/search?filter=n>=0&maxItems={page_items}{continuation}");
            let path = if page_items.is_multiple_of(2) { path } else { path.replace("filter=n>=0&", "") };
            let page = get(&handler, &path).await;
            rows.extend(page["items"].as_array().expect("rows").clone());
            match page["continuation"].as_str() {
                Some(token) => continuation = format!("&continuation={token}"),
                None => return rows,
            }
        }
    };
    let (all, versions) = (rows(999).await, rows(1000).await);
    assert_eq!((all.len(), versions.len()), (67, 60));
    assert!(all.is_sorted_by_key(|row| row["sourceTs"].as_i64()));
    for page_items in [1, 3, 7, 31] {
        assert_eq!(rows(page_items).await, all, "{page_items} rows per page");
    }
    for page_items in [2, 30] {
        assert_eq!(rows(page_items).await, versions, "{page_items} rows per page");
    }
}
