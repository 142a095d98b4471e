//! `WatchLeases`: the timer trigger that looks at the leases, frees those that a document stalls, and notes the size of the history.

use actix_web::HttpResponse;
use actix_web::web::Data;
use changefeed_processor::LeaseState;
use serde_json::json;
use tokio::time::Instant;

use crate::http::{NoQuery, RawJson};
use crate::service::Service;
use crate::sources::{Sources, Turns};
use crate::stalled::{Start, look, unblock};

/// `POST /WatchLeases`: the timer's body is ignored. The answer is always a JSON object, because the host hangs on an empty
/// body. A failure is logged and needs no other answer: the next call repeats everything. The sources share the time of the invocation.
pub async fn post(sources: Data<Sources>, _: NoQuery, _: RawJson) -> HttpResponse {
    let deadline = Instant::now() + sources.first().time_limit();
    let mut turns = Turns::new(deadline, sources.all().count());
    let mut logs = Vec::new();
    for service in sources.all() {
        let source = service.named_source().map(|source| format!("source {source}: ")).unwrap_or_default();
        let deadline = Instant::now() + turns.next_turn();
        logs.extend(watch(&sources, service, deadline).await.into_iter().map(|line| format!("{source}{line}")));
    }
    HttpResponse::Ok().json(json!({"Outputs": {}, "Logs": logs, "ReturnValue": null}))
}

/// Looks at the leases of a source, and frees some of them. Returns what was found and done.
async fn watch(sources: &Sources, service: &Service, deadline: Instant) -> Vec<String> {
    let settings = service.settings();
    let look = look(service, settings.unblock_leases).await;
    let mut logs = look.problems();
    logs.iter().for_each(|problem| log::warn!("{problem}"));
    if look.pinned > 0 {
        logs.push(format!("stored the first checkpoint of {} leases", look.pinned));
    }
    let stalled = look.leases.iter().filter(|(_, lease)| lease.state == LeaseState::Stalled);
    for (feed, lease) in stalled.filter(|_| settings.unblock_leases) {
        let start = Start::of_trigger(settings.app_root.as_deref(), &settings.function(*feed));
        let freed = async {
            let set = service.lease_set(*feed).await?;
            unblock(sources, service, *feed, &set, &lease.lease_id, start, deadline).await
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
    service.wake_jobs().await;
    logs
}
