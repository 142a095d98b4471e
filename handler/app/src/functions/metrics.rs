//! `Metrics`: what this process has captured, and the state of all leases, for monitoring.

use actix_web::HttpResponse;
use futures::future::join_all;

use crate::http::{AllSources, NoQuery, StatusErrors};
use crate::metrics::{CONTENT_TYPE, Leases, Observed};
use crate::service::Service;
use crate::status::lags;

/// The metrics in the text format of Prometheus: the counters of this process since its start, the lag and state of each lease, and how far the backup policy is behind. An instance that the platform starts
/// counts from zero.
#[utoipa::path(
    get,
    path = "/api/metrics",
    operation_id = "showMetrics",
    tag = "Other",
    responses(
        (status = 200, description = "The metrics.", body = String, content_type = "application/openmetrics-text"),
        StatusErrors
    )
)]
pub async fn get(AllSources(sources): AllSources, _: NoQuery) -> HttpResponse {
    let observed = join_all(sources.all().map(|service| observed(service)));
    match sources.metrics().text(observed).await {
        Ok(text) => HttpResponse::Ok().content_type(CONTENT_TYPE).body(text),
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}

async fn observed(service: &Service) -> Observed {
    let mut leases = Leases::new();
    for feed in service.feeds().iter().copied() {
        match lags(service, feed).await {
            Ok(lags) => leases.push((feed, lags)),
            // Without them the counters are still there.
            Err(error) => log::warn!("could not read the lag of the leases of {}: {error:#}", feed.name()),
        }
    }
    Observed::of(service.metrics(), leases, &service.changefeed.backup_policy).await
}
