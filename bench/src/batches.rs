//! Batches of changes as the Functions host delivers them.

use serde_json::{Value, json};

/// The first second of the changes.
pub(crate) const START: i64 = 1_760_000_000;

/// The bodies of `count` invocations with `documents` changes each, of about `bytes` bytes.
pub(crate) fn invocations(count: usize, documents: usize, bytes: usize, dates: bool) -> Vec<String> {
    (0..count).map(|batch| invocation(batch, documents, bytes, dates)).collect()
}

fn invocation(batch: usize, documents: usize, bytes: usize, dates: bool) -> String {
    let first = batch * documents;
    let changes: Vec<Value> = (first..first + documents).map(|number| change(number, bytes, dates)).collect();
    body(changes)
}

/// The bodies of invocations with `versions` versions of one document, one in each second from `first` on.
pub(crate) fn history(document: &str, first: i64, versions: usize, batch: usize) -> impl Iterator<Item = String> {
    (0..versions).step_by(batch).map(move |start| {
        let version = |number: usize| {
            let mut version = change(number, 1000, false);
            version["id"] = json!(document);
            version["pk"] = json!("a");
            version["_ts"] = json!(first + number as i64);
            version
        };
        body((start..versions.min(start + batch)).map(version).collect())
    })
}

/// The body of an invocation with these changes.
fn body(changes: Vec<Value>) -> String {
    // The host encodes the documents as JSON text, and that text again.
    let documents = Value::String(Value::Array(changes).to_string()).to_string();
    let metadata =
        json!({"sys": {"MethodName": "CosmosChangeFeed", "UtcNow": "2026-01-01T00:00:00Z", "RandGuid": "0"}});
    json!({"Data": {"documents": documents}, "Metadata": metadata}).to_string()
}

/// A change: a document with its system properties.
pub(crate) fn change(number: usize, bytes: usize, dates: bool) -> Value {
    let mut change = json!({
        "id": format!("document-{number}"),
        "pk": format!("{:05}", number % 50_000),
        "city_name": "Davidson",
        "active": number.is_multiple_of(2),
        "population": number * 17,
        "location": {"type": "Point", "coordinates": [-80.8434, 35.4993]},
        "tags": ["college", "lake"],
        "_rid": "AAAAAAAAAAAAAAAAAAAAAA==",
        "_self": "dbs/AAAAAA==/colls/AAAAAAAAAAA=/docs/AAAAAAAAAAAAAAAAAAAAAA==/",
        "_etag": format!("\"{number:08x}-0000-0000-0000-5ef253f60000\""),
        "_attachments": "attachments/",
        "_ts": START + number as i64 / 1000,
        "_lsn": number + 1,
    });
    if dates {
        change["modified"] = json!("2026-11-20T10:30:00.1234567Z");
    }
    let length = change.to_string().len();
    change["text"] = json!("x".repeat(bytes.saturating_sub(length)));
    change
}
