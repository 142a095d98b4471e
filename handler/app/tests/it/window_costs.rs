//! The cost of what happened in a window: requests and returned items. It depends on what is in the window and on the size of a page, and
//! not on the number of versions before and after the window.

use std::collections::BTreeMap;

use local_cosmos::LoggedKind;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::read_costs::{FIRST_SECOND, costs, items, many, store_versions};
use crate::support::backups::delete_event;
use crate::support::jobs::capture;
use crate::support::{Handler, World};

/// Versions outside of the window in the smaller history.
const FEW: i64 = 100;
/// Documents that the window changes, once each.
const INSIDE: usize = 60;
const PAGE: usize = 20;
/// The physical partitions of the containers.
const PARTITIONS: usize = 4;
/// The first second of the window. [`store_versions`] writes from [`FIRST_SECOND`] on.
const START: i64 = FIRST_SECOND - 1000;

type Costs = BTreeMap<(LoggedKind, String), (usize, usize)>;

fn requests(costs: &Costs) -> usize {
    let of_changes = costs.iter().filter(|((_, container), _)| container == "changes");
    of_changes.map(|(_, (requests, _))| requests).sum()
}

async fn get(handler: &Handler, path: &str) -> Value {
    let (status, answer) = handler.get(path).await;
    assert_eq!(status, StatusCode::OK, "{path}: {answer}");
    answer
}

