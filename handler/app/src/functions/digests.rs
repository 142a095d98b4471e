//! `Digests`: writes digests of the history to blobs. `Verify` compares the history with them.

use actix_web::HttpResponse;
use actix_web::web::Path;
use changefeed_cosmos::PageRequest;
use changefeed_operations::DIGEST;
use changefeed_operations::{DigestRequest, DigestView};

use crate::http::{ApiError, BackupErrors, Caller, Json, NoQuery, OfSource, Query, ReadErrors, WriteErrors, accepted};
use crate::service::Service;
use crate::shapes::{digests as shapes, parameters};

/// Writes the digests that are due at a location, as a job. While such a job is under way, the answer is that job.
#[utoipa::path(
    post,
    path = "/api/digests",
    operation_id = "createDigests",
    tag = "Digests",
    request_body(content = shapes::DigestRequest),
    responses(
        (status = 202, description = "It is a job. `Location` is the path that shows its progress.", body = shapes::Digests, headers(("Location" = String, description = "The path of the job."))),
        BackupErrors
    )
)]
pub async fn post(
    service: OfSource,
    _: NoQuery,
    caller: Caller,
    Json(request): Json<DigestRequest>,
) -> Result<HttpResponse, ApiError> {
    let request = DigestRequest { requested_by: caller.or_named(request.requested_by), ..request };
    Ok(under_way(&service, service.changefeed.digests.create_job(&request).await?))
}

/// The jobs that write digests, newest first.
#[utoipa::path(
    get,
    path = "/api/digests",
    operation_id = "listDigests",
    tag = "Digests",
    params(parameters::Page),
    responses(
        (status = 200, description = "A page, by default of 100 jobs.", body = shapes::DigestsList),
        ReadErrors
    )
)]
pub async fn list(service: OfSource, Query(page): Query<PageRequest>) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service.changefeed.digests.list(&page).await?))
}

/// The progress of a job that writes digests.
#[utoipa::path(
    get,
    path = "/api/digests/{id}",
    operation_id = "showDigests",
    tag = "Digests",
    params(("id" = String, Path, description = "Its id.")),
    responses(
        (status = 200, description = "The job.", body = shapes::Digests),
        ReadErrors
    )
)]
pub async fn show(service: OfSource, id: Path<String>, _: NoQuery) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service.changefeed.digests.show(&id).await?))
}

/// Cancels a job that writes digests. Files that are written stay.
#[utoipa::path(
    post,
    path = "/api/digests/{id}/cancel",
    operation_id = "cancelDigests",
    tag = "Digests",
    params(("id" = String, Path, description = "Its id.")),
    responses(
        (status = 200, description = "It has ended.", body = shapes::Digests),
        (status = 202, description = "A worker still has the job.", body = shapes::Digests, headers(("Location" = String, description = "The path of the job."))),
        WriteErrors
    )
)]
pub async fn cancel(service: OfSource, id: Path<String>, _: NoQuery) -> Result<HttpResponse, ApiError> {
    service.changefeed.digests.show(&id).await?;
    service.changefeed.jobs.cancel(DIGEST, &id).await?;
    let view = service.changefeed.digests.show(&id).await?;
    Ok(if view.state.is_end() { HttpResponse::Ok().json(view) } else { under_way(&service, view) })
}

/// 202 with the state of the job and its path.
fn under_way(service: &Service, view: DigestView) -> HttpResponse {
    accepted(service, format!("/api/digests/{}", view.id), view)
}
