//! A version that was captured inexactly, and then stored exactly by a restore or a repair, has two records. Lists have it once.

use std::time::Duration;

use changefeed_cosmos::{DocumentName, Key};
use changefeed_history::{Batch, Version};
use changefeed_operations::Changefeed;
use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::{CommandLine, Handler, World};

/// A second since 1970, before any real clock.
const T: i64 = 1_700_000_000;

fn name(id: &str) -> DocumentName {
    DocumentName { id: id.to_owned(), partition_key: Key::text("a") }
}

/// A version with a date-time string, which the host rewrites.
fn write(id: &str, lsn: i64, n: i64) -> Value {
    json!({"id": id, "pk": "a", "n": n, "at": "2024-01-01T10:00:00+02:00", "_ts": T + lsn / 2, "_lsn": lsn,
        "_etag": format!("\"{id}-{lsn}\"")})
}

/// Three versions of each of four documents, two versions a second. None is live any more, so capture cannot read the exact
/// bodies. The second version of each document is then stored exactly, as a restore does before it overwrites one.
async fn history() -> (World, Changefeed) {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let batch = Batch { function: "test".into(), invocation_id: "test".into(), rewritten_by_host: true };
    let ids = ["1", "2", "3", "4"];
    let versions = (0..3).flat_map(|n| ids.map(|id| write(id, n, n))).map(|version| to_raw_value(&version));
    changefeed.capture.capture(&batch, versions.collect::<Result<_, _>>().expect("raw")).await.expect("captured");
    for id in ids {
        let inexact = changefeed.history.version(&name(id), &format!("{T}-{id}-1")).await.expect("a version");
        assert!(!inexact.exact, "{inexact:?}");
        let mut document = inexact.document.clone().expect("a document");
        document["at"] = json!("2024-01-01T12:00:00+04:00");
        let exact = Version { exact: true, document: Some(document), ..inexact };
        let deadline = Instant::now() + Duration::from_secs(60);
        changefeed.history.ensure_stored_exactly(&name(id), &exact, false, deadline).await.expect("stored");
    }
    assert_eq!(world.versions().await.len(), 16);
    (world, changefeed)
}

/// The id of the record and what it changed, oldest first.
fn expected() -> Vec<Value> {
    let ids = ["1", "2", "3", "4"];
    let mut versions: Vec<(&str, i64)> = ids.into_iter().flat_map(|id| [(id, 0), (id, 1)]).collect();
    versions.extend(ids.map(|id| (id, 2)));
    let item = |(id, lsn): (&str, i64)| match lsn {
        0 => json!([format!("{T}-{id}-0"), false, "unknown", []]),
        1 => json!([format!("{T}-{id}-1-exact"), true, "known", ["/n", "/at"]]),
        _ => json!([format!("{}-{id}-2", T + 1), false, "known", ["/n", "/at"]]),
    };
    versions.into_iter().map(item).collect()
}

async fn changes(handler: &Handler, query: &str) -> Vec<Value> {
    let (mut items, mut continuation) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/history/changes?from={T}&to={}&{query}{continuation}", T + 10);
        let (status, answer) = handler.get(&path).await;
        assert_eq!(status, 200, "{path}: {answer}");
        let line = |item: &Value| json!([item["versionId"], item["exact"], item["previous"], item["paths"]]);
        items.extend(answer["items"].as_array().expect("items").iter().map(line));
        match answer["continuation"].as_str() {
            Some(token) => continuation = format!("&continuation={token}"),
            None => return items,
        }
    }
}

#[tokio::test]
async fn the_list_of_changes_has_a_version_with_two_records_once_compared_with_the_version_before_it() {
    let (world, _changefeed) = Box::pin(history()).await;
    let handler = world.handler();
    let oldest = expected();
    let newest: Vec<Value> = oldest.iter().rev().cloned().collect();
    for page_items in (1..=9).chain([100, 1000]) {
        for (order, expected) in [("oldest", &oldest), ("newest", &newest)] {
            let found = changes(&handler, &format!("order={order}&maxItems={page_items}")).await;
            assert_eq!(&found, expected, "{order}, {page_items} on a page");
            // Other versions may lie between those of a selection, so the version before each is read.
            let found = changes(&handler, &format!("order={order}&maxItems={page_items}&filter=n%3E%3D1")).await;
            let selected = expected.iter().filter(|item| item[2] == "known").cloned().collect::<Vec<_>>();
            assert_eq!(found, selected, "{order}, {page_items} on a page");
        }
    }
}

