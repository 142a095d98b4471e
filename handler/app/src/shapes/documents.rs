//! Queries, sample documents, and deleting documents.

use serde_json::Value;
use utoipa::ToSchema;

use super::key::Key;

/// A SQL query against a container.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"container": "events", "query": "SELECT c.id FROM c WHERE c.city_name = @city",
    "parameters": {"@city": "Davidson"}}))]
pub struct QueryRequest {
    container: String,
    query: String,
    /// An object of names (`@city`) and values, or an array of `{"name", "value"}`.
    #[schema(required = false)]
    parameters: Value,
    /// A partition key of one text.
    pk: Option<String>,
    partition_key: Option<Key>,
    #[schema(minimum = 1, maximum = 1000)]
    max_items: Option<u32>,
    continuation: Option<String>,
}

/// A page of a query.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QueryPage {
    items: Vec<Value>,
    #[schema(required = false)]
    continuation: String,
    request_charge: f64,
}

/// How many sample documents to write.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"count": 100, "seed": 7}))]
pub struct PopulateRequest {
    #[schema(minimum = 1, maximum = 10_000_000)]
    count: u64,
    /// The same seed writes the same documents.
    seed: Option<u64>,
    #[schema(minimum = 0.1, maximum = 1_000_000)]
    rate_per_second: Option<f64>,
    /// Write into a container that holds other documents than samples.
    #[schema(required = false)]
    force: bool,
    requested_by: Option<String>,
}

/// What was written.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PopulateReport {
    upserted: u64,
    created: u64,
    replaced: u64,
    request_charge: f64,
    seconds: f64,
}

/// Which documents to delete.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"container": "events", "max": 100, "confirm": "events"}))]
pub struct TruncateRequest {
    /// The name of the monitored container.
    container: String,
    #[schema(minimum = 1, maximum = 10_000_000)]
    max: u64,
    /// The name again.
    confirm: String,
    requested_by: Option<String>,
}

/// What was deleted.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TruncateReport {
    deleted: u64,
    #[schema(required = false)]
    not_deleted: u64,
    #[schema(required = false)]
    messages: Vec<String>,
    request_charge: f64,
}
