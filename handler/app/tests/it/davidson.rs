//! The story of the wrong documents of Davidson, as far as the program tells it.

use serde_json::{Value, json};

use crate::support::{DEADLINE, Local};

#[tokio::test]
async fn the_sample_is_populated_and_every_change_of_it_is_consumed_into_the_history() {
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
        let own: Vec<&Value> = versions.iter().filter(|version| version["sourceId"] == document["id"]).collect();
        let newest = own
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
