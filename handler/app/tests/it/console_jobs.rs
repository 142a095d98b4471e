//! The lists of jobs and of dead letters in the console, and the page of one of them, in every state.

use changefeed_operations::Changefeed;
use local_cosmos::{Effect, Fault, RequestKind};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::console::{get, html, start, store};
use crate::support::verify::run_verification;
use crate::support::{Handler, World, batch_of};

const STARTED: &str = "2026-11-20T10:00:00.000Z";

/// Stores the record of a job with these properties and those that every job has.
pub async fn store_job(world: &World, id: &str, kind: &str, state: &str, more: Value) {
    let mut record = json!({"id": id, "kind": kind, "state": state, "request": {}, "startedAt": STARTED, "requestCharge": 0.0, "counts": {},
        "job": {"done": 0, "slices": 0, "updatedAt": STARTED}, "schema": 1});
    for (name, value) in more.as_object().into_iter().flatten() {
        record[name] = value.clone();
    }
    world.container("jobs").await.upsert_item(id.to_owned(), id, record, None).await.expect("a job");
}

/// The counts of a restore.
fn restored(replace: u64) -> Value {
    json!({"create": 0, "replace": replace, "merge": 0, "delete": 0, "unchanged": 0, "kept": 0, "unknown": 0, "conflict": 0, "failed": 0})
}

/// A job of each kind: some that run, some that have ended.
pub async fn store_jobs(world: &World) {
    let backup = json!({"to": "https://account/backups/a", "requestedBy": "nightly", "reason": "every night"});
    let ended = |time: &str, more: Value| {
        let mut more = more;
        (more["startedAt"], more["finishedAt"]) = (json!(time), json!(time));
        more
    };
    store_job(
        world,
        "b-failed",
        "backup",
        "failed",
        ended("2026-11-20T09:00:00.000Z", json!({"request": backup, "job": {"message": "the disk is full"}})),
    )
    .await;
    store_job(
        world,
        "v-done",
        "verify",
        "done",
        ended("2026-11-20T09:30:00.000Z", json!({"counts": {"documents": 1200}})),
    )
    .await;
    let work = json!({"done": 40, "total": 100, "updatedAt": STARTED});
    store_job(world, "b-running", "backup", "running", json!({"request": backup, "job": work})).await;
    store_job(world, "v-queued", "verify", "queued", json!({"requestedBy": "ana"})).await;
    let restore = json!({"id": "1", "partitionKey": ["a"], "asOf": 1_763_632_800});
    store_job(
        world,
        "r-running",
        "restore",
        "running",
        json!({"request": restore, "counts": restored(0), "job": work}),
    )
    .await;
    store_job(
        world,
        "r-done",
        "restore",
        "done",
        ended(
            "2026-11-20T08:00:00.000Z",
            json!({"request": restore, "counts": restored(3), "reason": "<wrong> names", "requestedBy": "bob"}),
        ),
    )
    .await;
    // Done within one request.
    let within = json!({"request": restore, "counts": restored(1), "job": null});
    store_job(world, "r-request", "restore", "done", ended("2026-11-20T07:30:00.000Z", within)).await;
    store_job(
        world,
        "r-undone",
        "restore",
        "done",
        ended("2026-11-20T07:00:00.000Z", json!({"request": restore, "counts": restored(3), "undoneBy": "r-done"})),
    )
    .await;
    let dry = json!({"id": "1", "partitionKey": ["a"], "asOf": 1_763_632_800, "dryRun": true});
    store_job(
        world,
        "p-planned",
        "restore",
        "planned",
        ended("2026-11-20T06:00:00.000Z", json!({"request": dry, "counts": restored(2)})),
    )
    .await;
}

/// The rows of a table, from its text.
fn rows(page: &str) -> Vec<&str> {
    page.split("<tr>").skip(2).map(|rest| rest.split("</tr>").next().unwrap_or_default()).collect()
}

