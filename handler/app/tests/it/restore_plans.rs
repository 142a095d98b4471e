//! Plans that are stored, confirmed and executed exactly as they were shown.

use changefeed_cosmos::ErrorKind;
use changefeed_jobs::JobState;
use changefeed_operations::{Action, Changefeed, RESTORE, Restored, UndoRequest};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::backups::{live_documents, run_backup};
use crate::support::jobs::{
    capture, capture_as_one_state, finish, finish_under_faults, item_summaries, restore_view, small_limits,
    start_restore,
};
use crate::support::{CommandLine, World};

/// Documents `0..COUNT` that are captured with `v: 1` and then overwritten with `v: 2`.
const COUNT: usize = 24;

fn id(n: usize) -> String {
    format!("item-{n:03}")
}

fn key(n: usize) -> String {
    format!("key-{}", n % 3)
}

async fn put(world: &World, n: usize, v: u32) -> Value {
    world.put(key(n), json!({"id": id(n), "pk": key(n), "v": v})).await
}

/// Writes and captures the documents, and overwrites them. Returns the second to restore.
async fn write_and_change(world: &World, changefeed: &Changefeed) -> i64 {
    let mut stored = Vec::new();
    for n in 0..COUNT {
        stored.push(put(world, n, 1).await);
    }
    let second = capture_as_one_state(changefeed, &stored).await;
    for n in 0..COUNT {
        put(world, n, 2).await;
    }
    second
}

/// The values of `v`, by id.
async fn values(world: &World) -> Vec<(String, u64)> {
    let documents = live_documents(world).await;
    let mut values: Vec<(String, u64)> = documents
        .values()
        .map(|document| (document["id"].as_str().expect("id").to_owned(), document["v"].as_u64().expect("v")))
        .collect();
    values.sort();
    values
}

/// Starts a dry run as a job and waits for its plan.
async fn stored_plan(changefeed: &Changefeed, request: Value) -> String {
    let mut request = request;
    (request["dryRun"], request["job"]) = (json!(true), json!(true));
    let id = start_restore(changefeed, request).await;
    assert_eq!(finish(changefeed, &id).await, JobState::Planned);
    id
}

#[tokio::test]
async fn a_stored_plan_is_executed_as_it_was_shown_whatever_has_changed_since() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let second = write_and_change(&world, &changefeed).await;
    let plan = stored_plan(&changefeed, json!({"all": true, "asOf": second, "reason": "release"})).await;
    let shown = restore_view(&changefeed, &plan).await.record;
    assert_eq!(shown.counts.replace, COUNT as u64);

    // A document of the plan changes. Another plan would now also include a new document.
    put(&world, 5, 3).await;
    let late = world.put("key-0", json!({"id": "late", "pk": "key-0", "v": 9})).await;
    let mut early = late.clone();
    (early["_ts"], early["_etag"], early["v"]) = (json!(second - 1), json!("\"early\""), json!(8));
    capture(&changefeed, &[early]).await;

    let record = changefeed.restores.execute_plan(&plan).await.expect("started");
    assert_eq!((record.id.as_str(), record.state), (plan.as_str(), JobState::Queued));
    assert_eq!(finish(&changefeed, &plan).await, JobState::Conflicts);
    let done = restore_view(&changefeed, &plan).await.record;
    assert_eq!((done.counts.replace, done.counts.conflict), (COUNT as u64 - 1, 1));
    assert_eq!((done.planned_at.as_ref(), done.planned_counts), (Some(&shown.started_at), Some(shown.counts)));
    assert_eq!(done.reason.as_deref(), Some("release"));
    let names = |items: &[changefeed_operations::PlannedItem]| {
        let mut names: Vec<String> = items.iter().map(|item| item.id.clone()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&done.items), names(&shown.items));
    let conflict = done.items.iter().find(|item| item.action == Action::Conflict).expect("a conflict");
    assert_eq!(conflict.id, id(5));
    let expected: Vec<(String, u64)> =
        (0..COUNT).map(|n| (id(n), if n == 5 { 3 } else { 1 })).chain([("late".to_owned(), 9)]).collect();
    assert_eq!(values(&world).await, expected);
    assert_eq!(
        changefeed.restores.list(&changefeed_cosmos::PageRequest::default()).await.expect("list").items.len(),
        1,
        "one record"
    );
    let stored = world.query("jobs", "SELECT * FROM c").await;
    assert!(stored.iter().all(|item| item.get("ttl").is_none()), "an executed plan does not expire: {stored:?}");

    let Restored::Job(undo) = changefeed.restores.undo(&plan, &UndoRequest::default()).await.expect("undo") else {
        panic!("the undo of a job is a job");
    };
    assert_eq!(finish(&changefeed, &undo.id).await, JobState::Done);
    let expected: Vec<(String, u64)> =
        (0..COUNT).map(|n| (id(n), if n == 5 { 3 } else { 2 })).chain([("late".to_owned(), 9)]).collect();
    assert_eq!(values(&world).await, expected);
}

