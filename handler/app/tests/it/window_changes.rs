//! The versions of a window of time, and what each of them changed.

use std::cmp::Ordering;

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::backups::delete_event;
use crate::support::identity::{events, truth};
use crate::support::jobs::{capture, finish, small_limits, start_restore};
use crate::support::{CommandLine, Handler, World};

/// A second since 1970, before any real clock.
const T: i64 = 1_700_000_000;

/// A version as LatestVersion mode delivers it.
fn write(id: &str, ts: i64, lsn: i64, body: Value) -> Value {
    let mut document = json!({"id": id, "pk": "a", "_ts": ts, "_lsn": lsn, "_etag": format!("\"{id}-{lsn}\"")});
    document.as_object_mut().expect("object").extend(body.as_object().expect("object").clone());
    document
}

/// A delete at this second.
fn delete(id: &str, ts: i64, lsn: i64) -> Value {
    let mut event = delete_event("a", id, lsn);
    event["metadata"]["crts"] = json!(ts as f64);
    event
}

async fn page(handler: &Handler, query: &str) -> Value {
    let (status, answer) = handler.get(&format!("/api/history/changes?{query}")).await;
    assert_eq!(status, StatusCode::OK, "{query}: {answer}");
    answer
}

/// The items of all pages.
async fn all(handler: &Handler, query: &str) -> Vec<Value> {
    let (mut items, mut continuation) = (Vec::new(), String::new());
    loop {
        let answer = page(handler, &format!("{query}{continuation}")).await;
        items.extend(answer["items"].as_array().expect("items").clone());
        match answer["continuation"].as_str() {
            Some(token) => continuation = format!("&continuation={token}"),
            None => return items,
        }
    }
}

/// One line for each item: what it is, and what it changed.
fn lines(items: &[Value]) -> Vec<String> {
    let line = |item: &Value| {
        let paths = serde_json::to_string(&item["paths"]).expect("JSON");
        let text = |name: &str| item[name].as_str().unwrap_or("-").to_owned();
        format!(
            "{} {} {} {paths} {}",
            item["sourceTs"].as_i64().expect("time") - T,
            text("id"),
            text("operation"),
            text("previous")
        )
    };
    items.iter().map(line).collect()
}

