//! `changefeed process` while its containers are deleted and created again: it is not ready until they exist, and then
//! captures again.

use std::time::Duration;

use local_cosmos::{Effect, Fault, RequestKind};
use serde_json::json;

use crate::support::{CommandLine, DEADLINE, Instance, World, client, until};

async fn create(world: &World, container: &str) {
    match container {
        "events" => world.create("events", &["/pk"]).await,
        "changes" => world.create("changes", &["/pk", "/sourceId"]).await,
        "leases" => world.create("leases", &["/id"]).await,
        "jobs" => world.create("jobs", &["/id"]).await,
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_container_is_reported_until_it_exists_again_and_then_changes_are_captured() {
    let mut world = World::new().await;
    world.endpoint.refuse_unindexed_queries(false);
    create(&world, "leases").await;
    let command_line = CommandLine::new(&world);
    let connection_string = world.endpoint.connection_string();
    let instance = tokio::task::spawn_blocking(move || Instance::start(&connection_string, &["--health-port", "0"]));
    let instance = instance.await.expect("no panic").expect("started");
    world.put("a", json!({"id": "first", "pk": "a"})).await;
    until("the first version", DEADLINE, async || world.versions().await.len() == 1).await;
    assert_eq!(instance.health("/ready").await.0, 200);

    for container in ["leases", "events", "jobs", "changes"] {
        world.container(container).await.delete(None).await.expect("deleted");
        let is_reported = async || {
            let (status, text) = instance.health("/ready").await;
            status == 503 && text.starts_with("not capturing: ") && text.contains(container)
        };
        until(&format!("/ready reports {container}"), DEADLINE, is_reported).await;
        let (code, printed) = command_line.text(&["status"]).await;
        assert_eq!(code, 3, "{container}: {printed}");

        create(&world, container).await;
        // The old client has cached the container that was deleted.
        world.client = client(world.endpoint.url()).await;
        let id = format!("after-{container}");
        world.put("a", json!({"id": id, "pk": "a"})).await;
        until(&format!("the version of {id}"), DEADLINE, async || {
            let query = format!("SELECT * FROM c WHERE c.sourceId = '{id}'");
            world.query("changes", &query).await.len() == 1
        })
        .await;
        let is_ready = async || instance.health("/ready").await.0 == 200;
        until(&format!("/ready after {container}"), DEADLINE, is_ready).await;
        until(&format!("status after {container}"), DEADLINE, async || command_line.text(&["status"]).await.0 == 0)
            .await;
    }
    // The leases of the jobs were created again, too.
    let handler = world.handler();
    let (_, verification) = handler.post("/api/verify", &json!({})).await;
    let path = format!("/api/verify/{}", verification["id"].as_str().expect("id"));
    until("the job", Duration::from_secs(120), async || {
        let (_, record) = handler.get(&path).await;
        record["state"] != "queued" && record["state"] != "running"
    })
    .await;
    assert!(instance.logged().contains("container dev/events was deleted and created again"), "{}", instance.logged());
    assert!(instance.end("-TERM").await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_captured_container_without_leases_is_a_gap() {
    let world = World::new().await;
    create(&world, "leases").await;
    let command_line = CommandLine::new(&world);
    assert_eq!(command_line.text(&["status"]).await.0, 0, "nothing was captured yet");
    let connection_string = world.endpoint.connection_string();
    let instance = tokio::task::spawn_blocking(move || Instance::start(&connection_string, &[]));
    let instance = instance.await.expect("no panic").expect("started");
    world.put("a", json!({"id": "first", "pk": "a"})).await;
    until("the first version", DEADLINE, async || world.versions().await.len() == 1).await;
    assert!(instance.end("-TERM").await.success());
    world.container("leases").await.delete(None).await.expect("deleted");
    create(&world, "leases").await;
    let (code, printed) = command_line.text(&["status"]).await;
    assert!(code == 3 && printed.contains("GAP: no lease covers range -FF of capture"), "{code}: {printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queued_job_without_a_lease_of_the_jobs_is_a_gap() {
    let world = World::new().await;
    create(&world, "leases").await;
    let (command_line, handler) = (CommandLine::new(&world), world.handler());
    assert_eq!(command_line.text(&["status"]).await.0, 0, "no job was requested yet");
    let (_, verification) = handler.post("/api/verify", &json!({"graceSeconds": 0})).await;
    assert_eq!(verification["state"], "queued", "{verification}");
    let (code, printed) = command_line.text(&["status"]).await;
    let gap = "GAP: no lease covers range -FF of jobs, so queued jobs do not start. To create one: changefeed leases repair --jobs";
    assert!(code == 3 && printed.contains(gap), "{code}: {printed}");
    assert_eq!(handler.get("/api/status").await.1["leasesGap"], "-FF of jobs");

    assert_eq!(command_line.text(&["leases", "repair", "--jobs"]).await, (0, "created 4 leases\n".to_owned()));
    let (_, printed) = command_line.text(&["status"]).await;
    assert!(!printed.contains("GAP"), "{printed}");
    let connection_string = world.endpoint.connection_string();
    let instance = tokio::task::spawn_blocking(move || Instance::start(&connection_string, &[]));
    let instance = instance.await.expect("no panic").expect("started");
    let path = format!("/api/verify/{}", verification["id"].as_str().expect("id"));
    until("the job", DEADLINE, async || handler.get(&path).await.1["state"] == "done").await;
    assert!(instance.end("-TERM").await.success());
    // Without a job that waits, no lease is expected.
    world.container("leases").await.delete(None).await.expect("deleted");
    create(&world, "leases").await;
    assert_eq!(command_line.text(&["status"]).await.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_cannot_create_its_deleted_leases_is_not_ready_until_it_can() {
    let world = World::new().await;
    create(&world, "leases").await;
    let connection_string = world.endpoint.connection_string();
    let instance = tokio::task::spawn_blocking(move || Instance::start(&connection_string, &["--health-port", "0"]));
    let instance = instance.await.expect("no panic").expect("started");
    world.put("a", json!({"id": "before", "pk": "a"})).await;
    until("the first version", DEADLINE, async || world.versions().await.len() == 1).await;
    assert_eq!(instance.health("/ready").await.0, 200);

    let events = world.container("events").await.read(None).await.expect("read").into_model().expect("model");
    let rid = events.system_properties.resource_id.expect("rid");
    let leases = world.query("leases", "SELECT VALUE c.id FROM c WHERE IS_DEFINED(c.LeaseToken)").await;
    let of_capture = leases.iter().filter_map(|id| id.as_str()).filter(|id| id.contains(&*rid));
    let of_capture: Vec<String> = of_capture.map(str::to_owned).collect();
    let (prefix, _) = of_capture[0].rsplit_once("..").expect("a lease token");
    // Leases are created under this lock.
    let effect = Effect::Status { status: 403, substatus: 0 };
    let fault = Fault { container: Some("leases".to_owned()), kind: RequestKind::Write, times: 1_000_000, effect };
    world.endpoint.inject(fault.on_item(format!("{prefix}.lock")));
    for id in &of_capture {
        world.container("leases").await.delete_item(id.clone(), id, None).await.expect("deleted");
    }
    until("/ready names the leases", DEADLINE, async || {
        let (status, text) = instance.health("/ready").await;
        status == 503
            && text.starts_with("not capturing: the leases of capture cannot be used: ")
            && text.contains(".lock")
    })
    .await;
    world.put("a", json!({"id": "after", "pk": "a"})).await;

    world.endpoint.clear_faults();
    until("/ready is as before", DEADLINE, async || instance.health("/ready").await == (200, "ready\n".to_owned()))
        .await;
    until("the second version", DEADLINE, async || world.versions().await.len() == 2).await;
    assert!(instance.end("-TERM").await.success());
}
