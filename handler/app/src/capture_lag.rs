//! How far capture is behind, for restores that undo a time window and for exports of one.

use changefeed_operations::{CaptureLag, RestoreRequest};
use chrono::Utc;

use crate::feed::Feed;
use crate::service::Service;
use crate::status::lags;

/// The request, with how far capture is behind if it undoes a time window.
pub async fn with_capture_lag(service: &Service, mut request: RestoreRequest) -> RestoreRequest {
    if request.window().is_some() {
        request.capture_lag = Some(capture_lag(service).await);
    }
    request
}

/// How far capture is behind.
pub async fn capture_lag(service: &Service) -> CaptureLag {
    let unknown = |message: String| CaptureLag { changes: None, oldest: None, message: Some(message) };
    let leases = match lags(service, Feed::Capture).await {
        Ok(leases) if leases.is_empty() => return unknown("there are no leases".to_owned()),
        Ok(leases) => leases,
        Err(error) => return unknown(error.to_string()),
    };
    if let Some(lease) = leases.iter().find(|lease| lease.lag.is_none()) {
        return unknown(
            lease.error.clone().unwrap_or_else(|| format!("the lag of lease {} is not known", lease.lease_token)),
        );
    }
    let behind = || leases.iter().filter(|lease| lease.lag != Some(0));
    let ages: Option<Vec<i64>> = behind().map(|lease| lease.lag_seconds).collect();
    let oldest = ages.and_then(|ages| ages.into_iter().max()).map(|age| Utc::now().timestamp() - age);
    CaptureLag { changes: Some(behind().filter_map(|lease| lease.lag).sum()), oldest, message: None }
}
