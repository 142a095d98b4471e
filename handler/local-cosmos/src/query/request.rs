//! The query in a request.

use query_engine::{ErrorKind, Query, QueryError, ResumeFilter};
use serde::Deserialize;
use serde_json::Value;

use crate::container::Container;
use crate::incoming::Incoming;
use crate::reply::Reply;

/// The body of a request for a query.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct QueryBody {
    pub query: String,
    #[serde(default, deserialize_with = "parameters")]
    pub parameters: Vec<(String, Value)>,
    /// Where an ordered query continues.
    pub resume_filter: Option<ResumeFilter>,
}

fn parameters<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, Value)>, D::Error> {
    #[derive(Deserialize)]
    struct Parameter {
        name: String,
        #[serde(default)]
        value: Value,
    }
    let parameters = Option::<Vec<Parameter>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(parameters.into_iter().map(|parameter| (parameter.name, parameter.value)).collect())
}

/// The body and the parsed query of a request. A read of all items, which has no body, is a query for all of them.
pub(super) fn read(container: &Container, incoming: &Incoming) -> Result<(QueryBody, Query), Reply> {
    let body = if incoming.has_query() {
        serde_json::from_slice(&incoming.body)
            .map_err(|error| container.error(400, "BadRequest", &format!("The query's body is not valid: {error}")))?
    } else {
        QueryBody { query: "SELECT * FROM c".into(), parameters: Vec::new(), resume_filter: None }
    };
    let query = Query::parse(&body.query, &body.parameters).map_err(|error| refusal(container, &error))?;
    Ok((body, query.with_vectors(&container.vectors())))
}

/// The refusal of a query, with the service's list of errors in the message.
pub(super) fn refusal(container: &Container, error: &QueryError) -> Reply {
    match error.kind {
        ErrorKind::Invalid => container.error(400, "BadRequest", &format!("Message: {}", error.to_json())),
        ErrorKind::NotSupported => container.error(501, "NotImplemented", &error.message),
    }
}
