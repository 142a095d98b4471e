//! `Verify`: compares live documents with the history, and repairs differences.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use changefeed_cosmos::PageRequest;
use changefeed_operations::VERIFY;
use changefeed_operations::{VerifyRequest, VerifyView};

use crate::http::{ApiError, Caller, Invocation, Json, NoQuery, Query, accepted};
use crate::service::Service;

/// `POST /api/verify` `{repair?, findingsOf?, partitionKey?, graceSeconds?, ruPerSecond?, requestedBy?}`: creates a job.
pub async fn post(
    service: Data<Service>,
    _: NoQuery,
    Invocation(key): Invocation,
    caller: Caller,
    Json(request): Json<VerifyRequest>,
) -> Result<HttpResponse, ApiError> {
    let request = VerifyRequest { key, requested_by: caller.or_named(request.requested_by), ..request };
    Ok(under_way(service.changefeed.verifications.create_job(&request).await?.view()))
}

/// `GET /api/verify?maxItems=&continuation=`: the verifications, newest first.
pub async fn list(service: Data<Service>, Query(page): Query<PageRequest>) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service.changefeed.verifications.list(&page).await?))
}

/// `GET /api/verify/{id}`: the progress and the first findings of one.
pub async fn show(service: Data<Service>, id: Path<String>, _: NoQuery) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service.changefeed.verifications.show(&id).await?))
}

/// `GET /api/verify/{id}/findings?maxItems=&continuation=`: its findings, page by page.
pub async fn findings(
    service: Data<Service>,
    id: Path<String>,
    Query(page): Query<PageRequest>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service.changefeed.verifications.findings(&id, &page).await?))
}

/// `POST /api/verify/{id}/cancel`: cancels one. Finished repairs are kept.
pub async fn cancel(service: Data<Service>, id: Path<String>, _: NoQuery) -> Result<HttpResponse, ApiError> {
    service.changefeed.verifications.record(&id).await?;
    service.changefeed.jobs.cancel(VERIFY, &id).await?;
    let view = service.changefeed.verifications.show(&id).await?;
    Ok(if view.record.state.is_end() { HttpResponse::Ok().json(view) } else { under_way(view) })
}

/// 202 with the state of the verification and its path.
fn under_way(view: VerifyView) -> HttpResponse {
    accepted(format!("/api/verify/{}", view.record.id), view)
}
