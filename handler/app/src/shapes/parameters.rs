//! The parameters of query strings.

use utoipa::IntoParams;

use super::key::Operation;
use super::restores::Action;

/// A document.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct Document {
    /// The id of the document.
    #[param(example = "28036")]
    id: String,
    /// The partition key, if it is one text. Give this or `partitionKey`.
    #[param(required = false, nullable = false, example = "28036")]
    pk: Option<String>,
    /// The partition key as a JSON array of its components.
    #[param(required = false, nullable = false)]
    partition_key: Option<String>,
}

/// A page of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct Page {
    /// The most items of the page.
    #[param(required = false, nullable = false, minimum = 1, maximum = 1000)]
    max_items: Option<u32>,
    /// The `continuation` of the page before.
    #[param(required = false, nullable = false)]
    continuation: Option<String>,
}

/// Which documents of a restore.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct RestoreItems {
    /// Only documents with this action. May be repeated. A page of such documents may be shorter than `maxItems` and have a `continuation`.
    #[param(required = false, nullable = false)]
    action: Option<Vec<Action>>,
}

/// A window of time, and conditions.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct Window {
    /// The earliest time of a change; without it there is no limit.
    #[param(required = false, nullable = false, example = "10:31")]
    from: Option<String>,
    /// The latest time of a change; now by default.
    #[param(required = false, nullable = false, example = "10:40")]
    to: Option<String>,
    /// Conditions, all of which must match. May be repeated.
    #[param(required = false, nullable = false)]
    filter: Option<Vec<String>>,
}

/// The actor of a version.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct Actor {
    /// Only versions of this actor.
    #[param(required = false, nullable = false)]
    actor: Option<String>,
}

/// The time of a state.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct AsOf {
    /// The time to look at.
    #[param(example = "10m")]
    as_of: String,
}

/// Two states of a document.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct States {
    /// The older state: the id of a version, or `live`.
    from: String,
    /// The newer state: the id of a version, or `live`, the default.
    #[param(required = false, nullable = false)]
    to: Option<String>,
}

/// How much of a history to read.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct Blame {
    /// The time to look at; the live document by default.
    #[param(required = false, nullable = false, example = "10m")]
    as_of: Option<String>,
    /// The most versions to read; 1,000 by default.
    #[param(required = false, nullable = false, minimum = 1, maximum = 1000)]
    max_versions: Option<u32>,
}

/// The buckets of an activity.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Buckets {
    /// The length of a bucket, such as `1m`; by default one with which the window has at most 60.
    #[param(required = false, nullable = false, example = "1m")]
    bucket: Option<String>,
}

/// Which changes, in which order.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Changes {
    /// Only these operations. May be repeated.
    #[param(required = false, nullable = false)]
    operation: Option<Vec<Operation>>,
    /// `newest` first, the default, or `oldest` first.
    #[param(required = false, nullable = false, inline)]
    order: Option<Order>,
    /// Whether the versions have the values of the fields that they changed; not by default.
    #[param(required = false, nullable = false)]
    values: Option<bool>,
}

/// The order of changes.
#[derive(utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    Newest,
    Oldest,
}
