//! A Cosmos DB SQL query against one of the containers.

use std::num::NonZeroU32;

use changefeed_cosmos::{Error, Key, page_items};
use changefeed_history::Role;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::documents::Documents;
use crate::named_key::named_key;

const DEFAULT_PAGE_ITEMS: usize = 100;

/// A request for a page of a query.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "RawQueryRequest")]
pub struct QueryRequest {
    /// The name of one of the containers.
    pub container: String,
    /// The text of the query.
    pub query: String,
    /// The values of parameters: an object of names (`@city`) and values, or the form of the service, an array of
    /// `{"name", "value"}`.
    pub parameters: Option<Value>,
    /// The partition key value that the query is limited to: the array of its components.
    pub partition_key: Option<Key>,
    /// The most items on a page, 1 to 1,000; the default is 100.
    pub max_items: Option<u32>,
    /// The continuation of the page before.
    pub continuation: Option<String>,
}

/// The request as it is in JSON, where `pk` is a partition key of one text.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawQueryRequest {
    container: String,
    query: String,
    parameters: Option<Value>,
    pk: Option<String>,
    partition_key: Option<Key>,
    max_items: Option<u32>,
    continuation: Option<String>,
}

impl TryFrom<RawQueryRequest> for QueryRequest {
    type Error = String;

    fn try_from(raw: RawQueryRequest) -> Result<Self, String> {
        Ok(Self {
            container: raw.container,
            query: raw.query,
            parameters: raw.parameters,
            partition_key: named_key(raw.pk, raw.partition_key)?,
            max_items: raw.max_items,
            continuation: raw.continuation,
        })
    }
}

/// A page of a query.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryPage {
    /// The selected items.
    pub items: Vec<Value>,
    /// For the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continuation: Option<String>,
    /// Request units.
    pub request_charge: f64,
}

impl Documents {
    /// Runs one page of a query.
    ///
    /// # Errors
    /// When the request is invalid, and when the service refuses the query.
    pub async fn query(&self, request: &QueryRequest) -> Result<QueryPage, Error> {
        let role = self.containers.names().role_of(&request.container, &Role::ALL)?;
        let max_items = page_items(request.max_items, DEFAULT_PAGE_ITEMS, "querying")?;
        let max_items = u32::try_from(max_items).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
        let parameters = parameters(request.parameters.as_ref())?;
        // What people write cannot be limited to a source. The items of jobs and dead letters name theirs.
        let container = self.containers.of(role).open().await?.with_all_sources();
        let key = request.partition_key.as_ref();
        let mut continuation = request.continuation.clone();
        let mut request_charge = 0.0;
        loop {
            let page = container.query(&request.query, &parameters, key, max_items, continuation.as_deref()).await?;
            request_charge += page.request_charge;
            // Ranges without a match return empty pages. They are skipped, because a caller may take one for the end.
            if page.items.is_empty() && page.continuation.is_some() {
                continuation = page.continuation;
                continue;
            }
            return Ok(QueryPage { items: page.items, continuation: page.continuation, request_charge });
        }
    }
}

/// The parameters of a request, by name.
fn parameters(given: Option<&Value>) -> Result<Map<String, Value>, Error> {
    let refused = |found: &Value| {
        let form = r#"{"@name": value, …} or [{"name": "@name", "value": …}, …]"#;
        Error::invalid("querying", format!("parameters must be {form}; found {found}"))
    };
    let parameters: Map<String, Value> = match given {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(parameters)) => parameters.clone(),
        Some(Value::Array(entries)) => {
            let entry = |entry: &Value| Some((entry.get("name")?.as_str()?.to_owned(), entry.get("value")?.clone()));
            entries.iter().map(|item| entry(item).ok_or_else(|| refused(item))).collect::<Result<_, _>>()?
        }
        Some(other) => return Err(refused(other)),
    };
    match parameters.keys().find(|name| !name.starts_with('@')) {
        Some(name) => Err(Error::invalid("querying", format!("parameter {name:?} must begin with @"))),
        None => Ok(parameters),
    }
}

#[cfg(test)]
mod tests {
    use super::parameters;
    use serde_json::json;

    #[test]
    fn parameters_are_an_object_or_the_services_array() {
        let expected = json!({"@a": 1, "@b": "x"});
        for given in [expected.clone(), json!([{"name": "@a", "value": 1}, {"name": "@b", "value": "x"}])] {
            assert_eq!(json!(parameters(Some(&given)).expect("parameters")), expected);
        }
        for (given, names) in [(json!("x"), "\"x\""), (json!([{"name": "@a"}]), "@a"), (json!({"a": 1}), "\"a\"")] {
            let error = parameters(Some(&given)).expect_err("refused").to_string();
            assert!(error.contains(names), "{error}");
        }
    }
}
