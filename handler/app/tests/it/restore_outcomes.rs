//! What a restore answers when it did not write what was asked for, and why.

use azure_data_cosmos::models::{ContainerProperties, PartitionKeyDefinition, TimeToLive, UniqueKey, UniqueKeyPolicy};
use changefeed_jobs::JobState;
use changefeed_operations::Restored;
use local_cosmos::{Effect, Fault, RequestKind};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::jobs::{
    capture, capture_as_one_state, finish, restore_request, restore_view, small_limits, start_restore,
};
use crate::support::{CommandLine, DEADLINE, Handler, World, batch_of, until};

/// The size of a document that the service accepts, and does not accept with a stamp. Its limit is 2 MB of the request.
const MAX_DOCUMENT: usize = 2 * 1024 * 1024 - 16;

/// Writes a document and captures it. Returns the stored document.
async fn put(world: &World, handler: &Handler, document: Value) -> Value {
    let stored = world.put(document["pk"].as_str().expect("pk").to_owned(), document).await;
    handler.invoke(&batch_of(std::slice::from_ref(&stored)), false).await;
    stored
}

async fn post(handler: &Handler, request: &Value) -> Value {
    let (status, report) = handler.post("/api/restores", request).await;
    assert_eq!(status, StatusCode::OK, "{report}");
    report
}

fn message(report: &Value) -> &str {
    report["items"][0]["message"].as_str().unwrap_or_else(|| panic!("{report}"))
}

#[tokio::test]
async fn a_restore_of_unknown_documents_says_so_in_its_state_its_exit_code_and_its_summary() {
    let world = World::new().await;
    let handler = world.handler();
    let stored = put(&world, &handler, json!({"id": "1", "pk": "a"})).await;
    let early = stored["_ts"].as_i64().expect("_ts") - 100;
    let report = post(&handler, &json!({"all": true, "asOf": early})).await;
    assert_eq!((&report["state"], &report["counts"]["unknown"]), (&json!("unknowns"), &json!(1)), "{report}");
    let (_, record) = handler.get(&format!("/api/restores/{}", report["id"].as_str().expect("id"))).await;
    assert_eq!(record["state"], "unknowns");

    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let job = start_restore(&changefeed, json!({"all": true, "asOf": early, "job": true})).await;
    assert_eq!(finish(&changefeed, &job).await, JobState::Unknowns);

    let command_line = CommandLine::new(&world);
    let early = early.to_string();
    for options in [&["--yes"][..], &["--dry-run"], &["--job", "--yes"], &["--job", "--dry-run"]] {
        let (exit, printed) =
            command_line.text(&[&["restore", "run", "--all", "--as-of", &early], options].concat()).await;
        assert!(exit == 3 && printed.contains("1 unknown"), "{options:?}: {exit} {printed}");
    }
    let (exit, shown) = command_line.text(&["restore", "show", &job, "--follow"]).await;
    assert!(exit == 3 && shown.contains("unknowns"), "{exit} {shown}");
    let restores = world.query("jobs", "SELECT * FROM c WHERE c.kind = 'restore'").await;
    let plan = restores.iter().find(|restore| restore["state"] == "planned").expect("a plan");
    let (exit, shown) = command_line.text(&["restore", "show", plan["id"].as_str().expect("id"), "--follow"]).await;
    assert!(exit == 3 && shown.contains("1 unknown"), "{exit} {shown}");
}