#[tokio::test]
async fn a_plan_is_executed_once_however_often_that_is_requested() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let second = write_and_change(&world, &changefeed).await;
    let plan = stored_plan(&changefeed, json!({"all": true, "asOf": second})).await;
    let restores = &changefeed.restores;
    let (one, other) = tokio::join!(restores.execute_plan(&plan), restores.execute_plan(&plan));
    assert_eq!((one.expect("started").id, other.expect("started").id), (plan.clone(), plan.clone()));
    assert_eq!(finish(&changefeed, &plan).await, JobState::Done);
    put(&world, 3, 4).await;
    let again = restores.execute_plan(&plan).await.expect("the result");
    assert_eq!((again.id.as_str(), again.state, again.counts.replace), (plan.as_str(), JobState::Done, COUNT as u64));
    assert_eq!(world.live(key(3), &id(3)).await.expect("live")["v"], 4, "nothing is written again");
}

#[tokio::test]
async fn what_is_not_a_complete_plan_is_not_executed() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let second = write_and_change(&world, &changefeed).await;
    let refused = async |id: &str| {
        let error = changefeed.restores.execute_plan(id).await.expect_err("refused");
        (error.kind(), error.to_string())
    };
    assert_eq!(refused("none").await.0, ErrorKind::NotFound);
    let queued = start_restore(&changefeed, json!({"all": true, "asOf": second, "job": true, "dryRun": true})).await;
    let (kind, message) = refused(&queued).await;
    assert!(kind == ErrorKind::Conflict && message.contains("not complete yet"), "{message}");
    changefeed.jobs.cancel(RESTORE, &queued).await.expect("cancelled");
    let (kind, message) = refused(&queued).await;
    assert!(kind == ErrorKind::Invalid && message.contains("plan again"), "{message}");
    let undo = changefeed.restores.undo(&queued, &UndoRequest::default()).await.expect_err("a dry run");
    assert!(undo.kind() == ErrorKind::Invalid && undo.to_string().contains("dry run"), "{undo}");
    let restore = start_restore(&changefeed, json!({"all": true, "asOf": second, "job": true})).await;
    assert_eq!(finish(&changefeed, &restore).await, JobState::Done);
    let (kind, message) = refused(&restore).await;
    assert!(kind == ErrorKind::Invalid && message.contains("not a plan"), "{message}");
}

#[tokio::test]
async fn a_plan_whose_workers_are_interrupted_is_executed_completely() {
    for seed in 0..3 {
        let world = World::new().await;
        let changefeed = world.changefeed(|options| options.jobs = small_limits());
        let second = write_and_change(&world, &changefeed).await;
        let plan = stored_plan(&changefeed, json!({"all": true, "asOf": second})).await;
        let shown = restore_view(&changefeed, &plan).await.record;
        changefeed.restores.execute_plan(&plan).await.expect("started");
        let mut random = SmallRng::seed_from_u64(seed);
        let lifetime_ms = |slice: u32| 20..if slice % 8 == 7 { 4000 } else { 300 };
        let state = finish_under_faults(&world, &changefeed, &plan, &mut random, lifetime_ms).await;
        let done = restore_view(&changefeed, &plan).await.record;
        assert_eq!((state, done.counts), (JobState::Done, shown.counts), "seed {seed}: {}", json!(done));
        assert_eq!(item_summaries(&done.items), item_summaries(&shown.items));
        assert!(values(&world).await.iter().all(|(_, v)| *v == 1));
    }
}

