//! A restore keeps the live values of fields that are never stored, says so, and can be undone.

use changefeed_operations::{Action, Changefeed, RestoreReport};
use serde_json::{Value, json};

use crate::support::World;
use crate::support::capture_rules::{assert_no_secret, omitting, secret};
use crate::support::jobs::{capture, capture_as_one_state};
use crate::undo_window::{restore, undo};

const OMITTED: &str = "password,meta.token";

fn user(city: &str, number: usize) -> Value {
    json!({"id": "1", "pk": "a", "city": city, "password": secret(number), "meta": {"token": [secret(number)], "x": city}})
}

async fn put(world: &World, document: Value) -> Value {
    world.put("a", document).await
}

/// The live document without system properties and the stamp.
async fn live(world: &World) -> Option<Value> {
    let mut document = world.live("a", "1").await?;
    let fields = document.as_object_mut().expect("an object");
    fields.retain(|name, _| !name.starts_with('_') && !["restored_at", "restore_id"].contains(&name.as_str()));
    Some(document)
}

/// A world with a document in Cary, which was captured, and is in Davidson with another secret now.
async fn moved() -> (World, Changefeed, String) {
    let world = World::new().await;
    let changefeed = omitting(&world, OMITTED, |_| ());
    let stored = put(&world, user("Cary", 1)).await;
    capture_as_one_state(&changefeed, &[stored]).await;
    let version = world.only_version().await["id"].as_str().expect("an id").to_owned();
    put(&world, user("Davidson", 2)).await;
    (world, changefeed, version)
}

fn to_version(version: &str) -> Value {
    json!({"id": "1", "partitionKey": ["a"], "version": version})
}

fn with(mut request: Value, name: &str, value: Value) -> Value {
    request[name] = value;
    request
}

fn only(report: &RestoreReport) -> (Action, String) {
    assert_eq!(report.items.len(), 1, "{report:?}");
    (report.items[0].action, report.items[0].message.clone().unwrap_or_default())
}

const KEPT: &str = "fields meta.token, password are not in the history: the live values are kept";

#[tokio::test]
async fn a_restore_keeps_the_live_values_and_its_undo_gives_the_document_of_before() {
    let (world, changefeed, version) = moved().await;
    let before = live(&world).await;
    let plan = restore(&changefeed, with(to_version(&version), "dryRun", json!(true))).await;
    assert_eq!(only(&plan), (Action::Replace, KEPT.to_owned()));
    let paths: Vec<String> = plan.items[0].changes.iter().map(|change| change.path.pointer()).collect();
    assert_eq!(paths, ["/city", "/meta/x"]);
    let report = restore(&changefeed, to_version(&version)).await;
    assert_eq!(only(&report), (Action::Replace, KEPT.to_owned()));
    let mut expected = user("Cary", 2);
    expected["meta"]["x"] = json!("Cary");
    assert_eq!(live(&world).await, Some(expected));
    // The version that was overwritten was not captured before: the restore has saved it, without the fields.
    let saved = report.items[0].replaced_version.clone().expect("a saved version");
    assert_eq!(world.versions().await[&saved]["omitted"], json!(["/meta/token", "/password"]));

    let again = restore(&changefeed, to_version(&version)).await;
    assert_eq!(only(&again), (Action::Unchanged, String::new()));
    let undone = undo(&changefeed, report.id.as_deref().expect("an id")).await;
    assert_eq!(only(&undone).0, Action::Replace);
    assert_eq!(live(&world).await, before);
    assert_no_secret(&world, &changefeed).await;
}

#[tokio::test]
async fn a_document_that_differs_only_in_omitted_fields_is_unchanged() {
    let (world, changefeed, version) = moved().await;
    let second = put(&world, user("Cary", 3)).await;
    let report = restore(&changefeed, to_version(&version)).await;
    assert_eq!(only(&report), (Action::Unchanged, String::new()));
    let as_of = json!({"id": "1", "partitionKey": ["a"], "asOf": second["_ts"]});
    assert_eq!(only(&restore(&changefeed, as_of).await).0, Action::Unchanged);
    assert_eq!(live(&world).await, Some(user("Cary", 3)));
}

