//! `Verify`: holds the live documents against the history, and repairs what differs.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use changefeed_operations::VERIFY;
use changefeed_operations::{VerifyRequest, VerifyView};

use crate::http::{ApiError, Json, Parameters, accepted};
use crate::service::Service;

/// `POST /api/verify` `{repair?, partitionKey?, graceSeconds?, ruPerSecond?, requestedBy?}`: makes a job of it.
pub async fn post(service: Data<Service>, Json(request): Json<VerifyRequest>) -> Result<HttpResponse, ApiError> {
    Ok(under_way(service.changefeed.verifications.create_job(&request).await?.view()))
}

/// `GET /api/verify`: the verifications, newest first.
pub async fn list(service: Data<Service>) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service.changefeed.verifications.list().await?))
}

/// `GET /api/verify/{id}`: how far one is, and its first findings.
pub async fn show(service: Data<Service>, id: Path<String>) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service.changefeed.verifications.show(&id).await?))
}

/// `GET /api/verify/{id}/findings?continuation=`: its findings, page by page.
pub async fn findings(
    service: Data<Service>,
    id: Path<String>,
    mut parameters: Parameters,
) -> Result<HttpResponse, ApiError> {
    let continuation = parameters.optional("continuation")?;
    parameters.finish()?;
    Ok(HttpResponse::Ok().json(service.changefeed.verifications.findings(&id, continuation.as_deref()).await?))
}

/// `POST /api/verify/{id}/cancel`: ends one before it is done. What was repaired stays repaired.
pub async fn cancel(service: Data<Service>, id: Path<String>) -> Result<HttpResponse, ApiError> {
    service.changefeed.verifications.record(&id).await?;
    service.changefeed.jobs.cancel(VERIFY, &id).await?;
    let view = service.changefeed.verifications.show(&id).await?;
    Ok(if view.record.state.is_end() { HttpResponse::Ok().json(view) } else { under_way(view) })
}

/// What is under way, and where to look for it.
fn under_way(view: VerifyView) -> HttpResponse {
    accepted(format!("/api/verify/{}", view.record.id), view)
}
