//! Partition keys and times.

use serde_json::Value;
use utoipa::ToSchema;

/// A partition key value: the array of its components. `{}` stands for a component that the document does not have.
#[derive(ToSchema)]
#[schema(min_items = 1, max_items = 3, example = json!(["28036"]))]
pub struct Key(Vec<Value>);

/// The name of a document: `id`, and one of `pk` and `partitionKey`.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DocumentName {
    #[schema(example = "28036")]
    id: String,
    /// A partition key of one text.
    #[schema(example = "28036")]
    pk: Option<String>,
    partition_key: Option<Key>,
}

/// What happened to a document. `write` is a create or a replace.
#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    Write,
    Create,
    Replace,
    Delete,
    Expire,
}

/// A window of time; both ends are included, RFC 3339 in UTC.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    #[schema(example = "2026-11-20T10:31:00Z")]
    from: String,
    #[schema(example = "2026-11-20T10:40:00Z")]
    to: String,
}

/// How a time of the request was understood.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InterpretedTime {
    utc: String,
    local: String,
    zone: String,
}
