//! `Status`: version, settings without secrets, containers, leases, retention and counters.

use actix_web::HttpResponse;

use crate::http::{NoQuery, OfSources, StatusErrors};
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
pub async fn get(OfSources(sources): OfSources, _: NoQuery) -> HttpResponse {
    HttpResponse::Ok().json(Status::read_all(&sources).await)
}
