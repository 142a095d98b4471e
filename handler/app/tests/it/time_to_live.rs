//! The time to live of a document's own, in every spelling that the service accepts.

use serde_json::json;

use crate::support::{DEADLINE, World, batch_of, until};

#[tokio::test]
async fn every_spelling_of_a_whole_number_is_a_time_to_live() {
    let world = World::new().await;
    let handler = world.handler();
    for (number, spelling) in (1..).zip(["60", "60.0", "6e1", "600e-1"]) {
        let document = format!(
            r#"[{{"id":"{number}","pk":"a","ttl":{spelling},"_rid":"r","_etag":"\"{number}\"","_ts":1000,"_lsn":{number}}}]"#
        );
        handler.invoke(&document, false).await;
        let as_of = async |second: i64| {
            let path = format!("/api/history/document?id={number}&pk=a&asOf={second}");
            handler.get(&path).await.1["state"].clone()
        };
        assert_eq!((as_of(1059).await, as_of(1060).await), (json!("version"), json!("absent")), "{spelling}");
    }
    for version in world.versions().await.values() {
        assert_eq!(version["expiresAt"], 1060);
    }
}

#[tokio::test]
async fn the_endpoint_expires_a_document_whose_time_to_live_has_a_fraction_of_zero() {
    let world = World::new().await;
    let stored = world.put("a", json!({"id": "1", "pk": "a", "ttl": 1.0})).await;
    let handler = world.handler();
    handler.invoke(&batch_of(std::slice::from_ref(&stored)), false).await;
    assert_eq!(world.only_version().await["expiresAt"], stored["_ts"].as_i64().expect("_ts") + 1);
    until("the expiry", DEADLINE, async || world.live("a", "1").await.is_none()).await;
}
