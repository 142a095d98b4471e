//! The sample data from end to end: populated, captured, searched, restored, undone and backed up.

use std::process::Output;

use serde_json::{Value, json};

use crate::support::{DEADLINE, Local, until};

#[tokio::test]
async fn the_sample_data_is_populated_and_every_change_is_captured() {
    let local = Local::start(&["--populate", "5000", "--seed", "7"]).await;

    let documents = local.query("events", "SELECT * FROM c").await;
    assert!(documents.len() < 5000, "most writes are updates");
    for document in &documents {
        assert_eq!((&document["id"], &document["doctype"]), (&document["postal_cd"], &json!("zipcode")));
        assert_eq!(document["pk"], document["id"]);
        assert_eq!(document["location"]["coordinates"], json!([document["longitude"], document["latitude"]]));
        assert!(document["seq"].as_i64().is_some_and(|seq| (1..=5000).contains(&seq)));
    }

    local.until_all_captured(DEADLINE).await;
    let versions = local.query("changes", "SELECT * FROM c").await;
    for document in &documents {
        let of_document: Vec<&Value> =
            versions.iter().filter(|version| version["sourceId"] == document["id"]).collect();
        let newest = of_document
            .iter()
            .max_by_key(|version| (version["sourceTs"].as_i64(), version["lsn"].as_i64()))
            .expect("a version");
        assert_eq!(newest["etag"], document["_etag"]);
        assert_eq!(newest["sourceTs"], document["_ts"]);
        assert_eq!(newest["pk"], document["pk"]);
        assert_eq!(newest["document"]["seq"], document["seq"]);
        assert!(newest["document"].get("_etag").is_none() && newest["document"].get("restored_at").is_none());
    }
    let davidson = local.query("changes", "SELECT * FROM c WHERE c.document.city_name = 'Davidson'").await;
    assert!(
        !davidson.is_empty()
            && davidson.iter().all(|version| ["28035", "28036"].contains(&version["pk"].as_str().expect("pk")))
    );
}

