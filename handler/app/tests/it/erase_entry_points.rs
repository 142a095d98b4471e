//! Erasures over HTTP and on the command line.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::raw_items::assert_nowhere;
use crate::support::{CommandLine, DEADLINE, Handler, World, batch_of, until};

const ANN: &str = "ann-7";
const TIMEOUT: (&str, &str) = ("CHANGEFEED_BATCH_TIMEOUT_SECONDS", "4");

/// A world with captured versions of two documents, and a handler and a command line on it.
async fn captured() -> (World, Handler, CommandLine) {
    let world = World::new().await;
    let handler = Handler::start(&[("CosmosDB", &world.endpoint.connection_string()), TIMEOUT]);
    let mut documents = Vec::new();
    for id in [ANN, "bob", ANN] {
        documents.push(world.put("a", json!({"id": id, "pk": "a", "text": format!("text of {id}")})).await);
    }
    handler.invoke_until_accepted(&batch_of(&documents)).await;
    assert_eq!(world.versions().await.len(), 3);
    let command_line = CommandLine::new(&world).with(TIMEOUT.0, TIMEOUT.1);
    (world, handler, command_line)
}

async fn ended(handler: &Handler, id: &str) -> Value {
    let path = format!("/api/erasures/{id}");
    // The change feed of the jobs container starts the slices in an app.
    until("the erasure has ended", DEADLINE, async || {
        let job = json!([{"id": id, "state": "queued", "job": {}}]).to_string();
        handler.invoke_function("RunJobs", &job, false).await;
        handler.get(&path).await.1["finishedAt"].is_string()
    })
    .await;
    handler.get(&path).await.1
}

#[tokio::test]
async fn a_document_is_erased_over_http_and_the_receipt_does_not_name_it() {
    let (world, handler, _) = captured().await;
    let (status, answer) = handler.post("/api/erasures", &json!({"id": ANN, "pk": "a"})).await;
    let message = answer["error"]["message"].as_str().unwrap_or_default();
    assert!(status == StatusCode::BAD_REQUEST && message.contains("repeat the number of documents: 1"), "{answer}");
    let (status, answer) =
        handler.post("/api/erasures", &json!({"id": ANN, "partitionKey": ["a", 1], "confirm": 1})).await;
    assert!(status == StatusCode::BAD_REQUEST && answer.to_string().contains("2 components"), "{answer}");

    let (status, dry) = handler.post("/api/erasures", &json!({"id": ANN, "pk": "a", "dryRun": true})).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{dry}");
    let dry = ended(&handler, dry["id"].as_str().expect("id")).await;
    assert_eq!(
        (&dry["state"], &dry["counts"]["versions"], &dry["counts"]["live"]),
        (&json!("planned"), &json!(2), &json!(1))
    );
    assert_eq!(world.versions().await.len(), 3);

    let body = json!({"documents": [{"id": ANN, "pk": "a"}], "confirm": 1, "reason": "asked by the customer"});
    let (status, job) = handler.post("/api/erasures", &body).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{job}");
    let id = job["id"].as_str().expect("id");
    let (status, answer) = handler.post("/api/erasures/lift", &json!({"id": ANN, "pk": "a", "confirm": 1})).await;
    assert!(status == StatusCode::CONFLICT && answer.to_string().contains("has not ended"), "{answer}");
    let receipt = ended(&handler, id).await;
    assert_eq!((&receipt["state"], &receipt["counts"]["versions"]), (&json!("done"), &json!(2)), "{receipt}");
    assert_eq!(receipt["erased"].as_array().map(Vec::len), Some(1));
    assert!(receipt["service"]["untilWithThirtyDays"].is_string() && receipt["backups"].is_null(), "{receipt}");
    assert!(!receipt.to_string().contains(ANN));
    assert_nowhere(&world, &[ANN]).await;

    // Its history is that of a document that never existed.
    for path in ["/api/history/versions", "/api/history/document", "/api/history/versions/none"] {
        let of = async |id: &str| handler.get(&format!("{path}?id={id}&pk=a")).await;
        let (erased, unknown) = (of(ANN).await, of("stranger").await);
        let renamed = unknown.1.to_string().replace("stranger", ANN);
        assert_eq!((erased.0, erased.1.to_string()), (unknown.0, renamed), "{path}");
    }
    let (_, listed) = handler.get("/api/erasures").await;
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(2), "{listed}");
    let (status, answer) = handler.get("/api/erasures/none").await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{answer}");
    let (status, lifted) = handler.post("/api/erasures/lift", &json!({"id": ANN, "pk": "a", "confirm": 1})).await;
    assert_eq!((status, &lifted["lifted"]), (StatusCode::OK, &json!(1)), "{lifted}");
}

