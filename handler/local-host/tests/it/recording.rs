//! What was recorded from the real host, and how to compare it with what the stand-in host does.

use std::collections::BTreeMap;
use std::path::Path;

use changefeed_processor::Change;
use serde_json::{Value, json};

/// The host versions of the recordings and of the stand-in host.
const HOST_VERSIONS: [&str; 2] = ["4.1037.0.0", "4.1052.0.0"];

pub fn text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/recordings").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn read(name: &str) -> Value {
    serde_json::from_str(&text(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The elements of a file with one a line.
pub fn lines(name: &str) -> Vec<Value> {
    text(name).lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// The array of changes in the body of an invocation.
pub fn batch(body: &str) -> String {
    let body: Value = serde_json::from_str(body).expect("a body");
    serde_json::from_str(body["Data"]["documents"].as_str().expect("a text")).expect("a text in a text")
}

/// The documents that a recording has, by etag.
pub fn stored_by_etag(recording: &Value) -> BTreeMap<String, Value> {
    let stored = recording["stored"].as_object().expect("stored documents").values();
    let documents =
        stored.map(|text| serde_json::from_str::<Value>(text.as_str().expect("a text")).expect("a document"));
    documents.map(|document| (document["_etag"].to_string(), document)).collect()
}

/// The changes that the feed had when the host delivered this batch.
pub fn changes(stored: &BTreeMap<String, Value>, batch: &str) -> Vec<Change> {
    let delivered: Vec<Value> = serde_json::from_str(batch).expect("an array");
    let original = |delivered: &Value| stored.get(&delivered["_etag"].to_string()).unwrap_or(delivered).clone();
    let change = |delivered: Value| {
        if delivered.get("metadata").is_none() {
            let mut current = original(&delivered);
            // The feed has the number of the change where the document may have its own.
            current["_lsn"] = delivered["_lsn"].clone();
            return json!({"current": current});
        }
        let mut change = json!({"metadata": delivered["metadata"]});
        for image in ["current", "previous"] {
            if delivered[image].get("_etag").is_some() {
                change[image] = original(&delivered[image]);
            }
        }
        let id = delivered["metadata"]["id"].clone();
        let document = stored.values().find(|document| document["id"] == id);
        if let (Some(document), Some(key)) = (document, change["metadata"]["partitionKey"].as_object_mut()) {
            key.iter_mut().for_each(|(name, value)| *value = document[name].clone());
        }
        change
    };
    delivered.into_iter().map(|delivered| serde_json::from_value(change(delivered)).expect("a change")).collect()
}

/// The head of a request without what differs from one to the next.
pub fn comparable_head(head: &[String]) -> Vec<String> {
    let line = |line: &String| {
        let line = HOST_VERSIONS.iter().fold(line.clone(), |line, version| line.replace(version, "4.0.0.0"));
        match line.split_once(": ") {
            Some((name @ ("Host" | "X-Azure-Functions-InvocationId"), value)) => format!("{name}: ({})", form(value)),
            _ => line,
        }
    };
    head.iter().map(line).collect()
}

/// A body without what differs from one to the next.
pub fn comparable_body(body: &str) -> String {
    ["UtcNow", "RandGuid", "InstanceId", "StackTrace", "StackTraceString"].iter().fold(body.to_owned(), |body, name| {
        let start = format!("\"{name}\":\"");
        let mut parts = body.split(&start);
        let mut comparable = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let end = part.find('"').expect("the end of a text");
            comparable.extend([&start, form(&part[..end]).as_str(), &part[end..]]);
        }
        comparable
    })
}

/// `9` for digits and letters of a GUID, a time or a port; nothing of a stack trace.
fn form(value: &str) -> String {
    if value.contains("stack trace") || value.starts_with("   at ") {
        return "stack trace".to_owned();
    }
    if value.contains('T') {
        // A time has no zeros at its end.
        return value.split('.').next().unwrap_or_default().replace(|c: char| c.is_ascii_digit(), "9");
    }
    match value.rsplit_once(':') {
        Some((host, _)) => format!("{host}:port"),
        None => value.replace(|c: char| c.is_ascii_hexdigit(), "9"),
    }
}
