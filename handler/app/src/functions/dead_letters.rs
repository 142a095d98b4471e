//! `DeadLetters`: documents that could not be captured.

use actix_web::HttpResponse;
use actix_web::web::Path;
use changefeed_cosmos::PageRequest;
use serde::Deserialize;

use crate::http::{ApiError, Invocation, Json, NoQuery, OfSource, Query, ReadErrors, WriteBodyErrors, WriteErrors};
use crate::shapes::{dead_letters as shapes, parameters};

/// A body without properties.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// The dead letters, newest first, without their payloads.
#[utoipa::path(
    get,
    path = "/api/dead-letters",
    operation_id = "listDeadLetters",
    tag = "Dead letters",
    params(parameters::Page),
    responses(
        (status = 200, description = "A page, by default of 100 dead letters.", body = shapes::DeadLetterPage),
        ReadErrors
    )
)]
pub async fn list(service: OfSource, Query(page): Query<PageRequest>) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service.changefeed.dead_letters.list(&page).await?))
}

/// One dead letter with its payload as delivered.
#[utoipa::path(
    get,
    path = "/api/dead-letters/{id}",
    operation_id = "showDeadLetter",
    tag = "Dead letters",
    params(("id" = String, Path, description = "Its id.")),
    responses(
        (status = 200, description = "The dead letter.", body = shapes::DeadLetter),
        ReadErrors
    )
)]
pub async fn show(service: OfSource, id: Path<String>, _: NoQuery) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service.changefeed.dead_letters.show(&id).await?))
}

/// Captures the document of a dead letter again.
#[utoipa::path(
    post,
    path = "/api/dead-letters/{id}/replay",
    operation_id = "replayDeadLetter",
    tag = "Dead letters",
    params(("id" = String, Path, description = "Its id.")),
    request_body(content = shapes::Nothing),
    responses(
        (status = 200, description = "The outcome.", body = shapes::Replay),
        WriteBodyErrors
    )
)]
pub async fn replay(
    service: OfSource,
    id: Path<String>,
    _: NoQuery,
    Invocation(key): Invocation,
    Json(Nothing {}): Json<Nothing>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service.changefeed.dead_letters.replay(&id, key.as_ref()).await?))
}

/// Discards a dead letter with its payload.
#[utoipa::path(
    delete,
    path = "/api/dead-letters/{id}",
    operation_id = "discardDeadLetter",
    tag = "Dead letters",
    params(("id" = String, Path, description = "Its id.")),
    responses(
        (status = 200, description = "It is discarded.", body = shapes::Discarded),
        WriteErrors
    )
)]
pub async fn discard(
    service: OfSource,
    id: Path<String>,
    _: NoQuery,
    Invocation(key): Invocation,
) -> Result<HttpResponse, ApiError> {
    service.changefeed.dead_letters.discard(&id, key.as_ref()).await?;
    Ok(HttpResponse::Ok().json(serde_json::json!({"id": *id, "discarded": true})))
}