#[tokio::test]
async fn a_plan_with_missing_pages_fails_and_says_so() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let second = write_and_change(&world, &changefeed).await;
    let plan = stored_plan(&changefeed, json!({"all": true, "asOf": second})).await;
    let pages = world.query("jobs", "SELECT c.id FROM c WHERE c.kind = 'restore-items'").await;
    let page = pages[0]["id"].as_str().expect("id").to_owned();
    world.container("jobs").await.delete_item(page.clone(), &page, None).await.expect("deleted");
    changefeed.restores.execute_plan(&plan).await.expect("started");
    assert_eq!(finish(&changefeed, &plan).await, JobState::Failed);
    let message = changefeed.jobs.job(&plan).await.expect("job").job.message.expect("a message");
    assert!(message.contains(&format!("of {COUNT} planned documents")), "{message}");
}

#[tokio::test]
async fn the_plan_of_an_undo_is_executed_and_becomes_the_undo() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let second = write_and_change(&world, &changefeed).await;
    let restore = start_restore(&changefeed, json!({"all": true, "asOf": second, "job": true})).await;
    assert_eq!(finish(&changefeed, &restore).await, JobState::Done);
    let dry_run = UndoRequest { dry_run: true, ..UndoRequest::default() };
    let mut plans = Vec::new();
    for _ in 0..2 {
        let plan = changefeed.restores.create_undo_job(&restore, &dry_run).await.expect("a plan").id;
        assert_eq!(finish(&changefeed, &plan).await, JobState::Planned);
        plans.push(plan);
    }
    let started = changefeed.restores.execute_plan(&plans[0]).await.expect("started");
    assert_eq!(started.id, plans[0]);
    let second_plan = changefeed.restores.execute_plan(&plans[1]).await.expect("the first undo");
    assert_eq!(second_plan.id, plans[0], "a restore is undone once");
    assert_eq!(finish(&changefeed, &plans[0]).await, JobState::Done);
    assert!(values(&world).await.iter().all(|(_, v)| *v == 2));
    assert_eq!(changefeed.restores.record(&restore).await.expect("record").undone_by, Some(plans[0].clone()));
    let again = changefeed.restores.create_undo_job(&restore, &UndoRequest::default()).await.expect("the undo");
    assert_eq!(again.id, plans[0]);
}

#[tokio::test]
async fn the_plan_of_a_backup_is_executed_unless_the_backup_has_changed() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let folder = tempfile::tempdir().expect("folder");
    write_and_change(&world, &changefeed).await;
    let backup = folder.path().join("backup");
    run_backup(&changefeed, json!({"to": backup})).await;
    for n in 0..COUNT {
        put(&world, n, 7).await;
    }
    let plan = stored_plan(&changefeed, json!({"from": backup})).await;
    put(&world, 1, 8).await;
    changefeed.restores.execute_plan(&plan).await.expect("started");
    assert_eq!(finish(&changefeed, &plan).await, JobState::Conflicts);
    let expected: Vec<(String, u64)> = (0..COUNT).map(|n| (id(n), if n == 1 { 8 } else { 2 })).collect();
    assert_eq!(values(&world).await, expected);

    // The later of two files counts, as without a plan.
    let files = folder.path().join("files");
    std::fs::create_dir(&files).expect("folder");
    let lines = |v: u32| {
        let line = |n: usize| json!({"id": id(n), "pk": key(n), "v": v}).to_string();
        (0..COUNT).map(line).collect::<Vec<_>>().join("\n")
    };
    for (name, v) in [("a.ndjson", 20), ("b.ndjson", 21), ("c.ndjson", 22)] {
        std::fs::write(files.join(name), lines(v)).expect("written");
    }
    let plan = stored_plan(&changefeed, json!({"from": files})).await;
    changefeed.restores.execute_plan(&plan).await.expect("started");
    assert_eq!(finish(&changefeed, &plan).await, JobState::Done);
    assert!(values(&world).await.iter().all(|(_, v)| *v == 22), "{:?}", values(&world).await);

    // A file that is replaced after the plan has other documents than those that were shown.
    let plan = stored_plan(&changefeed, json!({"from": files.join("a.ndjson")})).await;
    std::fs::write(files.join("a.ndjson"), lines(23)).expect("written");
    changefeed.restores.execute_plan(&plan).await.expect("started");
    assert_eq!(finish(&changefeed, &plan).await, JobState::Failed);
    assert!(values(&world).await.iter().all(|(_, v)| *v == 22), "nothing that was not shown is written");
}