#[tokio::test]
async fn overwritten_documents_are_found_and_restored_and_the_restore_is_undone() {
    let local = Local::start(&["--populate", "5000", "--seed", "11"]).await;
    local.until_all_captured(DEADLINE).await;
    let good = local.davidson().await;
    let newest = good.iter().filter_map(|document| document["_ts"].as_i64()).max().expect("a document");
    until("the next second", DEADLINE, async || chrono::Utc::now().timestamp() > newest).await;
    // A wrong release overwrites both documents.
    let before = newest + 1;
    for document in &good {
        local.put_wrong(document, -1).await;
    }
    local.until_all_captured(DEADLINE).await;

    let found = local.get("history/search?filter=city_name%3DDavidson").await;
    let rows = found["items"].as_array().expect("items");
    assert!(rows.is_sorted_by_key(|row| row["sourceTs"].as_i64()));
    assert!(
        rows.iter().any(|row| row["kind"] == "version")
            && rows.iter().all(|row| row["document"]["city_name"] == "Davidson")
    );

    let request = json!({"filter": ["city_name=Davidson"], "before": before, "reason": "the wrong release"});
    let mut dry = request.clone();
    dry["dryRun"] = json!(true);
    let plan = local.post("restores", dry).await;
    assert_eq!((&plan["state"], &plan["counts"]["replace"]), (&json!("planned"), &json!(2)), "{plan}");
    assert!(plan["items"][0]["changes"].as_array().expect("changes").iter().any(|change| change["path"] == "/seq"));
    assert_eq!(local.davidson().await[0]["seq"], -1, "a dry run writes nothing");

    let report = local.post("restores", request).await;
    assert_eq!(report["state"], "done", "{report}");
    for (document, restored) in good.iter().zip(local.davidson().await) {
        for field in ["seq", "timestamp", "epoch", "location", "city_name"] {
            assert_eq!(restored[field], document[field], "{field}");
        }
        assert!(restored["restored_at"].is_i64());
        for field in ["sourceId", "sourceTs", "capturedAt", "exact", "operation", "schema", "document", "lsn"] {
            assert!(restored.get(field).is_none(), "{field}");
        }
    }
    // The writes of a restore are captured like all others.
    local.until_all_captured(DEADLINE).await;
    let undone = local.post(&format!("restores/{}/undo", report["id"].as_str().expect("id")), json!({})).await;
    assert_eq!(undone["counts"]["replace"], 2, "{undone}");
    assert!(local.davidson().await.iter().all(|document| document["seq"] == -1));

    // The same on the command line.
    let run = local.command(&[
        "restore",
        "run",
        "--filter",
        "city_name=Davidson",
        "--before",
        &before.to_string(),
        "--output",
        "json",
    ]);
    assert!(run(&["--dry-run"]).status.success());
    let unconfirmed = run(&[]);
    assert!(
        !unconfirmed.status.success() && String::from_utf8_lossy(&unconfirmed.stderr).contains("--yes"),
        "no confirmation"
    );
    let report = run(&["--yes"]);
    let report: Value = serde_json::from_slice(&report.stdout).expect("JSON");
    assert_eq!(report["counts"]["replace"], 2, "{report}");
    assert_eq!(local.davidson().await[0]["seq"], good[0]["seq"]);
    local.put_wrong(&good[0], -2).await;
    let undo = local.command(&["restore", "undo", report["id"].as_str().expect("id"), "--yes"]);
    assert_eq!(undo(&[]).status.code(), Some(3), "one document has changed since");
    assert!(undo(&["--force"]).status.success());
    let versions = local.command(&["history", "versions", "--id", "28036", "--pk", "28036"])(&[]);
    let table = String::from_utf8_lossy(&versions.stdout).into_owned();
    assert!(versions.status.success() && table.contains("Time (") && table.contains("seq: "), "{table}");
}

#[tokio::test]
async fn deleted_documents_are_restored_from_a_backup() {
    let local = Local::start(&["--populate", "2000", "--seed", "13"]).await;
    local.until_all_captured(DEADLINE).await;
    let good = local.davidson().await;
    let folder = tempfile::tempdir().expect("folder");
    let location = folder.path().join("davidson").to_string_lossy().into_owned();
    let json_output = |output: Output| -> Value {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    };
    let create = local.command(&["backup", "create", "--to", &location, "--filter", "city_name=Davidson"]);
    assert_eq!(json_output(create(&["--output", "json"]))["counts"]["documents"], 2);
    local.post("truncate", json!({"container": "events", "max": 100_000, "confirm": "events"})).await;
    assert_eq!(local.count("events").await, 0);

    let restore = local.command(&["backup", "restore", &location, "--yes", "--output", "json"]);
    assert_eq!(json_output(restore(&[]))["counts"]["create"], 2);
    let body_of = |mut document: Value| {
        document
            .as_object_mut()
            .expect("object")
            .retain(|name, _| !name.starts_with('_') && !["restored_at", "restore_id"].contains(&name.as_str()));
        document
    };
    let restored = local.davidson().await;
    assert!(restored.iter().all(|document| document["restored_at"].is_i64()));
    let bodies = |documents: Vec<Value>| documents.into_iter().map(body_of).collect::<Vec<_>>();
    assert_eq!(bodies(restored), bodies(good));
    assert_eq!(local.count("events").await, 2);
}

#[tokio::test]
async fn the_same_seed_writes_the_same_documents() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let local = Local::start(&["--populate", "200", "--seed", "42"]).await;
        let mut documents = local.query("events", "SELECT c.id, c.seq, c.timestamp, c.epoch, c.city_name FROM c").await;
        documents.sort_by_key(|document| document["id"].as_str().map(str::to_owned));
        runs.push(documents);
    }
    assert_eq!(runs[0], runs[1]);
}