#[tokio::test]
async fn documents_of_a_list_are_erased_on_the_command_line() {
    let (world, _handler, command_line) = captured().await;
    let folder = tempfile::tempdir().expect("folder");
    let list = folder.path().join("documents.jsonl");
    std::fs::write(&list, "{\"id\": \"ann-7\", \"pk\": \"a\"}\n\n{\"id\": \"bob\", \"partitionKey\": [\"a\"]}\n")
        .expect("list");
    let list = list.to_str().expect("a path");
    let backup = folder.path().join("backup");
    let backup = backup.to_str().expect("a path");
    let (code, printed) = command_line.text(&["backup", "create", "--to", backup]).await;
    assert_eq!(code, 0, "{printed}");

    let (code, printed) = command_line.text(&["erase"]).await;
    assert!(code == 2 && printed.contains("give --id with --pk or --partition-key, or --list"), "{code} {printed}");
    let (code, printed) = command_line.text(&["erase", "--list", list]).await;
    assert!(
        code == 1 && printed.contains("Type 2 to confirm: Not a terminal; pass --yes to confirm"),
        "{code} {printed}"
    );
    let (code, counted) = command_line.json(&["erase", "--list", list, "--dry-run"]).await;
    assert_eq!((code, &counted["state"], &counted["counts"]["versions"]), (0, &json!("planned"), &json!(3)));
    let (code, printed) = command_line.text(&["erase", "--list", list, "--yes", "--reason", "asked"]).await;
    assert_eq!(code, 0, "{printed}");
    for part in [
        "erased ann-7 [\"a\"]",
        "erased bob [\"a\"]",
        "2 live documents, 3 versions",
        "may hold them: kept until it is deleted",
        "(30 days)",
    ] {
        assert!(printed.contains(part), "{part:?} is not in {printed}");
    }
    assert_nowhere(&world, &[ANN, "bob"]).await;
    let (code, listed) = command_line.text(&["erase", "list"]).await;
    assert!(code == 0 && listed.contains("done") && listed.contains("dry run"), "{listed}");

    // The backup has both, and neither is restored until the erasure is lifted.
    let (code, printed) = command_line.text(&["backup", "restore", backup, "--yes"]).await;
    assert_eq!(code, 3, "{printed}");
    assert_eq!((world.live("a", ANN).await, world.live("a", "bob").await), (None, None), "{printed}");
    assert_nowhere(&world, &[ANN, "bob"]).await;
    let (code, printed) = command_line.text(&["erase", "--id", ANN, "--pk", "a", "--lift", "--yes"]).await;
    assert!(code == 0 && printed.contains("lifted the erasure of 1 documents"), "{printed}");
    let (code, printed) = command_line.text(&["backup", "restore", backup, "--yes"]).await;
    assert_eq!(code, 3, "{printed}");
    assert!(world.live("a", ANN).await.is_some() && world.live("a", "bob").await.is_none(), "{printed}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn nothing_is_erased_before_the_id_or_the_number_of_documents_is_typed() {
    let (world, _handler, command_line) = captured().await;
    let folder = tempfile::tempdir().expect("folder");
    let list = folder.path().join("documents.jsonl");
    std::fs::write(&list, "{\"id\": \"ann-7\", \"pk\": \"a\"}\n{\"id\": \"bob\", \"pk\": \"a\"}\n").expect("list");
    let list = list.to_str().expect("a path");
    let state = async || {
        let erasures = world.query("jobs", "SELECT * FROM c WHERE c.kind = 'erase' AND c.state != 'planned'").await;
        (world.versions().await, world.live("a", ANN).await, world.live("a", "bob").await, erasures)
    };
    let before = state().await;
    assert_eq!((before.0.len(), before.3.len()), (3, 0));
    let (one, several) = (["erase", "--id", ANN, "--pk", "a"], ["erase", "--list", list]);
    for (arguments, question, wrong) in [
        (&one[..], "Type ann-7 to confirm:", ["", "y", "yes", "ANN-7", "ann-7 ann-7", "1"]),
        (&several[..], "Type 2 to confirm:", ["", "y", "yes", "1", "22", ANN]),
    ] {
        for text in wrong {
            let (code, printed) = Box::pin(command_line.answer(arguments, question, text, async {})).await;
            assert!(code == 4 && printed.contains("nothing was erased"), "{text:?}: {code} {printed}");
            assert_eq!(state().await, before, "{text:?}");
        }
    }
    let (code, printed) = Box::pin(command_line.answer(&one, "Type ann-7 to confirm:", ANN, async {})).await;
    assert!(code == 0 && printed.contains("erased ann-7"), "{code} {printed}");
    assert!(printed.contains("1 live documents, 2 versions"), "the question says what is erased: {printed}");
    assert_nowhere(&world, &[ANN]).await;
    let (versions, _, bob, _) = state().await;
    assert_eq!((versions.len(), &bob), (1, &before.2), "the other document stays");

    let lift = ["erase", "--id", ANN, "--pk", "a", "--lift"];
    let (code, printed) = Box::pin(command_line.answer(&lift, "[y/N]", ANN, async {})).await;
    assert!(code == 4 && printed.contains("nothing was lifted"), "{code} {printed}");
    let (code, printed) = Box::pin(command_line.confirm(&lift, "[y/N]", async {})).await;
    assert!(code == 0 && printed.contains("lifted the erasure of 1 documents"), "{code} {printed}");
    let (code, printed) = Box::pin(command_line.answer(&several, "Type 2 to confirm:", "2", async {})).await;
    assert!(code == 0 && printed.contains("erased bob"), "{code} {printed}");
    assert_nowhere(&world, &[ANN, "bob"]).await;
}