#[tokio::test]
async fn a_plan_is_stored_shown_and_executed_over_http() {
    let world = World::new().await;
    let handler = world.handler();
    let changefeed = world.changefeed(|_| ());
    let second = write_and_change(&world, &changefeed).await;
    let request = json!({"all": true, "asOf": second, "dryRun": true, "job": true});
    let (status, accepted) = handler.post("/api/restores", &request).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{accepted}");
    let id = accepted["id"].as_str().expect("id").to_owned();
    let execute = format!("/api/restores/{id}/execute");
    let (status, answer) = handler.post(&execute, &json!({})).await;
    assert_eq!(status, StatusCode::CONFLICT, "{answer}");
    assert_eq!(finish(&changefeed, &id).await, JobState::Planned);
    let (_, shown) = handler.get(&format!("/api/restores/{id}")).await;
    assert_eq!((&shown["state"], &shown["counts"]["replace"]), (&json!("planned"), &json!(COUNT)));

    let (status, started) = handler.post(&execute, &json!({})).await;
    assert_eq!((status, &started["id"], &started["state"]), (StatusCode::ACCEPTED, &json!(id), &json!("queued")));
    assert_eq!(finish(&changefeed, &id).await, JobState::Done);
    let (status, done) = handler.post(&execute, &json!({})).await;
    assert_eq!((status, &done["id"], &done["state"]), (StatusCode::OK, &json!(id), &json!("done")), "{done}");
    assert_eq!(done["plannedCounts"], shown["counts"]);
    let (_, list) = handler.get("/api/restores").await;
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1), "{list}");
    let (status, answer) = handler.post("/api/restores/none/execute", &json!({})).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{answer}");
}

#[tokio::test]
async fn the_documents_of_a_restore_are_listed_by_what_it_does_with_them() {
    let world = World::new().await;
    let (handler, command_line) = (world.handler(), CommandLine::new(&world));
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let second = write_and_change(&world, &changefeed).await;
    // Three documents are as they were, on different pages of the job.
    for n in [2, 9, 20] {
        put(&world, n, 1).await;
    }
    let unchanged = ["item-002", "item-009", "item-020"];
    let plan = stored_plan(&changefeed, json!({"all": true, "asOf": second})).await;
    let request: changefeed_operations::RestoreRequest =
        serde_json::from_value(json!({"all": true, "asOf": second, "reason": "at once"})).expect("a request");
    let large = world.changefeed(|_| ());
    let Restored::Report(report) = large.restores.run(&request).await.expect("a restore") else { panic!("a job") };
    let recorded = report.id.expect("a record");
    for restore in [&plan, &recorded] {
        let list = async |query: &str| {
            let (mut ids, mut continuation, mut requests) = (Vec::new(), String::new(), 0);
            loop {
                let (status, page) = handler.get(&format!("/api/restores/{restore}/items?{query}{continuation}")).await;
                assert_eq!(status, StatusCode::OK, "{page}");
                requests += 1;
                for item in page["items"].as_array().expect("items") {
                    ids.push((item["id"].as_str().expect("id").to_owned(), item["action"].clone()));
                }
                match page["continuation"].as_str() {
                    Some(next) => continuation = format!("&continuation={next}"),
                    None => break,
                }
            }
            ids.sort_by(|(one, _), (other, _)| one.cmp(other));
            (ids, requests)
        };
        let (found, requests) = list("action=unchanged&maxItems=2").await;
        let expected = unchanged.map(|id| (id.to_owned(), json!("unchanged")));
        assert_eq!(found, expected, "{restore}");
        assert!(requests <= 4, "{requests} requests for three documents");
        let (all, _) = list("maxItems=7").await;
        assert_eq!(all.len(), COUNT);
        assert_eq!(list("action=unchanged&action=replace&maxItems=7").await.0, all);
        assert_eq!(list("action=conflict").await.0, []);
        let items = ["restore", "items", restore, "--action", "unchanged", "--output", "csv"];
        let (exit, printed) = command_line.text(&items).await;
        assert!(
            exit == 0 && unchanged.iter().all(|id| printed.contains(id)) && !printed.contains("item-003"),
            "{printed}"
        );
    }
    let (status, refused) = handler.get(&format!("/api/restores/{plan}/items?action=move")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{refused}");
    let (_, first) = handler.get(&format!("/api/restores/{plan}/items?action=replace&maxItems=1")).await;
    let continuation = first["continuation"].as_str().expect("more documents");
    for other in ["", "&action=unchanged"] {
        let path = format!("/api/restores/{plan}/items?continuation={continuation}{other}");
        let (status, refused) = handler.get(&path).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "a continuation of other documents: {refused}");
    }
}

