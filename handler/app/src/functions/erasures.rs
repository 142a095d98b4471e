//! `Erasures`: removes every item of our containers that holds a document, and refuses the document until that is lifted.

use actix_web::HttpResponse;
use actix_web::web::Path;
use changefeed_cosmos::PageRequest;
use changefeed_operations::{ErasureRequest, LiftRequest};

use crate::http::{
    ApiError, Caller, Invocation, Json, NoQuery, OfSource, Query, ReadErrors, WriteBodyErrors, accepted,
};
use crate::shapes::{erasures as shapes, parameters};

/// Erases documents, as a job. A dry run counts what would be removed.
#[utoipa::path(
    post,
    path = "/api/erasures",
    operation_id = "createErasure",
    tag = "Erasures",
    request_body(content = shapes::ErasureRequest),
    responses(
        (status = 202, description = "It is a job. `Location` is the path that shows its progress, and then the receipt.", body = shapes::Erasure, headers(("Location" = String, description = "The path of the job."))),
        WriteBodyErrors
    )
)]
pub async fn post(
    service: OfSource,
    _: NoQuery,
    Invocation(key): Invocation,
    caller: Caller,
    Json(request): Json<ErasureRequest>,
) -> Result<HttpResponse, ApiError> {
    let request = ErasureRequest { key, requested_by: caller.or_named(request.requested_by), ..request };
    let view = service.changefeed.erasures.create_job(&request).await?.view();
    Ok(accepted(&service, format!("/api/erasures/{}", view.record.id), view))
}

/// Lifts the erasure of documents: they are captured again. What was removed stays removed.
#[utoipa::path(
    post,
    path = "/api/erasures/lift",
    operation_id = "liftErasure",
    tag = "Erasures",
    request_body(content = shapes::LiftRequest),
    responses(
        (status = 200, description = "It is lifted.", body = shapes::Lifted),
        WriteBodyErrors
    )
)]
pub async fn lift(
    service: OfSource,
    _: NoQuery,
    caller: Caller,
    Json(request): Json<LiftRequest>,
) -> Result<HttpResponse, ApiError> {
    let request = LiftRequest { requested_by: caller.or_named(request.requested_by), ..request };
    Ok(HttpResponse::Ok().json(service.changefeed.erasures.lift(&request).await?))
}

/// The erasures, newest first.
#[utoipa::path(
    get,
    path = "/api/erasures",
    operation_id = "listErasures",
    tag = "Erasures",
    params(parameters::Page),
    responses(
        (status = 200, description = "A page, by default of 100 erasures.", body = shapes::ErasureList),
        ReadErrors
    )
)]
pub async fn list(service: OfSource, Query(page): Query<PageRequest>) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service.changefeed.erasures.list(&page).await?))
}

/// The progress of an erasure, and its receipt.
#[utoipa::path(
    get,
    path = "/api/erasures/{id}",
    operation_id = "showErasure",
    tag = "Erasures",
    params(("id" = String, Path, description = "Its id.")),
    responses(
        (status = 200, description = "The erasure.", body = shapes::Erasure),
        ReadErrors
    )
)]
pub async fn show(service: OfSource, id: Path<String>, _: NoQuery) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service.changefeed.erasures.show(&id).await?))
}
