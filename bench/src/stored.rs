//! The live documents of a sink: those of the batches. A sink stores nothing, so it makes each again when it is read.

use actix_web::http::Method;
use actix_web::web::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::batches::change;

/// Requests for live documents have this in their paths.
const DOCUMENTS: &str = "/colls/events/docs";

/// How the documents of the batches are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stored {
    pub bytes: usize,
    pub dates: bool,
}

#[derive(Deserialize)]
struct Query {
    parameters: Vec<Parameter>,
}

#[derive(Deserialize)]
struct Parameter {
    value: Value,
}

impl Stored {
    /// The answer to a read of one document, or to a query that names documents in its parameters; `None` for any other request.
    pub(crate) fn answer(self, method: &Method, path: &str, is_query: bool, body: &Bytes) -> Option<String> {
        let (_, rest) = path.split_once(DOCUMENTS)?;
        if *method == Method::GET {
            return Some(self.document(rest.strip_prefix('/')?)?.to_string());
        }
        if !is_query {
            return None;
        }
        let query: Query = serde_json::from_slice(body).ok()?;
        let names = query.parameters.iter().filter_map(|parameter| parameter.value.as_str());
        let rows: Vec<Value> = names
            .filter_map(|name| {
                let document = self.document(name)?;
                Some(json!([[document["id"], document["pk"]], document]))
            })
            .collect();
        Some(json!({"_rid": "", "_count": rows.len(), "Documents": rows}).to_string())
    }

    fn document(self, id: &str) -> Option<Value> {
        let number = id.strip_prefix("document-")?.parse().ok()?;
        Some(change(number, self.bytes, self.dates))
    }
}
