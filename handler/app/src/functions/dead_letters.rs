//! `DeadLetters`: documents that could not be kept as versions, to look at, to try again and to give up.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use changefeed_history::DeadLettersRequest;
use serde::Deserialize;

use crate::http::{ApiError, Json, Parameters};
use crate::service::Service;

/// A body without properties.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// `GET /api/dead-letters`: the dead letters, newest first, without their payloads.
pub async fn list(service: Data<Service>, mut parameters: Parameters) -> Result<HttpResponse, ApiError> {
    let request = DeadLettersRequest {
        max_items: parameters.number("maxItems")?,
        continuation: parameters.optional("continuation")?,
    };
    parameters.finish()?;
    Ok(HttpResponse::Ok().json(service.changefeed.dead_letters.list(&request).await?))
}

/// `GET /api/dead-letters/{id}`: one dead letter, with its payload as it came.
pub async fn show(service: Data<Service>, id: Path<String>, parameters: Parameters) -> Result<HttpResponse, ApiError> {
    parameters.finish()?;
    Ok(HttpResponse::Ok().json(service.changefeed.dead_letters.show(&id).await?))
}

/// `POST /api/dead-letters/{id}/replay`: captures its document once more.
pub async fn replay(
    service: Data<Service>,
    id: Path<String>,
    parameters: Parameters,
    Json(Nothing {}): Json<Nothing>,
) -> Result<HttpResponse, ApiError> {
    parameters.finish()?;
    Ok(HttpResponse::Ok().json(service.changefeed.dead_letters.replay(&id).await?))
}

/// `DELETE /api/dead-letters/{id}`: gives it up.
pub async fn remove(
    service: Data<Service>,
    id: Path<String>,
    parameters: Parameters,
) -> Result<HttpResponse, ApiError> {
    parameters.finish()?;
    service.changefeed.dead_letters.discard(&id).await?;
    Ok(HttpResponse::Ok().json(serde_json::json!({"id": *id, "dropped": true})))
}
