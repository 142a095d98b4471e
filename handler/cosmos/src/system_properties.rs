//! The properties that the service adds to every document, and the form of times in records.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;

/// The properties that the service adds to every stored document.
pub const SYSTEM_PROPERTIES: [&str; 5] = ["_rid", "_self", "_etag", "_attachments", "_ts"];

/// The property that the change feed adds to the documents of LatestVersion mode: the sequence number of the change. No stored document
/// has it, unless an application wrote a property of this name.
pub const FEED_LSN: &str = "_lsn";

/// Removes the service's system properties from a stored document. A property `_lsn` is the application's, and stays.
pub fn without_system_properties(mut document: Value) -> Value {
    if let Value::Object(properties) = &mut document {
        properties.retain(|name, _| !SYSTEM_PROPERTIES.contains(&name.as_str()));
    }
    document
}

/// A time as records have it: RFC 3339 in UTC with milliseconds.
pub fn timestamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn system_properties_are_removed_and_all_others_stay_in_order() {
        let document = json!({"_type": "x", "id": "1", "_ts": 5, "_etag": "e", "b": {"_ts": 1}, "_rid": "", "_self": "",
            "_attachments": "", "_lsn": 3, "a": null});
        let stripped = without_system_properties(document);
        assert_eq!(stripped.to_string(), r#"{"_type":"x","id":"1","b":{"_ts":1},"_lsn":3,"a":null}"#);
    }
}
