//! How far capture is behind, for restores that undo a time window and for exports of one.

use changefeed_operations::{CaptureLag, RestoreRequest};
use changefeed_processor::LeaseLag;

use crate::feed::Feed;
use crate::service::Service;
use crate::status::lags_and_gap;

/// The request, with how far capture is behind if it undoes a time window.
pub async fn with_capture_lag(service: &Service, mut request: RestoreRequest) -> RestoreRequest {
    if request.window().is_some() {
        request.capture_lag = Some(capture_lag(service).await);
    }
    request
}

/// How far capture is behind. While the mode is switched, a change is captured as soon as one of the two feeds has delivered it.
pub async fn capture_lag(service: &Service) -> CaptureLag {
    let mut feeds = Vec::new();
    for feed in Feed::CAPTURED {
        match lags_and_gap(service, feed).await {
            Ok((leases, _)) if leases.is_empty() => {}
            Ok((_, Some(gap))) => feeds.push(unknown(format!("no lease covers range {gap}"))),
            Ok((leases, None)) => feeds.push(of_leases(&leases)),
            Err(error) => feeds.push(unknown(error.to_string())),
        }
    }
    let captured_until = |lag: &CaptureLag| match (lag.changes, lag.oldest) {
        (Some(0), _) => i64::MAX,
        (Some(_), Some(oldest)) => oldest,
        _ => i64::MIN,
    };
    feeds.into_iter().max_by_key(captured_until).unwrap_or_else(|| unknown("there are no leases".to_owned()))
}

fn unknown(message: String) -> CaptureLag {
    CaptureLag { changes: None, oldest: None, message: Some(message) }
}

fn of_leases(leases: &[LeaseLag]) -> CaptureLag {
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
