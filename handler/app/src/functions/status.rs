//! `Status`: version, settings without secrets, containers, leases, counts, failures.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::service::Service;

/// `GET /api/status`.
pub async fn get(service: Data<Service>) -> HttpResponse {
    HttpResponse::Ok().json(service.status().await)
}
