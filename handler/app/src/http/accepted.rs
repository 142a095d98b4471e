//! The answer to what became a job.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use serde::Serialize;

/// 202: it is under way, and `location` is where to look for it.
pub fn accepted(location: String, view: impl Serialize) -> HttpResponse {
    HttpResponse::Accepted().insert_header((LOCATION, location)).json(view)
}
