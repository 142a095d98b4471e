//! The writes that the store has executed, as an observer at the store sees them: also those whose answer was lost.

use std::collections::BTreeMap;

use azure_data_cosmos_driver::binary_json::{decode, is_binary};
use local_cosmos::{Request, Response};
use serde_json::Value;

const ITEMS: &str = "/dbs/dev/colls/events/docs";

/// A body, which the SDK may send as binary JSON.
fn json(body: &[u8]) -> Option<Value> {
    if is_binary(body) { decode(body).ok() } else { serde_json::from_slice(body).ok() }
}

/// A write that is to be executed.
#[derive(Clone, Debug)]
pub struct Write {
    id: String,
    /// The document; `None` for a delete.
    document: Option<Value>,
}

/// A state of a document.
#[derive(Clone, Debug)]
pub struct State {
    /// The second since 1970, by the clock of the store.
    pub second: i64,
    /// The etag, without quotes; `None` after a delete.
    pub etag: Option<String>,
    /// The document; `None` after a delete.
    pub document: Option<Value>,
}

/// The states of each document, in their order.
#[derive(Debug, Default)]
pub struct Observed(pub BTreeMap<String, Vec<State>>);

impl Observed {
    /// The write of a document that a request is; `None` if it is anything else.
    pub fn write(request: &Request) -> Option<Write> {
        let id = request.url.path().strip_prefix(ITEMS)?.trim_start_matches('/');
        let has =
            |name: &str| request.headers.iter().any(|(key, value)| key == name && value.eq_ignore_ascii_case("true"));
        match request.method.as_str() {
            "POST" if !has("x-ms-documentdb-isquery") && !has("x-ms-documentdb-query") => {
                assert!(!has("x-ms-cosmos-is-batch-request"), "the observer does not read batches of documents");
                let document = json(&request.body).expect("a document");
                document["id"].as_str().map(|id| Write { id: id.to_owned(), document: Some(document.clone()) })
            }
            "PUT" => Some(Write { id: id.to_owned(), document: Some(json(&request.body).expect("a document")) }),
            "DELETE" => Some(Write { id: id.to_owned(), document: None }),
            "PATCH" => panic!("the observer does not read patches"),
            _ => None,
        }
    }

    /// Notes a write, if it was executed.
    pub fn add(&mut self, second: i64, write: Write, response: &Response) {
        if !(200..300).contains(&response.status) {
            return;
        }
        let etag =
            response.headers.iter().find(|(name, _)| name == "etag").map(|(_, etag)| etag.trim_matches('"').to_owned());
        let etag = etag.filter(|_| write.document.is_some());
        let state = State { second, etag, document: write.document };
        self.0.entry(write.id).or_default().push(state);
    }
}