/// A history with so many versions outside of a window, half of them of documents that the window changes.
async fn history(outside: i64) -> World {
    let world = World::new().await;
    store_versions(&world, "d0", outside / 2, false).await;
    store_versions(&world, "other", outside - outside / 2, false).await;
    let changefeed = world.changefeed(|_| ());
    let version = |n: usize, ts: i64, lsn: i64| json!({"id": format!("d{n}"), "pk": "a", "n": lsn, "group": "in", "_ts": ts, "_lsn": lsn, "_etag": format!("\"in-{n}-{lsn}\"")});
    let before = (0..INSIDE).map(|n| version(n, START - 10, -2));
    let inside = (0..INSIDE).map(|n| version(n, START + n as i64 / 7, -1));
    capture(&changefeed, &before.chain(inside).collect::<Vec<Value>>()).await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_outside_of_a_window_costs_nothing() {
    let window = format!("from={START}&to={}", START + 100);
    let mut table: BTreeMap<String, Vec<Costs>> = BTreeMap::new();
    for outside in [FEW, many()] {
        let world = history(outside).await;
        let handler = world.handler();
        get(&handler, &format!("/api/history/changes?{window}&maxItems=1")).await;
        for condition in ["", "&order=oldest", "&filter=group%3Din", "&operation=write", "&operation=delete"] {
            let mut continuation = String::new();
            for page in 1..=2 {
                costs(&world);
                let path = format!("/api/history/changes?{window}{condition}&maxItems={PAGE}{continuation}");
                let answer = get(&handler, &path).await;
                let costs = costs(&world);
                let found = answer["items"].as_array().expect("items").len();
                assert_eq!(found, if condition.ends_with("delete") { 0 } else { PAGE }, "{path}");
                // One request for the version before each, and one or two over the partitions for the page.
                assert!(requests(&costs) <= found + 2 * PARTITIONS, "{path} with {outside} outside: {costs:?}");
                assert!(
                    items(&costs) <= 2 * found + PARTITIONS * (PAGE + 9),
                    "{path} with {outside} outside: {costs:?}"
                );
                println!(
                    "{condition} page {page}, {outside} outside: {} requests, {} items",
                    requests(&costs),
                    items(&costs)
                );
                table.entry(format!("{condition} {page}")).or_default().push(costs);
                match answer["continuation"].as_str() {
                    Some(token) => continuation = format!("&continuation={token}"),
                    None => break,
                }
            }
        }
        costs(&world);
        let answer = get(&handler, &format!("/api/history/activity?{window}")).await;
        let costs = costs(&world);
        assert_eq!((&answer["versions"], &answer["fieldsSampled"]), (&json!(INSIDE), &json!(INSIDE)));
        assert_eq!(answer["fields"][0], json!({"path": "/n", "versions": INSIDE}));
        println!("activity, {outside} outside: {} requests, {} items", requests(&costs), items(&costs));
        // The rows, the bodies of the sample, and the version before each.
        assert!(requests(&costs) <= INSIDE + 3 * PARTITIONS, "{costs:?}");
        assert!(items(&costs) <= 3 * INSIDE + 2, "{costs:?}");
        table.entry("activity".to_owned()).or_default().push(costs);
    }
    for (name, costs) in table {
        let [few, many] = costs.as_slice() else { panic!("{name}") };
        assert_eq!((requests(few), items(few)), (requests(many), items(many)), "{name}: {few:?} and {many:?}");
    }
}

/// Deletes within a window, as many as a page has no place for.
const DELETES: i64 = 2000;

#[tokio::test(flavor = "multi_thread")]
async fn a_page_whose_filter_nothing_meets_costs_no_more_than_one_that_is_full() {
    let world = history(FEW).await;
    let changefeed = world.changefeed(|_| ());
    for first in (0..DELETES).step_by(500) {
        let delete = |lsn: i64| {
            let mut event = delete_event("a", &format!("gone{lsn}"), lsn);
            event["metadata"]["crts"] = json!((START + 20 + lsn / 50) as f64);
            event
        };
        capture(&changefeed, &(first..first + 500).map(|n| delete(n + 10)).collect::<Vec<Value>>()).await;
    }
    let handler = world.handler();
    let window = format!("from={START}&to={}", START + 100);
    get(&handler, &format!("/api/history/changes?{window}&maxItems=1")).await;
    for (condition, expected) in [
        ("id%3Dnone", 0),
        ("group!%3Din", 0),
        ("group%20!exists", 0),
        ("pk!%3Da", 0),
        ("id%3Dgone77", 1),
        // Nothing meets both filters, and many versions meet one of them.
        ("id%20starts%20with%20gone&filter=group%20exists", 0),
        ("id%20starts%20with%20gone", PAGE),
    ] {
        costs(&world);
        let path = format!("/api/history/changes?{window}&filter={condition}&maxItems={PAGE}");
        let answer = get(&handler, &path).await;
        let costs = costs(&world);
        assert_eq!(answer["items"].as_array().map(Vec::len), Some(expected), "{path}");
        assert_eq!(answer["continuation"].is_string(), expected == PAGE, "{path}");
        // A full page ends within a second that has more deletes, which is read by further columns.
        let queries = if expected == PAGE { 3 } else { 2 };
        assert!(requests(&costs) <= expected + queries * PARTITIONS, "{path}: {costs:?}");
        assert!(items(&costs) <= 2 * expected + PARTITIONS * (PAGE + 9), "{path}: {costs:?}");
        let activity = format!("/api/history/activity?{window}&filter={condition}");
        let answer = get(&handler, &activity).await;
        assert!(expected == PAGE || answer["versions"] == expected, "{activity}: {}", answer["versions"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_which_only_this_program_can_judge_the_filter_ends_after_a_bounded_number_of_versions() {
    let world = World::with_keys(&["/zip", "/city"], &["/pk", "/sourceId"]).await;
    let changefeed = world.changefeed(|_| ());
    let delete = |lsn: i64| {
        let mut event = delete_event("a", &format!("gone{lsn}"), lsn);
        event["metadata"]["partitionKey"] = json!({"zip": "a", "city": "x"});
        event["metadata"]["crts"] = json!((START + lsn) as f64);
        event
    };
    capture(&changefeed, &(1..=300).map(delete).collect::<Vec<Value>>()).await;
    let handler = world.handler();
    let path = |page: &str| format!("/api/history/changes?from={START}&filter=city%3Dnone&maxItems={PAGE}{page}");
    get(&handler, &path("")).await;
    let (mut continuation, mut pages) = (String::new(), 0);
    loop {
        costs(&world);
        let answer = get(&handler, &path(&continuation)).await;
        let costs = costs(&world);
        assert_eq!(answer["items"], json!([]), "{answer}");
        assert!(items(&costs) <= 2 * PARTITIONS * (PAGE + 9), "{costs:?}");
        pages += 1;
        match answer["continuation"].as_str() {
            Some(token) => continuation = format!("&continuation={token}"),
            None => break,
        }
    }
    assert!(pages > 5, "{pages} pages");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_with_many_versions_is_listed_in_pages_of_bounded_cost() {
    let world = World::new().await;
    // No document has more versions in a second.
    let many = many().min(20_000);
    store_versions(&world, "busy", many, true).await;
    let handler = world.handler();
    let window = format!("from={FIRST_SECOND}&to={FIRST_SECOND}");
    get(&handler, &format!("/api/history/changes?{window}&maxItems=1")).await;
    for order in ["newest", "oldest"] {
        let mut continuation = String::new();
        let mut expected = if order == "newest" { many - 1 } else { 0 };
        for page in 0..3 {
            costs(&world);
            let path = format!("/api/history/changes?{window}&order={order}&maxItems={PAGE}{continuation}");
            let answer = get(&handler, &path).await;
            let costs = costs(&world);
            // The first page finds out that the versions are of one document.
            assert!(requests(&costs) <= 2 * PARTITIONS + 4, "page {page}: {costs:?}");
            assert!(items(&costs) <= 5 * (PAGE + 9) + 8, "page {page} returned {} items: {costs:?}", items(&costs));
            for item in answer["items"].as_array().expect("items") {
                assert!(item["versionId"].as_str().expect("id").ends_with(&format!("busy-{expected:05}")), "{item}");
                expected += if order == "newest" { -1 } else { 1 };
            }
            continuation = format!("&continuation={}", answer["continuation"].as_str().expect("more"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_activity_of_more_versions_than_a_request_reads_is_refused_with_a_window_that_fits() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let version =
        |n: i64| json!({"id": "1", "pk": "a", "n": n, "_ts": START + n / 3, "_lsn": n, "_etag": format!("\"{n}\"")});
    capture(&changefeed, &(0..40).map(version).collect::<Vec<Value>>()).await;
    let activity = async |from: i64, to: i64| {
        let time = |second: i64| chrono::DateTime::from_timestamp(second, 0).expect("a time").to_rfc3339();
        let window = serde_json::from_value(json!({"from": time(from), "to": time(to)})).expect("a window");
        let select = changefeed_history::VersionFilter::all(window);
        let request = changefeed_operations::WindowActivityRequest { select, bucket: None, max_versions: Some(10) };
        changefeed.windows.activity(&request).await.map(|activity| activity.versions)
    };
    let error = activity(START, START + 100).await.expect_err("too wide");
    assert_eq!(error.kind(), changefeed_cosmos::ErrorKind::TooWide);
    let message = error.to_string();
    let (_, suggested) = message.split_once("use a narrower window: to=").expect("a suggestion");
    let to = chrono::DateTime::parse_from_rfc3339(suggested).expect("a time").timestamp();
    assert_eq!((to, activity(START, to).await.expect("fits")), (START + 2, 9));
    assert!(activity(START, to + 1).await.is_err());
    // With READ_COST_VERSIONS=300000, the real limit.
    if many() > changefeed_history::MAX_ACTIVITY_VERSIONS as i64 {
        store_versions(&world, "many", many(), false).await;
        let handler = world.handler();
        let (status, answer) = handler.get(&format!("/api/history/activity?from={FIRST_SECOND}")).await;
        assert_eq!((status, &answer["error"]["code"]), (StatusCode::BAD_REQUEST, &json!("WindowTooWide")), "{answer}");
    }
}
