//! The zone of times in a request.

use actix_web::HttpRequest;
use actix_web::web::Data;
use changefeed_history::TimeZone;

use crate::sources::Sources;

/// The zone in which the times of a request are read, if they are written without one.
pub fn request_zone(request: &HttpRequest) -> TimeZone {
    request.app_data::<Data<Sources>>().map_or(TimeZone::UTC, |sources| sources.first().time_zone())
}
