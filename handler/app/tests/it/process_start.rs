//! `changefeed process` starts in spite of transient failures, and ends at a permanent one.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::{StreamExt, stream};
use local_cosmos::{Effect, Fault, LoggedKind, LoggedRequest, RequestKind};
use serde_json::json;

use crate::support::{Instance, NotStarted, World};

const UNAVAILABLE: Effect = Effect::Status { status: 503, substatus: 0 };

async fn world() -> World {
    let world = World::new().await;
    world.create("leases", &["/id"]).await;
    world
}

async fn start(world: &World) -> Result<Instance, NotStarted> {
    let connection_string = world.endpoint.connection_string();
    tokio::task::spawn_blocking(move || Instance::start(&connection_string, &[])).await.expect("no panic")
}

/// The kind of a fault that affects such a request.
fn kind(request: &LoggedRequest) -> Option<RequestKind> {
    match request.kind {
        LoggedKind::Read => Some(RequestKind::Read),
        LoggedKind::Query => Some(RequestKind::Query),
        LoggedKind::ChangeFeed => Some(RequestKind::ChangeFeed),
        LoggedKind::Metadata => Some(RequestKind::Metadata),
        LoggedKind::QueryPlan => None,
        _ => Some(RequestKind::Write),
    }
}

/// Lets `passes` requests pass and fails as many `failures` after them.
fn inject(world: &World, container: Option<&str>, kind: RequestKind, passes: u32, failures: u32) {
    let fault = |times, effect| Fault { container: container.map(str::to_owned), kind, times, effect };
    if passes > 0 {
        world.endpoint.inject(fault(passes, Effect::Delay(Duration::ZERO)));
    }
    world.endpoint.inject(fault(failures, UNAVAILABLE));
}

/// The requests of a start without failures: how many there are of each kind for each container.
async fn requests_of_a_start() -> BTreeMap<(Option<String>, String), (RequestKind, u32)> {
    let world = world().await;
    world.endpoint.take_requests();
    let instance = start(&world).await.expect("started");
    let mut requests = BTreeMap::new();
    for request in world.endpoint.take_requests() {
        let Some(kind) = kind(&request) else { continue };
        // Without a container a fault affects every container.
        if request.container.is_some() || kind == RequestKind::Metadata && request.path == "/" {
            requests.entry((request.container, format!("{kind:?}"))).or_insert((kind, 0)).1 += 1;
        }
    }
    assert!(instance.end("-TERM").await.success());
    requests
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_survives_the_failure_of_any_of_its_requests() {
    let requests = requests_of_a_start().await;
    assert!(requests.len() > 8, "{requests:?}");
    let cases = requests.into_iter().flat_map(|((container, _), (kind, count))| {
        let count = if container.is_none() { 1 } else { count };
        (0..count).map(move |passes| (container.clone(), kind, passes))
    });
    let survived = stream::iter(cases).map(async |(container, kind, passes)| {
        let world = world().await;
        world.put("a", json!({"id": "early", "pk": "a"})).await;
        // More failures than the SDK retries.
        inject(&world, container.as_deref(), kind, passes, 4);
        let case = format!("request {passes} of kind {kind:?} for {container:?}");
        let instance = start(&world).await.unwrap_or_else(|failed| panic!("{case}: {}", failed.stderr));
        world.endpoint.clear_faults();
        let retried = instance.logged().contains("could not start: ");
        assert!(instance.end("-TERM").await.success(), "{case}");
        retried
    });
    let retried: Vec<bool> = survived.buffer_unordered(3).collect().await;
    let count = retried.iter().filter(|retried| **retried).count();
    assert!(count > 0, "none of {} failures needed another attempt", retried.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permanent_failure_ends_the_start_with_the_reason() {
    let world = world().await;
    let forbidden = Effect::Status { status: 403, substatus: 5300 };
    let (container, kind) = (Some("leases".to_owned()), RequestKind::Write);
    world.endpoint.inject(Fault { container, kind, times: 1, effect: forbidden });
    let failed = start(&world).await.err().expect("forbidden");
    assert_eq!(failed.status.code(), Some(1), "{}", failed.stderr);
    assert!(failed.stderr.contains("403") && !failed.stderr.contains("retrying"), "{}", failed.stderr);
}