#[tokio::test]
async fn every_job_is_in_one_list_with_its_state_its_progress_and_what_can_be_done_with_it() {
    let world = World::new().await;
    let handler = start(&world);
    let none = html(&handler, "/api/views/jobs").await;
    assert!(none.contains("There are no jobs yet") && !none.contains("data-refresh"), "{none}");
    store_jobs(&world).await;
    let page = html(&handler, "/api/views/jobs").await;
    assert!(page.contains("data-refresh=\"2\""), "some jobs run: {page}");
    let links: Vec<&str> =
        rows(&page).iter().filter_map(|row| row.split("href=\"").nth(1)?.split('"').next()).collect();
    assert_eq!(links.len(), 9, "{page}");
    assert_eq!(
        links[3..],
        [
            "verifications?id=v-done",
            "backups?id=b-failed",
            "restore?id=r-done",
            "restore?id=r-request",
            "restore?id=r-undone",
            "restore?id=p-planned"
        ]
    );
    let row = |id: &str| *rows(&page).iter().find(|row| row.contains(&format!("job-{id}\""))).expect("a row");
    for (id, expected, action) in [
        ("b-running", "40 of 100 processed", "/api/backups/b-running/cancel"),
        ("v-queued", "waits for a worker", "/api/verify/v-queued/cancel"),
        ("r-running", "40 of 100 processed", "/api/restores/r-running/cancel"),
        ("r-done", "&lt;wrong&gt; names", "/api/restores/r-done/undo"),
        ("r-request", "Restore", "restore?id=r-request&amp;undo=true"),
        ("r-undone", ">undone<", ""),
        ("b-failed", "the disk is full", ""),
        ("v-done", "1,200 documents", ""),
        ("p-planned", "Plan: ", ""),
    ] {
        let row = row(id);
        assert!(row.contains(expected) && row.contains("<time") && row.contains("title=\"2026-11-20T"), "{id}: {row}");
        assert_eq!(row.contains("data-writes"), !action.is_empty(), "{id}: {row}");
        assert!(row.contains(action), "{id}: {row}");
    }
    assert!(row("b-failed").contains("pill bad") && !row("v-done").contains("pill bad"), "{page}");
    // Each kind has its own list, with the same rows.
    for (name, ids) in [
        ("restores", ["r-running", "r-done", "r-request", "r-undone", "p-planned"].as_slice()),
        ("backups", &["b-running", "b-failed"]),
        ("verifications", &["v-queued", "v-done"]),
    ] {
        let page = html(&handler, &format!("/api/views/{name}")).await;
        let found: Vec<&str> =
            rows(&page).iter().filter_map(|row| row.split("id=\"job-").nth(1)?.split('"').next()).collect();
        assert_eq!(found, ids, "{name}");
        assert!(page.contains("data-refresh=\"2\"") && page.contains(&format!("data-next=\"{name}\"")), "{page}");
    }
    for path in ["jobs?colour=red", "jobs?continuation=x"] {
        assert_eq!(get(&handler, &format!("/api/views/{path}")).await.0, StatusCode::BAD_REQUEST, "{path}");
    }
}

#[tokio::test]
async fn a_long_list_of_jobs_has_each_job_once() {
    let world = World::new().await;
    let handler = start(&world);
    for number in 0..120 {
        let kind = ["backup", "verify"][number % 2];
        let more = json!({"startedAt": format!("2026-11-20T10:{:02}:00.000Z", number / 4)});
        store_job(&world, &format!("j-{number:03}"), kind, "done", more).await;
    }
    let (mut ids, mut path) = (Vec::new(), "jobs".to_owned());
    loop {
        let page = html(&handler, &format!("/api/views/{path}")).await;
        ids.extend(page.split("id=\"job-").skip(1).filter_map(|rest| Some(rest.split('"').next()?.to_owned())));
        let next =
            page.split("href=\"").filter_map(|rest| rest.split('"').next()).find(|link| link.contains("continuation="));
        let Some(next) = next else { break };
        path = next.replace("&amp;", "&");
    }
    assert_eq!(ids.len(), 120);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 120);
}