#[tokio::test]
async fn a_deleted_document_is_restored_without_the_fields_and_the_plan_of_a_delete_says_what_is_lost() {
    let (world, changefeed, version) = moved().await;
    world.container("events").await.delete_item("a", "1", None).await.expect("delete");
    let report = restore(&changefeed, to_version(&version)).await;
    let without = "fields meta.token, password are not in the history: it is restored without them";
    assert_eq!(only(&report), (Action::Create, without.to_owned()));
    assert_eq!(live(&world).await, Some(json!({"id": "1", "pk": "a", "city": "Cary", "meta": {"x": "Cary"}})));

    // Now the document has one of the fields. To delete it loses that.
    let stored = put(&world, json!({"id": "1", "pk": "a", "password": secret(4)})).await;
    let request = json!({"id": "1", "partitionKey": ["a"], "asOf": stored["_ts"].as_i64().expect("_ts") - 1000});
    let metadata = json!({"operationType": "create", "lsn": 1, "crts": stored["_ts"]});
    let world = World::new().await;
    let changefeed = omitting(&world, "password", |_| ());
    let stored = put(&world, json!({"id": "1", "pk": "a", "password": secret(4)})).await;
    capture(&changefeed, &[json!({"current": stored, "metadata": metadata})]).await;
    let report = restore(&changefeed, with(request, "deleteCreatedAfter", json!(true))).await;
    let (action, message) = only(&report);
    assert_eq!(action, Action::Delete);
    assert!(message.contains("field password is not in the history: an undo cannot bring it back"), "{message}");
    let undone = undo(&changefeed, report.id.as_deref().expect("an id")).await;
    assert_eq!(
        only(&undone),
        (Action::Create, "field password is not in the history: it is restored without it".to_owned())
    );
    assert_eq!(live(&world).await, Some(json!({"id": "1", "pk": "a"})));
    assert_no_secret(&world, &changefeed).await;
}

#[tokio::test]
async fn a_restore_of_fields_keeps_the_live_values_of_those_that_are_not_in_the_history() {
    let (world, changefeed, version) = moved().await;
    let fields = |fields: Value| with(to_version(&version), "fields", fields);
    let report = restore(&changefeed, fields(json!(["/password"]))).await;
    let message = "field password is not in the history: the live value is kept";
    assert_eq!(only(&report), (Action::Unchanged, message.to_owned()));
    let report = restore(&changefeed, fields(json!(["/city"]))).await;
    assert_eq!(only(&report), (Action::Merge, String::new()));
    assert_eq!(live(&world).await, Some(with(user("Davidson", 2), "city", json!("Cary"))));
    let undone = undo(&changefeed, report.id.as_deref().expect("an id")).await;
    assert_eq!(only(&undone).0, Action::Replace);
    assert_eq!(live(&world).await, Some(user("Davidson", 2)));

    let report = restore(&changefeed, with(to_version(&version), "exceptFields", json!(["/city"]))).await;
    assert_eq!(only(&report), (Action::Merge, KEPT.to_owned()));
    let mut expected = user("Davidson", 2);
    expected["meta"]["x"] = json!("Cary");
    assert_eq!(live(&world).await, Some(expected));
    let report = restore(&changefeed, fields(json!(["/meta"]))).await;
    assert_eq!(only(&report).0, Action::Unchanged);
    assert_no_secret(&world, &changefeed).await;
}

#[tokio::test]
async fn a_forced_restore_keeps_the_secret_of_the_last_moment() {
    let (world, changefeed, version) = moved().await;
    let request = with(to_version(&version), "force", json!(true));
    // The plan is made, and another writer changes the document and its secret.
    let plan = changefeed.restores.plan(&crate::support::jobs::restore_request(request)).await.expect("a plan");
    put(&world, user("Raleigh", 9)).await;
    let report = changefeed.restores.execute(plan.expect("a plan for one request")).await.expect("executed");
    assert_eq!(only(&report).0, Action::Replace);
    let mut expected = user("Cary", 9);
    expected["meta"]["x"] = json!("Cary");
    assert_eq!(live(&world).await, Some(expected));
    undo(&changefeed, report.id.as_deref().expect("an id")).await;
    assert_eq!(live(&world).await, Some(user("Raleigh", 9)));
}

