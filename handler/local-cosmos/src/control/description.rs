//! The description of the control interface.

use serde_json::{Value, json};

use crate::gateway::Gateway;

/// Method, path, parameters and effect.
const REQUESTS: [(&str, &str, &str, &str); 15] = [
    ("GET", "/", "", "This description."),
    (
        "GET",
        "/partitions",
        "?database=&container=",
        "Lists the physical partitions of a container in the order of their keys.",
    ),
    (
        "POST",
        "/partitions",
        r#"{"database", "container", "count"}"#,
        "Splits or merges physical partitions until the container has this many.",
    ),
    (
        "POST",
        "/split",
        r#"{"database", "container", "partition"?, "durationMilliseconds"?}"#,
        "Splits a physical partition in the middle; without partition, the one with the most items. Replies when the split is complete.",
    ),
    (
        "POST",
        "/merge",
        r#"{"database", "container", "partitions": [a, b], "durationMilliseconds"?}"#,
        "Merges two adjacent physical partitions. Replies when the merge is complete.",
    ),
    (
        "POST",
        "/throttle",
        r#"{"database", "container", "requestUnitsPerSecond"}"#,
        "Limits request units a second: requests over the limit are answered 429. 0 or null lifts the limit.",
    ),
    (
        "POST",
        "/faults",
        r#"{"container"?, "item"?, "kind": "any"|"write"|"read"|"query"|"changeFeed"|"metadata"|"definition", "times"?, and one of "status" (with "substatus"?), "delayMilliseconds", "loseReply": true, "garble": true}"#,
        "Makes the next requests fail, wait, lose their reply, or get a reply whose body is not valid JSON. item limits this to requests for the item with this id and to pages that have it.",
    ),
    ("GET", "/faults", "", "Lists the faults that have not happened yet."),
    ("DELETE", "/faults", "", "Removes all faults."),
    (
        "POST",
        "/unindexed-queries",
        r#"{"refused"}"#,
        "Sets whether a query that filters or sorts by a path without an index is answered with 400.",
    ),
    (
        "GET",
        "/requests",
        "",
        "Lists the newest requests: container, path, kind, items, status, request charge, query text.",
    ),
    ("DELETE", "/requests", "", "Lists them and clears the list."),
    (
        "POST",
        "/expire",
        r#"{"database", "container", "id"?, "partitionKey"?}"#,
        "Expires items that have a time to live now: all, or those with an id, a partition key (the array of its values), or both.",
    ),
    (
        "POST",
        "/previous-images",
        r#"{"database", "container", "enabled"}"#,
        "Sets whether the change feed's AllVersionsAndDeletes mode includes the replaced or deleted item from now on.",
    ),
    (
        "POST",
        "/clock",
        r#"{"offsetSeconds"}"#,
        "Sets how many seconds the endpoint's clock is ahead of this machine's; a negative number is behind.",
    ),
];

/// The methods of a path.
pub(super) fn methods(path: &str) -> Vec<&'static str> {
    REQUESTS.iter().filter(|(_, known, ..)| *known == path).map(|(method, ..)| *method).collect()
}

pub(super) fn describe(gateway: &Gateway) -> Value {
    let requests = REQUESTS.iter().map(|(method, path, takes, does)| {
        let mut request = json!({"request": format!("{method} {path}"), "does": does});
        if !takes.is_empty() {
            request["takes"] = json!(takes);
        }
        request
    });
    json!({"cosmos": gateway.url(), "requests": requests.collect::<Vec<_>>()})
}