#[tokio::test]
async fn a_window_has_each_version_with_the_paths_that_it_changed_and_nothing_from_outside() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let envelope = |operation: &str, mut before: Value, current: Value| {
        before.as_object_mut().map(|before| before.shift_remove("_lsn"));
        json!({"current": current, "previous": before, "metadata": {"operationType": operation, "lsn": current["_lsn"], "crts": current["_ts"]}})
    };
    let created = write("3", T + 120, 30, json!({"city": "Paris"}));
    let mut replaced = write("3", T + 130, 31, json!({"city": "Rome", "zip": 7}));
    replaced["a/b"] = json!(1);
    capture(
        &changefeed,
        &[
            write("1", T + 90, 1, json!({"city": "Davidson", "address": {"zip": 1, "street": "x"}, "tags": [1]})),
            write("1", T + 100, 2, json!({"city": "DAVIDSON", "address": {"zip": 1, "street": "y"}, "tags": [1, 2]})),
            write("2", T + 110, 10, json!({"city": "Charlotte"})),
            envelope("create", Value::Null, created.clone()),
            envelope("replace", created, replaced),
            delete("1", T + 140, 3),
            write("1", T + 200, 4, json!({"city": "Davidson"})),
            write("1", T + 201, 5, json!({"city": "Charlotte"})),
        ],
    )
    .await;
    let handler = world.handler();
    let window = format!("from={}&to={}", T + 100, T + 200);
    let expected = [
        r#"200 1 write [""] none"#,
        r#"140 1 delete [""] known"#,
        r#"130 3 replace ["/city","/zip","/a~1b"] known"#,
        r#"120 3 create [""] none"#,
        r#"110 2 write [] unknown"#,
        r#"100 1 write ["/city","/address/street","/tags"] known"#,
    ];
    let answer = page(&handler, &window).await;
    assert_eq!(lines(answer["items"].as_array().expect("items")), expected);
    assert_eq!(answer["window"], json!({"from": "2023-11-14T22:15:00Z", "to": "2023-11-14T22:16:40Z"}));
    let first = &answer["items"][4];
    assert_eq!(
        *first,
        json!({"versionId": format!("{}-2-10", T + 110), "source": "default", "id": "2", "partitionKey": ["a"], "sourceTs": T + 110,
            "operation": "write", "exact": true, "previous": "unknown", "paths": []})
    );
    let with_values = page(&handler, &format!("{window}&values=true")).await;
    assert_eq!(
        with_values["items"][5]["changes"],
        json!([{"path": "/city", "before": "Davidson", "after": "DAVIDSON"}, {"path": "/address/street", "before": "x", "after": "y"},
            {"path": "/tags", "before": [1], "after": [1, 2]}])
    );
    assert!([0, 1, 3, 4].iter().all(|at| with_values["items"][at].get("changes").is_none()), "{with_values}");
    let oldest: Vec<&str> = expected.iter().rev().copied().collect();
    for page_items in 1..=7 {
        let found = all(&handler, &format!("{window}&maxItems={page_items}")).await;
        assert_eq!(lines(&found), expected, "{page_items} on a page");
        let found = all(&handler, &format!("{window}&order=oldest&maxItems={page_items}")).await;
        assert_eq!(lines(&found), oldest, "{page_items} on a page");
    }
    for (condition, expected) in [
        ("operation=delete", &[1][..]),
        ("operation=delete&operation=create", &[1, 3]),
        ("filter=city%3DDAVIDSON", &[5]),
        // A delete has no body: its id, its key and its operation are compared.
        ("filter=id%3D1", &[0, 1, 5]),
        ("filter=pk%3Da%20and%20id%3D1&operation=delete", &[1]),
        ("filter=city%20!exists", &[]),
        ("filter=city%20!exists%20or%20id%3D1", &[0, 1, 5]),
        ("filter=city!%3DDavidson&order=oldest", &[5, 4, 3, 2]),
    ] {
        for page_items in [1, 2, 100] {
            let found = all(&handler, &format!("{window}&{condition}&maxItems={page_items}")).await;
            let of = |number: &usize| expected_line(&answer, *number);
            assert_eq!(lines(&found), expected.iter().map(of).collect::<Vec<_>>(), "{condition}");
        }
    }
    let (code, table) = CommandLine::new(&world)
        .text(&["history", "changes", "--since", &(T + 100).to_string(), "--until", &(T + 200).to_string()])
        .await;
    assert_eq!(code, 0, "{table}");
    for part in
        ["write (first known)", "the whole document", "city, address.street, tags", "From 2023-11-14 22:15:00 UTC"]
    {
        assert!(table.contains(part), "{part} in {table}");
    }
    let deletes = ["history", "changes", "--from", &T.to_string(), "--operation", "delete"];
    let (code, item) = CommandLine::new(&world).json(&deletes).await;
    assert_eq!((code, &item["items"][0]["id"], &item["items"][0]["operation"]), (0, &json!("1"), &json!("delete")));
}

fn expected_line(answer: &Value, number: usize) -> String {
    lines(&[answer["items"][number].clone()]).remove(0)
}

