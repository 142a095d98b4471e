//! `Retention`: the timer trigger that lets expired versions go.

use actix_web::HttpResponse;
use actix_web::web::Data;
use changefeed_history::{SweepRequest, SweepState};
use chrono::Utc;
use serde_json::json;

use crate::http::{ApiError, RawJson};
use crate::service::Service;

/// `POST /Retention`: sweeps within the time of a batch. What the timer says does not matter: a sweep goes on from where
/// the last one stopped. Always answers with a JSON object: the host waits for ever on an empty body.
pub async fn post(service: Data<Service>, _: RawJson) -> Result<HttpResponse, ApiError> {
    let request = SweepRequest { now: Utc::now(), dry_run: false, time_limit: Some(service.time_limit()) };
    let report = service.changefeed.retention.sweep(&request).await.map_err(|error| {
        log::warn!("the retention could not be kept, and will be tried again: {error}");
        ApiError::try_again(&error)
    })?;
    let end = match report.state {
        SweepState::Off => "no retention is set",
        SweepState::Done => "nothing expired is left",
        SweepState::OutOfTime => "the next sweep goes on",
        SweepState::Yielded => "another sweep is at work",
    };
    let summary = format!("{} expired versions removed, {:.1} RU; {end}", report.versions, report.request_charge);
    Ok(HttpResponse::Ok().json(json!({"Outputs": {}, "Logs": [summary], "ReturnValue": null})))
}
