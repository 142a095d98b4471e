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

/// A request that writes documents.
#[derive(Clone, Debug)]
pub enum Writes {
    One(Write),
    /// Each is answered for itself.
    Bulk(Vec<Write>),
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
    /// The writes of documents that a request is; `None` if it is anything else.
    pub fn writes(request: &Request) -> Option<Writes> {
        let id = request.url.path().strip_prefix(ITEMS)?.trim_start_matches('/');
        let has =
            |name: &str| request.headers.iter().any(|(key, value)| key == name && value.eq_ignore_ascii_case("true"));
        let write = |id: &str, document| Write { id: id.to_owned(), document };
        match request.method.as_str() {
            "POST" if !has("x-ms-documentdb-isquery") && !has("x-ms-documentdb-query") => {
                let body = json(&request.body).expect("a document");
                let of_document =
                    |document: &Value| document["id"].as_str().map(|id| write(id, Some(document.clone())));
                if !has("x-ms-cosmos-is-batch-request") {
                    return of_document(&body).map(Writes::One);
                }
                assert!(!has("x-ms-cosmos-batch-atomic"), "the observer does not read transactions");
                let operations = body.as_array().expect("operations").iter();
                Some(Writes::Bulk(operations.filter_map(|operation| of_document(&operation["resourceBody"])).collect()))
            }
            "PUT" => Some(Writes::One(write(id, Some(json(&request.body).expect("a document"))))),
            "DELETE" => Some(Writes::One(write(id, None))),
            "PATCH" => panic!("the observer does not read patches"),
            _ => None,
        }
    }

    /// Notes the writes that were executed.
    pub fn add(&mut self, second: i64, writes: Writes, response: &Response) {
        match writes {
            Writes::One(write) => {
                let etag = response.headers.iter().find(|(name, _)| name == "etag").map(|(_, etag)| etag.as_str());
                self.add_one(second, write, u64::from(response.status), etag);
            }
            Writes::Bulk(writes) if (200..300).contains(&response.status) => {
                let results = json(&response.body).expect("results");
                for (write, result) in writes.into_iter().zip(results.as_array().expect("results")) {
                    let status = result["statusCode"].as_u64().expect("a status");
                    self.add_one(second, write, status, result["eTag"].as_str());
                }
            }
            Writes::Bulk(_) => {}
        }
    }

    fn add_one(&mut self, second: i64, write: Write, status: u64, etag: Option<&str>) {
        if !(200..300).contains(&status) {
            return;
        }
        let etag = etag.filter(|_| write.document.is_some()).map(|etag| etag.trim_matches('"').to_owned());
        let state = State { second, etag, document: write.document };
        self.0.entry(write.id).or_default().push(state);
    }
}
