//! `Status`: version, settings without secrets, containers, leases, retention and counters.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::http::NoQuery;
use crate::service::Service;
use crate::status::Status;

/// `GET /api/status`.
pub async fn get(service: Data<Service>, _: NoQuery) -> HttpResponse {
    HttpResponse::Ok().json(Status::read(&service).await)
}
