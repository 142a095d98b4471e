//! `Restores`: restores documents, and undoes restores.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use changefeed_operations::RESTORE;
use changefeed_operations::{RestoreRequest, RestoreView, Restored, UndoRequest};
use serde::Deserialize;

use crate::http::{ApiError, Json, NoQuery, Query, accepted};
use crate::service::Service;

/// `POST /api/restores`: plans a restore and executes it, unless `dryRun` is given. A large restore becomes a job.
pub async fn post(
    service: Data<Service>,
    _: NoQuery,
    Json(request): Json<RestoreRequest>,
) -> Result<HttpResponse, ApiError> {
    Ok(answer(service.changefeed.restores.run(&request).await?))
}

/// `GET /api/restores`: the restores, newest first.
pub async fn list(service: Data<Service>, _: NoQuery) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service.changefeed.restores.list().await?))
}

/// `GET /api/restores/{id}`: one restore, document by document; of a job, its progress and the first documents.
pub async fn show(service: Data<Service>, id: Path<String>, _: NoQuery) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service.changefeed.restores.show(&id).await?))
}

/// The next page.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageParameters {
    continuation: Option<String>,
}

/// `GET /api/restores/{id}/items?continuation=`: its documents, page by page.
pub async fn items(
    service: Data<Service>,
    id: Path<String>,
    Query(PageParameters { continuation }): Query<PageParameters>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service.changefeed.restores.items(&id, continuation.as_deref()).await?))
}

/// `POST /api/restores/{id}/execute`: executes the stored plan of a dry run that is a job, once. A plan that was executed is answered
/// with its result.
pub async fn execute(service: Data<Service>, id: Path<String>, _: NoQuery) -> Result<HttpResponse, ApiError> {
    let record = service.changefeed.restores.execute_plan(&id).await?;
    if !record.state.is_end() {
        return Ok(under_way(record.view()));
    }
    Ok(HttpResponse::Ok().json(service.changefeed.restores.show(&record.id).await?))
}

/// `POST /api/restores/{id}/cancel`: cancels a job. Documents already written are not changed back.
pub async fn cancel(service: Data<Service>, id: Path<String>, _: NoQuery) -> Result<HttpResponse, ApiError> {
    service.changefeed.jobs.cancel(RESTORE, &id).await?;
    let view = service.changefeed.restores.record(&id).await?.view();
    Ok(if view.record.state.is_end() { HttpResponse::Ok().json(view) } else { under_way(view) })
}

/// `POST /api/restores/{id}/undo` `{dryRun?, force?, reason?, requestedBy?}`: undoes the restore, once.
pub async fn undo(
    service: Data<Service>,
    id: Path<String>,
    _: NoQuery,
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

/// 202 with the state of the restore and its path.
fn under_way(view: RestoreView) -> HttpResponse {
    accepted(format!("/api/restores/{}", view.record.id), view)
}
