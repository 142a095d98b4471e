//! Ages are measured by the clock of the service, however wrong that of this machine is.

use changefeed_operations::{BackupRequest, FindingKind};
use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::World;
use crate::support::backups::run_backup;
use crate::support::jobs::{capture, small_limits};
use crate::support::verify::{finding_summaries, run_verification, version_of};

const HOUR: i64 = 3600;

/// Seconds since 1970 by the clock of this machine.
fn now() -> i64 {
    Utc::now().timestamp()
}

#[tokio::test]
async fn a_time_is_over_when_the_service_says_so() {
    let world = World::new().await;
    let folder = TempDir::new().expect("a folder");
    let request = |as_of: i64| -> BackupRequest {
        let time = Utc::now() + TimeDelta::seconds(as_of);
        serde_json::from_value(json!({"to": folder.path().join(as_of.to_string()), "asOf": time.to_rfc3339()}))
            .expect("request")
    };
    for (offset, as_of, is_over) in [(-HOUR, -600, false), (HOUR, 600, true), (0, 600, false), (0, -600, true)] {
        world.endpoint.set_clock(offset).expect("the clock");
        let changefeed = world.changefeed(|_| {});
        match changefeed.backups.create_job(&request(as_of)).await {
            Ok(_) => assert!(is_over, "{offset} {as_of}"),
            Err(error) => assert!(!is_over && error.to_string().contains("not over yet"), "{offset} {as_of}: {error}"),
        }
    }
}

#[tokio::test]
async fn the_grace_time_of_a_verification_passes_on_the_clock_of_the_service() {
    let world = World::new().await;
    world.endpoint.set_clock(24 * HOUR).expect("the clock");
    let missed = world.put("a", json!({"id": "missed", "pk": "a"})).await;
    assert!(missed["_ts"].as_i64().expect("_ts") > now() + 23 * HOUR, "the endpoint writes its own time");
    world.endpoint.set_clock(26 * HOUR).expect("the clock");
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let (_, findings) = run_verification(&changefeed, json!({"graceSeconds": HOUR})).await;
    let expected = (json!(FindingKind::NeverCaptured).as_str().expect("a name").to_owned(), "missed".to_owned());
    assert_eq!(finding_summaries(&findings), [(expected.0, expected.1, version_of(&missed))]);
}

/// A captured document that expires 100 seconds after it was written.
async fn captured(world: &World) -> Value {
    let stored = world.put("a", json!({"id": "goes", "pk": "a", "ttl": 100})).await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    capture(&changefeed, std::slice::from_ref(&stored)).await;
    stored
}

/// Moves the clock of the service until the document has expired.
async fn expire(world: &World) {
    world.endpoint.set_clock(HOUR).expect("the clock");
    crate::support::until("the expiry", crate::support::DEADLINE, async || world.live("a", "goes").await.is_none())
        .await;
}

#[tokio::test]
async fn a_document_that_has_expired_by_the_clock_of_the_service_is_no_finding() {
    let world = World::new().await;
    captured(&world).await;
    expire(&world).await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let (_, findings) = run_verification(&changefeed, json!({})).await;
    assert_eq!(finding_summaries(&findings), []);
}

#[tokio::test]
async fn an_increment_has_the_deletion_of_what_has_expired_by_the_clock_of_the_service() {
    let world = World::new().await;
    captured(&world).await;
    let folder = TempDir::new().expect("a folder");
    let place = |name: &str| folder.path().join(name);
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let full = run_backup(&changefeed, json!({"to": place("full")})).await;
    assert_eq!(full.counts.documents, 1);
    expire(&world).await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let request = json!({"to": place("increment"), "incrementalFrom": place("full")});
    let increment = run_backup(&changefeed, request).await;
    assert_eq!((increment.counts.documents, increment.counts.deletions), (0, 1));
}