#[tokio::test]
async fn the_page_of_a_verification_says_that_there_are_no_findings_only_when_it_has_ended() {
    let world = World::new().await;
    let handler = start(&world);
    let path = |id: &str| format!("/api/views/verifications?id={id}");
    store_job(&world, "queued", "verify", "queued", json!({"requestedBy": "<ana>"})).await;
    let work = json!({"cursor": {"phase": "past"}, "done": 1500, "total": 4000, "claim": {"by": "w", "until": STARTED}, "ratePerSecond": 250.0, "updatedAt": STARTED});
    store_job(
        &world,
        "running",
        "verify",
        "running",
        json!({"job": work, "counts": {"documents": 1200, "versions": 300}}),
    )
    .await;
    store_job(
        &world,
        "failing",
        "verify",
        "running",
        json!({"job": {"done": 5, "message": "reading events: 403", "failures": 2}}),
    )
    .await;
    store_job(&world, "cancelling", "verify", "running", json!({"job": {"done": 5, "cancel": true}})).await;
    let ended = |more: Value| {
        let mut more = more;
        more["finishedAt"] = json!("2026-11-20T10:05:00.000Z");
        more
    };
    store_job(&world, "failed", "verify", "failed", ended(json!({"job": {"message": "<403> forbidden"}}))).await;
    store_job(&world, "cancelled", "verify", "cancelled", ended(json!({}))).await;
    store_job(
        &world,
        "done",
        "verify",
        "done",
        ended(json!({"counts": {"documents": 1200, "versions": 3400}, "requestCharge": 512.3})),
    )
    .await;
    for (id, expected, is_under_way) in [
        (
            "queued",
            ["It waits for a worker, requested by &lt;ana&gt;", "No findings so far.", "Not started yet."],
            true,
        ),
        (
            "running",
            ["Reading every version back", "1,500 of 4,000 processed, about 10 s left", "No findings so far."],
            true,
        ),
        ("failing", ["It is running", "retrying: reading events: 403", "No findings so far."], true),
        ("cancelling", ["Cancelling", "disabled", "No findings so far."], true),
        (
            "failed",
            [
                "The verification failed",
                "&lt;403&gt; forbidden",
                "It is not known whether there are findings: the verification failed.",
            ],
            false,
        ),
        (
            "cancelled",
            ["Cancelled", "10:05:00", "It is not known whether there are findings: the verification was cancelled."],
            false,
        ),
        ("done", ["Finished", "No findings.", "<strong>1,200</strong>live documents"], false),
    ] {
        let page = html(&handler, &path(id)).await;
        for part in expected {
            assert!(page.contains(part), "{id}: {part}: {page}");
        }
        assert_eq!(page.contains("No findings."), id == "done", "{id}: {page}");
        assert_eq!(page.contains("data-refresh=\"2\""), is_under_way, "{id}: {page}");
        assert_eq!(page.contains(&format!("/api/verify/{id}/cancel")), is_under_way, "{id}: {page}");
        assert_eq!(page.contains("role=\"alert\""), id == "failed", "{id}: {page}");
        assert!(page.contains("title=\"2026-11-20T10:00:00Z\"") && !page.contains("findingsOf"), "{id}: {page}");
    }
}

#[tokio::test]
async fn findings_are_listed_with_their_documents_and_repaired_from_the_page() {
    let world = World::new().await;
    let handler = start(&world);
    let changefeed: Changefeed = world.changefeed(|_| ());
    store(&world, &handler, &[json!({"id": "kept", "pk": "a"})]).await;
    world.put("a", json!({"id": "<b>", "pk": "a"})).await;
    let (record, findings) = run_verification(&changefeed, json!({})).await;
    assert_eq!(findings.len(), 1);
    let page = html(&handler, &format!("/api/views/verifications?id={}", record.id)).await;
    for part in
        ["never captured", "document?id=%3Cb%3E&amp;pk=a", "not repaired", "Repair 1 finding", "It only compares"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("No findings"), "{page}");
    // What the form sends.
    let request = json!({"repair": true, "findingsOf": record.id, "graceSeconds": 0});
    let escaped = request.to_string().replace('"', "&quot;");
    assert!(page.contains(&escaped), "{escaped}: {page}");
    let (status, repair) = handler.post("/api/verify", &request).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{repair}");
    let jobs = world.query("jobs", "SELECT * FROM c WHERE c.state = 'queued'").await;
    handler.invoke_function("RunJobs", &batch_of(&jobs), false).await;
    let id = repair["id"].as_str().expect("id");
    let page = html(&handler, &format!("/api/views/verifications?id={id}")).await;
    for part in ["Repair of findings", "<strong>1</strong>repaired", ">repaired<", "another verification"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("not repaired</span>") && !page.contains("findingsOf"), "nothing is left to repair: {page}");
}

