//! `Query`: a SQL query against a container.

use actix_web::HttpResponse;
use changefeed_operations::QueryRequest;

use crate::http::{ApiError, Json, NoQuery, OfSource, QueryErrors};
use crate::shapes::documents as shapes;

/// Runs a SQL query against a container.
#[utoipa::path(
    post,
    path = "/api/query",
    operation_id = "query",
    tag = "Other",
    request_body(content = shapes::QueryRequest),
    responses(
        (status = 200, description = "A page, by default of 100 items.", body = shapes::QueryPage),
        QueryErrors
    )
)]
pub async fn post(service: OfSource, _: NoQuery, Json(query): Json<QueryRequest>) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service.changefeed.documents.query(&query).await?))
}
