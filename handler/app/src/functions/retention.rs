//! `Retention`: the timer trigger that removes expired versions.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::Data;
use changefeed_cosmos::Error;
use changefeed_history::{SweepReport, SweepRequest, SweepState};
use chrono::Utc;
use serde_json::json;
use tokio::time::Instant;

use crate::http::{ApiError, NoQuery, RawJson};
use crate::service::Service;
use crate::sources::{Sources, Turns};
use crate::telemetry;

/// `POST /Retention`: sweeps within the time limit of an invocation, which the sources share. The timer's body is ignored, because a sweep
/// resumes where the last one stopped. The answer is always a JSON object, because the host hangs on an empty body.
pub async fn post(sources: Data<Sources>, _: NoQuery, _: RawJson) -> Result<HttpResponse, ApiError> {
    let deadline = Instant::now() + sources.first().time_limit();
    let mut turns = Turns::new(deadline, sources.all().count());
    let (mut logs, mut failed) = (Vec::new(), None);
    for service in sources.all() {
        let source = service.named_source().map(|source| format!("source {source}: ")).unwrap_or_default();
        match sweep(service, turns.next_turn()).await {
            Ok(report) => logs.push(format!("{source}{}", describe(&report))),
            // The history of another source is swept nevertheless.
            Err(error) => {
                log::warn!("{source}could not remove expired versions; the next sweep retries: {error}");
                failed.get_or_insert(error);
            }
        }
    }
    match failed {
        Some(error) => Err(ApiError::try_again(&error)),
        None => Ok(HttpResponse::Ok().json(json!({"Outputs": {}, "Logs": logs, "ReturnValue": null}))),
    }
}

async fn sweep(service: &Service, time_limit: Duration) -> Result<SweepReport, Error> {
    let now = service.changefeed.retention.now(Utc::now).await?;
    let request = SweepRequest { now, dry_run: false, time_limit: Some(time_limit) };
    let report = service.changefeed.retention.sweep(&request).await?;
    telemetry::swept(&report);
    Ok(report)
}

fn describe(report: &SweepReport) -> String {
    let end = match report.state {
        SweepState::Off => "no retention is set",
        SweepState::Done => "no expired versions are left",
        SweepState::OutOfTime => "the next sweep continues",
        SweepState::Yielded => "another sweep is running",
    };
    format!("removed {} expired versions, {:.1} RU; {end}", report.versions, report.request_charge)
}
