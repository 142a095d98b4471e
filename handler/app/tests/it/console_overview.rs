//! The overview of the console: what is captured, what needs action, what runs, and the versions by the minute.

use std::collections::BTreeMap;

use local_cosmos::LoggedKind;
use reqwest::StatusCode;
use serde_json::json;

use crate::console::{html, start, store};
use crate::console_jobs::{store_job, store_jobs};
use crate::read_costs::costs;
use crate::support::{Instance, World};

#[tokio::test]
async fn the_overview_lists_every_running_job_and_the_last_ones_are_links() {
    let world = World::new().await;
    let handler = start(&world);
    store_jobs(&world).await;
    // Neither is a job: one is a request that was interrupted, the other is of a try-out function.
    store_job(
        &world,
        "r-interrupted",
        "restore",
        "running",
        json!({"job": null, "startedAt": "2026-11-20T05:00:00.000Z"}),
    )
    .await;
    store_job(&world, "t-interrupted", "populate", "running", json!({"job": null})).await;
    let page = html(&handler, "/api/views/overview").await;
    let (_, running) = page.split_once("aria-label=\"Running jobs\"").expect("running jobs");
    let running = running.split("</section>").next().expect("a section");
    for id in ["b-running", "v-queued", "r-running"] {
        assert!(
            running.contains(&format!("?id={id}\"")) && running.contains(&format!("/{id}/cancel\"")),
            "{id}: {running}"
        );
    }
    assert_eq!(running.matches("id=\"job-").count(), 3, "{running}");
    let jobs = html(&handler, "/api/views/jobs").await;
    assert!(jobs.contains("runs within one request, or was interrupted") && !jobs.contains("t-interrupted"), "{jobs}");
    let (_, tiles) = page.split_once("<div class=\"tiles\">").expect("tiles");
    for (part, name) in [
        ("<a href=\"restore?id=r-done\">done</a>", "Last restore"),
        ("<a href=\"backups?id=b-failed\">failed</a>", "Last backup"),
        ("<a href=\"verifications?id=v-done\">done</a>", "Last verification"),
    ] {
        let tile = tiles.split("<div class=\"tile").find(|tile| tile.contains(name)).expect("a tile");
        assert!(tile.contains(part) && tile.contains("title=\"2026-11-20T"), "{name}: {tile}");
        assert_eq!(tile.starts_with(" bad"), name == "Last backup", "{name}: {tile}");
    }
    for part in [
        "<a href=\"backups?id=b-failed\">The last backup failed: the disk is full</a>",
        "Back up again with: changefeed backup create",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
}

#[tokio::test]
async fn a_verification_with_findings_needs_action_in_the_head_of_every_page() {
    let world = World::new().await;
    world.create("leases", &["/id"]).await;
    let handler = start(&world);
    let pill = html(&handler, "/api/views/health").await;
    assert!(!pill.contains("bad"), "{pill}");
    let counts = json!({"documents": 10, "missing": 2, "gone": 1, "repaired": 1});
    store_job(&world, "v-1", "verify", "findings", json!({"counts": counts})).await;
    let pill = html(&handler, "/api/views/health").await;
    assert!(pill.contains("pill bad") && pill.contains("The last verification found 2 differences"), "{pill}");
    let page = html(&handler, "/api/views/overview").await;
    assert!(page.contains("<a href=\"verifications?id=v-1\">The last verification found 2 differences"), "{page}");
    assert!(page.contains("Open it to see and repair the findings."), "{page}");
    store_job(&world, "v-2", "verify", "done", json!({"startedAt": "2026-11-20T11:00:00.000Z"})).await;
    let pill = html(&handler, "/api/views/health").await;
    assert!(!pill.contains("bad"), "a later verification found nothing: {pill}");
}

#[tokio::test]
async fn the_overview_has_the_versions_by_the_minute_and_the_chart() {
    let world = World::new().await;
    let handler = start(&world);
    let documents: Vec<_> = (0..5).map(|n| json!({"id": n.to_string(), "pk": "a"})).collect();
    store(&world, &handler, &documents).await;
    let page = html(&handler, "/api/views/overview").await;
    for part in [
        "The last 24 hours",
        "5 versions",
        "versions per minute",
        "now <strong>",
        "average <strong>0.0</strong>",
        "peak <strong>",
        "in buckets of 10m",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
}

#[tokio::test]
async fn the_overview_shows_the_lag_of_each_lease_the_mode_and_a_lease_that_is_stalled() {
    let world = World::new().await;
    world.create("leases", &["/id"]).await;
    let handler = start(&world);
    let before = html(&handler, "/api/views/overview").await;
    assert!(before.contains("The change feed mode is known when capture has started."), "{before}");
    let instance = Instance::start(&world.endpoint.connection_string(), &[]).expect("an instance");
    assert!(instance.end("-TERM").await.success());
    let page = html(&handler, "/api/views/overview").await;
    for part in [
        "Change feed mode: <strong>LatestVersion</strong>",
        "Deletes and expired documents are not reported",
        "<td>free</td>",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    for n in 0..3 {
        world.put("a", json!({"id": n.to_string(), "pk": "a"})).await;
    }
    let page = html(&handler, "/api/views/overview").await;
    assert!(page.contains("<td class=\"num\">3</td>") && page.contains("3 changes to capture"), "{page}");
    let leases = world.container("leases").await;
    for mut lease in world.query("leases", "SELECT * FROM c WHERE IS_DEFINED(c.LeaseToken)").await {
        (lease["timestamp"], lease["Owner"]) = (json!("2026-01-01T00:00:00Z"), json!("gone"));
        let id = lease["id"].as_str().expect("an id").to_owned();
        leases.upsert_item(id.clone(), &id, lease, None).await.expect("an old lease");
    }
    let page = html(&handler, "/api/views/overview").await;
    let (_, rows) = page.split_once("aria-label=\"Leases\"").expect("leases");
    assert!(rows.contains("error-text") && rows.contains("title=\"2026-01-01T00:00:00Z\""), "{rows}");
    assert!(
        page.contains("panel health bad") && page.contains("See the leases below, and changefeed doctor"),
        "{page}"
    );
}

/// The head of every page is asked for again and again, and the overview reads a day of versions.
#[tokio::test(flavor = "multi_thread")]
async fn the_head_reads_a_few_jobs_and_the_chart_by_the_minute_reads_each_version_once() {
    let world = World::new().await;
    world.create("leases", &["/id"]).await;
    let handler = start(&world);
    let documents: Vec<_> = (0..40).map(|n| json!({"id": n.to_string(), "pk": "a"})).collect();
    store(&world, &handler, &documents).await;
    let mut head = Vec::new();
    for count in [60, 120] {
        for number in 0..count {
            let kind = ["backup", "verify"][number % 2];
            store_job(
                &world,
                &format!("{kind}-{number:03}"),
                kind,
                "done",
                json!({"startedAt": format!("2026-11-20T{:02}:{:02}:00.000Z", number / 60, number % 60)}),
            )
            .await;
        }
        html(&handler, "/api/views/health").await;
        costs(&world);
        html(&handler, "/api/views/health").await;
        let jobs: Vec<_> = costs(&world).into_iter().filter(|((_, container), _)| container == "jobs").collect();
        head.push((
            jobs.iter().map(|(_, (requests, _))| requests).sum::<usize>(),
            jobs.iter().map(|(_, (_, items))| items).sum::<usize>(),
        ));
    }
    // Two queries, each of four physical partitions, for ten jobs and one that shows whether there are more.
    assert!(head.iter().all(|(_, items)| *items <= 2 * 4 * 11), "requests and items: {head:?}");
    assert!(head[1].0 <= head[0].0 + 2, "requests and items for 30 and for 60 jobs of each kind: {head:?}");
    let versions = |costs: BTreeMap<(LoggedKind, String), (usize, usize)>| {
        costs
            .into_iter()
            .filter(|((kind, container), _)| *kind == LoggedKind::Query && container == "changes")
            .map(|(_, cost)| cost)
            .collect::<Vec<_>>()
    };
    html(&handler, "/api/views/overview").await;
    costs(&world);
    let (status, answer) = handler.get("/api/history/activity?from=24h&bucket=1h").await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let by_hour = versions(costs(&world));
    let (status, answer) = handler.get("/api/history/activity?from=24h&bucket=1m").await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(versions(costs(&world)), by_hour, "shorter buckets cost nothing");
}
