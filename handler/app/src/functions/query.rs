//! `Query`: a Cosmos DB SQL query against one of the containers.

use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};

use crate::http::{ApiError, json};
use crate::service::Service;

/// `POST /api/query` `{container, query, parameters?, partitionKey?, maxItems?, continuation?}`.
pub async fn post(request: HttpRequest, service: Data<Service>, body: Bytes) -> Result<HttpResponse, ApiError> {
    let query = json(&request, &body)?;
    Ok(HttpResponse::Ok().json(service.store.query(&query).await?))
}
