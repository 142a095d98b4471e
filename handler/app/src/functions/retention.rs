//! `Retention`: the timer trigger that removes expired versions.

use actix_web::HttpResponse;
use actix_web::web::Data;
use changefeed_history::{SweepRequest, SweepState};
use chrono::Utc;
use serde_json::json;

use crate::http::{ApiError, NoQuery, RawJson};
use crate::service::Service;
use crate::telemetry;

/// `POST /Retention`: sweeps within the time limit of an invocation. The timer's body is ignored, because a sweep resumes
/// where the last one stopped. The answer is always a JSON object, because the host hangs on an empty body.
pub async fn post(service: Data<Service>, _: NoQuery, _: RawJson) -> Result<HttpResponse, ApiError> {
    let sweep = async {
        let now = service.changefeed.retention.now(Utc::now).await?;
        let request = SweepRequest { now, dry_run: false, time_limit: Some(service.time_limit()) };
        service.changefeed.retention.sweep(&request).await
    };
    let report = sweep.await.map_err(|error| {
        log::warn!("could not remove expired versions; the next sweep retries: {error}");
        ApiError::try_again(&error)
    })?;
    telemetry::swept(&report);
    let end = match report.state {
        SweepState::Off => "no retention is set",
        SweepState::Done => "no expired versions are left",
        SweepState::OutOfTime => "the next sweep continues",
        SweepState::Yielded => "another sweep is running",
    };
    let summary = format!("removed {} expired versions, {:.1} RU; {end}", report.versions, report.request_charge);
    Ok(HttpResponse::Ok().json(json!({"Outputs": {}, "Logs": [summary], "ReturnValue": null})))
}
