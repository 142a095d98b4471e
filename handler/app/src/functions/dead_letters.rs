//! `DeadLetters`: documents that could not be captured.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use changefeed_cosmos::PageRequest;
use serde::Deserialize;

use crate::http::{ApiError, Invocation, Json, NoQuery, Query};
use crate::service::Service;

/// A body without properties.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// `GET /api/dead-letters?maxItems=&continuation=`: the dead letters, newest first, without their payloads.
pub async fn list(service: Data<Service>, Query(page): Query<PageRequest>) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service.changefeed.dead_letters.list(&page).await?))
}

/// `GET /api/dead-letters/{id}`: one dead letter with its payload as delivered.
pub async fn show(service: Data<Service>, id: Path<String>, _: NoQuery) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service.changefeed.dead_letters.show(&id).await?))
}

/// `POST /api/dead-letters/{id}/replay`: captures its document again.
pub async fn replay(
    service: Data<Service>,
    id: Path<String>,
    _: NoQuery,
    Invocation(key): Invocation,
    Json(Nothing {}): Json<Nothing>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service.changefeed.dead_letters.replay(&id, key.as_ref()).await?))
}

/// `DELETE /api/dead-letters/{id}`: discards it with its payload.
pub async fn discard(
    service: Data<Service>,
    id: Path<String>,
    _: NoQuery,
    Invocation(key): Invocation,
) -> Result<HttpResponse, ApiError> {
    service.changefeed.dead_letters.discard(&id, key.as_ref()).await?;
    Ok(HttpResponse::Ok().json(serde_json::json!({"id": *id, "discarded": true})))
}
