//! Who wrote a version: what its document claims is stored, indexed and shown.

use serde_json::json;

use crate::support::backups::delete_event;
use crate::support::jobs::capture;
use crate::support::{CommandLine, Handler, World, batch_of};

#[tokio::test]
async fn a_version_has_the_actor_that_its_document_claims_and_a_delete_has_none() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| {});
    let first = world.put("a", json!({"id": "1", "pk": "a", "updatedBy": "import"})).await;
    let second = world.put("a", json!({"id": "1", "pk": "a", "updatedBy": ["not", "a", "name"]})).await;
    capture(&changefeed, &[first, second, delete_event("a", "1", 9_000)]).await;
    let versions = world.query("changes", "SELECT c.operation, c.actor FROM c ORDER BY c.lsn").await;
    assert_eq!(versions[0], json!({"operation": "write", "actor": "import"}));
    assert_eq!(versions[1..], [json!({"operation": "write"}), json!({"operation": "delete"})]);

    // World has containers with the index policy of production, and refuses queries that no index answers.
    let found = world.query("changes", "SELECT VALUE c.sourceId FROM c WHERE c.actor = 'import'").await;
    assert_eq!(found, [json!("1")]);
}

#[tokio::test]
async fn the_handler_reads_the_setting_and_shows_the_actor() {
    let world = World::new().await;
    let connection = world.endpoint.connection_string();
    let handler = Handler::start(&[("CosmosDB", &connection), ("CHANGEFEED_ACTOR_FIELDS", "by, meta.user.name")]);
    let stored = world.put("a", json!({"id": "1", "pk": "a", "name": "x", "meta": {"user": {"name": "ann"}}})).await;
    handler.invoke_until_accepted(&batch_of(&[stored])).await;
    let (_, page) = handler.get("/api/history/versions?id=1&pk=a").await;
    assert_eq!(page["items"][0]["actor"], "ann", "{page}");
    let (_, shown) = CommandLine::new(&world).json(&["history", "versions", "--id", "1", "--pk", "a"]).await;
    assert_eq!(shown["items"][0]["actor"], "ann", "{shown}");
    let (_, table) = CommandLine::new(&world).text(&["history", "versions", "--id", "1", "--pk", "a"]).await;
    assert!(table.contains("write by ann"), "{table}");
    let (_, found) = handler.get("/api/history/search?filter=name%3Dx").await;
    assert_eq!((&found["items"][0]["actor"], &found["items"][1]["actor"]), (&json!("ann"), &json!("ann")), "{found}");
}

#[tokio::test]
async fn a_record_names_the_authenticated_user_or_the_user_of_the_machine_unless_the_request_names_someone() {
    let world = World::new().await;
    let handler = world.handler();
    world.put("a", json!({"id": "1", "pk": "a"})).await;
    let requester = async |request: serde_json::Value| {
        let post = reqwest::Client::builder().no_proxy().build().expect("a client");
        let answer = post
            .post(format!("{}/api/verify", handler.url()))
            .header("x-ms-client-principal-name", "ann@example.com")
            .body(request.to_string());
        let answer: serde_json::Value = answer.send().await.expect("an answer").json().await.expect("json");
        answer["requestedBy"].clone()
    };
    assert_eq!(requester(json!({"graceSeconds": 0})).await, "ann@example.com");
    assert_eq!(requester(json!({"graceSeconds": 0, "requestedBy": "operations"})).await, "operations");

    let command_line = CommandLine::new(&world);
    let run = ["restore", "run", "--all", "--as-of", "-1s", "--job", "--dry-run"];
    let (_, record) = command_line.json(&run).await;
    let named = record["requestedBy"].as_str().expect("a name").to_owned();
    assert!(named.starts_with("tester@") && named.len() > "tester@".len(), "{named}");
    let (_, record) = command_line.json(&[&run[..], &["--requested-by", "ann"]].concat()).await;
    assert_eq!(record["requestedBy"], "ann");
}
