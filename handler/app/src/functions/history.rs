//! `History`: versions, a document as of a time, differences, blame, search.

use actix_web::HttpResponse;
use actix_web::web::Path;
use changefeed_cosmos::{DocumentName, Key};
use changefeed_history::{BlameRequest, BlamedState, Filter, SearchRequest, TimeExpression, VersionsRequest};
use serde::Deserialize;

use crate::http::{ApiError, Interpreted, OfSource, Query, ReadErrors};
use crate::shapes::history as shapes;
use crate::shapes::parameters;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VersionsParameters {
    id: String,
    pk: Option<String>,
    partition_key: Option<String>,
    max_items: Option<u32>,
    continuation: Option<String>,
}

/// The versions of a document, newest first.
#[utoipa::path(
    get,
    path = "/api/history/versions",
    operation_id = "listVersions",
    tag = "History",
    params(parameters::Document, parameters::Page),
    responses(
        (status = 200, description = "A page, by default of 20 versions.", body = shapes::VersionPage),
        ReadErrors
    )
)]
pub async fn versions(
    service: OfSource,
    Query(parameters): Query<VersionsParameters>,
) -> Result<HttpResponse, ApiError> {
    let request = VersionsRequest {
        document: document_name(parameters.id, parameters.pk, parameters.partition_key)?,
        max_items: parameters.max_items,
        continuation: parameters.continuation,
    };
    Ok(HttpResponse::Ok().json(service.changefeed.history.versions(&request).await?))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VersionParameters {
    id: String,
    pk: Option<String>,
    partition_key: Option<String>,
}

/// One version of a document.
#[utoipa::path(
    get,
    path = "/api/history/versions/{versionId}",
    operation_id = "showVersion",
    tag = "History",
    params(("versionId" = String, Path, description = "The id of the version."), parameters::Document),
    responses(
        (status = 200, description = "The version.", body = shapes::Version),
        ReadErrors
    )
)]
pub async fn version(
    service: OfSource,
    id: Path<String>,
    Query(parameters): Query<VersionParameters>,
) -> Result<HttpResponse, ApiError> {
    let document = document_name(parameters.id, parameters.pk, parameters.partition_key)?;
    Ok(HttpResponse::Ok().json(service.changefeed.history.version(&document, &id).await?))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DocumentParameters {
    id: String,
    pk: Option<String>,
    partition_key: Option<String>,
    as_of: TimeExpression,
}

/// The document as of a time.
#[utoipa::path(
    get,
    path = "/api/history/document",
    operation_id = "showDocument",
    tag = "History",
    params(parameters::Document, parameters::AsOf),
    responses(
        (status = 200, description = "What is known.", body = shapes::AsOf),
        ReadErrors
    )
)]
pub async fn document(
    service: OfSource,
    Query(parameters): Query<DocumentParameters>,
) -> Result<HttpResponse, ApiError> {
    let document = document_name(parameters.id, parameters.pk, parameters.partition_key)?;
    let found = service.changefeed.history.document_as_of(&document, parameters.as_of).await?;
    Ok(HttpResponse::Ok().json(Interpreted::new(found, [("asOf", parameters.as_of)], &service.time_zone())))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DiffParameters {
    id: String,
    pk: Option<String>,
    partition_key: Option<String>,
    from: String,
    #[serde(default = "live")]
    to: String,
}

fn live() -> String {
    "live".to_owned()
}

/// The differences between two versions, or between a version and the live document.
#[utoipa::path(
    get,
    path = "/api/history/diff",
    operation_id = "diffVersions",
    tag = "History",
    params(parameters::Document, parameters::States),
    responses(
        (status = 200, description = "The differences.", body = shapes::Difference),
        ReadErrors
    )
)]
pub async fn diff(service: OfSource, Query(parameters): Query<DiffParameters>) -> Result<HttpResponse, ApiError> {
    let DiffParameters { id, pk, partition_key, from, to } = parameters;
    let document = document_name(id, pk, partition_key)?;
    Ok(HttpResponse::Ok().json(service.changefeed.history.difference(&document, &from, &to).await?))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BlameParameters {
    id: String,
    pk: Option<String>,
    partition_key: Option<String>,
    as_of: Option<TimeExpression>,
    max_versions: Option<u32>,
}

/// The version that set each field of a document.
#[utoipa::path(
    get,
    path = "/api/history/blame",
    operation_id = "blameDocument",
    tag = "History",
    params(parameters::Document, parameters::Blame),
    responses(
        (status = 200, description = "The fields.", body = shapes::Blame),
        ReadErrors
    )
)]
pub async fn blame(service: OfSource, Query(parameters): Query<BlameParameters>) -> Result<HttpResponse, ApiError> {
    let BlameParameters { id, pk, partition_key, as_of, max_versions } = parameters;
    let request = BlameRequest {
        document: document_name(id, pk, partition_key)?,
        state: BlamedState::of_time(as_of),
        max_versions,
    };
    let blame = service.changefeed.restores.blame(&request).await?;
    Ok(HttpResponse::Ok().json(Interpreted::optional(blame, &[("asOf", as_of)], &service.time_zone())))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SearchParameters {
    #[serde(default)]
    filter: Vec<Filter>,
    from: Option<TimeExpression>,
    to: Option<TimeExpression>,
    max_items: Option<u32>,
    continuation: Option<String>,
}

/// Live documents and versions together, in time order.
#[utoipa::path(
    get,
    path = "/api/history/search",
    operation_id = "searchHistory",
    tag = "History",
    params(parameters::Window, parameters::Page),
    responses(
        (status = 200, description = "A page, by default of 100 rows.", body = shapes::SearchRows),
        ReadErrors
    )
)]
pub async fn search(service: OfSource, Query(parameters): Query<SearchParameters>) -> Result<HttpResponse, ApiError> {
    let SearchParameters { filter, from, to, max_items, continuation } = parameters;
    let request = SearchRequest { filters: filter, from, to, max_items, continuation };
    let rows = service.changefeed.history.search(&request).await?;
    Ok(HttpResponse::Ok().json(Interpreted::optional(rows, &[("from", from), ("to", to)], &service.time_zone())))
}

/// A document: `pk` is a key of one string, `partitionKey` the JSON array of any key's components.
pub fn document_name(id: String, pk: Option<String>, partition_key: Option<String>) -> Result<DocumentName, ApiError> {
    let partition_key = match (pk, partition_key) {
        (Some(text), None) => Key::text(text),
        (None, Some(json)) => serde_json::from_str(&json).map_err(|error| {
            ApiError::bad_request(format!(
                "partitionKey is {json:?}; allowed is a JSON array of the key's components: {error}"
            ))
        })?,
        _ => {
            return Err(ApiError::bad_request(
                "give one of pk (a string) and partitionKey (a JSON array of the key's components)",
            ));
        }
    };
    Ok(DocumentName { id, partition_key })
}
