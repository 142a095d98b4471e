//! Sources with fields and documents that are never stored.

use changefeed_cosmos::{DocumentName, decompress};
use changefeed_history::{CaptureFilter, CaptureRules, OmittedFields};
use changefeed_operations::{Changefeed, ChangefeedOptions};
use serde_json::{Value, json};

use super::World;

/// A text that is in the omitted fields of documents, and never stored.
pub const SECRET: &str = "s3cret";

/// A secret of this number.
pub fn secret(number: usize) -> Value {
    json!(format!("{SECRET}-{number}"))
}

/// Rules with these omitted fields and this filter, if there is one.
pub fn rules(omitted: &str, filter: Option<&str>) -> CaptureRules {
    let filter = filter.map(|filter| CaptureFilter::parse(filter).expect("a filter"));
    CaptureRules::new(OmittedFields::parse_list(omitted).expect("fields"), filter, []).expect("rules")
}

/// The library on a world, where these fields are omitted.
pub fn omitting(world: &World, omitted: &str, change: impl FnOnce(&mut ChangefeedOptions)) -> Changefeed {
    world.changefeed(|options| {
        options.capture_rules = rules(omitted, None);
        change(options);
    })
}

/// Checks that no item of the containers of a history has a secret, in large values neither.
pub async fn assert_no_secret(world: &World, changefeed: &Changefeed) {
    let mut searched = 0;
    for container in ["changes", "jobs", "dead-letters"] {
        for item in world.query(container, "SELECT * FROM c").await {
            assert_has_no_secret(container, &item);
            searched += 1;
            if container == "changes" && item["sourceTs"].is_i64() {
                let partition_key = serde_json::from_value(item["partitionKey"].clone()).expect("a key");
                let name = DocumentName { id: item["sourceId"].as_str().expect("an id").to_owned(), partition_key };
                let version = changefeed.history.version(&name, item["id"].as_str().expect("an id")).await;
                assert_has_no_secret("a version that was read", &json!(version.expect("a version")));
            }
        }
    }
    assert!(searched > 0, "nothing was stored");
}

fn assert_has_no_secret(place: &str, item: &Value) {
    assert!(!item.to_string().contains(SECRET), "{place} has a secret: {item}");
    for (name, value) in item.as_object().into_iter().flatten() {
        if let Some(compressed) = value.as_str().filter(|_| name.ends_with("Zstd")) {
            let text = decompress(compressed, 1 << 30).expect("compressed text");
            assert!(!text.contains(SECRET), "{place} has a compressed secret in {name}");
        }
    }
}
