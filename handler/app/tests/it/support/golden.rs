//! The kinds of stored items, and their shapes.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::World;

/// The kinds of items, each with the container in which it is. Each has a file.
pub const KINDS: &[(&str, &str)] = &[
    ("version", "changes"),
    ("version-compressed", "changes"),
    ("version-with-parts", "changes"),
    ("version-part", "changes"),
    ("version-delete", "changes"),
    ("version-inferred-delete", "changes"),
    ("version-inexact", "changes"),
    ("version-exact-twin", "changes"),
    ("version-of-hierarchical-key", "changes"),
    ("dead-letter", "dead-letters"),
    ("restore", "jobs"),
    ("restore-job", "jobs"),
    ("restore-items", "jobs"),
    ("backup-job", "jobs"),
    ("verify-job", "jobs"),
    ("findings", "jobs"),
    ("digest-job", "jobs"),
    ("digests", "jobs"),
    ("removals", "jobs"),
    ("erase-job", "jobs"),
    ("erased", "jobs"),
    ("erased-hashes", "jobs"),
    ("backup-policy", "jobs"),
    ("retention", "jobs"),
    ("sizes", "jobs"),
    ("lease-watch", "jobs"),
    ("clock", "jobs"),
    ("lease", "leases"),
    ("lease-info", "leases"),
];
/// The kind with a container of its own: its documents have another partition key.
pub const HIERARCHICAL: &str = "version-of-hierarchical-key";
/// Fields whose values are part of the shape.
const VALUES: [&str; 5] = ["kind", "operation", "inferred", "exact", "schema"];

/// The kind of a stored item.
pub fn kind_of(container: &str, item: &Value) -> String {
    let has = |name: &str| item.get(name).is_some();
    let id = item["id"].as_str().expect("an id");
    let of_version = || match item {
        _ if has("partOf") => "part",
        _ if has("documentParts") => "with-parts",
        _ if has("documentZstd") => "compressed",
        _ if has("inferred") => "inferred-delete",
        _ if item["operation"] == "delete" => "delete",
        _ if id.ends_with("-exact") => "exact-twin",
        _ if item["exact"] == false => "inexact",
        _ if item["partitionKey"].as_array().is_some_and(|key| key.len() > 1) => "of-hierarchical-key",
        _ => "",
    };
    let kind = item["kind"].as_str().unwrap_or("none");
    match container {
        "changes" => format!("version-{}", of_version()).trim_end_matches('-').to_owned(),
        "dead-letters" => "dead-letter".to_owned(),
        "leases" if id.contains(".info") => "lease-info".to_owned(),
        "leases" => "lease".to_owned(),
        _ if kind == "erased" && has("hashes") => "erased-hashes".to_owned(),
        _ if has("job") => format!("{kind}-job"),
        _ => kind.to_owned(),
    }
}

/// What is different in each world, and its name in the files.
pub struct Names(Vec<(String, &'static str)>);

impl Names {
    pub async fn of(world: &World, folder: &Path) -> Self {
        let events = world.container("events").await.read(None).await.expect("read").into_model().expect("a container");
        let container = json!(events)["_rid"].as_str().expect("a resource id").to_owned();
        let account = world.endpoint.url().trim_start_matches("http://").trim_end_matches('/').to_owned();
        let host = account.split(':').next().unwrap_or_default().to_owned();
        let folder = folder.to_str().expect("a path").to_owned();
        Self(vec![
            (folder, "{folder}"),
            (container, "{container}"),
            (account, "{account}"),
            (format!("{host}_"), "{host}_"),
        ])
    }

    pub fn hide(&self, item: &Value) -> Value {
        let text = self.0.iter().fold(item.to_string(), |text, (name, place)| text.replace(name, place));
        serde_json::from_str(&text).expect("JSON")
    }

    pub fn show(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, place)| text.replace(place, name))
    }
}

/// The paths of the fields of some items, with the types and, of some fields, the values that they have.
pub fn shape(items: &[Value]) -> BTreeSet<String> {
    fn add(path: &str, value: &Value, found: &mut BTreeSet<String>) {
        let name = path.rsplit('.').next().unwrap_or_default();
        let kind = match value {
            _ if VALUES.contains(&name) => value.to_string(),
            Value::Null => "null".to_owned(),
            Value::Bool(_) => "a boolean".to_owned(),
            Value::Number(_) => "a number".to_owned(),
            Value::String(_) => "a text".to_owned(),
            Value::Array(items) => {
                items.iter().for_each(|item| add(&format!("{path}[]"), item, found));
                "an array".to_owned()
            }
            Value::Object(fields) => {
                fields.iter().for_each(|(name, value)| add(&format!("{path}.{name}"), value, found));
                "an object".to_owned()
            }
        };
        found.insert(format!("{path}: {kind}"));
    }
    let mut found = BTreeSet::new();
    items.iter().for_each(|item| add("", item, &mut found));
    found
}
