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

/// A filter, its parameters by their numbers, and whether it selects the item with an id and the value of a rank.
struct Filter {
    text: &'static str,
    parameters: Vec<Value>,
    selects: fn(&str, usize) -> bool,
}

fn filters() -> [Filter; 5] {
    [
        Filter { text: "", parameters: Vec::new(), selects: |_, _| true },
        Filter {
            text: "WHERE c.kind IN (@0, @1, @2)",
            parameters: vec![json!("a"), json!(2.5), json!(7)],
            selects: |id, _| [json!("a"), json!(2.5)].contains(&kind(id)),
        },
        Filter {
            text: "WHERE c.kind IN (@0, @1, @2, @3, @4, @5)",
            parameters: (0..6).map(|number| kind(&number.to_string())).collect(),
            selects: |id, _| kind(id) != kind("6"),
        },
        Filter {
            text: "WHERE c.n >= @0 AND c.n < @1",
            parameters: vec![json!(-7.5), json!(3)],
            selects: |_, rank| values()[rank].as_ref().is_some_and(|value| *value == json!(-7.5) || *value == json!(0)),
        },
        Filter {
            text: "WHERE c.kind = @0 AND c.n > @1",
            parameters: vec![json!("b"), json!("A")],
            selects: |id, rank| kind(id) == json!("b") && values()[rank] == Some(json!("a")),
        },
    ]
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

async fn assert_sorted(scene: &Scene, model: &Model, key: Option<&str>, order: &str, filter: &Filter) {
    let header = key.map(|key| json!([key]).to_string());
    let scope = match &header {
        Some(header) => ("x-ms-documentdb-partitionkey", header.as_str()),
        None => ("x-ms-documentdb-partitionkeyrangeid", "0"),
    };
    let numbered = filter.parameters.iter().enumerate();
    let parameters: Vec<Value> =
        numbered.map(|(number, value)| json!({"name": format!("@{number}"), "value": value})).collect();
    let text = format!("SELECT c.pk, c.id FROM c {} ORDER BY c.n {order}", filter.text);
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
    let field = |row: &Value, name: &str| row[name].as_str().expect("text").to_owned();
    let names: Vec<(String, String)> = found.iter().map(|row| (field(row, "pk"), field(row, "id"))).collect();
    let mut ranks: Vec<usize> = names.iter().map(|name| model[name]).collect();
    if order == "DESC" {
        ranks.reverse();
    }
    assert!(ranks.is_sorted(), "{key:?} {text}: {ranks:?}");
    let mut sorted = names;
    sorted.sort();
    let is_expected = |((pk, id), rank): &(&(String, String), &usize)| {
        key.is_none_or(|key| key == pk) && (filter.selects)(id, **rank)
    };
    let expected: Vec<_> = model.iter().filter(is_expected).map(|(name, _)| name.clone()).collect();
    assert!(!expected.is_empty(), "{key:?} {text}");
    assert_eq!(sorted, expected, "{key:?} {text}: each item once");
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
            for filter in filters() {
                assert_sorted(&scene, &model, key, "ASC", &filter).await;
                assert_sorted(&scene, &model, key, "DESC", &filter).await;
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
