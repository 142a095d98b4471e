//! The answer to a request that became a job.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use serde::Serialize;

use crate::service::Service;

/// 202. `path` shows the progress of the job, of a source of the app.
pub fn accepted(service: &Service, path: String, view: impl Serialize) -> HttpResponse {
    HttpResponse::Accepted().insert_header((LOCATION, service.path(path))).json(view)
}
