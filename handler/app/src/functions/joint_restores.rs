//! Restores of several sources together: the answers of `Restores` and `RestoresWrite` to a request that names two sources or more.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use changefeed_cosmos::PageRequest;
use changefeed_operations::{ExecuteRequest, JointRestore, RestoreRequest, UndoRequest};

use crate::capture_lag::with_capture_lag;
use crate::http::{ApiError, Interpreted, SEPARATOR};
use crate::sources::Sources;
use crate::telemetry::attempt;

/// Plans a restore of each source. The plans are executed by another request.
pub async fn plan(sources: &Sources, request: RestoreRequest) -> Result<HttpResponse, ApiError> {
    if !(request.dry_run && request.store) {
        return Err(ApiError::bad_request(
            "a restore of several sources is planned first: set dryRun and store to true, then send POST /api/restores/{id}/execute".to_owned(),
        ));
    }
    let zone = sources.first().time_zone();
    let times = request.times();
    let mut requests = Vec::new();
    for service in sources.all() {
        requests.push((service.source().clone(), with_capture_lag(service, request.clone()).await));
    }
    let restore = Box::pin(attempt("restore", sources.joint_restores()?.plan(requests))).await?;
    let location = path(sources, &restore);
    let answer = Interpreted::new(restore, times, &zone);
    Ok(HttpResponse::Accepted().insert_header((LOCATION, location)).json(answer))
}

pub async fn list(sources: &Sources, page: &PageRequest) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(sources.joint_restores()?.list(page).await?))
}

pub async fn show(sources: &Sources, id: &str) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(sources.joint_restores()?.show(id).await?))
}

/// Refuses to list the documents of all sources together.
pub fn items(id: &str) -> ApiError {
    let message = format!(
        "the documents are listed for each source: GET /api/restores/{id} names the restore of each, for GET /api/restores/{{id}}/items?source="
    );
    ApiError::bad_request(message)
}

pub async fn execute(sources: &Sources, id: &str, request: &ExecuteRequest) -> Result<HttpResponse, ApiError> {
    Ok(answer(sources, Box::pin(attempt("restore", sources.joint_restores()?.execute(id, request))).await?))
}

pub async fn cancel(sources: &Sources, id: &str) -> Result<HttpResponse, ApiError> {
    Ok(answer(sources, sources.joint_restores()?.cancel(id).await?))
}

pub async fn undo(sources: &Sources, id: &str, request: &UndoRequest) -> Result<HttpResponse, ApiError> {
    Ok(under_way(sources, Box::pin(attempt("undo", sources.joint_restores()?.undo(id, request))).await?))
}

fn answer(sources: &Sources, restore: JointRestore) -> HttpResponse {
    if restore.state.is_end() { HttpResponse::Ok().json(restore) } else { under_way(sources, restore) }
}

/// 202 with the state of the restore and its path.
fn under_way(sources: &Sources, restore: JointRestore) -> HttpResponse {
    HttpResponse::Accepted().insert_header((LOCATION, path(sources, &restore))).json(restore)
}

fn path(sources: &Sources, restore: &JointRestore) -> String {
    let names: Vec<&str> = sources.all().map(|service| service.source().as_str()).collect();
    format!("/api/restores/{}?source={}", restore.id, names.join(&SEPARATOR.to_string()))
}
