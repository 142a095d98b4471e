//! Ids and partition keys that the real host and the stand-in host have rewritten.
//!
//! `recordings` of `local-host` has what the real host delivered: `stored` are the documents as they were read, by id and number of the version;
//! `batches` are the arrays of changes in the bodies of the invocations.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use changefeed_cosmos::without_system_properties;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::identity::{
    assert_exact_images, delete, events, identities, is_plain, put, stored, truth, versions,
};
use crate::support::{DEADLINE, Local, World, batch_of, changefeed_on, until};

/// Replays what the real host delivered, for the same documents in this endpoint.
async fn replay(recording: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../local-host/tests/it/recordings").join(recording);
    let recording: Value = serde_json::from_str(&std::fs::read_to_string(path).expect("recording")).expect("JSON");
    let mut by_etag: BTreeMap<String, Value> = BTreeMap::new();
    let mut documents: BTreeMap<String, BTreeMap<i64, Value>> = BTreeMap::new();
    for text in recording["stored"].as_object().expect("stored").values() {
        let document: Value = serde_json::from_str(text.as_str().expect("text")).expect("a document");
        let of_id = documents.entry(document["id"].as_str().expect("id").to_owned()).or_default();
        of_id.insert(document["v"].as_i64().expect("v"), without_system_properties(document.clone()));
        by_etag.insert(document["_etag"].as_str().expect("_etag").to_owned(), document);
    }
    let batches: Vec<Vec<Value>> = recording["batches"]
        .as_array()
        .expect("batches")
        .iter()
        .map(|batch| serde_json::from_str(batch.as_str().expect("text")).expect("changes"))
        .collect();

    let world = World::new().await;
    world.endpoint.keep_previous_images("dev", "events", true).await.expect("previous images");
    let changefeed = world.changefeed(|_| ());
    let events = events(&changefeed).await;
    for versions in documents.values() {
        for document in versions.values() {
            put(&events, document).await;
        }
        delete(&events, &versions[&1]).await;
    }
    for end in batches.iter().flatten().filter(|change| !by_etag.contains_key(etag(&change["current"]))) {
        if end["metadata"]["operationType"] == "create" {
            put(&events, &without_system_properties(end["current"].clone())).await;
        }
    }
    let truth = truth(&events).await;

    // What was delivered, with the numbers, times and etags of this endpoint.
    let original = |image: &Value| by_etag.get(etag(image)).unwrap_or(image).clone();
    let name = |change: &Value| {
        let image = original(&change["current"]);
        let id = if image["id"].is_null() { &change["metadata"]["id"] } else { &image["id"] };
        (change["metadata"]["operationType"].to_string(), id.to_string(), image["v"].to_string())
    };
    let handler = world.handler();
    let mut delivered = 0;
    for range in &truth {
        let mut batch = Vec::new();
        for change in range {
            let mut of_host =
                batches.iter().flatten().find(|of_host| name(of_host) == name(change)).expect("a change").clone();
            for image in ["current", "previous"].into_iter().filter(|image| !change[image]["id"].is_null()) {
                for property in ["_etag", "_ts", "_rid", "_self"] {
                    of_host[image][property] = change[image][property].clone();
                }
            }
            for property in ["lsn", "crts"] {
                of_host["metadata"][property] = change["metadata"][property].clone();
            }
            of_host["metadata"]["previousImageLSN"] =
                change["metadata"].get("previousImageLSN").cloned().unwrap_or(json!(0));
            batch.push(of_host);
        }
        delivered += batch.len();
        let (status, answer) = handler.invoke(&batch_of(&batch), true).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }
    assert_eq!(delivered, batches.iter().flatten().count());
    assert_eq!(stored(&changefeed).await, identities(truth.iter().flatten()));
    assert_eq!(world.dead_letters().await, Vec::<Value>::new());
    assert_exact_images(&changefeed, &truth).await;
    let versions = versions(&changefeed).await;
    assert!(versions.iter().filter(|(identity, _)| !is_plain(identity)).all(|(_, version)| version["exact"] == true));
    assert!(versions.iter().any(|(identity, version)| !is_plain(identity) && version["previous"].is_object()));
}

fn etag(image: &Value) -> &str {
    image["_etag"].as_str().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_host_in_utc_delivered_is_stored_under_the_original_ids_and_keys() {
    replay("date-like-ids-and-keys.json").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_host_in_new_york_delivered_is_stored_under_the_original_ids_and_keys() {
    replay("date-like-ids-and-keys-new-york.json").await;
}

/// An app whose trigger reads AllVersionsAndDeletes mode.
fn all_versions_app() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::copy(root.join("host.json"), folder.path().join("host.json")).expect("host.json");
    let file = "CosmosChangeFeedAllVersions/function.json";
    let function = std::fs::read_to_string(root.join(file)).expect("function.json");
    let mut function: Value = serde_json::from_str(&function).expect("JSON");
    function["bindings"][0]["feedPollDelay"] = json!(50);
    std::fs::create_dir(folder.path().join("CosmosChangeFeedAllVersions")).expect("a folder");
    std::fs::write(folder.path().join(file), function.to_string()).expect("function.json");
    folder
}

/// A text that looks like a time. Many of them are delivered alike.
fn date_like(random: &mut StdRng) -> String {
    let second = random.random_range(0..2);
    let fraction = ["", ".0", ".000", ".0000000", ".5", ".50"][random.random_range(0..6)];
    let (hour, zone) = [("08", "Z"), ("08", "z"), ("08", "+00:00"), ("10", "+02:00"), ("03", "-05:00"), ("08", "")]
        [random.random_range(0..6)];
    format!("2024-01-01T{hour}:00:0{second}{fraction}{zone}")
}

#[tokio::test(flavor = "multi_thread")]
async fn random_documents_with_date_like_ids_and_keys_reach_the_history_through_the_host_as_they_are() {
    let app = all_versions_app();
    for seed in 0..2 {
        let local = Local::start_in(app.path(), &["--host-port", "0"]).await;
        let changefeed = changefeed_on(&local.client, |_| ());
        let events = events(&changefeed).await;
        let mut random = StdRng::seed_from_u64(seed);
        let mut live: BTreeSet<(String, String)> = BTreeSet::new();
        for n in 0..120 {
            if let Some((id, key)) =
                live.iter().nth(random.random_range(0..12)).filter(|_| random.random_bool(0.4)).cloned()
            {
                delete(&events, &json!({"id": id, "pk": serde_json::from_str::<Value>(&key).expect("JSON")})).await;
                live.remove(&(id, key));
                continue;
            }
            let id =
                if random.random_bool(0.5) { date_like(&mut random) } else { format!("{}", random.random_range(0..4)) };
            let key = match random.random_range(0..8) {
                0 => json!(0.123_456_789_012_345_67),
                1 => json!("/Date(1704096000000)/"),
                2 => json!("a"),
                _ => json!(date_like(&mut random)),
            };
            put(&events, &json!({"id": id, "pk": key, "n": n, "at": date_like(&mut random)})).await;
            live.insert((id, key.to_string()));
        }
        let truth = truth(&events).await;
        let expected = identities(truth.iter().flatten());
        let is_all_there = async || local.count("changes").await + local.count("dead-letters").await == expected.len();
        until("every change is captured", DEADLINE, is_all_there).await;
        assert_eq!(stored(&changefeed).await, expected, "seed {seed}");
        assert_exact_images(&changefeed, &truth).await;
        assert_eq!(local.count("dead-letters").await, 0);
    }
}
