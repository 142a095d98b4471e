//! The live documents of a sink: those of the batches. A sink stores nothing, so it makes each again when it is read.

use actix_web::http::Method;
use actix_web::web::Bytes;
use serde::Deserialize;
use serde_json::Value;

use crate::batches::Documents;

/// Requests for live documents have this in their paths.
const PATH: &str = "/colls/events/docs";

#[derive(Deserialize)]
struct Query {
    parameters: Vec<Parameter>,
}

#[derive(Deserialize)]
struct Parameter {
    value: Value,
}

/// The answer to a read of one document, or to a query that names documents in its parameters and selects them; `None` for any other
/// request.
pub(crate) fn stored(
    documents: &Documents,
    method: &Method,
    path: &str,
    is_query: bool,
    body: &Bytes,
) -> Option<String> {
    let (_, rest) = path.split_once(PATH)?;
    if *method == Method::GET {
        return Some(documents.text(number_of(rest.strip_prefix('/')?)?).to_string());
    }
    if !is_query {
        return None;
    }
    let query: Query = serde_json::from_slice(body).ok()?;
    let numbers = query.parameters.iter().filter_map(|parameter| number_of(parameter.value.as_str()?));
    let rows: Vec<_> = numbers.map(|number| documents.text(number)).collect();
    Some(format!("{{\"_rid\":\"\",\"_count\":{},\"Documents\":[{}]}}", rows.len(), rows.join(",")))
}

fn number_of(id: &str) -> Option<usize> {
    id.strip_prefix("document-")?.parse().ok()
}
