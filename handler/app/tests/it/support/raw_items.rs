//! Every text that is stored in the containers: as it is, and as the format compresses and splits it.

use std::collections::BTreeMap;

use changefeed_cosmos::decompress;
use serde_json::Value;

use super::World;

/// The containers of a world that exist in every world.
const CONTAINERS: [&str; 4] = ["events", "changes", "jobs", "dead-letters"];
/// More than any document of a test unpacks to.
const MAX_BYTES: usize = 100_000_000;

/// Each item as text, with the name of its container; then each field that is compressed, or split over parts, as text. Parts that
/// belong to no record are among them.
pub async fn stored_texts(world: &World) -> Vec<(String, String)> {
    let mut texts = Vec::new();
    for container in CONTAINERS {
        let mut parts: BTreeMap<(String, String), BTreeMap<u64, String>> = BTreeMap::new();
        for item in world.query(container, "SELECT * FROM c").await {
            let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
            if item.get("partOf").is_some() {
                let number = item["number"].as_u64().expect("the number of a part");
                parts.entry((text("partOf"), text("digest"))).or_default().insert(number, text("data"));
            }
            for (name, value) in item.as_object().expect("an item") {
                if let (true, Value::String(encoded)) = (name.ends_with("Zstd"), value) {
                    texts.push((container.to_owned(), decompress(encoded, MAX_BYTES).expect("a compressed field")));
                }
            }
            texts.push((container.to_owned(), item.to_string()));
        }
        for (name, data) in parts {
            let joined: String = data.into_values().collect();
            // An incomplete one is checked by its item.
            if let Ok(text) = decompress(&joined, MAX_BYTES) {
                texts.push((format!("{container}, parts of {name:?}"), text));
            }
        }
    }
    texts
}

/// Checks that no stored text has one of these words.
pub async fn assert_nowhere(world: &World, words: &[&str]) {
    for (place, text) in stored_texts(world).await {
        for word in words {
            let found = text.find(word).map(|at| {
                let from = text[..at].char_indices().rev().nth(200).map_or(0, |(index, _)| index);
                text[from..].chars().take(500).collect::<String>()
            });
            assert_eq!(found, None, "{word} is stored in {place}");
        }
    }
}

/// Every item of the changes container and of the monitored one whose text has this word, without what the service adds.
pub async fn stored_items(world: &World, word: &str) -> Vec<Value> {
    let mut items = Vec::new();
    for container in ["events", "changes"] {
        let found = world.query(container, "SELECT * FROM c").await;
        items.extend(found.into_iter().filter(|item| item.to_string().contains(word)));
    }
    items.sort_by_key(|item| item["id"].to_string());
    items
}
