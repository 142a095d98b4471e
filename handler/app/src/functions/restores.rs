//! `Restores`: restores documents, and undoes restores.

use actix_web::HttpResponse;
use actix_web::web::Path;
use changefeed_cosmos::PageRequest;
use changefeed_operations::RESTORE;
use changefeed_operations::{ExecuteRequest, RestoreItemsRequest, RestoreRequest, RestoreView, Restored, UndoRequest};

use super::joint_restores;
use crate::capture_lag::with_capture_lag;
use crate::http::{
    ApiError, Caller, Interpreted, Invocation, Json, NoQuery, OneOrSeveral, Query, ReadErrors, RestoreErrors,
    WriteBodyErrors, WriteErrors, accepted,
};
use crate::service::Service;
use crate::shapes::{parameters, restores as shapes};
use crate::telemetry::restoring;

/// Plans a restore and executes it, unless `dryRun` is given.
///
/// A large restore becomes a job.
#[utoipa::path(
    post,
    path = "/api/restores",
    operation_id = "createRestore",
    tag = "Restores",
    request_body(content = shapes::RestoreRequest),
    responses(
        (status = 200, description = "The outcome, or the plan of a dry run.", body = shapes::RestoreReport),
        (status = 202, description = "It is a job. `Location` is the path that shows its progress.", body = shapes::Restore, headers(("Location" = String, description = "The path of the job."))),
        RestoreErrors
    )
)]
pub async fn post(
    chosen: OneOrSeveral,
    _: NoQuery,
    caller: Caller,
    Json(request): Json<RestoreRequest>,
) -> Result<HttpResponse, ApiError> {
    let request = RestoreRequest { requested_by: caller.or_named(request.requested_by), ..request };
    let service = match chosen {
        OneOrSeveral::One(service) => service,
        OneOrSeveral::Several(sources) => return joint_restores::plan(&sources, request).await,
    };
    let request = with_capture_lag(&service, request).await;
    let times = request.times();
    let zone = service.time_zone();
    Ok(match restoring("restore", Box::pin(service.changefeed.restores.run(&request))).await? {
        Restored::Report(report) => HttpResponse::Ok().json(Interpreted::new(report, times, &zone)),
        Restored::Job(record) => {
            let view = record.view();
            accepted(&service, path(&view), Interpreted::new(view, times, &zone))
        }
    })
}

/// The restores, newest first.
#[utoipa::path(
    get,
    path = "/api/restores",
    operation_id = "listRestores",
    tag = "Restores",
    params(parameters::Page),
    responses(
        (status = 200, description = "A page, by default of 100 restores.", body = shapes::RestoreList),
        ReadErrors
    )
)]
pub async fn list(chosen: OneOrSeveral, Query(page): Query<PageRequest>) -> Result<HttpResponse, ApiError> {
    let service = match chosen {
        OneOrSeveral::One(service) => service,
        OneOrSeveral::Several(sources) => return joint_restores::list(&sources, &page).await,
    };
    Ok(HttpResponse::Ok().json(service.changefeed.restores.list(&page).await?))
}

/// One restore, document by document; of a job, its progress and the first documents.
#[utoipa::path(
    get,
    path = "/api/restores/{id}",
    operation_id = "showRestore",
    tag = "Restores",
    params(("id" = String, Path, description = "Its id.")),
    responses(
        (status = 200, description = "The restore.", body = shapes::Restore),
        ReadErrors
    )
)]
pub async fn show(chosen: OneOrSeveral, id: Path<String>, _: NoQuery) -> Result<HttpResponse, ApiError> {
    let service = match chosen {
        OneOrSeveral::One(service) => service,
        OneOrSeveral::Several(sources) => return joint_restores::show(&sources, &id).await,
    };
    Ok(HttpResponse::Ok().json(service.changefeed.restores.show(&id).await?))
}

/// The documents of a restore, page by page.
#[utoipa::path(
    get,
    path = "/api/restores/{id}/items",
    operation_id = "listRestoreItems",
    tag = "Restores",
    params(("id" = String, Path, description = "Its id."), parameters::RestoreItems, parameters::Page),
    responses(
        (status = 200, description = "A page, by default of 1,000 documents.", body = shapes::RestoreItems),
        ReadErrors
    )
)]
pub async fn items(
    chosen: OneOrSeveral,
    id: Path<String>,
    Query(request): Query<RestoreItemsRequest>,
) -> Result<HttpResponse, ApiError> {
    let service = match chosen {
        OneOrSeveral::One(service) => service,
        OneOrSeveral::Several(_) => return Err(joint_restores::items(&id)),
    };
    Ok(HttpResponse::Ok().json(service.changefeed.restores.items_page(&id, &request).await?))
}

