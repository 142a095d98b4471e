//! `Query`: a SQL query against a container.

use actix_web::HttpResponse;
use actix_web::web::Data;
use changefeed_operations::QueryRequest;

use crate::http::{ApiError, Json, NoQuery};
use crate::service::Service;

/// `POST /api/query` `{container, query, parameters?, partitionKey?, maxItems?, continuation?}`.
pub async fn post(
    service: Data<Service>,
    _: NoQuery,
    Json(query): Json<QueryRequest>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service.changefeed.documents.query(&query).await?))
}
