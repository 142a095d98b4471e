//! `Verify`: compares live documents with the history, and repairs differences; or compares the history with its digests.

use actix_web::HttpResponse;
use actix_web::web::Path;
use changefeed_cosmos::PageRequest;
use changefeed_operations::VERIFY;
use changefeed_operations::{VerifyRequest, VerifyView};

use crate::http::{
    ApiError, BackupErrors, Caller, Invocation, Json, NoQuery, OfSource, Query, ReadErrors, WriteErrors, accepted,
};
use crate::service::Service;
use crate::shapes::{parameters, verify as shapes};

/// Compares live documents with the history, or the history with its digests, as a job.
#[utoipa::path(
    post,
    path = "/api/verify",
    operation_id = "createVerification",
    tag = "Verify",
    request_body(content = shapes::VerifyRequest),
    responses(
        (status = 202, description = "It is a job. `Location` is the path that shows its progress.", body = shapes::Verify, headers(("Location" = String, description = "The path of the job."))),
        BackupErrors
    )
)]
pub async fn post(
    service: OfSource,
    _: NoQuery,
    Invocation(key): Invocation,
    caller: Caller,
    Json(request): Json<VerifyRequest>,
) -> Result<HttpResponse, ApiError> {
    let request = VerifyRequest { key, requested_by: caller.or_named(request.requested_by), ..request };
    Ok(under_way(&service, service.changefeed.verifications.create_job(&request).await?.view()))
}

/// The verifications, newest first.
#[utoipa::path(
    get,
    path = "/api/verify",
    operation_id = "listVerifications",
    tag = "Verify",
    params(parameters::Page),
    responses(
        (status = 200, description = "A page, by default of 100 verifications.", body = shapes::VerifyList),
        ReadErrors
    )
)]
pub async fn list(service: OfSource, Query(page): Query<PageRequest>) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service.changefeed.verifications.list(&page).await?))
}

/// The progress and the first findings of a verification.
#[utoipa::path(
    get,
    path = "/api/verify/{id}",
    operation_id = "showVerification",
    tag = "Verify",
    params(("id" = String, Path, description = "Its id.")),
    responses(
        (status = 200, description = "The verification.", body = shapes::Verify),
        ReadErrors
    )
)]
pub async fn show(service: OfSource, id: Path<String>, _: NoQuery) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service.changefeed.verifications.show(&id).await?))
}

/// The findings of a verification, page by page.
#[utoipa::path(
    get,
    path = "/api/verify/{id}/findings",
    operation_id = "listFindings",
    tag = "Verify",
    params(("id" = String, Path, description = "Its id."), parameters::Page),
    responses(
        (status = 200, description = "A page, by default of 1,000 findings.", body = shapes::Findings),
        ReadErrors
    )
)]
pub async fn findings(
    service: OfSource,
    id: Path<String>,
    Query(page): Query<PageRequest>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service.changefeed.verifications.findings(&id, &page).await?))
}

/// Cancels a verification. Finished repairs are kept.
#[utoipa::path(
    post,
    path = "/api/verify/{id}/cancel",
    operation_id = "cancelVerification",
    tag = "Verify",
    params(("id" = String, Path, description = "Its id.")),
    responses(
        (status = 200, description = "It has ended.", body = shapes::Verify),
        (status = 202, description = "A worker still has the job.", body = shapes::Verify, headers(("Location" = String, description = "The path of the job."))),
        WriteErrors
    )
)]
pub async fn cancel(service: OfSource, id: Path<String>, _: NoQuery) -> Result<HttpResponse, ApiError> {
    service.changefeed.verifications.record(&id).await?;
    service.changefeed.jobs.cancel(VERIFY, &id).await?;
    let view = service.changefeed.verifications.show(&id).await?;
    Ok(if view.record.state.is_end() { HttpResponse::Ok().json(view) } else { under_way(&service, view) })
}

/// 202 with the state of the verification and its path.
fn under_way(service: &Service, view: VerifyView) -> HttpResponse {
    accepted(service, format!("/api/verify/{}", view.record.id), view)
}
