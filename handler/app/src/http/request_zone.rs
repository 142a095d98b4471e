//! The zone of times in a request.

use actix_web::HttpRequest;
use actix_web::web::Data;
use changefeed_history::TimeZone;

use crate::service::Service;

/// The zone in which the times of a request are read, if they are written without one.
pub fn request_zone(request: &HttpRequest) -> TimeZone {
    request.app_data::<Data<Service>>().map_or(TimeZone::UTC, |service| service.time_zone())
}
