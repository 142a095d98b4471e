//! Versions that the retention or an erasure removes are entries of the digests, and no findings.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use changefeed_history::{ServiceTime, SweepRequest, SweepState};
use changefeed_jobs::{JobState, SliceEnd};
use changefeed_operations::{Changefeed, ErasureRequest, Restored};
use chrono::{TimeDelta, Utc};
use local_cosmos::{Effect, Fault, RequestKind};
use serde_json::{Value, json};

use crate::support::World;
use crate::support::digests::{
    HOUR, LATER, at, digest_files, digest_lines, set_clock, start, start_digests, verify_digests, write, write_digests,
};
use crate::support::jobs::{capture, finish, restore_request, small_limits};
use crate::support::raw_items::assert_nowhere;
use crate::support::verify::{delete_record, finding_summaries, text_larger_than_an_item};

const DAY: i64 = 86_400;

/// The library with a retention of 30 days.
fn with_retention(world: &World, seconds: i64) -> Changefeed {
    set_clock(world, seconds);
    world.changefeed(|options| {
        options.jobs = small_limits();
        options.batch_timeout = Duration::from_secs(4);
        options.retention_days = Some(30);
    })
}

async fn sweep(changefeed: &Changefeed, seconds: i64) -> Result<u64, String> {
    let now = ServiceTime::new(Utc::now() + TimeDelta::seconds(start() + seconds));
    let request = SweepRequest { now, dry_run: false, time_limit: None };
    let swept = changefeed.retention.sweep(&request).await.map_err(|error| error.to_string())?;
    assert_eq!(swept.state, SweepState::Done);
    Ok(swept.versions)
}

/// A version that was written some days ago, and is captured now.
fn old(id: &str, days: i64, text: &str) -> Value {
    let ts = Utc::now().timestamp() - days * DAY;
    json!({"id": id, "pk": "a", "text": text, "_ts": ts, "_etag": format!("\"{id}-{days}\""), "_lsn": 1000 - days})
}

async fn assert_no_findings(changefeed: &Changefeed, folder: &Path) {
    let (record, findings) = verify_digests(changefeed, folder).await;
    assert_eq!((record.state, findings), (JobState::Done, Vec::new()));
}

/// The names in the removals of the chain, with their causes.
fn removals(folder: &Path) -> BTreeSet<(String, String)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let lines = digest_lines(folder);
    lines.iter().filter_map(|line| Some((text(&line["removed"])?, text(&line["cause"])?))).collect()
}