/// The order that the reference documents, on the records themselves.
fn compare(one: &Value, other: &Value) -> Ordering {
    let rank = |value: &Value| match value {
        Value::Null => 1,
        Value::Bool(_) => 2,
        Value::Number(_) => 3,
        _ => 4,
    };
    let of = |one: Option<&Value>, other: Option<&Value>| match (one, other) {
        (Some(Value::Bool(one)), Some(Value::Bool(other))) => one.cmp(other),
        (Some(Value::Number(one)), Some(Value::Number(other))) => {
            one.as_f64().partial_cmp(&other.as_f64()).expect("numbers")
        }
        (Some(Value::String(one)), Some(Value::String(other))) => one.cmp(other),
        (one, other) => one.map_or(0, rank).cmp(&other.map_or(0, rank)),
    };
    let columns = ["sourceTs", "pk", "sourceId", "lsn", "id"].into_iter();
    columns.map(|name| of(one.get(name), other.get(name))).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_any_size_have_each_version_once_in_the_total_order() {
    let mut random = SmallRng::seed_from_u64(7);
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let keys = [
        None,
        Some(json!(null)),
        Some(json!(false)),
        Some(json!(true)),
        Some(json!(-2)),
        Some(json!(10)),
        Some(json!("A")),
        Some(json!("a")),
    ];
    let mut documents = Vec::new();
    for n in 0..160 {
        // Most versions share few seconds, and a third of them one document.
        let id = if n % 3 == 0 { "busy".to_owned() } else { format!("d{}", random.random_range(0..6)) };
        let ts = T + [0, 0, 0, 1, 2, 2, 5][random.random_range(0..7)];
        let mut document = write(&id, ts, random.random_range(0..500), json!({"n": n, "city": "x"}));
        document["_etag"] = json!(format!("\"{n}\""));
        let key = if n % 3 == 0 { keys[6].clone() } else { keys.choose(&mut random).expect("a key").clone() };
        match key {
            Some(key) => document["pk"] = key,
            None => _ = document.as_object_mut().expect("object").remove("pk"),
        }
        if n % 11 == 0 {
            document.as_object_mut().expect("object").remove("_lsn");
        }
        documents.push(document);
    }
    capture(&changefeed, &documents).await;
    let mut records: Vec<Value> = world.versions().await.into_values().collect();
    records.sort_by(compare);
    let ids = |items: &[Value], name: &str| -> Vec<String> {
        items.iter().map(|item| item[name].as_str().expect("id").to_owned()).collect()
    };
    let oldest = ids(&records, "id");
    let newest: Vec<String> = oldest.iter().rev().cloned().collect();
    let handler = world.handler();
    let window = format!("from={T}&to={}", T + 9);
    for page_items in [1, 3, 7, 20, 159, 160, 161, 1000] {
        let found = all(&handler, &format!("{window}&order=oldest&maxItems={page_items}")).await;
        assert_eq!(ids(&found, "versionId"), oldest, "{page_items} on a page");
        let found = all(&handler, &format!("{window}&maxItems={page_items}")).await;
        assert_eq!(ids(&found, "versionId"), newest, "{page_items} on a page");
        // Each version follows the one before it in the order of its document.
        for (number, item) in found.iter().rev().enumerate() {
            let record = &records[number];
            let is_same = |other: &&Value| {
                other["sourceId"] == record["sourceId"] && other["partitionKey"] == record["partitionKey"]
            };
            let before = records[..number].iter().rev().find(is_same);
            let (paths, previous) = if before.is_some() { (json!(["/n"]), "known") } else { (json!([]), "unknown") };
            assert_eq!((&item["paths"], &item["previous"]), (&paths, &json!(previous)), "{item} after {before:?}");
        }
    }
    let even: Vec<String> = records
        .iter()
        .filter(|record| record["document"]["n"].as_i64().is_some_and(|n| n >= 80))
        .map(|record| record["id"].as_str().expect("id").to_owned())
        .collect();
    for page_items in [1, 6, 50] {
        let found = all(&handler, &format!("{window}&order=oldest&filter=n%3E%3D80&maxItems={page_items}")).await;
        assert_eq!(ids(&found, "versionId"), even, "{page_items} on a page");
        assert!(found.iter().all(|item| item["previous"] == "unknown" || item["paths"] == json!(["/n"])), "{found:?}");
    }
}

#[tokio::test]
async fn a_version_is_marked_as_written_by_a_restore_if_the_record_of_the_restore_has_its_etag() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let mut feed = world.feed().await;
    let mut old = Vec::new();
    for n in 0..15 {
        old.push(world.put("a", json!({"id": format!("{n:02}"), "pk": "a", "city": "Davidson"})).await);
    }
    capture(&changefeed, &feed.changes().await).await;
    let second = old.iter().filter_map(|document| document["_ts"].as_i64()).max().expect("a time");
    crate::support::until("the next second", crate::support::DEADLINE, async || {
        chrono::Utc::now().timestamp() > second
    })
    .await;
    for n in 0..15 {
        world.put("a", json!({"id": format!("{n:02}"), "pk": "a", "city": "DAVIDSON"})).await;
    }
    capture(&changefeed, &feed.changes().await).await;
    let handler = world.handler();
    let request = json!({"id": "00", "partitionKey": ["a"], "asOf": second, "requestedBy": "Ada"});
    let (status, report) = handler.post("/api/restores", &request).await;
    assert_eq!(status, StatusCode::OK, "{report}");
    let job = start_restore(&changefeed, json!({"partitionKey": ["a"], "asOf": second, "requestedBy": "Bob"})).await;
    finish(&changefeed, &job).await;
    // In LatestVersion mode, an edit before the capture would hide the write of the restore.
    capture(&changefeed, &feed.changes().await).await;
    // Later edits carry the stamp along.
    for id in ["00", "07"] {
        let mut edited = world.live("a", id).await.expect("a document");
        assert!(edited["restore_id"].is_string(), "{edited}");
        edited["city"] = json!("Charlotte");
        world.put("a", edited).await;
    }
    // An application may use the name of the field for something else.
    world.put("a", json!({"id": "99", "pk": "a", "restore_id": "not/a restore"})).await;
    capture(&changefeed, &feed.changes().await).await;
    let items = all(&handler, &format!("from={}&maxItems=4", second - 100)).await;
    let by = |restore: &str| -> Vec<(String, String)> {
        let of = items.iter().filter(|item| item["byRestore"] == restore);
        let mut of: Vec<_> =
            of.map(|item| (item["id"].as_str().expect("id").to_owned(), item["requestedBy"].to_string())).collect();
        of.sort();
        of
    };
    assert_eq!(by(report["id"].as_str().expect("id")), [("00".to_owned(), "\"Ada\"".to_owned())]);
    let expected: Vec<_> = (1..15).map(|n| (format!("{n:02}"), "\"Bob\"".to_owned())).collect();
    assert_eq!(by(&job), expected);
    assert_eq!(items.iter().filter(|item| item.get("byRestore").is_some()).count(), 15);
    // The stamp is no path, and a later edit is not a write of the restore.
    for item in &items {
        let is_edit = item["paths"] == json!(["/city"]) || item["previous"] == "unknown";
        assert!(is_edit, "{item}");
    }
    let (status, activity) = handler.get(&format!("/api/history/activity?from={}", second - 100)).await;
    assert_eq!(status, StatusCode::OK, "{activity}");
    let by_restore = activity["items"].as_array().expect("items").iter().filter_map(|item| item["byRestore"].as_u64());
    assert_eq!(by_restore.sum::<u64>(), 15, "{activity}");
    let (_, table) = CommandLine::new(&world).text(&["history", "changes", "--since", "-1h"]).await;
    assert!(table.contains(&format!("by restore {job} of Bob")), "{table}");
}

