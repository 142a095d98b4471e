//! Where the types of the SDKs are named, where a time counts as the service's, and what crates know of their process.

use crate::tree::{File, assert_none, at, crate_of, sources};

/// A text, and the only sources that have it: files, or folders with a slash at the end.
const CONFINED: &[(&str, &[&str])] = &[
    ("azure_data_cosmos", &["handler/cosmos/src/", "handler/local-cosmos/src/", "handler/processor/src/feed.rs"]),
    ("azure_identity", &["handler/cosmos/src/"]),
    ("azure_storage_blob", &["handler/backup-format/src/location/blob.rs"]),
    ("actix", &["handler/app/src/", "handler/local-host/src/", "handler/local-cosmos/src/", "handler/loopback/src/"]),
    ("anyhow", &["handler/app/src/"]),
    // The settings of a host are those of its process; a library is given what it needs.
    ("std::env", &["handler/app/src/", "handler/local-host/src/"]),
    // Only what was read from the service is its time, and what is never used.
    ("ServiceTime::new", &["handler/history/src/retention/mod.rs"]),
    ("changefeed_processor", &["handler/app/src/", "handler/local-host/src/", "handler/processor/src/"]),
];

/// The crates that know no status codes of HTTP.
const WITHOUT_STATUS_CODES: &[&str] = &["operations", "jobs", "history"];

type Confined<'a> = &'a [(&'a str, &'a [&'a str])];

fn is_in(path: &str, allowed: &str) -> bool {
    if allowed.ends_with('/') { path.starts_with(allowed) } else { path == allowed }
}

fn outside_their_files(sources: &[File], confined: Confined<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for file in sources {
        for (index, line) in file.text.lines().enumerate() {
            for (text, allowed) in confined {
                if line.contains(text) && !allowed.iter().any(|allowed| is_in(&file.path, allowed)) {
                    found.push(at(&file.path, index + 1, format!("names {text}")));
                }
            }
            let hosted = crate_of(&file.path).is_some_and(|name| WITHOUT_STATUS_CODES.contains(&name));
            if hosted && line.contains("StatusCode") {
                found.push(at(&file.path, index + 1, "names StatusCode"));
            }
        }
    }
    found
}

/// Places that may have a text and do not.
fn needless_places(sources: &[File], confined: Confined<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for (text, allowed) in confined {
        for place in *allowed {
            if !sources.iter().any(|file| is_in(&file.path, place) && file.text.contains(text)) {
                found.push(format!("{place} does not name {text}: remove it from the list"));
            }
        }
    }
    found
}

#[test]
fn the_sdk_and_the_host_are_known_only_where_they_must_be() {
    let sources = sources();
    assert_none(&outside_their_files(&sources, CONFINED));
    assert_none(&needless_places(&sources, CONFINED));
}

#[test]
fn a_text_outside_its_files_is_reported() {
    let confined: Confined<'_> = &[
        ("azure_data_cosmos", &["handler/cosmos/src/", "handler/processor/src/feed.rs"]),
        ("std::env", &["handler/app/src/"]),
    ];
    let sources = [
        File::new("handler/cosmos/src/key.rs", "use azure_data_cosmos::PartitionKey;\n"),
        File::new(
            "handler/app/src/cli/mod.rs",
            "use std::env;\nconst FILTER: &str = \"azure_data_cosmos_driver=warn\";\n",
        ),
        File::new("handler/processor/src/feed.rs", "use azure_data_cosmos::FeedScope;\n"),
        File::new("handler/processor/src/feed_page.rs", "use azure_data_cosmos::FeedScope;\n"),
        File::new("handler/history/src/history.rs", "\nuse http::StatusCode;\nuse std::env;\n"),
    ];
    assert_eq!(
        outside_their_files(&sources, confined),
        [
            "handler/app/src/cli/mod.rs:2: names azure_data_cosmos",
            "handler/processor/src/feed_page.rs:1: names azure_data_cosmos",
            "handler/history/src/history.rs:2: names StatusCode",
            "handler/history/src/history.rs:3: names std::env",
        ]
    );
    assert_none(&needless_places(&sources, confined));
    assert_eq!(
        needless_places(&sources[1..], confined),
        ["handler/cosmos/src/ does not name azure_data_cosmos: remove it from the list"]
    );
}
