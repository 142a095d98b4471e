//! Partial updates.

use serde_json::{Value, json};

use super::{Row, Scene, row};

const PATCH: &str = "Partial document update in Azure Cosmos DB";
const FAQ: &str = "Partial document update FAQ";
const START: &str = "Get started with Azure Cosmos DB partial document update";

fn patch(source: &'static str, operations: Value) -> Row {
    patch_if(source, None, operations)
}

fn patch_if(source: &'static str, condition: Option<&str>, operations: Value) -> Row {
    let mut body = json!({"operations": operations});
    if let Some(condition) = condition {
        body["condition"] = json!(condition);
    }
    row("PATCH", "docs/a", source).key(&json!(["p"])).header("content-type", "application/json-patch+json").body(&body)
}

fn read(source: &'static str) -> Row {
    row("GET", "docs/a", source).key(&json!(["p"]))
}

#[tokio::test]
async fn patches_of_an_item() {
    let scene = Scene::start().await;
    scene.upsert(json!({"id": "a", "pk": "p", "n": 1, "l": [1, 2], "o": {"x": 1}})).await;
    scene
        .check(vec![
            patch(PATCH, json!([{"op": "incr", "path": "/fresh", "value": 5}])).has(json!({"fresh": 5})),
            patch(PATCH, json!([{"op": "incr", "path": "/fresh", "value": -2}])).has(json!({"fresh": 3})),
            patch(PATCH, json!([{"op": "incr", "path": "/o", "value": 1}])).is(400),
            patch(PATCH, json!([{"op": "set", "path": "/set", "value": 1}])).has(json!({"set": 1})),
            patch(PATCH, json!([{"op": "replace", "path": "/nope", "value": 1}])).is(400),
            patch(PATCH, json!([{"op": "replace", "path": "/n", "value": 2}])).has(json!({"n": 2})),
            patch(PATCH, json!([{"op": "remove", "path": "/nope"}])).is(400),
            patch(PATCH, json!([{"op": "remove", "path": "/set"}])).lacks("set"),
            patch(PATCH, json!([{"op": "add", "path": "/l/1", "value": 9}])).has(json!({"l": [1, 9, 2]})),
            patch(PATCH, json!([{"op": "add", "path": "/l/-", "value": 7}])).has(json!({"l": [1, 9, 2, 7]})),
            patch(PATCH, json!([{"op": "add", "path": "/l/9", "value": 7}])).is(400),
            patch(PATCH, json!([{"op": "set", "path": "/l/0", "value": 8}])).has(json!({"l": [8, 9, 2, 7]})),
            patch(PATCH, json!([{"op": "move", "from": "/o/x", "path": "/o/y"}])).has(json!({"o": {"y": 1}})),
            // All or none of the operations take effect.
            patch(PATCH, json!([{"op": "set", "path": "/half", "value": 1}, {"op": "remove", "path": "/nope"}]))
                .is(400),
            read(PATCH).lacks("half"),
            patch(PATCH, json!([{"op": "copy", "from": "/n", "path": "/m"}])).is(400),
        ])
        .await;
}

#[tokio::test]
async fn conditions_of_patches() {
    let scene = Scene::start().await;
    scene.upsert(json!({"id": "a", "pk": "p", "n": 1})).await;
    let set = |value: i64| json!([{"op": "set", "path": "/n", "value": value}]);
    scene
        .check(vec![
            patch_if(START, Some("FROM c WHERE c.n = 99"), set(5)).is(412),
            read(START).has(json!({"n": 1})),
            patch_if(START, Some("from c where c.n = 1"), set(6)).has(json!({"n": 6})),
            patch_if(START, Some("FROM c WHERE c.nope = null"), set(7)).is(412),
            patch_if(START, Some("FROM c WHERE"), set(7)).is(400),
            read(START).has(json!({"n": 6})),
        ])
        .await;
}

#[tokio::test]
async fn what_a_patch_may_not_change() {
    let scene = Scene::start().await;
    scene.upsert(json!({"id": "a", "pk": "p", "n": 1})).await;
    let eleven: Vec<Value> = (0..11).map(|n| json!({"op": "set", "path": format!("/n{n}"), "value": n})).collect();
    let set = |path: &str, value: Value| json!([{"op": "set", "path": path, "value": value}]);
    scene
        .check(vec![
            patch(FAQ, set("/_ts", json!(1))).is(400),
            patch(FAQ, set("/_etag", json!("x"))).is(400),
            patch(FAQ, set("/_rid", json!("x"))).is(400),
            patch(FAQ, json!([{"op": "remove", "path": "/_ts"}])).is(400),
            patch(FAQ, set("/id", json!("b"))).is(400),
            patch(FAQ, set("/pk", json!("q"))).is(400),
            patch(FAQ, json!(eleven)).is(400),
            patch(FAQ, json!(eleven[..10])),
            patch(FAQ, json!([])).is(400),
            patch(FAQ, set("/ttl", json!(60))).has(json!({"ttl": 60})),
            patch(FAQ, set("/ttl", json!(0))).is(400),
        ])
        .await;
}

#[tokio::test]
async fn a_patch_may_be_a_list_and_may_be_in_a_batch() {
    let scene = Scene::start().await;
    scene.upsert(json!({"id": "a", "pk": "p", "n": 1})).await;
    let list = row("PATCH", "docs/a", "Item.patch of the JavaScript SDK: PatchRequestBody").key(&json!(["p"]));
    let batch = |body: Value| {
        row("POST", "docs", START)
            .key(&json!(["p"]))
            .header("x-ms-cosmos-is-batch-request", "True")
            .header("x-ms-cosmos-batch-atomic", "True")
            .body(&json!([{"operationType": "Patch", "id": "a", "resourceBody": body}]))
    };
    scene
        .check(vec![
            list.body(&json!([{"op": "incr", "path": "/n", "value": 1}])).has(json!({"n": 2})),
            batch(json!({"operations": [{"op": "incr", "path": "/n", "value": 1}]})),
            read(START).has(json!({"n": 3})),
            batch(
                json!({"condition": "FROM c WHERE c.n = 99", "operations": [{"op": "set", "path": "/n", "value": 9}]}),
            )
            .is(207),
            read(START).has(json!({"n": 3})),
        ])
        .await;
}