#[tokio::test]
async fn what_a_restore_wrote_without_a_stamp_or_deleted_is_marked_too() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let events = events(&changefeed).await;
    // A delete is planned only where the creation is known, as in AllVersionsAndDeletes mode.
    let capture_all = async || {
        for range in truth(&events).await {
            capture(&changefeed, &range).await;
        }
    };
    let old = world.put("a", json!({"id": "1", "pk": "a", "city": "Davidson", "zip": "28036"})).await;
    capture_all().await;
    let second = old["_ts"].as_i64().expect("a time");
    crate::support::until("the next second", crate::support::DEADLINE, async || {
        chrono::Utc::now().timestamp() > second
    })
    .await;
    world.put("a", json!({"id": "1", "pk": "a", "city": "DAVIDSON", "zip": "28036"})).await;
    world.put("a", json!({"id": "2", "pk": "a", "city": "DAVIDSON"})).await;
    capture_all().await;
    let connection = world.endpoint.connection_string();
    let handler = Handler::start(&[
        ("CosmosDB", &connection),
        ("CHANGEFEED_RESTORE_ID_FIELD", ""),
        ("CHANGEFEED_RESTORED_AT_FIELD", ""),
    ]);
    let request = json!({"partitionKey": ["a"], "asOf": second, "deleteCreatedAfter": true, "requestedBy": "Ada"});
    let (status, report) = handler.post("/api/restores", &request).await;
    assert_eq!(
        (status, &report["counts"]["replace"], &report["counts"]["delete"]),
        (StatusCode::OK, &json!(1), &json!(1))
    );
    capture(&changefeed, &world.feed().await.changes().await).await;
    let restored = world.live("a", "1").await.expect("a document");
    assert!(restored.get("restore_id").is_none() && restored.get("restored_at").is_none(), "{restored}");

    let items = all(&handler, &format!("from={}", second - 100)).await;
    let marked: Vec<_> = items.iter().filter(|item| item.get("byRestore").is_some()).collect();
    let mut operations: Vec<_> = marked.iter().map(|item| (item["id"].clone(), item["operation"].clone())).collect();
    operations.sort_by_key(|(id, _)| id.to_string());
    assert_eq!(operations, [(json!("1"), json!("write")), (json!("2"), json!("delete"))], "{items:?}");
    for item in marked {
        assert_eq!((&item["byRestore"], &item["requestedBy"]), (&report["id"], &json!("Ada")), "{item}");
    }
    let (_, activity) = handler.get(&format!("/api/history/activity?from={}", second - 100)).await;
    let by_restore = activity["items"].as_array().expect("items").iter().filter_map(|item| item["byRestore"].as_u64());
    assert_eq!(by_restore.sum::<u64>(), 2, "{activity}");
    // The city is what the restore wrote; it left the zip code as it was.
    let (_, blame) = handler.get("/api/history/blame?id=1&pk=a").await;
    let set_by = |path: &str| {
        let fields = blame["fields"].as_array().expect("fields");
        fields.iter().find(|field| field["path"] == path).expect("the field").clone()
    };
    assert_eq!(
        (&set_by("/city")["byRestore"], &set_by("/city")["requestedBy"]),
        (&report["id"], &json!("Ada")),
        "{blame}"
    );
    assert!(set_by("/zip").get("byRestore").is_none(), "{blame}");
    let (_, table) = CommandLine::new(&world).text(&["history", "blame", "--id", "1", "--pk", "a"]).await;
    assert!(table.contains(&format!("by restore {} of Ada", report["id"].as_str().expect("an id"))), "{table}");
}

