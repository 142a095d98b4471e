//! `Restores`: puts documents back, and undoes that.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use changefeed_operations::RESTORE;
use changefeed_operations::{RestoreRequest, RestoreView, Restored, UndoRequest};

use crate::http::{ApiError, Json, Parameters, accepted};
use crate::service::Service;

/// `POST /api/restores`: plans a restore and executes it, unless `dryRun` is given. One that is too large becomes a job.
pub async fn post(service: Data<Service>, Json(request): Json<RestoreRequest>) -> Result<HttpResponse, ApiError> {
    Ok(answer(service.changefeed.restores.run(&request).await?))
}

/// `GET /api/restores`: the restores, newest first.
pub async fn list(service: Data<Service>) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service.changefeed.restores.list().await?))
}

/// `GET /api/restores/{id}`: one restore, document by document; of a job how far it is, and the first documents.
pub async fn show(service: Data<Service>, id: Path<String>) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service.changefeed.restores.show(&id).await?))
}

/// `GET /api/restores/{id}/items?continuation=`: its documents, page by page.
pub async fn items(
    service: Data<Service>,
    id: Path<String>,
    mut parameters: Parameters,
) -> Result<HttpResponse, ApiError> {
    let continuation = parameters.optional("continuation")?;
    parameters.finish()?;
    Ok(HttpResponse::Ok().json(service.changefeed.restores.items(&id, continuation.as_deref()).await?))
}

/// `POST /api/restores/{id}/cancel`: ends a job before it is done. What was done stays done.
pub async fn cancel(service: Data<Service>, id: Path<String>) -> Result<HttpResponse, ApiError> {
    service.changefeed.jobs.cancel(RESTORE, &id).await?;
    let view = service.changefeed.restores.record(&id).await?.view();
    Ok(if view.record.state.is_end() { HttpResponse::Ok().json(view) } else { under_way(view) })
}

/// `POST /api/restores/{id}/undo` `{dryRun?, force?, reason?, requestedBy?}`: puts back what the restore replaced.
pub async fn undo(
    service: Data<Service>,
    id: Path<String>,
    Json(request): Json<UndoRequest>,
) -> Result<HttpResponse, ApiError> {
    Ok(answer(service.changefeed.restores.undo(&id, &request).await?))
}

fn answer(restored: Restored) -> HttpResponse {
    match restored {
        Restored::Report(report) => HttpResponse::Ok().json(report),
        Restored::Job(record) => under_way(record.view()),
    }
}

/// What is under way, and where to look for it.
fn under_way(view: RestoreView) -> HttpResponse {
    accepted(format!("/api/restores/{}", view.record.id), view)
}