#[tokio::test]
async fn a_command_executes_a_stored_plan() {
    let world = World::new().await;
    let command_line = CommandLine::new(&world);
    let changefeed = world.changefeed(|_| ());
    let second = write_and_change(&world, &changefeed).await.to_string();
    let (exit, printed) =
        command_line.text(&["restore", "run", "--all", "--as-of", &second, "--job", "--dry-run"]).await;
    let plan = world.query("jobs", "SELECT VALUE c.id FROM c WHERE c.kind = 'restore'").await;
    let plan = plan[0].as_str().expect("id").to_owned();
    assert!(exit == 0 && printed.contains(&format!("changefeed restore execute {plan}")), "{printed}");
    put(&world, 2, 3).await;
    let (exit, printed) = command_line.text(&["restore", "execute", &plan]).await;
    assert!(exit == 1 && printed.contains(&format!("Write {COUNT} documents?")), "{printed}");
    let time = chrono::DateTime::from_timestamp(second.parse().expect("a number"), 0).expect("a time");
    let target = format!("The plan restores the state as of {}", time.format("%F %T UTC"));
    assert!(printed.contains(&target), "{printed}");
    let who = ["--reason", "wrong release", "--requested-by", "Ada"];
    let (exit, printed) = command_line.text(&[&["restore", "execute", &plan, "--yes"], &who[..]].concat()).await;
    let expected = format!("Restore {plan}: {} replaced, 1 in conflict", COUNT - 1);
    assert!(exit == 3 && printed.contains(&expected), "{printed}");
    let (exit, again) = command_line.json(&["restore", "execute", &plan]).await;
    assert_eq!((exit, &again["id"], &again["state"]), (3, &json!(plan), &json!("conflicts")), "{again}");
    assert_eq!((&again["reason"], &again["requestedBy"]), (&json!("wrong release"), &json!("Ada")), "{again}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_command_executes_the_plan_that_was_confirmed() {
    let world = World::new().await;
    let command_line = CommandLine::new(&world);
    let changefeed = world.changefeed(|_| ());
    let second = write_and_change(&world, &changefeed).await.to_string();
    for options in [&["--job"][..], &[]] {
        let arguments = [&["restore", "run", "--all", "--as-of", &second], options].concat();
        let question = format!("Write {COUNT} documents?");
        let meanwhile = async {
            put(&world, 2, 3).await;
            world.container("events").await.delete_item(key(4), &id(4), None).await.expect("deleted");
        };
        let (exit, printed) = Box::pin(command_line.confirm(&arguments, &question, meanwhile)).await;
        assert!(exit == 3 && printed.contains(&format!("{} replaced, 2 in conflict", COUNT - 2)), "{printed}");
        assert_eq!(world.live(key(2), &id(2)).await.expect("live")["v"], 3, "not overwritten");
        assert_eq!(world.live(key(4), &id(4)).await, None, "not created again");
        for n in 0..COUNT {
            put(&world, n, 2).await;
        }
    }
    let restores = changefeed.restores.list(&changefeed_cosmos::PageRequest::default()).await.expect("list").items;
    assert_eq!(restores.len(), 2, "one record for each command");
}