#[tokio::test]
async fn the_activity_counts_a_version_with_two_records_once() {
    let (world, _changefeed) = Box::pin(history()).await;
    for filter in ["", "&filter=n%3E%3D0"] {
        let path = format!("/api/history/activity?from={T}&to={}&bucket=1s{filter}", T + 1);
        let (status, activity) = world.handler().get(&path).await;
        assert_eq!(status, 200, "{activity}");
        assert_eq!(
            (&activity["versions"], &activity["items"][0]["counts"], &activity["items"][1]["counts"]),
            (&json!(12), &json!({"write": 8}), &json!({"write": 4})),
            "{activity}"
        );
        assert!(activity["documents"].as_array().expect("documents").iter().all(|document| document["versions"] == 3));
        // The first version of each document is compared with nothing.
        let fields = json!([{"path": "/at", "versions": 8}, {"path": "/n", "versions": 8}]);
        assert_eq!(activity["fields"], fields, "{activity}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_has_a_version_with_two_records_once() {
    let (world, changefeed) = Box::pin(history()).await;
    let window = ["history", "export", "--from", &T.to_string(), "--to", &(T + 10).to_string()];
    for order in ["oldest", "newest"] {
        let printed = CommandLine::new(&world).run(&[&window[..], &["--order", order]].concat()).await;
        let lines = String::from_utf8(printed.stdout).expect("text");
        let ids: Vec<Value> =
            lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")["id"].clone()).collect();
        let mut expected: Vec<Value> = expected().into_iter().map(|item| item[0].clone()).collect();
        if order == "newest" {
            expected.reverse();
        }
        assert_eq!(ids, expected, "{order}");
    }
    let printed = CommandLine::new(&world).run(&[&window[..], &["--id", "2", "--pk", "a"]].concat()).await;
    let lines = String::from_utf8(printed.stdout).expect("text");
    assert_eq!(lines.lines().count(), 3, "{lines}");
    assert!(lines.contains("2-1-exact"), "{lines}");
    // A page of any size, which may end between the two records.
    for page_items in 1..=16 {
        for order in [changefeed_history::ChangeOrder::Oldest, changefeed_history::ChangeOrder::Newest] {
            let window = serde_json::from_value(json!({"from": T, "to": T + 10})).expect("a window");
            let select = changefeed_history::VersionFilter::all(window);
            let mut pages = changefeed.history.version_pages(&select, order).await.expect("pages");
            let mut found = 0;
            while let Some(page) = pages.next(page_items).await.expect("a page") {
                assert!(page.iter().all(|version| version.exact == version.id.ends_with("-exact")));
                found += page.len();
            }
            assert_eq!(found, 12, "{page_items} on a page");
        }
    }
}

#[tokio::test]
async fn versions_of_one_second_and_one_number_have_the_same_order_everywhere() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let batch = Batch { function: "test".into(), invocation_id: "test".into(), rewritten_by_host: false };
    // Two writes of one transaction, captured in either order.
    for (id, etags) in [("1", ["b", "a"]), ("2", ["a", "b"])] {
        for etag in etags {
            let mut version = write(id, 7, 1);
            (version["_etag"], version["n"]) = (json!(format!("\"{etag}\"")), json!(etag));
            let version = to_raw_value(&version).expect("raw");
            changefeed.capture.capture(&batch, vec![version]).await.expect("captured");
        }
    }
    let handler = world.handler();
    for id in ["1", "2"] {
        let etags = |items: &Value, name: &str| -> Vec<String> {
            let of = items["items"].as_array().expect("items").iter();
            of.map(|item| item[name].as_str().expect("an id").chars().last().expect("a letter").to_string()).collect()
        };
        let (_, versions) = handler.get(&format!("/api/history/versions?id={id}&pk=a")).await;
        let (_, changes) = handler.get(&format!("/api/history/changes?from={T}&to={}&filter=id%3D{id}", T + 9)).await;
        assert_eq!(
            (etags(&versions, "id"), etags(&changes, "versionId")),
            (vec!["b".into(), "a".into()], vec!["b".into(), "a".into()])
        );
        let (_, newest) = handler.get(&format!("/api/history/document?id={id}&pk=a&asOf={}", T + 9)).await;
        assert_eq!(newest["version"]["document"]["n"], "b", "{newest}");
    }
}
