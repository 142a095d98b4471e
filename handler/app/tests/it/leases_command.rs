//! `changefeed leases` on leases that were deleted or that other processors wrote.

use azure_data_cosmos::clients::ContainerClient;
use serde_json::{Value, json};

use crate::support::{CommandLine, Instance, World};

async fn world() -> World {
    let world = World::new().await;
    world.create("leases", &["/id"]).await;
    world
}

/// Starts an instance with these arguments and stops it: its leases remain.
async fn create_leases(world: &World, arguments: &[&str]) {
    let instance = Instance::start(&world.endpoint.connection_string(), arguments).expect("started");
    assert!(instance.end("-TERM").await.success());
}

/// The leases of the capture, by their tokens.
async fn leases(world: &World) -> Vec<Value> {
    let events = world.container("events").await.read(None).await.expect("read").into_model().expect("model");
    let rid = events.system_properties.resource_id.expect("rid");
    let mut leases = world.query("leases", "SELECT * FROM c WHERE IS_DEFINED(c.LeaseToken)").await;
    leases.retain(|lease| lease["id"].as_str().expect("id").contains(&*rid));
    leases.sort_by(|left, right| left["LeaseToken"].as_str().cmp(&right["LeaseToken"].as_str()));
    leases
}

async fn delete(container: &ContainerClient, lease: &Value) {
    let id = lease["id"].as_str().expect("id");
    container.delete_item(id.to_owned(), id, None).await.expect("delete");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_in_all_versions_mode_starts_from_now_and_reports_it() {
    let world = world().await;
    let command_line = CommandLine::new(&world);
    create_leases(&world, &["--mode", "AllVersionsAndDeletes"]).await;
    let container = world.container("leases").await;
    let documents = async || world.query("leases", "SELECT * FROM c").await.len();
    delete(&container, &leases(&world).await[0]).await;
    let before = documents().await;
    for start in ["beginning", "-1h"] {
        let (code, printed) = command_line.text(&["leases", "repair", "--from", start]).await;
        assert!(code == 2 && printed.contains("always starts from now"), "{code}: {printed}");
    }
    assert_eq!(documents().await, before, "a refused repair changes nothing");
    let (code, printed) = command_line.text(&["leases", "repair"]).await;
    assert!(code == 0 && printed.starts_with("created 1 leases\n") && printed.contains("start from now"), "{printed}");
    let repaired = leases(&world).await;
    assert!(repaired.iter().all(|lease| lease["ContinuationToken"].is_string()), "{repaired:?}");
    assert_eq!(command_line.text(&["leases", "repair"]).await, (0, "created 0 leases\n".to_owned()));

    // Without any lease, the mode is that of the settings.
    for lease in leases(&world).await {
        delete(&container, &lease).await;
    }
    let settings = tempfile::NamedTempFile::new().expect("file");
    let values = json!({"IsEncrypted": false, "Values": {"CHANGEFEED_MODE": "AllVersionsAndDeletes"}});
    std::fs::write(settings.path(), values.to_string()).expect("written");
    let path = settings.path().to_str().expect("a path");
    let (code, printed) = command_line.text(&["leases", "repair", "--settings", path]).await;
    assert!(code == 0 && printed.starts_with("created 4 leases\n"), "{printed}");
    let created = leases(&world).await;
    assert!(created.iter().all(|lease| lease["Mode"] == "Full-Fidelity Feed"), "{created:?}");
}