#[tokio::test]
async fn a_version_without_a_field_does_not_remove_the_live_value_and_one_from_before_the_setting_restores_its_own() {
    let world = World::new().await;
    let (everything, changefeed) = (world.changefeed(|_| ()), omitting(&world, "password,meta.token", |_| ()));
    let old = put(&world, json!({"id": "1", "pk": "a", "password": "old", "n": 1})).await;
    capture_as_one_state(&everything, std::slice::from_ref(&old)).await;
    let none = put(&world, json!({"id": "1", "pk": "a", "n": 2})).await;
    capture_as_one_state(&changefeed, std::slice::from_ref(&none)).await;
    put(&world, json!({"id": "1", "pk": "a", "n": 3, "password": secret(3), "meta": {"token": secret(3)}})).await;
    let version = |stored: &Value| crate::support::version_id(stored);

    let report = restore(&changefeed, to_version(&version(&none))).await;
    assert_eq!(only(&report), (Action::Replace, KEPT.to_owned()));
    let kept = json!({"id": "1", "pk": "a", "n": 2, "password": secret(3), "meta": {"token": secret(3)}});
    assert_eq!(live(&world).await, Some(kept.clone()));

    let report = restore(&changefeed, to_version(&version(&old))).await;
    let (action, message) = only(&report);
    assert_eq!(action, Action::Replace);
    assert!(message.contains("field meta.token is not in the history: the live value is kept"), "{message}");
    assert!(message.contains("field password is not in the history: an undo cannot bring it back"), "{message}");
    assert_eq!(live(&world).await.expect("live")["password"], "old");
    // The plan shows no value of the field, neither the old one nor the live one.
    assert!(!json!(report.items).to_string().contains("\"old\""), "{report:?}");
    assert_eq!(live(&world).await.expect("live")["meta"]["token"], secret(3));
}

#[tokio::test]
async fn a_field_that_has_no_room_in_the_target_is_lost_and_the_plan_says_so() {
    let world = World::new().await;
    let changefeed = omitting(&world, "meta.token", |_| ());
    let stored = put(&world, json!({"id": "1", "pk": "a", "meta": "none"})).await;
    capture_as_one_state(&changefeed, std::slice::from_ref(&stored)).await;
    put(&world, json!({"id": "1", "pk": "a", "meta": {"token": secret(1), "x": 1}})).await;
    let report = restore(&changefeed, to_version(&crate::support::version_id(&stored))).await;
    let message = "field meta.token is not in the history: an undo cannot bring it back";
    assert_eq!(only(&report), (Action::Replace, message.to_owned()));
    assert_eq!(live(&world).await, Some(json!({"id": "1", "pk": "a", "meta": "none"})));
    assert_no_secret(&world, &changefeed).await;
}

#[tokio::test]
async fn a_unique_key_of_an_omitted_field_is_named_without_its_value() {
    use azure_data_cosmos::models::{ContainerProperties, PartitionKeyDefinition, UniqueKey, UniqueKeyPolicy};

    let world = World::new().await;
    let database = world.client.sdk().database_client("dev");
    world.container("events").await.delete(None).await.expect("delete");
    let key = PartitionKeyDefinition::new(vec!["/pk".into()]);
    let unique = UniqueKeyPolicy::default().with_unique_key(UniqueKey::default().with_path("/password"));
    let properties = ContainerProperties::new("events", key).with_unique_key_policy(unique);
    database.create_container(properties, None).await.expect("container");
    let changefeed = omitting(&world, "other", |_| ());
    let stored = put(&world, json!({"id": "1", "pk": "a", "password": secret(1)})).await;
    capture_as_one_state(&changefeed, std::slice::from_ref(&stored)).await;
    put(&world, json!({"id": "1", "pk": "a", "password": secret(2)})).await;
    world.put("a", json!({"id": "2", "pk": "a", "password": secret(1)})).await;
    // The version has the field: it was captured before the field was omitted.
    let changefeed = omitting(&world, "password", |_| ());
    let report = restore(&changefeed, to_version(&crate::support::version_id(&stored))).await;
    let (action, message) = only(&report);
    assert_eq!(action, Action::Conflict);
    assert!(message.contains("a value that is not shown") && !message.contains("s3cret"), "{message}");
    for job in world.query("jobs", "SELECT * FROM c").await {
        assert!(!job.to_string().contains("s3cret"), "{job}");
    }
}
