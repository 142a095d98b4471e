//! The worked example of `docs/operations.md`: its charges are those of the embedded endpoint, and it adds up.

use serde_json::{Value, json};

use crate::docs_reference::read;
use crate::support::{DEADLINE, Local};

const PAGE: &str = "docs/operations.md";
/// What the page counts with.
const WRITES_A_SECOND: f64 = 100.0;
const UNITS: f64 = 6.8;
const ITEM_BYTES: f64 = 1_540.0;
const DAYS: f64 = 30.0;

/// A document of 1,000 bytes with a property for each 50 bytes.
fn document() -> Value {
    let mut document = json!({"id": "document", "pk": "a"});
    for field in 0.. {
        if document.to_string().len() >= 1_000 {
            break;
        }
        document[format!("field{field}")] = json!(format!("the value of field {field:04}, a text"));
    }
    document
}

/// Creates an item, and returns its charge.
async fn create(url: &str, key: &Value, item: &Value) -> f64 {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let request = client.post(url).header("x-ms-documentdb-partitionkey", key.to_string()).body(item.to_string());
    let answer = request.send().await.expect("an answer");
    assert!(answer.status().is_success(), "{answer:?}");
    let charge = answer.headers().get("x-ms-request-charge").expect("a charge");
    charge.to_str().expect("text").parse().expect("a number")
}

#[tokio::test]
async fn the_worked_example_has_the_charges_of_the_endpoint_and_adds_up() {
    let local = Local::start(&[]).await;
    let containers = format!("{}dbs/dev/colls", local.ready["cosmos"].as_str().expect("an address"));
    create(&format!("{containers}/events/docs"), &json!(["a"]), &document()).await;
    local.until_all_captured(DEADLINE).await;
    let mut version = local.query("changes", "SELECT * FROM c").await.remove(0);
    for name in ["_rid", "_self", "_etag", "_attachments", "_ts"] {
        version.as_object_mut().expect("a version").remove(name);
    }
    version["id"] = json!("1760000000-00000001");
    let charge = create(&format!("{containers}/changes/docs"), &json!(["a", "document"]), &version).await;
    assert!((charge - UNITS).abs() < 0.1, "{charge}");
    // With the properties that the service adds.
    let stored = local.query("changes", "SELECT * FROM c WHERE c.id = '1760000000-00000001'").await.remove(0);
    let bytes = stored.to_string().len() as f64;
    assert!((bytes - ITEM_BYTES).abs() < 80.0, "{bytes}");

    let page = read(PAGE);
    let units = WRITES_A_SECOND * UNITS;
    let month = 730.0 * 3_600.0;
    let versions = WRITES_A_SECOND * 86_400.0 * DAYS;
    for text in [
        format!("{UNITS} request units for a document of 1,000 bytes"),
        format!("{units:.0} a second for capture"),
        format!("{:.0},{:03.0} RU/s", (2.0 * units / 1_000.0).floor(), 2.0 * units % 1_000.0),
        format!("{:.0} million in 30 days", versions / 1e6),
        format!("{:.0} million times 1,540 bytes", versions / 1e6),
    ] {
        assert!(page.contains(&text), "{PAGE}: {text}");
    }
    assert!((2.0 * units * month / 1e6 - 3_600.0).abs() < 50.0 && page.contains("3,600 million RU a month"));
    assert!((versions * ITEM_BYTES / 1e9 - 400.0).abs() < 4.0 && page.contains("400 GB"));
}
