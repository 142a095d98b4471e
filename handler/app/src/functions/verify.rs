//! `Verify`: compares live documents with the history, and repairs differences.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use changefeed_operations::VERIFY;
use changefeed_operations::{VerifyRequest, VerifyView};
use serde::Deserialize;

use crate::http::{ApiError, Json, NoQuery, Query, accepted};
use crate::service::Service;

/// `POST /api/verify` `{repair?, partitionKey?, graceSeconds?, ruPerSecond?, requestedBy?}`: creates a job.
pub async fn post(
    service: Data<Service>,
    _: NoQuery,
    Json(request): Json<VerifyRequest>,
) -> Result<HttpResponse, ApiError> {
    Ok(under_way(service.changefeed.verifications.create_job(&request).await?.view()))
}

/// `GET /api/verify`: the verifications, newest first.
pub async fn list(service: Data<Service>, _: NoQuery) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service.changefeed.verifications.list().await?))
}

/// `GET /api/verify/{id}`: the progress and the first findings of one.
pub async fn show(service: Data<Service>, id: Path<String>, _: NoQuery) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service.changefeed.verifications.show(&id).await?))
}

/// The next page.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageParameters {
    continuation: Option<String>,
}

/// `GET /api/verify/{id}/findings?continuation=`: its findings, page by page.
pub async fn findings(
    service: Data<Service>,
    id: Path<String>,
    Query(PageParameters { continuation }): Query<PageParameters>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service.changefeed.verifications.findings(&id, continuation.as_deref()).await?))
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