#[tokio::test]
async fn versions_that_have_expired_are_no_findings_and_then_entries_of_the_chain() {
    let (world, folder) = (World::new().await, tempfile::tempdir().expect("folder"));
    let changefeed = with_retention(&world, 0);
    let large = text_larger_than_an_item();
    let mut changes: Vec<Value> =
        (0..40).flat_map(|n| [300, 200, 100].map(|days| old(&n.to_string(), days, "text"))).collect();
    changes.extend([old("large", 300, &large), old("large", 200, "small")]);
    capture(&changefeed, &changes).await;
    let changefeed = with_retention(&world, LATER);
    write_digests(&changefeed, folder.path()).await;
    let before: BTreeSet<String> = world.versions().await.into_keys().collect();

    // The removals are recorded, and the process dies before the deletes.
    let effect = Effect::Status { status: 403, substatus: 0 };
    let container = Some("changes".to_owned());
    world.endpoint.inject(Fault { container, kind: RequestKind::Write, times: 1, effect });
    assert!(sweep(&changefeed, LATER).await.is_err());
    world.endpoint.clear_faults();
    assert_no_findings(&changefeed, folder.path()).await;

    assert!(sweep(&changefeed, LATER).await.expect("swept") > 0);
    let remaining: BTreeSet<String> = world.versions().await.into_keys().collect();
    let removed: BTreeSet<String> = before.difference(&remaining).cloned().collect();
    assert_eq!((removed.len(), remaining.len()), (81, 41));
    assert_no_findings(&changefeed, folder.path()).await;
    let recorded = world.query("jobs", "SELECT * FROM c WHERE c.kind = 'removals'").await;
    assert!(recorded.len() <= 5, "one record for many removals: {}", recorded.len());

    let changefeed = with_retention(&world, LATER + HOUR);
    write_digests(&changefeed, folder.path()).await;
    let chained: BTreeSet<String> = removals(folder.path()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(chained, removed);
    assert!(removals(folder.path()).iter().all(|(_, cause)| cause == "retention"));
    // The chain alone says that they were removed.
    for record in recorded {
        let id = record["id"].as_str().expect("id");
        world.container("jobs").await.delete_item(id.to_owned(), id, None).await.expect("deleted");
    }
    assert_no_findings(&changefeed, folder.path()).await;

    let victim = &world.versions().await[remaining.first().expect("a version")];
    delete_record(&world, victim).await;
    let (_, findings) = verify_digests(&changefeed, folder.path()).await;
    let id = victim["id"].as_str().expect("id").to_owned();
    assert_eq!(finding_summaries(&findings), [("removed".to_owned(), String::new(), id)]);
}

#[tokio::test]
async fn a_sweep_records_removals_only_where_digests_are_written() {
    let world = World::new().await;
    let changefeed = with_retention(&world, 0);
    capture(&changefeed, &[old("1", 300, "text"), old("1", 200, "text")]).await;
    assert_eq!(sweep(&changefeed, 0).await, Ok(1));
    assert_eq!(world.query("jobs", "SELECT * FROM c WHERE c.kind = 'removals'").await, Vec::<Value>::new());
}

#[tokio::test]
async fn the_first_digests_wait_for_removals_that_were_under_way_and_not_recorded() {
    let (world, folder) = (World::new().await, tempfile::tempdir().expect("folder"));
    let changefeed = with_retention(&world, 0);
    capture(&changefeed, &[old("1", 300, "text"), old("1", 200, "text")]).await;
    assert_eq!(sweep(&changefeed, 0).await, Ok(1));
    let changefeed = with_retention(&world, LATER);
    let id = start_digests(&changefeed, folder.path()).await;
    let slice = changefeed.runner.run_slice(&id, "test", tokio::time::sleep(Duration::from_secs(2))).await;
    assert!(matches!(slice, Ok(SliceEnd::More)), "{slice:?}");
    assert_eq!(digest_files(folder.path()).len(), 0);
    let changefeed = with_retention(&world, LATER + 70);
    assert_eq!(finish(&changefeed, &id).await, JobState::Done);
    assert_eq!(digest_files(folder.path()).len(), 1);
    assert_no_findings(&changefeed, folder.path()).await;
}

#[tokio::test]
async fn an_erased_document_is_no_finding_and_nothing_of_it_is_in_the_digests() {
    let (world, folder) = (World::new().await, tempfile::tempdir().expect("folder"));
    let changefeed = at(&world, 0);
    write(&world, &changefeed, &["bob"], "bob's text").await;
    let ann = world.put("k", json!({"id": "ann-7", "pk": "k", "text": "ann's secret"})).await;
    let metadata = json!({"operationType": "create", "crts": ann["_ts"], "lsn": 9000});
    capture(&changefeed, &[json!({"current": ann, "metadata": metadata})]).await;
    // A delete by a restore has a digest of the document's id and key in the id of its version.
    let restore = json!({"partitionKey": ["k"], "asOf": "2001-01-01T00:00:00Z", "deleteCreatedAfter": true});
    let restored = changefeed.restores.run(&restore_request(restore)).await.expect("deleted by a restore");
    assert!(matches!(&restored, Restored::Report(report) if report.counts.delete == 1), "{restored:?}");
    let delete = changefeed_cosmos::digest(r#"ann-7["k"]"#);
    assert!(world.versions().await.keys().any(|id| id.ends_with(&delete)), "{:?}", world.versions().await.keys());
    let changefeed = at(&world, LATER);
    write_digests(&changefeed, folder.path()).await;
    assert_no_findings(&changefeed, folder.path()).await;

    let request: ErasureRequest =
        serde_json::from_value(json!({"documents": [{"id": "ann-7", "pk": "k"}], "confirm": 1})).expect("request");
    let id = changefeed.erasures.create_job(&request).await.expect("a job").id;
    assert_eq!(finish(&changefeed, &id).await, JobState::Done);
    assert_no_findings(&changefeed, folder.path()).await;
    let changefeed = at(&world, LATER + HOUR);
    write_digests(&changefeed, folder.path()).await;
    assert_no_findings(&changefeed, folder.path()).await;
    let removed = removals(folder.path());
    assert!(removed.len() == 2 && removed.iter().all(|(_, cause)| cause == "erasure"), "{removed:?}");
    let text = json!(digest_lines(folder.path())).to_string();
    assert!(!text.contains("ann") && !text.contains(&delete), "{text}");
    assert_nowhere(&world, &["ann-7", &delete]).await;

    let bob = world.versions().await;
    let bob = bob.values().find(|version| version["sourceId"] == "bob").expect("a version");
    delete_record(&world, bob).await;
    let (_, findings) = verify_digests(&changefeed, folder.path()).await;
    assert_eq!(finding_summaries(&findings).len(), 1, "{findings:?}");
}
