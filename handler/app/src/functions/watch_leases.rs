//! `WatchLeases`: the timer trigger that looks at the leases, frees those that a document stalls, and notes the size of the history.

use std::time::Instant;

use actix_web::HttpResponse;
use actix_web::web::Data;
use changefeed_processor::LeaseState;
use serde_json::json;

use crate::http::{NoQuery, RawJson};
use crate::service::Service;
use crate::stalled::{Start, look, unblock};

/// `POST /WatchLeases`: the timer's body is ignored. The answer is always a JSON object, because the host hangs on an empty
/// body. A failure is logged and needs no other answer: the next call repeats everything.
pub async fn post(service: Data<Service>, _: NoQuery, _: RawJson) -> HttpResponse {
    let settings = service.settings();
    let look = look(&service, settings.unblock_leases).await;
    let mut logs = look.problems();
    logs.iter().for_each(|problem| log::warn!("{problem}"));
    if look.pinned > 0 {
        logs.push(format!("stored the first checkpoint of {} leases", look.pinned));
    }
    let deadline = Instant::now() + service.time_limit();
    let stalled = look.leases.iter().filter(|(_, lease)| lease.state == LeaseState::Stalled);
    for (feed, lease) in stalled.filter(|_| settings.unblock_leases) {
        let start = Start::of_trigger(settings.app_root.as_deref(), *feed);
        let freed = async {
            let set = service.lease_set(*feed).await?;
            unblock(&service, *feed, &set, &lease.lease_id, start, deadline).await
        };
        let line = match freed.await {
            Ok(unblocked) => format!("lease {} of {}: {unblocked}", lease.lease_token, feed.name()),
            Err(error) => {
                format!(
                    "lease {} of {}: could not free it, trying again later: {error:#}",
                    lease.lease_token,
                    feed.name()
                )
            }
        };
        log::warn!("{line}");
        logs.push(line);
    }
    service.note_size().await;
    HttpResponse::Ok().json(json!({"Outputs": {}, "Logs": logs, "ReturnValue": null}))
}