#[tokio::test]
async fn the_page_of_a_backup_shows_each_state() {
    let world = World::new().await;
    let handler = start(&world);
    let request = json!({"to": "https://account.blob.core.windows.net/b/a", "requestedBy": "ana"});
    let job = |more: Value| json!({"request": request, "job": more, "finishedAt": STARTED});
    store_job(&world, "queued", "backup", "queued", json!({"request": request, "job": {"onlyOn": "laptop"}})).await;
    store_job(&world, "running", "backup", "running", json!({"request": request, "job": {"done": 40, "total": 100}}))
        .await;
    store_job(&world, "failed", "backup", "failed", job(json!({"message": "<full>"}))).await;
    store_job(&world, "cancelled", "backup", "cancelled", job(json!({}))).await;
    for (id, expected, is_under_way) in [
        ("queued", ["It waits for a worker on", "laptop", "Not started yet."], true),
        (
            "running",
            ["It is being written", "40 of 100 processed", "The files are listed when the backup has finished."],
            true,
        ),
        ("failed", ["The backup failed", "&lt;full&gt;", "changefeed backup create"], false),
        ("cancelled", ["Cancelled", "requested by ana", "The files cannot be read from here."], false),
    ] {
        let page = html(&handler, &format!("/api/views/backups?id={id}")).await;
        for part in expected {
            assert!(page.contains(part), "{id}: {part}: {page}");
        }
        assert_eq!(page.contains("data-refresh=\"2\""), is_under_way, "{id}: {page}");
        assert_eq!(page.contains(&format!("/api/backups/{id}/cancel")), is_under_way, "{id}: {page}");
    }
}

/// Delivers changes that cannot be captured. Returns the ids of the dead letters, newest first.
async fn dead_letters(handler: &Handler, count: usize) -> Vec<String> {
    for number in 0..count {
        let payload = json!([{"id": format!("<doc {number}>"), "pk": "a", "_ts": 1_700_000_000 + number}]);
        handler.invoke(&payload.to_string(), false).await;
    }
    let (_, listed) = handler.get("/api/dead-letters").await;
    listed["items"].as_array().expect("items").iter().map(|item| item["id"].as_str().expect("id").to_owned()).collect()
}

