//! `Restores`: restores documents, and undoes restores.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use changefeed_cosmos::PageRequest;
use changefeed_operations::RESTORE;
use changefeed_operations::{ExecuteRequest, RestoreRequest, RestoreView, Restored, Target, UndoRequest};

use crate::capture_lag::with_capture_lag;
use crate::http::{ApiError, Caller, Interpreted, Invocation, Json, NoQuery, Query, accepted};
use crate::service::Service;

/// `POST /api/restores`: plans a restore and executes it, unless `dryRun` is given. A large restore becomes a job.
pub async fn post(
    service: Data<Service>,
    _: NoQuery,
    caller: Caller,
    Json(request): Json<RestoreRequest>,
) -> Result<HttpResponse, ApiError> {
    let request = RestoreRequest { requested_by: caller.or_named(request.requested_by), ..request };
    let request = with_capture_lag(&service, request).await;
    let times = match request.target {
        Target::AsOf(time) => vec![("asOf", time)],
        Target::Before(time) => vec![("before", time)],
        Target::BeforeWindow(window) => vec![("from", window.times().0), ("to", window.times().1)],
        Target::Version(_) | Target::Backup(_) => Vec::new(),
    };
    let interpret = |report| Interpreted::new(report, times, &service.time_zone());
    Ok(match service.changefeed.restores.run(&request).await? {
        Restored::Report(report) if report.dry_run => HttpResponse::Ok().json(interpret(report)),
        restored => answer(restored),
    })
}

/// `GET /api/restores?maxItems=&continuation=`: the restores, newest first.
pub async fn list(service: Data<Service>, Query(page): Query<PageRequest>) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service.changefeed.restores.list(&page).await?))
}

/// `GET /api/restores/{id}`: one restore, document by document; of a job, its progress and the first documents.
pub async fn show(service: Data<Service>, id: Path<String>, _: NoQuery) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service.changefeed.restores.show(&id).await?))
}

/// `GET /api/restores/{id}/items?maxItems=&continuation=`: its documents, page by page.
pub async fn items(
    service: Data<Service>,
    id: Path<String>,
    Query(page): Query<PageRequest>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service.changefeed.restores.items_page(&id, &page).await?))
}

/// `POST /api/restores/{id}/execute` `{reason?, requestedBy?}`: executes the stored plan of a dry run that is a job, once. A plan that was
/// executed is answered with its result.
pub async fn execute(
    service: Data<Service>,
    id: Path<String>,
    _: NoQuery,
    caller: Caller,
    Json(request): Json<ExecuteRequest>,
) -> Result<HttpResponse, ApiError> {
    let request = ExecuteRequest { requested_by: caller.or_named(request.requested_by), ..request };
    let record = service.changefeed.restores.execute_plan_as(&id, &request).await?;
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
    Invocation(key): Invocation,
    caller: Caller,
    Json(request): Json<UndoRequest>,
) -> Result<HttpResponse, ApiError> {
    let request = UndoRequest { key, requested_by: caller.or_named(request.requested_by), ..request };
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
