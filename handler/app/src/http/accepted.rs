//! The answer to a request that became a job.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use serde::Serialize;

/// 202. `location` is the path that shows the progress of the job.
pub fn accepted(location: String, view: impl Serialize) -> HttpResponse {
    HttpResponse::Accepted().insert_header((LOCATION, location)).json(view)
}
