//! Batches of changes as the Functions host delivers them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::account::Account;

/// The first second of the changes.
pub(crate) const START: i64 = 1_760_000_000;

/// How the documents of the batches are made.
#[derive(Clone, Debug)]
pub(crate) struct Documents {
    bytes: usize,
    dates: bool,
    /// The start of the resource ids of the documents: that of their container.
    container: Vec<u8>,
    /// The texts of documents that were read.
    texts: Arc<Mutex<HashMap<usize, Arc<str>>>>,
}

impl Documents {
    /// Documents of about this size, in the container `events` of an account.
    pub(crate) async fn new(account: &Account, bytes: usize, dates: bool) -> Result<Self> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        let answer = client.get(format!("{}dbs/dev/colls/events", account.url)).send().await?.error_for_status()?;
        let container: Value = serde_json::from_slice(&answer.bytes().await?)?;
        let resource_id = container["_rid"].as_str().context("the container has no resource id")?;
        Ok(Self { bytes, dates, container: STANDARD.decode(resource_id)?, texts: Arc::default() })
    }

    /// The bodies of `count` invocations with `documents` changes each.
    pub(crate) fn invocations(&self, count: usize, documents: usize) -> Vec<String> {
        let starts = (0..count).map(|batch| batch * documents);
        starts.map(|first| body((first..first + documents).map(|number| self.change(number)).collect())).collect()
    }

    /// The bodies of invocations with `versions` versions of one document, one in each second from `first` on.
    pub(crate) fn history(&self, id: &str, first: i64, versions: usize, batch: usize) -> impl Iterator<Item = String> {
        (0..versions).step_by(batch).map(move |start| {
            let version = |number: usize| {
                let mut version = self.change(number);
                version["id"] = json!(id);
                version["pk"] = json!("a");
                version["_ts"] = json!(first + number as i64);
                version
            };
            body((start..versions.min(start + batch)).map(version).collect())
        })
    }

    /// The text of a change. It is made once, because a sink must cost less than what is measured.
    pub(crate) fn text(&self, number: usize) -> Arc<str> {
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(texts.entry(number).or_insert_with(|| self.change(number).to_string().into()))
    }

    /// A change: a document with its system properties.
    pub(crate) fn change(&self, number: usize) -> Value {
        let resource_id = STANDARD.encode([&self.container[..], &(number as u64).to_be_bytes()].concat());
        let mut change = json!({
            "id": format!("document-{number}"),
            "pk": format!("{:05}", number % 50_000),
            "city_name": "Davidson",
            "active": number.is_multiple_of(2),
            "population": number * 17,
            "location": {"type": "Point", "coordinates": [-80.8434, 35.4993]},
            "tags": ["college", "lake"],
            "_self": format!("dbs/AAAAAA==/colls/AAAAAAAAAAA=/docs/{resource_id}/"),
            "_rid": resource_id,
            "_etag": format!("\"{number:08x}-0000-0000-0000-5ef253f60000\""),
            "_attachments": "attachments/",
            "_ts": START + number as i64 / 1000,
            "_lsn": number + 1,
        });
        if self.dates {
            change["modified"] = json!("2026-11-20T10:30:00.1234567Z");
        }
        let length = change.to_string().len();
        change["text"] = json!("x".repeat(self.bytes.saturating_sub(length)));
        change
    }
}

/// The body of an invocation with these changes.
fn body(changes: Vec<Value>) -> String {
    // The host encodes the documents as JSON text, and that text again.
    let documents = Value::String(Value::Array(changes).to_string()).to_string();
    let metadata =
        json!({"sys": {"MethodName": "CosmosChangeFeed", "UtcNow": "2026-01-01T00:00:00Z", "RandGuid": "0"}});
    json!({"Data": {"documents": documents}, "Metadata": metadata}).to_string()
}