/// Executes the stored plan of a dry run, once.
///
/// A plan that was executed is answered with its result.
#[utoipa::path(
    post,
    path = "/api/restores/{id}/execute",
    operation_id = "executeRestore",
    tag = "Restores",
    params(("id" = String, Path, description = "Its id.")),
    request_body(content = shapes::ExecuteRequest),
    responses(
        (status = 200, description = "The result of a plan that was executed before.", body = shapes::Restore),
        (status = 202, description = "It is a job. `Location` is the path that shows its progress.", body = shapes::Restore, headers(("Location" = String, description = "The path of the job."))),
        WriteBodyErrors
    )
)]
pub async fn execute(
    chosen: OneOrSeveral,
    id: Path<String>,
    _: NoQuery,
    caller: Caller,
    Json(request): Json<ExecuteRequest>,
) -> Result<HttpResponse, ApiError> {
    let request = ExecuteRequest { requested_by: caller.or_named(request.requested_by), ..request };
    let service = match chosen {
        OneOrSeveral::One(service) => service,
        OneOrSeveral::Several(sources) => return joint_restores::execute(&sources, &id, &request).await,
    };
    let record = service.changefeed.restores.execute_plan_as(&id, &request).await?;
    if !record.state.is_end() {
        return Ok(under_way(&service, record.view()));
    }
    Ok(HttpResponse::Ok().json(service.changefeed.restores.show(&record.id).await?))
}

/// Cancels a restore that is a job. Documents already written are not changed back.
#[utoipa::path(
    post,
    path = "/api/restores/{id}/cancel",
    operation_id = "cancelRestore",
    tag = "Restores",
    params(("id" = String, Path, description = "Its id.")),
    responses(
        (status = 200, description = "It has ended.", body = shapes::Restore),
        (status = 202, description = "A worker still has the job.", body = shapes::Restore, headers(("Location" = String, description = "The path of the job."))),
        WriteErrors
    )
)]
pub async fn cancel(chosen: OneOrSeveral, id: Path<String>, _: NoQuery) -> Result<HttpResponse, ApiError> {
    let service = match chosen {
        OneOrSeveral::One(service) => service,
        OneOrSeveral::Several(sources) => return joint_restores::cancel(&sources, &id).await,
    };
    service.changefeed.jobs.cancel(RESTORE, &id).await?;
    let view = service.changefeed.restores.record(&id).await?.view();
    Ok(if view.record.state.is_end() { HttpResponse::Ok().json(view) } else { under_way(&service, view) })
}

/// Undoes a restore, once.
#[utoipa::path(
    post,
    path = "/api/restores/{id}/undo",
    operation_id = "undoRestore",
    tag = "Restores",
    params(("id" = String, Path, description = "Its id.")),
    request_body(content = shapes::UndoRequest),
    responses(
        (status = 200, description = "The outcome, or the plan of a dry run.", body = shapes::RestoreReport),
        (status = 202, description = "It is a job. `Location` is the path that shows its progress.", body = shapes::Restore, headers(("Location" = String, description = "The path of the job."))),
        WriteBodyErrors
    )
)]
pub async fn undo(
    chosen: OneOrSeveral,
    id: Path<String>,
    _: NoQuery,
    Invocation(key): Invocation,
    caller: Caller,
    Json(request): Json<UndoRequest>,
) -> Result<HttpResponse, ApiError> {
    let request = UndoRequest { key, requested_by: caller.or_named(request.requested_by), ..request };
    let service = match chosen {
        OneOrSeveral::One(service) => service,
        OneOrSeveral::Several(sources) => return joint_restores::undo(&sources, &id, &request).await,
    };
    Ok(answer(&service, restoring("undo", Box::pin(service.changefeed.restores.undo(&id, &request))).await?))
}

fn answer(service: &Service, restored: Restored) -> HttpResponse {
    match restored {
        Restored::Report(report) => HttpResponse::Ok().json(report),
        Restored::Job(record) => under_way(service, record.view()),
    }
}

/// 202 with the state of the restore and its path.
fn under_way(service: &Service, view: RestoreView) -> HttpResponse {
    accepted(service, path(&view), view)
}

fn path(view: &RestoreView) -> String {
    format!("/api/restores/{}", view.record.id)
}