#[tokio::test]
async fn chosen_dead_letters_are_replayed_or_discarded_from_a_page_that_says_what_that_means() {
    let world = World::new().await;
    let handler = start(&world);
    let ids = dead_letters(&handler, 3).await;
    assert_eq!(ids.len(), 3);
    let list = html(&handler, "/api/views/dead-letters").await;
    assert_eq!(list.matches("name=\"chosen\"").count(), 3, "{list}");
    assert!(list.contains("data-all=\"chosen\"") && list.contains("dead-letters?chosen=all"), "{list}");
    let one = html(&handler, &format!("/api/views/dead-letters?id={}", ids[0])).await;
    assert!(one.contains("&lt;doc 2&gt;") && one.contains(&format!("dead-letters?chosen={}", ids[0])), "{one}");
    assert!(one.contains("/replay\"") && !one.contains("DELETE"), "to discard leads to words first: {one}");
    let page = html(&handler, &format!("/api/views/dead-letters?chosen={}", ids[0])).await;
    for part in [
        "1 dead letter to replay or discard",
        "Discard the change of document <span class=\"mono\">&lt;doc 2&gt;</span>; it is never captured.",
        "data-method=\"DELETE\"",
        "Discard the change of &lt;doc 2&gt;",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let two = html(&handler, &format!("/api/views/dead-letters?chosen={}&chosen={}&chosen=gone", ids[0], ids[2])).await;
    for part in [
        "Discard 2 changes; they are never captured.",
        "Replay 2 changes",
        "&lt;doc 0&gt;",
        "1 of the chosen are no longer",
    ] {
        assert!(two.contains(part), "{part}: {two}");
    }
    assert!(!two.contains("&lt;doc 1&gt;"), "{two}");
    let all = html(&handler, "/api/views/dead-letters?chosen=all").await;
    assert!(all.contains("Discard 3 changes") && ids.iter().all(|id| all.contains(id)), "{all}");
    let none = html(&handler, "/api/views/dead-letters?chosen=gone").await;
    assert!(none.contains("No chosen change is a dead letter now.") && !none.contains("data-each"), "{none}");
    let many: String = (0..101).map(|number| format!("&chosen={number}")).collect();
    let (status, _, page) = get(&handler, &format!("/api/views/dead-letters?{}", &many[1..])).await;
    assert!(
        status == StatusCode::BAD_REQUEST && page.contains("chosen: given 101 times; at most 100 are allowed"),
        "{page}"
    );
}

#[tokio::test]
async fn a_page_that_the_service_does_not_answer_says_so_and_has_a_way_on() {
    let world = World::new().await;
    let handler = start(&world);
    html(&handler, "/api/views/jobs").await;
    let effect = Effect::Status { status: 503, substatus: 0 };
    world.endpoint.inject(Fault {
        container: Some("jobs".to_owned()),
        kind: RequestKind::Query,
        times: 10_000,
        effect,
    });
    let (status, _, page) = get(&handler, "/api/views/jobs").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{page}");
    for part in ["Not available now; try again", "role=\"alert\"", "<a class=\"button\" href=\"\">Try again</a>"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    // The parts of the overview that can be read are shown.
    let overview = html(&handler, "/api/views/overview").await;
    assert!(overview.contains("The last 24 hours") && overview.contains("Running jobs"), "{overview}");
    world.endpoint.clear_faults();
    assert!(html(&handler, "/api/views/jobs").await.contains("There are no jobs yet"));
}

#[tokio::test]
async fn the_undo_of_a_restore_within_a_request_is_shown_before_it_is_confirmed() {
    let world = World::new().await;
    let handler = start(&world);
    let body = |city: &str| json!({"id": "1", "pk": "a", "city": city});
    store(&world, &handler, &[body("Davidson"), body("DAVIDSON")]).await;
    let (_, listed) = handler.get("/api/history/versions?id=1&pk=a").await;
    let request = json!({"id": "1", "pk": "a", "version": listed["items"][1]["id"]});
    let (status, done) = handler.post("/api/restores", &request).await;
    assert_eq!(status, StatusCode::OK, "{done}");
    let id = done["id"].as_str().expect("id");
    let undo = format!("restore?id={id}&amp;undo=true");
    for path in ["jobs".to_owned(), "restores".to_owned(), format!("restore?id={id}")] {
        let page = html(&handler, &format!("/api/views/{path}")).await;
        assert!(page.contains(&undo), "{path}: {page}");
    }
    let page = html(&handler, &format!("/api/views/restore?id={id}&undo=true")).await;
    for part in [
        "Nothing has been written.",
        "Replace 1 document in dev/events",
        "&quot;DAVIDSON&quot;",
        "<strong>1</strong>replace",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert_eq!(world.live("a", "1").await.expect("live")["city"], "Davidson");
    let (status, undone) = handler.post(&format!("/api/restores/{id}/undo"), &json!({"reason": "again"})).await;
    assert_eq!(status, StatusCode::OK, "{undone}");
    assert_eq!(world.live("a", "1").await.expect("live")["city"], "DAVIDSON");
    let (status, _, page) = get(&handler, "/api/views/restore?id=x&undo=perhaps").await;
    assert!(status == StatusCode::BAD_REQUEST && page.contains("use true or false"), "{page}");
}
