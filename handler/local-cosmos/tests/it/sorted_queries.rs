//! A model of queries that sort by a property, in a container that is large enough for an index.

use std::collections::BTreeMap;

use azure_data_cosmos::models::PartitionKeyDefinition;
use local_cosmos::Options;
use serde_json::{Value, json};

use crate::scene::Scene;

const ITEMS: u64 = 700;
const ROUNDS: usize = 4;
const WRITES: usize = 120;
const PAGE: &str = "37";

/// Pseudo-random numbers, the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// Values in the order of ORDER BY; the first is undefined.
fn values() -> Vec<Option<Value>> {
    let defined = [json!(null), json!(false), json!(true), json!(-7.5), json!(0), json!(3), json!("A"), json!("a")];
    [None].into_iter().chain(defined.map(Some)).collect()
}

/// The kind of the item with this id: one of seven.
fn kind(id: &str) -> Value {
    let number: u64 = id.parse().expect("a number");
    [json!("a"), json!(null), json!(2.5), json!(["a"]), json!(false), json!("b"), json!({"a": 1})][number as usize % 7]
        .clone()
}

/// No filter, a filter that few items of a key meet, and one that many do.
fn filters() -> [Option<Vec<Value>>; 3] {
    [None, Some(vec![json!("a"), json!(2.5), json!(7)]), Some((0..6).map(|number| kind(&number.to_string())).collect())]
}

/// The place of the value of each item in the order, by key and id.
type Model = BTreeMap<(String, String), usize>;

async fn put(scene: &Scene, model: &mut Model, name: (String, String), rank: usize) {
    let mut item = json!({"id": name.1, "pk": name.0, "kind": kind(&name.1)});
    if let Some(value) = &values()[rank] {
        item["n"] = value.clone();
    }
    let key = json!([name.0]).to_string();
    let headers = [("x-ms-documentdb-partitionkey", key.as_str()), ("x-ms-documentdb-is-upsert", "true")];
    let answer = scene.docs("POST", &headers, &item.to_string()).await;
    assert!(answer.status < 300, "{}", answer.text);
    model.insert(name, rank);
}

async fn assert_sorted(scene: &Scene, model: &Model, key: Option<&str>, order: &str, kinds: Option<&[Value]>) {
    let header = key.map(|key| json!([key]).to_string());
    let scope = match &header {
        Some(header) => ("x-ms-documentdb-partitionkey", header.as_str()),
        None => ("x-ms-documentdb-partitionkeyrangeid", "0"),
    };
    let parameters: Vec<Value> = kinds
        .unwrap_or_default()
        .iter()
        .enumerate()
        .map(|(number, kind)| json!({"name": format!("@{number}"), "value": kind}))
        .collect();
    let names: Vec<&str> = parameters.iter().filter_map(|parameter| parameter["name"].as_str()).collect();
    let filter = kinds.map(|_| format!("WHERE c.kind IN ({})", names.join(", "))).unwrap_or_default();
    let text = format!("SELECT c.pk, c.id FROM c {filter} ORDER BY c.n {order}");
    let query = json!({"query": text, "parameters": parameters}).to_string();
    let (mut found, mut continuation) = (Vec::new(), None::<String>);
    loop {
        let mut headers = vec![scope, ("x-ms-documentdb-isquery", "true"), ("x-ms-max-item-count", PAGE)];
        headers.extend(continuation.as_deref().map(|token| ("x-ms-continuation", token)));
        let answer = scene.docs("POST", &headers, &query).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        found.extend(answer.json()["Documents"].as_array().expect("documents").clone());
        continuation = answer.header("x-ms-continuation").map(str::to_owned);
        if continuation.is_none() {
            break;
        }
    }
    let text = |row: &Value, name: &str| row[name].as_str().expect("text").to_owned();
    let names: Vec<(String, String)> = found.iter().map(|row| (text(row, "pk"), text(row, "id"))).collect();
    let mut ranks: Vec<usize> = names.iter().map(|name| model[name]).collect();
    if order == "DESC" {
        ranks.reverse();
    }
    assert!(ranks.is_sorted(), "{key:?} {order} {kinds:?}: {ranks:?}");
    let mut sorted = names;
    sorted.sort();
    let is_expected = |(pk, id): &&(String, String)| {
        key.is_none_or(|key| key == pk) && kinds.is_none_or(|kinds| kinds.contains(&kind(id)))
    };
    let expected: Vec<_> = model.keys().filter(is_expected).cloned().collect();
    assert!(expected.len() > 20, "{key:?} {kinds:?}: {} items", expected.len());
    assert_eq!(sorted, expected, "{key:?} {order} {kinds:?}: each item once");
}

#[tokio::test]
async fn each_item_is_in_a_sort_once_and_in_its_place_while_items_are_written() {
    let options = Options { partitions: Some(1), ..Options::default() };
    let scene = Scene::with(options, PartitionKeyDefinition::from("/pk")).await;
    let (mut model, mut numbers) = (Model::new(), Numbers(1));
    let ranks = values().len() as u64;
    for number in 0..ITEMS {
        let name = (format!("key-{}", number % 2), number.to_string());
        put(&scene, &mut model, name, numbers.below(ranks) as usize).await;
    }
    for _ in 0..ROUNDS {
        for key in [None, Some("key-0")] {
            for (order, kinds) in ["ASC", "DESC"].into_iter().flat_map(|order| filters().map(|kinds| (order, kinds))) {
                assert_sorted(&scene, &model, key, order, kinds.as_deref()).await;
            }
        }
        for _ in 0..WRITES {
            let number = numbers.below(ITEMS + 40);
            let name = (format!("key-{}", number % 2), number.to_string());
            if numbers.below(3) > 0 {
                put(&scene, &mut model, name, numbers.below(ranks) as usize).await;
            } else if model.remove(&name).is_some() {
                scene.delete(&name.0, &name.1).await;
            }
        }
    }
}
