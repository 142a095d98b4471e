//! How far capture is behind, for restores that undo a time window and for exports of one.

use changefeed_operations::{CaptureLag, RestoreRequest};

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
    // An age would be that of another moment: leases are read one after the other, and reading them takes time.
    let times: Option<Vec<_>> = behind().map(|lease| lease.waiting_since).collect();
    let oldest = times.and_then(|times| times.into_iter().min()).map(|time| time.timestamp());
    CaptureLag { changes: Some(behind().filter_map(|lease| lease.lag).sum()), oldest, message: None }
}