#[tokio::test]
async fn beyond_the_horizon_of_the_retention_nothing_is_claimed() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    capture(&changefeed, &(0..4).map(|n| write("1", T + n, n, json!({"n": n}))).collect::<Vec<_>>()).await;
    let record = json!({"id": "retention", "kind": "retention", "horizon": T + 1, "sweptTo": T + 1, "lateTo": 0, "releasedTo": 0, "removed": 1, "schema": 1});
    world.container("jobs").await.create_item("retention", "retention", &record, None).await.expect("record");
    let handler = world.handler();
    let answer = page(&handler, &format!("from={T}&to={}&order=oldest", T + 9)).await;
    let states: Vec<&str> = answer["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| item["previous"].as_str().expect("text"))
        .collect();
    assert_eq!(states, ["unknown", "unknown", "known", "known"]);
    let expected = "the retention may have deleted versions from before 2023-11-14T22:13:21Z; what is shown is complete from 2023-11-14T22:13:21Z on";
    assert_eq!(answer["warnings"], json!([expected]));
    let inside = page(&handler, &format!("from={}&to={}", T + 1, T + 9)).await;
    assert_eq!(inside.get("warnings"), None);
}

#[tokio::test]
async fn a_version_with_many_paths_has_a_hundred_and_their_number() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let body = |n: i64| Value::Object((0..150).map(|field| (format!("f{field:03}"), json!(n))).collect());
    capture(&changefeed, &[write("1", T, 1, body(1)), write("1", T + 1, 2, body(2))]).await;
    let handler = world.handler();
    let answer = page(&handler, &format!("from={}&to={}", T + 1, T + 1)).await;
    let item = &answer["items"][0];
    assert_eq!((item["paths"].as_array().map(Vec::len), &item["pathsTotal"]), (Some(100), &json!(150)));
}

