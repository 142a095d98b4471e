//! What the reads cost: the requests that each of them makes, and the items that these return. Every read costs what its page
//! holds, however long the history is.

use std::collections::BTreeMap;

use changefeed_history::Batch;
use local_cosmos::LoggedKind;
use reqwest::StatusCode;
use serde_json::value::to_raw_value;
use serde_json::{Value, json};

use crate::support::{Handler, World};

/// The versions of the long history; `READ_COST_VERSIONS` in the environment for another number.
fn many() -> i64 {
    std::env::var("READ_COST_VERSIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(1500)
}

const FEW: i64 = 100;
const FIRST_SECOND: i64 = 1_700_000_000;
const PAGE: usize = 20;

/// Stores so many versions of a document, in seconds of their own or all in one.
async fn store_versions(world: &World, id: &str, count: i64, one_second: bool) {
    let changefeed = world.store(|_| ());
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

/// The requests for items since the last call: of each kind and container, how many, and how many items they returned.
fn costs(world: &World) -> BTreeMap<(LoggedKind, String), (usize, usize)> {
    let mut costs: BTreeMap<_, (usize, usize)> = BTreeMap::new();
    for request in world.endpoint.take_requests() {
        if !matches!(request.kind, LoggedKind::Metadata | LoggedKind::QueryPlan) {
            let cost = costs.entry((request.kind, request.container.unwrap_or_default())).or_default();
            *cost = (cost.0 + 1, cost.1 + request.items);
        }
    }
    costs
}

fn items(costs: &BTreeMap<(LoggedKind, String), (usize, usize)>) -> usize {
    costs.values().map(|(_, items)| items).sum()
}

async fn get(handler: &Handler, path: &str) -> Value {
    let (status, answer) = handler.get(path).await;
    assert_eq!(status, StatusCode::OK, "{path}: {answer}");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_costs_what_its_page_holds_however_long_the_history_is() {
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
            ("versions", format!("versions?id={id}&pk=a&maxItems={PAGE}"), 2 * PAGE),
            ("version", format!("document?id={id}&pk=a&version={}", version(3)), 1),
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

#[tokio::test(flavor = "multi_thread")]
async fn a_search_pages_through_a_second_with_many_versions_at_the_cost_of_its_pages() {
    let world = World::new().await;
    let count = many();
    store_versions(&world, "busy", count, true).await;
    let handler = world.handler();
    get(&handler, "/api/history/search?maxItems=1").await;
    let (mut found, mut continuation, mut pages) = (Vec::new(), String::new(), 0);
    while pages < 3 || found.len() < count as usize && count < 2000 {
        costs(&world);
        let page_items = if pages < 3 { PAGE } else { 1000 };
        let path = format!("/api/history/search?filter=group=busy&maxItems={page_items}{continuation}");
        let page = get(&handler, &path).await;
        if pages < 3 {
            let costs = costs(&world);
            // The partitions of the container each return a page to merge.
            assert!(items(&costs) <= 5 * PAGE, "page {pages} returned {} items: {costs:?}", items(&costs));
        }
        let rows = page["items"].as_array().expect("rows").clone();
        assert!(!rows.is_empty(), "page {pages}");
        found.extend(rows.iter().map(|row| row["versionId"].as_str().expect("an id").to_owned()));
        pages += 1;
        match page["continuation"].as_str() {
            Some(token) => continuation = format!("&continuation={token}"),
            None => break,
        }
    }
    let expected = found.len();
    found.sort();
    found.dedup();
    assert_eq!(found.len(), expected, "a row was returned twice");
    if count < 2000 {
        assert_eq!(found.len(), count as usize);
    }
}