#[tokio::test]
async fn a_conflict_or_a_failure_outweighs_an_unknown_state() {
    let world = World::new().await;
    let handler = world.handler();
    world.create("copies", &["/pk"]).await;
    let stored = put(&world, &handler, json!({"id": "1", "pk": "a"})).await;
    let other = json!({"id": "1", "pk": "a", "n": 5});
    world.container("copies").await.create_item("a", "1", other, None).await.expect("a copy");
    let documents = json!([{"id": "1", "partitionKey": ["a"]}, {"id": "none", "partitionKey": ["a"]}]);
    let report = post(&handler, &json!({"documents": documents, "asOf": stored["_ts"], "into": "copies"})).await;
    assert_eq!(report["state"], "conflicts", "{report}");
    assert_eq!((&report["counts"]["conflict"], &report["counts"]["unknown"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn a_document_that_cannot_be_written_is_visible_in_the_state_the_exit_code_and_the_summary() {
    let world = World::new().await;
    let handler = world.handler();
    let mut second = 0;
    for id in ["1", "2"] {
        let stored = put(&world, &handler, json!({"id": id, "pk": "a", "n": 1})).await;
        second = stored["_ts"].as_i64().expect("_ts");
    }
    until("the next second", DEADLINE, async || chrono::Utc::now().timestamp() > second).await;
    for id in ["1", "2"] {
        put(&world, &handler, json!({"id": id, "pk": "a", "n": 2})).await;
    }
    let refuse = Fault {
        container: Some("events".into()),
        kind: RequestKind::Write,
        times: 1_000_000,
        effect: Effect::Status { status: 403, substatus: 0 },
    };
    world.endpoint.inject(refuse.on_item("2"));
    let command_line = CommandLine::new(&world);
    let second = second.to_string();
    let (exit, printed) = command_line.text(&["restore", "run", "--all", "--as-of", &second, "--yes"]).await;
    assert!(exit == 1 && printed.contains("1 replaced") && printed.contains("1 failed"), "{exit}: {printed}");
    let restores = world.query("jobs", "SELECT * FROM c WHERE c.kind = 'restore'").await;
    assert_eq!((&restores[0]["state"], &restores[0]["counts"]["failed"]), (&json!("failed"), &json!(1)));
    let (_, record) = handler.get(&format!("/api/restores/{}", restores[0]["id"].as_str().expect("an id"))).await;
    assert_eq!(record["state"], "failed", "{record}");
    assert_eq!(world.live("a", "1").await.expect("restored")["n"], 1);
}

#[tokio::test]
async fn a_name_that_matches_nothing_is_reported_with_similar_names() {
    let world = World::new().await;
    let handler = world.handler();
    put(&world, &handler, json!({"id": "1", "pk": "a"})).await;
    put(&world, &handler, json!({"id": "1", "pk": "b"})).await;
    world.container("events").await.delete_item("b", "1", None).await.expect("deleted");
    let report = post(&handler, &json!({"id": "1", "partitionKey": ["c"], "asOf": "-0s"})).await;
    assert_eq!(report["state"], "unknowns", "{report}");
    let expected = "no document or version has this id and partition key; the same id exists with partition key [\"a\"] \
                    and [\"b\"]";
    assert_eq!(message(&report), expected);
    let report = post(&handler, &json!({"id": "one", "partitionKey": ["a"], "asOf": "-0s"})).await;
    assert!(message(&report).contains("check the spelling"), "{report}");
    put(&world, &handler, json!({"id": "order-A7", "pk": "a"})).await;
    put(&world, &handler, json!({"id": "ORDER-A8", "pk": "a"})).await;
    for (id, found) in [(" order-A7", "order-A7"), ("order-A8", "ORDER-A8")] {
        let report = post(&handler, &json!({"id": id, "partitionKey": ["a"], "asOf": "-0s"})).await;
        let expected = format!("the id \"{found}\" exists with partition key [\"a\"]");
        assert!(message(&report).ends_with(&expected), "{report}");
    }

    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let names: Vec<Value> = (0..30).map(|n| json!({"id": format!("none-{n}"), "partitionKey": ["a"]})).collect();
    let job = start_restore(&changefeed, json!({"documents": names, "asOf": "-0s", "job": true})).await;
    assert_eq!(finish(&changefeed, &job).await, JobState::Unknowns);
    let items = restore_view(&changefeed, &job).await.record.items;
    assert!(items.iter().all(|item| item.message.as_ref().is_some_and(|text| text.starts_with("no document"))));
}

#[tokio::test]
async fn a_selection_that_matches_nothing_says_so() {
    let world = World::new().await;
    let handler = world.handler();
    put(&world, &handler, json!({"id": "1", "pk": "a"})).await;
    let report = post(&handler, &json!({"partitionKey": ["A"], "asOf": "-0s"})).await;
    let expected = "no document or version matches; check the spelling and the partition key";
    assert_eq!(report["message"], expected, "{report}");
    let dry = post(&handler, &json!({"filter": ["city_name=Davidsn"], "asOf": "-0s", "dryRun": true})).await;
    assert_eq!(dry["message"], expected, "{dry}");
    let some = post(&handler, &json!({"partitionKey": ["a"], "asOf": "-0s"})).await;
    assert_eq!(some.get("message"), None, "{some}");
    let command_line = CommandLine::new(&world);
    for options in [&["--yes"][..], &["--dry-run"], &["--job", "--yes"], &["--job", "--dry-run"]] {
        let (exit, printed) =
            command_line.text(&[&["restore", "run", "--pk", "A", "--as-of", "-0s"], options].concat()).await;
        assert!(exit == 3 && printed.contains(expected), "{options:?}: {exit} {printed}");
    }
    let mut restores = world.query("jobs", "SELECT * FROM c WHERE c.kind = 'restore'").await;
    restores.retain(|restore| restore["counts"]["unchanged"] == 0);
    assert_eq!(restores.len(), 3, "one of a request, a job, and a plan that is a job");
    for restore in restores {
        let id = restore["id"].as_str().expect("id");
        let (exit, shown) = command_line.text(&["restore", "show", id, "--follow"]).await;
        assert!(exit == 3 && shown.contains(expected), "{exit} {shown}");
    }
}

#[tokio::test]
async fn a_unique_key_that_refuses_a_document_is_named() {
    let world = World::new().await;
    let handler = world.handler();
    let unique = UniqueKeyPolicy::default()
        .with_unique_key(UniqueKey::default().with_path("/email"))
        .with_unique_key(UniqueKey::default().with_path("/first").with_path("/last"));
    let properties = ContainerProperties::new("copies", PartitionKeyDefinition::new(vec!["/pk".into()]))
        .with_default_ttl(TimeToLive::NoDefault)
        .with_unique_key_policy(unique);
    world.client.sdk().database_client("dev").create_container(properties, None).await.expect("container");
    let copies = world.container("copies").await;
    let copy = json!({"id": "2", "pk": "a", "email": "x@example.com", "first": "Ada", "last": null});
    copies.create_item("a", "2", copy, None).await.expect("a copy");
    let one = put(&world, &handler, json!({"id": "1", "pk": "a", "email": "x@example.com"})).await;
    let three = put(&world, &handler, json!({"id": "3", "pk": "a", "email": "y@example.com", "first": "Ada"})).await;
    let replaced = json!({"id": "3", "pk": "a", "email": "z@example.com", "first": "Bo"});
    copies.create_item("a", "3", replaced, None).await.expect("a copy");
    for (stored, expected) in [
        (&one, r#"unique key /email: document "2" of the same partition key has the same value, "x@example.com""#),
        (&three, r#"unique key /first, /last: document "2" of the same partition key has the same value, "Ada", null"#),
    ] {
        let request =
            json!({"id": stored["id"], "partitionKey": ["a"], "asOf": "-0s", "into": "copies", "force": true});
        let report = post(&handler, &request).await;
        assert_eq!((&report["state"], &report["items"][0]["action"]), (&json!("conflicts"), &json!("conflict")));
        assert!(message(&report).starts_with(expected), "{report}");
    }
}

/// A world whose documents have a unique `email` within their partition key.
pub async fn world_with_unique_emails() -> World {
    let world = World::new().await;
    let database = world.client.sdk().database_client("dev");
    world.container("events").await.delete(None).await.expect("deleted");
    let unique = UniqueKeyPolicy::default().with_unique_key(UniqueKey::default().with_path("/email"));
    let properties = ContainerProperties::new("events", PartitionKeyDefinition::new(vec!["/pk".into()]))
        .with_default_ttl(TimeToLive::NoDefault)
        .with_unique_key_policy(unique);
    database.create_container(properties, None).await.expect("container");
    world
}

/// The name of the document of a number, with that partition key.
fn name(n: usize) -> Value {
    json!({"id": format!("{n:03}"), "partitionKey": ["a"]})
}

/// Writes the documents of these numbers, each with an email and a text. Returns the stored ones.
pub async fn write_all(world: &World, documents: &[(usize, &str, &str)]) -> Vec<Value> {
    let events = world.container("events").await;
    for (n, ..) in documents {
        match events.delete_item("a", &format!("{n:03}"), None).await {
            Err(error) if !error.status().is_not_found() => panic!("{error}"),
            _ => {}
        }
    }
    let mut stored = Vec::new();
    for (n, email, text) in documents {
        let document = json!({"id": format!("{n:03}"), "pk": "a", "email": email, "text": text});
        stored.push(world.put("a", document).await);
    }
    stored
}

/// Writes documents, each with the email of the number that `owner` says. Returns the stored ones.
pub async fn write_emails(world: &World, count: usize, owner: impl Fn(usize) -> usize) -> Vec<Value> {
    let emails: Vec<String> = (0..count).map(|n| format!("{}@example.com", owner(n))).collect();
    let documents: Vec<_> = emails.iter().enumerate().map(|(n, email)| (n, email.as_str(), "")).collect();
    write_all(world, &documents).await
}

/// Writes documents whose emails are rotated by `offset`. Returns the stored ones.
pub async fn write_rotated(world: &World, count: usize, offset: usize) -> Vec<Value> {
    write_emails(world, count, |n| (n + offset) % count).await
}

pub async fn emails(world: &World, count: usize) -> Vec<String> {
    let mut emails = Vec::new();
    for n in 0..count {
        let live = world.live("a", &format!("{n:03}")).await.expect("live");
        emails.push(live["email"].as_str().expect("email").to_owned());
    }
    emails
}

#[tokio::test]
async fn documents_that_exchanged_values_of_a_unique_key_are_restored_and_undone_in_one_transaction() {
    let world = world_with_unique_emails().await;
    let handler = world.handler();
    let changefeed = world.changefeed(|_| ());
    let stored = write_rotated(&world, 5, 0).await;
    capture(&changefeed, &stored).await;
    let good = emails(&world, 5).await;
    let second = stored[4]["_ts"].as_i64().expect("_ts");
    until("the next second", DEADLINE, async || chrono::Utc::now().timestamp() > second).await;
    write_rotated(&world, 5, 1).await;
    let bad = emails(&world, 5).await;
    let report = post(&handler, &json!({"all": true, "asOf": second})).await;
    assert_eq!((&report["state"], &report["counts"]["replace"]), (&json!("done"), &json!(5)), "{report}");
    assert_eq!(emails(&world, 5).await, good);
    for item in report["items"].as_array().expect("items") {
        let live = world.live("a", item["id"].as_str().expect("id")).await.expect("live");
        assert_eq!((&item["restoredEtag"], &live["restore_id"]), (&live["_etag"], &report["id"]), "{report}");
    }
    let undo = format!("/api/restores/{}/undo", report["id"].as_str().expect("id"));
    let (_, undone) = handler.post(&undo, &json!({})).await;
    assert_eq!(undone["state"], "done", "{undone}");
    assert_eq!(emails(&world, 5).await, bad);

    let job = start_restore(&changefeed, json!({"all": true, "asOf": second, "job": true})).await;
    assert_eq!(finish(&changefeed, &job).await, JobState::Done, "{:?}", changefeed.restores.show(&job).await);
    assert_eq!(emails(&world, 5).await, good);
}

#[tokio::test]
async fn an_exchange_that_is_too_large_for_a_transaction_is_a_conflict_that_names_the_key() {
    const MANY: usize = 101;
    let world = world_with_unique_emails().await;
    let handler = world.handler();
    let stored = write_rotated(&world, MANY, 0).await;
    capture(&world.changefeed(|_| ()), &stored).await;
    let second = stored[MANY - 1]["_ts"].as_i64().expect("_ts");
    until("the next second", DEADLINE, async || chrono::Utc::now().timestamp() > second).await;
    write_rotated(&world, MANY, 1).await;
    let bad = emails(&world, MANY).await;
    let report = post(&handler, &json!({"all": true, "asOf": second})).await;
    assert_eq!((&report["state"], &report["counts"]["conflict"]), (&json!("conflicts"), &json!(MANY)));
    let message = message(&report);
    assert!(
        message.starts_with("unique key /email: document ") && message.contains("need 102 operations"),
        "{message}"
    );
    assert!(!message.contains("first"), "{message}");
    assert_eq!(emails(&world, MANY).await, bad);
}

#[tokio::test]
async fn documents_that_do_not_exchange_values_with_each_other_are_written_independently() {
    let world = world_with_unique_emails().await;
    let handler = world.handler();
    let changefeed = world.changefeed(|_| ());
    let second = capture_as_one_state(&changefeed, &write_emails(&world, 3, |n| n).await).await;
    write_all(&world, &[(0, "1@example.com", ""), (1, "0@example.com", ""), (2, "9@example.com", "")]).await;
    world.put("a", json!({"id": "other", "pk": "a", "email": "2@example.com"})).await;
    let report = post(&handler, &json!({"documents": [name(0), name(1), name(2)], "asOf": second})).await;
    assert_eq!((&report["state"], &report["counts"]["replace"]), (&json!("conflicts"), &json!(2)), "{report}");
    assert_eq!(emails(&world, 3).await, ["0@example.com", "1@example.com", "9@example.com"]);
    let expected = "unique key /email: document \"other\" of the same partition key has the same value, \"2@example.com\"; \
                    change or restore that document first";
    assert_eq!(report["items"][2]["message"], expected, "{report}");
}

#[tokio::test]
async fn many_pairs_that_exchanged_values_are_restored() {
    const MANY: usize = 68;
    let world = world_with_unique_emails().await;
    let handler = world.handler();
    let changefeed = world.changefeed(|_| ());
    let second = capture_as_one_state(&changefeed, &write_emails(&world, MANY, |n| n).await).await;
    let good = emails(&world, MANY).await;
    write_emails(&world, MANY, |n| n ^ 1).await;
    let report = post(&handler, &json!({"all": true, "asOf": second})).await;
    assert_eq!((&report["state"], &report["counts"]["replace"]), (&json!("done"), &json!(MANY)), "{report}");
    assert_eq!(emails(&world, MANY).await, good);
}

#[tokio::test]
async fn a_document_whose_value_a_document_of_the_same_restore_still_has_says_so() {
    let world = world_with_unique_emails().await;
    let changefeed = world.changefeed(|_| ());
    let second = capture_as_one_state(&changefeed, &write_emails(&world, 2, |n| n).await).await;
    write_emails(&world, 2, |n| n ^ 1).await;
    let request = restore_request(json!({"all": true, "asOf": second}));
    let plan = changefeed.restores.plan(&request).await.expect("planned").expect("a small restore");
    world.put("a", json!({"id": "001", "pk": "a", "email": "0@example.com", "text": "changed"})).await;
    let report = changefeed.restores.execute(plan).await.expect("executed");
    assert_eq!((report.state, report.counts.conflict), (JobState::Conflicts, 2), "{report:?}");
    let message = |n: usize| report.items[n].message.clone().expect("a message");
    let expected = "unique key /email: document \"001\" of the same partition key has the same value, \"0@example.com\"; \
                    this restore could not change that document: see its message";
    assert_eq!(message(0), expected);
    assert!(message(1).starts_with("it has changed since the plan"), "{}", message(1));
}

#[tokio::test]
async fn two_documents_that_are_to_have_the_same_value_are_reported_and_do_not_affect_others() {
    let world = world_with_unique_emails().await;
    let handler = world.handler();
    let changefeed = world.changefeed(|_| ());
    // The history does not know that the first document was deleted before the second one got its value.
    let mut stored =
        write_all(&world, &[(0, "x@example.com", ""), (2, "2@example.com", ""), (3, "3@example.com", "")]).await;
    world.container("events").await.delete_item("a", "000", None).await.expect("deleted");
    stored.extend(write_all(&world, &[(1, "x@example.com", "")]).await);
    let second = capture_as_one_state(&changefeed, &stored).await;
    world.container("events").await.delete_item("a", "001", None).await.expect("deleted");
    write_all(&world, &[(2, "3@example.com", ""), (3, "2@example.com", ""), (4, "x@example.com", "")]).await;
    let report = post(&handler, &json!({"documents": [name(0), name(1), name(2), name(3)], "asOf": second})).await;
    assert_eq!((&report["counts"]["replace"], &report["counts"]["conflict"]), (&json!(2), &json!(2)), "{report}");
    for (n, other) in [(0, "001"), (1, "000")] {
        let expected = format!(
            "unique key /email: document \"{other}\" of this restore is to have the same value, \"x@example.com\"; restore \
             only one of them"
        );
        assert_eq!(report["items"][n]["message"], expected, "{report}");
    }
}

#[tokio::test]
async fn an_exchange_of_more_bytes_than_a_transaction_may_have_is_a_conflict_that_names_the_key_and_the_limit() {
    let world = world_with_unique_emails().await;
    let handler = world.handler();
    let text = "x".repeat(1_200_000);
    let stored = write_all(&world, &[(0, "0@example.com", &text), (1, "1@example.com", &text)]).await;
    let second = capture_as_one_state(&world.changefeed(|_| ()), &stored).await;
    write_emails(&world, 2, |n| n ^ 1).await;
    let report = post(&handler, &json!({"all": true, "asOf": second})).await;
    assert_eq!((&report["state"], &report["counts"]["conflict"]), (&json!("conflicts"), &json!(2)));
    let message = message(&report);
    assert!(message.starts_with("unique key /email: document \"001\""), "{message}");
    assert!(message.ends_with("allowed are 100 and 2097152") && !message.contains("first"), "{message}");
    assert_eq!(emails(&world, 2).await, ["1@example.com", "0@example.com"]);
}

#[tokio::test]
async fn a_document_near_the_size_limit_that_exchanges_a_value_is_restored_without_the_stamp() {
    const LIMIT: usize = 2 * 1024 * 1024;
    let world = world_with_unique_emails().await;
    // Both documents are too large for a transaction with two stamps of this size, and not with one.
    let [at_field, id_field] = ["at", "id"].map(|name| format!("{name}_{}", "x".repeat(400)));
    let changefeed = world.changefeed(|options| {
        (options.restored_at_field, options.restore_id_field) = (Some(at_field), Some(id_field.clone()));
    });
    let text = "x".repeat(LIMIT - 2000);
    let stored = write_all(&world, &[(0, "0@example.com", &text), (1, "1@example.com", "")]).await;
    let second = capture_as_one_state(&changefeed, &stored).await;
    write_emails(&world, 2, |n| n ^ 1).await;
    let request = restore_request(json!({"all": true, "asOf": second}));
    let Restored::Report(report) = changefeed.restores.run(&request).await.expect("restore") else {
        panic!("a small restore is not a job");
    };
    assert_eq!((report.state, report.counts.replace), (JobState::Done, 2));
    let message = report.items[0].message.clone().expect("a message");
    assert!(message.contains("one transaction") && message.contains("; written without at_x"), "{message}");
    assert_eq!(emails(&world, 2).await, ["0@example.com", "1@example.com"]);
    let restore_id = async |id: &str| world.live("a", id).await.expect("live").get(&id_field).cloned();
    assert_eq!((restore_id("000").await, restore_id("001").await), (None, report.id.map(Value::from)));
}

#[tokio::test]
async fn a_document_of_the_size_limit_is_restored_without_the_stamp() {
    let world = World::new().await;
    let handler = world.handler();
    let changefeed = world.changefeed(|_| ());
    let empty = json!({"id": "1", "pk": "a", "text": ""}).to_string().len();
    let largest = json!({"id": "1", "pk": "a", "text": "x".repeat(MAX_DOCUMENT - empty)});
    let stored = world.put("a", largest.clone()).await;
    capture(&changefeed, std::slice::from_ref(&stored)).await;
    for job in [false, true] {
        world.container("events").await.delete_item("a", "1", None).await.expect("deleted");
        let request = json!({"id": "1", "partitionKey": ["a"], "asOf": stored["_ts"], "job": job});
        let report = if job {
            let id = start_restore(&changefeed, request).await;
            finish(&changefeed, &id).await;
            json!(restore_view(&changefeed, &id).await)
        } else {
            post(&handler, &request).await
        };
        assert_eq!((&report["state"], &report["counts"]["create"]), (&json!("done"), &json!(1)), "job {job}");
        let message = message(&report);
        assert!(message.contains("written without restored_at and restore_id: with them"), "{message}");
        let mut live = world.live("a", "1").await.expect("live");
        live.as_object_mut().expect("object").retain(|name, _| !name.starts_with('_'));
        assert!(live == largest, "the document is exactly as it was");
    }
}
