//! `Status`: version, settings without secrets, containers, leases, retention and counters.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::http::{NoQuery, StatusErrors};
use crate::service::Service;
use crate::shapes::status as shapes;
use crate::status::Status;

/// The version, the settings without secrets, the containers, the leases and the retention.
#[utoipa::path(
    get,
    path = "/api/status",
    operation_id = "showStatus",
    tag = "Other",
    responses(
        (status = 200, description = "The status. Problems are part of it.", body = shapes::Status),
        StatusErrors
    )
)]
pub async fn get(service: Data<Service>, _: NoQuery) -> HttpResponse {
    HttpResponse::Ok().json(Status::read(&service).await)
}