#[tokio::test]
async fn the_actor_of_a_version_is_shown_and_selected() {
    let world = World::new().await;
    let handler =
        Handler::start(&[("CosmosDB", &world.endpoint.connection_string()), ("CHANGEFEED_ACTOR_FIELDS", "updatedBy")]);
    let documents = [
        write("1", T, 1, json!({"updatedBy": "Ada", "n": 1})),
        write("1", T + 1, 2, json!({"updatedBy": "release", "n": 2})),
        delete("1", T + 2, 3),
    ];
    let (status, answer) = handler.invoke(&Value::Array(documents.to_vec()).to_string(), false).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let window = format!("from={T}&to={}", T + 9);
    let items = all(&handler, &window).await;
    let actors: Vec<&Value> = items.iter().map(|item| item.get("actor").unwrap_or(&Value::Null)).collect();
    assert_eq!(actors, [&Value::Null, &json!("release"), &json!("Ada")]);
    let items = all(&handler, &format!("{window}&actor=release")).await;
    assert_eq!(lines(&items), [r#"1 1 write ["/updatedBy","/n"] known"#]);
}

#[tokio::test]
async fn the_window_of_the_first_page_counts_for_later_pages_and_is_the_one_that_they_show() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let now = chrono::Utc::now().timestamp();
    let versions: Vec<Value> = (0..4).map(|n| write("1", now - 100 + n, n, json!({"n": n}))).collect();
    capture(&changefeed, &versions).await;
    let handler = world.handler();
    let first = page(&handler, "from=10m&to=0s&maxItems=1").await;
    crate::support::until("the next second", crate::support::DEADLINE, async || {
        chrono::Utc::now().timestamp() > now + 1
    })
    .await;
    let token = first["continuation"].as_str().expect("more").to_owned();
    // The times would make another window by now, and the last ones none at all.
    for times in ["from=10m&to=0s", "from=0s&to=10m"] {
        let later = page(&handler, &format!("{times}&maxItems=1&continuation={token}")).await;
        assert_eq!(later["window"], first["window"], "{times}");
        for name in ["from", "to"] {
            assert_eq!(later["interpreted"][name]["utc"], first["window"][name], "{times}: {later}");
        }
        assert_eq!(later["items"][0]["sourceTs"], now - 98, "{later}");
    }
    let arguments =
        ["history", "changes", "--from", "10m", "--to", "0s", "--time-zone", "UTC", "--continuation", &token];
    let (code, table) = CommandLine::new(&world).text(&arguments).await;
    let shown = |name: &str| {
        let time =
            chrono::DateTime::parse_from_rfc3339(first["window"][name].as_str().expect("a time")).expect("a time");
        time.format("%F %T UTC").to_string()
    };
    assert!(code == 0 && table.contains(&format!("From {} to {}", shown("from"), shown("to"))), "{table}");
}

#[tokio::test]
async fn a_wrong_window_is_refused_with_what_to_do() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    capture(&changefeed, &[write("1", T, 1, json!({})), write("2", T, 2, json!({}))]).await;
    let handler = world.handler();
    let oldest = page(&handler, &format!("from={T}&order=oldest&maxItems=1")).await;
    let token = oldest["continuation"].as_str().expect("more");
    for (query, expected) in [
        (format!("from={}&to={T}", T + 1), "which is after to, 2023-11-14T22:13:20Z; exchange them"),
        ("from=2999-01-01T00:00:00Z".to_owned(), "in the future"),
        (format!("from={T}&operation=upsert"), "\"upsert\" is not allowed; use write, create, replace, delete, expire"),
        (format!("from={T}&order=random"), "order: \"random\" is not allowed; use newest, oldest"),
        (format!("from={T}&maxItems=0"), "allowed are 1 to 1000"),
        (format!("from={T}&continuation=x"), "the continuation is not one of this list"),
        (format!("from={T}&continuation={token}"), "use the same order"),
    ] {
        let (status, answer) = handler.get(&format!("/api/history/changes?{query}")).await;
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(status == StatusCode::BAD_REQUEST && message.contains(expected), "{query}: {status} {answer}");
    }
    let future = page(&handler, &format!("from={T}&to=2999-01-01T00:00:00Z")).await;
    assert!(future["warnings"][0].as_str().is_some_and(|text| text.contains("the window ends now")), "{future}");
    let (code, text) = CommandLine::new(&world).text(&["history", "changes", "--since", "20", "--until", "10"]).await;
    assert!(code != 0 && text.contains("exchange them"), "{code} {text}");
}
