//! `Restores`: puts documents back, and undoes that.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use changefeed_history::{RestoreRequest, UndoRequest};

use crate::http::{ApiError, Json};
use crate::service::Service;

/// `POST /api/restores`: plans a restore and executes it, unless `dryRun` is given.
pub async fn post(service: Data<Service>, Json(request): Json<RestoreRequest>) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service.store.run_restore(&request).await?))
}

/// `GET /api/restores`: the restores, newest first.
pub async fn list(service: Data<Service>) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service.store.restores().await?))
}

/// `GET /api/restores/{id}`: one restore, document by document.
pub async fn show(service: Data<Service>, id: Path<String>) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service.store.restore(&id).await?))
}

/// `POST /api/restores/{id}/undo` `{dryRun?, force?, reason?, requestedBy?}`: puts back what the restore replaced.
pub async fn undo(
    service: Data<Service>,
    id: Path<String>,
    Json(request): Json<UndoRequest>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service.store.run_undo(&id, &request).await?))
}
